/*
 * principal: who calls. What an API key yields, and the end user the caller names.
 * Threads  plain data.
 */
#pragma once
#include "gateway/auth/grant.h"
#include "shared/base/uuid.h"

/* How an end user came, with an API key (dify-api.md 1.3). */
#define PRINCIPAL_SERVICE_API "service-api"

/*
 * grant   a reference of its own: workspace, app, mode, key
 * user    the end user as the caller named it; borrowed from the request
 */
struct principal {
    struct grant *grant;
    struct str user;
    const char *end_user_type;
    char end_user_id[UUID_TEXT_LEN + 1];
};

/* A caller with an API key who acts for `user`. End it with principal_fini(). */
void principal_init(struct principal *principal, struct grant *grant, struct str user);
/* A zeroed one is allowed. */
void principal_fini(struct principal *principal);

/*
 * Id of the end user `user` (a free text, never authenticated: dify-api.md 1.3) of an app. A UUIDv5 of workspace, app,
 * type and user: nothing to read or write, and no duplicates.
 */
void principal_end_user_id(struct str workspace_id, struct str app_id, struct str type, struct str user,
                           char ret[UUID_TEXT_LEN + 1]);
