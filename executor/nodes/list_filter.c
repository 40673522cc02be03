/*
 * list_filter: see list_filter.h.
 */
#include "executor/nodes/list_filter.h"
#include "executor/value/form.h"
#include <math.h>
#include <stdio.h>

/* bytes. Of a value in an error. */
enum { SHOWN_BYTES_MAX = 200 };
#define BIT(n) (1u << (n))

/* What the elements are compared with, and how. */
enum test_kind { TEST_TEXT, TEST_NUMBER, TEST_BOOL, TEST_CHOICE };
struct test {
    enum test_kind kind;
    enum condition_operator op;
    struct value *expected; /* owned; of TEST_CHOICE a text or an array */
};

static enum status_code make_test(const struct list_filter *f, struct node_exec *x, enum value_elem elem,
                                  bool has_entries, struct test *ret, struct status *err);
static enum status_code check_value(const struct list_filter *f, enum value_elem elem, enum test_kind *ret,
                                    struct status *err);
static enum status_code check_file_value(const struct list_filter *f, enum test_kind *ret,
                                         struct status *err);
static enum status_code to_number(struct value_account *a, struct value **io_text, struct status *err);
static bool holds(const struct test *t, const struct value *key);
static bool text_holds(enum condition_operator op, struct str actual, struct str expected);
static bool number_holds(enum condition_operator op, const struct value *actual,
                         const struct value *expected);
static bool is_chosen(struct str actual, const struct value *expected);
static enum status_code invalid(struct status *err, enum status_code code, const char *what,
                                const struct value *v);
static int compare_whole(int64_t i, double d);

/* Operators by the kind of the test. */
static const unsigned operators[] = {
    [TEST_TEXT] = BIT(CONDITION_CONTAINS) | BIT(CONDITION_NOT_CONTAINS) | BIT(CONDITION_START_WITH) |
                  BIT(CONDITION_END_WITH) | BIT(CONDITION_IS) | BIT(CONDITION_IS_NOT) | BIT(CONDITION_IN) |
                  BIT(CONDITION_NOT_IN) | BIT(CONDITION_EMPTY) | BIT(CONDITION_NOT_EMPTY),
    [TEST_NUMBER] = BIT(CONDITION_EQUAL) | BIT(CONDITION_UNEQUAL) | BIT(CONDITION_LESS) |
                    BIT(CONDITION_GREATER) | BIT(CONDITION_LESS_OR_EQUAL) | BIT(CONDITION_GREATER_OR_EQUAL),
    [TEST_BOOL] = BIT(CONDITION_IS) | BIT(CONDITION_IS_NOT),
    [TEST_CHOICE] = BIT(CONDITION_IN) | BIT(CONDITION_NOT_IN),
};

bool list_filter_compile(struct node_compile *nc, const struct value *condition, const char *path,
                         struct list_filter *ret)
{
    char at[128];
    struct str name = value_get_text(condition, "comparison_operator", STR("contains"));
    struct value *value = value_get_c(condition, "value");
    *ret = (struct list_filter){.key = value_get_text(condition, "key", STR(""))};
    if (!condition_operator_find(name, &ret->op) ||
        ((operators[TEST_TEXT] | operators[TEST_NUMBER]) & BIT(ret->op)) == 0) {
        snprintf(at, sizeof at, "%s.comparison_operator", path);
        node_compile_problem(nc, at, "choose an operator of the editor", "unknown operator \"%.*s\"",
                             STR_ARG(str_sub(name, 0, 100)));
        return false;
    }
    ret->is_text = value == NULL || value_type(value) == VALUE_STRING;
    snprintf(at, sizeof at, "%s.value", path);
    if (ret->is_text)
        ret->text = node_compile_template(nc, value == NULL ? STR("") : value_text(value), at);
    else
        ret->value = value;
    return true;
}

/* --- filtering --- */

enum status_code list_filter_apply(const struct list_filter *f, struct node_exec *x, enum value_elem elem,
                                   struct list_entry *entries, size_t *count, struct status *err)
{
    struct test t = {0};
    enum status_code rc = make_test(f, x, elem, *count > 0, &t, err);
    if (rc != STATUS_OK)
        return rc;
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        if (elem == VALUE_ELEM_FILE)
            entries[i].key = list_file_key(entries[i].item, f->key);
        if (holds(&t, entries[i].key))
            entries[kept++] = entries[i];
    }
    *count = kept;
    value_unref(t.expected);
    return STATUS_OK;
}

static enum status_code make_test(const struct list_filter *f, struct node_exec *x, enum value_elem elem,
                                  bool has_entries, struct test *ret, struct status *err)
{
    struct test t = {.op = f->op};
    enum status_code rc = check_value(f, elem, &t.kind, err);
    if (rc != STATUS_OK)
        return rc;
    t.expected = f->is_text ? node_exec_render(x, &f->text, TEMPLATE_TEXT) : value_ref(f->value);
    if (t.expected == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "list-operator: no memory");
    /* What compares files is made for each of them: with none left nothing is wrong any more. */
    bool is_looked_at = elem != VALUE_ELEM_FILE || has_entries;
    if (is_looked_at && t.kind == TEST_NUMBER)
        rc = to_number(node_exec_account(x), &t.expected, err);
    if (rc == STATUS_OK && is_looked_at && (operators[t.kind] & BIT(f->op)) == 0)
        rc =
            status_set(err, STATUS_INVALID_ARGUMENT, "Invalid condition: %s", condition_operator_name(f->op));
    if (rc == STATUS_OK)
        *ret = t;
    else
        value_unref(t.expected);
    return rc;
}

static enum status_code check_value(const struct list_filter *f, enum value_elem elem, enum test_kind *ret,
                                    struct status *err)
{
    if (elem == VALUE_ELEM_FILE)
        return check_file_value(f, ret, err);
    if (elem == VALUE_ELEM_BOOL) {
        *ret = TEST_BOOL;
        if (f->is_text || value_type(f->value) != VALUE_BOOL)
            return status_set(err, STATUS_FAILED_PRECONDITION,
                              "Boolean filter expects a boolean value, got %s",
                              f->is_text ? "string" : value_type_name(f->value));
        return STATUS_OK;
    }
    *ret = elem == VALUE_ELEM_NUMBER ? TEST_NUMBER : TEST_TEXT;
    return f->is_text ? STATUS_OK : invalid(err, STATUS_INVALID_ARGUMENT, "Invalid filter value: ", f->value);
}

static enum status_code check_file_value(const struct list_filter *f, enum test_kind *ret, struct status *err)
{
    static const char *const text_keys[] = {"name", "extension", "mime_type", "url", "related_id"};
    if (!f->is_text && value_type(f->value) == VALUE_BOOL)
        return status_set(err, STATUS_FAILED_PRECONDITION, "File filter expects a string value, got boolean");
    if (!f->is_text && value_type(f->value) != VALUE_ARRAY)
        return invalid(err, STATUS_INVALID_ARGUMENT, "Invalid filter value: ", f->value);
    for (size_t i = 0; f->is_text && i < ARRAY_LEN(text_keys); i++) {
        if (str_eq_c(f->key, text_keys[i])) {
            *ret = TEST_TEXT;
            return STATUS_OK;
        }
    }
    *ret = f->is_text && str_eq_c(f->key, "size") ? TEST_NUMBER : TEST_CHOICE;
    if (*ret == TEST_NUMBER || str_eq_c(f->key, "type") || str_eq_c(f->key, "transfer_method"))
        return STATUS_OK;
    return status_set(err, STATUS_INVALID_ARGUMENT, "Invalid key: %.*s", STR_ARG(str_sub(f->key, 0, 100)));
}

/* As Python's float() reads a text; beyond a double is infinite. */
static enum status_code to_number(struct value_account *a, struct value **io_text, struct status *err)
{
    struct str text = str_trim(value_text(*io_text));
    double d;
    if (text.len > 1 && text.ptr[0] == '+' && text.ptr[1] != '-')
        text = str_sub(text, 1, text.len);
    if (!str_to_double(text, &d)) {
        struct buf shown;
        buf_init(&shown, SHOWN_BYTES_MAX);
        value_put_repr_text(&shown, str_sub(value_text(*io_text), 0,
                                            str_utf8_cut(value_text(*io_text), SHOWN_BYTES_MAX / 4)));
        status_set(err, STATUS_FAILED_PRECONDITION, "could not convert string to float: %.*s",
                   STR_ARG(buf_str(&shown)));
        buf_fini(&shown);
        return STATUS_FAILED_PRECONDITION;
    }
    value_unref(*io_text);
    *io_text = value_float(a, d);
    if (*io_text == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "list-operator: no memory");
    return STATUS_OK;
}

static bool holds(const struct test *t, const struct value *key)
{
    switch (t->kind) {
    case TEST_TEXT:
        return text_holds(t->op, list_key_text(key), value_text(t->expected));
    case TEST_NUMBER:
        return number_holds(t->op, key, t->expected);
    case TEST_BOOL:
        return value_equal(key, t->expected) == (t->op == CONDITION_IS);
    case TEST_CHOICE:
        break;
    }
    return is_chosen(list_key_text(key), t->expected) == (t->op == CONDITION_IN);
}

static bool text_holds(enum condition_operator op, struct str actual, struct str expected)
{
    if (op == CONDITION_CONTAINS || op == CONDITION_NOT_CONTAINS)
        return (str_find(actual, expected, 0) != SIZE_MAX) == (op == CONDITION_CONTAINS);
    if (op == CONDITION_IS || op == CONDITION_IS_NOT)
        return str_eq(actual, expected) == (op == CONDITION_IS);
    if (op == CONDITION_IN || op == CONDITION_NOT_IN)
        return (str_find(expected, actual, 0) != SIZE_MAX) == (op == CONDITION_IN);
    if (op == CONDITION_EMPTY || op == CONDITION_NOT_EMPTY)
        return (actual.len == 0) == (op == CONDITION_EMPTY);
    return op == CONDITION_START_WITH ? str_starts(actual, expected) : str_ends(actual, expected);
}

static bool number_holds(enum condition_operator op, const struct value *actual, const struct value *expected)
{
    enum list_order order = list_compare_numbers(actual, expected);
    if (op == CONDITION_EQUAL || op == CONDITION_UNEQUAL)
        return (order == LIST_EQUAL) == (op == CONDITION_EQUAL);
    if (op == CONDITION_LESS || op == CONDITION_LESS_OR_EQUAL)
        return order == LIST_LESS || (order == LIST_EQUAL && op == CONDITION_LESS_OR_EQUAL);
    return order == LIST_GREATER || (order == LIST_EQUAL && op == CONDITION_GREATER_OR_EQUAL);
}

/* One of a list of texts; of a text, a part of it. */
static bool is_chosen(struct str actual, const struct value *expected)
{
    if (value_type(expected) != VALUE_ARRAY)
        return str_find(value_text(expected), actual, 0) != SIZE_MAX;
    for (size_t i = 0; i < value_count(expected); i++) {
        const struct value *item = value_item(expected, i);
        if (value_type(item) == VALUE_STRING && str_eq(value_text(item), actual))
            return true;
    }
    return false;
}

static enum status_code invalid(struct status *err, enum status_code code, const char *what,
                                const struct value *v)
{
    struct buf shown;
    buf_init(&shown, SHOWN_BYTES_MAX);
    value_put_jinja_masked(&shown, v);
    status_set(err, code, "%s%.*s", what, STR_ARG(buf_str(&shown)));
    buf_fini(&shown);
    return code;
}

/* --- elements --- */

bool list_element_fits(enum value_elem elem, const struct value *item)
{
    switch (elem) {
    case VALUE_ELEM_STRING:
        return value_type(item) == VALUE_STRING || value_type(item) == VALUE_SECRET;
    case VALUE_ELEM_NUMBER:
        return list_is_number(item);
    case VALUE_ELEM_BOOL:
        return value_type(item) == VALUE_BOOL;
    case VALUE_ELEM_FILE:
        return value_type(item) == VALUE_FILE;
    case VALUE_ELEM_ANY:
    case VALUE_ELEM_OBJECT:
        break;
    }
    return false;
}

struct value *list_file_key(const struct value *file, struct str key)
{
    return value_walk((struct value *)file, &key, 1);
}

struct str list_key_text(const struct value *key)
{
    bool is_text = key != NULL && (value_type(key) == VALUE_STRING || value_type(key) == VALUE_SECRET);
    return is_text ? value_text(key) : STR("");
}

bool list_is_number(const struct value *v)
{
    return value_is_number(v) || value_type(v) == VALUE_BOOL;
}

enum list_order list_compare_numbers(const struct value *a, const struct value *b)
{
    if (!list_is_number(a) || !list_is_number(b))
        return LIST_UNORDERED;
    bool is_a_whole = value_type(a) != VALUE_FLOAT, is_b_whole = value_type(b) != VALUE_FLOAT;
    int64_t i = 0, j = 0;
    double d = 0, e = 0;
    int order;
    if (is_a_whole)
        i = value_type(a) == VALUE_BOOL ? value_as_bool(a) : value_as_int(a);
    else
        d = value_as_double(a);
    if (is_b_whole)
        j = value_type(b) == VALUE_BOOL ? value_as_bool(b) : value_as_int(b);
    else
        e = value_as_double(b);
    if (isnan(d) || isnan(e))
        return LIST_UNORDERED;
    if (is_a_whole && is_b_whole)
        order = (i > j) - (i < j);
    else if (is_a_whole)
        order = compare_whole(i, e);
    else if (is_b_whole)
        order = -compare_whole(j, d);
    else
        order = (d > e) - (d < e);
    return order < 0 ? LIST_LESS : order > 0 ? LIST_GREATER : LIST_EQUAL;
}

/* Less than 0, 0, greater than 0; exact. d is not nan. */
static int compare_whole(int64_t i, double d)
{
    if (d >= 0x1p63)
        return -1;
    if (d < -0x1p63)
        return 1;
    int64_t whole = (int64_t)d;
    double rest = d - (double)whole;
    if (i != whole)
        return i < whole ? -1 : 1;
    return (rest < 0) - (rest > 0);
}
