/*
 * export_reader: an export while it is read. Private to executor/dsl.
 */
#pragma once
#include "executor/dsl/export.h"

struct export_reader {
    struct arena *arena;
    struct graph_report *report;
    struct dsl_export *e;
    struct value_builder tree; /* the tree read, then data that repairs made anew */
};

/* "workflow.graph.edges[4]" + suffix; of an added edge, where its container names its start. */
const char *export_edge_path(struct export_reader *r, const struct dsl_edge *edge, const char *suffix);
/* A string, or an integer as text; ptr NULL: neither, or an empty string. */
struct str export_id_text(struct export_reader *r, const struct value *v);
/*
 * Makes v part of the tree. False: no memory; then everything the tree held is gone, and nothing of it may be read.
 * (That shows in tree.failed, too.)
 */
MUST_CHECK bool export_keep(struct export_reader *r, struct value *take_v);
/* Sorts all ids anew. */
void export_index_ids(struct export_reader *r);

/* Outgoing edges of each node, in file order, as lists. */
struct dsl_outgoing {
    uint32_t *first, *next; /* by node, by edge; DSL_NONE ends a list */
};
/* False: no memory. */
MUST_CHECK bool export_list_outgoing(struct export_reader *r, struct dsl_outgoing *ret);
static inline bool export_is_given(const struct value *v)
{
    return v != NULL && value_type(v) != VALUE_NONE;
}

/* repair.c: legacy shapes of nodes' data (1.8, 2, 5, 7, 8). */
void export_repair_data(struct export_reader *r);
/* container.c: start nodes (1.8, 1), who lies in which container, edges that cross a border. */
void export_resolve_containers(struct export_reader *r);
/* cycle.c: leaves out edges on a cycle (1.8, 6). */
void export_remove_cycles(struct export_reader *r);
