/*
 * Loops: rounds, loop variables, how they are left, what they leave; containers in containers (dify-dsl.md 4.13, 5.1).
 */
#include "tests/executor/player/player.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER(label, value) "{label: " label ", var_type: number, value_type: constant, value: " value "}"
#define ADD(container, id, variable)                                                                         \
    INSIDE(container, id, "assigner",                                                                        \
           "version: '2', items: [{variable_selector: [" variable                                            \
           "], input_type: constant, operation: '+=', "                                                      \
           "value: 1}]")
#define BREAK_AT(variable, op, value)                                                                        \
    ", break_conditions: [{variable_selector: [" variable "], comparison_operator: '" op "', value: '" value \
    "'}], logical_operator: and"
#define RESULT                                                                                               \
    NODE("end", "end",                                                                                       \
         "outputs: [{variable: n, value_selector: [loop, n]}, {variable: rounds, value_selector: [loop, "    \
         "loop_round]}]")
#define AROUND EDGE("start", "loop") EDGE("loop", "end")

static void rounds_go_on_until_the_condition_holds(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           START LOOP("loop", "10", NUMBER("n", "1"), BREAK_AT("loop, n", "≥", "3"))
                               ADD("loop", "add", "loop, n") RESULT,
                           AROUND EDGE("loopstart", "add")));
    player_play(&p, &(struct play){0});
    buf_drop(&p.log, str_find(buf_str(&p.log), STR("loop_started"), 0));
    player_expect(&p, "loop_started loop 10 {\"loop_count\":10,\"n\":1}\n"
                      "node_started add in loop#0\n"
                      "node_finished add succeeded in loop#0\n"
                      "loop_next loop 1\n"
                      "node_started add in loop#1\n"
                      "node_finished add succeeded in loop#1\n"
                      "loop_completed loop succeeded {\"n\":3,\"loop_round\":2} steps 10 loop_break\n"
                      "text_chunk loop.n \"3\"\n"
                      "text_chunk end.answer \"\\n\"\n"
                      "text_chunk loop.loop_round \"2\" final\n"
                      "node_started end\n"
                      "node_finished end succeeded\n"
                      "workflow_finished succeeded completed {\"n\":3,\"rounds\":2}\n");
    assert_text("{\"0\":{\"n\":2},\"1\":{\"n\":3}}", p.last_loop_variables);
    assert_int_equal(p.last_durations, 2);
    player_close(&p);
}

static void how_a_loop_ends(void **state)
{
    static const struct {
        const char *count, *more, *outputs, *line;
    } rows[] = {
        {"3", "", "{\"n\":4,\"rounds\":3}", "steps 3 loop_completed"},
        /* Before the first round: nothing is put out, so the end node finds n but no round. */
        {"3", BREAK_AT("loop, n", "=", "1"), "{\"n\":1,\"rounds\":null}", "{} steps 0 loop_break"},
        {"1", BREAK_AT("loop, n", "=", "2"), "{\"n\":2,\"rounds\":1}", "steps 1 loop_break"},
        /* An error before the first round counts as not reached, one behind a round fails the loop. */
        {"3", BREAK_AT("loop, n", "=", "x"), NULL, "steps 3 error: "},
        {"3", BREAK_AT("nowhere, n", "=", "1"), NULL, "steps 3 error: Variable ['nowhere', 'n'] not found"},
        {"3", BREAK_AT("add, text", "empty", ""), NULL, "steps 3 error: Variable ['add', 'text'] not found"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        char dsl[4096];
        snprintf(dsl, sizeof dsl,
                 EXPORT("workflow", "",
                        START LOOP("loop", "%s", NUMBER("n", "1"), "%s") ADD("loop", "add", "loop, n") RESULT,
                        AROUND EDGE("loopstart", "add")),
                 rows[i].count, rows[i].more);
        player_open(&p, dsl);
        player_play(&p, &(struct play){0});
        assert_int_equal(p.status, rows[i].outputs != NULL ? RUN_STATUS_SUCCEEDED : RUN_STATUS_FAILED);
        if (rows[i].outputs != NULL)
            assert_text(rows[i].outputs, p.outputs);
        assert_text_contains(rows[i].line, p.log);
        player_close(&p);
    }
}

static void loop_end_leaves_after_what_remains_of_the_round(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           START LOOP("loop", "10", NUMBER("n", "1"), "") INSIDE(
                               "loop", "leave", "loop-end", "desc: ''") ADD("loop", "add", "loop, n") RESULT,
                           AROUND EDGE("loopstart", "leave") EDGE("loopstart", "add")));
    player_play(&p, &(struct play){0});
    assert_text("{\"n\":2,\"rounds\":1}", p.outputs);
    assert_text_contains("steps 10 loop_break", p.log);
    player_close(&p);
}

static void behind_a_loop_end_no_condition_is_looked_at(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           START LOOP("loop", "10", NUMBER("n", "1"), BREAK_AT("nowhere, n", "=", "1"))
                               INSIDE("loop", "leave", "loop-end", "desc: ''") RESULT,
                           AROUND EDGE("loopstart", "leave")));
    player_play(&p, &(struct play){0});
    assert_text("{\"n\":1,\"rounds\":1}", p.outputs);
    player_close(&p);
}

static void loop_variables_get_their_type(void **state)
{
    static const struct {
        const char *variable, *output; /* NULL: the loop fails */
    } rows[] = {
        {"var_type: string, value_type: constant, value: a", "\"a\""},
        {"var_type: string, value_type: constant, value: ''", "\"\""},
        {"var_type: number, value_type: constant, value: 2.5", "2.5"},
        {"var_type: number, value_type: constant, value: '7'", "7"},
        {"var_type: number, value_type: constant, value: x", NULL},
        {"var_type: boolean, value_type: constant, value: true", "true"},
        {"var_type: boolean, value_type: constant, value: 'false'", "false"},
        {"var_type: object, value_type: constant, value: '{\"a\": 1}'", "{\"a\":1}"},
        {"var_type: object, value_type: constant, value: '[1]'", NULL},
        {"var_type: 'array[number]', value_type: constant, value: '[1, 2]'", "[1,2]"},
        {"var_type: 'array[string]', value_type: constant, value: ''", "[]"},
        {"var_type: 'array[string]', value_type: constant, value: 5", "[]"},
        {"var_type: 'array[string]', value_type: constant, value: '[1]'", NULL},
        {"var_type: 'array[object]', value_type: constant, value: '[{\"a\": null}]'", "[{\"a\":null}]"},
        {"var_type: 'array[boolean]', value_type: constant, value: '[true]'", "[true]"},
        {"var_type: string, value_type: variable, value: [start, x]", "\"given\""},
        {"var_type: string, value_type: variable, value: [start, gone]", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        char dsl[4096], outputs[128];
        snprintf(dsl, sizeof dsl,
                 EXPORT("workflow", "",
                        NODE("start", "start", "variables: [{variable: x, type: text-input, required: true}]")
                            LOOP("loop", "1", "{label: v, %s}", "") END_OF("end", "v", "loop, v"),
                        AROUND),
                 rows[i].variable);
        player_open(&p, dsl);
        player_play(&p, &(struct play){.inputs = "{\"x\":\"given\"}"});
        snprintf(outputs, sizeof outputs, "{\"v\":%s}", rows[i].output);
        assert_int_equal(p.status, rows[i].output != NULL ? RUN_STATUS_SUCCEEDED : RUN_STATUS_FAILED);
        assert_text(rows[i].output != NULL ? outputs : "{}", p.outputs);
        player_close(&p);
    }
}

static void what_the_last_round_gave_is_forgotten(void **state)
{
    struct player p;
    (void)state;
    /* In round 2 `late` of round 1 must not be found; behind the loop the last round's is. */
    player_open(
        &p, EXPORT("workflow", "",
                   START LOOP("loop", "2", NUMBER("n", "1"), "")
                       INSIDE("loop", "pick", "variable-aggregator", "variables: [[late, output], [loop, n]]")
                           INSIDE("loop", "late", "template-transform", "template: late, variables: []")
                               NODE("end", "end",
                                    "outputs: [{variable: pick, value_selector: [pick, output]}, {variable: "
                                    "late, value_selector: [late, output]}]"),
                   AROUND EDGE("loopstart", "pick") EDGE("pick", "late")));
    player_play(&p, &(struct play){0});
    assert_text("{\"pick\":1,\"late\":\"late\"}", p.outputs);
    player_close(&p);
}

static void a_failure_inside_fails_the_loop(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           START LOOP("loop", "3", NUMBER("n", "1"), ", error_strategy: fail-branch")
                               ADD("loop", "add", "loop, nowhere")
                                   RESULT END_OF("caught", "why", "loop, error_message"),
                           EDGE("start", "loop") EDGE("loop", "end") HANDLE("loop", "fail-branch", "caught")
                               EDGE("loopstart", "add")));
    player_play(&p, &(struct play){0});
    assert_int_equal(p.status, RUN_STATUS_PARTIAL_SUCCEEDED);
    assert_true(player_saw(&p, "node_finished add failed in loop#0"));
    assert_true(player_saw(&p, "loop_completed loop exception {\"error_message\":"));
    assert_text_contains("\"why\":", p.outputs);
    player_close(&p);
}

static void answers_inside_are_put_together_round_by_round(void **state)
{
    struct player p;
    (void)state;
    player_open_export(&p, "dify-fixtures/loop_contains_answer.yml");
    player_play(&p, &(struct play){.query = "1"});
    assert_text("1\n2\n1 + 2", p.text);
    assert_text("{\"answer\":\"1\\n2\\n1 + 2\",\"files\":[]}", p.outputs);
    assert_int_equal(player_count(&p, "loop_next"), 1);
    player_close(&p);
}

static void real_exports_of_loops_give_what_they_give(void **state)
{
    static const struct {
        const char *name, *outputs;
    } rows[] = {{"dify-fixtures/increment_loop_with_break_condition_workflow.yml", "{\"num\":5}"},
                {"dsl-generator-skills/loop-assigner-workflow.yml", "{\"num\":2}"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        player_open_export(&p, rows[i].name);
        player_play(&p, &(struct play){0});
        assert_text(rows[i].outputs, p.outputs);
        player_close(&p);
    }
}

/* loop → iteration → loop: the outer counter is the elements' own copy, so only the loop's own assigner moves it. */
static void containers_lie_in_containers(void **state)
{
    struct player p;
    (void)state;
    player_open(&p,
                EXPORT("workflow", "",
                       NODE("start", "start", "variables: [{variable: o, type: json_object, required: true}]")
                           LOOP("loop", "2", NUMBER("n", "0"), "") ADD("loop", "add", "loop, n") INSIDE(
                               "loop", "it", "iteration",
                               "iterator_selector: [start, o, l], output_selector: [inner, m], "
                               "start_node_id: itstart") "    - {id: itstart, type: custom-iteration-start, "
                                                         "parentId: it, data: {type: "
                                                         "iteration-start}}\n" ADD("it", "lost", "loop, n")
                                                             INSIDE("it", "inner", "loop",
                                                                    "loop_count: 2, loop_variables: "
                                                                    "[{label: m, var_type: number, "
                                                                    "value_type: variable, "
                                                                    "value: [it, item]}], start_node_id: "
                                                                    "innerstart") "    - {id: innerstart, "
                                                                                  "type: custom-loop-start, "
                                                                                  "parentId: inner, data: "
                                                                                  "{type: "
                                                                                  "loop-start}}\n" ADD("inne"
                                                                                                       "r",
                                                                                                       "mor"
                                                                                                       "e",
                                                                                                       "inne"
                                                                                                       "r, "
                                                                                                       "m")
                                                                                      NODE("end", "end",
                                                                                           "outputs: "
                                                                                           "[{variable: n, "
                                                                                           "value_selector: "
                                                                                           "[loop, n]}, "
                                                                                           "{variable: list, "
                                                                                           "value_selector: "
                                                                                           "[it, "
                                                                                           "output]}]"),
                       AROUND EDGE("loopstart", "add") EDGE("add", "it") EDGE("itstart", "lost")
                           EDGE("lost", "inner") EDGE("innerstart", "more")));
    player_play(&p, &(struct play){.inputs = "{\"o\":{\"l\":[10,20]}}"});
    assert_text("{\"n\":2,\"list\":[12,22]}", p.outputs);
    assert_true(player_saw(&p, "node_started more in it#1 in inner#1"));
    assert_true(player_saw(&p, "iteration_completed it succeeded {\"output\":[12,22]} steps 2 in loop#1"));
    player_close(&p);
}

static void bad_loops_are_refused_at_import(void **state)
{
    static const struct {
        const char *count, *variables, *problem;
    } rows[] = {{"0", "", "loop_count is not between"},
                {"-1", "", "loop_count is not between"},
                {"many", "", "loop_count is not between"},
                {"1", "{var_type: string, value: x}", "without label"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char dsl[4096];
        snprintf(dsl, sizeof dsl,
                 EXPORT("workflow", "", START LOOP("loop", "%s", "%s", ""), EDGE("start", "loop")),
                 rows[i].count, rows[i].variables);
        char *problems = player_problems(dsl);
        player_check_contains(rows[i].problem, str_c(problems));
        free(problems);
    }
}

static void a_loop_without_end_meets_the_step_limit(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           START LOOP("loop", "1000000", NUMBER("n", "1"), "") ADD("loop", "add", "loop, n")
                               RESULT,
                           AROUND EDGE("loopstart", "add")));
    player_play(&p, &(struct play){0});
    assert_int_equal(p.reason, END_REASON_STEP_LIMIT);
    assert_str("Maximum execution steps exceeded: 501 > 500", str_c(p.error));
    player_close(&p);
}

static void want_of_memory_ends_the_run_alone(void **state)
{
    (void)state;
    player_starve(EXPORT("workflow", "",
                         START LOOP("loop", "3", NUMBER("n", "1"), BREAK_AT("loop, n", "≥", "3"))
                             ADD("loop", "add", "loop, n") RESULT,
                         AROUND EDGE("loopstart", "add")),
                  &(struct play){0}, NULL, "{\"n\":3,\"rounds\":2}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_go_on_until_the_condition_holds),
        cmocka_unit_test(how_a_loop_ends),
        cmocka_unit_test(loop_end_leaves_after_what_remains_of_the_round),
        cmocka_unit_test(behind_a_loop_end_no_condition_is_looked_at),
        cmocka_unit_test(loop_variables_get_their_type),
        cmocka_unit_test(what_the_last_round_gave_is_forgotten),
        cmocka_unit_test(a_failure_inside_fails_the_loop),
        cmocka_unit_test(answers_inside_are_put_together_round_by_round),
        cmocka_unit_test(real_exports_of_loops_give_what_they_give),
        cmocka_unit_test(containers_lie_in_containers),
        cmocka_unit_test(bad_loops_are_refused_at_import),
        cmocka_unit_test(a_loop_without_end_meets_the_step_limit),
        cmocka_unit_test(want_of_memory_ends_the_run_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
