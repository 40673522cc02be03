/*
 * assigner_apply: what the operations of an assigner make of a variable and a value (dify-dsl.md 4.11).
 */
#pragma once
#include "executor/value/value.h"

enum assign_operation {
    ASSIGN_OVER_WRITE,
    ASSIGN_SET,
    ASSIGN_CLEAR,
    ASSIGN_ADD,
    ASSIGN_SUBTRACT,
    ASSIGN_MULTIPLY,
    ASSIGN_DIVIDE,
    ASSIGN_APPEND,
    ASSIGN_EXTEND,
    ASSIGN_REMOVE_FIRST,
    ASSIGN_REMOVE_LAST
};
/*
 * What a variable can hold: the type of its value. One that holds null (v1 may have put that there) is of the type the
 * export declares. A secret is a string, a number one kind whether whole or not (type VALUE_INT or VALUE_FLOAT).
 */
struct assign_kind {
    enum value_type type;
    enum value_elem elem; /* of arrays */
    bool is_null;         /* it holds null */
    struct str name;      /* for errors; borrowed of current and declared */
};

/* As exports write it ("+=", "remove-first"); false: no operation. */
bool assign_operation_find(struct str name, enum assign_operation *ret);
const char *assign_operation_name(enum assign_operation op);
bool assign_needs_value(enum assign_operation op);

/* declared: type name, empty when not known. */
struct assign_kind assign_kind_of(const struct value *current, struct str declared);
/* Does the kind have the operation? While it holds null, only those that do not look at what is there. */
bool assign_is_supported(enum assign_operation op, struct assign_kind kind);
bool assign_takes_variable(enum assign_operation op);
bool assign_takes_constant(enum assign_operation op, struct assign_kind kind);
/*
 * Is it a value for the operation? As in Python, a boolean is a number. A text for `set` on an object has been parsed.
 */
bool assign_value_fits(enum assign_operation op, struct assign_kind kind, const struct value *v);

/*
 * The new value of the variable; the caller owns it.
 * current  what it holds; the operation is supported on it
 * v        NULL where none is needed. It may be one that does not fit (version 1 does not ask): for over-write and append
 *
 * FAILED_PRECONDITION  clear: the kind has no zero value
 * RESOURCE_EXHAUSTED   memory
 */
MUST_CHECK enum status_code assign_apply(struct value_account *a, enum assign_operation op,
                                         struct assign_kind kind, struct value *current, struct value *v,
                                         struct value **ret, struct status *err);
