/*
 * Ready jobs: apps take turns, jobs of one app are served in order.
 */
#include "executor/worker/ready.h"
#include "tests/support/check.h"
#include <stdio.h>

static struct job job_of(const char *app, const char *run)
{
    struct job job = {.ops = NULL};
    snprintf(job.app_id, sizeof job.app_id, "%s", app);
    snprintf(job.run_id, sizeof job.run_id, "%s", run);
    return job;
}

static void expect(struct ready *r, const char *const *runs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(r->count, count - i);
        struct job *job = ready_take(r);
        assert_non_null(job);
        assert_string_equal(runs[i], job->run_id);
        assert_false(job->is_ready);
    }
    assert_int_equal(r->count, 0);
    assert_null(ready_take(r));
}

static void apps_take_turns(void **state)
{
    static struct ready r;
    static const char *const order[] = {"a1", "b1", "c1", "a2", "b2", "a3"};
    struct job jobs[] = {job_of("a", "a1"), job_of("a", "a2"), job_of("a", "a3"),
                         job_of("b", "b1"), job_of("b", "b2"), job_of("c", "c1")};
    (void)state;
    for (size_t i = 0; i < 6; i++)
        ready_put(&r, &jobs[i]);
    expect(&r, order, 6);
    for (size_t i = 0; i < 6; i++) /* emptied queues work again */
        ready_put(&r, &jobs[i]);
    expect(&r, order, 6);
}

static void a_job_that_is_ready_already_keeps_its_place(void **state)
{
    static struct ready r;
    static const char *const order[] = {"a1", "a2"};
    struct job one = job_of("a", "a1"), two = job_of("a", "a2");
    (void)state;
    ready_put(&r, &one);
    ready_put(&r, &two);
    ready_put(&r, &one);
    expect(&r, order, 2);
}

static void a_busy_app_cannot_starve_another(void **state)
{
    static struct ready r;
    struct job busy[3] = {job_of("a", "a1"), job_of("a", "a2"), job_of("a", "a3")}, other = job_of("b", "b1");
    (void)state;
    for (size_t i = 0; i < 3; i++)
        ready_put(&r, &busy[i]);
    ready_put(&r, &other);
    size_t of_a = 0, of_b = 0;
    for (int i = 0; i < 1000; i++) { /* whoever was served wants more at once */
        struct job *job = ready_take(&r);
        *(job == &other ? &of_b : &of_a) += 1;
        ready_put(&r, job);
    }
    assert_int_equal(of_a, 500);
    assert_int_equal(of_b, 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(apps_take_turns),
        cmocka_unit_test(a_job_that_is_ready_already_keeps_its_place),
        cmocka_unit_test(a_busy_app_cannot_starve_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
