/*
 * Jobs by run id.
 */
#include "executor/worker/registry.h"
#include "tests/support/check.h"
#include <stdio.h>

enum { JOBS = 3 * REGISTRY_BUCKETS }; /* several a bucket */

static size_t refs, visits;

static void count_ref(struct job *job)
{
    (void)job;
    refs++;
}

static void count_visit(struct job *job, void *arg)
{
    assert_non_null(job);
    *(size_t *)arg += 1;
}

static const struct job_ops ops = {.ref = count_ref};
static struct registry registry;
static struct job jobs[JOBS];

static void jobs_are_found_until_they_are_removed(void **state)
{
    (void)state;
    refs = visits = 0;
    registry_init(&registry);
    for (size_t i = 0; i < JOBS; i++) {
        jobs[i].ops = &ops;
        snprintf(jobs[i].run_id, sizeof jobs[i].run_id, "run-%zu", i);
        assert_true(registry_add(&registry, &jobs[i]));
    }
    registry_each(&registry, count_visit, &visits);
    assert_int_equal(visits, JOBS);
    for (size_t i = 0; i < JOBS; i += 2)
        registry_remove(&registry, &jobs[i]);
    for (size_t i = 0; i < JOBS; i++) {
        struct job *found = registry_find(&registry, str_c(jobs[i].run_id));
        assert_ptr_equal(found, i % 2 == 0 ? NULL : &jobs[i]);
    }
    assert_int_equal(refs, JOBS / 2); /* one for each that was found */
    registry_fini(&registry);
}

static void a_run_id_is_there_once(void **state)
{
    struct job twin = {.ops = &ops, .run_id = "twin"}, other = {.ops = &ops, .run_id = "twin"};
    (void)state;
    registry_init(&registry);
    assert_true(registry_add(&registry, &twin));
    assert_false(registry_add(&registry, &other));
    assert_ptr_equal(registry_find(&registry, STR("twin")), &twin);
    registry_remove(&registry, &twin);
    assert_true(registry_add(&registry, &other));
    assert_ptr_equal(registry_find(&registry, STR("twin")), &other);
    assert_null(registry_find(&registry, STR("twi")));
    assert_null(registry_find(&registry, STR("")));
    registry_fini(&registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_are_found_until_they_are_removed),
        cmocka_unit_test(a_run_id_is_there_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
