/*
 * list_filter: the conditions that a list-operator filters by (dify-dsl.md 4.14). Unlike those of if-else they look at every
 * element, `in` finds an element within a text, and nothing depends on what is empty.
 */
#pragma once
#include "executor/nodes/condition.h"

struct list_filter {
    struct str key; /* attribute, of lists of files */
    enum condition_operator op;
    bool is_text; /* the value is a template */
    struct template text;
    struct value *value; /* otherwise, or NULL */
};

/* An element of the list, and what it is filtered and ordered by. Both are borrowed of the list. */
struct list_entry {
    struct value *item;
    struct value *key;
    bool is_whole; /* the key is an integer: */
    int64_t whole;
};

/* condition: {key, comparison_operator, value}. False: a problem was reported. */
bool list_filter_compile(struct node_compile *nc, const struct value *condition, const char *path,
                         struct list_filter *ret);
/*
 * Keeps the entries that hold, in their order; *count becomes theirs. Elements have the type that `elem` says, texts and
 * numbers as list_element_fits() has it.
 *
 * INVALID_ARGUMENT      the operator, key or value does not fit the list
 * FAILED_PRECONDITION   the same, where the original throws
 * RESOURCE_EXHAUSTED    memory
 */
MUST_CHECK enum status_code list_filter_apply(const struct list_filter *f, struct node_exec *x,
                                              enum value_elem elem, struct list_entry *entries, size_t *count,
                                              struct status *err);
/* Is it what arrays of `elem` hold? A boolean is a number, a secret a text. False for elements that cannot be operated on. */
bool list_element_fits(enum value_elem elem, const struct value *item);
/* The attribute of a file that is compared under this name; NULL: there is no such name. */
struct value *list_file_key(const struct value *file, struct str key);

/* The text of a key; anything else is empty. */
struct str list_key_text(const struct value *key);
enum list_order { LIST_LESS, LIST_EQUAL, LIST_GREATER, LIST_UNORDERED };
bool list_is_number(const struct value *v); /* a boolean is one */
/* Of two numbers, exact; LIST_UNORDERED with nan, and with what is no number. */
enum list_order list_compare_numbers(const struct value *a, const struct value *b);
