/*
 * assigner_apply: see assigner_apply.h.
 * Whole numbers have 64 bits here: what does not fit becomes a float, where Python would go on exactly.
 */
#include "executor/nodes/assigner_apply.h"

static bool item_fits(struct assign_kind kind, const struct value *item);
static struct value *replaced(struct value_account *a, struct assign_kind kind, struct value *v);
static bool has_zero(struct assign_kind kind);
static struct value *zero(struct value_account *a, struct assign_kind kind);
static struct value *calculated(struct value_account *a, enum assign_operation op, const struct value *left,
                                const struct value *right);
static struct value *lengthened(struct value_account *a, enum assign_operation op, struct assign_kind kind,
                                const struct value *current, struct value *v);
static struct value *shortened(struct value_account *a, enum assign_operation op, struct assign_kind kind,
                               struct value *current);
static void put_items(struct value_builder *b, const struct value *list, size_t from, size_t to);

static const char *const names[] = {
    [ASSIGN_OVER_WRITE] = "over-write",
    [ASSIGN_SET] = "set",
    [ASSIGN_CLEAR] = "clear",
    [ASSIGN_ADD] = "+=",
    [ASSIGN_SUBTRACT] = "-=",
    [ASSIGN_MULTIPLY] = "*=",
    [ASSIGN_DIVIDE] = "/=",
    [ASSIGN_APPEND] = "append",
    [ASSIGN_EXTEND] = "extend",
    [ASSIGN_REMOVE_FIRST] = "remove-first",
    [ASSIGN_REMOVE_LAST] = "remove-last",
};

bool assign_operation_find(struct str name, enum assign_operation *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eq_c(name, names[i])) {
            *ret = (enum assign_operation)i;
            return true;
        }
    }
    return false;
}

const char *assign_operation_name(enum assign_operation op)
{
    return names[op];
}

bool assign_needs_value(enum assign_operation op)
{
    return op != ASSIGN_CLEAR && op != ASSIGN_REMOVE_FIRST && op != ASSIGN_REMOVE_LAST;
}

static bool is_arithmetic(enum assign_operation op)
{
    return op == ASSIGN_ADD || op == ASSIGN_SUBTRACT || op == ASSIGN_MULTIPLY || op == ASSIGN_DIVIDE;
}

/* --- what goes with what --- */

struct assign_kind assign_kind_of(const struct value *current, struct str declared)
{
    static const struct {
        const char *name;
        enum value_type type;
        enum value_elem elem;
    } types[] = {
        {"string", VALUE_STRING, VALUE_ELEM_ANY},
        {"secret", VALUE_STRING, VALUE_ELEM_ANY},
        {"number", VALUE_INT, VALUE_ELEM_ANY},
        {"integer", VALUE_INT, VALUE_ELEM_ANY},
        {"float", VALUE_FLOAT, VALUE_ELEM_ANY},
        {"boolean", VALUE_BOOL, VALUE_ELEM_ANY},
        {"object", VALUE_OBJECT, VALUE_ELEM_ANY},
        {"file", VALUE_FILE, VALUE_ELEM_ANY},
        {"array[string]", VALUE_ARRAY, VALUE_ELEM_STRING},
        {"array[number]", VALUE_ARRAY, VALUE_ELEM_NUMBER},
        {"array[boolean]", VALUE_ARRAY, VALUE_ELEM_BOOL},
        {"array[object]", VALUE_ARRAY, VALUE_ELEM_OBJECT},
        {"array[file]", VALUE_ARRAY, VALUE_ELEM_FILE},
        {"array[any]", VALUE_ARRAY, VALUE_ELEM_ANY},
    };
    struct assign_kind kind = {.type = value_type(current),
                               .is_null = value_type(current) == VALUE_NONE,
                               .name = str_c(value_type_name(current))};
    if (kind.type == VALUE_SECRET)
        kind.type = VALUE_STRING;
    if (kind.type == VALUE_ARRAY)
        kind.elem = value_elem(current);
    for (size_t i = 0; kind.type == VALUE_NONE && i < ARRAY_LEN(types); i++) {
        if (str_eq_c(declared, types[i].name))
            kind = (struct assign_kind){types[i].type, types[i].elem, true, declared};
    }
    return kind;
}

static bool is_number_kind(struct assign_kind kind)
{
    return kind.type == VALUE_INT || kind.type == VALUE_FLOAT;
}

bool assign_is_supported(enum assign_operation op, struct assign_kind kind)
{
    if (op == ASSIGN_OVER_WRITE || op == ASSIGN_CLEAR)
        return true;
    if (op == ASSIGN_SET)
        return kind.type == VALUE_OBJECT || kind.type == VALUE_STRING || kind.type == VALUE_BOOL ||
               is_number_kind(kind);
    if (kind.is_null)
        return false;
    return is_arithmetic(op) ? is_number_kind(kind) : kind.type == VALUE_ARRAY;
}

bool assign_takes_variable(enum assign_operation op)
{
    return op != ASSIGN_SET && !is_arithmetic(op);
}

bool assign_takes_constant(enum assign_operation op, struct assign_kind kind)
{
    if (!assign_needs_value(op))
        return true; /* there is none to look at */
    if (is_arithmetic(op))
        return is_number_kind(kind);
    return (op == ASSIGN_OVER_WRITE || op == ASSIGN_SET) && assign_is_supported(ASSIGN_SET, kind);
}

static bool is_text(const struct value *v)
{
    return value_type(v) == VALUE_STRING || value_type(v) == VALUE_SECRET;
}

static bool is_number(const struct value *v)
{
    return value_is_number(v) || value_type(v) == VALUE_BOOL;
}

bool assign_value_fits(enum assign_operation op, struct assign_kind kind, const struct value *v)
{
    switch (kind.type) {
    case VALUE_STRING:
    case VALUE_SECRET:
        return is_text(v);
    case VALUE_BOOL:
        return value_type(v) == VALUE_BOOL;
    case VALUE_INT:
    case VALUE_FLOAT:
        return is_number(v) && !(op == ASSIGN_DIVIDE && !value_is_truthy(v));
    case VALUE_OBJECT:
        return value_type(v) == VALUE_OBJECT;
    case VALUE_ARRAY:
        break;
    case VALUE_NONE:
    case VALUE_FILE:
        return false;
    }
    if (op == ASSIGN_APPEND)
        return item_fits(kind, v);
    bool fits = value_type(v) == VALUE_ARRAY && kind.elem != VALUE_ELEM_FILE;
    for (size_t i = 0; fits && i < value_count(v); i++)
        fits = item_fits(kind, value_item(v, i));
    return fits;
}

static bool item_fits(struct assign_kind kind, const struct value *item)
{
    switch (kind.elem) {
    case VALUE_ELEM_ANY:
        return is_text(item) || is_number(item) || value_type(item) == VALUE_OBJECT;
    case VALUE_ELEM_STRING:
        return is_text(item);
    case VALUE_ELEM_NUMBER:
        return is_number(item);
    case VALUE_ELEM_BOOL:
        return value_type(item) == VALUE_BOOL;
    case VALUE_ELEM_OBJECT:
        return value_type(item) == VALUE_OBJECT;
    case VALUE_ELEM_FILE:
        break;
    }
    return false;
}

/* --- what comes out --- */

enum status_code assign_apply(struct value_account *a, enum assign_operation op, struct assign_kind kind,
                              struct value *current, struct value *v, struct value **ret, struct status *err)
{
    struct value *made = NULL;
    switch (op) {
    case ASSIGN_OVER_WRITE:
    case ASSIGN_SET:
        made = replaced(a, kind, v);
        break;
    case ASSIGN_CLEAR:
        if (!has_zero(kind))
            return status_set(err, STATUS_FAILED_PRECONDITION, "unsupported variable type: %.*s",
                              STR_ARG(kind.name));
        made = zero(a, kind);
        break;
    case ASSIGN_ADD:
    case ASSIGN_SUBTRACT:
    case ASSIGN_MULTIPLY:
    case ASSIGN_DIVIDE:
        made = calculated(a, op, current, v);
        break;
    case ASSIGN_APPEND:
    case ASSIGN_EXTEND:
        made = lengthened(a, op, kind, current, v);
        break;
    case ASSIGN_REMOVE_FIRST:
    case ASSIGN_REMOVE_LAST:
        made = shortened(a, op, kind, current);
        break;
    }
    if (made == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "assigner: no memory");
    *ret = made;
    return STATUS_OK;
}

/* A boolean becomes the number it is, so that the variable stays one; an array has the element type of the variable's. */
static struct value *replaced(struct value_account *a, struct assign_kind kind, struct value *v)
{
    if (is_number_kind(kind) && value_type(v) == VALUE_BOOL)
        return value_int(a, value_as_bool(v));
    if (kind.type != VALUE_ARRAY || value_type(v) != VALUE_ARRAY || value_elem(v) == kind.elem)
        return value_ref(v);
    struct value_builder b;
    value_array_begin(&b, a);
    put_items(&b, v, 0, value_count(v));
    return value_array_end_as(&b, kind.elem);
}

static bool has_zero(struct assign_kind kind)
{
    return kind.type != VALUE_NONE && kind.type != VALUE_FILE &&
           !(kind.type == VALUE_ARRAY && kind.elem == VALUE_ELEM_FILE);
}

static struct value *zero(struct value_account *a, struct assign_kind kind)
{
    struct value_builder b;
    switch (kind.type) {
    case VALUE_STRING:
    case VALUE_SECRET:
        return value_string(a, STR(""));
    case VALUE_BOOL:
        return value_bool(false);
    case VALUE_INT:
        return value_int(a, 0);
    case VALUE_FLOAT:
        return value_float(a, 0);
    case VALUE_OBJECT:
        value_object_begin(&b, a);
        return value_object_end(&b);
    case VALUE_ARRAY:
        value_array_begin(&b, a);
        return value_array_end_as(&b, kind.elem);
    case VALUE_NONE:
    case VALUE_FILE:
        break;
    }
    return value_none();
}

static int64_t whole_of(const struct value *v)
{
    return value_type(v) == VALUE_BOOL ? value_as_bool(v) : value_as_int(v);
}

static double double_of(const struct value *v)
{
    return value_type(v) == VALUE_BOOL ? value_as_bool(v) : value_as_double(v);
}

static struct value *calculated(struct value_account *a, enum assign_operation op, const struct value *left,
                                const struct value *right)
{
    bool is_whole = value_type(left) != VALUE_FLOAT && value_type(right) != VALUE_FLOAT;
    int64_t n;
    if (is_whole && op == ASSIGN_DIVIDE) /* as exact as Python's: a long double holds both */
        return value_float(a, (double)((long double)whole_of(left) / (long double)whole_of(right)));
    if (is_whole && !(op == ASSIGN_ADD        ? __builtin_add_overflow(whole_of(left), whole_of(right), &n)
                      : op == ASSIGN_SUBTRACT ? __builtin_sub_overflow(whole_of(left), whole_of(right), &n)
                                              : __builtin_mul_overflow(whole_of(left), whole_of(right), &n)))
        return value_int(a, n);
    double x = double_of(left), y = double_of(right);
    return value_float(a, op == ASSIGN_ADD        ? x + y
                          : op == ASSIGN_SUBTRACT ? x - y
                          : op == ASSIGN_MULTIPLY ? x * y
                                                  : x / y);
}

static struct value *lengthened(struct value_account *a, enum assign_operation op, struct assign_kind kind,
                                const struct value *current, struct value *v)
{
    struct value_builder b;
    value_array_begin(&b, a);
    put_items(&b, current, 0, value_count(current));
    if (op == ASSIGN_APPEND)
        value_array_put(&b, value_ref(v));
    else
        put_items(&b, v, 0, value_count(v));
    return value_array_end_as(&b, kind.elem);
}

/* An empty array stays as it is. */
static struct value *shortened(struct value_account *a, enum assign_operation op, struct assign_kind kind,
                               struct value *current)
{
    size_t count = value_count(current);
    if (count == 0)
        return value_ref(current);
    struct value_builder b;
    value_array_begin(&b, a);
    put_items(&b, current, op == ASSIGN_REMOVE_FIRST, op == ASSIGN_REMOVE_FIRST ? count : count - 1);
    return value_array_end_as(&b, kind.elem);
}

static void put_items(struct value_builder *b, const struct value *list, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        value_array_put(b, value_ref(value_item(list, i)));
}
