/*
 * parameter-extractor: a model finds values in a text, by calling a tool or by writing JSON; what it replies never fails the
 * node (dify-dsl.md 4.9). What the model is told is in parameter_extractor_prompt.c, what is taken of its values in
 * parameter.c.
 */
#include "executor/nodes/parameter_extractor.h"
#include "executor/nodes/model_record.h"
#include "executor/nodes/reply_json.h"
#include "executor/nodes/types.h"
#include "executor/value/form.h"

struct extractor_state {
    struct model_ask ask;
    const struct extractor_config *config;
    struct model_tool tool; /* no name: prompt mode */
    struct value *query;    /* as text */
};

static void state_fini(void *state);
static void put_question(struct extractor_state *s);
static void answered(struct model_ask *ask, const struct model_reply *reply);
static void failed(struct model_ask *ask, const struct model_failure *failure);
static struct value *find(struct extractor_state *s, const struct model_tool_call *call, struct status *why);
static struct value *make_outputs(struct extractor_state *s, const struct value *found,
                                  const struct status *why, struct value *take_usage);
static struct value *make_inputs(struct extractor_state *s);
static struct value *make_process_data(struct extractor_state *s, struct value *take_usage,
                                       const struct model_reply *reply, const struct model_route *route);
static struct value *make_function(const struct extractor_state *s);

/* --- compile --- */

static void extractor_compile(struct node_compile *nc, const struct value *data, struct node *node)
{
    struct extractor_config *config = arena_alloc(node_compile_arena(nc), sizeof *config);
    struct value *instruction = value_get_c(data, "instruction");
    if (config == NULL)
        return;
    node->config = config;
    model_config_compile(nc, data, &config->model);
    config->query = node_compile_selector(nc, value_get_c(data, "query"), "query");
    parameters_compile(nc, value_get_c(data, "parameters"), &config->parameters);
    config->instruction =
        node_compile_template(nc, value_get_text(data, "instruction", STR("")), "instruction");
    config->instruction_shown = instruction != NULL ? instruction : value_none();
    struct str mode = value_get_text(data, "reasoning_mode", STR(""));
    config->prefers_calls = mode.len == 0 || str_eq_c(mode, "function_call");
    if (!config->prefers_calls && !str_eq_c(mode, "prompt"))
        node_compile_problem(nc, "reasoning_mode", "use function_call or prompt",
                             "unknown reasoning mode \"%.*s\"", STR_ARG(mode));
}

/* --- start --- */

static void extractor_start(struct node_exec *x)
{
    const struct extractor_config *config = node_exec_node(x)->config;
    struct extractor_state *s = node_exec_state(x, sizeof *s);
    struct node_result nothing = {0};
    if (s == NULL) {
        node_fail(x, &nothing, "no memory");
        return;
    }
    s->config = config;
    s->ask.answered = answered;
    s->ask.failed = failed;
    if (!model_ask_init(&s->ask, x, &config->model))
        return;
    if (!arena_defer(node_exec_arena(x), state_fini, s)) {
        model_ask_no_memory(&s->ask);
        return;
    }
    if (config->prefers_calls && s->ask.facts.has_tool_calls && !config->model.is_completion)
        s->tool = (struct model_tool){EXTRACTOR_TOOL, STR("Takes the values that were found in the text"),
                                      config->parameters.schema};
    struct value *query = node_exec_get(x, &config->query);
    struct buf text;
    buf_init(&text, node_exec_account(x)->max);
    if (query != NULL)
        value_put_text(&text, query);
    s->query = value_string_take(node_exec_account(x), &text);
    if (model_ask_see(&s->ask))
        put_question(s);
}

static void state_fini(void *state)
{
    struct extractor_state *s = state;
    value_unref(s->query);
    s->query = NULL;
}

static void put_question(struct extractor_state *s)
{
    const struct extractor_config *c = s->config;
    bool with_calls = s->tool.name.len > 0;
    struct value *instruction = node_exec_render(s->ask.x, &c->instruction, TEMPLATE_TEXT);
    bool ok = s->query != NULL && instruction != NULL &&
              extractor_prompt_put(&s->ask, with_calls, value_text(s->query), c->parameters.schema_text,
                                   value_text(instruction));
    value_unref(instruction);
    if (ok)
        model_ask_send(&s->ask, &s->tool, with_calls ? 1 : 0);
    else
        model_ask_no_memory(&s->ask);
}

/* --- the reply --- */

static void answered(struct model_ask *ask, const struct model_reply *reply)
{
    struct extractor_state *s = CONTAINER_OF(ask, struct extractor_state, ask);
    struct status why = {0};
    struct value *usage = model_usage(node_exec_account(ask->x), &reply->usage);
    struct value *found = find(s, reply->call_count > 0 ? &reply->calls[0] : NULL, &why);
    struct node_result result = {.inputs = make_inputs(s),
                                 .process_data =
                                     make_process_data(s, value_ref(usage), reply, &reply->route)};
    model_usage_put(&result, &reply->usage);
    if (found != NULL)
        (void)parameters_check(&s->config->parameters, found, &why); /* what is wrong is told, not an error */
    result.outputs = make_outputs(s, found, &why, usage);
    value_unref(found);
    node_succeed(ask->x, &result);
}

/* An object in every case; why says what is wrong with it. NULL: no memory. */
static struct value *find(struct extractor_state *s, const struct model_tool_call *call, struct status *why)
{
    struct value_account *a = node_exec_account(s->ask.x);
    struct value *found = NULL;
    if (!reply_json_object(a, call != NULL ? call->arguments : buf_str(&s->ask.text), &found))
        return NULL;
    if (call == NULL && (found == NULL || value_count(found) == 0)) {
        value_unref(found);
        status_set(why, STATUS_NOT_FOUND, "The reply of the model has no JSON object with values in it");
        return parameters_defaults(&s->config->parameters, a);
    }
    if (found != NULL)
        return found;
    struct value_builder nothing;
    value_object_begin(&nothing, a);
    return value_object_end(&nothing);
}

/* found NULL: no memory. */
static struct value *make_outputs(struct extractor_state *s, const struct value *found,
                                  const struct status *why, struct value *take_usage)
{
    struct value_account *a = node_exec_account(s->ask.x);
    bool is_success = why->code == STATUS_OK;
    struct value_builder b;
    value_object_begin(&b, a);
    value_object_put(&b, STR("__is_success"), value_int(a, is_success));
    value_object_put(&b, STR("__reason"), is_success ? value_none() : value_string(a, str_c(why->message)));
    value_object_put(&b, STR("__usage"), take_usage);
    if (found != NULL)
        parameters_put(&s->config->parameters, found, a, &b);
    else
        value_object_put(&b, STR("__reason"), NULL);
    return value_object_end(&b);
}

static void failed(struct model_ask *ask, const struct model_failure *failure)
{
    struct extractor_state *s = CONTAINER_OF(ask, struct extractor_state, ask);
    struct value_account *a = node_exec_account(ask->x);
    struct value_builder b;
    value_object_begin(&b, a);
    value_object_put(&b, STR("__is_success"), value_int(a, 0));
    value_object_put(&b, STR("__reason"), value_string(a, STR("Failed to invoke model")));
    value_object_put(&b, STR("__error"),
                     value_string(a, model_failure_words(node_exec_arena(ask->x), failure)));
    struct node_result result = {.inputs = make_inputs(s),
                                 .process_data =
                                     make_process_data(s, value_none(), NULL, model_ask_route(ask, failure)),
                                 .outputs = value_object_end(&b)};
    model_failure_end(ask->x, failure, &result);
}

/* --- records --- */

static struct value *make_inputs(struct extractor_state *s)
{
    struct value_account *a = node_exec_account(s->ask.x);
    const struct extractor_config *c = s->config;
    struct value_builder b, none;
    value_array_begin(&none, a);
    value_object_begin(&b, a);
    value_object_put(&b, STR("query"), value_ref(s->query));
    value_object_put(&b, STR("files"),
                     s->ask.files != NULL ? value_ref(s->ask.files) : value_array_end(&none));
    value_object_put(&b, STR("parameters"), value_ref(c->parameters.shown));
    value_object_put(&b, STR("instruction"), value_ref(c->instruction_shown));
    model_identity_put(&b, a, c->model.provider, c->model.name);
    value_builder_abort(&none);
    return value_object_end(&b);
}

/* reply NULL: there is none. route NULL: the model was not asked. */
static struct value *make_process_data(struct extractor_state *s, struct value *take_usage,
                                       const struct model_reply *reply, const struct model_route *route)
{
    struct value_account *a = node_exec_account(s->ask.x);
    const struct model_config *model = &s->config->model;
    bool has_call = reply != NULL && reply->call_count > 0;
    struct value_builder b;
    value_object_begin(&b, a);
    value_object_put(&b, STR("model_mode"), value_string(a, model->mode));
    if (s->ask.prompts != NULL)
        value_object_put(&b, STR("prompts"), value_ref(s->ask.prompts));
    value_object_put(&b, STR("usage"), take_usage);
    value_object_put(&b, STR("function"), make_function(s));
    value_object_put(&b, STR("tool_call"), has_call ? model_call_value(a, &reply->calls[0]) : value_none());
    model_identity_put(&b, a, model->provider, model->name);
    if (reply != NULL)
        value_object_put(&b, STR("llm_text"), value_string(a, buf_str(&s->ask.text)));
    model_route_put(&b, a, route);
    return value_object_end(&b);
}

/* {} in prompt mode. */
static struct value *make_function(const struct extractor_state *s)
{
    struct value_account *a = node_exec_account(s->ask.x);
    struct value_builder b;
    value_object_begin(&b, a);
    if (s->tool.name.len > 0) {
        value_object_put(&b, STR("name"), value_string(a, s->tool.name));
        value_object_put(&b, STR("description"), value_string(a, s->tool.description));
        value_object_put(&b, STR("parameters"), value_ref(s->config->parameters.schema));
    }
    return value_object_end(&b);
}

const struct node_type node_parameter_extractor = {.name = "parameter-extractor",
                                                   .kind = NODE_EXECUTABLE,
                                                   .compile = extractor_compile,
                                                   .start = extractor_start};
