/* line: see the header. One list in order, with a shorter one through the first seat of each priority. */
#include "executor/model/line.h"

static void note_deadline(struct line *line, int64_t deadline_ms)
{
    if (deadline_ms != 0 && (line->soonest_ms == 0 || deadline_ms < line->soonest_ms))
        line->soonest_ms = deadline_ms;
}

/* Between two neighbours of the whole line; NULL: its end. */
static void link_between(struct line *line, struct line_seat *prev, struct line_seat *seat,
                         struct line_seat *next)
{
    seat->prev = prev;
    seat->next = next;
    if (prev != NULL)
        prev->next = seat;
    else
        line->first = seat;
    if (next != NULL)
        next->prev = seat;
}

/* The seat is the first of its priority, with these on both sides. */
static void be_first(struct line_seat *seat, struct line_seat *higher, struct line_seat *lower)
{
    seat->higher = higher;
    seat->lower = lower;
    if (higher != NULL)
        higher->lower = seat;
    if (lower != NULL)
        lower->higher = seat;
}

static void join(struct line *line, struct line_seat *first, struct line_seat *seat)
{
    struct line_seat *after = first->last;
    /* Nearly always it came last; not when its line was another one before. */
    while (after != first && after->number > seat->number)
        after = after->prev;
    if (after == first && first->number > seat->number) {
        link_between(line, first->prev, seat, first);
        be_first(seat, first->higher, first->lower);
        seat->last = first->last;
        return;
    }
    link_between(line, after, seat, after->next);
    if (after == first->last)
        first->last = seat;
}

void line_enter(struct line *line, struct line_seat *seat)
{
    struct line_seat *first = line->first, *higher = NULL;
    while (first != NULL && first->priority > seat->priority) {
        higher = first;
        first = first->lower;
    }
    line->count++;
    note_deadline(line, seat->deadline_ms);
    if (first != NULL && first->priority == seat->priority) {
        join(line, first, seat);
        return;
    }
    link_between(line, higher == NULL ? NULL : higher->last, seat, first);
    be_first(seat, higher, first);
    seat->last = seat;
}

void line_leave(struct line *line, struct line_seat *seat)
{
    bool is_first = seat->prev == NULL || seat->prev->priority != seat->priority;
    bool is_last = seat->next == NULL || seat->next->priority != seat->priority;
    if (is_first && is_last) {
        if (seat->higher != NULL)
            seat->higher->lower = seat->lower;
        if (seat->lower != NULL)
            seat->lower->higher = seat->higher;
    } else if (is_first) {
        seat->next->last = seat->last;
        be_first(seat->next, seat->higher, seat->lower);
    } else if (is_last) {
        struct line_seat *first = line->first;
        while (first->priority != seat->priority)
            first = first->lower;
        first->last = seat->prev;
    }
    if (seat->prev != NULL)
        seat->prev->next = seat->next;
    else
        line->first = seat->next;
    if (seat->next != NULL)
        seat->next->prev = seat->prev;
    line->count--;
    if (line->count == 0)
        line->soonest_ms = 0;
}

int64_t line_soonest_ms(struct line *line)
{
    line->soonest_ms = 0;
    for (const struct line_seat *seat = line->first; seat != NULL; seat = seat->next)
        note_deadline(line, seat->deadline_ms);
    return line->soonest_ms;
}
