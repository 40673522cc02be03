/*
 * issuer: somebody whose tokens are taken, as the issuers file says: what a token must say, and what it then opens.
 * Threads  immutable once read; shared. Memory is the arena's of its list.
 */
#pragma once
#include "gateway/auth/jwt.h"
#include "gateway/auth/key_source.h"
#include "gateway/auth/principal.h"

/* issuers of one file; of one: audiences, and rows of a map. */
#define ISSUERS_MAX          32
#define ISSUER_AUDIENCES_MAX 16
#define ISSUER_ROWS_MAX      1000

struct issuer_row {
    const char *value, *app_id;
};
/*
 * name              the claim iss
 * audiences         one of them is in the claim aud
 * app_id            of every token; NULL: the claim app_claim names it, or the row of app_rows for its value; all NULL: none
 * user_claim        NULL: whoever calls names the end user, as with an API key
 * scopes            of every token; scopes_claim not NULL: those that the claim lists
 */
struct issuer {
    const char *name;
    const char **audiences;
    size_t audience_count;
    int64_t leeway_ms;
    const char *workspace;
    const char *app_id, *app_claim;
    struct issuer_row *app_rows; /* sorted by value */
    size_t app_row_count;
    const char *user_claim;
    unsigned scopes;
    const char *scopes_claim;
    struct key_source *keys;
};

/*
 * Who calls with a token of this issuer, whose signature was checked. A reference for the caller.
 * UNAUTHENTICATED      WRONG_AUDIENCE, UNKNOWN_APP, TOKEN_EXPIRED, TOKEN_NOT_YET_VALID; INVALID_TOKEN: no exp, no end user
 * RESOURCE_EXHAUSTED   no memory
 */
MUST_CHECK enum status_code issuer_principal(const struct issuer *issuer, const struct jwt *jwt,
                                             int64_t now_ms, struct principal **ret, struct status *err);
/* The same of a passport: app_id, end_user_id or user_id, perhaps exp. */
MUST_CHECK enum status_code passport_principal(const struct jwt *jwt, int64_t now_ms, struct principal **ret,
                                               struct status *err);
