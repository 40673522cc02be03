/*
 * call_metrics: gRPC calls of servers by method and code (and listener, as health checks are everywhere), as metrics: heddle_grpc_calls_total.
 * Threads  added by the main thread once the servers are started; they live until nobody reads the metrics any more.
 */
#pragma once
#include "shared/base/metrics.h"
#include "shared/rpc/server.h"

/* servers. Of one process: public, admin. */
#define RPC_CALL_METRICS_SERVERS_MAX 4

struct rpc_call_metrics {
    struct metric *calls;
    struct {
        const char *name; /* "public"; static */
        struct rpc_server *server;
    } servers[RPC_CALL_METRICS_SERVERS_MAX];
    size_t server_count;
};
/* In the caller's memory, zeroed but for the servers; it stays there. RESOURCE_EXHAUSTED: no memory. */
MUST_CHECK enum status_code rpc_call_metrics_add(struct rpc_call_metrics *own, struct metrics *metrics,
                                                 struct status *err);
