/* attempt: see the header. */
#include "executor/model/attempt.h"

#include "executor/model/refusal.h"
#include "executor/model/retry_hint.h"
#include "executor/model/sse.h"
#include "executor/model/tool_calls.h"
#include "shared/base/clock.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* bytes. Of an address with its model and its query. */
#define URL_BYTES_MAX 8192
/* bytes. Of an answer that is not a stream, or of an error's body; and of a text that is to come in one piece. */
#define BODY_BYTES_MAX ((size_t)16 * 1024 * 1024)
/* bytes. Of a whole stream, unpacked: no answer has as much, what does is an attack by compression. */
#define STREAM_BYTES_MAX ((size_t)256 * 1024 * 1024)
/* tokens. No call takes as many; what says more would do nothing but overflow sums. */
#define TOKENS_MAX ((int64_t)1000 * 1000 * 1000)
/* ms. Once a model has said why it ends, only its usage may still come. */
#define TAIL_MS 5000

enum answer {
    ANSWER_UNKNOWN,
    ANSWER_STREAM, /* 2xx, server-sent events */
    ANSWER_WHOLE   /* anything else: kept and read at the end */
};

struct attempt {
    struct http_transfer *transfer; /* NULL: it has ended */
    const struct protocol *protocol;
    struct http_headers *headers;
    struct str name;
    struct attempt_callbacks callbacks;
    void *arg;
    enum answer answer;
    struct sse sse;
    size_t stream_bytes;
    struct buf body; /* ANSWER_WHOLE; or the words of an error inside of a stream */
    struct buf text; /* when it is wanted in one piece */
    struct tool_calls calls;
    struct usage usage;
    char finish_reason[32];
    char error_code[64], error_kind[64];
    int error_status;
    int64_t error_asked_ms, started_ms;
    struct retry_hint hint;
    bool is_whole;  /* the text is wanted in one piece */
    bool has_begun; /* a readable piece has come */
    bool has_usage;
    bool has_content;   /* text, reasoning or a call of a tool has come */
    bool is_done;       /* the model has said that it ends, and why */
    bool is_reasoning;  /* inside <think>: reasoning is shown as Dify shows it */
    bool is_unreadable; /* garbage, or too long */
    bool has_error;     /* body holds it */
    bool has_spoken;    /* some of its text was delivered */
    _Alignas(max_align_t) unsigned char reader[];
};

static void attempt_free(struct attempt *a)
{
    a->protocol->reader_fini(a->reader);
    http_headers_unref(a->headers);
    sse_fini(&a->sse);
    tool_calls_fini(&a->calls);
    buf_fini(&a->body);
    buf_fini(&a->text);
    free(a);
}

/* --- what comes --- */

/* There is no use in more of the answer. */
static bool finish(struct attempt *a)
{
    if (a->transfer != NULL)
        http_finish(a->transfer);
    return false;
}

static bool give_up(struct attempt *a)
{
    a->is_unreadable = true;
    return finish(a);
}

static void note_content(struct attempt *a)
{
    if (a->has_content)
        return;
    a->has_content = true;
    a->usage.first_token_ms = clock_monotonic_ms() - a->started_ms;
    if (a->transfer != NULL)
        http_first_seen(a->transfer);
}

static void say(struct attempt *a, struct str text)
{
    if (a->is_whole) {
        buf_put(&a->text, text);
        a->is_unreadable |= a->text.failed;
        return;
    }
    a->has_spoken = true;
    a->callbacks.text(a->arg, text);
}

static void end_reasoning(struct attempt *a)
{
    if (a->is_reasoning)
        say(a, STR("\n</think>"));
    a->is_reasoning = false;
}

/* Reasoning comes in a field of its own; Dify puts it into the text in <think> tags. */
static void take_text(struct attempt *a, const struct protocol_piece *piece)
{
    if (piece->reasoning.len > 0) {
        note_content(a);
        if (!a->is_reasoning)
            say(a, STR("<think>\n"));
        a->is_reasoning = true;
        say(a, piece->reasoning);
    }
    if (piece->text.len > 0) {
        note_content(a);
        end_reasoning(a);
        say(a, piece->text);
    }
}

static void take_error(struct attempt *a, const struct protocol_piece *piece)
{
    a->has_error = true;
    buf_clear(&a->body);
    buf_put(&a->body, piece->error);
    snprintf(a->error_code, sizeof a->error_code, "%.*s", STR_ARG(piece->error_code));
    snprintf(a->error_kind, sizeof a->error_kind, "%.*s", STR_ARG(piece->error_kind));
    a->error_status = piece->error_status;
    a->error_asked_ms = piece->error_asked_ms;
}

static int64_t bounded_tokens(int64_t tokens)
{
    return tokens < TOKENS_MAX ? tokens : TOKENS_MAX;
}

static void take_end(struct attempt *a, const struct protocol_piece *piece)
{
    if (piece->finish_reason.len > 0) {
        a->is_done = true;
        snprintf(a->finish_reason, sizeof a->finish_reason, "%.*s", STR_ARG(piece->finish_reason));
        if (a->transfer != NULL)
            http_set_idle(a->transfer, TAIL_MS);
    }
    if (!piece->has_usage)
        return;
    a->has_usage = true;
    if (piece->prompt_tokens >= 0)
        a->usage.prompt_tokens = bounded_tokens(piece->prompt_tokens);
    if (piece->completion_tokens >= 0)
        a->usage.completion_tokens = bounded_tokens(piece->completion_tokens);
}

/* False: there is no use in reading on. */
static bool take_piece(struct attempt *a, struct str event, struct str data, bool is_whole)
{
    struct protocol_piece piece;
    size_t calls_before = a->calls.count;
    if (!a->protocol->read(a->reader, event, data, is_whole, &a->calls, &piece))
        return give_up(a);
    a->has_begun = true;
    if (piece.error.ptr != NULL) {
        take_error(a, &piece);
        return finish(a);
    }
    if (a->calls.count > calls_before)
        note_content(a);
    take_text(a, &piece);
    take_end(a, &piece);
    if (a->is_unreadable)
        return finish(a);
    a->is_done |= piece.is_last;
    return piece.is_last ? finish(a) : true;
}

static bool on_event(void *arg, struct str name, struct str data)
{
    return data.len == 0 || take_piece(arg, name, data, false);
}

static void on_header(void *arg, struct str name, struct str value)
{
    struct attempt *a = arg;
    retry_hint_take(&a->hint, name, value, clock_wall_ms());
}

static bool is_good(int status)
{
    return status >= 200 && status < 300;
}

/* By its type; some call a stream plain text, or nothing at all. */
static enum answer answer_of(const struct attempt *a, struct str bytes)
{
    struct str type = http_transfer_content_type(a->transfer);
    if (!is_good(http_transfer_status(a->transfer)))
        return ANSWER_WHOLE;
    if (str_eq_nocase(str_trim(str_sub(type, 0, sizeof "text/event-stream" - 1)), STR("text/event-stream")))
        return ANSWER_STREAM;
    bool is_unsaid =
        type.len == 0 || str_eq_nocase(str_sub(type, 0, sizeof "text/plain" - 1), STR("text/plain"));
    bool looks_so = bytes.len > 0 && (bytes.ptr[0] == 'd' || bytes.ptr[0] == 'e' || bytes.ptr[0] == ':');
    return is_unsaid && looks_so ? ANSWER_STREAM : ANSWER_WHOLE;
}

static void on_data(void *arg, struct str bytes)
{
    struct attempt *a = arg;
    if (a->answer == ANSWER_UNKNOWN)
        a->answer = answer_of(a, bytes);
    a->stream_bytes += bytes.len;
    if (a->answer == ANSWER_WHOLE) {
        buf_put(&a->body, bytes);
        if (a->body.failed)
            give_up(a);
    } else if (a->stream_bytes > STREAM_BYTES_MAX || !sse_feed(&a->sse, bytes, on_event, a)) {
        give_up(a);
    }
}

/* --- how it ends --- */

static void succeed(struct attempt *a, int status)
{
    end_reasoning(a);
    if (a->text.len > 0)
        a->callbacks.text(a->arg, buf_str(&a->text));
    a->usage.latency_ms = clock_monotonic_ms() - a->started_ms;
    const struct model_reply reply = {.usage = a->usage,
                                      .has_usage = a->has_usage,
                                      .http_status = status,
                                      .finish_reason = str_c(a->finish_reason),
                                      .calls = tool_calls_list(&a->calls),
                                      .call_count = a->calls.count};
    a->callbacks.done(a->arg, &reply);
    attempt_free(a);
}

static void fail(struct attempt *a, struct attempt_failure *failure, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Tells and ends. */
static void fail(struct attempt *a, struct attempt_failure *failure, const char *fmt, ...)
{
    char words[1024];
    va_list list;
    va_start(list, fmt);
    vsnprintf(words, sizeof words, fmt, list);
    va_end(list);
    struct str message = str_c(words);
    message.len = str_is_utf8(message) ? message.len : str_utf8_cut(message, message.len);
    failure->message = message;
    failure->has_spoken = a->has_spoken;
    a->callbacks.failed(a->arg, failure);
    attempt_free(a);
}

/* An error in the provider's words: the body of a refusal, or one that came in place of an answer. */
static void fail_with_error(struct attempt *a, int status, const struct protocol_piece *piece)
{
    int said = piece->error_status != 0 && is_good(status) ? piece->error_status : status;
    struct refusal_verdict verdict = refusal_of(is_good(said) ? 0 : said, piece);
    struct attempt_failure failure = {
        .refusal = verdict.refusal, .error_type = verdict.error_type, .http_status = status};
    if (verdict.refusal == REFUSAL_RATE_LIMIT || verdict.refusal == REFUSAL_NO_QUOTA)
        failure.asked_ms = retry_hint_limited_ms(&a->hint);
    else if (verdict.refusal == REFUSAL_UNAVAILABLE)
        failure.asked_ms = retry_hint_asked_ms(&a->hint);
    if (verdict.refusal != REFUSAL_REQUEST && piece->error_asked_ms > failure.asked_ms)
        failure.asked_ms = piece->error_asked_ms;
    struct buf words;
    buf_init(&words, REFUSAL_WORDS_BYTES_MAX);
    refusal_put_words(&words, a->protocol, a->headers, piece->error);
    failure.words = buf_str(&words);
    if (is_good(status))
        fail(a, &failure, "credential %.*s: %.*s", STR_ARG(a->name), STR_ARG(failure.words));
    else
        fail(a, &failure, "HTTP %d from credential %.*s: %.*s", status, STR_ARG(a->name),
             STR_ARG(failure.words));
    buf_fini(&words);
}

static void fail_with_noted_error(struct attempt *a, int status)
{
    const struct protocol_piece piece = {.error = buf_str(&a->body),
                                         .error_code = str_c(a->error_code),
                                         .error_kind = str_c(a->error_kind),
                                         .error_status = a->error_status,
                                         .error_asked_ms = a->error_asked_ms};
    fail_with_error(a, status, &piece);
}

/* A status that is no success: the body may say why. */
static void fail_with_status(struct attempt *a, int status)
{
    struct protocol_piece piece;
    struct str body = str_trim(buf_str(&a->body));
    if (!a->protocol->read(a->reader, STR(""), body, true, &a->calls, &piece) || piece.error.ptr == NULL)
        piece = (struct protocol_piece){.error = body};
    fail_with_error(a, status, &piece);
}

/* An answer that does not come, or is none. */
static void fail_without_answer(struct attempt *a, const struct http_result *result)
{
    bool is_answered = result->outcome == HTTP_ANSWERED;
    bool is_late = result->outcome == HTTP_TIMED_OUT && result->status != 0;
    struct attempt_failure failure = {.refusal = REFUSAL_UNAVAILABLE,
                                      .error_type = is_answered || a->is_unreadable || is_late
                                                        ? "InvokeServerUnavailableError"
                                                        : "InvokeConnectionError",
                                      .http_status = result->status};
    failure.words = a->is_unreadable ? STR("the answer of the model could not be read")
                    : is_answered    ? STR("the model ended without an answer")
                                     : str_c(result->words);
    fail(a, &failure, "%.*s (credential %.*s)", STR_ARG(failure.words), STR_ARG(a->name));
}

static void on_done(void *arg, const struct http_result *result)
{
    struct attempt *a = arg;
    bool is_ended = result->outcome == HTTP_ANSWERED && is_good(result->status);
    a->transfer = NULL;
    if (is_ended && !a->has_error && !a->is_unreadable && a->answer == ANSWER_STREAM)
        sse_end(&a->sse, on_event, a);
    else if (is_ended && !a->has_error && !a->is_unreadable && a->body.len > 0)
        (void)take_piece(a, STR(""), buf_str(&a->body), true); /* it notes what it finds */
    /* A stream with nothing in it is no answer, even if it is a whole one. */
    bool is_enough = a->answer == ANSWER_STREAM ? a->has_content : a->has_begun;
    if (a->has_error)
        fail_with_noted_error(a, result->status);
    else if (a->is_done || (is_ended && is_enough && !a->is_unreadable))
        succeed(a, result->status); /* also when only the end of the connection was untidy */
    else if (result->status != 0 && !is_good(result->status))
        fail_with_status(a, result->status);
    else
        fail_without_answer(a, result);
}

/* --- start and stop --- */

static int64_t or_default(int64_t ms, int64_t fallback_ms)
{
    return ms > 0 ? ms : fallback_ms;
}

static enum status_code send_request(struct attempt *a, struct http_client *http,
                                     const struct attempt_params *params, struct status *err)
{
    static const struct http_handler handler = {.header = on_header, .data = on_data, .done = on_done};
    struct buf url, body;
    buf_init(&url, URL_BYTES_MAX);
    buf_init(&body, PROTOCOL_REQUEST_BYTES_MAX);
    params->protocol->put_url(&url, params->base_url, params->model, params->request);
    buf_put_char(&url, '\0');
    enum status_code rc = params->protocol->put_request(&body, params->model, params->request, err);
    if (rc == STATUS_OK && (url.failed || body.failed))
        rc = status_set(err, STATUS_RESOURCE_EXHAUSTED,
                        "no memory for the model's request, or it is too long");
    const struct http_request request = {.method = "POST",
                                         .url = url.ptr,
                                         .headers = params->headers,
                                         .more = params->more,
                                         .more_count = params->more_count,
                                         .connect_ms = params->connect_ms,
                                         .first_ms =
                                             or_default(params->first_content_ms, ATTEMPT_FIRST_CONTENT_MS),
                                         .idle_ms = or_default(params->idle_ms, ATTEMPT_IDLE_MS),
                                         .total_ms = or_default(params->total_ms, ATTEMPT_TOTAL_MS),
                                         .repeat = HTTP_MAY_REPEAT,
                                         .takes_compressed = true};
    if (rc == STATUS_OK)
        rc = http_start(http, &request, &body, &handler, a, &a->transfer, err);
    buf_fini(&url);
    buf_fini(&body);
    return rc;
}

struct attempt *attempt_start(struct http_client *http, const struct attempt_params *params,
                              const struct attempt_callbacks *callbacks, void *arg, struct status *err)
{
    struct attempt *a = calloc(1, sizeof *a + params->protocol->reader_size);
    if (a == NULL) {
        status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for a model call");
        return NULL;
    }
    a->protocol = params->protocol;
    a->headers = http_headers_ref(params->headers);
    a->name = params->name;
    a->callbacks = *callbacks;
    a->arg = arg;
    a->is_whole = params->request->is_whole;
    a->usage.first_token_ms = -1;
    a->started_ms = clock_monotonic_ms();
    sse_init(&a->sse);
    buf_init(&a->body, BODY_BYTES_MAX);
    buf_init(&a->text, BODY_BYTES_MAX);
    if (send_request(a, http, params, err) == STATUS_OK)
        return a;
    attempt_free(a);
    return NULL;
}

void attempt_cancel(struct attempt *attempt)
{
    if (attempt->transfer != NULL)
        http_cancel(attempt->transfer);
    attempt_free(attempt);
}

void attempt_pause(struct attempt *attempt)
{
    http_pause(attempt->transfer);
}

void attempt_resume(struct attempt *attempt)
{
    http_resume(attempt->transfer);
}
