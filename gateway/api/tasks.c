/* tasks: see the header. A hash table with chains; the ended ones are a list in the order of their ends. */
#include "gateway/api/tasks.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* buckets; a power of two. */
#define BUCKETS 8192

struct entry {
    struct task task;
    struct entry *next;                    /* of the bucket */
    struct entry *ended_next, *ended_prev; /* once not running */
};
struct tasks {
    pthread_mutex_t lock;
    struct entry *buckets[BUCKETS];
    struct entry *oldest, *newest;
    size_t ended_count;
};

struct tasks *tasks_new(void)
{
    struct tasks *tasks = calloc(1, sizeof *tasks);
    if (tasks != NULL)
        pthread_mutex_init(&tasks->lock, NULL);
    return tasks;
}

void tasks_free(struct tasks *tasks)
{
    if (tasks == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        while (tasks->buckets[i] != NULL) {
            struct entry *entry = tasks->buckets[i];
            tasks->buckets[i] = entry->next;
            free(entry);
        }
    }
    pthread_mutex_destroy(&tasks->lock);
    free(tasks);
}

/* Where the entry of this id hangs, or would hang. */
static struct entry **place_of(struct tasks *tasks, struct str run_id)
{
    struct entry **at = &tasks->buckets[str_hash(run_id) % BUCKETS];
    while (*at != NULL && !str_eq_c(run_id, (*at)->task.run_id))
        at = &(*at)->next;
    return at;
}

static void ended_unlink(struct tasks *tasks, struct entry *entry)
{
    *(entry->ended_prev == NULL ? &tasks->oldest : &entry->ended_prev->ended_next) = entry->ended_next;
    *(entry->ended_next == NULL ? &tasks->newest : &entry->ended_next->ended_prev) = entry->ended_prev;
    tasks->ended_count--;
}

static void drop(struct tasks *tasks, struct entry **at)
{
    struct entry *entry = *at;
    *at = entry->next;
    if (entry->task.state != TASK_RUNNING)
        ended_unlink(tasks, entry);
    free(entry);
}

enum status_code tasks_add(struct tasks *tasks, const struct task *task, struct status *err)
{
    struct entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for another run");
    entry->task = *task;
    entry->task.state = TASK_RUNNING;
    pthread_mutex_lock(&tasks->lock);
    struct entry **at = place_of(tasks, str_c(task->run_id));
    bool is_new = *at == NULL;
    if (is_new)
        *at = entry;
    pthread_mutex_unlock(&tasks->lock);
    if (is_new)
        return STATUS_OK;
    free(entry);
    return status_reason(err, STATUS_ALREADY_EXISTS, "RUN_EXISTS",
                         "run_id: a run with the id %s exists already", task->run_id);
}

void tasks_set_address(struct tasks *tasks, struct str run_id, struct str address)
{
    pthread_mutex_lock(&tasks->lock);
    struct entry *entry = *place_of(tasks, run_id);
    if (entry != NULL && address.len <= TASK_ADDRESS_MAX)
        snprintf(entry->task.address, sizeof entry->task.address, "%.*s", STR_ARG(address));
    pthread_mutex_unlock(&tasks->lock);
}

void tasks_end(struct tasks *tasks, struct str run_id, enum task_state state)
{
    pthread_mutex_lock(&tasks->lock);
    struct entry *entry = *place_of(tasks, run_id);
    if (entry != NULL && entry->task.state == TASK_RUNNING) {
        entry->ended_prev = tasks->newest;
        *(tasks->newest == NULL ? &tasks->oldest : &tasks->newest->ended_next) = entry;
        tasks->newest = entry;
        tasks->ended_count++;
    }
    if (entry != NULL)
        entry->task.state = state;
    if (tasks->ended_count > TASKS_ENDED_MAX)
        drop(tasks, place_of(tasks, str_c(tasks->oldest->task.run_id)));
    pthread_mutex_unlock(&tasks->lock);
}

void tasks_remove(struct tasks *tasks, struct str run_id)
{
    pthread_mutex_lock(&tasks->lock);
    struct entry **at = place_of(tasks, run_id);
    if (*at != NULL)
        drop(tasks, at);
    pthread_mutex_unlock(&tasks->lock);
}

bool tasks_find(struct tasks *tasks, struct str run_id, struct task *ret)
{
    pthread_mutex_lock(&tasks->lock);
    struct entry *entry = *place_of(tasks, run_id);
    if (entry != NULL)
        *ret = entry->task;
    pthread_mutex_unlock(&tasks->lock);
    return entry != NULL;
}
