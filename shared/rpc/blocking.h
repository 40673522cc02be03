/*
 * blocking: calls that wait for their answers, for command-line tools and tests.
 * Threads  any but a queue's; a stream belongs to one thread. The queue of args must be running.
 */
#pragma once
#include "shared/rpc/client.h"

/* Waits for the answer. Returns the call's status; ret_reply (owned, unref it) only with OK. */
MUST_CHECK enum status_code rpc_blocking_unary(struct rpc_channel *channel,
                                               const struct rpc_client_args *args, grpc_slice take_request,
                                               grpc_slice *ret_reply, struct status *err);

struct rpc_blocking_stream;
/* Starts a stream. RESOURCE_EXHAUSTED: no memory; the request stays the caller's. */
MUST_CHECK enum status_code rpc_blocking_stream_new(struct rpc_channel *channel,
                                                    const struct rpc_client_args *args,
                                                    grpc_slice take_request,
                                                    struct rpc_blocking_stream **ret_stream,
                                                    struct status *err);
/* Waits for the next message: true, and *ret_message is the caller's to unref. False: the stream ended, *status says how. */
MUST_CHECK bool rpc_blocking_stream_next(struct rpc_blocking_stream *stream, grpc_slice *ret_message,
                                         struct status *status);
/* Any thread: has the waiting next return false soon. */
void rpc_blocking_stream_cancel(struct rpc_blocking_stream *stream);
/* Cancels if it has not ended, waits for the end, frees. NULL is allowed. */
void rpc_blocking_stream_free(struct rpc_blocking_stream *stream);
