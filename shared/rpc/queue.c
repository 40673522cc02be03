/*
 * queue: see queue.h. The library has no way to post to a queue, but an empty batch completes at once on the queue of its
 * call, from any thread; so each queue keeps a call that goes nowhere.
 */
#include "shared/rpc/log.h"
#include "shared/rpc/op.h"
#include <grpc/support/time.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

struct rpc_queue {
    size_t index;
    grpc_completion_queue *cq;
    grpc_call *post_call;
    pthread_t thread;
    bool is_running;
};

struct rpc_queues {
    grpc_channel *post_channel;
    size_t count;
    struct rpc_queue at[];
};

static _Thread_local const struct rpc_queue *own_queue;

static bool queue_init(struct rpc_queue *queue, size_t index, grpc_channel *post_channel);
static void *queue_run(void *arg);
static void queue_shutdown(struct rpc_queue *queue);

enum status_code rpc_queues_new(size_t count, struct rpc_queues **ret_queues, struct status *err)
{
    if (count == 0 || count > RPC_QUEUES_MAX)
        return status_set(err, STATUS_INVALID_ARGUMENT, "rpc: %zu queues, at most %d", count, RPC_QUEUES_MAX);
    struct rpc_queues *queues = calloc(1, sizeof *queues + count * sizeof queues->at[0]);
    if (queues == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "rpc: no memory for queues");
    rpc_log_start();
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* for the threads the library starts */
    grpc_init();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    queues->post_channel = grpc_lame_client_channel_create("post", GRPC_STATUS_UNAVAILABLE, "post");
    bool ok = queues->post_channel != NULL;
    while (ok && queues->count < count) {
        ok = queue_init(&queues->at[queues->count], queues->count, queues->post_channel);
        queues->count += ok;
    }
    if (!ok) {
        rpc_queues_free(queues);
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "rpc: queues could not be made");
    }
    *ret_queues = queues;
    return STATUS_OK;
}

enum status_code rpc_queues_start(struct rpc_queues *queues, struct status *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = 0;
    for (size_t i = 0; i < queues->count && error == 0; i++) {
        struct rpc_queue *queue = &queues->at[i];
        error = pthread_create(&queue->thread, NULL, queue_run, queue);
        queue->is_running = error == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error == 0 ? STATUS_OK
                      : status_set(err, STATUS_RESOURCE_EXHAUSTED, "rpc: queue threads could not be started");
}

void rpc_queues_free(struct rpc_queues *queues)
{
    if (queues == NULL)
        return;
    for (size_t i = 0; i < queues->count; i++)
        queue_shutdown(&queues->at[i]);
    if (queues->post_channel != NULL)
        grpc_channel_destroy(queues->post_channel);
    free(queues);
    grpc_shutdown_blocking();
}

size_t rpc_queues_count(const struct rpc_queues *queues)
{
    return queues->count;
}

struct rpc_queue *rpc_queues_at(struct rpc_queues *queues, size_t index)
{
    return &queues->at[index];
}

size_t rpc_queue_index(const struct rpc_queue *queue)
{
    return queue->index;
}

grpc_completion_queue *rpc_queue_cq(struct rpc_queue *queue)
{
    return queue->cq;
}

bool rpc_queue_is_mine(const struct rpc_queue *queue)
{
    return own_queue == queue;
}

void rpc_queue_post(struct rpc_queue *queue, struct rpc_op *op)
{
    rpc_op_start(queue->post_call, NULL, 0, op);
}

static bool queue_init(struct rpc_queue *queue, size_t index, grpc_channel *post_channel)
{
    queue->index = index;
    queue->cq = grpc_completion_queue_create_for_next(NULL);
    if (queue->cq == NULL)
        return false;
    queue->post_call =
        grpc_channel_create_call(post_channel, NULL, 0, queue->cq, grpc_slice_from_static_string("/post"),
                                 NULL, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    if (queue->post_call == NULL)
        grpc_completion_queue_destroy(queue->cq);
    return queue->post_call != NULL;
}

/* Until the queue is shut down and empty. */
static void queue_drain(grpc_completion_queue *cq)
{
    for (;;) {
        grpc_event event = grpc_completion_queue_next(cq, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN)
            return;
        rpc_op_arrives(event.tag);
        struct rpc_op *op = event.tag;
        op->done(op, event.success != 0);
    }
}

static void *queue_run(void *arg)
{
    struct rpc_queue *queue = arg;
    char name[16];
    snprintf(name, sizeof name, "rpc-%zu", queue->index);
    pthread_setname_np(pthread_self(), name);
    own_queue = queue;
    queue_drain(queue->cq);
    return NULL;
}

static void queue_shutdown(struct rpc_queue *queue)
{
    grpc_call_unref(queue->post_call);
    grpc_completion_queue_shutdown(queue->cq);
    if (queue->is_running)
        pthread_join(queue->thread, NULL);
    else
        queue_drain(queue->cq);
    grpc_completion_queue_destroy(queue->cq);
}
