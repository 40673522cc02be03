/*
 * list-operator: filters a list, takes one element out, orders and cuts it, in this order (dify-dsl.md 4.14).
 */
#include "executor/nodes/list_filter.h"
#include "executor/nodes/types.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* conditions. Each looks at every element. */
enum { LIST_CONDITIONS_MAX = 100 };
/* bytes. Of a selector or a number in an error. */
enum { SHOWN_BYTES_MAX = 200 };
/* What the original calls an error that a node throws. */
#define THROWN "WorkflowNodeError"

struct list_config {
    struct selector variable;
    bool extracts, orders, limits;
    struct list_filter *conditions;
    size_t condition_count;
    struct template serial;
    struct str order_key; /* of files */
    bool is_descending;
    int64_t limit; /* below 0: so many at the end are left out */
};
/* The list while it is worked on. */
struct list_work {
    enum value_elem elem;
    struct list_entry *entries;
    size_t count;
};

static void compile_filter(struct node_compile *nc, const struct value *data, struct list_config *config);
static void compile_order(struct node_compile *nc, const struct value *data, struct list_config *config);
static void compile_limit(struct node_compile *nc, const struct value *data, struct list_config *config);
static void operate(struct node_exec *x, const struct list_config *config, struct value *list,
                    struct node_result *result);
static struct list_entry *new_entries(struct node_exec *x, size_t count);
static enum status_code read_entries(struct node_exec *x, const struct value *list, struct list_work *work,
                                     struct status *err);
static enum status_code extract(struct node_exec *x, const struct list_config *config, struct list_work *work,
                                struct status *err);
static enum status_code order(struct node_exec *x, const struct list_config *config, struct list_work *work,
                              struct status *err);
static void merge(const struct list_entry *from, struct list_entry *to, size_t left, size_t middle,
                  size_t right, bool is_descending);
static bool comes_before(const struct list_entry *a, const struct list_entry *b, bool is_descending);
static void limit(const struct list_config *config, struct list_work *work);
static struct value *outputs_of(struct value_account *a, struct value *take_list);
static void fail_with_selector(struct node_exec *x, const struct list_config *config, const char *before,
                               const char *after, const char *type);

static enum status_code no_memory(struct status *err)
{
    return status_set(err, STATUS_RESOURCE_EXHAUSTED, "list-operator: no memory");
}

/* --- compile --- */

static bool is_enabled(const struct value *part)
{
    return part != NULL && value_get_bool(part, "enabled", false);
}

/* Parts that are not enabled are not looked at: the editor leaves half-filled ones behind. */
static void list_compile(struct node_compile *nc, const struct value *data, struct node *node)
{
    struct list_config *config = arena_alloc(node_compile_arena(nc), sizeof *config);
    const struct value *extract_by = value_get_c(data, "extract_by");
    if (config == NULL)
        return;
    node->config = config;
    config->variable = node_compile_selector(nc, value_get_c(data, "variable"), "variable");
    compile_filter(nc, value_get_c(data, "filter_by"), config);
    config->extracts = is_enabled(extract_by);
    if (config->extracts) {
        struct str serial = value_get_text(extract_by, "serial", STR("1"));
        const struct value *given = value_get_c(extract_by, "serial");
        if (given != NULL && value_type(given) == VALUE_INT)
            serial = str_c(arena_printf(node_compile_arena(nc), "%lld", (long long)value_as_int(given)));
        config->serial = node_compile_template(nc, serial, "extract_by.serial");
    }
    compile_order(nc, value_get_c(data, "order_by"), config);
    compile_limit(nc, value_get_c(data, "limit"), config);
}

static void compile_filter(struct node_compile *nc, const struct value *data, struct list_config *config)
{
    const struct value *list = is_enabled(data) ? value_get_c(data, "conditions") : NULL;
    size_t count = list != NULL && value_type(list) == VALUE_ARRAY ? value_count(list) : 0;
    if (count > LIST_CONDITIONS_MAX) {
        node_compile_problem(nc, "filter_by.conditions", "use fewer conditions",
                             "%zu conditions are more than %d", count, LIST_CONDITIONS_MAX);
        return;
    }
    config->conditions = arena_array(node_compile_arena(nc), count, sizeof *config->conditions);
    for (size_t i = 0; config->conditions != NULL && i < count; i++) {
        char path[64];
        snprintf(path, sizeof path, "filter_by.conditions[%zu]", i);
        if (list_filter_compile(nc, value_item(list, i), path, &config->conditions[config->condition_count]))
            config->condition_count++;
    }
}

static void compile_order(struct node_compile *nc, const struct value *data, struct list_config *config)
{
    config->orders = is_enabled(data);
    if (!config->orders)
        return;
    struct str direction = value_get_text(data, "value", STR("asc"));
    config->order_key = value_get_text(data, "key", STR(""));
    config->is_descending = str_eq_c(direction, "desc");
    if (!config->is_descending && !str_eq_c(direction, "asc"))
        node_compile_problem(nc, "order_by.value", "use asc or desc", "unknown order \"%.*s\"",
                             STR_ARG(str_sub(direction, 0, 100)));
}

static void compile_limit(struct node_compile *nc, const struct value *data, struct list_config *config)
{
    config->limits = is_enabled(data);
    if (!config->limits)
        return;
    const struct value *size = value_get_c(data, "size");
    config->limit = value_get_int(data, "size", -1);
    bool is_given = size != NULL && value_type(size) != VALUE_NONE;
    bool is_number = is_given && value_is_number(size) && config->limit == value_get_int(data, "size", 0);
    bool is_digits = is_given && value_type(size) == VALUE_STRING &&
                     str_to_i64(str_trim(value_text(size)), &config->limit);
    if (is_given && !is_number && !is_digits)
        node_compile_problem(nc, "limit.size", "give a whole number", "the size is no whole number");
}

/* --- run --- */

static void list_start(struct node_exec *x)
{
    const struct list_config *config = node_exec_node(x)->config;
    struct value_account *a = node_exec_account(x);
    struct node_result result = {0};
    struct value *list = config->variable.count > 0 ? node_exec_get(x, &config->variable) : NULL;
    if (list == NULL) {
        fail_with_selector(x, config, "Variable not found for selector: ", "", "");
        return;
    }
    bool is_array = value_type(list) == VALUE_ARRAY;
    enum value_elem elem = is_array ? value_elem(list) : VALUE_ELEM_ANY;
    if (!value_is_truthy(list)) { /* of any kind */
        struct value_builder b;
        value_array_begin(&b, a);
        struct value *empty = value_array_end_as(&b, elem);
        result.inputs = value_object_of(a, STR("variable"), value_ref(empty));
        result.process_data = value_ref(result.inputs);
        result.outputs = outputs_of(a, empty);
        node_succeed(x, &result);
        return;
    }
    if (elem == VALUE_ELEM_ANY || elem == VALUE_ELEM_OBJECT) {
        fail_with_selector(x, config, "Variable ",
                           " is not an array type, actual type: ", value_type_name(list));
        return;
    }
    result.inputs = value_object_of(a, STR("variable"), value_ref(list));
    result.process_data = value_ref(result.inputs);
    operate(x, config, list, &result);
}

static void operate(struct node_exec *x, const struct list_config *config, struct value *list,
                    struct node_result *result)
{
    struct list_work work = {.elem = value_elem(list)};
    struct status err;
    enum status_code rc = read_entries(x, list, &work, &err);
    for (size_t i = 0; rc == STATUS_OK && i < config->condition_count; i++)
        rc = list_filter_apply(&config->conditions[i], x, work.elem, work.entries, &work.count, &err);
    if (rc == STATUS_OK && config->extracts)
        rc = extract(x, config, &work, &err);
    if (rc == STATUS_OK && config->orders)
        rc = order(x, config, &work, &err);
    if (rc != STATUS_OK) {
        if (rc == STATUS_FAILED_PRECONDITION)
            result->error_type = THROWN;
        node_fail(x, result, "%s", err.message);
        return;
    }
    if (config->limits)
        limit(config, &work);
    struct value_builder b;
    value_array_begin(&b, node_exec_account(x));
    for (size_t i = 0; i < work.count; i++)
        value_array_put(&b, value_ref(work.entries[i].item));
    result->outputs = outputs_of(node_exec_account(x), value_array_end_as(&b, work.elem));
    node_succeed(x, result);
}

/* Counted, and freed with the attempt. NULL: no memory. */
static struct list_entry *new_entries(struct node_exec *x, size_t count)
{
    struct list_entry *entries = NULL;
    if (node_exec_charge(x, count * sizeof *entries))
        entries = calloc(count, sizeof *entries);
    if (entries == NULL || !arena_defer(node_exec_arena(x), free, entries))
        return NULL;
    return entries;
}

static enum status_code read_entries(struct node_exec *x, const struct value *list, struct list_work *work,
                                     struct status *err)
{
    work->entries = new_entries(x, value_count(list));
    if (work->entries == NULL)
        return no_memory(err);
    for (size_t i = 0; i < value_count(list); i++) {
        struct value *item = value_item(list, i);
        if (!list_element_fits(work->elem, item)) /* an assigner of version 1 may have put it there */
            return status_set(err, STATUS_FAILED_PRECONDITION, "element %zu of the %s is of type %s", i + 1,
                              value_type_name(list), value_type_name(item));
        work->entries[work->count++] = (struct list_entry){.item = item, .key = item};
    }
    return STATUS_OK;
}

static enum status_code extract(struct node_exec *x, const struct list_config *config, struct list_work *work,
                                struct status *err)
{
    struct value *text = node_exec_render(x, &config->serial, TEMPLATE_TEXT);
    int64_t serial;
    enum status_code rc = STATUS_OK;
    if (text == NULL)
        return no_memory(err);
    struct str digits = str_trim(value_text(text));
    if (digits.len > 1 && digits.ptr[0] == '+' && digits.ptr[1] != '-')
        digits = str_sub(digits, 1, digits.len);
    if (!str_to_i64(digits, &serial))
        rc = status_set(
            err, STATUS_FAILED_PRECONDITION, "invalid literal for int() with base 10: '%.*s'",
            STR_ARG(str_sub(value_text(text), 0, str_utf8_cut(value_text(text), SHOWN_BYTES_MAX))));
    else if (serial < 1)
        rc = status_set(err, STATUS_FAILED_PRECONDITION, "Invalid serial index: must be >= 1, got %lld",
                        (long long)serial);
    else if ((uint64_t)serial > work->count)
        rc = status_set(err, STATUS_INVALID_ARGUMENT, "Invalid serial index: must be <= %zu, got %lld",
                        work->count, (long long)serial);
    value_unref(text);
    if (rc != STATUS_OK)
        return rc;
    work->entries[0] = work->entries[serial - 1];
    work->count = 1;
    return STATUS_OK;
}

/* Stable, and both ways: of equal elements the first stays first. Merges runs of 1, 2, 4 … from one array to the other. */
static enum status_code order(struct node_exec *x, const struct list_config *config, struct list_work *work,
                              struct status *err)
{
    size_t count = work->count;
    if (work->elem == VALUE_ELEM_FILE) {
        static const char *const keys[] = {
            "name", "type", "extension", "size", "mime_type", "transfer_method", "url", "related_id"};
        size_t k = 0;
        while (k < ARRAY_LEN(keys) && !str_eq_c(config->order_key, keys[k]))
            k++;
        if (k == ARRAY_LEN(keys))
            return status_set(err, STATUS_INVALID_ARGUMENT, "Invalid order key: %.*s",
                              STR_ARG(str_sub(config->order_key, 0, 100)));
        for (size_t i = 0; i < count; i++)
            work->entries[i].key = list_file_key(work->entries[i].item, config->order_key);
    }
    if (count < 2)
        return STATUS_OK;
    for (size_t i = 0; i < count; i++) { /* integers, the most of what is ordered, are compared at once */
        struct list_entry *entry = &work->entries[i];
        entry->is_whole = value_type(entry->key) == VALUE_INT;
        entry->whole = entry->is_whole ? value_as_int(entry->key) : 0;
    }
    struct list_entry *to = new_entries(x, count), *from = work->entries;
    if (to == NULL)
        return no_memory(err);
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t left = 0; left < count; left += 2 * width) {
            size_t middle = left + width < count ? left + width : count;
            size_t right = middle + width < count ? middle + width : count;
            merge(from, to, left, middle, right, config->is_descending);
        }
        struct list_entry *sorted = to;
        to = from;
        from = sorted;
    }
    work->entries = from;
    return STATUS_OK;
}

static void merge(const struct list_entry *from, struct list_entry *to, size_t left, size_t middle,
                  size_t right, bool is_descending)
{
    size_t a = left, b = middle;
    for (size_t at = left; at < right; at++) {
        bool takes_b = a == middle || (b < right && comes_before(&from[b], &from[a], is_descending));
        to[at] = takes_b ? from[b++] : from[a++];
    }
}

static bool comes_before(const struct list_entry *a, const struct list_entry *b, bool is_descending)
{
    if (a->is_whole && b->is_whole)
        return is_descending ? a->whole > b->whole : a->whole < b->whole;
    if (list_is_number(a->key))
        return list_compare_numbers(a->key, b->key) == (is_descending ? LIST_GREATER : LIST_LESS);
    int order_of_texts = str_cmp(list_key_text(a->key), list_key_text(b->key));
    return is_descending ? order_of_texts > 0 : order_of_texts < 0;
}

static void limit(const struct list_config *config, struct list_work *work)
{
    if (config->limit >= 0) {
        if ((uint64_t)config->limit < work->count)
            work->count = (size_t)config->limit;
        return;
    }
    uint64_t dropped = -(uint64_t)config->limit;
    work->count = dropped < work->count ? work->count - (size_t)dropped : 0;
}

/* --- the record, errors --- */

static struct value *outputs_of(struct value_account *a, struct value *take_list)
{
    struct value_builder b;
    if (take_list == NULL)
        return NULL;
    size_t count = value_count(take_list);
    struct value *first = count > 0 ? value_item(take_list, 0) : value_none();
    struct value *last = count > 0 ? value_item(take_list, count - 1) : value_none();
    value_object_begin(&b, a);
    value_object_put(&b, STR("result"), take_list);
    value_object_put(&b, STR("first_record"), value_ref(first));
    value_object_put(&b, STR("last_record"), value_ref(last));
    return value_object_end(&b);
}

static void fail_with_selector(struct node_exec *x, const struct list_config *config, const char *before,
                               const char *after, const char *type)
{
    struct node_result result = {0};
    struct buf shown;
    buf_init(&shown, SHOWN_BYTES_MAX);
    selector_put_repr(&shown, &config->variable);
    node_fail(x, &result, "%s%.*s%s%s", before, STR_ARG(buf_str(&shown)), after, type);
    buf_fini(&shown);
}

const struct node_type node_list_operator = {
    .name = "list-operator", .kind = NODE_EXECUTABLE, .compile = list_compile, .start = list_start};
