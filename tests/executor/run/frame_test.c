/*
 * Which nodes are ready (dify-dsl.md 3.2 to 3.4), on graphs made by hand: also such as no editor makes.
 */
#include "executor/run/frame.h"
#include "tests/support/check.h"
#include <stdlib.h>

enum { NODES_MAX = 10000 };

struct plan {
    struct graph graph;
    struct node *nodes;
    struct edge *edges;
    struct arena arena;
    struct frame frame;
};

static void plan_init(struct plan *p, uint32_t nodes)
{
    *p = (struct plan){.nodes = calloc(nodes, sizeof *p->nodes),
                       .edges = calloc(NODES_MAX * 2, sizeof *p->edges)};
    assert_true(p->nodes != NULL && p->edges != NULL);
    arena_init(&p->arena, (size_t)64 << 20);
    for (uint32_t i = 0; i < nodes; i++)
        p->nodes[i] = (struct node){.index = i, .local = i, .container = UINT32_MAX};
    p->graph = (struct graph){.nodes = p->nodes, .node_count = nodes, .edges = p->edges};
}

static void connect(struct plan *p, uint32_t source, uint32_t target, const char *handle)
{
    uint32_t index = p->graph.edge_count++;
    p->edges[index] = (struct edge){
        .index = index, .local = index, .source = source, .target = target, .handle = str_c(handle)};
}

/* Lists the edges at their nodes, and makes the frame with root 0. */
static void plan_begin(struct plan *p)
{
    for (uint32_t i = 0; i < p->graph.edge_count; i++) {
        p->nodes[p->edges[i].source].out_count++;
        p->nodes[p->edges[i].target].in_count++;
    }
    for (uint32_t i = 0; i < p->graph.node_count; i++) {
        p->nodes[i].out = arena_array(&p->arena, p->nodes[i].out_count, sizeof(uint32_t));
        p->nodes[i].in = arena_array(&p->arena, p->nodes[i].in_count, sizeof(uint32_t));
        p->nodes[i].out_count = p->nodes[i].in_count = 0;
    }
    for (uint32_t i = 0; i < p->graph.edge_count; i++) {
        struct node *source = &p->nodes[p->edges[i].source], *target = &p->nodes[p->edges[i].target];
        source->out[source->out_count++] = i;
        target->in[target->in_count++] = i;
    }
    p->graph.top = (struct node_set){arena_array(&p->arena, p->graph.node_count, sizeof(uint32_t)),
                                     p->graph.node_count, p->graph.edge_count};
    for (uint32_t i = 0; i < p->graph.node_count; i++)
        p->graph.top.nodes[i] = i;
    assert_true(frame_init(&p->frame, &p->arena, &p->graph, UINT32_MAX));
    assert_true(frame_begin(&p->frame, &p->arena, NULL, false));
}

static void plan_end(struct plan *p)
{
    frame_fini(&p->frame);
    arena_fini(&p->arena);
    free(p->nodes);
    free(p->edges);
}

static void only_the_root_is_ready_at_first(void **state)
{
    struct plan p;
    (void)state;
    plan_init(&p, 3);
    connect(&p, 0, 1, "source");
    plan_begin(&p);
    assert_int_equal(frame_pop(&p.frame), 0);
    assert_int_equal(frame_pop(&p.frame), FRAME_NO_NODE);
    assert_int_equal(p.frame.nodes[0].predecessor, FRAME_NO_NODE);
    frame_take_all(&p.frame, 0);
    assert_int_equal(frame_pop(&p.frame), 1);
    assert_int_equal(p.frame.nodes[1].predecessor, 0);
    assert_false(frame_has_ready(&p.frame));
    plan_end(&p);
}

static void a_skip_passes_through_ten_thousand_nodes(void **state)
{
    struct plan p;
    (void)state;
    plan_init(&p, NODES_MAX);
    connect(&p, 0, 1, "a");
    for (uint32_t i = 1; i + 2 < NODES_MAX; i++)
        connect(&p, i, i + 1, "source");
    connect(&p, NODES_MAX - 2, NODES_MAX - 1, "source");
    connect(&p, 0, NODES_MAX - 1, "b");
    plan_begin(&p);
    assert_int_equal(frame_pop(&p.frame), 0);
    frame_take_handle(&p.frame, 0, STR("b"));
    assert_int_equal(p.frame.nodes[NODES_MAX - 2].mark, FRAME_SKIPPED);
    assert_int_equal(frame_pop(&p.frame), NODES_MAX - 1);
    assert_int_equal(p.frame.nodes[NODES_MAX - 1].predecessor, 0);
    plan_end(&p);
}

static void a_skip_that_decides_a_join_makes_it_ready(void **state)
{
    struct plan p;
    (void)state;
    plan_init(&p, 5); /* 0 → 1 (branch) → 2 → 4, 0 → 3 → 4 */
    connect(&p, 0, 1, "source");
    connect(&p, 0, 3, "source");
    connect(&p, 1, 2, "true");
    connect(&p, 2, 4, "source");
    connect(&p, 3, 4, "source");
    plan_begin(&p);
    assert_int_equal(frame_pop(&p.frame), 0);
    frame_take_all(&p.frame, 0);
    assert_int_equal(frame_pop(&p.frame), 1);
    assert_int_equal(frame_pop(&p.frame), 3);
    frame_take_all(&p.frame, 3);
    assert_false(frame_has_ready(&p.frame));
    frame_take_handle(&p.frame, 1, STR("false"));
    assert_int_equal(p.frame.nodes[2].mark, FRAME_SKIPPED);
    assert_int_equal(frame_pop(&p.frame), 4);
    assert_int_equal(p.frame.nodes[4].predecessor, 1); /* not the node that was skipped */
    plan_end(&p);
}

static void a_node_reached_by_two_edges_of_one_node_runs_once(void **state)
{
    struct plan p;
    (void)state;
    plan_init(&p, 2);
    connect(&p, 0, 1, "source");
    connect(&p, 0, 1, "source");
    plan_begin(&p);
    (void)frame_pop(&p.frame);
    frame_take_all(&p.frame, 0);
    assert_int_equal(frame_pop(&p.frame), 1);
    assert_int_equal(frame_pop(&p.frame), FRAME_NO_NODE);
    plan_end(&p);
}

static void both_handles_to_one_node_skip_one_and_take_one(void **state)
{
    struct plan p;
    (void)state;
    plan_init(&p, 2);
    connect(&p, 0, 1, "true");
    connect(&p, 0, 1, "false");
    plan_begin(&p);
    (void)frame_pop(&p.frame);
    frame_take_handle(&p.frame, 0, STR("true"));
    assert_int_equal(p.frame.edges[0], FRAME_TAKEN);
    assert_int_equal(p.frame.edges[1], FRAME_SKIPPED);
    assert_int_equal(frame_pop(&p.frame), 1);
    plan_end(&p);
}

static void inactive_nodes_are_skipped_before_the_run(void **state)
{
    struct plan p;
    (void)state;
    plan_init(&p, 4); /* 1 is another entry: 1 → 2 → 3, 0 → 3 */
    connect(&p, 1, 2, "source");
    connect(&p, 2, 3, "source");
    connect(&p, 0, 3, "source");
    p.nodes[1].is_inactive = p.nodes[2].is_inactive = true;
    plan_begin(&p);
    assert_int_equal(p.frame.nodes[2].mark, FRAME_SKIPPED);
    assert_int_equal(frame_pop(&p.frame), 0);
    frame_take_all(&p.frame, 0);
    assert_int_equal(frame_pop(&p.frame), 3); /* waits for no inactive node */
    plan_end(&p);
}

static void a_variable_that_nobody_reads_is_not_kept(void **state)
{
    struct plan p;
    struct value_builder b;
    struct output_slot slots[] = {{STR("read"), 0}};
    struct str parts[] = {STR("0"), STR("read"), STR("key")};
    struct selector whole = {parts, 2, 0}, inner = {parts, 3, 0},
                    unresolved = {parts, 2, SELECTOR_UNRESOLVED};
    (void)state;
    plan_init(&p, 1);
    p.graph.slot_count = 1;
    p.nodes[0].slots = slots;
    p.nodes[0].slot_count = 1;
    plan_begin(&p);
    struct value *inside = value_string(NULL, STR("v"));
    value_object_begin(&b, NULL);
    value_object_put(&b, STR("key"), value_ref(inside));
    struct value *read = value_object_end(&b);
    value_object_begin(&b, NULL);
    value_object_put(&b, STR("read"), value_ref(read));
    value_object_put(&b, STR("unread"), value_int(NULL, 1));
    struct value *outputs = value_object_end(&b);
    frame_set_outputs(&p.frame, &p.nodes[0], outputs);
    frame_set(&p.frame, SLOT_NONE, outputs);
    value_unref(outputs);
    assert_ptr_equal(frame_get(&p.frame, &whole), read);
    assert_ptr_equal(frame_get(&p.frame, &inner), inside);
    assert_null(frame_get(&p.frame, &unresolved));
    assert_null(frame_get(&p.frame, &(struct selector){0}));
    value_unref(read);
    value_unref(inside);
    plan_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_root_is_ready_at_first),
        cmocka_unit_test(a_skip_passes_through_ten_thousand_nodes),
        cmocka_unit_test(a_skip_that_decides_a_join_makes_it_ready),
        cmocka_unit_test(a_node_reached_by_two_edges_of_one_node_runs_once),
        cmocka_unit_test(both_handles_to_one_node_skip_one_and_take_one),
        cmocka_unit_test(inactive_nodes_are_skipped_before_the_run),
        cmocka_unit_test(a_variable_that_nobody_reads_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
