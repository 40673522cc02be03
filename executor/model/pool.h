/*
 * pool: the credentials of all providers, and which one the next call takes: smooth weighted round robin over those that are
 * enabled, fit (provider, model) and do not rest; in any window without rests each gets its share (± 1 of two credentials or of
 * equal weights, else ± 2). One that has rested has nothing to catch up on.
 * A pool is a snapshot of the store; a change makes a new one, and calls in flight keep the old.
 * Threads  pool_new by one; the rest any: one short lock per pick.
 */
#pragma once
#include "executor/model/rests.h"
#include "shared/http/headers.h"
#include "shared/store/credential.h"

/* pairs of provider and model that have been asked for. Beyond it a pick goes without memory of the picks before. */
#define POOL_LANES_MAX 4096

struct pool;
struct credential { /* immutable; lives as long as its pool */
    struct pool *pool;
    struct str id;
    struct str provider, name,
        base_url;             /* provider: a glob, "*" serves all; base_url without a slash at its end */
    const struct str *models; /* globs */
    size_t model_count;
    int32_t weight;
    bool is_usable; /* enabled, and its secret could be opened */
    struct http_headers *headers;
};

/* RESOURCE_EXHAUSTED: no memory. INTERNAL cannot happen: what HTTP cannot carry makes a credential unusable. */
/* rests: outlives the pool; NULL: nothing rests. */
MUST_CHECK enum status_code pool_new(const struct store_credential_set *set, struct rests *rests,
                                     struct pool **ret_pool, struct status *err);
struct pool *pool_ref(struct pool *pool);
void pool_unref(struct pool *pool); /* NULL is fine */

/*
 * What is asked for.
 * provider   as the export names it; the last part of a path counts ("langgenius/openai/openai" is "openai"); empty: any
 * tried      credentials of this pool that the call has been refused by
 */
struct pool_query {
    struct str provider, model;
    const struct credential *const *tried;
    size_t tried_count;
    int64_t now_ms; /* monotonic */
};
struct pool_choice {
    const struct credential *credential; /* holds no reference: pool_ref() for as long as it is used */
    struct rest *rest;                   /* of this credential for this model; NULL: it never rests */
};
/*
 * The credential for a call, or for its next try. When all rest, the first try takes the one whose rest ends first: that
 * refuses no call that could succeed; a later try takes none that rests.
 * FAILED_PRECONDITION   NO_CREDENTIAL: none fits, the words say how to add one
 * RESOURCE_EXHAUSTED    ALL_TRIED: none is left to be tried
 */
MUST_CHECK enum status_code pool_pick(struct pool *pool, const struct pool_query *query,
                                      struct pool_choice *ret, struct status *err);
