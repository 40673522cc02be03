/* reply: a reply in the words of its API; here what all of them share. */
#include "reply.h"

#include <assert.h>
#include <string.h>

enum { COMMON_BYTES_MAX = 17 * 1024 * 1024 /* it names the model as the request did */ };

static const char default_model[] = "fake-model";

const struct wire *wire_of(enum protocol protocol)
{
    switch (protocol) {
    case PROTOCOL_OPENAI:
    case PROTOCOL_AZURE:
        return &wire_openai;
    case PROTOCOL_ANTHROPIC:
        return &wire_anthropic;
    case PROTOCOL_GEMINI:
        break;
    }
    return &wire_gemini;
}

size_t reply_word_bytes(struct span words, size_t at)
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
    for (size_t at = 0; at < words.len; at += reply_word_bytes(words, at))
        count++;
    return count;
}

bool reply_init(struct reply *reply, enum protocol protocol, const struct prompt *prompt, const char *model,
                const char *id, const struct reply_text *said)
{
    const struct rule *rule = said->rule;
    bool has_calls =
        rule->tool_calls != NULL && prompt->kind != PROMPT_COMPLETION; /* only chats call tools */
    const char *finish_reason = has_calls ? "tool_calls" : "stop";
    *reply =
        (struct reply){.protocol = protocol,
                       .kind = prompt->kind,
                       .wire = wire_of(protocol),
                       .id = id,
                       .is_stream = prompt->is_stream,
                       .is_usage_asked = prompt->wants_usage && rule->usage,
                       .prompt_tokens = prompt->words,
                       .rule = rule,
                       .words = said->words,
                       .word_count = count_words(said->words) * (size_t)rule->repeat,
                       .reasoning = span_of(rule->reasoning != NULL ? rule->reasoning : ""),
                       .finish_reason = rule->finish_reason != NULL ? rule->finish_reason : finish_reason};
    if (has_calls)
        reply->calls = json_read(span_of(rule->tool_calls));
    text_init(&reply->common, COMMON_BYTES_MAX);
    reply->wire->put_common(reply, model != NULL ? model : default_model);
    return (reply->calls != NULL || !has_calls) && !reply->common.failed;
}

void reply_fini(struct reply *reply)
{
    text_fini(&reply->common);
    cJSON_Delete(reply->calls);
    reply->calls = NULL;
}

void reply_put_next_word(struct reply *reply, struct text *out)
{
    assert(reply->next_word < reply->word_count);
    if (reply->next_at == reply->words.len)
        reply->next_at = 0; /* once more from the start */
    size_t n = reply_word_bytes(reply->words, reply->next_at);
    text_put_escaped(out, (struct span){reply->words.ptr + reply->next_at, n});
    reply->next_at += n;
    reply->next_word++;
}

void reply_put_all_words(struct reply *reply, size_t cut_words, struct text *out, size_t *ret_cut)
{
    *ret_cut = out->len;
    while (reply->next_word < reply->word_count && !out->failed) {
        reply_put_next_word(reply, out);
        if (reply->next_word <= cut_words)
            *ret_cut = out->len;
    }
}

struct span reply_call_text(const cJSON *call, const char *key)
{
    return span_of(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(call, key)));
}

size_t reply_reasoning_tokens(const struct reply *reply)
{
    return count_words(reply->reasoning);
}

size_t reply_call_tokens(const struct reply *reply)
{
    size_t tokens = 0;
    const cJSON *call;
    cJSON_ArrayForEach (call, reply->calls)
        tokens += 1 + count_words(reply_call_text(call, "arguments"));
    return tokens;
}

void reply_put_arguments(const cJSON *call, struct text *out)
{
    struct span arguments = reply_call_text(call, "arguments");
    if (!json_compact(out, arguments))
        text_put_json(out, arguments.ptr);
}
