/*
 * model_ask: see model_ask.h.
 */
#include "executor/nodes/model_ask.h"
#include "executor/nodes/model_record.h"
#include <stdio.h>

static void ask_fini(void *arg);
static struct value *list_of(struct value_account *a, struct value *file);
static void text_came(void *arg, struct str delta);
static void reply_done(void *arg, const struct model_reply *reply);
static void reply_failed(void *arg, const struct model_failure *failure);

bool model_ask_init(struct model_ask *ask, struct node_exec *x, const struct model_config *config)
{
    ask->x = x;
    ask->config = config;
    ask->facts = model_config_facts(config, x);
    buf_init(&ask->text, node_exec_account(x)->max);
    ask->messages = messages_new(x, MODEL_ASK_MESSAGES_MAX);
    if (ask->messages != NULL && model_config_params(config, x, &ask->params) &&
        arena_defer(node_exec_arena(x), ask_fini, ask))
        return true;
    model_ask_no_memory(ask);
    return false;
}

static void ask_fini(void *arg)
{
    struct model_ask *ask = arg;
    value_unref(ask->prompts);
    value_unref(ask->files);
    value_unref(ask->params);
    ask->prompts = ask->files = ask->params = NULL;
    buf_fini(&ask->text);
}

void model_ask_no_memory(struct model_ask *ask)
{
    struct node_result nothing = {0};
    node_exec_account(ask->x)->is_full = true;
    node_fail(ask->x, &nothing, "no memory");
}

/* --- what it sees and remembers --- */

bool model_ask_see(struct model_ask *ask)
{
    struct value *v = ask->config->has_vision ? node_exec_get(ask->x, &ask->config->vision) : NULL;
    bool is_list = v != NULL && value_type(v) == VALUE_ARRAY;
    if (is_list && (value_elem(v) == VALUE_ELEM_FILE || value_count(v) == 0)) {
        ask->files = value_ref(v);
    } else if (v == NULL || value_type(v) == VALUE_NONE || value_type(v) == VALUE_FILE) {
        ask->files = list_of(node_exec_account(ask->x), v);
    } else {
        char message[100];
        snprintf(message, sizeof message, "The vision variable is no file but of type %s",
                 value_type_name(v));
        ask->failed(ask, &(struct model_failure){.error_type = "InvalidVariableTypeError",
                                                 .message = str_c(message)});
        return false;
    }
    if (ask->files != NULL && model_files_add(ask->x, &ask->images, ask->files, ask->config->detail))
        return true;
    model_ask_no_memory(ask);
    return false;
}

/* NULL and null: an empty one. */
static struct value *list_of(struct value_account *a, struct value *file)
{
    struct value_builder b;
    value_array_begin(&b, a);
    if (file != NULL && value_type(file) == VALUE_FILE)
        value_array_put(&b, value_ref(file));
    return value_array_end_as(&b, VALUE_ELEM_FILE);
}

void model_ask_put_history(struct model_ask *ask, struct buf *ret)
{
    memory_put_text(&ask->config->memory, ask->x, memory_room(&ask->facts, ask->params), ret);
}

/* --- messages --- */

static struct value *copy(struct model_ask *ask, struct str text)
{
    return value_string(node_exec_account(ask->x), text);
}

void model_ask_put(struct model_ask *ask, const char *role, struct str text)
{
    messages_put(ask->messages, str_c(role), copy(ask, text), NULL);
}

void model_ask_put_question(struct model_ask *ask, struct str text)
{
    messages_put(ask->messages, STR("user"), copy(ask, text), &ask->images);
}

void model_ask_put_call(struct model_ask *ask, struct str text, const struct model_tool_call *call)
{
    messages_put_call(ask->messages, copy(ask, text), call);
}

void model_ask_put_result(struct model_ask *ask, struct str text, const struct model_tool_call *call)
{
    messages_put_result(ask->messages, copy(ask, text), call);
}

/* --- the call --- */

void model_ask_send(struct model_ask *ask, const struct model_tool *tools, size_t tool_count)
{
    static const struct model_callbacks callbacks = {text_came, reply_done, reply_failed};
    struct status err = {0};
    struct model_request request = {.provider = ask->config->provider,
                                    .model = ask->config->name,
                                    .is_completion = ask->config->is_completion,
                                    .is_whole = true,
                                    .params = ask->params,
                                    .tools = tools,
                                    .tool_count = tool_count};
    if (!messages_end(ask->messages, &request.messages, &request.message_count, &ask->prompts)) {
        model_ask_no_memory(ask);
        return;
    }
    ask->has_asked = true;
    if (node_model_start(ask->x, &request, &callbacks, ask, &err) == NULL) {
        struct model_failure failure = model_refusal(&err);
        ask->failed(ask, &failure);
    }
}

const struct model_route *model_ask_route(const struct model_ask *ask, const struct model_failure *failure)
{
    return ask->has_asked ? &failure->route : NULL;
}

static void text_came(void *arg, struct str delta)
{
    struct model_ask *ask = arg;
    buf_put(&ask->text, delta);
    bool ok = !ask->text.failed;
    if (ok && ask->text.cap > ask->charged) {
        ok = node_exec_charge(ask->x, ask->text.cap - ask->charged);
        ask->charged = ask->text.cap;
    }
    if (!ok)
        model_ask_no_memory(ask);
}

static void reply_done(void *arg, const struct model_reply *reply)
{
    struct model_ask *ask = arg;
    ask->answered(ask, reply);
}

static void reply_failed(void *arg, const struct model_failure *failure)
{
    struct model_ask *ask = arg;
    ask->failed(ask, failure);
}
