/*
 * reading: what tests of executor/dsl share: an export in the making, read.
 */
#pragma once
#include "executor/dsl/export.h"
#include "tests/executor/dsl/entries.h"

/* One export, read; `e` may be looked at when rc is OK. */
struct reading {
    struct arena arena;
    struct graph_report report;
    struct dsl_export e;
    struct status err;
    enum status_code rc;
};

void reading_init(struct reading *r, const char *yaml);
/*
 * A workflow with these nodes and edges, each as flow-style YAML lists: "{id: a, data: {type: start}}, …"; edges are
 * "{source: a, target: b}, …".
 */
void reading_graph(struct reading *r, const char *nodes, const char *edges);
void reading_fini(struct reading *r);

/* The node of that id. */
const struct dsl_node *node_of(const struct reading *r, const char *id);
/* Its data as JSON is this. */
void assert_data(const struct reading *r, const char *id, const char *json);
/* "a>b a>c:true": source, target, and the handle when it is not "source". */
void assert_edges(const struct reading *r, const char *edges);
