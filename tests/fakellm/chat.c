/* chat: answers to model requests: who asks, what is decided, and what the logs are told in the end. */
#include "chat.h"

#include <stdlib.h>
#include <string.h>

#include "timeline.h"

enum { NS_PER_MS = 1000000 };

static const char greeting[] = "Hello! How can I help you today?";
static const char no_memory[] = "{\"error\":{\"message\":\"fakellm: the reply does not fit into memory\"}}";

void chat_resume(void *exchange)
{
    chat_advance(exchange);
}

/* ---- its end ---- */

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
        chat_note_taken(chat);
    if (chat->outcome.is_stalled) /* a client may send more until it has lost patience */
        chat_note_rest(chat);
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
    text_init(&chat->own, ANSWER_BYTES_MAX);
    text_init(&chat->packed, ANSWER_BYTES_MAX);
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
