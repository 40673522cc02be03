/*
 * worker: one thread with its loop and its runs. Inside executor/worker only; workers.h is the door.
 * Threads  worker_post(), worker_take_back() and worker_ask_to_end() are anybody's.
 */
#pragma once
#include "executor/worker/ready.h"
#include "executor/worker/registry.h"
#include "executor/worker/timers.h"
#include "executor/worker/workers.h"

struct worker {
    struct workers *workers;
    struct registry *registry;
    struct helpers *helpers;
    const struct model_backend *backend;
    void *models;
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t mail;
    uv_prepare_t before_poll;
    uv_check_t after_poll;
    uv_idle_t busy; /* active while jobs are ready: the loop does not sleep then */
    uv_timer_t timer, pinger;

    pthread_mutex_t lock; /* mailbox */
    struct job *mail_first, *mail_last;
    size_t mail_count;
    struct job *back; /* jobs that were away */
    struct worker_errand *errands;
    pthread_cond_t errand_done;
    bool is_asked_to_end;

    struct ready ready;
    struct timers timers;
    struct job *dirty; /* have emitted since their last flush */
    struct job *all;
    atomic_size_t live; /* jobs, those in the mailbox included */
    size_t held;        /* jobs that have begun */
    int64_t timer_at_ms;

    struct metric_child *turn_us; /* NULL: not measured */
    int64_t turned_us, idle_us;   /* when the loop went to wait last, and how long it had waited until then */
    atomic_int_fast64_t turned_ms;
    atomic_size_t ready_seen;
};

/* Makes loop and handles, and starts the thread. */
MUST_CHECK enum status_code worker_start(struct worker *worker, struct status *err);
/* Puts the job into the mailbox once, however often it is called before the worker looks; takes a reference for each stay. */
void worker_post(struct worker *worker, struct job *job);
/* The job has been away and is the worker's again. Any thread. */
void worker_take_back(struct worker *worker, struct job *job);
/*
 * A run that is away needs this model call no more. Returns once the call's provider and the line it may wait in do not look at
 * the request any more: its memory is the run's. Not on the worker's thread.
 */
void worker_cancel_call(struct worker *worker, struct job_call *call);
/* The thread ends once no job is left. */
void worker_ask_to_end(struct worker *worker);
void worker_join(struct worker *worker);
void worker_fini(struct worker *worker); /* after the last worker_take_back() has returned */
/* Told by a worker when one of its jobs is gone for good. */
void workers_job_ended(struct workers *workers);
