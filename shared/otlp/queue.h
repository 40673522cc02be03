/*
 * queue: spans on their way to a collector, in batches, with a bound.
 * Threads  any thread puts; one takes and gives back.
 */
#pragma once
#include "shared/base/str.h"
#include <pthread.h>

/* bytes. Of one request to a collector, some 600 spans. */
#define SPAN_BATCH_BYTES ((size_t)256 * 1024)
/* batches. That wait at a time, 4 MiB: what comes while a collector is away for longer is dropped. */
#define SPAN_BATCHES_MAX 16

/* bytes: spans one behind the other, each a field `spans` of ScopeSpans. */
struct span_batch {
    struct span_batch *next;
    size_t spans, len;
    char bytes[SPAN_BATCH_BYTES];
};

struct span_queue {
    pthread_mutex_t lock;
    struct span_batch *first, *last; /* the last one is being filled */
    struct span_batch *spare;        /* memory to be used again */
    size_t count;
    uint64_t dropped;
};

void span_queue_init(struct span_queue *q);
void span_queue_fini(struct span_queue *q); /* with what waits in it */

enum span_put {
    SPAN_KEPT,
    SPAN_BATCH_READY, /* kept, and a batch before it is full */
    SPAN_DROPPED      /* no room or no memory; counted */
};
/* Puts a span's field, of SPAN_BATCH_BYTES at most; copied. Never waits for anything but the lock. */
enum span_put span_queue_put(struct span_queue *q, struct str field);
/* Which batch may be taken: one that is full, or also the one that is being filled. */
enum span_take { SPAN_TAKE_FULL, SPAN_TAKE_ANY };
/* The oldest one, which is the taker's then; NULL: there is none. */
struct span_batch *span_queue_take(struct span_queue *q, enum span_take what);
/* A batch that was taken is not needed any more. */
void span_queue_give_back(struct span_queue *q, struct span_batch *take_batch);
uint64_t span_queue_dropped(struct span_queue *q);
