/* quota: see the header. A ring of entries, one per millisecond in which something was asked for; the oldest leave first. */
#include "executor/model/quota.h"

#include <stdlib.h>

/* entries. One per ms of the window. */
#define ENTRIES_MAX ((size_t)QUOTA_WINDOW_MS + 1)

static size_t cap_of(const struct quota *q)
{
    return q->more == NULL ? QUOTA_FEW : q->cap;
}

static struct quota_entry *entry(struct quota *q, size_t index)
{
    struct quota_entry *ring = q->more == NULL ? q->few : q->more;
    size_t at = q->first + index;
    return &ring[at < cap_of(q) ? at : at - cap_of(q)];
}

void quota_fini(struct quota *q)
{
    free(q->more);
    *q = (struct quota){0};
}

static void forget_old(struct quota *q, int64_t now_ms)
{
    while (q->count > 0 && entry(q, 0)->at_ms + QUOTA_WINDOW_MS <= now_ms) {
        q->requests -= entry(q, 0)->requests;
        q->tokens -= entry(q, 0)->tokens;
        q->first = q->first + 1 < cap_of(q) ? q->first + 1 : 0;
        q->count--;
    }
}

int64_t quota_room_ms(struct quota *q, const struct quota_limits *limits, int64_t tokens, int64_t now_ms)
{
    forget_old(q, now_ms);
    /* How much has to leave. */
    int64_t requests = limits->requests == 0 ? 0 : q->requests + 1 - limits->requests;
    int64_t more = limits->tokens == 0 ? 0 : q->tokens + tokens - limits->tokens;
    int64_t room_ms = now_ms, left = q->tokens;
    for (size_t i = 0; i < q->count && (requests > 0 || (more > 0 && left > 0)); i++) {
        const struct quota_entry *e = entry(q, i);
        requests -= e->requests;
        more -= e->tokens;
        left -= e->tokens;
        room_ms = e->at_ms + QUOTA_WINDOW_MS;
    }
    return room_ms;
}

/* False: no memory, or a place for every ms. */
static bool grow(struct quota *q)
{
    size_t cap = cap_of(q) * 4 < ENTRIES_MAX ? cap_of(q) * 4 : ENTRIES_MAX;
    struct quota_entry *more = cap == cap_of(q) ? NULL : malloc(cap * sizeof *more);
    if (more == NULL)
        return false;
    for (size_t i = 0; i < q->count; i++)
        more[i] = *entry(q, i);
    free(q->more);
    q->more = more;
    q->cap = cap;
    q->first = 0;
    return true;
}

void quota_take(struct quota *q, const struct quota_limits *limits, int64_t tokens, int64_t now_ms)
{
    if (limits->requests == 0 && limits->tokens == 0)
        return;
    forget_old(q, now_ms);
    bool is_last = q->count > 0 && entry(q, q->count - 1)->at_ms >= now_ms;
    if (!is_last && (q->count < cap_of(q) || grow(q)))
        *entry(q, q->count++) = (struct quota_entry){.at_ms = now_ms};
    struct quota_entry *last = entry(q, q->count - 1);
    last->at_ms = last->at_ms > now_ms ? last->at_ms : now_ms;
    last->requests++;
    last->tokens += tokens;
    q->requests++;
    q->tokens += tokens;
}

void quota_settle(struct quota *q, int64_t at_ms, int64_t estimated, int64_t used)
{
    size_t low = 0, high = q->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (entry(q, middle)->at_ms < at_ms)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == q->count || entry(q, low)->at_ms != at_ms)
        return; /* it has left, or was counted with a later one */
    struct quota_entry *e = entry(q, low);
    int64_t more = used - estimated;
    more = e->tokens + more < 0 ? -e->tokens : more;
    e->tokens += more;
    q->tokens += more;
}
