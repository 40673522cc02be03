/*
 * Containers in containers when something goes wrong: failures, stops and want of memory come through every level
 * (dify-dsl.md 3.5, 4.12, 4.13).
 */
#include "tests/executor/player/player.h"
#include "tests/support/alloc_fail.h"
#include <stdio.h>

#define START_OF(container, type)                                                                            \
    "    - {id: " container "start, type: custom-" type "-start, parentId: " container                       \
    ", data: {type: " type "-start, title: ''}}\n"
#define ASK(container, more)                                                                                 \
    INSIDE(                                                                                                  \
        container, "ask", "llm",                                                                             \
        "model: {provider: p, name: m, mode: chat, completion_params: {}}, prompt_template: [{role: user, "  \
        "text: t}], context: {enabled: false}" more)
/* An iteration over the numbers of `start` around a loop around an iteration around a model. */
#define DEEP(outer, inner, ask)                                                                              \
    EXPORT("workflow", "",                                                                                   \
           NODE("start", "start", "variables: [{variable: o, type: json_object}]")                           \
               ITERATION("outer", "start, o, l", "loop, loop_round", outer) INSIDE(                          \
                   "outer", "loop", "loop", "loop_count: 2, loop_variables: [], start_node_id: loopstart")   \
                   START_OF("loop", "loop")                                                                  \
                       INSIDE("loop", "inner", "iteration",                                                  \
                              "iterator_selector: [start, o, l], output_selector: [ask, text], "             \
                              "start_node_id: innerstart" inner) START_OF("inner", "iteration")              \
                           ASK("inner", ask) END_OF("end", "list", "outer, output"),                         \
           EDGE("start", "outer") EDGE("outer", "end") EDGE("outerstart", "loop") EDGE("loopstart", "inner") \
               EDGE("innerstart", "ask"))
#define PARALLEL ", is_parallel: true, parallel_nums: 2"
static const struct play three = {.inputs = "{\"o\":{\"l\":[1,2,3]}}"};

/* The words and the name of the error are those of the node at the bottom. */
static void a_failure_at_the_bottom_fails_all_levels(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, DEEP("", "", ""));
    player_start(&p, &three);
    player_go(&p);
    player_fail(&p, 0, "InvokeConnectionError", "nobody is there");
    assert_int_equal(RUN_ENDED, player_go(&p));
    assert_int_equal(RUN_STATUS_FAILED, p.status);
    assert_str("nobody is there", str_c(p.error));
    assert_str("InvokeConnectionError", str_c(p.last_error_type));
    assert_true(player_saw(&p, "iteration_completed outer failed"));
    player_close(&p);
}

static void a_failure_at_the_bottom_may_be_handled_further_out(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, DEEP(", error_handle_mode: continue-on-error" PARALLEL, PARALLEL, ""));
    player_start(&p, &three);
    player_go(&p);
    assert_int_equal(4, p.call_count);
    player_fail(&p, 0, "InvokeConnectionError", "nobody is there");
    player_finish(&p);
    assert_int_equal(RUN_STATUS_PARTIAL_SUCCEEDED, p.status);
    assert_text("{\"list\":[null,2,2]}", p.outputs);
    player_close(&p);
}

/* At every moment: nothing is left behind, and each call is cancelled. */
static void a_stop_comes_through_all_levels(void **state)
{
    (void)state;
    for (size_t said = 0; said < 24; said++) {
        struct player p;
        player_open(&p, DEEP(PARALLEL, PARALLEL,
                             ", retry_config: {retry_enabled: true, max_retries: 1, "
                             "retry_interval: 0}"));
        player_start(&p, &three);
        player_go(&p);
        for (size_t i = 0; i < said && i < p.call_count; i++) {
            if (i % 3 == 0)
                player_fail(&p, i, "InvokeConnectionError", "nobody is there");
            else
                player_done(&p, i, "stop");
            player_go(&p);
        }
        if (p.ends == 0)
            run_stop(p.run, END_REASON_STOPPED_BY_USER, STR(""));
        player_go(&p);
        assert_int_equal(1, p.ends);
        for (size_t i = 0; i < p.call_count; i++)
            assert_false(p.calls[i].is_open);
        player_close(&p);
    }
}

static void want_of_memory_ends_the_run_alone(void **state)
{
    (void)state;
    for (size_t n = 0;; n++) {
        struct player p;
        struct status err;
        player_open(&p, DEEP(PARALLEL ", error_handle_mode: remove-abnormal-output", PARALLEL, ""));
        player_reserve(&p);
        alloc_fail_after(n);
        enum status_code rc = player_try(&p, &three, &err);
        if (rc == STATUS_OK) {
            player_go(&p);
            if (p.call_count > 1 && p.calls[1].is_open)
                player_fail(&p, 1, "InvokeConnectionError", "nobody is there");
            player_finish(&p);
        }
        alloc_fail_reset();
        bool has_failed = alloc_fail_hit();
        if (rc != STATUS_OK)
            assert_code(STATUS_RESOURCE_EXHAUSTED, rc);
        assert_int_equal(p.ends, rc == STATUS_OK);
        player_close(&p);
        if (!has_failed) {
            assert_true(n > 100);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_at_the_bottom_fails_all_levels),
        cmocka_unit_test(a_failure_at_the_bottom_may_be_handled_further_out),
        cmocka_unit_test(a_stop_comes_through_all_levels),
        cmocka_unit_test(want_of_memory_ends_the_run_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
