/*
 * signal: tells a process that the configuration has changed. A thread looks every 20 ms whether another connection has
 * committed (a counter of the database, 1 µs a look), and if so whether config_generation has grown; a writer of this
 * process tells it at once. Used inside shared/store.
 * Source   postgres.md section 9, worker-loop.md section 9.
 */
#pragma once
#include "shared/store/db.h"
#include "shared/store/store.h"
#include <stdatomic.h>

struct signal {
    struct db *db; /* the watching thread's own; never writes */
    pthread_t thread;
    bool is_running;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t stop;
    bool is_stopping;
    struct signal_watch {
        void (*changed)(void *arg, uint64_t generation);
        void *arg;
    } watches[STORE_WATCHES_MAX];
    struct {
        void (*changed)(void *arg);
        void *arg;
    } commits;                  /* changed NULL: nobody watches */
    _Atomic size_t watch_count; /* grows only; entries below it never change */
    _Atomic uint64_t generation;
    _Atomic uint64_t config_generation; /* latest seen */
};

void signal_init(struct signal *sig);
/* Starts watching; the connection is the signal's from here on, on success only. */
MUST_CHECK enum status_code signal_start(struct signal *sig, struct db *take_db, struct status *err);
/* No callback comes after it. */
void signal_fini(struct signal *sig);
MUST_CHECK enum status_code signal_watch(struct signal *sig, void (*changed)(void *arg, uint64_t generation),
                                         void *arg, struct status *err);
/* Called by the watching thread after commits of any kind. One watch. */
MUST_CHECK enum status_code signal_watch_commits(struct signal *sig, void (*changed)(void *arg), void *arg,
                                                 struct status *err);
/* A change with this config_generation is durable. Calls the watches before it returns. Any thread. */
void signal_tell(struct signal *sig, uint64_t config_generation);
