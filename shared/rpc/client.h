/*
 * client: channels, and the calls made over them.
 * Threads  a channel is any thread's. Callbacks of a call come on the thread of its queue, in order, and must not block;
 *          rpc_client_next() and rpc_client_cancel() belong there too. A call is started on that thread, or by one that can
 *          bear callbacks before the start has returned.
 * Memory   a call frees itself after done() or ended() has returned; the pointer is good until then.
 */
#pragma once
#include "shared/rpc/call.h"
#include <grpc/grpc_security.h>

struct rpc_channel;
struct rpc_client_call;

/*
 * path       "/package.Service/Method"
 * response   messages are checked against it (wire_check.h) before the callback sees them; INTERNAL when they fail. NULL: not
 *            checked, for messages that are passed on without decoding.
 */
struct rpc_client_method {
    const char *path;
    const ProtobufCMessageDescriptor *response;
};

/*
 * target              gRPC name: "dns:///host:7500", "unix:path", "ipv4:10.0.0.1:7500,10.0.0.2:7500", "host:port"
 * methods             static; a call names one by its index
 * message_bytes_max   of a response
 * health_service      each connection is watched for this health service and left out while it is not serving; NULL: not
 * bearer              token sent as `authorization: Bearer …` with every call; copied; NULL: none
 * credentials         borrowed; NULL: no TLS
 */
struct rpc_channel_options {
    const char *target;
    const struct rpc_client_method *methods;
    size_t method_count;
    size_t message_bytes_max;
    const char *health_service;
    const char *bearer;
    grpc_channel_credentials *credentials;
};

/*
 * Makes a channel and begins to connect. Calls are spread over all addresses of the target (round_robin); names are looked
 * up again within a second after a connection is lost; calls are never repeated by the library (grpc-c-core.md 5).
 * The queues must exist (they hold the library).
 * INVALID_ARGUMENT     no target, or a unix path that is too long
 * RESOURCE_EXHAUSTED   no memory
 */
MUST_CHECK enum status_code rpc_channel_new(const struct rpc_channel_options *options,
                                            struct rpc_channel **ret_channel, struct status *err);
/* After its calls have ended. NULL is allowed. */
void rpc_channel_free(struct rpc_channel *channel);
/* Is there a connection to a server that serves (health_service)? Connects when there is none. Any thread. */
bool rpc_channel_is_ready(struct rpc_channel *channel);

/* One request header more; key in lower case, static; value copied. */
struct rpc_header {
    const char *key;
    struct str value;
};
/* headers. Of one call, besides authorization. */
#define RPC_HEADERS_MAX 6

enum rpc_patience {
    RPC_FAIL_FAST,     /* UNAVAILABLE at once while no server can be reached */
    RPC_WAIT_FOR_READY /* wait for one until the deadline; needs a deadline */
};

/*
 * method        index into the channel's methods
 * queue         where the callbacks come
 * parent        server call this one is made for: its deadline and cancellation pass on; NULL: none
 * deadline_ms   monotonic; INT64_MAX: none of its own (the parent's holds)
 * headers       borrowed for the start
 */
struct rpc_client_args {
    size_t method;
    struct rpc_queue *queue;
    struct rpc_call *parent;
    int64_t deadline_ms;
    const struct rpc_header *headers;
    size_t header_count;
    enum rpc_patience patience;
};

/*
 * A unary call. done() comes exactly once; reply is borrowed and empty unless status->code is OK. status carries reason,
 * retry_ms and field of the server's details. ret_call (may be NULL) is for rpc_client_cancel().
 * RESOURCE_EXHAUSTED: no memory; the request stays the caller's and done() does not come.
 */
MUST_CHECK enum status_code rpc_client_unary(
    struct rpc_channel *channel, const struct rpc_client_args *args, grpc_slice take_request,
    void (*done)(struct rpc_client_call *call, void *arg, const struct status *status, struct str reply),
    void *arg, struct rpc_client_call **ret_call, struct status *err);

/*
 * message   answer to rpc_client_next(); borrowed (grpc_slice_ref or rpc_slice_part it to keep it)
 * ended     exactly once and last, after the messages. It comes as the answer to rpc_client_next(), or by itself after
 *           rpc_client_cancel().
 */
struct rpc_stream_handler {
    void (*message)(struct rpc_client_call *call, void *arg, const grpc_slice *message);
    void (*ended)(struct rpc_client_call *call, void *arg, const struct status *status);
};
/*
 * A server-streaming call; messages come one for one as rpc_client_next() asks for them. Not asking holds the server back.
 * Errors as above. *ret_call is written before any callback.
 */
MUST_CHECK enum status_code rpc_client_stream(struct rpc_channel *channel, const struct rpc_client_args *args,
                                              grpc_slice take_request,
                                              const struct rpc_stream_handler *handler, void *arg,
                                              struct rpc_client_call **ret_call, struct status *err);
/* Asks for the next message. Once per message; may be called from within message(). */
void rpc_client_next(struct rpc_client_call *call);
/* Ends the call early: no further message(); done() or ended() comes with CANCELLED, or with what had happened before. */
void rpc_client_cancel(struct rpc_client_call *call);
/* From within done() or ended(): is it certain that the request was never given to a connection? */
bool rpc_client_never_left(const struct rpc_client_call *call);
