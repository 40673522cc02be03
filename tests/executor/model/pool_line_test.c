/*
 * Calls of a pool: what comes after a refusal or a rest, limits, who waits and for how long.
 */
#include "tests/executor/model/pool_play.h"

/* --- after a rest --- */

static void after_a_rest_one_call_is_tried_until_it_says_something(void **state)
{
    struct play p;
    struct pool_ticket ticket, trial, waiting[3];
    (void)state;
    play_begin(&p, true, 10);
    play_add(&p, "a", 1);
    play_update(&p, 0);
    assert_int_equal(play_ask(&p, &ticket, "m", 0), POOL_GIVEN);
    play_refuse(&p, &ticket, REFUSAL_UNAVAILABLE, 0);
    pool_leave(p.pool, &ticket, 0);
    assert_int_equal(play_ask(&p, &trial, "m", 10000), POOL_GIVEN);
    assert_true(trial.is_trial);
    for (int i = 0; i < 3; i++)
        assert_int_equal(play_ask(&p, &waiting[i], "m", 10001), POOL_WAITS);
    assert_int_equal(pool_due(p.pool, &p.home, 10002), INT64_MAX); /* only the trial's end will tell */
    play_told(&p, NULL);
    assert_true(pool_answers(p.pool, &trial, 10005)); /* its first words */
    for (int i = 0; i < 3; i++) {
        struct pool_ticket *told = play_told(&p, "a");
        assert_ptr_equal(told, &waiting[i]);
        assert_false(told->is_trial);
        assert_int_equal(told->waited_ms, 4);
        play_finish(&p, told, 10006);
    }
    play_finish(&p, &trial, 10007);
    play_end(&p);
}

static void a_trial_that_fails_sends_those_who_wait_back_to_waiting(void **state)
{
    struct play p;
    struct pool_ticket ticket, trial, waiting, late;
    const struct pool_ask until_25 = {
        .workspace_id = STR("default"), .provider = STR("p"), .model = STR("m"), .deadline_ms = 25000};
    (void)state;
    play_begin(&p, true, 10);
    play_add(&p, "a", 1);
    play_update(&p, 0);
    assert_int_equal(play_ask(&p, &ticket, "m", 0), POOL_GIVEN);
    play_refuse(&p, &ticket, REFUSAL_UNAVAILABLE, 0);
    pool_leave(p.pool, &ticket, 0);
    assert_int_equal(play_ask(&p, &trial, "m", 10000), POOL_GIVEN);
    assert_int_equal(play_ask(&p, &waiting, "m", 10001), POOL_WAITS);
    assert_int_equal(play_ask_with(&p, &late, &until_25, 10001), POOL_WAITS);
    play_refuse(&p, &trial, REFUSAL_UNAVAILABLE, 10010); /* until 30010 */
    assert_ptr_equal(pool_told(p.pool, &p.home), &late);
    assert_int_equal(late.end, POOL_ALL_REST);
    assert_int_equal(late.retry_ms, 20000);
    assert_int_equal(pool_due(p.pool, &p.home, 10011), 30010);
    assert_int_equal(pool_due(p.pool, &p.home, 30010), INT64_MAX);
    play_finish(&p, play_told(&p, "a"), 30011);
    pool_leave(p.pool, &trial, 30012);
    pool_leave(p.pool, &late, 30012);
    play_end(&p);
}

/* --- failover --- */

static void no_credential_is_given_twice_to_one_call(void **state)
{
    struct play p;
    struct pool_ticket ticket;
    bool seen[3] = {false};
    struct status err;
    (void)state;
    play_begin(&p, true, 10);
    play_add(&p, "a", 1);
    play_add(&p, "b", 9);
    play_add(&p, "c", 1);
    play_update(&p, 0);
    assert_int_equal(play_ask(&p, &ticket, "m", 0), POOL_GIVEN);
    for (int n = 0; n < 3; n++) {
        bool *is_seen = &seen[ticket.credential->name.ptr[0] - 'a'];
        assert_false(*is_seen);
        *is_seen = true;
        play_refuse(&p, &ticket, n == 0 ? REFUSAL_RATE_LIMIT : REFUSAL_UNAVAILABLE, 0);
        play_update(&p, 0); /* the same credentials in another snapshot are the same */
        assert_int_equal(pool_ask(p.pool, &ticket, 0), n == 2 ? POOL_ALL_TRIED : POOL_GIVEN);
    }
    assert_code(STATUS_RESOURCE_EXHAUSTED, pool_say(&ticket, &err));
    assert_string_equal(err.reason, "ALL_TRIED");
    assert_int_equal(err.retry_ms, 10000);
    pool_leave(p.pool, &ticket, 0);
    play_end(&p);
}

static void a_call_waits_for_those_it_has_not_tried(void **state)
{
    struct play p;
    struct pool_ticket first, second;
    (void)state;
    play_begin(&p, true, 10);
    play_add(&p, "a", 1);
    play_add(&p, "b", 1);
    play_update(&p, 0);
    assert_int_equal(play_ask(&p, &first, "m", 0), POOL_GIVEN);
    assert_int_equal(play_ask(&p, &second, "m", 0), POOL_GIVEN);
    assert_str("b", second.credential->name);
    play_refuse(&p, &second, REFUSAL_RATE_LIMIT, 0);            /* b until 60000 */
    play_refuse(&p, &first, REFUSAL_UNAVAILABLE, 0);            /* a until 10000 */
    assert_int_equal(pool_ask(p.pool, &first, 1), POOL_WAITS);  /* for b */
    assert_int_equal(pool_ask(p.pool, &second, 1), POOL_WAITS); /* for a */
    pool_due(p.pool, &p.home, 10000);
    assert_ptr_equal(play_told(&p, "a"), &second);
    play_told(&p, NULL);
    play_answer(&p, &second, 10001);
    pool_due(p.pool, &p.home, 60000);
    assert_ptr_equal(play_told(&p, "b"), &first);
    play_finish(&p, &first, 60001);
    pool_leave(p.pool, &second, 60001);
    play_end(&p);
}

/* --- limits --- */

static void full_credentials_are_passed_over_and_a_free_place_goes_to_one(void **state)
{
    struct play p;
    struct pool_ticket running[3], waiting[2];
    (void)state;
    play_begin(&p, true, 10);
    play_add(&p, "a", 1)->max_concurrent = 2;
    play_add(&p, "b", 1)->max_concurrent = 1;
    play_update(&p, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(play_ask(&p, &running[i], "m", 0), POOL_GIVEN);
    for (int i = 0; i < 2; i++)
        assert_int_equal(play_ask(&p, &waiting[i], i == 0 ? "m" : "n", 0), POOL_WAITS);
    play_update(&p, 0);
    play_told(&p, NULL);
    struct str name = running[0].credential->name;
    play_finish(&p, &running[0], 5);
    struct pool_ticket *told = play_told(&p, "a");
    assert_str("a", name);
    play_told(&p, NULL);
    play_finish(&p, told, 6);
    told = play_told(&p, "a");
    play_finish(&p, told, 7);
    play_finish(&p, &running[1], 8);
    play_finish(&p, &running[2], 8);
    play_end(&p);
}

static void requests_and_tokens_of_a_minute_are_kept(void **state)
{
    struct play p;
    struct pool_ticket ticket, large, small, important;
    struct pool_ask ask = {
        .workspace_id = STR("default"), .provider = STR("p"), .model = STR("m"), .tokens = 40};
    (void)state;
    play_begin(&p, true, 10);
    play_add(&p, "a", 1)->tokens_per_minute = 100;
    play_update(&p, 0);
    assert_int_equal(play_ask_with(&p, &ticket, &ask, 0), POOL_GIVEN);
    pool_give_back(p.pool, &ticket, POOL_ANSWERED, NULL, 50, 10); /* it has used 50 */
    pool_leave(p.pool, &ticket, 10);
    ask.tokens = 60;
    assert_int_equal(play_ask_with(&p, &large, &ask, 1000), POOL_WAITS);
    assert_int_equal(pool_due(p.pool, &p.home, 1000), QUOTA_WINDOW_MS);
    ask.tokens = 1; /* which has room, but came later */
    assert_int_equal(play_ask_with(&p, &small, &ask, 1000), POOL_WAITS);
    ask.priority = 1;
    assert_int_equal(play_ask_with(&p, &important, &ask, 1000), POOL_GIVEN);
    play_finish(&p, &important, 1001);
    pool_leave(p.pool, &large, 1002); /* nobody is in front any more */
    assert_ptr_equal(play_told(&p, "a"), &small);
    play_finish(&p, &small, 1003);
    play_end(&p);
}

/* --- lines --- */

static void who_may_not_wait_fails_at_once_and_hears_when(void **state)
{
    struct play p;
    struct pool_ticket ticket, second;
    struct status err;
    (void)state;
    play_begin(&p, false, 10);
    play_add(&p, "a", 1);
    play_update(&p, 0);
    assert_int_equal(play_ask(&p, &ticket, "m", 0), POOL_GIVEN);
    play_refuse(&p, &ticket, REFUSAL_RATE_LIMIT, 0);
    pool_leave(p.pool, &ticket, 0);
    assert_int_equal(play_ask(&p, &second, "m", 1234), POOL_ALL_REST);
    assert_code(STATUS_RESOURCE_EXHAUSTED, pool_say(&second, &err));
    assert_int_equal(err.retry_ms, 60000 - 1234);
    pool_tell_later(p.pool, &second, POOL_ALL_REST);
    assert_int_equal(p.wakes, 1);
    assert_ptr_equal(pool_told(p.pool, &p.home), &second);
    pool_leave(p.pool, &second, 0);
    play_end(&p);
}

static void a_deadline_before_the_first_return_is_not_waited_for(void **state)
{
    struct play p;
    struct pool_ticket ticket, early, late;
    struct pool_ask ask = {
        .workspace_id = STR("default"), .provider = STR("p"), .model = STR("m"), .deadline_ms = 59999};
    (void)state;
    play_begin(&p, true, 10);
    play_add(&p, "a", 1);
    play_update(&p, 0);
    assert_int_equal(play_ask(&p, &ticket, "m", 0), POOL_GIVEN);
    play_refuse(&p, &ticket, REFUSAL_RATE_LIMIT, 0);
    pool_leave(p.pool, &ticket, 0);
    assert_int_equal(play_ask_with(&p, &early, &ask, 1), POOL_ALL_REST);
    assert_int_equal(early.retry_ms, 59999);
    ask.deadline_ms = 60000;
    assert_int_equal(play_ask_with(&p, &late, &ask, 1), POOL_WAITS);
    pool_due(p.pool, &p.home, 60000);
    play_finish(&p, play_told(&p, "a"), 60000);
    pool_leave(p.pool, &early, 60000);
    play_end(&p);
}

static void the_line_is_bounded(void **state)
{
    struct play p;
    struct pool_ticket running, waiting[2], more;
    struct status err;
    (void)state;
    play_begin(&p, true, 2);
    play_add(&p, "a", 1)->max_concurrent = 1;
    play_update(&p, 0);
    assert_int_equal(play_ask(&p, &running, "m", 0), POOL_GIVEN);
    for (int i = 0; i < 2; i++)
        assert_int_equal(play_ask(&p, &waiting[i], i == 0 ? "m" : "n", 0), POOL_WAITS);
    assert_int_equal(play_ask(&p, &more, "m", 0), POOL_LINE_FULL);
    assert_code(STATUS_RESOURCE_EXHAUSTED, pool_say(&more, &err));
    for (int i = 0; i < 2; i++)
        pool_leave(p.pool, &waiting[i], 0);
    pool_leave(p.pool, &more, 0);
    play_finish(&p, &running, 0);
    play_end(&p);
}

static void who_is_told_and_leaves_gives_it_to_the_next(void **state)
{
    struct play p;
    struct pool_ticket running, first, second;
    (void)state;
    play_begin(&p, true, 10);
    play_add(&p, "a", 1)->max_concurrent = 1;
    play_update(&p, 0);
    assert_int_equal(play_ask(&p, &running, "m", 0), POOL_GIVEN);
    assert_int_equal(play_ask(&p, &first, "m", 0), POOL_WAITS);
    assert_int_equal(play_ask(&p, &second, "m", 0), POOL_WAITS);
    play_finish(&p, &running, 1);
    pool_leave(p.pool, &first, 2); /* cancelled between being told and hearing of it */
    assert_ptr_equal(play_told(&p, "a"), &second);
    play_finish(&p, &second, 3);
    play_end(&p);
}

static void a_change_of_the_store_serves_or_sends_away_those_who_wait(void **state)
{
    struct play p;
    struct pool_ticket running, first, second, third;
    (void)state;
    play_begin(&p, true, 10);
    struct store_credential *a = play_add(&p, "a", 1);
    a->max_concurrent = 1;
    play_update(&p, 0);
    assert_int_equal(play_ask(&p, &running, "m", 0), POOL_GIVEN);
    assert_int_equal(play_ask(&p, &first, "m", 0), POOL_WAITS);
    assert_int_equal(play_ask(&p, &second, "m", 0), POOL_WAITS);
    struct store_credential *b = play_add(&p, "b", 1);
    b->max_concurrent = 1;
    play_update(&p, 1);
    assert_ptr_equal(play_told(&p, "b"), &first);
    /* Another alias moves the one who waits to where there is room. */
    static const struct str globs[] = {{"other", 5}};
    struct store_credential *c = play_add(&p, "c", 1);
    c->models = globs;
    play_add_model(&p, "m", "other");
    play_update(&p, 2);
    assert_ptr_equal(play_told(&p, "c"), &second);
    assert_str("other", second.model);
    p.model_count = 0;
    play_update(&p, 3);
    assert_int_equal(play_ask(&p, &third, "m", 3), POOL_WAITS);
    p.count = 0;
    play_update(&p, 4);
    assert_ptr_equal(pool_told(p.pool, &p.home), &third);
    assert_int_equal(third.end, POOL_NO_CREDENTIAL);
    pool_leave(p.pool, &third, 5);
    play_finish(&p, &running, 5);
    play_finish(&p, &first, 5);
    play_finish(&p, &second, 5);
    play_update(&p, 6);
    play_end(&p);
}

static void who_is_disabled_for_good_is_not_waited_for(void **state)
{
    struct play p;
    struct pool_ticket running, waiting;
    (void)state;
    play_begin(&p, true, 10);
    play_add(&p, "a", 1)->max_concurrent = 1;
    play_update(&p, 0);
    assert_int_equal(play_ask(&p, &running, "m", 0), POOL_GIVEN);
    assert_int_equal(play_ask(&p, &waiting, "m", 0), POOL_WAITS);
    play_refuse(&p, &running, REFUSAL_NO_QUOTA, 1);
    assert_ptr_equal(pool_told(p.pool, &p.home), &waiting);
    assert_int_equal(waiting.end, POOL_NO_CREDENTIAL);
    pool_leave(p.pool, &waiting, 1);
    pool_leave(p.pool, &running, 1);
    play_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_a_rest_one_call_is_tried_until_it_says_something),
        cmocka_unit_test(a_trial_that_fails_sends_those_who_wait_back_to_waiting),
        cmocka_unit_test(no_credential_is_given_twice_to_one_call),
        cmocka_unit_test(a_call_waits_for_those_it_has_not_tried),
        cmocka_unit_test(full_credentials_are_passed_over_and_a_free_place_goes_to_one),
        cmocka_unit_test(requests_and_tokens_of_a_minute_are_kept),
        cmocka_unit_test(who_may_not_wait_fails_at_once_and_hears_when),
        cmocka_unit_test(a_deadline_before_the_first_return_is_not_waited_for),
        cmocka_unit_test(the_line_is_bounded),
        cmocka_unit_test(who_is_told_and_leaves_gives_it_to_the_next),
        cmocka_unit_test(a_change_of_the_store_serves_or_sends_away_those_who_wait),
        cmocka_unit_test(who_is_disabled_for_good_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
