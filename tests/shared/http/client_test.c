/*
 * client: answers, pieces, pauses, cancels, ends of every kind, against a server on the same loop.
 */
#include "shared/base/clock.h"
#include "tests/shared/http/client_bench.h"
#include <stdlib.h>
#include <string.h>

static const struct http_request get = {.method = "GET"};
static const struct http_request post = {.method = "POST"};

static void a_post_brings_method_body_and_headers(void **state)
{
    struct bench *b = *state;
    struct answer a;
    answer_init(&a);
    struct http_headers *headers = http_headers_new();
    struct status err = {0};
    assert_int_equal(http_headers_add(headers, STR("Authorization"), STR("Bearer k"), &err), STATUS_OK);
    assert_int_equal(http_headers_add(headers, STR("X-Empty"), STR(""), &err), STATUS_OK);
    struct http_request r = post;
    r.headers = headers;
    start(b, &r, "{\"a\":1}", &a);
    http_headers_unref(headers); /* the transfer has its own reference */
    run_until(b, &a.is_done);
    assert_int_equal(a.outcome, HTTP_ANSWERED);
    assert_int_equal(a.status, 200);
    assert_true(str_eq(buf_str(&a.body), STR("hello")));
    assert_true(str_find(buf_str(&a.headers), STR("Content-Type=text/plain;"), 0) != SIZE_MAX);
    assert_true(saw(b, "POST /v1/x HTTP/1.1"));
    assert_true(saw(b, "Authorization: Bearer k"));
    assert_true(saw(b, "X-Empty:\r\n"));
    assert_true(saw(b, "\r\n\r\n{\"a\":1}"));
    assert_false(saw(b, "Expect"));
    answer_fini(&a);
}

static void headers_of_one_request_stand_beside_those_that_are_shared(void **state)
{
    struct bench *b = *state;
    struct answer a;
    struct status err = {0};
    struct http_headers *headers = http_headers_new();
    const struct http_header more[] = {{STR("traceparent"), STR("00-1-2-03")},
                                       {STR("tracestate"), STR("a=1")}};
    assert_int_equal(http_headers_add(headers, STR("Authorization"), STR("Bearer k"), &err), STATUS_OK);
    for (size_t count = 0; count <= ARRAY_LEN(more); count++) {
        struct http_request r = post;
        r.headers = headers;
        r.more = more;
        r.more_count = count;
        answer_init(&a);
        start(b, &r, "x", &a);
        run_until(b, &a.is_done);
        assert_true(saw(b, "Authorization: Bearer k\r\n"));
        assert_true(saw(b, "traceparent: 00-1-2-03\r\n") == (count > 0));
        assert_true(saw(b, "tracestate: a=1\r\n") == (count > 1));
        answer_fini(&a);
    }
    http_headers_unref(headers);
}

static void a_header_that_is_none_is_refused(void **state)
{
    struct bench *b = *state;
    static const struct http_handler handler = {0};
    static const struct http_header rows[] = {
        {STR("a b"), STR("x")}, {STR("a"), STR("x\r\nb: y")}, {STR(""), STR("x")}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_transfer *t;
        struct status err;
        const struct http_request r = {
            .method = "GET", .url = "http://127.0.0.1:1/", .more = &rows[i], .more_count = 1};
        assert_int_equal(http_start(b->client, &r, NULL, &handler, NULL, &t, &err), STATUS_INVALID_ARGUMENT);
    }
    assert_int_equal(http_client_transfers(b->client), 0);
}

static void methods_are_sent_as_said_whatever_the_handle_did_before(void **state)
{
    struct bench *b = *state;
    static const struct {
        const char *method, *body, *line;
    } rows[] = {
        {"POST", "x", "POST /v1/x"}, {"GET", NULL, "GET /v1/x"},       {"PUT", "y", "PUT /v1/x"},
        {"GET", NULL, "GET /v1/x"},  {"DELETE", NULL, "DELETE /v1/x"}, {"POST", NULL, "POST /v1/x"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct answer a;
        answer_init(&a);
        struct http_request r = {.method = rows[i].method};
        start(b, &r, rows[i].body, &a);
        run_until(b, &a.is_done);
        assert_int_equal(a.outcome, HTTP_ANSWERED);
        assert_true(saw(b, rows[i].line));
        assert_true(rows[i].body == NULL || str_ends(buf_str(&b->request), str_c(rows[i].body)));
        answer_fini(&a);
    }
    assert_int_equal(server_connections(b->server), 1); /* all on one kept connection */
}

static void a_burst_uses_many_connections_and_all_end(void **state)
{
    struct bench *b = *state;
    enum { COUNT = 200 };
    struct answer *a = calloc(COUNT, sizeof *a);
    assert_non_null(a);
    for (size_t i = 0; i < COUNT; i++) {
        answer_init(&a[i]);
        start(b, &post, "x", &a[i]);
    }
    for (size_t i = 0; i < COUNT; i++) {
        run_until(b, &a[i].is_done);
        assert_int_equal(a[i].outcome, HTTP_ANSWERED);
        answer_fini(&a[i]);
    }
    assert_int_equal(b->requests, COUNT);
    assert_int_equal(http_client_transfers(b->client), 0);
    free(a);
}

static void reply_stream_open(struct connection *c, struct bench *b)
{
    (void)b;
    connection_send(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
}

static void a_cancelled_stream_is_closed_at_once(void **state)
{
    struct bench *b = *state;
    b->reply = reply_stream_open;
    struct answer a;
    answer_init(&a);
    struct http_transfer *t = start(b, &post, "x", &a);
    while (a.pieces == 0)
        uv_run(&b->loop, UV_RUN_NOWAIT);
    int64_t before_ms = clock_monotonic_ms();
    http_cancel(t);
    while (b->closed == 0)
        uv_run(&b->loop, UV_RUN_NOWAIT);
    assert_true(clock_monotonic_ms() - before_ms < 50);
    assert_false(a.is_done);
    answer_fini(&a);
}

static struct http_transfer *cancelled_inside, *other;
static unsigned pieces_inside;

static void cancel_both(void *arg, struct str bytes)
{
    (void)arg;
    (void)bytes;
    pieces_inside++;
    http_cancel(cancelled_inside);
    http_cancel(other);
}

static void never_done(void *arg, const struct http_result *result)
{
    (void)arg;
    (void)result;
    fail_msg("a cancelled transfer reported its end");
}

static void transfers_may_be_cancelled_from_a_data_callback(void **state)
{
    struct bench *b = *state;
    b->reply = reply_stream_open;
    struct answer a;
    answer_init(&a);
    static const struct http_handler handler = {NULL, cancel_both, never_done};
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", server_port(b->server));
    struct http_request r = {.method = "GET", .url = url};
    struct status err = {0};
    pieces_inside = 0;
    assert_int_equal(http_start(b->client, &r, NULL, &handler, NULL, &cancelled_inside, &err), STATUS_OK);
    b->reply = reply_stream_open;
    other = start(b, &get, NULL, &a);
    /* Either of the two may be answered first; the second is then only cancelled. */
    while (pieces_inside == 0)
        uv_run(&b->loop, UV_RUN_NOWAIT);
    while (b->closed < 2 && http_client_transfers(b->client) > 0)
        uv_run(&b->loop, UV_RUN_NOWAIT);
    assert_int_equal(pieces_inside, 1);
    assert_int_equal(http_client_transfers(b->client), 0);
    assert_false(a.is_done);
    answer_fini(&a);
}

static struct bench *chain_bench;
static struct answer chain_answer;

static void start_next(void *arg, struct str bytes)
{
    (void)arg;
    (void)bytes;
    start(chain_bench, &get, NULL, &chain_answer);
}

static void a_request_may_be_started_from_a_data_callback(void **state)
{
    struct bench *b = chain_bench = *state;
    struct answer a;
    answer_init(&a);
    answer_init(&chain_answer);
    static const struct http_handler handler = {NULL, start_next, note_done};
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", server_port(b->server));
    struct http_request r = {.method = "GET", .url = url};
    struct http_transfer *t;
    struct status err = {0};
    assert_int_equal(http_start(b->client, &r, NULL, &handler, &a, &t, &err), STATUS_OK);
    run_until(b, &chain_answer.is_done);
    assert_true(a.is_done);
    assert_true(str_eq(buf_str(&chain_answer.body), STR("hello")));
    answer_fini(&a);
    answer_fini(&chain_answer);
}

static void a_paused_transfer_is_silent_and_loses_nothing(void **state)
{
    struct bench *b = *state;
    b->reply = reply_stream_open;
    struct answer a;
    answer_init(&a);
    struct http_transfer *t = start(b, &post, "x", &a);
    while (a.pieces == 0)
        uv_run(&b->loop, UV_RUN_NOWAIT);
    assert_int_equal(http_transfer_status(t), 200);
    assert_true(str_eq(http_transfer_content_type(t), STR("text/event-stream")));
    http_pause(t);
    char *big = malloc(300001);
    assert_non_null(big);
    memset(big, 'b', 300000);
    big[300000] = '\0';
    connection_send(b->last, big);
    connection_close(b->last);
    for (int i = 0; i < 50; i++)
        uv_run(&b->loop, UV_RUN_NOWAIT);
    assert_int_equal(a.body.len, strlen("data: 1\n\n"));
    assert_false(a.is_done);
    http_resume(t);
    assert_true(a.body.len > strlen("data: 1\n\n"));
    run_until(b, &a.is_done);
    assert_int_equal(a.body.len, strlen("data: 1\n\n") + 300000);
    assert_int_equal(a.outcome, HTTP_ANSWERED);
    free(big);
    answer_fini(&a);
}

static void reply_half(struct connection *c, struct bench *b)
{
    (void)b;
    connection_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    connection_close(c);
}

static void reply_end(struct connection *c, struct bench *b)
{
    (void)b;
    connection_close(c);
}

static void reply_noise(struct connection *c, struct bench *b)
{
    (void)b;
    connection_send(c, "not http at all\r\n\r\n");
    connection_close(c);
}

static void reply_reset(struct connection *c, struct bench *b)
{
    reply_some(c, b);
    connection_reset(c);
}

static void ends_of_every_kind_have_their_outcome(void **state)
{
    struct bench *b = *state;
    static const struct {
        const char *name;
        void (*reply)(struct connection *c, struct bench *b);
        const char *url;
        int64_t total_ms, idle_ms, first_ms;
        enum http_outcome outcome;
        int status;
    } rows[] = {
        {"an answer broken off", reply_half, NULL, 0, 0, 0, HTTP_BROKEN, 200},
        {"no answer", reply_end, NULL, 0, 0, 0, HTTP_BROKEN, 0},
        {"noise", reply_noise, NULL, 0, 0, 0, HTTP_BROKEN, 0},
        {"a reset behind the first bytes", reply_reset, NULL, 0, 0, 0, HTTP_BROKEN, 200},
        {"too slow", reply_nothing, NULL, 60, 0, 0, HTTP_TIMED_OUT, 0},
        {"too silent", reply_nothing, NULL, 0, 60, 0, HTTP_TIMED_OUT, 0},
        {"nothing of use", reply_some, NULL, 0, 0, 60, HTTP_TIMED_OUT, 200},
        {"nobody listens", reply_nothing, "http://127.0.0.1:1/", 0, 0, 0, HTTP_NOT_CONNECTED, 0},
        {"no such name", reply_nothing, "http://no-such-name.invalid/", 0, 0, 0, HTTP_NOT_CONNECTED, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct answer a;
        answer_init(&a);
        b->reply = rows[i].reply;
        struct http_request r = {.method = "POST",
                                 .url = rows[i].url,
                                 .total_ms = rows[i].total_ms,
                                 .idle_ms = rows[i].idle_ms,
                                 .first_ms = rows[i].first_ms};
        start(b, &r, "x", &a);
        run_until(b, &a.is_done);
        bool has_body = rows[i].reply == reply_some || rows[i].reply == reply_reset;
        if (a.outcome != rows[i].outcome || a.status != rows[i].status || a.words[0] == '\0' ||
            (has_body && a.body.len != 4))
            fail_msg("%s: outcome %d, status %d, words '%s'", rows[i].name, (int)a.outcome, a.status,
                     a.words);
        answer_fini(&a);
    }
}

static void reply_then_reset_the_second(struct connection *c, struct bench *b)
{
    if (b->requests == 2)
        connection_reset(c);
    else
        reply_hello(c, b);
}

static void a_stale_kept_connection_is_retried_once(void **state)
{
    struct bench *b = *state;
    b->reply = reply_then_reset_the_second;
    for (int i = 0; i < 2; i++) {
        struct answer a;
        answer_init(&a);
        start(b, &post, "x", &a);
        run_until(b, &a.is_done);
        assert_int_equal(a.outcome, HTTP_ANSWERED);
        answer_fini(&a);
    }
    assert_int_equal(b->requests, 3);
}

static void what_is_to_be_sent_once_is_sent_once(void **state)
{
    struct bench *b = *state;
    b->reply = reply_then_reset_the_second;
    struct http_request r = {.method = "POST", .repeat = HTTP_SEND_ONCE};
    for (int i = 0; i < 2; i++) {
        struct answer a;
        answer_init(&a);
        start(b, &r, "x", &a);
        run_until(b, &a.is_done);
        assert_int_equal(a.outcome, i == 0 ? HTTP_ANSWERED : HTTP_BROKEN);
        answer_fini(&a);
    }
    assert_int_equal(b->requests, 2);
    assert_int_equal(server_connections(b->server), 2);
}

static void a_body_over_one_mebibyte_does_not_wait_for_permission(void **state)
{
    struct bench *b = *state;
    struct answer a;
    answer_init(&a);
    char *big = malloc(2 * 1024 * 1024 + 1);
    assert_non_null(big);
    memset(big, 'b', 2 * 1024 * 1024);
    big[2 * 1024 * 1024] = '\0';
    int64_t before_ms = clock_monotonic_ms();
    start(b, &post, big, &a);
    run_until(b, &a.is_done);
    assert_int_equal(a.outcome, HTTP_ANSWERED);
    assert_true(clock_monotonic_ms() - before_ms < 900);
    free(big);
    answer_fini(&a);
}

static void open_transfers_end_with_the_client(void **state)
{
    struct bench *b = *state;
    b->reply = reply_nothing;
    struct answer a;
    answer_init(&a);
    start(b, &post, "x", &a);
    while (b->requests == 0)
        uv_run(&b->loop, UV_RUN_NOWAIT);
    http_client_close(b->client);
    b->client = NULL;
    while (b->closed == 0)
        uv_run(&b->loop, UV_RUN_NOWAIT);
    assert_false(a.is_done);
    answer_fini(&a);
}

static void an_address_that_is_not_http_is_refused_and_the_body_stays(void **state)
{
    struct bench *b = *state;
    static const char *const urls[] = {"file:///etc/passwd", "ftp://a/", "", "http://a b/",
                                       "http://:99999999/"};
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct http_request r = {.method = "POST", .url = urls[i]};
        struct buf body;
        buf_init(&body, 100);
        buf_put_c(&body, "mine");
        struct http_transfer *t = NULL;
        struct status err = {0};
        struct answer a;
        answer_init(&a);
        enum status_code rc = http_start(b->client, &r, &body, &note, &a, &t, &err);
        if (rc == STATUS_OK) { /* libcurl looks at some only when it begins */
            run_until(b, &a.is_done);
            assert_int_not_equal(a.outcome, HTTP_ANSWERED);
        } else {
            assert_int_equal(rc, STATUS_INVALID_ARGUMENT);
            assert_int_equal(body.len, 4);
        }
        assert_true(rc != STATUS_OK || i >= 3);
        buf_fini(&body);
        answer_fini(&a);
    }
}

static void headers_cannot_be_smuggled(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
    } rows[] = {{"X", "a\r\nY: b"}, {"X Y", "a"}, {"", "a"}, {"X:", "a"}, {"X\r\n", "a"}, {"X", "\x7f"}};
    struct http_headers *h = http_headers_new();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(http_headers_add(h, str_c(rows[i].name), str_c(rows[i].value), NULL),
                         STATUS_INVALID_ARGUMENT);
    for (int i = 0; i < HTTP_HEADERS_MAX; i++)
        assert_int_equal(http_headers_add(h, STR("X"), STR("y"), NULL), STATUS_OK);
    assert_int_equal(http_headers_add(h, STR("X"), STR("y"), NULL), STATUS_RESOURCE_EXHAUSTED);
    http_headers_unref(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_post_brings_method_body_and_headers, bench_begin, bench_end),
        cmocka_unit_test_setup_teardown(headers_of_one_request_stand_beside_those_that_are_shared,
                                        bench_begin, bench_end),
        cmocka_unit_test_setup_teardown(a_header_that_is_none_is_refused, bench_begin, bench_end),
        cmocka_unit_test_setup_teardown(methods_are_sent_as_said_whatever_the_handle_did_before, bench_begin,
                                        bench_end),
        cmocka_unit_test_setup_teardown(a_burst_uses_many_connections_and_all_end, bench_begin, bench_end),
        cmocka_unit_test_setup_teardown(a_cancelled_stream_is_closed_at_once, bench_begin, bench_end),
        cmocka_unit_test_setup_teardown(transfers_may_be_cancelled_from_a_data_callback, bench_begin,
                                        bench_end),
        cmocka_unit_test_setup_teardown(a_request_may_be_started_from_a_data_callback, bench_begin,
                                        bench_end),
        cmocka_unit_test_setup_teardown(a_paused_transfer_is_silent_and_loses_nothing, bench_begin,
                                        bench_end),
        cmocka_unit_test_setup_teardown(ends_of_every_kind_have_their_outcome, bench_begin, bench_end),
        cmocka_unit_test_setup_teardown(a_stale_kept_connection_is_retried_once, bench_begin, bench_end),
        cmocka_unit_test_setup_teardown(what_is_to_be_sent_once_is_sent_once, bench_begin, bench_end),
        cmocka_unit_test_setup_teardown(a_body_over_one_mebibyte_does_not_wait_for_permission, bench_begin,
                                        bench_end),
        cmocka_unit_test_setup_teardown(open_transfers_end_with_the_client, bench_begin, bench_end),
        cmocka_unit_test_setup_teardown(an_address_that_is_not_http_is_refused_and_the_body_stays,
                                        bench_begin, bench_end),
        cmocka_unit_test(headers_cannot_be_smuggled),
    };
    if (http_global_init(NULL) != STATUS_OK)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    http_global_fini();
    return failed;
}
