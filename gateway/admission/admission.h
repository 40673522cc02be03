/*
 * admission: how much of an app may run: runs at one time, and runs begun within any 60 seconds. Exact on one machine: what was
 * begun = what has ended + what runs, by construction, since each slot is taken once and given back once.
 *
 * Rate     at most R runs are admitted in any window of 60 s (not in each minute of the clock); refused calls do not count, so R is
 *          always reachable. A limit that is set or raised counts what was admitted while there was one.
 * Limits   come with every request, so a change holds for the next one; runs are counted for apps without limits, too.
 * Threads  any; one short lock.
 * Source   architecture.md section 4, Admit; postgres.md section 4.
 */
#pragma once
#include "shared/base/status.h"
#include "shared/base/uuid.h"

/* apps that something is kept of: with runs, or with runs admitted within the last minute. */
#define ADMISSION_APPS_MAX 100000
/* ms. Where nobody knows when a run will end: a good time to ask again. */
#define ADMISSION_RETRY_MS 1000
/* ms. */
#define ADMISSION_WINDOW_MS 60000

struct admission;
struct admission_app;

/* What a run holds. Zeroed: nothing. */
struct admission_slot {
    struct admission_app *app;
};
struct admission_request {
    struct str app_id;
    int32_t max_active, per_minute; /* 0: no limit */
    int64_t now_ms; /* monotonic, not before that of an earlier request by more than the clock's grain */
};

/* NULL: no memory. */
struct admission *admission_new(void);
void admission_free(struct admission *admission); /* NULL is fine */
/*
 * Takes a slot.
 * RESOURCE_EXHAUSTED   TOO_MANY_RUNS: max_active run now (retry_ms is a guess); TOO_MANY_REQUESTS: per_minute were admitted in
 *                      the last 60 s (retry_ms is exact); no reason: memory, or ADMISSION_APPS_MAX
 */
MUST_CHECK enum status_code admission_take(struct admission *admission,
                                           const struct admission_request *request,
                                           struct admission_slot *ret_slot, struct status *err);
/* Gives it back; nothing happens with an empty one. */
void admission_give(struct admission *admission, struct admission_slot *slot);
/* The run has not begun after all: gives the slot back, and it does not count for the minute either. */
void admission_undo(struct admission *admission, struct admission_slot *slot, int64_t taken_at_ms);

/*
 * Runs that an earlier process of this machine has begun and that still go on are counted as if they were held here, until they
 * are told again with a smaller number (0: all have ended).
 */
MUST_CHECK bool admission_set_inherited(struct admission *admission, struct str app_id, size_t count);
/* As if `count` had been admitted at that time, by an earlier process. */
MUST_CHECK bool admission_note_admitted(struct admission *admission, struct str app_id, int64_t at_ms);
/* Runs of the app now, inherited ones among them. */
size_t admission_held(struct admission *admission, struct str app_id);
