/*
 * What of a minute's requests and tokens is used (quota.h), beside a list of all that was ever taken.
 */
#include "executor/model/quota.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <stdlib.h>
#include <string.h>

enum { TAKEN_MAX = 20000 };

/* Everything that was taken, and when. */
struct taken {
    int64_t at_ms, tokens;
};
static struct taken taken[TAKEN_MAX];
static size_t taken_count;

static void sums(int64_t now_ms, int64_t *ret_requests, int64_t *ret_tokens)
{
    *ret_requests = *ret_tokens = 0;
    for (size_t i = taken_count; i-- > 0 && taken[i].at_ms + QUOTA_WINDOW_MS > now_ms;) {
        ++*ret_requests;
        *ret_tokens += taken[i].tokens;
    }
}

static bool has_room(const struct quota_limits *limits, int64_t tokens, int64_t now_ms)
{
    int64_t requests, used;
    sums(now_ms, &requests, &used);
    return (limits->requests == 0 || requests < limits->requests) &&
           (limits->tokens == 0 || used + tokens <= limits->tokens || used == 0);
}

static void it_agrees_with_a_list_of_all_that_was_taken(void **state)
{
    (void)state;
    srandom(3);
    for (int round = 0; round < 20; round++) {
        const struct quota_limits limits = {.requests = random() % 3 == 0 ? 0 : 1 + random() % 60,
                                            .tokens = random() % 3 == 0 ? 0 : 1 + random() % 5000};
        struct quota q = {.count = 0};
        int64_t now_ms = 1000000;
        taken_count = 0;
        for (int n = 0; n < 2000; n++) {
            int64_t tokens = 1 + random() % 400;
            int64_t room_ms = quota_room_ms(&q, &limits, tokens, now_ms);
            bool expected = has_room(&limits, tokens, now_ms);
            if ((room_ms <= now_ms) != expected)
                fail_msg("round %d, call %d: room %d, expected %d", round, n, room_ms <= now_ms, expected);
            if (!expected) { /* it says exactly when */
                assert_false(has_room(&limits, tokens, room_ms - 1));
                assert_true(has_room(&limits, tokens, room_ms));
            } else {
                quota_take(&q, &limits, tokens, now_ms);
                taken[taken_count++] = (struct taken){now_ms, tokens};
                int64_t used = random() % 2 == 0 ? tokens : random() % 3 * (random() % 300);
                quota_settle(&q, now_ms, tokens, used);
                taken[taken_count - 1].tokens = limits.requests + limits.tokens == 0 ? tokens : used;
            }
            now_ms += random() % 2 == 0 ? random() % 5 : random() % 3000;
        }
        quota_fini(&q);
    }
}

static void what_is_larger_than_the_limit_goes_alone(void **state)
{
    const struct quota_limits limits = {.tokens = 100};
    struct quota q = {.count = 0};
    (void)state;
    assert_true(quota_room_ms(&q, &limits, 500, 0) <= 0);
    quota_take(&q, &limits, 500, 0);
    assert_int_equal(quota_room_ms(&q, &limits, 1, 1), QUOTA_WINDOW_MS);
    assert_int_equal(quota_room_ms(&q, &limits, 500, 1), QUOTA_WINDOW_MS);
    quota_settle(&q, 0, 500, 20);
    assert_true(quota_room_ms(&q, &limits, 80, 1) <= 1);
    assert_int_equal(quota_room_ms(&q, &limits, 81, 1), QUOTA_WINDOW_MS);
    quota_fini(&q);
}

static void what_has_left_is_settled(void **state)
{
    const struct quota_limits limits = {.tokens = 100};
    struct quota q = {.count = 0};
    (void)state;
    quota_take(&q, &limits, 60, 0);
    quota_take(&q, &limits, 60, 1000);
    assert_true(quota_room_ms(&q, &limits, 40, QUOTA_WINDOW_MS) <= QUOTA_WINDOW_MS);
    quota_settle(&q, 0, 60, 1000);
    assert_true(quota_room_ms(&q, &limits, 40, QUOTA_WINDOW_MS) <= QUOTA_WINDOW_MS);
    quota_fini(&q);
}

static void without_memory_it_counts_for_longer_never_less(void **state)
{
    const struct quota_limits limits = {.requests = 10};
    struct quota q = {.count = 0};
    (void)state;
    for (int64_t n = 0; n < 10; n++) {
        alloc_fail_after(0);
        assert_true(quota_room_ms(&q, &limits, 0, n * 1000) <= n * 1000);
        quota_take(&q, &limits, 0, n * 1000);
        alloc_fail_reset();
    }
    assert_true(quota_room_ms(&q, &limits, 0, 9001) >= QUOTA_WINDOW_MS);
    quota_settle(&q, 5000, 7, 9); /* its place is not known any more: nothing happens */
    assert_int_equal(q.tokens, 0);
    assert_true(quota_room_ms(&q, &limits, 0, 9000 + QUOTA_WINDOW_MS) <= 9000 + QUOTA_WINDOW_MS);
    assert_int_equal(q.requests, 0);
    quota_fini(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_agrees_with_a_list_of_all_that_was_taken),
        cmocka_unit_test(what_is_larger_than_the_limit_goes_alone),
        cmocka_unit_test(what_has_left_is_settled),
        cmocka_unit_test(without_memory_it_counts_for_longer_never_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
