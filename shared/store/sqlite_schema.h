/*
 * sqlite_schema: the numbered steps that make and change the tables of the two SQLite files. Used by sqlite.c only.
 */
#pragma once
#include "shared/store/db.h"

enum { SQLITE_MIGRATION_COUNT = 2, SQLITE_RECORD_MIGRATION_COUNT = 1 };
extern const struct db_migration sqlite_migrations[SQLITE_MIGRATION_COUNT];
extern const struct db_migration sqlite_record_migrations[SQLITE_RECORD_MIGRATION_COUNT];
