/*
 * sqlite_copy: a copy of a SQLite database that is in use.
 *
 * A read transaction holds still what is copied: otherwise SQLite would begin anew with every commit of another connection,
 * and never be done beside a busy writer.
 */
#include "shared/store/sqlite_db.h"
#include "shared/store/sqlite_path.h"
#include <stdlib.h>

/* pages. Copied at a time: 4 MiB. */
#define COPY_PAGES 1024
enum { PAGE_BYTES = 4096 };

static bool goes_on(const struct db_watch *watch, sqlite3_backup *backup)
{
    if (watch == NULL)
        return true;
    int64_t all = sqlite3_backup_pagecount(backup), left = sqlite3_backup_remaining(backup);
    return watch->goes_on(watch->arg, (all - left) * PAGE_BYTES, all * PAGE_BYTES);
}

static enum status_code copy_pages(sqlite3 *from, sqlite3 *to, const struct db_watch *watch,
                                   struct status *err)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (backup == NULL)
        return sqlite_error(to, sqlite3_errcode(to), err);
    int rc;
    bool is_wanted = true;
    do {
        rc = sqlite3_backup_step(backup, COPY_PAGES);
        is_wanted = rc != SQLITE_OK || goes_on(watch, backup);
    } while (rc == SQLITE_OK && is_wanted);
    int finished = sqlite3_backup_finish(backup);
    if (!is_wanted)
        return status_set(err, STATUS_CANCELLED, "store: the copy was ended");
    if (rc != SQLITE_DONE)
        return sqlite_error(to, rc, err);
    return finished == SQLITE_OK ? STATUS_OK : sqlite_error(to, finished, err);
}

/* synchronous=full: SQLite syncs the copy at its end. */
static enum status_code copy_to(sqlite3 *from, const char *path, const struct db_watch *watch,
                                struct status *err)
{
    sqlite3 *to = NULL;
    int rc = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(to, "pragma synchronous = full", NULL, NULL, NULL);
    enum status_code code = rc == SQLITE_OK ? copy_pages(from, to, watch, err) : sqlite_error(to, rc, err);
    sqlite3_close(to);
    return code;
}

enum status_code sqlite_copy(struct db *db, const char *path, const struct db_watch *watch,
                             struct status *err)
{
    static const struct sql any = {"select count(*) from sqlite_schema"};
    enum status_code rc = db_begin(db, DB_READ, err);
    if (rc == STATUS_OK)
        rc = db_run(db, &any, DB_NO_VALUES, err); /* the transaction begins with the first read */
    if (rc == STATUS_OK)
        rc = copy_to(sqlite_of(db)->handle, path, watch, err);
    db_rollback(db);
    return rc;
}

enum status_code sqlite_file(const char *rest, enum db_part part, char **ret_path, struct status *err)
{
    *ret_path = sqlite_path(rest, part == DB_RECORDS ? ".records" : "", true);
    return *ret_path == NULL ? status_set(err, STATUS_RESOURCE_EXHAUSTED, "store: no memory") : STATUS_OK;
}
