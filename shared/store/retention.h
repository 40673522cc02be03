/*
 * retention: removes records that are older than their app wants them kept, and all records of apps that are gone, in small
 * steps. Used inside shared/store.
 * Threads  the connections'.
 */
#pragma once
#include "shared/store/db.h"

/* rows. Of one transaction, runs or messages: some ms of the write lock. */
#define RETENTION_STEP 100
/* ms. How long a dead process's number is remembered. */
#define RETENTION_INSTANCES_MS ((int64_t)30 * 24 * 3600 * 1000)

/*
 * goes_on   called between two steps: false ends the work, the rest is the next call's. Should take some time, so that other
 *           writers get the write lock.
 */
struct retention {
    struct db *control, *records;
    bool (*goes_on)(void *arg);
    void *arg;
};
/* ret_removed: runs and conversations, for the log. */
MUST_CHECK enum status_code retention_run(const struct retention *r, int64_t now_ms, size_t *ret_removed,
                                          struct status *err);
