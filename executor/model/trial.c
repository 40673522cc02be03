/* trial: see the header. */
#include "executor/model/trial.h"

#include "executor/model/refusal.h"
#include "executor/model/tool_calls.h"
#include "shared/base/clock.h"
#include <stdio.h>
#include <stdlib.h>

/* bytes. Of a list of models: some hundred kB with providers that have thousands. What is more is not looked at. */
#define LIST_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define URL_BYTES_MAX  8192

struct trial {
    const struct trial_params *params;
    struct trial_result *ret;
    uv_loop_t loop;
    uv_timer_t look;
    struct http_client *http;
    struct http_headers *headers;
    struct attempt *attempt; /* NULL: it is over, or the list is asked for */
    struct buf body;         /* of the list */
    int64_t started_ms;
    bool is_over, has_spoken;
};

static void end(struct trial *t)
{
    t->is_over = true;
    t->ret->elapsed_ms = clock_monotonic_ms() - t->started_ms;
}

static void set_words(struct trial *t, struct str words)
{
    size_t len = str_is_utf8(words) ? str_utf8_cut(words, sizeof t->ret->words - 1) : 0;
    snprintf(t->ret->words, sizeof t->ret->words, "%.*s", (int)len, words.ptr);
}

/* --- a model is asked --- */

static void on_text(void *arg, struct str delta)
{
    (void)delta; /* that there are some is enough; they come from inside libcurl, where nothing may end */
    ((struct trial *)arg)->has_spoken = true;
}

static void on_reply(void *arg, const struct model_reply *reply)
{
    struct trial *t = arg;
    (void)reply;
    t->attempt = NULL;
    t->has_spoken = true;
}

static void on_failed(void *arg, const struct attempt_failure *failure)
{
    struct trial *t = arg;
    t->attempt = NULL;
    t->ret->http_status = failure->http_status;
    t->ret->refusal = failure->refusal;
    t->ret->error_type = failure->error_type;
    set_words(t, failure->words);
    end(t);
}

/* A limit of tokens would be cheaper still, but its name depends on the model; instead the first words end the call. */
static enum status_code ask_model(struct trial *t, int64_t total_ms, struct status *err)
{
    static const struct attempt_callbacks callbacks = {
        .text = on_text, .done = on_reply, .failed = on_failed};
    static const struct model_message message = {.role = {"user", 4}, .text = {"Say ok.", 7}};
    const struct model_request request = {
        .model = t->params->model, .messages = &message, .message_count = 1};
    const struct attempt_params params = {.protocol = t->params->protocol,
                                          .headers = t->headers,
                                          .base_url = t->params->base_url,
                                          .name = STR("under test"),
                                          .model = t->params->model,
                                          .request = &request,
                                          .connect_ms = total_ms,
                                          .first_content_ms = total_ms,
                                          .idle_ms = total_ms,
                                          .total_ms = total_ms};
    t->attempt = attempt_start(t->http, &params, &callbacks, t, err);
    return t->attempt == NULL ? err->code : STATUS_OK;
}

/* --- the list of models --- */

static void on_data(void *arg, struct str bytes)
{
    struct trial *t = arg;
    buf_put(&t->body, bytes);
}

/* What the body says of a refusal, in the words of the protocol. */
static void read_refusal(struct trial *t)
{
    const struct protocol *protocol = t->params->protocol;
    struct tool_calls calls = {0};
    struct protocol_piece piece;
    void *reader = calloc(1, protocol->reader_size);
    struct str body = str_trim(buf_str(&t->body));
    if (reader == NULL || !protocol->read(reader, STR(""), body, true, &calls, &piece) ||
        piece.error.ptr == NULL)
        piece = (struct protocol_piece){.error = body};
    struct refusal_verdict verdict = refusal_of(t->ret->http_status, &piece);
    t->ret->refusal = verdict.refusal;
    t->ret->error_type = verdict.error_type;
    struct buf words;
    buf_init(&words, REFUSAL_WORDS_BYTES_MAX);
    refusal_put_words(&words, protocol, t->headers, piece.error);
    set_words(t, buf_str(&words));
    buf_fini(&words);
    tool_calls_fini(&calls);
    if (reader != NULL)
        protocol->reader_fini(reader);
    free(reader);
}

static void on_list(void *arg, const struct http_result *result)
{
    struct trial *t = arg;
    t->ret->http_status = result->status;
    t->ret->ok = result->outcome == HTTP_ANSWERED && result->status >= 200 && result->status < 300;
    if (!t->ret->ok && result->status == 0) {
        t->ret->refusal = REFUSAL_UNAVAILABLE;
        t->ret->error_type = "InvokeConnectionError";
        set_words(t, str_c(result->words));
    } else if (!t->ret->ok) {
        read_refusal(t);
    }
    end(t);
}

static enum status_code ask_list(struct trial *t, int64_t total_ms, struct status *err)
{
    static const struct http_handler handler = {.data = on_data, .done = on_list};
    struct http_transfer *transfer;
    struct buf url;
    buf_init(&url, URL_BYTES_MAX);
    t->params->protocol->put_models_url(&url, t->params->base_url);
    buf_put_char(&url, '\0');
    const struct http_request request = {.method = "GET",
                                         .url = url.ptr,
                                         .headers = t->headers,
                                         .connect_ms = total_ms,
                                         .total_ms = total_ms,
                                         .takes_compressed = true};
    enum status_code rc = url.failed ? status_set(err, STATUS_INVALID_ARGUMENT, "the address is too long")
                                     : http_start(t->http, &request, NULL, &handler, t, &transfer, err);
    buf_fini(&url);
    return rc;
}

/* --- both --- */

static void on_look(uv_timer_t *look)
{
    struct trial *t = look->data;
    if (!atomic_load(t->params->is_given_up) || t->is_over)
        return;
    set_words(t, STR("given up"));
    t->ret->refusal = REFUSAL_UNAVAILABLE;
    t->ret->error_type = "InvokeConnectionError";
    end(t);
}

static void run(struct trial *t)
{
    uv_timer_init(&t->loop, &t->look);
    t->look.data = t;
    if (t->params->is_given_up != NULL)
        uv_timer_start(&t->look, on_look, TRIAL_LOOK_MS, TRIAL_LOOK_MS);
    while (!t->is_over) {
        uv_run(&t->loop, UV_RUN_ONCE);
        if (t->has_spoken && !t->is_over) {
            t->ret->ok = true;
            t->ret->http_status = 200;
            end(t);
        }
    }
    if (t->attempt != NULL)
        attempt_cancel(t->attempt);
    uv_close((uv_handle_t *)&t->look, NULL);
}

enum status_code trial_run(const struct trial_params *params, struct trial_result *ret, struct status *err)
{
    struct trial t = {.params = params, .ret = ret, .started_ms = clock_monotonic_ms()};
    int64_t total_ms = params->total_ms > 0 ? params->total_ms : TRIAL_MS;
    *ret = (struct trial_result){.ok = false};
    buf_init(&t.body, LIST_BYTES_MAX);
    if (uv_loop_init(&t.loop) != 0)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for a loop");
    const struct http_client_options options = {.loop = &t.loop, .ca_file = params->ca_file};
    enum status_code rc = protocol_headers(params->protocol, params->secret, &t.headers, err);
    if (rc == STATUS_OK)
        rc = http_client_new(&options, &t.http, err);
    if (rc == STATUS_OK)
        rc = params->model.len > 0 ? ask_model(&t, total_ms, err) : ask_list(&t, total_ms, err);
    if (rc == STATUS_OK)
        run(&t);
    http_client_close(t.http);
    uv_run(&t.loop, UV_RUN_DEFAULT);
    uv_loop_close(&t.loop);
    http_headers_unref(t.headers);
    buf_fini(&t.body);
    return rc;
}
