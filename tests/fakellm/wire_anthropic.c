/* wire_anthropic: replies as Anthropic's Messages API words them. A reply is a list of content blocks. */
#include <string.h>

#include "reply.h"

static const char signature[] = "c2lnbmVk"; /* a client sends it back as it came */

/* Its own words for the reasons OpenAI has; any other is said as it stands. */
static const char *stop_reason(const struct reply *reply)
{
    static const char *const reasons[][2] = {{"stop", "end_turn"},
                                             {"length", "max_tokens"},
                                             {"tool_calls", "tool_use"},
                                             {"content_filter", "refusal"}};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (strcmp(reasons[i][0], reply->finish_reason) == 0)
            return reasons[i][1];
    return reply->finish_reason;
}

static void put_common(struct reply *reply, const char *model)
{
    text_putf(&reply->common,
              "\"id\":\"%s\",\"type\":\"message\",\"role\":\"assistant\",\"model\":", reply->id);
    text_put_json(&reply->common, model);
}

static void put_usage(const struct reply *reply, size_t output_tokens, struct text *out)
{
    size_t cached = (size_t)reply->rule->cached_tokens;
    size_t input = reply->prompt_tokens > cached ? reply->prompt_tokens - cached : 0;
    text_putf(out,
              ",\"usage\":{\"input_tokens\":%zu,\"cache_creation_input_tokens\":0,"
              "\"cache_read_input_tokens\":%zu,\"output_tokens\":%zu}",
              input, cached, output_tokens);
}

static size_t count_output(const struct reply *reply)
{
    return reply->word_count + reply_reasoning_tokens(reply) + reply_call_tokens(reply);
}

static void delta_begin(const struct reply *reply, const char *type, const char *member,
                        struct events *events)
{
    events_begin(events, "content_block_delta");
    text_putf(events->out,
              "{\"type\":\"content_block_delta\",\"index\":%zu,\"delta\":{\"type\":\"%s\",\"%s\":\"",
              reply->block_index, type, member);
}

static void delta_end(struct events *events)
{
    text_put(events->out, SPAN("\"}}"));
    events_end(events);
}

/* The rest of a text, word by word. */
static void put_deltas(const struct reply *reply, struct span words, const char *type, const char *member,
                       struct events *events)
{
    for (size_t at = 0, n; at < words.len; at += n) {
        n = reply_word_bytes(words, at);
        delta_begin(reply, type, member, events);
        text_put_escaped(events->out, (struct span){words.ptr + at, n});
        delta_end(events);
    }
}

static void block_begin(const struct reply *reply, struct events *events)
{
    events_begin(events, "content_block_start");
    text_putf(events->out, "{\"type\":\"content_block_start\",\"index\":%zu,\"content_block\":{",
              reply->block_index);
}

static void block_end(struct reply *reply, struct events *events)
{
    events_begin(events, "content_block_stop");
    text_putf(events->out, "{\"type\":\"content_block_stop\",\"index\":%zu}", reply->block_index++);
    events_end(events);
}

static void put_thinking(struct reply *reply, struct events *events)
{
    block_begin(reply, events);
    text_put(events->out, SPAN("\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}"));
    events_end(events);
    put_deltas(reply, reply->reasoning, "thinking_delta", "thinking", events);
    put_deltas(reply, span_of(signature), "signature_delta", "signature", events);
    block_end(reply, events);
}

static void put_start(struct reply *reply, struct events *events)
{
    events_begin(events, "message_start");
    text_put(events->out, SPAN("{\"type\":\"message_start\",\"message\":{"));
    text_put(events->out, (struct span){reply->common.ptr, reply->common.len});
    text_put(events->out, SPAN(",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null"));
    if (reply->is_usage_asked)
        put_usage(reply, 1, events->out);
    text_put(events->out, SPAN("}}"));
    events_end(events);
    if (reply->reasoning.len > 0)
        put_thinking(reply, events);
    if (reply->word_count > 0) {
        block_begin(reply, events);
        text_put(events->out, SPAN("\"type\":\"text\",\"text\":\"\"}}"));
        events_end(events);
    }
    events_put(events, "ping", SPAN("{\"type\":\"ping\"}"));
}

static void put_word(struct reply *reply, struct events *events)
{
    delta_begin(reply, "text_delta", "text", events);
    reply_put_next_word(reply, events->out);
    delta_end(events);
}

static void put_tool(const cJSON *call, size_t index, struct text *out)
{
    text_putf(out, "\"type\":\"tool_use\",\"id\":\"toolu_%zu\",\"name\":\"", index);
    text_put_escaped(out, reply_call_text(call, "name"));
    text_put(out, SPAN("\",\"input\":"));
}

static void put_call_events(struct reply *reply, struct events *events)
{
    size_t index = 0;
    const cJSON *call;
    cJSON_ArrayForEach (call, reply->calls) {
        block_begin(reply, events);
        put_tool(call, index++, events->out);
        text_put(events->out, SPAN("{}}}"));
        events_end(events);
        delta_begin(reply, "input_json_delta", "partial_json", events); /* the first one is empty */
        delta_end(events);
        put_deltas(reply, reply_call_text(call, "arguments"), "input_json_delta", "partial_json", events);
        block_end(reply, events);
    }
}

static void put_finish(struct reply *reply, struct events *events)
{
    if (reply->word_count > 0)
        block_end(reply, events);
    put_call_events(reply, events);
    if (reply->rule->stream_end == END_NO_FINISH)
        return;
    events_begin(events, "message_delta");
    text_put(events->out, SPAN("{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"));
    text_put_json(events->out, stop_reason(reply));
    text_put(events->out, SPAN(",\"stop_sequence\":null}"));
    if (reply->is_usage_asked)
        text_putf(events->out, ",\"usage\":{\"output_tokens\":%zu}", count_output(reply));
    text_put(events->out, SPAN("}"));
    events_end(events);
    if (reply->rule->stream_end != END_NO_DONE)
        events_put(events, "message_stop", SPAN("{\"type\":\"message_stop\"}"));
}

/* Puts what stands between two blocks. */
static void put_comma(struct text *out, size_t start)
{
    if (out->len > start)
        text_put(out, SPAN(","));
}

static void put_body(struct reply *reply, size_t cut_words, struct text *out, size_t *ret_cut)
{
    text_put(out, SPAN("{"));
    text_put(out, (struct span){reply->common.ptr, reply->common.len});
    text_put(out, SPAN(",\"content\":["));
    size_t start = *ret_cut = out->len;
    if (reply->reasoning.len > 0) {
        text_put(out, SPAN("{\"type\":\"thinking\",\"thinking\":"));
        text_put_json(out, reply->reasoning.ptr);
        text_putf(out, ",\"signature\":\"%s\"}", signature);
    }
    if (reply->word_count > 0) {
        put_comma(out, start);
        text_put(out, SPAN("{\"type\":\"text\",\"text\":\""));
        reply_put_all_words(reply, cut_words, out, ret_cut);
        text_put(out, SPAN("\"}"));
    }
    size_t index = 0;
    const cJSON *call;
    cJSON_ArrayForEach (call, reply->calls) {
        put_comma(out, start);
        text_put(out, SPAN("{"));
        put_tool(call, index++, out);
        reply_put_arguments(call, out);
        text_put(out, SPAN("}"));
    }
    text_put(out, SPAN("],\"stop_reason\":"));
    text_put_json(out, stop_reason(reply));
    text_put(out, SPAN(",\"stop_sequence\":null"));
    if (reply->rule->usage)
        put_usage(reply, count_output(reply), out);
    text_put(out, SPAN("}"));
}

const struct wire wire_anthropic = {.line_end = "\n",
                                    .put_common = put_common,
                                    .put_start = put_start,
                                    .put_word = put_word,
                                    .put_finish = put_finish,
                                    .put_body = put_body,
                                    .error_event = "error"};
