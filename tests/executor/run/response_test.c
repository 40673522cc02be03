/*
 * The order of streamed texts (dify-dsl.md 3.9), rule by rule, on graphs made by hand: node i has id "i", and slot i stands
 * for its variable [i, text]; node 0 is the root.
 */
#include "executor/run/response.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <string.h>

enum { NODES = 8, RESPONSES = 3, SEGMENTS = 4, OUT_BYTES_MAX = 1 << 16 };

#define FIXED(text) ((struct response_segment){.literal = STR(text), .source_node = UINT32_MAX})
#define TEXT_OF(n)  ((struct response_segment){.is_reference = true, .selector = {0, 2, n}, .source_node = n})
#define SYSTEM(slot)                                                                                         \
    ((struct response_segment){.is_reference = true, .selector = {0, 2, slot}, .source_node = UINT32_MAX})

struct stage {
    struct graph graph;
    struct node nodes[NODES];
    struct output_slot slots[NODES];
    struct str parts[NODES][2];
    char ids[NODES][2];
    struct response responses[RESPONSES];
    struct response_segment segments[RESPONSES][SEGMENTS];
    uint32_t blocking[RESPONSES]; /* the one edge that blocks */
    struct value *pool[NODES];
    enum response_source sources[NODES];
    struct arena arena;
    struct response_set set;
    struct buf out; /* texts, each with a bar behind it; "!" before the bar of a final one */
    size_t rewound, charged;
};

static struct value *stage_get(void *arg, const struct selector *selector)
{
    return ((struct stage *)arg)->pool[selector->slot];
}

static enum response_source stage_source(void *arg, uint32_t node)
{
    return ((struct stage *)arg)->sources[node];
}

static bool stage_charge(void *arg, size_t bytes)
{
    ((struct stage *)arg)->charged += bytes;
    return true;
}

static void stage_emit(void *arg, const struct response_text *text)
{
    struct stage *s = arg;
    buf_put(&s->out, text->text);
    buf_put_c(&s->out, text->is_final ? "!|" : "|");
}

static void stage_rewind(void *arg, size_t bytes)
{
    ((struct stage *)arg)->rewound += bytes;
}

static const struct response_host stage_host = {stage_get, stage_source, stage_charge, stage_emit,
                                                stage_rewind};

static void stage_init(struct stage *s)
{
    *s = (struct stage){0};
    arena_init(&s->arena, 1 << 20);
    buf_init(&s->out, OUT_BYTES_MAX);
    for (uint32_t i = 0; i < NODES; i++) {
        s->ids[i][0] = (char)('0' + i);
        s->slots[i] = (struct output_slot){STR("text"), i};
        s->parts[i][0] = (struct str){s->ids[i], 1};
        s->parts[i][1] = STR("text");
        s->nodes[i] = (struct node){.index = i,
                                    .id = s->parts[i][0],
                                    .type_name = STR("answer"),
                                    .slots = &s->slots[i],
                                    .slot_count = 1,
                                    .container = UINT32_MAX};
    }
    s->graph = (struct graph){
        .nodes = s->nodes, .node_count = NODES, .slot_count = NODES, .responses = s->responses};
}

/* The response of `node`; edge UINT32_MAX: nothing blocks it. */
static void add_response(struct stage *s, uint32_t node, uint32_t edge,
                         const struct response_segment *segments, uint32_t count)
{
    uint32_t i = s->graph.response_count++;
    s->blocking[i] = edge;
    for (uint32_t k = 0; k < count; k++) {
        s->segments[i][k] = segments[k];
        if (segments[k].is_reference)
            s->segments[i][k].selector.parts = s->parts[segments[k].selector.slot];
    }
    s->responses[i] = (struct response){.node = node,
                                        .segments = s->segments[i],
                                        .segment_count = count,
                                        .blocking = &s->blocking[i],
                                        .blocking_count = edge == UINT32_MAX ? 0 : 1,
                                        .is_open = edge == UINT32_MAX};
}
#define RESPONSE(s, node, edge, ...)                                                                         \
    add_response(s, node, edge, (struct response_segment[]){__VA_ARGS__},                                    \
                 sizeof((struct response_segment[]){__VA_ARGS__}) / sizeof(struct response_segment))
enum { ALWAYS_REACHABLE = -1 };

static void stage_begin(struct stage *s)
{
    assert_true(response_init(&s->set, &s->arena, &s->graph, UINT32_MAX, OUT_BYTES_MAX, &stage_host, s));
}

static void stage_end(struct stage *s)
{
    assert_false(s->set.has_failed);
    response_fini(&s->set);
    for (size_t i = 0; i < NODES; i++)
        value_unref(s->pool[i]);
    arena_fini(&s->arena);
    buf_fini(&s->out);
}

static void expect(struct stage *s, const char *texts)
{
    assert_str(texts, buf_str(&s->out));
    buf_clear(&s->out);
}

static void give(struct stage *s, uint32_t slot, const char *text)
{
    s->pool[slot] = value_string(NULL, str_c(text));
}

/* --- activation --- */

static void nothing_streams_before_the_first_edge(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s);
    RESPONSE(&s, 1, ALWAYS_REACHABLE, FIXED("hello"));
    stage_begin(&s);
    response_node_ended(&s.set, 0);
    expect(&s, "");
    response_edge_taken(&s.set, 7);
    expect(&s, "hello!|");
    response_edge_taken(&s.set, 6); /* once only */
    expect(&s, "");
    stage_end(&s);
}

static void a_blocked_response_waits_for_its_edge(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s);
    RESPONSE(&s, 1, 3, FIXED("hello"));
    stage_begin(&s);
    response_edge_taken(&s.set, 2);
    expect(&s, "");
    response_edge_taken(&s.set, 3);
    expect(&s, "hello!|");
    stage_end(&s);
}

static void one_edge_activates_in_the_order_of_ids(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s);
    RESPONSE(&s, 2, 3, FIXED("second"));
    RESPONSE(&s, 1, 3, FIXED("first"));
    stage_begin(&s);
    response_edge_taken(&s.set, 3);
    expect(&s, "first!|second!|");
    stage_end(&s);
}

static void one_session_writes_at_a_time(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s);
    RESPONSE(&s, 1, 3, FIXED("one: "), TEXT_OF(4));
    RESPONSE(&s, 2, 3, FIXED("two: "), TEXT_OF(5));
    stage_begin(&s);
    response_edge_taken(&s.set, 3);
    response_chunk(&s.set, 5, STR("early"), true);
    expect(&s, "one: |");
    response_chunk(&s.set, 4, STR("late"), true);
    expect(&s, "late!|two: |early!|");
    stage_end(&s);
}

static void what_can_be_written_whole_goes_before_one_that_has_written_nothing(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s);
    RESPONSE(&s, 1, ALWAYS_REACHABLE, TEXT_OF(4), FIXED("."));
    RESPONSE(&s, 2, 3, FIXED("fixed"));
    RESPONSE(&s, 3, 5, FIXED("later"));
    stage_begin(&s);
    response_edge_taken(&s.set, 0);
    response_edge_taken(&s.set, 3);
    expect(&s, "fixed!|");
    response_chunk(&s.set, 4, STR("a"), false);
    response_edge_taken(&s.set, 5); /* now the first one has begun */
    expect(&s, "a|");
    response_chunk(&s.set, 4, STR("b"), true);
    expect(&s, "b!|.!|later!|");
    stage_end(&s);
}

/* --- references --- */

static void a_stream_is_passed_on_as_it_comes(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s);
    RESPONSE(&s, 1, ALWAYS_REACHABLE, TEXT_OF(4), FIXED(" end"));
    stage_begin(&s);
    response_edge_taken(&s.set, 0);
    response_chunk(&s.set, 4, STR("a"), false);
    expect(&s, "a|");
    response_chunk(&s.set, 4, STR("b"), false);
    expect(&s, "b|");
    response_chunk(&s.set, 4, STR(""), true);
    expect(&s, "!| end!|");
    response_chunk(&s.set, 4, STR("after the end"), false);
    expect(&s, "");
    stage_end(&s);
}

static void a_later_text_is_held_back_until_its_turn(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s);
    RESPONSE(&s, 1, ALWAYS_REACHABLE, TEXT_OF(4), FIXED(" and "), TEXT_OF(5));
    stage_begin(&s);
    response_edge_taken(&s.set, 0);
    response_chunk(&s.set, 5, STR("fast "), false);
    response_chunk(&s.set, 5, STR("one"), true);
    expect(&s, "");
    response_chunk(&s.set, 4, STR("slow"), true);
    expect(&s, "slow!| and |fast one!|");
    stage_end(&s);
}

static void chunks_that_nobody_mentions_are_dropped(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s);
    RESPONSE(&s, 1, ALWAYS_REACHABLE, TEXT_OF(4));
    stage_begin(&s);
    response_edge_taken(&s.set, 0);
    response_chunk(&s.set, 5, STR("nobody's"), true);
    response_chunk(&s.set, SLOT_NONE, STR("nobody's"), true);
    expect(&s, "");
    assert_int_equal(s.charged, 0);
    stage_end(&s);
}

static void the_same_text_may_be_mentioned_twice(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s);
    RESPONSE(&s, 1, ALWAYS_REACHABLE, TEXT_OF(4), FIXED("/"), TEXT_OF(4));
    RESPONSE(&s, 2, 3, TEXT_OF(4));
    stage_begin(&s);
    response_edge_taken(&s.set, 0);
    response_chunk(&s.set, 4, STR("a"), false);
    response_chunk(&s.set, 4, STR("b"), true);
    expect(&s, "a|b!|/|ab!|");
    response_edge_taken(&s.set, 3);
    expect(&s, "ab!|");
    stage_end(&s);
}

static void a_skipped_source_is_passed_over(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s);
    RESPONSE(&s, 1, ALWAYS_REACHABLE, FIXED("<"), TEXT_OF(4), FIXED(">"));
    stage_begin(&s);
    s.sources[4] = RESPONSE_SOURCE_SKIPPED;
    response_edge_taken(&s.set, 0);
    expect(&s, "<|>!|");
    stage_end(&s);
}

static void a_value_of_the_pool_is_written_whole(void **state)
{
    struct stage s;
    struct value_builder list;
    (void)state;
    stage_init(&s);
    RESPONSE(&s, 1, ALWAYS_REACHABLE, SYSTEM(6), TEXT_OF(4), FIXED("."));
    stage_begin(&s);
    give(&s, 6, "query ");
    response_edge_taken(&s.set, 0);
    expect(&s, "query |");
    value_array_begin(&list, NULL);
    value_array_put(&list, value_string(NULL, STR("x")));
    value_array_put(&list, value_string(NULL, STR("y")));
    s.pool[4] = value_array_end(&list);
    s.sources[4] = RESPONSE_SOURCE_ENDED;
    response_node_ended(&s.set, 4);
    expect(&s, "- x\n- y|.!|"); /* in the form of answers */
    stage_end(&s);
}

/* --- where Dify would wait for ever --- */

static void an_unresolved_reference_waits_for_its_answer_and_then_is_its_bare_path(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s);
    RESPONSE(&s, 1, ALWAYS_REACHABLE, FIXED("<"), SYSTEM(6), FIXED(">"));
    stage_begin(&s);
    response_edge_taken(&s.set, 0);
    response_node_ended(&s.set, 0);
    expect(&s, "<|");
    response_node_ended(&s.set, 1);
    expect(&s, "6.text|>!|");
    stage_end(&s);
}

static void a_source_that_may_still_come_is_waited_for_to_the_end(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s);
    RESPONSE(&s, 1, ALWAYS_REACHABLE, TEXT_OF(4), FIXED(">"));
    stage_begin(&s);
    response_edge_taken(&s.set, 0);
    response_node_ended(&s.set, 1); /* the answer has run beside its source */
    expect(&s, "");
    response_end(&s.set);
    expect(&s, "4.text|>!|");
    stage_end(&s);
}

static void an_end_node_writes_nothing_for_what_is_missing(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s);
    RESPONSE(&s, 1, ALWAYS_REACHABLE, FIXED("<"), SYSTEM(6), FIXED(">"));
    s.nodes[1].type_name = STR("end");
    stage_begin(&s);
    response_edge_taken(&s.set, 0);
    response_node_ended(&s.set, 1);
    expect(&s, "<|>!|");
    stage_end(&s);
}

static void a_response_that_never_ran_writes_no_rest(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s);
    RESPONSE(&s, 1, ALWAYS_REACHABLE, FIXED("<"), TEXT_OF(4), FIXED(">"));
    stage_begin(&s);
    response_edge_taken(&s.set, 0);
    response_end(&s.set);
    expect(&s, "<|");
    stage_end(&s);
}

/* --- failed attempts --- */

static void what_a_failed_attempt_streamed_is_taken_back(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s);
    RESPONSE(&s, 1, ALWAYS_REACHABLE, FIXED("> "), TEXT_OF(4));
    stage_begin(&s);
    response_edge_taken(&s.set, 0);
    response_chunk(&s.set, 4, STR("half"), false);
    response_forget(&s.set, &s.nodes[4]);
    assert_int_equal(s.rewound, 4);
    expect(&s, "> |half|");
    response_chunk(&s.set, 4, STR("whole"), true);
    expect(&s, "whole!|");
    stage_end(&s);
}

static void what_was_only_held_back_is_forgotten_without_a_trace(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s);
    RESPONSE(&s, 1, 3, TEXT_OF(4));
    stage_begin(&s);
    response_chunk(&s.set, 4, STR("half"), false);
    response_forget(&s.set, &s.nodes[4]);
    give(&s, 4, "default");
    response_edge_taken(&s.set, 3);
    expect(&s, "default!|");
    assert_int_equal(s.rewound, 0);
    stage_end(&s);
}

static void reasoning_is_wanted_while_a_session_mentions_its_node(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s);
    RESPONSE(&s, 1, 3, TEXT_OF(4));
    stage_begin(&s);
    assert_false(response_mentions_reasoning(&s.set, &s.nodes[4]));
    response_edge_taken(&s.set, 3);
    assert_true(response_mentions_reasoning(&s.set, &s.nodes[4]));
    assert_false(response_mentions_reasoning(&s.set, &s.nodes[5]));
    response_chunk(&s.set, 4, STR("a"), true);
    assert_false(response_mentions_reasoning(&s.set, &s.nodes[4]));
    stage_end(&s);
}

static void responses_of_containers_are_not_those_of_the_run(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s);
    RESPONSE(&s, 1, ALWAYS_REACHABLE, FIXED("inner"));
    RESPONSE(&s, 2, ALWAYS_REACHABLE, FIXED("outer"));
    s.nodes[1].container = 7;
    stage_begin(&s);
    response_edge_taken(&s.set, 0);
    expect(&s, "outer!|");
    stage_end(&s);
}

static void without_memory_it_says_so(void **state)
{
    (void)state;
    for (size_t n = 0;; n++) {
        struct stage s;
        stage_init(&s);
        RESPONSE(&s, 1, ALWAYS_REACHABLE, TEXT_OF(4), SYSTEM(6));
        s.pool[6] = value_int(NULL, 5);
        (void)buf_reserve(&s.out, 1024);
        alloc_fail_after(n);
        bool ok = response_init(&s.set, &s.arena, &s.graph, UINT32_MAX, OUT_BYTES_MAX, &stage_host, &s);
        if (ok) {
            response_edge_taken(&s.set, 0);
            response_chunk(&s.set, 4, STR("a"), true);
            ok = !s.set.has_failed;
        }
        alloc_fail_reset();
        bool has_failed = alloc_fail_hit();
        assert_true(ok == !has_failed);
        if (ok)
            expect(&s, "a!|5!|");
        s.set.has_failed = false;
        stage_end(&s);
        if (!has_failed)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_streams_before_the_first_edge),
        cmocka_unit_test(a_blocked_response_waits_for_its_edge),
        cmocka_unit_test(one_edge_activates_in_the_order_of_ids),
        cmocka_unit_test(one_session_writes_at_a_time),
        cmocka_unit_test(what_can_be_written_whole_goes_before_one_that_has_written_nothing),
        cmocka_unit_test(a_stream_is_passed_on_as_it_comes),
        cmocka_unit_test(a_later_text_is_held_back_until_its_turn),
        cmocka_unit_test(chunks_that_nobody_mentions_are_dropped),
        cmocka_unit_test(the_same_text_may_be_mentioned_twice),
        cmocka_unit_test(a_skipped_source_is_passed_over),
        cmocka_unit_test(a_value_of_the_pool_is_written_whole),
        cmocka_unit_test(an_unresolved_reference_waits_for_its_answer_and_then_is_its_bare_path),
        cmocka_unit_test(a_source_that_may_still_come_is_waited_for_to_the_end),
        cmocka_unit_test(an_end_node_writes_nothing_for_what_is_missing),
        cmocka_unit_test(a_response_that_never_ran_writes_no_rest),
        cmocka_unit_test(what_a_failed_attempt_streamed_is_taken_back),
        cmocka_unit_test(what_was_only_held_back_is_forgotten_without_a_trace),
        cmocka_unit_test(reasoning_is_wanted_while_a_session_mentions_its_node),
        cmocka_unit_test(responses_of_containers_are_not_those_of_the_run),
        cmocka_unit_test(without_memory_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
