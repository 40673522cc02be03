/*
 * principal: who calls by a token, and the end user that a caller acts for. An API key has no principal: it is its grant, and its
 * caller names the end user.
 * Threads  immutable and shared; references are counted atomically.
 */
#pragma once
#include "shared/base/status.h"
#include "shared/base/uuid.h"
#include <stdatomic.h>

/* How an end user came (dify-api.md 1.3): named by whoever holds an API key; in a passport; in the token of an issuer. */
#define PRINCIPAL_SERVICE_API "service-api"
#define PRINCIPAL_BROWSER     "browser"
#define PRINCIPAL_OPENAPI     "openapi"
/* bytes. A name for an end user. */
#define PRINCIPAL_USER_BYTES_MAX 255

/* What a caller may do: start and stop runs; read and rename records; administer. */
enum scope { SCOPE_RUN = 1, SCOPE_READ = 2, SCOPE_ADMIN = 4 };
/* "run", "read", "admin". False: no scope has this name. */
bool scope_from(struct str name, enum scope *ret);

struct principal { /* its texts end in NUL */
    _Atomic size_t refs;
    struct str workspace_id; /* "": the default one; at most STORE_NAME_BYTES_MAX */
    struct str app_id;       /* "": none, as an administrator */
    struct str issuer;       /* "": of a passport */
    struct str user;         /* "": the caller names it, as with an API key */
    const char *end_user_type;
    unsigned scopes;        /* enum scope, added up */
    int64_t valid_until_ms; /* wall clock; INT64_MAX: for ever */
    char text[];            /* what the texts above point into */
};
/* A copy with one reference. NULL: no memory. */
struct principal *principal_new(const struct principal *from);
struct principal *principal_ref(struct principal *principal);
void principal_unref(struct principal *principal); /* NULL is allowed */

/* Of a caller with a principal, or with an API key (NULL). */
const char *principal_type(const struct principal *principal);
/*
 * PERMISSION_DENIED   SCOPE_MISSING
 * principal           NULL: an API key, which runs and reads
 */
MUST_CHECK enum status_code principal_check_scope(const struct principal *principal, enum scope scope,
                                                  struct status *err);
/*
 * The end user of a call: the token's, or the one that the request names (`asked`) when the token names none.
 * ret_user            lives as long as the principal and `asked`, NUL-terminated as they are
 * PERMISSION_DENIED   USER_MISMATCH: the request names another end user than the token
 */
MUST_CHECK enum status_code principal_user(const struct principal *principal, struct str asked,
                                           struct str *ret_user, struct status *err);
/*
 * Id of the end user `user` of an app. A UUIDv5 of workspace, app, type, issuer (where one vouches for the name) and user:
 * nothing to read or write, no duplicates, and nobody's name is that of another's end user.
 */
void principal_end_user_id(const struct principal *principal, struct str workspace_id, struct str app_id,
                           struct str user, char ret[UUID_TEXT_LEN + 1]);
