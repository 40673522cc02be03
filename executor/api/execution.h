/*
 * execution: one Execute call and the run behind it. Inside executor/api.
 *
 *   execution.c      what all sides share: its life, its stream
 *   execution_run.c  the worker's and the journal's side
 *   execute.c        the queue's side: the rpc
 *
 * The call lives on its queue, the run on its worker, its record in the journal; each holds a reference to the execution. What
 * they share (outbox, the call's state) is under its lock. Whoever finds that nothing is being sent sends the next message, so
 * an event needs no hop between threads.
 */
#pragma once
#include "executor/api/executor.h"
#include "executor/api/outbox.h"
#include "executor/api/record.h"
#include "executor/api/run_trace.h"
#include <pthread.h>

struct execution {
    struct job job;
    atomic_size_t refs;
    struct executor *executor;
    Heddle__Executor__V1__ExecuteRequest *request;
    struct event_envelope envelope;
    struct version_wait wait;
    struct version *version;
    struct conversation_state conversation;
    int64_t deadline_ms; /* 0: none */
    struct tracing trace;

    pthread_mutex_t lock;  /* for what follows */
    struct rpc_call *call; /* NULL once it was finished */
    struct outbox outbox;
    bool is_sending, is_cancelled;
    bool waits_for_journal; /* the run's sources are held until the journal lets it go on */
    bool has_ended;         /* the run: its worker may be gone */
    bool is_recorded;       /* its end is durable, or will never be */
    bool is_given_up;       /* the latter, and the caller was told so */
    struct run_meter meter;
    struct event_finished end; /* its numbers, and no texts: what its record says should that be given up */

    /* The run's thread alone. */
    struct record record;
    uint64_t first_end_sequence; /* of the first event that waited for the record */
    struct buf scratch;          /* one serialized event */
};

struct execution *execution_of(struct job *job);
void execution_ref(struct job *job);
void execution_unref(struct job *job);
/* The ops of its job and of its place in the journal. */
extern const struct job_ops execution_job_ops;
extern const struct journal_ops execution_journal_ops;

/* Under the lock, or before anybody else has the execution. */
void execution_finish(struct execution *x, const struct status *status);
/* Under the lock. The stream would have a hole: better no stream. The run ends as with a caller who left. */
void execution_lose_caller(struct execution *x);
/* Under the lock: starts the next message when none is on its way. True: the run's sources may go on. */
bool execution_pump(struct execution *x);
/* Under the lock, when something was put into the outbox or taken out of it. */
void execution_note_outbox(struct execution *x);
/* A new turn in a conversation that is there already? */
bool execution_has_history(const struct execution *x);
bool execution_outlives_caller(const struct execution *x);
