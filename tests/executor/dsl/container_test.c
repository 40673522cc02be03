/*
 * Nodes lie in the containers that name them, every container has a start node, and no edge crosses a border.
 */
#include "tests/executor/dsl/reading.h"
#include <stdio.h>

#define START "{id: s, data: {type: start}}, "

static void assert_in(const struct reading *r, const char *id, const char *container)
{
    uint32_t index = node_of(r, id)->container;
    if (container == NULL)
        assert_int_equal(DSL_NONE, index);
    else
        assert_str(container, r->e.nodes[index].id);
}

static void assert_starts(const struct reading *r, const char *container, const char *start)
{
    uint32_t index = node_of(r, container)->start;
    assert_true(index != DSL_NONE);
    assert_str(start, r->e.nodes[index].id);
}

static void marks_of_every_kind_say_where_a_node_lies(void **state)
{
    (void)state;
    struct reading r;
    reading_graph(&r,
                  START "{id: i, data: {type: iteration, start_node_id: is}}, "
                        "{id: is, type: custom-iteration-start, data: {type: iteration-start}}, "
                        "{id: a, parentId: i, data: {type: code}}, "
                        "{id: b, data: {type: code, isInIteration: true, iteration_id: i}}, "
                        "{id: l, parentId: i, data: {type: loop, start_node_id: ls, iteration_id: i}}, "
                        "{id: ls, type: custom-loop-start, parentId: l, data: {type: loop-start}}, "
                        "{id: c, data: {type: code, loop_id: l, iteration_id: null}}, "
                        "{id: d, parentId: nobody, data: {type: code}}, "
                        "{id: e, parentId: s, data: {type: code}}",
                  "{source: s, target: i}, {source: i, target: d}, {source: d, target: e}");
    assert_ok(r.rc);
    assert_entries(&r.report, 0);
    assert_in(&r, "s", NULL);
    assert_in(&r, "i", NULL);
    assert_in(&r, "is", "i");
    assert_in(&r, "a", "i");
    assert_in(&r, "b", "i");
    assert_in(&r, "l", "i");
    assert_in(&r, "ls", "l");
    assert_in(&r, "c", "l");
    assert_in(&r, "d", NULL);
    assert_in(&r, "e", NULL);
    assert_starts(&r, "i", "is");
    assert_starts(&r, "l", "ls");
    assert_int_equal(DSL_NONE, node_of(&r, "a")->start);
    reading_fini(&r);
}

static void an_old_container_gets_a_start_node(void **state)
{
    (void)state;
    static const struct {
        const char *type, *start_type, *flow_type;
    } rows[] = {{"iteration", "iteration-start", "custom-iteration-start"},
                {"loop", "loop-start", "custom-loop-start"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct reading r;
        char nodes[512];
        (void)snprintf(nodes, sizeof nodes,
                       START "{id: c, data: {type: %s, start_node_id: a}}, "
                             "{id: a, parentId: c, data: {type: code, isIterationStart: true}}",
                       rows[i].type);
        reading_graph(&r, nodes, "{source: s, target: c}");
        assert_ok(r.rc);
        assert_entries(&r.report, 0); /* it means the same */
        assert_starts(&r, "c", "cstart");
        assert_in(&r, "cstart", "c");
        assert_str(rows[i].start_type, node_of(&r, "cstart")->type);
        assert_str(rows[i].flow_type, node_of(&r, "cstart")->flow_type);
        assert_edges(&r, "s>c cstart>a");
        assert_int_equal(DSL_NONE, r.e.edges[1].file_index);
        reading_fini(&r);
    }
}

static void every_old_container_gets_one(void **state)
{
    (void)state;
    struct reading r;
    reading_graph(
        &r,
        START "{id: i, data: {type: iteration, start_node_id: a}}, {id: a, parentId: i, data: {type: code}}, "
              "{id: l, data: {type: loop, start_node_id: b}}, {id: b, parentId: l, data: {type: code}}, "
              "{id: k, parentId: l, data: {type: loop}}",
        "");
    assert_ok(r.rc);
    assert_int_equal(9, r.e.node_count);
    assert_starts(&r, "i", "istart");
    assert_starts(&r, "l", "lstart");
    assert_starts(&r, "k", "kstart");
    assert_edges(&r, "istart>a lstart>b");
    reading_fini(&r);
}

static void an_added_id_is_one_that_is_free(void **state)
{
    (void)state;
    struct reading r;
    reading_graph(&r,
                  START
                  "{id: c, data: {type: loop, start_node_id: a}}, {id: a, parentId: c, data: {type: code}}, "
                  "{id: cstart, data: {type: code}}, {id: cstart1, data: {type: code}}",
                  "");
    assert_ok(r.rc);
    assert_starts(&r, "c", "cstart2");
    reading_fini(&r);
}

static void a_start_node_is_known_by_its_type_too(void **state)
{
    (void)state;
    struct reading r;
    reading_graph(
        &r,
        START
        "{id: c, data: {type: loop, start_node_id: a}}, {id: a, type: custom, data: {type: loop-start}}",
        "");
    assert_ok(r.rc);
    assert_entries(&r.report, 0);
    assert_starts(&r, "c", "a");
    assert_in(&r, "a", "c");
    assert_int_equal(3, r.e.node_count);
    reading_fini(&r);
}

static void a_container_that_names_no_start(void **state)
{
    (void)state;
    struct reading r;
    reading_graph(&r, START "{id: c, data: {type: loop}}, {id: a, parentId: c, data: {type: code}}", "");
    assert_ok(r.rc);
    assert_entry(&r.report, true, "workflow.graph.nodes[1]", "nothing starts in the loop");
    assert_entries(&r.report, 1);
    assert_starts(&r, "c", "cstart");
    assert_edges(&r, "");
    reading_fini(&r);

    reading_graph(&r,
                  START "{id: c, data: {type: loop, start_node_id: null}}, "
                        "{id: a, parentId: c, data: {type: loop-start}}",
                  "");
    assert_ok(r.rc);
    assert_entry(&r.report, true, "workflow.graph.nodes[1]",
                 "no start_node_id; the start node that lies in it");
    assert_entries(&r.report, 1);
    assert_starts(&r, "c", "a");
    reading_fini(&r);

    reading_graph(&r, START "{id: c, data: {type: loop, start_node_id: gone}}", "");
    assert_ok(r.rc);
    assert_entry(&r.report, false, "workflow.graph.nodes[1].data.start_node_id", "MISSING_NODE");
    assert_entries(&r.report, 1);
    reading_fini(&r);
}

static void unmarked_nodes_lie_where_only_their_edges_lead(void **state)
{
    (void)state;
    struct reading r;
    reading_graph(&r,
                  START
                  "{id: c, data: {type: iteration, start_node_id: cs}}, "
                  "{id: cs, type: custom-iteration-start, data: {type: iteration-start}}, "
                  "{id: a, data: {type: code}}, {id: l, data: {type: loop, start_node_id: ls}}, "
                  "{id: ls, type: custom-loop-start, data: {type: loop-start}}, {id: b, data: {type: code}}, "
                  "{id: after, data: {type: end}}",
                  "{source: s, target: c}, {source: c, target: after}, {source: cs, target: a}, {source: a, "
                  "target: l}, "
                  "{source: ls, target: b}");
    assert_ok(r.rc);
    assert_entry(&r.report, true, "workflow.graph.nodes[1]", "2 nodes lie in it by their edges only");
    assert_entry(&r.report, true, "workflow.graph.nodes[4]", "1 nodes lie in it by their edges only");
    assert_entries(&r.report, 2);
    assert_in(&r, "a", "c");
    assert_in(&r, "l", "c");
    assert_in(&r, "b", "l");
    assert_in(&r, "after", NULL);
    reading_fini(&r);
}

static void edges_across_a_border_are_refused(void **state)
{
    (void)state;
    struct reading r;
    reading_graph(
        &r,
        START "{id: c, data: {type: iteration, start_node_id: cs}}, "
              "{id: cs, type: custom-iteration-start, data: {type: iteration-start}}, "
              "{id: a, parentId: c, data: {type: code}}, {id: b, data: {type: end}}",
        "{source: s, target: c}, {source: c, target: a}, {source: cs, target: a}, {source: a, target: b}, "
        "{source: c, target: b}, {source: s, target: cs}, {source: a, target: c}");
    assert_ok(r.rc);
    assert_entry(&r.report, false, "workflow.graph.edges[1]", "\"c\" to \"a\" crosses");
    assert_entry(&r.report, false, "workflow.graph.edges[3]", "\"a\" to \"b\" crosses");
    assert_entry(&r.report, false, "workflow.graph.edges[5]", "\"s\" to \"cs\" crosses");
    assert_entry(&r.report, false, "workflow.graph.edges[6]", "\"a\" to \"c\" crosses");
    assert_int_equal(4, r.report.error_count);
    reading_fini(&r);

    /* The start of an old container that is also on the way outside. */
    reading_graph(&r, START "{id: c, data: {type: iteration, start_node_id: a}}, {id: a, data: {type: code}}",
                  "{source: s, target: a}, {source: a, target: c}");
    assert_ok(r.rc);
    assert_entry(&r.report, false, "workflow.graph.nodes[1].data.start_node_id",
                 "\"cstart\" to \"a\" crosses");
    assert_entries(&r.report, 1);
    reading_fini(&r);
}

static void a_container_cannot_lie_in_itself(void **state)
{
    (void)state;
    struct reading r;
    reading_graph(&r,
                  START "{id: a, parentId: b, data: {type: loop, start_node_id: as}}, "
                        "{id: b, parentId: a, data: {type: loop, start_node_id: bs}}, "
                        "{id: as, parentId: a, type: custom-loop-start, data: {type: loop-start}}, "
                        "{id: bs, parentId: b, type: custom-loop-start, data: {type: loop-start}}, "
                        "{id: c, parentId: c, data: {type: loop, start_node_id: cs}}, "
                        "{id: cs, parentId: c, type: custom-loop-start, data: {type: loop-start}}",
                  "");
    assert_ok(r.rc);
    assert_entry(&r.report, false, "workflow.graph.nodes[1]", "lies in itself");
    assert_entries(&r.report, 1); /* naming oneself is no mark at all */
    assert_in(&r, "c", NULL);
    reading_fini(&r);
}

static void nesting_has_a_bound(void **state)
{
    (void)state;
    struct buf b;
    struct reading r;
    buf_init(&b, 1 << 16);
    buf_put_c(&b, START "{id: l0, data: {type: loop, start_node_id: l0s}}, "
                        "{id: l0s, type: custom-loop-start, data: {type: loop-start}}, ");
    for (int i = 1; i <= DSL_NESTING_MAX; i++)
        buf_printf(&b,
                   "{id: l%d, parentId: l%d, data: {type: loop, start_node_id: l%ds}}, "
                   "{id: l%ds, type: custom-loop-start, data: {type: loop-start}}, ",
                   i, i - 1, i, i);
    buf_put_char(&b, '\0');
    reading_graph(&r, b.ptr, "");
    assert_ok(r.rc);
    /* l8 is the eighth level within, its start the ninth. */
    assert_entry(&r.report, false, node_of(&r, "l8s")->path, "more than 8 iterations and loops");
    assert_entries(&r.report, 1);
    reading_fini(&r);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_of_every_kind_say_where_a_node_lies),
        cmocka_unit_test(an_old_container_gets_a_start_node),
        cmocka_unit_test(every_old_container_gets_one),
        cmocka_unit_test(an_added_id_is_one_that_is_free),
        cmocka_unit_test(a_start_node_is_known_by_its_type_too),
        cmocka_unit_test(a_container_that_names_no_start),
        cmocka_unit_test(unmarked_nodes_lie_where_only_their_edges_lead),
        cmocka_unit_test(edges_across_a_border_are_refused),
        cmocka_unit_test(a_container_cannot_lie_in_itself),
        cmocka_unit_test(nesting_has_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
