/*
 * Gemini's generateContent: addresses, request bodies, and what its answers say.
 */
#include "tests/executor/model/spoken.h"
#include <stdio.h>

#define HI "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hi\"}]}]"

static const struct model_message hi = {.role = {"user", 4}, .text = {"hi", 2}};

static void addresses_have_a_version_and_the_model(void **state)
{
    static const struct {
        const char *base, *model, *stream, *models;
    } rows[] = {
        {"https://g.example", "gemini-2",
         "https://g.example/v1beta/models/gemini-2:streamGenerateContent?alt=sse",
         "https://g.example/v1beta/models"},
        {"https://g.example/v1beta/", "m 1",
         "https://g.example/v1beta/models/m%201:streamGenerateContent?alt=sse",
         "https://g.example/v1beta/models"},
        {"https://g.example/v1", "models/m", "https://g.example/v1/models/m:streamGenerateContent?alt=sse",
         "https://g.example/v1/models"},
        {"https://g.example/v1beta?a=b", "tunedModels/t",
         "https://g.example/v1beta/tunedModels/t:streamGenerateContent?alt=sse&a=b",
         "https://g.example/v1beta/models?a=b"},
        {"https://g.example/v1/projects/p/locations/l/publishers/google", "m",
         "https://g.example/v1/projects/p/locations/l/publishers/google/models/"
         "m:streamGenerateContent?alt=sse",
         "https://g.example/v1/projects/p/locations/l/publishers/google/models"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct model_request request = {.model = str_c(rows[i].model)};
        assert_url(&protocol_gemini, rows[i].base, &request, rows[i].stream);
        assert_models_url(&protocol_gemini, rows[i].base, rows[i].models);
    }
}

static void the_key_is_in_its_header(void **state)
{
    struct http_headers *headers;
    struct status err;
    (void)state;
    assert_ok(protocol_headers(&protocol_gemini, STR("k1"), &headers, &err));
    assert_str("k1", http_headers_get(headers, STR("x-goog-api-key")));
    http_headers_unref(headers);
}

static void messages_become_contents_of_two_sides(void **state)
{
    static const struct model_file images[] = {
        {{"image", 5}, {"https://e.example/a.PNG?x=1", 27}, {"low", 3}},
        {{"audio", 5}, {"https://e.example/b", 19}, {"", 0}},
        {{"image", 5}, {"https://e.example/c", 19}, {"", 0}},
        {{"image", 5}, {"data:image/webp;a=b;base64,QUJD", 31}, {"", 0}}};
    static const struct model_tool_call calls[] = {{{"c1", 2}, {"add", 3}, {"{\"a\": 1}", 8}},
                                                   {{"c2", 2}, {"sub", 3}, {"no json", 7}}};
    static const struct model_message talk[] = {
        {.role = {"system", 6}, .text = {"be brief", 8}},
        {.role = {"user", 4}, .text = {"see", 3}, .files = images, .file_count = 4},
        {.role = {"user", 4}, .text = {"and", 3}},
        {.role = {"assistant", 9}, .text = {"ok", 2}, .calls = calls, .call_count = 2},
        {.role = {"tool", 4}, .text = {"2", 1}, .call_id = {"c1", 2}},
        {.role = {"tool", 4}, .text = {"{\"b\":2}", 7}, .call_id = {"c2", 2}},
        {.role = {"tool", 4}, .text = {"x", 1}, .call_id = {"c3", 2}},
        {.role = {"assistant", 9}, .text = {"", 0}},
    };
    const struct model_request request = {
        .model = STR("m"), .messages = talk, .message_count = ARRAY_LEN(talk)};
    (void)state;
    assert_body(&protocol_gemini, &request,
                "{\"contents\":[{\"role\":\"user\",\"parts\":["
                "{\"fileData\":{\"mimeType\":\"image/png\",\"fileUri\":\"https://e.example/a.PNG?x=1\"}},"
                "{\"fileData\":{\"mimeType\":\"image/jpeg\",\"fileUri\":\"https://e.example/c\"}},"
                "{\"inlineData\":{\"mimeType\":\"image/webp\",\"data\":\"QUJD\"}},"
                "{\"text\":\"see\"},{\"text\":\"and\"}]},"
                "{\"role\":\"model\",\"parts\":[{\"text\":\"ok\"},"
                "{\"functionCall\":{\"name\":\"add\",\"args\":{\"a\":1}}},"
                "{\"functionCall\":{\"name\":\"sub\",\"args\":{}}}]},"
                "{\"role\":\"user\",\"parts\":["
                "{\"functionResponse\":{\"name\":\"add\",\"response\":{\"result\":\"2\"}}},"
                "{\"functionResponse\":{\"name\":\"sub\",\"response\":{\"b\":2}}},"
                "{\"functionResponse\":{\"name\":\"c3\",\"response\":{\"result\":\"x\"}}}]}],"
                "\"systemInstruction\":{\"parts\":[{\"text\":\"be brief\"}]}}");
}

static void instructions_alone_are_a_turn_of_the_user(void **state)
{
    static const struct model_message system = {.role = {"system", 6}, .text = {"hi", 2}};
    const struct model_request request = {.model = STR("m"), .messages = &system, .message_count = 1};
    (void)state;
    assert_body(&protocol_gemini, &request, HI "}");
}

#define CONFIG(members) ",\"generationConfig\":{" members "}"
#define JSON_TYPE       "\"responseMimeType\":\"application/json\""

static void parameters_are_translated_and_others_left_out(void **state)
{
    static const struct {
        const char *params, *tail;
    } rows[] = {
        {NULL, ""},
        {"{}", ""},
        {"{\"n\":2,\"stream\":true,\"model\":\"x\",\"tool_choice\":\"auto\"}", ""},
        {"{\"temperature\":0.5,\"top_p\":0.9,\"top_k\":5,\"max_tokens\":10}",
         CONFIG("\"temperature\":0.5,\"topP\":0.9,\"topK\":5,\"maxOutputTokens\":10")},
        {"{\"max_output_tokens\":7,\"max_tokens\":8}", CONFIG("\"maxOutputTokens\":7")},
        {"{\"presence_penalty\":1,\"frequency_penalty\":2,\"seed\":3}",
         CONFIG("\"presencePenalty\":1,\"frequencyPenalty\":2,\"seed\":3")},
        {"{\"stop\":[\"x\"],\"top_p\":null}", CONFIG("\"stopSequences\":[\"x\"]")},
        {"{\"response_format\":\"json_object\"}", CONFIG(JSON_TYPE)},
        {"{\"response_format\":\"json_schema\",\"json_schema\":{\"schema\":{\"type\":\"object\"}}}",
         CONFIG(JSON_TYPE ",\"responseJsonSchema\":{\"type\":\"object\"}")},
        {"{\"response_format\":\"json_schema\",\"json_schema\":\"none\"}", CONFIG(JSON_TYPE)},
        {"{\"response_format\":\"text\"}", ""},
        {"{\"thinking_budget\":100,\"include_thoughts\":true}",
         CONFIG("\"thinkingConfig\":{\"thinkingBudget\":100,\"includeThoughts\":true}")},
        {"{\"thinking_config\":{\"thinkingLevel\":\"low\"}}",
         CONFIG("\"thinkingConfig\":{\"thinkingLevel\":\"low\"}")},
        {"{\"safety_settings\":[{\"category\":\"c\"}]}", ",\"safetySettings\":[{\"category\":\"c\"}]"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct value *params = json_of(rows[i].params);
        const struct model_request request = {
            .model = STR("m"), .messages = &hi, .message_count = 1, .params = params};
        char body[1024];
        snprintf(body, sizeof body, HI "%s}", rows[i].tail);
        assert_body(&protocol_gemini, &request, body);
        value_unref(params);
    }
}

#define CHOICE(members) ",\"toolConfig\":{\"functionCallingConfig\":{\"mode\":" members "}}"

static void tools_have_their_choice(void **state)
{
    static const struct {
        const char *params, *choice;
    } rows[] = {
        {NULL, ""},
        {"{\"tool_choice\":\"auto\"}", CHOICE("\"AUTO\"")},
        {"{\"tool_choice\":\"required\"}", CHOICE("\"ANY\"")},
        {"{\"tool_choice\":\"none\"}", CHOICE("\"NONE\"")},
        {"{\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"add\"}}}",
         CHOICE("\"ANY\",\"allowedFunctionNames\":[\"add\"]")},
    };
    struct value *schema = json_of("{\"type\":\"object\"}");
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
                 HI ",\"tools\":[{\"functionDeclarations\":[{\"name\":\"add\",\"description\":\"adds\","
                    "\"parametersJsonSchema\":{\"type\":\"object\"}},{\"name\":\"now\"}]}]%s}",
                 rows[i].choice);
        assert_body(&protocol_gemini, &request, body);
        value_unref(params);
    }
    value_unref(schema);
}

#define PARTS(parts)   "{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[" parts "]}}]}"
#define FINISH(reason) "{\"candidates\":[{\"finishReason\":\"" reason "\"}]}"

static void answers_say_what_they_hold(void **state)
{
    static const struct {
        const char *pieces, *heard;
    } rows[] = {
        {PARTS("{\"text\":\"he\"}") "\n" PARTS("{\"text\":\"y\"}") "\n" FINISH("STOP"),
         "text he;text y;finish stop;"},
        {PARTS("{\"text\":\"hm\",\"thought\":true},{\"text\":\"a\"},{\"text\":\"b\",\"thought\":false}"),
         "reasoning hm;text ab;"},
        {"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"finishReason\":\"MAX_TOKENS\"}],"
         "\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":4,\"thoughtsTokenCount\":5}}",
         "text a;finish length;usage 3 9;"},
        {"{\"usageMetadata\":{\"promptTokenCount\":3,\"toolUsePromptTokenCount\":2}}", "usage 5 -1;"},
        {PARTS("{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\":1}}},{\"functionCall\":{\"id\":\"x\","
               "\"name\":"
               "\"g\"}}") "\n" PARTS("{\"functionCall\":{\"name\":\"f\",\"args\":{}}}") "\n" FINISH("STOP"),
         "finish tool_calls;call call_0 f {\"a\":1};call x g {};call call_2 f {};"},
        {FINISH("SAFETY"), "finish content_filter;"},
        {FINISH("MALFORMED_FUNCTION_CALL"), "finish malformed_function_call;"},
        {"{\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}",
         "error prompt_blocked  0 0 the prompt was blocked: SAFETY;"},
        {"{\"promptFeedback\":{\"blockReason\":\"OTHER\",\"blockReasonMessage\":\"why\"}}",
         "error prompt_blocked  0 0 the prompt was blocked: why;"},
        {"{\"promptFeedback\":{}}", ""},
        {"{\"error\":{\"code\":429,\"message\":\"quota\",\"status\":\"RESOURCE_EXHAUSTED\",\"details\":["
         "{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure\"},"
         "{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"34.5s\"}]}}",
         "error  RESOURCE_EXHAUSTED 429 34500 quota;"},
        {"{\"error\":{\"code\":400,\"message\":\"bad\",\"status\":\"INVALID_ARGUMENT\",\"details\":["
         "{\"reason\":\"API_KEY_INVALID\"}]}}",
         "error API_KEY_INVALID INVALID_ARGUMENT 400 0 bad;"},
        {"{\"error\":\"words\"}", "error   0 0 words;"},
        {"{\"error\":{}}", "error   0 0 the provider reported an error without words;"},
        {"{}", ""},
        {"{\"candidates\":[7]}", ""},
        {"{\"candidates\":[{\"content\":[]}]}", ""},
        {PARTS("7,{\"functionCall\":[]}"), ""},
        {"[]", "unreadable;"},
        {"{", "unreadable;"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_heard(&protocol_gemini, rows[i].pieces, false, rows[i].heard);
}

static void a_whole_body_may_be_a_list_of_answers(void **state)
{
    static const struct {
        const char *json, *heard;
    } rows[] = {
        {PARTS("{\"text\":\"a\"}"), "text a;"},
        {"[" PARTS("{\"text\":\"a\"}") "," PARTS("{\"text\":\"b\"}") "," FINISH("STOP") "]",
         "text ab;finish stop;"},
        {"[{\"error\":{\"code\":503,\"message\":\"busy\",\"status\":\"UNAVAILABLE\"}}]",
         "error  UNAVAILABLE 503 0 busy;"},
        {"[]", "unreadable;"},
        {"[7]", "unreadable;"},
        {"<html>", "unreadable;"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_heard(&protocol_gemini, rows[i].json, true, rows[i].heard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_have_a_version_and_the_model),
        cmocka_unit_test(the_key_is_in_its_header),
        cmocka_unit_test(messages_become_contents_of_two_sides),
        cmocka_unit_test(instructions_alone_are_a_turn_of_the_user),
        cmocka_unit_test(parameters_are_translated_and_others_left_out),
        cmocka_unit_test(tools_have_their_choice),
        cmocka_unit_test(answers_say_what_they_hold),
        cmocka_unit_test(a_whole_body_may_be_a_list_of_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
