/*
 * loop: runs its nodes again and again, up to a number of rounds, until its break conditions hold or a loop-end is reached
 * (dify-dsl.md 4.13). Rounds share the variables around the loop; its own are [loop, label].
 */
#include "executor/nodes/condition.h"
#include "executor/nodes/container_state.h"
#include "executor/nodes/types.h"
#include "executor/value/parse.h"
#include <stdio.h>
#include <stdlib.h>

/* variables of one loop; rounds that a loop may be told to make. */
enum { LOOP_VARIABLES_MAX = 1000, LOOP_ROUNDS_MAX = 1000000 };

struct loop_variable {
    struct str label;
    struct selector self; /* [loop, label] */
    bool is_constant;
    struct selector source; /* otherwise */
    struct value *value;    /* constant of the graph */
    const char *misfit;     /* why the constant is none of its type; NULL: it is */
};
struct loop_config {
    int64_t rounds;
    struct condition_group breaks;
    struct loop_variable *variables;
    size_t count;
};
struct loop_state {
    struct container_state container;
    const struct loop_config *config;
    struct value *inputs;
    size_t rounds;                /* that have ended well */
    struct value_builder history; /* loop_variable_map */
    struct value *shown_history, *outputs;
};

static void compile_variable(struct node_compile *nc, const struct value *data, const char *path,
                             struct str loop_id, struct loop_variable *ret);
static struct value *constant_of(struct node_compile *nc, const struct value *data, struct str type,
                                 const char **ret_misfit);
static bool set_variables(struct loop_state *s, struct status *err);
static enum condition_verdict must_break(struct loop_state *s, struct status *err);
static void begin_round(struct loop_state *s);
static bool keep_round(struct loop_state *s);
static void end_loop(struct loop_state *s, const char *reason, const struct child_failure *failure);

static void loop_compile(struct node_compile *nc, const struct value *data, struct node *node)
{
    struct arena *arena = node_compile_arena(nc);
    const struct value *list = value_get_c(data, "loop_variables");
    size_t count = list != NULL && value_type(list) == VALUE_ARRAY ? value_count(list) : 0;
    struct loop_config *config = arena_alloc(arena, sizeof *config);
    if (config == NULL)
        return;
    config->rounds = value_get_int(data, "loop_count", 0);
    if (config->rounds < 1 || config->rounds > LOOP_ROUNDS_MAX)
        node_compile_problem(nc, "loop_count", "use a number from 1 to 100",
                             "loop_count is not between 1 and %d", LOOP_ROUNDS_MAX);
    condition_group_compile(nc, value_get_c(data, "break_conditions"),
                            value_get_text(data, "logical_operator", STR("and")), "break_conditions",
                            &config->breaks);
    if (count > LOOP_VARIABLES_MAX) {
        node_compile_problem(nc, "loop_variables", "use fewer variables", "%zu variables are more than %d",
                             count, LOOP_VARIABLES_MAX);
        return;
    }
    config->variables = arena_array(arena, count, sizeof *config->variables);
    if (config->variables == NULL)
        return;
    node->config = config;
    for (size_t i = 0; i < count; i++) {
        char path[48];
        snprintf(path, sizeof path, "loop_variables[%zu]", i);
        compile_variable(nc, value_item(list, i), path, node->id, &config->variables[config->count++]);
    }
}

static void compile_variable(struct node_compile *nc, const struct value *data, const char *path,
                             struct str loop_id, struct loop_variable *ret)
{
    char at[64];
    ret->label = value_get_text(data, "label", STR(""));
    if (ret->label.len == 0) {
        snprintf(at, sizeof at, "%s.label", path);
        node_compile_problem(nc, at, "give it a name", "a loop variable without label");
        return;
    }
    ret->self = node_compile_variable(nc, loop_id, ret->label);
    snprintf(at, sizeof at, "%s.value", path);
    ret->is_constant = !str_eq_c(value_get_text(data, "value_type", STR("constant")), "variable");
    if (ret->is_constant)
        ret->value = constant_of(nc, value_get_c(data, "value"), value_get_text(data, "var_type", STR("")),
                                 &ret->misfit);
    else
        ret->source = node_compile_selector(nc, value_get_c(data, "value"), at);
}

/* --- constants --- */

static bool is_list_of(const struct value *v, enum value_type item)
{
    bool fits = value_type(v) == VALUE_ARRAY;
    for (size_t i = 0; fits && i < value_count(v); i++)
        fits = item == VALUE_FLOAT ? value_is_number(value_item(v, i)) : value_type(value_item(v, i)) == item;
    return fits;
}

static bool fits_type(struct str type, const struct value *v)
{
    if (str_eq_c(type, "string"))
        return value_type(v) == VALUE_STRING;
    if (str_eq_c(type, "number"))
        return value_is_number(v);
    if (str_eq_c(type, "boolean"))
        return value_type(v) == VALUE_BOOL;
    if (str_eq_c(type, "object"))
        return value_type(v) == VALUE_OBJECT;
    if (str_eq_c(type, "array[string]"))
        return is_list_of(v, VALUE_STRING);
    if (str_eq_c(type, "array[number]"))
        return is_list_of(v, VALUE_FLOAT);
    if (str_eq_c(type, "array[boolean]"))
        return is_list_of(v, VALUE_BOOL);
    if (str_eq_c(type, "array[object]"))
        return is_list_of(v, VALUE_OBJECT);
    return str_eq_c(type, "array[any]") && value_type(v) == VALUE_ARRAY;
}

static struct value *empty_list(struct node_compile *nc, struct str type)
{
    struct value_builder list;
    value_array_begin(&list, NULL);
    return node_compile_keep(nc, value_array_end_as(&list, value_elem_of(type)));
}

/*
 * The constant as its type; a text that is none of it is read as JSON. Lists come as JSON text only: anything else, and the
 * empty text, is the empty list. NULL: misfit says why, or there is no memory.
 */
static struct value *constant_of(struct node_compile *nc, const struct value *data, struct str type,
                                 const char **ret_misfit)
{
    bool is_list = str_starts(type, STR("array["));
    bool is_text = data != NULL && value_type(data) == VALUE_STRING;
    if (is_list && (!is_text || value_text(data).len == 0))
        return empty_list(nc, type);
    struct value *v = NULL;
    if (data != NULL && !is_list && fits_type(type, data))
        return node_compile_keep(nc, node_compile_copy(data));
    if (!is_text || value_parse_json(NULL, value_text(data), &v, NULL) != STATUS_OK || !fits_type(type, v)) {
        value_unref(v);
        *ret_misfit = "its value does not fit its type";
        return NULL;
    }
    if (is_list && value_count(v) == 0) {
        value_unref(v);
        return empty_list(nc, type);
    }
    return node_compile_keep(nc, v);
}

/* --- run --- */

static void state_fini(void *state)
{
    struct loop_state *s = state;
    value_builder_abort(&s->history);
    value_unref(s->shown_history);
    value_unref(s->inputs);
    value_unref(s->outputs);
}

static struct value *variables_object(struct loop_state *s)
{
    struct value_builder b;
    value_object_begin(&b, node_exec_account(s->container.x));
    for (size_t i = 0; i < s->config->count; i++) {
        struct value *v = node_exec_get(s->container.x, &s->config->variables[i].self);
        value_object_put(&b, s->config->variables[i].label, v != NULL ? value_ref(v) : value_none());
    }
    return value_object_end(&b);
}

static void no_memory(struct node_exec *x)
{
    struct node_result result = {.error_type = "MemoryError"};
    node_exec_account(x)->is_full = true;
    node_fail(x, &result, "no memory");
}

static void loop_start(struct node_exec *x)
{
    const struct loop_config *config = node_exec_node(x)->config;
    struct status err = {0};
    struct loop_state *s = node_exec_state(x, sizeof *s);
    if (s == NULL) {
        no_memory(x);
        return;
    }
    *s = (struct loop_state){.config = config};
    value_object_begin(&s->history, node_exec_account(x));
    if (!arena_defer(node_exec_arena(x), state_fini, s) ||
        !container_state_init(&s->container, x, (size_t)config->rounds)) {
        no_memory(x);
        return;
    }
    bool is_set = set_variables(s, &err);
    struct value_builder inputs;
    struct value *variables = variables_object(s);
    value_object_begin(&inputs, node_exec_account(x));
    value_object_put(&inputs, STR("loop_count"), value_int(node_exec_account(x), config->rounds));
    value_object_put_all(&inputs, variables);
    value_unref(variables);
    s->inputs = value_object_end(&inputs);
    node_container_started(x, s->inputs, (int32_t)config->rounds);
    if (!is_set) {
        const struct child_failure failure = {.error = str_c(err.message), .error_type = STR("ValueError")};
        end_loop(s, "error", &failure);
        return;
    }
    /* An error in a condition counts as: not reached yet. */
    if (config->breaks.count > 0 && must_break(s, &err) == CONDITION_TRUE)
        end_loop(s, "loop_break", NULL);
    else
        begin_round(s);
}

static bool set_variables(struct loop_state *s, struct status *err)
{
    for (size_t i = 0; i < s->config->count; i++) {
        const struct loop_variable *variable = &s->config->variables[i];
        struct value *v =
            variable->is_constant ? variable->value : node_exec_get(s->container.x, &variable->source);
        if (v == NULL && variable->is_constant) {
            status_set(err, STATUS_INVALID_ARGUMENT, "Loop variable %.*s: %s", STR_ARG(variable->label),
                       variable->misfit != NULL ? variable->misfit : "no memory");
            return false;
        }
        if (v == NULL) {
            status_set(err, STATUS_NOT_FOUND, "Loop variable %.*s: its source was not found",
                       STR_ARG(variable->label));
            return false;
        }
        node_container_set(s->container.x, variable->label, v);
    }
    return true;
}

static enum condition_verdict must_break(struct loop_state *s, struct status *err)
{
    struct value_builder seen, results;
    value_array_begin(&seen, node_exec_account(s->container.x));
    value_array_begin(&results, node_exec_account(s->container.x));
    enum condition_verdict v =
        condition_group_check(&s->config->breaks, s->container.x, &seen, &results, err);
    value_builder_abort(&seen);
    value_builder_abort(&results);
    return v;
}

static void begin_round(struct loop_state *s)
{
    if (s->rounds > 0)
        node_container_next(s->container.x, (int32_t)s->rounds);
    node_container_forget(s->container.x);
    (void)node_child_start(s->container.x, (int32_t)s->rounds, false); /* without memory the run ends */
}

static void loop_child_ended(struct node_exec *x, struct node_child *child,
                             const struct child_failure *failure)
{
    struct loop_state *s = node_exec_state(x, sizeof *s);
    struct status err = {0};
    bool must_leave = node_child_must_leave(child);
    container_state_note(&s->container, child);
    if (failure != NULL) {
        s->rounds++; /* it took its time, too */
        end_loop(s, "error", failure);
        return;
    }
    node_child_keep_outputs(child);
    node_child_end(child);
    if (!keep_round(s)) {
        no_memory(x);
        return;
    }
    enum condition_verdict v = must_leave                     ? CONDITION_TRUE
                               : s->config->breaks.count == 0 ? CONDITION_FALSE
                                                              : must_break(s, &err);
    if (v == CONDITION_ERROR) {
        const struct child_failure broken = {.error = str_c(err.message), .error_type = STR("ValueError")};
        end_loop(s, "error", &broken);
    } else if (v == CONDITION_TRUE) {
        end_loop(s, "loop_break", NULL);
    } else if ((int64_t)s->rounds == s->config->rounds) {
        end_loop(s, "loop_completed", NULL);
    } else {
        begin_round(s);
    }
}

/* What the round has made of the variables. */
static bool keep_round(struct loop_state *s)
{
    struct value_account *a = node_exec_account(s->container.x);
    struct value *variables = variables_object(s);
    char round[24];
    snprintf(round, sizeof round, "%zu", s->rounds++);
    value_object_put(&s->history, str_c(round), value_ref(variables));
    struct value_builder outputs;
    value_object_begin(&outputs, a);
    value_object_put_all(&outputs, variables);
    value_object_put(&outputs, STR("loop_round"), value_int(a, (int64_t)s->rounds));
    value_unref(variables);
    value_unref(s->outputs);
    s->outputs = value_object_end(&outputs);
    return s->outputs != NULL;
}

static void end_loop(struct loop_state *s, const char *reason, const struct child_failure *failure)
{
    struct value *inputs = s->inputs, *outputs = s->outputs;
    bool has_begun = s->rounds > 0;
    s->inputs = s->outputs = NULL;
    if (outputs == NULL && failure == NULL) {
        struct value_builder none;
        value_object_begin(&none, node_exec_account(s->container.x));
        outputs = value_object_end(&none);
    }
    s->shown_history = value_object_end(&s->history);
    s->container.record.variables = s->shown_history;
    container_state_end(&s->container, s->rounds, has_begun ? (int32_t)s->config->rounds : 0, reason, inputs,
                        outputs, failure);
}

const struct node_type node_loop = {.name = "loop",
                                    .kind = NODE_CONTAINER,
                                    .compile = loop_compile,
                                    .start = loop_start,
                                    .child_ended = loop_child_ended};
