/*
 * The heap of timers against a plain list, with random operations.
 */
#include "executor/worker/timers.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"

enum { JOBS = 97, ROUNDS = 20000 };

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static int64_t least(const int64_t *due, size_t count)
{
    int64_t at = INT64_MAX;
    for (size_t i = 0; i < count; i++)
        at = due[i] < at ? due[i] : at;
    return at;
}

static void the_heap_does_what_a_list_would_do(void **state)
{
    static struct job jobs[JOBS];
    static int64_t due[JOBS]; /* INT64_MAX: none */
    (void)state;
    for (uint32_t seed = 1; seed <= 5; seed++) {
        struct timers t = {.heap = NULL};
        uint32_t random = seed;
        int64_t now_ms = 0;
        assert_true(timers_reserve(&t, JOBS));
        for (size_t i = 0; i < JOBS; i++) {
            jobs[i].timer_index = SIZE_MAX;
            due[i] = INT64_MAX;
        }
        for (int round = 0; round < ROUNDS; round++) {
            size_t i = next_random(&random) % JOBS;
            switch (next_random(&random) % 4) {
            case 0:
            case 1: /* sets it anew, earlier or later, when it has one */
                due[i] = now_ms + next_random(&random) % 50;
                timers_set(&t, &jobs[i], due[i]);
                break;
            case 2:
                timers_drop(&t, &jobs[i]);
                due[i] = INT64_MAX;
                break;
            default: {
                now_ms += next_random(&random) % 10;
                struct job *job = timers_due(&t, now_ms);
                int64_t first = least(due, JOBS);
                assert_int_equal(job != NULL, first <= now_ms);
                if (job != NULL) {
                    assert_int_equal(due[job - jobs], first);
                    assert_int_equal(job->timer_index, SIZE_MAX);
                    due[job - jobs] = INT64_MAX;
                }
                break;
            }
            }
            assert_int_equal(timers_next_ms(&t), least(due, JOBS));
        }
        timers_fini(&t);
    }
}

static void room_grows_and_keeps_what_is_in_it(void **state)
{
    static struct job jobs[1000];
    struct timers t = {.heap = NULL};
    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        jobs[i].timer_index = SIZE_MAX;
        assert_true(timers_reserve(&t, i + 1));
        timers_set(&t, &jobs[i], (int64_t)(1000 - i));
    }
    for (int64_t at_ms = 1; at_ms <= 1000; at_ms++) {
        assert_null(timers_due(&t, at_ms - 1));
        assert_ptr_equal(timers_due(&t, at_ms), &jobs[1000 - at_ms]);
    }
    assert_int_equal(timers_next_ms(&t), INT64_MAX);
    timers_fini(&t);
}

static void without_memory_there_is_no_more_room(void **state)
{
    struct timers t = {.heap = NULL};
    (void)state;
    assert_true(timers_reserve(&t, 1));
    size_t cap = t.cap;
    alloc_fail_after(0);
    bool is_good = timers_reserve(&t, cap + 1);
    alloc_fail_reset();
    assert_false(is_good);
    assert_int_equal(t.cap, cap);
    assert_true(timers_reserve(&t, cap + 1));
    timers_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_heap_does_what_a_list_would_do),
        cmocka_unit_test(room_grows_and_keeps_what_is_in_it),
        cmocka_unit_test(without_memory_there_is_no_more_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
