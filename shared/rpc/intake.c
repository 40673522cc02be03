/*
 * intake: how calls come in. Requests are kept posted for every method on every queue, and generic ones for all other paths,
 * which are answered UNIMPLEMENTED.
 */
#include "shared/rpc/server_core.h"
#include "shared/rpc/slice.h"
#include <assert.h>
#include <string.h>

/* calls. Posted per queue for paths nobody knows. */
enum { UNKNOWN_SLOTS = 4 };

/* A call nobody handles, or the request for one. */
struct rpc_unknown {
    struct rpc_server *server;
    struct rpc_queue *queue;
    struct rpc_op arrived, finished;
    grpc_call *handle;
    grpc_call_details details;
    grpc_metadata_array metadata;
    int was_cancelled;
    struct rpc_unknown *next;
};

static struct rpc_unknown *unknown_new(struct rpc_server *server, struct rpc_queue *queue);
static void unknown_free(struct rpc_unknown *unknown);
static void unknown_request(struct rpc_unknown *unknown);
static void unknown_arrived(struct rpc_op *op, bool ok);
static void unknown_finished(struct rpc_op *op, bool ok);
static void call_request(struct rpc_call *call);
static void call_arrived(struct rpc_op *op, bool ok);
static void refuse(struct rpc_call *call, const char *reason, enum status_code code, const char *words);
static struct rpc_lane *lane_of(const struct rpc_call *call);
static void lane_add(struct rpc_lane *lane, struct rpc_call *call);
static void lane_remove(struct rpc_lane *lane, struct rpc_call *call);
static void lane_cancel(struct rpc_op *op, bool ok);

enum status_code rpc_intake_prepare(struct rpc_server *server, struct rpc_intake *ret_intake,
                                    struct status *err)
{
    struct rpc_intake intake = {NULL, NULL};
    for (size_t q = 0; q < rpc_queues_count(server->queues); q++) {
        struct rpc_queue *queue = rpc_queues_at(server->queues, q);
        for (size_t i = 0; i < server->entry_count; i++) {
            const struct rpc_entry *entry = server->entries[i];
            unsigned slots = entry->method->slots > 0 ? entry->method->slots : RPC_SLOTS_DEFAULT;
            for (unsigned n = 0; n < slots; n++) {
                struct rpc_call *call = rpc_call_new(entry, queue);
                if (call == NULL)
                    goto fail;
                call->next = intake.calls;
                intake.calls = call;
            }
        }
        for (unsigned n = 0; n < UNKNOWN_SLOTS; n++) {
            struct rpc_unknown *unknown = unknown_new(server, queue);
            if (unknown == NULL)
                goto fail;
            unknown->next = intake.unknown;
            intake.unknown = unknown;
        }
    }
    *ret_intake = intake;
    return STATUS_OK;
fail:
    rpc_intake_discard(&intake);
    return status_set(err, STATUS_RESOURCE_EXHAUSTED, "rpc: no memory to take calls in");
}

void rpc_intake_discard(struct rpc_intake *intake)
{
    for (struct rpc_call *call = intake->calls, *next; call != NULL; call = next) {
        next = call->next;
        rpc_call_free(call);
    }
    for (struct rpc_unknown *unknown = intake->unknown, *next; unknown != NULL; unknown = next) {
        next = unknown->next;
        unknown_free(unknown);
    }
    *intake = (struct rpc_intake){NULL, NULL};
}

void rpc_intake_post(struct rpc_server *server, struct rpc_intake *take_intake)
{
    for (struct rpc_call *call = take_intake->calls, *next; call != NULL; call = next) {
        next = call->next;
        call->next = NULL;
        rpc_server_count(server, 1, 0);
        call_request(call);
    }
    for (struct rpc_unknown *unknown = take_intake->unknown, *next; unknown != NULL; unknown = next) {
        next = unknown->next;
        rpc_server_count(server, 1, 0);
        unknown_request(unknown);
    }
    *take_intake = (struct rpc_intake){NULL, NULL};
}

void rpc_intake_cancel_lasting(struct rpc_server *server)
{
    for (size_t q = 0; q < rpc_queues_count(server->queues); q++) {
        struct rpc_lane *lane = &server->lanes[q];
        lane->cancel.done = lane_cancel;
        rpc_server_count(server, 1, 0);
        rpc_queue_post(rpc_queues_at(server->queues, q), &lane->cancel);
    }
}

void rpc_intake_ended(struct rpc_call *call)
{
    struct rpc_server *server = call->entry->server;
    if (call->is_started && call->entry->method->ended != NULL)
        call->entry->method->ended(call);
    if (call->is_lasting)
        lane_remove(lane_of(call), call);
    if (call->needs_request) {
        rpc_call_reset(call);
        call_request(call); /* answered at once when the server has shut down */
        rpc_server_count(server, 0, -1);
        return;
    }
    rpc_call_free(call);
    rpc_server_count(server, -1, -1);
}

static void call_request(struct rpc_call *call)
{
    const struct rpc_entry *entry = call->entry;
    grpc_completion_queue *cq = rpc_queue_cq(call->queue);
    grpc_byte_buffer **payload = entry->method->kind == RPC_BIDI ? NULL : &call->payload;
    call->arrived.done = call_arrived;
    rpc_op_leaves(&call->arrived);
    if (grpc_server_request_registered_call(entry->server->core, entry->handle, &call->handle,
                                            &call->deadline, &call->metadata, payload, cq, cq,
                                            &call->arrived) != GRPC_CALL_OK)
        abort(); /* our bug: nothing was requested */
}

static void call_arrived(struct rpc_op *op, bool ok)
{
    struct rpc_call *call = CONTAINER_OF(op, struct rpc_call, arrived);
    struct rpc_server *server = call->entry->server;
    if (!ok) { /* shutting down */
        rpc_call_free(call);
        rpc_server_count(server, -1, 0);
        return;
    }
    struct rpc_call *successor = rpc_call_new(call->entry, call->queue);
    rpc_server_count(server, successor == NULL ? 0 : 1, 1);
    if (successor == NULL) {
        call->needs_request = true;
        refuse(call, "OUT_OF_MEMORY", STATUS_RESOURCE_EXHAUSTED, "no memory for this call");
        return;
    }
    call_request(successor);
    if (call->entry->method->drain == RPC_CANCEL_ON_DRAIN) {
        if (atomic_load(&server->is_draining)) {
            refuse(call, "SHUTTING_DOWN", STATUS_UNAVAILABLE, "the server is shutting down");
            return;
        }
        lane_add(lane_of(call), call);
    }
    rpc_call_begin(call);
}

static void refuse(struct rpc_call *call, const char *reason, enum status_code code, const char *words)
{
    struct status status;
    status_reason(&status, code, reason, "%s", words);
    rpc_call_finish(call, &status);
}

static struct rpc_lane *lane_of(const struct rpc_call *call)
{
    return &call->entry->server->lanes[rpc_queue_index(call->queue)];
}

static void lane_add(struct rpc_lane *lane, struct rpc_call *call)
{
    call->is_lasting = true;
    call->prev = NULL;
    call->next = lane->lasting;
    if (call->next != NULL)
        call->next->prev = call;
    lane->lasting = call;
    rpc_server_count_lasting(lane->server, 1);
}

static void lane_remove(struct rpc_lane *lane, struct rpc_call *call)
{
    if (call->prev != NULL)
        call->prev->next = call->next;
    else
        lane->lasting = call->next;
    if (call->next != NULL)
        call->next->prev = call->prev;
    rpc_server_count_lasting(lane->server, -1);
}

static void lane_cancel(struct rpc_op *op, bool ok)
{
    (void)ok;
    struct rpc_lane *lane = CONTAINER_OF(op, struct rpc_lane, cancel);
    for (struct rpc_call *call = lane->lasting; call != NULL; call = call->next)
        grpc_call_cancel_with_status(call->handle, GRPC_STATUS_UNAVAILABLE, "the server is shutting down",
                                     NULL);
    rpc_server_count(lane->server, -1, 0);
}

static struct rpc_unknown *unknown_new(struct rpc_server *server, struct rpc_queue *queue)
{
    struct rpc_unknown *unknown = calloc(1, sizeof *unknown);
    if (unknown == NULL)
        return NULL;
    unknown->server = server;
    unknown->queue = queue;
    grpc_call_details_init(&unknown->details);
    grpc_metadata_array_init(&unknown->metadata);
    return unknown;
}

/* What one use has left; as new again. */
static void unknown_clear(struct rpc_unknown *unknown)
{
    if (unknown->handle != NULL)
        grpc_call_unref(unknown->handle);
    unknown->handle = NULL;
    grpc_call_details_destroy(&unknown->details);
    grpc_call_details_init(&unknown->details);
    grpc_metadata_array_destroy(&unknown->metadata);
    grpc_metadata_array_init(&unknown->metadata);
}

static void unknown_free(struct rpc_unknown *unknown)
{
    unknown_clear(unknown);
    free(unknown);
}

static void unknown_request(struct rpc_unknown *unknown)
{
    grpc_completion_queue *cq = rpc_queue_cq(unknown->queue);
    unknown->arrived.done = unknown_arrived;
    rpc_op_leaves(&unknown->arrived);
    if (grpc_server_request_call(unknown->server->core, &unknown->handle, &unknown->details,
                                 &unknown->metadata, cq, cq, &unknown->arrived) != GRPC_CALL_OK)
        abort(); /* our bug: nothing was requested */
}

/* Answers, and is posted again once that is done: few at a time are plenty. */
static void unknown_arrived(struct rpc_op *op, bool ok)
{
    struct rpc_unknown *unknown = CONTAINER_OF(op, struct rpc_unknown, arrived);
    if (!ok) { /* shutting down */
        struct rpc_server *server = unknown->server;
        unknown_free(unknown);
        rpc_server_count(server, -1, 0);
        return;
    }
    struct status words;
    struct str path = rpc_slice_str(&unknown->details.method);
    status_set(&words, STATUS_UNIMPLEMENTED, "no such method here: %.*s",
               (int)(path.len < 256 ? path.len : 256), path.ptr);
    grpc_slice message = rpc_slice_copy(str_c(words.message));
    grpc_op ops[3];
    memset(ops, 0, sizeof ops);
    ops[0].op = GRPC_OP_SEND_INITIAL_METADATA;
    ops[1].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    ops[1].data.send_status_from_server.status = GRPC_STATUS_UNIMPLEMENTED;
    ops[1].data.send_status_from_server.status_details = &message;
    ops[2].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
    ops[2].data.recv_close_on_server.cancelled = &unknown->was_cancelled;
    unknown->finished.done = unknown_finished;
    rpc_op_start(unknown->handle, ops, ARRAY_LEN(ops), &unknown->finished);
    grpc_slice_unref(message);
}

static void unknown_finished(struct rpc_op *op, bool ok)
{
    (void)ok;
    struct rpc_unknown *unknown = CONTAINER_OF(op, struct rpc_unknown, finished);
    unknown_clear(unknown);
    unknown_request(unknown);
}
