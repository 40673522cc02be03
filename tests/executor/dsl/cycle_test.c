/*
 * Edges on a cycle are left out, with a warning each; all others stay.
 */
#include "tests/executor/dsl/reading.h"
#include <stdlib.h>

static void what_lies_on_a_cycle_is_left_out(void **state)
{
    (void)state;
    static const struct {
        const char *name, *edges, *left;
        uint32_t removed;
    } rows[] = {
        {"none", "{source: a, target: b}, {source: b, target: c}, {source: a, target: c}", "a>b b>c a>c", 0},
        {"to itself", "{source: a, target: a}, {source: a, target: b}", "a>b", 1},
        {"of two",
         "{source: a, target: b}, {source: b, target: c}, {source: c, target: b}, {source: c, target: d}",
         "a>b c>d", 2},
        {"of three with a way out",
         "{source: a, target: b}, {source: b, target: c}, {source: c, target: a}, "
         "{source: b, target: d}",
         "b>d", 3},
        {"two apart",
         "{source: a, target: b}, {source: b, target: a}, {source: b, target: c}, {source: c, target: d}, "
         "{source: d, target: c}",
         "b>c", 4},
        {"chord of a cycle",
         "{source: a, target: b}, {source: b, target: c}, {source: c, target: a}, "
         "{source: a, target: c}",
         "", 4},
        {"same edge twice", "{source: a, target: b}, {source: a, target: b}", "a>b a>b", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct reading r;
        reading_graph(
            &r,
            "{id: a, data: {type: start}}, {id: b, data: {type: code}}, {id: c, data: {type: code}}, "
            "{id: d, data: {type: code}}",
            rows[i].edges);
        if (r.report.count != rows[i].removed)
            print_error("%s\n", rows[i].name);
        assert_ok(r.rc);
        assert_edges(&r, rows[i].left);
        assert_entries(&r.report, rows[i].removed);
        for (uint32_t k = 0; k < r.report.count; k++) {
            assert_true(r.report.problems[k].is_warning);
            assert_contains("lies on a cycle", r.report.problems[k].text);
        }
        reading_fini(&r);
    }
}

enum { NODES = 7 };

static void close_over(bool reaches[NODES][NODES])
{
    for (int k = 0; k < NODES; k++)
        for (int a = 0; a < NODES; a++)
            for (int b = 0; b < NODES; b++)
                reaches[a][b] |= reaches[a][k] && reaches[k][b];
}

static void random_graphs_keep_exactly_what_no_cycle_needs(void **state)
{
    (void)state;
    unsigned seed = 7;
    for (int round = 0; round < 300; round++) {
        bool reaches[NODES][NODES] = {{false}};
        struct buf edges, left;
        struct reading r;
        int ends[12][2];
        buf_init(&edges, 4096);
        buf_init(&left, 4096);
        for (int i = 0; i < 12; i++) {
            ends[i][0] = rand_r(&seed) % NODES;
            ends[i][1] = rand_r(&seed) % NODES;
            reaches[ends[i][0]][ends[i][1]] = true;
            buf_printf(&edges, "{source: n%d, target: n%d}, ", ends[i][0], ends[i][1]);
        }
        close_over(reaches);
        for (int i = 0; i < 12; i++) {
            if (!reaches[ends[i][1]][ends[i][0]])
                buf_printf(&left, "%sn%d>n%d", left.len > 0 ? " " : "", ends[i][0], ends[i][1]);
        }
        buf_put_char(&edges, '\0');
        buf_put_char(&left, '\0');
        reading_graph(
            &r,
            "{id: n0, data: {type: start}}, {id: n1, data: {type: code}}, {id: n2, data: {type: code}}, "
            "{id: n3, data: {type: code}}, {id: n4, data: {type: code}}, {id: n5, data: {type: code}}, "
            "{id: n6, data: {type: code}}",
            edges.ptr);
        assert_ok(r.rc);
        assert_edges(&r, left.ptr);
        reading_fini(&r);
        buf_fini(&edges);
        buf_fini(&left);
    }
}

static void a_long_way_needs_no_deep_recursion(void **state)
{
    (void)state;
    struct buf nodes, edges;
    struct reading r;
    buf_init(&nodes, 1 << 22);
    buf_init(&edges, 1 << 22);
    for (int i = 0; i < LIMIT_GRAPH_NODES; i++) {
        buf_printf(&nodes, "{id: n%d, data: {type: code}}, ", i);
        buf_printf(&edges, "{source: n%d, target: n%d}, ", i, (i + 1) % LIMIT_GRAPH_NODES);
    }
    buf_put_c(&edges, "{source: n0, target: n0}");
    buf_put_char(&nodes, '\0');
    buf_put_char(&edges, '\0');
    reading_graph(&r, nodes.ptr, edges.ptr);
    assert_ok(r.rc);
    assert_int_equal(0, r.e.edge_count);
    assert_true(r.report.is_truncated);
    reading_fini(&r);
    buf_fini(&nodes);
    buf_fini(&edges);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lies_on_a_cycle_is_left_out),
        cmocka_unit_test(random_graphs_keep_exactly_what_no_cycle_needs),
        cmocka_unit_test(a_long_way_needs_no_deep_recursion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
