/*
 * timers: when each job of a worker wants to be called; a binary heap.
 * Threads  the worker's.
 */
#pragma once
#include "executor/worker/job.h"

struct timers {
    struct job **heap;
    size_t count, cap;
};

/* Room for one timer of each of `jobs` jobs, so that timers_set() cannot fail. */
MUST_CHECK bool timers_reserve(struct timers *t, size_t jobs);
void timers_fini(struct timers *t);
/* The job's one timer is due at `at_ms` from now on. */
void timers_set(struct timers *t, struct job *job, int64_t at_ms);
void timers_drop(struct timers *t, struct job *job); /* harmless when it has none */
/* The next one due at now_ms, taken off; NULL: none. */
struct job *timers_due(struct timers *t, int64_t now_ms);
int64_t timers_next_ms(const struct timers *t); /* INT64_MAX: none */
