/* readiness: see the header. */
#include "shared/base/readiness.h"

#include <stdio.h>

void readiness_init(struct readiness *readiness)
{
    *readiness = (struct readiness){.differs_since_ms = -1, .words = "starting"};
    pthread_mutex_init(&readiness->lock, NULL);
}

void readiness_fini(struct readiness *readiness)
{
    pthread_mutex_destroy(&readiness->lock);
}

/* Under the lock. */
static bool note(struct readiness *r, struct str words, int64_t now_ms)
{
    bool is_well = words.len == 0;
    if (r->is_final)
        return false;
    if (!is_well)
        snprintf(r->words, sizeof r->words, "%.*s", STR_ARG(words));
    if (is_well == r->is_ready) {
        r->differs_since_ms = -1;
        return false;
    }
    if (r->differs_since_ms < 0)
        r->differs_since_ms = now_ms;
    int64_t lasts_ms = is_well ? (r->was_ready ? READINESS_UP_MS : 0) : READINESS_DOWN_MS;
    if (now_ms - r->differs_since_ms < lasts_ms)
        return false;
    r->is_ready = is_well;
    r->was_ready |= is_well;
    r->differs_since_ms = -1;
    return true;
}

bool readiness_note(struct readiness *readiness, struct str words, int64_t now_ms)
{
    pthread_mutex_lock(&readiness->lock);
    bool has_changed = note(readiness, words, now_ms);
    pthread_mutex_unlock(&readiness->lock);
    return has_changed;
}

void readiness_end(struct readiness *readiness, const char *words)
{
    pthread_mutex_lock(&readiness->lock);
    readiness->is_ready = false;
    readiness->is_final = true;
    snprintf(readiness->words, sizeof readiness->words, "%s", words);
    pthread_mutex_unlock(&readiness->lock);
}

bool readiness_is_ready(struct readiness *readiness)
{
    pthread_mutex_lock(&readiness->lock);
    bool is_ready = readiness->is_ready;
    pthread_mutex_unlock(&readiness->lock);
    return is_ready;
}

bool readiness_put(struct readiness *readiness, struct buf *to)
{
    pthread_mutex_lock(&readiness->lock);
    bool is_ready = readiness->is_ready;
    if (!is_ready)
        buf_put_c(to, readiness->words);
    pthread_mutex_unlock(&readiness->lock);
    return is_ready;
}
