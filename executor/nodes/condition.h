/*
 * condition: comparisons of variables as if-else and loop have them (dify-dsl.md 4.4), Python's semantics included.
 */
#pragma once
#include "executor/nodes/node.h"

enum condition_operator {
    CONDITION_CONTAINS,
    CONDITION_NOT_CONTAINS,
    CONDITION_START_WITH,
    CONDITION_END_WITH,
    CONDITION_IS,
    CONDITION_IS_NOT,
    CONDITION_EMPTY,
    CONDITION_NOT_EMPTY,
    CONDITION_IN,
    CONDITION_NOT_IN,
    CONDITION_ALL_OF,
    CONDITION_EQUAL,
    CONDITION_UNEQUAL,
    CONDITION_GREATER,
    CONDITION_LESS,
    CONDITION_GREATER_OR_EQUAL,
    CONDITION_LESS_OR_EQUAL,
    CONDITION_NULL,
    CONDITION_NOT_NULL,
    CONDITION_EXISTS,
    CONDITION_NOT_EXISTS
};
enum condition_verdict { CONDITION_FALSE, CONDITION_TRUE, CONDITION_ERROR };

/* As exports write it ("not contains", "≥"); false: no operator. */
bool condition_operator_find(struct str name, enum condition_operator *ret);
const char *condition_operator_name(enum condition_operator op);

/*
 * actual, expected  raw values; expected NULL is null
 * ERROR: err says what does not fit
 */
enum condition_verdict condition_compare(enum condition_operator op, const struct value *actual,
                                         const struct value *expected, struct status *err);
/* What a text (JSON), bool or number means against a boolean; lists by element. NULL: err says why. The caller owns it. */
struct value *condition_as_bool(struct value_account *a, const struct value *expected, struct status *err);

struct condition_file_test { /* sub_variable_condition: of every file of a list */
    struct str key;
    enum condition_operator op;
    struct value *expected; /* NULL: none */
};
struct condition {
    struct selector variable;
    enum condition_operator op;
    bool is_text; /* expected is a template */
    struct template text;
    struct value *expected;             /* otherwise; NULL: none */
    bool has_file_tests, any_file_test; /* any: or; else and */
    struct condition_file_test *file_tests;
    size_t file_test_count;
};
struct condition_group {
    bool is_or;
    struct condition *list;
    size_t count;
};

/* conditions: a list, or NULL. logical_operator: "or", else and. Problems are reported under `path`. */
void condition_group_compile(struct node_compile *nc, const struct value *conditions,
                             struct str logical_operator, const char *path, struct condition_group *ret);
/*
 * From left to right, up to the one that decides.
 * seen     array builder: gets {actual_value, expected_value, comparison_operator} of those looked at
 * results  array builder: gets their verdicts
 */
enum condition_verdict condition_group_check(const struct condition_group *group, struct node_exec *x,
                                             struct value_builder *seen, struct value_builder *results,
                                             struct status *err);
