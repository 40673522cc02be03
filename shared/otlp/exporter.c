/*
 * exporter: see the header. One request is under way at a time. A batch goes when it is full, or OTLP_DELAY_MS after the last look;
 * one that failed is sent again before any other.
 */
#include "shared/otlp/exporter.h"

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/http/client.h"
#include "shared/otlp/queue.h"
#include "shared/otlp/retry.h"
#include "shared/otlp/settings.h"
#include "shared/rpc/wire.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* bytes. Of a resource with its attributes; of an answer. */
#define RESOURCE_BYTES_MAX 4096
#define ANSWER_BYTES_MAX   4096

/* Numbers of fields: ExportTraceServiceRequest, ResourceSpans, Resource, ScopeSpans, InstrumentationScope, KeyValue, AnyValue. */
enum {
    REQUEST_RESOURCE_SPANS = 1,
    RESOURCE_SPANS_RESOURCE = 1,
    RESOURCE_SPANS_SCOPE_SPANS = 2,
    RESOURCE_ATTRIBUTES = 1,
    SCOPE_SPANS_SCOPE = 1,
    SCOPE_SPANS_SPANS = 2,
    SCOPE_NAME = 1,
    SCOPE_VERSION = 2,
    KEY_VALUE_KEY = 1,
    KEY_VALUE_VALUE = 2,
    ANY_VALUE_STRING = 1
};
/* Of the answer: ExportTraceServiceResponse, ExportTracePartialSuccess. */
enum { RESPONSE_PARTIAL = 1, PARTIAL_REJECTED = 1 };

struct otlp {
    char *url;
    struct http_headers *headers;
    double ratio;
    struct buf resource, scope; /* fields of ResourceSpans and ScopeSpans */
    struct span_queue queue;
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t wake;
    uv_timer_t timer;
    atomic_int_fast64_t closes_at_ms; /* 0: it goes on */
    atomic_uint_fast64_t sent, dropped, failures;

    /* The thread's. */
    struct http_client *client;
    struct http_transfer *transfer; /* NULL: nothing is under way */
    struct span_batch *batch;       /* being sent, or to be sent again; NULL: none */
    struct otlp_retry retry;
    int64_t again_at_ms; /* 0: it need not wait */
    int64_t asked_ms;    /* by Retry-After of the answer */
    struct buf answer;
    bool is_away, has_ended;
};

/* --- what is sent --- */

static void put_attribute(struct buf *b, const char *key, const char *value)
{
    size_t attribute = wire_put_begin(b, RESOURCE_ATTRIBUTES);
    wire_put_bytes(b, KEY_VALUE_KEY, str_c(key));
    size_t any = wire_put_begin(b, KEY_VALUE_VALUE);
    wire_put_bytes(b, ANY_VALUE_STRING, str_c(value));
    wire_put_end(b, any);
    wire_put_end(b, attribute);
}

static bool put_resource(struct otlp *otlp, const struct otlp_options *options)
{
    buf_init(&otlp->resource, RESOURCE_BYTES_MAX);
    buf_init(&otlp->scope, RESOURCE_BYTES_MAX);
    size_t resource = wire_put_begin(&otlp->resource, RESOURCE_SPANS_RESOURCE);
    put_attribute(&otlp->resource, "service.name", options->service);
    put_attribute(&otlp->resource, "service.version", options->version);
    put_attribute(&otlp->resource, "service.instance.id", options->instance);
    wire_put_end(&otlp->resource, resource);
    size_t scope = wire_put_begin(&otlp->scope, SCOPE_SPANS_SCOPE);
    wire_put_bytes(&otlp->scope, SCOPE_NAME, STR("heddle"));
    wire_put_bytes(&otlp->scope, SCOPE_VERSION, str_c(options->version));
    wire_put_end(&otlp->scope, scope);
    return !otlp->resource.failed && !otlp->scope.failed;
}

/* The whole request around a batch; sizes are known, so nothing is moved. */
static void put_request(const struct otlp *otlp, const struct span_batch *batch, struct buf *body)
{
    size_t scope_spans = otlp->scope.len + batch->len;
    size_t resource_spans = otlp->resource.len + wire_bytes_size(RESOURCE_SPANS_SCOPE_SPANS, scope_spans);
    buf_init(body, SPAN_BATCH_BYTES + 4 * RESOURCE_BYTES_MAX);
    (void)buf_reserve(body, wire_bytes_size(REQUEST_RESOURCE_SPANS, resource_spans)); /* failure sticks */
    wire_put_tag(body, REQUEST_RESOURCE_SPANS, WIRE_BYTES);
    wire_put_varint(body, resource_spans);
    buf_put(body, buf_str(&otlp->resource));
    wire_put_tag(body, RESOURCE_SPANS_SCOPE_SPANS, WIRE_BYTES);
    wire_put_varint(body, scope_spans);
    buf_put(body, buf_str(&otlp->scope));
    buf_put(body, (struct str){batch->bytes, batch->len});
}

/* --- how it went --- */

static void count(atomic_uint_fast64_t *what, uint64_t n)
{
    atomic_fetch_add_explicit(what, n, memory_order_relaxed);
}

static void say_away(struct otlp *otlp, const char *words)
{
    count(&otlp->failures, 1);
    if (!otlp->is_away)
        log_warn("traces_not_sent", LOG_C("endpoint", otlp->url), LOG_C("words", words));
    otlp->is_away = true;
}

static void say_back(struct otlp *otlp)
{
    if (otlp->is_away)
        log_info("traces_sent_again", LOG_C("endpoint", otlp->url),
                 LOG_INT("dropped_so_far", otlp_stats(otlp).dropped));
    otlp->is_away = false;
}

static void let_go(struct otlp *otlp, uint64_t dropped)
{
    count(&otlp->dropped, dropped);
    count(&otlp->sent, otlp->batch->spans - dropped);
    span_queue_give_back(&otlp->queue, otlp->batch);
    otlp->batch = NULL;
}

/* Spans that a collector that took the request did not keep. */
static uint64_t rejected_spans(struct str answer, uint64_t spans)
{
    struct wire_field partial, field;
    while (wire_next(&answer, &partial) == WIRE_FIELD) {
        while (partial.number == RESPONSE_PARTIAL && partial.type == WIRE_BYTES &&
               wire_next(&partial.bytes, &field) == WIRE_FIELD) {
            if (field.number == PARTIAL_REJECTED && field.type == WIRE_VARINT)
                return field.value < spans ? field.value : spans;
        }
    }
    return 0;
}

static bool is_closing(struct otlp *otlp)
{
    return atomic_load(&otlp->closes_at_ms) != 0;
}

static void failed(struct otlp *otlp, int status, const char *words)
{
    int64_t now_ms = clock_monotonic_ms();
    int64_t in_ms = otlp_retry_in(&otlp->retry, status, otlp->asked_ms, now_ms);
    say_away(otlp, words);
    if (in_ms < 0 || is_closing(otlp))
        let_go(otlp, otlp->batch->spans);
    else
        otlp->again_at_ms = now_ms + in_ms;
}

static void on_header(void *arg, struct str name, struct str value)
{
    struct otlp *otlp = arg;
    uint64_t seconds;
    if (str_eq_nocase(name, STR("Retry-After")) && str_to_u64(value, &seconds))
        otlp->asked_ms = seconds < OTLP_RETRY_MS_MAX / 1000 ? (int64_t)seconds * 1000 : OTLP_RETRY_MS_MAX;
}

static void on_data(void *arg, struct str bytes)
{
    struct otlp *otlp = arg;
    buf_put(&otlp->answer, bytes);
    if (otlp->answer.failed)
        http_finish(otlp->transfer); /* whatever it says, it says too much */
}

static void on_done(void *arg, const struct http_result *result)
{
    struct otlp *otlp = arg;
    char words[64];
    otlp->transfer = NULL;
    snprintf(words, sizeof words, "the collector answers with status %d", result->status);
    if (result->outcome != HTTP_ANSWERED) {
        failed(otlp, 0, result->words);
    } else if (result->status < 200 || result->status > 299) {
        failed(otlp, result->status, words);
    } else {
        say_back(otlp);
        let_go(otlp, rejected_spans(buf_str(&otlp->answer), otlp->batch->spans));
    }
    buf_fini(&otlp->answer);
    uv_async_send(&otlp->wake); /* the next one; from here the client could not be closed */
}

/* --- the thread --- */

static void send_batch(struct otlp *otlp)
{
    static const struct http_handler handler = {.header = on_header, .data = on_data, .done = on_done};
    const struct http_request request = {.method = "POST",
                                         .url = otlp->url,
                                         .headers = otlp->headers,
                                         .connect_ms = OTLP_REQUEST_MS,
                                         .total_ms = OTLP_REQUEST_MS};
    struct status err;
    struct buf body;
    otlp->again_at_ms = otlp->asked_ms = 0;
    buf_init(&otlp->answer, ANSWER_BYTES_MAX);
    put_request(otlp, otlp->batch, &body);
    enum status_code rc =
        body.failed ? status_set(&err, STATUS_RESOURCE_EXHAUSTED, "no memory for a request")
                    : http_start(otlp->client, &request, &body, &handler, otlp, &otlp->transfer, &err);
    buf_fini(&body);
    if (rc == STATUS_OK)
        return;
    failed(otlp, 0, err.message);
    uv_async_send(&otlp->wake);
}

static void end(struct otlp *otlp)
{
    otlp->has_ended = true;
    http_client_close(otlp->client);
    buf_fini(&otlp->answer);
    if (otlp->batch != NULL)
        let_go(otlp, otlp->batch->spans);
    uv_close((uv_handle_t *)&otlp->timer, NULL);
    uv_close((uv_handle_t *)&otlp->wake, NULL);
}

/* Sends what may go now; when it closes and nothing is left, it ends. */
static void go_on(struct otlp *otlp, enum span_take what)
{
    int64_t now_ms = clock_monotonic_ms();
    bool closes = is_closing(otlp);
    if (otlp->transfer != NULL || otlp->has_ended)
        return;
    if (otlp->batch == NULL) {
        otlp->batch = span_queue_take(&otlp->queue, closes ? SPAN_TAKE_ANY : what);
        otlp_retry_begin(&otlp->retry, now_ms);
    }
    if (otlp->batch == NULL && closes)
        end(otlp);
    else if (otlp->batch != NULL && (closes || now_ms >= otlp->again_at_ms))
        send_batch(otlp);
}

static void timer_rang(uv_timer_t *timer)
{
    struct otlp *otlp = timer->data;
    if (!is_closing(otlp))
        go_on(otlp, SPAN_TAKE_ANY);
    else if (!otlp->has_ended)
        end(otlp); /* its time is over */
}

static void woken(uv_async_t *wake)
{
    struct otlp *otlp = wake->data;
    int64_t left_ms = atomic_load(&otlp->closes_at_ms) - clock_monotonic_ms();
    if (is_closing(otlp) && !otlp->has_ended)
        uv_timer_start(&otlp->timer, timer_rang, left_ms > 0 ? (uint64_t)left_ms : 0, 0);
    go_on(otlp, SPAN_TAKE_FULL);
}

static void *run(void *arg)
{
    struct otlp *otlp = arg;
    pthread_setname_np(pthread_self(), "traces");
    uv_run(&otlp->loop, UV_RUN_DEFAULT);
    return NULL;
}

/* --- made and closed --- */

static void otlp_free(struct otlp *otlp)
{
    uint64_t dropped = otlp_stats(otlp).dropped;
    for (struct span_batch *b = otlp->queue.first; b != NULL; b = b->next)
        dropped += b->spans;
    if (dropped > 0)
        log_warn("traces_dropped", LOG_INT("spans", dropped));
    span_queue_fini(&otlp->queue);
    http_headers_unref(otlp->headers);
    buf_fini(&otlp->resource);
    buf_fini(&otlp->scope);
    free(otlp->url);
    free(otlp);
}

/* The loop with its handles, and the thread. */
static enum status_code start(struct otlp *otlp, const char *ca_file, struct status *err)
{
    const struct http_client_options http = {.loop = &otlp->loop, .ca_file = ca_file};
    if (uv_loop_init(&otlp->loop) != 0)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "otlp_endpoint: no files to send traces");
    int rc = uv_async_init(&otlp->loop, &otlp->wake, woken);
    uv_timer_init(&otlp->loop, &otlp->timer);
    otlp->wake.data = otlp->timer.data = otlp;
    enum status_code status =
        rc == 0 ? http_client_new(&http, &otlp->client, err)
                : status_set(err, STATUS_RESOURCE_EXHAUSTED, "otlp_endpoint: no files to send traces");
    uv_timer_start(&otlp->timer, timer_rang, OTLP_DELAY_MS, OTLP_DELAY_MS);
    if (status == STATUS_OK && pthread_create(&otlp->thread, NULL, run, otlp) == 0)
        return STATUS_OK;
    if (status == STATUS_OK)
        status = status_set(err, STATUS_RESOURCE_EXHAUSTED, "otlp_endpoint: no thread to send traces");
    http_client_close(otlp->client);
    uv_close((uv_handle_t *)&otlp->timer, NULL);
    if (rc == 0)
        uv_close((uv_handle_t *)&otlp->wake, NULL);
    uv_run(&otlp->loop, UV_RUN_DEFAULT);
    uv_loop_close(&otlp->loop);
    return status;
}

enum status_code otlp_new(const struct otlp_options *options, struct otlp **ret, struct status *err)
{
    struct otlp *otlp = calloc(1, sizeof *otlp);
    if (otlp == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "otlp_endpoint: no memory");
    span_queue_init(&otlp->queue);
    otlp->ratio = otlp_ratio(options->sample_ratio);
    otlp->url = otlp_url(options->endpoint);
    enum status_code rc = otlp_headers(options->headers, &otlp->headers, err);
    if (rc == STATUS_OK && (!put_resource(otlp, options) || otlp->url == NULL))
        rc = status_set(err, STATUS_RESOURCE_EXHAUSTED, "otlp_endpoint: no memory");
    if (rc == STATUS_OK)
        rc = start(otlp, options->ca_file, err);
    if (rc == STATUS_OK)
        *ret = otlp;
    else
        otlp_free(otlp);
    return rc;
}

void otlp_close(struct otlp *take_otlp, int64_t until_ms)
{
    if (take_otlp == NULL)
        return;
    atomic_store(&take_otlp->closes_at_ms, until_ms > 0 ? until_ms : 1);
    uv_async_send(&take_otlp->wake);
    pthread_join(take_otlp->thread, NULL);
    uv_loop_close(&take_otlp->loop);
    otlp_free(take_otlp);
}

/* --- from any thread --- */

bool otlp_chooses(const struct otlp *otlp, const struct trace_context *context)
{
    return trace_is_chosen(context, otlp->ratio);
}

void otlp_put(struct otlp *otlp, struct str field)
{
    if (span_queue_put(&otlp->queue, field) == SPAN_BATCH_READY)
        uv_async_send(&otlp->wake);
}

struct otlp_stats otlp_stats(struct otlp *otlp)
{
    return (struct otlp_stats){.sent = atomic_load(&otlp->sent),
                               .dropped = atomic_load(&otlp->dropped) + span_queue_dropped(&otlp->queue),
                               .failures = atomic_load(&otlp->failures)};
}
