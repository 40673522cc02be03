/*
 * op: how rpc/ starts things on queues. Private to shared/rpc.
 * Threads  any that may use the call.
 */
#pragma once
#include "shared/rpc/queue.h"
#include <stdlib.h>

/* The library is not built for ThreadSanitizer, which so cannot see that a tag passes from one thread to another. */
#ifdef __SANITIZE_THREAD__
#define RPC_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RPC_TSAN 1
#endif
#endif
#ifdef RPC_TSAN
#include <sanitizer/tsan_interface.h>
static inline void rpc_op_leaves(void *tag)
{
    __tsan_release(tag);
}
static inline void rpc_op_arrives(void *tag)
{
    __tsan_acquire(tag);
}
#else
static inline void rpc_op_leaves(void *tag)
{
    (void)tag;
}
static inline void rpc_op_arrives(void *tag)
{
    (void)tag;
}
#endif

/* Starts a batch; op->done() comes exactly once. A batch that cannot start is our bug: nothing started, no tag will come. */
static inline void rpc_op_start(grpc_call *call, const grpc_op *ops, size_t count, struct rpc_op *op)
{
    rpc_op_leaves(op);
    if (grpc_call_start_batch(call, ops, count, op, NULL) != GRPC_CALL_OK)
        abort();
}
