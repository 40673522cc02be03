/*
 * Health as clients see it.
 */
#include "tests/shared/rpc/kit.h"
#include <grpc/health/v1/health.pb-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SERVING = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING,
    NOT_SERVING = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING,
    SERVICE_UNKNOWN = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN
};

static int open_kit(void **state)
{
    struct kit *kit = calloc(1, sizeof *kit);
    kit_open(kit, 2);
    *state = kit;
    return 0;
}

static int close_kit(void **state)
{
    kit_close(*state);
    free(*state);
    return 0;
}

static int serving_of(struct str bytes)
{
    Grpc__Health__V1__HealthCheckResponse *response =
        grpc__health__v1__health_check_response__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
    assert_non_null(response);
    int serving = (int)response->status;
    grpc__health__v1__health_check_response__free_unpacked(response, NULL);
    return serving;
}

/* The answer to Check, or minus the status code. */
static int check(struct kit *kit, const char *service)
{
    struct rpc_client_args args = kit_args(kit, KIT_CHECK);
    grpc_slice reply;
    struct status err;
    enum status_code rc = rpc_blocking_unary(kit->channel, &args, kit_request(service), &reply, &err);
    if (rc != STATUS_OK)
        return -(int)rc;
    int serving = serving_of(rpc_slice_str(&reply));
    grpc_slice_unref(reply);
    return serving;
}

static struct rpc_blocking_stream *watch(struct kit *kit, const char *service)
{
    struct rpc_client_args args = kit_args(kit, KIT_WATCH);
    struct rpc_blocking_stream *stream;
    struct status err;
    assert_ok(rpc_blocking_stream_new(kit->channel, &args, kit_request(service), &stream, &err));
    return stream;
}

static int next(struct rpc_blocking_stream *stream)
{
    grpc_slice message;
    struct status status;
    if (!rpc_blocking_stream_next(stream, &message, &status))
        return -(int)status.code;
    int serving = serving_of(rpc_slice_str(&message));
    grpc_slice_unref(message);
    return serving;
}

static void check_says_what_was_set(void **state)
{
    struct kit *kit = *state;
    struct status err;
    assert_int_equal(NOT_SERVING, check(kit, ""));
    assert_int_equal(-STATUS_NOT_FOUND, check(kit, "a.B"));
    assert_ok(rpc_health_set(kit->health, "", RPC_SERVING, &err));
    assert_ok(rpc_health_set(kit->health, "a.B", RPC_NOT_SERVING, &err));
    assert_int_equal(SERVING, check(kit, ""));
    assert_int_equal(NOT_SERVING, check(kit, "a.B"));
    assert_ok(rpc_health_set(kit->health, "a.B", RPC_SERVING, &err));
    assert_int_equal(SERVING, check(kit, "a.B"));
    rpc_health_set_all(kit->health, RPC_NOT_SERVING);
    assert_int_equal(NOT_SERVING, check(kit, ""));
    assert_int_equal(NOT_SERVING, check(kit, "a.B"));
}

static void a_watcher_hears_of_every_lasting_change(void **state)
{
    struct kit *kit = *state;
    struct status err;
    struct rpc_blocking_stream *whole = watch(kit, ""), *one = watch(kit, "a.B");
    assert_int_equal(NOT_SERVING, next(whole));
    assert_int_equal(SERVICE_UNKNOWN, next(one));
    assert_ok(rpc_health_set(kit->health, "a.B", RPC_SERVING, &err));
    assert_int_equal(SERVING, next(one));
    assert_ok(rpc_health_set(kit->health, "", RPC_SERVING, &err));
    assert_int_equal(SERVING, next(whole));
    rpc_health_set_all(kit->health, RPC_NOT_SERVING);
    assert_int_equal(NOT_SERVING, next(whole));
    assert_int_equal(NOT_SERVING, next(one));
    rpc_blocking_stream_free(whole);
    rpc_blocking_stream_free(one);
}

static void quick_changes_end_in_the_last_state(void **state)
{
    struct kit *kit = *state;
    struct status err;
    struct rpc_blocking_stream *watches[8];
    for (size_t i = 0; i < ARRAY_LEN(watches); i++)
        watches[i] = watch(kit, "");
    for (int i = 0; i < 2001; i++)
        assert_ok(rpc_health_set(kit->health, "", i % 2 == 0 ? RPC_SERVING : RPC_NOT_SERVING, &err));
    assert_ok(rpc_health_set(kit->health, "b.C", RPC_SERVING, &err)); /* of no concern to them */
    for (size_t i = 0; i < ARRAY_LEN(watches); i++) {
        /* States alternate; the watch has settled when a further change is the next thing heard. */
        int heard, before = -1;
        do {
            heard = next(watches[i]);
            assert_int_not_equal(before, heard);
            before = heard;
        } while (heard != SERVING);
    }
    rpc_health_set_all(kit->health, RPC_NOT_SERVING);
    for (size_t i = 0; i < ARRAY_LEN(watches); i++) {
        while (next(watches[i]) != NOT_SERVING)
            ;
        rpc_blocking_stream_free(watches[i]);
    }
}

static void names_have_limits(void **state)
{
    struct kit *kit = *state;
    struct status err;
    char name[200];
    memset(name, 'n', sizeof name);
    name[128] = '\0';
    assert_code(STATUS_INVALID_ARGUMENT, rpc_health_set(kit->health, name, RPC_SERVING, &err));
    for (int i = 1; i < RPC_HEALTH_SERVICES_MAX; i++) {
        snprintf(name, sizeof name, "s.%d", i);
        assert_ok(rpc_health_set(kit->health, name, RPC_SERVING, &err));
    }
    assert_code(STATUS_RESOURCE_EXHAUSTED, rpc_health_set(kit->health, "s.one_more", RPC_SERVING, &err));
    assert_ok(rpc_health_set(kit->health, "s.1", RPC_NOT_SERVING, &err));
    assert_int_equal(NOT_SERVING, check(kit, "s.1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(check_says_what_was_set, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(a_watcher_hears_of_every_lasting_change, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(quick_changes_end_in_the_last_state, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(names_have_limits, open_kit, close_kit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
