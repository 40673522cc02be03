/*
 * Credentials of a pool: who serves a model, whose turn it is, how they rest.
 */
#include "tests/executor/model/pool_play.h"
#include "tests/support/alloc_fail.h"
#include <stdio.h>
#include <string.h>

/* The name of the next credential, given back at once; "" when none serves it. */
static struct str pick(struct play *p, const char *provider, const char *model, int64_t now_ms)
{
    static char name[64];
    struct pool_ticket ticket;
    const struct pool_ask ask = {
        .workspace_id = STR("default"), .provider = str_c(provider), .model = str_c(model)};
    if (play_ask_with(p, &ticket, &ask, now_ms) != POOL_GIVEN) {
        assert_int_equal(ticket.end, POOL_NO_CREDENTIAL);
        pool_leave(p->pool, &ticket, now_ms);
        return STR("");
    }
    snprintf(name, sizeof name, "%.*s", STR_ARG(ticket.credential->name));
    play_finish(p, &ticket, now_ms);
    return str_c(name);
}

/* --- who serves a model --- */

static void a_provider_is_the_last_part_of_its_path(void **state)
{
    static const struct {
        const char *provider, *name;
    } rows[] = {{"openai", "short"}, {"langgenius/openai/openai", "short"}, {"x/openai", "short"},
                {"other", "long"},   {"vendor/plugin/other", "long"},       {"openai/nobody", ""},
                {"OpenAI", ""}};
    struct play p;
    (void)state;
    play_begin(&p, false, 0);
    play_add(&p, "short", 1)->provider = STR("openai");
    play_add(&p, "long", 1)->provider = STR("vendor/plugin/other");
    play_update(&p, 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_str(rows[i].name, pick(&p, rows[i].provider, "m", 0));
    play_end(&p);
}

static void a_credential_serves_the_models_of_its_globs_in_its_workspace(void **state)
{
    static const struct str globs[] = {{"gpt-4*", 6}, {"o?", 2}};
    struct play p;
    (void)state;
    play_begin(&p, false, 0);
    struct store_credential *some = play_add(&p, "some", 1);
    some->models = globs;
    some->model_count = 2;
    play_update(&p, 0);
    assert_str("some", pick(&p, "p", "gpt-4o", 0));
    assert_str("some", pick(&p, "p", "o1", 0));
    assert_str("some", pick(&p, "", "o1", 0));
    assert_str("", pick(&p, "p", "o1-mini", 0));
    struct store_credential *all = play_add(&p, "all", 1);
    all->provider = STR("*");
    play_update(&p, 0);
    assert_str("all", pick(&p, "p", "o1-mini", 0));
    assert_str("all", pick(&p, "q", "gpt-4o", 0));
    all->workspace_id = STR("elsewhere");
    play_update(&p, 0);
    assert_str("", pick(&p, "q", "gpt-4o", 0));
    play_end(&p);
}

static void disabled_and_unusable_ones_are_left_out(void **state)
{
    struct play p;
    (void)state;
    play_begin(&p, false, 0);
    play_add(&p, "disabled", 100)->disabled = true;
    play_add(&p, "sealed", 100);
    play_add(&p, "protocol", 100)->protocol = STR("telepathy");
    play_add(&p, "line break", 100);
    play_add(&p, "good", 1);
    p.credentials[1].secret = STR("");
    p.credentials[1].problem = STR("sealed with another key");
    p.credentials[3].secret = STR("key\r\nX-Other: 1");
    play_update(&p, 0);
    for (int i = 0; i < 50; i++)
        assert_str("good", pick(&p, "p", "m", 0));
    play_end(&p);
}

static void an_alias_is_asked_for_by_its_other_name_and_shares_the_turns(void **state)
{
    static const struct str globs[] = {{"real", 4}};
    struct play p;
    struct pool_ticket ticket;
    (void)state;
    play_begin(&p, false, 0);
    play_add(&p, "a", 1)->models = globs;
    play_add(&p, "b", 1)->models = globs;
    struct store_model *model = play_add_model(&p, "gpt-4", "real");
    model->protocol = STR("anthropic");
    model->context_size = 1234;
    model->prompt_unit_price = STR("2.5");
    play_update(&p, 0);
    assert_int_equal(play_ask(&p, &ticket, "gpt-4", 0), POOL_GIVEN);
    assert_str("real", ticket.model);
    assert_ptr_equal(ticket.protocol, &protocol_anthropic);
    assert_str("2.5", ticket.settings->price.prompt_unit_price);
    assert_str("USD", ticket.settings->price.currency);
    play_finish(&p, &ticket, 0);
    assert_str("b", pick(&p, "p", "real", 0)); /* "a" has just had its turn */
    assert_str("a", pick(&p, "x/p", "gpt-4", 0));
    assert_str("", pick(&p, "p", "gpt-4o", 0));
    assert_int_equal(pool_context_size(p.pool, STR("default"), STR("v/p"), STR("gpt-4")), 1234);
    assert_int_equal(pool_context_size(p.pool, STR("default"), STR("p"), STR("real")), 0);
    play_end(&p);
}

static void when_none_fits_the_words_name_provider_and_model(void **state)
{
    const struct pool_ask ask = {.workspace_id = STR("default"),
                                 .provider = STR("langgenius/tongyi/tongyi"),
                                 .model = STR("qwen-max")};
    struct play p;
    struct pool_ticket ticket;
    struct status err;
    (void)state;
    play_begin(&p, true, 10);
    play_update(&p, 0);
    assert_int_equal(play_ask_with(&p, &ticket, &ask, 0), POOL_NO_CREDENTIAL);
    assert_code(STATUS_FAILED_PRECONDITION, pool_say(&ticket, &err));
    assert_string_equal(err.reason, "NO_CREDENTIAL");
    assert_contains("qwen-max", err.message);
    assert_contains("heddlectl credential add --provider \"tongyi\"", err.message);
    pool_leave(p.pool, &ticket, 0);
    play_end(&p);
}

static void beyond_the_names_that_are_kept_a_pick_still_finds_one(void **state)
{
    struct play p;
    (void)state;
    play_begin(&p, false, 0);
    play_add(&p, "a", 1);
    play_update(&p, 0);
    for (int i = 0; i < LANES_ROUTES_MAX * 2 + 10; i++) {
        char model[16];
        snprintf(model, sizeof model, "m%d", i);
        assert_str("a", pick(&p, "p", model, 0));
    }
    play_end(&p);
}

/* --- turns --- */

static void shares_hold_across_changes_of_the_store(void **state)
{
    struct play p;
    int counts[3] = {0};
    (void)state;
    play_begin(&p, false, 0);
    play_add(&p, "a", 3);
    play_add(&p, "b", 2);
    play_add(&p, "c", 2);
    for (int i = 0; i < 700; i++) {
        if (i % 3 == 0)
            play_update(&p, 0);
        counts[pick(&p, "p", "m", 0).ptr[0] - 'a']++;
    }
    assert_int_equal(counts[0], 300);
    assert_int_equal(counts[1], 200);
    assert_int_equal(counts[2], 200);
    p.credentials[0].credential.weight = 1; /* others have another share at once, and nothing to pay back */
    play_update(&p, 0);
    memset(counts, 0, sizeof counts);
    for (int i = 0; i < 500; i++)
        counts[pick(&p, "p", "m", 0).ptr[0] - 'a']++;
    assert_in_range(counts[0], 98, 102);
    play_end(&p);
}

static void every_model_has_turns_of_its_own(void **state)
{
    struct play p;
    (void)state;
    play_begin(&p, false, 0);
    play_add(&p, "a", 1);
    play_add(&p, "b", 1);
    play_update(&p, 0);
    assert_str("a", pick(&p, "p", "m1", 0));
    assert_str("a", pick(&p, "p", "m2", 0));
    assert_str("b", pick(&p, "p", "m1", 0));
    play_end(&p);
}

static void a_conversation_prefers_one_credential_and_all_of_them_are_fair(void **state)
{
    enum { CONVERSATIONS = 4000 };
    struct play p;
    int counts[3] = {0}, moved = 0;
    (void)state;
    play_begin(&p, false, 0);
    play_add(&p, "a", 1);
    play_add(&p, "b", 1);
    play_add(&p, "c", 2);
    play_add_model(&p, "m", "")->affinity = true;
    play_update(&p, 0);
    for (int i = 0; i < CONVERSATIONS; i++) {
        char id[16];
        snprintf(id, sizeof id, "talk-%d", i);
        const struct pool_ask ask = {.workspace_id = STR("default"),
                                     .provider = STR("p"),
                                     .model = STR("m"),
                                     .conversation_id = str_c(id)};
        struct pool_ticket first, second, third;
        assert_int_equal(play_ask_with(&p, &first, &ask, 0), POOL_GIVEN);
        assert_int_equal(play_ask_with(&p, &second, &ask, 0), POOL_GIVEN);
        assert_ptr_equal(first.credential, second.credential);
        counts[first.credential->name.ptr[0] - 'a']++;
        /* Once it has refused the call is another's, always the same. */
        assert_int_equal(play_refuse(&p, &second, REFUSAL_REQUEST, 0).for_ms, 0);
        assert_int_equal(pool_ask(p.pool, &second, 0), POOL_GIVEN);
        assert_ptr_not_equal(first.credential, second.credential);
        assert_int_equal(play_ask_with(&p, &third, &ask, 0), POOL_GIVEN);
        moved += third.credential != first.credential;
        play_finish(&p, &first, 0);
        play_finish(&p, &second, 0);
        play_finish(&p, &third, 0);
    }
    assert_int_equal(moved, 0);
    assert_in_range(counts[0], CONVERSATIONS / 4 - 150, CONVERSATIONS / 4 + 150);
    assert_in_range(counts[1], CONVERSATIONS / 4 - 150, CONVERSATIONS / 4 + 150);
    play_end(&p);
}

/* --- rests --- */

static void who_rests_is_passed_over_for_that_model_alone(void **state)
{
    struct play p;
    struct pool_ticket ticket;
    (void)state;
    play_begin(&p, false, 0);
    play_add(&p, "a", 1);
    play_add(&p, "b", 1);
    play_update(&p, 0);
    assert_int_equal(play_ask(&p, &ticket, "m", 0), POOL_GIVEN);
    struct standing_change change = play_refuse(&p, &ticket, REFUSAL_RATE_LIMIT, 0);
    assert_int_equal(change.for_ms, 60000);
    assert_true(change.is_to_be_stored);
    assert_string_equal(change.reason, "rate limited");
    pool_leave(p.pool, &ticket, 0);
    play_update(&p, 0); /* a change of the store forgets no rest */
    for (int i = 0; i < 100; i++)
        assert_str("b", pick(&p, "p", "m", 59999));
    int a = 0;
    for (int i = 0; i < 10; i++)
        a += str_eq_c(pick(&p, "p", "m", 60000), "a");
    assert_in_range(a, 4, 6);
    a = 0;
    for (int i = 0; i < 10; i++)
        a += str_eq_c(pick(&p, "p", "n", 1), "a");
    assert_int_equal(a, 5);
    play_end(&p);
}

static void of_a_burst_of_refusals_one_is_stored(void **state)
{
    struct play p;
    struct pool_ticket tickets[20];
    int stored = 0;
    (void)state;
    play_begin(&p, false, 0);
    play_add(&p, "a", 1);
    play_update(&p, 0);
    for (size_t i = 0; i < ARRAY_LEN(tickets); i++)
        assert_int_equal(play_ask(&p, &tickets[i], "m", 0), POOL_GIVEN);
    for (size_t i = 0; i < ARRAY_LEN(tickets); i++) {
        struct standing_change change = play_refuse(&p, &tickets[i], REFUSAL_UNAUTHORIZED, (int64_t)i);
        stored += change.is_to_be_stored;
        assert_false(change.is_disabled);
        pool_leave(p.pool, &tickets[i], (int64_t)i);
    }
    assert_int_equal(stored, 1);
    play_end(&p);
}

static void a_credential_that_is_not_taken_three_times_is_disabled_until_it_is_fresh(void **state)
{
    struct play p;
    struct pool_ticket ticket;
    (void)state;
    play_begin(&p, false, 0);
    play_add(&p, "a", 1);
    play_update(&p, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(play_ask(&p, &ticket, i == 1 ? "n" : "m", i * 10000), POOL_GIVEN);
        struct standing_change change = play_refuse(&p, &ticket, REFUSAL_UNAUTHORIZED, i * 10000);
        assert_int_equal(change.is_disabled, i == 2);
        assert_int_equal(change.for_ms, i == 2 ? 0 : 10000);
        pool_leave(p.pool, &ticket, i * 10000);
    }
    assert_str("", pick(&p, "p", "m", 1000000));
    play_update(&p, 0); /* the store may not know yet */
    assert_str("", pick(&p, "p", "m", 1000000));
    p.credentials[0].credential.fresh_since_ms++;
    play_update(&p, 0);
    assert_str("a", pick(&p, "p", "m", 30001));
    play_end(&p);
}

static void an_answer_between_begins_the_row_anew(void **state)
{
    struct play p;
    struct pool_ticket ticket;
    (void)state;
    play_begin(&p, false, 0);
    play_add(&p, "a", 1);
    play_update(&p, 0);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(play_ask(&p, &ticket, "m", i * 20000), POOL_GIVEN);
        assert_false(play_refuse(&p, &ticket, REFUSAL_UNAUTHORIZED, i * 20000).is_disabled);
        pool_leave(p.pool, &ticket, i * 20000);
        assert_str("a", pick(&p, "p", "m", i * 20000 + 10000));
    }
    play_end(&p);
}

static void without_quota_it_is_disabled_at_once_and_told_once(void **state)
{
    struct play p;
    struct pool_ticket first, second;
    (void)state;
    play_begin(&p, false, 0);
    play_add(&p, "a", 1);
    play_update(&p, 0);
    assert_int_equal(play_ask(&p, &first, "m", 0), POOL_GIVEN);
    assert_int_equal(play_ask(&p, &second, "m", 0), POOL_GIVEN);
    struct standing_change change = play_refuse(&p, &first, REFUSAL_NO_QUOTA, 0);
    assert_true(change.is_disabled && change.is_to_be_stored);
    assert_false(play_refuse(&p, &second, REFUSAL_NO_QUOTA, 0).is_disabled);
    pool_leave(p.pool, &first, 0);
    pool_leave(p.pool, &second, 0);
    assert_str("", pick(&p, "p", "m", 0));
    play_end(&p);
}

static void what_an_old_secret_is_refused_for_is_not_held_against_the_new_one(void **state)
{
    struct play p;
    struct pool_ticket ticket;
    (void)state;
    play_begin(&p, false, 0);
    play_add(&p, "a", 1);
    play_update(&p, 0);
    assert_int_equal(play_ask(&p, &ticket, "m", 0), POOL_GIVEN);
    p.credentials[0].credential.fresh_since_ms++;
    p.credentials[0].secret = STR("another");
    play_update(&p, 0);
    assert_false(play_refuse(&p, &ticket, REFUSAL_NO_QUOTA, 0).is_disabled);
    pool_leave(p.pool, &ticket, 0);
    assert_str("a", pick(&p, "p", "m", 0));
    play_end(&p);
}

static void rests_of_others_hold_here_and_own_ones_are_known(void **state)
{
    const struct store_rest rests[] = {
        {.credential_id = STR("a"), .model = STR("m"), .remaining_ms = 5000, .seen_by = STR("other")},
        {.credential_id = STR("b"), .model = STR("m"), .remaining_ms = 70000, .seen_by = STR("me")},
        {.credential_id = STR("gone"), .model = STR("m"), .remaining_ms = 5000, .seen_by = STR("other")}};
    struct play p;
    struct pool_ticket ticket;
    (void)state;
    play_begin(&p, false, 0);
    play_add(&p, "b", 1);
    play_update(&p, 0);
    assert_int_equal(play_ask(&p, &ticket, "m", 0), POOL_GIVEN);
    play_refuse(&p, &ticket, REFUSAL_RATE_LIMIT, 0);
    pool_leave(p.pool, &ticket, 0);
    play_add(&p, "a", 1);
    play_update(&p, 0);
    pool_take_rests(p.pool, &(struct store_rest_set){rests, 3}, STR("me"), 0);
    assert_int_equal(play_ask(&p, &ticket, "m", 1), POOL_ALL_REST);
    assert_int_equal(ticket.retry_ms, 4999);
    pool_leave(p.pool, &ticket, 0);
    assert_str("a", pick(&p, "p", "m", 5000));
    int b = 0;
    for (int i = 0; i < 4; i++)
        b += str_eq_c(pick(&p, "p", "m", 60000), "b"); /* its own 60 s, not the store's 70 */
    assert_int_equal(b, 2);
    play_end(&p);
}

/* --- memory --- */

static void without_memory_there_is_no_snapshot(void **state)
{
    struct play p;
    (void)state;
    play_begin(&p, false, 0);
    play_add(&p, "a", 1);
    play_add(&p, "b", 1);
    play_add_model(&p, "m", "n")->prompt_unit_price = STR("1");
    const struct store_credential_set set = {p.credentials, p.count};
    const struct store_model_page page = {.models = p.models, .count = p.model_count};
    for (size_t n = 0;; n++) {
        struct snapshot *snapshot = NULL;
        struct settings *settings = NULL;
        struct status err;
        alloc_fail_after(n);
        enum status_code rc = settings_new(&page, &settings, &err);
        if (rc == STATUS_OK)
            rc = snapshot_new(&set, settings, &snapshot, &err);
        alloc_fail_reset();
        if (rc != STATUS_OK)
            settings_free(settings);
        snapshot_unref(snapshot);
        if (!alloc_fail_hit())
            break;
        assert_code(STATUS_RESOURCE_EXHAUSTED, rc);
        assert_null(snapshot);
    }
    play_end(&p);
}

static void without_memory_a_call_is_refused_and_nothing_is_lost(void **state)
{
    (void)state;
    for (size_t n = 0;; n++) {
        struct play p;
        struct pool_ticket first, second;
        play_begin(&p, true, 10);
        play_add(&p, "a", 1)->max_concurrent = 1;
        play_add(&p, "b", 1)->requests_per_minute = 100;
        play_update(&p, 0);
        alloc_fail_after(n);
        enum pool_end one = play_ask(&p, &first, "m", 0), two = play_ask(&p, &second, "m", 0);
        alloc_fail_reset();
        bool has_failed = alloc_fail_hit();
        assert_true(has_failed || (one == POOL_GIVEN && two == POOL_GIVEN));
        assert_true(one == POOL_GIVEN || one == POOL_NO_MEMORY);
        assert_true(two == POOL_GIVEN || two == POOL_NO_MEMORY);
        pool_leave(p.pool, &first, 0);
        pool_leave(p.pool, &second, 0);
        assert_str("a", pick(&p, "p", "other", 0));
        play_end(&p);
        if (!has_failed)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_provider_is_the_last_part_of_its_path),
        cmocka_unit_test(a_credential_serves_the_models_of_its_globs_in_its_workspace),
        cmocka_unit_test(disabled_and_unusable_ones_are_left_out),
        cmocka_unit_test(an_alias_is_asked_for_by_its_other_name_and_shares_the_turns),
        cmocka_unit_test(when_none_fits_the_words_name_provider_and_model),
        cmocka_unit_test(beyond_the_names_that_are_kept_a_pick_still_finds_one),
        cmocka_unit_test(shares_hold_across_changes_of_the_store),
        cmocka_unit_test(every_model_has_turns_of_its_own),
        cmocka_unit_test(a_conversation_prefers_one_credential_and_all_of_them_are_fair),
        cmocka_unit_test(who_rests_is_passed_over_for_that_model_alone),
        cmocka_unit_test(of_a_burst_of_refusals_one_is_stored),
        cmocka_unit_test(a_credential_that_is_not_taken_three_times_is_disabled_until_it_is_fresh),
        cmocka_unit_test(an_answer_between_begins_the_row_anew),
        cmocka_unit_test(without_quota_it_is_disabled_at_once_and_told_once),
        cmocka_unit_test(what_an_old_secret_is_refused_for_is_not_held_against_the_new_one),
        cmocka_unit_test(rests_of_others_hold_here_and_own_ones_are_known),
        cmocka_unit_test(without_memory_there_is_no_snapshot),
        cmocka_unit_test(without_memory_a_call_is_refused_and_nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
