/*
 * ready: the jobs that have work, a queue per app, served round robin, so that one app cannot starve another.
 * Threads  the worker's.
 */
#pragma once
#include "executor/worker/job.h"

/* queues. Apps share one by hash; that bounds the memory, and two apps in one queue still take turns by job. */
#define READY_QUEUES 256

struct ready_queue {
    struct job *first, *last;
    struct ready_queue *next; /* in the ring of queues that are not empty */
};
struct ready {
    struct ready_queue queues[READY_QUEUES];
    struct ready_queue *first, *last;
    size_t count; /* jobs */
};

/* Puts the job at the tail of its app's queue; harmless when it is in it. */
void ready_put(struct ready *r, struct job *job);
/* The first job of the next app, taken out; NULL: none. */
struct job *ready_take(struct ready *r);
