/*
 * instance: who is alive. Every process has a number that is never used again, and holds a lock named by it for as long as it
 * lives; the system frees the lock with the process, however it ends. Whoever finds it free closes what the dead one left.
 *
 * On SQLite   the lock is one byte of a file beside the records, at the offset of the number (F_OFD_SETLK: of the open file,
 *             not of the process; close-on-exec). A stopped (SIGSTOP) process keeps its lock.
 * Threads     taking and giving up: the main thread; the rest has a thread of its own.
 * Source      postgres.md sections 2, 7 and 9; architecture.md section 6, Presence.
 */
#pragma once
#include "shared/store/store.h"

/* ms. Between two looks for dead processes; with the work behind it well below the promised 2 s. */
#define INSTANCE_LOOK_MS 250

struct instance;
/*
 * Registers this process and starts looking for dead ones: their runs are closed (failed, executor lost), in small steps.
 * The same thread removes records that are older than their app's retention_days, and those of deleted apps.
 * kind   "gateway" or "executor"; name: its instance id, for people
 * url    of the store. Blocks: the first look is over when it returns, so what an earlier process left is closed.
 */
MUST_CHECK enum status_code instance_take(const char *url, const char *kind, const char *name,
                                          struct instance **ret_instance, struct status *err);
/* Ends the looking, marks itself as ended, gives up the lock. NULL is fine. */
void instance_give(struct instance *take_instance);
int64_t instance_number(const struct instance *instance);
