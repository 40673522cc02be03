/* sqlite_log: the write-ahead log of a SQLite database, and how it gets into the file. */
#include "shared/store/sqlite_db.h"

int64_t sqlite_log_pages(struct db *db)
{
    return sqlite_of(db)->log_pages;
}

/* RESTART: those who read the log are waited for, and others do not begin to, so that the next commit begins it anew. */
enum status_code sqlite_checkpoint(struct db *db, int wait_ms, struct status *err)
{
    struct sqlite_db *s = sqlite_of(db);
    int mode = wait_ms == 0 ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_RESTART, usual_ms = s->busy_ms;
    s->busy_ms = wait_ms;
    int rc = sqlite3_wal_checkpoint_v2(s->handle, NULL, mode, NULL, NULL);
    s->busy_ms = usual_ms;
    return rc == SQLITE_OK ? STATUS_OK : sqlite_error(s->handle, rc, err);
}
