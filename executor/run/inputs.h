/*
 * inputs: the caller's inputs against the input form of a graph (dify-dsl.md 2.5, error texts of dify-api.md 2.2).
 * Threads  those of the account.
 */
#pragma once
#include "executor/graph/graph.h"

/*
 * raw  object, or NULL for none; borrowed, but the result may share its parts
 * ret  object: one member per field of the form, in its order. Unknown inputs are dropped, NUL characters removed
 *
 * INVALID_ARGUMENT    err->field is "inputs.<variable>"
 * RESOURCE_EXHAUSTED  memory
 */
MUST_CHECK enum status_code inputs_check(const struct graph *graph, struct value_account *a,
                                         const struct value *raw, struct value **ret, struct status *err);
/* The files that come with a run (sys.files): an array of file values; raw NULL: empty. err->field is "files". */
MUST_CHECK enum status_code inputs_check_files(struct value_account *a, const struct value *raw,
                                               struct value **ret, struct status *err);
/* The text without NUL characters. NULL: no memory. */
struct value *inputs_text(struct value_account *a, struct str text);
