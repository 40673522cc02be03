/*
 * live: the runs that are relayed at the moment, so that all of them, or those of one app, can be told to end.
 * Threads  live_add() and live_remove() on the queue of the run; live_end() from any thread.
 */
#pragma once
#include "heddle/v1/events.pb-c.h"
#include "shared/base/uuid.h"
#include "shared/rpc/queue.h"

/* A run, in its owner's memory. */
struct live_run {
    struct live_run *prev, *next;
    const char *app_id;
    /* On the run's queue; it may remove this run, and no other. */
    void (*end)(struct live_run *run, Heddle__V1__EndReason reason);
};

struct live;
/* NULL: no memory. */
struct live *live_new(struct rpc_queues *queues);
/* Once the queues have handled what was posted. NULL is fine. */
void live_free(struct live *live);

void live_add(struct live *live, const struct rpc_queue *queue, struct live_run *run);
void live_remove(struct live *live, const struct rpc_queue *queue, struct live_run *run);
/*
 * Has end() called soon for every run of the app; app_id "": for all runs.
 * RESOURCE_EXHAUSTED   no memory; some may not be told
 */
MUST_CHECK enum status_code live_end(struct live *live, const char *app_id, Heddle__V1__EndReason reason,
                                     struct status *err);
