/*
 * arena: memory that ends all at once. Pieces are never freed alone.
 * Threads  belongs to one thread at a time.
 */
#pragma once
#include "shared/base/status.h"
#include "shared/base/str.h"

struct arena_block;
struct arena_deferred;
struct arena {
    struct arena_block *blocks;
    struct arena_deferred *deferred;
    size_t used, max; /* bytes handed out, and the limit */
    bool failed;      /* sticks: some piece was refused, so what was built of it may be incomplete */
};

void arena_init(struct arena *a, size_t max);
void arena_fini(struct arena *a); /* runs the deferred calls, last in first out, then frees */
/* Zeroed and aligned for any type; NULL once the limit is reached or without memory. */
void *arena_alloc(struct arena *a, size_t size);
/* Array of n items; NULL also when n * size overflows. */
void *arena_array(struct arena *a, size_t n, size_t size);
/* Copy with a NUL behind it; ptr NULL on failure. */
struct str arena_copy(struct arena *a, struct str s);
char *arena_copy_c(struct arena *a, struct str s);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Calls fn(arg) at arena_fini(). If that cannot be noted down, calls it at once and returns false, so arg never leaks. */
MUST_CHECK bool arena_defer(struct arena *a, void (*fn)(void *arg), void *arg);
