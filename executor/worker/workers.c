/* workers: see the header. */
#include "executor/worker/workers.h"

#include "executor/worker/worker.h"
#include <stdlib.h>

struct workers {
    struct registry registry;
    struct model_backend backend;
    struct helpers *helpers;
    size_t count, started, runs_max;
    atomic_size_t live;
    atomic_bool is_draining;
    struct worker items[];
};

enum status_code workers_new(const struct workers_options *options, struct workers **ret_workers,
                             struct status *err)
{
    struct workers *workers = calloc(1, sizeof *workers + options->count * sizeof workers->items[0]);
    if (workers == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "workers: out of memory");
    registry_init(&workers->registry);
    workers->backend = options->backend;
    workers->count = options->count;
    workers->runs_max = options->runs_max;
    if (helpers_new(WORKER_HELPERS, &workers->helpers, err) != STATUS_OK) {
        workers_free(workers);
        return err->code;
    }
    for (; workers->started < workers->count; workers->started++) {
        struct worker *worker = &workers->items[workers->started];
        worker->workers = workers;
        worker->registry = &workers->registry;
        worker->helpers = workers->helpers;
        worker->backend = &workers->backend;
        worker->turn_us = options->turn_us;
        if (worker_start(worker, err) != STATUS_OK) {
            workers_free(workers);
            return err->code;
        }
    }
    *ret_workers = workers;
    return STATUS_OK;
}

/* One place of runs_max, if there is one. */
static bool take_place(struct workers *workers)
{
    size_t live = atomic_load(&workers->live);
    while (live < workers->runs_max) {
        if (atomic_compare_exchange_weak(&workers->live, &live, live + 1))
            return true;
    }
    return false;
}

static struct worker *least_busy(struct workers *workers)
{
    struct worker *best = &workers->items[0];
    for (size_t i = 1; i < workers->count; i++) {
        if (atomic_load(&workers->items[i].live) < atomic_load(&best->live))
            best = &workers->items[i];
    }
    return best;
}

enum status_code workers_submit(struct workers *workers, struct job *job, struct status *err)
{
    if (atomic_load(&workers->is_draining))
        return status_reason(err, STATUS_UNAVAILABLE, "NOT_BEGUN", "this executor is shutting down");
    if (!take_place(workers))
        return status_reason(err, STATUS_RESOURCE_EXHAUSTED, "NOT_BEGUN",
                             "this executor has %zu runs, and takes no more", workers->runs_max);
    struct worker *worker = least_busy(workers);
    job->worker = worker;
    job->timer_index = SIZE_MAX;
    /* Before it can be found: a signal may come, and the run begin and end, before this function has returned. */
    job->ops->ref(job);
    atomic_fetch_add(&worker->live, 1);
    if (!registry_add(&workers->registry, job)) {
        job->worker = NULL;
        atomic_fetch_sub(&worker->live, 1);
        job->ops->unref(job);
        workers_job_ended(workers);
        return status_reason(err, STATUS_ALREADY_EXISTS, "RUN_EXISTS", "a run with the id %s is running",
                             job->run_id);
    }
    worker_post(worker, job);
    return STATUS_OK;
}

struct job *workers_find(struct workers *workers, struct str run_id)
{
    return registry_find(&workers->registry, run_id);
}

size_t workers_live(const struct workers *workers)
{
    return atomic_load(&workers->live);
}

void workers_job_ended(struct workers *workers)
{
    atomic_fetch_sub(&workers->live, 1);
}

struct workers_stats workers_stats(struct workers *workers, int64_t now_ms)
{
    struct workers_stats stats = {.count = workers->count};
    for (size_t i = 0; i < workers->count; i++) {
        struct worker *worker = &workers->items[i];
        stats.ready += atomic_load_explicit(&worker->ready_seen, memory_order_relaxed);
        stats.stuck +=
            now_ms - atomic_load_explicit(&worker->turned_ms, memory_order_relaxed) >= WORKER_STUCK_MS;
        pthread_mutex_lock(&worker->lock);
        stats.mailed += worker->mail_count;
        pthread_mutex_unlock(&worker->lock);
    }
    return stats;
}

void workers_drain(struct workers *workers)
{
    atomic_store(&workers->is_draining, true);
}

static void signal_one(struct job *job, void *arg)
{
    job_signal(job, *(const enum job_signal *)arg);
}

void workers_signal_all(struct workers *workers, enum job_signal signal)
{
    registry_each(&workers->registry, signal_one, &signal);
}

void workers_free(struct workers *workers)
{
    if (workers == NULL)
        return;
    workers_drain(workers);
    workers_signal_all(workers, JOB_SHUTDOWN);
    for (size_t i = 0; i < workers->started; i++)
        worker_ask_to_end(&workers->items[i]);
    for (size_t i = 0; i < workers->started; i++)
        worker_join(&workers->items[i]);
    helpers_free(workers->helpers);
    for (size_t i = 0; i < workers->started; i++)
        worker_fini(&workers->items[i]);
    registry_fini(&workers->registry);
    free(workers);
}
