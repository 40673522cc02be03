/*
 * llm_prompt: from the configuration and the variables of a run to messages and parameters (dify-dsl.md 4.3, steps 1 to 8).
 */
#include "executor/nodes/llm.h"

struct prompt_build {
    const struct llm_config *config;
    struct node_exec *x;
    struct value_account *account;
    struct llm_prompt *out;
    struct status *err;
    struct value_builder inputs;
    struct str context;
    const struct value *seen; /* files that vision is to see; NULL: none */
    struct model_facts facts;
    int64_t room; /* tokens for the history */
    struct messages *messages;
};

static bool check_references(struct prompt_build *b);
static bool check_text(struct prompt_build *b, const struct llm_text *text);
static bool check_bindings(struct prompt_build *b);
static bool check_vision(struct prompt_build *b);
static bool make_context(struct prompt_build *b, struct buf *ret);
static bool put_context_item(struct prompt_build *b, const struct value *item, struct buf *ret);
static void put_identity(struct prompt_build *b);
static bool make_messages(struct prompt_build *b);
static bool put_chat(struct prompt_build *b);
static bool put_text(struct prompt_build *b, struct str role, const struct llm_text *text);
static bool put_query(struct prompt_build *b);
static bool put_completion(struct prompt_build *b);
static struct value *render(struct prompt_build *b, const struct llm_text *text);
static struct value *as_completion(struct prompt_build *b, struct value *take_text);
static void put_replaced(struct buf *ret, struct str text, struct str token, struct str by);

static bool fail(struct prompt_build *b, const char *error_type, enum status_code code)
{
    b->out->error_type = error_type;
    b->err->code = code;
    return false;
}

static bool fail_memory(struct prompt_build *b)
{
    status_set(b->err, STATUS_RESOURCE_EXHAUSTED, "prompt: no memory");
    b->account->is_full = true;
    return fail(b, "MemoryError", STATUS_RESOURCE_EXHAUSTED);
}

bool llm_prompt_make(const struct llm_config *config, struct node_exec *x, struct llm_prompt *ret,
                     struct status *err)
{
    struct prompt_build b = {
        .config = config, .x = x, .account = node_exec_account(x), .out = ret, .err = err};
    struct buf context;
    buf_init(&context, b.account->max);
    value_object_begin(&b.inputs, b.account);
    bool ok = check_references(&b) && check_bindings(&b) && check_vision(&b) && make_context(&b, &context);
    if (ok) {
        put_identity(&b);
        ok = model_config_params(&config->model, x, &ret->params) || fail_memory(&b);
        ok = ok && make_messages(&b);
    }
    ret->inputs = value_object_end(&b.inputs);
    buf_fini(&context);
    return ok && (ret->inputs != NULL || fail_memory(&b));
}

/* --- what the prompt refers to --- */

/* Every reference has to exist. */
static bool check_references(struct prompt_build *b)
{
    for (size_t i = 0; i < b->config->message_count; i++) {
        if (!check_text(b, &b->config->messages[i].text))
            return false;
    }
    return check_text(b, &b->config->memory_query);
}

static bool fail_not_found(struct prompt_build *b, struct str name)
{
    status_set(b->err, STATUS_NOT_FOUND, "Variable %.*s not found", STR_ARG(name));
    return fail(b, "VariableNotFoundError", STATUS_NOT_FOUND);
}

static bool check_text(struct prompt_build *b, const struct llm_text *text)
{
    for (size_t p = 0; !text->is_jinja && p < text->count; p++) {
        for (size_t i = 0; i < text->parts[p].count; i++) {
            const struct template_piece *piece = &text->parts[p].pieces[i];
            if (!piece->is_braced)
                continue;
            struct value *v = node_exec_get(b->x, &piece->selector);
            struct buf key;
            buf_init(&key, piece->text.len + 2);
            buf_printf(&key, "#%.*s#", STR_ARG(piece->text));
            bool ok = !key.failed || fail_memory(b);
            if (ok && v == NULL)
                ok = fail_not_found(b, buf_str(&key));
            else if (ok)
                value_object_put(&b->inputs, buf_str(&key),
                                 value_type(v) == VALUE_NONE ? value_string(b->account, STR(""))
                                                             : value_ref(v));
            buf_fini(&key);
            if (!ok)
                return false;
        }
    }
    return true;
}

static bool check_bindings(struct prompt_build *b)
{
    const struct bindings *names = &b->config->names;
    for (size_t i = 0; i < names->count; i++) {
        struct value *v = node_exec_get(b->x, &names->list[i].selector);
        if (v == NULL)
            return fail_not_found(b, names->list[i].name);
        value_object_put(&b->inputs, names->list[i].name, value_ref(v));
    }
    return true;
}

/* Nothing to see is fine. */
static bool check_vision(struct prompt_build *b)
{
    struct value *v = b->config->model.has_vision ? node_exec_get(b->x, &b->config->model.vision) : NULL;
    if (v == NULL || value_type(v) == VALUE_NONE || (value_type(v) == VALUE_ARRAY && value_count(v) == 0))
        return true;
    bool is_list = value_type(v) == VALUE_ARRAY && value_elem(v) == VALUE_ELEM_FILE;
    if (!is_list && value_type(v) != VALUE_FILE) {
        status_set(b->err, STATUS_INVALID_ARGUMENT, "The vision variable is no file but of type %s",
                   value_type_name(v));
        return fail(b, "InvalidVariableTypeError", STATUS_INVALID_ARGUMENT);
    }
    b->seen = v;
    if (is_list) {
        value_object_put(&b->inputs, STR("#files#"), value_ref(v));
    } else {
        struct value_builder list;
        value_array_begin(&list, b->account);
        value_array_put(&list, value_ref(v));
        value_object_put(&b->inputs, STR("#files#"), value_array_end(&list));
    }
    return true;
}

/* A text as it is; a list item by item, each on a line of its own. */
static bool make_context(struct prompt_build *b, struct buf *ret)
{
    const struct value *v = b->config->has_context ? node_exec_get(b->x, &b->config->context) : NULL;
    if (v == NULL)
        return true;
    if (value_type(v) == VALUE_STRING) {
        b->context = value_text(v);
    } else if (value_type(v) == VALUE_ARRAY) {
        for (size_t i = 0; i < value_count(v); i++) {
            if (!put_context_item(b, value_item(v, i), ret))
                return false;
        }
        b->context = str_trim(buf_str(ret));
    }
    if (ret->failed)
        return fail_memory(b);
    if (b->context.len > 0)
        value_object_put(&b->inputs, STR("#context#"), value_string(b->account, b->context));
    return true;
}

static bool put_context_item(struct prompt_build *b, const struct value *item, struct buf *ret)
{
    const struct value *content = value_get_c(item, "content");
    struct str summary = value_get_text(item, "summary", STR(""));
    if (value_type(item) == VALUE_STRING) {
        buf_put(ret, value_text(item));
    } else if (content == NULL) {
        status_set(b->err, STATUS_INVALID_ARGUMENT,
                   "Invalid context structure: item of type %s without content", value_type_name(item));
        return fail(b, "InvalidContextStructureError", STATUS_INVALID_ARGUMENT);
    } else {
        if (summary.len > 0) {
            buf_put(ret, summary);
            buf_put_char(ret, '\n');
        }
        if (value_type(content) == VALUE_STRING)
            buf_put(ret, value_text(content));
    }
    buf_put_char(ret, '\n');
    return true;
}

static void put_identity(struct prompt_build *b)
{
    value_object_put(&b->inputs, STR("model_provider"), value_string(b->account, b->config->model.provider));
    value_object_put(&b->inputs, STR("model_name"), value_string(b->account, b->config->model.name));
}

/* --- messages --- */

static bool fail_words(struct prompt_build *b, const char *error_type, const char *words)
{
    status_set(b->err, STATUS_INVALID_ARGUMENT, "%s", words);
    return fail(b, error_type, STATUS_INVALID_ARGUMENT);
}

static bool make_messages(struct prompt_build *b)
{
    const struct llm_config *c = b->config;
    struct llm_prompt *out = b->out;
    bool in_conversation = node_exec_get(b->x, &c->conversation_id) != NULL;
    if (c->model.memory.is_on && c->model.is_completion && in_conversation &&
        !c->model.memory.has_role_prefix)
        return fail_words(b, "MemoryRolePrefixRequiredError",
                          "Memory role prefix is required for completion model.");
    /* Texts and the files they refer to, the history, the query with its files, vision, the schema. */
    b->messages = messages_new(b->x, 2 * c->message_count + memory_messages_max(&c->model.memory, b->x) + 4);
    if (b->messages == NULL)
        return fail_memory(b);
    b->facts = model_config_facts(&c->model, b->x);
    b->room = memory_room(&b->facts, out->params);
    if (!(c->model.is_completion ? put_completion(b) : put_chat(b)))
        return fail_memory(b);
    if (messages_count(b->messages) == 0)
        return fail_words(b, "NoPromptFoundError",
                          "No prompt found in the LLM configuration. Please ensure a prompt is properly "
                          "configured before proceeding.");
    if (c->structured.problem != NULL)
        return fail_words(b, "LLMNodeError", c->structured.problem);
    if (c->structured.is_on) {
        struct value *params = structured_params(b->account, &c->structured, &b->facts, out->params);
        value_unref(out->params);
        out->params = params;
        structured_put_words(&c->structured, &b->facts, c->model.is_completion ? STR("user") : STR("system"),
                             b->messages);
    }
    bool is_made = messages_end(b->messages, &out->messages, &out->message_count, &out->record);
    return (is_made && (out->params != NULL || !c->structured.is_on)) || fail_memory(b);
}

static bool put_chat(struct prompt_build *b)
{
    const struct llm_config *c = b->config;
    struct model_files seen = {.list = NULL};
    for (size_t i = 0; i < c->message_count; i++) {
        if (!put_text(b, c->messages[i].role, &c->messages[i].text))
            return false;
    }
    if (c->model.memory.is_on &&
        (!memory_put_messages(&c->model.memory, b->x, b->room, c->model.has_vision, b->messages) ||
         !put_query(b)))
        return false;
    if (!model_files_add(b->x, &seen, b->seen, c->detail))
        return false;
    messages_put_vision(b->messages, &seen);
    return true;
}

/* The files that a text refers to make a message of their own behind it. */
static bool put_text(struct prompt_build *b, struct str role, const struct llm_text *text)
{
    struct model_files files = {.list = NULL};
    for (size_t p = 0; !text->is_jinja && p < text->count; p++) {
        for (size_t i = 0; i < text->parts[p].count; i++) {
            const struct selector *selector = &text->parts[p].pieces[i].selector;
            if (selector->count > 0 &&
                !model_files_add(b->x, &files, node_exec_get(b->x, selector), b->config->detail))
                return false;
        }
    }
    messages_put(b->messages, role, render(b, text), NULL);
    messages_put(b->messages, role, value_string(b->account, STR("")), &files);
    return true;
}

static bool put_query(struct prompt_build *b)
{
    const struct llm_config *c = b->config;
    struct value *query = node_exec_get(b->x, &c->query);
    if (c->memory_query.count > 0)
        return put_text(b, STR("user"), &c->memory_query);
    messages_put(b->messages, STR("user"),
                 query != NULL ? value_ref(query) : value_string(b->account, STR("")), NULL);
    return true;
}

static bool put_completion(struct prompt_build *b)
{
    const struct llm_config *c = b->config;
    for (size_t i = 0; i < c->message_count; i++)
        messages_put(b->messages, c->messages[i].role, as_completion(b, render(b, &c->messages[i].text)),
                     NULL);
    return true;
}

/* NULL: no memory. */
static struct value *render(struct prompt_build *b, const struct llm_text *text)
{
    if (text->is_jinja)
        return bindings_render(&b->config->names, b->x, &text->parts[0]);
    struct buf out;
    buf_init(&out, b->account->max);
    for (size_t i = 0; i < text->count; i++) {
        if (i > 0)
            buf_put(&out, b->context);
        template_render(&text->parts[i], TEMPLATE_TEXT, node_exec_lookup, b->x, &out);
    }
    return value_string_take(b->account, &out);
}

/*
 * The history stands where #histories# is written, else in front, on lines of its own. What is left of a written #sys.query#
 * becomes the query.
 */
static struct value *as_completion(struct prompt_build *b, struct value *take_text)
{
    if (take_text == NULL)
        return NULL;
    const struct str token = STR("#histories#");
    struct value *query = node_exec_get(b->x, &b->config->query);
    struct buf history, with_history, out;
    buf_init(&history, b->account->max);
    buf_init(&with_history, b->account->max);
    buf_init(&out, b->account->max);
    memory_put_text(&b->config->model.memory, b->x, b->room, &history);
    if (str_find(value_text(take_text), token, 0) == SIZE_MAX) {
        buf_put(&with_history, buf_str(&history));
        buf_put_char(&with_history, '\n');
    }
    put_replaced(&with_history, value_text(take_text), token, buf_str(&history));
    if (query != NULL && value_type(query) == VALUE_STRING)
        put_replaced(&out, buf_str(&with_history), STR("#sys.query#"), value_text(query));
    else
        buf_put(&out, buf_str(&with_history));
    out.failed |= with_history.failed || history.failed;
    buf_fini(&history);
    buf_fini(&with_history);
    value_unref(take_text);
    return value_string_take(b->account, &out);
}

static void put_replaced(struct buf *ret, struct str text, struct str token, struct str by)
{
    size_t from = 0;
    for (size_t at; (at = str_find(text, token, from)) != SIZE_MAX; from = at + token.len) {
        buf_put(ret, str_sub(text, from, at));
        buf_put(ret, by);
    }
    buf_put(ret, str_sub(text, from, text.len));
}
