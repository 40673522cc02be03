/*
 * job: one run as a worker sees it: the run itself, what it is called for, where its events go. It lies in the memory of
 * whoever submits it (a call) and is counted: the submitter has one reference, the worker another while it holds the job.
 * Threads  ops other than ref and unref are called on the worker's thread; job_signal() is anybody's who has a reference.
 */
#pragma once
#include "executor/run/run.h"
#include "executor/worker/helpers.h"
#include "shared/base/uuid.h"
#include <stdatomic.h>

struct job;
struct worker;
struct tracing;

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

enum job_call_end { JOB_CALL_OPEN, JOB_CALL_DONE, JOB_CALL_FAILED };

/* A model call of a job: what the run knows as its model_call. */
struct job_call {
    struct job_call *next;
    struct job *job;
    struct model_request request; /* until it has begun */
    struct model_call *call;      /* the backend's; NULL: not begun, or ended */
    struct model_callbacks callbacks;
    void *arg;
    bool is_cancelled; /* by the run: it is told nothing any more */
    /* What came while the run was away. */
    enum job_call_end end;
    struct buf held_text;
    struct arena held; /* texts of the following */
    struct model_reply reply;
    struct model_failure failure;
};

/* A turn of the run away from its worker (host.h). While job.is_away it is the helper's. */
struct job_away {
    struct helper_task task;
    enum status_code made; /* of a run that was made away */
    struct status err;
    struct run *run;
    enum run_progress progress;
    bool has_emitted, is_woken;
    int64_t timer_at_ms;    /* 0: not asked for */
    struct job_call *begun; /* model calls to begin */
};

/* Whose model calls these are. Texts live as long as the job. */
struct model_caller {
    struct str workspace_id;
    struct str conversation_id; /* empty: none; its calls may prefer one credential */
    int32_t priority;           /* of the app, where calls wait in line */
    int64_t deadline_ms;        /* monotonic; a credential that comes back later is not waited for. 0: none */
    const struct tracing *trace; /* that they are part of (shared/otlp/tracing.h); NULL: none */
    bool tells_trace;            /* providers are told of it */
};

struct job {
    /* Set by the submitter before workers_submit(). */
    const struct job_ops *ops;
    struct model_caller caller;
    char run_id[UUID_TEXT_LEN + 1];
    char app_id[UUID_TEXT_LEN + 1];
    char end_user_id[UUID_TEXT_LEN + 1];
    size_t request_bytes; /* a large one is read away from the worker */

    /* The worker's. */
    struct worker *worker;
    struct run *run;
    struct job_call *calls;
    bool is_taken, is_ready, is_dirty, is_paused;
    bool is_away;
    struct job_away away;
    unsigned late_signals;              /* that came while it was away */
    bool has_late_timer, has_late_hold; /* likewise */
    struct job *ready_next, *dirty_next;
    struct job *all_next, *all_prev;
    int64_t timer_at_ms;
    size_t timer_index; /* in the heap; SIZE_MAX: not there */
    int64_t emitted_at_ms;

    /* Between threads. */
    struct job *mail_next;     /* under the mailbox's lock */
    struct job *back_next;     /* likewise */
    bool is_mailed;            /* likewise */
    atomic_uint signals;       /* enum job_signal */
    struct job *registry_next; /* under the registry's lock */
};

/* Any thread, with a reference. Never blocks and cannot fail; signals to a job that has ended are ignored. */
void job_signal(struct job *job, enum job_signal signal);
