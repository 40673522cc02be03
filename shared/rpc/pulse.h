/*
 * pulse: do the queues' threads still turn? Each look sends something through every queue; what does not come back is stuck.
 * Threads  rpc_pulse_look() by one at a time. Made after the queues; freed after rpc_queues_free(), which hands over what is on
 *          its way.
 */
#pragma once
#include "shared/rpc/queue.h"
#include <stdint.h>

/* ms. A thread that has done nothing else for so long does not turn any more: none of its work may block. */
#define RPC_PULSE_STUCK_MS 10000

struct rpc_pulse;
/* RESOURCE_EXHAUSTED: no memory. */
MUST_CHECK enum status_code rpc_pulse_new(struct rpc_queues *queues, struct rpc_pulse **ret_pulse,
                                          struct status *err);
void rpc_pulse_free(struct rpc_pulse *pulse); /* NULL is allowed */
/* now_ms: monotonic. Threads that are stuck. */
size_t rpc_pulse_look(struct rpc_pulse *pulse, int64_t now_ms);
