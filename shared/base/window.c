/* window: see the header. */
#include "shared/base/window.h"

#include <stdlib.h>
#include <string.h>

void window_fini(struct window *w)
{
    free(w->times);
    *w = (struct window){0};
}

int64_t window_at(const struct window *w, size_t i)
{
    return w->times[(w->first + i) % w->cap];
}

void window_forget(struct window *w, int64_t until_ms)
{
    while (w->count > 0 && window_at(w, 0) <= until_ms) {
        w->first = (w->first + 1) % w->cap;
        w->count--;
    }
}

static bool grow(struct window *w)
{
    size_t cap = w->cap == 0 ? 16 : w->cap * 2;
    if (w->cap == WINDOW_TIMES_MAX)
        return false;
    cap = cap > WINDOW_TIMES_MAX ? WINDOW_TIMES_MAX : cap;
    int64_t *times = malloc(cap * sizeof *times);
    if (times == NULL)
        return false;
    for (size_t i = 0; i < w->count; i++)
        times[i] = window_at(w, i);
    free(w->times);
    w->times = times;
    w->cap = cap;
    w->first = 0;
    return true;
}

bool window_add(struct window *w, int64_t at_ms)
{
    if (w->count == w->cap && !grow(w))
        return false;
    size_t i = w->count++;
    /* Threads read the clock before they come: a time may be some µs older than the one before. */
    while (i > 0 && window_at(w, i - 1) > at_ms) {
        w->times[(w->first + i) % w->cap] = window_at(w, i - 1);
        i--;
    }
    w->times[(w->first + i) % w->cap] = at_ms;
    return true;
}

void window_remove(struct window *w, int64_t at_ms)
{
    size_t i = w->count;
    while (i > 0 && window_at(w, i - 1) > at_ms)
        i--;
    if (i == 0 || window_at(w, i - 1) != at_ms)
        return; /* forgotten by now */
    for (; i < w->count; i++)
        w->times[(w->first + i - 1) % w->cap] = window_at(w, i);
    w->count--;
}
