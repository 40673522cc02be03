/*
 * reflection: grpc.reflection.v1 and v1alpha, from the embedded descriptor set. A server lists its own services; files and
 * symbols are those of all contracts. Extensions are not known.
 * Threads  made and added by the main thread; read only afterwards.
 */
#pragma once
#include "shared/rpc/server.h"

/* streams. At a time; tools hold one for some seconds. */
#define RPC_REFLECTION_STREAMS_MAX 64

struct rpc_reflection;

/* Indexes the descriptors. RESOURCE_EXHAUSTED: no memory. INTERNAL: the embedded set is broken. */
MUST_CHECK enum status_code rpc_reflection_new(struct rpc_reflection **ret_reflection, struct status *err);
/* Once the servers are freed. NULL is allowed. */
void rpc_reflection_free(struct rpc_reflection *reflection);
/* Adds both versions to a server before its start, after its services. Errors as rpc_server_add(). */
MUST_CHECK enum status_code rpc_reflection_add(struct rpc_reflection *reflection, struct rpc_server *server,
                                               struct status *err);
