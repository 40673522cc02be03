/*
 * How long a credential rests (rests.h).
 */
#include "executor/model/rests.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"

static void rests_have_their_length(void **state)
{
    static const struct {
        enum rest_cause cause;
        int64_t asked_ms, expected_ms;
    } rows[] = {
        {REST_RATE_LIMIT, 0, 60000},     {REST_RATE_LIMIT, 1000, 60000},
        {REST_RATE_LIMIT, 90000, 90000}, {REST_RATE_LIMIT, INT64_MAX, 86400000},
        {REST_REFUSED, 0, 10000},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rests *rests = rests_new();
        struct rest *rest = rests_of(rests, STR("id"), STR("m"));
        assert_true(rest_is_over(rest, 0));
        assert_int_equal(rest_begin(rest, rows[i].cause, rows[i].asked_ms, 5), rows[i].expected_ms);
        assert_false(rest_is_over(rest, 4 + rows[i].expected_ms));
        assert_true(rest_is_over(rest, 5 + rows[i].expected_ms));
        rests_free(rests);
    }
}

static void refusals_in_a_row_make_it_longer_and_an_answer_ends_the_row(void **state)
{
    static const int64_t lengths_ms[] = {10000, 20000, 40000, 80000, 160000, 300000, 300000};
    struct rests *rests = rests_new();
    struct rest *rest = rests_of(rests, STR("id"), STR("m"));
    int64_t now_ms = 0;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lengths_ms); i++, now_ms += 1000000)
        assert_int_equal(rest_begin(rest, REST_REFUSED, 0, now_ms), lengths_ms[i]);
    for (int i = 0; i < 100; i++, now_ms += 1000000)
        assert_int_equal(rest_begin(rest, REST_REFUSED, 0, now_ms), 300000);
    rest_forgive(rest);
    assert_int_equal(rest_begin(rest, REST_REFUSED, 0, now_ms), 10000);
    rests_free(rests);
}

static void a_rest_never_gets_shorter(void **state)
{
    struct rests *rests = rests_new();
    struct rest *rest = rests_of(rests, STR("id"), STR("m"));
    (void)state;
    assert_int_equal(rest_begin(rest, REST_RATE_LIMIT, 100000, 0), 100000);
    assert_int_equal(rest_begin(rest, REST_RATE_LIMIT, 0, 10), 99990);
    rest_forgive(rest);
    assert_false(rest_is_over(rest, 99999));
    rests_free(rests);
}

static void each_credential_and_model_rests_alone(void **state)
{
    struct rests *rests = rests_new();
    struct rest *rest = rests_of(rests, STR("a"), STR("m"));
    (void)state;
    rest_begin(rest, REST_RATE_LIMIT, 0, 0);
    assert_ptr_equal(rest, rests_of(rests, STR("a"), STR("m")));
    assert_true(rest_is_over(rests_of(rests, STR("a"), STR("n")), 1));
    assert_true(rest_is_over(rests_of(rests, STR("b"), STR("m")), 1));
    assert_true(rest_is_over(NULL, 1));
    assert_int_equal(rest_begin(NULL, REST_REFUSED, 0, 1), 0);
    rest_forgive(NULL);
    rests_free(rests);
}

static void without_memory_nothing_rests(void **state)
{
    (void)state;
    for (size_t n = 0;; n++) {
        alloc_fail_after(n);
        struct rests *rests = rests_new();
        struct rest *rest = rests == NULL ? NULL : rests_of(rests, STR("a"), STR("m"));
        alloc_fail_reset();
        bool has_failed = alloc_fail_hit();
        assert_true(has_failed || rest != NULL);
        rests_free(rests);
        if (!has_failed)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rests_have_their_length),
        cmocka_unit_test(refusals_in_a_row_make_it_longer_and_an_answer_ends_the_row),
        cmocka_unit_test(a_rest_never_gets_shorter),
        cmocka_unit_test(each_credential_and_model_rests_alone),
        cmocka_unit_test(without_memory_nothing_rests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
