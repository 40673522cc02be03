/*
 * How long a credential rests, and how it comes back (rests.h).
 */
#include "executor/model/rests.h"
#include "tests/support/check.h"

static int64_t begin(struct rest *rest, enum refusal refusal, int64_t asked_ms, int64_t now_ms)
{
    bool is_new;
    return rest_begin(rest, rest->epoch, refusal, asked_ms, now_ms, &is_new);
}

static void rests_have_their_length(void **state)
{
    static const struct {
        enum refusal refusal;
        int64_t asked_ms, expected_ms;
    } rows[] = {
        {REFUSAL_RATE_LIMIT, 0, 60000},     {REFUSAL_RATE_LIMIT, 1000, 60000},
        {REFUSAL_RATE_LIMIT, 90000, 90000}, {REFUSAL_RATE_LIMIT, INT64_MAX, 86400000},
        {REFUSAL_UNAVAILABLE, 0, 10000},    {REFUSAL_UNAVAILABLE, 25000, 25000},
        {REFUSAL_UNAUTHORIZED, 0, 10000},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rest rest;
        rest_init(&rest);
        assert_true(rest.until_ms <= 0 && !rest.is_on_trial);
        assert_int_equal(begin(&rest, rows[i].refusal, rows[i].asked_ms, 5), rows[i].expected_ms);
        assert_int_equal(rest.until_ms, 5 + rows[i].expected_ms);
        assert_true(rest.is_on_trial);
    }
}

static void what_is_unavailable_again_and_again_rests_longer_until_it_answers(void **state)
{
    static const int64_t lengths_ms[] = {10000, 20000, 40000, 80000, 160000, 300000, 300000};
    struct rest rest;
    int64_t now_ms = 0;
    (void)state;
    rest_init(&rest);
    for (size_t i = 0; i < ARRAY_LEN(lengths_ms); i++, now_ms += 1000000)
        assert_int_equal(begin(&rest, REFUSAL_UNAVAILABLE, 0, now_ms), lengths_ms[i]);
    for (int i = 0; i < 100; i++, now_ms += 1000000)
        assert_int_equal(begin(&rest, REFUSAL_UNAVAILABLE, 0, now_ms), 300000);
    assert_true(rest_answered(&rest, rest.epoch, now_ms));
    assert_false(rest_answered(&rest, rest.epoch, now_ms)); /* it was well already */
    assert_int_equal(begin(&rest, REFUSAL_UNAVAILABLE, 0, now_ms), 10000);
}

static void of_many_refusals_at_once_only_the_first_counts(void **state)
{
    struct rest rest;
    bool is_new;
    (void)state;
    rest_init(&rest);
    uint32_t epoch = rest.epoch; /* of fifty calls in flight */
    for (int i = 0; i < 50; i++) {
        assert_int_equal(rest_begin(&rest, epoch, REFUSAL_UNAVAILABLE, 0, i, &is_new), 10000);
        assert_int_equal(is_new, i == 0);
    }
    assert_int_equal(begin(&rest, REFUSAL_UNAVAILABLE, 0, 20000), 20000); /* the trial after it */
}

static void an_old_call_says_something_new_once_it_was_well_again(void **state)
{
    struct rest rest;
    bool is_new;
    (void)state;
    rest_init(&rest);
    uint32_t old = rest.epoch;
    begin(&rest, REFUSAL_UNAVAILABLE, 0, 0);
    rest_answered(&rest, rest.epoch, 10000);
    assert_int_equal(rest_begin(&rest, old, REFUSAL_UNAVAILABLE, 0, 20000, &is_new), 10000);
    assert_true(is_new);
}

static void a_rest_never_gets_shorter(void **state)
{
    struct rest rest;
    (void)state;
    rest_init(&rest);
    assert_int_equal(begin(&rest, REFUSAL_RATE_LIMIT, 100000, 0), 100000);
    assert_int_equal(begin(&rest, REFUSAL_RATE_LIMIT, 0, 10), 99990);
    rest_take(&rest, 50, 10);
    assert_int_equal(rest.until_ms, 100000);
    rest_take(&rest, 200000, 10);
    assert_int_equal(rest.until_ms, 200010);
}

static void an_answer_from_before_the_rest_does_not_end_its_trial(void **state)
{
    struct rest rest;
    (void)state;
    rest_init(&rest);
    uint32_t old = rest.epoch;
    begin(&rest, REFUSAL_UNAVAILABLE, 0, 0);
    assert_false(rest_answered(&rest, old, 5));
    assert_false(rest_answered(&rest, old, 20000));
    assert_true(rest.is_on_trial);
    assert_false(rest_answered(&rest, rest.epoch, 9999)); /* still rests: somebody else saw it refused */
    assert_true(rest_answered(&rest, rest.epoch, 10000));
}

static void a_fresh_credential_has_no_past(void **state)
{
    struct rest rest;
    (void)state;
    rest_init(&rest);
    begin(&rest, REFUSAL_UNAVAILABLE, 0, 0);
    begin(&rest, REFUSAL_UNAVAILABLE, 0, 0);
    uint32_t old = rest.epoch;
    rest_forget(&rest);
    assert_true(rest.until_ms < 0 && !rest.is_on_trial);
    assert_int_not_equal(rest.epoch, old);
    assert_int_equal(begin(&rest, REFUSAL_UNAVAILABLE, 0, 0), 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rests_have_their_length),
        cmocka_unit_test(what_is_unavailable_again_and_again_rests_longer_until_it_answers),
        cmocka_unit_test(of_many_refusals_at_once_only_the_first_counts),
        cmocka_unit_test(an_old_call_says_something_new_once_it_was_well_again),
        cmocka_unit_test(a_rest_never_gets_shorter),
        cmocka_unit_test(an_answer_from_before_the_rest_does_not_end_its_trial),
        cmocka_unit_test(a_fresh_credential_has_no_past),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
