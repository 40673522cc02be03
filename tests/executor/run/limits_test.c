/*
 * What a run may take of steps and time when nobody says otherwise (dify-dsl.md 3.7).
 */
#include "tests/executor/player/player.h"

#define SLOW EXPORT("workflow", "", START LLM("llm", "t", ""), EDGE("start", "llm"))

static void a_run_lasts_twenty_minutes(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, SLOW);
    player_start(&p, &(struct play){0});
    assert_int_equal(RUN_IDLE, player_go(&p));
    player_pass(&p, 1200000);
    assert_int_equal(RUN_IDLE, player_go(&p));
    player_pass(&p, 10);
    assert_int_equal(RUN_ENDED, player_go(&p));
    assert_int_equal(RUN_STATUS_STOPPED, p.status);
    assert_int_equal(END_REASON_TIME_LIMIT, p.reason);
    assert_string_equal("Maximum execution time exceeded: 1200.01s > 1200s", p.error);
    assert_true(p.calls[0].was_cancelled);
    player_close(&p);
}

/* Two starts and three retries: five attempts against a limit of two. */
static void retries_are_no_steps_of_the_limit(void **state)
{
    struct player p;
    (void)state;
    player_open(&p,
                EXPORT("workflow", "",
                       START LLM("llm", "t",
                                 ", retry_config: {retry_enabled: true, max_retries: 3, retry_interval: 0}"),
                       EDGE("start", "llm")));
    player_start(&p, &(struct play){.limits = {.max_steps = 2}});
    for (size_t i = 0; i < 3; i++) {
        player_go(&p);
        player_fail(&p, i, "InvokeRateLimitError", "busy");
    }
    player_go(&p);
    player_done(&p, 3, "stop");
    player_go(&p);
    assert_int_equal(RUN_STATUS_PARTIAL_SUCCEEDED, p.status);
    assert_int_equal(5, p.steps); /* of the run, attempts count */
    player_close(&p);
}

/* The limit is looked at when a node has ended: what it leads to does not start any more. */
static void the_step_beyond_still_runs(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           START NODE("a", "template-transform", "template: x, variables: []")
                               NODE("b", "template-transform", "template: x, variables: []"),
                           EDGE("start", "a") EDGE("a", "b")));
    player_play(&p, &(struct play){.limits = {.max_steps = 1}});
    assert_int_equal(END_REASON_STEP_LIMIT, p.reason);
    assert_string_equal("Maximum execution steps exceeded: 2 > 1", p.error);
    assert_true(player_saw(&p, "node_finished a succeeded\n"));
    assert_false(player_saw(&p, "node_started b\n"));
    player_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_lasts_twenty_minutes),
        cmocka_unit_test(retries_are_no_steps_of_the_limit),
        cmocka_unit_test(the_step_beyond_still_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
