/*
 * lane: those who serve one model of a workspace's provider, and whose turn it is.
 *
 * Turns    earliest deadline first among those who are due (R. Tijdeman, "The chairman assignment problem", 1980): counted from
 *          any moment at which the same ones could be picked, each has had its share to within less than one pick; so in any
 *          window to within one for equal weights, and less than two for any (no order of turns can do better for all weights).
 *          Who rests, or is full, is due nothing for that time.
 * Affinity calls of one conversation prefer one member (rendezvous hashing by weight), unless it is AFFINITY_LEAD picks ahead of
 *          its share, rests or is full: then it is another's turn.
 * Threads  under the lock of the standings.
 */
#pragma once
#include "executor/model/credential.h"
#include "executor/model/settings.h"
#include "executor/model/standings.h"

/* picks. That a member may be ahead of its share for the sake of prompt caches. */
#define AFFINITY_LEAD 32

struct lane_member {
    const struct credential *credential;
    struct rest *rest;
    const struct protocol *protocol;
    struct http_headers *headers;
};
struct lane {
    struct lane *next;                        /* of the pool's bucket */
    struct str workspace_id, provider, model; /* as exports name it; provider: its last part */
    const struct model_settings *settings;
    struct str upstream_model; /* as the provider is asked for it */
    struct lane_member *members;
    size_t count;
    uint64_t looked; /* number of the look that found nobody, */
    int64_t back_ms; /* and when it said there would be one (line.h) */
};

struct lane_query {
    struct str conversation_id; /* "": none */
    const struct str *tried;    /* ids of credentials that have refused this call */
    size_t tried_count;
    int64_t tokens; /* estimate */
    int64_t now_ms;
};
/*
 * The member whose turn it is, which has been counted; NULL: none can be taken now.
 * ret_back_ms   then: when one can at the earliest; INT64_MAX: only the end of a running call will tell; INT64_MIN: never, all
 *               that fit have been tried or are refused for good
 */
const struct lane_member *lane_take(struct lane *lane, const struct lane_query *query, int64_t *ret_back_ms);
