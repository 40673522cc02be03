/*
 * llm nodes whose answer follows a schema (dify-dsl.md 4.3, Structured output).
 */
#include "tests/executor/nodes/llm_play.h"
#include <stdio.h>

#define SCHEMA                                                                                               \
    "{type: object, properties: {ok: {type: boolean}, type: {type: string}, list: {type: array, items: "     \
    "{anyOf: [{type: boolean}]}}}, required: [ok]}"
#define MAPPED                                                                                               \
    "{\"type\":\"object\",\"properties\":{\"ok\":{\"type\":\"string\"},\"type\":{\"type\":\"string\"},"      \
    "\"list\":{\"type\":\"array\",\"items\":{\"anyOf\":[{\"type\":\"string\"}]}}},\"required\":[\"ok\"]}"
#define ON(schema) ", structured_output_switch_on: true, structured_output: {schema: " schema "}"
#define APP(name, params, prompt, more)                                                                      \
    EXPORT("workflow", "",                                                                                   \
           FORM NODE_LLM(MODEL_OF("openai", name, "chat", params) ", prompt_template: " prompt more)         \
               END_OF("end", "o", "llm, structured_output"),                                                 \
           EDGE("start", "llm") EDGE("llm", "end"))

static const struct play nothing = {.query = NULL};

static void models_that_know_schemas_get_it_as_a_parameter(void **state)
{
    (void)state;
    assert_llm_sends(
        APP("gpt-4o", "{}", "[{role: user, text: t}]", ON(SCHEMA)), &nothing, NULL,
        "{\"provider\":\"openai\",\"model\":\"gpt-4o\",\"messages\":[{\"user\":\"t\"}],\"params\":"
        "{\"response_format\":\"json_schema\",\"json_schema\":{\"schema\":" MAPPED
        ",\"name\":\"llm_response\"}}}");
    /* Other parameters stay. */
    assert_llm_sends(
        APP("gpt-4o", "{top_p: 1, response_format: text}", "[{role: user, text: t}]", ON("{type: object}")),
        &nothing, NULL,
        "{\"provider\":\"openai\",\"model\":\"gpt-4o\",\"messages\":[{\"user\":\"t\"}],\"params\":"
        "{\"top_p\":1,\"response_format\":\"json_schema\",\"json_schema\":{\"schema\":{\"type\":"
        "\"object\"},\"name\":\"llm_response\"}}}");
}

static void others_are_told_in_words(void **state)
{
    static const struct {
        const char *name, *prompt, *begin, *end;
    } rows[] = {
        {"big", "[{role: user, text: t}]", "[{\"system\":\"Answer with one JSON object",
         "{\\\"type\\\": \\\"object\\\"}\"},{\"user\":\"t\"}],\"params\":{}}"},
        {"deepseek-chat", "[{role: user, text: t}]", "[{\"system\":\"Answer with one JSON object",
         "{\\\"type\\\": "
         "\\\"object\\\"}\"},{\"user\":\"t\"}],\"params\":{\"response_format\":\"json_object\"}}"},
        /* In front of the text of the system. */
        {"big", "[{role: user, text: t}, {role: system, text: be brief}, {role: system, text: s}]",
         "[{\"system\":\"Answer with one JSON object",
         "{\\\"type\\\": \\\"object\\\"}\\n\\nbe "
         "brief\"},{\"user\":\"t\"},{\"system\":\"s\"}],\"params\":{}}"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        char dsl[2048];
        snprintf(dsl, sizeof dsl, APP("%s", "{}", "%s", ON("{type: object}")), rows[i].name, rows[i].prompt);
        llm_ask(&p, dsl, &nothing, NULL);
        assert_contains(rows[i].begin, p.calls[0].request);
        assert_contains(rows[i].end, p.calls[0].request);
        player_close(&p);
    }
    /* A completion is told in its prompt. */
    struct player p;
    llm_ask(&p, CHAT_APP(MODEL("completion", "{}") ", prompt_template: {text: t}" ON("{type: object}")),
            &(struct play){.query = "q"}, NULL);
    assert_contains("\"prompt\":[{\"user\":\"Answer with one JSON object", p.calls[0].request);
    assert_contains("{\\\"type\\\": \\\"object\\\"}\\n\\n\\nt\"}]", p.calls[0].request);
    player_close(&p);
}

static void a_schema_has_to_be_one_of_an_object(void **state)
{
    static const struct {
        const char *more, *error;
    } rows[] = {
        {", structured_output_switch_on: true, structured_output: {}",
         "provide a valid structured output schema"},
        {ON("null"), "provide a valid structured output schema"},
        {ON("[]"), "provide a valid structured output schema"},
        {ON("'{}'"), "provide a valid structured output schema"},
        {ON("{}"), "must be one of an object"},
        {ON("{type: array}"), "must be one of an object"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char dsl[2048];
        snprintf(dsl, sizeof dsl, APP("gpt-4o", "{}", "[{role: user, text: t}]", "%s"), rows[i].more);
        assert_llm_fails(dsl, &nothing, "LLMNodeError", rows[i].error);
    }
}

static void switched_off_nothing_is_asked_for(void **state)
{
    static const char *const rows[] = {
        ", structured_output_switch_on: false, structured_output: {schema: {type: object}}",
        ", structured_output_switch_on: true",
        ", structured_output_switch_on: true, structured_output: null",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        char dsl[2048];
        snprintf(dsl, sizeof dsl, WORKFLOW(MESSAGES("[{role: user, text: t}]") "%s"), rows[i]);
        llm_ask(&p, dsl, &nothing, NULL);
        assert_string_equal(SENT("{\"user\":\"t\"}"), p.calls[0].request);
        player_say(&p, 0, "no JSON");
        player_done(&p, 0, "stop");
        player_go(&p);
        assert_int_equal(p.status, RUN_STATUS_SUCCEEDED);
        player_close(&p);
    }
}

static void the_reply_is_read_as_an_object(void **state)
{
    static const struct {
        const char *reply, *object; /* NULL: the node fails */
    } rows[] = {
        {"{\"ok\":\"true\"}", "{\"ok\":\"true\"}"},
        {"```json\n{\"ok\": True,}\n```", "{\"ok\":true}"},
        {"<think>{}</think>{\"ok\":1", "{\"ok\":1}"},
        {"[{\"a\":1},{\"b\":2}]", "{\"a\":1}"},
        {"[]", "{}"},
        {"I would rather not.", NULL},
        {"", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        llm_ask(&p, APP("gpt-4o", "{}", "[{role: user, text: t}]", ON(SCHEMA)), &nothing, NULL);
        player_say(&p, 0, rows[i].reply);
        player_done(&p, 0, "stop");
        player_go(&p);
        if (rows[i].object != NULL) {
            char outputs[256];
            snprintf(outputs, sizeof outputs, "{\"o\":%s}", rows[i].object);
            assert_text(outputs, p.outputs);
        } else {
            assert_int_equal(p.status, RUN_STATUS_FAILED);
            assert_string_equal("OutputParserError", p.last_error_type);
            assert_contains("Failed to parse structured output: ", p.error);
            assert_contains(rows[i].reply, p.error);
        }
        player_close(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_that_know_schemas_get_it_as_a_parameter),
        cmocka_unit_test(others_are_told_in_words),
        cmocka_unit_test(a_schema_has_to_be_one_of_an_object),
        cmocka_unit_test(switched_off_nothing_is_asked_for),
        cmocka_unit_test(the_reply_is_read_as_an_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
