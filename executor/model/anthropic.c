/*
 * anthropic: the Messages API. System messages stand apart, turns of the same side are put together, tools are blocks of the
 * content, max_tokens has to be said. What is only known under OpenAI's names is translated (tool_choice, response_format, stop);
 * parameters the API does not know are left out, as it refuses them.
 *   base_url with or without "/v1" at its end.
 */
#include "executor/model/protocol.h"
#include "executor/model/request_parts.h"
#include "executor/model/tool_calls.h"
#include "executor/value/form.h"
#include "executor/value/parse.h"

#define API_VERSION "2023-06-01"
/* tokens. When the export does not say how many: more than most answers have, and no model refuses it. */
#define MAX_TOKENS 4096

static enum status_code put_headers(struct http_headers *headers, struct str secret, struct status *err)
{
    enum status_code rc = http_headers_add(headers, STR("anthropic-version"), STR(API_VERSION), err);
    return rc != STATUS_OK || secret.len == 0 ? rc : http_headers_add(headers, STR("x-api-key"), secret, err);
}

static void put_address(struct buf *ret, struct str base_url, const char *path)
{
    struct request_base base = request_base_of(base_url);
    buf_put(ret, base.address);
    if (!str_ends(base.address, STR("/v1")))
        buf_put_c(ret, "/v1");
    buf_put_c(ret, path);
    if (base.query.len > 0)
        buf_put_char(ret, '?');
    buf_put(ret, base.query);
}

static void put_url(struct buf *ret, struct str base_url, struct str model,
                    const struct model_request *request)
{
    (void)model; /* both are in the body */
    (void)request;
    put_address(ret, base_url, "/messages");
}

static void put_models_url(struct buf *ret, struct str base_url)
{
    put_address(ret, base_url, "/models");
}

/* --- messages --- */

/* Turns under construction: blocks of the same side follow one another in one turn. */
struct turns {
    struct buf *b;
    const char *role; /* of the open one; NULL: none is */
    bool has_some;
};

static void end_turn(struct turns *t)
{
    if (t->role != NULL)
        buf_put_c(t->b, "]}");
    t->role = NULL;
}

/* Where the next block of this side goes. */
static void begin_block(struct turns *t, const char *role)
{
    if (t->role == role) {
        buf_put_char(t->b, ',');
        return;
    }
    end_turn(t);
    buf_put_c(t->b, t->has_some ? ",{\"role\":\"" : "{\"role\":\"");
    buf_put_c(t->b, role);
    buf_put_c(t->b, "\",\"content\":[");
    t->role = role;
    t->has_some = true;
}

static void put_image(struct buf *b, const struct model_file *file)
{
    struct request_image image;
    if (request_image_is_inline(file, &image)) {
        buf_put_c(b, "{\"type\":\"image\",\"source\":{\"type\":\"base64\"");
        request_put_text(b, "media_type", image.media_type);
        request_put_text(b, "data", image.data);
    } else {
        buf_put_c(b, "{\"type\":\"image\",\"source\":{\"type\":\"url\"");
        request_put_text(b, "url", file->url);
    }
    buf_put_c(b, "}}");
}

/* Empty texts are refused, so they are left out. */
static void put_content(struct turns *t, const char *role, const struct model_message *message)
{
    for (size_t i = 0; i < message->file_count; i++) {
        if (!request_is_image(&message->files[i]))
            continue;
        begin_block(t, role);
        put_image(t->b, &message->files[i]);
    }
    if (!request_has_words(message->text))
        return;
    begin_block(t, role);
    buf_put_c(t->b, "{\"type\":\"text\"");
    request_put_text(t->b, "text", message->text);
    buf_put_char(t->b, '}');
}

static void put_message(struct turns *t, const struct model_message *message)
{
    static const char user[] = "user", assistant[] = "assistant";
    if (str_eq_c(message->role, "tool")) {
        begin_block(t, user);
        buf_put_c(t->b, "{\"type\":\"tool_result\"");
        request_put_text(t->b, "tool_use_id", message->call_id);
        request_put_text(t->b, "content", message->text);
        buf_put_char(t->b, '}');
        return;
    }
    const char *role = str_eq_c(message->role, assistant) ? assistant : user;
    put_content(t, role, message);
    for (size_t i = 0; i < message->call_count; i++) {
        const struct model_tool_call *call = &message->calls[i];
        begin_block(t, role);
        buf_put_c(t->b, "{\"type\":\"tool_use\"");
        request_put_text(t->b, "id", call->id);
        request_put_text(t->b, "name", call->name);
        buf_put_c(t->b, ",\"input\":");
        (void)request_put_object(t->b, call->arguments); /* a model's mistake: {} then */
        buf_put_char(t->b, '}');
    }
}

static void put_messages(struct buf *b, const struct model_request *request)
{
    /* A request needs a turn of the user: with nothing but instructions these are it. */
    bool has_turns = !request_is_system_only(request);
    struct turns turns = {.b = b};
    if (has_turns) {
        size_t before = b->len;
        buf_put_c(b, ",\"system\":");
        if (!request_put_system(b, request))
            buf_cut(b, before);
    }
    buf_put_c(b, ",\"messages\":[");
    for (size_t i = 0; i < request->message_count; i++) {
        if (!has_turns || !request_is_system(&request->messages[i]))
            put_message(&turns, &request->messages[i]);
    }
    end_turn(&turns);
    buf_put_char(b, ']');
}

static void put_tools(struct buf *b, const struct model_request *request)
{
    for (size_t i = 0; i < request->tool_count; i++) {
        const struct model_tool *tool = &request->tools[i];
        buf_put_c(b, i == 0 ? ",\"tools\":[{\"name\":" : ",{\"name\":");
        buf_put_json_string(b, tool->name);
        if (tool->description.len > 0)
            request_put_text(b, "description", tool->description);
        if (tool->parameters != NULL)
            request_put_value(b, "input_schema", tool->parameters);
        else
            buf_put_c(b, ",\"input_schema\":{\"type\":\"object\"}");
        buf_put_char(b, '}');
    }
    if (request->tool_count > 0)
        buf_put_char(b, ']');
}

/* --- parameters --- */

static const char *const max_tokens_names[] = {"max_tokens", "max_tokens_to_sample", "max_completion_tokens",
                                               NULL};
static const char *const stop_names[] = {"stop_sequences", "stop", NULL};
static const char *const thinking_names[] = {"thinking", NULL};
static const char *const budget_names[] = {"thinking_budget", NULL};

/* An object as the API has it, or Dify's pair of a switch and a budget. True: the model thinks. */
static bool put_thinking(struct buf *b, const struct value *params)
{
    const struct value *thinking = request_param(params, thinking_names);
    const struct value *budget = request_param(params, budget_names);
    if (thinking == NULL)
        return false;
    if (value_type(thinking) == VALUE_OBJECT) {
        request_put_value(b, "thinking", thinking);
        return !str_eq(value_get_text(thinking, "type", STR("")), STR("disabled"));
    }
    if (value_type(thinking) != VALUE_BOOL || !value_as_bool(thinking))
        return false;
    buf_put_c(b, ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":");
    if (budget != NULL && value_type(budget) == VALUE_INT)
        buf_put_i64(b, value_as_int(budget));
    else
        buf_put_c(b, "1024"); /* the least it may be */
    buf_put_char(b, '}');
    return true;
}

static void put_choice(struct buf *b, const struct value *params)
{
    static const char *const names[] = {"tool_choice", NULL};
    struct request_choice choice = request_choice_of(params);
    const struct value *own = request_param(params, names);
    switch (choice.kind) {
    case REQUEST_CHOICE_AUTO:
        buf_put_c(b, ",\"tool_choice\":{\"type\":\"auto\"}");
        break;
    case REQUEST_CHOICE_ANY:
        buf_put_c(b, ",\"tool_choice\":{\"type\":\"any\"}");
        break;
    case REQUEST_CHOICE_NONE:
        buf_put_c(b, ",\"tool_choice\":{\"type\":\"none\"}");
        break;
    case REQUEST_CHOICE_TOOL:
        buf_put_c(b, ",\"tool_choice\":{\"type\":\"tool\"");
        request_put_text(b, "name", choice.tool);
        buf_put_char(b, '}');
        break;
    case REQUEST_CHOICE_UNSAID:
        if (own != NULL && value_type(own) == VALUE_OBJECT) /* {"type": "any"}: its own words */
            request_put_value(b, "tool_choice", own);
        break;
    }
}

/* The API has a word for a schema only. */
static void put_format(struct buf *b, const struct value *params)
{
    static const char *const names[] = {"output_config", NULL};
    const struct value *own = request_param(params, names);
    struct request_format format = request_format_of(params);
    if (own != NULL) {
        request_put_value(b, "output_config", own);
    } else if (format.schema != NULL) {
        buf_put_c(b, ",\"output_config\":{\"format\":{\"type\":\"json_schema\"");
        request_put_value(b, "schema", format.schema);
        buf_put_c(b, "}}");
    }
    request_format_fini(&format);
}

static void put_same(struct buf *b, const struct value *params, const char *name)
{
    const char *const names[] = {name, NULL};
    const struct value *v = request_param(params, names);
    if (v != NULL)
        request_put_value(b, name, v);
}

static void put_params(struct buf *b, const struct model_request *request)
{
    const struct value *params = request->params;
    const struct value *max_tokens = request_param(params, max_tokens_names);
    const struct value *stop = request_param(params, stop_names);
    if (max_tokens != NULL)
        request_put_value(b, "max_tokens", max_tokens);
    else
        buf_printf(b, ",\"max_tokens\":%d", MAX_TOKENS);
    if (!put_thinking(b, params)) { /* a model that thinks takes none of these */
        put_same(b, params, "temperature");
        put_same(b, params, "top_p");
        put_same(b, params, "top_k");
    }
    if (stop != NULL) {
        buf_put_c(b, ",\"stop_sequences\":");
        request_put_list(b, stop);
    }
    if (request->tool_count > 0)
        put_choice(b, params);
    put_format(b, params);
    put_same(b, params, "metadata");
    put_same(b, params, "service_tier");
}

static enum status_code put_request(struct buf *ret, struct str model, const struct model_request *request,
                                    struct status *err)
{
    (void)err; /* a completion is asked for as a message */
    buf_put_c(ret, "{\"model\":");
    buf_put_json_string(ret, model);
    put_messages(ret, request);
    put_tools(ret, request);
    buf_put_c(ret, ",\"stream\":true");
    put_params(ret, request);
    buf_put_char(ret, '}');
    return STATUS_OK;
}

/* --- the answer --- */

struct reader {
    struct value *root;
    struct buf text, reasoning, arguments;
    int64_t prompt_tokens;
    bool is_in_call; /* the open block is a tool this side is to call */
    bool has_begun;
};

static struct str text_of(const struct value *object, const char *key)
{
    return object == NULL ? STR("") : value_get_text(object, key, STR(""));
}

static struct str finish_of(struct str reason)
{
    static const struct {
        struct str theirs, ours;
    } rows[] = {{{"end_turn", 8}, {"stop", 4}},
                {{"stop_sequence", 13}, {"stop", 4}},
                {{"pause_turn", 10}, {"stop", 4}},
                {{"max_tokens", 10}, {"length", 6}},
                {{"model_context_window_exceeded", 29}, {"length", 6}},
                {{"tool_use", 8}, {"tool_calls", 10}},
                {{"refusal", 7}, {"content_filter", 14}}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (str_eq(reason, rows[i].theirs))
            return rows[i].ours;
    }
    return reason;
}

/* Tokens that were read from a cache, or put into one, are tokens of the prompt, too. */
static void read_usage(struct reader *r, const struct value *usage, struct protocol_piece *ret)
{
    if (usage == NULL || value_type(usage) != VALUE_OBJECT)
        return;
    int64_t parts[] = {value_get_int(usage, "input_tokens", 0),
                       value_get_int(usage, "cache_creation_input_tokens", 0),
                       value_get_int(usage, "cache_read_input_tokens", 0)};
    int64_t sum = 0;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (parts[i] > 0 && parts[i] < INT64_MAX - sum)
            sum += parts[i];
    }
    /* The last event says them again, at times only some of them. */
    if (sum > r->prompt_tokens)
        r->prompt_tokens = sum;
    ret->has_usage = true;
    ret->prompt_tokens = r->prompt_tokens;
    ret->completion_tokens = value_get_int(usage, "output_tokens", -1);
}

static void read_error(const struct value *error, struct protocol_piece *ret)
{
    bool is_text = error != NULL && value_type(error) == VALUE_STRING;
    ret->error = is_text ? value_text(error) : text_of(error, "message");
    ret->error_kind = is_text ? STR("") : text_of(error, "type");
    if (ret->error.len == 0)
        ret->error = STR("the provider reported an error without words");
}

/* False: too many calls. */
static bool begin_call(struct reader *r, const struct value *block, int64_t index, struct tool_calls *calls)
{
    const struct value *input = value_get_c(block, "input");
    struct tool_call_piece piece = {
        .index = index, .id = text_of(block, "id"), .name = text_of(block, "name")};
    buf_clear(&r->arguments);
    /* Empty when they follow piece by piece. */
    if (input != NULL && value_type(input) == VALUE_OBJECT && value_count(input) > 0)
        value_put_json(&r->arguments, input, JSON_COMPACT, false);
    piece.arguments = buf_str(&r->arguments);
    return !r->arguments.failed && tool_calls_add(calls, &piece);
}

static bool read_block_start(struct reader *r, const struct value *root, struct tool_calls *calls,
                             struct protocol_piece *ret)
{
    const struct value *block = value_get_c(root, "content_block");
    struct str type = text_of(block, "type");
    ret->text = str_eq_c(type, "text") ? text_of(block, "text") : STR("");
    ret->reasoning = str_eq_c(type, "thinking") ? text_of(block, "thinking") : STR("");
    r->is_in_call = str_eq_c(type, "tool_use");
    return !r->is_in_call || begin_call(r, block, value_get_int(root, "index", -1), calls);
}

static bool read_block_delta(struct reader *r, const struct value *root, struct tool_calls *calls,
                             struct protocol_piece *ret)
{
    const struct value *delta = value_get_c(root, "delta");
    struct str type = text_of(delta, "type");
    if (str_eq_c(type, "text_delta")) {
        ret->text = text_of(delta, "text");
    } else if (str_eq_c(type, "thinking_delta")) {
        ret->reasoning = text_of(delta, "thinking");
    } else if (str_eq_c(type, "input_json_delta") && r->is_in_call) {
        struct tool_call_piece piece = {.index = value_get_int(root, "index", -1),
                                        .arguments = text_of(delta, "partial_json")};
        return piece.arguments.len == 0 || tool_calls_add(calls, &piece);
    }
    return true;
}

static bool read_event(struct reader *r, struct str type, struct tool_calls *calls,
                       struct protocol_piece *ret)
{
    const struct value *root = r->root;
    if (str_eq_c(type, "content_block_delta"))
        return read_block_delta(r, root, calls, ret);
    if (str_eq_c(type, "content_block_start"))
        return read_block_start(r, root, calls, ret);
    if (str_eq_c(type, "message_start")) {
        const struct value *message = value_get_c(root, "message");
        read_usage(r, message == NULL ? NULL : value_get_c(message, "usage"), ret);
    } else if (str_eq_c(type, "message_delta")) {
        ret->finish_reason = finish_of(text_of(value_get_c(root, "delta"), "stop_reason"));
        read_usage(r, value_get_c(root, "usage"), ret);
    } else if (str_eq_c(type, "message_stop")) {
        ret->is_last = true;
    } else if (str_eq_c(type, "error")) {
        read_error(value_get_c(root, "error"), ret);
    }
    return true; /* content_block_stop, ping, and what may come to be */
}

static bool read_whole(struct reader *r, struct tool_calls *calls, struct protocol_piece *ret)
{
    const struct value *error = value_get_c(r->root, "error"), *content = value_get_c(r->root, "content");
    if (str_eq(text_of(r->root, "type"), STR("error")) ||
        (error != NULL && value_type(error) != VALUE_NONE)) {
        read_error(error, ret);
        return true;
    }
    for (size_t i = 0; content != NULL && value_type(content) == VALUE_ARRAY && i < value_count(content);
         i++) {
        const struct value *block = value_item(content, i);
        struct str type = text_of(block, "type");
        if (str_eq_c(type, "text"))
            buf_put(&r->text, text_of(block, "text"));
        else if (str_eq_c(type, "thinking"))
            buf_put(&r->reasoning, text_of(block, "thinking"));
        else if (str_eq_c(type, "tool_use") && !begin_call(r, block, (int64_t)i, calls))
            return false;
    }
    ret->text = buf_str(&r->text);
    ret->reasoning = buf_str(&r->reasoning);
    ret->finish_reason = finish_of(text_of(r->root, "stop_reason"));
    read_usage(r, value_get_c(r->root, "usage"), ret);
    return !r->text.failed && !r->reasoning.failed;
}

static bool read_piece(void *reader, struct str event, struct str data, bool is_whole,
                       struct tool_calls *calls, struct protocol_piece *ret)
{
    struct reader *r = reader;
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
    if (value_parse_json(NULL, data, &r->root, NULL) != STATUS_OK || value_type(r->root) != VALUE_OBJECT)
        return false;
    if (is_whole)
        return read_whole(r, calls, ret);
    return read_event(r, value_get_text(r->root, "type", event), calls, ret);
}

static void reader_fini(void *reader)
{
    struct reader *r = reader;
    value_unref(r->root);
    buf_fini(&r->text);
    buf_fini(&r->reasoning);
    buf_fini(&r->arguments);
}

static const char *const secrets[] = {"x-api-key", NULL};
const struct protocol protocol_anthropic = {.name = "anthropic",
                                            .secrets = secrets,
                                            .put_headers = put_headers,
                                            .put_url = put_url,
                                            .put_request = put_request,
                                            .reader_size = sizeof(struct reader),
                                            .read = read_piece,
                                            .reader_fini = reader_fini,
                                            .put_models_url = put_models_url};
