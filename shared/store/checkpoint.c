/* checkpoint: see the header. */
#include "shared/store/checkpoint.h"

#include "shared/base/log.h"
#include <string.h>

/* A log that cannot be moved only grows: commits go on until the disk is full, and they say so then. */
static void move_log(struct checkpoint *c, struct db *db, int wait_ms)
{
    struct status err;
    enum status_code rc = db_checkpoint(db, wait_ms, &err);
    bool is_busy = rc != STATUS_OK && err.reason != NULL && strcmp(err.reason, "STORE_BUSY") == 0;
    if (is_busy) /* another process is at it, or reads for long */
        rc = STATUS_OK;
    pthread_mutex_lock(&c->lock);
    bool is_news = rc != STATUS_OK && c->failed != rc;
    c->failed = rc;
    pthread_mutex_unlock(&c->lock);
    if (is_news)
        log_warn("log_not_moved", LOG_C("words", err.message));
}

static void *move_when_asked(void *arg)
{
    struct checkpoint *c = arg;
    pthread_setname_np(pthread_self(), "checkpoint");
    pthread_mutex_lock(&c->lock);
    while (!c->is_stopping) {
        if (c->state != CHECKPOINT_ASKED) {
            pthread_cond_wait(&c->is_asked, &c->lock);
            continue;
        }
        pthread_mutex_unlock(&c->lock);
        move_log(c, c->db, 0);
        pthread_mutex_lock(&c->lock);
        c->state = CHECKPOINT_REST_IS_DUE;
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

enum status_code checkpoint_start(struct checkpoint *c, const char *url, enum db_part part,
                                  struct status *err)
{
    *c = (struct checkpoint){.at_pages = CHECKPOINT_PAGES};
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->is_asked, NULL);
    enum status_code rc = db_open(url, &(struct db_open){.part = part, .leaves_log = true}, &c->db, err);
    if (rc != STATUS_OK)
        return rc;
    int failed = pthread_create(&c->thread, NULL, move_when_asked, c);
    c->is_running = failed == 0;
    return failed == 0 ? STATUS_OK
                       : status_set(err, STATUS_RESOURCE_EXHAUSTED, "store: no thread: %s", strerror(failed));
}

void checkpoint_stop(struct checkpoint *c)
{
    if (c->is_running) {
        pthread_mutex_lock(&c->lock);
        c->is_stopping = true;
        pthread_cond_signal(&c->is_asked);
        pthread_mutex_unlock(&c->lock);
        pthread_join(c->thread, NULL);
    }
    db_close(c->db);
    pthread_cond_destroy(&c->is_asked);
    pthread_mutex_destroy(&c->lock);
}

static int patience_ms(int64_t pages)
{
    int64_t ms = CHECKPOINT_WAIT_MS * (pages / CHECKPOINT_PAGES);
    if (ms < CHECKPOINT_WAIT_MS)
        return CHECKPOINT_WAIT_MS;
    return ms < CHECKPOINT_WAIT_MS_MAX ? (int)ms : CHECKPOINT_WAIT_MS_MAX;
}

void checkpoint_tend(struct checkpoint *c, struct db *writer)
{
    int64_t pages = db_log_pages(writer);
    bool is_due = false;
    pthread_mutex_lock(&c->lock);
    if (pages < CHECKPOINT_PAGES)
        c->at_pages = CHECKPOINT_PAGES; /* it has begun anew */
    if (c->state == CHECKPOINT_REST_IS_DUE) {
        is_due = true;
        c->state = CHECKPOINT_RESTS;
        c->at_pages = pages + CHECKPOINT_PAGES; /* should it not begin anew: somebody reads for long */
    } else if (c->state == CHECKPOINT_RESTS && pages >= c->at_pages) {
        c->state = CHECKPOINT_ASKED;
        pthread_cond_signal(&c->is_asked);
    }
    pthread_mutex_unlock(&c->lock);
    if (is_due)
        move_log(c, writer, patience_ms(pages));
}
