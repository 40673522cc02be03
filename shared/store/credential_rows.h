/*
 * credential_rows: rows of credentials, for credential.c and credential_use.c.
 */
#pragma once
#include "shared/store/call.h"
#include "shared/store/credential.h"

#define CREDENTIAL_COLUMNS                                                                                   \
    "workspace_id, id, provider, protocol, name, base_url, models, weight, disabled, created_at_ms, "        \
    "updated_at_ms, disabled_reason, requests_per_minute, tokens_per_minute, max_concurrent, fresh_since_ms"
/* The columns behind those. */
enum { COLUMN_SEALED = 16, COLUMN_KEY_ID };

/* A row of CREDENTIAL_COLUMNS, without rests. */
struct store_credential credential_row(struct call *call, const struct db_rows *rows);
/* What a secret is sealed for. */
struct str credential_bound_to(struct call *call, struct str workspace_id, struct str credential_id);
enum status_code credential_not_found(struct str credential_id, struct status *err);
