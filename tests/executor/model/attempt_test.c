/*
 * Model calls against a server on the same loop: what the provider sends, and what the node hears.
 */
#include "executor/model/attempt.h"
#include "executor/model/tool_calls.h"
#include "shared/base/clock.h"
#include "tests/shared/http/server.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bench {
    uv_loop_t loop;
    struct server *server;
    struct http_client *http;
    struct http_headers *headers;
    struct str answer; /* ptr NULL: none yet */
    bool ends;         /* the server closes after its answer */
    bool resets;       /* the same without manners */
    struct connection *connection;
    bool is_closed; /* by the client */
    char url[64];
    struct attempt_params params; /* what differs from the usual */
    struct buf request, text;
    unsigned pieces; /* of text */
    bool is_over;
    bool is_whole; /* the text is wanted in one piece */
    char error_type[64], finish_reason[32];
    struct buf calls; /* "id name arguments" of each, a line */
    struct buf message, words;
    struct attempt_failure failure; /* its numbers */
    struct usage usage;
    bool has_usage;
};

static void on_request(struct connection *c, struct str request, void *arg)
{
    struct bench *b = arg;
    b->connection = c;
    buf_put(&b->request, request);
    if (b->answer.ptr == NULL)
        return;
    connection_send_bytes(c, b->answer);
    if (b->resets)
        connection_reset(c);
    else if (b->ends)
        connection_close(c);
}

static void on_closed(struct connection *c, void *arg)
{
    struct bench *b = arg;
    (void)c;
    b->connection = NULL;
    b->is_closed = true;
}

static void on_text(void *arg, struct str delta)
{
    struct bench *b = arg;
    b->pieces++;
    buf_put(&b->text, delta);
}

static void on_done(void *arg, const struct model_reply *reply)
{
    struct bench *b = arg;
    assert_false(b->is_over);
    b->is_over = true;
    b->usage = reply->usage;
    b->has_usage = reply->has_usage;
    for (size_t i = 0; i < reply->call_count; i++)
        buf_printf(&b->calls, "%.*s %.*s %.*s\n", STR_ARG(reply->calls[i].id), STR_ARG(reply->calls[i].name),
                   STR_ARG(reply->calls[i].arguments));
    snprintf(b->finish_reason, sizeof b->finish_reason, "%.*s", STR_ARG(reply->finish_reason));
}

static void on_failed(void *arg, const struct attempt_failure *failure)
{
    struct bench *b = arg;
    assert_false(b->is_over);
    assert_true(str_is_utf8(failure->message) && str_is_utf8(failure->words));
    b->is_over = true;
    b->failure = *failure;
    snprintf(b->error_type, sizeof b->error_type, "%s", failure->error_type);
    buf_put(&b->message, failure->message);
    buf_put_char(&b->message, '\0');
    buf_put(&b->words, failure->words);
}

static const struct attempt_callbacks callbacks = {on_text, on_done, on_failed};

static void begin_with(struct bench *b, const struct protocol *protocol, struct str answer, bool ends)
{
    static const struct server_script script = {on_request, on_closed};
    struct status err;
    memset(b, 0, sizeof *b);
    b->answer = answer;
    b->ends = ends;
    b->params.protocol = protocol;
    buf_init(&b->request, 65536);
    buf_init(&b->text, 1 << 20);
    buf_init(&b->message, 4096);
    buf_init(&b->words, 4096);
    buf_init(&b->calls, 1 << 20);
    uv_loop_init(&b->loop);
    b->server = server_new(&b->loop, &script, b);
    const struct http_client_options options = {.loop = &b->loop};
    assert_ok(http_client_new(&options, &b->http, &err));
    assert_ok(protocol_headers(protocol, STR("sk-secret"), &b->headers, &err));
    snprintf(b->url, sizeof b->url, "http://127.0.0.1:%d/v1/", server_port(b->server));
}

/* answer NULL: the server says nothing until the test does. */
static void begin(struct bench *b, const char *answer, bool ends)
{
    begin_with(b, &protocol_openai, answer == NULL ? (struct str){NULL, 0} : str_c(answer), ends);
}

static struct attempt *start(struct bench *b)
{
    static const struct model_message message = {.role = {"user", 4}, .text = {"hi", 2}};
    const struct model_request request = {.provider = STR("p"),
                                          .model = STR("alias"),
                                          .messages = &message,
                                          .message_count = 1,
                                          .is_whole = b->is_whole};
    struct status err;
    struct attempt_params params = b->params;
    params.headers = b->headers;
    params.base_url = str_c(b->url);
    params.name = STR("main");
    params.model = STR("m");
    params.request = &request;
    struct attempt *call = attempt_start(b->http, &params, &callbacks, b, &err);
    assert_non_null(call);
    assert_false(b->is_over);
    return call;
}

static void end(struct bench *b)
{
    http_client_close(b->http);
    server_close(b->server);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&b->loop), 0);
    http_headers_unref(b->headers);
    buf_fini(&b->words);
    buf_fini(&b->request);
    buf_fini(&b->text);
    buf_fini(&b->message);
    buf_fini(&b->calls);
}

static void run_until_over(struct bench *b)
{
    while (!b->is_over)
        uv_run(&b->loop, UV_RUN_ONCE);
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer; /* wakes the loop */
}

/* Lets the loop run for about `ms` in which nothing is to happen. */
static void run_for(struct bench *b, uint64_t ms)
{
    uv_timer_t timer;
    uv_timer_init(&b->loop, &timer);
    uv_timer_start(&timer, on_tick, ms, 0);
    while (uv_is_active((uv_handle_t *)&timer))
        uv_run(&b->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&b->loop, UV_RUN_NOWAIT);
}

#define STREAM                                                                                               \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: close\r\n\r\n"
#define JSON(status) "HTTP/1.1 " status "\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
#define TEXT(text)   "data: {\"choices\":[{\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define STOP         "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define USAGE        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\n"
#define THINK(text)  "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"" text "\"}}]}\n\n"
#define DONE         "data: [DONE]\n\n"

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

#define UNAVAILABLE "InvokeServerUnavailableError"

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

static void text_comes_as_it_is_sent(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, STREAM TEXT("one"), false);
    start(&b);
    while (b.text.len < 3)
        uv_run(&b.loop, UV_RUN_ONCE);
    assert_false(b.is_over);
    connection_send(b.connection, TEXT(" two") DONE);
    connection_close(b.connection);
    run_until_over(&b);
    assert_str("one two", buf_str(&b.text));
    end(&b);
}

static void what_follows_the_end_in_a_piece_of_its_own_is_dropped(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, STREAM TEXT("a") DONE, false);
    start(&b);
    while (b.text.len < 1)
        uv_run(&b.loop, UV_RUN_ONCE);
    run_for(&b, 5);
    if (b.connection != NULL) {
        connection_send(b.connection, TEXT("b"));
        connection_close(b.connection);
    }
    run_until_over(&b);
    assert_string_equal("", b.error_type);
    assert_str("a", buf_str(&b.text));
    end(&b);
}

static void a_cancel_closes_the_connection_and_nothing_comes(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, STREAM TEXT("one"), false);
    struct attempt *call = start(&b);
    while (b.text.len < 3)
        uv_run(&b.loop, UV_RUN_ONCE);
    attempt_cancel(call);
    while (!b.is_closed)
        uv_run(&b.loop, UV_RUN_ONCE);
    assert_false(b.is_over);
    end(&b);
}

static void a_paused_call_says_nothing_until_it_is_resumed(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, STREAM TEXT("one"), false);
    struct attempt *call = start(&b);
    while (b.text.len < 3)
        uv_run(&b.loop, UV_RUN_ONCE);
    attempt_pause(call);
    connection_send(b.connection, TEXT(" two") DONE);
    connection_close(b.connection);
    run_for(&b, 30);
    assert_str("one", buf_str(&b.text));
    assert_false(b.is_over);
    attempt_resume(call);
    run_until_over(&b);
    assert_str("one two", buf_str(&b.text));
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

static void resets_fail_the_attempt(void **state)
{
    static const struct {
        const char *before; /* what comes before the reset; NULL: nothing */
        size_t text;        /* bytes that are waited for */
        int status;
        bool has_spoken;
    } rows[] = {
        {"", 0, 0, false},
        {"HTTP/1.1 200 OK\r\n", 0, 0, false},
        {STREAM, 0, 200, false},
        {STREAM TEXT("a"), 1, 200, true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench b;
        begin(&b, rows[i].before, false);
        start(&b);
        while (b.connection == NULL || b.text.len < rows[i].text)
            uv_run(&b.loop, UV_RUN_ONCE);
        if (rows[i].status > 0 && rows[i].text == 0)
            run_for(&b, 20); /* the head has to have come */
        connection_reset(b.connection);
        run_until_over(&b);
        assert_string_equal("InvokeConnectionError", b.error_type);
        assert_int_equal(REFUSAL_UNAVAILABLE, b.failure.refusal);
        assert_int_equal(rows[i].has_spoken, b.failure.has_spoken);
        end(&b);
    }
}

#define ROLE "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"

static void an_attempt_does_not_wait_for_ever(void **state)
{
    static const struct {
        const char *answer;
        int64_t first_ms, idle_ms, total_ms;
        const char *type;
        bool has_spoken;
    } rows[] = {
        {"", 60, 0, 0, "InvokeConnectionError", false},
        {STREAM, 60, 0, 0, UNAVAILABLE, false},
        {STREAM ": ping\n\n" ROLE, 60, 0, 0, UNAVAILABLE, false}, /* something, but no content */
        {STREAM ROLE, 0, 60, 0, UNAVAILABLE, false},
        {STREAM TEXT("a"), 60, 90, 0, UNAVAILABLE, true},
        {STREAM TEXT("a"), 0, 0, 60, UNAVAILABLE, true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench b;
        begin(&b, rows[i].answer, false);
        b.params.first_content_ms = rows[i].first_ms;
        b.params.idle_ms = rows[i].idle_ms;
        b.params.total_ms = rows[i].total_ms;
        int64_t before_ms = clock_monotonic_ms();
        start(&b);
        run_until_over(&b);
        assert_true(clock_monotonic_ms() - before_ms >= 60);
        assert_string_equal(rows[i].type, b.error_type);
        assert_int_equal(REFUSAL_UNAVAILABLE, b.failure.refusal);
        assert_int_equal(rows[i].has_spoken, b.failure.has_spoken);
        end(&b);
    }
}

static void no_limit_counts_a_pause(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, STREAM TEXT("one"), false);
    b.params.first_content_ms = b.params.idle_ms = b.params.total_ms = 300;
    struct attempt *call = start(&b);
    while (b.text.len < 3)
        uv_run(&b.loop, UV_RUN_ONCE);
    attempt_pause(call);
    run_for(&b, 900);
    assert_false(b.is_over);
    attempt_resume(call);
    connection_send(b.connection, TEXT(" two") DONE);
    run_until_over(&b);
    assert_str("one two", buf_str(&b.text));
    end(&b);
}

/* Content came in time: first_content_ms is over, however long the rest takes. */
static void the_first_content_ends_its_limit(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, STREAM TEXT("one"), false);
    b.params.first_content_ms = 60;
    start(&b);
    while (b.text.len < 3)
        uv_run(&b.loop, UV_RUN_ONCE);
    run_for(&b, 150);
    assert_false(b.is_over);
    connection_send(b.connection, TEXT(" two") DONE);
    run_until_over(&b);
    assert_str("one two", buf_str(&b.text));
    end(&b);
}

static void an_answer_that_is_over_ends_the_call_though_its_connection_stays_open(void **state)
{
    static const struct {
        const struct protocol *protocol;
        const char *answer, *error_type;
    } rows[] = {
        {&protocol_openai, STREAM TEXT("a") DONE, ""},
        {&protocol_anthropic,
         STREAM
         "event: content_block_delta\ndata: "
         "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
         "\"text_delta\",\"text\":\"a\"}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
         ""},
        {&protocol_openai, STREAM "data: {\"error\":\"x\"}\n\n", UNAVAILABLE},
        {&protocol_openai, STREAM "data: garbage\n\n", UNAVAILABLE},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench b;
        begin_with(&b, rows[i].protocol, str_c(rows[i].answer), false);
        b.params.first_content_ms = b.params.idle_ms = b.params.total_ms = 60000;
        int64_t before_ms = clock_monotonic_ms();
        start(&b);
        run_until_over(&b);
        assert_true(clock_monotonic_ms() - before_ms < 20000);
        assert_string_equal(rows[i].error_type, b.error_type);
        assert_str(rows[i].error_type[0] == '\0' ? "a" : "", buf_str(&b.text));
        end(&b);
    }
}

#define CHUNKED "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

static void the_connection_of_an_answer_that_is_over_is_used_again(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, CHUNKED "e\r\ndata: [DONE]\n\n\r\n", false);
    for (int i = 0; i < 2; i++) {
        b.is_over = false;
        start(&b);
        run_until_over(&b);
        connection_send(b.connection, "0\r\n\r\n"); /* the end of the body comes later */
        while (http_client_transfers(b.http) > 0)
            uv_run(&b.loop, UV_RUN_ONCE);
    }
    assert_int_equal(1, server_connections(b.server));
    end(&b);
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

static void without_memory_no_attempt_begins(void **state)
{
    struct bench b;
    struct status err;
    static const struct model_message message = {.role = {"user", 4}, .text = {"hi", 2}};
    const struct model_request request = {.messages = &message, .message_count = 1};
    (void)state;
    begin(&b, NULL, false);
    for (size_t n = 0;; n++) {
        const struct attempt_params params = {.protocol = &protocol_openai,
                                              .headers = b.headers,
                                              .base_url = str_c(b.url),
                                              .model = STR("m"),
                                              .request = &request};
        alloc_fail_after(n);
        struct attempt *call = attempt_start(b.http, &params, &callbacks, &b, &err);
        alloc_fail_reset();
        if (call != NULL) {
            attempt_cancel(call);
            break;
        }
        assert_int_equal(STATUS_RESOURCE_EXHAUSTED, err.code);
    }
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_says_what_it_means_for_the_credential),
        cmocka_unit_test(resets_fail_the_attempt),
        cmocka_unit_test(an_attempt_does_not_wait_for_ever),
        cmocka_unit_test(no_limit_counts_a_pause),
        cmocka_unit_test(the_first_content_ends_its_limit),
        cmocka_unit_test(an_answer_that_is_over_ends_the_call_though_its_connection_stays_open),
        cmocka_unit_test(the_connection_of_an_answer_that_is_over_is_used_again),
        cmocka_unit_test(a_stream_may_come_compressed),
        cmocka_unit_test(a_text_that_is_wanted_whole_is_streamed_all_the_same),
        cmocka_unit_test(other_protocols_are_spoken_alike),
        cmocka_unit_test(without_memory_no_attempt_begins),
        cmocka_unit_test(answers_that_succeed),
        cmocka_unit_test(calls_of_tools_are_put_together),
        cmocka_unit_test(too_many_calls_of_tools_cannot_be_read),
        cmocka_unit_test(a_whole_answer_comes_in_one_piece),
        cmocka_unit_test(answers_that_fail),
        cmocka_unit_test(long_words_of_a_provider_are_cut_to_whole_characters),
        cmocka_unit_test(the_request_is_the_one_of_the_protocol),
        cmocka_unit_test(text_comes_as_it_is_sent),
        cmocka_unit_test(what_follows_the_end_in_a_piece_of_its_own_is_dropped),
        cmocka_unit_test(a_cancel_closes_the_connection_and_nothing_comes),
        cmocka_unit_test(a_paused_call_says_nothing_until_it_is_resumed),
    };
    struct status err;
    if (http_global_init(&err) != STATUS_OK)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    http_global_fini();
    return failed;
}
