/* instance: see the header. */
#include "shared/store/instance.h"

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/store/db_presence.h"
#include "shared/store/migrate.h"
#include "shared/store/orphans.h"
#include "shared/store/retention.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ms. Between two looks for records that are too old. */
#define RETENTION_EVERY_MS 60000
/* ms. What goes wrong is logged once in this time. */
#define COMPLAIN_EVERY_MS 10000

struct instance {
    struct db *records, *control;
    struct db_presence *presence;
    int64_t number;
    pthread_t thread;
    bool is_running;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t stop;
    bool is_stopping;
    /* The thread's. */
    int64_t complained_at_ms, retained_at_ms;
};

/* The lock is taken before the row can be seen: a visible row without a lock is always a dead one's. */
static enum status_code enter(struct instance *i, const char *kind, const char *name, struct status *err)
{
    static const struct sql sql = {
        "insert into instances (kind, name, started_at_ms) values ($1, $2, $3) returning id"};
    enum status_code rc = db_begin(i->records, DB_WRITE, err);
    if (rc != STATUS_OK)
        return rc;
    struct db_rows rows =
        db_query(i->records, &sql,
                 DB_VALUES(DB_TEXT(str_c(kind)), DB_TEXT(str_c(name)), DB_INT(clock_wall_ms())), err);
    while (db_next(&rows))
        i->number = db_int(&rows, 0);
    rc = db_end(&rows);
    if (rc == STATUS_OK)
        rc = db_presence_hold(i->presence, i->number, err);
    if (rc != STATUS_OK) {
        db_rollback(i->records);
        return rc;
    }
    return db_commit(i->records, err);
}

static enum status_code look(struct instance *i, struct status *err)
{
    size_t closed = 0;
    enum status_code rc = orphans_close(i->records, i->presence, i->number, clock_wall_ms(), &closed, err);
    if (closed > 0)
        log_warn("orphans_closed", LOG_INT("runs", closed));
    return rc;
}

static bool should_stop(void *arg)
{
    struct instance *i = arg;
    pthread_mutex_lock(&i->lock);
    bool is_stopping = i->is_stopping;
    pthread_mutex_unlock(&i->lock);
    return is_stopping;
}

static enum status_code retain(struct instance *i, int64_t now_ms, struct status *err)
{
    if (now_ms - i->retained_at_ms < RETENTION_EVERY_MS)
        return STATUS_OK;
    i->retained_at_ms = now_ms;
    const struct retention retention = {
        .control = i->control, .records = i->records, .should_stop = should_stop, .arg = i};
    size_t removed = 0;
    enum status_code rc = retention_run(&retention, clock_wall_ms(), &removed, err);
    if (removed > 0)
        log_info("records_removed", LOG_INT("count", removed));
    return rc;
}

static void complain(struct instance *i, const struct status *why, int64_t now_ms)
{
    if (now_ms - i->complained_at_ms < COMPLAIN_EVERY_MS)
        return;
    i->complained_at_ms = now_ms;
    log_error("records_not_tended", LOG_C("reason", why->reason), LOG_C("words", why->message));
}

/* False: it is time to end. */
static bool rest(struct instance *i)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += INSTANCE_LOOK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&i->lock);
    while (!i->is_stopping && pthread_cond_timedwait(&i->stop, &i->lock, &until) != ETIMEDOUT)
        ;
    bool goes_on = !i->is_stopping;
    pthread_mutex_unlock(&i->lock);
    return goes_on;
}

static void *tend(void *arg)
{
    struct instance *i = arg;
    while (rest(i)) {
        struct status err;
        int64_t now_ms = clock_monotonic_ms();
        if (look(i, &err) != STATUS_OK || retain(i, now_ms, &err) != STATUS_OK)
            complain(i, &err, now_ms);
    }
    return NULL;
}

static struct instance *instance_new(void)
{
    struct instance *i = calloc(1, sizeof *i);
    if (i == NULL)
        return NULL;
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&i->lock, NULL);
    pthread_cond_init(&i->stop, &clock);
    pthread_condattr_destroy(&clock);
    i->complained_at_ms = i->retained_at_ms = clock_monotonic_ms() - RETENTION_EVERY_MS;
    return i;
}

enum status_code instance_take(const char *url, const char *kind, const char *name,
                               struct instance **ret_instance, struct status *err)
{
    struct instance *i = instance_new();
    if (i == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "store: no memory");
    const struct db_open records = {.part = DB_RECORDS, .create = true};
    enum status_code rc = db_open(url, &records, &i->records, err);
    if (rc == STATUS_OK)
        rc = migrate_up(i->records, db_schema(i->records)->migrations, db_schema(i->records)->count, NULL,
                        err);
    if (rc == STATUS_OK)
        rc = db_open(url, &(struct db_open){.part = DB_CONTROL, .query_only = true}, &i->control, err);
    if (rc == STATUS_OK)
        rc = db_presence_open(url, &i->presence, err);
    if (rc == STATUS_OK)
        rc = enter(i, kind, name, err);
    if (rc == STATUS_OK)
        rc = look(i, err);
    if (rc == STATUS_OK) {
        int failed = pthread_create(&i->thread, NULL, tend, i);
        i->is_running = failed == 0;
        if (failed != 0)
            rc = status_set(err, STATUS_RESOURCE_EXHAUSTED, "store: no thread: %s", strerror(failed));
    }
    if (rc != STATUS_OK) {
        instance_give(i);
        return rc;
    }
    *ret_instance = i;
    return STATUS_OK;
}

static void leave(struct instance *i)
{
    static const struct sql sql = {"update instances set died_at_ms = $2 where id = $1"};
    struct status err;
    if (db_run(i->records, &sql, DB_VALUES(DB_INT(i->number), DB_INT(clock_wall_ms())), &err) != STATUS_OK)
        log_warn("end_not_recorded", LOG_C("words", err.message)); /* others see it by the lock */
}

void instance_give(struct instance *i)
{
    if (i == NULL)
        return;
    if (i->is_running) {
        pthread_mutex_lock(&i->lock);
        i->is_stopping = true;
        pthread_cond_signal(&i->stop);
        pthread_mutex_unlock(&i->lock);
        pthread_join(i->thread, NULL);
        leave(i);
    }
    db_presence_close(i->presence);
    db_close(i->control);
    db_close(i->records);
    pthread_cond_destroy(&i->stop);
    pthread_mutex_destroy(&i->lock);
    free(i);
}

int64_t instance_number(const struct instance *i)
{
    return i->number;
}
