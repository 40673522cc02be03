/*
 * compiler: a graph while it is compiled. Private to executor/graph.
 * Want of memory shows in the graph's arena (`failed`) and is looked at once, at the end.
 */
#pragma once
#include "executor/dsl/export.h"
#include "executor/graph/graph.h"
#include "executor/graph/slots.h"
#include "executor/nodes/node.h"
#include <stdatomic.h>
#include <stddef.h>

/* A graph with what its readers do not see. */
struct compiled {
    struct graph graph;
    struct arena arena;
    struct slot_table slots;
    atomic_uint refs;
};

struct compiler {
    struct compiled *out;
    struct graph *graph; /* of out */
    struct arena *arena; /* of out */
    struct dsl_export e; /* node i is graph->nodes[i] */
    struct graph_report *report;
    bool fail_when_reached;
};

struct node_compile {
    struct compiler *c;
    struct node *node;
    const char *path; /* workflow.graph.nodes[3] */
    struct response_segment *segments;
    uint32_t segment_count, segment_cap;
};

/*
 * Makes v a constant of the graph. It was made without account, and of nothing that is a constant already (copy that).
 * Returns it, borrowed; NULL: no memory.
 */
struct value *compiler_keep(struct compiler *c, struct value *take_v);
/* A value of its own, down to the last part. NULL: no memory. */
struct value *compiler_copy(const struct value *v);

/* strategy.c: error_strategy, default_value, retry_config (dify-dsl.md 3.6). A fail-branch node becomes a branch. */
void compile_strategy(struct node_compile *nc, const struct value *data);
/* variables.c: environment and conversation variables (1.2). */
void compile_variables(struct compiler *c);
/* topology.c: edges of each node, the root, inactive entry nodes (1.7, 3.1). */
void compile_topology(struct compiler *c);
/* response.c: what blocks each response (3.9). */
void compile_responses(struct compiler *c);
