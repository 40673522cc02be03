/*
 * compiling: what tests of executor/graph share: an export in the making, compiled with node types of the tests' own
 * (node_types.c), so that these tests say nothing about real ones.
 */
#pragma once
#include "executor/graph/graph.h"
#include "tests/executor/dsl/entries.h"

struct compiling {
    struct graph_report report;
    struct graph *graph; /* NULL: refused */
    struct status err;
    enum status_code rc;
};

void compiling_text(struct compiling *c, struct str yaml, bool fail_when_reached);
/*
 * An advanced-chat app. `nodes` and `edges` are the insides of flow-style YAML lists; edges "a>b a>c:true". `workflow` has more lines
 * of that part, indented by two, or is "".
 */
void compiling_graph(struct compiling *c, const char *nodes, const char *edges, const char *workflow);
void compiling_graph_unserved(struct compiling *c, const char *nodes,
                              const char *edges); /* FAIL_WHEN_REACHED */
void compiling_fini(struct compiling *c);

/* It compiled without a word. */
void assert_clean(const struct compiling *c);
const struct node *graph_node(const struct compiling *c, const char *id);
