/*
 * Credentials: who fits, whose turn it is, and what is said when nobody fits.
 */
#include "executor/model/pool.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <stdio.h>
#include <string.h>

enum { PICKS = 2000, MEMBERS_MAX = 8 };

static const struct str any_model[] = {{"*", 1}};

static struct store_credential_opened opened(const char *provider, const char *name, int32_t weight)
{
    return (struct store_credential_opened){.credential = {.workspace_id = STR("default"),
                                                           .provider = str_c(provider),
                                                           .protocol = STR("openai"),
                                                           .name = str_c(name),
                                                           .base_url = STR("http://models.test/v1"),
                                                           .models = any_model,
                                                           .model_count = 1,
                                                           .weight = weight},
                                            .secret = STR("key")};
}

static struct pool *make(const struct store_credential_opened *credentials, size_t count)
{
    struct pool *pool = NULL;
    struct status err;
    const struct store_credential_set set = {credentials, count};
    assert_ok(pool_new(&set, NULL, &pool, &err));
    return pool;
}

/* The name of the next credential; "" when none fits. */
static struct str pick(struct pool *pool, const char *provider, const char *model)
{
    const struct pool_query query = {.provider = str_c(provider), .model = str_c(model)};
    struct pool_choice choice;
    struct status err;
    if (pool_pick(pool, &query, &choice, &err) != STATUS_OK) {
        assert_int_equal(err.code, STATUS_FAILED_PRECONDITION);
        assert_string_equal(err.reason, "NO_CREDENTIAL");
        return STR("");
    }
    return choice.credential->name;
}

/* --- shares --- */

static void note_picks(struct pool *pool, const char *names, size_t *picked)
{
    for (size_t i = 0; i < PICKS; i++) {
        struct str name = pick(pool, "p", "m");
        assert_int_equal(name.len, 1);
        picked[i] = (size_t)(strchr(names, name.ptr[0]) - names);
    }
}

/* In no window does any get more than `slack` above or below what its weight is due. */
static void check_shares(const size_t *picked, const int32_t *weights, size_t count, double slack)
{
    double total = 0;
    for (size_t m = 0; m < count; m++)
        total += weights[m];
    for (size_t m = 0; m < count; m++) {
        /* The window [a, b) has a lead of lead[b] - lead[a]; the largest is the widest spread of the lead. */
        double lead = 0, least = 0, most = 0;
        for (size_t i = 0; i < PICKS; i++) {
            lead += (picked[i] == m ? 1.0 : 0.0) - weights[m] / total;
            least = lead < least ? lead : least;
            most = lead > most ? lead : most;
        }
        if (most - least > slack + 1e-6)
            fail_msg("member %zu of %zu (weight %d) is %.3f off its share in some window", m, count,
                     (int)weights[m], most - least);
    }
}

static void in_any_window_each_gets_its_share(void **state)
{
    static const struct {
        size_t count;
        double slack;
        int32_t weights[MEMBERS_MAX];
    } rows[] = {
        /* of equal weights, and of two: ± 1 */
        {1, 1, {1}},
        {2, 1, {1, 1}},
        {3, 1, {1, 1, 1}},
        {8, 1, {1, 1, 1, 1, 1, 1, 1, 1}},
        {2, 1, {3, 1}},
        {2, 1, {7, 3}},
        {2, 1, {1000000, 1}},
        {2, 1, {999999, 999998}},
        /* else ± 2 */
        {3, 2, {5, 1, 1}},
        {3, 2, {4, 2, 1}},
        {3, 2, {3, 2, 2}},
        {4, 2, {10, 1, 1, 1}},
        {5, 2, {9, 7, 5, 3, 1}},
        {8, 2, {100, 50, 25, 12, 6, 3, 2, 1}},
        {8, 2, {20, 1, 1, 1, 1, 1, 1, 1}},
    };
    static size_t picked[PICKS];
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        struct store_credential_opened credentials[MEMBERS_MAX];
        static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
        for (size_t i = 0; i < rows[r].count; i++)
            credentials[i] = opened("p", names[i], rows[r].weights[i]);
        struct pool *pool = make(credentials, rows[r].count);
        note_picks(pool, "abcdefgh", picked);
        check_shares(picked, rows[r].weights, rows[r].count, rows[r].slack);
        pool_unref(pool);
    }
}

static void over_a_whole_round_every_weight_is_met_exactly(void **state)
{
    static const int32_t weights[] = {5, 3, 2};
    const struct store_credential_opened credentials[] = {opened("p", "a", 5), opened("p", "b", 3),
                                                          opened("p", "c", 2)};
    (void)state;
    struct pool *pool = make(credentials, 3);
    for (int round = 0; round < 5; round++) {
        int32_t counts[3] = {0};
        for (int i = 0; i < 10; i++)
            counts[pick(pool, "p", "m").ptr[0] - 'a']++;
        assert_memory_equal(counts, weights, sizeof weights);
    }
    pool_unref(pool);
}

static void every_model_has_turns_of_its_own(void **state)
{
    const struct store_credential_opened credentials[] = {opened("p", "a", 1), opened("p", "b", 1)};
    (void)state;
    struct pool *pool = make(credentials, 2);
    struct str first = pick(pool, "p", "m1");
    assert_true(str_eq(first, pick(pool, "p", "m2")));
    assert_false(str_eq(first, pick(pool, "p", "m1")));
    pool_unref(pool);
}

static void beyond_the_lanes_a_pick_still_finds_one(void **state)
{
    const struct store_credential_opened credentials[] = {opened("p", "a", 1)};
    (void)state;
    struct pool *pool = make(credentials, 1);
    for (int i = 0; i < POOL_LANES_MAX + 10; i++) {
        char model[16];
        snprintf(model, sizeof model, "m%d", i);
        assert_str("a", pick(pool, "p", model));
        assert_str("", pick(pool, "q", model));
    }
    pool_unref(pool);
}

/* --- who fits --- */

static void a_provider_is_the_last_part_of_its_path(void **state)
{
    const struct store_credential_opened credentials[] = {opened("openai", "short", 1),
                                                          opened("vendor/plugin/other", "long", 1)};
    static const struct {
        const char *provider, *name;
    } rows[] = {{"openai", "short"}, {"langgenius/openai/openai", "short"}, {"x/openai", "short"},
                {"other", "long"},   {"vendor/plugin/other", "long"},       {"openai/nobody", ""},
                {"OpenAI", ""}};
    (void)state;
    struct pool *pool = make(credentials, 2);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_str(rows[i].name, pick(pool, rows[i].provider, "m"));
    pool_unref(pool);
}

static void a_credential_serves_the_models_of_its_globs(void **state)
{
    static const struct str globs[] = {{"gpt-4*", 6}, {"o?", 2}};
    struct store_credential_opened credentials[] = {opened("p", "some", 1), opened("*", "all", 1)};
    (void)state;
    credentials[0].credential.models = globs;
    credentials[0].credential.model_count = 2;
    struct pool *pool = make(credentials, 1);
    assert_str("some", pick(pool, "p", "gpt-4o"));
    assert_str("some", pick(pool, "p", "o1"));
    assert_str("", pick(pool, "p", "o1-mini"));
    pool_unref(pool);
    pool = make(credentials, 2);
    assert_str("all", pick(pool, "p", "o1-mini"));
    assert_str("all", pick(pool, "other", "gpt-4o"));
    pool_unref(pool);
}

static void disabled_and_unusable_ones_are_left_out(void **state)
{
    struct store_credential_opened credentials[] = {opened("p", "disabled", 100), opened("p", "sealed", 100),
                                                    opened("p", "protocol", 100),
                                                    opened("p", "line break", 100), opened("p", "good", 1)};
    (void)state;
    credentials[0].credential.disabled = true;
    credentials[1].secret = STR("");
    credentials[1].problem = STR("sealed with another key");
    credentials[2].credential.protocol = STR("telepathy");
    credentials[3].secret = STR("key\r\nX-Other: 1");
    struct pool *pool = make(credentials, 5);
    for (int i = 0; i < 50; i++)
        assert_str("good", pick(pool, "p", "m"));
    pool_unref(pool);
}

static void a_credential_is_a_copy_and_keeps_its_pool(void **state)
{
    char url[] = "http://models.test/v1//";
    struct store_credential_opened from = opened("p", "a", 0);
    const struct pool_query query = {.provider = STR("p"), .model = STR("m")};
    struct pool_choice choice;
    struct status err;
    (void)state;
    from.credential.base_url = str_c(url);
    struct pool *pool = make(&from, 1);
    memset(url, 'x', sizeof url - 1);
    assert_ok(pool_pick(pool, &query, &choice, &err));
    assert_ptr_equal(pool, pool_ref(choice.credential->pool));
    pool_unref(pool);
    assert_str("http://models.test/v1", choice.credential->base_url);
    assert_int_equal(choice.credential->weight, 1);
    pool_unref(choice.credential->pool);
}

static void when_none_fits_the_words_name_provider_and_model(void **state)
{
    const struct pool_query query = {.provider = STR("langgenius/tongyi/tongyi"), .model = STR("qwen-max")};
    struct pool_choice choice;
    struct status err;
    (void)state;
    struct pool *pool = make(NULL, 0);
    assert_code(STATUS_FAILED_PRECONDITION, pool_pick(pool, &query, &choice, &err));
    assert_string_equal(err.reason, "NO_CREDENTIAL");
    assert_contains("qwen-max", err.message);
    assert_contains("tongyi", err.message);
    assert_contains("heddlectl credential add", err.message);
    pool_unref(pool);
}

static void without_memory_there_is_no_pool(void **state)
{
    struct store_credential_opened credentials[] = {opened("p", "a", 1), opened("q", "b", 1)};
    const struct store_credential_set set = {credentials, 2};
    (void)state;
    for (size_t n = 0;; n++) {
        struct pool *pool = NULL;
        struct status err;
        alloc_fail_after(n);
        enum status_code rc = pool_new(&set, NULL, &pool, &err);
        alloc_fail_reset();
        if (!alloc_fail_hit()) {
            assert_ok(rc);
            pool_unref(pool);
            break;
        }
        assert_code(STATUS_RESOURCE_EXHAUSTED, rc);
        assert_null(pool);
    }
}

/* --- rests --- */

static struct pool *make_with_rests(struct rests *rests, const struct store_credential_opened *credentials,
                                    size_t count)
{
    struct pool *pool = NULL;
    struct status err;
    const struct store_credential_set set = {credentials, count};
    assert_ok(pool_new(&set, rests, &pool, &err));
    return pool;
}

static struct pool_choice choose(struct pool *pool, int64_t now_ms)
{
    const struct pool_query query = {.provider = STR("p"), .model = STR("m"), .now_ms = now_ms};
    struct pool_choice choice;
    struct status err;
    assert_ok(pool_pick(pool, &query, &choice, &err));
    return choice;
}

static void who_rests_is_passed_over_and_has_nothing_to_catch_up_on(void **state)
{
    struct store_credential_opened credentials[] = {opened("p", "a", 1), opened("p", "b", 1)};
    struct rests *rests = rests_new();
    (void)state;
    credentials[0].credential.credential_id = STR("1");
    credentials[1].credential.credential_id = STR("2");
    struct pool *pool = make_with_rests(rests, credentials, 2);
    assert_int_equal(rest_begin(choose(pool, 0).rest, REST_RATE_LIMIT, 0, 0), 60000); /* a */
    for (int i = 0; i < 100; i++)
        assert_str("b", choose(pool, 59999).credential->name);
    int a = 0;
    for (int i = 0; i < 10; i++)
        a += str_eq_c(choose(pool, 60000).credential->name, "a");
    assert_int_equal(a, 5);
    pool_unref(pool);
    /* A change in the store brings a new pool, and forgets no rest. */
    rest_begin(rests_of(rests, STR("1"), STR("m")), REST_REFUSED, 0, 100000);
    pool = make_with_rests(rests, credentials, 2);
    for (int i = 0; i < 10; i++)
        assert_str("b", choose(pool, 100001).credential->name);
    pool_unref(pool);
    rests_free(rests);
}

static void when_all_rest_the_first_to_be_back_is_taken(void **state)
{
    struct store_credential_opened credentials[] = {opened("p", "a", 1), opened("p", "b", 1)};
    struct rests *rests = rests_new();
    (void)state;
    credentials[0].credential.credential_id = STR("1");
    credentials[1].credential.credential_id = STR("2");
    struct pool *pool = make_with_rests(rests, credentials, 2);
    rest_begin(rests_of(rests, STR("1"), STR("m")), REST_RATE_LIMIT, 0, 0);
    rest_begin(rests_of(rests, STR("2"), STR("m")), REST_REFUSED, 0, 0);
    assert_str("b", choose(pool, 1).credential->name);
    assert_str("b", choose(pool, 2).credential->name);
    pool_unref(pool);
    rests_free(rests);
}

static void what_was_tried_is_not_taken_again(void **state)
{
    struct store_credential_opened credentials[] = {opened("p", "a", 1), opened("p", "b", 9),
                                                    opened("p", "c", 1)};
    const struct credential *tried[3];
    (void)state;
    struct pool *pool = make(credentials, 3);
    struct pool_query query = {.provider = STR("p"), .model = STR("m"), .tried = tried};
    for (; query.tried_count < 3; query.tried_count++) {
        struct pool_choice choice;
        struct status err;
        assert_ok(pool_pick(pool, &query, &choice, &err));
        for (size_t i = 0; i < query.tried_count; i++)
            assert_ptr_not_equal(choice.credential, tried[i]);
        tried[query.tried_count] = choice.credential;
    }
    struct pool_choice none;
    struct status err;
    assert_code(STATUS_RESOURCE_EXHAUSTED, pool_pick(pool, &query, &none, &err));
    assert_string_equal(err.reason, "ALL_TRIED");
    pool_unref(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_rests_is_passed_over_and_has_nothing_to_catch_up_on),
        cmocka_unit_test(when_all_rest_the_first_to_be_back_is_taken),
        cmocka_unit_test(what_was_tried_is_not_taken_again),
        cmocka_unit_test(in_any_window_each_gets_its_share),
        cmocka_unit_test(over_a_whole_round_every_weight_is_met_exactly),
        cmocka_unit_test(every_model_has_turns_of_its_own),
        cmocka_unit_test(beyond_the_lanes_a_pick_still_finds_one),
        cmocka_unit_test(a_provider_is_the_last_part_of_its_path),
        cmocka_unit_test(a_credential_serves_the_models_of_its_globs),
        cmocka_unit_test(disabled_and_unusable_ones_are_left_out),
        cmocka_unit_test(a_credential_is_a_copy_and_keeps_its_pool),
        cmocka_unit_test(when_none_fits_the_words_name_provider_and_model),
        cmocka_unit_test(without_memory_there_is_no_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
