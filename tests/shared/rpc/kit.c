/*
 * kit: see kit.h.
 */
#include "tests/shared/rpc/kit.h"
#include "shared/base/clock.h"
#include "shared/rpc/wire.h"
#include "tests/support/alloc_fail.h"
#include <google/protobuf/struct.pb-c.h>
#include <grpc/health/v1/health.pb-c.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_MS = 20000 };

struct stream_state {
    unsigned left;
    size_t size;
    bool fails, hangs;
};

static struct str command_of(const struct rpc_call *call)
{
    struct str rest = rpc_call_request(call), text = STR("");
    struct wire_field field;
    while (wire_next(&rest, &field) == WIRE_FIELD)
        text = field.bytes;
    return text;
}

static void reply_text(struct rpc_call *call, struct str text)
{
    rpc_call_reply(call, rpc_slice_copy(text));
}

static void *reply_from_thread(void *arg)
{
    reply_text(arg, STR("from a thread"));
    return NULL;
}

static void unary_start(struct rpc_call *call)
{
    struct kit *kit = rpc_call_service(call);
    atomic_fetch_add(&kit->started, 1);
    struct str command = command_of(call);
    if (str_eq(command, STR("fail"))) {
        struct status status;
        status_field(&status, "inputs.city", "is missing");
        status.reason = "CITY_MISSING";
        status.retry_ms = 1500;
        rpc_call_finish(call, &status);
    } else if (str_eq(command, STR("thread"))) {
        pthread_t thread;
        assert_int_equal(0, pthread_create(&thread, NULL, reply_from_thread, call));
        pthread_detach(thread);
    } else if (str_starts(command, STR("metadata "))) {
        char key[64];
        snprintf(key, sizeof key, "%.*s", STR_ARG(str_sub(command, 9, command.len)));
        struct str value = rpc_call_metadata(call, key);
        reply_text(call, value.ptr == NULL ? STR("(none)") : value);
    } else if (str_eq(command, STR("deadline"))) {
        int64_t left_ms = rpc_call_deadline_ms(call) - clock_monotonic_ms();
        bool is_none = rpc_call_deadline_ms(call) == INT64_MAX;
        reply_text(call, is_none                               ? STR("none")
                         : left_ms > 50000 && left_ms <= 60000 ? STR("a minute")
                                                               : STR("?"));
    } else if (str_eq(command, STR("peer"))) {
        reply_text(call, str_c(rpc_call_peer(call)));
    } else {
        rpc_call_reply(call, grpc_slice_ref(rpc_call_request_slice(call)));
    }
}

static void count_ended(struct rpc_call *call)
{
    struct kit *kit = rpc_call_service(call);
    atomic_fetch_add(&kit->ended, 1);
}

static void hold_start(struct rpc_call *call)
{
    struct kit *kit = rpc_call_service(call);
    atomic_fetch_add(&kit->started, 1);
}

static void finish_cancelled(struct rpc_call *call)
{
    struct kit *kit = rpc_call_service(call);
    assert_true(rpc_call_is_cancelled(call));
    struct status status;
    status_set(&status, STATUS_CANCELLED, "seen");
    rpc_call_finish(call, &status);
    atomic_fetch_add(&kit->cancelled, 1);
}

static void stream_advance(struct rpc_call *call)
{
    struct stream_state *state = rpc_call_state(call);
    if (state->left > 0) {
        state->left--;
        grpc_slice message = grpc_slice_malloc(state->size);
        memset(GRPC_SLICE_START_PTR(message), 'x', state->size);
        rpc_call_send(call, message, state->left > 0 ? RPC_SEND_MORE : RPC_SEND_NOW);
    } else if (!state->hangs) {
        struct status status;
        status_set(&status, STATUS_OK, "%s", "");
        if (state->fails) {
            status_reason(&status, STATUS_UNAVAILABLE, "NOT_BEGUN", "full");
            status.retry_ms = 20;
        }
        rpc_call_finish(call, &status);
    }
}

static void stream_start(struct rpc_call *call)
{
    struct kit *kit = rpc_call_service(call);
    struct stream_state *state = rpc_call_state(call);
    char command[64];
    unsigned long size = 1;
    snprintf(command, sizeof command, "%.*s", STR_ARG(command_of(call)));
    char *rest = command;
    state->hangs = strcmp(command, "hang") == 0;
    state->fails = strncmp(command, "fail ", 5) == 0;
    if (state->fails)
        rest += 5;
    state->left = state->hangs ? 1 : (unsigned)strtoul(rest, &rest, 10);
    if (*rest == ' ')
        size = strtoul(rest, NULL, 10);
    state->size = size;
    atomic_fetch_add(&kit->started, 1);
    stream_advance(call);
}

static void stream_sent(struct rpc_call *call, bool ok)
{
    struct kit *kit = rpc_call_service(call);
    atomic_fetch_add(&kit->sent, 1);
    if (ok)
        stream_advance(call);
}

static void nested_start(struct rpc_call *call)
{
    struct str request = rpc_call_request(call);
    Google__Protobuf__Struct *message =
        google__protobuf__struct__unpack(NULL, request.len, (const uint8_t *)request.ptr);
    assert_non_null(message);
    rpc_call_reply_message(call, &message->base);
    google__protobuf__struct__free_unpacked(message, NULL);
}

static const struct rpc_method service_methods[] = {
    {.path = "/test.v1.Test/Unary",
     .kind = RPC_UNARY,
     .request = &grpc__health__v1__health_check_request__descriptor,
     .slots = 8,
     .start = unary_start,
     .ended = count_ended},
    {.path = "/test.v1.Test/Hold",
     .kind = RPC_UNARY,
     .request = &grpc__health__v1__health_check_request__descriptor,
     .slots = 2,
     .start = hold_start,
     .cancelled = finish_cancelled,
     .ended = count_ended},
    {.path = "/test.v1.Test/Stream",
     .kind = RPC_SERVER_STREAM,
     .request = &grpc__health__v1__health_check_request__descriptor,
     .state_bytes = sizeof(struct stream_state),
     .slots = 2,
     .start = stream_start,
     .sent = stream_sent,
     .cancelled = finish_cancelled,
     .ended = count_ended},
    {.path = "/test.v1.Test/Nested",
     .kind = RPC_UNARY,
     .request = &google__protobuf__struct__descriptor,
     .slots = 2,
     .start = nested_start},
};

static const struct rpc_client_method client_methods[KIT_METHODS] = {
    [KIT_UNARY] = {"/test.v1.Test/Unary", NULL},
    [KIT_HOLD] = {"/test.v1.Test/Hold", NULL},
    [KIT_STREAM] = {"/test.v1.Test/Stream", NULL},
    [KIT_NESTED] = {"/test.v1.Test/Nested", &google__protobuf__struct__descriptor},
    [KIT_UNKNOWN] = {"/test.v1.Test/Nothing", NULL},
    [KIT_CHECK] = {"/grpc.health.v1.Health/Check", &grpc__health__v1__health_check_response__descriptor},
    [KIT_WATCH] = {"/grpc.health.v1.Health/Watch", &grpc__health__v1__health_check_response__descriptor},
    [KIT_REFLECT] = {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", NULL},
};

void kit_open(struct kit *kit, size_t queues)
{
    struct status err;
    memset(kit, 0, sizeof *kit);
    strcpy(kit->folder, "/tmp/heddle-rpc-XXXXXX");
    assert_non_null(mkdtemp(kit->folder));
    snprintf(kit->address, sizeof kit->address, "unix:%s/s", kit->folder);
    assert_ok(rpc_queues_new(queues, &kit->queues, &err));
    const struct rpc_server_options server = {.address = kit->address,
                                              .message_bytes_max = KIT_REQUEST_BYTES_MAX};
    assert_ok(rpc_server_new(kit->queues, &server, &kit->server, &err));
    assert_ok(rpc_server_add(kit->server, service_methods, ARRAY_LEN(service_methods), kit, &err));
    assert_ok(rpc_health_new(kit->queues, &kit->health, &err));
    assert_ok(rpc_health_add(kit->health, kit->server, &err));
    assert_ok(rpc_reflection_new(&kit->reflection, &err));
    assert_ok(rpc_reflection_add(kit->reflection, kit->server, &err));
    assert_ok(rpc_server_start(kit->server, &err));
    const struct rpc_channel_options channel = {
        .target = kit->address,
        .methods = client_methods,
        .method_count = KIT_METHODS,
        .message_bytes_max = KIT_RESPONSE_BYTES_MAX,
        .bearer = "secret",
    };
    assert_ok(rpc_channel_new(&channel, &kit->channel, &err));
    assert_ok(rpc_queues_start(kit->queues, &err));
}

void kit_stop(struct kit *kit, int64_t grace_ms)
{
    rpc_server_stop(kit->server, clock_monotonic_ms() + grace_ms);
}

void kit_close(struct kit *kit)
{
    kit_stop(kit, WAIT_MS);
    rpc_server_free(kit->server);
    rpc_channel_free(kit->channel);
    rpc_queues_free(kit->queues);
    rpc_health_free(kit->health);
    rpc_reflection_free(kit->reflection);
    assert_int_equal(0, rmdir(kit->folder)); /* the socket is gone */
}

struct rpc_client_args kit_args(struct kit *kit, size_t method)
{
    return (struct rpc_client_args){
        .method = method,
        .queue = rpc_queues_at(kit->queues, rpc_queues_count(kit->queues) - 1),
        .deadline_ms = clock_monotonic_ms() + 60000,
    };
}

grpc_slice kit_request(const char *text)
{
    struct buf b;
    grpc_slice slice;
    buf_init(&b, 10 * KIT_REQUEST_BYTES_MAX);
    wire_put_bytes_if(&b, 1, str_c(text));
    assert_true(rpc_slice_take_buf(&b, &slice));
    return slice;
}

void kit_wait(atomic_uint *counter, unsigned value)
{
    int64_t until_ms = clock_monotonic_ms() + WAIT_MS;
    while (atomic_load(counter) != value) {
        assert_true(clock_monotonic_ms() < until_ms);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

struct failing {
    struct rpc_op op;
    size_t nth;
    atomic_uint done;
};

static void fail_here(struct rpc_op *op, bool ok)
{
    (void)ok;
    struct failing *failing = CONTAINER_OF(op, struct failing, op);
    alloc_fail_after(failing->nth - 1);
    atomic_fetch_add(&failing->done, 1);
}

void kit_fail_allocations(struct kit *kit, size_t nth)
{
    for (size_t q = 0; q < rpc_queues_count(kit->queues); q++) {
        struct failing failing = {.op.done = fail_here, .nth = nth};
        rpc_queue_post(rpc_queues_at(kit->queues, q), &failing.op);
        kit_wait(&failing.done, 1);
    }
}

char *kit_call(struct kit *kit, size_t method, const char *text, struct status *status)
{
    struct rpc_client_args args = kit_args(kit, method);
    grpc_slice reply;
    if (rpc_blocking_unary(kit->channel, &args, kit_request(text), &reply, status) != STATUS_OK)
        return NULL;
    char *copy = str_dup(rpc_slice_str(&reply));
    grpc_slice_unref(reply);
    return copy;
}
