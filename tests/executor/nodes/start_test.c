/*
 * start: objects and their schemas, files as others see them (dify-dsl.md 2.5, 4.1).
 */
#include "tests/executor/player/player.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APP(field)                                                                                           \
    EXPORT("workflow", "",                                                                                   \
           NODE("start", "start", "variables: [{variable: o, type: json_object" field "}]")                  \
               END_OF("end", "o", "start, o"),                                                               \
           EDGE("start", "end"))
#define SCHEMA                                                                                               \
    "{type: object, required: [name], properties: {name: {type: string, minLength: 1}, age: {type: "         \
    "integer}}, additionalProperties: false}"

static void expect(const char *dsl, const char *object, const char *error)
{
    struct player p;
    char inputs[256], outputs[256];
    snprintf(inputs, sizeof inputs, "{\"o\":%s}", object);
    player_open(&p, dsl);
    player_play(&p, &(struct play){.inputs = inputs});
    if (error == NULL) {
        snprintf(outputs, sizeof outputs, "{\"o\":%s}", object);
        assert_int_equal(RUN_STATUS_SUCCEEDED, p.status);
        assert_text(outputs, p.outputs);
    } else {
        assert_int_equal(RUN_STATUS_FAILED, p.status);
        assert_string_equal(error, p.error);
        assert_string_equal("WorkflowNodeError", p.last_error_type);
        assert_true(player_saw(&p, "node_finished start failed"));
        assert_text_contains("{\"inputs\":{\"o\":", p.last_record);
    }
    player_close(&p);
}

static void an_object_follows_its_schema(void **state)
{
    static const struct {
        const char *object, *fault;
    } rows[] = {
        {"{\"name\":\"Ada\"}", NULL},
        {"{\"name\":\"Ada\",\"age\":36}", NULL},
        {"null", NULL}, /* not given */
        {"{}", "'name' is a required property"},
        {"{\"name\":5}", "5 is not of type 'string'"},
        {"{\"name\":\"\"}", "'' is too short"},
        {"{\"name\":\"Ada\",\"age\":\"36\"}", "'36' is not of type 'integer'"},
        {"{\"name\":\"Ada\",\"born\":1815}", "Additional properties are not allowed ('born' was unexpected)"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char error[256];
        snprintf(error, sizeof error, "JSON object for 'o' does not match schema: %s", rows[i].fault);
        expect(APP(", json_schema: " SCHEMA), rows[i].object, rows[i].fault != NULL ? error : NULL);
    }
}

static void a_schema_may_be_json_text(void **state)
{
    (void)state;
    expect(APP(", json_schema: '{\"required\": [\"a\"]}'"), "{\"a\":1}", NULL);
    expect(APP(", json_schema: '{\"required\": [\"a\"]}'"), "{\"b\":1}",
           "JSON object for 'o' does not match schema: 'a' is a required property");
    expect(APP(", json_schema: ''"), "{\"b\":1}", NULL);
    expect(APP(", json_schema: null"), "{\"b\":1}", NULL);
    expect(APP(", json_schema: {}"), "{\"b\":1}", NULL);
}

static void what_is_no_schema_is_a_problem_of_the_import(void **state)
{
    static const struct {
        const char *dsl, *problem;
    } rows[] = {
        {APP(", json_schema: '{broken'"), "variables[0].json_schema: json_schema is no schema: no JSON"},
        {APP(", json_schema: '[]'"), "json_schema is no schema: no object"},
        {APP(", json_schema: 5"), "json_schema is no schema: no object"},
        {APP(", json_schema: {type: text}"), "json_schema is no schema: 'type' is not as a schema has it"},
        {APP(", json_schema: {$ref: 'https://e.example'}"), "json_schema is no schema: '$ref' leads nowhere"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *problems = player_problems(rows[i].dsl);
        assert_contains(rows[i].problem, problems);
        free(problems);
    }
}

static void a_schema_of_another_type_of_input_is_not_read(void **state)
{
    struct player p;
    (void)state;
    player_open(&p,
                EXPORT("workflow", "",
                       NODE("start", "start", "variables: [{variable: x, type: text-input, json_schema: 5}]")
                           END_OF("end", "o", "start, x"),
                       EDGE("start", "end")));
    player_play(&p, &(struct play){.inputs = "{\"x\":\"v\"}"});
    assert_text("{\"o\":\"v\"}", p.outputs);
    player_close(&p);
}

static void a_required_object_has_to_be_there(void **state)
{
    static const char *const inputs[] = {NULL, "{}", "{\"o\":null}"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(inputs); i++) {
        struct player p;
        struct status err = {0};
        struct play play = {.inputs = inputs[i]};
        player_open(&p, APP(", required: true"));
        assert_code(STATUS_INVALID_ARGUMENT, player_try(&p, &play, &err));
        assert_string_equal("o is required in input form", err.message);
        player_close(&p);
    }
}

static void a_file_as_json(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           NODE("start", "start", "variables: [{variable: f, type: file}]")
                               END_OF("end", "f", "start, f"),
                           EDGE("start", "end")));
    player_play(&p, &(struct play){.inputs = "{\"f\":{\"type\":\"image\",\"transfer_method\":\"remote_url\","
                                             "\"url\":\"https://e.example/a/b.png?size=2\"}}"});
    assert_text(
        "{\"f\":{\"dify_model_identity\":\"__dify__file__\",\"id\":null,\"type\":\"image\","
        "\"transfer_method\":\"remote_url\",\"remote_url\":\"https://e.example/a/b.png?size=2\","
        "\"reference\":null,\"filename\":\"b.png\",\"extension\":\".png\",\"mime_type\":\"image/png\","
        "\"size\":-1,\"url\":\"https://e.example/a/b.png?size=2\",\"related_id\":null}}",
        p.outputs);
    player_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_follows_its_schema),
        cmocka_unit_test(a_schema_may_be_json_text),
        cmocka_unit_test(what_is_no_schema_is_a_problem_of_the_import),
        cmocka_unit_test(a_schema_of_another_type_of_input_is_not_read),
        cmocka_unit_test(a_required_object_has_to_be_there),
        cmocka_unit_test(a_file_as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
