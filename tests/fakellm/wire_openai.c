/* wire_openai: replies as OpenAI words them, for chats and completions; Azure's add what its content filter found. */
#include <time.h>

#include "reply.h"

static void put_common(struct reply *reply, const char *model)
{
    const char *object = "text_completion";
    if (reply->kind == PROMPT_CHAT)
        object = reply->is_stream ? "chat.completion.chunk" : "chat.completion";
    text_putf(&reply->common, "{\"id\":\"%s\",\"object\":\"%s\",\"created\":%lld,\"model\":", reply->id,
              object, (long long)time(NULL));
    text_put_json(&reply->common, model);
    text_put(&reply->common, SPAN(",\"choices\":["));
}

static void begin(const struct reply *reply, struct events *events)
{
    events_begin(events, NULL);
    text_put(events->out, (struct span){reply->common.ptr, reply->common.len});
}

/* Closes a choice and its event. Asked for usage, OpenAI names it in every event, as null before the last. */
static void end(const struct reply *reply, struct events *events)
{
    if (reply->protocol == PROTOCOL_AZURE)
        text_put(events->out, SPAN(",\"content_filter_results\":{}"));
    text_put(events->out, reply->is_usage_asked ? SPAN("}],\"usage\":null}") : SPAN("}]}"));
    events_end(events);
}

static void put_usage(const struct reply *reply, struct text *out)
{
    size_t thoughts = reply_reasoning_tokens(reply);
    size_t tokens = reply->word_count + thoughts + reply_call_tokens(reply);
    text_putf(out, "\"usage\":{\"prompt_tokens\":%zu,\"completion_tokens\":%zu,\"total_tokens\":%zu",
              reply->prompt_tokens, tokens, reply->prompt_tokens + tokens);
    if (reply->rule->cached_tokens > 0)
        text_putf(out, ",\"prompt_tokens_details\":{\"cached_tokens\":%lld}",
                  (long long)reply->rule->cached_tokens);
    if (thoughts > 0)
        text_putf(out, ",\"completion_tokens_details\":{\"reasoning_tokens\":%zu}", thoughts);
    text_put(out, SPAN("}"));
}

static void put_start(struct reply *reply, struct events *events)
{
    if (reply->protocol == PROTOCOL_AZURE)
        events_put(events, NULL,
                   SPAN("{\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\","
                        "\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":{}}]}"));
    if (reply->kind != PROMPT_CHAT)
        return;
    begin(reply, events);
    text_put(events->out,
             SPAN("{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null"));
    end(reply, events);
    for (size_t at = 0, n; at < reply->reasoning.len; at += n) {
        n = reply_word_bytes(reply->reasoning, at);
        begin(reply, events);
        text_put(events->out, SPAN("{\"index\":0,\"delta\":{\"reasoning_content\":\""));
        text_put_escaped(events->out, (struct span){reply->reasoning.ptr + at, n});
        text_put(events->out, SPAN("\"},\"finish_reason\":null"));
        end(reply, events);
    }
}

static void put_word(struct reply *reply, struct events *events)
{
    bool is_chat = reply->kind == PROMPT_CHAT;
    begin(reply, events);
    text_put(events->out, is_chat ? SPAN("{\"index\":0,\"delta\":{\"content\":\"") : SPAN("{\"text\":\""));
    reply_put_next_word(reply, events->out);
    text_put(events->out, is_chat ? SPAN("\"},\"finish_reason\":null")
                                  : SPAN("\",\"index\":0,\"logprobs\":null,\"finish_reason\":null"));
    end(reply, events);
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
    text_put_escaped(out, reply_call_text(call, "name"));
    text_put(out, SPAN("\",\"arguments\":\""));
    text_put_escaped(out, arguments);
    text_put(out, SPAN("\"}"));
}

static void call_begin(const struct reply *reply, size_t index, struct events *events)
{
    begin(reply, events);
    text_putf(events->out, "{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":%zu,", index);
}

static void call_end(const struct reply *reply, struct events *events)
{
    text_put(events->out, SPAN("}]},\"finish_reason\":null"));
    end(reply, events);
}

/* An event with the name of each call, and one with each word of its arguments. */
static void put_call_events(const struct reply *reply, struct events *events)
{
    size_t index = 0;
    const cJSON *call;
    cJSON_ArrayForEach (call, reply->calls) {
        struct span arguments = reply_call_text(call, "arguments");
        call_begin(reply, index, events);
        put_call(call, index, SPAN(""), events->out);
        call_end(reply, events);
        for (size_t at = 0, n; at < arguments.len; at += n) {
            n = reply_word_bytes(arguments, at);
            call_begin(reply, index, events);
            text_put(events->out, SPAN("\"function\":{\"arguments\":\""));
            text_put_escaped(events->out, (struct span){arguments.ptr + at, n});
            text_put(events->out, SPAN("\"}"));
            call_end(reply, events);
        }
        index++;
    }
}

static void put_finish(struct reply *reply, struct events *events)
{
    put_call_events(reply, events);
    if (reply->rule->stream_end == END_NO_FINISH)
        return;
    begin(reply, events);
    text_put(events->out, reply->kind == PROMPT_CHAT ? SPAN("{\"index\":0,\"delta\":{},")
                                                     : SPAN("{\"text\":\"\",\"index\":0,\"logprobs\":null,"));
    put_finish_reason(reply, events->out);
    end(reply, events);
    if (reply->is_usage_asked) {
        begin(reply, events);
        text_put(events->out, SPAN("],"));
        put_usage(reply, events->out);
        text_put(events->out, SPAN("}"));
        events_end(events);
    }
    if (reply->rule->stream_end != END_NO_DONE)
        events_put(events, NULL, SPAN("[DONE]"));
}

static void put_calls(const struct reply *reply, struct text *out)
{
    size_t index = 0;
    const cJSON *call;
    text_put(out, SPAN(",\"tool_calls\":["));
    cJSON_ArrayForEach (call, reply->calls) {
        text_put(out, index == 0 ? SPAN("{") : SPAN(",{"));
        put_call(call, index++, reply_call_text(call, "arguments"), out);
        text_put(out, SPAN("}"));
    }
    text_put(out, SPAN("]"));
}

static void put_body(struct reply *reply, size_t cut_words, struct text *out, size_t *ret_cut)
{
    bool is_chat = reply->kind == PROMPT_CHAT;
    bool is_silent = reply->calls != NULL && reply->word_count == 0;
    text_put(out, (struct span){reply->common.ptr, reply->common.len});
    text_put(out, is_chat ? SPAN("{\"index\":0,\"message\":{\"role\":\"assistant\",") : SPAN("{"));
    if (is_chat && reply->reasoning.len > 0) {
        text_put(out, SPAN("\"reasoning_content\":"));
        text_put_json(out, reply->reasoning.ptr);
        text_put(out, SPAN(","));
    }
    text_put(out, is_chat ? SPAN("\"content\":") : SPAN("\"text\":"));
    text_put(out, is_silent ? SPAN("null") : SPAN("\""));
    reply_put_all_words(reply, cut_words, out, ret_cut);
    text_put(out, is_silent ? SPAN("") : SPAN("\""));
    if (reply->calls != NULL)
        put_calls(reply, out);
    text_put(out, is_chat ? SPAN("},") : SPAN(",\"index\":0,\"logprobs\":null,"));
    put_finish_reason(reply, out);
    text_put(out, SPAN("}]"));
    if (reply->rule->usage) {
        text_put(out, SPAN(","));
        put_usage(reply, out);
    }
    text_put(out, SPAN("}"));
}

const struct wire wire_openai = {.line_end = "\n",
                                 .put_common = put_common,
                                 .put_start = put_start,
                                 .put_word = put_word,
                                 .put_finish = put_finish,
                                 .put_body = put_body};
