/*
 * job: one run as a worker sees it: the run itself, what it is called for, where its events go. It lies in the memory of
 * whoever submits it (a call) and is counted: the submitter has one reference, the worker another while it holds the job.
 * Threads  ops other than ref and unref are called on the worker's thread; job_signal() is anybody's who has a reference.
 */
#pragma once
#include "executor/run/run.h"
#include "shared/base/uuid.h"
#include <stdatomic.h>

struct job;
struct worker;

/*
 * make      builds the run (run_new) on the worker's thread; its status goes to refused()
 * refused   make failed; last but unref. Nothing has been emitted
 * begun     the run exists; before its first event
 * emit      one event, in order; borrowed
 * flush     the turn is over and something was emitted since the last flush: send. True: the caller is behind, hold the run's
 *           sources until job_signal(JOB_RESUME)
 * ended     the run has emitted its last event and is gone; last but unref
 * ref,unref the submitter's count
 */
struct job_ops {
    enum status_code (*make)(struct job *job, const struct run_host *host, void *host_arg,
                             struct run **ret_run, struct status *err);
    void (*refused)(struct job *job, const struct status *status);
    void (*begun)(struct job *job);
    void (*emit)(struct job *job, const struct run_event *event);
    bool (*flush)(struct job *job);
    void (*ended)(struct job *job);
    void (*ref)(struct job *job);
    void (*unref)(struct job *job);
};

enum job_signal {
    JOB_RESUME = 1,   /* the caller has caught up */
    JOB_GONE = 2,     /* the caller left: end reason caller gone */
    JOB_STOP = 4,     /* stopped by the user */
    JOB_SHUTDOWN = 8, /* the process ends */
};

/* A model call of a job, so that it can be held back when the caller is behind. */
struct job_call {
    struct job_call *next;
    struct job *job;
    struct model_call *call;
    struct model_callbacks callbacks;
    void *arg;
};

struct job {
    /* Set by the submitter before workers_submit(). */
    const struct job_ops *ops;
    char run_id[UUID_TEXT_LEN + 1];
    char app_id[UUID_TEXT_LEN + 1];
    char end_user_id[UUID_TEXT_LEN + 1];

    /* The worker's. */
    struct worker *worker;
    struct run *run;
    struct job_call *calls;
    bool is_taken, is_ready, is_dirty, is_paused;
    struct job *ready_next, *dirty_next;
    struct job *all_next, *all_prev;
    int64_t timer_at_ms;
    size_t timer_index; /* in the heap; SIZE_MAX: not there */
    int64_t emitted_at_ms;

    /* Between threads. */
    struct job *mail_next;     /* under the mailbox's lock */
    bool is_mailed;            /* likewise */
    atomic_uint signals;       /* enum job_signal */
    struct job *registry_next; /* under the registry's lock */
};

/* Any thread, with a reference. Never blocks and cannot fail; signals to a job that has ended are ignored. */
void job_signal(struct job *job, enum job_signal signal);
