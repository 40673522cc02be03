/*
 * lookups: questions of run calls to the records: has there been a run with this id, how did a run end whose executor was lost.
 * They are answered within LOOKUP_MS, whatever the store does: a caller is not left without an end because a disk is slow.
 * Threads  lookup_find() and lookup_close() on any thread; the answer on the queue that was named; lookups_tick() on one.
 */
#pragma once
#include "gateway/api/outcome.h"
#include "shared/base/uuid.h"
#include "shared/rpc/queue.h"

/* ms. A store that is well answers within some; one that waits for a lock gives up after 2 s. */
#define LOOKUP_MS 2000
/* ms. Between two ticks. */
#define LOOKUP_TICK_MS 100
/* questions under way. A lost executor may leave all runs of a gateway at once; more than the store's queue takes. */
#define LOOKUPS_MAX STORE_QUEUE_MAX

enum run_found {
    RUN_UNKNOWN, /* there is no record */
    RUN_FOREIGN, /* another app's or end user's */
    RUN_GOES_ON,
    RUN_HAS_ENDED
};
/*
 * status    OK, or why nobody knows: those of the store; UNAVAILABLE, STORE_SLOW
 * outcome   its last events, with RUN_HAS_ENDED; outcome_take() them, or leave them
 */
struct lookup_answer {
    struct status status;
    enum run_found found;
    struct outcome outcome;
};
typedef void (*lookup_done)(void *arg, struct lookup_answer *answer);

struct lookups;
/* NULL: no memory. */
struct lookups *lookups_new(struct store *records);
/* Once the store is closed and the queues have ended. NULL is fine. */
void lookups_free(struct lookups *lookups);
/* Gives up what has waited too long. */
void lookups_tick(struct lookups *lookups, int64_t now_ms);

/* Whose run it would be; copied. app and end user are compared. */
struct lookup_find {
    struct str workspace_id, run_id, app_id, end_user_id;
    struct outcome_form form;
};
/* done() comes exactly once, on the queue, after this has returned; !ok: no memory, it does not come. */
MUST_CHECK bool lookup_find(struct lookups *lookups, struct rpc_queue *queue,
                            const struct lookup_find *request, lookup_done done, void *arg);
/* Closes the run if it has not ended (store_run_close), and says how it ended. As lookup_find() otherwise. */
MUST_CHECK bool lookup_close(struct lookups *lookups, struct rpc_queue *queue,
                             const struct store_run_close *request, const struct outcome_form *form,
                             lookup_done done, void *arg);
