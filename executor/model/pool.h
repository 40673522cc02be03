/*
 * pool: which credential a model call takes, and who waits until there is one.
 *
 * Turns      of those that are enabled, serve the model, do not rest, and have room: turns.h
 * Changes    pool_update() takes effect with the next pick; calls in flight keep what they have. Turns, rests, quotas and those
 *            who wait stay.
 * Waiting    the more important first, within one priority as they came, each lane for itself. Whoever makes room (a call has
 *            ended, a rest is over, credentials have changed) gives it to exactly as many as it is for, and wakes their loops.
 *            A call with fewer tokens does not overtake one that has to wait for more.
 * Threads    any; one short lock. A ticket belongs to its call's loop, but for what the pool keeps of it.
 * Time       is passed in, ms, monotonic.
 */
#pragma once
#include "executor/model/lanes.h"
#include "shared/store/rest.h"

/* calls. Default of the most that wait at a time: what the runs of an executor may be in at once. */
#define POOL_WAITING_MAX 10000

struct pool;
struct pool_ticket;

/* A loop whose calls may wait. Its fields are under the pool's lock. */
struct pool_home {
    /* From any thread, under the lock: pool_told() and then pool_due() are to be called on its loop. */
    void (*wake)(struct pool_home *home);
    struct pool_ticket *told_first, *told_last;
    struct pool_home *prev, *next;
    size_t waiting;
    int64_t armed_ms; /* when it will look by itself */
};

enum pool_end {
    POOL_GIVEN,         /* ticket.credential is to be asked; pool_give_back() ends it */
    POOL_WAITS,         /* its home is told how it ends */
    POOL_NO_CREDENTIAL, /* none that is enabled serves the model */
    POOL_ALL_TRIED,     /* all that serve it have refused this call */
    POOL_ALL_REST,      /* none is free, and it does not wait, or none will be before its deadline */
    POOL_LINE_FULL,     /* as many wait as may */
    POOL_NO_MEMORY
};

/* Texts are borrowed until pool_leave(). */
struct pool_ask {
    struct str workspace_id, provider, model; /* as the export names them */
    struct str conversation_id;               /* empty: none */
    int32_t priority;
    int64_t deadline_ms; /* 0: none */
    int64_t tokens;      /* estimate of prompt and answer together */
};
enum pool_ticket_state { POOL_TICKET_IDLE, POOL_TICKET_HOLDS, POOL_TICKET_WAITS, POOL_TICKET_TOLD };
/* What a call has of the pool, in its memory. */
struct pool_ticket {
    struct pool_ask ask;
    struct pool_home *home;
    enum pool_ticket_state state;
    enum pool_end end; /* as pool_ask() said last, or was told */
    int64_t
        retry_ms; /* when it was given nothing: the first credential is free in so many ms; 0: not known */
    /* Of what it was given last; until it is given another, or leaves. */
    struct snapshot *snapshot;
    const struct credential *credential;
    const struct model_settings *settings;
    const struct protocol *protocol;
    struct http_headers *headers;
    struct str model; /* as the provider is to be asked for it */
    bool is_trial;    /* the first after a rest */
    int64_t waited_ms;
    /* The pool's own. */
    struct standing_rest *rest;
    uint32_t epoch;
    int64_t taken_at_ms, waits_since_ms;
    struct standing **tried;
    size_t tried_count, tried_cap;
    struct line_seat seat;
    struct lane *lane; /* it waits in */
    struct pool_ticket *told_prev, *told_next;
};

/*
 * may_wait     false: when none is free calls fail at once
 * waiting_max  calls
 * NULL: no memory.
 */
struct pool *pool_new(bool may_wait, size_t waiting_max);
void pool_free(struct pool *pool); /* all tickets have left, all homes are gone. NULL is fine */
void pool_add_home(struct pool *pool, struct pool_home *home, void (*wake)(struct pool_home *home));
void pool_remove_home(struct pool *pool, struct pool_home *home); /* none of its calls is left */

void pool_update(struct pool *pool, struct snapshot *take_snapshot, int64_t now_ms);
/*
 * The rests the store has. own_id: those seen by it are known already, unless they were forgotten meanwhile; the others hold here,
 * too.
 */
void pool_take_rests(struct pool *pool, const struct store_rest_set *rests, struct str own_id,
                     int64_t now_ms);

void pool_ticket_init(struct pool_ticket *ticket, const struct pool_ask *ask, struct pool_home *home);
/* A credential for the call, or for its next try: none it had before. The ticket is idle. */
enum pool_end pool_ask(struct pool *pool, struct pool_ticket *ticket, int64_t now_ms);
/* Words and reason for an end that is not POOL_GIVEN or POOL_WAITS. */
enum status_code pool_say(const struct pool_ticket *ticket, struct status *err);
/* The home is told of `end` as if it had been waited for. The ticket is idle. */
void pool_tell_later(struct pool *pool, struct pool_ticket *ticket, enum pool_end end);

/* It says something: others need not wait until a trial (ticket.is_trial) is through. True: it is back from its rest. */
bool pool_answers(struct pool *pool, struct pool_ticket *ticket, int64_t now_ms);
enum pool_outcome { POOL_ANSWERED, POOL_REFUSED, POOL_DROPPED };
/*
 * The call has ended with what it was given. failure: of POOL_REFUSED. tokens: it has used; -1: not known. Afterwards the
 * ticket is idle, credential and texts are still there.
 */
struct standing_change pool_give_back(struct pool *pool, struct pool_ticket *ticket,
                                      enum pool_outcome outcome, const struct attempt_failure *failure,
                                      int64_t tokens, int64_t now_ms);
/* From any state: it holds nothing and is not told of anything any more. */
void pool_leave(struct pool *pool, struct pool_ticket *ticket, int64_t now_ms);

/* On the home's loop, after wake(): the next ticket that does not wait any more (ticket.end); NULL: none. */
struct pool_ticket *pool_told(struct pool *pool, struct pool_home *home);
/* Gives what has become free by time. Returns when the home has to call this again; INT64_MAX: not before it is woken. */
int64_t pool_due(struct pool *pool, struct pool_home *home, int64_t now_ms);

/* Calls that wait now. */
size_t pool_waiting(struct pool *pool);
/* Tokens of prompt and answer together that the settings give the model; 0: they say nothing of it. */
int64_t pool_context_size(struct pool *pool, struct str workspace_id, struct str provider, struct str model);
