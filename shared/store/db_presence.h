/*
 * db_presence: locks that end with the process that holds them, one for each number, beside a database. Used inside
 * shared/store.
 *
 * SQLite   a file beside the records (heddle.presence), mode 0600; the lock of number n is its n-th byte (F_OFD_SETLK: of the
 *          open file, so that closing another descriptor of it does not drop it; close-on-exec, so that no child keeps it).
 * Threads  any, each function by itself.
 * Source   postgres.md section 9.
 */
#pragma once
#include "shared/base/status.h"
#include <stdbool.h>
#include <stdint.h>

struct db_presence;
/* url: of the store. Errors of db_open(). */
MUST_CHECK enum status_code db_presence_open(const char *url, struct db_presence **ret, struct status *err);
/* Was there nothing to lock before this opening? Then nobody can be seen yet, though he may live. */
bool db_presence_is_new(const struct db_presence *presence);
/* False: others look elsewhere by now (the file was removed). It has to be opened and held anew. */
bool db_presence_is_in_place(const struct db_presence *presence);
void db_presence_close(struct db_presence *take_presence); /* NULL is fine; gives all of its locks up */
/* ALREADY_EXISTS: another process, or another opening, holds it. */
MUST_CHECK enum status_code db_presence_hold(struct db_presence *presence, int64_t number,
                                             struct status *err);
/* Does nobody hold it? In doubt (the file cannot be asked) somebody does. */
bool db_presence_is_free(const struct db_presence *presence, int64_t number);
