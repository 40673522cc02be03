/*
 * Model calls against a server on the same loop, which answers by the key it is asked with: who is asked, what the caller hears,
 * and what becomes of the credentials.
 */
#include "executor/model/call.h"
#include "shared/base/clock.h"
#include "tests/executor/model/pool_play.h"
#include "tests/shared/http/server.h"
#include "tests/support/alloc_fail.h"
#include <stdio.h>
#include <string.h>

#define STREAM     "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
#define TEXT(text) "data: {\"choices\":[{\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define USAGE      "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\n"
#define DONE       "data: [DONE]\n\n"
#define GOOD(text)                                                                                           \
    STREAM TEXT(text)                                                                                        \
    USAGE DONE
#define REFUSED(status, words)                                                                               \
    "HTTP/1.1 " status                                                                                       \
    "\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{\"error\":{\"message\":\"" words "\"}}"

enum { KEYS = 3, CALLS = 4 };

struct bench;
/* What a caller has heard. */
struct heard {
    struct bench *bench;
    struct model_call *call;
    struct buf text, message, refused;
    char credential[16], model[16], price[16];
    const char *error_type;
    size_t refused_count;
    int64_t retry_ms, waited_ms, tokens;
    bool is_done, is_failed;
};
struct bench {
    uv_loop_t loop;
    uv_async_t woken;
    uv_timer_t due;
    struct server *server;
    struct call_host host;
    struct model_stats stats;
    struct play play; /* its pool is the host's; its home is not used */
    char url[64];
    const char *answers[KEYS];            /* of keys a, b, c; NULL: none yet */
    struct connection *connections[KEYS]; /* newest */
    int asked[KEYS];
    int rests, disabled, back;
    struct heard heard[CALLS];
};

/* --- the loop --- */

static void on_request(struct connection *c, struct str request, void *arg)
{
    struct bench *b = arg;
    for (size_t i = 0; i < KEYS; i++) {
        char key[32];
        snprintf(key, sizeof key, "Bearer sk-%c\r\n", (char)('a' + i));
        if (str_find(request, str_c(key), 0) == SIZE_MAX)
            continue;
        b->asked[i]++;
        b->connections[i] = c;
        if (b->answers[i] == NULL)
            return;
        connection_send(c, b->answers[i]);
        connection_close(c);
    }
}

static void on_closed(struct connection *c, void *arg)
{
    struct bench *b = arg;
    for (size_t i = 0; i < KEYS; i++)
        b->connections[i] = b->connections[i] == c ? NULL : b->connections[i];
}

static void wake(struct pool_home *home)
{
    struct bench *b = CONTAINER_OF(CONTAINER_OF(home, struct call_host, home), struct bench, host);
    uv_async_send(&b->woken);
}

static void on_due(uv_timer_t *timer);

static void arm(struct bench *b)
{
    int64_t now_ms = clock_monotonic_ms(), next_ms = pool_due(b->host.pool, &b->host.home, now_ms);
    if (next_ms != INT64_MAX)
        uv_timer_start(&b->due, on_due, next_ms > now_ms ? (uint64_t)(next_ms - now_ms) : 1, 0);
}

static void on_due(uv_timer_t *timer)
{
    arm(timer->data);
}

static void on_woken(uv_async_t *async)
{
    struct bench *b = async->data;
    model_calls_go_on(&b->host);
    arm(b);
}

static void note(struct call_host *host, const struct pool_ticket *ticket,
                 const struct standing_change *change, const struct attempt_failure *failure)
{
    struct bench *b = CONTAINER_OF(host, struct bench, host);
    assert_true(ticket->credential->name.len == 1);
    assert_int_equal(failure == NULL, change->is_back);
    b->rests += change->for_ms > 0 && change->is_to_be_stored;
    b->disabled += change->is_disabled;
    b->back += change->is_back;
}

/* So many credentials "a", "b", "c" with keys of their own. */
static void begin_with(struct bench *b, size_t keys, bool may_wait)
{
    static const struct server_script script = {on_request, on_closed};
    static const char *const names[] = {"a", "b", "c"};
    static const char *const secrets[] = {"sk-a", "sk-b", "sk-c"};
    struct status err;
    memset(b, 0, sizeof *b);
    uv_loop_init(&b->loop);
    b->server = server_new(&b->loop, &script, b);
    uv_async_init(&b->loop, &b->woken, on_woken);
    uv_timer_init(&b->loop, &b->due);
    b->woken.data = b->due.data = b;
    play_begin(&b->play, may_wait, 10);
    b->host = (struct call_host){.pool = b->play.pool, .note = note, .stats = &b->stats};
    pool_add_home(b->host.pool, &b->host.home, wake);
    const struct http_client_options options = {.loop = &b->loop};
    assert_ok(http_client_new(&options, &b->host.http, &err));
    snprintf(b->url, sizeof b->url, "http://127.0.0.1:%d/v1", server_port(b->server));
    for (size_t i = 0; i < keys; i++) {
        play_add(&b->play, names[i], 1)->base_url = str_c(b->url);
        b->play.credentials[i].secret = str_c(secrets[i]);
    }
    play_update(&b->play, clock_monotonic_ms());
    for (size_t i = 0; i < CALLS; i++) {
        b->heard[i].bench = b;
        buf_init(&b->heard[i].text, 4096);
        buf_init(&b->heard[i].message, 4096);
        buf_init(&b->heard[i].refused, 4096);
    }
}

static void end(struct bench *b)
{
    for (size_t i = 0; i < CALLS; i++) {
        assert_null(b->heard[i].call);
        buf_fini(&b->heard[i].text);
        buf_fini(&b->heard[i].message);
        buf_fini(&b->heard[i].refused);
    }
    http_client_close(b->host.http);
    server_close(b->server);
    uv_close((uv_handle_t *)&b->woken, NULL);
    uv_close((uv_handle_t *)&b->due, NULL);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&b->loop), 0);
    pool_remove_home(b->host.pool, &b->host.home);
    play_end(&b->play);
}

/* --- callers --- */

static void on_text(void *arg, struct str delta)
{
    struct heard *h = arg;
    buf_put(&h->text, delta);
}

static void note_route(struct heard *h, const struct model_route *route)
{
    snprintf(h->credential, sizeof h->credential, "%.*s", STR_ARG(route->credential));
    snprintf(h->model, sizeof h->model, "%.*s", STR_ARG(route->model));
    for (size_t i = 0; i < route->refused_count; i++)
        buf_printf(&h->refused, "%.*s %s %.*s\n", STR_ARG(route->refused[i].credential),
                   route->refused[i].error_type, STR_ARG(route->refused[i].words));
    h->refused_count = route->refused_count;
    h->waited_ms = route->waited_ms;
    assert_false(h->is_done || h->is_failed);
    h->call = NULL;
}

static void on_done(void *arg, const struct model_reply *reply)
{
    struct heard *h = arg;
    note_route(h, &reply->route);
    snprintf(h->price, sizeof h->price, "%.*s", STR_ARG(reply->price.prompt_unit_price));
    h->tokens = reply->usage.prompt_tokens + reply->usage.completion_tokens;
    h->is_done = true;
}

static void on_failed(void *arg, const struct model_failure *failure)
{
    struct heard *h = arg;
    note_route(h, &failure->route);
    buf_put(&h->message, failure->message);
    buf_put_char(&h->message, '\0');
    h->error_type = failure->error_type;
    h->retry_ms = failure->retry_ms;
    h->is_failed = true;
}

static const struct model_callbacks callbacks = {on_text, on_done, on_failed};
static const struct model_message message = {.role = {"user", 4}, .text = {"hi", 2}};
static const struct model_request request = {
    .provider = {"v/p", 3}, .model = {"m", 1}, .messages = &message, .message_count = 1};

static struct heard *start(struct bench *b, size_t i, int64_t deadline_ms)
{
    const struct model_caller caller = {.deadline_ms = deadline_ms};
    struct status err;
    struct heard *h = &b->heard[i];
    h->call = model_call_start(&b->host, &caller, &request, &callbacks, h, &err);
    assert_non_null(h->call);
    assert_false(h->is_done || h->is_failed);
    return h;
}

static void run_until_over(struct bench *b, const struct heard *h)
{
    while (!h->is_done && !h->is_failed)
        uv_run(&b->loop, UV_RUN_ONCE);
}

static void run_until_asked(struct bench *b, size_t key)
{
    while (b->connections[key] == NULL)
        uv_run(&b->loop, UV_RUN_ONCE);
}

/* --- failover --- */

static void a_call_goes_on_until_one_answers_and_says_how_it_got_there(void **state)
{
    struct bench b;
    (void)state;
    begin_with(&b, 3, true);
    struct store_model *model = play_add_model(&b.play, "m", "real");
    model->prompt_unit_price = STR("2.5");
    play_update(&b.play, clock_monotonic_ms());
    b.answers[0] = REFUSED("500 Oops", "broken today");
    b.answers[1] = REFUSED("429 Slow down", "too fast");
    b.answers[2] = GOOD("hello");
    struct heard *h = start(&b, 0, 0);
    run_until_over(&b, h);
    assert_true(h->is_done);
    assert_str("hello", buf_str(&h->text));
    assert_string_equal("c", h->credential);
    assert_string_equal("real", h->model);
    assert_string_equal("2.5", h->price);
    assert_int_equal(9, h->tokens);
    assert_str("a InvokeServerUnavailableError broken today\nb InvokeRateLimitError too fast\n",
               buf_str(&h->refused));
    assert_int_equal(2, b.rests);
    assert_int_equal(3, b.stats.picks);
    assert_int_equal(2, b.stats.failovers);
    /* Who rests is not asked by the next one. */
    h = start(&b, 1, 0);
    run_until_over(&b, h);
    assert_string_equal("c", h->credential);
    assert_int_equal(0, h->refused_count);
    end(&b);
}

static void errors_in_the_place_of_the_first_content_are_gone_on_from(void **state)
{
    static const char *const answers[] = {
        STREAM "data: {\"error\":{\"message\":\"overloaded\"}}\n\n", /* inside a 200 */
        STREAM,                                                      /* ends before it begins */
        STREAM "data: nonsense\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", /* breaks off */
        "garbage\r\n\r\n",
        REFUSED("401 No", "who are you"),
        REFUSED("402 Pay", "no credit"),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct bench b;
        begin_with(&b, 2, true);
        b.answers[0] = answers[i];
        b.answers[1] = GOOD("hello");
        struct heard *h = start(&b, 0, 0);
        run_until_over(&b, h);
        assert_true(h->is_done);
        assert_str("hello", buf_str(&h->text));
        assert_int_equal(1, h->refused_count);
        assert_int_equal(1, b.rests + b.disabled);
        end(&b);
    }
}

static void after_the_first_content_nothing_is_sent_again(void **state)
{
    struct bench b;
    (void)state;
    begin_with(&b, 2, true);
    b.answers[0] = STREAM TEXT("hel") "data: {\"error\":{\"message\":\"gone\"}}\n\n";
    b.answers[1] = GOOD("never");
    struct heard *h = start(&b, 0, 0);
    run_until_over(&b, h);
    assert_true(h->is_failed);
    assert_str("hel", buf_str(&h->text));
    assert_string_equal("a", h->credential);
    assert_int_equal(0, b.asked[1]);
    assert_int_equal(1, b.rests);
    assert_int_equal(0, h->retry_ms);
    end(&b);
}

static void what_is_wrong_with_the_request_is_not_asked_again(void **state)
{
    struct bench b;
    (void)state;
    begin_with(&b, 2, true);
    b.answers[0] = REFUSED("400 Bad", "no such parameter");
    struct heard *h = start(&b, 0, 0);
    run_until_over(&b, h);
    assert_true(h->is_failed);
    assert_contains("no such parameter", h->message.ptr);
    assert_int_equal(0, b.asked[1]);
    assert_int_equal(0, b.rests);
    end(&b);
}

static void when_all_refuse_all_are_heard_and_when_to_come_back(void **state)
{
    struct bench b;
    (void)state;
    begin_with(&b, 3, true);
    b.answers[0] = REFUSED("429 Slow down", "one");
    b.answers[1] = REFUSED("500 Oops", "two");
    b.answers[2] = REFUSED("429 Slow down", "three");
    struct heard *h = start(&b, 0, 0);
    run_until_over(&b, h);
    assert_true(h->is_failed);
    assert_string_equal("InvokeRateLimitError", h->error_type);
    assert_contains("one; HTTP 500 from credential b: two; HTTP 429", h->message.ptr);
    assert_int_equal(3, h->refused_count);
    assert_string_equal("c", h->credential);
    assert_in_range(h->retry_ms, 9000, 10000); /* b's */
    for (size_t i = 0; i < KEYS; i++)
        assert_int_equal(1, b.asked[i]);
    end(&b);
}

static void an_address_that_is_none_is_passed_over(void **state)
{
    struct bench b;
    (void)state;
    begin_with(&b, 2, true);
    b.play.credentials[0].credential.base_url = STR("nonsense://\x01");
    play_update(&b.play, clock_monotonic_ms());
    b.answers[1] = GOOD("hello");
    struct heard *h = start(&b, 0, 0);
    run_until_over(&b, h);
    assert_true(h->is_done);
    assert_int_equal(1, h->refused_count);
    assert_int_equal(0, b.rests);
    end(&b);
}

/* --- nobody there --- */

static void without_a_credential_no_call_begins(void **state)
{
    struct bench b;
    struct status err;
    (void)state;
    begin_with(&b, 0, true);
    assert_null(
        model_call_start(&b.host, &(struct model_caller){.priority = 0}, &request, &callbacks, NULL, &err));
    assert_int_equal(err.code, STATUS_FAILED_PRECONDITION);
    assert_string_equal(err.reason, "NO_CREDENTIAL");
    end(&b);
}

static void who_may_not_wait_hears_it_from_the_loop(void **state)
{
    struct bench b;
    (void)state;
    begin_with(&b, 1, false);
    b.answers[0] = REFUSED("429 Slow down", "one");
    run_until_over(&b, start(&b, 0, 0));
    struct heard *h = start(&b, 1, 0);
    run_until_over(&b, h);
    assert_true(h->is_failed);
    assert_string_equal("InvokeRateLimitError", h->error_type);
    assert_in_range(h->retry_ms, 59000, 60000);
    assert_contains("rest or are full", h->message.ptr);
    assert_string_equal("", h->credential);
    assert_int_equal(1, b.asked[0]);
    end(&b);
}

static void a_deadline_before_the_return_is_not_waited_for(void **state)
{
    struct bench b;
    (void)state;
    begin_with(&b, 1, true);
    b.answers[0] = REFUSED("429 Slow down", "one");
    run_until_over(&b, start(&b, 0, 0));
    struct heard *h = start(&b, 1, clock_monotonic_ms() + 30000);
    run_until_over(&b, h);
    assert_true(h->is_failed);
    assert_in_range(h->retry_ms, 59000, 60000);
    end(&b);
}

/* --- waiting --- */

static void a_call_waits_until_another_ends(void **state)
{
    struct bench b;
    (void)state;
    begin_with(&b, 1, true);
    b.play.credentials[0].credential.max_concurrent = 1;
    play_update(&b.play, clock_monotonic_ms());
    struct heard *first = start(&b, 0, 0), *second = start(&b, 1, 0);
    run_until_asked(&b, 0);
    assert_int_equal(1, b.stats.waits);
    b.answers[0] = GOOD("second");
    connection_send(b.connections[0], GOOD("first"));
    connection_close(b.connections[0]);
    run_until_over(&b, second);
    assert_true(first->is_done && second->is_done);
    assert_str("second", buf_str(&second->text));
    assert_int_equal(2, b.asked[0]);
    end(&b);
}

static void a_rest_that_ends_serves_the_one_who_waits(void **state)
{
    const struct store_rest rest = {
        .credential_id = STR("a"), .model = STR("m"), .remaining_ms = 60, .seen_by = STR("other")};
    struct bench b;
    (void)state;
    begin_with(&b, 1, true);
    b.answers[0] = GOOD("back");
    int64_t began_ms = clock_monotonic_ms();
    pool_take_rests(b.host.pool, &(struct store_rest_set){&rest, 1}, STR("me"), began_ms);
    struct heard *h = start(&b, 0, 0);
    run_until_over(&b, h);
    assert_true(h->is_done);
    assert_in_range(h->waited_ms, 50, 80 + 100); /* a busy machine */
    assert_int_equal(1, b.back);
    end(&b);
}

static void a_trial_is_over_with_the_first_words(void **state)
{
    const struct store_rest rest = {
        .credential_id = STR("a"), .model = STR("m"), .remaining_ms = 20, .seen_by = STR("other")};
    struct bench b;
    (void)state;
    begin_with(&b, 1, true);
    pool_take_rests(b.host.pool, &(struct store_rest_set){&rest, 1}, STR("me"), clock_monotonic_ms());
    struct heard *trial = start(&b, 0, 0), *next = start(&b, 1, 0);
    run_until_asked(&b, 0);
    assert_int_equal(1, b.asked[0]);
    struct connection *c = b.connections[0];
    b.answers[0] = GOOD("next");
    connection_send(c, STREAM TEXT("slow"));
    run_until_over(&b, next); /* though the trial goes on */
    assert_false(trial->is_done);
    assert_int_equal(1, b.back);
    connection_send(c, DONE);
    connection_close(c);
    run_until_over(&b, trial);
    assert_str("slow", buf_str(&trial->text));
    assert_int_equal(1, b.back);
    end(&b);
}

static void calls_can_be_ended_in_any_state(void **state)
{
    struct bench b;
    (void)state;
    begin_with(&b, 1, true);
    b.play.credentials[0].credential.max_concurrent = 1;
    play_update(&b.play, clock_monotonic_ms());
    struct heard *running = start(&b, 0, 0), *waiting = start(&b, 1, 0), *told = start(&b, 2, 0),
                 *last = start(&b, 3, 0);
    run_until_asked(&b, 0);
    model_call_cancel(waiting->call);
    waiting->call = NULL;
    b.answers[0] = GOOD("last");
    model_call_cancel(running->call); /* which gives its place to `told` */
    running->call = NULL;
    model_call_cancel(told->call); /* before it has heard of it */
    told->call = NULL;
    run_until_over(&b, last);
    assert_str("last", buf_str(&last->text));
    assert_int_equal(2, b.asked[0]);
    end(&b);
}

static void a_call_that_is_held_back_while_it_waits_begins_held_back(void **state)
{
    struct bench b;
    (void)state;
    begin_with(&b, 1, true);
    b.play.credentials[0].credential.max_concurrent = 1;
    play_update(&b.play, clock_monotonic_ms());
    struct heard *first = start(&b, 0, 0), *second = start(&b, 1, 0);
    model_call_pause(second->call);
    run_until_asked(&b, 0);
    model_call_cancel(first->call);
    first->call = NULL;
    while (b.asked[0] < 2)
        uv_run(&b.loop, UV_RUN_ONCE);
    connection_send(b.connections[0], GOOD("text"));
    connection_close(b.connections[0]);
    for (int i = 0; i < 20; i++)
        uv_run(&b.loop, UV_RUN_NOWAIT);
    assert_int_equal(0, second->text.len);
    model_call_resume(second->call);
    run_until_over(&b, second);
    assert_str("text", buf_str(&second->text));
    end(&b);
}

static void without_memory_a_call_fails_or_succeeds_and_nothing_leaks(void **state)
{
    (void)state;
    for (size_t n = 0;; n++) {
        struct bench b;
        struct status err;
        begin_with(&b, 2, true);
        b.answers[0] = REFUSED("500 Oops", "one");
        b.answers[1] = GOOD("hello");
        struct heard *h = &b.heard[0];
        alloc_fail_after(n);
        h->call =
            model_call_start(&b.host, &(struct model_caller){.priority = 0}, &request, &callbacks, h, &err);
        alloc_fail_reset();
        bool has_failed = alloc_fail_hit();
        assert_true(has_failed || h->call != NULL);
        if (h->call == NULL)
            assert_int_equal(err.code, STATUS_RESOURCE_EXHAUSTED);
        else
            run_until_over(&b, h);
        end(&b);
        if (!has_failed)
            break;
    }
}

static int set_up(void **state)
{
    struct status err;
    (void)state;
    return http_global_init(&err) == STATUS_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    http_global_fini();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_goes_on_until_one_answers_and_says_how_it_got_there),
        cmocka_unit_test(errors_in_the_place_of_the_first_content_are_gone_on_from),
        cmocka_unit_test(after_the_first_content_nothing_is_sent_again),
        cmocka_unit_test(what_is_wrong_with_the_request_is_not_asked_again),
        cmocka_unit_test(when_all_refuse_all_are_heard_and_when_to_come_back),
        cmocka_unit_test(an_address_that_is_none_is_passed_over),
        cmocka_unit_test(without_a_credential_no_call_begins),
        cmocka_unit_test(who_may_not_wait_hears_it_from_the_loop),
        cmocka_unit_test(a_deadline_before_the_return_is_not_waited_for),
        cmocka_unit_test(a_call_waits_until_another_ends),
        cmocka_unit_test(a_rest_that_ends_serves_the_one_who_waits),
        cmocka_unit_test(a_trial_is_over_with_the_first_words),
        cmocka_unit_test(calls_can_be_ended_in_any_state),
        cmocka_unit_test(a_call_that_is_held_back_while_it_waits_begins_held_back),
        cmocka_unit_test(without_memory_a_call_fails_or_succeeds_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
