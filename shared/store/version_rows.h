/*
 * version_rows: versions and run targets as columns. In version.c; used inside shared/store, on a store thread.
 */
#pragma once
#include "shared/store/rows.h"
#include "shared/store/version.h"

/* Of version_read(), from VERSION_TABLES. */
#define VERSION_COLUMNS                                                                                      \
    "v.id, v.app_id, v.number, v.mode, v.content_hash, v.fail_when_reached, v.dsl_version, "                 \
    "v.created_at_ms, case when v.id = a.published_version_id then 1 else 0 end"
#define VERSION_TABLES "app_versions v join apps a on a.workspace_id = v.workspace_id and a.id = v.app_id"
/* Of target_read(); a: apps, v: app_versions. */
#define TARGET_COLUMNS                                                                                       \
    "a.workspace_id, a.id, a.mode, a.disabled, a.max_active_requests, a.requests_per_minute, "               \
    "a.record, v.id, v.content_hash, v.fail_when_reached, v.number, a.priority"
/* How many these are. */
enum { TARGET_COLUMN_COUNT = 12 };

struct store_version version_read(struct call *call, const struct db_rows *rows);
/* column: the first of TARGET_COLUMNS. */
struct store_target target_read(struct call *call, const struct db_rows *rows, int column);
void version_hash_column(struct call *call, const struct db_rows *rows, int column,
                         uint8_t ret[SHA256_BYTES]);
/* NOT_FOUND   VERSION_NOT_FOUND */
MUST_CHECK enum status_code version_get(struct call *call, struct db *db, struct str workspace_id,
                                        struct str app_id, struct str version_id, struct store_version *ret,
                                        struct status *err);
