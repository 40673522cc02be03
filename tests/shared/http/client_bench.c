/* client_bench: see the header. */
#include "tests/shared/http/client_bench.h"

#include "shared/base/clock.h"
#include <stdio.h>
#include <stdlib.h>

static void on_request(struct connection *c, struct str request, void *arg)
{
    struct bench *b = arg;
    b->last = c;
    b->requests++;
    buf_clear(&b->request);
    buf_put(&b->request, request);
    b->reply(c, b);
}

static void on_closed(struct connection *c, void *arg)
{
    struct bench *b = arg;
    if (b->last == c)
        b->last = NULL;
    b->closed++;
}

void reply_hello(struct connection *c, struct bench *b)
{
    (void)b;
    connection_send(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
}

void reply_nothing(struct connection *c, struct bench *b)
{
    (void)c;
    (void)b;
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

int bench_begin(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    uv_loop_init(&b->loop);
    uv_timer_init(&b->loop, &b->tick);
    uv_timer_start(&b->tick, on_tick, 10, 10);
    buf_init(&b->request, 8 * 1024 * 1024);
    b->reply = reply_hello;
    static const struct server_script script = {on_request, on_closed};
    b->server = server_new(&b->loop, &script, b);
    struct http_client_options options = {.loop = &b->loop};
    struct status err = {0};
    assert_int_equal(http_client_new(&options, &b->client, &err), STATUS_OK);
    *state = b;
    return 0;
}

int bench_end(void **state)
{
    struct bench *b = *state;
    http_client_close(b->client);
    server_close(b->server);
    uv_close((uv_handle_t *)&b->tick, NULL);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&b->loop), 0);
    buf_fini(&b->request);
    free(b);
    return 0;
}

static void note_header(void *arg, struct str name, struct str value)
{
    struct answer *a = arg;
    buf_printf(&a->headers, "%.*s=%.*s;", STR_ARG(name), STR_ARG(value));
}

static void note_data(void *arg, struct str bytes)
{
    struct answer *a = arg;
    a->pieces++;
    buf_put(&a->body, bytes);
}

void note_done(void *arg, const struct http_result *result)
{
    struct answer *a = arg;
    assert_false(a->is_done);
    a->is_done = true;
    a->outcome = result->outcome;
    a->status = result->status;
    snprintf(a->words, sizeof a->words, "%s", result->words);
}

const struct http_handler note = {note_header, note_data, note_done};

void answer_init(struct answer *a)
{
    *a = (struct answer){0};
    buf_init(&a->body, 8 * 1024 * 1024);
    buf_init(&a->headers, 64 * 1024);
}

void answer_fini(struct answer *a)
{
    buf_fini(&a->body);
    buf_fini(&a->headers);
}

struct http_transfer *start(struct bench *b, const struct http_request *request, const char *body,
                            struct answer *a)
{
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1/x", server_port(b->server));
    struct http_request r = *request;
    if (r.url == NULL)
        r.url = url;
    struct buf bytes;
    buf_init(&bytes, 8 * 1024 * 1024);
    buf_put_c(&bytes, body != NULL ? body : "");
    struct http_transfer *t = NULL;
    struct status err = {0};
    assert_int_equal(http_start(b->client, &r, body != NULL ? &bytes : NULL, &note, a, &t, &err), STATUS_OK);
    buf_fini(&bytes);
    return t;
}

void run_until(struct bench *b, const bool *fact)
{
    int64_t end_ms = clock_monotonic_ms() + 20000;
    while (!*fact && clock_monotonic_ms() < end_ms)
        uv_run(&b->loop, UV_RUN_NOWAIT); /* ONCE would wait after a timer has made it true */
    assert_true(*fact);
}

bool saw(const struct bench *b, const char *text)
{
    return str_find(buf_str(&b->request), str_c(text), 0) != SIZE_MAX;
}

void reply_some(struct connection *c, struct bench *b)
{
    (void)b;
    connection_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nsome");
}
