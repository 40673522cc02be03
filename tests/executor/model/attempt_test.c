/*
 * Model calls against a server on the same loop: what the provider sends, and what the node hears.
 */
#include "executor/model/attempt.h"
#include "executor/model/tool_calls.h"
#include "tests/shared/http/server.h"
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

static void answers_that_succeed(void **state)
{
    static const struct {
        const char *answer, *text, *finish;
        int64_t tokens;
    } rows[] = {
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
        assert_true(b.usage.first_token_ms >= 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
