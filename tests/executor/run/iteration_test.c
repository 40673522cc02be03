/*
 * Iterations: elements in turn and side by side, failures in them, what is seen outside (dify-dsl.md 4.12, 5.1).
 */
#include "tests/executor/player/player.h"
#include <stdio.h>
#include <string.h>

#define ASK(id, prompt)                                                                                      \
    INSIDE("it", id, "llm",                                                                                  \
           "model: {provider: p, name: m, mode: chat, completion_params: {}}, prompt_template: [{role: "     \
           "user, text: \"" prompt "\"}], context: {enabled: false}, vision: {enabled: false}")
#define SHOW(id, text)                                                                                       \
    INSIDE("it", id, "template-transform",                                                                   \
           "template: \"" text "\", variables: [{variable: item, value_selector: [it, item]}, {variable: "   \
           "index, value_selector: [it, index]}]")
#define LIST_INPUT NODE("start", "start", "variables: [{variable: o, type: json_object, required: false}]")
#define AROUND     EDGE("start", "it") EDGE("it", "end")
#define RESULT     END_OF("end", "o", "it, output")
#define PARALLEL   ", is_parallel: true, parallel_nums: "

static void expect_outputs(const char *dsl, const char *inputs, enum run_status status, const char *outputs)
{
    struct player p;
    player_open(&p, dsl);
    p.reply = "said";
    player_play(&p, &(struct play){.inputs = inputs});
    assert_int_equal(p.status, status);
    assert_text(outputs, p.outputs);
    player_close(&p);
}

static void elements_run_in_turn_and_results_keep_their_order(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           LIST_INPUT ITERATION("it", "start, o, l", "t, output", "")
                               SHOW("t", "{{ index }}={{ item }}") RESULT,
                           AROUND EDGE("itstart", "t")));
    player_play(&p, &(struct play){.inputs = "{\"o\":{\"l\":[\"a\",\"b\"]}}"});
    buf_drop(&p.log, str_find(buf_str(&p.log), STR("iteration_started"), 0));
    player_expect(&p, "iteration_started it 2 {\"iterator_selector\":[\"a\",\"b\"]}\n"
                      "iteration_next it 0\n"
                      "node_started t in it#0\n"
                      "node_finished t succeeded in it#0\n"
                      "iteration_next it 1\n"
                      "node_started t in it#1\n"
                      "node_finished t succeeded in it#1\n"
                      "iteration_completed it succeeded {\"output\":[\"0=a\",\"1=b\"]} steps 2\n"
                      "text_chunk it.output \"- 0=a\\n- 1=b\" final\n"
                      "node_started end\n"
                      "node_finished end succeeded\n"
                      "workflow_finished succeeded completed {\"o\":[\"0=a\",\"1=b\"]}\n");
    assert_int_equal(p.last_durations, 2);
    assert_int_equal(p.steps, 3); /* start, it, end: what runs inside does not count */
    player_close(&p);
}

static void what_is_gone_over_may_be_empty_but_has_to_be_a_list(void **state)
{
    static const struct {
        const char *inputs;
        enum run_status status;
        const char *outputs;
    } rows[] = {
        {"{\"o\":{\"l\":[]}}", RUN_STATUS_SUCCEEDED, "{\"o\":[]}"},
        {"{\"o\":{\"l\":null}}", RUN_STATUS_SUCCEEDED, "{\"o\":[]}"},
        {"{\"o\":{\"l\":\"abc\"}}", RUN_STATUS_FAILED, "{}"},
        {"{\"o\":{\"l\":{\"a\":1}}}", RUN_STATUS_FAILED, "{}"},
        {"{\"o\":{\"l\":7}}", RUN_STATUS_FAILED, "{}"},
        {"{\"o\":{}}", RUN_STATUS_FAILED, "{}"},
        {"{}", RUN_STATUS_FAILED, "{}"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect_outputs(EXPORT("workflow", "",
                              LIST_INPUT ITERATION("it", "start, o, l", "t, output", "") SHOW("t", "x")
                                  RESULT,
                              AROUND EDGE("itstart", "t")),
                       rows[i].inputs, rows[i].status, rows[i].outputs);
}

static void elements_run_side_by_side_up_to_parallel_nums(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           LIST_INPUT ITERATION("it", "start, o, l", "ask, text", PARALLEL "2")
                               ASK("ask", "{{#it.item#}}") RESULT,
                           AROUND EDGE("itstart", "ask")));
    player_start(&p, &(struct play){.inputs = "{\"o\":{\"l\":[\"a\",\"b\",\"c\"]}}"});
    assert_int_equal(player_go(&p), RUN_IDLE);
    assert_int_equal(p.call_count, 2);
    player_say(&p, 1, "second");
    player_done(&p, 1, "stop");
    assert_int_equal(player_go(&p), RUN_IDLE);
    assert_int_equal(p.call_count, 3); /* the next one begins as one ends */
    player_say(&p, 2, "third");
    player_done(&p, 2, "stop");
    player_say(&p, 0, "first");
    player_done(&p, 0, "stop");
    assert_int_equal(player_go(&p), RUN_ENDED);
    assert_text("{\"o\":[\"first\",\"second\",\"third\"]}", p.outputs);
    assert_int_equal(p.last_container_tokens, 45);
    assert_int_equal(p.tokens, 45); /* counted once */
    player_close(&p);
}

static void failures_are_handled_by_the_mode(void **state)
{
    static const struct {
        const char *mode, *parallel;
        enum run_status status;
        const char *outputs;
        int exceptions, calls;
    } rows[] = {
        {"terminated", "1", RUN_STATUS_FAILED, "{}", 2, 1},
        {"continue-on-error", "1", RUN_STATUS_PARTIAL_SUCCEEDED, "{\"o\":[null,\"said\",\"said\"]}", 1, 3},
        {"remove-abnormal-output", "1", RUN_STATUS_PARTIAL_SUCCEEDED, "{\"o\":[\"said\",\"said\"]}", 1, 3},
        {"terminated", "2", RUN_STATUS_FAILED, "{}", 2, 2},
        {"continue-on-error", "2", RUN_STATUS_PARTIAL_SUCCEEDED, "{\"o\":[null,\"said\",\"said\"]}", 1, 3},
        {"remove-abnormal-output", "3", RUN_STATUS_PARTIAL_SUCCEEDED, "{\"o\":[\"said\",\"said\"]}", 1, 3},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        char dsl[4096];
        snprintf(dsl, sizeof dsl,
                 EXPORT("workflow", "",
                        LIST_INPUT ITERATION("it", "start, o, l", "ask, text",
                                             ", error_handle_mode: %s, is_parallel: true, parallel_nums: %s")
                            ASK("ask", "{{#it.item#}}") RESULT,
                        AROUND EDGE("itstart", "ask")),
                 rows[i].mode, rows[i].parallel);
        player_open(&p, dsl);
        p.reply = "said";
        player_start(&p, &(struct play){.inputs = "{\"o\":{\"l\":[1,2,3]}}"});
        player_go(&p);
        player_fail(&p, 0, "InvokeServerUnavailableError", "down");
        player_finish(&p);
        assert_int_equal(p.status, rows[i].status);
        assert_text(rows[i].outputs, p.outputs);
        assert_int_equal(p.exceptions, rows[i].exceptions);
        assert_int_equal(p.call_count, rows[i].calls); /* nothing starts after the first failure */
        if (rows[i].status == RUN_STATUS_FAILED)
            assert_str("down", str_c(p.error));
        player_close(&p);
    }
}

static void lists_are_put_together_unless_told_otherwise(void **state)
{
    static const struct {
        const char *more, *lists, *outputs;
    } rows[] = {
        {"", "[[1,2],[3]]", "{\"o\":[1,2,3]}"},
        {"", "[[1],null,[3]]", "{\"o\":[1,3]}"}, /* nulls vanish */
        {"", "[[],[]]", "{\"o\":[]}"},
        {"", "[[1],2]", "{\"o\":[[1],2]}"}, /* not all are lists */
        {"", "[null,null]", "{\"o\":[null,null]}"},
        {"", "[1,2]", "{\"o\":[1,2]}"},
        {", flatten_output: false", "[[1,2],[3]]", "{\"o\":[[1,2],[3]]}"},
        {", flatten_output: true", "[[1,2],[3]]", "{\"o\":[1,2,3]}"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char dsl[4096], inputs[128];
        snprintf(dsl, sizeof dsl,
                 EXPORT("workflow", "",
                        LIST_INPUT ITERATION("it", "start, o, l", "it, item", "%s") SHOW("t", "x") RESULT,
                        AROUND EDGE("itstart", "t")),
                 rows[i].more);
        snprintf(inputs, sizeof inputs, "{\"o\":{\"l\":%s}}", rows[i].lists);
        expect_outputs(dsl, inputs, RUN_STATUS_SUCCEEDED, rows[i].outputs);
    }
}

static void elements_see_neither_each_other_nor_are_they_seen_outside(void **state)
{
    (void)state;
    /* `pick` takes what `late` gave: only an earlier element could have. */
    expect_outputs(EXPORT("workflow", "",
                          LIST_INPUT ITERATION("it", "start, o, l", "pick, output", "")
                              INSIDE("it", "pick", "variable-aggregator",
                                     "variables: [[late, output], [it, item]]") SHOW("late", "late")
                                  RESULT NODE("outside", "end",
                                              "outputs: [{variable: late, value_selector: [late, output]}, "
                                              "{variable: item, value_selector: [it, item]}]"),
                          AROUND EDGE("it", "outside") EDGE("itstart", "pick") EDGE("pick", "late")),
                   "{\"o\":{\"l\":[1,2]}}", RUN_STATUS_SUCCEEDED,
                   "{\"o\":[1,2],\"late\":null,\"item\":null}");
}

static void a_missing_output_is_null(void **state)
{
    (void)state;
    expect_outputs(EXPORT("workflow", "",
                          LIST_INPUT ITERATION("it", "start, o, l", "nowhere, text", "") SHOW("t", "x")
                              RESULT,
                          AROUND EDGE("itstart", "t")),
                   "{\"o\":{\"l\":[1,2]}}", RUN_STATUS_SUCCEEDED, "{\"o\":[null,null]}");
}

#define COUNTER                                                                                              \
    "  conversation_variables: [{name: n, value_type: number, value: 1}, {name: l, value_type: "             \
    "'array[number]', value: [1, 2, 3]}]\n"

static void conversation_variables_flow_out_of_elements(void **state)
{
    struct player p;
    (void)state;
    player_open(&p,
                EXPORT("advanced-chat", COUNTER,
                       START ITERATION("it", "conversation, l", "it, item", "") INSIDE(
                           "it", "add", "assigner",
                           "version: '2', items: [{variable_selector: [conversation, n], input_type: "
                           "constant, operation: '+=', value: 1}]") ANSWER("answer", "{{#conversation.n#}}"),
                       EDGE("start", "it") EDGE("it", "answer") EDGE("itstart", "add")));
    player_play(&p, &(struct play){.query = "q"});
    assert_text("4", p.text);
    player_close(&p);
}

static void answers_inside_stream_but_only_the_last_element_counts(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("advanced-chat", COUNTER,
                           START ITERATION("it", "conversation, l", "it, item", "") INSIDE(
                               "it", "say", "answer", "answer: \"<{{#it.item#}}>\"") ANSWER("answer", "end"),
                           EDGE("start", "it") EDGE("it", "answer") EDGE("itstart", "say")));
    player_play(&p, &(struct play){.query = "q"});
    assert_text("<1><2><3>end", p.text);
    assert_text("{\"answer\":\"<3>end\",\"files\":[]}", p.outputs);
    player_close(&p);
}

static void an_old_export_starts_at_the_node_it_names(void **state)
{
    (void)state;
    expect_outputs(EXPORT("workflow", "",
                          LIST_INPUT NODE("it", "iteration",
                                          "iterator_selector: [start, o, l], output_selector: [t, output], "
                                          "start_node_id: t") SHOW("t", "<{{ item }}>") RESULT,
                          AROUND),
                   "{\"o\":{\"l\":[1,2]}}", RUN_STATUS_SUCCEEDED, "{\"o\":[\"<1>\",\"<2>\"]}");
}

static void a_stop_ends_all_elements_from_the_inside_out(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           LIST_INPUT ITERATION("it", "start, o, l", "ask, text", PARALLEL "10")
                               ASK("ask", "{{#it.item#}}") RESULT,
                           AROUND EDGE("itstart", "ask")));
    player_start(&p, &(struct play){.inputs = "{\"o\":{\"l\":[1,2]}}"});
    player_go(&p);
    buf_clear(&p.log);
    run_stop(p.run, END_REASON_STOPPED_BY_USER, STR("enough"));
    assert_int_equal(player_go(&p), RUN_ENDED);
    player_expect(&p, "node_finished ask stopped in it#0: enough\n"
                      "node_finished ask stopped in it#1: enough\n"
                      "iteration_completed it stopped {} steps 0: enough\n"
                      "workflow_finished stopped stopped_by_user {}: enough\n");
    assert_true(p.calls[0].was_cancelled && p.calls[1].was_cancelled);
    player_close(&p);
}

static void steps_inside_count_against_the_limit(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           LIST_INPUT ITERATION("it", "start, o, l", "t, output", "") SHOW("t", "x") RESULT,
                           AROUND EDGE("itstart", "t")));
    player_play(&p,
                &(struct play){.inputs = "{\"o\":{\"l\":[1,2,3,4,5,6,7,8,9]}}", .limits = {.max_steps = 5}});
    assert_int_equal(p.status, RUN_STATUS_STOPPED);
    assert_int_equal(p.reason, END_REASON_STEP_LIMIT);
    assert_str("Maximum execution steps exceeded: 6 > 5", str_c(p.error));
    player_close(&p);
}

static void an_iteration_without_nodes_gives_nulls(void **state)
{
    (void)state;
    expect_outputs(
        EXPORT("workflow", "", LIST_INPUT ITERATION("it", "start, o, l", "nowhere, x", "") RESULT, AROUND),
        "{\"o\":{\"l\":[1,2]}}", RUN_STATUS_SUCCEEDED, "{\"o\":[null,null]}");
}

static void want_of_memory_ends_the_run_alone(void **state)
{
    (void)state;
    player_starve(EXPORT("workflow", "",
                         LIST_INPUT ITERATION("it", "start, o, l", "t, output", PARALLEL "2")
                             SHOW("t", "{{ item }}") RESULT,
                         AROUND EDGE("itstart", "t")),
                  &(struct play){.inputs = "{\"o\":{\"l\":[1,2,3]}}"}, NULL, "{\"o\":[\"1\",\"2\",\"3\"]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_run_in_turn_and_results_keep_their_order),
        cmocka_unit_test(what_is_gone_over_may_be_empty_but_has_to_be_a_list),
        cmocka_unit_test(elements_run_side_by_side_up_to_parallel_nums),
        cmocka_unit_test(failures_are_handled_by_the_mode),
        cmocka_unit_test(lists_are_put_together_unless_told_otherwise),
        cmocka_unit_test(elements_see_neither_each_other_nor_are_they_seen_outside),
        cmocka_unit_test(a_missing_output_is_null),
        cmocka_unit_test(conversation_variables_flow_out_of_elements),
        cmocka_unit_test(answers_inside_stream_but_only_the_last_element_counts),
        cmocka_unit_test(an_old_export_starts_at_the_node_it_names),
        cmocka_unit_test(a_stop_ends_all_elements_from_the_inside_out),
        cmocka_unit_test(steps_inside_count_against_the_limit),
        cmocka_unit_test(an_iteration_without_nodes_gives_nulls),
        cmocka_unit_test(want_of_memory_ends_the_run_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
