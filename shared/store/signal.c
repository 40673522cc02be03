/*
 * signal: see signal.h.
 */
#include "shared/store/signal.h"
#include "shared/base/clock.h"
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

/* ms. Between two looks. */
#define LOOK_MS 20

static const struct sql sql_config_generation = {
    "select value from settings where workspace_id = 'default' and name = 'config_generation'"};

static void *watch_thread(void *arg);
static bool wait_or_stop(struct signal *sig);
static enum status_code read_config_generation(struct db *db, uint64_t *ret, struct status *err);

void signal_init(struct signal *sig)
{
    *sig = (struct signal){0};
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&sig->lock, NULL);
    pthread_cond_init(&sig->stop, &attr);
    pthread_condattr_destroy(&attr);
}

enum status_code signal_start(struct signal *sig, struct db *take_db, struct status *err)
{
    uint64_t config_generation;
    enum status_code rc = read_config_generation(take_db, &config_generation, err);
    if (rc != STATUS_OK)
        return rc;
    atomic_store(&sig->config_generation, config_generation);
    sig->db = take_db;
    int failed = pthread_create(&sig->thread, NULL, watch_thread, sig);
    if (failed != 0) {
        sig->db = NULL;
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "store: no thread: %s", strerror(failed));
    }
    sig->is_running = true;
    return STATUS_OK;
}

void signal_fini(struct signal *sig)
{
    if (sig->is_running) {
        pthread_mutex_lock(&sig->lock);
        sig->is_stopping = true;
        pthread_cond_signal(&sig->stop);
        pthread_mutex_unlock(&sig->lock);
        pthread_join(sig->thread, NULL);
    }
    db_close(sig->db);
    pthread_cond_destroy(&sig->stop);
    pthread_mutex_destroy(&sig->lock);
}

enum status_code signal_watch(struct signal *sig, void (*changed)(void *arg, uint64_t generation), void *arg,
                              struct status *err)
{
    enum status_code rc = STATUS_OK;
    pthread_mutex_lock(&sig->lock);
    size_t count = atomic_load(&sig->watch_count);
    if (count == STORE_WATCHES_MAX) {
        rc = status_set(err, STATUS_RESOURCE_EXHAUSTED, "store: more than %d watches", STORE_WATCHES_MAX);
    } else {
        sig->watches[count] = (struct signal_watch){changed, arg};
        atomic_store(&sig->watch_count, count + 1);
    }
    pthread_mutex_unlock(&sig->lock);
    return rc;
}

enum status_code signal_watch_commits(struct signal *sig, void (*changed)(void *arg), void *arg,
                                      struct status *err)
{
    enum status_code rc = STATUS_OK;
    pthread_mutex_lock(&sig->lock);
    if (sig->commits.changed != NULL)
        rc = status_set(err, STATUS_RESOURCE_EXHAUSTED, "store: rests are watched already");
    else
        sig->commits.arg = arg;
    if (rc == STATUS_OK)
        sig->commits.changed = changed;
    pthread_mutex_unlock(&sig->lock);
    return rc;
}

static void tell_commit(struct signal *sig)
{
    pthread_mutex_lock(&sig->lock);
    void (*changed)(void *arg) = sig->commits.changed;
    void *arg = sig->commits.arg;
    pthread_mutex_unlock(&sig->lock);
    if (changed != NULL)
        changed(arg);
}

void signal_tell(struct signal *sig, uint64_t config_generation)
{
    uint64_t seen = atomic_load(&sig->config_generation);
    while (seen < config_generation &&
           !atomic_compare_exchange_weak(&sig->config_generation, &seen, config_generation))
        ;
    uint64_t generation = atomic_fetch_add(&sig->generation, 1) + 1;
    size_t count = atomic_load(&sig->watch_count);
    for (size_t i = 0; i < count; i++)
        sig->watches[i].changed(sig->watches[i].arg, generation);
}

/*
 * A look that fails (a busy file, a full disk) is made again: `looked` only moves after a whole one. The first whole look
 * compares config_generation in any case, so a commit between signal_start() and it is not missed.
 */
static void *watch_thread(void *arg)
{
    struct signal *sig = arg;
    int64_t looked = -1;
    pthread_setname_np(pthread_self(), "store-watch");
    while (!wait_or_stop(sig)) {
        int64_t version;
        uint64_t config_generation;
        if (db_data_version(sig->db, &version, NULL) != STATUS_OK || version == looked)
            continue;
        if (read_config_generation(sig->db, &config_generation, NULL) != STATUS_OK)
            continue;
        looked = version;
        if (config_generation > atomic_load(&sig->config_generation))
            signal_tell(sig, config_generation);
        tell_commit(sig);
    }
    return NULL;
}

/* True when it is time to end. */
static bool wait_or_stop(struct signal *sig)
{
    int64_t until_ms = clock_monotonic_ms() + LOOK_MS;
    struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
    int rc = 0;
    pthread_mutex_lock(&sig->lock);
    while (!sig->is_stopping && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&sig->stop, &sig->lock, &until);
    bool is_stopping = sig->is_stopping;
    pthread_mutex_unlock(&sig->lock);
    return is_stopping;
}

static enum status_code read_config_generation(struct db *db, uint64_t *ret, struct status *err)
{
    uint64_t value = 0;
    bool is_number = false;
    struct db_rows rows = db_query(db, &sql_config_generation, DB_NO_VALUES, err);
    while (db_next(&rows))
        is_number = str_to_u64(db_text(&rows, 0), &value);
    enum status_code rc = db_end(&rows);
    if (rc != STATUS_OK)
        return rc;
    if (!is_number)
        return status_reason(err, STATUS_DATA_LOSS, "STORE_CORRUPT",
                             "store: setting config_generation is no number");
    *ret = value;
    return STATUS_OK;
}
