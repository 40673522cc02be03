/*
 * if-else nodes: which case is taken, and what the record shows (dify-dsl.md 4.4).
 */
#include "tests/executor/player/player.h"
#include <stdio.h>
#include <stdlib.h>

#define FORM                                                                                                 \
    NODE("start", "start",                                                                                   \
         "variables: [{variable: x, type: text-input}, {variable: n, type: number}, "                        \
         "{variable: b, type: checkbox}, {variable: o, type: json_object}, {variable: f, type: file-list}, " \
         "{variable: file, type: file}]")
#define COND(selector, op, value)                                                                            \
    "{variable_selector: [start, " selector "], comparison_operator: '" op "', value: " value "}"
#define CASE(id, how, conditions)                                                                            \
    "{case_id: '" id "', logical_operator: " how ", conditions: [" conditions "]}"
#define ENDS                                                                                                 \
    NODE("e1", "end",                                                                                        \
         "outputs: [{variable: chosen, value_selector: [if, selected_case_id]}, "                            \
         "{variable: result, value_selector: [if, result]}]")                                                \
    NODE("e2", "end",                                                                                        \
         "outputs: [{variable: chosen, value_selector: [if, selected_case_id]}, "                            \
         "{variable: result, value_selector: [if, result]}]")
#define APP(config)                                                                                          \
    EXPORT("workflow", "", FORM NODE("if", "if-else", config) ENDS,                                          \
           EDGE("start", "if") HANDLE("if", "'true'", "e1") HANDLE("if", "'false'", "e2")                    \
               HANDLE("if", "second", "e2"))
#define CASES(list) APP("cases: [" list "]")
#define ONE(cond)   CASES(CASE("true", "and", cond))

static const char inputs[] =
    "{\"x\":\"abc\",\"n\":5,\"b\":true,\"o\":{\"deep\":{\"key\":\"v\"},\"nil\":null,\"flags\":[true],"
    "\"list\":[\"abc\"]},\"f\":[{\"type\":\"image\",\"transfer_method\":\"remote_url\","
    "\"url\":\"https://e.example/a.png\"},{\"type\":\"document\",\"transfer_method\":\"remote_url\","
    "\"url\":\"https://e.example/b.pdf\"}]}";

/* `chosen` NULL: the node fails. */
static void assert_chooses(const char *dsl, const char *chosen)
{
    struct player p;
    player_open(&p, dsl);
    player_play(&p, &(struct play){.inputs = inputs});
    if (chosen == NULL) {
        assert_int_equal(p.status, RUN_STATUS_FAILED);
    } else {
        char outputs[128];
        snprintf(outputs, sizeof outputs, "{\"chosen\":\"%s\",\"result\":%s}", chosen,
                 str_eq_c(str_c(chosen), "false") ? "false" : "true");
        assert_text(outputs, p.outputs);
    }
    player_close(&p);
}

static void cases_are_tried_in_order(void **state)
{
    (void)state;
    assert_chooses(
        CASES(CASE("true", "and", COND("x", "is", "nope")) "," CASE("second", "and", COND("x", "is", "abc"))),
        "second");
    assert_chooses(
        CASES(CASE("true", "and", COND("x", "is", "abc")) "," CASE("second", "and", COND("x", "is", "abc"))),
        "true");
    assert_chooses(CASES(CASE("true", "and", COND("x", "is", "nope"))), "false");
    assert_chooses(APP("cases: []"), "false");
}

static void conditions_join_by_and_and_or(void **state)
{
    (void)state;
    assert_chooses(CASES(CASE("true", "and", COND("x", "is", "abc") "," COND("n", ">", "'4'"))), "true");
    assert_chooses(CASES(CASE("true", "and", COND("x", "is", "abc") "," COND("n", ">", "'9'"))), "false");
    assert_chooses(CASES(CASE("true", "or", COND("x", "is", "nope") "," COND("n", ">", "'4'"))), "true");
    assert_chooses(CASES(CASE("true", "or", COND("x", "is", "nope") "," COND("n", ">", "'9'"))), "false");
    assert_chooses(CASES(CASE("true", "and", "")), "true");
    assert_chooses(CASES(CASE("true", "or", "")), "false");
    /* What is decided is not looked at further: the second condition would fail. */
    assert_chooses(CASES(CASE("true", "or", COND("x", "is", "abc") "," COND("gone", "is", "a"))), "true");
    assert_chooses(CASES(CASE("true", "and", COND("x", "is", "nope") "," COND("gone", "is", "a"))), "false");
}

static void values_are_templates_lists_or_booleans(void **state)
{
    (void)state;
    assert_chooses(ONE(COND("x", "is", "'{{#start.x#}}'")), "true");
    assert_chooses(ONE(COND("n", "=", "'{{#start.n#}}'")), "true");
    assert_chooses(ONE(COND("x", "in", "[abc, d]")), "true");
    assert_chooses(ONE(COND("o, list", "all of", "[abc]")), "true");
    assert_chooses(ONE(COND("o, deep, key", "is", "v")), "true");
    assert_chooses(ONE(COND("b", "is", "true")), "true");
    assert_chooses(ONE(COND("b", "is", "'true'")), "true");
    assert_chooses(ONE(COND("b", "is", "'false'")), "false");
    assert_chooses(ONE(COND("b", "=", "'0'")), "false");
    assert_chooses(ONE(COND("b", "not empty", "''")), "true");
    assert_chooses(ONE(COND("o, flags", "contains", "'true'")), "true");
    assert_chooses(ONE(COND("o, nil", "null", "null")), "true");
    assert_chooses(ONE(COND("o, nil", "empty", "''")), "true");
    assert_chooses(ONE(COND("file", "not exists", "''")), "true");
    assert_chooses(ONE(COND("f", "not empty", "''")), "true");
}

static void errors_fail_the_node(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, ONE(COND("gone", "empty", "''"))); /* even then */
    player_play(&p, &(struct play){.inputs = inputs});
    assert_int_equal(p.status, RUN_STATUS_FAILED);
    assert_string_equal("Variable ['start', 'gone'] not found", p.error);
    player_close(&p);
    assert_chooses(ONE(COND("n", "=", "'1.5'")), NULL);
    assert_chooses(ONE(COND("n", "contains", "'5'")), NULL);
    assert_chooses(ONE(COND("b", "is", "'maybe'")), NULL);
    assert_chooses(ONE(COND("f", "contains", "a")), NULL); /* without conditions on the files */
}

#define FILES(op, how, tests)                                                                                \
    ONE("{variable_selector: [start, f], comparison_operator: '" op "', value: '', "                         \
        "sub_variable_condition: {logical_operator: " how ", conditions: [" tests "]}}")
#define TEST(key, op, value) "{key: " key ", comparison_operator: '" op "', value: " value "}"

static void conditions_on_files_look_at_their_attributes(void **state)
{
    (void)state;
    assert_chooses(FILES("contains", "and", TEST("type", "in", "[image]")), "true");      /* any file */
    assert_chooses(FILES("contains", "and", TEST("type", "not in", "[image]")), "false"); /* all files */
    assert_chooses(FILES("contains", "and", TEST("type", "not in", "[audio]")), "true");
    assert_chooses(FILES("contains", "and", TEST("extension", "is", "pdf")), "true"); /* dot or no dot */
    assert_chooses(FILES("contains", "and", TEST("extension", "is", "'.pdf'")), "true");
    assert_chooses(FILES("contains", "and", TEST("extension", "is", "doc")), "false");
    assert_chooses(FILES("contains", "and", TEST("extension", "in", "[pdf]")), NULL); /* has to be a string */
    assert_chooses(FILES("all of", "and", TEST("name", "is", "a.png") "," TEST("type", "is", "document")),
                   "true");
    assert_chooses(FILES("contains", "and", TEST("name", "is", "a.png") "," TEST("type", "is", "audio")),
                   "false");
    assert_chooses(FILES("contains", "or", TEST("name", "is", "a.png") "," TEST("type", "is", "audio")),
                   "true");
    assert_chooses(FILES("not contains", "and", TEST("size", ">", "'0'")), "false");
}

static void values_of_conditions_on_files_are_no_templates(void **state)
{
    (void)state;
    assert_chooses(FILES("contains", "and", TEST("name", "is", "'{{#start.x#}}'")), "false");
    assert_chooses(FILES("contains", "and", TEST("name", "contains", "'{{#start.x#}}'")), "false");
    assert_chooses(FILES("contains", "and", TEST("name", "contains", "a")), "true");
}

static void lists_of_files_are_empty_or_not(void **state)
{
    (void)state;
    assert_chooses(ONE(COND("f", "empty", "''")), "false");
    assert_chooses(ONE(COND("f", "not empty", "''")), "true");
    assert_chooses(ONE("{variable_selector: [sys, files], comparison_operator: empty, value: ''}"), "true");
    assert_chooses(ONE("{variable_selector: [sys, files], comparison_operator: not empty, value: ''}"),
                   "false");
}

static void a_file_exists_or_not(void **state)
{
    static const struct {
        const char *op, *inputs;
        bool holds;
    } rows[] = {
#define GIVEN                                                                                                \
    "{\"file\":{\"type\":\"image\",\"transfer_method\":\"remote_url\",\"url\":\"https://e.example/a.png\"}}"
        {"exists", GIVEN, true},      {"exists", "{\"file\":null}", false},    {"exists", "{}", false},
        {"not exists", GIVEN, false}, {"not exists", "{\"file\":\"\"}", true}, {"not exists", "{}", true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        char dsl[8192];
        snprintf(dsl, sizeof dsl, ONE(COND("file", "%s", "''")), rows[i].op);
        player_open(&p, dsl);
        player_play(&p, &(struct play){.inputs = rows[i].inputs});
        assert_text_contains(rows[i].holds ? "\"chosen\":\"true\"" : "\"chosen\":\"false\"", p.outputs);
        player_close(&p);
    }
}

static void an_error_takes_no_branch(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, ONE(COND("gone", "is", "a")));
    player_play(&p, &(struct play){.inputs = inputs});
    assert_int_equal(RUN_STATUS_FAILED, p.status);
    assert_false(player_saw(&p, "node_started e1\n"));
    assert_false(player_saw(&p, "node_started e2\n"));
    assert_text("{}", p.outputs);
    player_close(&p);
}

static void the_shape_of_old_exports(void **state)
{
    (void)state;
    assert_chooses(APP("logical_operator: or, conditions: [" COND("x", "is", "nope") "," COND(
                       "x", "start with", "ab") "]"),
                   "true");
    assert_chooses(APP("logical_operator: and, conditions: [" COND("x", "is", "nope") "]"), "false");
}

static void the_record_shows_what_was_compared(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, CASES(CASE("true", "and", COND("x", "is", "nope") "," COND("n", ">", "'4'")) "," CASE(
                        "second", "or", COND("x", "is", "nope") "," COND("n", ">", "'4'"))));
    player_start(&p, &(struct play){.inputs = inputs});
    while (!player_saw(&p, "node_finished if"))
        assert_int_equal(run_advance(p.run, 1, 1000000), RUN_MORE);
    assert_text_contains("{\"inputs\":{\"conditions\":[{\"actual_value\":\"abc\",\"expected_value\":\"nope\","
                         "\"comparison_operator\":\"is\"},"
                         "{\"actual_value\":5,\"expected_value\":\"4\",\"comparison_operator\":\">\"}]},",
                         p.last_record);
    assert_text_contains("\"results\":[false],\"final_result\":false},", p.last_record);
    assert_text_contains("\"results\":[false,true],\"final_result\":true}]},", p.last_record);
    assert_text_contains("\"outputs\":{\"result\":true,\"selected_case_id\":\"second\"}}", p.last_record);
    player_close(&p);
}

static void broken_configurations_are_problems(void **state)
{
    static const struct {
        const char *dsl, *problem;
    } rows[] = {
        {ONE("{variable_selector: [start, x], comparison_operator: '==', value: a}"), "unknown operator"},
        {ONE("{comparison_operator: is, value: a}"), "the condition has no variable"},
        {APP("cases: [{logical_operator: and, conditions: []}]"), "a case without case_id"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *problems = player_problems(rows[i].dsl);
        assert_contains(rows[i].problem, problems);
        free(problems);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases_are_tried_in_order),
        cmocka_unit_test(conditions_join_by_and_and_or),
        cmocka_unit_test(values_are_templates_lists_or_booleans),
        cmocka_unit_test(errors_fail_the_node),
        cmocka_unit_test(conditions_on_files_look_at_their_attributes),
        cmocka_unit_test(values_of_conditions_on_files_are_no_templates),
        cmocka_unit_test(lists_of_files_are_empty_or_not),
        cmocka_unit_test(a_file_exists_or_not),
        cmocka_unit_test(an_error_takes_no_branch),
        cmocka_unit_test(the_shape_of_old_exports),
        cmocka_unit_test(the_record_shows_what_was_compared),
        cmocka_unit_test(broken_configurations_are_problems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
