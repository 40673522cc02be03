/*
 * Times of what happened lately: in order, forgotten by age, taken out again.
 */
#include "shared/base/window.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <stdlib.h>

static void times_leave_by_age(void **state)
{
    struct window w = {0};
    (void)state;
    for (int64_t at = 1; at <= 100; at++)
        assert_true(window_add(&w, at));
    window_forget(&w, 40);
    assert_int_equal(60, w.count);
    assert_int_equal(41, window_at(&w, 0));
    assert_int_equal(100, window_at(&w, 59));
    window_forget(&w, 1000);
    assert_int_equal(0, w.count);
    window_fini(&w);
}

static void a_time_that_comes_late_takes_its_place(void **state)
{
    struct window w = {0};
    (void)state;
    assert_true(window_add(&w, 10));
    assert_true(window_add(&w, 12));
    assert_true(window_add(&w, 11));
    assert_int_equal(11, window_at(&w, 1));
    window_remove(&w, 12);
    window_remove(&w, 13); /* not there */
    assert_int_equal(2, w.count);
    assert_int_equal(11, window_at(&w, 1));
    window_fini(&w);
}

/* Beside an array that keeps everything. */
static void it_does_what_a_list_does(void **state)
{
    static int64_t all[5000];
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct window w = {0};
        size_t count = 0, first = 0;
        int64_t now = 0;
        srand(seed);
        for (int i = 0; i < 5000; i++) {
            now += rand() % 3;
            if (rand() % 4 == 0) {
                while (first < count && all[first] <= now - 100)
                    first++;
                window_forget(&w, now - 100);
            } else {
                all[count++] = now;
                assert_true(window_add(&w, now));
            }
            assert_int_equal(count - first, w.count);
            if (w.count > 0) {
                size_t k = (size_t)rand() % w.count;
                assert_int_equal(all[first + k], window_at(&w, k));
            }
        }
        window_fini(&w);
    }
}

static void without_memory_nothing_is_added(void **state)
{
    struct window w = {0};
    (void)state;
    alloc_fail_after(0);
    assert_false(window_add(&w, 1));
    alloc_fail_reset();
    assert_int_equal(0, w.count);
    assert_true(window_add(&w, 1));
    window_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_leave_by_age),
        cmocka_unit_test(a_time_that_comes_late_takes_its_place),
        cmocka_unit_test(it_does_what_a_list_does),
        cmocka_unit_test(without_memory_nothing_is_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
