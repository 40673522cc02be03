/*
 * chat: answers to requests for completions.
 *
 * chat_advance() is the one place that moves an exchange. It prepares what is due (words of a stream, or a whole body),
 * sends it in one piece or cut into pieces, and waits for what is due next.
 */
#include "chat.h"

#include <stdlib.h>
#include <string.h>

#include "reply.h"

enum {
    SEND_BYTES_MAX = 1024 * 1024, /* words that are due together and exceed this go out in several writes */
    EVENTS_BYTES_MAX = 112 * 1024 * 1024, /* a whole reply of REPLY_BYTES_MAX with all its bytes escaped */
    EVENTS_KEEP_BYTES = 4 * 1024 * 1024
};

static const char greeting[] = "Hello! How can I help you today?";
static const char bad_request[] =
    "{\"error\":{\"message\":\"We could not parse the JSON body of your request.\","
    "\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}";

static const char no_memory[] = "{\"error\":{\"message\":\"fakellm: the reply does not fit into memory\"}}";

enum chat_kind {
    CHAT_STREAM, /* events as they come due */
    CHAT_WHOLE,  /* one body, when its last word is due */
    CHAT_ERROR   /* one body, when the first word would be due */
};

struct chat {
    struct chat_service *service;
    struct http_conn *conn;
    struct log_entry *entry;
    struct script *script; /* keeps `rule` */
    const struct rule *rule;
    enum chat_kind kind;

    struct text echo; /* the words, unless the rule has them */
    struct reply reply;
    bool is_head_sent, is_start_sent;

    /* What is prepared and not sent yet. */
    struct text cut;        /* holds it between the turns when it goes out in pieces */
    struct span ready;      /* in `cut` or in the service's scratch */
    int64_t ready_words;    /* new words in it */
    int64_t content_length; /* -1: a stream */
    enum http_after ready_after;
};

static void chat_advance(struct chat *chat);

void chat_resume(void *exchange)
{
    chat_advance(exchange);
}

void chat_ended(void *exchange, enum http_end how)
{
    struct chat *chat = exchange;
    request_log_end(chat->service->log, chat->entry, how);
    reply_fini(&chat->reply);
    text_fini(&chat->echo);
    text_fini(&chat->cut);
    script_unref(chat->script);
    free(chat);
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

/* Decides how the request is answered. False: no memory. */
static bool chat_decide(struct chat *chat, const struct prompt *prompt)
{
    struct log_entry *entry = chat->entry;
    struct script_subject subject = {.model = prompt->model,
                                     .api_key = entry->key,
                                     .has_tools = prompt->has_tools,
                                     .has_response_format = prompt->has_response_format,
                                     .contains = prompt_contains,
                                     .arg = prompt};
    chat->rule = script_match(chat->script, &subject, &entry->rule);
    entry->is_stream = prompt->is_stream;
    entry->messages_digest = prompt->digest;
    entry->status = (int)chat->rule->status;
    entry->model = prompt->model != NULL ? strdup(prompt->model) : NULL;
    chat->kind = entry->status != 200 ? CHAT_ERROR : prompt->is_stream ? CHAT_STREAM : CHAT_WHOLE;
    struct span words = chat_words(chat, prompt);
    if (chat->echo.failed || (prompt->model != NULL && entry->model == NULL) ||
        words.len > (size_t)(REPLY_BYTES_MAX / chat->rule->repeat))
        return false;
    struct reply_text said = {.words = words,
                              .repeat = (size_t)chat->rule->repeat,
                              .tool_calls = chat->rule->tool_calls,
                              .finish_reason = chat->rule->finish_reason};
    return reply_init(&chat->reply, prompt, entry->id, &said);
}

static void refuse(struct http_conn *conn, struct chat *chat, int status, struct span body)
{
    chat->entry->status = status;
    chat->entry->first_byte_ns = (int64_t)uv_hrtime();
    http_set_exchange(conn, chat);
    http_respond(conn, status, "application/json", body);
}

void chat_request(struct chat_service *service, enum prompt_kind kind, struct http_conn *conn,
                  const struct http_request *req)
{
    struct chat *chat = calloc(1, sizeof *chat);
    struct log_entry *entry =
        chat != NULL ? request_log_begin(service->log, kind == PROMPT_CHAT ? "chatcmpl-" : "cmpl-", req)
                     : NULL;
    if (entry == NULL) {
        free(chat);
        http_respond(conn, 500, "application/json", span_of(no_memory));
        return;
    }
    entry->path = kind == PROMPT_CHAT ? "/v1/chat/completions" : "/v1/completions";
    entry->rule = -1;
    chat->service = service;
    chat->conn = conn;
    chat->entry = entry;
    chat->script = script_ref(service->script);
    text_init(&chat->echo, REPLY_BYTES_MAX + 64);
    text_init(&chat->cut, EVENTS_BYTES_MAX);

    struct prompt prompt;
    if (!prompt_init(&prompt, kind, req->body)) {
        refuse(conn, chat, 400, span_of(bad_request));
    } else if (!chat_decide(chat, &prompt)) {
        refuse(conn, chat, 500, span_of(no_memory));
    } else {
        http_set_exchange(conn, chat);
        chat_advance(chat);
    }
    prompt_fini(&prompt);
}

/* ---- its timeline ---- */

/* When word `index` (from 0) is due. */
static int64_t due_ns(const struct chat *chat, size_t index)
{
    const struct rule *rule = chat->rule;
    int64_t first = chat->entry->received_ns + rule->first_token_ms * 1000000;
    if (rule->tokens_per_second <= 0)
        return first;
    return first + (int64_t)((double)index * 1e9 / rule->tokens_per_second);
}

/* When something can be sent next. */
static int64_t next_due_ns(const struct chat *chat)
{
    const struct reply *reply = &chat->reply;
    switch (chat->kind) {
    case CHAT_STREAM:
        return due_ns(chat, reply->next_word);
    case CHAT_WHOLE:
        return due_ns(chat, reply->word_count > 0 ? reply->word_count - 1 : 0);
    case CHAT_ERROR:
        break;
    }
    return due_ns(chat, 0);
}

static bool is_broken_at(const struct chat *chat, size_t words)
{
    return chat->rule->break_after >= 0 && words >= (size_t)chat->rule->break_after;
}

/* Puts the events of all words that are due at now_ns, and the end of the stream behind the last. */
static void prepare_stream(struct chat *chat, int64_t now_ns, struct text *out)
{
    struct reply *reply = &chat->reply;
    size_t before = reply->next_word;
    if (!chat->is_start_sent)
        reply_put_start(reply, out);
    chat->is_start_sent = true;
    while (reply->next_word < reply->word_count && !is_broken_at(chat, reply->next_word) &&
           due_ns(chat, reply->next_word) <= now_ns && out->len < SEND_BYTES_MAX)
        reply_put_word(reply, out);
    chat->ready_words = (int64_t)(reply->next_word - before);
    chat->content_length = -1;
    chat->ready = (struct span){out->ptr, out->len};
    chat->ready_after = HTTP_MORE;
    if (is_broken_at(chat, reply->next_word)) {
        chat->ready_after = HTTP_BREAK;
    } else if (reply->next_word == reply->word_count) {
        reply_put_finish(reply, out);
        chat->ready = (struct span){out->ptr, out->len};
        chat->ready_after = HTTP_LAST;
    }
}

/* Puts the whole reply; when the rule breaks it off, only its begin will be sent. */
static void prepare_whole(struct chat *chat, struct text *out)
{
    struct reply *reply = &chat->reply;
    bool is_broken = is_broken_at(chat, reply->word_count);
    size_t cut_words = is_broken ? (size_t)chat->rule->break_after : SIZE_MAX;
    size_t cut;
    reply_put_body(reply, cut_words, out, &cut);
    chat->ready_words = (int64_t)(cut_words < reply->word_count ? cut_words : reply->word_count);
    chat->content_length = (int64_t)out->len;
    chat->ready = (struct span){out->ptr, is_broken ? cut : out->len};
    chat->ready_after = is_broken ? HTTP_BREAK : HTTP_LAST;
}

static void prepare_error(struct chat *chat, struct text *out)
{
    if (chat->rule->error_body != NULL)
        text_put_cstr(out, chat->rule->error_body);
    else
        reply_put_error((int)chat->rule->status, out);
    chat->content_length = (int64_t)out->len;
    chat->ready = (struct span){out->ptr, out->len};
    chat->ready_after = HTTP_LAST;
}

static void prepare(struct chat *chat, int64_t now_ns)
{
    struct text *out = &chat->service->events;
    if (chat->rule->chunk_bytes > 0)
        out = &chat->cut;
    text_clear(out, EVENTS_KEEP_BYTES);
    switch (chat->kind) {
    case CHAT_STREAM:
        prepare_stream(chat, now_ns, out);
        break;
    case CHAT_WHOLE:
        prepare_whole(chat, out);
        break;
    case CHAT_ERROR:
        prepare_error(chat, out);
        break;
    }
    if (out->failed) { /* no memory: the client sees a broken answer */
        chat->ready.len = 0;
        chat->ready_after = HTTP_BREAK;
    }
}

static const char *content_type(const struct chat *chat)
{
    if (chat->kind == CHAT_STREAM)
        return "text/event-stream";
    bool is_text = chat->kind == CHAT_ERROR && chat->rule->error_body != NULL && !chat->rule->error_is_json;
    return is_text ? "text/plain; charset=utf-8" : "application/json";
}

/* Sends what is prepared, or its next piece. Returns true when more can be done at once; see http_send(). */
static bool send_ready(struct chat *chat)
{
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

    struct http_answer head = {.status = chat->entry->status,
                               .content_type = content_type(chat),
                               .request_id = chat->entry->id,
                               .content_length = chat->content_length};
    bool is_first = !chat->is_head_sent;
    chat->is_head_sent = true;
    if (is_first)
        chat->entry->first_byte_ns = (int64_t)uv_hrtime();
    return http_send(chat->conn, is_first ? &head : NULL, piece, after);
}

static void chat_advance(struct chat *chat)
{
    for (;;) {
        if (chat->ready.len == 0) {
            int64_t now_ns = (int64_t)uv_hrtime();
            int64_t due = next_due_ns(chat);
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
