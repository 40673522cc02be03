/* timers: see the header. */
#include "executor/worker/timers.h"

#include <assert.h>
#include <stdlib.h>

bool timers_reserve(struct timers *t, size_t jobs)
{
    if (jobs <= t->cap)
        return true;
    size_t cap = t->cap == 0 ? 64 : t->cap * 2;
    while (cap < jobs)
        cap *= 2;
    struct job **heap = realloc(t->heap, cap * sizeof(struct job *));
    if (heap == NULL)
        return false;
    t->heap = heap;
    t->cap = cap;
    return true;
}

void timers_fini(struct timers *t)
{
    free(t->heap);
}

static void put(struct timers *t, size_t i, struct job *job)
{
    t->heap[i] = job;
    job->timer_index = i;
}

/* Moves the job at i up or down to where it belongs. */
static void settle(struct timers *t, size_t i)
{
    struct job *job = t->heap[i];
    while (i > 0 && t->heap[(i - 1) / 2]->timer_at_ms > job->timer_at_ms) {
        put(t, i, t->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < t->count && t->heap[child + 1]->timer_at_ms < t->heap[child]->timer_at_ms)
            child++;
        if (child >= t->count || t->heap[child]->timer_at_ms >= job->timer_at_ms)
            break;
        put(t, i, t->heap[child]);
        i = child;
    }
    put(t, i, job);
}

void timers_set(struct timers *t, struct job *job, int64_t at_ms)
{
    job->timer_at_ms = at_ms;
    if (job->timer_index == SIZE_MAX) {
        assert(t->count < t->cap);
        put(t, t->count++, job);
    }
    settle(t, job->timer_index);
}

void timers_drop(struct timers *t, struct job *job)
{
    size_t i = job->timer_index;
    if (i == SIZE_MAX)
        return;
    job->timer_index = SIZE_MAX;
    struct job *last = t->heap[--t->count];
    if (last == job)
        return;
    put(t, i, last);
    settle(t, i);
}

struct job *timers_due(struct timers *t, int64_t now_ms)
{
    if (t->count == 0 || t->heap[0]->timer_at_ms > now_ms)
        return NULL;
    struct job *job = t->heap[0];
    timers_drop(t, job);
    return job;
}

int64_t timers_next_ms(const struct timers *t)
{
    return t->count == 0 ? INT64_MAX : t->heap[0]->timer_at_ms;
}
