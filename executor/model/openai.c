/* openai: see the header. */
#include "executor/model/openai.h"

#include "executor/value/form.h"
#include "executor/value/parse.h"

const char *openai_path(const struct model_request *request)
{
    return request->is_completion ? "/completions" : "/chat/completions";
}

static void put_member(struct buf *b, const char *key, struct str text)
{
    buf_put_char(b, ',');
    buf_put_json_string(b, str_c(key));
    buf_put_char(b, ':');
    buf_put_json_string(b, text);
}

static bool is_image(const struct model_file *file)
{
    return str_eq_c(file->kind, "image");
}

static bool has_images(const struct model_message *message)
{
    for (size_t i = 0; i < message->file_count; i++) {
        if (is_image(&message->files[i]))
            return true;
    }
    return false;
}

/* Images, then the text. */
static void put_parts(struct buf *b, const struct model_message *message)
{
    const char *between = "[";
    for (size_t i = 0; i < message->file_count; i++) {
        const struct model_file *file = &message->files[i];
        if (!is_image(file))
            continue;
        buf_put_c(b, between);
        between = ",";
        buf_put_c(b, "{\"type\":\"image_url\",\"image_url\":{\"url\":");
        buf_put_json_string(b, file->url);
        if (file->detail.len > 0)
            put_member(b, "detail", file->detail);
        buf_put_c(b, "}}");
    }
    if (message->text.len > 0) {
        buf_put_c(b, ",{\"type\":\"text\"");
        put_member(b, "text", message->text);
        buf_put_char(b, '}');
    }
    buf_put_char(b, ']');
}

static void put_calls(struct buf *b, const struct model_message *message)
{
    for (size_t i = 0; i < message->call_count; i++) {
        const struct model_tool_call *call = &message->calls[i];
        buf_put_c(b, i == 0 ? ",\"tool_calls\":[{\"id\":" : ",{\"id\":");
        buf_put_json_string(b, call->id);
        buf_put_c(b, ",\"type\":\"function\",\"function\":{\"name\":");
        buf_put_json_string(b, call->name);
        put_member(b, "arguments", call->arguments);
        buf_put_c(b, "}}");
    }
    if (message->call_count > 0)
        buf_put_char(b, ']');
}

static void put_message(struct buf *b, const struct model_message *message)
{
    buf_put_c(b, "{\"role\":");
    buf_put_json_string(b, message->role);
    if (message->call_id.len > 0)
        put_member(b, "tool_call_id", message->call_id);
    buf_put_c(b, ",\"content\":");
    if (has_images(message))
        put_parts(b, message);
    else if (message->call_count > 0 && message->text.len == 0)
        buf_put_c(b, "null");
    else
        buf_put_json_string(b, message->text);
    put_calls(b, message);
    buf_put_char(b, '}');
}

static void put_messages(struct buf *b, const struct model_request *request)
{
    buf_put_c(b, ",\"messages\":[");
    for (size_t i = 0; i < request->message_count; i++) {
        if (i > 0)
            buf_put_char(b, ',');
        put_message(b, &request->messages[i]);
    }
    buf_put_char(b, ']');
}

static void put_tools(struct buf *b, const struct model_request *request)
{
    for (size_t i = 0; i < request->tool_count; i++) {
        const struct model_tool *tool = &request->tools[i];
        buf_put_c(b, i == 0 ? ",\"tools\":[" : ",");
        buf_put_c(b, "{\"type\":\"function\",\"function\":{\"name\":");
        buf_put_json_string(b, tool->name);
        if (tool->description.len > 0)
            put_member(b, "description", tool->description);
        if (tool->parameters != NULL) {
            buf_put_c(b, ",\"parameters\":");
            value_put_json(b, tool->parameters, JSON_COMPACT, false);
        }
        buf_put_c(b, "}}");
    }
    if (request->tool_count > 0)
        buf_put_char(b, ']');
}

/* An object, or one as JSON text (sent as it is when it is that). */
static void put_schema(struct buf *b, const struct value *schema)
{
    struct value *parsed = NULL;
    bool is_text = schema != NULL && value_type(schema) == VALUE_STRING;
    if (is_text && value_parse_json(NULL, value_text(schema), &parsed, NULL) == STATUS_OK)
        schema = parsed;
    if (schema != NULL && value_type(schema) == VALUE_OBJECT) {
        buf_put_c(b, ",\"json_schema\":");
        value_put_json(b, schema, JSON_COMPACT, false);
    }
    value_unref(parsed);
}

/* What the export may not change, and what it writes in another way than the API. */
static void put_param(struct buf *b, const struct value *params, size_t i)
{
    static const char *const ours[] = {"model",          "messages",    "prompt", "stream",
                                       "stream_options", "json_schema", "tools"};
    struct str name = value_key(params, i);
    const struct value *value = value_member(params, i);
    for (size_t k = 0; k < ARRAY_LEN(ours); k++) {
        if (str_eq_c(name, ours[k]))
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
    if (is_format && str_eq_c(value_text(value), "json_schema"))
        put_schema(b, value_get_c(params, "json_schema"));
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
        put_tools(b, request);
    }
    buf_put_c(b, request->is_whole ? ",\"stream\":false"
                                   : ",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
    for (size_t i = 0; request->params != NULL && i < value_count(request->params); i++)
        put_param(b, request->params, i);
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
        const struct value *calls = delta == NULL ? NULL : value_get_c(delta, "tool_calls");
        if (calls != NULL && value_type(calls) == VALUE_ARRAY)
            ret->calls = calls;
        ret->finish_reason = text_of(choice, "finish_reason");
    }
    if (usage != NULL && value_type(usage) == VALUE_OBJECT) {
        ret->has_usage = true;
        ret->prompt_tokens = value_get_int(usage, "prompt_tokens", 0);
        ret->completion_tokens = value_get_int(usage, "completion_tokens", 0);
    }
    return true;
}

size_t openai_call_count(const struct openai_piece *piece)
{
    return piece->calls == NULL ? 0 : value_count(piece->calls);
}

struct openai_call openai_call_at(const struct openai_piece *piece, size_t i)
{
    const struct value *call = value_item(piece->calls, i), *function = value_get_c(call, "function");
    struct openai_call ret = {.index = value_get_int(call, "index", -1), .id = text_of(call, "id")};
    ret.name = function == NULL ? STR("") : text_of(function, "name");
    ret.arguments = function == NULL ? NULL : value_get_c(function, "arguments");
    return ret;
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
