/*
 * reading: see reading.h.
 */
#include "tests/executor/dsl/reading.h"
#include "executor/value/form.h"
#include <string.h>

enum { ARENA_BYTES = 1 << 24 };

void reading_init(struct reading *r, const char *yaml)
{
    memset(r, 0, sizeof *r);
    arena_init(&r->arena, ARENA_BYTES);
    graph_report_init(&r->report);
    r->rc = dsl_export_read(&r->arena, str_c(yaml), &r->report, &r->e, &r->err);
}

void reading_graph(struct reading *r, const char *nodes, const char *edges)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_printf(&b,
               "app: {mode: workflow, name: test}\nversion: 0.3.0\nworkflow:\n  graph:\n    nodes: [%s]\n    "
               "edges: [%s]\n",
               nodes, edges);
    buf_put_char(&b, '\0');
    reading_init(r, b.ptr);
    buf_fini(&b);
}

void reading_fini(struct reading *r)
{
    graph_report_fini(&r->report);
    arena_fini(&r->arena);
}

const struct dsl_node *node_of(const struct reading *r, const char *id)
{
    uint32_t index = dsl_export_find(&r->e, str_c(id));
    if (index == DSL_NONE)
        print_error("no node %s\n", id);
    assert_true(index != DSL_NONE);
    return &r->e.nodes[index];
}

void assert_data(const struct reading *r, const char *id, const char *json)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    value_put_json(&b, node_of(r, id)->data, JSON_COMPACT, false);
    assert_str(json, buf_str(&b));
    buf_fini(&b);
}

void assert_edges(const struct reading *r, const char *edges)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    for (uint32_t i = 0; i < r->e.edge_count; i++) {
        const struct dsl_edge *edge = &r->e.edges[i];
        buf_put_c(&b, i > 0 ? " " : "");
        buf_put(&b, r->e.nodes[edge->source].id);
        buf_put_c(&b, ">");
        buf_put(&b, r->e.nodes[edge->target].id);
        if (!str_eq_c(edge->handle, "source")) {
            buf_put_c(&b, ":");
            buf_put(&b, edge->handle);
        }
    }
    assert_str(edges, buf_str(&b));
    buf_fini(&b);
}
