/*
 * assigner: writes conversation and loop variables (dify-dsl.md 4.11, 2.6). Version 1 has one variable and does not ask
 * whether the value fits; version 2 has a list of operations, which work on copies that are published together at the end.
 */
#include "executor/nodes/assigner_apply.h"
#include "executor/nodes/types.h"
#include "executor/value/form.h"
#include "executor/value/parse.h"
#include <stdio.h>

/* items. Of one node. */
enum { ASSIGNER_ITEMS_MAX = 1000 };
/* bytes. Of a value or a selector in an error. */
enum { SHOWN_BYTES_MAX = 200 };
/* No target of the node. */
#define NO_TARGET SIZE_MAX
/* What the original calls an error that a node throws. */
#define THROWN "WorkflowNodeError"

/* A variable that the node writes. */
struct assigner_target {
    struct selector selector;
    struct str declared; /* its type in the export */
};
struct assigner_item {
    enum assign_operation op;
    size_t target;
    bool is_variable;
    struct selector source; /* is_variable; count 0: names nothing */
    size_t source_target;   /* that the source reads, or NO_TARGET */
    struct value *value;    /* as the export has it; NULL: none */
};
struct assigner_config {
    bool is_first_version;
    struct assigner_target *targets;
    size_t target_count;
    struct assigner_item *items; /* of version 1: one */
    size_t item_count;
    struct value *shown; /* items of the export */
};
/* What a run of the node has made so far. */
struct assigner_work {
    struct value **values; /* by target; NULL: as it was */
    size_t *order;         /* targets, in the order of their first write */
    size_t count;
};

static void compile_first_version(struct node_compile *nc, const struct value *data,
                                  struct assigner_config *config);
static void compile_items(struct node_compile *nc, const struct value *list, struct assigner_config *config);
static bool compile_item(struct node_compile *nc, const struct value *data, size_t index,
                         struct assigner_config *config, struct assigner_item *item);
static size_t add_target(struct node_compile *nc, const struct value *list, const char *path,
                         struct assigner_config *config);
static void start_first_version(struct node_exec *x, const struct assigner_config *config,
                                struct assigner_work *work);
static void start_items(struct node_exec *x, const struct assigner_config *config,
                        struct assigner_work *work);
static enum status_code run_item(struct node_exec *x, const struct assigner_config *config,
                                 const struct assigner_item *item, struct assigner_work *work,
                                 struct status *err);
static enum status_code check_support(const struct assigner_item *item, struct assign_kind kind,
                                      struct status *err);
static enum status_code input_of(struct node_exec *x, const struct assigner_item *item,
                                 struct assign_kind kind, const struct assigner_work *work,
                                 struct value **ret, struct status *err);
static struct value *current_of(struct node_exec *x, const struct assigner_config *config, size_t target,
                                const struct assigner_work *work);
static void keep(struct assigner_work *work, size_t target, struct value *take_v);
static void publish(struct node_exec *x, const struct assigner_config *config,
                    const struct assigner_work *work);
static struct value *updates(struct node_exec *x, const struct assigner_config *config,
                             const struct assigner_work *work);
static void put_update(struct value_builder *list, struct value_account *a, const struct selector *s,
                       struct value *v);
static enum status_code not_found(struct status *err, const struct selector *s);
static enum status_code not_valid(struct status *err, const struct value *v);
static struct value *empty_object(struct value_account *a);

/* --- compile --- */

static void assigner_compile(struct node_compile *nc, const struct value *data, struct node *node)
{
    struct assigner_config *config = arena_alloc(node_compile_arena(nc), sizeof *config);
    if (config == NULL)
        return;
    node->config = config;
    struct str version = value_get_text(data, "version", STR(""));
    int64_t number = value_get_int(data, "version", version.len == 0);
    config->is_first_version = str_eq_c(version, "1") || number == 1;
    if (config->is_first_version)
        compile_first_version(nc, data, config);
    else if (str_eq_c(version, "2") || number == 2)
        compile_items(nc, value_get_c(data, "items"), config);
    else
        node_compile_unsupported(nc, "version", "use version 1 or 2", "an assigner of another version");
}

static void compile_first_version(struct node_compile *nc, const struct value *data,
                                  struct assigner_config *config)
{
    struct str mode = value_get_text(data, "write_mode", STR(""));
    config->targets = arena_array(node_compile_arena(nc), 1, sizeof *config->targets);
    config->items = arena_array(node_compile_arena(nc), 1, sizeof *config->items);
    if (config->targets == NULL || config->items == NULL)
        return;
    struct assigner_item *item = config->items;
    *item = (struct assigner_item){.is_variable = true, .source_target = NO_TARGET};
    item->target =
        add_target(nc, value_get_c(data, "assigned_variable_selector"), "assigned_variable_selector", config);
    bool is_mode = assign_operation_find(mode, &item->op) &&
                   (item->op == ASSIGN_OVER_WRITE || item->op == ASSIGN_APPEND || item->op == ASSIGN_CLEAR);
    if (!is_mode)
        node_compile_problem(nc, "write_mode", "choose over-write, append or clear",
                             "unknown write_mode \"%.*s\"", STR_ARG(str_sub(mode, 0, 100)));
    else if (assign_needs_value(item->op))
        item->source = node_compile_selector(nc, value_get_c(data, "input_variable_selector"),
                                             "input_variable_selector");
    config->item_count = 1;
}

static void compile_items(struct node_compile *nc, const struct value *list, struct assigner_config *config)
{
    size_t count = list != NULL && value_type(list) == VALUE_ARRAY ? value_count(list) : 0;
    if (list == NULL || value_type(list) != VALUE_ARRAY) {
        node_compile_problem(nc, "items", "export the app again", "the assigner has no list of items");
        return;
    }
    if (count > ASSIGNER_ITEMS_MAX) {
        node_compile_problem(nc, "items", "use fewer items", "%zu items are more than %d", count,
                             ASSIGNER_ITEMS_MAX);
        return;
    }
    config->shown = (struct value *)list;
    config->targets = arena_array(node_compile_arena(nc), count, sizeof *config->targets);
    config->items = arena_array(node_compile_arena(nc), count, sizeof *config->items);
    if (config->targets == NULL || config->items == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        struct assigner_item *item = &config->items[config->item_count];
        if (compile_item(nc, value_item(list, i), i, config, item))
            config->item_count++;
    }
    /* A source may be a target of an item behind it: looked up once all are known. */
    for (size_t i = 0; i < config->item_count; i++) {
        struct assigner_item *item = &config->items[i];
        for (size_t t = 0; item->source.count >= 2 && t < config->target_count; t++) {
            const struct selector *target = &config->targets[t].selector;
            if (target->count == 2 && selector_same_variable(target, &item->source))
                item->source_target = t;
        }
    }
}

static bool compile_item(struct node_compile *nc, const struct value *data, size_t index,
                         struct assigner_config *config, struct assigner_item *item)
{
    char path[64];
    struct str operation = value_get_text(data, "operation", STR(""));
    struct str input_type = value_get_text(data, "input_type", STR(""));
    *item = (struct assigner_item){.source_target = NO_TARGET, .value = value_get_c(data, "value")};
    if (!assign_operation_find(operation, &item->op)) {
        snprintf(path, sizeof path, "items[%zu].operation", index);
        node_compile_problem(nc, path, "choose an operation of the editor", "unknown operation \"%.*s\"",
                             STR_ARG(str_sub(operation, 0, 100)));
        return false;
    }
    item->is_variable = str_eq_c(input_type, "variable");
    if (!item->is_variable && !str_eq_c(input_type, "constant")) {
        snprintf(path, sizeof path, "items[%zu].input_type", index);
        node_compile_problem(nc, path, "use variable or constant", "unknown input_type \"%.*s\"",
                             STR_ARG(str_sub(input_type, 0, 100)));
        return false;
    }
    snprintf(path, sizeof path, "items[%zu].variable_selector", index);
    item->target = add_target(nc, value_get_c(data, "variable_selector"), path, config);
    bool has_source = item->is_variable && assign_needs_value(item->op) && item->value != NULL &&
                      value_type(item->value) == VALUE_ARRAY;
    snprintf(path, sizeof path, "items[%zu].value", index);
    if (has_source)
        item->source = node_compile_selector(nc, item->value, path);
    return true;
}

/* Its number; the same for the same variable. */
static size_t add_target(struct node_compile *nc, const struct value *list, const char *path,
                         struct assigner_config *config)
{
    if (list == NULL || value_type(list) == VALUE_NONE)
        node_compile_problem(nc, path, "choose a variable", "the assigner has no variable to write");
    struct selector s = node_compile_selector(nc, list, path);
    for (size_t i = 0; i < config->target_count; i++) {
        const struct selector *other = &config->targets[i].selector;
        if (other->count == s.count && s.count == 2 && selector_same_variable(other, &s))
            return i;
    }
    config->targets[config->target_count] = (struct assigner_target){s, node_compile_declared_type(nc, &s)};
    return config->target_count++;
}

/* --- run --- */

static void assigner_start(struct node_exec *x)
{
    const struct assigner_config *config = node_exec_node(x)->config;
    struct node_result nothing = {0};
    struct assigner_work work = {
        .values = arena_array(node_exec_arena(x), config->target_count, sizeof *work.values),
        .order = arena_array(node_exec_arena(x), config->target_count, sizeof *work.order)};
    if (config->target_count > 0 && (work.values == NULL || work.order == NULL)) {
        node_fail(x, &nothing, "assigner: no memory");
        return;
    }
    if (config->is_first_version)
        start_first_version(x, config, &work);
    else
        start_items(x, config, &work);
    for (size_t i = 0; i < config->target_count; i++)
        value_unref(work.values[i]);
}

static void start_first_version(struct node_exec *x, const struct assigner_config *config,
                                struct assigner_work *work)
{
    struct value_account *a = node_exec_account(x);
    const struct assigner_item *item = config->items;
    struct node_result result = {.error_type = THROWN};
    struct value *current = current_of(x, config, item->target, work);
    struct value *made = NULL, *source = NULL;
    struct status err;
    if (current == NULL) {
        node_fail(x, &result, "assigned variable not found");
        return;
    }
    if (assign_needs_value(item->op)) {
        source = item->source.count > 0 ? node_exec_get(x, &item->source) : NULL;
        if (source == NULL) {
            node_fail(x, &result, "input value not found");
            return;
        }
    }
    struct assign_kind kind = assign_kind_of(current, config->targets[item->target].declared);
    if (item->op == ASSIGN_APPEND && !assign_is_supported(item->op, kind)) {
        node_fail(x, &result, "append mode requires an array variable");
        return;
    }
    if (assign_apply(a, item->op, kind, current, source, &made, &err) != STATUS_OK) {
        node_fail(x, &result, "%s", err.message);
        return;
    }
    result.inputs = value_object_of(a, STR("value"), value_ref(source != NULL ? source : made));
    keep(work, item->target, made);
    publish(x, config, work);
    result.process_data = updates(x, config, work);
    result.outputs = empty_object(a);
    node_succeed(x, &result);
}

static void start_items(struct node_exec *x, const struct assigner_config *config, struct assigner_work *work)
{
    struct value_account *a = node_exec_account(x);
    struct status err = {0};
    struct node_result result = {.inputs = value_object_of(a, STR("items"), value_ref(config->shown))};
    for (size_t i = 0; i < config->item_count; i++) {
        if (run_item(x, config, &config->items[i], work, &err) != STATUS_OK) {
            if (err.code == STATUS_FAILED_PRECONDITION)
                result.error_type = THROWN;
            node_fail(x, &result, "%s", err.message);
            return;
        }
    }
    publish(x, config, work);
    result.process_data = updates(x, config, work);
    result.outputs = empty_object(a);
    node_succeed(x, &result);
}

static enum status_code run_item(struct node_exec *x, const struct assigner_config *config,
                                 const struct assigner_item *item, struct assigner_work *work,
                                 struct status *err)
{
    const struct assigner_target *target = &config->targets[item->target];
    struct value_account *a = node_exec_account(x);
    struct value *v = NULL, *made = NULL;
    struct value *current = current_of(x, config, item->target, work);
    if (current == NULL)
        return not_found(err, &target->selector);
    struct assign_kind kind = assign_kind_of(current, target->declared);
    enum status_code rc = check_support(item, kind, err);
    if (rc == STATUS_OK && assign_needs_value(item->op)) {
        rc = input_of(x, item, kind, work, &v, err);
        if (rc == STATUS_OK && item->is_variable && value_type(v) == VALUE_NONE && item->value != NULL &&
            value_type(item->value) != VALUE_NONE) {
            value_unref(v);
            return STATUS_OK; /* passed over [Q] */
        }
        if (rc == STATUS_OK && !assign_value_fits(item->op, kind, v))
            rc = not_valid(err, v);
    }
    if (rc == STATUS_OK)
        rc = assign_apply(a, item->op, kind, current, v, &made, err);
    value_unref(v);
    if (rc == STATUS_OK)
        keep(work, item->target, made);
    return rc;
}

static enum status_code check_support(const struct assigner_item *item, struct assign_kind kind,
                                      struct status *err)
{
    const char *op = assign_operation_name(item->op);
    if (!assign_is_supported(item->op, kind))
        return status_set(err, STATUS_INVALID_ARGUMENT, "Operation %s is not supported for type %.*s", op,
                          STR_ARG(kind.name));
    bool takes = item->is_variable ? assign_takes_variable(item->op) : assign_takes_constant(item->op, kind);
    if (!takes)
        return status_set(err, STATUS_INVALID_ARGUMENT, "Input type %s is not supported for operation %s",
                          item->is_variable ? "variable" : "constant", op);
    return STATUS_OK;
}

/* The value of the item: of a variable as earlier items have left it, or a constant, of JSON text for an object. */
static enum status_code input_of(struct node_exec *x, const struct assigner_item *item,
                                 struct assign_kind kind, const struct assigner_work *work,
                                 struct value **ret, struct status *err)
{
    const struct selector *s = &item->source;
    struct value *v = item->value;
    if (item->is_variable && v != NULL && value_type(v) != VALUE_NONE) {
        v = NULL;
        if (item->source_target != NO_TARGET && work->values[item->source_target] != NULL)
            v = value_walk(work->values[item->source_target], s->parts + 2, s->count - 2);
        else if (s->count > 0)
            v = node_exec_get(x, s);
        if (v == NULL)
            return not_found(err, s);
    } else if (v == NULL) {
        v = value_none();
    }
    if (item->op != ASSIGN_SET || kind.type != VALUE_OBJECT || value_type(v) != VALUE_STRING) {
        *ret = value_ref(v);
        return STATUS_OK;
    }
    enum status_code rc = value_parse_json(node_exec_account(x), value_text(v), ret, err);
    return rc == STATUS_INVALID_ARGUMENT ? not_valid(err, v) : rc;
}

/* What the variable holds, as earlier items have left it; NULL: there is none. */
static struct value *current_of(struct node_exec *x, const struct assigner_config *config, size_t target,
                                const struct assigner_work *work)
{
    const struct selector *s = &config->targets[target].selector;
    if (s->count != 2) /* a part of a value is no variable */
        return NULL;
    return work->values[target] != NULL ? work->values[target] : node_exec_get(x, s);
}

static void keep(struct assigner_work *work, size_t target, struct value *take_v)
{
    if (work->values[target] == NULL)
        work->order[work->count++] = target;
    value_unref(work->values[target]);
    work->values[target] = take_v;
}

static void publish(struct node_exec *x, const struct assigner_config *config,
                    const struct assigner_work *work)
{
    for (size_t i = 0; i < work->count; i++)
        node_exec_assign(x, &config->targets[work->order[i]].selector, work->values[work->order[i]]);
}

/* --- the record, errors --- */

/* {name: new value, …, "__updated_variables": [{name, selector, value_type, new_value}, …]} */
static struct value *updates(struct node_exec *x, const struct assigner_config *config,
                             const struct assigner_work *work)
{
    struct value_account *a = node_exec_account(x);
    struct value_builder all, list;
    value_object_begin(&all, a);
    value_array_begin(&list, a);
    for (size_t i = 0; i < work->count; i++) {
        const struct selector *s = &config->targets[work->order[i]].selector;
        struct value *v = work->values[work->order[i]];
        value_object_put(&all, s->parts[1], value_ref(v));
        put_update(&list, a, s, v);
    }
    value_object_put(&all, STR("__updated_variables"), value_array_end(&list));
    return value_object_end(&all);
}

static void put_update(struct value_builder *list, struct value_account *a, const struct selector *s,
                       struct value *v)
{
    struct value_builder update, selector;
    value_array_begin(&selector, a);
    value_array_put(&selector, value_string(a, s->parts[0]));
    value_array_put(&selector, value_string(a, s->parts[1]));
    value_object_begin(&update, a);
    value_object_put(&update, STR("name"), value_string(a, s->parts[1]));
    value_object_put(&update, STR("selector"), value_array_end(&selector));
    value_object_put(&update, STR("value_type"), value_string(a, str_c(value_type_name(v))));
    value_object_put(&update, STR("new_value"), value_ref(v));
    value_array_put(list, value_object_end(&update));
}

static enum status_code not_found(struct status *err, const struct selector *s)
{
    struct buf shown;
    buf_init(&shown, SHOWN_BYTES_MAX);
    selector_put_repr(&shown, s);
    status_set(err, STATUS_NOT_FOUND, "Variable %.*s not found", STR_ARG(buf_str(&shown)));
    buf_fini(&shown);
    return STATUS_NOT_FOUND;
}

static enum status_code not_valid(struct status *err, const struct value *v)
{
    struct buf shown;
    buf_init(&shown, SHOWN_BYTES_MAX);
    if (value_type(v) == VALUE_STRING)
        buf_put(&shown, str_sub(value_text(v), 0, str_utf8_cut(value_text(v), SHOWN_BYTES_MAX)));
    else
        value_put_jinja_masked(&shown, v);
    status_set(err, STATUS_INVALID_ARGUMENT, "Invalid input value %.*s", STR_ARG(buf_str(&shown)));
    buf_fini(&shown);
    return STATUS_INVALID_ARGUMENT;
}

static struct value *empty_object(struct value_account *a)
{
    struct value_builder b;
    value_object_begin(&b, a);
    return value_object_end(&b);
}

const struct node_type node_assigner = {
    .name = "assigner", .kind = NODE_EXECUTABLE, .compile = assigner_compile, .start = assigner_start};
