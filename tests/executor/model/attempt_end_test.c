/*
 * How model calls go on and end: resets, time, pauses, cancels, and answers that are over before their connection is.
 */
#include "shared/base/clock.h"
#include "tests/executor/model/attempt_bench.h"
#include "tests/support/alloc_fail.h"

#define ROLE "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"

#define CHUNKED "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

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
        struct attempt *call = attempt_start(b.http, &params, &bench_callbacks, &b, &err);
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
        cmocka_unit_test(resets_fail_the_attempt),
        cmocka_unit_test(an_attempt_does_not_wait_for_ever),
        cmocka_unit_test(no_limit_counts_a_pause),
        cmocka_unit_test(the_first_content_ends_its_limit),
        cmocka_unit_test(an_answer_that_is_over_ends_the_call_though_its_connection_stays_open),
        cmocka_unit_test(the_connection_of_an_answer_that_is_over_is_used_again),
        cmocka_unit_test(text_comes_as_it_is_sent),
        cmocka_unit_test(what_follows_the_end_in_a_piece_of_its_own_is_dropped),
        cmocka_unit_test(a_cancel_closes_the_connection_and_nothing_comes),
        cmocka_unit_test(a_paused_call_says_nothing_until_it_is_resumed),
        cmocka_unit_test(without_memory_no_attempt_begins),
    };
    struct status err;
    if (http_global_init(&err) != STATUS_OK)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    http_global_fini();
    return failed;
}
