/*
 * sqlite_db: what the parts of the SQLite driver share. Used by them only.
 */
#pragma once
#include "shared/store/db.h"
#include <sqlite3.h>

struct sqlite_db {
    struct db db;
    sqlite3 *handle;
    struct statement *statements;
    int busy_ms;       /* how long a lock is waited for */
    int64_t log_pages; /* after the last commit, of a connection that leaves its log */
};

static inline struct sqlite_db *sqlite_of(struct db *db)
{
    return CONTAINER_OF(db, struct sqlite_db, db);
}

/* SQLite's result code as a status. handle NULL: no connection was made. */
enum status_code sqlite_error(sqlite3 *handle, int rc, struct status *err);

/* Functions of struct db_driver: sqlite_log.c, sqlite_copy.c. */
int64_t sqlite_log_pages(struct db *db);
enum status_code sqlite_checkpoint(struct db *db, int wait_ms, struct status *err);
enum status_code sqlite_copy(struct db *db, const char *path, const struct db_watch *watch,
                             struct status *err);
enum status_code sqlite_file(const char *rest, enum db_part part, char **ret_path, struct status *err);
