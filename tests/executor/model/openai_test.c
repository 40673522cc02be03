/*
 * The OpenAI-compatible API, as OpenAI and as Azure serve it: addresses, request bodies, and what pieces of answers say.
 */
#include "executor/model/openai.h"
#include "executor/model/tool_calls.h"
#include "tests/executor/model/spoken.h"
#include <stdio.h>

#define HEAD "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],"
#define TAIL "\"stream\":true,\"stream_options\":{\"include_usage\":true}"

static void parameters_follow_the_fixed_part_of_a_request(void **state)
{
    static const struct {
        const char *params, *body;
    } rows[] = {
        {NULL, HEAD TAIL "}"},
        {"{}", HEAD TAIL "}"},
        {"{\"temperature\":0.5,\"max_tokens\":10}", HEAD TAIL ",\"temperature\":0.5,\"max_tokens\":10}"},
        {"{\"stop\":[\"a\",\"\\\"\"]}", HEAD TAIL ",\"stop\":[\"a\",\"\\\"\"]}"},
        {"{\"top_p\":null}", HEAD TAIL "}"},
        {"{\"a\\\"b\":true}", HEAD TAIL ",\"a\\\"b\":true}"},
        {"{\"response_format\":\"json_object\"}",
         HEAD TAIL ",\"response_format\":{\"type\":\"json_object\"}}"},
        {"{\"response_format\":\"\"}", HEAD TAIL "}"},
        {"{\"response_format\":\"json_schema\",\"json_schema\":{\"schema\":{},\"name\":\"a\"}}", HEAD TAIL
         ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{},\"name\":\"a\"}}}"},
        {"{\"json_schema\":\"{\\\"schema\\\":{}}\",\"response_format\":\"json_schema\"}",
         HEAD TAIL ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{}}}}"},
        {"{\"json_schema\":\"no schema\",\"response_format\":\"json_schema\"}",
         HEAD TAIL ",\"response_format\":{\"type\":\"json_schema\"}}"},
        {"{\"json_schema\":{\"schema\":{}},\"response_format\":\"text\"}",
         HEAD TAIL ",\"response_format\":{\"type\":\"text\"}}"},
        {"{\"response_format\":{\"type\":\"text\"}}", HEAD TAIL ",\"response_format\":{\"type\":\"text\"}}"},
        {"{\"model\":\"x\",\"messages\":[],\"prompt\":\"x\",\"stream\":false,\"stream_options\":{},\"n\":1}",
         HEAD TAIL ",\"n\":1}"},
    };
    static const struct model_message message = {.role = {"user", 4}, .text = {"hi", 2}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct value *params = json_of(rows[i].params);
        const struct model_request request = {
            .model = STR("m"), .messages = &message, .message_count = 1, .params = params};
        assert_body(&protocol_openai, &request, rows[i].body);
        assert_body(&protocol_azure_openai, &request, rows[i].body);
        value_unref(params);
    }
}

static void models_that_think_have_another_name_for_max_tokens(void **state)
{
    static const struct {
        const char *model, *params, *tail;
    } rows[] = {
        {"o3-mini", "{\"max_tokens\":10}", ",\"max_completion_tokens\":10}"},
        {"gpt-5", "{\"max_tokens\":10,\"max_completion_tokens\":20}", ",\"max_completion_tokens\":20}"},
        {"gpt-4o", "{\"max_tokens\":10}", ",\"max_tokens\":10}"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct value *params = json_of(rows[i].params);
        const struct model_request request = {.model = str_c(rows[i].model), .params = params};
        char body[512];
        snprintf(body, sizeof body, "{\"model\":\"%s\",\"messages\":[]," TAIL "%s", rows[i].model,
                 rows[i].tail);
        assert_body(&protocol_openai, &request, body);
        value_unref(params);
    }
}

static void messages_keep_their_order_and_are_escaped(void **state)
{
    static const struct model_message messages[] = {{.role = {"system", 6}, .text = {"be \"brief\"", 10}},
                                                    {.role = {"user", 4}, .text = {"a\nb", 3}},
                                                    {.role = {"assistant", 9}, .text = {"\xc3\xa4", 2}}};
    const struct model_request request = {.model = STR("m\\1"), .messages = messages, .message_count = 3};
    (void)state;
    assert_body(
        &protocol_openai, &request,
        "{\"model\":\"m\\\\1\",\"messages\":[{\"role\":\"system\",\"content\":\"be \\\"brief\\\"\"},"
        "{\"role\":\"user\",\"content\":\"a\\nb\"},{\"role\":\"assistant\",\"content\":\"\xc3\xa4\"}]," TAIL
        "}");
}

/* Given a message, then how it stands in the request. */
static void a_message_says_all_it_holds(void **state)
{
    static const struct model_file image = {{"image", 5}, {"https://e.example/a.png", 23}, {"low", 3}};
    static const struct model_file images[] = {{{"image", 5}, {"https://e.example/\"1", 20}, {"", 0}},
                                               {{"audio", 5}, {"https://e.example/b", 19}, {"", 0}},
                                               {{"image", 5}, {"https://e.example/2", 19}, {"high", 4}}};
    static const struct model_tool_call calls[] = {{{"c1", 2}, {"add", 3}, {"{\"a\":1}", 7}},
                                                   {{"c2", 2}, {"sub", 3}, {"", 0}}};
    static const struct {
        struct model_message message;
        const char *json;
    } rows[] = {
        {{.role = {"user", 4}, .text = {"see", 3}, .files = &image, .file_count = 1},
         "{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":"
         "{\"url\":\"https://e.example/a.png\",\"detail\":\"low\"}},{\"type\":\"text\",\"text\":\"see\"}]}"},
        {{.role = {"user", 4}, .files = images, .file_count = 3},
         "{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://e.example/"
         "\\\"1\"}},"
         "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://e.example/2\",\"detail\":\"high\"}}]}"},
        {{.role = {"user", 4}, .text = {"hear", 4}, .files = images + 1, .file_count = 1},
         "{\"role\":\"user\",\"content\":\"hear\"}"},
        {{.role = {"assistant", 9}, .calls = calls, .call_count = 2},
         "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":["
         "{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"add\",\"arguments\":\"{\\\"a\\\":1}"
         "\"}},"
         "{\"id\":\"c2\",\"type\":\"function\",\"function\":{\"name\":\"sub\",\"arguments\":\"\"}}]}"},
        {{.role = {"assistant", 9}, .text = {"so", 2}, .calls = calls + 1, .call_count = 1},
         "{\"role\":\"assistant\",\"content\":\"so\",\"tool_calls\":["
         "{\"id\":\"c2\",\"type\":\"function\",\"function\":{\"name\":\"sub\",\"arguments\":\"\"}}]}"},
        {{.role = {"tool", 4}, .text = {"2", 1}, .call_id = {"c1", 2}},
         "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"2\"}"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct model_request request = {
            .model = STR("m"), .messages = &rows[i].message, .message_count = 1};
        char body[1024];
        snprintf(body, sizeof body, "{\"model\":\"m\",\"messages\":[%s]," TAIL "}", rows[i].json);
        assert_body(&protocol_openai, &request, body);
    }
}

static void tools_follow_the_messages(void **state)
{
    static const struct model_message message = {.role = {"user", 4}, .text = {"hi", 2}};
    struct value *schema = json_of("{\"type\":\"object\"}");
    const struct model_tool tools[] = {{STR("add"), STR("adds \"two\""), schema}, {.name = STR("now")}};
    const struct model_request request = {.model = STR("m"),
                                          .messages = &message,
                                          .message_count = 1,
                                          .tools = tools,
                                          .tool_count = 2,
                                          .is_whole = true};
    (void)state;
    assert_body(&protocol_openai, &request,
                HEAD
                "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"add\",\"description\":\"adds "
                "\\\"two\\\"\",\"parameters\":{\"type\":\"object\"}}},{\"type\":\"function\",\"function\":{"
                "\"name\":\"now\"}}]," TAIL "}");
    value_unref(schema);
}

static void a_completion_has_a_prompt(void **state)
{
    static const struct model_message message = {.role = {"user", 4}, .text = {"once upon", 9}};
    struct model_request request = {
        .model = STR("m"), .is_completion = true, .messages = &message, .message_count = 1};
    (void)state;
    assert_body(&protocol_openai, &request, "{\"model\":\"m\",\"prompt\":\"once upon\"," TAIL "}");
    request.message_count = 0;
    assert_body(&protocol_openai, &request, "{\"model\":\"m\",\"prompt\":\"\"," TAIL "}");
}

static void a_request_over_the_maximum_fails(void **state)
{
    static const struct model_message message = {.role = {"user", 4}, .text = {"hi", 2}};
    const struct model_request request = {.model = STR("m"), .messages = &message, .message_count = 1};
    struct status err;
    struct buf b;
    (void)state;
    buf_init(&b, 20);
    assert_ok(openai_put_request(&b, STR("m"), &request, &err));
    assert_true(b.failed);
    buf_fini(&b);
}

static void requests_go_to_the_path_of_their_kind(void **state)
{
    static const struct {
        const char *base, *chat, *completion, *models;
    } rows[] = {
        {"https://api.example/v1", "https://api.example/v1/chat/completions",
         "https://api.example/v1/completions", "https://api.example/v1/models"},
        {"https://api.example/v1//", "https://api.example/v1/chat/completions",
         "https://api.example/v1/completions", "https://api.example/v1/models"},
        {"https://api.example/v1/?tenant=a", "https://api.example/v1/chat/completions?tenant=a",
         "https://api.example/v1/completions?tenant=a", "https://api.example/v1/models?tenant=a"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct model_request chat = {.model = STR("m 1")},
                                   completion = {.model = STR("m 1"), .is_completion = true};
        assert_url(&protocol_openai, rows[i].base, &chat, rows[i].chat);
        assert_url(&protocol_openai, rows[i].base, &completion, rows[i].completion);
        assert_models_url(&protocol_openai, rows[i].base, rows[i].models);
    }
}

static void azure_has_the_deployment_and_a_version_in_the_address(void **state)
{
    static const struct {
        const char *base, *chat, *models;
    } rows[] = {
        {"https://n.example",
         "https://n.example/openai/deployments/m%201/chat/completions?api-version=2024-10-21",
         "https://n.example/openai/models?api-version=2024-10-21"},
        {"https://n.example/openai/",
         "https://n.example/openai/deployments/m%201/chat/completions?api-version=2024-10-21",
         "https://n.example/openai/models?api-version=2024-10-21"},
        {"https://n.example/?api-version=2025-01-01-preview",
         "https://n.example/openai/deployments/m%201/chat/completions?api-version=2025-01-01-preview",
         "https://n.example/openai/models?api-version=2025-01-01-preview"},
        {"https://n.example?a=b",
         "https://n.example/openai/deployments/m%201/chat/completions?a=b&api-version=2024-10-21",
         "https://n.example/openai/models?a=b&api-version=2024-10-21"},
        {"https://n.example/openai/deployments/d1",
         "https://n.example/openai/deployments/d1/chat/completions?api-version=2024-10-21",
         "https://n.example/openai/models?api-version=2024-10-21"},
        {"https://n.example/openai/v1", "https://n.example/openai/v1/chat/completions",
         "https://n.example/openai/v1/models"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct model_request chat = {.model = STR("m 1")};
        assert_url(&protocol_azure_openai, rows[i].base, &chat, rows[i].chat);
        assert_models_url(&protocol_azure_openai, rows[i].base, rows[i].models);
    }
}

static void the_key_is_in_its_header(void **state)
{
    static const struct {
        const struct protocol *protocol;
        const char *header, *value;
    } rows[] = {{&protocol_openai, "Authorization", "Bearer k1"}, {&protocol_azure_openai, "api-key", "k1"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_headers *headers;
        struct status err;
        assert_ok(protocol_headers(rows[i].protocol, STR("k1"), &headers, &err));
        assert_str(rows[i].value, http_headers_get(headers, str_c(rows[i].header)));
        assert_str("application/json", http_headers_get(headers, STR("content-type")));
        http_headers_unref(headers);
        assert_ok(protocol_headers(rows[i].protocol, STR(""), &headers, &err));
        assert_null(http_headers_get(headers, str_c(rows[i].header)).ptr);
        http_headers_unref(headers);
        assert_code(STATUS_INVALID_ARGUMENT, protocol_headers(rows[i].protocol, STR("a\nb"), &headers, &err));
    }
}

#define DELTA(delta) "{\"choices\":[{\"delta\":" delta "}]}"

static void pieces_say_what_they_hold(void **state)
{
    static const struct {
        const char *json, *heard;
    } rows[] = {
        {"[DONE]", "last;"},
        {DELTA("{\"role\":\"assistant\",\"content\":\"hi\"}"), "text hi;"},
        {DELTA("{\"content\":\"a\\n\\\"b\\\"\\u00e4\"}"), "text a\n\"b\"\xc3\xa4;"},
        {"{\"choices\":[{\"delta\":{\"content\":null},\"finish_reason\":\"stop\"}]}", "finish stop;"},
        {"{\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}", "text a;"},
        {DELTA("{\"reasoning_content\":\"hm\",\"content\":\"\"}"), "reasoning hm;"},
        {DELTA("{\"reasoning\":\"hm\",\"content\":null}"), "reasoning hm;"},
        {DELTA("{\"reasoning\":\"hm\",\"reasoning_content\":\"hm\"}"), "reasoning hm;"},
        {"{\"choices\":[{\"text\":\"completed\"}]}", "text completed;"},
        {"{\"choices\":[{\"delta\":{\"content\":\"one\"}},{\"delta\":{\"content\":\"two\"}}]}", "text one;"},
        {"{\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5}}", "usage 10 5;"},
        {"{\"choices\":[],\"x_groq\":{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}}",
         "usage 3 4;"},
        {"{\"usage\":{\"prompt_tokens\":3}}", "usage 3 -1;"},
        {"{\"usage\":{}}", ""},
        {"{\"usage\":null}", ""},
        {"{\"usage\":{\"prompt_tokens\":\"many\"}}", ""},
        {"{\"error\":{\"message\":\"slow down\",\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\"}}",
         "error rate_limit_exceeded tokens 0 0 slow down;"},
        {"{\"error\":{\"message\":\"no\",\"code\":429}}", "error   429 0 no;"},
        {"{\"error\":{\"message\":\"no\",\"code\":\"503\"}}", "error 503  503 0 no;"},
        {"{\"error\":\"broken\"}", "error   0 0 broken;"},
        {"{\"error\":{}}", "error   0 0 the provider reported an error without words;"},
        {"error {\"message\":\"no\",\"code\":\"c\"}", "error c  0 0 no;"},
        {"{\"error\":null,\"choices\":[{\"delta\":{\"content\":\"x\"}}]}", "text x;"},
        {"{}", ""},
        {"{\"message\":\"no error of its own\"}", ""},
        {"{\"choices\":{}}", ""},
        {"{\"choices\":[7]}", ""},
        {DELTA("[]"), ""},
        {DELTA("{\"content\":[\"a\"]}"), ""},
        {"", "unreadable;"},
        {"null", "unreadable;"},
        {"[]", "unreadable;"},
        {"\"text\"", "unreadable;"},
        {"1", "unreadable;"},
        {"{\"choices\":", "unreadable;"},
        {"{} {}", "unreadable;"},
        {"<html>", "unreadable;"},
        {"{\"a\":\"\xff\"}x", "unreadable;"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_heard(&protocol_openai, rows[i].json, false, rows[i].heard);
        assert_heard(&protocol_azure_openai, rows[i].json, false, rows[i].heard);
    }
}

static void a_whole_body_says_the_same(void **state)
{
    static const struct {
        const char *json, *heard;
    } rows[] = {
        {"{\"choices\":[{\"message\":{\"content\":\"whole\"},\"finish_reason\":\"length\"}],"
         "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}",
         "text whole;finish length;usage 3 4;"},
        {"{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"f\"}},"
         "{\"function\":{\"name\":\"g\",\"arguments\":{\"a\":[1]}}}]}}]}",
         "call  f ;call  g {\"a\":[1]};"},
        {"[{\"error\":{\"message\":\"no\",\"code\":400}}]", "error   400 0 no;"},
        {"{\"message\":\"no\",\"type\":\"t\"}", "error  t 0 0 no;"},
        {"{\"detail\":\"not found\"}", "error   0 0 not found;"},
        {"{\"error\":{\"message\":\"x\",\"code\":\"c\"},\"message\":\"y\"}", "error c  0 0 x;"},
        {"[]", "unreadable;"},
        {"<html>", "unreadable;"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_heard(&protocol_openai, rows[i].json, true, rows[i].heard);
}

static void calls_of_tools_are_read_piece_by_piece(void **state)
{
    static const struct {
        const char *calls, *heard;
    } rows[] = {
        {"[{\"index\":2,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]", "call c f {;"},
        {"[{\"index\":0,\"function\":{\"arguments\":\"}\"}},{}]", "call   };"},
        {"[{\"id\":\"c\",\"type\":\"function\"}]", "call c  ;"},
        {"[{\"id\":\"c\",\"function\":{\"arguments\":{\"a\":1}}}]", "call c  {\"a\":1};"},
        {"[7]", "call   ;"},
        {"[{\"index\":\"x\",\"function\":[]}]", "call   ;"},
        {"[]", ""},
        {"{}", ""},
        {"null", ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char json[256];
        snprintf(json, sizeof json, "{\"choices\":[{\"delta\":{\"tool_calls\":%s}}]}", rows[i].calls);
        assert_heard(&protocol_openai, json, false, rows[i].heard);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_follow_the_fixed_part_of_a_request),
        cmocka_unit_test(models_that_think_have_another_name_for_max_tokens),
        cmocka_unit_test(messages_keep_their_order_and_are_escaped),
        cmocka_unit_test(a_message_says_all_it_holds),
        cmocka_unit_test(tools_follow_the_messages),
        cmocka_unit_test(a_completion_has_a_prompt),
        cmocka_unit_test(a_request_over_the_maximum_fails),
        cmocka_unit_test(requests_go_to_the_path_of_their_kind),
        cmocka_unit_test(azure_has_the_deployment_and_a_version_in_the_address),
        cmocka_unit_test(the_key_is_in_its_header),
        cmocka_unit_test(pieces_say_what_they_hold),
        cmocka_unit_test(a_whole_body_says_the_same),
        cmocka_unit_test(calls_of_tools_are_read_piece_by_piece),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
