/*
 * compiling: see compiling.h.
 */
#include "tests/executor/graph/compiling.h"

void compiling_text(struct compiling *c, struct str yaml, bool fail_when_reached)
{
    memset(c, 0, sizeof *c);
    graph_report_init(&c->report);
    c->rc = graph_compile(yaml, fail_when_reached, &c->report, &c->graph, &c->err);
    assert_true((c->rc == STATUS_OK) == (c->graph != NULL));
    assert_true((c->rc == STATUS_INVALID_ARGUMENT) == (c->report.error_count > 0));
}

static void put_edges(struct buf *b, const char *edges)
{
    struct str rest = str_c(edges), edge;
    while (str_split(&rest, ' ', &edge)) {
        struct str target = edge, source, handle;
        if (edge.len == 0)
            continue;
        assert_true(str_split(&target, '>', &source));
        handle = target;
        assert_true(str_split(&handle, ':', &target));
        buf_printf(b, "{source: %.*s, target: %.*s", STR_ARG(source), STR_ARG(target));
        if (handle.ptr != NULL)
            buf_printf(b, ", sourceHandle: '%.*s'", STR_ARG(handle));
        buf_put_c(b, "}, ");
    }
}

static void compile(struct compiling *c, const char *nodes, const char *edges, const char *workflow,
                    bool fail_when_reached)
{
    struct buf b;
    buf_init(&b, LIMIT_DSL_BYTES);
    buf_printf(&b,
               "app: {mode: advanced-chat, name: test}\nversion: 0.3.0\nworkflow:\n%s  graph:\n    nodes: "
               "[%s]\n    edges: [",
               workflow, nodes);
    put_edges(&b, edges);
    buf_put_c(&b, "]\n");
    assert_false(b.failed);
    compiling_text(c, buf_str(&b), fail_when_reached);
    buf_fini(&b);
}

void compiling_graph(struct compiling *c, const char *nodes, const char *edges, const char *workflow)
{
    compile(c, nodes, edges, workflow, false);
}

void compiling_graph_unserved(struct compiling *c, const char *nodes, const char *edges)
{
    compile(c, nodes, edges, "", true);
}

void compiling_fini(struct compiling *c)
{
    graph_unref(c->graph);
    graph_report_fini(&c->report);
}

void assert_clean(const struct compiling *c)
{
    if (c->rc != STATUS_OK)
        print_error("%s\n", c->err.message);
    assert_ok(c->rc);
    assert_entries(&c->report, 0);
}

const struct node *graph_node(const struct compiling *c, const char *id)
{
    for (uint32_t i = 0; i < c->graph->node_count; i++) {
        if (str_eq_c(c->graph->nodes[i].id, id))
            return &c->graph->nodes[i];
    }
    print_error("no node %s\n", id);
    fail();
    return NULL;
}
