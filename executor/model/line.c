/* line: see the header. */
#include "executor/model/line.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <utlist.h>

struct line {
    pthread_mutex_t lock;
    struct line_seat *first; /* by priority, then number */
    size_t count, max;
    atomic_size_t waiting; /* the same, to be read without the lock */
    uint64_t numbers, looks;
};

struct line *line_new(size_t max)
{
    struct line *line = calloc(1, sizeof *line);
    if (line == NULL)
        return NULL;
    pthread_mutex_init(&line->lock, NULL);
    line->max = max;
    return line;
}

void line_free(struct line *line)
{
    if (line == NULL)
        return;
    pthread_mutex_destroy(&line->lock);
    free(line);
}

bool line_is_empty(const struct line *line)
{
    return atomic_load(&line->waiting) == 0;
}

static void set_count(struct line *line, size_t count)
{
    line->count = count;
    atomic_store(&line->waiting, count);
}

/* Behind the last one that is at least as important. */
static void insert(struct line *line, struct line_seat *seat)
{
    struct line_seat *after = line->first == NULL ? NULL : line->first->prev; /* the last */
    while (after != NULL && after->priority < seat->priority)
        after = after == line->first ? NULL : after->prev;
    if (after == NULL)
        DL_PREPEND(line->first, seat);
    else
        DL_APPEND_ELEM(line->first, after, seat);
}

bool line_enter(struct line *line, struct line_seat *seat)
{
    pthread_mutex_lock(&line->lock);
    bool has_room = line->count < line->max;
    if (has_room) {
        seat->number = ++line->numbers;
        seat->is_waiting = true;
        insert(line, seat);
        set_count(line, line->count + 1);
    }
    pthread_mutex_unlock(&line->lock);
    return has_room;
}

/* Under the lock. */
static void stand_up(struct line *line, struct line_seat *seat)
{
    DL_DELETE(line->first, seat);
    set_count(line, line->count - 1);
    seat->is_waiting = false;
}

bool line_leave(struct line *line, struct line_seat *seat)
{
    pthread_mutex_lock(&line->lock);
    bool was_waiting = seat->is_waiting;
    if (was_waiting) {
        stand_up(line, seat);
    } else {
        /* Its home has not taken it yet, or has: in the first case it is taken off here. */
        struct line_seat **at = &seat->home->served;
        while (*at != NULL && *at != seat)
            at = &(*at)->served_next;
        if (*at == seat)
            *at = seat->served_next;
    }
    pthread_mutex_unlock(&line->lock);
    return was_waiting;
}

/* Under the lock: it does not wait any more; its home is told. */
static void serve(struct line *line, struct line_seat *seat)
{
    stand_up(line, seat);
    struct line_seat **at = &seat->home->served;
    while (*at != NULL)
        at = &(*at)->served_next;
    seat->served_next = NULL;
    *at = seat;
    seat->home->wake(seat->home);
}

/* Nobody can be taken now. Does it pay to wait on? */
static bool may_wait(const struct line_seat *seat, enum status_code rc, int64_t back_ms)
{
    if (rc != STATUS_UNAVAILABLE)
        return false;
    return seat->deadline_ms == 0 || back_ms == INT64_MAX || back_ms < seat->deadline_ms;
}

/* Whoever was before it in its lane has found nobody: neither will it. */
static bool is_looked_through(const struct line *line, const struct lane *lane, const struct line_seat *seat)
{
    return lane != NULL && lane->looked == line->looks && may_wait(seat, STATUS_UNAVAILABLE, lane->back_ms);
}

void line_look(struct line *line, struct pool *pool, int64_t now_ms)
{
    struct line_seat *seat, *next;
    pthread_mutex_lock(&line->lock);
    line->looks++;
    DL_FOREACH_SAFE (line->first, seat, next) {
        struct lane *lane = pool_lane(pool, &seat->query);
        int64_t back_ms = INT64_MAX;
        if (is_looked_through(line, lane, seat))
            continue;
        seat->query.lane.now_ms = now_ms;
        seat->rc = pool_take(pool, &seat->query, &seat->pick, &back_ms, &seat->err);
        if (may_wait(seat, seat->rc, back_ms)) {
            if (lane != NULL && seat->query.lane.tried_count == 0) {
                lane->looked = line->looks;
                lane->back_ms = back_ms;
            }
            continue;
        }
        seat->pool = seat->rc == STATUS_OK ? pool_ref(pool) : NULL;
        serve(line, seat);
    }
    pthread_mutex_unlock(&line->lock);
}

struct line_seat *line_take_served(struct line *line, struct line_home *home)
{
    pthread_mutex_lock(&line->lock);
    struct line_seat *served = home->served;
    home->served = NULL;
    pthread_mutex_unlock(&line->lock);
    return served;
}
