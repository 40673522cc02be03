/*
 * kit: a server, a client and the queues they share, over a unix socket in a folder of its own, with a service whose answers
 * the request names.
 */
#pragma once
#include "shared/rpc/blocking.h"
#include "shared/rpc/health.h"
#include "shared/rpc/reflection.h"
#include "shared/rpc/server.h"
#include "shared/rpc/slice.h"
#include "tests/support/check.h"
#include <stdatomic.h>

/* bytes. Message limits of the kit's server and channel. */
enum { KIT_REQUEST_BYTES_MAX = 64 * 1024, KIT_RESPONSE_BYTES_MAX = 128 * 1024 };

/*
 * Requests are grpc.health.v1.HealthCheckRequest; its text says what is to happen.
 *   unary   "fail"        INVALID_ARGUMENT with all details
 *           "thread"      a thread of its own replies
 *           "metadata K"  replies the value of header K
 *           "deadline"    replies "some" or "none"
 *           "peer"        replies the peer
 *           else          replies the request
 *   hold    unary; waits to be cancelled
 *   stream  "N SIZE"      N messages of SIZE bytes, then OK
 *           "fail N"      N messages, then UNAVAILABLE with reason and retry
 *           "hang"        one message, then waits to be cancelled
 *   nested  unary; takes google.protobuf.Struct
 */
enum {
    KIT_UNARY,
    KIT_HOLD,
    KIT_STREAM,
    KIT_NESTED,
    KIT_UNKNOWN,
    KIT_CHECK,
    KIT_WATCH,
    KIT_REFLECT,
    KIT_METHODS
};

struct kit {
    char folder[64], address[96];
    struct rpc_queues *queues;
    struct rpc_server *server;
    struct rpc_channel *channel;
    struct rpc_health *health;
    struct rpc_reflection *reflection;
    atomic_uint started, ended, cancelled, sent; /* what the service has seen */
};

void kit_open(struct kit *kit, size_t queues);
void kit_close(struct kit *kit);
/* Stops the server; live calls get `grace_ms`. */
void kit_stop(struct kit *kit, int64_t grace_ms);
struct rpc_client_args kit_args(struct kit *kit, size_t method);
grpc_slice kit_request(const char *text);
/* Waits (up to some seconds) until the counter has that value. */
void kit_wait(atomic_uint *counter, unsigned value);
/* The nth allocation of each queue's thread fails, from now on counted. Returns once the threads know. */
void kit_fail_allocations(struct kit *kit, size_t nth);
/* Sends a unary call; the reply as a C string (free it), NULL on failure. */
char *kit_call(struct kit *kit, size_t method, const char *text, struct status *status);
