/*
 * parameter: what a parameter-extractor is to find: its type, the JSON Schema that tells a model of it, and what becomes of
 * the values the model gives (dify-dsl.md 4.9).
 * Threads  immutable once compiled.
 */
#pragma once
#include "executor/nodes/node.h"

enum parameter_kind { PARAMETER_STRING, PARAMETER_NUMBER, PARAMETER_BOOL, PARAMETER_ARRAY };
struct parameter {
    struct str name;
    enum parameter_kind kind;
    enum value_elem elem; /* of an array */
    const char *type;     /* "array[string]"; "string" for a select */
    struct str *options;  /* count 0: anything goes */
    size_t option_count;
    bool is_required;
};
struct parameters {
    struct parameter *list;
    size_t count;
    struct value *schema; /* of an object with all of them */
    struct str schema_text;
    struct value *shown; /* for the record: [{name, type, options, description, required}] */
};

/* list: the parameters of a node's data. Reports its problems itself. */
void parameters_compile(struct node_compile *nc, const struct value *list, struct parameters *ret);

/* What stands for a reply that has no object in it: defaults, but none for arrays [Q]. NULL: no memory. */
struct value *parameters_defaults(const struct parameters *p, struct value_account *a);
/*
 * As many members as parameters; those that are required are there; types fit; what has options is one of them.
 * False: why says what is wrong first.
 */
bool parameters_check(const struct parameters *p, const struct value *found, struct status *why);
/* Puts every parameter: what was found, made to fit its type, or its default. */
void parameters_put(const struct parameters *p, const struct value *found, struct value_account *a,
                    struct value_builder *b);
