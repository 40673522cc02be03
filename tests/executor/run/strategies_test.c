/*
 * What comes of a node that fails: attempts, the strategies, and the end of the run (dify-dsl.md 3.5, 3.6).
 */
#include "tests/executor/player/player.h"
#include <stdio.h>
#include <string.h>

#define TEMPLATE(id, text) NODE(id, "template-transform", "template: \"" text "\", variables: []")
#define RETRIES(n)         ", retry_config: {retry_enabled: true, max_retries: " n ", retry_interval: 0}"
#define DEFAULTS                                                                                             \
    ", error_strategy: default-value, default_value: [{key: text, type: string, value: sorry}, {key: n, "    \
    "type: number, value: '5'}]"
#define SEEN                                                                                                 \
    "outputs: [{variable: m, value_selector: [bad, error_message]}, {variable: t, value_selector: [bad, "    \
    "error_type]}, {variable: text, value_selector: [bad, text]}, {variable: n, value_selector: [bad, n]}]"

/* Nodes of every type that can fail, each told to read what is not there or to do what cannot be done. */
#define MODEL "model: {provider: p, name: m, mode: chat, completion_params: {}}"
static const struct {
    const char *type, *config, *error_type;
} failing[] = {
    {"llm",
     MODEL ", prompt_template: [{role: user, text: '{{#nobody.x#}}'}], context: {enabled: false}, vision: "
           "{enabled: false}",
     "VariableNotFoundError"},
    {"if-else",
     "cases: [{case_id: 'true', logical_operator: and, conditions: [{variable_selector: [nobody, x], "
     "comparison_operator: empty, value: ''}]}]",
     ""},
    {"list-operator", "variable: [nobody, x]", ""},
    {"assigner", "write_mode: over-write, assigned_variable_selector: [nobody, x]", "WorkflowNodeError"},
    {"iteration", "iterator_selector: [nobody, x], output_selector: [nobody, x]",
     "IteratorVariableNotFoundError"},
    {"loop", "loop_count: 1, loop_variables: [{label: v, var_type: number, value_type: constant, value: no}]",
     "ValueError"},
    {"parameter-extractor",
     MODEL ", query: [start, x], parameters: [{name: v, type: string, description: d, required: true}]",
     "InvokeAuthorizationError"}, /* the model refuses */
    {"question-classifier", MODEL ", query_variable_selector: [start, x], classes: []", NULL},
};

/* members: more of its data; [bad] is the node, [caught] stands at its fail-branch, [end] at its source. */
static void open_failing(struct player *p, size_t i, const char *members)
{
    char dsl[4096];
    snprintf(dsl, sizeof dsl,
             EXPORT("workflow", "",
                    START NODE("bad", "%s", "%s%s") NODE("end", "end", SEEN) NODE("caught", "end", SEEN),
                    EDGE("start", "bad") EDGE("bad", "end") HANDLE("bad", "fail-branch", "caught")),
             failing[i].type, failing[i].config, members);
    player_open(p, dsl);
    p->refusal = "no credential";
}

static void any_type_of_node_may_have_a_fail_branch(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(failing); i++) {
        struct player p;
        print_message("%s\n", failing[i].type);
        open_failing(&p, i, ", error_strategy: fail-branch");
        player_play(&p, &(struct play){0});
        assert_int_equal(RUN_STATUS_PARTIAL_SUCCEEDED, p.status);
        assert_int_equal(1, p.exceptions);
        assert_true(player_saw(&p, "node_started caught\n"));
        assert_false(player_saw(&p, "node_started end\n")); /* its edges were skipped */
        assert_text_contains("{\"m\":\"", p.outputs);
        assert_text_contains("\"text\":null,\"n\":null}", p.outputs);
        if (failing[i].error_type != NULL) {
            char type[64];
            snprintf(type, sizeof type, "\"t\":\"%s\"", failing[i].error_type);
            assert_text_contains(type, p.outputs);
        }
        player_close(&p);
    }
}

static void any_type_of_node_may_have_default_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(failing); i++) {
        struct player p;
        print_message("%s\n", failing[i].type);
        open_failing(&p, i, DEFAULTS);
        player_play(&p, &(struct play){0});
        assert_int_equal(RUN_STATUS_PARTIAL_SUCCEEDED, p.status);
        assert_true(player_saw(&p, "node_started end\n")); /* as on success, all edges */
        assert_text_contains("\"text\":\"sorry\",\"n\":5.0}", p.outputs);
        player_close(&p);
    }
}

static void without_a_strategy_each_fails_the_run(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(failing); i++) {
        struct player p;
        open_failing(&p, i, "");
        player_play(&p, &(struct play){0});
        assert_int_equal(RUN_STATUS_FAILED, p.status);
        assert_int_equal(END_REASON_NODE_FAILED, p.reason);
        assert_true(p.error[0] != '\0');
        assert_text("{}", p.outputs);
        player_close(&p);
    }
}

/* The other types may carry the setting; it means nothing there. */
static void only_some_types_are_tried_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(failing); i++) {
        struct player p;
        bool is_tried_again = strcmp(failing[i].type, "llm") == 0;
        open_failing(&p, i, RETRIES("2"));
        player_play(&p, &(struct play){0});
        assert_int_equal(is_tried_again ? 2 : 0, player_count(&p, "node_retry bad retry "));
        assert_int_equal(is_tried_again ? 3 : 1, p.exceptions);
        assert_int_equal(RUN_STATUS_FAILED, p.status);
        player_close(&p);
    }
}

static void retries_are_off_unless_switched_on(void **state)
{
    static const char *const rows[] = {
        "",
        ", retry_config: null",
        ", retry_config: {}",
        ", retry_config: {max_retries: 3, retry_interval: 1}",
        ", retry_config: {retry_enabled: false, max_retries: 3}",
        ", retry_config: {retry_enabled: true}",
        ", retry_config: {retry_enabled: true, max_retries: 0}",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        open_failing(&p, 0, rows[i]);
        player_play(&p, &(struct play){0});
        assert_int_equal(0, player_count(&p, "node_retry"));
        assert_int_equal(1, p.exceptions);
        player_close(&p);
    }
}

static void attempts_come_before_the_strategy(void **state)
{
    static const struct {
        const char *strategy, *caught;
    } rows[] = {{", error_strategy: fail-branch", "node_started caught\n"}, {DEFAULTS, "node_started end\n"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        char members[512];
        snprintf(members, sizeof members, "%s%s", rows[i].strategy, RETRIES("2"));
        open_failing(&p, 0, members);
        player_play(&p, &(struct play){0});
        buf_drop(&p.log, str_find(buf_str(&p.log), STR("node_started bad"), 0));
        assert_true(
            str_starts(buf_str(&p.log), STR("node_started bad\n"
                                            "node_retry bad retry 1: Variable #nobody.x# not found\n"
                                            "node_retry bad retry 2: Variable #nobody.x# not found\n")));
        assert_int_equal(1, player_count(&p, "node_started bad\n")); /* an attempt is no start */
        assert_true(player_saw(&p, "node_finished bad exception: Variable #nobody.x# not found\n"));
        assert_true(player_saw(&p, rows[i].caught));
        assert_int_equal(3, p.exceptions);
        player_close(&p);
    }
}

static void an_event_of_a_handled_failure_names_the_strategy(void **state)
{
    static const struct {
        const char *members, *strategy;
    } rows[] = {{", error_strategy: fail-branch", "fail-branch"}, {DEFAULTS, "default-value"}, {"", ""}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        open_failing(&p, 0, rows[i].members);
        player_start(&p, &(struct play){0});
        while (!player_saw(&p, "node_finished bad"))
            assert_int_not_equal(RUN_IDLE, run_advance(p.run, 1, 1000000));
        assert_string_equal(rows[i].strategy, p.last_strategy);
        player_close(&p);
    }
}

/* What the failing attempt had put out is not kept beside the two. */
static void a_fail_branch_has_the_error_and_nothing_else(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           START LLM("bad", "t", ", error_strategy: fail-branch") NODE("end", "end", SEEN),
                           EDGE("start", "bad") HANDLE("bad", "fail-branch", "end")));
    player_start(&p, &(struct play){0});
    player_go(&p);
    player_say(&p, 0, "half");
    player_go(&p);
    player_fail(&p, 0, "InvokeConnectionError", "gone");
    while (!player_saw(&p, "node_finished bad"))
        assert_int_not_equal(RUN_IDLE, run_advance(p.run, 1, 1000000));
    assert_text_contains("\"outputs\":{\"error_message\":\"gone\",\"error_type\":\"InvokeConnectionError\"}}",
                         p.last_record);
    player_finish(&p);
    player_close(&p);
}

static void a_success_behind_a_fail_branch_goes_by_source(void **state)
{
    static const struct {
        const char *handle;
        bool is_taken;
    } rows[] = {{"source", true}, {"success-branch", false}, {"fail-branch", false}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        char dsl[2048];
        snprintf(dsl, sizeof dsl,
                 EXPORT("workflow", "",
                        START LLM("llm", "t", ", error_strategy: fail-branch") TEMPLATE("next", "n"),
                        EDGE("start", "llm") HANDLE("llm", "%s", "next")),
                 rows[i].handle);
        player_open(&p, dsl);
        player_play(&p, &(struct play){0});
        assert_int_equal(RUN_STATUS_SUCCEEDED, p.status);
        assert_int_equal(rows[i].is_taken, player_saw(&p, "node_started next\n"));
        player_close(&p);
    }
}

/* Both are queued when the first one fails; the second never starts. */
static void queued_nodes_do_not_start_behind_a_failure(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           START NODE("bad", "list-operator", "variable: [nobody, x]") TEMPLATE("next", "n"),
                           EDGE("start", "bad") EDGE("start", "next")));
    player_play(&p, &(struct play){0});
    assert_int_equal(RUN_STATUS_FAILED, p.status);
    assert_false(player_saw(&p, "node_started next\n"));
    assert_string_equal("Variable not found for selector: ['nobody', 'x']", p.error);
    player_close(&p);
}

static void a_handled_failure_inside_is_none_of_the_container(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           NODE("start", "start", "variables: [{variable: o, type: json_object}]")
                               ITERATION("it", "start, o, l", "bad, text", "")
                                   INSIDE("it", "bad", "list-operator", "variable: [nobody, x]" DEFAULTS)
                                       END_OF("end", "o", "it, output"),
                           EDGE("start", "it") EDGE("itstart", "bad") EDGE("it", "end")));
    player_play(&p, &(struct play){.inputs = "{\"o\":{\"l\":[1,2]}}"});
    assert_text("{\"o\":[\"sorry\",\"sorry\"]}", p.outputs);
    assert_int_equal(2, p.exceptions);
    assert_int_equal(RUN_STATUS_PARTIAL_SUCCEEDED, p.status);
    player_close(&p);
}

/* Tokens of attempts that failed are spent all the same. */
static void usage_of_failed_attempts_counts(void **state)
{
    struct player p;
    (void)state;
    player_open(&p,
                EXPORT("workflow", "",
                       START LLM("llm", "t",
                                 ", structured_output_switch_on: true, structured_output: {schema: {type: "
                                 "object}}" RETRIES("1")) END_OF("end", "o", "llm, structured_output"),
                       EDGE("start", "llm") EDGE("llm", "end")));
    player_start(&p, &(struct play){0});
    player_go(&p);
    player_say(&p, 0, "no object");
    player_done(&p, 0, "stop");
    player_go(&p);
    player_say(&p, 1, "{}");
    player_done(&p, 1, "stop");
    player_go(&p);
    assert_text("{\"o\":{}}", p.outputs);
    assert_int_equal(30, p.tokens);
    assert_int_equal(RUN_STATUS_PARTIAL_SUCCEEDED, p.status);
    player_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_type_of_node_may_have_a_fail_branch),
        cmocka_unit_test(any_type_of_node_may_have_default_values),
        cmocka_unit_test(without_a_strategy_each_fails_the_run),
        cmocka_unit_test(only_some_types_are_tried_again),
        cmocka_unit_test(retries_are_off_unless_switched_on),
        cmocka_unit_test(attempts_come_before_the_strategy),
        cmocka_unit_test(an_event_of_a_handled_failure_names_the_strategy),
        cmocka_unit_test(a_fail_branch_has_the_error_and_nothing_else),
        cmocka_unit_test(a_success_behind_a_fail_branch_goes_by_source),
        cmocka_unit_test(queued_nodes_do_not_start_behind_a_failure),
        cmocka_unit_test(a_handled_failure_inside_is_none_of_the_container),
        cmocka_unit_test(usage_of_failed_attempts_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
