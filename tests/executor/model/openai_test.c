/*
 * The OpenAI-compatible API as bytes: request bodies, and what pieces of answers say.
 */
#include "executor/model/openai.h"
#include "executor/value/parse.h"
#include "tests/support/check.h"
#include <stdio.h>

static struct value *json_of(const char *json)
{
    struct value *v = NULL;
    struct status err;
    if (json != NULL)
        assert_ok(value_parse_json(NULL, str_c(json), &v, &err));
    return v;
}

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
        struct buf b;
        buf_init(&b, 4096);
        openai_put_request(&b, &request);
        assert_str(rows[i].body, buf_str(&b));
        assert_string_equal("/chat/completions", openai_path(&request));
        buf_fini(&b);
        value_unref(params);
    }
}

static void messages_keep_their_order_and_are_escaped(void **state)
{
    static const struct model_message messages[] = {{.role = {"system", 6}, .text = {"be \"brief\"", 10}},
                                                    {.role = {"user", 4}, .text = {"a\nb", 3}},
                                                    {.role = {"assistant", 9}, .text = {"\xc3\xa4", 2}}};
    const struct model_request request = {.model = STR("m\\1"), .messages = messages, .message_count = 3};
    struct buf b;
    (void)state;
    buf_init(&b, 4096);
    openai_put_request(&b, &request);
    assert_str(
        "{\"model\":\"m\\\\1\",\"messages\":[{\"role\":\"system\",\"content\":\"be \\\"brief\\\"\"},"
        "{\"role\":\"user\",\"content\":\"a\\nb\"},{\"role\":\"assistant\",\"content\":\"\xc3\xa4\"}]," TAIL
        "}",
        buf_str(&b));
    buf_fini(&b);
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
        struct buf b;
        buf_init(&b, 4096);
        openai_put_request(&b, &request);
        snprintf(body, sizeof body, "{\"model\":\"m\",\"messages\":[%s]," TAIL "}", rows[i].json);
        assert_str(body, buf_str(&b));
        buf_fini(&b);
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
    struct buf b;
    (void)state;
    buf_init(&b, 4096);
    openai_put_request(&b, &request);
    assert_str(HEAD
               "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"add\",\"description\":\"adds "
               "\\\"two\\\"\",\"parameters\":{\"type\":\"object\"}}},{\"type\":\"function\",\"function\":{"
               "\"name\":\"now\"}}],\"stream\":false}",
               buf_str(&b));
    buf_fini(&b);
    value_unref(schema);
}

static void a_completion_has_a_prompt(void **state)
{
    static const struct model_message message = {.role = {"user", 4}, .text = {"once upon", 9}};
    struct model_request request = {
        .model = STR("m"), .is_completion = true, .messages = &message, .message_count = 1};
    struct buf b;
    (void)state;
    buf_init(&b, 4096);
    assert_string_equal("/completions", openai_path(&request));
    openai_put_request(&b, &request);
    assert_str("{\"model\":\"m\",\"prompt\":\"once upon\"," TAIL "}", buf_str(&b));
    buf_clear(&b);
    request.message_count = 0;
    openai_put_request(&b, &request);
    assert_str("{\"model\":\"m\",\"prompt\":\"\"," TAIL "}", buf_str(&b));
    buf_fini(&b);
}

static void a_request_over_the_maximum_fails(void **state)
{
    static const struct model_message message = {.role = {"user", 4}, .text = {"hi", 2}};
    const struct model_request request = {.model = STR("m"), .messages = &message, .message_count = 1};
    struct buf b;
    (void)state;
    buf_init(&b, 20);
    openai_put_request(&b, &request);
    assert_true(b.failed);
    buf_fini(&b);
}

static void pieces_say_what_they_hold(void **state)
{
    static const struct {
        const char *json, *text, *reasoning, *finish, *error, *code; /* error NULL: none */
        bool has_usage;
        int64_t prompt, completion;
    } rows[] = {
        {.json = "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"hi\"}}]}", .text = "hi"},
        {.json = "{\"choices\":[{\"delta\":{\"content\":null},\"finish_reason\":\"stop\"}]}",
         .finish = "stop"},
        {.json = "{\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}", .text = "a"},
        {.json = "{\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\",\"content\":\"\"}}]}",
         .reasoning = "hm"},
        {.json = "{\"choices\":[{\"message\":{\"content\":\"whole\"},\"finish_reason\":\"length\"}],"
                 "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}",
         .text = "whole",
         .finish = "length",
         .has_usage = true,
         .prompt = 3,
         .completion = 4},
        {.json = "{\"choices\":[{\"text\":\"completed\"}]}", .text = "completed"},
        {.json = "{\"choices\":[{\"delta\":{\"content\":\"one\"}},{\"delta\":{\"content\":\"two\"}}]}",
         .text = "one"},
        {.json = "{\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5}}",
         .has_usage = true,
         .prompt = 10,
         .completion = 5},
        {.json = "{\"usage\":{}}", .has_usage = true},
        {.json = "{\"usage\":null}"},
        {.json = "{\"usage\":{\"prompt_tokens\":\"many\"}}", .has_usage = true},
        {.json = "{\"error\":{\"message\":\"slow down\",\"code\":\"rate_limit_exceeded\"}}",
         .error = "slow down",
         .code = "rate_limit_exceeded"},
        {.json = "{\"error\":{\"message\":\"no\",\"code\":429}}", .error = "no"},
        {.json = "{\"error\":\"broken\"}", .error = "broken"},
        {.json = "{\"error\":{}}", .error = "the provider reported an error without words"},
        {.json = "{\"error\":null,\"choices\":[{\"delta\":{\"content\":\"x\"}}]}", .text = "x"},
        {.json = "{}"},
        {.json = "{\"choices\":{}}"},
        {.json = "{\"choices\":[7]}"},
        {.json = "{\"choices\":[{\"delta\":[]}]}"},
        {.json = "{\"choices\":[{\"delta\":{\"content\":[\"a\"]}}]}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct openai_piece piece;
        assert_true(openai_read(str_c(rows[i].json), &piece));
        assert_str(rows[i].text != NULL ? rows[i].text : "", piece.text);
        assert_str(rows[i].reasoning != NULL ? rows[i].reasoning : "", piece.reasoning);
        assert_str(rows[i].finish != NULL ? rows[i].finish : "", piece.finish_reason);
        assert_int_equal(rows[i].error != NULL, piece.error.ptr != NULL);
        assert_str(rows[i].error != NULL ? rows[i].error : "", piece.error);
        assert_str(rows[i].code != NULL ? rows[i].code : "", piece.error_code);
        assert_int_equal(rows[i].has_usage, piece.has_usage);
        assert_int_equal(rows[i].prompt, piece.prompt_tokens);
        assert_int_equal(rows[i].completion, piece.completion_tokens);
        value_unref(piece.root);
    }
}

static void calls_of_tools_are_read_piece_by_piece(void **state)
{
    static const struct {
        const char *calls;
        int count;
        int64_t index; /* of the first, like the rest */
        const char *id, *name, *arguments;
    } rows[] = {
        {"[{\"index\":2,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]", 1, 2, "c", "f",
         "{"},
        {"[{\"index\":0,\"function\":{\"arguments\":\"}\"}},{}]", 2, 0, "", "", "}"},
        {"[{\"id\":\"c\",\"type\":\"function\"}]", 1, -1, "c", "", NULL},
        {"[7]", 1, -1, "", "", NULL},
        {"[{\"index\":\"x\",\"function\":[]}]", 1, -1, "", "", NULL},
        {"[]", 0, 0, NULL, NULL, NULL},
        {"{}", 0, 0, NULL, NULL, NULL},
        {"null", 0, 0, NULL, NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char json[256];
        struct openai_piece piece;
        snprintf(json, sizeof json, "{\"choices\":[{\"%s\":{\"tool_calls\":%s}}]}",
                 i % 2 == 0 ? "delta" : "message", rows[i].calls);
        assert_true(openai_read(str_c(json), &piece));
        assert_int_equal(rows[i].count, openai_call_count(&piece));
        if (rows[i].count > 0) {
            struct openai_call call = openai_call_at(&piece, 0);
            assert_int_equal(rows[i].index, call.index);
            assert_str(rows[i].id, call.id);
            assert_str(rows[i].name, call.name);
            assert_int_equal(rows[i].arguments != NULL, call.arguments != NULL);
            if (call.arguments != NULL)
                assert_str(rows[i].arguments, value_text(call.arguments));
        }
        value_unref(piece.root);
    }
}

static void what_is_no_object_is_not_read(void **state)
{
    static const char *const rows[] = {"",     "null",          "[]",    "\"text\"", "1",
                                       "true", "{\"choices\":", "{} {}", "<html>",   "{\"a\":\"\xff\"}x"};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct openai_piece piece;
        assert_false(openai_read(str_c(rows[i]), &piece));
        assert_null(piece.root);
    }
}

static void statuses_have_the_error_types_of_dify(void **state)
{
    static const struct {
        int status;
        const char *type;
    } rows[] = {{400, "InvokeBadRequestError"},       {401, "InvokeAuthorizationError"},
                {403, "InvokeAuthorizationError"},    {404, "InvokeBadRequestError"},
                {429, "InvokeRateLimitError"},        {500, "InvokeServerUnavailableError"},
                {503, "InvokeServerUnavailableError"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_string_equal(rows[i].type, openai_error_type(rows[i].status));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_follow_the_fixed_part_of_a_request),
        cmocka_unit_test(messages_keep_their_order_and_are_escaped),
        cmocka_unit_test(a_message_says_all_it_holds),
        cmocka_unit_test(tools_follow_the_messages),
        cmocka_unit_test(a_completion_has_a_prompt),
        cmocka_unit_test(a_request_over_the_maximum_fails),
        cmocka_unit_test(pieces_say_what_they_hold),
        cmocka_unit_test(calls_of_tools_are_read_piece_by_piece),
        cmocka_unit_test(what_is_no_object_is_not_read),
        cmocka_unit_test(statuses_have_the_error_types_of_dify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
