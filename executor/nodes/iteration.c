/*
 * iteration: runs its nodes once per element of a list, one after the other or several at once; results stand in the order of
 * the elements (dify-dsl.md 4.12). Each element has its own copy of the variables.
 */
#include "executor/nodes/container_state.h"
#include "executor/nodes/types.h"
#include <stdlib.h>

/* elements at once. What an export may ask for; more are done in turn. */
enum { ITERATION_PARALLEL_MAX = 1000, ITERATION_PARALLEL_DEFAULT = 10 };

enum error_mode { ERROR_TERMINATES, ERROR_GOES_ON, ERROR_REMOVES };

struct iteration_config {
    struct selector list, output;
    size_t parallel;
    enum error_mode error_mode;
    bool flattens;
};
struct iteration_state {
    struct container_state container;
    const struct iteration_config *config;
    struct value *inputs, *list; /* list: borrowed from inputs */
    struct value **results;      /* by index; NULL: none yet, or removed */
    size_t count, begun, living;
    bool has_failed;
    struct value *error, *error_type;
    int64_t retry_ms;
};

static void begin_children(struct iteration_state *s);
static void finish(struct iteration_state *s);
static struct value *make_output(struct iteration_state *s);

static void iteration_compile(struct node_compile *nc, const struct value *data, struct node *node)
{
    struct iteration_config *config = arena_alloc(node_compile_arena(nc), sizeof *config);
    struct str mode = value_get_text(data, "error_handle_mode", STR("terminated"));
    if (config == NULL)
        return;
    node->config = config;
    config->list = node_compile_selector(nc, value_get_c(data, "iterator_selector"), "iterator_selector");
    config->output = node_compile_selector(nc, value_get_c(data, "output_selector"), "output_selector");
    config->flattens = value_get_bool(data, "flatten_output", true);
    config->error_mode = str_eq_c(mode, "continue-on-error")        ? ERROR_GOES_ON
                         : str_eq_c(mode, "remove-abnormal-output") ? ERROR_REMOVES
                                                                    : ERROR_TERMINATES;
    if (config->error_mode == ERROR_TERMINATES && !str_eq_c(mode, "terminated"))
        node_compile_problem(nc, "error_handle_mode",
                             "use terminated, continue-on-error or remove-abnormal-output",
                             "unknown error_handle_mode \"%.*s\"", STR_ARG(str_sub(mode, 0, 100)));
    int64_t parallel = value_get_int(data, "parallel_nums", ITERATION_PARALLEL_DEFAULT);
    if (parallel < 1)
        node_compile_problem(nc, "parallel_nums", "use a number from 1 to 10", "parallel_nums is below 1");
    if (!value_get_bool(data, "is_parallel", false))
        parallel = 1;
    config->parallel = parallel > ITERATION_PARALLEL_MAX ? ITERATION_PARALLEL_MAX : (size_t)parallel;
}

static void state_fini(void *state)
{
    struct iteration_state *s = state;
    for (size_t i = 0; s->results != NULL && i < s->count; i++)
        value_unref(s->results[i]);
    free(s->results);
    value_unref(s->inputs);
    value_unref(s->error);
    value_unref(s->error_type);
}

static void fail_early(struct node_exec *x, const char *error_type, const char *words)
{
    struct node_result result = {.error_type = error_type};
    node_container_started(x, NULL, 0);
    node_fail(x, &result, "%s", words);
}

static void iteration_start(struct node_exec *x)
{
    const struct iteration_config *config = node_exec_node(x)->config;
    struct value_account *a = node_exec_account(x);
    struct value *list = node_exec_get(x, &config->list);
    struct iteration_state *s = node_exec_state(x, sizeof *s);
    if (list == NULL) {
        fail_early(x, "IteratorVariableNotFoundError", "The list to iterate over was not found");
        return;
    }
    if (value_type(list) != VALUE_ARRAY && value_type(list) != VALUE_NONE) {
        fail_early(x, "InvalidIteratorValueError", "What is to be iterated over is no list");
        return;
    }
    size_t count = value_type(list) == VALUE_ARRAY ? value_count(list) : 0;
    struct value_builder inputs;
    value_object_begin(&inputs, a);
    value_object_put(&inputs, STR("iterator_selector"), value_ref(list));
    struct value *shown = value_object_end(&inputs);
    if (s == NULL || shown == NULL || !node_exec_charge(x, count * sizeof *s->results)) {
        value_unref(shown);
        a->is_full = true;
        fail_early(x, "MemoryError", "no memory");
        return;
    }
    *s = (struct iteration_state){.config = config,
                                  .inputs = shown,
                                  .list = list,
                                  .count = count,
                                  .results = calloc(count + 1, sizeof *s->results)};
    if (!arena_defer(node_exec_arena(x), state_fini, s) || s->results == NULL ||
        !container_state_init(&s->container, x, count)) {
        a->is_full = true;
        fail_early(x, "MemoryError", "no memory");
        return;
    }
    node_container_started(x, shown, count > INT32_MAX ? INT32_MAX : (int32_t)count);
    begin_children(s);
    finish(s);
}

/* As many as may run at once. */
static void begin_children(struct iteration_state *s)
{
    struct node_exec *x = s->container.x;
    while (!s->has_failed && s->begun < s->count && s->living < s->config->parallel) {
        int32_t index = (int32_t)s->begun;
        node_container_next(x, index);
        struct node_child *child = node_child_start(x, index, true);
        struct value *position = value_int(node_exec_account(x), index);
        if (child == NULL || position == NULL) {
            value_unref(position);
            return; /* the run ends of it */
        }
        s->begun++;
        s->living++;
        node_child_set(child, STR("item"), value_item(s->list, (size_t)index));
        node_child_set(child, STR("index"), position);
        value_unref(position);
    }
}

static void keep_result(struct iteration_state *s, struct node_child *child)
{
    size_t index = (size_t)node_child_index(child);
    struct value *v = node_child_get(child, &s->config->output);
    s->results[index] = v != NULL ? value_ref(v) : value_none();
    node_child_keep_variables(child);
    if (index + 1 == s->count)
        node_child_keep_outputs(child); /* dify-dsl.md 3.8 */
}

static void keep_failure(struct iteration_state *s, size_t index, const struct child_failure *failure)
{
    struct value_account *a = node_exec_account(s->container.x);
    if (s->config->error_mode == ERROR_GOES_ON)
        s->results[index] = value_none();
    if (s->config->error_mode != ERROR_TERMINATES || s->has_failed)
        return;
    s->has_failed = true;
    s->error = value_string(a, failure->error);
    s->error_type = value_string(a, failure->error_type);
    s->retry_ms = failure->retry_ms;
}

static void iteration_child_ended(struct node_exec *x, struct node_child *child,
                                  const struct child_failure *failure)
{
    struct iteration_state *s = node_exec_state(x, sizeof *s);
    s->living--;
    container_state_note(&s->container, child);
    if (failure == NULL)
        keep_result(s, child);
    else
        keep_failure(s, (size_t)node_child_index(child), failure);
    node_child_end(child);
    begin_children(s);
    finish(s);
}

/* When nothing runs any more. */
static void finish(struct iteration_state *s)
{
    if (s->living > 0 || (s->begun < s->count && !s->has_failed))
        return;
    struct value *inputs = s->inputs;
    s->inputs = NULL;
    if (s->has_failed) {
        const struct child_failure failure = {
            s->error != NULL ? value_text(s->error) : STR("An element failed"),
            s->error_type != NULL ? value_text(s->error_type) : STR(""), s->retry_ms};
        container_state_end(&s->container, s->begun, (int32_t)s->count, NULL, inputs, NULL, &failure);
        return;
    }
    struct value_builder outputs;
    value_object_begin(&outputs, node_exec_account(s->container.x));
    value_object_put(&outputs, STR("output"), make_output(s));
    container_state_end(&s->container, s->begun, (int32_t)s->count, NULL, inputs, value_object_end(&outputs),
                        NULL);
}

/* Are all results that are not null lists, and is there one? */
static bool are_lists(const struct iteration_state *s)
{
    bool any = false;
    for (size_t i = 0; i < s->count; i++) {
        const struct value *v = s->results[i];
        if (v == NULL || value_type(v) == VALUE_NONE)
            continue;
        if (value_type(v) != VALUE_ARRAY)
            return false;
        any = true;
    }
    return any;
}

static struct value *make_output(struct iteration_state *s)
{
    struct value_builder list;
    bool flattens = s->config->flattens && are_lists(s);
    value_array_begin(&list, node_exec_account(s->container.x));
    for (size_t i = 0; i < s->count; i++) {
        const struct value *v = s->results[i];
        if (v == NULL)
            continue;
        if (!flattens)
            value_array_put(&list, value_ref(s->results[i]));
        for (size_t k = 0; flattens && value_type(v) == VALUE_ARRAY && k < value_count(v); k++)
            value_array_put(&list, value_ref(value_item(v, k)));
    }
    return value_array_end(&list);
}

const struct node_type node_iteration = {.name = "iteration",
                                         .kind = NODE_CONTAINER,
                                         .compile = iteration_compile,
                                         .start = iteration_start,
                                         .child_ended = iteration_child_ended};
