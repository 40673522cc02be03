/*
 * credential: one credential of a snapshot, as calls use it. Immutable; lives as long as its snapshot.
 * Threads  any.
 */
#pragma once
#include "executor/model/protocol.h"
#include "executor/model/quota.h"
#include "shared/base/arena.h"
#include "shared/store/credential.h"

/* protocols. Its header lists, one for each. */
enum { CREDENTIAL_PROTOCOLS_MAX = 8 };

struct credential {
    struct str workspace_id, id;
    struct str provider, name,
        base_url;             /* provider: a glob, "*" serves all; base_url without a slash at its end */
    const struct str *models; /* globs */
    size_t model_count;
    int32_t weight;
    struct quota_limits limits;
    int32_t max_concurrent;          /* calls at one time; 0: no limit */
    int64_t fresh_since_ms;          /* what was learnt of it before is void (store's credential.h) */
    uint64_t secret_hash;            /* tells a new secret from the old one, and nothing else */
    const struct protocol *protocol; /* its own */
    struct http_headers
        *headers[CREDENTIAL_PROTOCOLS_MAX]; /* as protocol_list() orders them; NULL: not to be carried */
    bool is_usable;                         /* enabled, its secret could be opened, and HTTP can carry it */
};

/* False: no memory. What is wrong with a credential itself only makes it unusable. */
MUST_CHECK bool credential_read(struct arena *arena, const struct store_credential_opened *from,
                                struct credential *ret);
void credential_fini(struct credential *credential);
/* Does it serve this model (as its provider is asked for it)? provider "": of any. */
bool credential_fits(const struct credential *credential, struct str workspace_id, struct str provider,
                     struct str model);
/* NULL: HTTP cannot carry its secret in that protocol. Borrowed. */
struct http_headers *credential_headers(const struct credential *credential, const struct protocol *protocol);
