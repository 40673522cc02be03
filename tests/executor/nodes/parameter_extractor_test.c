/*
 * parameter-extractor nodes: what is sent to the model, records, failures, configuration (dify-dsl.md 4.9).
 */
#include "tests/executor/nodes/extractor_play.h"
#include "tests/support/alloc_fail.h"
#include <stdlib.h>
#include <string.h>

/* --- what is sent --- */

/* The request the node makes; p is open. */
static const char *ask(struct player *p, const char *dsl, const struct play *play, const char *history)
{
    llm_ask(p, dsl, play, history);
    return p->calls[0].request;
}

static size_t count_of(const char *needle, const char *text)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, needle)) != NULL; at++)
        count++;
    return count;
}

#define EVERY_TYPE                                                                                           \
    CITY                                                                                                     \
        ", " PARAM("n", "number", "false") ", " PARAM("b", "bool", "true") ", " SELECT("select") ", " PARAM( \
            "as", "array[string]",                                                                           \
            "true") ", " PARAM("an", "array[number]",                                                        \
                               "false") ", " PARAM("ao", "array[object]",                                    \
                                                   "false") ", " PARAM("ab", "array[boolean]", "false")
static const char every_type[] =
    "\"parameters\":{\"type\":\"object\",\"properties\":{"
    "\"city\":{\"description\":\"about city\",\"type\":\"string\"},"
    "\"n\":{\"description\":\"about n\",\"type\":\"number\"},"
    "\"b\":{\"description\":\"about b\",\"type\":\"boolean\"},"
    "\"s\":{\"description\":\"d\",\"type\":\"string\",\"enum\":[\"red\",\"blue\"]},"
    "\"as\":{\"description\":\"about as\",\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
    "\"an\":{\"description\":\"about an\",\"type\":\"array\",\"items\":{\"type\":\"number\"}},"
    "\"ao\":{\"description\":\"about ao\",\"type\":\"array\",\"items\":{\"type\":\"object\"}},"
    "\"ab\":{\"description\":\"about ab\",\"type\":\"array\",\"items\":{\"type\":\"boolean\"}}},"
    "\"required\":[\"city\",\"b\",\"s\",\"as\"]}}],\"whole\":true}";

static void a_tool_is_made_of_the_parameters(void **state)
{
    struct player p;
    (void)state;
    const char *request = ask(&p, CALLS(EVERY_TYPE), &extractor_inputs, NULL);
    assert_contains(",\"tools\":[{\"name\":\"extract_parameters\",\"description\":\"", request);
    assert_contains(every_type, request);
    assert_int_equal(1, count_of("\"whole\":true", request));
    player_close(&p);
}

static void two_calls_are_shown_before_the_question(void **state)
{
    struct player p;
    (void)state;
    const char *request =
        ask(&p, APP(SMALL("chat") ", " QUERY ", instruction: 'Mind {{#start.n#}}.', parameters: [" CITY "]"),
            &extractor_inputs, NULL);
    assert_contains("\"messages\":[{\"system\":\"", request);
    assert_contains("<instructions>\\nMind 5.\\n</instructions>", request);
    assert_int_equal(3, count_of("{\"user\":\"Schema:\\n{", request));
    assert_int_equal(4, count_of("{\"assistant\":", request));
    assert_int_equal(2, count_of("\"calls\":[{\"id\":\"example0", request));
    assert_int_equal(2, count_of("\",\"name\":\"extract_parameters\",\"arguments\":{\"", request));
    assert_int_equal(2, count_of("\"call_id\":\"example0", request));
    assert_contains(
        "{\"user\":\"Schema:\\n{\\\"type\\\": \\\"object\\\", \\\"properties\\\": {\\\"city\\\": "
        "{\\\"description\\\": \\\"about city\\\", \\\"type\\\": \\\"string\\\"}}, \\\"required\\\": "
        "[\\\"city\\\"]}\\nText:\\nto Rome for 500\\n\"}],\"params\":{\"temperature\":0.1},\"tools\"",
        request);
    assert_null(strstr(request, "<conversation>"));
    player_close(&p);
}

static void prompt_mode_shows_two_replies(void **state)
{
    struct player p;
    (void)state;
    const char *request = ask(&p, PROMPT(CITY), &extractor_inputs, NULL);
    assert_int_equal(1, count_of("{\"system\":", request));
    assert_int_equal(3, count_of("{\"user\":\"Schema:\\n{", request));
    assert_int_equal(2, count_of("{\"assistant\":\"{\\\"", request));
    assert_null(strstr(request, "\"tools\""));
    assert_null(strstr(request, "<instructions>"));
    assert_contains("\\nText:\\nto Rome for 500\\n\"}],\"params\":{\"temperature\":0.1},\"whole\":true}",
                    request);
    player_close(&p);
}

static void completion_mode_sends_one_text_with_an_open_end(void **state)
{
    static const char *const modes[] = {
        APP(SMALL("completion") ", " QUERY ", reasoning_mode: prompt, parameters: [" CITY "]"),
        APP(SMALL("completion") ", " QUERY ", reasoning_mode: function_call, parameters: [" CITY "]"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        struct player p;
        const char *request = ask(&p, modes[i], &extractor_inputs, NULL);
        assert_contains("\"prompt\":[{\"user\":\"", request);
        assert_int_equal(1, count_of("{\"user\":", request));
        assert_int_equal(3, count_of("JSON:\\n```json\\n", request));
        assert_contains("\\nText:\\nto Rome for 500\\nJSON:\\n```json\\n\"}],\"params\"", request);
        assert_null(strstr(request, "\"tools\""));
        player_say(&p, 0, "{\"city\": \"Rome\"}\n```");
        player_done(&p, 0, "stop");
        player_finish(&p);
        check_extracted(&p, NULL, "\"city\":\"Rome\"");
        player_close(&p);
    }
}

static void the_mode_of_reasoning_chooses(void **state)
{
#define MODE(more) APP(SMALL("chat") ", " QUERY ", parameters: [" CITY "]" more)
    static const struct {
        const char *name, *dsl;
        bool has_tool;
    } rows[] = {
        {"none", MODE(""), true},
        {"null", MODE(", reasoning_mode: null"), true},
        {"empty", MODE(", reasoning_mode: ''"), true},
        {"function_call", MODE(", reasoning_mode: function_call"), true},
        {"prompt", MODE(", reasoning_mode: prompt"), false},
        {"a model without tools",
         APP("model: {provider: openai, name: o1-mini, mode: chat}, " QUERY ", parameters: [" CITY "]"),
         false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct player p;
        print_message("%s\n", rows[i].name);
        assert_int_equal(rows[i].has_tool,
                         strstr(ask(&p, rows[i].dsl, &extractor_inputs, NULL), "\"tools\"") != NULL);
        player_close(&p);
    }
}

static void a_query_becomes_text(void **state)
{
#define QUERY_OF(selector) APP(SMALL("chat") ", query: " selector ", parameters: [" CITY "]")
    static const struct {
        const char *dsl, *text, *input;
    } rows[] = {
        {QUERY_OF("[start, gone]"), "Text:\\n\\n\"}]", "{\"inputs\":{\"query\":\"\","},
        {QUERY_OF("null"), "Text:\\n\\n\"}]", "{\"inputs\":{\"query\":\"\","},
        {QUERY_OF("[start, n]"), "Text:\\n5\\n\"}]", "{\"inputs\":{\"query\":\"5\","},
        {QUERY_OF("[start, o]"), "Text:\\n{\\\"a\\\": true}\\n\"}]",
         "{\"inputs\":{\"query\":\"{\\\"a\\\": true}\","},
        {QUERY_OF("[start, x]"), "Text:\\n{{#start.n#}}\\n\"}]",
         "{\"inputs\":{\"query\":\"{{#start.n#}}\","}, /* no template */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct player p;
        assert_contains(rows[i].text,
                        ask(&p, rows[i].dsl,
                            &(struct play){.inputs = "{\"x\":\"{{#start.n#}}\",\"n\":5,\"o\":{\"a\":true}}"},
                            NULL));
        player_done(&p, 0, "stop");
        player_finish(&p);
        assert_text_contains(rows[i].input, p.last_record);
        player_close(&p);
    }
}

static void memory_tells_the_conversation(void **state)
{
    static const char history[] =
        "[{\"query\":\"q1\",\"answer\":\"a1\"},{\"query\":\"q2\",\"answer\":\"a2\"}]";
    static const char *const modes[] = {
        APP_OF("advanced-chat", SMALL("chat") ", " QUERY ", memory: {window: {enabled: false, size: 1}}, "
                                              "parameters: [" CITY "]"),
        APP_OF("advanced-chat", PROMPT_CONFIG(CITY) ", memory: {window: {enabled: true, size: 1}}"),
        APP_OF("advanced-chat",
               SMALL("completion") ", " QUERY ", memory: {window: {enabled: true, size: 1}}, "
                                   "parameters: [" CITY "]"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        struct player p;
        assert_contains("<conversation>\\nHuman: q2\\nAssistant: a2\\n</conversation>",
                        ask(&p, modes[i], &extractor_inputs, history));
        player_close(&p);
    }
}

static const struct play with_files = {
    .inputs = "{\"x\":\"x\",\"n\":5,\"f\":[{\"type\":\"image\",\"transfer_method\":\"remote_url\",\"url\":"
              "\"https://e.example/a.png\"},{\"type\":\"document\",\"transfer_method\":\"remote_url\","
              "\"url\":\"https://e.example/b.pdf\"}]}"};

static void vision_sends_images_with_the_question(void **state)
{
#define VISION(selector)                                                                                     \
    APP(SMALL("chat") ", " QUERY ", parameters: [" CITY                                                      \
                      "], vision: {enabled: true, configs: {variable_selector: " selector "}}")
    struct player p;
    (void)state;
    const char *request = ask(&p, VISION("[start, f]"), &with_files, NULL);
    assert_contains("Text:\\nx\\n\",\"files\":[\"https://e.example/a.png high\"]}],\"params\"", request);
    assert_int_equal(1, count_of("\"files\"", request));
    player_done(&p, 0, "stop");
    player_finish(&p);
    assert_text_contains("\"inputs\":{\"query\":\"x\",\"files\":[{", p.last_record);
    assert_text_contains("https://e.example/b.pdf", p.last_record); /* seen, but nothing for a model */
    player_close(&p);
    player_open(&p, VISION("[start, n]"));
    player_play(&p, &with_files);
    assert_int_equal(0, p.call_count);
    assert_int_equal(RUN_STATUS_FAILED, p.status);
    assert_string_equal("InvalidVariableTypeError", p.last_error_type);
    player_close(&p);
}

/* --- records and failures --- */

static void the_record_shows_what_was_asked(void **state)
{
    struct player p;
    (void)state;
    extractor_play(&p,
                   APP(SMALL("chat") ", " QUERY ", instruction: 'i {{#start.n#}}', parameters: [" CITY
                                     ", " SELECT("select") "]"),
                   "so:", "{\"city\":\"Rome\",\"s\":\"red\"}");
    assert_text_contains(
        "{\"inputs\":{\"query\":\"to Rome for 500\",\"files\":[],\"parameters\":[{\"name\":\"city\",\"type\":"
        "\"string\",\"options\":null,\"description\":\"about "
        "city\",\"required\":true},{\"name\":\"s\",\"type\":"
        "\"string\",\"options\":[\"red\",\"blue\"],\"description\":\"d\",\"required\":true}],\"instruction\":"
        "\"i {{#start.n#}}\",\"model_provider\":\"acme\",\"model_name\":\"small\"},\"process_data\":{"
        "\"model_mode\":\"chat\",\"prompts\":[{\"role\":\"system\",\"text\":\"",
        p.last_record);
    assert_text_contains("{\"role\":\"tool\",\"text\":\"", p.last_record);
    assert_text_contains("\"tool_calls\":[{\"id\":\"example01\",\"type\":\"function\",\"function\":{\"name\":"
                         "\"extract_parameters\",\"arguments\":\"{",
                         p.last_record);
    assert_text_contains("],\"usage\":{\"prompt_tokens\":10,", p.last_record);
    assert_text_contains("},\"function\":{\"name\":\"extract_parameters\",\"description\":\"", p.last_record);
    assert_text_contains("\"tool_call\":{\"id\":\"call-1\",\"type\":\"function\",\"function\":{\"name\":"
                         "\"extract_parameters\",\"arguments\":\"{\\\"city\\\":\\\"Rome\\\",\\\"s\\\":"
                         "\\\"red\\\"}\"}},\"model_provider\":\"acme\",\"model_name\":\"small\",\"llm_text\":"
                         "\"so:\",\"credential\":{\"name\":\"\",\"model\":\"\",\"tried\":0,\"waited_ms\":0,"
                         "\"refused\":[]}},\"outputs\":{\"__is_success\":1,",
                         p.last_record);
    assert_int_equal(15, p.tokens);
    player_close(&p);
    extractor_play(&p, PROMPT(CITY), "{\"city\":\"Rome\"}", NULL);
    assert_text_contains("},\"function\":{},\"tool_call\":null,\"model_provider\"", p.last_record);
    assert_text_contains("\"instruction\":null", p.last_record);
    player_close(&p);
}

static void a_model_that_fails_fails_the_node(void **state)
{
    struct player p;
    (void)state;
    llm_ask(&p, CALLS(CITY ", " BUDGET), &extractor_inputs, NULL);
    player_fail(&p, 0, "InvokeConnectionError", "no route");
    player_finish(&p);
    assert_int_equal(RUN_STATUS_FAILED, p.status);
    assert_string_equal("no route", p.error);
    assert_string_equal("InvokeConnectionError", p.last_error_type);
    assert_text_contains(
        "\"outputs\":{\"__is_success\":0,\"__reason\":\"Failed to invoke model\",\"__error\":"
        "\"no route\"}}",
        p.last_record);
    assert_text_contains("\"usage\":null,\"function\":{\"name\":", p.last_record);
    player_close(&p);
    player_open(&p, CALLS(CITY ", " BUDGET));
    p.refusal = "no credential";
    player_play(&p, &extractor_inputs);
    assert_string_equal("no credential", p.error);
    assert_string_equal("InvokeAuthorizationError", p.last_error_type);
    assert_text_contains("\"__error\":\"no credential\"", p.last_record);
    player_close(&p);
}

static void a_run_that_stops_gives_up_the_call(void **state)
{
    struct player p;
    (void)state;
    llm_ask(&p, CALLS(CITY ", " BUDGET), &extractor_inputs, NULL);
    run_stop(p.run, END_REASON_STOPPED_BY_USER, STR("enough"));
    player_go(&p);
    assert_true(p.calls[0].was_cancelled);
    player_close(&p);
}

static void a_real_export_routes_its_values(void **state)
{
    struct player p;
    (void)state;
    player_open_export(&p, "dsl-generator-skills/parameter-extractor-routing-workflow.yml");
    player_start(&p, &(struct play){.inputs = "{\"query\":\"Rome for 500\"}"});
    player_go(&p);
    const struct model_tool_call call = {STR("1"), STR("extract_parameters"), STR("{" ROME "}")};
    player_done_calls(&p, 0, &call, 1);
    player_finish(&p);
    assert_text("{" ROME "}", p.outputs);
    player_close(&p);
}

static void bad_configuration_is_a_problem_of_the_import(void **state)
{
#define BASE SMALL("chat") ", " QUERY
    static const struct {
        const char *dsl, *problem;
    } rows[] = {
        {APP(QUERY ", parameters: [" CITY "]"), "data.model: the node has no model"},
        {APP(BASE), "data.parameters: the node has no list of parameters"},
        {APP(BASE ", parameters: {}"), "data.parameters: the node has no list of parameters"},
        {CALLS(CITY ", " PARAM("__reason", "string", "true")),
         "data.parameters[1].name: __reason is an output of the node"},
        {CALLS(PARAM("__is_success", "number", "true")),
         "data.parameters[0].name: __is_success is an output of the node"},
        {CALLS(PARAM("''", "string", "true")), "data.parameters[0].name: a parameter without name"},
        {CALLS("{type: string}"), "data.parameters[0].name: a parameter without name"},
        {CALLS("5"), "data.parameters[0].name: a parameter without name"},
        {CALLS(PARAM("a", "file", "true")), "data.parameters[0].type: unknown type \"file\""},
        {CALLS(PARAM("a", "object", "true")), "data.parameters[0].type: unknown type \"object\""},
        {CALLS(PARAM("a", "array", "true")), "data.parameters[0].type: unknown type \"array\""},
        {CALLS("{name: a}"), "data.parameters[0].type: unknown type \"\""},
        {CALLS("{name: a, type: select, options: [x, 5]}"),
         "data.parameters[0].options: an option is no text but integer"},
        {MODE(", reasoning_mode: magic"), "data.reasoning_mode: unknown reasoning mode \"magic\""},
        {APP(SMALL("chat") ", query: 5, parameters: [" CITY "]"), "data.query: "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *problems = player_problems(rows[i].dsl);
        assert_contains(rows[i].problem, problems);
        free(problems);
    }
}

static void what_is_left_out_of_a_parameter_has_a_default(void **state)
{
    struct player p;
    (void)state;
    extractor_play(&p, PROMPT("{name: city, type: string}"), "{\"city\":\"Rome\"}", NULL);
    check_extracted(&p, NULL, "\"city\":\"Rome\"");
    assert_text_contains("\"options\":null,\"description\":\"\",\"required\":false}", p.last_record);
    player_close(&p);
    /* Only two names are taken: this one stands in the place of the node's own output. */
    extractor_play(&p, PROMPT(PARAM("__usage", "string", "true")), "{\"__usage\":\"mine\"}", NULL);
    assert_text_contains("\"outputs\":{\"__is_success\":1,\"__reason\":null,\"__usage\":\"mine\"}}",
                         p.last_record);
    player_close(&p);
}

/* --- memory --- */

static void memory_that_runs_out_ends_the_run(void **state)
{
#define LARGE                                                                                                \
    APP(SMALL("chat") ", " QUERY ", instruction: i, vision: {enabled: true}, memory: {}, parameters: [" CITY \
                      ", " PARAM("l", "array[number]", "true") "]")
    (void)state;
    for (size_t n = 0, has_hit = true; has_hit; n++) {
        const struct model_tool_call call = {STR("1"), STR("t"),
                                             STR("[{\"city\":\"Rome\",\"l\":[\"1\",2]}]")};
        struct player p;
        player_open(&p, LARGE);
        player_start(&p, &extractor_inputs);
        assert_true(buf_reserve(&p.log, 65536) && buf_reserve(&p.text, 65536) &&
                    buf_reserve(&p.outputs, 65536) && buf_reserve(&p.last_record, 65536));
        alloc_fail_after(n);
        player_go(&p);
        if (p.call_count == 1 && p.calls[0].is_open)
            player_done_calls(&p, 0, &call, 1);
        player_finish(&p);
        has_hit = alloc_fail_hit();
        alloc_fail_reset();
        if (!has_hit)
            check_extracted(&p, "Invalid value for parameter l: array[any] where array[number] is expected",
                            "\"city\":\"Rome\",\"l\":[1,2]");
        else if (p.status != RUN_STATUS_SUCCEEDED) /* some can do without */
            assert_int_equal(RUN_STATUS_FAILED, p.status);
        player_close(&p);
    }
}

/* Whatever the limit is, the run ends in good order. */
static void a_limit_of_bytes_holds_anywhere(void **state)
{
    (void)state;
    bool has_succeeded = false;
    for (size_t bytes = 256; !has_succeeded; bytes += 256) {
        struct status err;
        struct player p;
        player_open(&p, LARGE);
        p.reply = "{\"city\":\"Rome\",\"l\":[1,2]}";
        struct play play = extractor_inputs;
        play.limits.max_bytes = bytes;
        if (player_try(&p, &play, &err) == STATUS_OK) {
            player_finish(&p);
            has_succeeded = p.status == RUN_STATUS_SUCCEEDED;
            assert_int_equal(has_succeeded ? END_REASON_COMPLETED : END_REASON_MEMORY_LIMIT, p.reason);
        }
        player_close(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tool_is_made_of_the_parameters),
        cmocka_unit_test(two_calls_are_shown_before_the_question),
        cmocka_unit_test(prompt_mode_shows_two_replies),
        cmocka_unit_test(completion_mode_sends_one_text_with_an_open_end),
        cmocka_unit_test(the_mode_of_reasoning_chooses),
        cmocka_unit_test(a_query_becomes_text),
        cmocka_unit_test(memory_tells_the_conversation),
        cmocka_unit_test(vision_sends_images_with_the_question),
        cmocka_unit_test(the_record_shows_what_was_asked),
        cmocka_unit_test(a_model_that_fails_fails_the_node),
        cmocka_unit_test(a_run_that_stops_gives_up_the_call),
        cmocka_unit_test(a_real_export_routes_its_values),
        cmocka_unit_test(bad_configuration_is_a_problem_of_the_import),
        cmocka_unit_test(what_is_left_out_of_a_parameter_has_a_default),
        cmocka_unit_test(memory_that_runs_out_ends_the_run),
        cmocka_unit_test(a_limit_of_bytes_holds_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
