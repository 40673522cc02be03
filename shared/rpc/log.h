/*
 * log: what the gRPC library says goes to shared/base/log: its errors as warnings (they rarely ask for action), the rest as
 * debug. At most RPC_LOG_LINES_PER_SECOND; how many were left out is logged with the next.
 */
#pragma once

/* lines. Of the library, per second: peers can provoke them. */
#define RPC_LOG_LINES_PER_SECOND 20

/* Before grpc_init() (rpc_queues_new() does it). Again: no harm. */
void rpc_log_start(void);
