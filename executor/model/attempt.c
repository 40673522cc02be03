/* attempt: see the header. */
#include "executor/model/attempt.h"

#include "executor/model/backend.h"
#include "executor/model/openai.h"
#include "executor/model/sse.h"
#include "executor/model/tool_calls.h"
#include "shared/base/clock.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum answer {
    ANSWER_UNKNOWN,
    ANSWER_STREAM, /* 200, text/event-stream */
    ANSWER_WHOLE   /* anything else: kept and read at the end */
};

struct attempt {
    struct http_transfer *transfer;
    const struct credential *credential;
    struct model_callbacks callbacks;
    void *arg;
    enum answer answer;
    struct sse sse;
    struct buf body; /* ANSWER_WHOLE; or the error that came inside a stream */
    struct tool_calls calls;
    struct usage usage;
    char finish_reason[32];
    int64_t started_ms;
    bool has_begun;     /* a readable piece has come */
    bool is_done;       /* [DONE], or a finish reason */
    bool is_over;       /* [DONE]: what follows it is of no interest */
    bool is_reasoning;  /* inside <think>: reasoning_content is shown as Dify shows it */
    bool is_unreadable; /* garbage, or too long */
    bool has_error;     /* body holds it */
    bool has_spoken;    /* some of its text was delivered */
    int status;         /* HTTP; 0: no answer */
    int64_t asked_ms;   /* Retry-After */
    char error_code[64];
};

static void call_free(struct attempt *call)
{
    pool_unref(call->credential->pool);
    sse_fini(&call->sse);
    tool_calls_fini(&call->calls);
    buf_fini(&call->body);
    free(call);
}

static void note_first_token(struct attempt *call)
{
    if (call->usage.first_token_ms < 0)
        call->usage.first_token_ms = clock_monotonic_ms() - call->started_ms;
}

/* Reasoning comes in a field of its own from some providers; Dify puts it into the text in <think> tags. */
static void put_reasoning(struct attempt *call, struct str reasoning)
{
    if (reasoning.len == 0)
        return;
    note_first_token(call);
    call->has_spoken = true;
    if (!call->is_reasoning)
        call->callbacks.text(call->arg, STR("<think>\n"));
    call->is_reasoning = true;
    call->callbacks.text(call->arg, reasoning);
}

static void end_reasoning(struct attempt *call)
{
    if (call->is_reasoning)
        call->callbacks.text(call->arg, STR("\n</think>"));
    call->is_reasoning = false;
}

/* False: too many, or too long. */
static bool take_calls(struct attempt *call, const struct openai_piece *piece)
{
    size_t count = openai_call_count(piece);
    if (count > 0)
        note_first_token(call);
    for (size_t i = 0; i < count; i++) {
        struct openai_call part = openai_call_at(piece, i);
        if (!tool_calls_add(&call->calls, &part))
            return false;
    }
    return true;
}

/* False: there is no use in reading on. */
static bool take_piece(struct attempt *call, struct str json)
{
    struct openai_piece piece;
    if (!openai_read(json, &piece)) {
        call->is_unreadable = true;
        return false;
    }
    call->has_begun = true;
    if (piece.error.ptr != NULL) {
        call->has_error = true;
        buf_clear(&call->body);
        buf_put(&call->body, piece.error);
        snprintf(call->error_code, sizeof call->error_code, "%.*s", STR_ARG(piece.error_code));
    } else if (!take_calls(call, &piece)) {
        call->is_unreadable = true;
    } else {
        put_reasoning(call, piece.reasoning);
        if (piece.text.len > 0) {
            note_first_token(call);
            call->has_spoken = true;
            end_reasoning(call);
            call->callbacks.text(call->arg, piece.text);
        }
        if (piece.finish_reason.len > 0) {
            call->is_done = true;
            snprintf(call->finish_reason, sizeof call->finish_reason, "%.*s", STR_ARG(piece.finish_reason));
        }
        if (piece.has_usage) {
            call->usage.prompt_tokens = piece.prompt_tokens;
            call->usage.completion_tokens = piece.completion_tokens;
        }
    }
    value_unref(piece.root);
    return !call->has_error && !call->is_unreadable;
}

static bool on_event(void *arg, struct str data)
{
    struct attempt *call = arg;
    if (str_eq(data, STR("[DONE]"))) {
        call->is_done = call->is_over = true;
        return false;
    }
    return data.len == 0 || take_piece(call, data);
}

static void on_data(void *arg, struct str bytes)
{
    struct attempt *call = arg;
    if (call->answer == ANSWER_UNKNOWN) {
        struct str type = http_transfer_content_type(call->transfer);
        bool is_stream = http_transfer_status(call->transfer) == 200 &&
                         str_eq_nocase(str_trim(str_sub(type, 0, sizeof "text/event-stream" - 1)),
                                       STR("text/event-stream"));
        call->answer = is_stream ? ANSWER_STREAM : ANSWER_WHOLE;
    }
    if (call->answer == ANSWER_WHOLE)
        buf_put(&call->body, bytes);
    else if (!call->is_over && !call->is_unreadable && !call->has_error &&
             !sse_feed(&call->sse, bytes, on_event, call))
        call->is_unreadable = true;
}

static void fail(struct attempt *call, const char *error_type, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Tells and ends. */
static void fail(struct attempt *call, const char *error_type, const char *fmt, ...)
{
    char words[1024];
    va_list list;
    va_start(list, fmt);
    vsnprintf(words, sizeof words, fmt, list);
    va_end(list);
    struct str message = str_c(words);
    message.len = str_is_utf8(message) ? message.len : str_utf8_cut(message, message.len);
    call->callbacks.failed(call->arg, error_type, message);
    call_free(call);
}

static void succeed(struct attempt *call)
{
    end_reasoning(call);
    call->usage.latency_ms = clock_monotonic_ms() - call->started_ms;
    const struct model_reply reply = {.usage = call->usage,
                                      .finish_reason = str_c(call->finish_reason),
                                      .calls = tool_calls_list(&call->calls),
                                      .call_count = call->calls.count};
    call->callbacks.done(call->arg, &reply);
    call_free(call);
}

/* bytes. Of a provider's own words in an error. */
#define WORDS_MAX 600
/* bytes. The same when every letter of it is a key, and is replaced. */
#define WORDS_BYTES_MAX (3 * WORDS_MAX + 1)

/* What a provider says, cut, and without the key that some quote when they refuse it. */
static void put_words(struct buf *ret, const struct attempt *call, struct str words)
{
    struct str key = http_headers_get(call->credential->headers, STR("Authorization"));
    key = str_sub(key, sizeof "Bearer " - 1, key.len);
    size_t end = str_utf8_cut(words, WORDS_MAX), at = 0;
    while (at < end) {
        size_t next = key.len == 0 ? SIZE_MAX : str_find(words, key, at);
        bool is_quoted = next < end;
        buf_put(ret, str_sub(words, at, is_quoted ? next : end));
        if (is_quoted)
            buf_put_c(ret, "***");
        at = is_quoted ? next + key.len : end;
    }
}

/* The provider's own words in the body of a refusal. */
static void fail_with_status(struct attempt *call, int status)
{
    struct openai_piece piece = {.root = NULL};
    struct str words = str_trim(buf_str(&call->body));
    if (openai_read(words, &piece) && piece.error.ptr != NULL)
        words = piece.error;
    if (words.len == 0)
        words = STR("no words in the answer");
    struct buf copy;
    buf_init(&copy, WORDS_BYTES_MAX);
    put_words(&copy, call, words);
    value_unref(piece.root);
    struct str said = str_is_utf8(buf_str(&copy)) ? buf_str(&copy) : STR("words that are no text");
    fail(call, openai_error_type(status), "HTTP %d from credential %.*s: %.*s", status,
         STR_ARG(call->credential->name), STR_ARG(said));
    buf_fini(&copy);
}

static const char *error_type_of_code(const char *code)
{
    struct str text = str_c(code);
    if (str_find(text, STR("rate_limit"), 0) != SIZE_MAX || str_find(text, STR("quota"), 0) != SIZE_MAX)
        return "InvokeRateLimitError";
    return str_find(text, STR("api_key"), 0) != SIZE_MAX ? "InvokeAuthorizationError"
                                                         : "InvokeServerUnavailableError";
}

/* An error that came inside a stream. */
static void fail_with_error(struct attempt *call)
{
    struct buf said;
    buf_init(&said, WORDS_BYTES_MAX);
    put_words(&said, call, buf_str(&call->body));
    fail(call, error_type_of_code(call->error_code), "credential %.*s: %.*s", STR_ARG(call->credential->name),
         STR_ARG(buf_str(&said)));
    buf_fini(&said);
}

/* Retry-After: seconds, or a date of HTTP. */
static void on_header(void *arg, struct str name, struct str value)
{
    struct attempt *call = arg;
    int64_t seconds;
    char date[64];
    if (!str_eq_nocase(name, STR("retry-after")))
        return;
    if (str_to_i64(value, &seconds)) {
        call->asked_ms = seconds > 0 && seconds < INT32_MAX ? seconds * 1000 : 0;
        return;
    }
    struct tm tm = {0};
    snprintf(date, sizeof date, "%.*s", STR_ARG(str_sub(value, 0, sizeof date - 1)));
    if (strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm) == NULL)
        return;
    int64_t wait_ms = (int64_t)timegm(&tm) * 1000 - clock_wall_ms();
    call->asked_ms = wait_ms > 0 ? wait_ms : 0;
}

/* An error inside of a stream has only words; its type says the same as a status would. */
static bool is_rate_limit(const struct attempt *call)
{
    return call->status == 429 ||
           (call->has_error && strcmp(error_type_of_code(call->error_code), "InvokeRateLimitError") == 0);
}

struct attempt_refusal attempt_refusal(const struct attempt *call)
{
    int status = call->status;
    /* What a provider finds wrong with the request itself, every other one would, too. */
    bool is_about_request = status == 400 || status == 404 || status == 413 || status == 422;
    return (struct attempt_refusal){.may_try_another = !call->has_spoken && !is_about_request,
                                    .must_rest = !is_about_request,
                                    .cause = is_rate_limit(call) ? REST_RATE_LIMIT : REST_REFUSED,
                                    .asked_ms = call->asked_ms};
}

static void on_done(void *arg, const struct http_result *result)
{
    struct attempt *call = arg;
    call->transfer = NULL;
    call->status = result->status;
    if (result->outcome == HTTP_ANSWERED && result->status == 200 && call->answer == ANSWER_STREAM)
        sse_end(&call->sse, on_event, call);
    else if (result->outcome == HTTP_ANSWERED && result->status == 200 &&
             !take_piece(call, buf_str(&call->body)) && !call->has_error)
        call->is_unreadable = true;
    bool is_answered = result->outcome == HTTP_ANSWERED && result->status == 200;
    if (call->has_error)
        fail_with_error(call);
    else if (call->is_done || (is_answered && call->has_begun && !call->is_unreadable))
        succeed(call); /* also when only the end of the connection was untidy */
    else if (result->outcome == HTTP_ANSWERED && result->status != 200)
        fail_with_status(call, result->status);
    else if (call->is_unreadable)
        fail(call, "InvokeServerUnavailableError",
             "the answer of the model could not be read (credential %.*s)", STR_ARG(call->credential->name));
    else if (is_answered)
        fail(call, "InvokeServerUnavailableError", "the model ended without an answer (credential %.*s)",
             STR_ARG(call->credential->name));
    else
        fail(call, "InvokeConnectionError", "%s (credential %.*s)", result->words,
             STR_ARG(call->credential->name));
}

struct attempt *attempt_start(struct http_client *http, const struct credential *credential,
                              const struct model_request *request, const struct model_callbacks *callbacks,
                              void *arg, struct status *err)
{
    static const struct http_handler handler = {.header = on_header, .data = on_data, .done = on_done};
    struct attempt *call = calloc(1, sizeof *call);
    if (call == NULL) {
        status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for a model call");
        return NULL;
    }
    call->credential = credential;
    call->callbacks = *callbacks;
    call->arg = arg;
    call->usage.first_token_ms = -1;
    call->started_ms = clock_monotonic_ms();
    pool_ref(credential->pool);
    sse_init(&call->sse);
    buf_init(&call->body, MODEL_BODY_BYTES_MAX);
    struct buf url, body;
    buf_init(&url, STORE_URL_BYTES_MAX + 64);
    buf_init(&body, OPENAI_REQUEST_BYTES_MAX);
    buf_put(&url, credential->base_url);
    buf_put_c(&url, openai_path(request));
    buf_put_char(&url, '\0');
    openai_put_request(&body, request);
    const struct http_request http_request = {.method = "POST",
                                              .url = url.ptr,
                                              .headers = credential->headers,
                                              .idle_ms = MODEL_IDLE_MS,
                                              .repeat = HTTP_MAY_REPEAT};
    enum status_code rc =
        url.failed || body.failed
            ? status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for the model's request")
            : http_start(http, &http_request, &body, &handler, call, &call->transfer, err);
    buf_fini(&url);
    buf_fini(&body);
    if (rc == STATUS_OK)
        return call;
    call_free(call);
    return NULL;
}

void attempt_cancel(struct attempt *call)
{
    if (call->transfer != NULL)
        http_cancel(call->transfer);
    call_free(call);
}

void attempt_pause(struct attempt *call)
{
    http_pause(call->transfer);
}

void attempt_resume(struct attempt *call)
{
    http_resume(call->transfer);
}
