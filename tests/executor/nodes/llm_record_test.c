/*
 * llm nodes: how values stand in prompts, and what the record names (dify-dsl.md 2.3, 4.3).
 */
#include "tests/executor/nodes/llm_play.h"
#include <stdio.h>

static const struct play inputs = {
    .query = "what?",
    .inputs =
        "{\"x\":\"a value\",\"n\":5,\"o\":{\"nil\":null,\"yes\":true,\"real\":1e16,\"map\":{\"k\":[1,null]},"
        "\"texts\":[\"a\",\"b\"],\"nums\":[1,2.5],\"flags\":[true],\"maps\":[{\"k\":null}],\"none\":[]}}"};

/* The text form, never that of answers. */
static void every_type_is_text_in_a_prompt(void **state)
{
    static const struct {
        const char *reference, *text; /* JSON */
    } rows[] = {
        {"start.x", "a value"},
        {"start.n", "5"},
        {"start.o.nil", ""},
        {"start.o.yes", "True"},
        {"start.o.real", "1e+16"},
        {"start.o.map", "{\\\"k\\\": [1, null]}"},
        {"start.o.texts", "[\\\"a\\\", \\\"b\\\"]"},
        {"start.o.nums", "[1, 2.5]"},
        {"start.o.flags", "[True]"},
        {"start.o.maps", "[{'k': None}]"},
        {"start.o.none", ""},
        {"sys.query", "what?"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char dsl[2048], request[512];
        snprintf(dsl, sizeof dsl, CHAT_APP(MESSAGES("[{role: user, text: '<{{#%s#}}>'}]")),
                 rows[i].reference);
        snprintf(request, sizeof request, SENT("{\"user\":\"<%s>\"}"), rows[i].text);
        assert_llm_sends(dsl, &inputs, NULL, request);
    }
}

static void an_llm_takes_any_list_of_variables(void **state)
{
    static const char *const rows[] = {", variables: []", ", variables: null", ", variables: nonsense",
                                       ", variables: [{variable: y, value_selector: [nobody, y]}]"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char dsl[2048];
        snprintf(dsl, sizeof dsl, WORKFLOW(MESSAGES("[{role: user, text: t}]") "%s"), rows[i]);
        assert_llm_sends(dsl, &inputs, NULL, SENT("{\"user\":\"t\"}"));
    }
}

static void jinja_without_its_text_takes_the_other(void **state)
{
    static const char *const rows[] = {", jinja2_text: ''", ", jinja2_text: null", ""};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char dsl[2048];
        snprintf(dsl, sizeof dsl,
                 WORKFLOW(MESSAGES(
                     "[{role: user, edition_type: jinja2, text: 'old {{ a }}'%s}]") ", "
                                                                                    "prompt_config: "
                                                                                    "{jinja2_variables: "
                                                                                    "[{variable: a, "
                                                                                    "value_selector: [start, "
                                                                                    "x]}]}"),
                 rows[i]);
        assert_llm_sends(dsl, &inputs, NULL, SENT("{\"user\":\"old a value\"}"));
    }
    /* In a basic text that one is not looked at. */
    assert_llm_sends(
        WORKFLOW(MESSAGES("[{role: user, edition_type: basic, text: basic, jinja2_text: other}]")), &inputs,
        NULL, SENT("{\"user\":\"basic\"}"));
}

static void context_stands_among_variables(void **state)
{
    struct player p;
    (void)state;
    llm_ask(
        &p,
        CHAT_APP(MESSAGES(
            "[{role: user, text: '{{#context#}}|{{#start.n#}}'}]") ", context: {enabled: true, "
                                                                   "variable_selector: [start, o, texts]}"),
        &inputs, NULL);
    assert_string_equal(SENT("{\"user\":\"a\\nb|5\"}"), p.calls[0].request);
    player_close(&p);
}

static void reply(struct player *p, const char *dsl, const char *finish_reason)
{
    llm_ask(p, dsl, &inputs, NULL);
    player_say(p, 0, "said");
    player_done(p, 0, finish_reason);
    player_go(p);
    assert_int_equal(RUN_STATUS_SUCCEEDED, p->status);
}

static void a_null_is_recorded_as_an_empty_text(void **state)
{
    struct player p;
    (void)state;
    reply(&p, WORKFLOW(MESSAGES("[{role: user, text: 'x{{#start.o.nil#}}'}]")), "stop");
    assert_text_contains("{\"inputs\":{\"#start.o.nil#\":\"\",\"model_provider\"", p.last_record);
    player_close(&p);
}

static void a_finish_reason_may_be_missing(void **state)
{
    static const struct {
        const char *reason, *shown;
    } rows[] = {{"", "\"finish_reason\":null}}"}, {"length", "\"finish_reason\":\"length\"}}"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        reply(&p, WORKFLOW(MESSAGES("[{role: user, text: t}]")), rows[i].reason);
        assert_text_contains(rows[i].shown, p.last_record);
        player_close(&p);
    }
}

static void inputs_name_context_and_bindings(void **state)
{
    struct player p;
    (void)state;
    reply(&p,
          WORKFLOW(
              MESSAGES("[{role: user, text: '{{#start.n#}} {{#context#}}'}, {role: user, edition_type: "
                       "jinja2, jinja2_text: '{{ a }}'}]") ", context: {enabled: true, variable_selector: "
                                                           "[start, x]}, prompt_config: {jinja2_variables: "
                                                           "[{variable: a, value_selector: [start, o, "
                                                           "map]}]}"),
          "stop");
    assert_text_contains("{\"inputs\":{\"#start.n#\":5,\"a\":{\"k\":[1,null]},\"#context#\":\"a value\","
                         "\"model_provider\":\"acme/openai/openai\",\"model_name\":\"big\"}",
                         p.last_record);
    player_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_text_in_a_prompt),
        cmocka_unit_test(an_llm_takes_any_list_of_variables),
        cmocka_unit_test(jinja_without_its_text_takes_the_other),
        cmocka_unit_test(context_stands_among_variables),
        cmocka_unit_test(a_null_is_recorded_as_an_empty_text),
        cmocka_unit_test(a_finish_reason_may_be_missing),
        cmocka_unit_test(inputs_name_context_and_bindings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
