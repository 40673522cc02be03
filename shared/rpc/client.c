/*
 * client: see client.h. Everything of a call happens on its queue's thread once it is started; `in_flight` counts its batches.
 */
#include "shared/rpc/client.h"
#include "shared/rpc/call_core.h"
#include "shared/rpc/channel_core.h"
#include "shared/rpc/details.h"
#include "shared/rpc/slice.h"
#include "shared/rpc/wire_check.h"
#include <assert.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>
#include <string.h>

struct rpc_client_call {
    struct rpc_channel *channel;
    const struct rpc_client_method *method;
    struct rpc_queue *queue;
    struct rpc_op started, ended, received; /* one per kind of batch */
    unsigned in_flight;

    /* Filled in by the library. */
    grpc_call *handle;
    grpc_metadata_array headers, trailers;
    grpc_status_code code;
    grpc_slice words;
    grpc_byte_buffer *incoming;

    bool is_reading;   /* a message was asked for */
    bool has_read_all; /* no further message comes */
    bool has_status;
    bool is_cancelled;  /* by its owner */
    const char *broken; /* a message that could not be accepted: what was wrong */
    void *arg;
    void (*unary_done)(struct rpc_client_call *call, void *arg, const struct status *status,
                       struct str reply);
    struct rpc_stream_handler stream; /* of the others */
};

static enum status_code call_new(struct rpc_channel *channel, const struct rpc_client_args *args, void *arg,
                                 struct rpc_client_call **ret_call, struct status *err);
static void call_free(struct rpc_client_call *call);
static void on_unary_done(struct rpc_op *op, bool ok);
static void on_started(struct rpc_op *op, bool ok);
static void on_ended(struct rpc_op *op, bool ok);
static void on_received(struct rpc_op *op, bool ok);
static void on_cancelled(struct rpc_op *op, bool ok);
static const char *check_response(const struct rpc_client_call *call, grpc_byte_buffer *message,
                                  grpc_slice *ret);
static void settle(struct rpc_client_call *call);
static void read_status(const struct rpc_client_call *call, struct status *ret);

/* ops of the two ways to call. */
enum { UNARY_OPS = 6, STREAM_OPS = 4 };
/* Room for the headers of one call. */
enum { METADATA_MAX = RPC_HEADERS_MAX + 1 };

/* Headers, request and its end: the first three ops of every call. */
static void put_sends(grpc_op *ops, const struct rpc_client_args *args, grpc_metadata *metadata, size_t count,
                      grpc_byte_buffer *request)
{
    ops[0].op = GRPC_OP_SEND_INITIAL_METADATA;
    ops[0].data.send_initial_metadata.metadata = metadata;
    ops[0].data.send_initial_metadata.count = count;
    if (args->patience == RPC_WAIT_FOR_READY)
        ops[0].flags =
            GRPC_INITIAL_METADATA_WAIT_FOR_READY | GRPC_INITIAL_METADATA_WAIT_FOR_READY_EXPLICITLY_SET;
    ops[1].op = GRPC_OP_SEND_MESSAGE;
    ops[1].data.send_message.send_message = request;
    ops[2].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
}

static void put_receive_headers(grpc_op *op, struct rpc_client_call *call)
{
    op->op = GRPC_OP_RECV_INITIAL_METADATA;
    op->data.recv_initial_metadata.recv_initial_metadata = &call->headers;
}

static void put_receive_message(grpc_op *op, struct rpc_client_call *call)
{
    op->op = GRPC_OP_RECV_MESSAGE;
    op->data.recv_message.recv_message = &call->incoming;
}

static void put_receive_status(grpc_op *op, struct rpc_client_call *call)
{
    op->op = GRPC_OP_RECV_STATUS_ON_CLIENT;
    op->data.recv_status_on_client.trailing_metadata = &call->trailers;
    op->data.recv_status_on_client.status = &call->code;
    op->data.recv_status_on_client.status_details = &call->words;
}

/* Fills in the headers; their values are slices to be unref'd. */
static size_t make_metadata(const struct rpc_channel *channel, const struct rpc_client_args *args,
                            grpc_metadata metadata[METADATA_MAX])
{
    size_t count = 0;
    memset(metadata, 0, METADATA_MAX * sizeof metadata[0]);
    if (GRPC_SLICE_LENGTH(channel->authorization) > 0) {
        metadata[count].key = grpc_slice_from_static_string("authorization");
        metadata[count++].value = grpc_slice_ref(channel->authorization);
    }
    assert(args->header_count <= RPC_HEADERS_MAX);
    for (size_t i = 0; i < args->header_count; i++) {
        metadata[count].key = grpc_slice_from_static_string(args->headers[i].key);
        metadata[count++].value = rpc_slice_copy(args->headers[i].value);
    }
    return count;
}

static void drop_metadata(grpc_metadata *metadata, size_t count)
{
    for (size_t i = 0; i < count; i++)
        grpc_slice_unref(metadata[i].value);
}

enum status_code rpc_client_unary(struct rpc_channel *channel, const struct rpc_client_args *args,
                                  grpc_slice take_request,
                                  void (*done)(struct rpc_client_call *call, void *arg,
                                               const struct status *status, struct str reply),
                                  void *arg, struct rpc_client_call **ret_call, struct status *err)
{
    struct rpc_client_call *call;
    enum status_code rc = call_new(channel, args, arg, &call, err);
    if (rc != STATUS_OK)
        return rc;
    call->unary_done = done;
    if (ret_call != NULL)
        *ret_call = call;
    grpc_metadata metadata[METADATA_MAX];
    size_t count = make_metadata(channel, args, metadata);
    grpc_byte_buffer *request = grpc_raw_byte_buffer_create(&take_request, 1);
    grpc_slice_unref(take_request);
    grpc_op ops[UNARY_OPS];
    memset(ops, 0, sizeof ops);
    put_sends(ops, args, metadata, count, request);
    put_receive_headers(&ops[3], call);
    put_receive_message(&ops[4], call);
    put_receive_status(&ops[5], call);
    call->started.done = on_unary_done;
    rpc_op_start(call->handle, ops, UNARY_OPS, &call->started); /* from here on it may be over */
    grpc_byte_buffer_destroy(request);
    drop_metadata(metadata, count);
    return STATUS_OK;
}

enum status_code rpc_client_stream(struct rpc_channel *channel, const struct rpc_client_args *args,
                                   grpc_slice take_request, const struct rpc_stream_handler *handler,
                                   void *arg, struct rpc_client_call **ret_call, struct status *err)
{
    struct rpc_client_call *call;
    enum status_code rc = call_new(channel, args, arg, &call, err);
    if (rc != STATUS_OK)
        return rc;
    call->stream = *handler;
    *ret_call = call;
    grpc_metadata metadata[METADATA_MAX];
    size_t count = make_metadata(channel, args, metadata);
    grpc_byte_buffer *request = grpc_raw_byte_buffer_create(&take_request, 1);
    grpc_slice_unref(take_request);
    grpc_op ops[STREAM_OPS], status;
    memset(ops, 0, sizeof ops);
    memset(&status, 0, sizeof status);
    put_sends(ops, args, metadata, count, request);
    put_receive_headers(&ops[3], call);
    put_receive_status(&status, call);
    call->started.done = on_started;
    call->ended.done = on_ended;
    call->in_flight = 2; /* both, before the first can come back */
    rpc_op_start(call->handle, ops, STREAM_OPS, &call->started);
    rpc_op_start(call->handle, &status, 1, &call->ended);
    grpc_byte_buffer_destroy(request);
    drop_metadata(metadata, count);
    return STATUS_OK;
}

void rpc_client_next(struct rpc_client_call *call)
{
    if (call->is_cancelled)
        return; /* ended() comes by itself */
    assert(!call->is_reading && !call->has_read_all);
    grpc_op op;
    memset(&op, 0, sizeof op);
    put_receive_message(&op, call);
    call->is_reading = true;
    call->in_flight++;
    call->received.done = on_received;
    rpc_op_start(call->handle, &op, 1, &call->received);
}

void rpc_client_cancel(struct rpc_client_call *call)
{
    if (call->is_cancelled)
        return;
    call->is_cancelled = true;
    grpc_call_cancel(call->handle, NULL);
    if (call->unary_done != NULL || call->in_flight > 0)
        return; /* what is in flight comes back and settles it */
    call->in_flight++;
    call->received.done = on_cancelled;
    rpc_queue_post(call->queue, &call->received);
}

bool rpc_client_never_left(const struct rpc_client_call *call)
{
    if (call->channel->peer_is_vague)
        return false;
    /* Without a connection the library gives the target for the peer. */
    char *peer = grpc_call_get_peer(call->handle);
    bool never = peer != NULL && strcmp(peer, call->channel->target) == 0;
    gpr_free(peer);
    return never;
}

static gpr_timespec make_deadline(int64_t deadline_ms)
{
    if (deadline_ms == INT64_MAX)
        return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    return (gpr_timespec){.tv_sec = deadline_ms / 1000,
                          .tv_nsec = (int32_t)(deadline_ms % 1000 * 1000000),
                          .clock_type = GPR_CLOCK_MONOTONIC};
}

static enum status_code call_new(struct rpc_channel *channel, const struct rpc_client_args *args, void *arg,
                                 struct rpc_client_call **ret_call, struct status *err)
{
    assert(args->method < channel->method_count);
    struct rpc_client_call *call = calloc(1, sizeof *call);
    if (call == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "rpc: no memory for a call");
    call->channel = channel;
    call->method = &channel->methods[args->method];
    call->queue = args->queue;
    call->arg = arg;
    grpc_metadata_array_init(&call->headers);
    grpc_metadata_array_init(&call->trailers);
    call->words = grpc_empty_slice();
    grpc_call *parent = args->parent == NULL ? NULL : rpc_call_handle(args->parent);
    call->handle = grpc_channel_create_registered_call(
        channel->core, parent, GRPC_PROPAGATE_DEFAULTS, rpc_queue_cq(args->queue),
        channel->handles[args->method], make_deadline(args->deadline_ms), NULL);
    if (call->handle == NULL) {
        call_free(call);
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "rpc: a call could not be made");
    }
    *ret_call = call;
    return STATUS_OK;
}

static void call_free(struct rpc_client_call *call)
{
    if (call->handle != NULL)
        grpc_call_unref(call->handle);
    grpc_metadata_array_destroy(&call->headers);
    grpc_metadata_array_destroy(&call->trailers);
    grpc_slice_unref(call->words);
    grpc_byte_buffer_destroy(call->incoming);
    free(call);
}

static void on_unary_done(struct rpc_op *op, bool ok)
{
    (void)ok; /* the status tells */
    struct rpc_client_call *call = CONTAINER_OF(op, struct rpc_client_call, started);
    grpc_slice reply = grpc_empty_slice();
    if (call->code == GRPC_STATUS_OK)
        call->broken = check_response(call, call->incoming, &reply);
    struct status status;
    read_status(call, &status);
    struct str bytes = status.code == STATUS_OK ? rpc_slice_str(&reply) : (struct str){NULL, 0};
    call->unary_done(call, call->arg, &status, bytes);
    grpc_slice_unref(reply);
    call_free(call);
}

static void on_started(struct rpc_op *op, bool ok)
{
    (void)ok; /* the status tells */
    struct rpc_client_call *call = CONTAINER_OF(op, struct rpc_client_call, started);
    call->in_flight--;
    settle(call);
}

static void on_ended(struct rpc_op *op, bool ok)
{
    (void)ok;
    struct rpc_client_call *call = CONTAINER_OF(op, struct rpc_client_call, ended);
    call->in_flight--;
    call->has_status = true;
    settle(call);
}

static void on_received(struct rpc_op *op, bool ok)
{
    struct rpc_client_call *call = CONTAINER_OF(op, struct rpc_client_call, received);
    grpc_byte_buffer *incoming = call->incoming;
    call->incoming = NULL;
    call->in_flight--;
    call->is_reading = false;
    if (!ok || incoming == NULL) {
        call->has_read_all = true;
    } else if (!call->is_cancelled) {
        grpc_slice message = grpc_empty_slice();
        call->broken = check_response(call, incoming, &message);
        if (call->broken == NULL)
            call->stream.message(call, call->arg, &message);
        else
            rpc_client_cancel(call);
        grpc_slice_unref(message);
    }
    grpc_byte_buffer_destroy(incoming);
    settle(call);
}

static void on_cancelled(struct rpc_op *op, bool ok)
{
    (void)ok;
    struct rpc_client_call *call = CONTAINER_OF(op, struct rpc_client_call, received);
    call->in_flight--;
    settle(call);
}

/* Ends the stream once all batches are back, and its owner has seen all messages or wants no more. */
static void settle(struct rpc_client_call *call)
{
    if (call->in_flight > 0 || !call->has_status || (!call->has_read_all && !call->is_cancelled))
        return;
    struct status status;
    read_status(call, &status);
    call->stream.ended(call, call->arg, &status);
    call_free(call);
}

/* NULL when it is as it should be: *ret is to be unref'd. Else what is wrong with it. */
static const char *check_response(const struct rpc_client_call *call, grpc_byte_buffer *message,
                                  grpc_slice *ret)
{
    if (message == NULL)
        return "the server sent no reply";
    if (!rpc_slice_from_buffer(message, ret))
        return "the server sent a message that cannot be read";
    if (call->method->response != NULL &&
        wire_check(call->method->response, rpc_slice_str(ret), NULL) != STATUS_OK) {
        grpc_slice_unref(*ret);
        *ret = grpc_empty_slice();
        return "the server sent a malformed message";
    }
    return NULL;
}

static void read_status(const struct rpc_client_call *call, struct status *ret)
{
    if (call->broken != NULL) {
        status_reason(ret, STATUS_INTERNAL, "MALFORMED_REPLY", "%s", call->broken);
        return;
    }
    enum status_code code = STATUS_UNKNOWN;
    if (call->code >= GRPC_STATUS_OK && call->code <= GRPC_STATUS_UNAUTHENTICATED)
        code = (enum status_code)call->code;
    struct str words = rpc_slice_str(&call->words);
    if (!str_is_utf8(words))
        words = STR("(the message is not UTF-8)");
    status_set(ret, code, "%.*s", STR_ARG(str_sub(words, 0, str_utf8_cut(words, sizeof ret->message - 1))));
    for (size_t i = 0; i < call->trailers.count; i++) {
        const grpc_metadata *trailer = &call->trailers.metadata[i];
        if (grpc_slice_str_cmp(trailer->key, RPC_DETAILS_KEY) == 0)
            rpc_details_read(rpc_slice_str(&trailer->value), ret);
    }
}
