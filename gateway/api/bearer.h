/*
 * bearer: the API key or JSON Web Token in a call's metadata, and what it opens: the grant, and of a token the principal.
 * Threads  bearer_find on the call's queue; the answer comes there too.
 */
#pragma once
#include "gateway/api/gateway.h"
#include "gateway/auth/tokens.h"
#include "shared/rpc/call.h"

/* A look-up under way, in memory of the asker, zeroed; it lives until `done`, and what it found until bearer_fini(). */
struct bearer {
    /* On the call's queue; take_grant is NULL unless the status is OK. */
    void (*done)(struct bearer *bearer, struct grant *take_grant, const struct status *status);
    struct principal *principal; /* of a token, once its grant was given; NULL: an API key */
    struct gateway *gateway;
    enum scope scope;
    struct key_wait wait;             /* for the store */
    struct key_source_wait keys_wait; /* for an issuer's keys */
    char *token;                      /* while it waits for those */
    struct rpc_op op;
    struct rpc_queue *queue;
    struct grant *grant;
    struct status status;
};
/*
 * Finds who calls, and whether they may do what the scope is for. done() comes exactly once, perhaps before this returns:
 * UNAUTHENTICATED     MISSING_TOKEN: no authorization metadata; INVALID_TOKEN: not a bearer token, not a key, or unknown
 * PERMISSION_DENIED   SCOPE_MISSING; NO_APP: the token opens no app
 * and those of key_cache_find() and tokens_find()
 */
void bearer_find(struct bearer *bearer, struct gateway *gateway, struct rpc_call *call, enum scope scope);
void bearer_fini(struct bearer *bearer);
