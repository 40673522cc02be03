/* Keys that come and go: when they are fetched, how long they hold, and who waits. Time is passed in. */
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/key_source.h"

enum { REFRESH = 300000, REFETCH = 30000, STALE = 1000000 };
static const struct key_url url = {.url = "https://x/jwks",
                                   .ca_file = "ca",
                                   .token_file = "token",
                                   .refresh_ms = REFRESH,
                                   .refetch_ms = REFETCH,
                                   .stale_ms = STALE};

struct waiter {
    struct key_source_wait wait;
    int told;
};

static void told(struct key_source_wait *wait)
{
    CONTAINER_OF(wait, struct waiter, wait)->told++;
}

static struct jwt_keys *some_keys(void)
{
    struct jwt_keys *keys = jwt_keys_new();
    assert_non_null(keys);
    return keys;
}

static int setup(void **state)
{
    *state = key_source_new_url(&url);
    assert_non_null(*state);
    return 0;
}

static int teardown(void **state)
{
    key_source_unref(*state);
    return 0;
}

static bool begins(struct key_source *source, int64_t now_ms)
{
    int64_t due_ms;
    return key_source_begin(source, now_ms, &due_ms);
}

static int64_t due_of(struct key_source *source, int64_t now_ms)
{
    int64_t due_ms;
    assert_false(key_source_begin(source, now_ms, &due_ms));
    return due_ms;
}

/* One fetch: keys whose text has this first byte of a hash; 0: it fails. */
static bool fetch(struct key_source *source, int64_t now_ms, uint8_t hash)
{
    uint8_t bytes[32] = {hash};
    assert_true(begins(source, now_ms));
    return key_source_end(source, now_ms, hash == 0 ? NULL : some_keys(), bytes);
}

static bool has_keys(struct key_source *source, int64_t now_ms)
{
    uint64_t generation;
    struct jwt_keys *keys = key_source_keys(source, now_ms, &generation);
    assert_int_equal(generation, key_source_generation(source, now_ms));
    assert_true((keys != NULL) == (generation != 0));
    jwt_keys_unref(keys);
    return keys != NULL;
}

static void keys_are_fetched_at_once_and_then_now_and_then(void **state)
{
    struct key_source *source = *state;
    assert_string_equal(key_source_url(source)->url, "https://x/jwks");
    assert_false(has_keys(source, 0));
    assert_true(fetch(source, 0, 1));
    assert_true(has_keys(source, 0));
    uint64_t first = key_source_generation(source, 0);
    assert_int_equal(due_of(source, 1), REFRESH);
    assert_false(fetch(source, REFRESH, 1)); /* the same text: what was checked still holds */
    assert_int_equal(key_source_generation(source, REFRESH), first);
    assert_true(fetch(source, 2 * REFRESH, 2));
    assert_true(key_source_generation(source, 2 * REFRESH) != first);
}

static void failed_fetches_are_tried_again_after_growing_pauses(void **state)
{
    struct key_source *source = *state;
    static const int64_t pauses_ms[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000};
    int64_t now_ms = 0;
    for (size_t i = 0; i < ARRAY_LEN(pauses_ms); i++) {
        assert_false(fetch(source, now_ms, 0));
        assert_int_equal(due_of(source, now_ms), now_ms + pauses_ms[i]);
        now_ms += pauses_ms[i];
    }
    assert_true(fetch(source, now_ms, 1));
    assert_false(fetch(source, now_ms + REFRESH, 0));
    assert_int_equal(due_of(source, now_ms + REFRESH), now_ms + REFRESH + 1000);
}

static void keys_that_cannot_be_fetched_again_hold_for_a_while(void **state)
{
    struct key_source *source = *state;
    assert_true(fetch(source, 0, 1));
    uint64_t first = key_source_generation(source, 0);
    assert_false(fetch(source, REFRESH, 0));
    assert_true(has_keys(source, STALE));
    assert_false(has_keys(source, STALE + 1));
    assert_true(fetch(source, STALE + 2, 1)); /* the same text, yet they were gone */
    assert_true(has_keys(source, STALE + 2));
    assert_true(key_source_generation(source, STALE + 2) > first);
}

static void an_unknown_key_has_them_fetched_but_not_too_often(void **state)
{
    struct key_source *source = *state;
    struct waiter a = {.wait.done = told}, b = a, c = a;
    int64_t retry_ms;
    assert_int_equal(key_source_want(source, 0, &a.wait, &retry_ms), KEY_SOURCE_WAITS); /* the first one */
    assert_true(begins(source, 0));
    assert_int_equal(key_source_want(source, 1, &b.wait, &retry_ms), KEY_SOURCE_WAITS); /* under way */
    uint8_t hash[32] = {1};
    assert_int_equal(a.told + b.told, 0);
    assert_true(key_source_end(source, 2, some_keys(), hash));
    assert_true(a.told == 1 && b.told == 1);

    assert_int_equal(key_source_want(source, REFETCH - 1, &c.wait, &retry_ms), KEY_SOURCE_TOO_SOON);
    assert_int_equal(retry_ms, 1);
    assert_int_equal(due_of(source, REFETCH - 1), 2 + REFRESH);
    assert_int_equal(key_source_want(source, REFETCH, NULL, &retry_ms),
                     KEY_SOURCE_TOO_SOON); /* nobody waits */
    assert_false(fetch(source, REFETCH, 0));
    assert_int_equal(key_source_want(source, REFETCH + 400, &c.wait, &retry_ms), KEY_SOURCE_TOO_SOON);
    assert_int_equal(retry_ms, 600); /* the pause of a failure holds for them, too */
    assert_int_equal(c.told, 0);
}

static void only_so_many_wait(void **state)
{
    struct key_source *source = *state;
    struct waiter *waiters = calloc(KEY_SOURCE_WAITS_MAX + 1, sizeof *waiters);
    int64_t retry_ms;
    size_t all = 0;
    for (size_t i = 0; i <= KEY_SOURCE_WAITS_MAX; i++) {
        waiters[i].wait.done = told;
        assert_int_equal(key_source_want(source, 0, &waiters[i].wait, &retry_ms),
                         i < KEY_SOURCE_WAITS_MAX ? KEY_SOURCE_WAITS : KEY_SOURCE_TOO_SOON);
    }
    assert_false(fetch(source, 0, 0));
    for (size_t i = 0; i <= KEY_SOURCE_WAITS_MAX; i++)
        all += (size_t)waiters[i].told;
    assert_int_equal(all, KEY_SOURCE_WAITS_MAX);
    free(waiters);
}

static void whoever_waits_at_the_end_is_told(void **state)
{
    struct key_source *source = *state;
    struct waiter a = {.wait.done = told}, b = a;
    int64_t retry_ms;
    assert_int_equal(key_source_want(source, 0, &a.wait, &retry_ms), KEY_SOURCE_WAITS);
    key_source_close(source);
    assert_int_equal(a.told, 1);
    assert_int_equal(key_source_want(source, 0, &b.wait, &retry_ms), KEY_SOURCE_TOO_SOON);
    assert_false(begins(source, 0));
    assert_int_equal(b.told, 0);
}

static void fixed_keys_are_never_fetched(void **state)
{
    (void)state;
    struct jwt_keys *keys = some_keys();
    struct key_source *source = key_source_new_fixed(keys);
    struct waiter a = {.wait.done = told};
    int64_t retry_ms, due_ms;
    jwt_keys_unref(keys);
    assert_null(key_source_url(source)->url);
    assert_true(has_keys(source, INT64_MAX / 2));
    assert_int_equal(key_source_want(source, 0, &a.wait, &retry_ms), KEY_SOURCE_TOO_SOON);
    assert_false(key_source_begin(source, INT64_MAX / 2, &due_ms));
    assert_true(due_ms == INT64_MAX);
    key_source_unref(source);
}

static void keys_are_inherited_with_their_age(void **state)
{
    struct key_source *source = *state, *next = key_source_new_url(&url);
    key_source_inherit(next, source);
    assert_false(has_keys(next, 0));
    assert_true(fetch(source, 0, 1));
    key_source_inherit(next, source);
    assert_true(has_keys(next, STALE));
    assert_false(has_keys(next, STALE + 1));
    assert_true(begins(next, 0));
    (void)key_source_end(next, 0, NULL, NULL);
    key_source_unref(next);
}

static void memory_may_end_anywhere(void **state)
{
    (void)state;
    for (size_t n = 0;; n++) {
        alloc_fail_after(n);
        struct key_source *source = key_source_new_url(&url);
        alloc_fail_reset();
        bool hit = alloc_fail_hit();
        assert_true(hit == (source == NULL));
        key_source_unref(source);
        if (!hit)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_are_fetched_at_once_and_then_now_and_then, setup, teardown),
        cmocka_unit_test_setup_teardown(failed_fetches_are_tried_again_after_growing_pauses, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_that_cannot_be_fetched_again_hold_for_a_while, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unknown_key_has_them_fetched_but_not_too_often, setup, teardown),
        cmocka_unit_test_setup_teardown(only_so_many_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(whoever_waits_at_the_end_is_told, setup, teardown),
        cmocka_unit_test(fixed_keys_are_never_fetched),
        cmocka_unit_test_setup_teardown(keys_are_inherited_with_their_age, setup, teardown),
        cmocka_unit_test(memory_may_end_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
