/*
 * question-classifier: a model chooses one of several classes, and the run goes on at its handle (dify-dsl.md 4.8). What
 * the model is told is in question_classifier_prompt.c.
 */
#include "executor/nodes/question_classifier.h"
#include "executor/nodes/model_record.h"
#include "executor/nodes/reply_json.h"
#include "executor/nodes/types.h"
#include "executor/value/form.h"
#include <stdio.h>

/* classes. Of one node. */
enum { CLASSES_MAX = 1000 };

struct classifier_state {
    struct model_ask ask;
    const struct classifier_config *config;
    struct value *inputs;
    struct value *names; /* of the classes, rendered */
};

static void compile_class(struct node_compile *nc, const struct value *entry, size_t index,
                          struct question_class *ret);
static void state_fini(void *state);
static void answered(struct model_ask *ask, const struct model_reply *reply);
static void failed(struct model_ask *ask, const struct model_failure *failure);
static struct value *make_names(struct classifier_state *s);
static void put_question(struct classifier_state *s, const struct value *query);
static size_t choose(const struct classifier_config *config, const struct value *said);
static struct node_result take_record(struct classifier_state *s, struct value *take_usage,
                                      struct value *take_reason, const struct model_route *route);

/* --- compile --- */

static void classifier_compile(struct node_compile *nc, const struct value *data, struct node *node)
{
    const struct value *classes = value_get_c(data, "classes");
    struct classifier_config *config = arena_alloc(node_compile_arena(nc), sizeof *config);
    if (config == NULL)
        return;
    node->config = config;
    model_config_compile(nc, data, &config->model);
    config->query =
        node_compile_selector(nc, value_get_c(data, "query_variable_selector"), "query_variable_selector");
    struct str instruction = value_get_text(data, "instruction", STR(""));
    if (instruction.len == 0)
        instruction = value_get_text(data, "instructions", STR("")); /* its name in old exports */
    config->instruction = node_compile_template(nc, instruction, "instruction");
    if (classes == NULL || value_type(classes) != VALUE_ARRAY) {
        node_compile_problem(nc, "classes", "add classes", "the node has no list of classes");
        return;
    }
    if (value_count(classes) > CLASSES_MAX) {
        node_compile_problem(nc, "classes", "use fewer classes", "%zu classes are more than %d",
                             value_count(classes), CLASSES_MAX);
        return;
    }
    config->classes = arena_array(node_compile_arena(nc), value_count(classes), sizeof *config->classes);
    for (size_t i = 0; config->classes != NULL && i < value_count(classes); i++)
        compile_class(nc, value_item(classes, i), i, &config->classes[config->class_count++]);
}

static void compile_class(struct node_compile *nc, const struct value *entry, size_t index,
                          struct question_class *ret)
{
    char path[48];
    const struct value *name = value_get_c(entry, "name"), *id = value_get_c(entry, "id");
    ret->id = value_get_text(entry, "id", STR(""));
    if (ret->id.len == 0) {
        snprintf(path, sizeof path, "classes[%zu].id", index);
        bool is_number = id != NULL && value_type(id) == VALUE_INT;
        node_compile_problem(nc, path, is_number ? "put the id into quotes" : "export the app again",
                             is_number ? "the id of a class is a number, not a text" : "a class without id");
    }
    snprintf(path, sizeof path, "classes[%zu].name", index);
    if (name == NULL || value_type(name) != VALUE_STRING)
        node_compile_problem(nc, path, "name the class", "a class without name");
    else
        ret->name = node_compile_template(nc, value_text(name), path);
    ret->label = value_get_text(entry, "label", STR(""));
    if (ret->label.len == 0)
        ret->label = str_c(arena_printf(node_compile_arena(nc), "CLASS %zu", index + 1));
}

/* --- start --- */

static void classifier_start(struct node_exec *x)
{
    const struct classifier_config *config = node_exec_node(x)->config;
    struct value_account *a = node_exec_account(x);
    struct classifier_state *s = node_exec_state(x, sizeof *s);
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
    struct value *query = node_exec_get(x, &config->query);
    struct value_builder inputs;
    value_object_begin(&inputs, a);
    value_object_put(&inputs, STR("query"), query != NULL ? value_ref(query) : value_none());
    model_identity_put(&inputs, a, config->model.provider, config->model.name);
    s->inputs = value_object_end(&inputs);
    if (config->class_count == 0) {
        failed(&s->ask, &(struct model_failure){.error_type = "WorkflowNodeError",
                                                .message = STR("The question classifier has no classes")});
        return;
    }
    if (!model_ask_see(&s->ask))
        return;
    s->names = make_names(s);
    put_question(s, query);
}

static void state_fini(void *state)
{
    struct classifier_state *s = state;
    value_unref(s->inputs);
    value_unref(s->names);
    s->inputs = s->names = NULL;
}

static struct value *make_names(struct classifier_state *s)
{
    struct value_builder b;
    value_array_begin(&b, node_exec_account(s->ask.x));
    for (size_t i = 0; i < s->config->class_count; i++)
        value_array_put(&b, node_exec_render(s->ask.x, &s->config->classes[i].name, TEMPLATE_TEXT));
    return value_array_end(&b);
}

static void put_categories(struct buf *b, const struct classifier_state *s)
{
    for (size_t i = 0; i < s->config->class_count; i++) {
        buf_put_c(b, i == 0 ? "[{\"category_id\": " : ", {\"category_id\": ");
        buf_put_json_string(b, s->config->classes[i].id);
        buf_put_c(b, ", \"category_name\": ");
        buf_put_json_string(b, value_text(value_item(s->names, i)));
        buf_put_char(b, '}');
    }
    buf_put_char(b, ']');
}

/* query NULL, null and the like: an empty text. */
static void put_question(struct classifier_state *s, const struct value *query)
{
    size_t max = node_exec_account(s->ask.x)->max;
    struct value *instruction = node_exec_render(s->ask.x, &s->config->instruction, TEMPLATE_TEXT);
    struct buf text, categories;
    buf_init(&text, max);
    buf_init(&categories, max);
    if (query != NULL && value_is_truthy(query))
        value_put_text(&text, query);
    if (s->names != NULL)
        put_categories(&categories, s);
    bool ok = s->inputs != NULL && s->names != NULL && instruction != NULL && !text.failed &&
              !categories.failed &&
              classifier_prompt_put(&s->ask, buf_str(&text), buf_str(&categories), value_text(instruction));
    buf_fini(&categories);
    buf_fini(&text);
    value_unref(instruction);
    if (ok)
        model_ask_send(&s->ask, NULL, 0);
    else
        model_ask_no_memory(&s->ask);
}

/* --- the reply --- */

static void answered(struct model_ask *ask, const struct model_reply *reply)
{
    struct classifier_state *s = CONTAINER_OF(ask, struct classifier_state, ask);
    struct value_account *a = node_exec_account(ask->x);
    struct value *usage = model_usage(a, &reply->usage), *said = NULL;
    struct value *reason =
        reply->finish_reason.len > 0 ? value_string(a, reply->finish_reason) : value_none();
    struct status err = {0};
    enum status_code rc = reply_json_block(a, buf_str(&ask->text), &said, &err);
    struct node_result result = take_record(s, value_ref(usage), reason, &reply->route);
    model_usage_put(&result, &reply->usage);
    if (rc != STATUS_OK) {
        value_unref(usage);
        result.error_type = rc == STATUS_NOT_FOUND ? "ValueError" : "OutputParserError";
        node_fail(ask->x, &result, "%s", err.message);
        return;
    }
    size_t chosen = choose(s->config, said);
    struct value_builder outputs;
    value_object_begin(&outputs, a);
    value_object_put(&outputs, STR("class_name"), value_ref(value_item(s->names, chosen)));
    value_object_put(&outputs, STR("class_id"), value_string(a, s->config->classes[chosen].id));
    value_object_put(&outputs, STR("class_label"), value_string(a, s->config->classes[chosen].label));
    value_object_put(&outputs, STR("usage"), usage);
    result.outputs = value_object_end(&outputs);
    result.handle = s->config->classes[chosen].id;
    value_unref(said);
    node_succeed(ask->x, &result);
}

/* What names no class is the first one [Q]. Of equal ids the last counts. */
static size_t choose(const struct classifier_config *config, const struct value *said)
{
    const struct value *id = value_get_c(said, "category_id");
    if (id == NULL || value_type(id) != VALUE_STRING || value_get_c(said, "category_name") == NULL)
        return 0;
    for (size_t i = config->class_count; i > 0; i--) {
        if (str_eq(config->classes[i - 1].id, value_text(id)))
            return i - 1;
    }
    return 0;
}

static void failed(struct model_ask *ask, const struct model_failure *failure)
{
    struct classifier_state *s = CONTAINER_OF(ask, struct classifier_state, ask);
    struct node_result result = take_record(s, value_none(), value_none(), model_ask_route(ask, failure));
    model_failure_end(ask->x, failure, &result);
}

static struct node_result take_record(struct classifier_state *s, struct value *take_usage,
                                      struct value *take_reason, const struct model_route *route)
{
    struct value_account *a = node_exec_account(s->ask.x);
    const struct model_config *model = &s->config->model;
    struct value_builder b;
    struct node_result result = {.inputs = s->inputs};
    s->inputs = NULL;
    value_object_begin(&b, a);
    value_object_put(&b, STR("model_mode"), value_string(a, model->mode));
    if (s->ask.prompts != NULL)
        value_object_put(&b, STR("prompts"), value_ref(s->ask.prompts));
    value_object_put(&b, STR("usage"), take_usage);
    value_object_put(&b, STR("finish_reason"), take_reason);
    model_identity_put(&b, a, model->provider, model->name);
    model_route_put(&b, a, route);
    result.process_data = value_object_end(&b);
    return result;
}

const struct node_type node_question_classifier = {.name = "question-classifier",
                                                   .kind = NODE_BRANCH,
                                                   .compile = classifier_compile,
                                                   .start = classifier_start};
