/*
 * lane: those who serve one model of a workspace's provider, whose turn it is among them, and who waits for them. Kept across
 * changes of the store: a new snapshot has other members, and those that stay keep their turn.
 * Threads  under the lock of the pool.
 */
#pragma once
#include "executor/model/line.h"
#include "executor/model/standings.h"
#include "executor/model/turns.h"

struct lane_member {
    const struct credential *credential; /* of the lane's snapshot; NULL without one */
    struct standing *standing;           /* held */
    struct standing_rest *rest;          /* held */
    bool has_limits;                     /* of any kind */
};
struct lane {
    struct lane *next; /* in its table */
    size_t routes;     /* that lead to it */
    struct str workspace_id, provider,
        model;                 /* provider: last part; model: as the provider is asked for it */
    struct snapshot *snapshot; /* NULL: to be fitted */
    struct lane_member *members;
    size_t count;
    struct turns_member *shares; /* of the members */
    struct turns turns;
    struct line line;
    struct lane *waiting_prev, *waiting_next; /* lanes with somebody in line */
    int64_t wake_ms; /* when its line has to be looked at; INT64_MAX: when something changes */
    bool is_changed; /* some who wait may have nobody left */
    bool is_held_up; /* somebody in line waits for more tokens, and those behind it for that */
    char texts[];
};

/* NULL: no memory. */
struct lane *lane_new(struct str workspace_id, struct str provider, struct str model);
void lane_free(struct lane *lane); /* nobody waits */
/* Members are those of this snapshot from now on. False: no memory, and it is as before. */
MUST_CHECK bool lane_fit(struct lane *lane, struct snapshot *snapshot, struct standings *standings);
/* Lets go of its snapshot; it has to be fitted before it is looked at. */
void lane_loosen(struct lane *lane);

struct lane_query {
    uint64_t mark;  /* standings with it are left out: the call has been refused by them; 0: none */
    int64_t tokens; /* estimate */
    int64_t now_ms;
};
struct lane_view {
    size_t enabled;  /* members that are not refused for good */
    size_t fit;      /* of these: those that are not left out */
    size_t free;     /* of these: those that can be taken now (shares[].can) */
    int64_t next_ms; /* when the first that fits and is not free will be; INT64_MAX: not known */
    bool is_open;    /* the end of some call may make one free at any time */
    bool is_large;   /* fewer tokens would find one free */
    int64_t any_ms;  /* as next_ms, of all that are enabled */
};
void lane_look(struct lane *lane, const struct lane_query *query, struct lane_view *ret);
/*
 * After a look that found some free: the member whose turn it is, which has taken it. conversation_id: not empty where its calls
 * prefer one member.
 */
const struct lane_member *lane_take(struct lane *lane, struct str conversation_id);
