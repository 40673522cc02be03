/* openai: see the header. */
#include "executor/model/openai.h"

#include "executor/value/form.h"
#include "executor/value/parse.h"

const char *openai_path(const struct model_request *request)
{
    return request->is_completion ? "/completions" : "/chat/completions";
}

static void put_messages(struct buf *b, const struct model_request *request)
{
    buf_put_c(b, ",\"messages\":[");
    for (size_t i = 0; i < request->message_count; i++) {
        buf_put_c(b, i == 0 ? "{\"role\":" : ",{\"role\":");
        buf_put_json_string(b, request->messages[i].role);
        buf_put_c(b, ",\"content\":");
        buf_put_json_string(b, request->messages[i].text);
        buf_put_char(b, '}');
    }
    buf_put_char(b, ']');
}

/* What the export may not change, and what it writes in another way than the API. */
static void put_param(struct buf *b, struct str name, const struct value *value)
{
    static const char *const ours[] = {"model", "messages", "prompt", "stream", "stream_options"};
    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        if (str_eq_c(name, ours[i]))
            return;
    }
    bool is_format = str_eq_c(name, "response_format") && value_type(value) == VALUE_STRING;
    if (value_type(value) == VALUE_NONE || (is_format && value_text(value).len == 0))
        return;
    buf_put_char(b, ',');
    buf_put_json_string(b, name);
    buf_put_char(b, ':');
    if (is_format)
        buf_put_c(b, "{\"type\":");
    value_put_json(b, value, JSON_COMPACT, false);
    if (is_format)
        buf_put_char(b, '}');
}

void openai_put_request(struct buf *b, const struct model_request *request)
{
    buf_put_c(b, "{\"model\":");
    buf_put_json_string(b, request->model);
    if (request->is_completion) {
        buf_put_c(b, ",\"prompt\":");
        buf_put_json_string(b, request->message_count > 0 ? request->messages[0].text : STR(""));
    } else {
        put_messages(b, request);
    }
    buf_put_c(b, ",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
    for (size_t i = 0; request->params != NULL && i < value_count(request->params); i++)
        put_param(b, value_key(request->params, i), value_member(request->params, i));
    buf_put_char(b, '}');
}

static struct str text_of(const struct value *object, const char *key)
{
    return value_get_text(object, key, STR(""));
}

static void read_error(const struct value *error, struct openai_piece *ret)
{
    if (error == NULL || value_type(error) == VALUE_NONE)
        return;
    if (value_type(error) == VALUE_STRING) {
        ret->error = value_text(error);
        return;
    }
    ret->error = text_of(error, "message");
    ret->error_code = text_of(error, "code");
    if (ret->error.len == 0)
        ret->error = STR("the provider reported an error without words");
}

bool openai_read(struct str json, struct openai_piece *ret)
{
    struct status err;
    *ret = (struct openai_piece){.root = NULL};
    if (value_parse_json(NULL, json, &ret->root, &err) != STATUS_OK)
        return false;
    if (value_type(ret->root) != VALUE_OBJECT) {
        value_unref(ret->root);
        ret->root = NULL;
        return false;
    }
    read_error(value_get_c(ret->root, "error"), ret);
    const struct value *choices = value_get_c(ret->root, "choices"), *usage = value_get_c(ret->root, "usage");
    if (choices != NULL && value_type(choices) == VALUE_ARRAY && value_count(choices) > 0) {
        const struct value *choice = value_item(choices, 0), *delta = value_get_c(choice, "delta");
        if (delta == NULL)
            delta = value_get_c(choice, "message"); /* a whole answer */
        ret->text = delta == NULL ? text_of(choice, "text") : text_of(delta, "content");
        if (delta != NULL)
            ret->reasoning = text_of(delta, "reasoning_content");
        ret->finish_reason = text_of(choice, "finish_reason");
    }
    if (usage != NULL && value_type(usage) == VALUE_OBJECT) {
        ret->has_usage = true;
        ret->prompt_tokens = value_get_int(usage, "prompt_tokens", 0);
        ret->completion_tokens = value_get_int(usage, "completion_tokens", 0);
    }
    return true;
}

const char *openai_error_type(int http_status)
{
    if (http_status == 401 || http_status == 403)
        return "InvokeAuthorizationError";
    if (http_status == 429)
        return "InvokeRateLimitError";
    if (http_status >= 500)
        return "InvokeServerUnavailableError";
    return "InvokeBadRequestError";
}
