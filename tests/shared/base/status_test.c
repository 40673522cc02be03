/*
 * Tests of status.
 */
#include "shared/base/status.h"
#include "tests/support/check.h"
#include <string.h>

static void set_fills_words_and_clears_the_rest(void **state)
{
    (void)state;
    struct status err = {.reason = "OLD", .retry_ms = 5, .field = "old"};
    assert_code(STATUS_NOT_FOUND, status_set(&err, STATUS_NOT_FOUND, "app %d: unknown", 7));
    assert_code(STATUS_NOT_FOUND, err.code);
    assert_string_equal("app 7: unknown", err.message);
    assert_null(err.reason);
    assert_string_equal("", err.field);
    assert_int_equal(0, err.retry_ms);
}

static void reason_is_kept_for_programs(void **state)
{
    (void)state;
    struct status err;
    assert_code(STATUS_FAILED_PRECONDITION,
                status_reason(&err, STATUS_FAILED_PRECONDITION, "NOT_CHAT_APP", "a %s", "workflow"));
    assert_string_equal("NOT_CHAT_APP", err.reason);
    assert_string_equal("a workflow", err.message);
}

static void field_is_named_twice(void **state)
{
    (void)state;
    struct status err;
    assert_code(STATUS_INVALID_ARGUMENT, status_field(&err, "inputs.city", "longer than %d", 3));
    assert_string_equal("inputs.city", err.field);
    assert_string_equal("INVALID_FIELD", err.reason);
    assert_string_equal("inputs.city: longer than 3", err.message);
}

static void nobody_needs_to_listen(void **state)
{
    (void)state;
    assert_code(STATUS_ABORTED, status_set(NULL, STATUS_ABORTED, "x"));
    assert_code(STATUS_ABORTED, status_reason(NULL, STATUS_ABORTED, "R", "x"));
    assert_code(STATUS_INVALID_ARGUMENT, status_field(NULL, "f", "x"));
    assert_code(STATUS_UNKNOWN, status_prefix(NULL, "x"));
}

static void prefixes_add_up(void **state)
{
    (void)state;
    struct status err;
    (void)status_reason(&err, STATUS_UNAVAILABLE, "STORE", "closed");
    err.retry_ms = 20;
    assert_code(STATUS_UNAVAILABLE, status_prefix(&err, "store"));
    assert_code(STATUS_UNAVAILABLE, status_prefix(&err, "step %s", "fetch"));
    assert_string_equal("step fetch: store: closed", err.message);
    assert_string_equal("STORE", err.reason);
    assert_int_equal(20, err.retry_ms);
}

static void a_message_may_be_made_of_itself(void **state)
{
    (void)state;
    struct status err;
    (void)status_field(&err, "a", "inner");
    (void)status_set(&err, STATUS_INTERNAL, "outer (%s)", err.message);
    assert_string_equal("outer (a: inner)", err.message);
    (void)status_field(&err, err.message, "x");
    assert_string_equal("outer (a: inner): x", err.message);
}

static void long_words_are_cut_on_a_code_point(void **state)
{
    (void)state;
    char text[1024];
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'x', shift);
        size_t len = shift;
        for (; len + 3 < sizeof text; len += 3)
            memcpy(text + len, "中", 3);
        text[len] = '\0';

        struct status err;
        (void)status_set(&err, STATUS_INTERNAL, "%s", text);
        assert_true(str_is_utf8(str_c(err.message)));
        assert_in_range(strlen(err.message), sizeof err.message - 3, sizeof err.message - 1);

        (void)status_prefix(&err, "%s", text);
        assert_true(str_is_utf8(str_c(err.message)));
        assert_in_range(strlen(err.message), sizeof err.message - 3, sizeof err.message - 1);

        (void)status_field(&err, text, "short");
        assert_true(str_is_utf8(str_c(err.field)));
        assert_in_range(strlen(err.field), sizeof err.field - 3, sizeof err.field - 1);
        assert_contains(": short", err.message);
    }
}

static void a_message_that_just_fits_is_whole(void **state)
{
    (void)state;
    char text[sizeof((struct status *)0)->message];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct status err;
    (void)status_set(&err, STATUS_INTERNAL, "%s", text);
    assert_string_equal(text, err.message);
}

static void every_code_has_its_grpc_name(void **state)
{
    (void)state;
    static const char *const names[] = {
        "OK",        "CANCELLED",       "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
        "NOT_FOUND", "ALREADY_EXISTS",  "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
        "ABORTED",   "OUT_OF_RANGE",    "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
        "DATA_LOSS", "UNAUTHENTICATED",
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_string_equal(names[i], status_code_name((enum status_code)i));
    assert_string_equal("UNKNOWN", status_code_name((enum status_code)17));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_fills_words_and_clears_the_rest),
        cmocka_unit_test(reason_is_kept_for_programs),
        cmocka_unit_test(field_is_named_twice),
        cmocka_unit_test(nobody_needs_to_listen),
        cmocka_unit_test(prefixes_add_up),
        cmocka_unit_test(a_message_may_be_made_of_itself),
        cmocka_unit_test(long_words_are_cut_on_a_code_point),
        cmocka_unit_test(a_message_that_just_fits_is_whole),
        cmocka_unit_test(every_code_has_its_grpc_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
