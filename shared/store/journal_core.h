/*
 * journal_core: what a journal is made of. Used inside shared/store: journal.c takes parts in, journal_thread.c commits them.
 */
#pragma once
#include "shared/store/checkpoint.h"
#include "shared/store/journal_write.h"

struct journal {
    struct keyring ring;
    struct db *db;
    struct journal_writer writer;
    struct checkpoint checkpoint;
    bool has_checkpoint;
    pthread_t thread;
    bool is_running;
    struct metric_child *commit_us;

    pthread_mutex_t lock; /* of what follows, and of all places */
    pthread_cond_t has_work;
    struct journal_place *queue;   /* with waiting parts */
    bool is_urgent;                /* somebody waits for something in the queue */
    int64_t queued_at_ms;          /* when the first of it came */
    struct journal_place *waiting; /* whose runs wait for room; linked by wait_next */
    size_t bytes;                  /* of waiting and taken parts */
    size_t place_count;            /* runs begun and not ended */
    bool is_closing;
    bool is_failing;
    struct status why; /* of the failure */
    int64_t failing_since_ms;
    struct journal_stats stats;

    /* The writer's alone. */
    struct journal_taken *batch;
    size_t batch_count;
};

/* The writer's thread; arg: the journal. */
void *journal_thread(void *arg);
/* Under the lock: the run of this place goes on by itself. */
void journal_wait_no_more(struct journal *journal, struct journal_place *place);
