/* live: see the header. A list per queue, touched on the queue's thread only: no lock. */
#include "gateway/api/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

struct live {
    struct rpc_queues *queues;
    struct live_run *runs[RPC_QUEUES_MAX];
};

/* The wish to end runs, on its way to one queue. */
struct wish {
    struct rpc_op op;
    struct live *live;
    size_t queue_index;
    char app_id[UUID_TEXT_LEN + 1];
    Heddle__V1__EndReason reason;
};

struct live *live_new(struct rpc_queues *queues)
{
    struct live *live = calloc(1, sizeof *live);
    if (live != NULL)
        live->queues = queues;
    return live;
}

void live_free(struct live *live)
{
    free(live);
}

void live_add(struct live *live, const struct rpc_queue *queue, struct live_run *run)
{
    DL_PREPEND(live->runs[rpc_queue_index(queue)], run);
}

void live_remove(struct live *live, const struct rpc_queue *queue, struct live_run *run)
{
    DL_DELETE(live->runs[rpc_queue_index(queue)], run);
}

static void grant_wish(struct rpc_op *op, bool ok)
{
    (void)ok; /* a post always is */
    struct wish *wish = CONTAINER_OF(op, struct wish, op);
    struct live_run *run, *next;
    DL_FOREACH_SAFE (wish->live->runs[wish->queue_index], run, next) {
        if (wish->app_id[0] == '\0' || str_eq_c(str_c(wish->app_id), run->app_id))
            run->end(run, wish->reason);
    }
    free(wish);
}

enum status_code live_end(struct live *live, const char *app_id, Heddle__V1__EndReason reason,
                          struct status *err)
{
    for (size_t i = 0; i < rpc_queues_count(live->queues); i++) {
        struct wish *wish = calloc(1, sizeof *wish);
        if (wish == NULL)
            return status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory to end runs");
        wish->op.done = grant_wish;
        wish->live = live;
        wish->queue_index = i;
        wish->reason = reason;
        snprintf(wish->app_id, sizeof wish->app_id, "%s", app_id);
        rpc_queue_post(rpc_queues_at(live->queues, i), &wish->op);
    }
    return STATUS_OK;
}
