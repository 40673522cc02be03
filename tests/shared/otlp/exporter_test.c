/* What reaches a collector, read by protobuf-c; and what the exporter does when the collector refuses, is away, or never answers. */
#include "shared/base/clock.h"
#include "shared/otlp/queue.h"
#include "shared/otlp/tracing.h"
#include "tests/shared/otlp/collector.h"
#include "tests/support/alloc_fail.h"
#include <string.h>

#define PARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static void put_one(struct collector *c, const char *name)
{
    struct tracing t = {0};
    struct span s;
    tracing_begin(&t, c->otlp, STR(PARENT), NULL, 0);
    tracing_span(&t, &(struct tracing_span){.kind = SPAN_SERVER, .started_us = 1, .ended_us = 2}, str_c(name),
                 STR(""), &s);
    span_put(&s, c->otlp);
    tracing_end(&t);
}

static const Otlp__Span *span_at(const struct collector *c, size_t request, size_t i)
{
    assert_int_equal(1, c->taken[request]->n_resource_spans);
    assert_int_equal(1, c->taken[request]->resource_spans[0]->n_scope_spans);
    const Otlp__ScopeSpans *spans = c->taken[request]->resource_spans[0]->scope_spans[0];
    assert_true(i < spans->n_spans);
    return spans->spans[i];
}

static void a_span_arrives_whole(void **state)
{
    struct collector *c = *state;
    struct tracing t = {0};
    struct span s;
    static const uint8_t within[TRACE_SPAN_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8};
    static char long_text[3000];
    memset(long_text, 'l', sizeof long_text);
    tracing_begin(&t, c->otlp, STR(PARENT), (const struct str[]){STR("a=1"), STR("b=2")}, 2);
    assert_true(tracing_is_recorded(&t));
    int64_t wall_us = clock_wall_us(), now_us = clock_monotonic_us();
    tracing_span(&t,
                 &(struct tracing_span){.kind = SPAN_SERVER, .started_us = now_us, .ended_us = now_us + 1500},
                 STR("call"), STR(""), &s);
    span_text(&s, "text", STR("w\xc3\xb6rds"));
    span_text(&s, "nothing", STR(""));
    span_text(&s, "not utf-8",
              STR("good\xff"
                  "bad"));
    span_text(&s, "long", (struct str){long_text, sizeof long_text});
    span_texts(&s, "list", STR("stop"));
    span_int(&s, "zero", 0);
    span_int(&s, "below", -5);
    span_int(&s, "large", INT64_MAX);
    span_error(&s, STR("it broke"));
    span_put(&s, c->otlp);
    tracing_span(&t,
                 &(struct tracing_span){
                     .span = within, .kind = SPAN_CLIENT, .started_us = now_us, .ended_us = now_us - 1},
                 STR("ask"), STR("model"), &s);
    span_put(&s, c->otlp);
    collector_wait(c, 1);

    assert_non_null(strstr(c->head, "POST /v1/traces HTTP/1.1\r\n"));
    assert_non_null(strstr(c->head, "Content-Type: application/x-protobuf\r\n"));
    assert_non_null(strstr(c->head, "x-token: t0p\r\n"));
    const Otlp__ResourceSpans *all = c->taken[0]->resource_spans[0];
    static const char *const resource[][2] = {
        {"service.name", "heddle-test"}, {"service.version", "1.2.3"}, {"service.instance.id", "instance-7"}};
    for (size_t i = 0; i < ARRAY_LEN(resource); i++)
        assert_string_equal(
            resource[i][1],
            attribute(all->resource->attributes, all->resource->n_attributes, resource[i][0])->text);
    assert_string_equal("heddle", all->scope_spans[0]->scope->name);
    assert_int_equal(2, all->scope_spans[0]->n_spans);

    const Otlp__Span *span = span_at(c, 0, 0);
    assert_int_equal(16, span->trace_id.len);
    assert_memory_equal(t.context.trace_id, span->trace_id.data, 16);
    assert_int_equal(8, span->span_id.len);
    assert_memory_equal(t.context.span_id, span->span_id.data, 8);
    assert_int_equal(8, span->parent_span_id.len);
    assert_memory_equal("\xb7\xad\x6b\x71\x69\x20\x33\x31", span->parent_span_id.data, 8);
    assert_string_equal("a=1,b=2", span->trace_state);
    assert_string_equal("call", span->name);
    assert_int_equal(SPAN_SERVER, span->kind);
    assert_int_equal(0x301, span->flags);
    assert_in_range(span->start_ns / 1000, (uint64_t)wall_us - 1000000, (uint64_t)wall_us + 1000000);
    assert_int_equal(1500000, span->end_ns - span->start_ns);
    assert_string_equal("w\xc3\xb6rds", SPAN_ATTRIBUTE(span, "text")->text);
    assert_null(SPAN_ATTRIBUTE(span, "nothing"));
    assert_string_equal("good", SPAN_ATTRIBUTE(span, "not utf-8")->text);
    assert_int_equal(SPAN_TEXT_BYTES_MAX, strlen(SPAN_ATTRIBUTE(span, "long")->text));
    assert_int_equal(1, SPAN_ATTRIBUTE(span, "list")->list->n_values);
    assert_string_equal("stop", SPAN_ATTRIBUTE(span, "list")->list->values[0]->text);
    assert_int_equal(OTLP__VALUE__VALUE_NUMBER, SPAN_ATTRIBUTE(span, "zero")->value_case);
    assert_int_equal(0, SPAN_ATTRIBUTE(span, "zero")->number);
    assert_int_equal(-5, SPAN_ATTRIBUTE(span, "below")->number);
    assert_true(SPAN_ATTRIBUTE(span, "large")->number == INT64_MAX);
    assert_int_equal(2, span->status->code);
    assert_string_equal("it broke", span->status->message);

    const Otlp__Span *inner = span_at(c, 0, 1);
    assert_memory_equal(within, inner->span_id.data, 8);
    assert_memory_equal(t.context.span_id, inner->parent_span_id.data, 8);
    assert_string_equal("ask model", inner->name);
    assert_int_equal(0x101, inner->flags);
    assert_true(inner->end_ns == inner->start_ns); /* no span ends before it starts */
    assert_null(inner->status);
    tracing_end(&t);
}

static void a_span_without_memory_is_left_out(void **state)
{
    struct collector *c = *state;
    alloc_fail_after(0);
    put_one(c, "lost");
    alloc_fail_reset();
    put_one(c, "kept");
    collector_wait(c, 1);
    assert_string_equal("kept", span_at(c, 0, 0)->name);
}

static void a_refused_batch_is_dropped_and_the_next_one_goes(void **state)
{
    struct collector *c = *state;
    c->answers[0] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    put_one(c, "refused");
    collector_wait(c, 1);
    put_one(c, "next");
    collector_wait(c, 2);
    assert_string_equal("next", span_at(c, 1, 0)->name);
    struct otlp_stats stats = otlp_stats(c->otlp);
    assert_int_equal(1, stats.dropped);
    assert_int_equal(1, stats.failures);
}

static void a_batch_for_later_is_sent_again(void **state)
{
    struct collector *c = *state;
    c->answers[0] = "HTTP/1.1 503 Later\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
    /* Taken, but for one span: ExportTracePartialSuccess. */
    c->answers[1] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\x0a\x02\x08\x01";
    put_one(c, "first");
    put_one(c, "second");
    collector_wait(c, 1);
    int64_t before_ms = clock_monotonic_ms();
    put_one(c, "third");
    collector_wait(c, 2);
    assert_true(clock_monotonic_ms() - before_ms > 500);
    assert_string_equal("first", span_at(c, 1, 0)->name);
    assert_string_equal("second", span_at(c, 1, 1)->name);
    collector_wait(c, 3);
    assert_string_equal("third", span_at(c, 2, 0)->name);
    assert_int_equal(1, otlp_stats(c->otlp).dropped);
    assert_int_equal(1, otlp_stats(c->otlp).failures);
}

static void a_full_batch_does_not_wait(void **state)
{
    struct collector *c = *state;
    static char name[SPAN_TEXT_BYTES_MAX + 1];
    size_t spans = 0;
    memset(name, 'n', SPAN_TEXT_BYTES_MAX);
    for (size_t i = 0; i < 2 * SPAN_BATCH_BYTES / SPAN_TEXT_BYTES_MAX; i++, spans++)
        put_one(c, name);
    collector_wait(c, 1);
    collector_close_otlp(c, 10000);
    size_t taken = 0;
    for (size_t i = 0; i < c->requests; i++)
        taken += c->taken[i]->resource_spans[0]->scope_spans[0]->n_spans;
    assert_int_equal(spans, taken);
    assert_true(c->requests <= 4);
}

static void closing_sends_what_waits(void **state)
{
    struct collector *c = *state;
    put_one(c, "last");
    collector_close_otlp(c, 10000);
    assert_int_equal(1, c->requests);
    assert_string_equal("last", span_at(c, 0, 0)->name);
}

static void closing_does_not_wait_for_a_collector_that_never_answers(void **state)
{
    struct collector *c = *state;
    c->answers[0] = "";
    put_one(c, "last");
    int64_t before_ms = clock_monotonic_ms();
    collector_close_otlp(c, 200);
    assert_true(clock_monotonic_ms() - before_ms < OTLP_REQUEST_MS);
    assert_int_equal(1, c->requests);
}

static void an_exporter_needs_memory(void **state)
{
    struct collector *c = *state;
    const struct otlp_options options = collector_options(c);
    for (size_t n = 0;; n++) {
        struct otlp *otlp = NULL;
        struct status err;
        alloc_fail_after(n);
        enum status_code rc = otlp_new(&options, &otlp, &err);
        alloc_fail_reset();
        if (!alloc_fail_hit()) {
            assert_ok(rc);
            otlp_close(otlp, 0);
            break;
        }
        assert_code(STATUS_RESOURCE_EXHAUSTED, rc);
        assert_null(otlp);
    }
    otlp_close(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_span_arrives_whole, collector_begin, collector_end),
        cmocka_unit_test_setup_teardown(a_span_without_memory_is_left_out, collector_begin, collector_end),
        cmocka_unit_test_setup_teardown(a_refused_batch_is_dropped_and_the_next_one_goes, collector_begin,
                                        collector_end),
        cmocka_unit_test_setup_teardown(a_batch_for_later_is_sent_again, collector_begin, collector_end),
        cmocka_unit_test_setup_teardown(a_full_batch_does_not_wait, collector_begin, collector_end),
        cmocka_unit_test_setup_teardown(closing_sends_what_waits, collector_begin, collector_end),
        cmocka_unit_test_setup_teardown(closing_does_not_wait_for_a_collector_that_never_answers,
                                        collector_begin, collector_end),
        cmocka_unit_test_setup_teardown(an_exporter_needs_memory, collector_begin, collector_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
