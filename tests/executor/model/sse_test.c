/*
 * Server-sent events: the same events however the stream is cut.
 */
#include "executor/model/sse.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <stdlib.h>
#include <string.h>

/* What was read: every event's data with a '|' behind it, its name and an '=' in front when it has one. */
struct reading {
    struct sse sse;
    struct buf events;
    size_t count, stop_after; /* 0: never */
};

static bool note(void *arg, struct str name, struct str data)
{
    struct reading *r = arg;
    if (name.len > 0)
        buf_printf(&r->events, "%.*s=", STR_ARG(name));
    buf_put(&r->events, data);
    buf_put_char(&r->events, '|');
    r->count++;
    return r->count != r->stop_after;
}

static void begin(struct reading *r)
{
    memset(r, 0, sizeof *r);
    sse_init(&r->sse);
    buf_init(&r->events, 2 * SSE_EVENT_BYTES_MAX);
}

static void end(struct reading *r, const char *expected)
{
    sse_end(&r->sse, note, r);
    assert_str(expected, buf_str(&r->events));
    sse_fini(&r->sse);
    buf_fini(&r->events);
}

static void feed(struct reading *r, struct str bytes)
{
    /* A copy of exact size, so that reading past its end is seen. */
    char *copy = malloc(bytes.len == 0 ? 1 : bytes.len);
    assert_non_null(copy);
    if (bytes.len > 0)
        memcpy(copy, bytes.ptr, bytes.len);
    assert_true(sse_feed(&r->sse, (struct str){copy, bytes.len}, note, r));
    free(copy);
}

static const struct {
    const char *stream, *events;
} streams[] = {
    {"data: a\n\ndata: b\n\n", "a|b|"},
    {"data: a\r\n\r\ndata: b\r\n\r\n", "a|b|"},
    {"data: a\r\rdata: b\r\r", "a|b|"},
    {"data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", "a|b|c|"},   /* mixed ends of lines */
    {"data:a\n\ndata:  b\n\n", "a| b|"},                     /* one blank at most is no data */
    {"data: a\ndata: b\ndata:\ndata: c\n\n", "a\nb\n\nc|"},  /* several lines of data */
    {": note\n\n:\ndata: a\n: another\n\n: last\n\n", "a|"}, /* comments */
    {"event: x\nid: 7\nretry: 10\ndata: a\nevent: y\n\nevent: z\n\ndata: b\n\n", "y=a|b|"},
    {"event:x\r\ndata: a\r\n\r\nevent\ndata: b\n\n", "x=a|b|"},
    {"event: a_name_that_is_longer_than_any_that_means_something_here\ndata: a\n\n",
     "a_name_that_is_longer_than_any_that_means_someth=a|"},
    {"\xef\xbb\xbf"
     "data: a\n\n\xef\xbb\xbf"
     "data: b\n\n",
     "a|"}, /* a mark of byte order, and no second one */
    {"\xef\xbb\xbf\n\ndata: a\n\n", "a|"},
    {"\xef\xbb"
     "data: a\n\n",
     ""},
    {"data\n\n", "|"}, /* a field without a colon has no value */
    {"data:\n\n", "|"},
    {"datax: a\ndat: b\n data: c\nDATA: d\n\n", ""},
    {"data: {\"a\": \"b: c\"}\n\n", "{\"a\": \"b: c\"}|"},
    {"\n\n\r\n\rdata: a\n\n\n\n\ndata: b\n\n", "a|b|"},
    {"data: a\n\ndata: b\n", "a|b|"}, /* an end without its empty line */
    {"data: a\n\ndata: b", "a|b|"},
    {"data: a\n\ndata: b\r", "a|b|"},
    {"data: a\n\nda", "a|"},
    {"data: \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\n\n", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80|"},
    {"", ""},
};

static void a_stream_reads_the_same_wherever_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        struct str s = str_c(streams[i].stream);
        for (size_t a = 0; a <= s.len; a++) {
            for (size_t b = a; b <= s.len; b++) {
                struct reading r;
                begin(&r);
                feed(&r, str_sub(s, 0, a));
                feed(&r, str_sub(s, a, b));
                feed(&r, str_sub(s, b, s.len));
                end(&r, streams[i].events);
            }
        }
    }
}

static void a_stream_reads_the_same_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        struct str s = str_c(streams[i].stream);
        for (size_t step = 1; step <= 3; step++) {
            struct reading r;
            begin(&r);
            for (size_t at = 0; at < s.len; at += step)
                feed(&r, str_sub(s, at, at + step));
            end(&r, streams[i].events);
        }
    }
}

static void an_event_comes_with_its_empty_line(void **state)
{
    struct reading r;
    (void)state;
    begin(&r);
    feed(&r, STR("data: a\n"));
    assert_int_equal(r.count, 0);
    feed(&r, STR("\n"));
    assert_int_equal(r.count, 1);
    feed(&r, STR("data: b\r\n\r")); /* does not wait for the second half of CRLF */
    assert_int_equal(r.count, 2);
    feed(&r, STR("\n"));
    assert_int_equal(r.count, 2);
    end(&r, "a|b|");
}

static void a_reader_that_has_enough_gets_no_more_of_these_bytes(void **state)
{
    struct reading r;
    (void)state;
    begin(&r);
    r.stop_after = 1;
    feed(&r, STR("data: a\n\ndata: b\n\ndata: c"));
    end(&r, "a|");
}

static struct str many(char c, size_t count, char **ret_memory)
{
    *ret_memory = malloc(count);
    assert_non_null(*ret_memory);
    memset(*ret_memory, c, count);
    return (struct str){*ret_memory, count};
}

static void a_line_that_does_not_end_is_refused_at_its_maximum(void **state)
{
    struct reading r;
    char *memory;
    (void)state;
    struct str half = many('x', SSE_EVENT_BYTES_MAX / 2, &memory);
    begin(&r);
    assert_true(sse_feed(&r.sse, half, note, &r));
    assert_true(sse_feed(&r.sse, half, note, &r));
    assert_false(sse_feed(&r.sse, STR("x"), note, &r));
    assert_int_equal(r.count, 0);
    sse_fini(&r.sse);
    buf_fini(&r.events);
    free(memory);
}

static void an_event_of_many_lines_is_refused_at_its_maximum(void **state)
{
    struct reading r;
    char *memory;
    (void)state;
    struct str kilo = many('x', 1024, &memory);
    begin(&r);
    bool is_good = true;
    size_t lines = 0;
    for (; is_good && lines < 2 * SSE_EVENT_BYTES_MAX / kilo.len; lines++) {
        is_good = sse_feed(&r.sse, STR("data:"), note, &r) && sse_feed(&r.sse, kilo, note, &r) &&
                  sse_feed(&r.sse, STR("\n"), note, &r);
    }
    assert_false(is_good);
    /* n lines of 1024 bytes and n - 1 line ends between them */
    assert_int_equal(lines, SSE_EVENT_BYTES_MAX / (kilo.len + 1) + 1);
    assert_int_equal(r.count, 0);
    sse_fini(&r.sse);
    buf_fini(&r.events);
    free(memory);
}

static void without_memory_the_stream_cannot_be_read_on(void **state)
{
    (void)state;
    for (size_t n = 0;; n++) {
        struct sse sse;
        struct reading r = {.count = 0};
        buf_init(&r.events, 64);
        sse_init(&sse);
        alloc_fail_after(n);
        bool is_good = sse_feed(&sse, STR("data: aa"), note, &r) &&
                       sse_feed(&sse, STR("bb\ndata: cc\n\n"), note, &r) && !r.events.failed;
        alloc_fail_reset();
        sse_fini(&sse);
        if (!alloc_fail_hit()) {
            assert_true(is_good);
            assert_str("aabb\ncc|", buf_str(&r.events));
            buf_fini(&r.events);
            break;
        }
        assert_false(is_good);
        buf_fini(&r.events);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_reads_the_same_wherever_it_is_cut),
        cmocka_unit_test(a_stream_reads_the_same_byte_by_byte),
        cmocka_unit_test(an_event_comes_with_its_empty_line),
        cmocka_unit_test(a_reader_that_has_enough_gets_no_more_of_these_bytes),
        cmocka_unit_test(a_line_that_does_not_end_is_refused_at_its_maximum),
        cmocka_unit_test(an_event_of_many_lines_is_refused_at_its_maximum),
        cmocka_unit_test(without_memory_the_stream_cannot_be_read_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
