/* reply: a reply in the words of the OpenAI protocol. */
#include "reply.h"

#include <assert.h>
#include <string.h>
#include <time.h>

enum { PREFIX_BYTES_MAX = 17 * 1024 * 1024 /* it names the model as the request did */ };

static const char default_model[] = "fake-model";

/* Bytes of the word that begins at `at`: blanks, then everything up to the next blank. */
static size_t word_bytes(struct span words, size_t at)
{
    size_t end = at;
    while (end < words.len && words.ptr[end] == ' ')
        end++;
    const char *blank = end < words.len ? memchr(words.ptr + end, ' ', words.len - end) : NULL;
    return (blank != NULL ? (size_t)(blank - words.ptr) : words.len) - at;
}

static size_t count_words(struct span words)
{
    size_t count = 0;
    for (size_t at = 0; at < words.len; at += word_bytes(words, at))
        count++;
    return count;
}

/* Only chats call tools. */
static bool take_calls(struct reply *reply, const struct reply_text *said)
{
    if (said->tool_calls == NULL || reply->kind != PROMPT_CHAT)
        return true;
    reply->calls = json_read(span_of(said->tool_calls));
    return reply->calls != NULL;
}

bool reply_init(struct reply *reply, const struct prompt *prompt, const char *id,
                const struct reply_text *said)
{
    bool has_calls = said->tool_calls != NULL && prompt->kind == PROMPT_CHAT;
    const char *finish_reason = has_calls ? "tool_calls" : "stop";
    *reply =
        (struct reply){.kind = prompt->kind,
                       .is_usage_asked = prompt->wants_usage,
                       .prompt_tokens = prompt->words,
                       .words = said->words,
                       .repeat = said->repeat,
                       .word_count = count_words(said->words) * said->repeat,
                       .finish_reason = said->finish_reason != NULL ? said->finish_reason : finish_reason};
    const char *object = "text_completion";
    if (prompt->kind == PROMPT_CHAT)
        object = prompt->is_stream ? "chat.completion.chunk" : "chat.completion";
    text_init(&reply->prefix, PREFIX_BYTES_MAX);
    text_putf(&reply->prefix, "{\"id\":\"%s\",\"object\":\"%s\",\"created\":%lld,\"model\":", id, object,
              (long long)time(NULL));
    text_put_json(&reply->prefix, prompt->model != NULL ? prompt->model : default_model);
    text_put(&reply->prefix, SPAN(",\"choices\":["));
    return take_calls(reply, said) && !reply->prefix.failed;
}

void reply_fini(struct reply *reply)
{
    text_fini(&reply->prefix);
    cJSON_Delete(reply->calls);
    reply->calls = NULL;
}

static struct span text_of(const cJSON *call, const char *key)
{
    return span_of(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(call, key)));
}

/* A call has a token for its name and one for each word of its arguments. */
static size_t count_tokens(const struct reply *reply)
{
    size_t tokens = reply->word_count;
    const cJSON *call;
    cJSON_ArrayForEach (call, reply->calls)
        tokens += 1 + count_words(text_of(call, "arguments"));
    return tokens;
}

static void put_prefix(const struct reply *reply, struct text *out)
{
    text_put(out, (struct span){reply->prefix.ptr, reply->prefix.len});
}

static void put_usage(const struct reply *reply, struct text *out)
{
    size_t tokens = count_tokens(reply);
    text_putf(out, "\"usage\":{\"prompt_tokens\":%zu,\"completion_tokens\":%zu,\"total_tokens\":%zu}",
              reply->prompt_tokens, tokens, reply->prompt_tokens + tokens);
}

static void event_begin(const struct reply *reply, struct text *out)
{
    text_put(out, SPAN("data: "));
    put_prefix(reply, out);
}

/* Closes a choice and its event. Asked for usage, OpenAI names it in every event, as null before the last. */
static void event_end(const struct reply *reply, struct text *out)
{
    text_put(out, reply->is_usage_asked ? SPAN("}],\"usage\":null}\n\n") : SPAN("}]}\n\n"));
}

void reply_put_start(struct reply *reply, struct text *out)
{
    if (reply->kind != PROMPT_CHAT)
        return;
    event_begin(reply, out);
    text_put(out,
             SPAN("{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null"));
    event_end(reply, out);
}

/* Puts the text of the next word, escaped, and steps on. */
static void put_next_word(struct reply *reply, struct text *out)
{
    assert(reply->next_word < reply->word_count);
    if (reply->next_at == reply->words.len)
        reply->next_at = 0; /* once more from the start */
    size_t n = word_bytes(reply->words, reply->next_at);
    text_put_escaped(out, (struct span){reply->words.ptr + reply->next_at, n});
    reply->next_at += n;
    reply->next_word++;
}

void reply_put_word(struct reply *reply, struct text *out)
{
    bool is_chat = reply->kind == PROMPT_CHAT;
    event_begin(reply, out);
    text_put(out, is_chat ? SPAN("{\"index\":0,\"delta\":{\"content\":\"") : SPAN("{\"text\":\""));
    put_next_word(reply, out);
    text_put(out, is_chat ? SPAN("\"},\"finish_reason\":null")
                          : SPAN("\",\"index\":0,\"logprobs\":null,\"finish_reason\":null"));
    event_end(reply, out);
}

static void put_finish_reason(const struct reply *reply, struct text *out)
{
    text_put(out, SPAN("\"finish_reason\":"));
    text_put_json(out, reply->finish_reason);
}

/* The begin of a call: its id, its name and no arguments, or all of them. Without the brace that ends it. */
static void put_call(const cJSON *call, size_t index, struct span arguments, struct text *out)
{
    text_putf(out, "\"id\":\"call_%zu\",\"type\":\"function\",\"function\":{\"name\":\"", index);
    text_put_escaped(out, text_of(call, "name"));
    text_put(out, SPAN("\",\"arguments\":\""));
    text_put_escaped(out, arguments);
    text_put(out, SPAN("\"}"));
}

static void call_event_begin(const struct reply *reply, size_t index, struct text *out)
{
    event_begin(reply, out);
    text_putf(out, "{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":%zu,", index);
}

static void call_event_end(const struct reply *reply, struct text *out)
{
    text_put(out, SPAN("}]},\"finish_reason\":null"));
    event_end(reply, out);
}

/* An event with the name of each call, and one with each word of its arguments. */
static void put_call_events(const struct reply *reply, struct text *out)
{
    size_t index = 0;
    const cJSON *call;
    cJSON_ArrayForEach (call, reply->calls) {
        struct span arguments = text_of(call, "arguments");
        call_event_begin(reply, index, out);
        put_call(call, index, SPAN(""), out);
        call_event_end(reply, out);
        for (size_t at = 0, n; at < arguments.len; at += n) {
            n = word_bytes(arguments, at);
            call_event_begin(reply, index, out);
            text_put(out, SPAN("\"function\":{\"arguments\":\""));
            text_put_escaped(out, (struct span){arguments.ptr + at, n});
            text_put(out, SPAN("\"}"));
            call_event_end(reply, out);
        }
        index++;
    }
}

void reply_put_finish(struct reply *reply, struct text *out)
{
    put_call_events(reply, out);
    event_begin(reply, out);
    text_put(out, reply->kind == PROMPT_CHAT ? SPAN("{\"index\":0,\"delta\":{},")
                                             : SPAN("{\"text\":\"\",\"index\":0,\"logprobs\":null,"));
    put_finish_reason(reply, out);
    event_end(reply, out);
    if (reply->is_usage_asked) {
        event_begin(reply, out);
        text_put(out, SPAN("],"));
        put_usage(reply, out);
        text_put(out, SPAN("}\n\n"));
    }
    text_put(out, SPAN("data: [DONE]\n\n"));
}

static void put_calls(const struct reply *reply, struct text *out)
{
    size_t index = 0;
    const cJSON *call;
    text_put(out, SPAN(",\"tool_calls\":["));
    cJSON_ArrayForEach (call, reply->calls) {
        text_put(out, index == 0 ? SPAN("{") : SPAN(",{"));
        put_call(call, index++, text_of(call, "arguments"), out);
        text_put(out, SPAN("}"));
    }
    text_put(out, SPAN("]"));
}

void reply_put_body(struct reply *reply, size_t cut_words, struct text *out, size_t *ret_cut)
{
    bool is_chat = reply->kind == PROMPT_CHAT;
    bool is_silent = reply->calls != NULL && reply->word_count == 0;
    put_prefix(reply, out);
    text_put(out, is_chat ? SPAN("{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":")
                          : SPAN("{\"text\":"));
    text_put(out, is_silent ? SPAN("null") : SPAN("\""));
    *ret_cut = out->len;
    while (reply->next_word < reply->word_count && !out->failed) {
        put_next_word(reply, out);
        if (reply->next_word <= cut_words)
            *ret_cut = out->len;
    }
    text_put(out, is_silent ? SPAN("") : SPAN("\""));
    if (reply->calls != NULL)
        put_calls(reply, out);
    text_put(out, is_chat ? SPAN("},") : SPAN(",\"index\":0,\"logprobs\":null,"));
    put_finish_reason(reply, out);
    text_put(out, SPAN("}],"));
    put_usage(reply, out);
    text_put(out, SPAN("}"));
}

void reply_put_error(int status, struct text *out)
{
    static const struct {
        int status;
        const char *message, *type, *code; /* code: NULL is null */
    } errors[] = {
        {401, "Incorrect API key provided.", "invalid_request_error", "invalid_api_key"},
        {403, "You are not allowed to do this.", "permission_error", NULL},
        {404, "The model does not exist.", "invalid_request_error", "model_not_found"},
        {429, "Rate limit reached for requests.", "requests", "rate_limit_exceeded"},
        {503, "The engine is currently overloaded, please try again later.", "server_error", NULL},
        {499, "The request was not accepted.", "invalid_request_error", NULL},                 /* other 4xx */
        {599, "The server had an error while processing your request.", "server_error", NULL}, /* other 5xx */
    };
    size_t i = 0;
    while (errors[i].status != status && !(errors[i].status % 100 == 99 && status <= errors[i].status))
        i++;
    text_put(out, SPAN("{\"error\":{\"message\":"));
    text_put_json(out, errors[i].message);
    text_put(out, SPAN(",\"type\":"));
    text_put_json(out, errors[i].type);
    text_put(out, SPAN(",\"param\":null,\"code\":"));
    text_put_json(out, errors[i].code);
    text_put(out, SPAN("}}"));
}
