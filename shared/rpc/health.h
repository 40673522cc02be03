/*
 * health: grpc.health.v1.Health (Check, Watch) of this process: the whole server by the name "", and single services.
 * Threads  made and added by the main thread; rpc_health_set() from any while the queues exist.
 */
#pragma once
#include "shared/rpc/server.h"

/* services. Of one process, "" included. */
#define RPC_HEALTH_SERVICES_MAX 32

/* streams. Watchers per queue; one more is refused. A channel that looks after health holds one per connection. */
#define RPC_HEALTH_WATCHERS_MAX 4096

struct rpc_health;

/* Knows "" only, not serving. RESOURCE_EXHAUSTED: no memory. */
MUST_CHECK enum status_code rpc_health_new(struct rpc_queues *queues, struct rpc_health **ret_health,
                                           struct status *err);
/* After rpc_queues_free(), which hands over what was posted last. NULL is allowed. */
void rpc_health_free(struct rpc_health *health);
/* Adds the health service to a server before its start. Errors as rpc_server_add(). */
MUST_CHECK enum status_code rpc_health_add(struct rpc_health *health, struct rpc_server *server,
                                           struct status *err);

enum rpc_serving { RPC_NOT_SERVING, RPC_SERVING };
/*
 * Sets one service ("package.Service", or ""); watchers are told. A name is known from its first setting on. Quick changes
 * may merge: a watcher is sure to get the last.
 * RESOURCE_EXHAUSTED: too many services; INVALID_ARGUMENT: name over 127 bytes.
 */
enum status_code rpc_health_set(struct rpc_health *health, const char *service, enum rpc_serving serving,
                                struct status *err);
/* All that are known. For the way out: NOT_SERVING for everything. */
void rpc_health_set_all(struct rpc_health *health, enum rpc_serving serving);
