/*
 * rows: what one domain file reads for another. Each is in the file of its noun. Used inside shared/store, on a store thread.
 */
#pragma once
#include "shared/store/app.h"
#include "shared/store/call.h"
#include "shared/store/rest.h"

/* app.c: NOT_FOUND, APP_NOT_FOUND, when there is no such app. */
MUST_CHECK enum status_code app_require(struct db *db, struct str workspace_id, struct str app_id,
                                        struct status *err);
enum status_code app_not_found(struct str app_id, struct status *err);
/* app.c: the mode in a column; another word makes the call corrupt. */
enum store_app_mode app_mode_column(struct call *call, const struct db_rows *rows, int column);

enum environment_secrets { ENVIRONMENT_HIDE_SECRETS, ENVIRONMENT_OPEN_SECRETS };
/* environment.c: all variables of an app by name. Errors of call_open(). */
MUST_CHECK enum status_code environment_read(struct call *call, struct db *db, struct str workspace_id,
                                             struct str app_id, enum environment_secrets secrets,
                                             struct store_environment *ret, struct status *err);

/* rest.c: rests that are not over, by workspace, credential and model; credential_id "": of all workspaces and credentials. */
MUST_CHECK enum status_code rests_read(struct call *call, struct db *db, struct str workspace_id,
                                       struct str credential_id, int64_t count_max,
                                       struct store_rest_set *ret, struct status *err);
