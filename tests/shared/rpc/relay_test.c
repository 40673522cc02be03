/*
 * Calls made for a server call: what comes from above is handed down, and the caller's end is felt above. The relay here is
 * the smallest one: a message is asked for when the one before is sent.
 */
#include "shared/base/clock.h"
#include "tests/shared/rpc/kit.h"
#include <grpc/health/v1/health.pb-c.h>
#include <stdio.h>
#include <stdlib.h>

struct fixture {
    struct kit kit;
    struct rpc_server *front;
    struct rpc_channel *channel; /* to the front */
    char address[96];
    atomic_uint ended;
};

struct relay {
    struct rpc_call *down;
    struct rpc_client_call *up;
};

static void relay_message(struct rpc_client_call *up, void *arg, const grpc_slice *message)
{
    struct relay *relay = arg;
    (void)up;
    rpc_call_send(relay->down, grpc_slice_ref(*message), RPC_SEND_NOW);
}

static void relay_up_ended(struct rpc_client_call *up, void *arg, const struct status *status)
{
    struct relay *relay = arg;
    (void)up;
    rpc_call_finish(relay->down, status);
}

static void relay_start(struct rpc_call *call)
{
    static const struct rpc_stream_handler handler = {.message = relay_message, .ended = relay_up_ended};
    struct fixture *f = rpc_call_service(call);
    struct relay *relay = rpc_call_state(call);
    relay->down = call;
    const struct rpc_client_args args = {
        .method = KIT_STREAM, .queue = rpc_call_queue(call), .parent = call, .deadline_ms = INT64_MAX};
    struct status err;
    grpc_slice request = grpc_slice_ref(rpc_call_request_slice(call));
    assert_ok(rpc_client_stream(f->kit.channel, &args, request, &handler, relay, &relay->up, &err));
    rpc_client_next(relay->up);
}

static void relay_sent(struct rpc_call *call, bool ok)
{
    struct relay *relay = rpc_call_state(call);
    if (ok)
        rpc_client_next(relay->up);
    else
        rpc_client_cancel(relay->up);
}

static void relay_ended(struct rpc_call *call)
{
    struct fixture *f = rpc_call_service(call);
    atomic_fetch_add(&f->ended, 1);
}

static const struct rpc_method front_methods[] = {
    {.path = "/test.v1.Test/Stream",
     .kind = RPC_SERVER_STREAM,
     .request = &grpc__health__v1__health_check_request__descriptor,
     .state_bytes = sizeof(struct relay),
     .slots = 4,
     .start = relay_start,
     .sent = relay_sent,
     .ended = relay_ended},
};

static const struct rpc_client_method front_client_methods[] = {{"/test.v1.Test/Stream", NULL}};

static int open_front(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct status err;
    kit_open(&f->kit, 2);
    snprintf(f->address, sizeof f->address, "unix:%s/front", f->kit.folder);
    const struct rpc_server_options server = {.address = f->address,
                                              .message_bytes_max = KIT_REQUEST_BYTES_MAX};
    assert_ok(rpc_server_new(f->kit.queues, &server, &f->front, &err));
    assert_ok(rpc_server_add(f->front, front_methods, ARRAY_LEN(front_methods), f, &err));
    assert_ok(rpc_server_start(f->front, &err));
    const struct rpc_channel_options channel = {.target = f->address,
                                                .methods = front_client_methods,
                                                .method_count = 1,
                                                .message_bytes_max = KIT_RESPONSE_BYTES_MAX};
    assert_ok(rpc_channel_new(&channel, &f->channel, &err));
    *state = f;
    return 0;
}

static int close_front(void **state)
{
    struct fixture *f = *state;
    rpc_server_stop(f->front, clock_monotonic_ms() + 20000);
    rpc_server_free(f->front);
    rpc_channel_free(f->channel);
    kit_close(&f->kit);
    free(f);
    return 0;
}

static struct rpc_blocking_stream *open_stream(struct fixture *f, const char *text, int64_t deadline_ms)
{
    struct rpc_client_args args = kit_args(&f->kit, 0);
    args.deadline_ms = deadline_ms;
    struct rpc_blocking_stream *stream;
    struct status err;
    assert_ok(rpc_blocking_stream_new(f->channel, &args, kit_request(text), &stream, &err));
    return stream;
}

static unsigned count_messages(struct rpc_blocking_stream *stream, struct status *ret_status)
{
    grpc_slice message;
    unsigned count = 0;
    while (rpc_blocking_stream_next(stream, &message, ret_status)) {
        grpc_slice_unref(message);
        count++;
    }
    return count;
}

static void messages_and_status_pass_through(void **state)
{
    static const struct {
        const char *request;
        unsigned messages;
        enum status_code code;
        const char *reason;
    } cases[] = {
        {"500 100", 500, STATUS_OK, NULL},
        {"fail 0", 0, STATUS_UNAVAILABLE, "NOT_BEGUN"},
        {"fail 2", 2, STATUS_UNAVAILABLE, "NOT_BEGUN"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rpc_blocking_stream *stream =
            open_stream(*state, cases[i].request, clock_monotonic_ms() + 60000);
        struct status status;
        assert_int_equal(cases[i].messages, count_messages(stream, &status));
        assert_code(cases[i].code, status.code);
        if (cases[i].reason != NULL)
            assert_string_equal(cases[i].reason, status.reason);
        rpc_blocking_stream_free(stream);
    }
}

static void a_caller_that_leaves_is_felt_above(void **state)
{
    struct fixture *f = *state;
    struct rpc_blocking_stream *stream = open_stream(f, "hang", clock_monotonic_ms() + 60000);
    grpc_slice message;
    struct status status;
    assert_true(rpc_blocking_stream_next(stream, &message, &status));
    grpc_slice_unref(message);
    rpc_blocking_stream_free(stream); /* cancels */
    kit_wait(&f->kit.cancelled, 1);
    kit_wait(&f->ended, 1);
}

static void the_caller_s_deadline_holds_above(void **state)
{
    struct fixture *f = *state;
    struct rpc_blocking_stream *stream = open_stream(f, "hang", clock_monotonic_ms() + 200);
    struct status status;
    (void)count_messages(stream, &status); /* one, unless the machine is very slow */
    assert_code(STATUS_DEADLINE_EXCEEDED, status.code);
    rpc_blocking_stream_free(stream);
    kit_wait(&f->kit.ended, atomic_load(&f->kit.started));
    kit_wait(&f->ended, 1);
}

static void a_slow_caller_holds_the_source_back(void **state)
{
    struct fixture *f = *state;
    struct rpc_blocking_stream *stream = open_stream(f, "1000 10000", clock_monotonic_ms() + 60000);
    grpc_slice message;
    struct status status;
    assert_true(rpc_blocking_stream_next(stream, &message, &status));
    grpc_slice_unref(message);
    for (int i = 0; i < 300; i++)
        free(kit_call(&f->kit, KIT_UNARY, "hello", &status));
    assert_in_range(atomic_load(&f->kit.sent), 1, 200); /* two windows instead of one */
    assert_int_equal(999, count_messages(stream, &status));
    assert_code(STATUS_OK, status.code);
    rpc_blocking_stream_free(stream);
}

/* A channel that looks after health: UNAVAILABLE while the service is not serving. */
static void a_server_that_is_not_serving_gets_no_calls(void **state)
{
    struct fixture *f = *state;
    static const struct rpc_client_method methods[] = {{"/test.v1.Test/Unary", NULL}};
    const struct rpc_channel_options options = {.target = f->kit.address,
                                                .methods = methods,
                                                .method_count = 1,
                                                .message_bytes_max = 1000,
                                                .health_service = "test.v1.Test"};
    struct rpc_channel *channel;
    struct status err;
    grpc_slice reply;
    assert_ok(rpc_channel_new(&options, &channel, &err));
    struct rpc_client_args args = kit_args(&f->kit, 0);
    assert_ok(rpc_health_set(f->kit.health, "test.v1.Test", RPC_NOT_SERVING, &err));
    assert_code(STATUS_UNAVAILABLE, rpc_blocking_unary(channel, &args, kit_request("x"), &reply, &err));
    assert_int_equal(0, atomic_load(&f->kit.started));
    assert_ok(rpc_health_set(f->kit.health, "test.v1.Test", RPC_SERVING, &err));
    args.patience = RPC_WAIT_FOR_READY;
    assert_ok(rpc_blocking_unary(channel, &args, kit_request("x"), &reply, &err));
    grpc_slice_unref(reply);
    rpc_channel_free(channel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(messages_and_status_pass_through, open_front, close_front),
        cmocka_unit_test_setup_teardown(a_caller_that_leaves_is_felt_above, open_front, close_front),
        cmocka_unit_test_setup_teardown(the_caller_s_deadline_holds_above, open_front, close_front),
        cmocka_unit_test_setup_teardown(a_slow_caller_holds_the_source_back, open_front, close_front),
        cmocka_unit_test_setup_teardown(a_server_that_is_not_serving_gets_no_calls, open_front, close_front),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
