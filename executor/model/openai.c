/* openai: see the header. */
#include "executor/model/openai.h"

#include "executor/model/chunk_scan.h"
#include "executor/model/request_parts.h"
#include "executor/model/tool_calls.h"
#include "executor/value/form.h"
#include "executor/value/parse.h"
#include "shared/base/crypto.h"

const char *openai_path(const struct model_request *request)
{
    return request->is_completion ? "/completions" : "/chat/completions";
}

static enum status_code put_headers(struct http_headers *headers, struct str secret, struct status *err)
{
    if (secret.len == 0)
        return STATUS_OK;
    struct buf bearer;
    buf_init(&bearer, HTTP_HEADER_BYTES_MAX);
    buf_put_c(&bearer, "Bearer ");
    buf_put(&bearer, secret);
    enum status_code rc = bearer.failed
                              ? status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for a header")
                              : http_headers_add(headers, STR("Authorization"), buf_str(&bearer), err);
    if (bearer.ptr != NULL)
        secret_wipe(bearer.ptr, bearer.len);
    buf_fini(&bearer);
    return rc;
}

static void put_address(struct buf *ret, struct str base_url, const char *path)
{
    struct request_base base = request_base_of(base_url);
    buf_put(ret, base.address);
    buf_put_c(ret, path);
    if (base.query.len > 0)
        buf_put_char(ret, '?');
    buf_put(ret, base.query);
}

static void put_url(struct buf *ret, struct str base_url, struct str model,
                    const struct model_request *request)
{
    (void)model; /* it is in the body */
    put_address(ret, base_url, openai_path(request));
}

static void put_models_url(struct buf *ret, struct str base_url)
{
    put_address(ret, base_url, "/models");
}

/* --- the request --- */

/* Images, then the text. */
static void put_parts(struct buf *b, const struct model_message *message)
{
    const char *between = "[";
    for (size_t i = 0; i < message->file_count; i++) {
        const struct model_file *file = &message->files[i];
        if (!request_is_image(file))
            continue;
        buf_put_c(b, between);
        between = ",";
        buf_put_c(b, "{\"type\":\"image_url\",\"image_url\":{\"url\":");
        buf_put_json_string(b, file->url);
        if (file->detail.len > 0)
            request_put_text(b, "detail", file->detail);
        buf_put_c(b, "}}");
    }
    if (message->text.len > 0) {
        buf_put_c(b, ",{\"type\":\"text\"");
        request_put_text(b, "text", message->text);
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
        request_put_text(b, "arguments", call->arguments);
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
        request_put_text(b, "tool_call_id", message->call_id);
    buf_put_c(b, ",\"content\":");
    if (request_has_images(message))
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
            request_put_text(b, "description", tool->description);
        if (tool->parameters != NULL)
            request_put_value(b, "parameters", tool->parameters);
        buf_put_c(b, "}}");
    }
    if (request->tool_count > 0)
        buf_put_char(b, ']');
}

/* A format that is given by its name, with the schema from another parameter. */
static void put_format(struct buf *b, const struct value *params, struct str name)
{
    struct request_format format = request_format_of(params);
    buf_put_c(b, ",\"response_format\":{\"type\":");
    buf_put_json_string(b, name);
    if (format.json_schema != NULL)
        request_put_value(b, "json_schema", format.json_schema);
    buf_put_char(b, '}');
    request_format_fini(&format);
}

/* Models that think refuse max_tokens, which exports have all the same; they know it by another name. */
static bool refuses_max_tokens(struct str model)
{
    static const char *const thinking[] = {"o1", "o3", "o4", "gpt-5"};
    bool thinks = false;
    for (size_t i = 0; i < ARRAY_LEN(thinking); i++)
        thinks |= str_starts(model, str_c(thinking[i]));
    return thinks;
}

/* What the export may not change, and what it writes in another way than the API. */
static void put_param(struct buf *b, struct str model, const struct model_request *request, size_t i)
{
    static const char *const ours[] = {"model",          "messages",    "prompt", "stream",
                                       "stream_options", "json_schema", "tools"};
    const struct value *params = request->params, *value = value_member(params, i);
    struct str name = value_key(params, i);
    for (size_t k = 0; k < ARRAY_LEN(ours); k++) {
        if (str_eq_c(name, ours[k]))
            return;
    }
    bool is_format = str_eq_c(name, "response_format") && value_type(value) == VALUE_STRING;
    if (value_type(value) == VALUE_NONE || (is_format && value_text(value).len == 0))
        return;
    if (is_format) {
        put_format(b, params, value_text(value));
        return;
    }
    if (str_eq_c(name, "max_tokens") && refuses_max_tokens(model)) {
        name = STR("max_completion_tokens");
        if (value_get(params, name) != NULL)
            return;
    }
    buf_put_char(b, ',');
    buf_put_json_string(b, name);
    buf_put_char(b, ':');
    value_put_json(b, value, JSON_COMPACT, false);
}

enum status_code openai_put_request(struct buf *ret, struct str model, const struct model_request *request,
                                    struct status *err)
{
    (void)err; /* there is a word for everything */
    buf_put_c(ret, "{\"model\":");
    buf_put_json_string(ret, model);
    if (request->is_completion) {
        buf_put_c(ret, ",\"prompt\":");
        buf_put_json_string(ret, request->message_count > 0 ? request->messages[0].text : STR(""));
    } else {
        put_messages(ret, request);
        put_tools(ret, request);
    }
    buf_put_c(ret, ",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
    for (size_t i = 0; request->params != NULL && i < value_count(request->params); i++)
        put_param(ret, model, request, i);
    buf_put_char(ret, '}');
    return STATUS_OK;
}

/* --- the answer --- */

static struct str text_of(const struct value *object, const char *key)
{
    return value_get_text(object, key, STR(""));
}

/* A number that names a status of HTTP, as some give it for a code; 0: none. */
static int status_of(const struct value *code)
{
    int64_t n = 0;
    if (code != NULL && value_type(code) == VALUE_INT)
        n = value_as_int(code);
    else if (code != NULL && value_type(code) == VALUE_STRING && !str_to_i64(value_text(code), &n))
        n = 0;
    return n >= 400 && n <= 599 ? (int)n : 0;
}

static void read_error(const struct value *root, struct protocol_piece *ret)
{
    const struct value *error = value_get_c(root, "error");
    if (error == NULL || value_type(error) == VALUE_NONE)
        return;
    if (value_type(error) == VALUE_STRING) {
        ret->error = value_text(error);
        return;
    }
    ret->error = text_of(error, "message");
    ret->error_code = text_of(error, "code");
    ret->error_kind = text_of(error, "type");
    ret->error_status = status_of(value_get_c(error, "code"));
    if (ret->error.len == 0)
        ret->error = STR("the provider reported an error without words");
}

/* Some servers that speak the API word their refusals as they like. */
static void read_other_error(const struct value *root, struct protocol_piece *ret)
{
    static const char *const names[] = {"message", "detail", "error_msg", "msg"};
    for (size_t i = 0; ret->error.ptr == NULL && i < ARRAY_LEN(names); i++) {
        struct str words = text_of(root, names[i]);
        if (words.len > 0)
            ret->error = words;
    }
    if (ret->error.ptr == NULL)
        return;
    ret->error_code = text_of(root, "code");
    ret->error_kind = text_of(root, "type");
    ret->error_status = status_of(value_get_c(root, "code"));
}

/* False: they are too many, or too long. */
static bool read_calls(struct openai_reader *r, const struct value *list, bool is_whole,
                       struct tool_calls *calls)
{
    for (size_t i = 0; i < value_count(list); i++) {
        const struct value *call = value_item(list, i), *function = value_get_c(call, "function");
        const struct value *arguments = function == NULL ? NULL : value_get_c(function, "arguments");
        struct tool_call_piece piece = {.index = value_get_int(call, "index", is_whole ? (int64_t)i : -1),
                                        .id = text_of(call, "id"),
                                        .name = function == NULL ? STR("") : text_of(function, "name")};
        buf_clear(&r->text);
        if (arguments != NULL && value_type(arguments) == VALUE_STRING) {
            piece.arguments = value_text(arguments);
        } else if (arguments != NULL && value_type(arguments) != VALUE_NONE) {
            /* Some give an object instead of its text. */
            value_put_json(&r->text, arguments, JSON_COMPACT, false);
            piece.arguments = buf_str(&r->text);
        }
        if (r->text.failed || !tool_calls_add(calls, &piece))
            return false;
    }
    return true;
}

static void read_usage(const struct value *root, struct protocol_piece *ret)
{
    const struct value *usage = value_get_c(root, "usage");
    if (usage == NULL || value_type(usage) != VALUE_OBJECT) {
        const struct value *groq = value_get_c(root, "x_groq");
        usage = groq == NULL ? NULL : value_get_c(groq, "usage");
    }
    if (usage == NULL || value_type(usage) != VALUE_OBJECT)
        return;
    ret->prompt_tokens = value_get_int(usage, "prompt_tokens", -1);
    ret->completion_tokens = value_get_int(usage, "completion_tokens", -1);
    ret->has_usage = ret->prompt_tokens >= 0 || ret->completion_tokens >= 0;
}

static bool read_choice(struct openai_reader *r, const struct value *choice, bool is_whole,
                        struct tool_calls *calls, struct protocol_piece *ret)
{
    const struct value *delta = value_get_c(choice, "delta");
    if (delta == NULL)
        delta = value_get_c(choice, "message"); /* a whole answer */
    ret->text = delta == NULL ? text_of(choice, "text") : text_of(delta, "content");
    ret->finish_reason = text_of(choice, "finish_reason");
    if (delta == NULL)
        return true;
    ret->reasoning = text_of(delta, "reasoning_content");
    if (ret->reasoning.len == 0)
        ret->reasoning = text_of(delta, "reasoning");
    const struct value *list = value_get_c(delta, "tool_calls");
    return list == NULL || value_type(list) != VALUE_ARRAY || read_calls(r, list, is_whole, calls);
}

bool openai_read(void *reader, struct str event, struct str data, bool is_whole, struct tool_calls *calls,
                 struct protocol_piece *ret)
{
    struct openai_reader *r = reader;
    *ret = (struct protocol_piece){.prompt_tokens = -1, .completion_tokens = -1};
    if (r->text.max == 0)
        buf_init(&r->text, PROTOCOL_PIECE_BYTES_MAX);
    value_unref(r->root);
    r->root = NULL;
    if (!is_whole && data.len < 16 && str_eq(str_trim(data), STR("[DONE]"))) {
        ret->is_last = true;
        return true;
    }
    if (!is_whole && chunk_scan(data, &r->text, ret))
        return true;
    if (value_parse_json(NULL, data, &r->root, NULL) != STATUS_OK)
        return false;
    const struct value *root = r->root;
    if (is_whole && value_type(root) == VALUE_ARRAY && value_count(root) > 0)
        root = value_item(root, 0); /* so some wrap their errors */
    if (value_type(root) != VALUE_OBJECT)
        return false;
    read_error(root, ret);
    const struct value *choices = value_get_c(root, "choices");
    bool has_choices = choices != NULL && value_type(choices) == VALUE_ARRAY;
    if (ret->error.ptr == NULL && !has_choices && (is_whole || str_eq(event, STR("error"))))
        read_other_error(root, ret);
    read_usage(root, ret);
    return !has_choices || value_count(choices) == 0 ||
           read_choice(r, value_item(choices, 0), is_whole, calls, ret);
}

void openai_reader_fini(void *reader)
{
    struct openai_reader *r = reader;
    value_unref(r->root);
    buf_fini(&r->text);
}

static const char *const secrets[] = {"Authorization", NULL};
const struct protocol protocol_openai = {.name = "openai",
                                         .secrets = secrets,
                                         .put_headers = put_headers,
                                         .put_url = put_url,
                                         .put_request = openai_put_request,
                                         .reader_size = sizeof(struct openai_reader),
                                         .read = openai_read,
                                         .reader_fini = openai_reader_fini,
                                         .put_models_url = put_models_url};
