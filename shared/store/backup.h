/*
 * backup: a copy of a whole store, made while others use it.
 *
 * On SQLite   both files, each as it was in one moment (the records first: what they name is then in the control file), by
 *             SQLite's backup interface. Writers go on meanwhile; their log file grows until the copy is whole. A copy is
 *             synced and looked at from the inside before it gets its name, so a file that is there is a whole one.
 * Restore     stop Heddle, put both files in place of the old ones, remove old files ending in -wal and -shm, start. Runs
 *             that were under way then are closed as lost at the start (instance.h). Secrets stay sealed: the master key is
 *             not in the copy.
 * Threads     any; blocks for as long as it takes.
 */
#pragma once
#include "shared/store/store.h"

/*
 * goes_on   asked every some MiB: how much of which file is copied; false ends the work. NULL: nobody asks
 */
struct store_backup_watch {
    bool (*goes_on)(void *arg, enum store_file file, int64_t done_bytes, int64_t all_bytes);
    void *arg;
};
struct store_backup_sizes {
    int64_t control_bytes, records_bytes; /* records: 0 when there are none yet */
};

/*
 * Copies the store at `url` into `directory`, which must be there; the files keep their names and are made with mode 0600.
 *
 * watch   may be NULL
 * ret     may be NULL
 *
 * ALREADY_EXISTS        STORE_EXISTS: such a file is there already; it is left alone
 * CANCELLED             goes_on() said no; nothing is left behind
 * DATA_LOSS             STORE_CORRUPT: the store, or the copy, is damaged
 * FAILED_PRECONDITION   STORE_READ_ONLY: the directory cannot be written
 * NOT_FOUND             STORE_NOT_FOUND: no such store, or no such directory
 * and those of opening it, whatever its schema is. On failure no file of this backup is left.
 */
MUST_CHECK enum status_code store_backup(const char *url, const char *directory,
                                         const struct store_backup_watch *watch,
                                         struct store_backup_sizes *ret, struct status *err);
