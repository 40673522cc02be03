/* lookups: see the header. A question has two references: the store's and that of the answer, whoever gives it first. */
#include "gateway/api/lookups.h"

#include "shared/base/clock.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

struct lookup {
    struct lookup *prev, *next; /* of those that wait; under lock */
    struct lookups *owner;
    unsigned refs;    /* under lock */
    bool is_answered; /* under lock: who sets it gives the answer */
    int64_t until_ms;
    struct rpc_op op;
    struct rpc_queue *queue;
    lookup_done done;
    void *arg;
    char app_id[UUID_TEXT_LEN + 1], end_user_id[UUID_TEXT_LEN + 1]; /* of lookup_find() */
    struct outcome_form form;
    struct lookup_answer answer;
};
struct lookups {
    struct store *records;
    pthread_mutex_t lock;
    struct lookup *waiting; /* in the order of their ends */
    size_t count;
};

struct lookups *lookups_new(struct store *records)
{
    struct lookups *lookups = calloc(1, sizeof *lookups);
    if (lookups == NULL)
        return NULL;
    lookups->records = records;
    pthread_mutex_init(&lookups->lock, NULL);
    return lookups;
}

void lookups_free(struct lookups *lookups)
{
    if (lookups == NULL)
        return;
    pthread_mutex_destroy(&lookups->lock);
    free(lookups);
}

static void unref(struct lookup *lookup)
{
    struct lookups *owner = lookup->owner;
    pthread_mutex_lock(&owner->lock);
    bool is_last = --lookup->refs == 0;
    pthread_mutex_unlock(&owner->lock);
    if (is_last) {
        outcome_fini(&lookup->answer.outcome);
        free(lookup);
    }
}

/* On the queue. */
static void posted(struct rpc_op *op, bool ok)
{
    (void)ok; /* a post always is */
    struct lookup *lookup = CONTAINER_OF(op, struct lookup, op);
    lookup->done(lookup->arg, &lookup->answer);
    unref(lookup);
}

/* May the caller give the answer? It has to, then: nobody else will. Under lock. */
static bool claim(struct lookup *lookup)
{
    if (lookup->is_answered)
        return false;
    lookup->is_answered = true;
    DL_DELETE(lookup->owner->waiting, lookup);
    lookup->owner->count--;
    return true;
}

static bool claim_locked(struct lookup *lookup)
{
    pthread_mutex_lock(&lookup->owner->lock);
    bool ok = claim(lookup);
    pthread_mutex_unlock(&lookup->owner->lock);
    return ok;
}

/* The store's side is over. */
static void answer(struct lookup *lookup, struct lookup_answer *take_answer)
{
    if (claim_locked(lookup)) {
        lookup->answer = *take_answer;
        rpc_queue_post(lookup->queue, &lookup->op);
    } else {
        outcome_fini(&take_answer->outcome);
    }
    unref(lookup);
}

void lookups_tick(struct lookups *lookups, int64_t now_ms)
{
    for (;;) {
        pthread_mutex_lock(&lookups->lock);
        struct lookup *late = lookups->waiting;
        if (late != NULL && (late->until_ms > now_ms || !claim(late)))
            late = NULL;
        pthread_mutex_unlock(&lookups->lock);
        if (late == NULL)
            return;
        status_reason(&late->answer.status, STATUS_UNAVAILABLE, "STORE_SLOW",
                      "the records have not answered within %d ms", LOOKUP_MS);
        rpc_queue_post(late->queue, &late->op);
    }
}

static void read_ended(struct lookup *lookup, const struct store_run *run, struct lookup_answer *ret)
{
    ret->found = RUN_HAS_ENDED;
    outcome_of_run(&ret->outcome, run, &lookup->form, clock_wall_ms());
}

/* On a store thread, as closed(). */
static void found(void *arg, const struct store_run *run, const struct status *status)
{
    struct lookup *lookup = arg;
    struct lookup_answer got = {.status = *status, .found = RUN_UNKNOWN};
    if (status->code == STATUS_NOT_FOUND)
        got.status = (struct status){.code = STATUS_OK};
    else if (status->code == STATUS_OK &&
             (!str_eq_c(run->app_id, lookup->app_id) || !str_eq_c(run->end_user_id, lookup->end_user_id)))
        got.found = RUN_FOREIGN;
    else if (status->code == STATUS_OK && run->finished_at_ms == 0)
        got.found = RUN_GOES_ON;
    else if (status->code == STATUS_OK)
        read_ended(lookup, run, &got);
    answer(lookup, &got);
}

static void closed(void *arg, const struct store_run *run, const struct status *status)
{
    struct lookup *lookup = arg;
    struct lookup_answer got = {.status = *status, .found = RUN_UNKNOWN};
    if (status->code == STATUS_OK)
        read_ended(lookup, run, &got);
    answer(lookup, &got);
}

/* A question that waits, with both of its references. NULL: no memory, or too many. */
static struct lookup *begin(struct lookups *lookups, struct rpc_queue *queue, const struct outcome_form *form,
                            lookup_done done, void *arg)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL)
        return NULL;
    lookup->owner = lookups;
    lookup->refs = 2;
    lookup->until_ms = clock_monotonic_ms() + LOOKUP_MS;
    lookup->op.done = posted;
    lookup->queue = queue;
    lookup->done = done;
    lookup->arg = arg;
    lookup->form = *form;
    pthread_mutex_lock(&lookups->lock);
    bool fits = lookups->count < LOOKUPS_MAX;
    if (fits) {
        DL_APPEND(lookups->waiting, lookup);
        lookups->count++;
    }
    pthread_mutex_unlock(&lookups->lock);
    if (fits)
        return lookup;
    free(lookup);
    return NULL;
}

/* The store has not taken the question. */
static void refused(struct lookup *lookup, const struct status *why)
{
    answer(lookup, &(struct lookup_answer){.status = *why});
}

bool lookup_find(struct lookups *lookups, struct rpc_queue *queue, const struct lookup_find *request,
                 lookup_done done, void *arg)
{
    struct status err;
    struct lookup *lookup = begin(lookups, queue, &request->form, done, arg);
    if (lookup == NULL)
        return false;
    snprintf(lookup->app_id, sizeof lookup->app_id, "%.*s", STR_ARG(request->app_id));
    snprintf(lookup->end_user_id, sizeof lookup->end_user_id, "%.*s", STR_ARG(request->end_user_id));
    const struct store_run_ref ref = {.workspace_id = request->workspace_id, .run_id = request->run_id};
    if (store_run_get(lookups->records, &ref, found, lookup, &err) != STATUS_OK)
        refused(lookup, &err);
    return true;
}

bool lookup_close(struct lookups *lookups, struct rpc_queue *queue, const struct store_run_close *request,
                  const struct outcome_form *form, lookup_done done, void *arg)
{
    struct status err;
    struct lookup *lookup = begin(lookups, queue, form, done, arg);
    if (lookup == NULL)
        return false;
    if (store_run_close(lookups->records, request, closed, lookup, &err) != STATUS_OK)
        refused(lookup, &err);
    return true;
}
