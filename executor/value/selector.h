/*
 * selector: names a variable: [node id, name, keys into the value…] (dify-dsl.md 2.1).
 * At compile time the first two elements are resolved to a slot of the graph, so that a run finds the value by index.
 * Threads  immutable once compiled.
 */
#pragma once
#include "executor/value/value.h"
#include "shared/base/arena.h"

struct selector {
    struct str *parts; /* at least two once parsed; count 0 = not given */
    size_t count;
    uint32_t slot; /* of (parts[0], parts[1]) in the graph; set by whoever resolves it */
};

/* From a configuration value: a list of at least two strings (integers are stringified). Null or [] gives count 0. */
MUST_CHECK enum status_code selector_from_value(struct arena *a, const struct value *list, struct selector *ret,
                                                struct status *err);
/* From "a.b.c", split at dots; false when fewer than two parts. */
bool selector_from_dotted(struct arena *a, struct str dotted, struct selector *ret);
bool selector_same_variable(const struct selector *a, const struct selector *b); /* first two elements */
/* "a.b.c" */
void selector_put_dotted(struct buf *b, const struct selector *s);
