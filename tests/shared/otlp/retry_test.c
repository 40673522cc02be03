/* Only what may go better later is tried again, ever more slowly, and not for ever. */
#include "shared/otlp/retry.h"
#include "tests/support/check.h"

static void what_a_status_leads_to(void **state)
{
    (void)state;
    static const struct {
        int status;
        int64_t asked_ms, in_ms;
    } rows[] = {
        {0, 0, OTLP_RETRY_MS},
        {429, 0, OTLP_RETRY_MS},
        {502, 0, OTLP_RETRY_MS},
        {503, 0, OTLP_RETRY_MS},
        {504, 0, OTLP_RETRY_MS},
        {503, 5000, 5000},
        {429, 200, OTLP_RETRY_MS},
        {429, 3600000, OTLP_RETRY_MS_MAX},
        {400, 0, -1},
        {401, 0, -1},
        {404, 0, -1},
        {413, 5000, -1},
        {500, 0, -1},
        {302, 0, -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct otlp_retry r;
        otlp_retry_begin(&r, 77);
        assert_int_equal(rows[i].in_ms, otlp_retry_in(&r, rows[i].status, rows[i].asked_ms, 77));
    }
}

static void tries_double_and_end(void **state)
{
    (void)state;
    struct otlp_retry r;
    int64_t now_ms = 1000000, in_ms, before_ms = OTLP_RETRY_MS / 2;
    unsigned tries = 0;
    otlp_retry_begin(&r, now_ms);
    while ((in_ms = otlp_retry_in(&r, 503, 0, now_ms)) > 0) {
        assert_int_equal(before_ms * 2 < OTLP_RETRY_MS_MAX ? before_ms * 2 : OTLP_RETRY_MS_MAX, in_ms);
        before_ms = in_ms;
        now_ms += in_ms;
        assert_true(++tries < 100);
    }
    assert_int_equal(-1, in_ms);
    assert_true(now_ms - 1000000 <= OTLP_BATCH_AGE_MS);
    otlp_retry_begin(&r, now_ms); /* the next batch begins anew */
    assert_int_equal(OTLP_RETRY_MS, otlp_retry_in(&r, 503, 0, now_ms));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_status_leads_to),
        cmocka_unit_test(tries_double_and_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
