/*
 * How much of an app may run: against a model that remembers everything.
 */
#include "gateway/admission/admission.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APP(digit) STR("00000000-0000-7000-8000-00000000000" digit)

static enum status_code take(struct admission *a, struct str app, int max_active, int per_minute,
                             int64_t now_ms, struct admission_slot *slot, struct status *err)
{
    const struct admission_request request = {app, max_active, per_minute, now_ms};
    return admission_take(a, &request, slot, err);
}

static void no_more_than_the_limit_run_at_one_time(void **state)
{
    struct admission *a = admission_new();
    struct admission_slot slots[3];
    struct status err;
    (void)state;
    assert_ok(take(a, APP("1"), 2, 0, 0, &slots[0], &err));
    assert_ok(take(a, APP("1"), 2, 0, 0, &slots[1], &err));
    assert_code(STATUS_RESOURCE_EXHAUSTED, take(a, APP("1"), 2, 0, 0, &slots[2], &err));
    assert_string_equal("TOO_MANY_RUNS", err.reason);
    assert_int_equal(ADMISSION_RETRY_MS, err.retry_ms);
    assert_null(slots[2].app);
    assert_ok(take(a, APP("2"), 2, 0, 0, &slots[2], &err)); /* another app's */
    admission_give(a, &slots[2]);
    admission_give(a, &slots[0]);
    admission_give(a, &slots[0]); /* empty by now */
    assert_int_equal(1, admission_held(a, APP("1")));
    assert_ok(take(a, APP("1"), 2, 0, 0, &slots[0], &err));
    assert_ok(take(a, APP("1"), 3, 0, 0, &slots[2], &err)); /* the limit was raised */
    for (int i = 0; i < 3; i++)
        admission_give(a, &slots[i]);
    assert_int_equal(0, admission_held(a, APP("1")));
    admission_free(a);
}

static void the_time_to_come_back_is_exact(void **state)
{
    struct admission *a = admission_new();
    struct admission_slot slot;
    struct status err;
    (void)state;
    const int64_t times[] = {1000, 5000, 5500};
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        assert_ok(take(a, APP("1"), 0, 3, times[i], &slot, &err));
        admission_give(a, &slot);
    }
    assert_code(STATUS_RESOURCE_EXHAUSTED, take(a, APP("1"), 0, 3, 10000, &slot, &err));
    assert_string_equal("TOO_MANY_REQUESTS", err.reason);
    assert_int_equal(51000, err.retry_ms);
    assert_code(STATUS_RESOURCE_EXHAUSTED, take(a, APP("1"), 0, 1, 10000, &slot, &err));
    assert_int_equal(55500, err.retry_ms); /* with a lower limit the newest has to go, too */
    assert_code(STATUS_RESOURCE_EXHAUSTED, take(a, APP("1"), 0, 3, 60999, &slot, &err));
    assert_int_equal(1, err.retry_ms);
    assert_ok(take(a, APP("1"), 0, 3, 61000, &slot, &err));
    admission_undo(a, &slot, 61000); /* it never began */
    assert_ok(take(a, APP("1"), 0, 3, 61001, &slot, &err));
    admission_give(a, &slot);
    admission_free(a);
}

static void runs_of_an_earlier_process_count(void **state)
{
    struct admission *a = admission_new();
    struct admission_slot slot;
    struct status err;
    (void)state;
    assert_true(admission_set_inherited(a, APP("1"), 2));
    assert_code(STATUS_RESOURCE_EXHAUSTED, take(a, APP("1"), 2, 0, 0, &slot, &err));
    assert_true(admission_set_inherited(a, APP("1"), 1));
    assert_ok(take(a, APP("1"), 2, 0, 0, &slot, &err));
    assert_true(admission_set_inherited(a, APP("1"), 0));
    assert_int_equal(1, admission_held(a, APP("1")));
    admission_give(a, &slot);
    assert_true(admission_set_inherited(a, APP("2"), 0));
    assert_true(admission_note_admitted(a, APP("3"), 500));
    assert_code(STATUS_RESOURCE_EXHAUSTED, take(a, APP("3"), 0, 1, 1000, &slot, &err));
    assert_int_equal(59500, err.retry_ms);
    admission_free(a);
}

/* A model that keeps everything. */
struct model {
    int64_t admitted[20000];
    size_t count, held;
};

static size_t in_window(const struct model *m, int64_t now_ms)
{
    size_t n = 0;
    for (size_t i = m->count; i-- > 0 && m->admitted[i] > now_ms - ADMISSION_WINDOW_MS;)
        n++;
    return n;
}

static void it_does_what_a_model_of_it_does(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct admission *a = admission_new();
        static struct model models[3];
        static struct admission_slot slots[3][64];
        const struct str apps[] = {APP("1"), APP("2"), APP("3")};
        memset(models, 0, sizeof models);
        srand(seed);
        int64_t now_ms = 1;
        for (int step = 0; step < 5000; step++) {
            int i = rand() % 3, active = rand() % 3 == 0 ? 0 : 1 + rand() % 60, rate = 1 + rand() % 200;
            struct model *m = &models[i];
            struct status err = {0};
            now_ms += rand() % 4 == 0 ? rand() % 3000 : 0;
            if (rand() % 3 == 0 && m->held > 0) {
                admission_give(a, &slots[i][--m->held]);
                continue;
            }
            if (m->held == ARRAY_LEN(slots[0]))
                continue;
            bool is_full = active > 0 && m->held >= (size_t)active;
            size_t used = in_window(m, now_ms);
            enum status_code rc = take(a, apps[i], active, rate, now_ms, &slots[i][m->held], &err);
            assert_int_equal(is_full || used >= (size_t)rate, rc != STATUS_OK);
            if (rc == STATUS_OK) {
                m->held++;
                m->admitted[m->count++] = now_ms;
            } else if (!is_full) { /* the time it names is the first at which it goes */
                struct admission_slot slot;
                int64_t due_ms = now_ms + err.retry_ms;
                assert_true(in_window(m, due_ms) < (size_t)rate);
                assert_true(err.retry_ms == 1 || in_window(m, due_ms - 1) >= (size_t)rate);
                (void)slot;
            }
            assert_int_equal(m->held, admission_held(a, apps[i]));
        }
        for (int i = 0; i < 3; i++) {
            while (models[i].held > 0)
                admission_give(a, &slots[i][--models[i].held]);
            assert_int_equal(0, admission_held(a, apps[i]));
        }
        admission_free(a);
    }
}

static void apps_that_nothing_is_known_of_are_forgotten(void **state)
{
    struct admission *a = admission_new();
    (void)state;
    for (int i = 0; i < 3 * ADMISSION_APPS_MAX; i++) {
        char id[UUID_TEXT_LEN + 1];
        struct admission_slot slot;
        struct status err;
        snprintf(id, sizeof id, "%08x-0000-7000-8000-000000000000", (unsigned)i);
        assert_ok(take(a, str_c(id), 1, 1, i * 10, &slot, &err));
        admission_give(a, &slot);
    }
    admission_free(a);
}

struct crowd {
    struct admission *a;
    atomic_int running, most, admitted;
};

static void *come_and_go(void *arg)
{
    struct crowd *c = arg;
    for (int i = 0; i < 20000; i++) {
        struct admission_slot slot;
        struct status err;
        if (take(c->a, APP("1"), 3, 0, i, &slot, &err) != STATUS_OK)
            continue;
        int running = atomic_fetch_add(&c->running, 1) + 1, most = atomic_load(&c->most);
        while (running > most && !atomic_compare_exchange_weak(&c->most, &most, running))
            ;
        atomic_fetch_add(&c->admitted, 1);
        atomic_fetch_sub(&c->running, 1);
        admission_give(c->a, &slot);
    }
    return NULL;
}

static void threads_never_pass_the_limit_together(void **state)
{
    struct crowd c = {.a = admission_new()};
    pthread_t threads[6];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(0, pthread_create(&threads[i], NULL, come_and_go, &c));
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    assert_true(atomic_load(&c.most) <= 3);
    assert_true(atomic_load(&c.admitted) > 0);
    assert_int_equal(0, admission_held(c.a, APP("1")));
    admission_free(c.a);
}

static void without_memory_nothing_is_admitted(void **state)
{
    struct admission *a = admission_new();
    (void)state;
    for (size_t n = 0;; n++) {
        struct admission_slot slot;
        struct status err;
        alloc_fail_after(n);
        enum status_code rc = take(a, APP("1"), 1, 1, 0, &slot, &err);
        alloc_fail_reset();
        if (!alloc_fail_hit()) {
            assert_ok(rc);
            admission_give(a, &slot);
            break;
        }
        assert_code(STATUS_RESOURCE_EXHAUSTED, rc);
        assert_int_equal(0, admission_held(a, APP("1")));
    }
    admission_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_more_than_the_limit_run_at_one_time),
        cmocka_unit_test(the_time_to_come_back_is_exact),
        cmocka_unit_test(runs_of_an_earlier_process_count),
        cmocka_unit_test(it_does_what_a_model_of_it_does),
        cmocka_unit_test(apps_that_nothing_is_known_of_are_forgotten),
        cmocka_unit_test(threads_never_pass_the_limit_together),
        cmocka_unit_test(without_memory_nothing_is_admitted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
