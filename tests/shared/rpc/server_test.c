/*
 * Servers start where they may, refuse where they may not, and stop in an orderly way.
 */
#include "shared/base/clock.h"
#include "tests/shared/rpc/kit.h"
#include "tests/support/alloc_fail.h"
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

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

static enum status_code try_to_listen(struct kit *kit, const char *address, int *ret_port)
{
    const struct rpc_server_options options = {.address = address, .message_bytes_max = 1000};
    struct rpc_server *server;
    struct status err;
    assert_ok(rpc_server_new(kit->queues, &options, &server, &err));
    enum status_code rc = rpc_server_start(server, &err);
    if (ret_port != NULL)
        *ret_port = rpc_server_port(server);
    if (rc == STATUS_OK)
        rpc_server_stop(server, clock_monotonic_ms());
    rpc_server_free(server);
    return rc;
}

static void a_server_listens_only_where_nobody_else_does(void **state)
{
    struct kit *kit = *state;
    char address[160], file[128];
    assert_code(STATUS_ALREADY_EXISTS, try_to_listen(kit, kit->address, NULL));
    struct status status;
    char *reply = kit_call(kit, KIT_UNARY, "hello", &status);
    assert_non_null(reply); /* the first still has its socket */
    free(reply);

    snprintf(file, sizeof file, "%s/file", kit->folder);
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    fclose(f);
    snprintf(address, sizeof address, "unix:%s", file);
    assert_code(STATUS_ALREADY_EXISTS, try_to_listen(kit, address, NULL));
    assert_int_equal(0, unlink(file)); /* was left alone */

    /* A socket whose process is gone. */

    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    assert_in_range(snprintf(name.sun_path, sizeof name.sun_path, "%s/stale", kit->folder), 1, 100);
    assert_int_equal(0, bind(fd, (struct sockaddr *)&name, sizeof name));
    close(fd);
    snprintf(address, sizeof address, "unix:%s/stale", kit->folder);
    assert_code(STATUS_OK, try_to_listen(kit, address, NULL));

    assert_code(STATUS_UNAVAILABLE, try_to_listen(kit, "unix:/nowhere/socket", NULL));
    assert_code(STATUS_INVALID_ARGUMENT, try_to_listen(kit, "unix:", NULL));
    memset(address, 'a', sizeof address);
    memcpy(address, "unix:", 5);
    address[sizeof address - 1] = '\0';
    assert_code(STATUS_INVALID_ARGUMENT, try_to_listen(kit, address, NULL));
    assert_code(STATUS_UNAVAILABLE, try_to_listen(kit, "no such host:1", NULL));
    static const char *const no_ports[] = {
        "127.0.0.1:65536", "127.0.0.1:99999", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1", ":1", ""};
    for (size_t i = 0; i < sizeof no_ports / sizeof no_ports[0]; i++)
        assert_code(STATUS_INVALID_ARGUMENT, try_to_listen(kit, no_ports[i], NULL));
}

static void two_servers_do_not_share_a_port(void **state)
{
    struct kit *kit = *state;
    const struct rpc_server_options options = {.address = "127.0.0.1:0", .message_bytes_max = 1000};
    struct rpc_server *server;
    struct status err;
    assert_ok(rpc_server_new(kit->queues, &options, &server, &err));
    assert_ok(rpc_server_start(server, &err));
    int port = rpc_server_port(server);
    assert_in_range(port, 1, 65535);
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    assert_code(STATUS_UNAVAILABLE, try_to_listen(kit, address, NULL));
    rpc_server_stop(server, clock_monotonic_ms());
    rpc_server_free(server);
}

static void the_mode_of_new_files_is_as_before(void **state)
{
    (void)state;
    mode_t before = umask(022);
    struct kit kit;
    kit_open(&kit, 1);
    assert_int_equal(022, umask(before));
    kit_close(&kit);
}

static void a_path_is_added_once(void **state)
{
    struct kit *kit = *state;
    const struct rpc_server_options options = {.address = "127.0.0.1:0", .message_bytes_max = 1000};
    struct rpc_server *server;
    struct status err;
    assert_ok(rpc_server_new(kit->queues, &options, &server, &err));
    assert_ok(rpc_health_add(kit->health, server, &err));
    assert_code(STATUS_ALREADY_EXISTS, rpc_health_add(kit->health, server, &err));
    rpc_server_free(server);
}

static void services_are_listed_sorted_and_once(void **state)
{
    struct kit *kit = *state;
    static const char *const names[] = {"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                                        "grpc.reflection.v1alpha.ServerReflection", "test.v1.Test"};
    assert_int_equal(ARRAY_LEN(names), rpc_server_service_count(kit->server));
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_string_equal(names[i], rpc_server_service_name(kit->server, i));
}

static struct rpc_blocking_stream *open_stream(struct kit *kit, size_t method, const char *text)
{
    struct rpc_client_args args = kit_args(kit, method);
    struct rpc_blocking_stream *stream;
    struct status err;
    grpc_slice message;
    assert_ok(rpc_blocking_stream_new(kit->channel, &args, kit_request(text), &stream, &err));
    assert_true(rpc_blocking_stream_next(stream, &message, &err));
    grpc_slice_unref(message);
    return stream;
}

static void stopping_cancels_what_does_not_end_in_time(void **state)
{
    struct kit *kit = *state;
    struct rpc_blocking_stream *streams[5];
    for (size_t i = 0; i < ARRAY_LEN(streams); i++)
        streams[i] = open_stream(kit, KIT_STREAM, "hang");
    assert_int_equal(ARRAY_LEN(streams), rpc_server_live_calls(kit->server));
    kit_stop(kit, 50);
    assert_int_equal(ARRAY_LEN(streams), atomic_load(&kit->cancelled));
    assert_int_equal(ARRAY_LEN(streams), atomic_load(&kit->ended));
    assert_int_equal(0, rpc_server_live_calls(kit->server));
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        struct status status;
        grpc_slice message;
        assert_false(rpc_blocking_stream_next(streams[i], &message, &status));
        assert_code(STATUS_UNAVAILABLE, status.code);
        rpc_blocking_stream_free(streams[i]);
    }
}

static void live_calls_go_on_while_draining_and_new_ones_are_refused(void **state)
{
    struct kit *kit = *state;
    struct rpc_blocking_stream *watch =
        open_stream(kit, KIT_WATCH, ""); /* keeps the connection for the last bytes */
    struct rpc_blocking_stream *stream = open_stream(kit, KIT_STREAM, "300 10000");
    rpc_server_drain(kit->server);
    unsigned count = 1;
    grpc_slice message;
    struct status status;
    while (rpc_blocking_stream_next(stream, &message, &status)) {
        grpc_slice_unref(message);
        count++;
    }
    assert_code(STATUS_OK, status.code);
    assert_int_equal(300, count);
    rpc_blocking_stream_free(stream);
    assert_null(kit_call(kit, KIT_UNARY, "hello", &status));
    assert_code(STATUS_UNAVAILABLE, status.code);
    rpc_blocking_stream_free(watch);
    int64_t before_ms = clock_monotonic_ms();
    kit_stop(kit, 20000);
    assert_in_range(clock_monotonic_ms() - before_ms, 0, 10000); /* nothing to wait for */
}

static void watchers_do_not_hold_a_server_up(void **state)
{
    struct kit *kit = *state;
    struct rpc_blocking_stream *watch = open_stream(kit, KIT_WATCH, "");
    int64_t before_ms = clock_monotonic_ms();
    kit_stop(kit, 20000);
    assert_in_range(clock_monotonic_ms() - before_ms, 0, 10000);
    grpc_slice message;
    struct status status;
    assert_false(rpc_blocking_stream_next(watch, &message, &status));
    assert_int_not_equal(STATUS_OK, status.code);
    rpc_blocking_stream_free(watch);
}

struct pest {
    struct kit *kit;
    pthread_t thread;
    atomic_uint calls;
};

/* Calls until the server is gone. */
static void *pest_run(void *arg)
{
    struct pest *pest = arg;
    struct status status;
    for (;;) {
        char *reply = kit_call(pest->kit, KIT_UNARY, "thread", &status);
        if (reply == NULL)
            return NULL;
        free(reply);
        atomic_fetch_add(&pest->calls, 1);
    }
}

static void stopping_under_load_loses_no_call(void **state)
{
    struct kit *kit = *state;
    struct pest pests[4];
    for (size_t i = 0; i < ARRAY_LEN(pests); i++) {
        pests[i].kit = kit;
        atomic_init(&pests[i].calls, 0);
        assert_int_equal(0, pthread_create(&pests[i].thread, NULL, pest_run, &pests[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(pests); i++) {
        while (atomic_load(&pests[i].calls) < 20)
            sched_yield();
    }
    kit_stop(kit, 20000);
    for (size_t i = 0; i < ARRAY_LEN(pests); i++)
        assert_int_equal(0, pthread_join(pests[i].thread, NULL));
    assert_int_equal(atomic_load(&kit->started), atomic_load(&kit->ended));
}

/* Every allocation of ours on the way to a running server fails once. */
static void a_server_without_memory_has_no_traces(void **state)
{
    struct kit *kit = *state;
    char address[128];
    snprintf(address, sizeof address, "unix:%s/other", kit->folder);
    const struct rpc_server_options options = {.address = address, .message_bytes_max = 1000};
    bool was_hit = true;
    for (size_t n = 0; was_hit; n++) {
        struct rpc_server *server = NULL;
        struct rpc_health *health = NULL;
        struct status err;
        alloc_fail_after(n);
        enum status_code rc = rpc_server_new(kit->queues, &options, &server, &err);
        if (rc == STATUS_OK)
            rc = rpc_health_new(kit->queues, &health, &err);
        if (rc == STATUS_OK)
            rc = rpc_health_add(health, server, &err);
        if (rc == STATUS_OK)
            rc = rpc_server_start(server, &err);
        alloc_fail_reset();
        was_hit = alloc_fail_hit();
        assert_code(was_hit ? STATUS_RESOURCE_EXHAUSTED : STATUS_OK, rc);
        if (!was_hit)
            rpc_server_stop(server, clock_monotonic_ms());
        rpc_server_free(server);
        rpc_health_free(health);
    }
}

static void queues_channels_and_reflection_survive_missing_memory(void **state)
{
    (void)state;
    static const struct rpc_client_method methods[] = {{"/a.B/C", NULL}};
    const struct rpc_channel_options options = {.target = "unix:/nowhere",
                                                .methods = methods,
                                                .method_count = 1,
                                                .message_bytes_max = 1000,
                                                .health_service = "a.B",
                                                .bearer = "token"};
    bool was_hit = true;
    for (size_t n = 0; was_hit; n++) {
        struct rpc_queues *queues = NULL;
        struct rpc_channel *channel = NULL;
        struct rpc_reflection *reflection = NULL;
        struct status err;
        alloc_fail_after(n);
        enum status_code rc = rpc_queues_new(2, &queues, &err);
        if (rc == STATUS_OK)
            rc = rpc_channel_new(&options, &channel, &err);
        if (rc == STATUS_OK)
            rc = rpc_reflection_new(&reflection, &err);
        alloc_fail_reset();
        was_hit = alloc_fail_hit();
        assert_code(was_hit ? STATUS_RESOURCE_EXHAUSTED : STATUS_OK, rc);
        rpc_reflection_free(reflection);
        rpc_channel_free(channel);
        rpc_queues_free(queues);
    }
}

static void a_call_without_memory_is_refused_and_the_next_one_served(void **state)
{
    struct kit *kit = *state;
    struct status status;
    kit_fail_allocations(kit, 1);
    assert_null(kit_call(kit, KIT_UNARY, "hello", &status));
    assert_code(STATUS_RESOURCE_EXHAUSTED, status.code);
    assert_string_equal("OUT_OF_MEMORY", status.reason);
    for (int i = 0; i < 20; i++) {
        char *reply = kit_call(kit, KIT_UNARY, "hello", &status);
        assert_non_null(reply);
        free(reply);
    }
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    struct rpc_queues *queues;
    struct rpc_channel *channel;
    struct status err;
    assert_code(STATUS_INVALID_ARGUMENT, rpc_queues_new(0, &queues, &err));
    assert_code(STATUS_INVALID_ARGUMENT, rpc_queues_new(RPC_QUEUES_MAX + 1, &queues, &err));
    assert_ok(rpc_queues_new(1, &queues, &err));
    struct rpc_channel_options options = {.target = ""};
    assert_code(STATUS_INVALID_ARGUMENT, rpc_channel_new(&options, &channel, &err));
    char target[200] = "unix:/";
    memset(target + 6, 'a', sizeof target - 7);
    target[sizeof target - 1] = '\0';
    options.target = target;
    assert_code(STATUS_INVALID_ARGUMENT, rpc_channel_new(&options, &channel, &err));
    rpc_queues_free(queues); /* never started */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_server_listens_only_where_nobody_else_does, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(two_servers_do_not_share_a_port, open_kit, close_kit),
        cmocka_unit_test(the_mode_of_new_files_is_as_before),
        cmocka_unit_test_setup_teardown(a_path_is_added_once, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(services_are_listed_sorted_and_once, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(stopping_cancels_what_does_not_end_in_time, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(live_calls_go_on_while_draining_and_new_ones_are_refused, open_kit,
                                        close_kit),
        cmocka_unit_test_setup_teardown(watchers_do_not_hold_a_server_up, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(stopping_under_load_loses_no_call, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(a_server_without_memory_has_no_traces, open_kit, close_kit),
        cmocka_unit_test(queues_channels_and_reflection_survive_missing_memory),
        cmocka_unit_test_setup_teardown(a_call_without_memory_is_refused_and_the_next_one_served, open_kit,
                                        close_kit),
        cmocka_unit_test(wrong_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
