/*
 * call: see call.h. Owner and queue thread may touch a call at the same time: the owner sends and finishes, the queue's
 * thread hears of sends done and of cancellation. They meet in two atomics, refs and flags.
 */
#include "shared/rpc/call.h"
#include "shared/rpc/call_core.h"
#include "shared/rpc/details.h"
#include "shared/rpc/slice.h"
#include "shared/rpc/wire_check.h"
#include <assert.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>
#include <string.h>

/* ops. Headers, message, status, close. */
enum { FINISH_OPS_MAX = 4 };

static void init(struct rpc_call *call);
static void drop(struct rpc_call *call);
static enum status_code read_request(struct rpc_call *call, struct status *err);
static void watch_close(struct rpc_call *call);
static void on_closed(struct rpc_op *op, bool ok);
static void on_sent(struct rpc_op *op, bool ok);
static void on_received(struct rpc_op *op, bool ok);
static void on_finished(struct rpc_op *op, bool ok);
static void finish(struct rpc_call *call);
static void start_finish(struct rpc_call *call);
static grpc_slice details_slice(const struct status *status);
static void unref(struct rpc_call *call);

struct rpc_call *rpc_call_new(const struct rpc_entry *entry, struct rpc_queue *queue)
{
    struct rpc_call *call = calloc(1, sizeof *call + entry->method->state_bytes);
    if (call == NULL)
        return NULL;
    call->entry = entry;
    call->queue = queue;
    init(call);
    return call;
}

void rpc_call_reset(struct rpc_call *call)
{
    const struct rpc_entry *entry = call->entry;
    struct rpc_queue *queue = call->queue;
    drop(call);
    memset(call, 0, sizeof *call + entry->method->state_bytes);
    call->entry = entry;
    call->queue = queue;
    init(call);
}

void rpc_call_free(struct rpc_call *call)
{
    if (call == NULL)
        return;
    drop(call);
    free(call);
}

void rpc_call_begin(struct rpc_call *call)
{
    const struct rpc_method *method = call->entry->method;
    struct status err;
    if (method->kind != RPC_BIDI && read_request(call, &err) != STATUS_OK) {
        rpc_call_finish(call, &err);
        return;
    }
    if (method->kind != RPC_UNARY || method->cancelled != NULL)
        watch_close(call);
    call->is_started = true;
    method->start(call);
}

void *rpc_call_state(struct rpc_call *call)
{
    return call->state;
}

void *rpc_call_service(const struct rpc_call *call)
{
    return call->entry->service;
}

const struct rpc_method *rpc_call_method(const struct rpc_call *call)
{
    return call->entry->method;
}

struct rpc_queue *rpc_call_queue(const struct rpc_call *call)
{
    return call->queue;
}

grpc_call *rpc_call_handle(const struct rpc_call *call)
{
    return call->handle;
}

struct str rpc_call_request(const struct rpc_call *call)
{
    return rpc_slice_str(&call->request);
}

grpc_slice rpc_call_request_slice(const struct rpc_call *call)
{
    return call->request;
}

int64_t rpc_call_deadline_ms(const struct rpc_call *call)
{
    gpr_timespec deadline = gpr_convert_clock_type(call->deadline, GPR_CLOCK_MONOTONIC);
    if (gpr_time_cmp(deadline, gpr_inf_future(GPR_CLOCK_MONOTONIC)) == 0)
        return INT64_MAX;
    return deadline.tv_sec * 1000 + deadline.tv_nsec / 1000000;
}

struct str rpc_call_metadata(const struct rpc_call *call, const char *key)
{
    return rpc_call_metadata_nth(call, key, 0);
}

struct str rpc_call_metadata_nth(const struct rpc_call *call, const char *key, size_t nth)
{
    for (size_t i = 0; i < call->metadata.count; i++) {
        if (grpc_slice_str_cmp(call->metadata.metadata[i].key, key) == 0 && nth-- == 0)
            return rpc_slice_str(&call->metadata.metadata[i].value);
    }
    return (struct str){NULL, 0};
}

const char *rpc_call_peer(struct rpc_call *call)
{
    if (call->peer == NULL)
        call->peer = grpc_call_get_peer(call->handle);
    return call->peer == NULL ? "unknown" : call->peer;
}

bool rpc_call_is_cancelled(const struct rpc_call *call)
{
    return (atomic_load_explicit(&call->flags, memory_order_acquire) & CALL_CANCELLED) != 0;
}

void rpc_call_send(struct rpc_call *call, grpc_slice take_message, enum rpc_send hint)
{
    unsigned before = atomic_fetch_or(&call->flags, CALL_SENDING);
    assert((before & (CALL_SENDING | CALL_FINISHING)) == 0);
    grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&take_message, 1);
    grpc_slice_unref(take_message);
    grpc_op ops[2];
    memset(ops, 0, sizeof ops);
    size_t n = 0;
    if (!call->headers_sent)
        ops[n++].op = GRPC_OP_SEND_INITIAL_METADATA;
    ops[n].op = GRPC_OP_SEND_MESSAGE;
    ops[n].data.send_message.send_message = message;
    /* In the batch that holds the headers the hint would hang the stream (grpc-c-core.md 3). */
    if (hint == RPC_SEND_MORE && call->headers_sent)
        ops[n].flags = GRPC_WRITE_BUFFER_HINT;
    n++;
    call->headers_sent = true;
    call->sent.done = on_sent;
    atomic_fetch_add(&call->refs, 1);
    grpc_call *handle = call->handle;
    rpc_op_start(handle, ops, n, &call->sent);
    grpc_byte_buffer_destroy(message);
}

void rpc_call_receive(struct rpc_call *call)
{
    grpc_op op;
    memset(&op, 0, sizeof op);
    op.op = GRPC_OP_RECV_MESSAGE;
    op.data.recv_message.recv_message = &call->incoming;
    call->received.done = on_received;
    atomic_fetch_add(&call->refs, 1);
    rpc_op_start(call->handle, &op, 1, &call->received);
}

void rpc_call_finish(struct rpc_call *call, const struct status *status)
{
    assert(status->code != STATUS_OK || call->entry->method->kind != RPC_UNARY);
    call->code = (grpc_status_code)status->code;
    if (status->code != STATUS_OK) {
        call->words = rpc_slice_copy(str_c(status->message));
        call->details = details_slice(status);
    }
    finish(call);
}

void rpc_call_reply(struct rpc_call *call, grpc_slice take_message)
{
    assert(call->entry->method->kind == RPC_UNARY);
    call->code = GRPC_STATUS_OK;
    call->reply = grpc_raw_byte_buffer_create(&take_message, 1);
    grpc_slice_unref(take_message);
    finish(call);
}

void rpc_call_reply_message(struct rpc_call *call, const ProtobufCMessage *message)
{
    rpc_call_reply(call, rpc_slice_pack(message));
}

/* Of a zeroed call. */
static void init(struct rpc_call *call)
{
    grpc_metadata_array_init(&call->metadata);
    call->request = call->words = call->details = grpc_empty_slice();
    atomic_init(&call->refs, 1);
}

/* What lies outside the call's own block. */
static void drop(struct rpc_call *call)
{
    if (call->handle != NULL)
        grpc_call_unref(call->handle);
    grpc_metadata_array_destroy(&call->metadata);
    grpc_byte_buffer_destroy(call->payload);
    grpc_byte_buffer_destroy(call->incoming);
    grpc_slice_unref(call->request);
    gpr_free(call->peer);
}

static enum status_code read_request(struct rpc_call *call, struct status *err)
{
    if (call->payload == NULL)
        return status_reason(err, STATUS_INVALID_ARGUMENT, "NO_REQUEST",
                             "the call carries no request message");
    if (!rpc_slice_from_buffer(call->payload, &call->request))
        return status_reason(err, STATUS_INVALID_ARGUMENT, "INVALID_FIELD", "request: cannot be read");
    grpc_byte_buffer_destroy(call->payload);
    call->payload = NULL;
    return wire_check(call->entry->method->request, rpc_slice_str(&call->request), err);
}

/* The one sign of cancellation there is; it comes at the end of every call. */
static void watch_close(struct rpc_call *call)
{
    grpc_op op;
    memset(&op, 0, sizeof op);
    op.op = GRPC_OP_RECV_CLOSE_ON_SERVER;
    op.data.recv_close_on_server.cancelled = &call->was_cancelled;
    call->is_close_watched = true;
    call->closed.done = on_closed;
    atomic_fetch_add(&call->refs, 1);
    rpc_op_start(call->handle, &op, 1, &call->closed);
}

static void on_closed(struct rpc_op *op, bool ok)
{
    (void)ok; /* always true; was_cancelled tells */
    struct rpc_call *call = CONTAINER_OF(op, struct rpc_call, closed);
    if (call->was_cancelled) {
        unsigned before = atomic_fetch_or(&call->flags, CALL_CANCELLED);
        const struct rpc_method *method = call->entry->method;
        if ((before & CALL_FINISHING) == 0 && method->cancelled != NULL)
            method->cancelled(call);
    }
    unref(call);
}

static void on_sent(struct rpc_op *op, bool ok)
{
    struct rpc_call *call = CONTAINER_OF(op, struct rpc_call, sent);
    unsigned before = atomic_fetch_and(&call->flags, ~(unsigned)CALL_SENDING);
    if ((before & CALL_FINISHING) != 0)
        start_finish(call);
    else
        call->entry->method->sent(call, ok);
    unref(call);
}

static void on_received(struct rpc_op *op, bool ok)
{
    struct rpc_call *call = CONTAINER_OF(op, struct rpc_call, received);
    grpc_byte_buffer *incoming = call->incoming;
    call->incoming = NULL;
    bool is_finishing = (atomic_load(&call->flags) & CALL_FINISHING) != 0;
    grpc_slice slice = grpc_empty_slice();
    struct status err;
    if (is_finishing) {
        /* the owner is gone */
    } else if (!ok || incoming == NULL) {
        call->entry->method->received(call, NULL);
    } else if (!rpc_slice_from_buffer(incoming, &slice)) {
        status_reason(&err, STATUS_INVALID_ARGUMENT, "INVALID_FIELD", "request: cannot be read");
        rpc_call_finish(call, &err);
    } else {
        struct str message = rpc_slice_str(&slice);
        if (wire_check(call->entry->method->request, message, &err) == STATUS_OK)
            call->entry->method->received(call, &message);
        else
            rpc_call_finish(call, &err);
    }
    grpc_slice_unref(slice);
    grpc_byte_buffer_destroy(incoming);
    unref(call);
}

/* With a send in flight, on_sent() goes on from here. Exactly one of the two sees the other's flag. */
static void finish(struct rpc_call *call)
{
    unsigned before = atomic_fetch_or(&call->flags, CALL_FINISHING);
    assert((before & CALL_FINISHING) == 0);
    if ((before & CALL_SENDING) == 0)
        start_finish(call);
}

/* The batch takes over the owner's reference, so that the call ends on its queue's thread; it may be gone on return. */
static void start_finish(struct rpc_call *call)
{
    grpc_op ops[FINISH_OPS_MAX];
    memset(ops, 0, sizeof ops);
    size_t n = 0;
    grpc_slice words = call->words, details = call->details;
    grpc_byte_buffer *reply = call->reply;
    call->words = call->details = grpc_empty_slice();
    call->reply = NULL;
    grpc_metadata trailer = {.key = grpc_slice_from_static_string(RPC_DETAILS_KEY), .value = details};

    if (!call->headers_sent)
        ops[n++].op = GRPC_OP_SEND_INITIAL_METADATA;
    call->headers_sent = true;
    if (reply != NULL) {
        ops[n].op = GRPC_OP_SEND_MESSAGE;
        ops[n++].data.send_message.send_message = reply;
    }
    ops[n].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    ops[n].data.send_status_from_server.status = call->code;
    ops[n].data.send_status_from_server.status_details = &words;
    if (GRPC_SLICE_LENGTH(details) > 0) {
        ops[n].data.send_status_from_server.trailing_metadata = &trailer;
        ops[n].data.send_status_from_server.trailing_metadata_count = 1;
    }
    n++;
    if (!call->is_close_watched) {
        ops[n].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
        ops[n++].data.recv_close_on_server.cancelled = &call->was_cancelled;
    }
    call->finished.done = on_finished;
    atomic_fetch_add_explicit(&call->entry->ended[call->code], 1, memory_order_relaxed);
    rpc_op_start(call->handle, ops, n, &call->finished);
    grpc_slice_unref(words);
    grpc_slice_unref(details);
    grpc_byte_buffer_destroy(reply);
}

static void on_finished(struct rpc_op *op, bool ok)
{
    (void)ok; /* whether the peer still heard it changes nothing */
    unref(CONTAINER_OF(op, struct rpc_call, finished));
}

/* Empty when there is nothing to say beyond code and message, or no memory. */
static grpc_slice details_slice(const struct status *status)
{
    grpc_slice slice = grpc_empty_slice();
    if (status->reason == NULL && status->retry_ms <= 0 && status->field[0] == '\0')
        return slice;
    struct buf b;
    buf_init(&b, RPC_DETAILS_BYTES_MAX);
    rpc_details_put(&b, status);
    if (!rpc_slice_take_buf(&b, &slice))
        buf_fini(&b);
    return slice;
}

static void unref(struct rpc_call *call)
{
    if (atomic_fetch_sub(&call->refs, 1) == 1)
        rpc_intake_ended(call);
}
