/*
 * limit: how long transfers may take. One timer of the client looks at all of them: ten thousand streams that each have three
 * limits, which move with every byte, would keep a timer of their own busy.
 */
#include "shared/http/client_core.h"

/* ms. Between two looks: how late a limit may be noticed, and how often all transfers are looked at in the worst case. */
#define LOOK_MIN_MS 20
#define LOOK_MAX_MS 500

static void on_tick(uv_timer_t *timer);

static int64_t earlier(int64_t due_ms, int64_t from_ms, int64_t limit_ms)
{
    return limit_ms > 0 && from_ms + limit_ms < due_ms ? from_ms + limit_ms : due_ms;
}

/* When it has to be ended, as things stand; INT64_MAX: never. */
static int64_t due_at(const struct http_transfer *t)
{
    int64_t due_ms = INT64_MAX;
    if (t->is_finished || (t->is_paused && !t->is_let_go))
        return due_ms;
    if (!t->has_first)
        due_ms = earlier(due_ms, t->started_ms, t->first_ms);
    due_ms = earlier(due_ms, t->last_ms, t->idle_ms);
    return earlier(due_ms, t->started_ms, t->total_ms);
}

static enum http_late why_late(const struct http_transfer *t, int64_t now_ms)
{
    if (t->total_ms > 0 && now_ms >= t->started_ms + t->total_ms)
        return LATE_TOTAL;
    return !t->has_first && t->first_ms > 0 && now_ms >= t->started_ms + t->first_ms ? LATE_FIRST : LATE_IDLE;
}

/* The next look comes at `due_ms`, unless it comes earlier. */
static void look_at(uv_timer_t *timer, int64_t due_ms, int64_t now_ms)
{
    int64_t wait_ms = due_ms - now_ms;
    wait_ms = wait_ms < LOOK_MIN_MS ? LOOK_MIN_MS : wait_ms > LOOK_MAX_MS ? LOOK_MAX_MS : wait_ms;
    if (!uv_is_active((uv_handle_t *)timer) || uv_timer_get_due_in(timer) > (uint64_t)wait_ms)
        uv_timer_start(timer, on_tick, (uint64_t)wait_ms, 0);
}

void http_limit_watch(struct http_transfer *t)
{
    int64_t due_ms = due_at(t);
    if (due_ms != INT64_MAX)
        look_at(&t->client->limit_timer, due_ms, clock_monotonic_ms());
}

static void on_tick(uv_timer_t *timer)
{
    struct http_client *c = timer->data;
    int64_t now_ms = clock_monotonic_ms(), next_ms = INT64_MAX;
    for (struct http_transfer *t = c->live; t != NULL; t = c->cursor) {
        c->cursor = t->next; /* moved on when what is called here ends that one */
        int64_t due_ms = due_at(t);
        if (due_ms <= now_ms) {
            t->late = why_late(t, now_ms);
            http_transfer_ended(t, CURLE_OPERATION_TIMEDOUT);
        } else if (due_ms < next_ms) {
            next_ms = due_ms;
        }
    }
    c->cursor = NULL;
    if (next_ms != INT64_MAX)
        look_at(timer, next_ms, now_ms);
}
