/*
 * selector: names a variable: [node id, name, keys into the value…] (dify-dsl.md 2.1).
 * At compile time the first two elements are resolved to a slot of the graph, so that a run finds the value by index.
 * Threads  immutable once compiled.
 */
#pragma once
#include "executor/value/value.h"
#include "shared/base/arena.h"

/* The slot of a selector that nobody has resolved. */
#define SELECTOR_UNRESOLVED UINT32_MAX
/* parts. More never name anything: values are no deeper. */
enum { SELECTOR_PARTS_MAX = 2 + VALUE_DEPTH_MAX };

struct selector {
    struct str *parts; /* count 0: not given; 1: names nothing, never found */
    size_t count;
    uint32_t slot; /* of (parts[0], parts[1]) in the graph; SELECTOR_UNRESOLVED until somebody resolves it */
};

/*
 * From a configuration value: a list of strings (integers are stringified), copied into the arena.
 * NULL, null or [] gives count 0.
 *
 * INVALID_ARGUMENT     something else, or more than SELECTOR_PARTS_MAX
 * RESOURCE_EXHAUSTED   no memory
 */
MUST_CHECK enum status_code selector_from_value(struct arena *a, const struct value *list,
                                                struct selector *ret, struct status *err);
/*
 * From "a.b.c", split at dots; the parts point into `dotted`. False when fewer than two parts or more than
 * SELECTOR_PARTS_MAX, or without memory.
 */
bool selector_from_dotted(struct arena *a, struct str dotted, struct selector *ret);
/* Are the first two elements the same? Both are given (count >= 2). */
bool selector_same_variable(const struct selector *a, const struct selector *b);
/* "a.b.c" */
void selector_put_dotted(struct buf *b, const struct selector *s);
/* ['a', 'b', 'c'], as errors of Dify show it */
void selector_put_repr(struct buf *b, const struct selector *s);
