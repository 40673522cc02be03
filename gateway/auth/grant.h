/*
 * grant: what an API key opens: an app, and the version of it to run. A copy of what the store said, so it may be behind
 * by the 20 ms a change needs to get around (store.h); whoever has one keeps it for one call.
 * Threads  immutable and shared; references are counted atomically.
 */
#pragma once
#include "shared/store/key.h"
#include <stdatomic.h>

struct grant {
    _Atomic size_t refs;
    struct str key_id; /* "" when no key is behind it */
    struct store_target target;
    char text[]; /* what the texts above point into */
};

/* One reference, for the caller. NULL: no memory. */
struct grant *grant_new(struct str key_id, const struct store_target *target);
struct grant *grant_ref(struct grant *grant);
/* NULL is allowed. */
void grant_unref(struct grant *grant);
