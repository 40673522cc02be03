/*
 * A pool beside a model of it: random calls, answers, refusals, limits and changes of the store, with time passed in. The model
 * knows each credential's rests, trials and use, and who waits; it says whether what the pool gave could be given, and whether
 * anybody waits who need not.
 */
#include "tests/executor/model/pool_play.h"
#include <stdlib.h>
#include <string.h>

enum { CREDENTIALS = 5, MODELS = 2, CALLS = 40, USES_MAX = 40000 };

/* "x" leads to "m" as well, so that two names share a lane. */
static const char *const names[] = {"m", "n", "x"};
static size_t model_of(size_t name)
{
    return name == 1 ? 1 : 0;
}

struct known_rest {
    int64_t until_ms;
    unsigned epoch, row;
    bool is_on_trial;
    int trials;
};
struct known {
    bool is_enabled, is_disabled; /* by the store; by refusals */
    int64_t requests, tokens;     /* limits */
    int32_t concurrent;
    int64_t fresh_since_ms;
    int running, unauthorized;
    struct known_rest rests[MODELS];
    struct use {
        int64_t at_ms, tokens;
    } uses[USES_MAX];
    size_t first_use, use_count;
};
enum call_state { CALL_NONE, CALL_RUNS, CALL_WAITS };
struct call {
    enum call_state state;
    struct pool_ticket ticket;
    size_t name;
    uint64_t number;
    bool tried[CREDENTIALS];
    size_t has; /* credential */
    unsigned epoch;
    bool is_trial;
    size_t use;
    int64_t fresh_since_ms;
};
struct world {
    struct play play;
    struct known known[CREDENTIALS];
    struct call calls[CALLS];
    int64_t now_ms, armed_ms;
    uint64_t numbers;
    size_t given, waited, sent_away;
};

/* --- what the model knows --- */

static void spent(struct known *k, int64_t now_ms, int64_t *ret_requests, int64_t *ret_tokens)
{
    while (k->first_use < k->use_count && k->uses[k->first_use].at_ms + QUOTA_WINDOW_MS <= now_ms)
        k->first_use++;
    *ret_requests = (int64_t)(k->use_count - k->first_use);
    *ret_tokens = 0;
    for (size_t i = k->first_use; i < k->use_count; i++)
        *ret_tokens += k->uses[i].tokens;
}

static bool has_room(struct known *k, int64_t tokens, int64_t now_ms)
{
    int64_t requests, used;
    spent(k, now_ms, &requests, &used);
    return (k->requests == 0 || requests < k->requests) &&
           (k->tokens == 0 || used + tokens <= k->tokens || used == 0);
}

static bool is_free(struct world *w, size_t credential, size_t model, int64_t tokens)
{
    struct known *k = &w->known[credential];
    const struct known_rest *r = &k->rests[model];
    return k->is_enabled && !k->is_disabled && r->until_ms <= w->now_ms &&
           !(r->is_on_trial && r->trials > 0) && (k->concurrent == 0 || k->running < k->concurrent) &&
           has_room(k, tokens, w->now_ms);
}

static bool may_have(const struct world *w, const struct call *c, size_t credential)
{
    return w->known[credential].is_enabled && !w->known[credential].is_disabled && !c->tried[credential];
}

/* Could it be given something now; if tokens were no matter? */
static bool could_have(struct world *w, const struct call *c, bool is_small)
{
    for (size_t i = 0; i < CREDENTIALS; i++) {
        if (may_have(w, c, i) && is_free(w, i, model_of(c->name), is_small ? 0 : c->ticket.ask.tokens))
            return true;
    }
    return false;
}

static bool goes_before(const struct call *a, const struct call *b)
{
    int32_t left = a->ticket.ask.priority, right = b->ticket.ask.priority;
    return left > right || (left == right && a->number < b->number);
}

/* Somebody before it in its lane waits for more tokens than there are. */
static bool is_blocked(struct world *w, const struct call *c)
{
    for (size_t i = 0; i < CALLS; i++) {
        const struct call *other = &w->calls[i];
        if (other != c && other->state == CALL_WAITS && model_of(other->name) == model_of(c->name) &&
            goes_before(other, c) && could_have(w, other, true) && !could_have(w, other, false))
            return true;
    }
    return false;
}

static bool is_anyone_left(const struct world *w, const struct call *c)
{
    for (size_t i = 0; i < CREDENTIALS; i++) {
        if (may_have(w, c, i))
            return true;
    }
    return false;
}

/* --- what the pool did --- */

static void note_given(struct world *w, struct call *c)
{
    size_t credential = (size_t)(c->ticket.credential->name.ptr[0] - 'a'), model = model_of(c->name);
    struct known *k = &w->known[credential];
    struct known_rest *r = &k->rests[model];
    assert_true(credential < CREDENTIALS);
    assert_true(may_have(w, c, credential));
    assert_true(is_free(w, credential, model, c->ticket.ask.tokens));
    assert_int_equal(c->ticket.is_trial, r->is_on_trial);
    assert_str(model == 0 ? "m" : "n", c->ticket.model);
    c->state = CALL_RUNS;
    c->tried[credential] = true;
    c->has = credential;
    c->epoch = r->epoch;
    c->is_trial = r->is_on_trial;
    c->fresh_since_ms = k->fresh_since_ms;
    r->trials += r->is_on_trial;
    k->running++;
    assert_true(k->use_count < USES_MAX);
    c->use = k->use_count;
    k->uses[k->use_count++] = (struct use){w->now_ms, c->ticket.ask.tokens};
    w->given++;
}

static void leave(struct world *w, struct call *c)
{
    pool_leave(w->play.pool, &c->ticket, w->now_ms);
    c->state = CALL_NONE;
}

static struct call *call_of(struct world *w, const struct pool_ticket *ticket)
{
    for (size_t i = 0; i < CALLS; i++) {
        if (&w->calls[i].ticket == ticket)
            return &w->calls[i];
    }
    fail_msg("a ticket that nobody has");
    return NULL;
}

/* Hears of all that were told, in order, and checks each as if it had just happened. */
static void hear(struct world *w)
{
    struct pool_ticket *ticket;
    while ((ticket = pool_told(w->play.pool, &w->play.home)) != NULL) {
        struct call *c = call_of(w, ticket);
        assert_int_equal(c->state, CALL_WAITS);
        if (ticket->end == POOL_GIVEN) {
            for (size_t i = 0; i < CALLS; i++) { /* nobody was overtaken who could have had the same */
                const struct call *other = &w->calls[i];
                bool is_ahead = other != c && other->state == CALL_WAITS &&
                                model_of(other->name) == model_of(c->name) && goes_before(other, c);
                assert_false(is_ahead && could_have(w, other, false));
            }
            note_given(w, c);
            w->waited++;
            continue;
        }
        if (ticket->end == POOL_ALL_REST)
            assert_true(c->ticket.ask.deadline_ms != 0 &&
                        (c->ticket.ask.deadline_ms <= w->now_ms || !could_have(w, c, false)));
        else
            assert_false(is_anyone_left(w, c));
        w->sent_away++;
        leave(w, c);
    }
}

/* Nobody waits who could be served, or has nobody left. */
static void check_waiting(struct world *w)
{
    for (size_t i = 0; i < CALLS; i++) {
        struct call *c = &w->calls[i];
        if (c->state != CALL_WAITS)
            continue;
        assert_true(is_anyone_left(w, c));
        if (could_have(w, c, false))
            assert_true(is_blocked(w, c));
        assert_true(c->ticket.ask.deadline_ms == 0 || c->ticket.ask.deadline_ms >= w->now_ms);
    }
}

static void settle(struct world *w)
{
    hear(w);
    w->armed_ms = pool_due(w->play.pool, &w->play.home, w->now_ms);
    hear(w);
    check_waiting(w);
}

/* --- what may happen --- */

static void begin_call(struct world *w, struct call *c)
{
    memset(c, 0, sizeof *c);
    c->name = (size_t)random() % ARRAY_LEN(names);
    c->number = ++w->numbers;
    const struct pool_ask ask = {.workspace_id = STR("default"),
                                 .provider = STR("p"),
                                 .model = str_c(names[c->name]),
                                 .priority = (int32_t)(random() % 3),
                                 .deadline_ms = random() % 3 == 0 ? w->now_ms + 1 + random() % 90000 : 0,
                                 .tokens = 1 + random() % 200};
    pool_ticket_init(&c->ticket, &ask, &w->play.home);
}

static void ask(struct world *w, struct call *c)
{
    enum pool_end end = pool_ask(w->play.pool, &c->ticket, w->now_ms);
    if (end == POOL_WAITS) {
        c->number = ++w->numbers;
        c->state = CALL_WAITS;
    }
    if (end == POOL_GIVEN)
        note_given(w, c);
    hear(
        w); /* others may have been served before or after, and it may be known already that it waits in vain */
    switch (end) {
    case POOL_GIVEN:
        assert_false(is_blocked(w, c));
        break;
    case POOL_WAITS:
        break;
    case POOL_NO_CREDENTIAL:
    case POOL_ALL_TRIED:
        assert_false(is_anyone_left(w, c));
        leave(w, c);
        break;
    case POOL_ALL_REST:
        assert_false(could_have(w, c, false));
        assert_true(c->ticket.ask.deadline_ms != 0);
        assert_true(c->ticket.retry_ms > 0);
        leave(w, c);
        break;
    case POOL_LINE_FULL:
    case POOL_NO_MEMORY:
        fail_msg("there is room, and memory");
    }
}

static void end_use(struct world *w, struct call *c, int64_t tokens)
{
    struct known *k = &w->known[c->has];
    k->running--;
    k->rests[model_of(c->name)].trials -= c->is_trial;
    c->is_trial = false;
    if (tokens >= 0)
        k->uses[c->use].tokens = tokens;
}

static void answer(struct world *w, struct call *c)
{
    struct known *k = &w->known[c->has];
    struct known_rest *r = &k->rests[model_of(c->name)];
    int64_t tokens = random() % 2 == 0 ? -1 : random() % 300;
    end_use(w, c, tokens);
    if (c->fresh_since_ms == k->fresh_since_ms) {
        k->unauthorized = 0;
        if (c->epoch == r->epoch && r->until_ms <= w->now_ms) {
            r->row = 0;
            r->is_on_trial = false;
        }
    }
    c->state = CALL_NONE;
    pool_give_back(w->play.pool, &c->ticket, POOL_ANSWERED, NULL, tokens, w->now_ms);
    hear(w);
    leave(w, c);
}

static void note_refused(struct world *w, struct call *c, enum refusal refusal, int64_t asked_ms)
{
    struct known *k = &w->known[c->has];
    struct known_rest *r = &k->rests[model_of(c->name)];
    bool is_new = c->epoch == r->epoch || !r->is_on_trial;
    end_use(w, c, -1);
    if (c->fresh_since_ms != k->fresh_since_ms)
        return;
    if (refusal == REFUSAL_NO_QUOTA) {
        k->is_disabled = true;
        return;
    }
    int64_t ms = refusal == REFUSAL_RATE_LIMIT ? 60000 : 10000;
    r->epoch += is_new;
    r->row += is_new && refusal == REFUSAL_UNAVAILABLE;
    for (unsigned i = 1; refusal == REFUSAL_UNAVAILABLE && i < r->row && ms < 300000; i++)
        ms = ms * 2 < 300000 ? ms * 2 : 300000;
    ms = asked_ms > ms ? asked_ms : ms;
    r->until_ms = w->now_ms + ms > r->until_ms ? w->now_ms + ms : r->until_ms;
    r->is_on_trial = true;
    k->unauthorized += is_new && refusal == REFUSAL_UNAUTHORIZED;
    k->is_disabled |= k->unauthorized >= 3;
}

static void refuse(struct world *w, struct call *c)
{
    static const enum refusal refusals[] = {REFUSAL_RATE_LIMIT, REFUSAL_UNAVAILABLE, REFUSAL_UNAVAILABLE,
                                            REFUSAL_UNAUTHORIZED, REFUSAL_NO_QUOTA};
    enum refusal refusal = refusals[random() % (random() % 8 == 0 ? 5 : 4)];
    const struct attempt_failure failure = {.refusal = refusal,
                                            .asked_ms = random() % 4 == 0 ? random() % 100000 : 0};
    note_refused(w, c, refusal, failure.asked_ms);
    c->state = CALL_NONE;
    pool_give_back(w->play.pool, &c->ticket, POOL_REFUSED, &failure, -1, w->now_ms);
    hear(w);
    ask(w, c); /* on to the next */
}

static void say_first_words(struct world *w, struct call *c)
{
    struct known *k = &w->known[c->has];
    struct known_rest *r = &k->rests[model_of(c->name)];
    if (!c->is_trial)
        return;
    r->trials--;
    c->is_trial = false;
    if (c->fresh_since_ms == k->fresh_since_ms) {
        k->unauthorized = 0;
        if (c->epoch == r->epoch && r->until_ms <= w->now_ms) {
            r->row = 0;
            r->is_on_trial = false;
        }
    }
    pool_answers(w->play.pool, &c->ticket, w->now_ms);
}

static void drop(struct world *w, struct call *c)
{
    if (c->state == CALL_RUNS)
        end_use(w, c, -1);
    c->state = CALL_NONE;
    leave(w, c);
}

static void change_store(struct world *w)
{
    size_t i = (size_t)random() % CREDENTIALS;
    struct known *k = &w->known[i];
    struct store_credential *c = &w->play.credentials[i].credential;
    /* Limits come and go while nothing is counted that the other side does not count: they are kept on or off. */
    c->weight = 1 + (int32_t)(random() % 5);
    c->disabled = random() % 5 == 0;
    c->max_concurrent = (int32_t)(random() % 4);
    k->is_enabled = !c->disabled;
    k->concurrent = c->max_concurrent;
    if (random() % 2 == 0 || k->is_disabled) {
        c->fresh_since_ms = ++k->fresh_since_ms;
        k->unauthorized = k->is_disabled ? 0 : k->unauthorized;
        k->is_disabled = false;
        for (size_t m = 0; m < MODELS; m++) {
            struct known_rest *r = &k->rests[m];
            r->until_ms = INT64_MIN;
            r->epoch++;
            r->row = 0;
            r->is_on_trial = false;
        }
    }
    play_update(&w->play, w->now_ms);
}

static void hear_of_a_rest(struct world *w)
{
    size_t i = (size_t)random() % CREDENTIALS, m = (size_t)random() % MODELS;
    struct known_rest *r = &w->known[i].rests[m];
    const struct store_rest rest = {.credential_id = w->play.credentials[i].credential.credential_id,
                                    .model = str_c(names[m]),
                                    .remaining_ms = 1 + random() % 20000,
                                    .seen_by = STR("other")};
    if (w->now_ms + rest.remaining_ms > r->until_ms) {
        r->until_ms = w->now_ms + rest.remaining_ms;
        r->epoch++;
        r->is_on_trial = true;
    }
    pool_take_rests(w->play.pool, &(struct store_rest_set){&rest, 1}, STR("me"), w->now_ms);
}

/* Time goes on, and the loop looks when it said it would: until then nobody could have been served. */
static void pass_time(struct world *w)
{
    int64_t until_ms = w->now_ms + (random() % 3 == 0 ? random() % 30000 : random() % 200);
    while (w->armed_ms <= until_ms) {
        int64_t at_ms = w->armed_ms;
        if (at_ms > w->now_ms + 1) {
            w->now_ms = at_ms - 1;
            check_waiting(w);
        }
        w->now_ms = at_ms > w->now_ms ? at_ms : w->now_ms;
        settle(w);
        assert_true(w->armed_ms > w->now_ms); /* or it would never sleep */
    }
    w->now_ms = until_ms;
    check_waiting(w);
}

static void step(struct world *w)
{
    struct call *c = &w->calls[(size_t)random() % CALLS];
    long kind = random() % 100;
    if (kind < 25)
        pass_time(w);
    else if (kind < 27)
        change_store(w);
    else if (kind < 29)
        hear_of_a_rest(w);
    else if (c->state == CALL_NONE) {
        begin_call(w, c);
        ask(w, c);
    } else if (kind < 35)
        drop(w, c);
    else if (c->state == CALL_WAITS)
        return;
    else if (kind < 50)
        say_first_words(w, c);
    else if (kind < 60)
        refuse(w, c);
    else
        answer(w, c);
    settle(w);
}

static void play_round(unsigned seed, struct world *w)
{
    static const char *const ids[] = {"a", "b", "c", "d", "e"};
    srandom(seed);
    memset(w, 0, sizeof *w);
    play_begin(&w->play, true, 1000);
    play_add_model(&w->play, "x", "m");
    w->now_ms = 1000000;
    w->armed_ms = INT64_MAX;
    for (size_t i = 0; i < CREDENTIALS; i++) {
        struct store_credential *c = play_add(&w->play, ids[i], 1 + (int32_t)(random() % 5));
        struct known *k = &w->known[i];
        *k = (struct known){.is_enabled = true, .fresh_since_ms = 1};
        c->requests_per_minute = random() % 2 == 0 ? 0 : 5 + (int32_t)(random() % 30);
        c->tokens_per_minute = random() % 2 == 0 ? 0 : 100 + random() % 3000;
        c->max_concurrent = (int32_t)(random() % 4);
        k->requests = c->requests_per_minute;
        k->tokens = c->tokens_per_minute;
        k->concurrent = c->max_concurrent;
        for (size_t m = 0; m < MODELS; m++)
            k->rests[m].until_ms = INT64_MIN;
    }
    play_update(&w->play, w->now_ms);
}

static void end_round(struct world *w)
{
    for (size_t i = 0; i < CALLS; i++) {
        if (w->calls[i].state != CALL_NONE)
            drop(w, &w->calls[i]);
        hear(w);
    }
    play_end(&w->play);
}

static void it_does_what_its_model_does(void **state)
{
    static struct world w;
    size_t given = 0, waited = 0, sent_away = 0;
    (void)state;
    for (unsigned seed = 1; seed <= 200; seed++) {
        play_round(seed, &w);
        for (int n = 0; n < 3000; n++)
            step(&w);
        given += w.given;
        waited += w.waited;
        sent_away += w.sent_away;
        end_round(&w);
    }
    /* All of it has been seen. */
    assert_true(given > 20000 && waited > 1000 && sent_away > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_does_what_its_model_does)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
