/*
 * server: one listener with its services and message limit. Several servers share the queues: public, admin.
 * Threads  made, filled, started and stopped by the main thread.
 */
#pragma once
#include "shared/rpc/call.h"
#include <grpc/grpc_security.h>

struct rpc_server;

/*
 * address             "127.0.0.1:7400", "[::]:7400", "host:0" (any free port), "unix:path". A unix socket gets mode 0600; a
 *                     stale one is replaced, one somebody listens on is not. A TCP port in use is refused too.
 * message_bytes_max   of a request; over it the library answers RESOURCE_EXHAUSTED. Compressed requests are refused as
 *                     UNIMPLEMENTED: the library would check the limit before it unpacks them
 * streams_max         calls at a time of one connection; 0: RPC_STREAMS_DEFAULT
 * connection_age_ms   when a connection is told to go, so that clients look for new servers; 0: never (grpc-c-core.md 5)
 * connection_grace_ms how long its calls may go on after that; 0: without end
 * credentials         borrowed until the start; NULL: no TLS
 */
struct rpc_server_options {
    const char *address;
    size_t message_bytes_max;
    unsigned streams_max;
    int connection_age_ms, connection_grace_ms;
    grpc_server_credentials *credentials;
};

/* calls. Of one connection at a time: a gateway keeps all its runs on few connections. */
#define RPC_STREAMS_DEFAULT 20000
/* ms. How long connections kept by a watch outlast the last call, so that its end is read. */
#define RPC_LINGER_MS 100
/* bytes. Longest path of a unix socket (sun_path with its NUL). */
#define RPC_UNIX_PATH_MAX 107

/*
 * Makes a server on all queues; it listens once started. options are read before return.
 * RESOURCE_EXHAUSTED   no memory
 */
MUST_CHECK enum status_code rpc_server_new(struct rpc_queues *queues,
                                           const struct rpc_server_options *options,
                                           struct rpc_server **ret_server, struct status *err);
/*
 * Adds services before the start. `methods` is static; `service` is what rpc_call_service() gives, and outlives the server.
 * ALREADY_EXISTS       a path occurs twice
 * RESOURCE_EXHAUSTED   no memory
 */
MUST_CHECK enum status_code rpc_server_add(struct rpc_server *server, const struct rpc_method *methods,
                                           size_t count, void *service, struct status *err);
/*
 * Listens and takes calls.
 * INVALID_ARGUMENT     address not understood, socket path too long
 * ALREADY_EXISTS       somebody listens there, or something that is no socket lies there
 * UNAVAILABLE          cannot listen there for another reason
 */
MUST_CHECK enum status_code rpc_server_start(struct rpc_server *server, struct status *err);
/* Port it listens on; 0 for unix sockets and before the start. */
int rpc_server_port(const struct rpc_server *server);
/* Names of its services ("package.Service"), sorted, each once. For reflection. */
size_t rpc_server_service_count(const struct rpc_server *server);
const char *rpc_server_service_name(const struct rpc_server *server, size_t index);
/* The server that took the call in. */
struct rpc_server *rpc_call_server(const struct rpc_call *call);
/* Calls started and not ended; any thread. */
size_t rpc_server_live_calls(struct rpc_server *server);
/* Calls started so far; any thread. */
uint64_t rpc_server_total_calls(struct rpc_server *server);
/*
 * Calls that have ended so far, by method ("/package.Service/Method") and the code they were ended with; those there are. Any
 * thread, once all services are added.
 */
void rpc_server_visit_ended(const struct rpc_server *server,
                            void (*visit)(void *arg, const char *method, enum status_code code,
                                          uint64_t calls),
                            void *arg);

/*
 * Stops listening and taking calls, and tells callers to go elsewhere; live calls go on. Does not wait.
 * The library closes a connection with its last call, and a caller that was about to write then may lose what it has not read
 * yet. A health watch on the same connection prevents that (rpc_channel_options.health_service); for other callers, refuse
 * new calls and wait for the live ones before draining.
 */
void rpc_server_drain(struct rpc_server *server);
/*
 * Drains if that was not done, waits for the live calls until `until_ms` (monotonic), ends health watches and reflection
 * streams RPC_LINGER_MS after the last of them, cancels what is left at `until_ms` (cancelled() is called) and waits until all
 * have ended. The queues must be running.
 */
void rpc_server_stop(struct rpc_server *server, int64_t until_ms);
/* After rpc_server_stop(), or of a server that never started. NULL is allowed. */
void rpc_server_free(struct rpc_server *server);
