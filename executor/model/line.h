/*
 * line: calls that wait for a credential: the more important first, within one priority as they came.
 * Threads  plain data, under the lock of its owner.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct line_seat {
    int32_t priority;
    int64_t deadline_ms; /* 0: none */
    uint64_t number;     /* as they came */
    struct line_seat *prev, *next;
    /* Of the first one of each priority: those of the others, and the last one of its own. */
    struct line_seat *higher, *lower, *last;
};
struct line { /* zeroed: nobody */
    struct line_seat *first;
    size_t count;
    int64_t soonest_ms; /* no deadline is before it; 0: nobody has one */
};

/* In as many steps as there are priorities in it. */
void line_enter(struct line *line, struct line_seat *seat);
void line_leave(struct line *line, struct line_seat *seat);
/* The earliest deadline, counted anew. 0: nobody has one. */
int64_t line_soonest_ms(struct line *line);
