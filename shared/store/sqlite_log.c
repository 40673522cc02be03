/* sqlite_log: the write-ahead log of a SQLite database, and how it gets into the file. */
#include "shared/store/sqlite_db.h"

int64_t sqlite_log_pages(struct db *db)
{
    return sqlite_of(db)->log_pages;
}

enum status_code sqlite_checkpoint(struct db *db, struct status *err)
{
    sqlite3 *handle = sqlite_of(db)->handle;
    int rc = sqlite3_wal_checkpoint_v2(handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return rc == SQLITE_OK ? STATUS_OK : sqlite_error(handle, rc, err);
}
