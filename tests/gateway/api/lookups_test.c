/* Questions to the records: answered on their queue, once, and in time even when the store is not. */
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/api/lookups.h"
#include "heddle/v1/events.pb-c.h"
#include "shared/base/clock.h"

#define RUN     "01890000-0000-7000-8000-000000000001"
#define UNKNOWN "01890000-0000-7000-8000-000000000002"
#define APP     "01890000-0000-7000-8000-00000000000a"
#define VERSION "01890000-0000-7000-8000-00000000000b"
#define USER    "01890000-0000-7000-8000-00000000000c"
#define OTHER   "01890000-0000-7000-8000-00000000000d"

struct fixture {
    char dir[64], url[112];
    struct store *records;
    struct rpc_queues *queues;
    struct lookups *lookups;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t answers;
    struct status status;
    enum run_found found;
    size_t event_count;
    bool was_on_its_queue;
    bool is_blocked, is_let_go; /* the store's thread */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct status err;
    const char *tmp = getenv("TMPDIR");
    snprintf(f->dir, sizeof f->dir, "%s/heddle-lookups-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->url, sizeof f->url, "sqlite:%s/heddle.db", f->dir);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    assert_ok(store_open(f->url, &(struct store_options){.file = STORE_RECORDS, .role = STORE_GATEWAY},
                         &f->records, &err));
    assert_ok(rpc_queues_new(1, &f->queues, &err));
    assert_ok(rpc_queues_start(f->queues, &err));
    f->lookups = lookups_new(f->records);
    assert_non_null(f->lookups);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    store_close(f->records);
    rpc_queues_free(f->queues);
    lookups_free(f->lookups);
    DIR *dir = opendir(f->dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", f->dir, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    closedir(dir);
    assert_int_equal(rmdir(f->dir), 0);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    free(f);
    return 0;
}

static void answered(void *arg, struct lookup_answer *answer)
{
    struct fixture *f = arg;
    pthread_mutex_lock(&f->lock);
    f->answers++;
    f->status = answer->status;
    f->found = answer->found;
    f->event_count = answer->outcome.count;
    f->was_on_its_queue = rpc_queue_is_mine(rpc_queues_at(f->queues, 0));
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void wait_for_answers(struct fixture *f, size_t count)
{
    pthread_mutex_lock(&f->lock);
    while (f->answers < count)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
    assert_int_equal(f->answers, count);
    assert_true(f->was_on_its_queue);
}

static bool ask(struct fixture *f, const char *run_id, const char *app_id, const char *end_user_id)
{
    const struct lookup_find find = {
        .run_id = str_c(run_id), .app_id = str_c(app_id), .end_user_id = str_c(end_user_id)};
    return lookup_find(f->lookups, rpc_queues_at(f->queues, 0), &find, answered, f);
}

static bool close_run(struct fixture *f, int status, int end_reason)
{
    const struct store_run_close close = {.run_id = STR(RUN),
                                          .app_id = STR(APP),
                                          .version_id = STR(VERSION),
                                          .end_user_id = STR(USER),
                                          .user = STR("u-1"),
                                          .end_user_type = STR("service-api"),
                                          .mode = STORE_APP_WORKFLOW,
                                          .record = STORE_RECORD_FULL,
                                          .attempt = 1,
                                          .status = status,
                                          .end_reason = end_reason,
                                          .error = STR("why"),
                                          .created_at_ms = 1000,
                                          .finished_at_ms = 2000};
    return lookup_close(f->lookups, rpc_queues_at(f->queues, 0), &close, &(struct outcome_form){.events = 0},
                        answered, f);
}

static void a_run_is_found_by_those_it_belongs_to(void **state)
{
    struct fixture *f = *state;
    assert_true(close_run(f, HEDDLE__V1__RUN_STATUS__RUN_STATUS_FAILED,
                          HEDDLE__V1__END_REASON__END_REASON_EXECUTOR_LOST));
    wait_for_answers(f, 1);
    assert_ok(f->status.code);
    assert_int_equal(f->found, RUN_HAS_ENDED);
    assert_int_equal(f->event_count, 1);
    static const struct {
        const char *run_id, *app_id, *end_user_id;
        enum run_found found;
    } rows[] = {{RUN, APP, USER, RUN_HAS_ENDED},
                {RUN, APP, OTHER, RUN_FOREIGN},
                {RUN, OTHER, USER, RUN_FOREIGN},
                {UNKNOWN, APP, USER, RUN_UNKNOWN}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_true(ask(f, rows[i].run_id, rows[i].app_id, rows[i].end_user_id));
        wait_for_answers(f, i + 2);
        assert_ok(f->status.code);
        assert_int_equal(f->found, rows[i].found);
        assert_int_equal(f->event_count, rows[i].found == RUN_HAS_ENDED);
    }
}

static void what_the_store_refuses_is_said(void **state)
{
    struct fixture *f = *state;
    assert_true(ask(f, "no id", APP, USER));
    wait_for_answers(f, 1);
    assert_code(STATUS_INVALID_ARGUMENT, f->status.code);
    assert_int_equal(f->event_count, 0);
}

/* --- a store that does not answer --- */

static void block(void *arg, const struct store_run *run, const struct status *status)
{
    (void)run;
    (void)status;
    struct fixture *f = arg;
    pthread_mutex_lock(&f->lock);
    f->is_blocked = true;
    pthread_cond_broadcast(&f->changed);
    while (!f->is_let_go)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

static void block_store(struct fixture *f)
{
    struct status err;
    assert_ok(store_run_get(f->records, &(struct store_run_ref){.run_id = STR(UNKNOWN)}, block, f, &err));
    pthread_mutex_lock(&f->lock);
    while (!f->is_blocked)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

static void let_store_go(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    f->is_let_go = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void a_question_that_waits_too_long_is_answered_without_the_store_and_once(void **state)
{
    struct fixture *f = *state;
    block_store(f);
    assert_true(ask(f, UNKNOWN, APP, USER));
    assert_true(close_run(f, HEDDLE__V1__RUN_STATUS__RUN_STATUS_FAILED,
                          HEDDLE__V1__END_REASON__END_REASON_EXECUTOR_LOST));
    lookups_tick(f->lookups, clock_monotonic_ms() + LOOKUP_MS - 500);
    assert_int_equal(f->answers, 0);
    lookups_tick(f->lookups, clock_monotonic_ms() + LOOKUP_MS);
    wait_for_answers(f, 2);
    assert_code(STATUS_UNAVAILABLE, f->status.code);
    assert_string_equal(f->status.reason, "STORE_SLOW");
    assert_int_equal(f->event_count, 0);
    let_store_go(f);
    assert_true(ask(f, RUN, APP, USER)); /* behind the late ones; the store has done what it was asked, too */
    wait_for_answers(f, 3);
    assert_ok(f->status.code);
    assert_int_equal(f->found, RUN_HAS_ENDED);
    lookups_tick(f->lookups, INT64_MAX);
    assert_int_equal(f->answers, 3);
}

static void without_memory_nothing_is_asked(void **state)
{
    struct fixture *f = *state;
    size_t answers = 0;
    for (size_t n = 0;; n++) {
        alloc_fail_after(n);
        bool was_asked = ask(f, UNKNOWN, APP, USER);
        alloc_fail_reset();
        if (was_asked)
            wait_for_answers(f, ++answers);
        if (!alloc_fail_hit())
            break;
    }
    assert_ok(f->status.code);
    assert_int_equal(f->answers, answers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_run_is_found_by_those_it_belongs_to),
        TEST(what_the_store_refuses_is_said),
        TEST(a_question_that_waits_too_long_is_answered_without_the_store_and_once),
        TEST(without_memory_nothing_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
