/* helpers: see the header. */
#include "executor/worker/helpers.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { HELPER_NICE = 5 };

struct helpers {
    pthread_mutex_t lock;
    pthread_cond_t has_work;
    struct helper_task *first, *last;
    size_t waiting, started;
    bool is_ending;
    pthread_t threads[];
};

static void *helper_main(void *arg)
{
    struct helpers *helpers = arg;
    pthread_setname_np(pthread_self(), "helper");
    /* On a busy machine the loops of workers and queues go first. Where that is not allowed, all are equal. */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), HELPER_NICE);
    pthread_mutex_lock(&helpers->lock);
    for (;;) {
        while (helpers->first == NULL && !helpers->is_ending)
            pthread_cond_wait(&helpers->has_work, &helpers->lock);
        struct helper_task *task = helpers->first;
        if (task == NULL)
            break;
        helpers->first = task->next;
        if (helpers->first == NULL)
            helpers->last = NULL;
        helpers->waiting--;
        pthread_mutex_unlock(&helpers->lock);
        task->run(task);
        pthread_mutex_lock(&helpers->lock);
    }
    pthread_mutex_unlock(&helpers->lock);
    return NULL;
}

enum status_code helpers_new(size_t threads, struct helpers **ret_helpers, struct status *err)
{
    struct helpers *helpers = calloc(1, sizeof *helpers + threads * sizeof helpers->threads[0]);
    if (helpers == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "helpers: out of memory");
    pthread_mutex_init(&helpers->lock, NULL);
    pthread_cond_init(&helpers->has_work, NULL);
    while (helpers->started < threads) {
        if (pthread_create(&helpers->threads[helpers->started], NULL, helper_main, helpers) != 0) {
            helpers_free(helpers);
            return status_set(err, STATUS_RESOURCE_EXHAUSTED, "helpers: no thread to be had");
        }
        helpers->started++;
    }
    *ret_helpers = helpers;
    return STATUS_OK;
}

enum status_code helpers_do(struct helpers *helpers, struct helper_task *task, struct status *err)
{
    task->next = NULL;
    pthread_mutex_lock(&helpers->lock);
    bool is_full = helpers->waiting == HELPERS_TASKS_MAX;
    if (!is_full) {
        if (helpers->last == NULL)
            helpers->first = task;
        else
            helpers->last->next = task;
        helpers->last = task;
        helpers->waiting++;
        pthread_cond_signal(&helpers->has_work);
    }
    pthread_mutex_unlock(&helpers->lock);
    if (is_full)
        return status_reason(err, STATUS_UNAVAILABLE, "NOT_BEGUN",
                             "%d pieces of work are waiting for a thread", HELPERS_TASKS_MAX);
    return STATUS_OK;
}

void helpers_free(struct helpers *helpers)
{
    if (helpers == NULL)
        return;
    pthread_mutex_lock(&helpers->lock);
    helpers->is_ending = true;
    pthread_cond_broadcast(&helpers->has_work);
    pthread_mutex_unlock(&helpers->lock);
    for (size_t i = 0; i < helpers->started; i++)
        pthread_join(helpers->threads[i], NULL);
    pthread_cond_destroy(&helpers->has_work);
    pthread_mutex_destroy(&helpers->lock);
    free(helpers);
}
