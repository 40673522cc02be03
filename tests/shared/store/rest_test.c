/*
 * Tests of rest, and of what else executors write to the configuration.
 */
#include "shared/store/rest.h"
#include "tests/shared/store/fixture.h"
#include <string.h>
#include <time.h>

/* ms. Until another store must have heard of a commit; it takes some 20 ms, this is for a loaded machine. */
#define HEARD_WITHIN_MS 20000
#define HOUR_MS         3600000

static struct store_credential one_credential(struct fixture *f, const char *name)
{
    struct store_credential credential;
    const struct store_credential_create create = {.provider = STR("openai"),
                                                   .name = str_c(name),
                                                   .base_url = STR("https://api.openai.com/v1"),
                                                   .secret = STR("sk-hush")};
    assert_ok(create_credential(f, &create, &credential));
    return credential;
}

static struct store_rest_put rest_for(const struct store_credential *credential, int64_t for_ms)
{
    return (struct store_rest_put){.credential_id = credential->credential_id,
                                   .model = STR("gpt-4o"),
                                   .for_ms = for_ms,
                                   .reason = STR("rate limited"),
                                   .seen_by = STR("executor-1")};
}

/* The only one there is. */
static struct store_rest only_rest(struct fixture *f)
{
    struct store_rest_set set;
    assert_ok(load_rests(f, &set));
    assert_int_equal(1, set.count);
    return set.rests[0];
}

static size_t rest_count(struct fixture *f)
{
    struct store_rest_set set;
    assert_ok(load_rests(f, &set));
    return set.count;
}

static void a_rest_never_gets_shorter(void **state)
{
    static const struct {
        const char *name, *reason;
        int64_t for_ms, left_ms; /* at least; and at most the same */
    } rows[] = {{"the first", "rate limited", HOUR_MS, HOUR_MS},
                {"a shorter one", "unavailable", HOUR_MS / 2, HOUR_MS},
                {"none at all", "unavailable", 0, HOUR_MS},
                {"a longer one", "out of luck", 2 * HOUR_MS, 2 * HOUR_MS}};
    struct fixture *f = *state;
    struct store_credential credential = one_credential(f, "a");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct store_rest_put put = rest_for(&credential, rows[i].for_ms);
        put.reason = str_c(rows[i].reason);
        assert_ok(put_rest(f, &put));
        struct store_rest rest = only_rest(f);
        if (rest.remaining_ms > rows[i].left_ms || rest.remaining_ms < rows[i].left_ms - HEARD_WITHIN_MS)
            fail_msg("%s: %lld ms are left", rows[i].name, (long long)rest.remaining_ms);
        assert_str(rows[i].for_ms == rows[i].left_ms ? rows[i].reason : "rate limited", rest.reason);
    }
}

static void a_rest_tells_whose_it_is_and_outlives_the_process(void **state)
{
    struct fixture *f = *state;
    struct store_credential credential = one_credential(f, "a");
    struct store_rest_put put = rest_for(&credential, HOUR_MS);
    assert_ok(put_rest(f, &put));
    int64_t until_ms = only_rest(f).until_ms;
    fixture_reopen(f, MASTER_KEY_A);
    struct store_rest rest = only_rest(f);
    assert_str("default", rest.workspace_id);
    assert_true(str_eq(credential.credential_id, rest.credential_id));
    assert_str("gpt-4o", rest.model);
    assert_str("rate limited", rest.reason);
    assert_str("executor-1", rest.seen_by);
    assert_int_equal(until_ms, rest.until_ms);
    assert_in_range(rest.remaining_ms, 1, HOUR_MS);
}

static void rests_are_of_a_credential_and_a_model(void **state)
{
    struct fixture *f = *state;
    struct store_credential a = one_credential(f, "a"), b = one_credential(f, "b");
    struct store_rest_put puts[] = {rest_for(&a, HOUR_MS), rest_for(&a, HOUR_MS), rest_for(&b, HOUR_MS)};
    puts[1].model = STR("o1");
    for (size_t i = 0; i < ARRAY_LEN(puts); i++)
        assert_ok(put_rest(f, &puts[i]));
    assert_int_equal(3, rest_count(f));

    struct store_credential_page page;
    const struct store_credential_list all = {.provider = STR("openai")};
    assert_ok(list_credentials(f, &all, &page));
    assert_int_equal(2, page.credentials[0].rest_count);
    assert_str("gpt-4o", page.credentials[0].rests[0].model);
    assert_str("o1", page.credentials[0].rests[1].model);
    assert_str("rate limited", page.credentials[0].rests[1].reason);
    assert_int_equal(1, page.credentials[1].rest_count);

    assert_ok(delete_credential(f, a.credential_id));
    assert_int_equal(1, rest_count(f));
    assert_ok(put_rest(f, &puts[0])); /* comes late, for a credential that is gone */
    assert_int_equal(1, rest_count(f));
}

static void rests_that_are_over_are_forgotten(void **state)
{
    static const struct sql rows = {"select count(*) from rests"};
    struct fixture *f = *state;
    struct store_credential a = one_credential(f, "a"), b = one_credential(f, "b");
    struct store_rest_put over = rest_for(&a, -1), other = rest_for(&b, HOUR_MS);
    assert_ok(put_rest(f, &over));
    assert_int_equal(0, rest_count(f));
    assert_ok(put_rest(f, &other));
    assert_int_equal(1, fixture_number(f, &rows));
}

static void more_rests_of_a_credential_than_are_shown_are_all_loaded(void **state)
{
    struct fixture *f = *state;
    struct store_credential a = one_credential(f, "a");
    for (int i = 0; i < STORE_CREDENTIAL_RESTS_MAX + 5; i++) {
        struct store_rest_put put = rest_for(&a, HOUR_MS);
        put.model = str_c(arena_printf(&f->arena, "m%03d", i));
        assert_ok(put_rest(f, &put));
    }
    assert_int_equal(STORE_CREDENTIAL_RESTS_MAX + 5, rest_count(f));
    struct store_credential_page page;
    const struct store_credential_list all = {.page_size = 0};
    assert_ok(list_credentials(f, &all, &page));
    assert_int_equal(STORE_CREDENTIAL_RESTS_MAX, page.credentials[0].rest_count);
}

static void what_makes_a_credential_fresh_ends_its_rests_and_what_makes_it_not_leaves_them(void **state)
{
    static const struct {
        const char *name;
        struct store_credential_update update;
        bool is_fresh;
    } rows[] = {
        {"a new secret", {.has_secret = true, .secret = {"sk-new", 6}}, true},
        {"no secret any more", {.has_secret = true}, true},
        {"enabling", {.has_disabled = true}, true},
        {"end of rests", {.ends_rests = true}, true},
        {"a name", {.has_name = true, .name = {"n", 1}}, false},
        {"disabling", {.has_disabled = true, .disabled = true}, false},
        {"a weight", {.has_weight = true, .weight = 7}, false},
        {"quotas", {.has_requests_per_minute = true, .requests_per_minute = 5}, false},
    };
    struct fixture *f = *state;
    struct store_credential credential = one_credential(f, "a");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct store_credential_update update = rows[i].update;
        struct store_credential changed;
        update.credential_id = credential.credential_id;
        struct store_rest_put put = rest_for(&credential, HOUR_MS);
        assert_ok(put_rest(f, &put));
        assert_ok(update_credential(f, &update, &changed));
        bool is_fresh = changed.fresh_since_ms > credential.fresh_since_ms;
        if (is_fresh != rows[i].is_fresh || (rest_count(f) == 0) != rows[i].is_fresh ||
            changed.rest_count != rest_count(f))
            fail_msg("%s: fresh %d, %zu rests", rows[i].name, is_fresh, rest_count(f));
        credential = changed;
    }
}

static void what_comes_late_is_not_held_against_a_fresh_credential(void **state)
{
    struct fixture *f = *state;
    struct store_credential old = one_credential(f, "a"), fresh;
    const struct store_credential_update secret = {
        .credential_id = old.credential_id, .has_secret = true, .secret = STR("sk-new")};
    assert_ok(update_credential(f, &secret, &fresh));

    struct store_rest_put rest = rest_for(&old, HOUR_MS);
    struct store_credential_disable disable = {.ref = {.credential_id = old.credential_id},
                                               .reason = STR("unauthorized")};
    rest.fresh_since_ms = disable.fresh_since_ms = old.fresh_since_ms;
    assert_ok(put_rest(f, &rest));
    assert_ok(disable_credential(f, &disable));
    assert_int_equal(0, rest_count(f));
    struct store_credential_set set;
    assert_ok(load_credentials(f, NULL, &set));
    assert_false(set.credentials[0].credential.disabled);

    rest.fresh_since_ms = disable.fresh_since_ms = fresh.fresh_since_ms;
    assert_ok(put_rest(f, &rest));
    assert_ok(disable_credential(f, &disable));
    assert_int_equal(1, rest_count(f));
    assert_ok(load_credentials(f, NULL, &set));
    assert_true(set.credentials[0].credential.disabled);
}

static void a_disabled_credential_says_why_until_somebody_changes_that(void **state)
{
    struct fixture *f = *state;
    struct store_credential credential = one_credential(f, "a");
    struct store_credential_disable disable = {.ref = {.credential_id = credential.credential_id},
                                               .reason = STR("out of quota: no money")};
    const struct store_credential_update
        enable = {.credential_id = credential.credential_id, .has_disabled = true},
        by_hand = {.credential_id = credential.credential_id, .has_disabled = true, .disabled = true},
        secret = {.credential_id = credential.credential_id, .has_secret = true, .secret = STR("sk-new")};
    struct store_credential_page page;
    const struct store_credential_list all = {.page_size = 0};
    assert_ok(disable_credential(f, &disable));
    assert_ok(list_credentials(f, &all, &page));
    assert_true(page.credentials[0].disabled);
    assert_str("out of quota: no money", page.credentials[0].disabled_reason);
    disable.reason = STR("a second executor sees it later");
    assert_ok(disable_credential(f, &disable));
    assert_ok(list_credentials(f, &all, &page));
    assert_str("out of quota: no money", page.credentials[0].disabled_reason);

    assert_ok(update_credential(f, &enable, &credential));
    assert_false(credential.disabled);
    assert_str("", credential.disabled_reason);

    assert_ok(update_credential(f, &by_hand, &credential));
    assert_ok(disable_credential(f, &disable));
    assert_ok(list_credentials(f, &all, &page));
    assert_str("", page.credentials[0].disabled_reason); /* it was disabled by hand, before */

    assert_ok(update_credential(f, &enable, &credential));
    assert_ok(disable_credential(f, &disable));
    assert_ok(update_credential(f, &secret, &credential));
    assert_str("", credential.disabled_reason);
    assert_true(credential.disabled); /* a new secret is not yet a wish to use it */

    disable.ref.credential_id = STR(UNKNOWN_ID);
    assert_reason(STATUS_NOT_FOUND, "CREDENTIAL_NOT_FOUND", f, disable_credential(f, &disable));
}

static void a_long_reason_is_cut_between_characters(void **state)
{
    struct fixture *f = *state;
    struct store_credential credential = one_credential(f, "a");
    char reason[STORE_REASON_BYTES_MAX + 2];
    memset(reason, 'x', sizeof reason);
    memcpy(reason + STORE_REASON_BYTES_MAX - 1, "\xc3\xa9", 2); /* é across the limit */
    const struct store_credential_disable disable = {.ref = {.credential_id = credential.credential_id},
                                                     .reason = {reason, sizeof reason}};
    struct store_rest_put put = rest_for(&credential, HOUR_MS);
    put.reason = disable.reason;
    assert_ok(put_rest(f, &put));
    assert_int_equal(STORE_REASON_BYTES_MAX - 1, only_rest(f).reason.len);
    assert_ok(disable_credential(f, &disable));
    struct store_credential_set set;
    assert_ok(load_credentials(f, NULL, &set));
    assert_int_equal(STORE_REASON_BYTES_MAX - 1, set.credentials[0].credential.disabled_reason.len);
}

static void executors_write_what_they_learn_of_credentials_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    struct store_credential credential = one_credential(f, "a");
    uint64_t before = store_config_generation(f->store);
    struct store *gateway = f->store;
    assert_ok(fixture_open(f, STORE_EXECUTOR, STORE_AS_IS, &f->store));
    struct store_rest_put put = rest_for(&credential, HOUR_MS);
    const struct store_credential_disable disable = {.ref = {.credential_id = credential.credential_id},
                                                     .reason = STR("unauthorized")};
    const struct store_credential_update update = {.credential_id = credential.credential_id,
                                                   .ends_rests = true};
    assert_ok(put_rest(f, &put));
    assert_int_equal(before,
                     store_config_generation(f->store)); /* a rest is no change of the configuration */
    assert_ok(disable_credential(f, &disable));
    assert_int_equal(before + 1, store_config_generation(f->store));
    assert_reason(STATUS_FAILED_PRECONDITION, "STORE_READ_ONLY", f,
                  update_credential(f, &update, &credential));
    assert_reason(STATUS_FAILED_PRECONDITION, "STORE_READ_ONLY", f,
                  delete_credential(f, credential.credential_id));
    store_close(gateway);
}

/* Counts what it is told. */
struct listener {
    pthread_mutex_t lock;
    pthread_cond_t told;
    int commits;
};

static void hear(void *arg)
{
    struct listener *l = arg;
    pthread_mutex_lock(&l->lock);
    l->commits++;
    pthread_cond_broadcast(&l->told);
    pthread_mutex_unlock(&l->lock);
}

static bool hears_more_than(struct listener *l, int commits)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += HEARD_WITHIN_MS / 1000;
    int rc = 0;
    pthread_mutex_lock(&l->lock);
    while (l->commits <= commits && rc == 0)
        rc = pthread_cond_timedwait(&l->told, &l->lock, &until);
    bool is_heard = l->commits > commits;
    pthread_mutex_unlock(&l->lock);
    return is_heard;
}

static void another_store_hears_of_a_rest_and_of_one_beside_a_change(void **state)
{
    struct fixture *f = *state;
    struct listener l = {.commits = 0};
    struct store_credential credential = one_credential(f, "a");
    struct store *other = NULL;
    pthread_mutex_init(&l.lock, NULL);
    pthread_cond_init(&l.told, NULL);
    assert_ok(fixture_open(f, STORE_EXECUTOR, STORE_AS_IS, &other));
    assert_ok(store_rest_watch(other, hear, &l, &f->err));
    assert_code(STATUS_RESOURCE_EXHAUSTED, store_rest_watch(other, hear, &l, &f->err));
    assert_true(hears_more_than(&l, 0)); /* the first look tells in any case: nothing falls between */

    struct store_rest_put put = rest_for(&credential, HOUR_MS);
    int heard = l.commits;
    uint64_t generation = store_generation(other);
    assert_ok(put_rest(f, &put));
    assert_true(hears_more_than(&l, heard));
    assert_int_equal(generation, store_generation(other));

    /* Two commits within one look: the change must not hide the rest. */
    heard = l.commits;
    const struct store_credential_update rename = {
        .credential_id = credential.credential_id, .has_name = true, .name = STR("b")};
    put.for_ms = 2 * HOUR_MS;
    assert_ok(put_rest(f, &put));
    assert_ok(update_credential(f, &rename, &credential));
    assert_true(hears_more_than(&l, heard));
    store_close(other);
    pthread_cond_destroy(&l.told);
    pthread_mutex_destroy(&l.lock);
}

static void fields_that_cannot_be_are_refused(void **state)
{
    struct fixture *f = *state;
    struct store_credential credential = one_credential(f, "a");
    char long_name[STORE_NAME_BYTES_MAX + 1];
    memset(long_name, 'x', sizeof long_name);
    struct store_rest_put put = rest_for(&credential, HOUR_MS);
    put.credential_id = STR("7");
    assert_field("credential_id", f, put_rest(f, &put));
    put = rest_for(&credential, HOUR_MS);
    put.model = (struct str){long_name, sizeof long_name};
    assert_field("model", f, put_rest(f, &put));
    put = rest_for(&credential, HOUR_MS);
    put.reason = STR("a\0b");
    assert_field("reason", f, put_rest(f, &put));
    put = rest_for(&credential, HOUR_MS);
    put.seen_by = (struct str){long_name, sizeof long_name};
    assert_field("seen_by", f, put_rest(f, &put));
    put = rest_for(&credential, STORE_REST_MS_MAX + 1);
    assert_field("for_ms", f, put_rest(f, &put));
    const struct store_credential_disable disable = {.ref = {.credential_id = STR("x")}};
    assert_field("id", f, disable_credential(f, &disable));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_rest_never_gets_shorter),
        TEST(a_rest_tells_whose_it_is_and_outlives_the_process),
        TEST(rests_are_of_a_credential_and_a_model),
        TEST(rests_that_are_over_are_forgotten),
        TEST(more_rests_of_a_credential_than_are_shown_are_all_loaded),
        TEST(what_makes_a_credential_fresh_ends_its_rests_and_what_makes_it_not_leaves_them),
        TEST(what_comes_late_is_not_held_against_a_fresh_credential),
        TEST(a_disabled_credential_says_why_until_somebody_changes_that),
        TEST(a_long_reason_is_cut_between_characters),
        TEST(executors_write_what_they_learn_of_credentials_and_nothing_else),
        TEST(another_store_hears_of_a_rest_and_of_one_beside_a_change),
        TEST(fields_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
