/* pool: see the header. */
#include "executor/model/pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <utlist.h>

/* ms. Until a line that there was no memory to look at is looked at again. */
#define AGAIN_MS 1000

struct pool {
    pthread_mutex_t lock; /* of all of it */
    struct snapshot *snapshot;
    struct lanes lanes;
    struct standings standings;
    struct lane *waiting; /* lanes with somebody in line */
    size_t waiting_count, waiting_max;
    bool may_wait;
    uint64_t numbers, marks, given;
    struct pool_home *homes;
};

struct pool *pool_new(bool may_wait, size_t waiting_max)
{
    struct pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return NULL;
    pthread_mutex_init(&pool->lock, NULL);
    pool->may_wait = may_wait;
    pool->waiting_max = waiting_max;
    return pool;
}

void pool_free(struct pool *pool)
{
    if (pool == NULL)
        return;
    lanes_fini(&pool->lanes);
    standings_fini(&pool->standings);
    snapshot_unref(pool->snapshot);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void pool_add_home(struct pool *pool, struct pool_home *home, void (*wake)(struct pool_home *home))
{
    *home = (struct pool_home){.wake = wake, .armed_ms = INT64_MAX};
    pthread_mutex_lock(&pool->lock);
    DL_APPEND(pool->homes, home);
    pthread_mutex_unlock(&pool->lock);
}

void pool_remove_home(struct pool *pool, struct pool_home *home)
{
    pthread_mutex_lock(&pool->lock);
    DL_DELETE(pool->homes, home);
    pthread_mutex_unlock(&pool->lock);
}

/* --- tickets; under the lock --- */

void pool_ticket_init(struct pool_ticket *ticket, const struct pool_ask *ask, struct pool_home *home)
{
    *ticket = (struct pool_ticket){.ask = *ask, .home = home, .settings = &model_settings_none};
}

/* Room to note one more that was tried: what is given cannot fail afterwards. */
static bool reserve_tried(struct pool_ticket *ticket)
{
    if (ticket->tried_count < ticket->tried_cap)
        return true;
    size_t cap = ticket->tried_cap == 0 ? 4 : ticket->tried_cap * 2;
    struct standing **tried = realloc(ticket->tried, cap * sizeof(struct standing *));
    if (tried == NULL)
        return false;
    ticket->tried = tried;
    ticket->tried_cap = cap;
    return true;
}

static struct lane_query query_of(struct pool *pool, const struct pool_ticket *ticket, int64_t now_ms)
{
    struct lane_query query = {.tokens = ticket->ask.tokens, .now_ms = now_ms};
    if (ticket->tried_count > 0)
        query.mark = ++pool->marks;
    for (size_t i = 0; i < ticket->tried_count; i++)
        ticket->tried[i]->mark = query.mark;
    return query;
}

/* What the ticket shows of it. */
static void show(struct pool_ticket *ticket, struct lane *lane, const struct credential *credential,
                 const struct model_settings *settings)
{
    if (ticket->snapshot != lane->snapshot) {
        snapshot_unref(ticket->snapshot);
        ticket->snapshot = snapshot_ref(lane->snapshot);
    }
    ticket->credential = credential;
    ticket->settings = settings;
    ticket->protocol = settings->protocol != NULL ? settings->protocol : credential->protocol;
    ticket->headers = credential_headers(credential, ticket->protocol);
    ticket->model = settings->upstream_model.len > 0 ? settings->upstream_model : ticket->ask.model;
    ticket->state = POOL_TICKET_HOLDS;
    ticket->end = POOL_GIVEN;
    ticket->retry_ms = 0;
}

/* The lane has just been looked at for it. */
static void give(struct pool *pool, struct lane *lane, struct pool_ticket *ticket,
                 const struct model_settings *settings, int64_t now_ms)
{
    bool is_sticky = settings->affinity && ticket->ask.conversation_id.len > 0;
    const struct lane_member *m = lane_take(lane, is_sticky ? ticket->ask.conversation_id : STR(""));
    struct rest *rest = &m->rest->rest;
    show(ticket, lane, m->credential, settings);
    ticket->rest = m->rest;
    ticket->epoch = rest->epoch;
    ticket->is_trial = rest->is_on_trial;
    ticket->taken_at_ms = now_ms;
    rest->trials += ticket->is_trial;
    m->rest->holds++;
    m->standing->holds++;
    m->standing->running++;
    quota_take(&m->standing->quota, &m->credential->limits, ticket->ask.tokens, now_ms);
    ticket->tried[ticket->tried_count++] = m->standing;
    pool->given++;
}

static void end_trial(struct pool_ticket *ticket)
{
    ticket->rest->rest.trials -= ticket->is_trial;
    ticket->is_trial = false;
}

static void take_back(struct pool_ticket *ticket, int64_t tokens)
{
    struct standing *standing = ticket->rest->standing;
    end_trial(ticket);
    standing->running--;
    if (tokens >= 0)
        quota_settle(&standing->quota, ticket->taken_at_ms, ticket->ask.tokens, tokens);
    ticket->rest->holds--;
    ticket->rest = NULL;
    ticket->state = POOL_TICKET_IDLE;
}

/* --- lines; under the lock --- */

static struct pool_ticket *ticket_of(struct line_seat *seat)
{
    return CONTAINER_OF(seat, struct pool_ticket, seat);
}

static void tell(struct pool_ticket *ticket, enum pool_end end)
{
    struct pool_home *home = ticket->home;
    ticket->state = POOL_TICKET_TOLD;
    ticket->end = end;
    ticket->told_prev = home->told_last;
    ticket->told_next = NULL;
    if (home->told_last != NULL)
        home->told_last->told_next = ticket;
    else
        home->told_first = ticket;
    home->told_last = ticket;
    home->wake(home); /* under the lock: once its loop has the ticket it may end */
}

static void untell(struct pool_ticket *ticket)
{
    struct pool_home *home = ticket->home;
    if (ticket->told_prev != NULL)
        ticket->told_prev->told_next = ticket->told_next;
    else
        home->told_first = ticket->told_next;
    if (ticket->told_next != NULL)
        ticket->told_next->told_prev = ticket->told_prev;
    else
        home->told_last = ticket->told_prev;
}

static void enter_line(struct pool *pool, struct lane *lane, struct pool_ticket *ticket)
{
    if (lane->line.count == 0)
        DL_APPEND2(pool->waiting, lane, waiting_prev, waiting_next);
    line_enter(&lane->line, &ticket->seat);
    ticket->lane = lane;
}

static void leave_line(struct pool *pool, struct pool_ticket *ticket)
{
    struct lane *lane = ticket->lane;
    line_leave(&lane->line, &ticket->seat);
    ticket->lane = NULL;
    if (lane->line.count > 0)
        return;
    DL_DELETE2(pool->waiting, lane, waiting_prev, waiting_next);
    lane->wake_ms = INT64_MAX;
}

static void stop_waiting(struct pool *pool, struct pool_ticket *ticket, int64_t now_ms)
{
    leave_line(pool, ticket);
    pool->waiting_count--;
    ticket->home->waiting--;
    ticket->waited_ms += now_ms - ticket->waits_since_ms;
    ticket->state = POOL_TICKET_IDLE;
}

static void end_waiting(struct pool *pool, struct pool_ticket *ticket, enum pool_end end, int64_t now_ms)
{
    stop_waiting(pool, ticket, now_ms);
    tell(ticket, end);
}

/* Loops that would look later than the lane wants to be looked at. */
static void arm_homes(struct pool *pool, const struct lane *lane)
{
    struct pool_home *home;
    DL_FOREACH (pool->homes, home) {
        if (home->waiting > 0 && home->armed_ms > lane->wake_ms)
            home->wake(home);
    }
}

/* The lane has the pool's snapshot. False: no memory. */
static bool fit(struct pool *pool, struct lane *lane, int64_t now_ms)
{
    if (lane->snapshot == pool->snapshot || lane_fit(lane, pool->snapshot, &pool->standings))
        return true;
    lane->wake_ms = now_ms + AGAIN_MS;
    arm_homes(pool, lane);
    return false;
}

static int64_t from_now(int64_t at_ms, int64_t now_ms)
{
    return at_ms == INT64_MAX ? 0 : at_ms - now_ms;
}

/* Those who would wait in vain: until after their deadline. */
static void send_away(struct pool *pool, struct lane *lane, const struct lane_view *view, int64_t now_ms)
{
    struct line_seat *seat = lane->line.first, *next;
    int64_t until_ms = view->is_open || view->free > 0 ? now_ms : view->next_ms - 1;
    if (lane->line.soonest_ms == 0 || lane->line.soonest_ms > until_ms)
        return;
    for (; seat != NULL; seat = next) {
        next = seat->next;
        if (seat->deadline_ms == 0 || seat->deadline_ms > until_ms)
            continue;
        ticket_of(seat)->retry_ms = from_now(view->any_ms, now_ms);
        end_waiting(pool, ticket_of(seat), POOL_ALL_REST, now_ms);
    }
    line_soonest_ms(&lane->line);
}

/* Those who have nobody left: some member is gone, or refused for good. */
static void send_away_hopeless(struct pool *pool, struct lane *lane, int64_t now_ms)
{
    struct line_seat *seat = lane->line.first, *next;
    for (; seat != NULL; seat = next) {
        struct pool_ticket *ticket = ticket_of(seat);
        struct lane_view view;
        const struct lane_query query = query_of(pool, ticket, now_ms);
        next = seat->next;
        lane_look(lane, &query, &view);
        if (view.fit > 0)
            continue;
        ticket->retry_ms = from_now(view.any_ms, now_ms);
        end_waiting(pool, ticket, view.enabled == 0 ? POOL_NO_CREDENTIAL : POOL_ALL_TRIED, now_ms);
    }
    lane->is_changed = false;
}

/*
 * One of those in line, with what is free. True: it has to wait for more tokens than there are, and so do those behind it. The
 * lane wants to be looked at again when something will be free for it.
 */
static bool serve_one(struct pool *pool, struct lane *lane, struct pool_ticket *ticket, int64_t now_ms)
{
    struct lane_view view;
    const struct pool_ask *ask = &ticket->ask;
    const struct lane_query query = query_of(pool, ticket, now_ms);
    lane_look(lane, &query, &view);
    if (view.free > 0) {
        stop_waiting(pool, ticket, now_ms);
        give(pool, lane, ticket,
             settings_find(lane->snapshot->settings, ask->workspace_id, ask->provider, ask->model), now_ms);
        tell(ticket, POOL_GIVEN);
        return false;
    }
    bool is_late = ask->deadline_ms != 0 &&
                   (ask->deadline_ms <= now_ms || (!view.is_open && view.next_ms > ask->deadline_ms));
    if (is_late) {
        ticket->retry_ms = from_now(view.any_ms, now_ms);
        end_waiting(pool, ticket, POOL_ALL_REST, now_ms);
        return false;
    }
    lane->wake_ms = view.next_ms < lane->wake_ms ? view.next_ms : lane->wake_ms;
    return view.is_large;
}

/* Once through the line. Returns who has to wait for more tokens, or NULL; it may have been sent away since. */
static struct pool_ticket *serve_once(struct pool *pool, struct lane *lane, int64_t now_ms)
{
    struct pool_ticket *blocked = NULL;
    struct lane_view view;
    const struct lane_query any = {.now_ms = now_ms};
    lane->wake_ms = INT64_MAX;
    lane_look(lane, &any, &view);
    struct line_seat *seat = lane->line.first, *next;
    for (; seat != NULL && blocked == NULL && view.free > 0; seat = next) {
        next = seat->next;
        if (serve_one(pool, lane, ticket_of(seat), now_ms))
            blocked = ticket_of(seat);
        lane_look(lane, &any, &view);
    }
    if (lane->line.count > 0)
        send_away(pool, lane, &view, now_ms);
    /* Those that were not looked at for themselves: whoever comes back may be for them. */
    if (blocked == NULL && view.next_ms < lane->wake_ms)
        lane->wake_ms = view.next_ms;
    return blocked;
}

/* Gives what is free to those in line, and notes when to look again. Returns who has to wait for more tokens, or NULL. */
static struct pool_ticket *serve(struct pool *pool, struct lane *lane, int64_t now_ms)
{
    struct pool_ticket *blocked;
    if (!fit(pool, lane, now_ms))
        return NULL;
    if (lane->is_changed)
        send_away_hopeless(pool, lane, now_ms);
    do
        blocked = serve_once(pool, lane, now_ms);
    while (blocked != NULL &&
           blocked->state != POOL_TICKET_WAITS); /* those behind it are no longer held up */
    lane->is_held_up = blocked != NULL;
    if (lane->line.count == 0) {
        lane->wake_ms = INT64_MAX;
        return NULL;
    }
    if (lane->line.soonest_ms != 0 && lane->line.soonest_ms < lane->wake_ms)
        lane->wake_ms = lane->line.soonest_ms;
    arm_homes(pool, lane);
    return blocked;
}

/*
 * What was given to one lane is not to be had for another: who waited there for more tokens of it may wait for somebody else now,
 * and no longer holds up those behind it.
 */
static void let_pass(struct pool *pool, uint64_t given, int64_t now_ms)
{
    struct lane *lane, *next;
    while (given != pool->given) {
        given = pool->given;
        DL_FOREACH_SAFE2(pool->waiting, lane, next, waiting_next)
        {
            if (!lane->is_held_up || lane->line.count < 2)
                continue;
            (void)serve(pool, lane, now_ms);
            lanes_let_go(&pool->lanes, lane);
        }
    }
}

/* due_ms: only lanes that wanted to be looked at by then. */
static void serve_all(struct pool *pool, int64_t due_ms, int64_t now_ms)
{
    struct lane *lane, *next;
    uint64_t given = pool->given;
    DL_FOREACH_SAFE2(pool->waiting, lane, next, waiting_next)
    {
        if (lane->wake_ms > due_ms)
            continue;
        (void)serve(pool, lane, now_ms); /* only a new call asks who is in front of it */
        lanes_let_go(&pool->lanes, lane);
    }
    let_pass(pool, given, now_ms);
}

/* --- changes of the store --- */

/* Another alias may lead those who wait to another lane. */
static void move_waiting(struct pool *pool)
{
    struct lane *lane, *next_lane;
    DL_FOREACH_SAFE2(pool->waiting, lane, next_lane, waiting_next)
    {
        struct line_seat *seat = lane->line.first, *next;
        for (; seat != NULL; seat = next) {
            struct pool_ticket *ticket = ticket_of(seat);
            const struct pool_ask *ask = &ticket->ask;
            next = seat->next;
            struct lanes_route *route = lanes_route(&pool->lanes, &pool->standings, pool->snapshot,
                                                    ask->workspace_id, ask->provider, ask->model);
            if (route == NULL || route->lane == lane)
                continue; /* without memory it waits on where it is */
            leave_line(pool, ticket);
            enter_line(pool, route->lane, ticket);
        }
        lanes_let_go(&pool->lanes, lane);
    }
}

void pool_update(struct pool *pool, struct snapshot *take_snapshot, int64_t now_ms)
{
    pthread_mutex_lock(&pool->lock);
    struct snapshot *old = pool->snapshot;
    pool->snapshot = take_snapshot;
    standings_follow(&pool->standings, take_snapshot, now_ms);
    lanes_follow(&pool->lanes);
    move_waiting(pool);
    serve_all(pool, INT64_MAX, now_ms);
    pthread_mutex_unlock(&pool->lock);
    snapshot_unref(old);
}

void pool_take_rests(struct pool *pool, const struct store_rest_set *rests, struct str own_id, int64_t now_ms)
{
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < rests->count; i++) {
        const struct store_rest *from = &rests->rests[i];
        struct standing *standing = standings_find(&pool->standings, from->credential_id);
        struct standing_rest *rest =
            standing == NULL ? NULL : standings_rest(&pool->standings, standing, from->model);
        if (rest == NULL || (str_eq(from->seen_by, own_id) && rest->rest.until_ms > now_ms))
            continue;
        rest_take(&rest->rest, from->remaining_ms, now_ms);
        rest->stored_until_ms = rest->rest.until_ms;
    }
    serve_all(pool, INT64_MAX, now_ms);
    pthread_mutex_unlock(&pool->lock);
}

size_t pool_waiting(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    size_t waiting = pool->waiting_count;
    pthread_mutex_unlock(&pool->lock);
    return waiting;
}

int64_t pool_context_size(struct pool *pool, struct str workspace_id, struct str provider, struct str model)
{
    pthread_mutex_lock(&pool->lock);
    struct snapshot *snapshot = pool->snapshot == NULL ? NULL : snapshot_ref(pool->snapshot);
    pthread_mutex_unlock(&pool->lock);
    if (snapshot == NULL)
        return 0;
    int64_t tokens = settings_find(snapshot->settings, workspace_id, provider, model)->context_size;
    snapshot_unref(snapshot);
    return tokens;
}

/* --- calls --- */

/* None is free for it now: does it wait? */
static enum pool_end wait_or_not(struct pool *pool, struct lane *lane, struct pool_ticket *ticket,
                                 const struct lane_view *view, int64_t now_ms)
{
    int64_t deadline_ms = ticket->ask.deadline_ms;
    bool is_late = deadline_ms != 0 && !view->is_open && view->free == 0 && view->next_ms > deadline_ms;
    ticket->retry_ms = from_now(view->any_ms, now_ms);
    if (!pool->may_wait || is_late)
        return POOL_ALL_REST;
    if (pool->waiting_count >= pool->waiting_max)
        return POOL_LINE_FULL;
    ticket->seat = (struct line_seat){
        .priority = ticket->ask.priority, .deadline_ms = deadline_ms, .number = ++pool->numbers};
    ticket->state = POOL_TICKET_WAITS;
    ticket->waits_since_ms = now_ms;
    ticket->retry_ms = 0;
    enter_line(pool, lane, ticket);
    pool->waiting_count++;
    ticket->home->waiting++;
    (void)serve(pool, lane, now_ms); /* which finds out when to look again; nothing is free for it */
    return POOL_WAITS;
}

static enum pool_end find_one(struct pool *pool, struct pool_ticket *ticket, int64_t now_ms)
{
    const struct pool_ask *ask = &ticket->ask;
    struct lane_view view;
    struct lanes_route *route = NULL;
    if (pool->snapshot != NULL && reserve_tried(ticket))
        route = lanes_route(&pool->lanes, &pool->standings, pool->snapshot, ask->workspace_id, ask->provider,
                            ask->model);
    if (route == NULL)
        return POOL_NO_MEMORY;
    struct lane *lane = route->lane;
    const struct pool_ticket *ahead = lane->line.count > 0 ? serve(pool, lane, now_ms) : NULL;
    const struct lane_query query = query_of(pool, ticket, now_ms);
    lane_look(lane, &query, &view);
    bool has_to_wait = ahead != NULL && ahead->ask.priority >= ask->priority;
    if (view.free > 0 && !has_to_wait) {
        give(pool, lane, ticket, route->settings, now_ms);
        return POOL_GIVEN;
    }
    if (view.fit > 0)
        return wait_or_not(pool, lane, ticket, &view, now_ms);
    ticket->retry_ms = from_now(view.any_ms, now_ms);
    return view.enabled == 0 ? POOL_NO_CREDENTIAL : POOL_ALL_TRIED;
}

enum pool_end pool_ask(struct pool *pool, struct pool_ticket *ticket, int64_t now_ms)
{
    pthread_mutex_lock(&pool->lock);
    uint64_t given = pool->given;
    enum pool_end end = find_one(pool, ticket, now_ms);
    let_pass(pool, given, now_ms);
    if (ticket->state != POOL_TICKET_TOLD) /* that it waits in vain may have shown at once */
        ticket->end = end;
    pthread_mutex_unlock(&pool->lock);
    return end;
}

enum status_code pool_say(const struct pool_ticket *ticket, struct status *err)
{
    const struct pool_ask *ask = &ticket->ask;
    struct str provider = provider_last_part(ask->provider);
    enum status_code rc = STATUS_OK;
    switch (ticket->end) {
    case POOL_GIVEN:
    case POOL_WAITS:
        break;
    case POOL_NO_CREDENTIAL:
        return status_reason(err, STATUS_FAILED_PRECONDITION, "NO_CREDENTIAL",
                             "no enabled credential serves model \"%.*s\" of provider \"%.*s\"; add one with "
                             "heddlectl credential add --provider \"%.*s\"",
                             STR_ARG(ask->model), STR_ARG(provider), STR_ARG(provider));
    case POOL_ALL_TRIED:
        rc = status_reason(err, STATUS_RESOURCE_EXHAUSTED, "ALL_TRIED",
                           "no other credential serves model \"%.*s\"", STR_ARG(ask->model));
        break;
    case POOL_ALL_REST:
        rc = status_reason(err, STATUS_RESOURCE_EXHAUSTED, "ALL_REST",
                           "all credentials for model \"%.*s\" rest or are full", STR_ARG(ask->model));
        break;
    case POOL_LINE_FULL:
        rc = status_reason(err, STATUS_RESOURCE_EXHAUSTED, "LINE_FULL",
                           "all credentials for model \"%.*s\" rest or are full, and too many calls wait",
                           STR_ARG(ask->model));
        break;
    case POOL_NO_MEMORY:
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for a model call");
    }
    if (rc != STATUS_OK)
        err->retry_ms = ticket->retry_ms;
    return rc;
}

void pool_tell_later(struct pool *pool, struct pool_ticket *ticket, enum pool_end end)
{
    pthread_mutex_lock(&pool->lock);
    tell(ticket, end);
    pthread_mutex_unlock(&pool->lock);
}

bool pool_answers(struct pool *pool, struct pool_ticket *ticket, int64_t now_ms)
{
    if (!ticket->is_trial)
        return false;
    pthread_mutex_lock(&pool->lock);
    bool is_back = standing_answered(ticket->rest, ticket->credential, ticket->epoch, now_ms);
    end_trial(ticket);
    serve_all(pool, INT64_MAX, now_ms);
    pthread_mutex_unlock(&pool->lock);
    return is_back;
}

struct standing_change pool_give_back(struct pool *pool, struct pool_ticket *ticket,
                                      enum pool_outcome outcome, const struct attempt_failure *failure,
                                      int64_t tokens, int64_t now_ms)
{
    struct standing_change change = {.for_ms = 0};
    struct lane *lane;
    pthread_mutex_lock(&pool->lock);
    if (outcome == POOL_ANSWERED)
        change.is_back = standing_answered(ticket->rest, ticket->credential, ticket->epoch, now_ms);
    else if (outcome == POOL_REFUSED)
        change = standing_refused(ticket->rest, ticket->credential, ticket->epoch, failure, now_ms);
    take_back(ticket, tokens);
    DL_FOREACH2(pool->waiting, lane, waiting_next)
    lane->is_changed |= change.is_disabled;
    serve_all(pool, INT64_MAX, now_ms);
    pthread_mutex_unlock(&pool->lock);
    return change;
}

void pool_leave(struct pool *pool, struct pool_ticket *ticket, int64_t now_ms)
{
    pthread_mutex_lock(&pool->lock);
    struct lane *lane = ticket->lane;
    bool makes_room = lane != NULL || ticket->rest != NULL; /* was in the way of others, or holds something */
    if (ticket->state == POOL_TICKET_WAITS)
        stop_waiting(pool, ticket, now_ms);
    if (ticket->state == POOL_TICKET_TOLD)
        untell(ticket);
    if (ticket->rest != NULL)
        take_back(ticket, -1);
    if (lane != NULL)
        lanes_let_go(&pool->lanes, lane);
    if (makes_room)
        serve_all(pool, INT64_MAX, now_ms);
    ticket->state = POOL_TICKET_IDLE;
    for (size_t i = 0; i < ticket->tried_count; i++)
        ticket->tried[i]->holds--;
    pthread_mutex_unlock(&pool->lock);
    snapshot_unref(ticket->snapshot);
    free(ticket->tried);
    ticket->snapshot = NULL;
    ticket->tried = NULL;
    ticket->tried_count = ticket->tried_cap = 0;
}

/* --- homes --- */

struct pool_ticket *pool_told(struct pool *pool, struct pool_home *home)
{
    pthread_mutex_lock(&pool->lock);
    struct pool_ticket *ticket = home->told_first;
    if (ticket != NULL) {
        untell(ticket);
        ticket->state = ticket->end == POOL_GIVEN ? POOL_TICKET_HOLDS : POOL_TICKET_IDLE;
    }
    pthread_mutex_unlock(&pool->lock);
    return ticket;
}

int64_t pool_due(struct pool *pool, struct pool_home *home, int64_t now_ms)
{
    struct lane *lane;
    pthread_mutex_lock(&pool->lock);
    serve_all(pool, now_ms, now_ms);
    home->armed_ms = INT64_MAX;
    DL_FOREACH2(pool->waiting, lane, waiting_next)
    {
        if (home->waiting > 0 && lane->wake_ms < home->armed_ms)
            home->armed_ms = lane->wake_ms;
    }
    int64_t next_ms = home->armed_ms;
    pthread_mutex_unlock(&pool->lock);
    return next_ms;
}
