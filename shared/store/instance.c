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

/* ms. After the file of locks was made anew: those who live have held their numbers in it by then. */
#define PRESENCE_NEW_MS (2 * INSTANCE_LOOK_MS)
/* ms. Between two looks for records that are too old. */
#define RETENTION_EVERY_MS 60000
/* ms. Between two steps of removing them: the write lock is for others then. */
#define RETENTION_REST_MS 20
/* ms. What goes wrong is logged once in this time. */
#define COMPLAIN_EVERY_MS 10000

struct instance {
    char *url;
    struct db *records, *control;
    struct db_presence *presence;
    int64_t number;
    pthread_t thread;
    bool is_running;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t stop;
    bool is_stopping;
    /* The thread's. */
    int64_t complained_at_ms, retained_at_ms, looked_at_ms;
    int64_t looks_from_ms; /* before, those who live may not have held their numbers anew */
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

/* Somebody has removed the file of locks: those who come later must not take us for dead. */
static enum status_code hold_anew(struct instance *i, struct status *err)
{
    struct db_presence *presence = NULL;
    enum status_code rc = db_presence_open(i->url, &presence, err);
    if (rc == STATUS_OK)
        rc = db_presence_hold(presence, i->number, err);
    if (rc != STATUS_OK) {
        db_presence_close(presence);
        return rc;
    }
    log_warn("presence_held_anew", LOG_C("why", "its file was removed"));
    db_presence_close(i->presence);
    i->presence = presence;
    i->looks_from_ms = clock_monotonic_ms() + PRESENCE_NEW_MS;
    return STATUS_OK;
}

static enum status_code look(struct instance *i, struct status *err)
{
    size_t closed = 0;
    if (!db_presence_is_in_place(i->presence))
        return hold_anew(i, err);
    i->looked_at_ms = clock_monotonic_ms();
    if (i->looked_at_ms < i->looks_from_ms)
        return STATUS_OK;
    enum status_code rc = orphans_close(i->records, i->presence, i->number, clock_wall_ms(), &closed, err);
    if (closed > 0)
        log_warn("orphans_closed", LOG_INT("runs", closed));
    return rc;
}

/* False: it is time to end. */
static bool rest(struct instance *i, int64_t until_ms)
{
    const struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
    pthread_mutex_lock(&i->lock);
    while (!i->is_stopping && pthread_cond_timedwait(&i->stop, &i->lock, &until) != ETIMEDOUT)
        ;
    bool goes_on = !i->is_stopping;
    pthread_mutex_unlock(&i->lock);
    return goes_on;
}

static void complain(struct instance *i, const struct status *why)
{
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms - i->complained_at_ms < COMPLAIN_EVERY_MS)
        return;
    i->complained_at_ms = now_ms;
    log_error("records_not_tended", LOG_C("reason", why->reason), LOG_C("words", why->message));
}

/* Between two steps of a removal that may take long: the dead are looked for all the same. */
static bool go_on(void *arg)
{
    struct instance *i = arg;
    struct status err;
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms - i->looked_at_ms >= INSTANCE_LOOK_MS && look(i, &err) != STATUS_OK)
        complain(i, &err);
    return rest(i, now_ms + RETENTION_REST_MS);
}

static enum status_code retain(struct instance *i, struct status *err)
{
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms - i->retained_at_ms < RETENTION_EVERY_MS)
        return STATUS_OK;
    i->retained_at_ms = now_ms;
    const struct retention retention = {
        .control = i->control, .records = i->records, .goes_on = go_on, .arg = i};
    size_t removed = 0;
    enum status_code rc = retention_run(&retention, clock_wall_ms(), &removed, err);
    if (removed > 0)
        log_info("records_removed", LOG_INT("count", removed));
    return rc;
}

static void *tend(void *arg)
{
    struct instance *i = arg;
    pthread_setname_np(pthread_self(), "presence");
    while (rest(i, clock_monotonic_ms() + INSTANCE_LOOK_MS)) {
        struct status err;
        if (look(i, &err) != STATUS_OK || retain(i, &err) != STATUS_OK)
            complain(i, &err);
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

/* Before the first look. */
static enum status_code wait_for_others(struct instance *i, struct status *err)
{
    static const struct sql sql = {"select 1 from instances where died_at_ms = 0 and id <> $1 limit 1"};
    bool has_others = false;
    if (!db_presence_is_new(i->presence))
        return STATUS_OK;
    struct db_rows rows = db_query(i->records, &sql, DB_VALUES(DB_INT(i->number)), err);
    while (db_next(&rows))
        has_others = true;
    if (has_others)
        (void)rest(i, clock_monotonic_ms() + PRESENCE_NEW_MS);
    return db_end(&rows);
}

enum status_code instance_take(const char *url, const char *kind, const char *name,
                               struct instance **ret_instance, struct status *err)
{
    struct instance *i = instance_new();
    if (i == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "store: no memory");
    const struct db_open records = {.part = DB_RECORDS, .create = true};
    i->url = strdup(url);
    enum status_code rc = i->url == NULL ? status_set(err, STATUS_RESOURCE_EXHAUSTED, "store: no memory")
                                         : db_open(url, &records, &i->records, err);
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
        rc = wait_for_others(i, err);
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
    free(i->url);
    pthread_cond_destroy(&i->stop);
    pthread_mutex_destroy(&i->lock);
    free(i);
}

int64_t instance_number(const struct instance *i)
{
    return i->number;
}
