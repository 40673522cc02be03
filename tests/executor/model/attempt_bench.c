/* attempt_bench: see the header. */
#include "tests/executor/model/attempt_bench.h"

#include <stdio.h>
#include <string.h>

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

const struct attempt_callbacks bench_callbacks = {on_text, on_done, on_failed};

void begin_with(struct bench *b, const struct protocol *protocol, struct str answer, bool ends)
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

void begin(struct bench *b, const char *answer, bool ends)
{
    begin_with(b, &protocol_openai, answer == NULL ? (struct str){NULL, 0} : str_c(answer), ends);
}

struct attempt *start(struct bench *b)
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
    struct attempt *call = attempt_start(b->http, &params, &bench_callbacks, b, &err);
    assert_non_null(call);
    assert_false(b->is_over);
    return call;
}

void end(struct bench *b)
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

void run_until_over(struct bench *b)
{
    while (!b->is_over)
        uv_run(&b->loop, UV_RUN_ONCE);
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer; /* wakes the loop */
}

void run_for(struct bench *b, uint64_t ms)
{
    uv_timer_t timer;
    uv_timer_init(&b->loop, &timer);
    uv_timer_start(&timer, on_tick, ms, 0);
    while (uv_is_active((uv_handle_t *)&timer))
        uv_run(&b->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&b->loop, UV_RUN_NOWAIT);
}
