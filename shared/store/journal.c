/* journal: see the header. Opening, and the queue of runs with waiting parts. */
#include "shared/store/journal.h"

#include "shared/base/clock.h"
#include "shared/store/journal_core.h"
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

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
    const struct db_open how = {
        .part = DB_RECORDS, .is_relaxed = options->durability == JOURNAL_PROCESS, .leaves_log = true};
    j->commit_us = options->commit_us;
    j->batch = calloc(JOURNAL_BATCH_MAX, sizeof *j->batch);
    enum status_code rc = j->batch == NULL ? status_set(err, STATUS_RESOURCE_EXHAUSTED, "journal: no memory")
                                           : keyring_init(&j->ring, options->master_key, err);
    if (rc == STATUS_OK)
        rc = db_open(options->url, &how, &j->db, err);
    j->writer = (struct journal_writer){.db = j->db, .ring = &j->ring, .owner = options->instance};
    if (rc == STATUS_OK) {
        j->has_checkpoint = true;
        rc = checkpoint_start(&j->checkpoint, options->url, DB_RECORDS, err);
    }
    if (rc == STATUS_OK) {
        int failed = pthread_create(&j->thread, NULL, journal_thread, j);
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
    if (j->has_checkpoint)
        checkpoint_stop(&j->checkpoint);
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

/* Under the lock. The writer wakes for the first of the queue, and for the first that somebody waits for. */
static void enqueue(struct journal *j, struct journal_place *place, bool is_urgent)
{
    bool wakes = j->queue == NULL || (is_urgent && !j->is_urgent);
    if (j->queue == NULL)
        j->queued_at_ms = clock_monotonic_ms();
    if (!place->is_queued)
        DL_APPEND(j->queue, place);
    place->is_queued = true;
    j->is_urgent |= is_urgent || j->bytes >= JOURNAL_BYTES_MAX / 4;
    if (wakes)
        pthread_cond_signal(&j->has_work);
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
    enqueue(j, place, begin->must_be_first);
    pthread_mutex_unlock(&j->lock);
    return true;
}

/* Under the lock. Without memory they are left out. */
static void add_nodes(struct journal *j, struct journal_place *place, struct str nodes)
{
    size_t before = place->nodes.len;
    buf_put(&place->nodes, nodes);
    if (place->nodes.failed) {
        place->nodes.failed = false;
        place->nodes.len = before;
        return;
    }
    j->bytes += nodes.len;
    enqueue(j, place, false);
}

bool journal_nodes(struct journal *j, struct journal_run *run, struct str nodes)
{
    struct journal_place *place = run->place;
    bool may_go_on = true;
    pthread_mutex_lock(&j->lock);
    if (place->record == STORE_RECORD_FULL)
        add_nodes(j, place, nodes);
    if (j->bytes >= JOURNAL_BYTES_MAX) {
        may_go_on = false;
        if (!place->waits_for_room)
            DL_APPEND2(j->waiting, place, wait_prev, wait_next);
        place->waits_for_room = true;
    }
    pthread_mutex_unlock(&j->lock);
    return may_go_on;
}

void journal_wait_no_more(struct journal *j, struct journal_place *place)
{
    if (place->waits_for_room)
        DL_DELETE2(j->waiting, place, wait_prev, wait_next);
    place->waits_for_room = false;
}

bool journal_end(struct journal *j, struct journal_run *run, const struct journal_end *end)
{
    struct journal_place *place = run->place;
    struct journal_end_copy *copy = journal_place_end(place, end);
    if (copy == NULL)
        return false;
    pthread_mutex_lock(&j->lock);
    place->end = copy;
    j->bytes += copy->bytes;
    journal_wait_no_more(j, place);
    enqueue(j, place, true);
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
    if (j->is_failing)
        stats.oldest_wait_ms = clock_monotonic_ms() - j->failing_since_ms;
    else if (j->queue != NULL)
        stats.oldest_wait_ms = clock_monotonic_ms() - j->queued_at_ms;
    pthread_mutex_unlock(&j->lock);
    return stats;
}
