/*
 * timeline: what of an answer is sent when.
 *
 * chat_advance() is the one place that moves an exchange. It prepares what is due (words of a stream, or a whole body),
 * sends it in one piece or cut into pieces, and waits for what is due next. Where a rule breaks an answer off, what is
 * prepared ends there.
 */
#include "timeline.h"

#include <time.h>

#include "models.h"

enum {
    SEND_BYTES_MAX = 1024 * 1024, /* words that are due together and exceed this go out in several writes */
    EVENTS_KEEP_BYTES = 4 * 1024 * 1024,
    NS_PER_MS = 1000000
};

static const char no_http[] = "\x15\x03\x01\x02\x02This is no HTTP.\r\n\r\n";
static const char no_answer[] = "<html><body>This is neither JSON nor a stream of events.</body></html>\n";
static const char no_json[] = "{\"choices\":[{\"delta\":{\"content\":\"this ends in the mid";

/* ---- what the report is told ---- */

void chat_note_rest(struct chat *chat)
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

void chat_note_taken(struct chat *chat)
{
    if (chat->is_delivered || chat->entry->chunks_sent == 0)
        return;
    chat->is_delivered = true;
    key_report_delivers(chat->service->keys, chat->row, chat->entry->messages_digest,
                        &chat->is_double_counted);
}

/* ---- when ---- */

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

/* ---- what ---- */

/* What is prepared is where the answer breaks off. */
static void break_off(struct chat *chat, int64_t now_ns)
{
    const struct rule *rule = chat->rule;
    chat->is_break_over = true;
    switch ((enum break_how)rule->break_how) {
    case BREAK_CLOSE:
        chat->ready_after = HTTP_BREAK;
        chat->outcome.is_cut = true;
        chat_note_rest(chat);
        break;
    case BREAK_RESET:
        chat->ready_after = HTTP_RESET;
        chat->outcome.is_reset = true;
        chat_note_rest(chat);
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
    chat_note_rest(chat);
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
            chat_note_rest(chat);
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
    chat_note_rest(chat);
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

void chat_advance(struct chat *chat)
{
    for (;;) {
        chat_note_taken(chat);
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
