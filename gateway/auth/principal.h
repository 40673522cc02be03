/*
 * principal: who calls. What an API key yields, and the end user the caller names.
 * Threads  plain data.
 */
#pragma once
#include "shared/base/str.h"
#include "shared/base/uuid.h"

/*
 * Id of the end user `user` (a free text, never authenticated: dify-api.md 1.3) of an app. A UUIDv5 of workspace, app,
 * type and user: nothing to read or write, and no duplicates.
 */
void principal_end_user_id(struct str workspace_id, struct str app_id, struct str type, struct str user,
                           char ret[UUID_TEXT_LEN + 1]);
