/* ready: see the header. */
#include "executor/worker/ready.h"

static struct ready_queue *queue_of(struct ready *r, const struct job *job)
{
    return &r->queues[str_hash(str_c(job->app_id)) % READY_QUEUES];
}

static void ring_put(struct ready *r, struct ready_queue *queue)
{
    queue->next = NULL;
    if (r->last == NULL)
        r->first = queue;
    else
        r->last->next = queue;
    r->last = queue;
}

void ready_put(struct ready *r, struct job *job)
{
    if (job->is_ready)
        return;
    struct ready_queue *queue = queue_of(r, job);
    job->is_ready = true;
    job->ready_next = NULL;
    if (queue->last == NULL) {
        queue->first = job;
        ring_put(r, queue);
    } else {
        queue->last->ready_next = job;
    }
    queue->last = job;
    r->count++;
}

struct job *ready_take(struct ready *r)
{
    struct ready_queue *queue = r->first;
    if (queue == NULL)
        return NULL;
    r->first = queue->next;
    if (r->first == NULL)
        r->last = NULL;
    struct job *job = queue->first;
    queue->first = job->ready_next;
    if (queue->first == NULL)
        queue->last = NULL;
    else
        ring_put(r, queue);
    job->is_ready = false;
    r->count--;
    return job;
}
