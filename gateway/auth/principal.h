/*
 * principal: the end user that a caller acts for.
 * Threads  plain data.
 */
#pragma once
#include "shared/base/uuid.h"

/* How an end user came, with an API key (dify-api.md 1.3). */
#define PRINCIPAL_SERVICE_API "service-api"

/*
 * Id of the end user `user` (a free text, never authenticated: dify-api.md 1.3) of an app. A UUIDv5 of workspace, app,
 * type and user: nothing to read or write, and no duplicates.
 */
void principal_end_user_id(struct str workspace_id, struct str app_id, struct str type, struct str user,
                           char ret[UUID_TEXT_LEN + 1]);
