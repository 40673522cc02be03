/*
 * condition: see condition.h. The group around a comparison: which variable, what it is compared with, files by attribute.
 * The comparisons themselves are in condition_compare.c.
 */
#include "executor/nodes/condition.h"
#include "executor/value/form.h"
#include <stdio.h>
#include <string.h>

/* conditions. Of one case, and tests of one condition. */
enum { CONDITIONS_MAX = 1000 };
/* bytes. Of a selector in an error. */
enum { SELECTOR_SHOWN_BYTES_MAX = 200 };

static void compile_one(struct node_compile *nc, const struct value *data, const char *path,
                        struct condition *c);
static void compile_file_tests(struct node_compile *nc, const struct value *sub, const char *path,
                               struct condition *c);
static bool compile_operator(struct node_compile *nc, const struct value *data, const char *path,
                             enum condition_operator *ret);
static enum condition_verdict check_one(const struct condition *c, struct node_exec *x,
                                        struct value_builder *seen, struct status *err);
static enum condition_verdict check_value(const struct condition *c, struct node_exec *x,
                                          struct value *actual, struct value_builder *seen,
                                          struct status *err);
static enum condition_verdict check_files(const struct condition *c, struct value *files, struct node_exec *x,
                                          struct status *err);
static enum condition_verdict check_file_test(const struct condition_file_test *test, struct value *files,
                                              struct node_exec *x, struct status *err);
static struct value *expected_value(const struct condition *c, struct node_exec *x,
                                    const struct value *actual, struct status *err);
static struct value *with_dot(struct value_account *a, struct value *take_v);
static enum condition_verdict fail_not_found(const struct condition *c, struct status *err);

static enum condition_verdict no_memory(struct status *err)
{
    status_set(err, STATUS_RESOURCE_EXHAUSTED, "condition: no memory");
    return CONDITION_ERROR;
}

static bool needs_no_expected(enum condition_operator op)
{
    return op == CONDITION_EMPTY || op == CONDITION_NOT_EMPTY || op == CONDITION_NULL ||
           op == CONDITION_NOT_NULL || op == CONDITION_EXISTS || op == CONDITION_NOT_EXISTS;
}

/* --- compile --- */

void condition_group_compile(struct node_compile *nc, const struct value *conditions,
                             struct str logical_operator, const char *path, struct condition_group *ret)
{
    size_t count = conditions != NULL && value_type(conditions) == VALUE_ARRAY ? value_count(conditions) : 0;
    *ret = (struct condition_group){.is_or = str_eq_c(logical_operator, "or")};
    if (count > CONDITIONS_MAX) {
        node_compile_problem(nc, path, "use fewer conditions", "%zu conditions are more than %d", count,
                             CONDITIONS_MAX);
        return;
    }
    ret->list = arena_array(node_compile_arena(nc), count, sizeof *ret->list);
    for (size_t i = 0; ret->list != NULL && i < count; i++) {
        char at[96];
        snprintf(at, sizeof at, "%s[%zu]", path, i);
        compile_one(nc, value_item(conditions, i), at, &ret->list[ret->count++]);
    }
}

static void compile_one(struct node_compile *nc, const struct value *data, const char *path,
                        struct condition *c)
{
    char at[160];
    snprintf(at, sizeof at, "%s.variable_selector", path);
    const struct value *selector = value_get_c(data, "variable_selector");
    c->variable = node_compile_selector(nc, selector, at);
    if (selector == NULL || !value_is_truthy(selector))
        node_compile_problem(nc, at, "choose a variable", "the condition has no variable");
    if (!compile_operator(nc, data, path, &c->op))
        return;
    struct value *expected = value_get_c(data, "value");
    c->is_text = expected != NULL && value_type(expected) == VALUE_STRING;
    if (c->is_text) {
        snprintf(at, sizeof at, "%s.value", path);
        c->text = node_compile_template(nc, value_text(expected), at);
    } else {
        c->expected = expected;
    }
    compile_file_tests(nc, value_get_c(data, "sub_variable_condition"), path, c);
}

static bool compile_operator(struct node_compile *nc, const struct value *data, const char *path,
                             enum condition_operator *ret)
{
    struct str name = value_get_text(data, "comparison_operator", STR(""));
    if (condition_operator_find(name, ret))
        return true;
    char at[288];
    snprintf(at, sizeof at, "%s.comparison_operator", path);
    node_compile_problem(nc, at, "choose an operator of the editor", "unknown operator \"%.*s\"",
                         STR_ARG(name));
    return false;
}

static void compile_file_tests(struct node_compile *nc, const struct value *sub, const char *path,
                               struct condition *c)
{
    const struct value *list = sub == NULL ? NULL : value_get_c(sub, "conditions");
    size_t count = list != NULL && value_type(list) == VALUE_ARRAY ? value_count(list) : 0;
    c->has_file_tests = sub != NULL && value_type(sub) == VALUE_OBJECT;
    if (!c->has_file_tests || count > CONDITIONS_MAX)
        return;
    c->any_file_test = str_eq_c(value_get_text(sub, "logical_operator", STR("and")), "or");
    c->file_tests = arena_array(node_compile_arena(nc), count, sizeof *c->file_tests);
    for (size_t i = 0; c->file_tests != NULL && i < count; i++) {
        struct condition_file_test *test = &c->file_tests[c->file_test_count];
        char at[224];
        snprintf(at, sizeof at, "%s.sub_variable_condition.conditions[%zu]", path, i);
        test->key = value_get_text(value_item(list, i), "key", STR(""));
        test->expected = value_get_c(value_item(list, i), "value");
        if (compile_operator(nc, value_item(list, i), at, &test->op))
            c->file_test_count++;
    }
}

/* --- check --- */

enum condition_verdict condition_group_check(const struct condition_group *group, struct node_exec *x,
                                             struct value_builder *seen, struct value_builder *results,
                                             struct status *err)
{
    for (size_t i = 0; i < group->count; i++) {
        enum condition_verdict v = check_one(&group->list[i], x, seen, err);
        if (v == CONDITION_ERROR)
            return v;
        value_array_put(results, value_bool(v == CONDITION_TRUE));
        if ((v == CONDITION_TRUE) == group->is_or)
            return v;
    }
    return group->is_or ? CONDITION_FALSE : CONDITION_TRUE;
}

static enum condition_verdict check_one(const struct condition *c, struct node_exec *x,
                                        struct value_builder *seen, struct status *err)
{
    struct value *actual = node_exec_get(x, &c->variable);
    if (actual == NULL)
        return fail_not_found(c, err);
    bool is_file_list = value_type(actual) == VALUE_ARRAY && value_elem(actual) == VALUE_ELEM_FILE;
    if (is_file_list &&
        (c->op == CONDITION_CONTAINS || c->op == CONDITION_NOT_CONTAINS || c->op == CONDITION_ALL_OF))
        return check_files(c, actual, x, err);
    if (c->op == CONDITION_EXISTS || c->op == CONDITION_NOT_EXISTS)
        return condition_compare(c->op, actual, NULL, err);
    return check_value(c, x, actual, seen, err);
}

static enum condition_verdict fail_not_found(const struct condition *c, struct status *err)
{
    struct buf shown;
    buf_init(&shown, SELECTOR_SHOWN_BYTES_MAX);
    selector_put_repr(&shown, &c->variable);
    status_set(err, STATUS_NOT_FOUND, "Variable %.*s not found", STR_ARG(buf_str(&shown)));
    buf_fini(&shown);
    return CONDITION_ERROR;
}

static enum condition_verdict check_value(const struct condition *c, struct node_exec *x,
                                          struct value *actual, struct value_builder *seen,
                                          struct status *err)
{
    struct value *expected = expected_value(c, x, actual, err);
    if (expected == NULL)
        return CONDITION_ERROR;
    struct value_account *a = node_exec_account(x);
    struct value_builder record;
    value_object_begin(&record, a);
    value_object_put(&record, STR("actual_value"), value_ref(actual));
    value_object_put(&record, STR("expected_value"), value_ref(expected));
    value_object_put(&record, STR("comparison_operator"),
                     value_string(a, str_c(condition_operator_name(c->op))));
    value_array_put(seen, value_object_end(&record));
    enum condition_verdict v = condition_compare(c->op, actual, expected, err);
    value_unref(expected);
    return v;
}

/* Rendered, and turned into a bool when a boolean is compared. NULL: err says why. The caller owns it. */
static struct value *expected_value(const struct condition *c, struct node_exec *x,
                                    const struct value *actual, struct status *err)
{
    bool is_boolean = value_type(actual) == VALUE_BOOL ||
                      (value_type(actual) == VALUE_ARRAY && value_elem(actual) == VALUE_ELEM_BOOL);
    struct value *expected = NULL;
    if (c->is_text)
        expected = node_exec_render(x, &c->text, TEMPLATE_TEXT);
    else if (c->expected != NULL)
        expected = value_ref(c->expected); /* a constant of the graph: not counted */
    else
        expected = value_none();
    if (expected == NULL) {
        no_memory(err);
        return NULL;
    }
    if (!is_boolean || needs_no_expected(c->op) || value_type(expected) == VALUE_NONE)
        return expected;
    struct value *as_bool = condition_as_bool(node_exec_account(x), expected, err);
    value_unref(expected);
    return as_bool;
}

static enum condition_verdict check_files(const struct condition *c, struct value *files, struct node_exec *x,
                                          struct status *err)
{
    if (!c->has_file_tests) {
        status_set(err, STATUS_INVALID_ARGUMENT, "Sub variable is required");
        return CONDITION_ERROR;
    }
    bool all = true, any = false;
    for (size_t i = 0; i < c->file_test_count; i++) {
        enum condition_verdict v = check_file_test(&c->file_tests[i], files, x, err);
        if (v == CONDITION_ERROR)
            return v;
        all &= v == CONDITION_TRUE;
        any |= v == CONDITION_TRUE;
    }
    return (c->any_file_test ? any : all) ? CONDITION_TRUE : CONDITION_FALSE;
}

/* All files when the operator says "not", else any. Extensions are compared with their dot. */
static enum condition_verdict check_file_test(const struct condition_file_test *test, struct value *files,
                                              struct node_exec *x, struct status *err)
{
    struct value_account *a = node_exec_account(x);
    bool is_extension = str_eq_c(test->key, "extension");
    struct value *expected = test->expected == NULL ? value_none() : value_ref(test->expected);
    if (is_extension && value_type(expected) != VALUE_STRING) {
        value_unref(expected);
        status_set(err, STATUS_INVALID_ARGUMENT, "The expected value of extension has to be a string");
        return CONDITION_ERROR;
    }
    if (is_extension)
        expected = with_dot(a, expected);
    bool all = true, any = false;
    enum condition_verdict v = expected == NULL ? no_memory(err) : CONDITION_TRUE;
    for (size_t i = 0; v != CONDITION_ERROR && i < value_count(files); i++) {
        struct value *actual = value_ref(value_walk(value_item(files, i), &test->key, 1));
        if (is_extension && (actual == NULL || !value_is_truthy(actual))) {
            value_unref(actual);
            continue;
        }
        actual = actual == NULL ? value_none() : is_extension ? with_dot(a, actual) : actual;
        v = actual == NULL ? no_memory(err) : condition_compare(test->op, actual, expected, err);
        value_unref(actual);
        all &= v == CONDITION_TRUE;
        any |= v == CONDITION_TRUE;
    }
    value_unref(expected);
    if (v == CONDITION_ERROR)
        return v;
    bool says_not = strstr(condition_operator_name(test->op), "not") != NULL;
    return (says_not ? all : any) ? CONDITION_TRUE : CONDITION_FALSE;
}

/* The text with a dot in front; an empty one as it is. NULL: no memory. */
static struct value *with_dot(struct value_account *a, struct value *take_v)
{
    if (value_type(take_v) != VALUE_STRING || value_text(take_v).len == 0 ||
        str_starts(value_text(take_v), STR(".")))
        return take_v;
    struct buf text;
    buf_init(&text, value_text(take_v).len + 1);
    buf_put_char(&text, '.');
    buf_put(&text, value_text(take_v));
    value_unref(take_v);
    return value_string_take(a, &text);
}
