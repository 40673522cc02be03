/*
 * hop: a gRPC server in this process that streams ten small events to every call and does nothing else: the floor under any
 * service that streams.
 * Threads  as those of shared/rpc/server.h.
 */
#pragma once
#include "shared/rpc/server.h"

enum { HOP_MESSAGES = 10 };

/* Listens on a free port of 127.0.0.1. End it with rpc_server_stop() and rpc_server_free(). Errors as rpc_server_start(). */
MUST_CHECK enum status_code hop_start(struct rpc_queues *queues, struct rpc_server **ret_server,
                                      struct status *err);
/* The text its events add up to. */
const char *hop_answer(void);
