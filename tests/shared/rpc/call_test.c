/*
 * Calls between a server and a client of the kit, over a socket: what comes back, and what both sides are told.
 */
#include "shared/base/clock.h"
#include "shared/limits.h"
#include "shared/rpc/wire.h"
#include "tests/shared/rpc/kit.h"
#include <google/protobuf/struct.pb-c.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int open_kit(void **state)
{
    struct kit *kit = calloc(1, sizeof *kit);
    kit_open(kit, 1);
    *state = kit;
    return 0;
}

static int open_kit_of_two(void **state)
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

static void a_unary_call_is_answered(void **state)
{
    static const struct {
        const char *request, *reply;
    } cases[] = {
        {"thread", "from a thread"},    {"metadata authorization", "Bearer secret"},
        {"metadata nothing", "(none)"}, {"deadline", "a minute"},
        {"hello", "\x0a\x05hello"},     {"", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct status status;
        char *reply = kit_call(*state, KIT_UNARY, cases[i].request, &status);
        assert_non_null(reply);
        assert_string_equal(cases[i].reply, reply);
        free(reply);
    }
}

static void a_caller_has_a_name(void **state)
{
    struct status status;
    char *peer = kit_call(*state, KIT_UNARY, "peer", &status);
    assert_non_null(peer);
    assert_contains("unix:", peer);
    free(peer);
}

static void headers_of_the_caller_arrive(void **state)
{
    struct kit *kit = *state;
    const struct rpc_header headers[] = {{"x-run", STR("r-7")}, {"x-trace-bin", {"\0\1\2", 3}}};
    struct rpc_client_args args = kit_args(kit, KIT_UNARY);
    args.headers = headers;
    args.header_count = ARRAY_LEN(headers);
    struct status err;
    grpc_slice reply;
    assert_ok(rpc_blocking_unary(kit->channel, &args, kit_request("metadata x-run"), &reply, &err));
    assert_str("r-7", rpc_slice_str(&reply));
    grpc_slice_unref(reply);
    assert_ok(rpc_blocking_unary(kit->channel, &args, kit_request("metadata x-trace-bin"), &reply, &err));
    assert_true(str_eq((struct str){"\0\1\2", 3}, rpc_slice_str(&reply)));
    grpc_slice_unref(reply);
}

static void details_of_a_failure_reach_the_caller(void **state)
{
    struct status status;
    assert_null(kit_call(*state, KIT_UNARY, "fail", &status));
    assert_code(STATUS_INVALID_ARGUMENT, status.code);
    assert_string_equal("CITY_MISSING", status.reason);
    assert_string_equal("inputs.city", status.field);
    assert_string_equal("inputs.city: is missing", status.message);
    assert_int_equal(1500, status.retry_ms);
}

static void an_unknown_method_is_unimplemented(void **state)
{
    for (int i = 0; i < 10; i++) { /* more than there are slots for */
        struct status status;
        assert_null(kit_call(*state, KIT_UNKNOWN, "", &status));
        assert_code(STATUS_UNIMPLEMENTED, status.code);
        assert_contains("/test.v1.Test/Nothing", status.message);
    }
}

static void a_request_over_the_limit_is_refused(void **state)
{
    struct status status;
    char *text = calloc(1, KIT_REQUEST_BYTES_MAX + 1);
    memset(text, 'a', KIT_REQUEST_BYTES_MAX);
    assert_null(kit_call(*state, KIT_UNARY, text, &status));
    assert_code(STATUS_RESOURCE_EXHAUSTED, status.code);
    text[KIT_REQUEST_BYTES_MAX - 8] = '\0';
    char *reply = kit_call(*state, KIT_UNARY, text, &status);
    assert_non_null(reply);
    assert_int_equal(KIT_REQUEST_BYTES_MAX - 8 + 4, strlen(reply)); /* with tag and length */
    free(reply);
    free(text);
}

static void a_response_over_the_limit_ends_the_stream(void **state)
{
    struct kit *kit = *state;
    struct rpc_client_args args = kit_args(kit, KIT_STREAM);
    struct rpc_blocking_stream *stream;
    struct status status;
    grpc_slice message;
    assert_ok(rpc_blocking_stream_new(kit->channel, &args, kit_request("2 200000"), &stream, &status));
    assert_false(rpc_blocking_stream_next(stream, &message, &status));
    assert_code(STATUS_RESOURCE_EXHAUSTED, status.code);
    rpc_blocking_stream_free(stream);
}

static void garbage_never_reaches_a_handler(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *field;
    } cases[] = {
        {"\x0a\x05hi", 4, ""},          /* shorter than it says */
        {"\xff\xff\xff\xff", 4, ""},    /* half a tag */
        {"\x0b\x0c", 2, ""},            /* a group */
        {"\x08\x01", 2, "service"},     /* a number for a string */
        {"\x0a\x01\xff", 3, "service"}, /* not UTF-8 */
        {"\x0a\x01\x00", 3, "service"}, /* NUL */
    };
    struct kit *kit = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rpc_client_args args = kit_args(kit, KIT_UNARY);
        grpc_slice reply;
        struct status status;
        grpc_slice request = grpc_slice_from_copied_buffer(cases[i].bytes, cases[i].len);
        assert_code(STATUS_INVALID_ARGUMENT,
                    rpc_blocking_unary(kit->channel, &args, request, &reply, &status));
        assert_string_equal("INVALID_FIELD", status.reason);
        assert_string_equal(cases[i].field, status.field);
    }
    assert_int_equal(0, atomic_load(&kit->started));
    assert_int_equal(0, atomic_load(&kit->ended));
}

/* {"a": {"a": {… {} …}}} as a Struct, written from the inside out: each level in three messages. */
static grpc_slice nested_struct(unsigned depth)
{
    struct buf inner, outer;
    buf_init(&inner, KIT_REQUEST_BYTES_MAX * 10);
    buf_init(&outer, KIT_REQUEST_BYTES_MAX * 10);
    for (unsigned i = 0; i < depth; i++) {
        buf_clear(&outer);
        size_t entry = wire_put_begin(&outer, 1);
        wire_put_bytes(&outer, 1, STR("a"));
        size_t value = wire_put_begin(&outer, 2);
        wire_put_bytes(&outer, 5, buf_str(&inner));
        wire_put_end(&outer, value);
        wire_put_end(&outer, entry);
        struct buf swap = inner;
        inner = outer;
        outer = swap;
    }
    grpc_slice slice;
    assert_true(rpc_slice_take_buf(&inner, &slice));
    buf_fini(&outer);
    return slice;
}

static void a_nested_request_is_refused_before_it_is_unpacked(void **state)
{
    static const struct {
        unsigned depth;
        enum status_code code;
    } cases[] = {
        {1, STATUS_OK},
        {(LIMIT_DEPTH - 1) / 3, STATUS_OK}, /* three messages each, and the outermost */
        {(LIMIT_DEPTH - 1) / 3 + 1, STATUS_INVALID_ARGUMENT},
        {100, STATUS_INVALID_ARGUMENT},
        {1000, STATUS_INVALID_ARGUMENT},
        {4000, STATUS_INVALID_ARGUMENT},
        {10000, STATUS_RESOURCE_EXHAUSTED}, /* over the message limit of this server */
    };
    struct kit *kit = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rpc_client_args args = kit_args(kit, KIT_NESTED);
        grpc_slice reply;
        struct status status;
        enum status_code rc =
            rpc_blocking_unary(kit->channel, &args, nested_struct(cases[i].depth), &reply, &status);
        assert_code(cases[i].code, rc);
        if (rc == STATUS_OK)
            grpc_slice_unref(reply);
    }
}

static void read_all(struct rpc_blocking_stream *stream, unsigned expected, size_t size,
                     struct status *ret_status)
{
    grpc_slice message;
    unsigned count = 0;
    while (rpc_blocking_stream_next(stream, &message, ret_status)) {
        assert_int_equal(size, GRPC_SLICE_LENGTH(message));
        grpc_slice_unref(message);
        count++;
    }
    assert_int_equal(expected, count);
}

static void a_stream_gives_all_messages_and_then_its_status(void **state)
{
    static const struct {
        const char *request;
        unsigned messages;
        size_t size;
        enum status_code code;
        const char *reason;
    } cases[] = {
        {"0", 0, 0, STATUS_OK, NULL},
        {"1 10", 1, 10, STATUS_OK, NULL},
        {"1 0", 1, 0, STATUS_OK, NULL},
        {"1000 100", 1000, 100, STATUS_OK, NULL},
        {"20 100000", 20, 100000, STATUS_OK, NULL},
        {"fail 0", 0, 0, STATUS_UNAVAILABLE, "NOT_BEGUN"},
        {"fail 3 7", 3, 7, STATUS_UNAVAILABLE, "NOT_BEGUN"},
    };
    struct kit *kit = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rpc_client_args args = kit_args(kit, KIT_STREAM);
        struct rpc_blocking_stream *stream;
        struct status status;
        assert_ok(
            rpc_blocking_stream_new(kit->channel, &args, kit_request(cases[i].request), &stream, &status));
        read_all(stream, cases[i].messages, cases[i].size, &status);
        assert_code(cases[i].code, status.code);
        if (cases[i].reason != NULL)
            assert_string_equal(cases[i].reason, status.reason);
        assert_int_equal(cases[i].reason != NULL ? 20 : 0, status.retry_ms);
        grpc_slice message;
        assert_false(rpc_blocking_stream_next(stream, &message, &status)); /* again: still the end */
        rpc_blocking_stream_free(stream);
    }
}

static void a_slow_reader_holds_the_sender_back(void **state)
{
    struct kit *kit = *state;
    struct rpc_client_args args = kit_args(kit, KIT_STREAM);
    struct rpc_blocking_stream *stream;
    struct status status;
    grpc_slice message;
    assert_ok(rpc_blocking_stream_new(kit->channel, &args, kit_request("1000 10000"), &stream, &status));
    assert_true(rpc_blocking_stream_next(stream, &message, &status));
    grpc_slice_unref(message);
    /* Other calls go on, and by the time of some hundred of them the windows are full. */
    for (int i = 0; i < 300; i++)
        free(kit_call(kit, KIT_UNARY, "hello", &status));
    assert_in_range(atomic_load(&kit->sent), 1,
                    100); /* one window of 64 KiB on each side, and what the socket takes */
    read_all(stream, 999, 10000, &status);
    assert_code(STATUS_OK, status.code);
    rpc_blocking_stream_free(stream);
}

static void cancelling_reaches_the_handler(void **state)
{
    struct kit *kit = *state;
    struct rpc_client_args args = kit_args(kit, KIT_STREAM);
    struct rpc_blocking_stream *stream;
    struct status status;
    grpc_slice message;
    assert_ok(rpc_blocking_stream_new(kit->channel, &args, kit_request("hang"), &stream, &status));
    assert_true(rpc_blocking_stream_next(stream, &message, &status));
    grpc_slice_unref(message);
    rpc_blocking_stream_cancel(stream);
    assert_false(rpc_blocking_stream_next(stream, &message, &status));
    assert_code(STATUS_CANCELLED, status.code);
    rpc_blocking_stream_free(stream);
    kit_wait(&kit->cancelled, 1);
    kit_wait(&kit->ended, 1);
}

static void cancelling_after_the_end_still_ends_a_stream(void **state)
{
    struct kit *kit = *state;
    for (int i = 0; i < 50; i++) { /* before the start, in mid-stream, or when the status is there already */
        struct rpc_client_args args = kit_args(kit, KIT_STREAM);
        struct rpc_blocking_stream *stream;
        struct status status;
        grpc_slice message;
        assert_ok(rpc_blocking_stream_new(kit->channel, &args, kit_request("3 10"), &stream, &status));
        for (int n = 0; n < i % 4; n++) {
            assert_true(rpc_blocking_stream_next(stream, &message, &status));
            grpc_slice_unref(message);
        }
        if (i % 3 == 0)
            free(kit_call(kit, KIT_UNARY, "hello", &status)); /* time for the status to come */
        rpc_blocking_stream_free(stream);
    }
}

static void a_deadline_ends_both_sides(void **state)
{
    struct kit *kit = *state;
    struct rpc_client_args args = kit_args(kit, KIT_HOLD);
    grpc_slice reply;
    struct status status;
    /* On a busy machine a short deadline may pass before the call has reached the server: then a longer one. */
    for (int64_t ms = 50; atomic_load(&kit->started) == 0 && ms < 20000; ms *= 2) {
        args.deadline_ms = clock_monotonic_ms() + ms;
        assert_code(STATUS_DEADLINE_EXCEEDED,
                    rpc_blocking_unary(kit->channel, &args, kit_request(""), &reply, &status));
    }
    assert_true(atomic_load(&kit->started) > 0);
    kit_wait(&kit->cancelled, atomic_load(&kit->started));
    kit_wait(&kit->ended, atomic_load(&kit->started));
}

static void a_thousand_calls_leave_nothing_behind(void **state)
{
    struct kit *kit = *state;
    for (unsigned i = 0; i < 1000; i++) {
        struct status status;
        char *reply = kit_call(kit, KIT_UNARY, i % 2 == 0 ? "thread" : "hello", &status);
        assert_non_null(reply);
        free(reply);
    }
    kit_wait(&kit->ended, 1000);
    assert_int_equal(1000, rpc_server_total_calls(kit->server));
}

struct burst {
    atomic_uint done, failed;
};

static void burst_done(struct rpc_client_call *call, void *arg, const struct status *status, struct str reply)
{
    struct burst *burst = arg;
    (void)call;
    if (status->code != STATUS_OK || reply.len != 7)
        atomic_fetch_add(&burst->failed, 1);
    atomic_fetch_add(&burst->done, 1);
}

static void a_burst_of_more_calls_than_slots_is_served(void **state)
{
    struct kit *kit = *state;
    struct burst burst = {0};
    for (unsigned i = 0; i < 500; i++) {
        struct rpc_client_args args = kit_args(kit, KIT_UNARY);
        args.queue = rpc_queues_at(kit->queues, i % rpc_queues_count(kit->queues));
        struct status err;
        assert_ok(
            rpc_client_unary(kit->channel, &args, kit_request("hello"), burst_done, &burst, NULL, &err));
    }
    kit_wait(&burst.done, 500);
    assert_int_equal(0, atomic_load(&burst.failed));
    kit_wait(&kit->ended, 500);
    kit_stop(kit, 1000);
    assert_int_equal(0, rpc_server_live_calls(kit->server));
}

static void the_socket_is_the_owner_s_alone(void **state)
{
    struct kit *kit = *state;
    struct stat st;
    assert_int_equal(0, stat(kit->address + strlen("unix:"), &st));
    assert_int_equal(0600, st.st_mode & 0777);
}

struct fate {
    atomic_uint done;
    enum status_code code;
    bool never_left;
};

static void fate_done(struct rpc_client_call *call, void *arg, const struct status *status, struct str reply)
{
    struct fate *fate = arg;
    (void)reply;
    fate->code = status->code;
    fate->never_left = rpc_client_never_left(call);
    atomic_fetch_add(&fate->done, 1);
}

static void a_request_that_never_left_is_known_as_such(void **state)
{
    static const struct rpc_client_method methods[] = {{"/test.v1.Test/Unary", NULL}};
    struct kit *kit = *state;
    const char *const targets[] = {"unix:/nowhere/socket", "unix:nothing-here", "ipv4:127.0.0.1:1",
                                   "127.0.0.1:1"};
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        struct rpc_channel_options options = {
            .target = targets[i], .methods = methods, .method_count = 1, .message_bytes_max = 1000};
        struct rpc_channel *channel;
        struct status err;
        assert_ok(rpc_channel_new(&options, &channel, &err));
        struct rpc_client_args args = kit_args(kit, 0);
        struct fate fate = {0};
        assert_ok(rpc_client_unary(channel, &args, kit_request("x"), fate_done, &fate, NULL, &err));
        kit_wait(&fate.done, 1);
        assert_code(STATUS_UNAVAILABLE, fate.code);
        assert_true(fate.never_left);
        rpc_channel_free(channel);
    }
    struct fate fate = {0};
    struct status err;
    struct rpc_client_args args = kit_args(kit, KIT_UNARY);
    assert_ok(rpc_client_unary(kit->channel, &args, kit_request("fail"), fate_done, &fate, NULL, &err));
    kit_wait(&fate.done, 1);
    assert_code(STATUS_INVALID_ARGUMENT, fate.code);
    assert_false(fate.never_left);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_unary_call_is_answered, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(a_caller_has_a_name, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(headers_of_the_caller_arrive, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(details_of_a_failure_reach_the_caller, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(an_unknown_method_is_unimplemented, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(a_request_over_the_limit_is_refused, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(a_response_over_the_limit_ends_the_stream, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(garbage_never_reaches_a_handler, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(a_nested_request_is_refused_before_it_is_unpacked, open_kit,
                                        close_kit),
        cmocka_unit_test_setup_teardown(a_stream_gives_all_messages_and_then_its_status, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(a_slow_reader_holds_the_sender_back, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(cancelling_reaches_the_handler, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(cancelling_after_the_end_still_ends_a_stream, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(a_deadline_ends_both_sides, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(a_thousand_calls_leave_nothing_behind, open_kit_of_two, close_kit),
        cmocka_unit_test_setup_teardown(a_burst_of_more_calls_than_slots_is_served, open_kit_of_two,
                                        close_kit),
        cmocka_unit_test_setup_teardown(the_socket_is_the_owner_s_alone, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(a_request_that_never_left_is_known_as_such, open_kit, close_kit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
