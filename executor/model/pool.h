/*
 * pool: the credentials and model settings of all workspaces at one moment, and which credential a call takes. A snapshot of
 * the store: a change makes a new one, and calls in flight keep the old. How credentials stand outlives it (standings.h).
 * Threads  pool_new by one; the rest any: one short lock, that of the standings, per pick.
 */
#pragma once
#include "executor/model/lane.h"
#include "shared/store/model.h"
#include "shared/store/rest.h"

/* models. Of which lanes are kept; beyond it the model is refused. */
#define POOL_LANES_MAX 16384

struct pool;

/* standings: outlives the pool. take_settings: NULL for none; the caller's on failure. RESOURCE_EXHAUSTED: no memory. */
MUST_CHECK enum status_code pool_new(const struct store_credential_set *credentials,
                                     struct settings *take_settings, struct standings *standings,
                                     struct pool **ret_pool, struct status *err);
struct pool *pool_ref(struct pool *pool);
void pool_unref(struct pool *pool); /* NULL is fine */

/*
 * What is asked for.
 * provider   as the export names it; the last part of a path counts; empty: any
 */
struct pool_query {
    struct str workspace_id, provider, model;
    struct lane_query lane;
};
/* A pick: of the credential's room, too; ended with pool_end(). Borrowed from the pool. */
struct pool_pick {
    const struct credential *credential;
    const struct model_settings *settings;
    struct str model; /* as the provider is to be asked for it */
    const struct protocol *protocol;
    struct http_headers *headers;
    struct rest *rest;
    struct quota_hold hold;
    bool is_trial;
};
/*
 * OK
 * UNAVAILABLE          ALL_RESTING: none can be taken now; ret_back_ms says when (INT64_MAX: when a running call ends)
 * RESOURCE_EXHAUSTED   ALL_TRIED: none is left to be tried; no reason: memory
 * FAILED_PRECONDITION  NO_CREDENTIAL: none fits, the words say how to add one
 */
MUST_CHECK enum status_code pool_take(struct pool *pool, const struct pool_query *query,
                                      struct pool_pick *ret, int64_t *ret_back_ms, struct status *err);
/* The lane of a query, to note that nobody can be taken from it now; NULL: there is none. Not to be kept. */
struct lane *pool_lane(struct pool *pool, const struct pool_query *query);

enum pool_outcome { POOL_ANSWERED, POOL_CANCELLED, POOL_REFUSED };
/*
 * The call that the pick was for has ended. failure: with POOL_REFUSED; tokens: that it took, -1 for not known.
 * Returns what has become of the credential.
 */
struct standing_change pool_end(struct pool *pool, struct pool_pick *pick, enum pool_outcome outcome,
                                const struct attempt_failure *failure, int64_t tokens, int64_t now_ms);

/* How a model is to be spoken to. Borrowed. */
const struct model_settings *pool_settings(const struct pool *pool, struct str workspace_id,
                                           struct str provider, struct str model);
/*
 * The rests as the store has them: those that others have seen hold here, too; one that was there and is no more has been ended
 * by an operator.
 */
void pool_take_rests(struct standings *standings, const struct store_rest_set *rests, int64_t now_ms);
