/*
 * window: the times at which something happened lately, the oldest first.
 * Threads  belongs to one at a time.
 */
#pragma once
#include "shared/base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* times. 8 MB: no limit per minute that matters is higher. */
#define WINDOW_TIMES_MAX 1000000

struct window {     /* zeroed: empty */
    int64_t *times; /* ring */
    size_t cap, first, count;
};

void window_fini(struct window *w);
/* Forgets what happened at `until_ms` or before. */
void window_forget(struct window *w, int64_t until_ms);
/* False: no memory, or WINDOW_TIMES_MAX. */
MUST_CHECK bool window_add(struct window *w, int64_t at_ms);
/* Takes one that happened at this time out again; the newest of them. */
void window_remove(struct window *w, int64_t at_ms);
/* The i-th, from 0: the oldest. */
int64_t window_at(const struct window *w, size_t i);
