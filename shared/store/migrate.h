/*
 * migrate: brings the schema of a database to the number this Heddle knows, one transaction a step. Used inside shared/store.
 * Threads  any; several processes may do it at once, each step happens once.
 */
#pragma once
#include "shared/store/db.h"

/*
 * migrations   1, 2, 3 … in order
 * ret_from     the number before; 0: an empty database. May be NULL.
 *
 * FAILED_PRECONDITION   SCHEMA_NEWER: the number is one this Heddle does not know
 */
MUST_CHECK enum status_code migrate_up(struct db *db, const struct db_migration *migrations, size_t count,
                                       int *ret_from, struct status *err);
/* Changes nothing. FAILED_PRECONDITION   SCHEMA_NEWER, SCHEMA_OLDER */
MUST_CHECK enum status_code migrate_check(struct db *db, size_t count, struct status *err);
