/*
 * record: what one run leaves in the journal (shared/store/journal.h): its beginning, its nodes, its end; for chat apps the
 * message and what the conversation remembers. Secrets are masked in all of it but in values of conversation variables, which
 * the journal seals.
 * Threads  the run's; the journal's callbacks come on the journal's thread.
 */
#pragma once
#include "executor/api/conversation.h"
#include "executor/api/event_encode.h"
#include "executor/api/versions.h"
#include "heddle/executor/v1/executor.pb-c.h"

struct record {
    struct journal_run place;
    struct journal *journal; /* NULL: nothing is recorded */
    const Heddle__Executor__V1__ExecuteRequest *request;
    const struct version *version;
    const struct conversation_state *conversation;
    int64_t created_at_ms; /* of the run's beginning */
    bool has_begun;
    struct buf node;   /* scratch: a node's record */
    struct buf answer; /* of a chat app, as far as it was streamed: what a run that is cut short leaves */
};

/* All is borrowed; nothing is written yet. journal NULL: nothing will be. */
void record_init(struct record *record, struct journal *journal, const struct journal_ops *ops,
                 const Heddle__Executor__V1__ExecuteRequest *request, const struct version *version,
                 const struct conversation_state *conversation);
void record_fini(struct record *record);
/* Is anything of this run written? Then its last events have to wait for it. */
bool record_is_kept(const struct record *record);
/* The first event of the run. False: no memory, the run must not go on. */
MUST_CHECK bool record_begin(struct record *record, const struct run *run, const struct run_event *started);
/* A node, or a container, has ended. False: the journal is behind, the run has to wait for resumed(). */
bool record_node(struct record *record, const struct event_node *node);
/* A piece of a chat app's answer, or all of it anew. What does not fit into memory is left out. */
void record_text(struct record *record, const struct run_event *event);
/* How the run has ended. False: no memory even for the shortest form; ended() will not come. */
MUST_CHECK bool record_end(struct record *record, const struct run *run,
                           const struct event_finished *finished);
