/* Signals that end a process are waited for, not acted on. */
#include "shared/base/process.h"
#include "tests/support/check.h"
#include <signal.h>
#include <unistd.h>

static void an_ending_signal_is_waited_for(void **state)
{
    (void)state;
    assert_true(process_prepare() > 0);
    assert_false(process_wait_signal(0));
    kill(getpid(), SIGTERM);
    assert_true(process_wait_signal(1000));
    kill(getpid(), SIGINT);
    assert_true(process_wait_signal(-1));
    kill(getpid(), SIGHUP);
    assert_false(process_wait_signal(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(an_ending_signal_is_waited_for)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
