/* journal_thread: commits what waits in a journal, and tells its runs. */
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/store/journal_core.h"
#include <errno.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

/* bytes. Of one commit, but for the last run in it: some 100 ms on a slow disk. */
#define BATCH_BYTES_MAX ((size_t)16 * 1024 * 1024)

/* --- one commit --- */

/* Under the lock: what waits is the batch's now. One that has failed is tried again as it is, before anything that came later. */
static void take_batch(struct journal *j)
{
    if (j->batch_count > 0)
        return;
    size_t bytes = 0;
    while (j->queue != NULL && j->batch_count < JOURNAL_BATCH_MAX && bytes < BATCH_BYTES_MAX) {
        struct journal_place *place = j->queue;
        DL_DELETE(j->queue, place);
        place->is_queued = false;
        struct journal_taken *taken = &j->batch[j->batch_count++];
        *taken = (struct journal_taken){
            .place = place, .begin = place->begin, .nodes = place->nodes, .end = place->end};
        bytes += journal_taken_bytes(taken);
        place->begin = NULL;
        place->end = NULL;
        buf_init(&place->nodes, JOURNAL_BYTES_MAX);
    }
    if (j->queue == NULL)
        j->is_urgent = false;
}

/* Whether a commit that fails went through after all is seen when it is tried again. */
static enum status_code finish(struct journal *j, enum status_code rc, struct status *err)
{
    if (rc != STATUS_OK) {
        db_rollback(j->db);
        return rc;
    }
    for (size_t i = 0; i < j->batch_count; i++)
        j->batch[i].place->was_tried |= !j->batch[i].is_closed;
    return db_commit(j->db, err);
}

static enum status_code commit(struct journal *j, struct status *err)
{
    enum status_code rc = db_begin(j->db, DB_WRITE, err);
    for (size_t i = 0; rc == STATUS_OK && i < j->batch_count; i++)
        rc = journal_write(&j->writer, &j->batch[i], err);
    return finish(j, rc, err);
}

/* Something is wrong with a record, and not with the database. */
static bool is_about_record(enum status_code rc, const struct status *err)
{
    return rc == STATUS_ALREADY_EXISTS ||
           (rc == STATUS_INTERNAL && err->reason != NULL && strcmp(err->reason, "ROW_REFUSED") == 0);
}

/* ret_is_refused: the record's own fault; nothing of it was written. */
static enum status_code write_apart(struct journal *j, struct journal_taken *taken, bool *ret_is_refused,
                                    struct status *err)
{
    static const struct sql save = {"savepoint record"}, release = {"release savepoint record"},
                            undo = {"rollback to savepoint record"};
    struct status why;
    *ret_is_refused = false;
    enum status_code rc = db_run(j->db, &save, DB_NO_VALUES, err);
    if (rc != STATUS_OK)
        return rc;
    rc = journal_write(&j->writer, taken, &why);
    if (is_about_record(rc, &why)) {
        char run_id[UUID_TEXT_LEN + 1];
        uuid_format(taken->place->run_id, run_id);
        log_error("record_refused", LOG_C("run_id", run_id), LOG_C("words", why.message),
                  LOG_C("then", taken->is_short ? "not written" : "tried without its texts"));
        *ret_is_refused = true;
        rc = db_run(j->db, &undo, DB_NO_VALUES, err);
    } else if (rc != STATUS_OK) {
        *err = why;
    }
    return rc == STATUS_OK ? db_run(j->db, &release, DB_NO_VALUES, err) : rc;
}

/* What cannot be written as it is goes without its texts, or not at all; the others are not held up by it. */
static enum status_code commit_carefully(struct journal *j, struct status *err)
{
    enum status_code rc = db_begin(j->db, DB_WRITE, err);
    for (size_t i = 0; rc == STATUS_OK && i < j->batch_count; i++) {
        struct journal_taken *taken = &j->batch[i];
        if (taken->is_refused)
            continue;
        bool is_refused;
        rc = write_apart(j, taken, &is_refused, err);
        if (rc != STATUS_OK || !is_refused)
            continue;
        size_t freed = taken->is_short ? 0 : journal_taken_shorten(taken);
        pthread_mutex_lock(&j->lock);
        j->bytes -= freed;
        pthread_mutex_unlock(&j->lock);
        rc = write_apart(j, taken, &taken->is_refused, err);
    }
    return finish(j, rc, err);
}

/* --- what runs are told, outside of the lock --- */

enum { TELL_BEGUN = 1, TELL_ENDED = 2 };
struct news {
    struct journal_run *run; /* NULL: nobody is told */
    enum journal_outcome begun, ended;
    unsigned what;
};

static void tell(const struct news *news)
{
    struct journal_run *run = news->run;
    if (run == NULL)
        return;
    if (news->what & TELL_BEGUN)
        run->ops->begun(run, news->begun);
    if (news->what & TELL_ENDED)
        run->ops->ended(run, news->ended);
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

/* Under the lock: one commit is through. The place goes with its end. */
static struct news settle(struct journal *j, struct journal_taken *taken)
{
    struct journal_place *place = taken->place;
    enum journal_outcome outcome = taken->is_refused  ? JOURNAL_GIVEN_UP
                                   : taken->is_closed ? JOURNAL_CLOSED
                                                      : JOURNAL_DURABLE;
    struct news news = {.begun = outcome, .ended = outcome};
    if (outcome == JOURNAL_DURABLE && taken->is_short)
        news.ended = JOURNAL_GIVEN_UP;
    place->was_tried = false;
    place->is_closed |= taken->is_closed || taken->is_refused;
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
    }
    return news;
}

/* Runs that wait may go on when half of the room is free again. */
static void let_go_on(struct journal *j)
{
    for (;;) {
        struct journal_run *run = NULL;
        pthread_mutex_lock(&j->lock);
        struct journal_place *place = j->bytes < JOURNAL_BYTES_MAX / 2 ? j->waiting : NULL;
        if (place != NULL) {
            journal_wait_no_more(j, place);
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
    pthread_mutex_lock(&j->lock);
    bool is_back = j->is_failing;
    j->is_failing = false;
    j->stats.commits++;
    j->stats.bytes += bytes;
    j->stats.last_commit_us = took_us;
    pthread_mutex_unlock(&j->lock);
    if (j->commit_us != NULL)
        metric_observe(j->commit_us, took_us);
    for (size_t i = 0; i < j->batch_count; i++) {
        struct journal_taken *taken = &j->batch[i];
        pthread_mutex_lock(&j->lock);
        struct news news = settle(j, taken);
        pthread_mutex_unlock(&j->lock);
        bool is_over = taken->end != NULL;
        journal_taken_fini(taken);
        if (is_over)
            journal_place_free(taken->place);
        tell(&news);
    }
    j->batch_count = 0;
    if (is_back)
        log_info("records_written_again");
    let_go_on(j);
}

/* --- when it cannot be written --- */

static void note_failure(struct journal *j, const struct status *why, int64_t since_ms)
{
    pthread_mutex_lock(&j->lock);
    j->stats.failed_commits++;
    bool is_news = !j->is_failing;
    if (is_news)
        j->failing_since_ms = since_ms;
    j->is_failing = true;
    j->why = *why;
    pthread_mutex_unlock(&j->lock);
    if (is_news)
        log_error("records_not_written", LOG_C("reason", why->reason), LOG_C("words", why->message));
}

/* Under the lock. end, nodes: of the place, waiting or taken. */
static struct news give_up(struct journal *j, struct journal_place *place, struct journal_end_copy *end,
                           struct buf *nodes)
{
    struct news news = {.begun = JOURNAL_GIVEN_UP, .ended = JOURNAL_GIVEN_UP};
    if (place->owes_begun) {
        place->owes_begun = false;
        place->is_withdrawn = true;
        news.what |= TELL_BEGUN;
        news.run = place->run;
    }
    if (end == NULL || place->is_given_up)
        return news;
    journal_end_give_up(end);
    j->bytes -= nodes->len;
    buf_fini(nodes);
    place->is_given_up = true;
    news.what |= TELL_ENDED;
    news.run = part_with(place);
    return news;
}

/* Every run that waits for its end, or for its beginning, hears that it will not come. */
static void give_up_all(struct journal *j)
{
    for (size_t i = 0; i < j->batch_count; i++) {
        struct journal_taken *taken = &j->batch[i];
        pthread_mutex_lock(&j->lock);
        struct news news = give_up(j, taken->place, taken->end, &taken->nodes);
        pthread_mutex_unlock(&j->lock);
        tell(&news);
    }
    pthread_mutex_lock(&j->lock);
    struct journal_place *all = j->queue, *place;
    j->queue = NULL;
    pthread_mutex_unlock(&j->lock);
    DL_FOREACH (all, place) {
        pthread_mutex_lock(&j->lock);
        struct news news = give_up(j, place, place->end, &place->nodes);
        pthread_mutex_unlock(&j->lock);
        tell(&news);
    }
    pthread_mutex_lock(&j->lock);
    DL_CONCAT(all, j->queue);
    j->queue = all;
    pthread_mutex_unlock(&j->lock);
}

/* Waits for work, or for the next try. Returns false when there is nothing left to do. */
static void wait_until(struct journal *j, int64_t at_ms)
{
    const struct timespec until = {at_ms / 1000, at_ms % 1000 * 1000000};
    pthread_cond_timedwait(&j->has_work, &j->lock, &until);
}

static bool wait_for_work(struct journal *j, bool is_failing)
{
    pthread_mutex_lock(&j->lock);
    int64_t at_ms = clock_monotonic_ms() + JOURNAL_RETRY_MS;
    while (is_failing && clock_monotonic_ms() < at_ms)
        wait_until(j, at_ms);
    while (j->batch_count == 0 && !j->is_urgent && !j->is_closing) {
        if (j->queue == NULL)
            pthread_cond_wait(&j->has_work, &j->lock);
        else if (clock_monotonic_ms() < j->queued_at_ms + JOURNAL_LINGER_MS)
            wait_until(j, j->queued_at_ms + JOURNAL_LINGER_MS);
        else
            break;
    }
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
        if (place->is_queued)
            DL_DELETE(j->queue, place);
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

/* After JOURNAL_PATIENCE_MS of failing commits. True: the thread ends. */
static bool lose_patience(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    bool is_patient = clock_monotonic_ms() - j->failing_since_ms < JOURNAL_PATIENCE_MS;
    bool is_closing = j->is_closing;
    pthread_mutex_unlock(&j->lock);
    if (is_patient)
        return false;
    give_up_all(j);
    if (is_closing)
        drop_all(j);
    return is_closing;
}

void *journal_thread(void *arg)
{
    struct journal *j = arg;
    bool is_failing = false;
    pthread_setname_np(pthread_self(), "journal");
    while (wait_for_work(j, is_failing)) {
        struct status err = {0};
        size_t bytes = 0;
        int64_t from_us = clock_monotonic_us();
        for (size_t i = 0; i < j->batch_count; i++)
            bytes += journal_taken_bytes(&j->batch[i]);
        enum status_code rc = commit(j, &err);
        if (is_about_record(rc, &err))
            rc = commit_carefully(j, &err);
        is_failing = rc != STATUS_OK;
        if (is_failing) {
            note_failure(j, &err, from_us / 1000);
            if (lose_patience(j))
                break;
            continue;
        }
        commit_is_through(j, clock_monotonic_us() - from_us, bytes);
        checkpoint_tend(&j->checkpoint, j->db);
    }
    return NULL;
}
