/*
 * registry: jobs by run id, for stops from outside. Intrusive: adding cannot fail.
 * Threads  any; one lock, held for a look-up only.
 */
#pragma once
#include "executor/worker/job.h"
#include <pthread.h>

/* buckets. A power of two; some ten thousand runs stay a few per bucket. */
#define REGISTRY_BUCKETS 4096

struct registry {
    pthread_mutex_t lock;
    struct job *buckets[REGISTRY_BUCKETS];
};

void registry_init(struct registry *r);
void registry_fini(struct registry *r);
/* False: a job with this run id is there. The registry holds no reference. */
MUST_CHECK bool registry_add(struct registry *r, struct job *job);
void registry_remove(struct registry *r, struct job *job);
/* With a reference for the caller; NULL: not there. */
struct job *registry_find(struct registry *r, struct str run_id);
/* Calls fn for every job, under the lock. */
void registry_each(struct registry *r, void (*fn)(struct job *job, void *arg), void *arg);
