/* gemini_reply: what the answers of gemini.c's API say: every event is an answer of its own, with the next parts of the text. */
#include "executor/model/gemini.h"

#include "executor/model/retry_hint.h"
#include "executor/model/tool_calls.h"
#include "executor/value/form.h"
#include "executor/value/parse.h"
#include <stdio.h>

static struct str text_of(const struct value *object, const char *key)
{
    return object == NULL ? STR("") : value_get_text(object, key, STR(""));
}

static size_t items_of(const struct value *list)
{
    return list != NULL && value_type(list) == VALUE_ARRAY ? value_count(list) : 0;
}

static void set_finish(struct gemini_reader *r, struct str reason, struct protocol_piece *ret)
{
    static const struct {
        const char *theirs;
        struct str ours;
    } rows[] = {{"STOP", {"stop", 4}},
                {"MAX_TOKENS", {"length", 6}},
                {"SAFETY", {"content_filter", 14}},
                {"RECITATION", {"content_filter", 14}},
                {"LANGUAGE", {"content_filter", 14}},
                {"BLOCKLIST", {"content_filter", 14}},
                {"PROHIBITED_CONTENT", {"content_filter", 14}},
                {"SPII", {"content_filter", 14}},
                {"IMAGE_SAFETY", {"content_filter", 14}}};
    if (reason.len == 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!str_eq_c(reason, rows[i].theirs))
            continue;
        bool wants_tools = i == 0 && r->call_count > 0; /* it has no word for it */
        ret->finish_reason = wants_tools ? STR("tool_calls") : rows[i].ours;
        return;
    }
    size_t len = str_utf8_cut(reason, sizeof r->finish - 1);
    for (size_t i = 0; i < len; i++) {
        char c = reason.ptr[i];
        r->finish[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    ret->finish_reason = (struct str){r->finish, len};
}

/* False: too many calls. */
static bool read_call(struct gemini_reader *r, const struct value *call, struct tool_calls *calls)
{
    const struct value *args = value_get_c(call, "args");
    char id[32];
    struct tool_call_piece piece = {
        .index = r->call_count++, .id = text_of(call, "id"), .name = text_of(call, "name")};
    if (piece.id.len == 0) { /* a call comes in one piece, and seldom with a name of its own */
        snprintf(id, sizeof id, "call_%lld", (long long)piece.index);
        piece.id = str_c(id);
    }
    buf_clear(&r->arguments);
    if (args != NULL && value_type(args) == VALUE_OBJECT)
        value_put_json(&r->arguments, args, JSON_COMPACT, false);
    else
        buf_put_c(&r->arguments, "{}");
    piece.arguments = buf_str(&r->arguments);
    return !r->arguments.failed && tool_calls_add(calls, &piece);
}

static bool read_candidate(struct gemini_reader *r, const struct value *candidate, struct tool_calls *calls,
                           struct protocol_piece *ret)
{
    const struct value *content = value_get_c(candidate, "content");
    const struct value *parts = content == NULL ? NULL : value_get_c(content, "parts");
    for (size_t i = 0; i < items_of(parts); i++) {
        const struct value *part = value_item(parts, i), *call = value_get_c(part, "functionCall");
        bool is_thought = value_type(part) == VALUE_OBJECT && value_get_bool(part, "thought", false);
        buf_put(is_thought ? &r->reasoning : &r->text, text_of(part, "text"));
        if (call != NULL && value_type(call) == VALUE_OBJECT && !read_call(r, call, calls))
            return false;
    }
    set_finish(r, text_of(candidate, "finishReason"), ret);
    return true;
}

static int64_t sum_of(const struct value *usage, const char *first, const char *second)
{
    int64_t a = value_get_int(usage, first, -1), b = value_get_int(usage, second, -1);
    if (a < 0 || b < 0)
        return a > b ? a : b;
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static void read_usage(const struct value *usage, struct protocol_piece *ret)
{
    if (usage == NULL || value_type(usage) != VALUE_OBJECT)
        return;
    ret->has_usage = true;
    ret->prompt_tokens = sum_of(usage, "promptTokenCount", "toolUsePromptTokenCount");
    ret->completion_tokens = sum_of(usage, "candidatesTokenCount", "thoughtsTokenCount");
}

/* What is said more exactly: "API_KEY_INVALID" where the status is "INVALID_ARGUMENT"; and for how long to wait. */
static void read_details(const struct value *details, struct protocol_piece *ret)
{
    for (size_t i = 0; i < items_of(details); i++) {
        const struct value *detail = value_item(details, i);
        struct str reason = text_of(detail, "reason"), delay = text_of(detail, "retryDelay");
        if (reason.len > 0)
            ret->error_code = reason;
        if (delay.len > 0)
            ret->error_asked_ms = retry_hint_duration_ms(delay);
    }
}

static void read_error(const struct value *error, struct protocol_piece *ret)
{
    if (value_type(error) == VALUE_STRING) {
        ret->error = value_text(error);
    } else {
        int64_t code = value_get_int(error, "code", 0);
        ret->error = text_of(error, "message");
        ret->error_kind = text_of(error, "status");
        ret->error_status = code >= 400 && code <= 599 ? (int)code : 0;
        read_details(value_get_c(error, "details"), ret);
    }
    if (ret->error.len == 0)
        ret->error = STR("the provider reported an error without words");
}

/* A prompt that is refused is no error of HTTP: an answer without candidates. */
static void read_feedback(struct gemini_reader *r, const struct value *feedback, struct protocol_piece *ret)
{
    struct str reason = text_of(feedback, "blockReason"), words = text_of(feedback, "blockReasonMessage");
    if (reason.len == 0)
        return;
    buf_clear(&r->arguments);
    buf_put_c(&r->arguments, "the prompt was blocked: ");
    buf_put(&r->arguments, words.len > 0 ? words : reason);
    ret->error = r->arguments.failed ? reason : buf_str(&r->arguments);
    ret->error_code = STR("prompt_blocked");
}

static bool read_answer(struct gemini_reader *r, const struct value *root, struct tool_calls *calls,
                        struct protocol_piece *ret)
{
    if (value_type(root) != VALUE_OBJECT)
        return false;
    const struct value *error = value_get_c(root, "error"), *candidates = value_get_c(root, "candidates");
    if (error != NULL && value_type(error) != VALUE_NONE) {
        read_error(error, ret);
        return true;
    }
    read_usage(value_get_c(root, "usageMetadata"), ret);
    if (items_of(candidates) > 0)
        return read_candidate(r, value_item(candidates, 0), calls, ret);
    read_feedback(r, value_get_c(root, "promptFeedback"), ret);
    return true;
}

bool gemini_read(void *reader, struct str event, struct str data, bool is_whole, struct tool_calls *calls,
                 struct protocol_piece *ret)
{
    (void)event; /* it names none */
    struct gemini_reader *r = reader;
    *ret = (struct protocol_piece){.prompt_tokens = -1, .completion_tokens = -1};
    if (!r->has_begun) {
        buf_init(&r->text, PROTOCOL_PIECE_BYTES_MAX);
        buf_init(&r->reasoning, PROTOCOL_PIECE_BYTES_MAX);
        buf_init(&r->arguments, PROTOCOL_PIECE_BYTES_MAX);
        r->has_begun = true;
    }
    value_unref(r->root);
    r->root = NULL;
    buf_clear(&r->text);
    buf_clear(&r->reasoning);
    if (value_parse_json(NULL, data, &r->root, NULL) != STATUS_OK)
        return false;
    /* A stream that is none of events is a list of its answers; so come the errors of one that did not begin. */
    bool is_list = is_whole && value_type(r->root) == VALUE_ARRAY;
    bool ok = !is_list || value_count(r->root) > 0;
    for (size_t i = 0; ok && ret->error.ptr == NULL && i < (is_list ? value_count(r->root) : 1); i++)
        ok = read_answer(r, is_list ? value_item(r->root, i) : r->root, calls, ret);
    ret->text = buf_str(&r->text);
    ret->reasoning = buf_str(&r->reasoning);
    return ok && !r->text.failed && !r->reasoning.failed;
}

void gemini_reader_fini(void *reader)
{
    struct gemini_reader *r = reader;
    value_unref(r->root);
    buf_fini(&r->text);
    buf_fini(&r->reasoning);
    buf_fini(&r->arguments);
}
