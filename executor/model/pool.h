/*
 * pool: the credentials of all providers, and which one the next call takes: smooth weighted round robin over those that are
 * enabled and fit (provider, model); in any window each gets its share (± 1 of two credentials or of equal weights, else ± 2).
 * A pool is a snapshot of the store; a change makes a new one, and calls in flight keep the old.
 * Threads  pool_new by one; the rest any: one short lock per pick.
 */
#pragma once
#include "shared/http/headers.h"
#include "shared/store/credential.h"

/* pairs of provider and model that have been asked for. Beyond it a pick goes without memory of the picks before. */
#define POOL_LANES_MAX 4096

struct pool;
struct credential { /* immutable; lives as long as its pool */
    struct pool *pool;
    struct str provider, name,
        base_url;             /* provider: a glob, "*" serves all; base_url without a slash at its end */
    const struct str *models; /* globs */
    size_t model_count;
    int32_t weight;
    bool is_usable; /* enabled, and its secret could be opened */
    struct http_headers *headers;
};

/* RESOURCE_EXHAUSTED: no memory. INTERNAL cannot happen: what HTTP cannot carry makes a credential unusable. */
MUST_CHECK enum status_code pool_new(const struct store_credential_set *set, struct pool **ret_pool,
                                     struct status *err);
struct pool *pool_ref(struct pool *pool);
void pool_unref(struct pool *pool); /* NULL is fine */

/*
 * The credential for the next call; it holds no reference: pool_ref() for as long as it is used.
 * provider   as the export names it; the last part of a path counts ("langgenius/openai/openai" is "openai"); empty: any
 * FAILED_PRECONDITION   NO_CREDENTIAL: none fits; the words say how to add one
 */
MUST_CHECK enum status_code pool_pick(struct pool *pool, struct str provider, struct str model,
                                      const struct credential **ret, struct status *err);
