/*
 * chat: answers to model requests.
 *
 * chat_advance() is the one place that moves an exchange. It prepares what is due (words of a stream, or a whole body),
 * sends it in one piece or cut into pieces, and waits for what is due next. Where a rule breaks an answer off, what is
 * prepared ends there.
 */
#include "chat.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "models.h"
#include "pack.h"
#include "provider_error.h"
#include "reply.h"

enum {
    SEND_BYTES_MAX = 1024 * 1024, /* words that are due together and exceed this go out in several writes */
    EVENTS_BYTES_MAX = 112 * 1024 * 1024, /* a whole reply of REPLY_BYTES_MAX with all its bytes escaped */
    EVENTS_KEEP_BYTES = 4 * 1024 * 1024,
    NS_PER_MS = 1000000
};

static const char greeting[] = "Hello! How can I help you today?";
static const char no_memory[] = "{\"error\":{\"message\":\"fakellm: the reply does not fit into memory\"}}";
static const char no_http[] = "\x15\x03\x01\x02\x02This is no HTTP.\r\n\r\n";
static const char no_answer[] = "<html><body>This is neither JSON nor a stream of events.</body></html>\n";
static const char no_json[] = "{\"choices\":[{\"delta\":{\"content\":\"this ends in the mid";

enum chat_kind {
    CHAT_STREAM, /* events as they come due */
    CHAT_WHOLE,  /* one body, when its last word is due */
    CHAT_ERROR   /* one body, when the first word would be due */
};

struct chat {
    struct chat_service *service;
    struct http_conn *conn;
    struct log_entry *entry;
    struct key_row *row;
    struct script *script; /* keeps `rule`, unless that is the service's */
    const struct rule *rule;
    enum chat_kind kind;
    enum protocol protocol;
    struct provider_error error; /* if it is to be said */

    struct limit_verdict verdict;
    struct key_outcome outcome;
    bool is_double_counted, is_delivered, is_finished;

    struct text echo; /* the words, unless the rule has them */
    struct text headers;
    struct reply reply;
    struct events events;
    struct pack *pack; /* NULL: not compressed */
    bool is_head_sent, is_start_sent;

    bool is_break_over;     /* nothing more breaks off */
    int64_t stall_until_ns; /* INT64_MAX: for ever */
    int64_t shift_ns;       /* all later words come later by the stall */

    /* What is prepared and not sent yet. */
    struct text own, packed; /* hold it between the turns when it goes out in pieces, or stalls */
    struct span ready;       /* in one of them or in the service's scratch */
    struct span later;       /* what follows of a body after its stall */
    bool has_later;
    bool is_raw;         /* no HTTP around it */
    int64_t ready_words; /* new words in it */
    int64_t later_words;
    int64_t content_length; /* -1: a stream */
    enum http_after ready_after;
};

static void chat_advance(struct chat *chat);

void chat_resume(void *exchange)
{
    chat_advance(exchange);
}

/* ---- what the report is told ---- */

/* The key should not be used from now on, if the rule or its headers say so. */
static void note_rest(struct chat *chat)
{
    const struct rule *rule = chat->rule;
    int64_t now_ns = (int64_t)uv_hrtime();
    int64_t rest_ms = rule->rest_ms >= 0 ? rule->rest_ms : rule->retry_after_ms;
    if (rest_ms < 0 && rule->retry_after_wall_ms >= 0) {
        struct timespec now;
        (void)clock_gettime(CLOCK_REALTIME, &now); /* this clock always exists */
        rest_ms = rule->retry_after_wall_ms - ((int64_t)now.tv_sec * 1000 + now.tv_nsec / NS_PER_MS);
    }
    if (rest_ms > 0)
        key_report_rest(chat->row, now_ns, now_ns + rest_ms * NS_PER_MS, rule->rest_grace_ms * NS_PER_MS);
}

static void note_limit(struct chat *chat)
{
    const struct limit_verdict *verdict = &chat->verdict;
    int64_t now_ns = (int64_t)uv_hrtime();
    if (verdict->says_retry_after)
        key_report_rest(chat->row, now_ns, now_ns + chat->error.retry_after_ms * NS_PER_MS,
                        verdict->rest_grace_ns);
}

/* The system has taken what was sent. */
static void note_taken(struct chat *chat)
{
    if (chat->is_delivered || chat->entry->chunks_sent == 0)
        return;
    chat->is_delivered = true;
    key_report_delivers(chat->service->keys, chat->row, chat->entry->messages_digest,
                        &chat->is_double_counted);
}

static size_t completion_tokens(const struct chat *chat)
{
    size_t tokens = (size_t)chat->entry->chunks_sent;
    if (chat->is_finished)
        tokens += reply_reasoning_tokens(&chat->reply) + reply_call_tokens(&chat->reply);
    return tokens;
}

static void chat_free(struct chat *chat)
{
    reply_fini(&chat->reply);
    pack_free(chat->pack);
    text_fini(&chat->echo);
    text_fini(&chat->headers);
    text_fini(&chat->own);
    text_fini(&chat->packed);
    script_unref(chat->script);
    free(chat);
}

void chat_ended(void *exchange, enum http_end how)
{
    struct chat *chat = exchange;
    if (how == HTTP_COMPLETED || how == HTTP_BROKEN_OFF)
        note_taken(chat);
    if (chat->outcome.is_stalled) /* a client may send more until it has lost patience */
        note_rest(chat);
    chat->outcome.how = how;
    chat->outcome.status = chat->entry->status;
    chat->outcome.is_served =
        chat->is_finished && (how == HTTP_COMPLETED || chat->rule->stream_end == END_OPEN);
    chat->outcome.completion_tokens = completion_tokens(chat);
    limits_settle(&chat->verdict, chat->outcome.completion_tokens);
    key_report_end(chat->row, &chat->outcome);
    request_log_end(chat->service->log, chat->entry, how);
    chat_free(chat);
}

/* ---- a request ---- */

/* What is said: the rule's reply, nothing when only tools are to be called, or an echo. */
static struct span chat_words(struct chat *chat, const struct prompt *prompt)
{
    if (chat->rule->reply != NULL)
        return span_of(chat->rule->reply);
    if (chat->rule->tool_calls != NULL)
        return SPAN("");
    text_put(&chat->echo, SPAN("You said: "));
    if (!prompt_put_last(prompt, &chat->echo))
        return span_of(greeting);
    return (struct span){chat->echo.ptr, chat->echo.len};
}

/* The request is refused before any rule is asked. */
static void refuse(struct chat *chat, int status, const char *problem)
{
    chat->rule = &chat->service->plain;
    chat->kind = CHAT_ERROR;
    chat->error.status = chat->entry->status = status;
    chat->error.message = problem;
}

static void choose_rule(struct chat *chat, const struct prompt *prompt, const char *model)
{
    struct log_entry *entry = chat->entry;
    struct script_subject subject = {.model = model,
                                     .api_key = entry->key,
                                     .protocol = entry->protocol,
                                     .has_tools = prompt->has_tools,
                                     .has_response_format = prompt->has_response_format,
                                     .is_stream = prompt->is_stream,
                                     .contains = prompt_contains,
                                     .arg = prompt};
    const struct rule *rule = chat->rule = script_use(chat->script, &subject, &entry->rule);
    bool is_inside = rule->error_after >= 0;
    chat->error.status = (int)rule->status;
    chat->error.kind = (enum error_kind)rule->error_kind;
    chat->error.retry_after_ms = rule->retry_after_ms;
    entry->status = is_inside ? 200 : (int)rule->status;
    chat->kind = entry->status != 200 ? CHAT_ERROR : prompt->is_stream ? CHAT_STREAM : CHAT_WHOLE;
}

/* Decides how the request is answered. */
static void chat_decide(struct chat *chat, const struct route *route, const struct prompt *prompt,
                        const char *model)
{
    struct log_entry *entry = chat->entry;
    if (prompt->problem != NULL || route->problem != NULL) {
        refuse(chat, prompt->problem == NULL && route->protocol == PROTOCOL_AZURE ? 404 : 400,
               prompt->problem != NULL ? prompt->problem : route->problem);
        return;
    }
    if (prompt->kind != PROMPT_NONE) {
        limits_admit(chat->service->limits, entry->key, model, prompt->words, entry->received_ns,
                     &chat->verdict);
        key_report_asked(chat->service->keys, chat->row, prompt->digest, &chat->is_double_counted);
    }
    if (chat->verdict.over == LIMIT_NOT_OVER) {
        chat->outcome.prompt_tokens = prompt->words;
        choose_rule(chat, prompt, model);
        return;
    }
    refuse(chat, 429, NULL);
    entry->is_limited = chat->outcome.is_limited = true;
    if (chat->verdict.says_retry_after)
        chat->error.retry_after_ms = (chat->verdict.retry_after_ns + NS_PER_MS - 1) / NS_PER_MS;
    if (route->protocol == PROTOCOL_ANTHROPIC) /* says it in whole seconds only */
        chat->error.retry_after_ms = (chat->error.retry_after_ms + 999) / 1000 * 1000;
}

static enum compression chosen_compression(const struct rule *rule, const struct http_head *head)
{
    bool is_taken = rule->compress == COMPRESS_GZIP ? head->takes_gzip : head->takes_deflate;
    return is_taken ? (enum compression)rule->compress : COMPRESS_NONE;
}

/* Makes what the answer needs. False: no memory. */
static bool chat_equip(struct chat *chat, const struct http_head *head, const struct prompt *prompt,
                       const char *model)
{
    const struct rule *rule = chat->rule;
    if (chat->verdict.requests >= 0 || chat->verdict.tokens >= 0 || chat->verdict.over != LIMIT_NOT_OVER)
        limits_put_headers(&chat->verdict, chat->protocol, &chat->headers);
    if (rule->headers != NULL)
        text_put_cstr(&chat->headers, rule->headers);
    chat->events = (struct events){.line_end = wire_of(chat->protocol)->line_end,
                                   .data_lines = rule->data_lines,
                                   .comments = rule->comments};
    if (rule->line_end != LINES_AS_PROVIDER)
        chat->events.line_end = rule->line_end == LINES_LF     ? "\n"
                                : rule->line_end == LINES_CRLF ? "\r\n"
                                                               : "\r";
    enum compression compression = chosen_compression(rule, head);
    if (compression != COMPRESS_NONE)
        chat->pack = pack_new(compression);
    if (chat->headers.failed || (compression != COMPRESS_NONE && chat->pack == NULL))
        return false;
    if (chat->kind == CHAT_ERROR || prompt->kind == PROMPT_NONE)
        return true;
    struct reply_text said = {.words = chat_words(chat, prompt), .rule = rule};
    return !chat->echo.failed && said.words.len <= (size_t)(REPLY_BYTES_MAX / rule->repeat) &&
           reply_init(&chat->reply, chat->protocol, prompt, model, chat->entry->id, &said);
}

static const char *id_prefix(const struct route *route)
{
    static const char *const prefixes[] = {[PROMPT_CHAT] = "chatcmpl-",
                                           [PROMPT_COMPLETION] = "cmpl-",
                                           [PROMPT_MESSAGES] = "msg_",
                                           [PROMPT_CONTENTS] = "resp_",
                                           [PROMPT_NONE] = "models-"};
    return prefixes[route->kind];
}

static struct chat *chat_new(struct chat_service *service, const struct route *route, struct http_conn *conn,
                             const struct http_request *req)
{
    struct chat *chat = calloc(1, sizeof *chat);
    if (chat == NULL)
        return NULL;
    chat->entry = request_log_begin(service->log, id_prefix(route), route->key, req);
    if (chat->entry == NULL) {
        free(chat);
        return NULL;
    }
    chat->service = service;
    chat->conn = conn;
    chat->protocol = route->protocol;
    chat->error =
        (struct provider_error){.protocol = route->protocol, .retry_after_ms = -1, .id = chat->entry->id};
    chat->verdict = (struct limit_verdict){.requests = -1, .tokens = -1};
    chat->entry->protocol = protocol_name(route->protocol);
    chat->entry->rule = -1;
    chat->script = script_ref(service->script);
    text_init(&chat->echo, REPLY_BYTES_MAX + 64);
    text_init(&chat->headers, 2 * RULE_HEADERS_BYTES_MAX);
    text_init(&chat->own, EVENTS_BYTES_MAX);
    text_init(&chat->packed, EVENTS_BYTES_MAX);
    return chat;
}

void chat_request(struct chat_service *service, const struct route *route, struct http_conn *conn,
                  const struct http_request *req)
{
    struct chat *chat = chat_new(service, route, conn, req);
    if (chat == NULL) {
        http_respond(conn, 500, "application/json", span_of(no_memory));
        return;
    }
    struct prompt prompt;
    (void)prompt_init(&prompt, route->kind, req->body); /* it says its problem */
    prompt.is_stream |= route->is_stream;
    const char *model = route->model[0] != '\0' ? route->model : prompt.model;
    struct log_entry *entry = chat->entry;
    entry->is_stream = prompt.is_stream;
    entry->messages_digest = prompt.digest;
    entry->model = model != NULL ? strdup(model) : NULL;
    chat->row = key_report_begin(service->keys, entry->key, model, entry->received_ns);
    chat_decide(chat, route, &prompt, model);
    http_set_exchange(conn, chat);
    if ((model == NULL || entry->model != NULL) && chat_equip(chat, req->head, &prompt, model)) {
        chat_advance(chat);
    } else {
        entry->status = 500;
        entry->first_byte_ns = (int64_t)uv_hrtime();
        http_respond(conn, 500, "application/json", span_of(no_memory));
    }
    prompt_fini(&prompt);
}

/* ---- its timeline ---- */

/* When word `index` (from 0) is due. */
static int64_t due_ns(const struct chat *chat, size_t index)
{
    const struct rule *rule = chat->rule;
    int64_t first = chat->entry->received_ns + rule->first_token_ms * NS_PER_MS + chat->shift_ns;
    if (rule->tokens_per_second <= 0)
        return first;
    return first + (int64_t)((double)index * 1e9 / rule->tokens_per_second);
}

/* Does it misbehave before its body begins? */
static bool breaks_early(const struct chat *chat)
{
    return !chat->is_head_sent && !chat->is_break_over &&
           (chat->rule->break_at != BREAK_AT_WORDS || chat->rule->garbage == GARBAGE_BYTES);
}

/* When something can be sent next; INT64_MAX: never. */
static int64_t next_due_ns(const struct chat *chat)
{
    const struct reply *reply = &chat->reply;
    size_t word = 0;
    if (chat->kind == CHAT_STREAM)
        word = reply->next_word;
    else if (chat->kind == CHAT_WHOLE && reply->word_count > 0 && !breaks_early(chat))
        word = reply->word_count - 1;
    int64_t due = due_ns(chat, word);
    return chat->stall_until_ns > due ? chat->stall_until_ns : due;
}

static bool is_broken_at(const struct chat *chat, size_t words)
{
    const struct rule *rule = chat->rule;
    return !chat->is_break_over && rule->break_at == BREAK_AT_WORDS && rule->break_after >= 0 &&
           words >= (size_t)rule->break_after;
}

static bool is_error_at(const struct chat *chat, size_t words)
{
    return chat->rule->error_after >= 0 && words >= (size_t)chat->rule->error_after;
}

/* What is prepared is where the answer breaks off. */
static void break_off(struct chat *chat, int64_t now_ns)
{
    const struct rule *rule = chat->rule;
    chat->is_break_over = true;
    switch ((enum break_how)rule->break_how) {
    case BREAK_CLOSE:
        chat->ready_after = HTTP_BREAK;
        chat->outcome.is_cut = true;
        note_rest(chat);
        break;
    case BREAK_RESET:
        chat->ready_after = HTTP_RESET;
        chat->outcome.is_reset = true;
        note_rest(chat);
        break;
    case BREAK_STALL:
        chat->ready_after = HTTP_MORE;
        chat->outcome.is_stalled = true;
        chat->shift_ns = rule->stall_ms * NS_PER_MS;
        chat->stall_until_ns = rule->stall_ms > 0 ? now_ns + chat->shift_ns : INT64_MAX;
        break;
    }
}

static void put_error(const struct chat *chat, struct text *out)
{
    if (chat->rule->error_body != NULL)
        text_put_cstr(out, chat->rule->error_body);
    else
        provider_error_put(&chat->error, out);
}

/* The stream ends with an error. */
static void put_error_event(struct chat *chat)
{
    events_begin(&chat->events, wire_of(chat->protocol)->error_event);
    put_error(chat, chat->events.out);
    events_end(&chat->events);
    chat->outcome.is_error_event = true;
    chat->ready_after = HTTP_LAST;
    note_rest(chat);
}

static void put_start(struct chat *chat)
{
    reply_put_start(&chat->reply, &chat->events);
    if (chat->rule->garbage == GARBAGE_EVENT) {
        events_put(&chat->events, NULL, span_of(no_json));
        chat->outcome.is_garbage = true;
    }
    chat->events.pad_bytes = chat->rule->line_bytes;
    chat->is_start_sent = true;
}

/* Puts the events of all words that are due at now_ns, and the end of the stream behind the last. */
static void prepare_stream(struct chat *chat, int64_t now_ns, struct text *out)
{
    struct reply *reply = &chat->reply;
    size_t before = reply->next_word;
    chat->events.out = out;
    if (!chat->is_start_sent && is_error_at(chat, 0) && !chat->rule->start_before_error) {
        put_error_event(chat);
        return;
    }
    if (!chat->is_start_sent)
        put_start(chat);
    while (reply->next_word < reply->word_count && !is_broken_at(chat, reply->next_word) &&
           !is_error_at(chat, reply->next_word) && due_ns(chat, reply->next_word) <= now_ns &&
           out->len < SEND_BYTES_MAX)
        reply_put_word(reply, &chat->events);
    chat->ready_words = (int64_t)(reply->next_word - before);
    if (is_broken_at(chat, reply->next_word)) {
        break_off(chat, now_ns);
    } else if (is_error_at(chat, reply->next_word)) {
        put_error_event(chat);
    } else if (reply->next_word == reply->word_count) {
        reply_put_finish(reply, &chat->events);
        chat->is_finished = true;
        chat->ready_after = HTTP_LAST;
        if (chat->rule->stream_end == END_OPEN) {
            chat->ready_after = HTTP_MORE;
            chat->stall_until_ns = INT64_MAX;
        }
    }
}

/* Puts a whole body. Returns how much of it is sent before it breaks off; SIZE_MAX: all. */
static size_t put_body(struct chat *chat, struct text *out)
{
    struct reply *reply = &chat->reply;
    bool is_list = reply->wire == NULL;
    size_t cut = 0, cut_words = SIZE_MAX;
    if (chat->kind == CHAT_ERROR || chat->rule->error_after >= 0) {
        chat->outcome.is_error_event = chat->kind != CHAT_ERROR;
        put_error(chat, out);
        if (chat->outcome.is_limited)
            note_limit(chat);
        else
            note_rest(chat);
    } else if (is_list) {
        models_put(chat->script, chat->protocol, out);
        chat->is_finished = true;
    } else {
        bool is_broken = is_broken_at(chat, reply->word_count);
        cut_words = is_broken ? (size_t)chat->rule->break_after : SIZE_MAX;
        reply_put_body(reply, cut_words, out, &cut);
        chat->ready_words = (int64_t)(cut_words < reply->word_count ? cut_words : reply->word_count);
        chat->later_words = (int64_t)reply->word_count - chat->ready_words;
        chat->is_finished = !is_broken;
        return is_broken ? cut : SIZE_MAX;
    }
    return is_broken_at(chat, 0) ? 0 : SIZE_MAX;
}

static void prepare_body(struct chat *chat, int64_t now_ns, struct text *out)
{
    bool is_broken_at_head = breaks_early(chat);
    size_t cut = put_body(chat, out);
    chat->content_length = (int64_t)out->len;
    chat->ready_after = HTTP_LAST;
    if (is_broken_at_head)
        cut = 0;
    if (cut == SIZE_MAX)
        return;
    if (is_broken_at_head) {
        chat->later_words += chat->ready_words;
        chat->ready_words = 0;
    }
    chat->is_finished = false;
    break_off(chat, now_ns);
    chat->later = (struct span){out->ptr + cut, out->len - cut};
    chat->has_later = true;
    out->len = cut;
}

/* Prepares what misbehaves before or instead of an answer. Returns false when nothing does. */
static bool prepare_early(struct chat *chat, int64_t now_ns, struct text *out)
{
    const struct rule *rule = chat->rule;
    if (chat->is_head_sent)
        return false;
    if (breaks_early(chat) && rule->break_at == BREAK_AT_REQUEST) {
        chat->is_raw = true;
        break_off(chat, now_ns);
        return true;
    }
    if (breaks_early(chat) && rule->break_at == BREAK_AT_HEAD && chat->kind == CHAT_STREAM) {
        break_off(chat, now_ns);
        return true;
    }
    if (rule->garbage != GARBAGE_BYTES && rule->garbage != GARBAGE_BODY)
        return false;
    chat->is_raw = rule->garbage == GARBAGE_BYTES;
    text_put_cstr(out, chat->is_raw ? no_http : no_answer);
    chat->content_length = chat->kind == CHAT_STREAM ? -1 : (int64_t)out->len;
    chat->ready_after = chat->is_raw ? HTTP_BREAK : HTTP_LAST;
    chat->outcome.is_garbage = true;
    note_rest(chat);
    return true;
}

/* Prepares what is due. */
static void prepare(struct chat *chat, int64_t now_ns)
{
    chat->is_raw = false;
    chat->ready_after = HTTP_MORE;
    if (chat->has_later) {
        chat->ready = chat->later;
        chat->has_later = false;
        chat->ready_after = HTTP_LAST;
        chat->ready_words = chat->later_words;
        chat->is_finished = chat->kind == CHAT_WHOLE && !chat->outcome.is_error_event;
    } else {
        bool is_kept = chat->rule->chunk_bytes > 0 || chat->rule->break_how == BREAK_STALL;
        struct text *out = is_kept ? &chat->own : &chat->service->events;
        text_clear(out, EVENTS_KEEP_BYTES);
        chat->content_length = -1;
        if (!prepare_early(chat, now_ns, out)) {
            if (chat->kind == CHAT_STREAM)
                prepare_stream(chat, now_ns, out);
            else
                prepare_body(chat, now_ns, out);
        }
        chat->ready = (struct span){out->ptr, out->len};
        if (out->failed) { /* no memory: the client sees a broken answer */
            chat->ready.len = 0;
            chat->ready_after = HTTP_BREAK;
        }
    }
    if (chat->pack == NULL || chat->is_raw || (chat->ready.len == 0 && chat->ready_after != HTTP_LAST))
        return;
    text_clear(&chat->packed, EVENTS_KEEP_BYTES);
    pack_put(chat->pack, chat->ready, chat->ready_after == HTTP_LAST, &chat->packed);
    chat->ready = (struct span){chat->packed.ptr, chat->packed.len};
}

static const char *content_type(const struct chat *chat)
{
    if (chat->kind == CHAT_STREAM)
        return "text/event-stream";
    bool is_text = chat->kind == CHAT_ERROR && chat->rule->error_body != NULL && !chat->rule->error_is_json;
    return is_text ? "text/plain; charset=utf-8" : "application/json";
}

static struct http_answer make_head(const struct chat *chat)
{
    const char *encoding = chat->rule->compress == COMPRESS_GZIP ? "gzip" : "deflate";
    return (struct http_answer){.status = chat->entry->status,
                                .content_type = content_type(chat),
                                .request_id = chat->entry->id,
                                .encoding = chat->pack != NULL ? encoding : NULL,
                                .headers = {chat->headers.ptr, chat->headers.len},
                                .content_length = chat->pack != NULL ? -1 : chat->content_length};
}

/* Sends what is prepared, or its next piece. Returns true when more can be done at once; see http_send(). */
static bool send_ready(struct chat *chat)
{
    if (chat->is_raw && chat->ready.len == 0 && chat->ready_after == HTTP_MORE)
        return true; /* it stalls before it has said anything */
    struct span piece = chat->ready;
    if (chat->rule->chunk_bytes > 0 && piece.len > (size_t)chat->rule->chunk_bytes)
        piece.len = (size_t)chat->rule->chunk_bytes;
    chat->ready = (struct span){chat->ready.ptr + piece.len, chat->ready.len - piece.len};
    enum http_after after = chat->ready_after;
    if (chat->ready.len > 0) {
        after = HTTP_MORE_NEXT_TURN;
    } else {
        chat->entry->chunks_sent += chat->ready_words;
        chat->ready_words = 0;
    }
    bool is_first = !chat->is_head_sent && !chat->is_raw;
    struct http_answer head;
    if (is_first) {
        head = make_head(chat);
        chat->is_head_sent = true;
        chat->entry->first_byte_ns = (int64_t)uv_hrtime();
    }
    return http_send(chat->conn, is_first ? &head : NULL, piece, after);
}

static void chat_advance(struct chat *chat)
{
    for (;;) {
        note_taken(chat);
        if (chat->ready.len == 0) {
            int64_t now_ns = (int64_t)uv_hrtime();
            int64_t due = next_due_ns(chat);
            if (due == INT64_MAX)
                return; /* until the client leaves */
            if (now_ns < due) {
                http_wait(chat->conn, due);
                return;
            }
            prepare(chat, now_ns);
        }
        if (!send_ready(chat))
            return;
    }
}
