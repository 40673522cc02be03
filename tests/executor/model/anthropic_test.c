/*
 * Anthropic's Messages API: addresses, request bodies, and what its events say.
 */
#include "tests/executor/model/spoken.h"
#include <stdio.h>

#define HEAD "{\"model\":\"m\","
#define HI   "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]}]"
#define TAIL ",\"stream\":true,\"max_tokens\":4096}"

static const struct model_message hi = {.role = {"user", 4}, .text = {"hi", 2}};

static void addresses_have_the_version_once(void **state)
{
    static const struct {
        const char *base, *messages, *models;
    } rows[] = {
        {"https://a.example", "https://a.example/v1/messages", "https://a.example/v1/models"},
        {"https://a.example/", "https://a.example/v1/messages", "https://a.example/v1/models"},
        {"https://a.example/v1", "https://a.example/v1/messages", "https://a.example/v1/models"},
        {"https://a.example/x/v1/?b=c", "https://a.example/x/v1/messages?b=c",
         "https://a.example/x/v1/models?b=c"},
    };
    const struct model_request request = {.model = STR("m 1")};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_url(&protocol_anthropic, rows[i].base, &request, rows[i].messages);
        assert_models_url(&protocol_anthropic, rows[i].base, rows[i].models);
    }
}

static void the_key_and_the_version_are_in_headers(void **state)
{
    struct http_headers *headers;
    struct status err;
    (void)state;
    assert_ok(protocol_headers(&protocol_anthropic, STR("k1"), &headers, &err));
    assert_str("k1", http_headers_get(headers, STR("x-api-key")));
    assert_str("2023-06-01", http_headers_get(headers, STR("anthropic-version")));
    http_headers_unref(headers);
}

static void messages_become_turns_of_two_sides(void **state)
{
    static const struct model_file images[] = {{{"image", 5}, {"https://e.example/a.png", 23}, {"low", 3}},
                                               {{"audio", 5}, {"https://e.example/b", 19}, {"", 0}},
                                               {{"image", 5}, {"data:image/png;base64,QUJD", 26}, {"", 0}}};
    static const struct model_tool_call calls[] = {{{"c1", 2}, {"add", 3}, {"{\"a\": 1}", 8}},
                                                   {{"c2", 2}, {"sub", 3}, {"no json", 7}}};
    static const struct model_message talk[] = {
        {.role = {"system", 6}, .text = {"be \"brief\"", 10}},
        {.role = {"system", 6}, .text = {"be kind", 7}},
        {.role = {"user", 4}, .text = {"see", 3}, .files = images, .file_count = 3},
        {.role = {"user", 4}, .text = {"and", 3}},
        {.role = {"assistant", 9}, .calls = calls, .call_count = 2},
        {.role = {"tool", 4}, .text = {"2", 1}, .call_id = {"c1", 2}},
        {.role = {"tool", 4}, .text = {"", 0}, .call_id = {"c2", 2}},
        {.role = {"user", 4}, .text = {"so?", 3}},
        {.role = {"assistant", 9}, .text = {" \n", 2}},
    };
    const struct model_request request = {
        .model = STR("m"), .messages = talk, .message_count = ARRAY_LEN(talk)};
    (void)state;
    assert_body(&protocol_anthropic, &request,
                HEAD "\"system\":\"be \\\"brief\\\"\\n\\nbe kind\",\"messages\":["
                     "{\"role\":\"user\",\"content\":["
                     "{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"https://e.example/a.png\"}},"
                     "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/"
                     "png\",\"data\":\"QUJD\"}},"
                     "{\"type\":\"text\",\"text\":\"see\"},{\"type\":\"text\",\"text\":\"and\"}]},"
                     "{\"role\":\"assistant\",\"content\":["
                     "{\"type\":\"tool_use\",\"id\":\"c1\",\"name\":\"add\",\"input\":{\"a\":1}},"
                     "{\"type\":\"tool_use\",\"id\":\"c2\",\"name\":\"sub\",\"input\":{}}]},"
                     "{\"role\":\"user\",\"content\":["
                     "{\"type\":\"tool_result\",\"tool_use_id\":\"c1\",\"content\":\"2\"},"
                     "{\"type\":\"tool_result\",\"tool_use_id\":\"c2\",\"content\":\"\"},"
                     "{\"type\":\"text\",\"text\":\"so?\"}]}]" TAIL);
}

static void instructions_alone_are_a_turn_of_the_user(void **state)
{
    static const struct model_message system = {.role = {"system", 6}, .text = {"hi", 2}};
    struct model_request request = {.model = STR("m"), .messages = &system, .message_count = 1};
    (void)state;
    assert_body(&protocol_anthropic, &request, HEAD HI TAIL);
    request.message_count = 0;
    assert_body(&protocol_anthropic, &request, HEAD "\"messages\":[]" TAIL);
}

static void parameters_are_translated_and_others_left_out(void **state)
{
    static const struct {
        const char *params, *tail;
    } rows[] = {
        {NULL, "\"max_tokens\":4096}"},
        {"{\"max_tokens\":10,\"temperature\":0.5,\"top_p\":0.9,\"top_k\":5}",
         "\"max_tokens\":10,\"temperature\":0.5,\"top_p\":0.9,\"top_k\":5}"},
        {"{\"max_tokens_to_sample\":7}", "\"max_tokens\":7}"},
        {"{\"stop\":\"x\"}", "\"max_tokens\":4096,\"stop_sequences\":[\"x\"]}"},
        {"{\"stop\":[\"x\",\"\",3,\"y\"]}", "\"max_tokens\":4096,\"stop_sequences\":[\"x\",\"y\"]}"},
        {"{\"frequency_penalty\":1,\"seed\":3,\"stream\":false,\"model\":\"x\",\"n\":2}",
         "\"max_tokens\":4096}"},
        {"{\"thinking\":true,\"thinking_budget\":2000,\"temperature\":1}",
         "\"max_tokens\":4096,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2000}}"},
        {"{\"thinking\":true}",
         "\"max_tokens\":4096,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}}"},
        {"{\"thinking\":false,\"temperature\":1}", "\"max_tokens\":4096,\"temperature\":1}"},
        {"{\"thinking\":{\"type\":\"disabled\"},\"top_k\":1}",
         "\"max_tokens\":4096,\"thinking\":{\"type\":\"disabled\"},\"top_k\":1}"},
        {"{\"response_format\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"type\":"
         "\"object\"}}}",
         "\"max_tokens\":4096,\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":"
         "\"object\"}}}}"},
        {"{\"response_format\":\"json_schema\",\"json_schema\":\"{\\\"type\\\":\\\"object\\\"}\"}",
         "\"max_tokens\":4096,\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":"
         "\"object\"}}}}"},
        {"{\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{}}}}",
         "\"max_tokens\":4096,\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{}}}}"},
        {"{\"response_format\":\"json_object\"}", "\"max_tokens\":4096}"},
        {"{\"output_config\":{\"effort\":\"low\"}}",
         "\"max_tokens\":4096,\"output_config\":{\"effort\":\"low\"}}"},
        {"{\"metadata\":{\"user_id\":\"u\"},\"tool_choice\":\"auto\"}",
         "\"max_tokens\":4096,\"metadata\":{\"user_id\":\"u\"}}"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct value *params = json_of(rows[i].params);
        const struct model_request request = {
            .model = STR("m"), .messages = &hi, .message_count = 1, .params = params};
        char body[1024];
        snprintf(body, sizeof body, HEAD HI ",\"stream\":true,%s", rows[i].tail);
        assert_body(&protocol_anthropic, &request, body);
        value_unref(params);
    }
}

static void tools_have_their_choice(void **state)
{
    static const struct {
        const char *params, *choice;
    } rows[] = {
        {NULL, ""},
        {"{\"tool_choice\":\"auto\"}", ",\"tool_choice\":{\"type\":\"auto\"}"},
        {"{\"tool_choice\":\"required\"}", ",\"tool_choice\":{\"type\":\"any\"}"},
        {"{\"tool_choice\":\"none\"}", ",\"tool_choice\":{\"type\":\"none\"}"},
        {"{\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"add\"}}}",
         ",\"tool_choice\":{\"type\":\"tool\",\"name\":\"add\"}"},
        {"{\"tool_choice\":{\"type\":\"any\"}}", ",\"tool_choice\":{\"type\":\"any\"}"},
        {"{\"tool_choice\":\"what\"}", ""},
    };
    struct value *schema = json_of("{\"type\":\"object\",\"properties\":{}}");
    const struct model_tool tools[] = {{STR("add"), STR("adds"), schema}, {.name = STR("now")}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct value *params = json_of(rows[i].params);
        const struct model_request request = {.model = STR("m"),
                                              .messages = &hi,
                                              .message_count = 1,
                                              .params = params,
                                              .tools = tools,
                                              .tool_count = 2};
        char body[1024];
        snprintf(body, sizeof body,
                 HEAD HI ",\"tools\":[{\"name\":\"add\",\"description\":\"adds\",\"input_schema\":"
                         "{\"type\":\"object\",\"properties\":{}}},"
                         "{\"name\":\"now\",\"input_schema\":{\"type\":\"object\"}}]"
                         ",\"stream\":true,\"max_tokens\":4096%s}",
                 rows[i].choice);
        assert_body(&protocol_anthropic, &request, body);
        value_unref(params);
    }
    value_unref(schema);
}

#define START(usage) "{\"type\":\"message_start\",\"message\":{\"content\":[],\"usage\":" usage "}}\n"
#define BLOCK(index, block)                                                                                  \
    "{\"type\":\"content_block_start\",\"index\":" index ",\"content_block\":" block "}\n"
#define DELTA(index, delta) "{\"type\":\"content_block_delta\",\"index\":" index ",\"delta\":" delta "}\n"
#define END(reason, usage)                                                                                   \
    "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"" reason "\"},\"usage\":" usage "}\n"
#define STOP "{\"type\":\"message_stop\"}"

static void events_say_what_they_hold(void **state)
{
    static const struct {
        const char *events, *heard;
    } rows[] = {
        {START("{\"input_tokens\":10,\"output_tokens\":1}")
             BLOCK("0", "{\"type\":\"text\",\"text\":\"\"}") "{\"type\":\"ping\"}\n" DELTA(
                 "0", "{\"type\":\"text_delta\",\"text\":\"he\"}")
                 DELTA("0", "{\"type\":\"text_delta\",\"text\":\"y\"}") "{\"type\":\"content_block_stop\","
                                                                        "\"index\":0}\n" END(
                                                                            "end_turn",
                                                                            "{\"output_tokens\":5}") STOP,
         "usage 10 1;text he;text y;finish stop;usage 10 5;last;"},
        {START("{\"input_tokens\":2,\"cache_creation_input_tokens\":30,\"cache_read_input_tokens\":400}")
             END("max_tokens", "{\"input_tokens\":2,\"output_tokens\":5}") STOP,
         "usage 432 -1;finish length;usage 432 5;last;"},
        {START("{\"input_tokens\":0}") END("stop_sequence", "{\"input_tokens\":7,\"output_tokens\":5}"),
         "usage 0 -1;finish stop;usage 7 5;unreadable;"},
        {BLOCK("0", "{\"type\":\"thinking\",\"thinking\":\"\"}")
             DELTA("0", "{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}")
                 DELTA("0", "{\"type\":\"signature_delta\",\"signature\":\"s\"}") STOP,
         "reasoning hm;last;"},
        {BLOCK("1", "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{}}")
             DELTA("1", "{\"type\":\"input_json_delta\",\"partial_json\":\"\"}")
                 DELTA("1", "{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\"\"}")
                     DELTA("1", "{\"type\":\"input_json_delta\",\"partial_json\":\":1}\"}") BLOCK(
                         "2", "{\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"g\",\"input\":{\"b\":2}}")
                         END("tool_use", "{\"output_tokens\":5}") STOP,
         "finish tool_calls;usage 0 5;last;call t1 f {\"a\":1};call t2 g {\"b\":2};"},
        /* A tool of the provider's own is not ours to call. */
        {BLOCK("0", "{\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"web_search\"}")
             DELTA("0", "{\"type\":\"input_json_delta\",\"partial_json\":\"{}\"}") STOP,
         "last;"},
        {"{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}",
         "error  overloaded_error 0 0 Overloaded;"},
        {"{\"type\":\"error\"}", "error   0 0 the provider reported an error without words;"},
        {"error {\"error\":{\"message\":\"no type in it\"}}", "error   0 0 no type in it;"},
        {END("refusal", "null"), "finish content_filter;unreadable;"},
        {"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"new_word\"}}", "finish new_word;"},
        {"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":null}}", ""},
        {"{\"type\":\"something_new\"}", ""},
        {"{\"type\":7,\"delta\":3}", ""},
        {"{\"type\":\"content_block_delta\",\"delta\":[]}", ""},
        {"{\"type\":\"content_block_start\"}", ""},
        {"{}", ""},
        {"[]", "unreadable;"},
        {"{\"type\":", "unreadable;"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_heard(&protocol_anthropic, rows[i].events, false, rows[i].heard);
}

static void a_whole_body_says_the_same(void **state)
{
    static const struct {
        const char *json, *heard;
    } rows[] = {
        {"{\"type\":\"message\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\"},{\"type\":\"text\","
         "\"text\":\"a\"},"
         "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{\"a\":1}},{\"type\":\"text\","
         "\"text\":"
         "\"b\"}],"
         "\"stop_reason\":\"tool_use\",\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}",
         "reasoning hm;text ab;finish tool_calls;usage 1 2;call t f {\"a\":1};"},
        {"{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\"bad\"}}",
         "error  authentication_error 0 0 bad;"},
        {"{\"error\":\"words\"}", "error   0 0 words;"},
        {"{}", ""},
        {"<html>", "unreadable;"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_heard(&protocol_anthropic, rows[i].json, true, rows[i].heard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_have_the_version_once),
        cmocka_unit_test(the_key_and_the_version_are_in_headers),
        cmocka_unit_test(messages_become_turns_of_two_sides),
        cmocka_unit_test(instructions_alone_are_a_turn_of_the_user),
        cmocka_unit_test(parameters_are_translated_and_others_left_out),
        cmocka_unit_test(tools_have_their_choice),
        cmocka_unit_test(events_say_what_they_hold),
        cmocka_unit_test(a_whole_body_says_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
