/*
 * orphans: runs and messages whose owner has died, and their closing in small steps. Used inside shared/store.
 * Threads  the connection's.
 */
#pragma once
#include "shared/store/db.h"
#include "shared/store/db_presence.h"

/* rows. Closed in one transaction: some ms of the write lock. */
#define ORPHANS_STEP 300

/*
 * Looks at every instance that is not known as dead, and at every owner of an open run or message, but for `own`; marks those
 * whose lock is free, and closes what they left: failed, executor lost.
 * ret_closed   runs closed, for the log
 */
MUST_CHECK enum status_code orphans_close(struct db *db, const struct db_presence *presence, int64_t own,
                                          int64_t now_ms, size_t *ret_closed, struct status *err);
