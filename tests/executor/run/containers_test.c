/*
 * Iterations and loops: the settings that are read or not, and what their children share (dify-dsl.md 4.12, 4.13). Their course
 * is in iteration_test.c and loop_test.c.
 */
#include "tests/executor/player/player.h"
#include <stdio.h>

#define FORM NODE("start", "start", "variables: [{variable: o, type: json_object}]")
#define ASK(container)                                                                                       \
    INSIDE(                                                                                                  \
        container, "ask", "llm",                                                                             \
        "model: {provider: p, name: m, mode: chat, completion_params: {}}, prompt_template: [{role: user, "  \
        "text: t}], context: {enabled: false}")
#define TWELVE               "{\"o\":{\"l\":[1,2,3,4,5,6,7,8,9,10,11,12]}}"
#define LOOP_OF(more)        EXPORT("workflow", "", FORM LOOP("loop", "3", NUMBER("n", "1"), more) ADD END, AROUND)
#define NUMBER(label, value) "{label: " label ", var_type: number, value_type: constant, value: " value "}"
#define ADD                                                                                                  \
    INSIDE("loop", "add", "assigner",                                                                        \
           "version: '2', items: [{variable_selector: [loop, n], input_type: constant, operation: '+=', "    \
           "value: 1}]")
#define END                                                                                                  \
    NODE("end", "end",                                                                                       \
         "outputs: [{variable: n, value_selector: [loop, n]}, {variable: r, value_selector: [loop, "         \
         "loop_round]}, {variable: i, value_selector: [loop, index]}]")
#define AROUND EDGE("start", "loop") EDGE("loopstart", "add") EDGE("loop", "end")

/* --- iteration --- */

static void expect_calls_at_once(const char *more, size_t calls)
{
    struct player p;
    char dsl[4096];
    snprintf(dsl, sizeof dsl,
             EXPORT("workflow", "", FORM ITERATION("it", "start, o, l", "ask, text", "%s") ASK("it"),
                    EDGE("start", "it") EDGE("itstart", "ask")),
             more);
    player_open(&p, dsl);
    player_start(&p, &(struct play){.inputs = TWELVE});
    player_go(&p);
    if (p.call_count != calls)
        fail_msg("%s: %zu at once, not %zu", more, p.call_count, calls);
    player_finish(&p);
    assert_int_equal(12, p.call_count);
    assert_int_equal(RUN_STATUS_SUCCEEDED, p.status);
    player_close(&p);
}

static void ten_run_at_once_unless_told_otherwise(void **state)
{
    (void)state;
    expect_calls_at_once(", is_parallel: true", 10);
    expect_calls_at_once(", is_parallel: true, parallel_nums: null", 10);
    expect_calls_at_once(", is_parallel: true, parallel_nums: 1", 1);
    expect_calls_at_once(", is_parallel: true, parallel_nums: 12", 12);
    expect_calls_at_once(", is_parallel: true, parallel_nums: 100", 12);
}

static void without_is_parallel_one_runs_at_a_time(void **state)
{
    (void)state;
    expect_calls_at_once("", 1);
    expect_calls_at_once(", is_parallel: false, parallel_nums: 10", 1);
    expect_calls_at_once(", is_parallel: null, parallel_nums: 10", 1);
}

/* The first element waits for its model; the second has written by then, and the first ends last. */
static void of_parallel_writes_the_last_to_end_wins(void **state)
{
    static const struct {
        size_t last;
        const char *text;
    } rows[] = {{0, "1"}, {1, "2"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        player_open(
            &p,
            EXPORT(
                "advanced-chat",
                "  conversation_variables: [{name: n, value_type: number, value: 0}, {name: l, value_type: "
                "'array[number]', value: [1, 2]}]\n",
                START ITERATION("it", "conversation, l", "it, item", ", is_parallel: true")
                    INSIDE("it", "set", "assigner",
                           "version: '2', items: [{variable_selector: [conversation, n], input_type: "
                           "variable, operation: over-write, value: [it, item]}]") ASK("it")
                        ANSWER("r", "{{#conversation.n#}}"),
                EDGE("start", "it") EDGE("itstart", "set") EDGE("set", "ask") EDGE("it", "r")));
        player_start(&p, &(struct play){.query = "q"});
        player_go(&p);
        player_done(&p, 1 - rows[i].last, "stop");
        player_go(&p);
        player_done(&p, rows[i].last, "stop");
        assert_int_equal(RUN_ENDED, player_go(&p));
        assert_text(rows[i].text, p.text);
        player_close(&p);
    }
}

/* --- loop --- */

static void expect_loop(const char *more, const char *outputs)
{
    struct player p;
    char dsl[4096];
    snprintf(dsl, sizeof dsl, LOOP_OF("%s"), more);
    player_open(&p, dsl);
    player_play(&p, &(struct play){0});
    assert_int_equal(RUN_STATUS_SUCCEEDED, p.status);
    assert_text(outputs, p.outputs);
    player_close(&p);
}

#define AT_LEAST(n) "{variable_selector: [loop, n], comparison_operator: '≥', value: '" n "'}"

static void break_conditions_join_by_and_and_or(void **state)
{
    (void)state;
    expect_loop(", break_conditions: [" AT_LEAST("2") ", " AT_LEAST("3") "], logical_operator: and",
                "{\"n\":3,\"r\":2,\"i\":null}");
    expect_loop(", break_conditions: [" AT_LEAST("2") ", " AT_LEAST("3") "], logical_operator: or",
                "{\"n\":2,\"r\":1,\"i\":null}");
    expect_loop(", break_conditions: [" AT_LEAST("2") ", " AT_LEAST("3") "]", "{\"n\":3,\"r\":2,\"i\":null}");
}

static void some_settings_of_a_loop_mean_nothing(void **state)
{
    (void)state;
    expect_loop(", error_handle_mode: continue-on-error", "{\"n\":4,\"r\":3,\"i\":null}");
    expect_loop(", error_handle_mode: hope", "{\"n\":4,\"r\":3,\"i\":null}");
    expect_loop(", outputs: {n: {type: string}}", "{\"n\":4,\"r\":3,\"i\":null}");
    expect_loop(", outputs: [5]", "{\"n\":4,\"r\":3,\"i\":null}");
    /* The failure of a node is the loop's, whatever the mode. */
    struct player p;
    player_open(&p, EXPORT("workflow", "",
                           FORM LOOP("loop", "3", "", ", error_handle_mode: continue-on-error")
                               INSIDE("loop", "add", "list-operator", "variable: [nobody, x]"),
                           EDGE("start", "loop") EDGE("loopstart", "add")));
    player_play(&p, &(struct play){0});
    assert_int_equal(RUN_STATUS_FAILED, p.status);
    assert_int_equal(1, player_count(&p, "node_started add"));
    player_close(&p);
}

static void a_loop_has_no_index(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           FORM LOOP("loop", "2", NUMBER("n", "1"), "") INSIDE(
                               "loop", "add", "variable-aggregator", "variables: [[loop, index], [loop, n]]")
                               END_OF("end", "v", "add, output"),
                           AROUND));
    player_play(&p, &(struct play){0});
    assert_text("{\"v\":1}", p.outputs);
    player_close(&p);
}

/* What is around can be read in every round, and what a round puts out can be read behind the loop. */
static void rounds_share_the_variables_around(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           FORM NODE("before", "template-transform",
                                     "template: B, variables: []") LOOP("loop", "2", NUMBER("n", "1"), "")
                               INSIDE("loop", "add", "template-transform",
                                      "template: '{{ b }}{{ n }}', variables: [{variable: b, value_selector: "
                                      "[before, output]}, {variable: n, value_selector: [loop, n]}]")
                                   END_OF("end", "v", "add, output"),
                           EDGE("start", "before") EDGE("before", "loop") EDGE("loopstart", "add")
                               EDGE("loop", "end")));
    player_play(&p, &(struct play){0});
    assert_text("{\"v\":\"B1\"}", p.outputs);
    player_close(&p);
}

static void tokens_of_rounds_add_up(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "", FORM LOOP("loop", "3", "", "") ASK("loop"),
                           EDGE("start", "loop") EDGE("loopstart", "ask")));
    player_play(&p, &(struct play){0});
    assert_int_equal(45, p.last_container_tokens);
    assert_int_equal(3, p.last_durations);
    assert_int_equal(45, p.tokens);
    player_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_run_at_once_unless_told_otherwise),
        cmocka_unit_test(without_is_parallel_one_runs_at_a_time),
        cmocka_unit_test(of_parallel_writes_the_last_to_end_wins),
        cmocka_unit_test(break_conditions_join_by_and_and_or),
        cmocka_unit_test(some_settings_of_a_loop_mean_nothing),
        cmocka_unit_test(a_loop_has_no_index),
        cmocka_unit_test(rounds_share_the_variables_around),
        cmocka_unit_test(tokens_of_rounds_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
