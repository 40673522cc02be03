/*
 * condition_compare: the operators of conditions (condition.h) on two values. The semantics are those of the Python code that
 * made the exports: truthiness first, then types, and an error where Python would raise one.
 */
#include "executor/nodes/condition.h"
#include "executor/value/form.h"
#include "executor/value/parse.h"
#include <math.h>

/* bytes. Of the text form of an expected value that is searched for in a text. */
#define NEEDLE_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct number { /* Python's int or float */
    bool is_int;
    int64_t i;
    double d;
};

static enum condition_verdict contains(const struct value *actual, const struct value *expected,
                                       struct status *err);
static enum condition_verdict text_contains(struct str text, const struct value *expected,
                                            struct status *err);
static enum condition_verdict starts_or_ends(enum condition_operator op, const struct value *actual,
                                             const struct value *expected, struct status *err);
static enum condition_verdict is_same(const struct value *actual, const struct value *expected,
                                      struct status *err);
static enum condition_verdict is_in(const struct value *actual, const struct value *expected,
                                    struct status *err);
static enum condition_verdict all_of(const struct value *actual, const struct value *expected,
                                     struct status *err);
static enum condition_verdict equals(const struct value *actual, const struct value *expected,
                                     struct status *err);
static enum condition_verdict orders(enum condition_operator op, const struct value *actual,
                                     const struct value *expected, struct status *err);
static bool to_int(const struct value *v, struct number *ret);
static bool to_float(const struct value *v, struct number *ret);
static struct str number_text(const struct value *v);

static const char *const names[] = {
    [CONDITION_CONTAINS] = "contains",
    [CONDITION_NOT_CONTAINS] = "not contains",
    [CONDITION_START_WITH] = "start with",
    [CONDITION_END_WITH] = "end with",
    [CONDITION_IS] = "is",
    [CONDITION_IS_NOT] = "is not",
    [CONDITION_EMPTY] = "empty",
    [CONDITION_NOT_EMPTY] = "not empty",
    [CONDITION_IN] = "in",
    [CONDITION_NOT_IN] = "not in",
    [CONDITION_ALL_OF] = "all of",
    [CONDITION_EQUAL] = "=",
    [CONDITION_UNEQUAL] = "≠",
    [CONDITION_GREATER] = ">",
    [CONDITION_LESS] = "<",
    [CONDITION_GREATER_OR_EQUAL] = "≥",
    [CONDITION_LESS_OR_EQUAL] = "≤",
    [CONDITION_NULL] = "null",
    [CONDITION_NOT_NULL] = "not null",
    [CONDITION_EXISTS] = "exists",
    [CONDITION_NOT_EXISTS] = "not exists",
};

bool condition_operator_find(struct str name, enum condition_operator *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eq_c(name, names[i])) {
            *ret = (enum condition_operator)i;
            return true;
        }
    }
    return false;
}

const char *condition_operator_name(enum condition_operator op)
{
    return names[op];
}

static enum condition_verdict verdict(bool holds)
{
    return holds ? CONDITION_TRUE : CONDITION_FALSE;
}

static enum condition_verdict negate(enum condition_verdict v)
{
    return v == CONDITION_ERROR ? v : verdict(v == CONDITION_FALSE);
}

static enum condition_verdict misfit(struct status *err, enum condition_operator op, const char *who,
                                     const struct value *v)
{
    status_set(err, STATUS_INVALID_ARGUMENT, "Operator \"%s\" does not take %s value of type %s", names[op],
               who, value_type_name(v));
    return CONDITION_ERROR;
}

static bool is_null(const struct value *v)
{
    return value_type(v) == VALUE_NONE;
}

static bool is_text(const struct value *v)
{
    return value_type(v) == VALUE_STRING || value_type(v) == VALUE_SECRET;
}

enum condition_verdict condition_compare(enum condition_operator op, const struct value *actual,
                                         const struct value *expected, struct status *err)
{
    if (expected == NULL)
        expected = value_none();
    switch (op) {
    case CONDITION_CONTAINS:
        return value_is_truthy(actual) ? contains(actual, expected, err) : CONDITION_FALSE;
    case CONDITION_NOT_CONTAINS:
        return value_is_truthy(actual) ? negate(contains(actual, expected, err)) : CONDITION_TRUE;
    case CONDITION_START_WITH:
    case CONDITION_END_WITH:
        return value_is_truthy(actual) ? starts_or_ends(op, actual, expected, err) : CONDITION_FALSE;
    case CONDITION_IS:
        return is_null(actual) ? CONDITION_FALSE : is_same(actual, expected, err);
    case CONDITION_IS_NOT:
        return is_null(actual) ? CONDITION_FALSE : negate(is_same(actual, expected, err));
    case CONDITION_EMPTY:
        return verdict(!value_is_truthy(actual));
    case CONDITION_NOT_EMPTY:
        return verdict(value_is_truthy(actual));
    case CONDITION_IN:
        return value_is_truthy(actual) ? is_in(actual, expected, err) : CONDITION_FALSE;
    case CONDITION_NOT_IN:
        return value_is_truthy(actual) ? negate(is_in(actual, expected, err)) : CONDITION_TRUE;
    case CONDITION_ALL_OF:
        return value_is_truthy(actual) ? all_of(actual, expected, err) : CONDITION_FALSE;
    case CONDITION_EQUAL:
        return is_null(actual) ? CONDITION_FALSE : equals(actual, expected, err);
    case CONDITION_UNEQUAL:
        return is_null(actual) ? CONDITION_FALSE : negate(equals(actual, expected, err));
    case CONDITION_GREATER:
    case CONDITION_LESS:
    case CONDITION_GREATER_OR_EQUAL:
    case CONDITION_LESS_OR_EQUAL:
        return is_null(actual) ? CONDITION_FALSE : orders(op, actual, expected, err);
    case CONDITION_NULL:
    case CONDITION_NOT_EXISTS:
        return verdict(is_null(actual));
    case CONDITION_NOT_NULL:
    case CONDITION_EXISTS:
        break;
    }
    return verdict(!is_null(actual));
}

static enum condition_verdict contains(const struct value *actual, const struct value *expected,
                                       struct status *err)
{
    if (is_text(actual))
        return text_contains(value_text(actual), expected, err);
    if (value_type(actual) != VALUE_ARRAY)
        return misfit(err, CONDITION_CONTAINS, "an actual", actual);
    for (size_t i = 0; i < value_count(actual); i++) {
        if (value_equal(value_item(actual, i), expected))
            return CONDITION_TRUE;
    }
    return CONDITION_FALSE;
}

/* Anything but a text is searched for as Python's str() writes it. */
static enum condition_verdict text_contains(struct str text, const struct value *expected, struct status *err)
{
    if (is_text(expected))
        return verdict(str_find(text, value_text(expected), 0) != SIZE_MAX);
    struct buf needle;
    buf_init(&needle, NEEDLE_BYTES_MAX);
    value_put_jinja(&needle, expected);
    enum condition_verdict v = verdict(str_find(text, buf_str(&needle), 0) != SIZE_MAX);
    if (needle.failed) {
        status_set(err, STATUS_RESOURCE_EXHAUSTED, "condition: no memory");
        v = CONDITION_ERROR;
    }
    buf_fini(&needle);
    return v;
}

static enum condition_verdict starts_or_ends(enum condition_operator op, const struct value *actual,
                                             const struct value *expected, struct status *err)
{
    if (!is_text(actual))
        return misfit(err, op, "an actual", actual);
    if (!is_text(expected))
        return misfit(err, op, "an expected", expected);
    return verdict(op == CONDITION_START_WITH ? str_starts(value_text(actual), value_text(expected))
                                              : str_ends(value_text(actual), value_text(expected)));
}

static enum condition_verdict is_same(const struct value *actual, const struct value *expected,
                                      struct status *err)
{
    if (is_text(actual))
        return verdict(is_text(expected) && str_eq(value_text(actual), value_text(expected)));
    if (value_type(actual) != VALUE_BOOL)
        return misfit(err, CONDITION_IS, "an actual", actual);
    return verdict(value_equal(actual, expected));
}

static enum condition_verdict is_in(const struct value *actual, const struct value *expected,
                                    struct status *err)
{
    if (value_type(expected) != VALUE_ARRAY)
        return misfit(err, CONDITION_IN, "an expected", expected);
    for (size_t i = 0; i < value_count(expected); i++) {
        const struct value *item = value_item(expected, i);
        if (value_equal(actual, item) ||
            (is_text(actual) && is_text(item) && str_eq(value_text(actual), value_text(item))))
            return CONDITION_TRUE;
    }
    return CONDITION_FALSE;
}

static enum condition_verdict all_of(const struct value *actual, const struct value *expected,
                                     struct status *err)
{
    if (!is_text(actual) && value_type(actual) != VALUE_ARRAY)
        return CONDITION_FALSE;
    if (value_type(expected) != VALUE_ARRAY)
        return misfit(err, CONDITION_ALL_OF, "an expected", expected);
    for (size_t i = 0; i < value_count(expected); i++) {
        const struct value *item = value_item(expected, i);
        if (is_text(actual) && !is_text(item))
            return misfit(err, CONDITION_ALL_OF, "an expected", item);
        enum condition_verdict v = contains(actual, item, err);
        if (v != CONDITION_TRUE)
            return v;
    }
    return CONDITION_TRUE;
}

/* The expected value becomes what the actual one is. */
static enum condition_verdict equals(const struct value *actual, const struct value *expected,
                                     struct status *err)
{
    struct number n;
    switch (value_type(actual)) {
    case VALUE_BOOL:
        if (value_type(expected) != VALUE_BOOL && value_type(expected) != VALUE_INT && !is_text(expected) &&
            value_type(expected) != VALUE_NONE)
            return misfit(err, CONDITION_EQUAL, "an expected", expected);
        return verdict(value_as_bool(actual) == value_is_truthy(expected));
    case VALUE_INT:
        if (!to_int(expected, &n))
            return misfit(err, CONDITION_EQUAL, "for an integer an expected", expected);
        return verdict(n.is_int && value_as_int(actual) == n.i);
    case VALUE_FLOAT:
        if (!to_float(expected, &n))
            return misfit(err, CONDITION_EQUAL, "for a number an expected", expected);
        return verdict(value_as_double(actual) == n.d);
    case VALUE_NONE:
    case VALUE_STRING:
    case VALUE_SECRET:
    case VALUE_OBJECT:
    case VALUE_FILE:
    case VALUE_ARRAY:
        break;
    }
    return misfit(err, CONDITION_EQUAL, "an actual", actual);
}

static bool is_ordered(enum condition_operator op, bool is_less, bool is_same_number)
{
    return op == CONDITION_GREATER            ? !is_less && !is_same_number
           : op == CONDITION_LESS             ? is_less
           : op == CONDITION_GREATER_OR_EQUAL ? !is_less
                                              : is_less || is_same_number;
}

static enum condition_verdict orders(enum condition_operator op, const struct value *actual,
                                     const struct value *expected, struct status *err)
{
    struct number n;
    bool is_int = value_type(actual) == VALUE_INT || value_type(actual) == VALUE_BOOL;
    if (!is_int && value_type(actual) != VALUE_FLOAT)
        return misfit(err, op, "an actual", actual);
    if (!to_float(expected, &n))
        return misfit(err, op, "an expected", expected);
    int64_t i = value_type(actual) == VALUE_INT    ? value_as_int(actual)
                : value_type(actual) == VALUE_BOOL ? value_as_bool(actual)
                                                   : 0;
    if (is_int && n.is_int)
        return verdict(is_ordered(op, i < n.i, i == n.i));
    double d = is_int ? (double)i : value_as_double(actual);
    if (isnan(d) || isnan(n.d))
        return CONDITION_FALSE;
    return verdict(is_ordered(op, d < n.d, d == n.d));
}

/* Python's int(): a text has to be a whole number, a float loses its fraction. is_int false: beyond 64 bits. */
static bool to_int(const struct value *v, struct number *ret)
{
    struct str text = number_text(v);
    if (is_text(v)) {
        for (size_t i = 0; i < text.len; i++) {
            if ((text.ptr[i] < '0' || text.ptr[i] > '9') && !(i == 0 && text.ptr[i] == '-'))
                return false;
        }
        return to_float(v, ret);
    }
    if (!to_float(v, ret))
        return false;
    if (!ret->is_int && isfinite(ret->d) && fabs(ret->d) < 9.2e18)
        *ret = (struct number){true, (int64_t)ret->d, trunc(ret->d)};
    return isfinite(ret->d);
}

/* Python's float(), but whole numbers are kept exact. */
static bool to_float(const struct value *v, struct number *ret)
{
    *ret = (struct number){0};
    if (value_type(v) == VALUE_FLOAT) {
        ret->d = value_as_double(v);
        return true;
    }
    if (value_type(v) == VALUE_INT || value_type(v) == VALUE_BOOL) {
        ret->is_int = true;
        ret->i = value_type(v) == VALUE_INT ? value_as_int(v) : value_as_bool(v);
        ret->d = (double)ret->i;
        return true;
    }
    if (!is_text(v))
        return false;
    struct str text = number_text(v);
    ret->is_int = str_to_i64(text, &ret->i);
    if (!str_to_double(text, &ret->d))
        return false;
    if (!ret->is_int && ret->d == trunc(ret->d) && fabs(ret->d) < 9.2e18) {
        ret->is_int = true;
        ret->i = (int64_t)ret->d;
    }
    return true;
}

/* Without white space around it and without a plus sign. */
static struct str number_text(const struct value *v)
{
    struct str text = is_text(v) ? str_trim(value_text(v)) : STR("");
    return text.len > 1 && text.ptr[0] == '+' && text.ptr[1] != '-' ? str_sub(text, 1, text.len) : text;
}

struct value *condition_as_bool(struct value_account *a, const struct value *expected, struct status *err)
{
    struct value *v = NULL;
    if (value_type(expected) == VALUE_BOOL)
        return value_bool(value_as_bool(expected));
    if (value_is_number(expected))
        return value_bool(value_as_double(expected) != 0);
    if (value_type(expected) == VALUE_ARRAY) {
        struct value_builder list;
        value_array_begin(&list, a);
        for (size_t i = 0; i < value_count(expected); i++) {
            struct value *item = condition_as_bool(a, value_item(expected, i), err);
            if (item == NULL) {
                value_builder_abort(&list);
                return NULL;
            }
            value_array_put(&list, item);
        }
        return value_array_end(&list);
    }
    bool is_json = is_text(expected) && value_parse_json(a, value_text(expected), &v, err) == STATUS_OK;
    if (is_json && (value_type(v) == VALUE_BOOL || value_is_number(v))) {
        bool b = value_is_truthy(v);
        value_unref(v);
        return value_bool(b);
    }
    value_unref(v);
    status_set(err, STATUS_INVALID_ARGUMENT,
               "A boolean is compared with true, false or a number only, not with %s",
               is_text(expected) ? "another text" : value_type_name(expected));
    return NULL;
}
