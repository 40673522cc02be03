/*
 * The library's lines come out as ours, and a flood of them does not.
 */
#include "shared/rpc/log.h"
#include "tests/support/capture.h"
#include "tests/support/check.h"
#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int start(void **state)
{
    (void)state;
    rpc_log_start();
    grpc_init();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    grpc_shutdown_blocking();
    return 0;
}

static unsigned count(const char *text, const char *needle)
{
    unsigned n = 0;
    for (const char *at = strstr(text, needle); at != NULL; at = strstr(at + 1, needle))
        n++;
    return n;
}

static void an_error_of_the_library_is_a_warning_of_ours(void **state)
{
    (void)state;
    struct capture capture;
    capture_begin(&capture, STDERR_FILENO);
    gpr_log(GPR_ERROR, "cannot reach %s", "it");
    gpr_log(GPR_INFO, "of no interest");
    char *text = capture_end(&capture);
    assert_contains("level=warn", text);
    assert_contains("text=\"cannot reach it\"", text);
    assert_int_equal(0, count(text, "of no interest"));
    free(text);
}

static void a_flood_is_cut_to_some_lines_a_second(void **state)
{
    (void)state;
    struct capture capture;
    capture_begin(&capture, STDERR_FILENO);
    for (int i = 0; i < 500; i++)
        gpr_log(GPR_ERROR, "flood");
    char *text = capture_end(&capture);
    /* The flood may have fallen into two seconds. */
    assert_in_range(count(text, "flood"), 1, 2 * RPC_LOG_LINES_PER_SECOND);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_of_the_library_is_a_warning_of_ours),
        cmocka_unit_test(a_flood_is_cut_to_some_lines_a_second),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
