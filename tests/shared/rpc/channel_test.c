/*
 * Channels to several servers: calls are spread over those that are there.
 */
#include "shared/base/clock.h"
#include "tests/shared/rpc/kit.h"
#include <grpc/health/v1/health.pb-c.h>
#include <stdio.h>
#include <stdlib.h>

enum { SERVERS = 3, CALLS = 90 };

struct fleet {
    struct kit kit; /* for its queues */
    struct rpc_server *servers[SERVERS];
    struct rpc_channel *channel;
};

static void echo_start(struct rpc_call *call)
{
    rpc_call_reply(call, grpc_slice_ref(rpc_call_request_slice(call)));
}

static const struct rpc_method methods[] = {{.path = "/test.v1.Fleet/Echo",
                                             .kind = RPC_UNARY,
                                             .request = &grpc__health__v1__health_check_request__descriptor,
                                             .slots = 4,
                                             .start = echo_start}};
static const struct rpc_client_method client_methods[] = {
    {"/test.v1.Fleet/Echo", &grpc__health__v1__health_check_request__descriptor}};

static int open_fleet(void **state)
{
    struct fleet *fleet = calloc(1, sizeof *fleet);
    struct status err;
    kit_open(&fleet->kit, 1);
    struct buf target;
    buf_init(&target, 1000);
    buf_put_c(&target, "ipv4:");
    for (size_t i = 0; i < SERVERS; i++) {
        const struct rpc_server_options options = {.address = "127.0.0.1:0", .message_bytes_max = 1000};
        assert_ok(rpc_server_new(fleet->kit.queues, &options, &fleet->servers[i], &err));
        assert_ok(rpc_server_add(fleet->servers[i], methods, ARRAY_LEN(methods), NULL, &err));
        assert_ok(rpc_server_start(fleet->servers[i], &err));
        buf_printf(&target, "%s127.0.0.1:%d", i == 0 ? "" : ",", rpc_server_port(fleet->servers[i]));
    }
    char *text = buf_take(&target, NULL);
    const struct rpc_channel_options options = {
        .target = text, .methods = client_methods, .method_count = 1, .message_bytes_max = 1000};
    assert_ok(rpc_channel_new(&options, &fleet->channel, &err));
    free(text);
    *state = fleet;
    return 0;
}

static int close_fleet(void **state)
{
    struct fleet *fleet = *state;
    for (size_t i = 0; i < SERVERS; i++) {
        rpc_server_stop(fleet->servers[i], clock_monotonic_ms());
        rpc_server_free(fleet->servers[i]);
    }
    rpc_channel_free(fleet->channel);
    kit_close(&fleet->kit);
    free(fleet);
    return 0;
}

static enum status_code call_once(struct fleet *fleet)
{
    struct rpc_client_args args = kit_args(&fleet->kit, 0);
    args.patience = RPC_WAIT_FOR_READY;
    grpc_slice reply;
    struct status err;
    enum status_code rc = rpc_blocking_unary(fleet->channel, &args, kit_request("x"), &reply, &err);
    if (rc == STATUS_OK)
        grpc_slice_unref(reply);
    return rc;
}

/* Calls until every server has been called, i.e. is connected. */
static void wait_for_all(struct fleet *fleet)
{
    int64_t until_ms = clock_monotonic_ms() + 20000;
    for (size_t i = 0; i < SERVERS; i++) {
        while (rpc_server_total_calls(fleet->servers[i]) == 0) {
            assert_true(clock_monotonic_ms() < until_ms);
            assert_ok(call_once(fleet));
        }
    }
}

static void calls_are_spread_over_all_addresses(void **state)
{
    struct fleet *fleet = *state;
    wait_for_all(fleet);
    uint64_t before[SERVERS];
    for (size_t i = 0; i < SERVERS; i++)
        before[i] = rpc_server_total_calls(fleet->servers[i]);
    for (int i = 0; i < CALLS; i++)
        assert_ok(call_once(fleet));
    for (size_t i = 0; i < SERVERS; i++)
        assert_int_equal(CALLS / SERVERS, rpc_server_total_calls(fleet->servers[i]) - before[i]);
}

static void a_server_that_has_left_gets_no_more_calls(void **state)
{
    struct fleet *fleet = *state;
    wait_for_all(fleet);
    rpc_server_stop(fleet->servers[0], clock_monotonic_ms() + 20000);
    uint64_t before = rpc_server_total_calls(fleet->servers[0]);
    unsigned failed = 0;
    for (int i = 0; i < CALLS; i++)
        failed += call_once(fleet) != STATUS_OK;
    assert_in_range(failed, 0, 1); /* one may have been on its way to the connection that closed */
    assert_int_equal(before, rpc_server_total_calls(fleet->servers[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(calls_are_spread_over_all_addresses, open_fleet, close_fleet),
        cmocka_unit_test_setup_teardown(a_server_that_has_left_gets_no_more_calls, open_fleet, close_fleet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
