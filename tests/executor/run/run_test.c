/*
 * The course of a run: what is started when, how failures are handled, how it ends (dify-dsl.md 3.2 to 3.8).
 */
#include "tests/executor/player/player.h"
#include <stdio.h>
#include <string.h>

#define IF_ELSE(id, selector, text)                                                                          \
    NODE(id, "if-else",                                                                                      \
         "cases: [{case_id: 'true', logical_operator: and, conditions: "                                     \
         "[{variable_selector: [" selector "], comparison_operator: contains, value: '" text "'}]}]")
#define TEMPLATE(id, text) NODE(id, "template-transform", "template: \"" text "\", variables: []")
#define X_INPUT            NODE("start", "start", "variables: [{variable: x, type: text-input, required: true}]")

static void drop_first_line(struct player *p)
{
    const char *end = strchr(p->log.ptr, '\n');
    buf_drop(&p->log, (size_t)(end + 1 - p->log.ptr));
}

/* --- what is started when --- */

static void a_join_waits_for_every_edge_and_runs_once(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           START LLM("one", "a", "") LLM("two", "b", "") TEMPLATE("join", "j")
                               END_OF("end", "o", "join, output"),
                           EDGE("start", "one") EDGE("start", "two") EDGE("one", "join") EDGE("two", "join")
                               EDGE("join", "end")));
    player_start(&p, &(struct play){0});
    assert_int_equal(player_go(&p), RUN_IDLE);
    assert_int_equal(p.call_count, 2); /* both at once */
    player_done(&p, 1, "stop");
    assert_int_equal(player_go(&p), RUN_IDLE);
    assert_false(player_saw(&p, "node_started join"));
    player_done(&p, 0, "stop");
    assert_int_equal(player_go(&p), RUN_ENDED);
    assert_int_equal(p.steps, 5);
    assert_text("{\"o\":\"j\"}", p.outputs);
    player_close(&p);
}

static void ready_nodes_start_in_the_order_of_the_edges_in_the_file(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "", START LLM("c", "c", "") LLM("a", "a", "") LLM("b", "b", ""),
                           EDGE("start", "b") EDGE("start", "c") EDGE("start", "a")));
    player_start(&p, &(struct play){0});
    player_go(&p);
    drop_first_line(&p);
    player_expect(&p, "node_started start\nnode_finished start succeeded\nnode_started b\nnode_started "
                      "c\nnode_started a\n");
    player_close(&p);
}

static void a_branch_skips_what_only_it_led_to(void **state)
{
    struct player p;
    (void)state;
    /* no → lost → join is skipped all along; join still runs by the taken edge. */
    player_open(
        &p, EXPORT("workflow", "",
                   X_INPUT IF_ELSE("if", "start, x", "yes") TEMPLATE("left", "y") TEMPLATE("right", "n")
                       TEMPLATE("lost", "l") TEMPLATE("join", "j") END_OF("end", "o", "join, output"),
                   EDGE("start", "if") HANDLE("if", "'true'", "left") HANDLE("if", "'false'", "right")
                       EDGE("right", "lost") EDGE("lost", "join") EDGE("left", "join") EDGE("join", "end")));
    player_play(&p, &(struct play){.inputs = "{\"x\":\"yes\"}"});
    drop_first_line(&p);
    assert_true(player_saw(&p, "node_started left"));
    assert_false(player_saw(&p, "node_started right"));
    assert_false(player_saw(&p, "node_started lost"));
    assert_text("{\"o\":\"j\"}", p.outputs);
    player_close(&p);
}

static void a_branch_without_an_edge_for_its_handle_just_ends(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           X_INPUT IF_ELSE("if", "start, x", "yes") END_OF("end", "o", "start, x"),
                           EDGE("start", "if") HANDLE("if", "'true'", "end") HANDLE("if", "unknown", "end")));
    player_play(&p, &(struct play){.inputs = "{\"x\":\"no\"}"});
    assert_int_equal(p.status, RUN_STATUS_SUCCEEDED);
    assert_int_equal(p.steps, 2);
    assert_text("{}", p.outputs);
    player_close(&p);
}

static void nodes_that_nothing_leads_to_never_run(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "", START TEMPLATE("orphan", "o") TEMPLATE("after", "a"),
                           EDGE("orphan", "after") EDGE("start", "after")));
    player_play(&p, &(struct play){0});
    assert_int_equal(p.status, RUN_STATUS_SUCCEEDED);
    assert_int_equal(p.steps, 1); /* the orphan's edge is never decided */
    player_close(&p);
}

static void the_predecessor_is_the_node_whose_end_made_it_ready(void **state)
{
    struct player p;
    (void)state;
    player_open(
        &p, EXPORT("workflow", "", START LLM("slow", "a", "") TEMPLATE("quick", "q") TEMPLATE("join", "j"),
                   EDGE("start", "slow") EDGE("start", "quick") EDGE("slow", "join") EDGE("quick", "join")));
    player_start(&p, &(struct play){0});
    player_go(&p);
    assert_string_equal(p.last_predecessor, "start");
    player_finish(&p);
    assert_true(player_saw(&p, "node_started join"));
    assert_string_equal(p.last_predecessor, "slow");
    player_close(&p);
}

/* --- outputs --- */

static void outputs_of_end_nodes_are_put_together(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           X_INPUT END_OF("e1", "a", "start, x") TEMPLATE("t", "later")
                               NODE("e2", "end",
                                    "outputs: [{variable: a, value_selector: [t, output]}, "
                                    "{variable: missing, value_selector: [t, nothing]}]"),
                           EDGE("start", "e1") EDGE("start", "t") EDGE("t", "e2")));
    player_play(&p, &(struct play){.inputs = "{\"x\":\"first\"}"});
    assert_text("{\"a\":\"later\",\"missing\":null}", p.outputs);
    player_close(&p);
}

static void answers_are_put_one_behind_the_other(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("advanced-chat", "", START ANSWER("a1", "one ") ANSWER("a2", "two"),
                           EDGE("start", "a1") EDGE("a1", "a2")));
    player_play(&p, &(struct play){.query = "q"});
    assert_text("{\"answer\":\"one two\",\"files\":[]}", p.outputs);
    assert_text("one two", p.text);
    player_close(&p);
}

static void environment_and_conversation_variables_are_there(void **state)
{
    static const char more[] =
        "  environment_variables: [{name: region, value: eu, value_type: string, id: '1'}, "
        "{name: key, value: k, value_type: string, id: '2'}]\n"
        "  conversation_variables: [{name: mood, value: calm, value_type: string, id: '3'}]\n";
    char dsl[2048];
    struct player p;
    (void)state;
    snprintf(dsl, sizeof dsl, "%s%s%s",
             "app: {mode: advanced-chat, name: test}\nkind: app\nversion: 0.3.1\nworkflow:\n", more,
             "  graph:\n    nodes:\n" START ANSWER(
                 "a", "{{#env.region#}} {{#env.key#}} {{#conversation.mood#}} "
                      "{{#sys.dialogue_count#}} {{#sys.query#}}") "    edges:\n" EDGE("start", "a"));
    player_open(&p, dsl);
    player_play(&p, &(struct play){.query = "q", .environment = "{\"key\":\"replaced\"}"});
    assert_text("eu replaced calm 1 q", p.text);
    player_close(&p);
}

/* --- failures --- */

static void a_failure_without_strategy_ends_the_run(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("advanced-chat", "",
                           START LLM("one", "a", "") LLM("two", "b", "") ANSWER("answer", "{{#one.text#}}"),
                           EDGE("start", "one") EDGE("start", "two") EDGE("one", "answer")));
    player_start(&p, &(struct play){.query = "q"});
    player_go(&p);
    player_say(&p, 0, "so far");
    player_go(&p);
    buf_clear(&p.log);
    player_fail(&p, 0, "InvokeServerUnavailableError", "the model broke off");
    assert_int_equal(player_go(&p), RUN_ENDED);
    player_expect(&p, "node_finished one failed: the model broke off\n"
                      "node_finished two failed: the model broke off\n"
                      "workflow_finished failed node_failed {}: the model broke off\n"
                      "error invalid_param 400: Run failed: the model broke off\n");
    assert_true(p.calls[1].was_cancelled);
    assert_int_equal(p.exceptions, 1);
    player_close(&p);
}

#define RETRIES(n, interval)                                                                                 \
    ", retry_config: {retry_enabled: true, max_retries: " n ", retry_interval: " interval "}"

static void a_failure_is_tried_again_after_its_interval(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           START LLM("llm", "a", RETRIES("2", "100")) END_OF("end", "o", "llm, text"),
                           EDGE("start", "llm") EDGE("llm", "end")));
    player_start(&p, &(struct play){0});
    player_go(&p);
    player_fail(&p, 0, "InvokeRateLimitError", "busy");
    assert_int_equal(player_go(&p), RUN_IDLE);
    assert_int_equal(p.call_count, 1);
    assert_true(player_saw(&p, "node_retry llm retry 1: busy\n"));
    player_pass(&p, 99);
    assert_int_equal(player_go(&p), RUN_IDLE);
    assert_int_equal(p.call_count, 1);
    player_pass(&p, 1);
    assert_int_equal(player_go(&p), RUN_IDLE);
    assert_int_equal(p.call_count, 2);
    player_finish(&p);
    assert_int_equal(p.status, RUN_STATUS_PARTIAL_SUCCEEDED); /* a cured failure counts too */
    assert_int_equal(p.exceptions, 1);
    assert_int_equal(p.steps, 4); /* attempts */
    assert_int_equal(p.ids, 3);   /* the execution keeps its id */
    player_close(&p);
}

static void when_no_attempt_is_left_the_run_fails(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "", START LLM("llm", "a", RETRIES("1", "0")), EDGE("start", "llm")));
    player_start(&p, &(struct play){0});
    player_go(&p);
    player_fail(&p, 0, "InvokeRateLimitError", "busy");
    player_go(&p);
    player_fail(&p, 1, "InvokeRateLimitError", "still busy");
    assert_int_equal(player_go(&p), RUN_ENDED);
    assert_int_equal(p.status, RUN_STATUS_FAILED);
    assert_string_equal(p.error, "still busy");
    assert_int_equal(p.exceptions, 2);
    player_close(&p);
}

static void text_of_a_failed_attempt_is_replaced_by_the_next_one(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("advanced-chat", "",
                           START LLM("llm", "a", RETRIES("1", "0")) ANSWER("answer", "> {{#llm.text#}}"),
                           EDGE("start", "llm") EDGE("llm", "answer")));
    player_start(&p, &(struct play){.query = "q"});
    player_go(&p);
    player_say(&p, 0, "half an ans");
    player_go(&p);
    player_fail(&p, 0, "InvokeConnectionError", "gone");
    player_go(&p);
    assert_text("> half an ans", p.text);
    player_say(&p, 1, "whole");
    player_done(&p, 1, "stop");
    assert_int_equal(player_go(&p), RUN_ENDED);
    assert_text("> whole", p.text);
    player_close(&p);
}

static void the_fail_branch_is_taken_with_error_outputs(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           START LLM("llm", "a", ", error_strategy: fail-branch")
                               NODE("bad", "end",
                                    "outputs: [{variable: m, value_selector: [llm, error_message]}, "
                                    "{variable: t, value_selector: [llm, error_type]}]")
                                   END_OF("good", "o", "llm, text"),
                           EDGE("start", "llm") EDGE("llm", "good") HANDLE("llm", "fail-branch", "bad")));
    player_start(&p, &(struct play){0});
    player_go(&p);
    player_fail(&p, 0, "InvokeBadRequestError", "no such model");
    assert_int_equal(player_go(&p), RUN_ENDED);
    assert_true(player_saw(&p, "node_finished llm exception: no such model\n"));
    assert_text("{\"m\":\"no such model\",\"t\":\"InvokeBadRequestError\"}", p.outputs);
    assert_int_equal(p.status, RUN_STATUS_PARTIAL_SUCCEEDED);
    player_close(&p);

    /* Success goes by the handle "source". */
    player_open(&p, EXPORT("workflow", "",
                           START LLM("llm", "a", ", error_strategy: fail-branch")
                               END_OF("bad", "m", "llm, error_message") END_OF("good", "o", "llm, text"),
                           EDGE("start", "llm") EDGE("llm", "good") HANDLE("llm", "fail-branch", "bad")));
    player_play(&p, &(struct play){0});
    assert_text("{\"o\":\"mocked llm response\"}", p.outputs);
    assert_int_equal(p.status, RUN_STATUS_SUCCEEDED);
    player_close(&p);
}

static void default_values_stand_for_the_outputs(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("advanced-chat", "",
                           START LLM("llm", "a",
                                     ", error_strategy: default-value, "
                                     "default_value: [{key: text, type: string, value: sorry}]")
                               ANSWER("answer", "{{#llm.text#}}: {{#llm.error_message#}}"),
                           EDGE("start", "llm") EDGE("llm", "answer")));
    player_start(&p, &(struct play){.query = "q"});
    player_go(&p);
    player_say(&p, 0, "half an ans");
    player_go(&p);
    player_fail(&p, 0, "InvokeConnectionError", "gone");
    assert_int_equal(player_go(&p), RUN_ENDED);
    assert_text("{\"answer\":\"sorry: gone\",\"files\":[]}", p.outputs);
    assert_text("sorry: gone", p.text);
    assert_int_equal(p.status, RUN_STATUS_PARTIAL_SUCCEEDED);
    player_close(&p);
}

static void a_node_of_a_type_that_is_not_served_fails_when_reached(void **state)
{
    static const char dsl[] =
        EXPORT("workflow", "", X_INPUT IF_ELSE("if", "start, x", "yes") NODE("code", "code", "code: ''"),
               EDGE("start", "if") HANDLE("if", "'true'", "code"));
    struct player p;
    (void)state;
    player_open_lenient(&p, dsl);
    player_play(&p, &(struct play){.inputs = "{\"x\":\"no\"}"});
    assert_int_equal(p.status, RUN_STATUS_SUCCEEDED);
    player_close(&p);
    player_open_lenient(&p, dsl);
    player_play(&p, &(struct play){.inputs = "{\"x\":\"yes\"}"});
    assert_int_equal(p.status, RUN_STATUS_FAILED);
    assert_contains("code", p.error);
    player_close(&p);
}

/* --- ends from outside --- */

static const char slow_chat[] =
    EXPORT("advanced-chat", "", START LLM("llm", "a", "") ANSWER("answer", "{{#llm.text#}}"),
           EDGE("start", "llm") EDGE("llm", "answer"));

static void a_stop_ends_the_run_and_its_model_call(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, slow_chat);
    player_start(&p, &(struct play){.query = "q"});
    player_go(&p);
    player_say(&p, 0, "so far");
    player_go(&p);
    buf_clear(&p.log);
    run_stop(p.run, END_REASON_STOPPED_BY_USER, STR(""));
    run_stop(p.run, END_REASON_CALLER_GONE, STR("later")); /* the first one counts */
    assert_int_equal(p.wakes, 1);
    assert_int_equal(player_go(&p), RUN_ENDED);
    assert_true(p.calls[0].was_cancelled);
    player_expect(&p, "node_finished llm stopped: User requested stop\n"
                      "workflow_finished stopped stopped_by_user {}: User requested stop\n"
                      "message_end\n");
    assert_int_equal(run_advance(p.run, 100, 1000), RUN_ENDED);
    player_expect(&p, "");
    player_close(&p);
}

static void a_stop_before_the_first_turn_still_begins_and_ends(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "", START, ""));
    player_start(&p, &(struct play){0});
    run_stop(p.run, END_REASON_SHUTTING_DOWN, STR("going down"));
    assert_int_equal(player_go(&p), RUN_ENDED);
    drop_first_line(&p);
    player_expect(&p, "workflow_finished stopped shutting_down {}: going down\n");
    player_close(&p);
}

static void reasons_of_ours_fail_the_run(void **state)
{
    static const enum end_reason reasons[] = {END_REASON_STORE_UNAVAILABLE, END_REASON_EXECUTOR_LOST,
                                              END_REASON_MEMORY_LIMIT};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        struct player p;
        player_open(&p, slow_chat);
        player_start(&p, &(struct play){.query = "q"});
        player_go(&p);
        run_stop(p.run, reasons[i], STR(""));
        player_go(&p);
        assert_int_equal(p.status, RUN_STATUS_FAILED);
        assert_int_equal(p.reason, reasons[i]);
        assert_true(player_saw(&p, "error invalid_param 400: Run failed: "));
        player_close(&p);
    }
}

static void the_deadline_leaves_time_for_the_last_events(void **state)
{
    static const struct {
        int64_t deadline_ms, ends_after_ms;
    } rows[] = {{1000, 950}, {10000, 9800}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        player_open(&p, slow_chat);
        player_start(&p, &(struct play){.query = "q", .deadline_ms = p.now_us / 1000 + rows[i].deadline_ms});
        assert_int_equal(player_go(&p), RUN_IDLE);
        assert_int_equal(p.timer_ms, p.now_us / 1000 + rows[i].ends_after_ms);
        player_pass(&p, rows[i].ends_after_ms - 1);
        assert_int_equal(player_go(&p), RUN_IDLE);
        player_pass(&p, 1);
        assert_int_equal(player_go(&p), RUN_ENDED);
        assert_int_equal(p.reason, END_REASON_DEADLINE);
        assert_int_equal(p.status, RUN_STATUS_STOPPED);
        assert_true(p.calls[0].was_cancelled);
        player_close(&p);
    }
}

static void the_longest_time_ends_a_run(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, slow_chat);
    player_start(&p, &(struct play){.query = "q", .limits = {.max_time_ms = 12000}});
    player_go(&p);
    player_pass(&p, 12340);
    assert_int_equal(player_go(&p), RUN_ENDED);
    assert_int_equal(p.reason, END_REASON_TIME_LIMIT);
    assert_int_equal(p.status, RUN_STATUS_STOPPED);
    assert_string_equal(p.error, "Maximum execution time exceeded: 12.34s > 12s");
    player_close(&p);
}

static void too_many_steps_end_a_run(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "", START TEMPLATE("a", "a") TEMPLATE("b", "b") TEMPLATE("c", "c"),
                           EDGE("start", "a") EDGE("a", "b") EDGE("b", "c")));
    player_play(&p, &(struct play){.limits = {.max_steps = 2}});
    assert_int_equal(p.reason, END_REASON_STEP_LIMIT);
    assert_int_equal(p.status, RUN_STATUS_STOPPED);
    assert_string_equal(p.error, "Maximum execution steps exceeded: 3 > 2");
    player_close(&p);
}

static void too_many_bytes_end_only_that_run(void **state)
{
    char text[3000];
    struct player p;
    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    player_open(&p, slow_chat);
    player_start(&p, &(struct play){.query = "q", .limits = {.max_bytes = 8000}});
    for (int i = 0; i < 5 && player_go(&p) == RUN_IDLE; i++)
        player_say(&p, 0, text);
    assert_true(run_has_ended(p.run));
    assert_int_equal(p.reason, END_REASON_MEMORY_LIMIT);
    assert_int_equal(p.status, RUN_STATUS_FAILED);
    assert_true(p.calls[0].was_cancelled);
    player_close(&p);
}

static void a_run_freed_in_mid_flight_cancels_its_calls(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, slow_chat);
    player_start(&p, &(struct play){.query = "q"});
    player_go(&p);
    run_free(p.run);
    p.run = NULL;
    assert_true(p.calls[0].was_cancelled);
    assert_int_equal(p.ends, 0);
    player_close(&p);
}

/* --- turns --- */

static void a_turn_keeps_to_its_budget(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "", START TEMPLATE("a", "a") TEMPLATE("b", "b"),
                           EDGE("start", "a") EDGE("a", "b")));
    player_start(&p, &(struct play){0});
    int turns = 1;
    while (run_advance(p.run, 2, 1000000) == RUN_MORE)
        turns++;
    assert_int_equal(turns, 3); /* three starts and three ends, two a turn */
    player_close(&p);
}

static void while_paused_nothing_starts_and_a_stop_still_works(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("advanced-chat", "", START ANSWER("a", "text") ANSWER("b", "more"),
                           EDGE("start", "a") EDGE("a", "b")));
    p.pauses_at_text = true;
    player_start(&p, &(struct play){.query = "q"});
    assert_int_equal(player_go(&p), RUN_IDLE);
    assert_false(player_saw(&p, "node_started a"));
    run_set_paused(p.run, false);
    assert_int_equal(p.wakes, 1);
    assert_int_equal(player_go(&p), RUN_IDLE); /* until the text of b */
    assert_true(player_saw(&p, "node_started a"));
    run_stop(p.run, END_REASON_CALLER_GONE, STR(""));
    assert_int_equal(player_go(&p), RUN_ENDED);
    player_close(&p);
}

static void texts_that_came_within_one_turn_are_one_event(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, slow_chat);
    player_start(&p, &(struct play){.query = "q"});
    player_go(&p);
    buf_clear(&p.log);
    player_say(&p, 0, "a");
    player_say(&p, 0, "b");
    assert_int_equal(p.wakes, 1);
    player_go(&p);
    player_expect(&p, "message llm.text \"ab\"\n");
    player_close(&p);
}

static void usage_is_added_up(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("advanced-chat", "",
                           START LLM("one", "a", "") LLM("two", "b", "") ANSWER("answer", "ok"),
                           EDGE("start", "one") EDGE("one", "two") EDGE("two", "answer")));
    player_play(&p, &(struct play){.query = "q"});
    assert_int_equal(p.tokens, 30);
    assert_int_equal(p.usage.prompt_tokens, 20);
    assert_int_equal(p.usage.completion_tokens, 10);
    assert_int_equal(p.usage.latency_ms, 400);
    assert_int_equal(p.usage.first_token_ms, 50);
    player_close(&p);
}

/* --- memory --- */

/* Every allocation of a whole run fails once: the run is refused, or ends as a failure with all its events. */
static void a_run_without_memory_ends_and_nothing_leaks(void **state)
{
    static const char dsl[] = EXPORT(
        "advanced-chat", "",
        NODE("start", "start", "variables: [{variable: x, type: text-input}, {variable: n, type: number}]")
            LLM("llm", "{{#start.x#}} {{#sys.query#}}", RETRIES("1", "0")) IF_ELSE("if", "llm, text",
                                                                                   "mocked")
                NODE("t", "template-transform",
                     "template: 'got {{ a }}', variables: [{variable: a, value_selector: [llm, text]}]")
                    NODE("agg", "variable-aggregator",
                         "variables: [[t, output], [llm, text]], output_type: string")
                        ANSWER("answer", "{{#llm.text#}} {{#t.output#}} {{#agg.output#}} {{#llm.usage#}}"),
        EDGE("start", "llm") EDGE("llm", "if") HANDLE("if", "'true'", "t") EDGE("t", "agg")
            EDGE("agg", "answer"));
    (void)state;
    player_starve(dsl, &(struct play){.query = "q", .inputs = "{\"x\":\"y\",\"n\":\"5\"}"}, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_join_waits_for_every_edge_and_runs_once),
        cmocka_unit_test(ready_nodes_start_in_the_order_of_the_edges_in_the_file),
        cmocka_unit_test(a_branch_skips_what_only_it_led_to),
        cmocka_unit_test(a_branch_without_an_edge_for_its_handle_just_ends),
        cmocka_unit_test(nodes_that_nothing_leads_to_never_run),
        cmocka_unit_test(the_predecessor_is_the_node_whose_end_made_it_ready),
        cmocka_unit_test(outputs_of_end_nodes_are_put_together),
        cmocka_unit_test(answers_are_put_one_behind_the_other),
        cmocka_unit_test(environment_and_conversation_variables_are_there),
        cmocka_unit_test(a_failure_without_strategy_ends_the_run),
        cmocka_unit_test(a_failure_is_tried_again_after_its_interval),
        cmocka_unit_test(when_no_attempt_is_left_the_run_fails),
        cmocka_unit_test(text_of_a_failed_attempt_is_replaced_by_the_next_one),
        cmocka_unit_test(the_fail_branch_is_taken_with_error_outputs),
        cmocka_unit_test(default_values_stand_for_the_outputs),
        cmocka_unit_test(a_node_of_a_type_that_is_not_served_fails_when_reached),
        cmocka_unit_test(a_stop_ends_the_run_and_its_model_call),
        cmocka_unit_test(a_stop_before_the_first_turn_still_begins_and_ends),
        cmocka_unit_test(reasons_of_ours_fail_the_run),
        cmocka_unit_test(the_deadline_leaves_time_for_the_last_events),
        cmocka_unit_test(the_longest_time_ends_a_run),
        cmocka_unit_test(too_many_steps_end_a_run),
        cmocka_unit_test(too_many_bytes_end_only_that_run),
        cmocka_unit_test(a_run_freed_in_mid_flight_cancels_its_calls),
        cmocka_unit_test(a_turn_keeps_to_its_budget),
        cmocka_unit_test(while_paused_nothing_starts_and_a_stop_still_works),
        cmocka_unit_test(texts_that_came_within_one_turn_are_one_event),
        cmocka_unit_test(usage_is_added_up),
        cmocka_unit_test(a_run_without_memory_ends_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
