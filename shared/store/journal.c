/* journal: see the header. The queue of runs with waiting parts, and the thread that commits them. */
#include "shared/store/journal.h"

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/store/journal_write.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

struct journal {
    struct keyring ring;
    struct db *db;
    struct journal_writer writer;
    pthread_t thread;
    bool is_running;

    pthread_mutex_t lock; /* of what follows, and of all places */
    pthread_cond_t has_work;
    struct journal_place *queue;   /* with waiting parts */
    struct journal_place *waiting; /* whose runs wait for room; linked by wait_next */
    size_t bytes;                  /* of waiting and taken parts */
    size_t place_count;            /* runs begun and not ended */
    bool is_closing;
    bool is_failing;
    struct status why; /* of the failure */
    int64_t failing_since_ms;
    struct journal_stats stats;

    /* The writer's alone. */
    struct journal_taken *batch;
    size_t batch_count;
};

static void *write_all(void *arg);

enum status_code journal_open(const struct journal_options *options, struct journal **ret_journal,
                              struct status *err)
{
    struct journal *j = calloc(1, sizeof *j);
    if (j == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "journal: no memory");
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->has_work, &clock);
    pthread_condattr_destroy(&clock);
    const struct db_open how = {.part = DB_RECORDS, .is_relaxed = options->durability == JOURNAL_PROCESS};
    j->batch = calloc(JOURNAL_BATCH_MAX, sizeof *j->batch);
    enum status_code rc = j->batch == NULL ? status_set(err, STATUS_RESOURCE_EXHAUSTED, "journal: no memory")
                                           : keyring_init(&j->ring, options->master_key, err);
    if (rc == STATUS_OK)
        rc = db_open(options->url, &how, &j->db, err);
    j->writer = (struct journal_writer){.db = j->db, .ring = &j->ring, .owner = options->instance};
    if (rc == STATUS_OK) {
        int failed = pthread_create(&j->thread, NULL, write_all, j);
        j->is_running = failed == 0;
        if (failed != 0)
            rc = status_set(err, STATUS_RESOURCE_EXHAUSTED, "journal: no thread: %s", strerror(failed));
    }
    if (rc != STATUS_OK) {
        journal_close(j);
        return rc;
    }
    *ret_journal = j;
    return STATUS_OK;
}

void journal_close(struct journal *j)
{
    if (j == NULL)
        return;
    if (j->is_running) {
        pthread_mutex_lock(&j->lock);
        j->is_closing = true;
        pthread_cond_signal(&j->has_work);
        pthread_mutex_unlock(&j->lock);
        pthread_join(j->thread, NULL);
    }
    db_close(j->db);
    keyring_fini(&j->ring);
    free(j->batch);
    pthread_cond_destroy(&j->has_work);
    pthread_mutex_destroy(&j->lock);
    free(j);
}

/* --- handing in --- */

enum status_code journal_admits(struct journal *j, struct status *err)
{
    enum status_code rc = STATUS_OK;
    pthread_mutex_lock(&j->lock);
    if (j->is_failing) {
        rc = status_reason(err, STATUS_UNAVAILABLE,
                           j->why.reason != NULL ? j->why.reason : "STORE_UNAVAILABLE",
                           "records cannot be written now: %s", j->why.message);
        err->retry_ms = JOURNAL_PATIENCE_MS;
    } else if (j->bytes >= JOURNAL_BYTES_MAX / 2) {
        rc = status_reason(err, STATUS_UNAVAILABLE, "NOT_BEGUN", "the journal is behind by %zu bytes",
                           j->bytes);
        err->retry_ms = JOURNAL_RETRY_MS;
    }
    pthread_mutex_unlock(&j->lock);
    return rc;
}

/* Under the lock. */
static void enqueue(struct journal *j, struct journal_place *place)
{
    if (place->is_queued)
        return;
    if (j->queue == NULL)
        pthread_cond_signal(&j->has_work);
    place->is_queued = true;
    DL_APPEND(j->queue, place);
}

bool journal_begin(struct journal *j, struct journal_run *run, const struct journal_begin *begin)
{
    struct journal_place *place = journal_place_new(begin);
    if (place == NULL)
        return false;
    place->run = run;
    run->place = place;
    pthread_mutex_lock(&j->lock);
    j->bytes += place->begin->bytes;
    j->place_count++;
    enqueue(j, place);
    pthread_mutex_unlock(&j->lock);
    return true;
}

bool journal_nodes(struct journal *j, struct journal_run *run, struct str nodes)
{
    struct journal_place *place = run->place;
    bool may_go_on = true;
    pthread_mutex_lock(&j->lock);
    size_t before = place->nodes.len;
    buf_put(&place->nodes, nodes);
    if (place->nodes.failed) { /* left out */
        place->nodes.failed = false;
        place->nodes.len = before;
    } else {
        j->bytes += nodes.len;
        enqueue(j, place);
    }
    if (j->bytes >= JOURNAL_BYTES_MAX) {
        may_go_on = false;
        if (!place->waits_for_room)
            DL_APPEND2(j->waiting, place, wait_prev, wait_next);
        place->waits_for_room = true;
    }
    pthread_mutex_unlock(&j->lock);
    return may_go_on;
}

/* Under the lock. */
static void wait_no_more(struct journal *j, struct journal_place *place)
{
    if (place->waits_for_room)
        DL_DELETE2(j->waiting, place, wait_prev, wait_next);
    place->waits_for_room = false;
}

bool journal_end(struct journal *j, struct journal_run *run, const struct journal_end *end)
{
    struct journal_place *place = run->place;
    struct journal_end_copy *copy = journal_end_copy(end);
    if (copy == NULL)
        return false;
    pthread_mutex_lock(&j->lock);
    place->end = copy;
    place->has_end = true;
    j->bytes += copy->bytes;
    wait_no_more(j, place);
    enqueue(j, place);
    pthread_mutex_unlock(&j->lock);
    return true;
}

struct journal_stats journal_stats(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    struct journal_stats stats = j->stats;
    stats.waiting_bytes = j->bytes;
    stats.waiting_runs = j->place_count;
    stats.is_failing = j->is_failing;
    pthread_mutex_unlock(&j->lock);
    return stats;
}

/* --- the writer --- */

/* Under the lock: what waits is the batch's now. */
static void take_batch(struct journal *j)
{
    while (j->queue != NULL && j->batch_count < JOURNAL_BATCH_MAX) {
        struct journal_place *place = j->queue;
        DL_DELETE(j->queue, place);
        place->is_queued = false;
        place->is_taken = true;
        j->batch[j->batch_count++] = (struct journal_taken){
            .place = place, .begin = place->begin, .nodes = place->nodes, .end = place->end};
        place->begin = NULL;
        place->end = NULL;
        buf_init(&place->nodes, JOURNAL_BYTES_MAX);
    }
}

static enum status_code commit(struct journal *j, struct journal_taken *first, size_t count,
                               struct status *err)
{
    enum status_code rc = db_begin(j->db, DB_WRITE, err);
    for (size_t i = 0; rc == STATUS_OK && i < count; i++)
        rc = journal_write(&j->writer, &first[i], err);
    if (rc != STATUS_OK) {
        db_rollback(j->db);
        return rc;
    }
    for (size_t i = 0; i < count; i++)
        first[i].place->was_tried = true;
    return db_commit(j->db, err);
}

/* Something is wrong with a record, and not with the database. */
static bool is_about_record(enum status_code rc)
{
    return rc == STATUS_INTERNAL || rc == STATUS_ALREADY_EXISTS || rc == STATUS_INVALID_ARGUMENT;
}

/* One by one; what cannot be written by itself is left out, and its run is not told that it was. */
static enum status_code commit_singly(struct journal *j, struct status *err)
{
    for (size_t i = 0; i < j->batch_count; i++) {
        enum status_code rc = commit(j, &j->batch[i], 1, err);
        if (rc != STATUS_OK && !is_about_record(rc))
            return rc;
        if (rc != STATUS_OK) {
            char run_id[UUID_TEXT_LEN + 1];
            uuid_format(j->batch[i].place->run_id, run_id);
            log_error("record_not_written", LOG_C("run_id", run_id), LOG_C("words", err->message));
            j->batch[i].place->is_closed = j->batch[i].is_closed = true;
        }
    }
    return STATUS_OK;
}

static void note_failure(struct journal *j, const struct status *why)
{
    pthread_mutex_lock(&j->lock);
    j->stats.failed_commits++;
    if (!j->is_failing) {
        j->is_failing = true;
        j->failing_since_ms = clock_monotonic_ms();
        log_error("records_not_written", LOG_C("reason", why->reason), LOG_C("words", why->message));
    }
    j->why = *why;
    pthread_mutex_unlock(&j->lock);
}

/* Under the lock: the run of this place will hear nothing more. */
static struct journal_run *part_with(struct journal_place *place)
{
    struct journal_run *run = place->run;
    place->run = NULL;
    if (run != NULL)
        run->place = NULL;
    return run;
}

/* What is told to runs after the lock is left. */
enum { TELL_BEGUN = 1, TELL_ENDED = 2 };
struct news {
    struct journal_run *run;
    enum journal_outcome outcome;
    unsigned what;
};

/* Under the lock: one commit is through. The place goes with its end. */
static struct news settle(struct journal *j, struct journal_taken *taken)
{
    struct journal_place *place = taken->place;
    struct news news = {.outcome = taken->is_closed ? JOURNAL_CLOSED : JOURNAL_DURABLE};
    place->is_taken = place->was_tried = false;
    place->is_closed |= taken->is_closed;
    place->parts = taken->parts;
    j->bytes -= journal_taken_bytes(taken);
    if (taken->begin != NULL && place->owes_begun) {
        place->owes_begun = false;
        news.run = place->run;
        news.what |= TELL_BEGUN;
    }
    if (taken->end != NULL) {
        j->stats.runs++;
        j->stats.late_ends += taken->is_closed;
        news.run = part_with(place);
        news.what |= TELL_ENDED;
        j->place_count--;
        journal_place_free(place);
    }
    return news;
}

static void tell(const struct news *news)
{
    struct journal_run *run = news->run;
    if (run == NULL)
        return;
    if (news->what & TELL_BEGUN)
        run->ops->begun(run, news->outcome);
    if (news->what & TELL_ENDED)
        run->ops->ended(run, news->outcome);
}

/* Runs that wait may go on when half of the room is free again. */
static void let_go_on(struct journal *j)
{
    for (;;) {
        struct journal_run *run = NULL;
        pthread_mutex_lock(&j->lock);
        struct journal_place *place = j->bytes < JOURNAL_BYTES_MAX / 2 ? j->waiting : NULL;
        if (place != NULL) {
            wait_no_more(j, place);
            run = place->run;
        }
        pthread_mutex_unlock(&j->lock);
        if (place == NULL)
            return;
        if (run != NULL)
            run->ops->resumed(run);
    }
}

static void commit_is_through(struct journal *j, int64_t took_us, size_t bytes)
{
    for (size_t i = 0; i < j->batch_count; i++) {
        pthread_mutex_lock(&j->lock);
        struct news news = settle(j, &j->batch[i]);
        pthread_mutex_unlock(&j->lock);
        journal_taken_fini(&j->batch[i]);
        tell(&news);
    }
    j->batch_count = 0;
    pthread_mutex_lock(&j->lock);
    bool is_back = j->is_failing;
    j->is_failing = false;
    j->stats.commits++;
    j->stats.bytes += bytes;
    j->stats.last_commit_us = took_us;
    pthread_mutex_unlock(&j->lock);
    if (is_back)
        log_info("records_written_again");
    let_go_on(j);
}

/* Under the lock. end: of the place, waiting or taken. */
static struct news give_up(struct journal *j, struct journal_place *place, struct journal_end_copy *end)
{
    struct news news = {.outcome = JOURNAL_GIVEN_UP};
    if (place->owes_begun) {
        place->owes_begun = false;
        news.what |= TELL_BEGUN;
        news.run = place->run;
    }
    if (end == NULL || place->is_given_up)
        return news;
    size_t before = end->bytes;
    journal_end_give_up(end);
    end->bytes = sizeof *end;
    j->bytes -= before - end->bytes;
    place->is_given_up = true;
    news.what |= TELL_ENDED;
    news.run = part_with(place);
    return news;
}

/* After JOURNAL_PATIENCE_MS: every run that waits for its end, or for its beginning, hears that it will not come. */
static void give_up_all(struct journal *j)
{
    for (size_t i = 0; i < j->batch_count; i++) {
        struct journal_taken *taken = &j->batch[i];
        pthread_mutex_lock(&j->lock);
        struct news news = give_up(j, taken->place, taken->end);
        if (taken->place->is_given_up) {
            j->bytes -= taken->nodes.len;
            buf_fini(&taken->nodes);
        }
        pthread_mutex_unlock(&j->lock);
        tell(&news);
    }
    for (;;) {
        struct news news = {.run = NULL};
        pthread_mutex_lock(&j->lock);
        struct journal_place *place;
        DL_FOREACH (j->queue, place) {
            if ((place->end != NULL && !place->is_given_up) || place->owes_begun) {
                news = give_up(j, place, place->end);
                break;
            }
        }
        pthread_mutex_unlock(&j->lock);
        if (place == NULL)
            return;
        tell(&news);
    }
}

/* Waits for work, or for the next try. Returns false when there is nothing left to do. */
static bool wait_for_work(struct journal *j, bool is_failing)
{
    pthread_mutex_lock(&j->lock);
    if (is_failing) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += JOURNAL_RETRY_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        while (pthread_cond_timedwait(&j->has_work, &j->lock, &until) != ETIMEDOUT)
            ;
    }
    while (j->batch_count == 0 && j->queue == NULL && !j->is_closing)
        pthread_cond_wait(&j->has_work, &j->lock);
    take_batch(j);
    bool has_work = j->batch_count > 0;
    pthread_mutex_unlock(&j->lock);
    return has_work;
}

/* The process ends and the store does not come back: what was told stays true, the reaper closes what is open. */
static void drop_all(struct journal *j)
{
    for (size_t i = 0; i < j->batch_count; i++) {
        struct journal_place *place = j->batch[i].place;
        journal_taken_fini(&j->batch[i]);
        pthread_mutex_lock(&j->lock);
        if (place->is_queued)
            DL_DELETE(j->queue, place);
        pthread_mutex_unlock(&j->lock);
        (void)part_with(place);
        journal_place_free(place);
    }
    j->batch_count = 0;
    struct journal_place *place, *next;
    DL_FOREACH_SAFE (j->queue, place, next) {
        DL_DELETE(j->queue, place);
        (void)part_with(place);
        journal_place_free(place);
    }
}

static bool is_over(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    int64_t since_ms = clock_monotonic_ms() - j->failing_since_ms;
    bool is_patient = since_ms < JOURNAL_PATIENCE_MS, is_closing = j->is_closing;
    pthread_mutex_unlock(&j->lock);
    if (is_patient)
        return false;
    give_up_all(j);
    if (is_closing)
        drop_all(j);
    return is_closing;
}

static void *write_all(void *arg)
{
    struct journal *j = arg;
    bool is_failing = false;
    while (wait_for_work(j, is_failing)) {
        struct status err = {0};
        size_t bytes = 0;
        int64_t from_us = clock_monotonic_us();
        for (size_t i = 0; i < j->batch_count; i++)
            bytes += journal_taken_bytes(&j->batch[i]);
        enum status_code rc = commit(j, j->batch, j->batch_count, &err);
        if (is_about_record(rc))
            rc = commit_singly(j, &err);
        is_failing = rc != STATUS_OK;
        if (!is_failing) {
            commit_is_through(j, clock_monotonic_us() - from_us, bytes);
            continue;
        }
        note_failure(j, &err);
        if (is_over(j))
            break;
    }
    return NULL;
}
