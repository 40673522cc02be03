/*
 * Tests of clock.
 */
#include "shared/base/clock.h"
#include "tests/support/check.h"
#include <time.h>

static void monotonic_time_never_goes_back_and_units_agree(void **state)
{
    (void)state;
    int64_t last_us = clock_monotonic_us();
    for (int i = 0; i < 1000; i++) {
        int64_t now_us = clock_monotonic_us();
        assert_true(now_us >= last_us);
        last_us = now_us;
    }
    int64_t before_ms = clock_monotonic_us() / 1000, now_ms = clock_monotonic_ms();
    assert_true(before_ms <= now_ms && now_ms <= clock_monotonic_us() / 1000);
}

static void wall_time_is_unix_time(void **state)
{
    (void)state;
    int64_t before = (int64_t)time(NULL) - 1; /* time() may lag by a tick */
    int64_t now_ms = clock_wall_ms();
    assert_true(before * 1000 <= now_ms && now_ms <= ((int64_t)time(NULL) + 2) * 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(monotonic_time_never_goes_back_and_units_agree),
        cmocka_unit_test(wall_time_is_unix_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
