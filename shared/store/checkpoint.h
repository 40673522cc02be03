/*
 * checkpoint: keeps the write-ahead log of a busy writer short, without holding its commits up for long. Used by journal.h.
 *
 * A thread with a connection of its own moves the log into the file; it never catches up with a busy writer, so the writer
 * does the short rest between two commits, and the log begins anew.
 * Threads   start, stop: anyone; tend: the writer's.
 * Source    worker-loop.md section 9, "split checkpoint".
 */
#pragma once
#include "shared/store/db.h"
#include <pthread.h>

/* pages. Of the log, before it is moved. */
#define CHECKPOINT_PAGES 4000
/*
 * ms. For so long the writer waits for those who read the log, so that it can begin anew; each holds it for some ms. Longer by as
 * much with every CHECKPOINT_PAGES that the log has grown to meanwhile, so that busy readers cannot keep it growing for ever.
 */
#define CHECKPOINT_WAIT_MS     20
#define CHECKPOINT_WAIT_MS_MAX 500

struct checkpoint {
    struct db *db;
    pthread_t thread;
    bool is_running;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t is_asked;
    enum { CHECKPOINT_RESTS, CHECKPOINT_ASKED, CHECKPOINT_REST_IS_DUE } state;
    bool is_stopping;
    enum status_code failed; /* of the last try: for one line in the log */
    int64_t at_pages;
};

/* In the caller's memory. Errors of db_open(); checkpoint_stop() is due in any case. */
MUST_CHECK enum status_code checkpoint_start(struct checkpoint *checkpoint, const char *url,
                                             enum db_part part, struct status *err);
void checkpoint_stop(struct checkpoint *checkpoint);
/* After each commit of `writer`, a connection that leaves its log. */
void checkpoint_tend(struct checkpoint *checkpoint, struct db *writer);
