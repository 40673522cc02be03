/*
 * queue: completion queues, one thread each. All events of a call arrive on the thread of its queue, so what belongs to one
 * call needs no lock (grpc-c-core.md 2). A server call and the upstream calls made for it share a queue.
 * Threads  rpc_queues_new(), _start() and _free() from the main thread; rpc_queue_post() from any; op callbacks run on the
 *          queue's thread and must not block. Our threads have all signals blocked; the library starts threads too, so a
 *          program blocks the signals it waits for before rpc_queues_new(). No fork() afterwards.
 * Order    rpc_queues_new, rpc_server_new/_add/_start, rpc_channel_new, rpc_queues_start | rpc_server_drain, rpc_server_stop,
 *          rpc_server_free, rpc_channel_free, rpc_queues_free.
 */
#pragma once
#include "shared/base/status.h"
#include <grpc/grpc.h>
#include <stdbool.h>
#include <stddef.h>

/* queues. More threads than cores of any machine we mean gain nothing. */
#define RPC_QUEUES_MAX 64

/*
 * One thing in flight; its address is the tag. It lies in memory of its user, stays there until done() was called, and is
 * in flight once at a time.
 */
struct rpc_op {
    void (*done)(struct rpc_op *op, bool ok);
};

struct rpc_queue;
struct rpc_queues;

/*
 * Starts the gRPC library (and its log, log.h) and makes `count` queues, without threads yet.
 *
 * INVALID_ARGUMENT     count is 0 or over RPC_QUEUES_MAX
 * RESOURCE_EXHAUSTED   no memory
 */
MUST_CHECK enum status_code rpc_queues_new(size_t count, struct rpc_queues **ret_queues, struct status *err);
/* Starts the threads, named "rpc-0" and so on. RESOURCE_EXHAUSTED: some could not be started; rpc_queues_free() is all that is left. */
MUST_CHECK enum status_code rpc_queues_start(struct rpc_queues *queues, struct status *err);
/*
 * Handles what is in flight, joins the threads, ends the library. Before: servers stopped, client calls ended, and nobody
 * left who posts. Queues that were never started must have nothing in flight. NULL is allowed.
 */
void rpc_queues_free(struct rpc_queues *queues);

size_t rpc_queues_count(const struct rpc_queues *queues);
struct rpc_queue *rpc_queues_at(struct rpc_queues *queues, size_t index);
size_t rpc_queue_index(const struct rpc_queue *queue);
grpc_completion_queue *rpc_queue_cq(struct rpc_queue *queue);
/* Is the calling thread the queue's own? */
bool rpc_queue_is_mine(const struct rpc_queue *queue);

/*
 * Any thread. Has op->done(op, true) called on the queue's thread, in the order of posts of one thread. Never blocks, cannot
 * fail. This is how a store thread hands a call back: what was written before the post is seen by done().
 */
void rpc_queue_post(struct rpc_queue *queue, struct rpc_op *op);
