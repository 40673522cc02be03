/* Tasks: whose runs they are and where, and how long that is remembered. */
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <stdio.h>
#include <string.h>

#include "gateway/api/tasks.h"

static struct task task_of(unsigned n)
{
    struct task task = {.app_id = "app", .end_user_id = "end user"};
    snprintf(task.run_id, sizeof task.run_id, "00000000-0000-7000-8000-%012u", n);
    return task;
}

static enum status_code add(struct tasks *tasks, unsigned n)
{
    struct status err;
    struct task task = task_of(n);
    return tasks_add(tasks, &task, &err);
}

static bool knows(struct tasks *tasks, unsigned n, struct task *ret)
{
    struct task task = task_of(n);
    return tasks_find(tasks, str_c(task.run_id), ret);
}

static void end(struct tasks *tasks, unsigned n, enum task_state state)
{
    struct task task = task_of(n);
    tasks_end(tasks, str_c(task.run_id), state);
}

static int setup(void **state)
{
    *state = tasks_new();
    return *state == NULL;
}

static int teardown(void **state)
{
    tasks_free(*state);
    return 0;
}

static void a_task_is_known_with_its_address_until_removed(void **state)
{
    struct tasks *tasks = *state;
    struct task found, task = task_of(1);
    assert_false(knows(tasks, 1, &found));
    assert_ok(add(tasks, 1));
    assert_true(knows(tasks, 1, &found));
    assert_string_equal(found.app_id, "app");
    assert_string_equal(found.end_user_id, "end user");
    assert_string_equal(found.address, "");
    assert_int_equal(found.state, TASK_RUNNING);
    tasks_set_address(tasks, str_c(task.run_id), STR("ipv4:10.0.0.1:7500"));
    assert_true(knows(tasks, 1, &found));
    assert_string_equal(found.address, "ipv4:10.0.0.1:7500");
    tasks_remove(tasks, str_c(task.run_id));
    assert_false(knows(tasks, 1, &found));
}

static void an_address_that_is_too_long_is_not_kept(void **state)
{
    struct tasks *tasks = *state;
    struct task found, task = task_of(1);
    char address[TASK_ADDRESS_MAX + 1];
    memset(address, 'a', sizeof address);
    assert_ok(add(tasks, 1));
    tasks_set_address(tasks, str_c(task.run_id), (struct str){address, sizeof address});
    assert_true(knows(tasks, 1, &found));
    assert_string_equal(found.address, "");
    tasks_set_address(tasks, str_c(task.run_id), (struct str){address, TASK_ADDRESS_MAX});
    assert_true(knows(tasks, 1, &found));
    assert_int_equal(strlen(found.address), TASK_ADDRESS_MAX);
}

static void an_id_runs_once_and_is_free_again_when_its_run_never_began(void **state)
{
    struct tasks *tasks = *state;
    struct task task = task_of(1);
    struct status err;
    assert_ok(add(tasks, 1));
    assert_code(STATUS_ALREADY_EXISTS, tasks_add(tasks, &task, &err));
    assert_string_equal(err.reason, "RUN_EXISTS");
    end(tasks, 1, TASK_ENDED);
    assert_code(STATUS_ALREADY_EXISTS, add(tasks, 1));
    assert_ok(add(tasks, 2));
    tasks_remove(tasks, str_c(task_of(2).run_id));
    assert_ok(add(tasks, 2));
}

static void a_detached_task_can_end_later(void **state)
{
    struct tasks *tasks = *state;
    struct task found;
    assert_ok(add(tasks, 1));
    end(tasks, 1, TASK_DETACHED);
    assert_true(knows(tasks, 1, &found));
    assert_int_equal(found.state, TASK_DETACHED);
    end(tasks, 1, TASK_ENDED);
    assert_true(knows(tasks, 1, &found));
    assert_int_equal(found.state, TASK_ENDED);
    end(tasks, 2, TASK_ENDED); /* not known: nothing happens */
}

static void the_oldest_ended_are_forgotten_and_running_ones_never(void **state)
{
    struct tasks *tasks = *state;
    struct task found;
    assert_ok(add(tasks, 0));
    for (unsigned n = 1; n <= TASKS_ENDED_MAX + 2; n++) {
        assert_ok(add(tasks, n));
        end(tasks, n, TASK_ENDED);
    }
    assert_true(knows(tasks, 0, &found));
    assert_false(knows(tasks, 1, &found));
    assert_false(knows(tasks, 2, &found));
    assert_true(knows(tasks, 3, &found));
    assert_true(knows(tasks, TASKS_ENDED_MAX + 2, &found));
    assert_ok(add(tasks, 1));
}

static void without_memory_nothing_is_added(void **state)
{
    (void)state;
    alloc_fail_after(0);
    struct tasks *none = tasks_new();
    alloc_fail_reset();
    assert_null(none);
    struct tasks *tasks = tasks_new();
    struct task found;
    alloc_fail_after(0);
    enum status_code rc = add(tasks, 1);
    alloc_fail_reset();
    assert_code(STATUS_RESOURCE_EXHAUSTED, rc);
    assert_false(knows(tasks, 1, &found));
    tasks_free(tasks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_task_is_known_with_its_address_until_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(an_address_that_is_too_long_is_not_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(an_id_runs_once_and_is_free_again_when_its_run_never_began, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_detached_task_can_end_later, setup, teardown),
        cmocka_unit_test_setup_teardown(the_oldest_ended_are_forgotten_and_running_ones_never, setup,
                                        teardown),
        cmocka_unit_test(without_memory_nothing_is_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
