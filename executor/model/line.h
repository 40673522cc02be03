/*
 * line: calls that wait for a credential, because all that serve their model rest or are full: by priority of their app, and
 * within one priority as they came. Whoever makes room (a rest is over, a call has ended, the credentials have changed) has the
 * line looked through: those whose turn it is get their pick and are told on their own loop. Exactly as many as there is room for.
 * Threads  any; a seat belongs to its call's loop, but for what the line keeps of it.
 */
#pragma once
#include "executor/model/pool.h"

/* ms. How often a loop with waiting calls looks for rests that are over: within 20 ms they are served. */
#define LINE_LOOK_MS 10
/* calls. Default of the most that wait at a time. */
#define LINE_CALLS_MAX 10000

struct line;
/* Who is told: one for each loop. Called under the line's lock: only wakes. */
struct line_home {
    void (*wake)(struct line_home *home);
    struct line_seat *served; /* under the line's lock */
};
struct line_seat {
    struct line_seat *prev, *next;
    struct line_home *home;
    struct pool_query query; /* its texts live as long as the call */
    int32_t priority;
    int64_t deadline_ms; /* 0: none */
    uint64_t number;     /* as they came */
    bool is_waiting;
    /* Once it was served. */
    struct line_seat *served_next;
    enum status_code rc; /* OK, or why it will not be (deadline, nobody fits any more) */
    struct status err;
    struct pool *pool; /* the pick's: a reference, the seat's owner's now */
    struct pool_pick pick;
};

/* max: calls. NULL: no memory. */
struct line *line_new(size_t max);
void line_free(struct line *line); /* NULL is fine; nobody waits any more */
/* Is anybody waiting? Cheap. A new call has to go behind those that do. */
bool line_is_empty(const struct line *line);
/* False: as many wait as may. */
MUST_CHECK bool line_enter(struct line *line, struct line_seat *seat);
/* It does not want to wait any more. True: it was waiting. False: it was served, or is about to be told: its pick is to be ended. */
bool line_leave(struct line *line, struct line_seat *seat);
/* Looks through the line and serves who can be served, from this pool. */
void line_look(struct line *line, struct pool *pool, int64_t now_ms);
/* A home's served seats, linked by served_next; they are its own from here on. */
struct line_seat *line_take_served(struct line *line, struct line_home *home);
