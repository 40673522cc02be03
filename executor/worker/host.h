/*
 * host: what a run asks of its worker (struct run_host). A run that holds large values takes its turns away from its worker,
 * on a helper's thread, so that no single operation on them holds up the others (architecture.md section 5, Turns). While it is
 * away only that thread touches the run; what the run asks for, and what comes for it, waits until it is back.
 * Threads  the worker's, if nothing else is said.
 */
#pragma once
#include "executor/worker/worker.h"

/* bytes. Values of a run, from which on it takes its turns away. */
#define AWAY_BYTES ((size_t)256 * 1024)
/* node steps, and µs, of one turn away: longer than others, since nobody waits behind it. */
#define AWAY_STEPS 256
#define AWAY_US    5000

extern const struct run_host worker_host; /* its arg is the job */

/* Its run needs it no more: nobody looks at its request afterwards. What is known of it stays until its job is at home. */
void host_cancel_call(struct job_call *call);

void host_mark_dirty(struct job *job);
/* Sends the job away to be made, or for one turn. False: no helper is free of work; it has to stay. */
MUST_CHECK bool host_make_away(struct job *job);
MUST_CHECK bool host_turn_away(struct job *job);
/* It is back, no longer away: model calls are begun and ended, what came meanwhile is delivered. Before its progress is dealt with. */
void host_settle(struct job *job);
