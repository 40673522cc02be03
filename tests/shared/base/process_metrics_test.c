/* Tests of process_metrics: what the system says, where the test can know it. */
#include "shared/base/clock.h"
#include "shared/base/process_metrics.h"
#include "tests/support/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static double value_of(struct metrics *metrics, const char *name)
{
    struct buf to;
    char start[96];
    double value = -1;
    buf_init(&to, (size_t)1024 * 1024);
    metrics_write(metrics, &to);
    struct str rest = buf_str(&to), line;
    int len = snprintf(start, sizeof start, "%s ", name);
    while (str_split(&rest, '\n', &line)) {
        if (str_starts(line, str_c(start)))
            assert_true(str_to_double(str_sub(line, (size_t)len, line.len), &value));
    }
    buf_fini(&to);
    return value;
}

static void they_are_those_of_this_process(void **state)
{
    (void)state;
    struct metrics *metrics = NULL;
    struct status err;
    assert_ok(metrics_new(&metrics, &err));
    assert_ok(process_metrics_add(metrics, "test", &err));
    double now = (double)clock_wall_ms() / 1000, fds = value_of(metrics, "process_open_fds");
    assert_true(fds >= 3 && fds < 1000);
    int one_more = dup(STDERR_FILENO);
    assert_true(value_of(metrics, "process_open_fds") == fds + 1);
    close(one_more);
    assert_true(value_of(metrics, "process_max_fds") >= fds);
    assert_true(value_of(metrics, "process_cpu_seconds_total") >= 0);
    assert_true(value_of(metrics, "process_threads") >= 1);
    assert_true(value_of(metrics, "process_resident_memory_bytes") > 1024 * 1024);
    assert_true(value_of(metrics, "process_virtual_memory_bytes") >=
                value_of(metrics, "process_resident_memory_bytes"));
    double start = value_of(metrics, "process_start_time_seconds");
    assert_true(start <= now + 1.5 && start > now - 300); /* the system's start is known to the second */
    assert_true(value_of(metrics, "heddle_heap_used_bytes") >= 0);
    assert_true(value_of(metrics, "heddle_log_lines_dropped_total") == 0);
    assert_true(value_of(metrics, "heddle_build_info{component=\"test\",version=\"" HEDDLE_VERSION "\"}") ==
                1);
    metrics_free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(they_are_those_of_this_process)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
