/* Tests of call_metrics: calls by method and the code they ended with. */
#include "shared/rpc/call_metrics.h"
#include "tests/shared/rpc/kit.h"
#include <stdlib.h>

static void call(struct kit *kit, const char *text, enum status_code expected)
{
    struct rpc_client_args args = kit_args(kit, KIT_UNARY);
    args.deadline_ms = INT64_MAX;
    grpc_slice reply;
    struct status err;
    assert_code(expected, rpc_blocking_unary(kit->channel, &args, kit_request(text), &reply, &err));
    if (expected == STATUS_OK)
        grpc_slice_unref(reply);
}

static void calls_count_by_method_and_code(void **state)
{
    (void)state;
    struct kit kit = {.queues = NULL};
    struct metrics *metrics = NULL;
    struct status err;
    struct buf text;
    kit_open(&kit, 2);
    struct rpc_call_metrics own = {.server_count = 1};
    own.servers[0].name = "kit";
    own.servers[0].server = kit.server;
    assert_ok(metrics_new(&metrics, &err));
    assert_ok(rpc_call_metrics_add(&own, metrics, &err));
    for (int i = 0; i < 3; i++)
        call(&kit, "anything", STATUS_OK);
    call(&kit, "fail", STATUS_INVALID_ARGUMENT);
    buf_init(&text, 65536);
    metrics_write(metrics, &text);
    buf_put_char(&text, '\0');
    assert_contains("code=\"OK\"} 3\n", text.ptr);
    assert_contains("code=\"INVALID_ARGUMENT\"} 1\n", text.ptr);
    assert_contains("listener=\"kit\",method=\"/", text.ptr);
    buf_fini(&text);
    kit_close(&kit);
    metrics_free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(calls_count_by_method_and_code)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
