// libs: heddle_dsl
/*
 * Of whatever can be read as an export the parts fit together: ends of edges are nodes, nothing runs in circles, containers
 * have start nodes of their own, and problems are in UTF-8.
 */
#include "executor/dsl/export.h"
#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_BYTES = 1 << 26 };

static void assert_no_cycle(const struct dsl_export *e)
{
    uint32_t *incoming = calloc(e->node_count + 1, sizeof *incoming), gone = 0;
    bool *is_gone = calloc(e->node_count + 1, sizeof *is_gone);
    assert(incoming != NULL && is_gone != NULL);
    for (uint32_t i = 0; i < e->edge_count; i++)
        incoming[e->edges[i].target]++;
    for (bool is_busy = true; is_busy;) {
        is_busy = false;
        for (uint32_t n = 0; n < e->node_count; n++) {
            if (is_gone[n] || incoming[n] > 0)
                continue;
            is_gone[n] = is_busy = true;
            gone++;
            for (uint32_t i = 0; i < e->edge_count; i++)
                incoming[e->edges[i].target] -= e->edges[i].source == n;
        }
    }
    assert(gone == e->node_count);
    free(incoming);
    free(is_gone);
}

static void assert_nodes_fit(const struct dsl_export *e, const struct graph_report *report)
{
    for (uint32_t i = 0; i < e->node_count; i++) {
        const struct dsl_node *node = &e->nodes[i];
        uint32_t levels = 0;
        assert(node->id.len > 0);
        assert(node->is_broken || (node->data != NULL && node->type.len > 0));
        assert(dsl_export_find(e, node->id) == i || report->error_count > 0);
        for (uint32_t c = node->container; c != DSL_NONE; c = e->nodes[c].container) {
            assert(dsl_is_container(e->nodes[c].type));
            assert(++levels <= DSL_NESTING_MAX);
        }
        if (node->start != DSL_NONE)
            assert(node->start < e->node_count);
        if (report->error_count == 0 && dsl_is_container(node->type))
            assert(node->start != DSL_NONE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct graph_report report;
    struct dsl_export e;
    struct status err;
    arena_init(&arena, ARENA_BYTES);
    graph_report_init(&report);
    enum status_code rc = dsl_export_read(&arena, (struct str){(const char *)data, size}, &report, &e, &err);
    for (uint32_t i = 0; i < report.count; i++)
        assert(str_is_utf8(str_c(report.problems[i].text)) && str_is_utf8(str_c(report.problems[i].path)));
    if (rc != STATUS_OK) {
        assert(rc == STATUS_INVALID_ARGUMENT && report.error_count > 0);
    } else {
        for (uint32_t i = 0; i < e.edge_count; i++) {
            const struct dsl_edge *edge = &e.edges[i];
            assert(edge->source < e.node_count && edge->target < e.node_count && edge->handle.len > 0);
            assert(report.error_count > 0 ||
                   e.nodes[edge->source].container == e.nodes[edge->target].container);
        }
        assert_nodes_fit(&e, &report);
        if (e.node_count < 500)
            assert_no_cycle(&e);
    }
    graph_report_fini(&report);
    arena_fini(&arena);
    return 0;
}
