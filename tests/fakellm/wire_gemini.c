/* wire_gemini: replies as Gemini words them. Every event is a whole answer with the parts that are new. */
#include <string.h>

#include "reply.h"

/* Its own words for the reasons OpenAI has; any other is said as it stands. */
static const char *finish_reason(const struct reply *reply)
{
    static const char *const reasons[][2] = {
        {"stop", "STOP"}, {"length", "MAX_TOKENS"}, {"tool_calls", "STOP"}, {"content_filter", "SAFETY"}};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (strcmp(reasons[i][0], reply->finish_reason) == 0)
            return reasons[i][1];
    return reply->finish_reason;
}

/* What every answer ends with. */
static void put_common(struct reply *reply, const char *model)
{
    text_put(&reply->common, SPAN(",\"modelVersion\":"));
    text_put_json(&reply->common, model);
    text_putf(&reply->common, ",\"responseId\":\"%s\"}", reply->id);
}

static void answer_begin(struct text *out)
{
    text_put(out, SPAN("{\"candidates\":[{\"content\":{\"parts\":["));
}

/* Ends the list of parts. reason: NULL while more follows; tokens: said so far, without the thoughts. */
static void answer_end(const struct reply *reply, const char *reason, size_t tokens, struct text *out)
{
    size_t thoughts = reply_reasoning_tokens(reply);
    text_put(out, SPAN("],\"role\":\"model\"}"));
    if (reason != NULL) {
        text_put(out, SPAN(",\"finishReason\":"));
        text_put_json(out, reason);
    }
    text_put(out, SPAN(",\"index\":0}]"));
    if (reply->rule->usage) {
        text_putf(out, ",\"usageMetadata\":{\"promptTokenCount\":%zu,\"candidatesTokenCount\":%zu,",
                  reply->prompt_tokens, tokens);
        if (thoughts > 0)
            text_putf(out, "\"thoughtsTokenCount\":%zu,", thoughts);
        if (reply->rule->cached_tokens > 0)
            text_putf(out, "\"cachedContentTokenCount\":%lld,", (long long)reply->rule->cached_tokens);
        text_putf(out, "\"totalTokenCount\":%zu}", reply->prompt_tokens + tokens + thoughts);
    }
    text_put(out, (struct span){reply->common.ptr, reply->common.len});
}

static void put_start(struct reply *reply, struct events *events)
{
    for (size_t at = 0, n; at < reply->reasoning.len; at += n) {
        n = reply_word_bytes(reply->reasoning, at);
        events_begin(events, NULL);
        answer_begin(events->out);
        text_put(events->out, SPAN("{\"text\":\""));
        text_put_escaped(events->out, (struct span){reply->reasoning.ptr + at, n});
        text_put(events->out, SPAN("\",\"thought\":true}"));
        answer_end(reply, NULL, 0, events->out);
        events_end(events);
    }
}

static void put_word(struct reply *reply, struct events *events)
{
    events_begin(events, NULL);
    answer_begin(events->out);
    text_put(events->out, SPAN("{\"text\":\""));
    reply_put_next_word(reply, events->out);
    text_put(events->out, SPAN("\"}"));
    answer_end(reply, NULL, reply->next_word, events->out);
    events_end(events);
}

/* Calls are never cut. */
static void put_calls(const struct reply *reply, bool is_first, struct text *out)
{
    const cJSON *call;
    cJSON_ArrayForEach (call, reply->calls) {
        text_put(out,
                 is_first ? SPAN("{\"functionCall\":{\"name\":\"") : SPAN(",{\"functionCall\":{\"name\":\""));
        text_put_escaped(out, reply_call_text(call, "name"));
        text_put(out, SPAN("\",\"args\":"));
        reply_put_arguments(call, out);
        text_put(out, SPAN("}}"));
        is_first = false;
    }
}

static size_t count_tokens(const struct reply *reply)
{
    return reply->word_count + reply_call_tokens(reply);
}

/* There is nothing like [DONE]: the reason is the end. */
static void put_finish(struct reply *reply, struct events *events)
{
    bool has_reason = reply->rule->stream_end == END_DONE || reply->rule->stream_end == END_OPEN;
    if (!has_reason && reply->calls == NULL)
        return;
    events_begin(events, NULL);
    answer_begin(events->out);
    if (reply->calls == NULL)
        text_put(events->out, SPAN("{\"text\":\"\"}"));
    put_calls(reply, true, events->out);
    answer_end(reply, has_reason ? finish_reason(reply) : NULL, count_tokens(reply), events->out);
    events_end(events);
}

static void put_body(struct reply *reply, size_t cut_words, struct text *out, size_t *ret_cut)
{
    answer_begin(out);
    *ret_cut = out->len;
    if (reply->reasoning.len > 0) {
        text_put(out, SPAN("{\"text\":"));
        text_put_json(out, reply->reasoning.ptr);
        text_put(out, SPAN(",\"thought\":true},"));
    }
    bool is_silent = reply->calls != NULL && reply->word_count == 0;
    if (!is_silent) {
        text_put(out, SPAN("{\"text\":\""));
        reply_put_all_words(reply, cut_words, out, ret_cut);
        text_put(out, SPAN("\"}"));
    }
    put_calls(reply, is_silent, out);
    answer_end(reply, finish_reason(reply), count_tokens(reply), out);
}

const struct wire wire_gemini = {.line_end = "\r\n",
                                 .put_common = put_common,
                                 .put_start = put_start,
                                 .put_word = put_word,
                                 .put_finish = put_finish,
                                 .put_body = put_body};
