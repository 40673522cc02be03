/*
 * fault_vfs: stands between SQLite and the disk: fails writes and syncs on order, and notes both, so that a test can make of
 * them any state that a loss of power may leave.
 * Only databases and their logs whose name holds "records" are touched.
 * Threads  any, but for install, remove and ops.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From here on every new connection goes through it. */
void fault_vfs_install(void);
/* Undoes that, and forgets what was noted. All connections are closed. */
void fault_vfs_remove(void);

/* SQLite's result code of every write (sync) from here on, e.g. SQLITE_FULL; 0: as the disk says. */
void fault_vfs_fail_writes(int code);
void fault_vfs_fail_syncs(int code);
void fault_vfs_delay_syncs(int delay_us);
/* Writes of more bytes than these fail with SQLITE_FULL; 0: no bound. Counts down. */
void fault_vfs_bound_writes(int64_t bytes);
/* Syncs do nothing, and go well. */
void fault_vfs_pretend_syncs(bool pretends);
int fault_vfs_syncs(void); /* so far */

enum fault_op_kind { FAULT_WRITE, FAULT_TRUNCATE, FAULT_SYNC, FAULT_MARK };
struct fault_op {
    enum fault_op_kind kind;
    int file; /* 0: the database; 1: its log */
    int64_t offset;
    size_t len;
    uint8_t *bytes;
    int mark;
};

void fault_vfs_note(bool notes);
/* Puts a mark among what was noted. */
void fault_vfs_mark(int mark);
/* What was noted so far, in order. */
const struct fault_op *fault_vfs_ops(size_t *ret_count);
