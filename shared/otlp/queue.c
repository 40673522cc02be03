/* queue: see the header. */
#include "shared/otlp/queue.h"

#include <stdlib.h>
#include <string.h>

void span_queue_init(struct span_queue *q)
{
    *q = (struct span_queue){.count = 0};
    pthread_mutex_init(&q->lock, NULL);
}

void span_queue_fini(struct span_queue *q)
{
    while (q->first != NULL) {
        struct span_batch *next = q->first->next;
        free(q->first);
        q->first = next;
    }
    free(q->spare);
    pthread_mutex_destroy(&q->lock);
}

/* Under the lock: an empty batch at the end; NULL: no room or no memory. */
static struct span_batch *add_batch(struct span_queue *q)
{
    struct span_batch *batch = q->spare;
    if (q->count == SPAN_BATCHES_MAX)
        return NULL;
    q->spare = NULL;
    if (batch == NULL)
        batch = malloc(sizeof *batch);
    if (batch == NULL)
        return NULL;
    batch->next = NULL;
    batch->spans = batch->len = 0;
    if (q->last != NULL)
        q->last->next = batch;
    else
        q->first = batch;
    q->last = batch;
    q->count++;
    return batch;
}

enum span_put span_queue_put(struct span_queue *q, struct str field)
{
    enum span_put result = SPAN_KEPT;
    pthread_mutex_lock(&q->lock);
    struct span_batch *batch = q->last;
    if (batch == NULL || field.len > SPAN_BATCH_BYTES - batch->len) {
        result = batch == NULL ? SPAN_KEPT : SPAN_BATCH_READY;
        batch = field.len > SPAN_BATCH_BYTES ? NULL : add_batch(q);
    }
    if (batch != NULL) {
        memcpy(batch->bytes + batch->len, field.ptr, field.len);
        batch->len += field.len;
        batch->spans++;
    } else {
        q->dropped++;
        result = SPAN_DROPPED;
    }
    pthread_mutex_unlock(&q->lock);
    return result;
}

struct span_batch *span_queue_take(struct span_queue *q, enum span_take what)
{
    pthread_mutex_lock(&q->lock);
    struct span_batch *batch = q->first;
    if (batch == q->last && what == SPAN_TAKE_FULL)
        batch = NULL;
    if (batch != NULL) {
        q->first = batch->next;
        if (q->first == NULL)
            q->last = NULL;
        q->count--;
    }
    pthread_mutex_unlock(&q->lock);
    return batch;
}

void span_queue_give_back(struct span_queue *q, struct span_batch *take_batch)
{
    pthread_mutex_lock(&q->lock);
    struct span_batch *unused = q->spare;
    q->spare = take_batch;
    pthread_mutex_unlock(&q->lock);
    free(unused);
}

uint64_t span_queue_dropped(struct span_queue *q)
{
    pthread_mutex_lock(&q->lock);
    uint64_t dropped = q->dropped;
    pthread_mutex_unlock(&q->lock);
    return dropped;
}
