/*
 * gemini: Google's generateContent, as a stream of server-sent events. Turns are of the user or the model, made of parts;
 * instructions stand apart; a result of a tool is known by the tool's name. Parameters go by the API's names, OpenAI's are
 * translated; those it does not know are left out, as it refuses them.
 *   base_url "https://generativelanguage.googleapis.com", with or without "/v1beta" (or another version) at its end, or the
 *   address of Vertex AI's models up to ".../publishers/google".
 */
#include "executor/model/gemini.h"
#include "executor/model/request_parts.h"

static enum status_code put_headers(struct http_headers *headers, struct str secret, struct status *err)
{
    return secret.len == 0 ? STATUS_OK : http_headers_add(headers, STR("x-goog-api-key"), secret, err);
}

static void put_base(struct buf *ret, struct str address)
{
    static const char *const versions[] = {"/v1beta", "/v1", "/v1alpha", "/v1beta1", "/publishers/google"};
    bool has_version = false;
    for (size_t i = 0; i < ARRAY_LEN(versions); i++)
        has_version |= str_ends(address, str_c(versions[i]));
    buf_put(ret, address);
    if (!has_version)
        buf_put_c(ret, "/v1beta");
}

static void put_url(struct buf *ret, struct str base_url, struct str model,
                    const struct model_request *request)
{
    (void)request;
    struct request_base base = request_base_of(base_url);
    bool is_path = str_starts(model, STR("models/")) || str_starts(model, STR("tunedModels/"));
    put_base(ret, base.address);
    buf_put_c(ret, is_path ? "/" : "/models/");
    request_put_path(ret, model);
    buf_put_c(ret, ":streamGenerateContent?alt=sse");
    if (base.query.len > 0)
        buf_put_char(ret, '&');
    buf_put(ret, base.query);
}

static void put_models_url(struct buf *ret, struct str base_url)
{
    struct request_base base = request_base_of(base_url);
    put_base(ret, base.address);
    buf_put_c(ret, "/models");
    if (base.query.len > 0)
        buf_put_char(ret, '?');
    buf_put(ret, base.query);
}

/* --- contents --- */

/* Turns under construction: parts of the same side follow one another in one turn. */
struct contents {
    struct buf *b;
    const struct model_request *request;
    const char *role; /* of the open one; NULL: none is */
    bool has_some;
};

static void end_turn(struct contents *c)
{
    if (c->role != NULL)
        buf_put_c(c->b, "]}");
    c->role = NULL;
}

static void begin_part(struct contents *c, const char *role)
{
    if (c->role == role) {
        buf_put_char(c->b, ',');
        return;
    }
    end_turn(c);
    buf_put_c(c->b, c->has_some ? ",{\"role\":\"" : "{\"role\":\"");
    buf_put_c(c->b, role);
    buf_put_c(c->b, "\",\"parts\":[");
    c->role = role;
    c->has_some = true;
}

static void put_image(struct buf *b, const struct model_file *file)
{
    struct request_image image;
    bool is_inline = request_image_is_inline(file, &image);
    buf_put_c(b, is_inline ? "{\"inlineData\":{\"mimeType\":" : "{\"fileData\":{\"mimeType\":");
    buf_put_json_string(b, image.media_type);
    if (is_inline)
        request_put_text(b, "data", image.data);
    else
        request_put_text(b, "fileUri", file->url);
    buf_put_c(b, "}}");
}

/* The name of the tool that was called under this id before the message. */
static struct str tool_of_call(const struct model_request *request, const struct model_message *message)
{
    struct str name = message->call_id;
    for (const struct model_message *m = request->messages; m < message; m++) {
        for (size_t i = 0; i < m->call_count; i++) {
            if (str_eq(m->calls[i].id, message->call_id))
                name = m->calls[i].name;
        }
    }
    return name;
}

/* What a tool gives has to be an object. */
static void put_result(struct contents *c, const struct model_message *message)
{
    struct buf *b = c->b;
    buf_put_c(b, "{\"functionResponse\":{\"name\":");
    buf_put_json_string(b, tool_of_call(c->request, message));
    buf_put_c(b, ",\"response\":");
    size_t before = b->len;
    if (!request_put_object(b, message->text)) {
        buf_cut(b, before);
        buf_put_c(b, "{\"result\":");
        buf_put_json_string(b, message->text);
        buf_put_char(b, '}');
    }
    buf_put_c(b, "}}");
}

static void put_message(struct contents *c, const struct model_message *message)
{
    static const char user[] = "user", model[] = "model";
    if (str_eq_c(message->role, "tool")) {
        begin_part(c, user);
        put_result(c, message);
        return;
    }
    const char *role = str_eq_c(message->role, "assistant") ? model : user;
    for (size_t i = 0; i < message->file_count; i++) {
        if (!request_is_image(&message->files[i]))
            continue;
        begin_part(c, role);
        put_image(c->b, &message->files[i]);
    }
    if (message->text.len > 0) { /* a part with nothing in it is refused */
        begin_part(c, role);
        buf_put_c(c->b, "{\"text\":");
        buf_put_json_string(c->b, message->text);
        buf_put_char(c->b, '}');
    }
    for (size_t i = 0; i < message->call_count; i++) {
        begin_part(c, role);
        buf_put_c(c->b, "{\"functionCall\":{\"name\":");
        buf_put_json_string(c->b, message->calls[i].name);
        buf_put_c(c->b, ",\"args\":");
        (void)request_put_object(c->b, message->calls[i].arguments); /* a model's mistake: {} then */
        buf_put_c(c->b, "}}");
    }
}

static void put_contents(struct buf *b, const struct model_request *request)
{
    /* A request needs a turn of the user: with nothing but instructions these are it. */
    bool has_turns = !request_is_system_only(request);
    struct contents contents = {.b = b, .request = request};
    buf_put_c(b, "{\"contents\":[");
    for (size_t i = 0; i < request->message_count; i++) {
        if (!has_turns || !request_is_system(&request->messages[i]))
            put_message(&contents, &request->messages[i]);
    }
    end_turn(&contents);
    buf_put_char(b, ']');
    size_t before = b->len;
    buf_put_c(b, ",\"systemInstruction\":{\"parts\":[{\"text\":");
    if (has_turns && request_put_system(b, request))
        buf_put_c(b, "}]}");
    else
        buf_cut(b, before);
}

static void put_tools(struct buf *b, const struct model_request *request)
{
    for (size_t i = 0; i < request->tool_count; i++) {
        const struct model_tool *tool = &request->tools[i];
        buf_put_c(b, i == 0 ? ",\"tools\":[{\"functionDeclarations\":[{\"name\":" : ",{\"name\":");
        buf_put_json_string(b, tool->name);
        if (tool->description.len > 0)
            request_put_text(b, "description", tool->description);
        if (tool->parameters != NULL)
            request_put_value(b, "parametersJsonSchema", tool->parameters);
        buf_put_char(b, '}');
    }
    if (request->tool_count > 0)
        buf_put_c(b, "]}]");
}

static void put_choice(struct buf *b, const struct value *params)
{
    struct request_choice choice = request_choice_of(params);
    const char *mode = choice.kind == REQUEST_CHOICE_AUTO   ? "AUTO"
                       : choice.kind == REQUEST_CHOICE_NONE ? "NONE"
                                                            : "ANY";
    if (choice.kind == REQUEST_CHOICE_UNSAID)
        return;
    buf_put_c(b, ",\"toolConfig\":{\"functionCallingConfig\":{\"mode\":");
    buf_put_json_string(b, str_c(mode));
    if (choice.kind == REQUEST_CHOICE_TOOL) {
        buf_put_c(b, ",\"allowedFunctionNames\":[");
        buf_put_json_string(b, choice.tool);
        buf_put_char(b, ']');
    }
    buf_put_c(b, "}}");
}

/* --- parameters --- */

/* Under the first of these names that is set, in the generationConfig under the API's. */
static const struct {
    const char *key;
    const char *names[5];
} config_params[] = {
    {"temperature", {"temperature"}},
    {"topP", {"top_p", "topP"}},
    {"topK", {"top_k", "topK"}},
    {"maxOutputTokens", {"max_output_tokens", "maxOutputTokens", "max_tokens", "max_completion_tokens"}},
    {"presencePenalty", {"presence_penalty", "presencePenalty"}},
    {"frequencyPenalty", {"frequency_penalty", "frequencyPenalty"}},
    {"seed", {"seed"}},
};

/* Appends ,"key":{…} of members that each have a comma in front of them; nothing when there are none. Ends them. */
static void put_members(struct buf *b, const char *key, struct buf *take_members)
{
    struct str members = buf_str(take_members);
    b->failed |= take_members->failed;
    if (members.len > 0) {
        buf_put_char(b, ',');
        buf_put_json_string(b, str_c(key));
        buf_put_c(b, ":{");
        buf_put(b, str_sub(members, 1, members.len));
        buf_put_char(b, '}');
    }
    buf_fini(take_members);
}

/* An object as the API has it, or Dify's budget and switch. */
static void put_thinking(struct buf *b, const struct value *params)
{
    static const char *const names[] = {"thinking_config", "thinkingConfig", NULL};
    static const char *const budget_names[] = {"thinking_budget", NULL};
    static const char *const shown_names[] = {"include_thoughts", NULL};
    const struct value *own = request_param(params, names);
    const struct value *budget = request_param(params, budget_names),
                       *shown = request_param(params, shown_names);
    if (own != NULL) {
        request_put_value(b, "thinkingConfig", own);
        return;
    }
    struct buf members;
    buf_init(&members, b->max);
    if (budget != NULL)
        request_put_value(&members, "thinkingBudget", budget);
    if (shown != NULL)
        request_put_value(&members, "includeThoughts", shown);
    put_members(b, "thinkingConfig", &members);
}

static void put_format(struct buf *b, const struct value *params)
{
    struct request_format format = request_format_of(params);
    if (format.kind != REQUEST_FORMAT_TEXT)
        buf_put_c(b, ",\"responseMimeType\":\"application/json\"");
    if (format.schema != NULL)
        request_put_value(b, "responseJsonSchema", format.schema);
    request_format_fini(&format);
}

static void put_config(struct buf *b, const struct value *params)
{
    static const char *const stop_names[] = {"stop_sequences", "stopSequences", "stop", NULL};
    const struct value *stop = request_param(params, stop_names);
    struct buf members;
    buf_init(&members, b->max);
    for (size_t i = 0; i < ARRAY_LEN(config_params); i++) {
        const struct value *v = request_param(params, config_params[i].names);
        if (v != NULL)
            request_put_value(&members, config_params[i].key, v);
    }
    if (stop != NULL) {
        buf_put_c(&members, ",\"stopSequences\":");
        request_put_list(&members, stop);
    }
    put_format(&members, params);
    put_thinking(&members, params);
    put_members(b, "generationConfig", &members);
}

static enum status_code put_request(struct buf *ret, struct str model, const struct model_request *request,
                                    struct status *err)
{
    static const char *const safety_names[] = {"safety_settings", "safetySettings", NULL};
    (void)model; /* it is in the address */
    (void)err;   /* a completion is asked for as a message */
    const struct value *safety = request_param(request->params, safety_names);
    put_contents(ret, request);
    put_tools(ret, request);
    if (request->tool_count > 0)
        put_choice(ret, request->params);
    put_config(ret, request->params);
    if (safety != NULL && value_type(safety) == VALUE_ARRAY)
        request_put_value(ret, "safetySettings", safety);
    buf_put_char(ret, '}');
    return STATUS_OK;
}

static const char *const secrets[] = {"x-goog-api-key", NULL};
const struct protocol protocol_gemini = {.name = "gemini",
                                         .secrets = secrets,
                                         .put_headers = put_headers,
                                         .put_url = put_url,
                                         .put_request = put_request,
                                         .reader_size = sizeof(struct gemini_reader),
                                         .read = gemini_read,
                                         .reader_fini = gemini_reader_fini,
                                         .put_models_url = put_models_url};
