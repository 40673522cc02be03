/*
 * graph: one compiled version of an app: nodes with parsed configuration, edges by handle, templates in pieces,
 * selectors resolved to slots, what blocks each answer (dify-dsl.md 3.1, 3.9).
 * Threads  immutable once compiled, shared by all runs of the version; graph_ref/unref are atomic, any thread.
 * Memory   everything lives in the graph's arena (values in it, the whole tree of the export too, are frozen) and ends with
 *          the last graph_unref().
 */
#pragma once
#include "executor/dsl/report.h"
#include "executor/value/template.h"
#include "executor/value/value.h"

enum app_mode { APP_MODE_CHATFLOW, APP_MODE_WORKFLOW }; /* advanced-chat, workflow */
enum node_kind { NODE_ROOT, NODE_RESPONSE, NODE_BRANCH, NODE_CONTAINER, NODE_EXECUTABLE };
enum error_strategy { ERROR_STRATEGY_NONE, ERROR_STRATEGY_FAIL_BRANCH, ERROR_STRATEGY_DEFAULT_VALUE };
enum { SLOT_NONE = UINT32_MAX };

struct node_type; /* executor/nodes/node.h */

struct edge {
    uint32_t index, source, target; /* position in graph.edges; node indexes */
    uint32_t local;                 /* position among the edges that run together with it */
    struct str handle;              /* sourceHandle, "source" by default */
};
/* An output of a node that something in the graph reads. */
struct output_slot {
    struct str name;
    uint32_t slot;
};
/* What runs together: the nodes outside of containers, or those directly in one; and the edges between them. */
struct node_set {
    uint32_t *nodes, count; /* indexes, in file order */
    uint32_t edge_count;
};
struct node {
    uint32_t index;
    uint32_t local;                  /* position in the set it runs in */
    struct str id, title, type_name; /* type_name as in the export: the name shown in events */
    const struct node_type *type;    /* NULL: not served; then `unsupported` is set */
    enum node_kind kind;             /* a fail-branch node is NODE_BRANCH whatever its type says */
    uint32_t *out, *in;              /* edge indexes, in file order */
    uint32_t out_count, in_count;
    uint32_t container; /* index of the enclosing iteration or loop; UINT32_MAX = none */
    uint32_t
        child_root; /* of a container: its start node, root of its child runs; UINT32_MAX = no container */
    struct node_set inside; /* of a container */
    /* Never runs: an entry node that is not the root, or what only such ones lead to. Its outgoing edges are skipped
       before a run starts (dify-dsl.md 1.7). */
    bool is_inactive;
    void *config; /* the type's own, in the arena; may point into the node's data, which lives as long */
    struct output_slot *slots; /* which outputs are stored where */
    uint32_t slot_count;
    enum error_strategy error_strategy;
    struct value *default_outputs; /* object; ERROR_STRATEGY_DEFAULT_VALUE */
    bool retry_enabled;
    int max_retries;
    int64_t retry_interval_ms;
    /* What is not served of a node imported with FAIL_WHEN_REACHED: the text it fails with; else NULL. */
    const char *unsupported;
};
static inline bool node_is_container(const struct node *node)
{
    return node->child_root != UINT32_MAX; /* whatever its kind: with a fail branch it is a branch */
}

/* What streams, in order (dify-dsl.md 3.9 "Template segments"). */
struct response_segment {
    bool is_reference;
    bool
        is_bare; /* a reference written as plain text, which it stays unless there is such a variable [Q] (2.3) */
    struct str literal;
    struct selector selector;
    uint32_t
        source_node; /* node index of a reference; UINT32_MAX for sys, env, conversation or unknown nodes */
};
struct response {
    uint32_t node;
    struct response_segment *segments;
    uint32_t segment_count;
    /*
     * Edges one of which has to be taken before anything of it may be sent; none when is_open. They stand for the simple
     * paths from the root (of the container's start node within one): see response.c for why each needs no more than its
     * last blocking edge.
     */
    uint32_t *blocking; /* edge indexes, rising */
    uint32_t blocking_count;
    bool is_open; /* reachable all along */
};

struct variable_definition { /* environment or conversation variable */
    struct str name, type_name, description;
    struct value *value; /* frozen; a secret is VALUE_SECRET */
    uint32_t slot;       /* of [env|conversation, name]; SLOT_NONE when nothing reads it */
};
struct input_field { /* root node's form, dify-dsl.md 2.5 */
    struct str variable, label, type;
    bool required;
    struct value *fallback; /* `default`, or NULL */
    int64_t max_length;     /* 0 = none */
    struct str *options;
    uint32_t option_count;
};
struct graph {
    enum app_mode mode;
    struct str name, dsl_version;
    struct node *nodes;
    uint32_t node_count;
    struct edge *edges;
    uint32_t edge_count;
    uint32_t root;       /* node index */
    struct node_set top; /* outside of containers */
    uint32_t slot_count;
    struct response *responses;
    uint32_t response_count;
    struct variable_definition *environment, *conversation;
    uint32_t environment_count, conversation_count;
    struct input_field *fields;
    uint32_t field_count;
    const struct value *features; /* object, frozen (dify-dsl.md 1.5) */
    size_t bytes;                 /* memory, about */
};

/* bytes. Memory of one compiled graph, next to the tree of its export. */
#define GRAPH_BYTES_MAX ((size_t)64 * 1024 * 1024)

/*
 * Compiles an export (YAML text).
 * fail_when_reached  node types that are not served become nodes that fail when a run reaches them, with a warning
 * report             inited; gets all problems and warnings at once
 * ret                the graph with one reference, only when there are no problems
 * INVALID_ARGUMENT   problems (in the report; err has the first); RESOURCE_EXHAUSTED  memory
 */
MUST_CHECK enum status_code graph_compile(struct str dsl, bool fail_when_reached, struct graph_report *report,
                                          struct graph **ret, struct status *err);
struct graph *graph_ref(struct graph *g);
void graph_unref(struct graph *g); /* NULL is fine */
/* May the response be sent once this edge has been taken, or all along? */
bool graph_response_is_opened_by(const struct response *response, uint32_t edge);
/* What runs in `container` (node index), or with UINT32_MAX outside of containers. */
const struct node_set *graph_node_set(const struct graph *g, uint32_t container);
/* Index of the slot of [first, second]; SLOT_NONE when nothing in the graph reads it. */
uint32_t graph_slot(const struct graph *g, struct str first, struct str second);
