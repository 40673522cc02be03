/* registry: see the header. */
#include "executor/worker/registry.h"

#include <string.h>

static struct job **bucket_of(struct registry *r, struct str run_id)
{
    return &r->buckets[str_hash(run_id) & (REGISTRY_BUCKETS - 1)];
}

void registry_init(struct registry *r)
{
    memset(r, 0, sizeof *r);
    pthread_mutex_init(&r->lock, NULL);
}

void registry_fini(struct registry *r)
{
    pthread_mutex_destroy(&r->lock);
}

static struct job *find_in(struct job *job, struct str run_id)
{
    while (job != NULL && !str_eq_c(run_id, job->run_id))
        job = job->registry_next;
    return job;
}

bool registry_add(struct registry *r, struct job *job)
{
    struct str run_id = str_c(job->run_id);
    pthread_mutex_lock(&r->lock);
    struct job **bucket = bucket_of(r, run_id);
    bool is_new = find_in(*bucket, run_id) == NULL;
    if (is_new) {
        job->registry_next = *bucket;
        *bucket = job;
    }
    pthread_mutex_unlock(&r->lock);
    return is_new;
}

void registry_remove(struct registry *r, struct job *job)
{
    pthread_mutex_lock(&r->lock);
    struct job **at = bucket_of(r, str_c(job->run_id));
    while (*at != job)
        at = &(*at)->registry_next;
    *at = job->registry_next;
    pthread_mutex_unlock(&r->lock);
}

struct job *registry_find(struct registry *r, struct str run_id)
{
    pthread_mutex_lock(&r->lock);
    struct job *job = find_in(*bucket_of(r, run_id), run_id);
    if (job != NULL)
        job->ops->ref(job);
    pthread_mutex_unlock(&r->lock);
    return job;
}

void registry_each(struct registry *r, void (*fn)(struct job *job, void *arg), void *arg)
{
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < REGISTRY_BUCKETS; i++) {
        for (struct job *job = r->buckets[i]; job != NULL; job = job->registry_next)
            fn(job, arg);
    }
    pthread_mutex_unlock(&r->lock);
}
