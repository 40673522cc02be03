/* The cache of API keys, over a reader whose answers the test gives when it likes. */
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/key_cache.h"

enum { PENDING_MAX = KEY_CACHE_READS_MAX + 1 };

struct pending {
    uint8_t hash[SHA256_BYTES];
    store_key_owner_done done;
    void *done_arg;
};

struct fixture {
    struct key_cache *cache;
    struct pending pending[PENDING_MAX];
    size_t pending_count;
    size_t read_count;
    bool refuses;
};

/* One caller. */
struct asker {
    struct key_wait wait;
    int told;
    struct grant *grant;
    struct status status;
};

static enum status_code reader_find(void *arg, const uint8_t hash[SHA256_BYTES],
                                    const struct store_version_ref *app, store_key_owner_done done,
                                    void *done_arg, struct status *err)
{
    (void)app;
    struct fixture *f = arg;
    f->read_count++;
    if (f->refuses)
        return status_reason(err, STATUS_UNAVAILABLE, "STORE_CLOSED", "store: closed");
    assert_true(f->pending_count < PENDING_MAX);
    struct pending *p = &f->pending[f->pending_count++];
    memcpy(p->hash, hash, SHA256_BYTES);
    p->done = done;
    p->done_arg = done_arg;
    return STATUS_OK;
}

static void asker_told(struct key_wait *wait, struct grant *take_grant, const struct status *status)
{
    struct asker *asker = CONTAINER_OF(wait, struct asker, wait);
    asker->told++;
    asker->grant = take_grant;
    asker->status = *status;
}

static void hash_of(int key, uint8_t hash[SHA256_BYTES])
{
    char text[32];
    snprintf(text, sizeof text, "key %d", key);
    sha256(str_c(text), hash);
}

static enum status_code ask_at(struct fixture *f, int key, int64_t now_ms, struct asker *asker)
{
    uint8_t hash[SHA256_BYTES];
    hash_of(key, hash);
    *asker = (struct asker){.wait.done = asker_told};
    return key_cache_find(f->cache, hash, NULL, now_ms, &asker->wait, &asker->grant, &asker->status);
}

static enum status_code ask(struct fixture *f, int key, struct asker *asker)
{
    return ask_at(f, key, 1000, asker);
}

/* Answers the oldest read: with a key of this id, or that there is none. */
static void answer(struct fixture *f, const char *key_id)
{
    assert_true(f->pending_count > 0);
    struct pending p = f->pending[0];
    memmove(f->pending, f->pending + 1, --f->pending_count * sizeof p);
    struct status status = {.code = STATUS_OK};
    if (key_id == NULL) {
        status_reason(&status, STATUS_NOT_FOUND, "KEY_NOT_FOUND", "no such key");
        p.done(p.done_arg, NULL, &status);
        return;
    }
    struct store_key_owner owner = {.key_id = str_c(key_id),
                                    .target = {.workspace_id = STR("default"),
                                               .app_id = STR("app"),
                                               .version_id = STR("version"),
                                               .mode = STORE_APP_CHAT}};
    p.done(p.done_arg, &owner, &status);
}

static void answer_failed(struct fixture *f)
{
    struct pending p = f->pending[0];
    memmove(f->pending, f->pending + 1, --f->pending_count * sizeof p);
    struct status status;
    status_reason(&status, STATUS_UNAVAILABLE, "STORE_BUSY", "store: busy");
    p.done(p.done_arg, NULL, &status);
}

/* Has the cache know a key, or know that there is none. */
static void learn(struct fixture *f, int key, const char *key_id)
{
    struct asker asker;
    assert_ok(ask(f, key, &asker));
    assert_null(asker.grant);
    answer(f, key_id);
    assert_int_equal(asker.told, 1);
    grant_unref(asker.grant);
}

static void assert_known(struct fixture *f, int key, const char *key_id)
{
    struct asker asker;
    size_t reads = f->read_count;
    assert_ok(ask(f, key, &asker));
    assert_non_null(asker.grant);
    assert_str(key_id, asker.grant->key_id);
    assert_int_equal(f->read_count, reads);
    assert_int_equal(asker.told, 0);
    grant_unref(asker.grant);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct key_reader reader = {.arg = f,
                                .find = reader_find,
                                .unknown_reason = "INVALID_TOKEN",
                                .unknown_words = "the API key is not known"};
    struct status err;
    assert_ok(key_cache_new(&reader, &f->cache, &err));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(f->pending_count, 0);
    key_cache_free(f->cache);
    free(f);
    return 0;
}

static void a_key_is_read_once_and_then_known(void **state)
{
    struct fixture *f = *state;
    struct asker asker;
    assert_ok(ask(f, 1, &asker));
    assert_null(asker.grant);
    assert_int_equal(asker.told, 0);
    answer(f, "id-1");
    assert_int_equal(asker.told, 1);
    assert_ok(asker.status.code);
    assert_str("id-1", asker.grant->key_id);
    assert_str("default", asker.grant->target.workspace_id);
    assert_str("app", asker.grant->target.app_id);
    assert_str("version", asker.grant->target.version_id);
    grant_unref(asker.grant);
    assert_known(f, 1, "id-1");
    assert_int_equal(f->read_count, 1);
}

static void an_unknown_key_is_refused_and_remembered_as_such(void **state)
{
    struct fixture *f = *state;
    struct asker asker;
    assert_ok(ask(f, 1, &asker));
    answer(f, NULL);
    assert_int_equal(asker.told, 1);
    assert_null(asker.grant);
    assert_code(STATUS_UNAUTHENTICATED, asker.status.code);
    assert_string_equal(asker.status.reason, "INVALID_TOKEN");
    assert_code(STATUS_UNAUTHENTICATED, ask(f, 1, &asker));
    assert_string_equal(asker.status.reason, "INVALID_TOKEN");
    assert_int_equal(f->read_count, 1);
}

static void callers_of_one_key_share_one_read(void **state)
{
    struct fixture *f = *state;
    struct asker askers[5], other;
    for (size_t i = 0; i < ARRAY_LEN(askers); i++)
        assert_ok(ask(f, 1, &askers[i]));
    assert_ok(ask(f, 2, &other));
    assert_int_equal(f->read_count, 2);
    answer(f, "id-1");
    for (size_t i = 0; i < ARRAY_LEN(askers); i++) {
        assert_int_equal(askers[i].told, 1);
        assert_str("id-1", askers[i].grant->key_id);
        grant_unref(askers[i].grant);
    }
    assert_int_equal(other.told, 0);
    answer(f, NULL);
    assert_int_equal(other.told, 1);
}

static void a_store_that_cannot_be_read_is_not_remembered(void **state)
{
    struct fixture *f = *state;
    struct asker asker;
    assert_ok(ask(f, 1, &asker));
    answer_failed(f);
    assert_code(STATUS_UNAVAILABLE, asker.status.code);
    assert_string_equal(asker.status.reason, "STORE_BUSY");
    f->refuses = true;
    assert_ok(ask(f, 1, &asker));
    assert_int_equal(asker.told, 1);
    assert_code(STATUS_UNAVAILABLE, asker.status.code);
    assert_string_equal(asker.status.reason, "STORE_CLOSED");
    f->refuses = false;
    learn(f, 1, "id-1");
    assert_known(f, 1, "id-1");
}

static void a_change_makes_it_read_again(void **state)
{
    struct fixture *f = *state;
    learn(f, 1, "id-1");
    learn(f, 2, NULL);
    key_cache_drop(f->cache);
    learn(f, 1, NULL);
    learn(f, 2, "id-2");
    struct asker asker;
    assert_code(STATUS_UNAUTHENTICATED, ask(f, 1, &asker));
    assert_known(f, 2, "id-2");
}

static void what_was_read_before_a_change_is_not_kept(void **state)
{
    struct fixture *f = *state;
    struct asker before;
    assert_ok(ask(f, 1, &before));
    key_cache_drop(f->cache);
    answer(f, "stale");
    assert_int_equal(before.told, 1);
    grant_unref(before.grant);
    learn(f, 1, NULL);
}

static void who_comes_after_a_change_does_not_wait_for_a_read_from_before(void **state)
{
    struct fixture *f = *state;
    struct asker before, after;
    assert_ok(ask(f, 1, &before));
    key_cache_drop(f->cache);
    assert_ok(ask(f, 1, &after));
    assert_int_equal(f->read_count, 2);
    answer(f, "stale");
    assert_int_equal(before.told, 1);
    assert_int_equal(after.told, 0);
    grant_unref(before.grant);
    answer(f, NULL);
    assert_code(STATUS_UNAUTHENTICATED, after.status.code);
}

static void garbage_drives_out_no_keys_and_the_longest_unused_go(void **state)
{
    struct fixture *f = *state;
    learn(f, 0, "id-0");
    for (int key = 1; key <= KEY_CACHE_UNKNOWN_MAX + 1; key++)
        learn(f, key, NULL);
    assert_known(f, 0, "id-0");
    struct asker asker;
    assert_code(STATUS_UNAUTHENTICATED, ask(f, KEY_CACHE_UNKNOWN_MAX + 1, &asker));
    assert_code(STATUS_UNAUTHENTICATED, ask(f, 2, &asker));
    learn(f, 1, NULL);
}

static void a_key_in_use_outlives_unused_ones(void **state)
{
    struct fixture *f = *state;
    learn(f, 0, "first");
    learn(f, 1, "second");
    for (int key = 2; key < KEY_CACHE_KEYS_MAX; key++)
        learn(f, key, "more");
    assert_known(f, 0, "first");
    learn(f, KEY_CACHE_KEYS_MAX, "one too many");
    assert_known(f, 0, "first");
    learn(f, 1, "second");
}

static void reads_in_flight_have_a_bound(void **state)
{
    struct fixture *f = *state;
    struct asker *askers = calloc(KEY_CACHE_READS_MAX + 1, sizeof *askers);
    for (int key = 0; key < KEY_CACHE_READS_MAX; key++)
        assert_ok(ask(f, key, &askers[key]));
    struct asker *late = &askers[KEY_CACHE_READS_MAX];
    assert_code(STATUS_UNAVAILABLE, ask(f, KEY_CACHE_READS_MAX, late));
    answer(f, NULL);
    assert_ok(ask(f, KEY_CACHE_READS_MAX, late));
    while (f->pending_count > 0)
        answer(f, NULL);
    assert_int_equal(late->told, 1);
    free(askers);
}

static void waiting_callers_have_a_bound(void **state)
{
    struct fixture *f = *state;
    struct asker *askers = calloc(KEY_CACHE_WAITS_MAX + 1, sizeof *askers);
    for (int i = 0; i < KEY_CACHE_WAITS_MAX; i++)
        assert_ok(ask(f, 1, &askers[i]));
    assert_code(STATUS_UNAVAILABLE, ask(f, 1, &askers[KEY_CACHE_WAITS_MAX]));
    answer(f, NULL);
    for (int i = 0; i < KEY_CACHE_WAITS_MAX; i++)
        assert_int_equal(askers[i].told, 1);
    free(askers);
}

static void uses_are_noted_once_a_minute_and_taken_once(void **state)
{
    struct fixture *f = *state;
    struct asker asker;
    struct key_use uses[4];
    assert_ok(ask_at(f, 1, 1000000, &asker));
    answer(f, "id-1");
    grant_unref(asker.grant);
    assert_int_equal(key_cache_take_uses(f->cache, uses, 4), 1);
    assert_str("id-1", uses[0].grant->key_id);
    assert_int_equal(uses[0].used_at_ms, 1000000);
    grant_unref(uses[0].grant);
    assert_ok(ask_at(f, 1, 1000000 + KEY_CACHE_USE_EVERY_MS - 1, &asker));
    grant_unref(asker.grant);
    assert_int_equal(key_cache_take_uses(f->cache, uses, 4), 0);
    assert_ok(ask_at(f, 1, 1000000 + KEY_CACHE_USE_EVERY_MS, &asker));
    grant_unref(asker.grant);
    key_cache_drop(f->cache);
    assert_int_equal(key_cache_take_uses(f->cache, uses, 4), 1);
    assert_int_equal(uses[0].used_at_ms, 1000000 + KEY_CACHE_USE_EVERY_MS);
    grant_unref(uses[0].grant);
}

static void without_memory_a_call_fails_and_nothing_is_lost(void **state)
{
    struct fixture *f = *state;
    struct status err;
    struct key_reader reader = {.arg = f,
                                .find = reader_find,
                                .unknown_reason = "INVALID_TOKEN",
                                .unknown_words = "the API key is not known"};
    for (size_t n = 0;; n++) {
        struct key_cache *cache = NULL;
        alloc_fail_after(n);
        enum status_code rc = key_cache_new(&reader, &cache, &err);
        alloc_fail_reset();
        key_cache_free(cache);
        if (!alloc_fail_hit())
            break;
        assert_code(STATUS_RESOURCE_EXHAUSTED, rc);
    }
    for (size_t n = 0;; n++) {
        struct asker asker;
        alloc_fail_after(n);
        enum status_code rc = ask(f, (int)n, &asker);
        if (rc == STATUS_OK)
            answer(f, "id");
        alloc_fail_reset();
        if (rc == STATUS_OK) {
            assert_int_equal(asker.told, 1);
            grant_unref(asker.grant);
        }
        if (!alloc_fail_hit())
            break;
    }
}

/* For ThreadSanitizer: askers, a reader thread's answers and drops at the same time. */
static enum status_code answer_at_once(void *arg, const uint8_t hash[SHA256_BYTES],
                                       const struct store_version_ref *app, store_key_owner_done done,
                                       void *done_arg, struct status *err)
{
    (void)app;
    (void)arg;
    (void)err;
    struct status status = {.code = STATUS_OK};
    struct store_key_owner owner = {.key_id = {(const char *)hash, 8}, .target = {.app_id = STR("app")}};
    done(done_arg, &owner, &status);
    return STATUS_OK;
}

/* A caller on another thread than the one that answers it. */
struct patient {
    struct key_wait wait;
    pthread_mutex_t lock;
    pthread_cond_t told;
    bool is_told;
    struct grant *grant;
};

static void patient_told(struct key_wait *wait, struct grant *take_grant, const struct status *status)
{
    (void)status;
    struct patient *p = CONTAINER_OF(wait, struct patient, wait);
    pthread_mutex_lock(&p->lock);
    p->grant = take_grant;
    p->is_told = true;
    pthread_cond_signal(&p->told);
    pthread_mutex_unlock(&p->lock);
}

static bool find_patiently(struct key_cache *cache, const uint8_t hash[SHA256_BYTES])
{
    struct patient p = {.wait.done = patient_told};
    pthread_mutex_init(&p.lock, NULL);
    pthread_cond_init(&p.told, NULL);
    struct grant *grant = NULL;
    if (key_cache_find(cache, hash, NULL, 1000, &p.wait, &grant, NULL) == STATUS_OK && grant == NULL) {
        pthread_mutex_lock(&p.lock);
        while (!p.is_told)
            pthread_cond_wait(&p.told, &p.lock);
        pthread_mutex_unlock(&p.lock);
        grant = p.grant;
    }
    bool found = grant != NULL && str_eq(grant->key_id, (struct str){(const char *)hash, 8});
    grant_unref(grant);
    pthread_cond_destroy(&p.told);
    pthread_mutex_destroy(&p.lock);
    return found;
}

static void *ask_a_lot(void *arg)
{
    struct key_cache *cache = arg;
    size_t found = 0;
    for (int i = 0; i < 3000; i++) {
        uint8_t hash[SHA256_BYTES];
        hash_of(i % 7, hash);
        found += find_patiently(cache, hash);
        if (i % 50 == 0)
            key_cache_drop(cache);
    }
    return (void *)found;
}

static void threads_share_a_cache(void **state)
{
    (void)state;
    struct key_cache *cache;
    struct status err;
    struct key_reader reader = {.find = answer_at_once};
    assert_ok(key_cache_new(&reader, &cache, &err));
    pthread_t threads[4];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_a_lot, cache), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        void *found;
        pthread_join(threads[i], &found);
        assert_int_equal((size_t)found, 3000);
    }
    key_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_is_read_once_and_then_known, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unknown_key_is_refused_and_remembered_as_such, setup, teardown),
        cmocka_unit_test_setup_teardown(callers_of_one_key_share_one_read, setup, teardown),
        cmocka_unit_test_setup_teardown(a_store_that_cannot_be_read_is_not_remembered, setup, teardown),
        cmocka_unit_test_setup_teardown(a_change_makes_it_read_again, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_read_before_a_change_is_not_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(who_comes_after_a_change_does_not_wait_for_a_read_from_before, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(garbage_drives_out_no_keys_and_the_longest_unused_go, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_key_in_use_outlives_unused_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(reads_in_flight_have_a_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(waiting_callers_have_a_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(uses_are_noted_once_a_minute_and_taken_once, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory_a_call_fails_and_nothing_is_lost, setup, teardown),
        cmocka_unit_test(threads_share_a_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
