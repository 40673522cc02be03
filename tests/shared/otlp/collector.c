/* collector: see the header. */
#include "tests/shared/otlp/collector.h"

#include "shared/base/clock.h"
#include "shared/http/client.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_request(struct connection *conn, struct str request, void *arg)
{
    struct collector *c = arg;
    size_t body = str_find(request, STR("\r\n\r\n"), 0) + 4;
    const char *answer = c->requests < ARRAY_LEN(c->answers) ? c->answers[c->requests] : NULL;
    assert_true(c->requests < COLLECTED_MAX && body < sizeof c->head);
    memcpy(c->head, request.ptr, body);
    c->head[body] = '\0';
    c->taken[c->requests] =
        otlp__request__unpack(NULL, request.len - body, (const uint8_t *)request.ptr + body);
    assert_non_null(c->taken[c->requests]);
    c->requests++;
    connection_send(conn, answer != NULL ? answer : "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

static void on_closed(struct connection *conn, void *arg)
{
    (void)conn;
    (void)arg;
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

struct otlp_options collector_options(const struct collector *c)
{
    return (struct otlp_options){.endpoint = c->endpoint,
                                 .headers = "x-token=t0p",
                                 .sample_ratio = "1",
                                 .service = "heddle-test",
                                 .version = "1.2.3",
                                 .instance = "instance-7"};
}

int collector_begin(void **state)
{
    static const struct server_script script = {on_request, on_closed};
    struct collector *c = calloc(1, sizeof *c);
    struct status err;
    assert_non_null(c);
    assert_ok(http_global_init(&err));
    uv_loop_init(&c->loop);
    uv_timer_init(&c->loop, &c->tick);
    uv_timer_start(&c->tick, on_tick, 5, 5);
    c->server = server_new(&c->loop, &script, c);
    snprintf(c->endpoint, sizeof c->endpoint, "http://127.0.0.1:%d", server_port(c->server));
    const struct otlp_options options = collector_options(c);
    assert_ok(otlp_new(&options, &c->otlp, &err));
    *state = c;
    return 0;
}

int collector_end(void **state)
{
    struct collector *c = *state;
    collector_close_otlp(c, 10000);
    server_close(c->server);
    uv_close((uv_handle_t *)&c->tick, NULL);
    uv_run(&c->loop, UV_RUN_DEFAULT);
    assert_int_equal(0, uv_loop_close(&c->loop));
    for (size_t i = 0; i < c->requests; i++)
        otlp__request__free_unpacked(c->taken[i], NULL);
    free(c);
    return 0;
}

void collector_wait(struct collector *c, size_t requests)
{
    int64_t end_ms = clock_monotonic_ms() + 60000;
    while (c->requests < requests && clock_monotonic_ms() < end_ms)
        uv_run(&c->loop, UV_RUN_ONCE);
    assert_int_equal(requests, c->requests);
}

struct closing {
    struct otlp *otlp;
    int64_t until_ms;
    atomic_bool is_closed;
};

static void *close_otlp(void *arg)
{
    struct closing *closing = arg;
    otlp_close(closing->otlp, closing->until_ms);
    atomic_store(&closing->is_closed, true);
    return NULL;
}

void collector_close_otlp(struct collector *c, int64_t within_ms)
{
    struct closing closing = {.otlp = c->otlp, .until_ms = clock_monotonic_ms() + within_ms};
    pthread_t thread;
    c->otlp = NULL;
    assert_int_equal(0, pthread_create(&thread, NULL, close_otlp, &closing));
    while (!atomic_load(&closing.is_closed))
        uv_run(&c->loop, UV_RUN_ONCE);
    assert_int_equal(0, pthread_join(thread, NULL));
}

const Otlp__Value *attribute(Otlp__Attribute *const *attributes, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(attributes[i]->key, key) == 0)
            return attributes[i]->value;
    }
    return NULL;
}
