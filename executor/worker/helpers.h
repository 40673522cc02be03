/*
 * helpers: a few threads for work that would hold up a queue or a worker: compiling exports, reading long JSON.
 * Threads  helpers_new and _free by the main thread; helpers_do by any.
 */
#pragma once
#include "shared/base/status.h"
#include <stddef.h>

/* tasks. Waiting at a time; more would only answer callers that have given up. */
#define HELPERS_TASKS_MAX 1000

struct helpers;
/* One piece of work; it lies in memory of whoever wants it done, until `run` is called on a helper's thread. */
struct helper_task {
    void (*run)(struct helper_task *task);
    struct helper_task *next;
};

/* RESOURCE_EXHAUSTED: no memory, or no thread to be had. */
MUST_CHECK enum status_code helpers_new(size_t threads, struct helpers **ret_helpers, struct status *err);
/* UNAVAILABLE, NOT_BEGUN: HELPERS_TASKS_MAX are waiting. */
MUST_CHECK enum status_code helpers_do(struct helpers *helpers, struct helper_task *task, struct status *err);
/* Does what is waiting, joins the threads. NULL is fine. */
void helpers_free(struct helpers *helpers);
