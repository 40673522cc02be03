/*
 * Trials of credentials: a server in a thread of its own, as a trial blocks the one that asks.
 */
#include "executor/model/trial.h"
#include "tests/shared/http/server.h"
#include "tests/support/check.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bench {
    uv_loop_t loop;
    uv_async_t stop;
    struct server *server;
    pthread_t thread;
    const char *answer; /* NULL: none */
    bool ends;
    atomic_bool was_asked;
    char url[64], request[4096];
};

static void on_request(struct connection *c, struct str request, void *arg)
{
    struct bench *b = arg;
    atomic_store(&b->was_asked, true);
    snprintf(b->request, sizeof b->request, "%.*s", STR_ARG(request));
    if (b->answer != NULL)
        connection_send(c, b->answer);
    if (b->ends)
        connection_close(c);
}

static void on_stop(uv_async_t *async)
{
    struct bench *b = async->data;
    server_close(b->server);
    uv_close((uv_handle_t *)&b->stop, NULL);
}

static void *serve(void *arg)
{
    struct bench *b = arg;
    uv_run(&b->loop, UV_RUN_DEFAULT);
    return NULL;
}

static void begin(struct bench *b, const char *answer, bool ends)
{
    static const struct server_script script = {.request = on_request};
    memset(b, 0, sizeof *b);
    b->answer = answer;
    b->ends = ends;
    uv_loop_init(&b->loop);
    uv_async_init(&b->loop, &b->stop, on_stop);
    b->stop.data = b;
    b->server = server_new(&b->loop, &script, b);
    snprintf(b->url, sizeof b->url, "http://127.0.0.1:%d", server_port(b->server));
    assert_int_equal(0, pthread_create(&b->thread, NULL, serve, b));
}

static void end(struct bench *b)
{
    uv_async_send(&b->stop);
    pthread_join(b->thread, NULL);
    assert_int_equal(0, uv_loop_close(&b->loop));
}

#define OK     "HTTP/1.1 200 OK\r\n"
#define JSON   "Content-Type: application/json\r\nConnection: close\r\n\r\n"
#define STREAM "Content-Type: text/event-stream\r\nConnection: close\r\n\r\n"
#define TEXT   "data: {\"choices\":[{\"delta\":{\"content\":\"ok\"}}]}\n\n"

static void a_trial_says_whether_the_credential_was_taken(void **state)
{
    static const struct {
        const struct protocol *protocol;
        const char *model, *answer;
        bool ends, ok;
        int status;
        enum refusal refusal;
        const char *words, *request;
    } rows[] = {
        {&protocol_openai, "", OK JSON "{\"data\":[]}", true, true, 200, REFUSAL_REQUEST, "",
         "GET /models HTTP/1.1\r\n"},
        {&protocol_azure_openai, "", OK JSON "{}", true, true, 200, REFUSAL_REQUEST, "",
         "GET /openai/models?api-version=2024-10-21 HTTP/1.1\r\n"},
        {&protocol_anthropic, "", OK JSON "{}", true, true, 200, REFUSAL_REQUEST, "",
         "GET /v1/models HTTP/1.1\r\n"},
        {&protocol_gemini, "", OK JSON "{}", true, true, 200, REFUSAL_REQUEST, "",
         "x-goog-api-key: sk-secret\r\n"},
        {&protocol_openai, "", "HTTP/1.1 401 No\r\n" JSON "{\"error\":{\"message\":\"bad key sk-secret\"}}",
         true, false, 401, REFUSAL_UNAUTHORIZED, "bad key ***", "Authorization: Bearer sk-secret\r\n"},
        {&protocol_gemini, "",
         "HTTP/1.1 400 Bad\r\n" JSON
         "{\"error\":{\"code\":400,\"message\":\"bad\",\"status\":\"INVALID_ARGUMENT\","
         "\"details\":[{\"reason\":\"API_KEY_INVALID\"}]}}",
         true, false, 400, REFUSAL_UNAUTHORIZED, "bad", "GET "},
        {&protocol_openai, "", "HTTP/1.1 404 None\r\n" JSON, true, false, 404, REFUSAL_UNAVAILABLE,
         "no words in the answer", "GET "},
        /* The first words are enough: the call is ended by the trial. */
        {&protocol_openai, "m1", OK STREAM TEXT, false, true, 200, REFUSAL_REQUEST, "", "\"model\":\"m1\""},
        {&protocol_openai, "m1", OK JSON "{\"choices\":[{\"message\":{\"content\":\"ok\"}}]}", true, true,
         200, REFUSAL_REQUEST, "", "POST /chat/completions HTTP/1.1\r\n"},
        {&protocol_openai, "m1", "HTTP/1.1 429 Slow\r\n" JSON "{\"error\":{\"message\":\"slow\"}}", true,
         false, 429, REFUSAL_RATE_LIMIT, "slow", "POST "},
        {&protocol_anthropic, "m1",
         OK STREAM "data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
                   "\"message\":\"busy\"}}\n\n",
         false, false, 200, REFUSAL_UNAVAILABLE, "busy", "POST /v1/messages HTTP/1.1\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench b;
        struct trial_result result;
        struct status err;
        begin(&b, rows[i].answer, rows[i].ends);
        const struct trial_params params = {.protocol = rows[i].protocol,
                                            .secret = STR("sk-secret"),
                                            .base_url = str_c(b.url),
                                            .model = str_c(rows[i].model)};
        assert_ok(trial_run(&params, &result, &err));
        end(&b);
        assert_int_equal(rows[i].ok, result.ok);
        assert_int_equal(rows[i].status, result.http_status);
        assert_string_equal(rows[i].words, result.words);
        if (!result.ok)
            assert_int_equal(rows[i].refusal, result.refusal);
        assert_int_equal(!result.ok, result.error_type != NULL);
        assert_contains(rows[i].request, b.request);
        assert_true(result.elapsed_ms >= 0);
    }
}

static void a_trial_ends_in_its_time(void **state)
{
    static const char *const models[] = {"", "m1"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(models); i++) {
        struct bench b;
        struct trial_result result;
        struct status err;
        begin(&b, NULL, false);
        const struct trial_params params = {.protocol = &protocol_openai,
                                            .base_url = str_c(b.url),
                                            .model = str_c(models[i]),
                                            .total_ms = 60};
        assert_ok(trial_run(&params, &result, &err));
        end(&b);
        assert_false(result.ok);
        assert_int_equal(0, result.http_status);
        assert_int_equal(REFUSAL_UNAVAILABLE, result.refusal);
        assert_string_equal("InvokeConnectionError", result.error_type);
        assert_true(result.words[0] != '\0');
        assert_true(result.elapsed_ms >= 60);
    }
}

static void a_trial_nobody_waits_for_ends_long_before_its_time(void **state)
{
    static const char *const models[] = {"", "m1"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(models); i++) {
        struct bench b;
        struct trial_result result;
        struct status err;
        begin(&b, NULL, false);
        const struct trial_params params = {.protocol = &protocol_openai,
                                            .base_url = str_c(b.url),
                                            .model = str_c(models[i]),
                                            .total_ms = 600000,
                                            .is_given_up =
                                                &b.was_asked /* as soon as the provider has the request */};
        assert_ok(trial_run(&params, &result, &err));
        end(&b);
        assert_false(result.ok);
        assert_true(result.elapsed_ms < 600000);
    }
}

static void what_cannot_be_asked_is_an_error(void **state)
{
    static const struct {
        const char *url, *secret, *model;
        enum status_code code;
    } rows[] = {{"ftp://x.example", "k", "", STATUS_INVALID_ARGUMENT},
                {"ftp://x.example", "k", "m", STATUS_INVALID_ARGUMENT},
                {"http://127.0.0.1:1", "a\nb", "", STATUS_INVALID_ARGUMENT}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct trial_result result;
        struct status err;
        const struct trial_params params = {.protocol = &protocol_openai,
                                            .secret = str_c(rows[i].secret),
                                            .base_url = str_c(rows[i].url),
                                            .model = str_c(rows[i].model)};
        assert_code(rows[i].code, trial_run(&params, &result, &err));
    }
}

static void nobody_listening_is_a_result(void **state)
{
    struct trial_result result;
    struct status err;
    const struct trial_params params = {.protocol = &protocol_openai,
                                        .base_url = STR("http://127.0.0.1:1/v1")};
    (void)state;
    assert_ok(trial_run(&params, &result, &err));
    assert_false(result.ok);
    assert_int_equal(0, result.http_status);
    assert_true(result.words[0] != '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trial_says_whether_the_credential_was_taken),
        cmocka_unit_test(a_trial_ends_in_its_time),
        cmocka_unit_test(a_trial_nobody_waits_for_ends_long_before_its_time),
        cmocka_unit_test(what_cannot_be_asked_is_an_error),
        cmocka_unit_test(nobody_listening_is_a_result),
    };
    struct status err;
    if (http_global_init(&err) != STATUS_OK)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    http_global_fini();
    return failed;
}
