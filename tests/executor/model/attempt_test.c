/*
 * Model calls against a server on the same loop: what the provider sends, and what the node hears.
 */
#include "executor/model/tool_calls.h"
#include "tests/executor/model/attempt_bench.h"
#include <string.h>

#define KIND(type, body) "HTTP/1.1 200 OK\r\n" type "Connection: close\r\n\r\n" body

static void answers_that_succeed(void **state)
{
    static const struct {
        const char *answer, *text, *finish;
        int64_t tokens;
    } rows[] = {
        {KIND("Content-Type: text/plain\r\n", TEXT("a") STOP USAGE DONE), "a", "stop", 9},
        {KIND("", TEXT("a") DONE), "a", "", 0},
        {KIND("Content-Type: Text/Event-Stream\r\n", "\xef\xbb\xbf" TEXT("a") DONE), "a", "", 0},
        {STREAM "data:{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\r\n\r\nevent: x\r\n: c\r\ndata: "
                "{\"choices\":\r\n"
                "data: []}\r\n\r\n" DONE,
         "a", "", 0},
        /* Usage so far in each piece. */
        {STREAM "data: "
                "{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":7,\"completion_"
                "tokens\":1}}\n\n"
                "data: "
                "{\"choices\":[{\"delta\":{\"content\":\"b\"}}],\"usage\":{\"prompt_tokens\":7,\"completion_"
                "tokens\":2}}\n\n" STOP DONE,
         "ab", "stop", 9},
        {STREAM TEXT("a") "data: "
                          "{\"choices\":[],\"x_groq\":{\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":"
                          "2}}}\n\n" DONE,
         "a", "", 9},
        {STREAM STOP DONE, "", "stop", 0}, /* nothing to say */
        {STREAM TEXT("hel") TEXT("lo") STOP USAGE DONE, "hello", "stop", 9},
        {STREAM TEXT("hel") TEXT("lo") STOP USAGE, "hello", "stop", 9}, /* no [DONE] */
        {STREAM TEXT("hel") TEXT("lo"), "hello", "", 0},                /* nor a reason */
        {STREAM TEXT("a") DONE TEXT("b"), "a", "", 0},                  /* what follows [DONE] is no answer */
        {STREAM THINK("why") THINK("?") TEXT("so") STOP DONE, "<think>\nwhy?\n</think>so", "stop", 0},
        {STREAM THINK("why") STOP DONE, "<think>\nwhy\n</think>", "stop", 0},
        {STREAM ": ping\n\n" TEXT("a") DONE, "a", "", 0},
        {JSON("200 OK") "{\"choices\":[{\"message\":{\"content\":\"whole\"},\"finish_reason\":\"length\"}],"
                        "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}",
         "whole", "length", 3},
        /* Numbers that no sum could hold. */
        {STREAM TEXT("a") "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9223372036854775807,"
                          "\"completion_tokens\":9223372036854775807}}\n\n" DONE,
         "a", "", 2000000000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench b;
        begin(&b, rows[i].answer, true);
        start(&b);
        run_until_over(&b);
        assert_string_equal("", b.error_type);
        assert_str(rows[i].text, buf_str(&b.text));
        assert_string_equal(rows[i].finish, b.finish_reason);
        assert_int_equal(rows[i].tokens, b.usage.prompt_tokens + b.usage.completion_tokens);
        assert_int_equal(rows[i].tokens > 0, b.has_usage);
        assert_int_equal(rows[i].text[0] != '\0', b.usage.first_token_ms >= 0);
        end(&b);
    }
}

#define CALLS(list) "data: {\"choices\":[{\"delta\":{\"tool_calls\":[" list "]}}]}\n\n"
#define NEW(index, id)                                                                                       \
    "{\"index\":" index ",\"id\":\"" id "\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}"
#define MORE(index, text) "{\"index\":" index ",\"function\":{\"arguments\":\"" text "\"}}"

static void calls_of_tools_are_put_together(void **state)
{
    static const struct {
        const char *answer, *calls, *text;
    } rows[] = {
        {STREAM CALLS(NEW("0", "c1")) CALLS(MORE("0", "{")) CALLS(MORE("0", "}")) STOP DONE, "c1 f {}\n", ""},
        {STREAM TEXT("hm") CALLS(NEW("0", "c1")) CALLS(NEW("1", "c2"))
             CALLS(MORE("0", "a") "," MORE("1", "b")) CALLS(MORE("0", "c")) STOP DONE,
         "c1 f ac\nc2 f b\n", "hm"},
        /* Name and id once more with each piece. */
        {STREAM CALLS(NEW("0", "c1")) CALLS(NEW("0", "c1")) CALLS(MORE("0", "x")) DONE, "c1 f x\n", ""},
        /* All of them with the index 0. */
        {STREAM CALLS(NEW("0", "c1") "," NEW("0", "c2")) CALLS(MORE("0", "x")) DONE, "c1 f \nc2 f x\n", ""},
        /* No index at all. */
        {STREAM CALLS("{\"id\":\"c1\",\"function\":{\"name\":\"f\",\"arguments\":\"x\"}}")
             CALLS("{\"function\":{\"arguments\":\"y\"}}")
                 CALLS("{\"id\":\"c2\",\"function\":{\"name\":\"g\"}}") DONE,
         "c1 f xy\nc2 g \n", ""},
        {JSON("200 OK") "{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":[{\"id\":\"c1\","
                        "\"function\":"
                        "{\"name\":\"f\",\"arguments\":{\"a\":[1]}}},{\"id\":\"c2\",\"function\":{\"name\":"
                        "\"g\"}}]},"
                        "\"finish_reason\":\"tool_calls\"}]}",
         "c1 f {\"a\":[1]}\nc2 g \n", ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench b;
        begin(&b, rows[i].answer, true);
        start(&b);
        run_until_over(&b);
        assert_string_equal("", b.error_type);
        assert_str(rows[i].calls, buf_str(&b.calls));
        assert_str(rows[i].text, buf_str(&b.text));
        assert_true(b.usage.first_token_ms >= 0);
        end(&b);
    }
}

static void too_many_calls_of_tools_cannot_be_read(void **state)
{
    struct bench b;
    struct buf answer;
    (void)state;
    buf_init(&answer, 1 << 20);
    buf_put_c(&answer, STREAM);
    for (int i = 0; i < TOOL_CALLS_MAX + 1; i++)
        buf_printf(&answer, CALLS(NEW("%d", "c%d")), i, i);
    buf_put_c(&answer, STOP DONE);
    buf_put_char(&answer, '\0');
    begin(&b, answer.ptr, true);
    start(&b);
    run_until_over(&b);
    assert_string_equal("InvokeServerUnavailableError", b.error_type);
    assert_contains("could not be read", b.message.ptr);
    end(&b);
    buf_fini(&answer);
}

static void a_whole_answer_comes_in_one_piece(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, JSON("200 OK") "{\"choices\":[{\"message\":{\"content\":\"all of it\"}}]}", true);
    b.is_whole = true;
    start(&b);
    run_until_over(&b);
    buf_put_char(&b.request, '\0');
    assert_contains("\"stream\":true", b.request.ptr);
    assert_str("all of it", buf_str(&b.text));
    assert_int_equal(1, b.pieces);
    end(&b);
}

static void answers_that_fail(void **state)
{
    static const struct {
        const char *answer, *type, *words;
    } rows[] = {
        {JSON("401 Unauthorized") "{\"error\":{\"message\":\"bad key\"}}", "InvokeAuthorizationError",
         "bad key"},
        {JSON("429 Too Many") "{\"error\":\"slow down\"}", "InvokeRateLimitError", "slow down"},
        {JSON("400 Bad") "plain words", "InvokeBadRequestError", "plain words"},
        {JSON("500 Oops") "", UNAVAILABLE, "HTTP 500"},
        {JSON("502 Bad") "\xff\xfe", UNAVAILABLE, "HTTP 502"},
        {STREAM TEXT("a") "data: {\"error\":{\"message\":\"overloaded\"}}\n\n" TEXT("b"), UNAVAILABLE,
         "overloaded"},
        {STREAM "data: {\"error\":{\"message\":\"x\",\"code\":\"rate_limit_exceeded\"}}\n\n",
         "InvokeRateLimitError", "x"},
        {STREAM "data: {\"error\":\"\"}\n\n", UNAVAILABLE, "main"},
        {JSON("200 OK") "{\"error\":{\"message\":\"x\",\"code\":\"invalid_api_key\"}}",
         "InvokeAuthorizationError", "x"},
        {STREAM TEXT("a") "data: {oops\n\n" TEXT("b"), UNAVAILABLE, "could not be read"},
        {JSON("200 OK") "<html>", UNAVAILABLE, "could not be read"},
        {JSON("200 OK"), UNAVAILABLE, "main"},
        {STREAM, UNAVAILABLE, "main"},
        {STREAM ": only a comment\n\n", UNAVAILABLE, "without an answer"},
        {"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9999\r\n\r\n" TEXT("a"),
         "InvokeConnectionError", "main"},
        {"this is not HTTP\r\n\r\n", "InvokeConnectionError", "main"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench b;
        begin(&b, rows[i].answer, true);
        start(&b);
        run_until_over(&b);
        assert_string_equal(rows[i].type, b.error_type);
        assert_contains(rows[i].words, b.message.ptr);
        assert_null(strstr(b.message.ptr, "sk-secret"));
        assert_true(b.text.len <= 1); /* nothing of what followed the failure */
        end(&b);
    }
}

static void long_words_of_a_provider_are_cut_to_whole_characters(void **state)
{
    struct bench b;
    struct buf answer;
    (void)state;
    buf_init(&answer, 8192);
    buf_put_c(&answer, JSON("400 Bad") "x");
    for (int i = 0; i < 1000; i++)
        buf_put_c(&answer, "\xe2\x82\xac");
    buf_put_char(&answer, '\0');
    begin(&b, answer.ptr, true);
    start(&b);
    run_until_over(&b);
    assert_true(b.message.len < 1024);
    assert_contains("\xe2\x82\xac\xe2\x82\xac", b.message.ptr);
    end(&b);
    buf_fini(&answer);
}

static void the_request_is_the_one_of_the_protocol(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, STREAM TEXT("a") DONE, true);
    start(&b);
    run_until_over(&b);
    buf_put_char(&b.request, '\0');
    assert_contains("POST /v1/chat/completions HTTP/1.1\r\n", b.request.ptr);
    assert_contains("Authorization: Bearer sk-secret\r\n", b.request.ptr);
    assert_contains("Content-Type: application/json\r\n", b.request.ptr);
    assert_contains("\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]", b.request.ptr);
    end(&b);
}

#define HEADERS(status, headers) "HTTP/1.1 " status "\r\n" headers "Connection: close\r\n\r\n"

static void a_refusal_says_what_it_means_for_the_credential(void **state)
{
    static const struct {
        const char *answer;
        enum refusal refusal;
        int status;
        int64_t asked_ms;
        bool has_spoken;
        const char *words;
    } rows[] = {
        {HEADERS("429 Slow", "Retry-After: 7\r\n") "{\"error\":{\"message\":\"slow\"}}", REFUSAL_RATE_LIMIT,
         429, 7000, false, "slow"},
        {HEADERS("429 Slow", "x-ratelimit-remaining-tokens: 0\r\nx-ratelimit-reset-tokens: 6m0s\r\n"),
         REFUSAL_RATE_LIMIT, 429, 360000, false, "no words in the answer"},
        {HEADERS("503 Busy", "Retry-After: 3\r\nx-ratelimit-reset-tokens: 6m0s\r\n"), REFUSAL_UNAVAILABLE,
         503, 3000, false, "no words in the answer"},
        {HEADERS("400 Bad", "Retry-After: 3\r\n") "no", REFUSAL_REQUEST, 400, 0, false, "no"},
        {HEADERS("401 No", "") "{\"error\":{\"message\":\"Incorrect API key provided: sk-secret.\"}}",
         REFUSAL_UNAUTHORIZED, 401, 0, false, "Incorrect API key provided: ***."},
        {HEADERS("402 Pay", "") "x", REFUSAL_NO_QUOTA, 402, 0, false, "x"},
        {HEADERS("500 Oops", "Content-Length: 99\r\n") "half", REFUSAL_UNAVAILABLE, 500, 0, false, "half"},
        {STREAM "data: {\"error\":{\"message\":\"x\",\"code\":429}}\n\n", REFUSAL_RATE_LIMIT, 200, 0, false,
         "x"},
        {STREAM TEXT("a") "data: {\"error\":{\"message\":\"x\",\"code\":\"server_error\"}}\n\n",
         REFUSAL_UNAVAILABLE, 200, 0, true, "x"},
        {STREAM, REFUSAL_UNAVAILABLE, 200, 0, false, "the model ended without an answer"},
        {STREAM "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n", REFUSAL_UNAVAILABLE, 200, 0,
         false, "the model ended without an answer"},
        {"", REFUSAL_UNAVAILABLE, 0, 0, false, ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench b;
        begin(&b, rows[i].answer, true);
        start(&b);
        run_until_over(&b);
        assert_int_equal(rows[i].refusal, b.failure.refusal);
        assert_int_equal(rows[i].status, b.failure.http_status);
        assert_int_equal(rows[i].asked_ms, b.failure.asked_ms);
        assert_int_equal(rows[i].has_spoken, b.failure.has_spoken);
        if (rows[i].words[0] != '\0')
            assert_str(rows[i].words, buf_str(&b.words));
        assert_contains("main", b.message.ptr);
        end(&b);
    }
}

static void a_stream_may_come_compressed(void **state)
{
    static const char gzip[] =
        "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x4b\x49\x2c\x49\xb4\x52\xa8\x56\x4a\xce\xc8\xcf\x4c\x4e\x2d"
        "\x56\xb2\x8a\xae\x56\x4a\x49\xcd\x29\x49\x54\xb2\x02\x0a\xe6\xe7\x95\xa4\xe6\x95\x28\x59\x29\x15\x17"
        "\x96\xa6\xa6\x56\xa5\xa6\x28\xd5\xd6\xc6\xd6\x72\x71\xa5\x80\x75\x45\xbb\xf8\xfb\xb9\xc6\x72\x71\x01"
        "\x00\x8f\xe4\xe7\x69\x44\x00\x00\x00";
    static const char deflate[] =
        "\x78\x9c\x4b\x49\x2c\x49\xb4\x52\xa8\x56\x4a\xce\xc8\xcf\x4c\x4e\x2d\x56\xb2\x8a\xae\x56\x4a\x49\xcd"
        "\x29\x49\x54\xb2\x02\x0a\xe6\xe7\x95\xa4\xe6\x95\x28\x59\x29\x15\x17\x96\xa6\xa6\x56\xa5\xa6\x28\xd5"
        "\xd6\xc6\xd6\x72\x71\xa5\x80\x75\x45\xbb\xf8\xfb\xb9\xc6\x72\x71\x01\x00\x2c\xf9\x16\x96";
    static const struct {
        const char *encoding;
        struct str bytes;
    } rows[] = {{"gzip", {gzip, sizeof gzip - 1}},
                {"deflate", {deflate, sizeof deflate - 1}},
                {"gzip", {gzip, sizeof gzip / 2}}}; /* broken off */
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench b;
        struct buf answer;
        buf_init(&answer, 4096);
        buf_printf(&answer,
                   "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: "
                   "%s\r\nConnection: close\r\n\r\n",
                   rows[i].encoding);
        buf_put(&answer, rows[i].bytes);
        begin_with(&b, &protocol_openai, buf_str(&answer), true);
        start(&b);
        run_until_over(&b);
        if (i < 2)
            assert_str("squeezed", buf_str(&b.text));
        else
            assert_string_equal(UNAVAILABLE, b.error_type);
        buf_put_char(&b.request, '\0');
        assert_contains("Accept-Encoding: gzip, deflate\r\n", b.request.ptr);
        end(&b);
        buf_fini(&answer);
    }
}

static void a_text_that_is_wanted_whole_is_streamed_all_the_same(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, STREAM THINK("hm") TEXT("one"), false);
    b.is_whole = true;
    start(&b);
    run_for(&b, 30);
    assert_int_equal(0, b.text.len);
    connection_send(b.connection, TEXT(" two") STOP DONE);
    run_until_over(&b);
    assert_str("<think>\nhm\n</think>one two", buf_str(&b.text));
    assert_int_equal(1, b.pieces);
    end(&b);

    /* Nothing was delivered, so another credential may be asked. */
    begin(&b, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9999\r\n\r\n" TEXT("a"),
          true);
    b.is_whole = true;
    start(&b);
    run_until_over(&b);
    assert_false(b.failure.has_spoken);
    assert_int_equal(0, b.text.len);
    end(&b);
}

static void other_protocols_are_spoken_alike(void **state)
{
    static const struct {
        const struct protocol *protocol;
        const char *answer, *path, *header, *text, *finish, *calls;
    } rows[] = {
        {&protocol_azure_openai, STREAM TEXT("a") STOP DONE,
         "POST /v1/openai/deployments/m/chat/completions?api-version=2024-10-21 HTTP/1.1\r\n",
         "api-key: sk-secret\r\n", "a", "stop", ""},
        {&protocol_anthropic,
         STREAM "event: message_start\ndata: "
                "{\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":7}}}\n\n"
                "data: "
                "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\","
                "\"thinking\":\"hm\"}}\n\n"
                "data: "
                "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":"
                "\"a\"}}\n\n"
                "data: "
                "{\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"tool_use\","
                "\"id\":\"t\",\"name\":\"f\",\"input\":{}}}\n\n"
                "data: "
                "{\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\","
                "\"partial_json\":\"{}\"}}\n\n"
                "data: "
                "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_"
                "tokens\":2}}\n\n"
                "data: {\"type\":\"message_stop\"}\n\n",
         "POST /v1/messages HTTP/1.1\r\n", "x-api-key: sk-secret\r\n", "<think>\nhm\n</think>a", "tool_calls",
         "t f {}\n"},
        {&protocol_gemini,
         STREAM
         "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"finishReason\":\"STOP\"}],"
         "\"usageMetadata\":{\"promptTokenCount\":7,\"candidatesTokenCount\":2}}\r\n\r\n",
         "POST /v1/models/m:streamGenerateContent?alt=sse HTTP/1.1\r\n", "x-goog-api-key: sk-secret\r\n", "a",
         "stop", ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench b;
        begin_with(&b, rows[i].protocol, str_c(rows[i].answer), true);
        start(&b);
        run_until_over(&b);
        buf_put_char(&b.request, '\0');
        assert_string_equal("", b.error_type);
        assert_contains(rows[i].path, b.request.ptr);
        assert_contains(rows[i].header, b.request.ptr);
        assert_str(rows[i].text, buf_str(&b.text));
        assert_string_equal(rows[i].finish, b.finish_reason);
        assert_str(rows[i].calls, buf_str(&b.calls));
        assert_int_equal(i == 0 ? 0 : 9, b.usage.prompt_tokens + b.usage.completion_tokens);
        end(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_says_what_it_means_for_the_credential),
        cmocka_unit_test(a_stream_may_come_compressed),
        cmocka_unit_test(a_text_that_is_wanted_whole_is_streamed_all_the_same),
        cmocka_unit_test(other_protocols_are_spoken_alike),
        cmocka_unit_test(answers_that_succeed),
        cmocka_unit_test(calls_of_tools_are_put_together),
        cmocka_unit_test(too_many_calls_of_tools_cannot_be_read),
        cmocka_unit_test(a_whole_answer_comes_in_one_piece),
        cmocka_unit_test(answers_that_fail),
        cmocka_unit_test(long_words_of_a_provider_are_cut_to_whole_characters),
        cmocka_unit_test(the_request_is_the_one_of_the_protocol),
    };
    struct status err;
    if (http_global_init(&err) != STATUS_OK)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    http_global_fini();
    return failed;
}
