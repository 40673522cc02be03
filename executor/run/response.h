/*
 * response: in which order and when the texts of answer and end nodes go out (dify-dsl.md 3.9): as soon as possible, in
 * template order, one response node at a time, nothing from branches that may not be taken.
 * Pure logic over what happens in a frame: it asks for variables and says what to send.
 */
#pragma once
#include "executor/graph/graph.h"

enum response_source { /* what a referenced node can still do */
                       RESPONSE_SOURCE_OPEN,
                       RESPONSE_SOURCE_ENDED,
                       RESPONSE_SOURCE_SKIPPED
};

struct response_text {
    struct str text;            /* may be empty when is_final */
    const struct str *selector; /* [response node, "answer"] for fixed text */
    size_t selector_count;
    uint32_t node; /* whose text it is: the source of a reference, else the response node */
    bool is_fixed_text, is_final;
};

struct response_host {
    struct value *(*get)(void *arg, const struct selector *selector); /* NULL: not in the pool. Borrowed */
    enum response_source (*source)(void *arg, uint32_t node);
    bool (*charge)(void *arg,
                   size_t bytes); /* counts memory; false: over the limit. The set gives nothing back */
    void (*emit)(void *arg, const struct response_text *text);
    void (*rewind)(
        void *arg,
        size_t bytes); /* the last bytes that were emitted do not count: what comes replaces them */
};

/* What one variable has streamed. */
struct response_stream {
    struct buf text;
    size_t charged; /* of text, counted with the host */
    bool has_begun, is_closed;
};
enum response_state {
    RESPONSE_BLOCKED, /* not reachable yet */
    RESPONSE_QUEUED,  /* waits for others, or is the active one */
    RESPONSE_DONE
};
struct response_session {
    const struct response *response;
    const struct node *node;
    enum response_state state;
    uint32_t cursor; /* the segment it is at */
    size_t read;     /* bytes of that segment's stream that have been emitted */
    bool node_has_ended, has_written;
    struct response_session *next; /* queued behind it */
};
/* All responses of one frame. */
struct response_set {
    const struct graph *graph;
    struct response_session *sessions; /* in the order of their nodes' ids */
    uint32_t session_count;
    struct response_stream *
        *streams; /* by slot; NULL: no response mentions it; without responses NULL itself */
    struct response_session *active, *last;
    bool is_ending;
    bool has_failed; /* no memory: what is emitted is not to be trusted any more */
    size_t text_bytes_max;
    const struct response_host *host;
    void *host_arg;
};

/* Those responses of the graph that lie in `container` (UINT32_MAX: in none). False: no memory; fini is fine then. */
MUST_CHECK bool response_init(struct response_set *s, struct arena *arena, const struct graph *graph,
                              uint32_t container, size_t text_bytes_max, const struct response_host *host,
                              void *host_arg);
/* As it was after response_init(); memory is kept. */
void response_restart(struct response_set *s);
void response_fini(struct response_set *s);

void response_edge_taken(struct response_set *s, uint32_t edge);
/* A piece of the variable in `slot` (SLOT_NONE: nobody reads it). */
void response_chunk(struct response_set *s, uint32_t slot, struct str text, bool is_final);
/* A node ended well or with a handled failure, and its outputs are stored. */
void response_node_ended(struct response_set *s, uint32_t node);
/* An attempt of the node failed: what it had streamed does not count. */
void response_forget(struct response_set *s, const struct node *node);
/* Nothing more comes: references that still wait give up. */
void response_end(struct response_set *s);
/* Does a session that is active or waiting mention the node's text or reasoning_content? */
bool response_mentions_reasoning(const struct response_set *s, const struct node *node);
