/*
 * client: the time transfers may take, and answers that are not read to their end, or come compressed.
 */
#include "shared/base/clock.h"
#include "tests/shared/http/client_bench.h"
#include <stdio.h>
#include <string.h>

static void run_for_ms(struct bench *b, int64_t ms)
{
    int64_t until_ms = clock_monotonic_ms() + ms;
    while (clock_monotonic_ms() < until_ms)
        uv_run(&b->loop, UV_RUN_ONCE); /* the tick wakes it */
}

static void what_was_waited_for_ends_its_limit_and_silence_may_get_another(void **state)
{
    struct bench *b = *state;
    struct answer a;
    answer_init(&a);
    b->reply = reply_some;
    const struct http_request r = {.method = "POST", .first_ms = 60};
    struct http_transfer *t = start(b, &r, "x", &a);
    while (a.body.len == 0)
        uv_run(&b->loop, UV_RUN_ONCE);
    http_first_seen(t);
    run_for_ms(b, 120);
    assert_false(a.is_done);
    http_set_idle(t, 60);
    run_until(b, &a.is_done);
    assert_int_equal(a.outcome, HTTP_TIMED_OUT);
    answer_fini(&a);
}

enum { MANY = 40 };
struct crowd {
    struct bench *b;
    struct http_transfer *transfers[MANY];
    unsigned done;
};
struct member {
    struct crowd *crowd;
    unsigned index;
};

/* Every end takes another one with it. */
static void member_done(void *arg, const struct http_result *result)
{
    struct member *m = arg;
    assert_int_equal(result->outcome, HTTP_TIMED_OUT);
    m->crowd->transfers[m->index] = NULL;
    m->crowd->done++;
    for (unsigned i = 0; i < MANY; i++) {
        unsigned next = (m->index + 1 + i * 7) % MANY;
        if (m->crowd->transfers[next] == NULL)
            continue;
        http_cancel(m->crowd->transfers[next]);
        m->crowd->transfers[next] = NULL;
        return;
    }
}

static void member_data(void *arg, struct str bytes)
{
    (void)arg;
    (void)bytes;
}

static void many_that_are_late_at_once_end_each_other_safely(void **state)
{
    static const struct http_handler handler = {NULL, member_data, member_done};
    struct bench *b = *state;
    struct crowd crowd = {.b = b};
    struct member members[MANY];
    char url[64];
    struct status err;
    b->reply = reply_nothing;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", server_port(b->server));
    for (unsigned i = 0; i < MANY; i++) {
        const struct http_request r = {.method = "GET", .url = url, .total_ms = 60};
        members[i] = (struct member){&crowd, i};
        assert_int_equal(http_start(b->client, &r, NULL, &handler, &members[i], &crowd.transfers[i], &err),
                         STATUS_OK);
    }
    while (crowd.done < MANY / 2)
        uv_run(&b->loop, UV_RUN_ONCE);
    assert_int_equal(http_client_transfers(b->client), 0);
}

/* Reads up to the first '!', and has enough then. */
struct reader {
    struct answer answer;
    struct http_transfer *transfer;
};

static void read_some(void *arg, struct str bytes)
{
    struct reader *r = arg;
    buf_put(&r->answer.body, bytes);
    if (str_find(bytes, STR("!"), 0) != SIZE_MAX)
        http_finish(r->transfer);
}

static void read_done(void *arg, const struct http_result *result)
{
    struct reader *r = arg;
    note_done(&r->answer, result);
}

static void reader_start(struct bench *b, struct reader *r)
{
    static const struct http_handler handler = {NULL, read_some, read_done};
    char url[64];
    struct status err;
    answer_init(&r->answer);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", server_port(b->server));
    const struct http_request request = {.method = "GET", .url = url, .idle_ms = 60000};
    assert_int_equal(http_start(b->client, &request, NULL, &handler, r, &r->transfer, &err), STATUS_OK);
}

static void reply_enough(struct connection *c, struct bench *b)
{
    (void)b;
    connection_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nenough!");
}

static void a_reader_that_has_enough_is_done_at_once_and_the_connection_is_kept(void **state)
{
    struct bench *b = *state;
    b->reply = reply_enough;
    for (int i = 0; i < 2; i++) {
        struct reader r;
        reader_start(b, &r);
        run_until(b, &r.answer.is_done);
        assert_int_equal(r.answer.outcome, HTTP_ANSWERED);
        assert_int_equal(r.answer.status, 200);
        connection_send(b->last, "later"); /* the rest is nobody's */
        while (http_client_transfers(b->client) > 0)
            uv_run(&b->loop, UV_RUN_ONCE);
        assert_int_equal(r.answer.body.len, 7);
        answer_fini(&r.answer);
    }
    assert_int_equal(server_connections(b->server), 1);
}

static void what_a_server_keeps_sending_behind_the_end_closes_the_connection(void **state)
{
    struct bench *b = *state;
    struct reader r;
    char bytes[16384];
    memset(bytes, 'x', sizeof bytes);
    b->reply = reply_nothing;
    reader_start(b, &r);
    while (b->last == NULL)
        uv_run(&b->loop, UV_RUN_ONCE);
    connection_send(b->last, "HTTP/1.1 200 OK\r\n\r\n!");
    run_until(b, &r.answer.is_done);
    for (size_t i = 0; i < 2 * HTTP_LINGER_BYTES_MAX / sizeof bytes && b->last != NULL; i++)
        connection_send_bytes(b->last, (struct str){bytes, sizeof bytes});
    while (b->closed == 0)
        uv_run(&b->loop, UV_RUN_ONCE);
    assert_int_equal(http_client_transfers(b->client), 0);
    assert_int_equal(r.answer.body.len, 1);
    answer_fini(&r.answer);
}

static void what_was_held_back_may_be_the_end(void **state)
{
    struct bench *b = *state;
    struct reader r;
    b->reply = reply_some;
    reader_start(b, &r);
    while (r.answer.body.len == 0)
        uv_run(&b->loop, UV_RUN_ONCE);
    http_pause(r.transfer);
    connection_send(b->last, "more!");
    run_for_ms(b, 40);
    assert_int_equal(r.answer.body.len, 4);
    http_resume(r.transfer);
    assert_int_equal(r.answer.body.len, 9);
    assert_false(r.answer.is_done); /* not from inside of it */
    run_until(b, &r.answer.is_done);
    assert_int_equal(r.answer.outcome, HTTP_ANSWERED);
    answer_fini(&r.answer);
}

static void reply_compressed(struct connection *c, struct bench *b)
{
    static const char hello[] = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6"
                                "\x10\x36\x05\x00\x00\x00";
    (void)b;
    connection_send(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 25\r\n\r\n");
    connection_send_bytes(c, (struct str){hello, sizeof hello - 1});
}

static void only_who_takes_it_is_sent_compressed_bodies(void **state)
{
    struct bench *b = *state;
    for (int i = 0; i < 2; i++) { /* the second transfer has the handle of the first */
        struct answer a;
        answer_init(&a);
        b->reply = i == 0 ? reply_compressed : reply_hello;
        const struct http_request r = {.method = "POST", .takes_compressed = i == 0};
        start(b, &r, "x", &a);
        run_until(b, &a.is_done);
        assert_int_equal(a.body.len, 5);
        assert_memory_equal(a.body.ptr, "hello", 5);
        bool asks = str_find(buf_str(&b->request), STR("Accept-Encoding: gzip, deflate\r\n"), 0) != SIZE_MAX;
        assert_int_equal(asks, i == 0);
        answer_fini(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_waited_for_ends_its_limit_and_silence_may_get_another,
                                        bench_begin, bench_end),
        cmocka_unit_test_setup_teardown(many_that_are_late_at_once_end_each_other_safely, bench_begin,
                                        bench_end),
        cmocka_unit_test_setup_teardown(a_reader_that_has_enough_is_done_at_once_and_the_connection_is_kept,
                                        bench_begin, bench_end),
        cmocka_unit_test_setup_teardown(what_a_server_keeps_sending_behind_the_end_closes_the_connection,
                                        bench_begin, bench_end),
        cmocka_unit_test_setup_teardown(what_was_held_back_may_be_the_end, bench_begin, bench_end),
        cmocka_unit_test_setup_teardown(only_who_takes_it_is_sent_compressed_bodies, bench_begin, bench_end),
    };
    if (http_global_init(NULL) != STATUS_OK)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    http_global_fini();
    return failed;
}
