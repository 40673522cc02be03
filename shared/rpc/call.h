/*
 * call: the server side of one call, and the table of methods that handle calls.
 *
 * Life     method->start(call) owns the call. The owner may hand it to another thread (one owner at a time) and ends it by
 *          exactly one of rpc_call_reply(), rpc_call_finish(). From then on the call is the kit's, and only method->ended()
 *          still sees it. The call and its state live until ended() has returned.
 * Threads  start, sent, received, cancelled and ended are called on the call's queue thread and must not block. The other
 *          functions are the owner's, on whatever thread it is; rpc_call_is_cancelled() is anybody's before the end.
 * Memory   one block for the call and the state of its handler.
 */
#pragma once
#include "shared/base/str.h"
#include "shared/rpc/queue.h"
#include <grpc/slice.h>
#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

struct rpc_call;

enum rpc_kind {
    RPC_UNARY,         /* one request, ended by rpc_call_reply() or rpc_call_finish() */
    RPC_SERVER_STREAM, /* one request, any number of rpc_call_send(), then rpc_call_finish() */
    RPC_BIDI           /* rpc_call_receive() asks for each request */
};

enum rpc_drain { RPC_GO_ON, RPC_CANCEL_ON_DRAIN };

/*
 * path         "/package.Service/Method"; static, as the whole table
 * request      messages are checked against it (wire_check.h) before the handler sees them; INVALID_ARGUMENT goes back by itself
 * state_bytes  of rpc_call_state(), zeroed
 * slots        calls taken in at once per queue; 0: RPC_SLOTS_DEFAULT
 * drain        RPC_CANCEL_ON_DRAIN: cancelled when a server that stops has no other calls left; for streams that would last
 *              for ever
 * start        a new call with its request; required
 * sent         the message of rpc_call_send() has been taken by flow control; !ok: the peer is gone, send no more. Not called
 *              once the owner has ended the call. Required with rpc_call_send().
 * received     RPC_BIDI: answer to rpc_call_receive(); borrowed for the call; NULL: the peer sends no more, or is gone. A message
 *              that fails its check ends the call in the owner's place: while it waits for one, the owner is the queue's thread
 * cancelled    the caller cancelled, its deadline passed, or its connection was lost; at most once, and not after the owner
 *              has ended the call, unless the two cross on two threads. The owner still has to end the call. May be NULL.
 * ended        last; to release what the state holds. Called once for every start. May be NULL.
 */
struct rpc_method {
    const char *path;
    enum rpc_kind kind;
    const ProtobufCMessageDescriptor *request;
    size_t state_bytes;
    unsigned slots;
    enum rpc_drain drain;
    void (*start)(struct rpc_call *call);
    void (*sent)(struct rpc_call *call, bool ok);
    void (*received)(struct rpc_call *call, const struct str *message);
    void (*cancelled)(struct rpc_call *call);
    void (*ended)(struct rpc_call *call);
};

/*
 * calls. Posted per method and queue. What comes beyond waits in the library for the next one, which is posted before a call is
 * looked at. Few: Debian's build of the library looks through all that is posted, or under way, of a queue each time an
 * operation of it completes.
 */
#define RPC_SLOTS_DEFAULT 2

/* The handler's own memory of state_bytes, aligned for any type. */
void *rpc_call_state(struct rpc_call *call);
/* What rpc_server_add() was given. */
void *rpc_call_service(const struct rpc_call *call);
const struct rpc_method *rpc_call_method(const struct rpc_call *call);
struct rpc_queue *rpc_call_queue(const struct rpc_call *call);
grpc_call *rpc_call_handle(const struct rpc_call *call);

/* The request, checked; borrowed until the call is ended by its owner. Empty for RPC_BIDI. */
struct str rpc_call_request(const struct rpc_call *call);
/* The same as a slice, to be passed on without a copy (grpc_slice_ref it to keep it). */
grpc_slice rpc_call_request_slice(const struct rpc_call *call);
/* Monotonic (clock.h); INT64_MAX: none. */
int64_t rpc_call_deadline_ms(const struct rpc_call *call);
/* First value of a key in lower case; ptr NULL if there is none; "-bin" values are decoded. Borrowed until the end. */
struct str rpc_call_metadata(const struct rpc_call *call, const char *key);
/* The same for its nth value, from 0, of a key that may come several times. */
struct str rpc_call_metadata_nth(const struct rpc_call *call, const char *key, size_t nth);
/* "ipv4:10.0.0.1:4711", "unix:…"; borrowed until the end; "unknown" when there is no memory for it. */
const char *rpc_call_peer(struct rpc_call *call);
/* A unary method without `cancelled` never learns of it. */
bool rpc_call_is_cancelled(const struct rpc_call *call);

/* RPC_SEND_MORE: another message or the status follows at once, so the library may wait for it (grpc-c-core.md 3). */
enum rpc_send { RPC_SEND_NOW, RPC_SEND_MORE };
/*
 * Sends one message of a stream. One at a time: the next only after sent(). With RPC_SEND_MORE something has to follow, else
 * the message may stay behind. (The first message of a call ignores it.)
 */
void rpc_call_send(struct rpc_call *call, grpc_slice take_message, enum rpc_send hint);
/* RPC_BIDI: asks for the next message; received() answers. One at a time. */
void rpc_call_receive(struct rpc_call *call);
/*
 * Ends the call. code OK ends a stream well; otherwise reason, retry_ms and field travel as error details (details.h).
 * May be called while a send is in flight; the status follows it. A unary call must not be finished with OK.
 */
void rpc_call_finish(struct rpc_call *call, const struct status *status);
/* Ends a unary call well. */
void rpc_call_reply(struct rpc_call *call, grpc_slice take_message);
/* Packs and replies; borrowed. */
void rpc_call_reply_message(struct rpc_call *call, const ProtobufCMessage *message);
