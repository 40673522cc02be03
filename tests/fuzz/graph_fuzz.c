// libs: heddle_graph
/*
 * Whatever is given as an export is compiled by the real node types, or refused with a problem; a graph that was made fits
 * together.
 */
#include "executor/graph/graph.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_graph_fits(const struct graph *g)
{
    assert(g->root < g->node_count);
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct node *node = &g->nodes[i];
        assert(node->index == i && (node->type != NULL || node->unsupported != NULL));
        for (uint32_t k = 0; k < node->out_count; k++)
            assert(g->edges[node->out[k]].source == i);
        for (uint32_t k = 0; k < node->in_count; k++)
            assert(g->edges[node->in[k]].target == i);
        for (uint32_t k = 0; k < node->slot_count; k++) {
            assert(node->slots[k].slot < g->slot_count);
            assert(graph_slot(g, node->id, node->slots[k].name) == node->slots[k].slot);
        }
    }
    for (uint32_t i = 0; i < g->response_count; i++) {
        const struct response *r = &g->responses[i];
        assert(r->node < g->node_count);
        assert(!r->is_open || r->blocking_count == 0);
        for (uint32_t p = 0; p < r->blocking_count; p++)
            assert(r->blocking[p] < g->edge_count && (p == 0 || r->blocking[p - 1] < r->blocking[p]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int fail_when_reached = 0; fail_when_reached < 2; fail_when_reached++) {
        struct graph_report report;
        struct graph *g = NULL;
        graph_report_init(&report);
        enum status_code rc =
            graph_compile((struct str){(const char *)data, size}, fail_when_reached == 1, &report, &g, NULL);
        assert(rc == STATUS_OK || rc == STATUS_INVALID_ARGUMENT);
        assert((rc == STATUS_OK) == (report.error_count == 0));
        if (g != NULL)
            assert_graph_fits(g);
        graph_unref(g);
        graph_report_fini(&report);
    }
    return 0;
}
