/*
 * A status survives its way over the wire, and what peers send as details does no harm.
 */
#include "shared/rpc/details.h"
#include "shared/rpc/wire.h"
#include "tests/support/check.h"
#include <google/rpc/error_details.pb-c.h>
#include <google/rpc/status.pb-c.h>
#include <stdio.h>
#include <string.h>

static struct status round_trip(const struct status *status)
{
    struct buf b;
    buf_init(&b, RPC_DETAILS_BYTES_MAX);
    rpc_details_put(&b, status);
    assert_false(b.failed);
    struct status read = {0};
    status_set(&read, status->code, "%s", status->message);
    rpc_details_read(buf_str(&b), &read);
    buf_fini(&b);
    return read;
}

static void a_status_comes_back_as_it_was(void **state)
{
    (void)state;
    static const struct {
        const char *reason, *field;
        int64_t retry_ms;
    } cases[] = {
        {NULL, "", 0},   {"NOT_CHAT_APP", "", 0}, {NULL, "inputs.city", 0},       {NULL, "", 1},
        {NULL, "", 999}, {NULL, "", 60001},       {"RATE_LIMITED", "user", 2000},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct status status = {
            .code = STATUS_RESOURCE_EXHAUSTED, .reason = cases[i].reason, .retry_ms = cases[i].retry_ms};
        snprintf(status.field, sizeof status.field, "%s", cases[i].field);
        snprintf(status.message, sizeof status.message, "words");
        struct status read = round_trip(&status);
        if (cases[i].reason == NULL)
            assert_null(read.reason);
        else
            assert_string_equal(cases[i].reason, read.reason);
        assert_int_equal(cases[i].retry_ms, read.retry_ms);
        assert_string_equal(cases[i].field, read.field);
    }
}

static void the_largest_status_has_room(void **state)
{
    (void)state;
    static char reason[RPC_REASON_BYTES_MAX];
    struct status status = {.code = STATUS_INTERNAL, .reason = reason, .retry_ms = INT32_MAX};
    memset(reason, 'R', sizeof reason - 1);
    memset(status.field, 'f', sizeof status.field - 1);
    memset(status.message, 'm', sizeof status.message - 1);
    struct status read = round_trip(&status);
    assert_string_equal(reason, read.reason);
    assert_string_equal(status.field, read.field);
}

static void details_are_what_other_languages_expect(void **state)
{
    (void)state;
    struct status status = {
        .code = STATUS_INVALID_ARGUMENT, .reason = "BAD", .retry_ms = 1500, .field = "a.b", .message = "no"};
    struct buf b;
    buf_init(&b, RPC_DETAILS_BYTES_MAX);
    rpc_details_put(&b, &status);
    Google__Rpc__Status *read = google__rpc__status__unpack(NULL, b.len, (const uint8_t *)b.ptr);
    assert_non_null(read);
    assert_int_equal(3, read->code);
    assert_string_equal("no", read->message);
    assert_int_equal(3, read->n_details);

    assert_string_equal("type.googleapis.com/google.rpc.ErrorInfo", read->details[0]->type_url);
    ProtobufCBinaryData value = read->details[0]->value;
    Google__Rpc__ErrorInfo *info = google__rpc__error_info__unpack(NULL, value.len, value.data);
    assert_string_equal("BAD", info->reason);
    assert_string_equal("heddle", info->domain);
    google__rpc__error_info__free_unpacked(info, NULL);

    assert_string_equal("type.googleapis.com/google.rpc.RetryInfo", read->details[1]->type_url);
    value = read->details[1]->value;
    Google__Rpc__RetryInfo *retry = google__rpc__retry_info__unpack(NULL, value.len, value.data);
    assert_int_equal(1, retry->retry_delay->seconds);
    assert_int_equal(500000000, retry->retry_delay->nanos);
    google__rpc__retry_info__free_unpacked(retry, NULL);

    assert_string_equal("type.googleapis.com/google.rpc.BadRequest", read->details[2]->type_url);
    value = read->details[2]->value;
    Google__Rpc__BadRequest *bad = google__rpc__bad_request__unpack(NULL, value.len, value.data);
    assert_int_equal(1, bad->n_field_violations);
    assert_string_equal("a.b", bad->field_violations[0]->field);
    assert_string_equal("no", bad->field_violations[0]->description);
    google__rpc__bad_request__free_unpacked(bad, NULL);
    google__rpc__status__free_unpacked(read, NULL);
    buf_fini(&b);
}

static void put_error_info(struct buf *b, struct str reason, struct str domain)
{
    size_t any = wire_put_begin(b, 3);
    wire_put_bytes(b, 1, STR("type.googleapis.com/google.rpc.ErrorInfo"));
    size_t value = wire_put_begin(b, 2);
    wire_put_bytes(b, 1, reason);
    wire_put_bytes(b, 2, domain);
    wire_put_end(b, value);
    wire_put_end(b, any);
}

static const char *reason_read(struct str reason, struct str domain)
{
    struct buf b;
    buf_init(&b, RPC_DETAILS_BYTES_MAX);
    put_error_info(&b, reason, domain);
    struct status status = {0};
    rpc_details_read(buf_str(&b), &status);
    buf_fini(&b);
    return status.reason;
}

static void foreign_reasons_are_not_ours(void **state)
{
    (void)state;
    assert_string_equal("NOT_BEGUN", reason_read(STR("NOT_BEGUN"), STR("heddle")));
    assert_null(reason_read(STR("NOT_BEGUN"), STR("example.com")));
    assert_null(reason_read(STR("not_begun"), STR("heddle")));
    assert_null(reason_read(STR(""), STR("heddle")));
    assert_null(reason_read(STR("A\nB"), STR("heddle")));
    char longest[RPC_REASON_BYTES_MAX];
    memset(longest, 'A', sizeof longest);
    assert_null(reason_read((struct str){longest, sizeof longest}, STR("heddle")));
}

static void every_cut_of_the_details_is_borne(void **state)
{
    (void)state;
    struct status status = {
        .code = STATUS_INVALID_ARGUMENT, .reason = "CUT", .retry_ms = 1500, .field = "a.b"};
    struct buf b;
    buf_init(&b, RPC_DETAILS_BYTES_MAX);
    rpc_details_put(&b, &status);
    for (size_t len = 0; len < b.len; len++) {
        struct status read = {0};
        rpc_details_read(str_sub(buf_str(&b), 0, len), &read);
        assert_string_equal("", read.field); /* the last of them */
    }
    buf_fini(&b);
}

/* Last: it fills the place for reasons. */
static void reasons_are_kept_up_to_a_number(void **state)
{
    (void)state;
    const char *first = reason_read(STR("SAME"), STR("heddle"));
    assert_ptr_equal(first, reason_read(STR("SAME"), STR("heddle")));
    unsigned kept = 0;
    for (unsigned i = 0; i < 2 * RPC_REASONS_MAX; i++) {
        char word[32];
        int len = snprintf(word, sizeof word, "REASON_%u", i);
        kept += reason_read((struct str){word, (size_t)len}, STR("heddle")) != NULL;
    }
    assert_in_range(kept, RPC_REASONS_MAX - 16, RPC_REASONS_MAX);
    assert_ptr_equal(first, reason_read(STR("SAME"), STR("heddle")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_comes_back_as_it_was),
        cmocka_unit_test(the_largest_status_has_room),
        cmocka_unit_test(details_are_what_other_languages_expect),
        cmocka_unit_test(foreign_reasons_are_not_ours),
        cmocka_unit_test(every_cut_of_the_details_is_borne),
        cmocka_unit_test(reasons_are_kept_up_to_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
