/*
 * slots: which variables a graph reads: the first two elements of each selector, numbered from 0 (dify-dsl.md 2.1).
 * Threads  one while it is filled; afterwards any may look things up.
 * Memory   in the arena.
 */
#pragma once
#include "shared/base/arena.h"

struct slot_name {
    struct str first, second;
};
struct slot_table {
    struct arena *arena;
    struct slot_name *names; /* by slot */
    uint32_t count, cap;
    uint32_t *index; /* slot + 1 by hash; 0: free */
    uint32_t index_size;
    uint64_t seed; /* so that nobody can write names that all fall together */
};

void slots_init(struct slot_table *t, struct arena *arena);
/* Slot of a variable, a new one when it has none; both texts outlive the table. UINT32_MAX: no memory. */
uint32_t slots_add(struct slot_table *t, struct str first, struct str second);
/* UINT32_MAX: it has none. */
uint32_t slots_find(const struct slot_table *t, struct str first, struct str second);
