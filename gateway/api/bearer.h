/*
 * bearer: the API key in a call's metadata, and the grant it yields.
 * Threads  bearer_find on the call's queue; the answer comes there too.
 */
#pragma once
#include "gateway/auth/key_cache.h"
#include "shared/rpc/call.h"

/* A look-up under way, in memory of the asker; it lives until `done`. */
struct bearer {
    /* On the call's queue; take_grant is NULL unless the status is OK. */
    void (*done)(struct bearer *bearer, struct grant *take_grant, const struct status *status);
    struct key_wait wait;
    struct rpc_op op;
    struct rpc_queue *queue;
    struct grant *grant;
    struct status status;
};
/*
 * Finds who calls. done() comes exactly once, perhaps before this returns:
 * UNAUTHENTICATED   MISSING_TOKEN: no authorization metadata; INVALID_TOKEN: not a bearer token, not a key, or unknown
 * and those of key_cache_find()
 */
void bearer_find(struct bearer *bearer, struct key_cache *keys, struct rpc_call *call);
