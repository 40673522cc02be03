/*
 * interrupt: Ctrl-C during a run asks the gateway to stop it, and the tail of the stream is still shown; a second one ends
 * heddlectl at once.
 * Threads  begin, task and end are the main thread's; a thread of its own waits for the signals, which are blocked everywhere.
 */
#pragma once
#include "gateway/ctl/session.h"
#include "shared/base/uuid.h"
#include <pthread.h>
#include <stdatomic.h>

struct interrupt {
    struct ctl *ctl;
    const char *user; /* the run's; borrowed */
    struct rpc_blocking_stream *stream;
    pthread_t thread;
    pthread_mutex_t lock;
    char task_id[UUID_TEXT_LEN + 1]; /* "" until known; under lock */
    atomic_bool is_interrupted;
    bool is_running;
};

/* Blocks SIGINT and SIGTERM in the calling thread and those it starts later: before session_open(). */
void interrupt_block(void);
/* Begins to watch. Without a thread to spare it does nothing: the run goes on, and cannot be interrupted kindly. */
void interrupt_begin(struct interrupt *in, struct ctl *ctl, struct rpc_blocking_stream *stream,
                     const char *user);
/* The run has a task id now. */
void interrupt_task(struct interrupt *in, const char *task_id);
/* Stops watching; true when there was a Ctrl-C. */
bool interrupt_end(struct interrupt *in);
