/*
 * export: a Dify export, read and repaired: nodes with their data, edges between them, who lies in which container
 * (dify-dsl.md 1.1–1.5, 1.8). What the nodes' data means is the graph's business.
 *
 * Repairs   sticky notes dropped; integer ids become text; a handle that is none becomes "source"; containers of old exports
 *           get a start node; edges on a cycle are left out; legacy shapes of if-else, llm, tool and end become today's.
 *           Those that change what the export means are warnings in the report.
 * Threads   any; one export belongs to one thread at a time.
 * Memory    all in the arena given; the tree of values is frozen and ends with it.
 */
#pragma once
#include "executor/dsl/report.h"
#include "executor/value/value.h"

/* edges of one export. Four to a node, and more than any editor shows. */
#define DSL_EDGES_MAX (4 * LIMIT_GRAPH_NODES)
/* levels of containers in containers: each is a run within a run. */
#define DSL_NESTING_MAX 8
/* No node, no container, or no entry in the file. */
#define DSL_NONE UINT32_MAX

struct dsl_node {
    struct str id, flow_type, type, title; /* flow_type: of the canvas; type: data.type */
    const struct value *data;              /* object; NULL when broken and without any */
    struct str parent_id;                  /* as the canvas says; ptr NULL: none */
    uint32_t container;                    /* index of the enclosing iteration or loop; DSL_NONE */
    uint32_t start;                        /* of an iteration or loop: its start node; DSL_NONE */
    const char *path; /* in the file, for reports; that of the container for an added start node */
    bool is_broken;   /* a problem was reported: id is good, the rest is not */
};
struct dsl_edge {
    uint32_t source, target; /* indexes of nodes */
    struct str handle;
    uint32_t file_index; /* DSL_NONE: added */
};
struct dsl_id { /* sorted by id */
    struct str id;
    uint32_t node;
};
struct dsl_export {
    bool is_chatflow; /* advanced-chat; otherwise workflow */
    struct str name, version;
    struct dsl_node *nodes; /* file order, added ones last */
    uint32_t node_count;
    struct dsl_edge *edges; /* file order, added ones last */
    uint32_t edge_count;
    struct dsl_id *ids;
    uint32_t id_count;
    const struct value *environment, *conversation; /* lists, or NULL */
    const struct value *features;                   /* object, or NULL */
    size_t tree_bytes;                              /* memory of the tree of values */
};

/*
 * Reads the YAML text of an export.
 *
 * report   gets problems and warnings. With problems in it the export may have gaps, but all of it can be read on
 *
 * INVALID_ARGUMENT     there is nothing to read on; the report has a problem that says why
 * RESOURCE_EXHAUSTED   no memory
 */
MUST_CHECK enum status_code dsl_export_read(struct arena *a, struct str text, struct graph_report *report,
                                            struct dsl_export *ret, struct status *err);
/* Index of a node; DSL_NONE. */
uint32_t dsl_export_find(const struct dsl_export *e, struct str id);
bool dsl_is_container(struct str type);  /* iteration, loop */
bool dsl_is_entry(struct str type);      /* start, datasource, triggers: a run can start there (1.7) */
bool dsl_is_child_root(struct str type); /* iteration-start, loop-start */
