/*
 * store: see store.h. Opening and closing, the queue of calls and the threads that take from it.
 */
#include "shared/store/store.h"
#include "shared/store/core.h"
#include "shared/store/migrate.h"
#include <stdlib.h>
#include <string.h>

struct ping_call {
    struct call call;
    store_done done;
};
struct check_call {
    struct call call;
    store_done done;
};

static enum db_part part_of(enum store_file file);
static enum status_code prepare_schema(const char *url, const struct store_options *options,
                                       struct db **ret_db, struct status *err);
static enum status_code open_connections(struct store *store, const char *url, unsigned threads,
                                         struct status *err);
static enum status_code start_threads(struct store *store, struct status *err);
static void *store_thread(void *arg);
static struct call *take_next(struct store *store);
static enum status_code ping_run(struct call *call, struct db *db, struct status *err);
static void ping_answer(struct call *call, const struct status *status);
static enum status_code check_run(struct call *call, struct db *db, struct status *err);
static void check_answer(struct call *call, const struct status *status);

enum status_code store_open(const char *url, const struct store_options *options, struct store **ret_store,
                            struct status *err)
{
    unsigned threads = options->threads == 0 ? 1 : options->threads;
    if (threads > STORE_THREADS_MAX)
        return status_field(err, "store", "at most %d threads", STORE_THREADS_MAX);
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "store: no memory");
    store->file = options->file;
    store->role = options->role;
    store->tail = &store->head;
    signal_init(&store->signal);
    pthread_mutex_init(&store->lock, NULL);
    pthread_cond_init(&store->has_work, NULL);

    /* Kept open until the others are: when the last connection goes, SQLite tidies up its side files. */
    struct db *first = NULL;
    enum status_code rc = keyring_init(&store->ring, options->master_key, err);
    if (rc == STATUS_OK)
        rc = prepare_schema(url, options, &first, err);
    if (rc == STATUS_OK)
        rc = open_connections(store, url, threads, err);
    db_close(first);
    if (rc == STATUS_OK)
        rc = start_threads(store, err);
    if (rc != STATUS_OK) {
        store_close(store);
        return rc;
    }
    *ret_store = store;
    return STATUS_OK;
}

void store_close(struct store *take_store)
{
    if (take_store == NULL)
        return;
    struct store *store = take_store;
    pthread_mutex_lock(&store->lock);
    store->is_closed = true;
    pthread_cond_broadcast(&store->has_work);
    pthread_mutex_unlock(&store->lock);
    for (unsigned i = 0; i < store->thread_count; i++)
        pthread_join(store->threads[i].thread, NULL);
    signal_fini(&store->signal);
    for (unsigned i = 0; i < store->connection_count; i++)
        db_close(store->threads[i].db);
    keyring_fini(&store->ring);
    pthread_cond_destroy(&store->has_work);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

enum status_code store_migrate(const char *url, enum store_file file, int *ret_from, int *ret_to,
                               struct status *err)
{
    struct db *db = NULL;
    enum status_code rc = db_open(url, &(struct db_open){.part = part_of(file), .create = true}, &db, err);
    if (rc != STATUS_OK)
        return rc;
    rc = migrate_up(db, db_schema(db)->migrations, db_schema(db)->count, ret_from, err);
    if (rc == STATUS_OK)
        *ret_to = (int)db_schema(db)->count;
    db_close(db);
    return rc;
}

enum status_code store_check(struct store *store, struct status *err)
{
    static const struct call_type type = {CALL_READ, check_run, check_answer};
    struct store_wait wait;
    struct check_call *c = call_new(sizeof *c, store, &type, &wait, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->done = store_wait_done;
    store_wait_init(&wait);
    enum status_code rc = call_submit(&c->call, err);
    if (rc != STATUS_OK) {
        store_wait_fini(&wait);
        return rc;
    }
    return store_wait(&wait, err);
}

enum status_code store_ping(struct store *store, store_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_READ, ping_run, ping_answer};
    struct ping_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->done = done;
    return call_submit(&c->call, err);
}

enum status_code store_watch(struct store *store, void (*changed)(void *arg, uint64_t generation), void *arg,
                             struct status *err)
{
    return signal_watch(&store->signal, changed, arg, err);
}

uint64_t store_generation(const struct store *store)
{
    return atomic_load(&store->signal.generation);
}

uint64_t store_config_generation(const struct store *store)
{
    return atomic_load(&store->signal.config_generation);
}

void store_wait_init(struct store_wait *wait)
{
    *wait = (struct store_wait){.is_done = false};
    pthread_mutex_init(&wait->lock, NULL);
    pthread_cond_init(&wait->changed, NULL);
}

void store_wait_done(void *wait_arg, const struct status *status)
{
    struct store_wait *wait = wait_arg;
    pthread_mutex_lock(&wait->lock);
    wait->status = *status;
    wait->is_done = true;
    pthread_cond_signal(&wait->changed);
    pthread_mutex_unlock(
        &wait->lock); /* the waiter cannot end `wait` before this has returned: it needs the lock */
}

enum status_code store_wait(struct store_wait *wait, struct status *err)
{
    pthread_mutex_lock(&wait->lock);
    while (!wait->is_done)
        pthread_cond_wait(&wait->changed, &wait->lock);
    pthread_mutex_unlock(&wait->lock);
    if (err != NULL && wait->status.code != STATUS_OK)
        *err = wait->status;
    enum status_code rc = wait->status.code;
    store_wait_fini(wait);
    return rc;
}

void store_wait_fini(struct store_wait *wait)
{
    pthread_cond_destroy(&wait->changed);
    pthread_mutex_destroy(&wait->lock);
}

enum status_code store_push(struct store *store, struct call *take_call, struct status *err)
{
    enum status_code rc = STATUS_OK;
    take_call->queued_bytes = take_call->arena.used;
    pthread_mutex_lock(&store->lock);
    if (store->is_closed) {
        rc = status_reason(err, STATUS_UNAVAILABLE, "STORE_CLOSED", "store: closed");
    } else if (store->count == STORE_QUEUE_MAX ||
               take_call->queued_bytes > STORE_QUEUE_BYTES_MAX - store->bytes) {
        rc = status_reason(err, STATUS_UNAVAILABLE, "STORE_OVERLOADED",
                           "store: %zu calls with %zu bytes are waiting", store->count, store->bytes);
    } else {
        store->count++;
        store->bytes += take_call->queued_bytes;
        take_call->next = NULL;
        *store->tail = take_call;
        store->tail = &take_call->next;
        pthread_cond_signal(&store->has_work);
    }
    pthread_mutex_unlock(&store->lock);
    return rc;
}

static enum db_part part_of(enum store_file file)
{
    return file == STORE_RECORDS ? DB_RECORDS : DB_CONTROL;
}

static enum status_code prepare_schema(const char *url, const struct store_options *options,
                                       struct db **ret_db, struct status *err)
{
    struct db *db = NULL;
    bool migrates = options->schema == STORE_MIGRATE;
    const struct db_open how = {.part = part_of(options->file), .create = migrates};
    enum status_code rc = db_open(url, &how, &db, err);
    if (rc != STATUS_OK)
        return rc;
    rc = migrates ? migrate_up(db, db_schema(db)->migrations, db_schema(db)->count, NULL, err)
                  : migrate_check(db, db_schema(db)->count, err);
    if (rc != STATUS_OK) {
        db_close(db);
        return rc;
    }
    *ret_db = db;
    return STATUS_OK;
}

static enum status_code open_connections(struct store *store, const char *url, unsigned threads,
                                         struct status *err)
{
    struct db_open how = {.part = part_of(store->file)}; /* who may write what: call_submit() */
    for (unsigned i = 0; i < threads; i++) {
        enum status_code rc = db_open(url, &how, &store->threads[i].db, err);
        if (rc != STATUS_OK)
            return rc;
        store->threads[i].store = store;
        store->connection_count++;
    }
    if (store->file == STORE_RECORDS)
        return STATUS_OK; /* nobody watches them */
    struct db *watching = NULL;
    enum status_code rc = db_open(url, &(struct db_open){.query_only = true}, &watching, err);
    if (rc != STATUS_OK)
        return rc;
    rc = signal_start(&store->signal, watching, err);
    if (rc != STATUS_OK)
        db_close(watching);
    return rc;
}

static enum status_code start_threads(struct store *store, struct status *err)
{
    for (unsigned i = 0; i < store->connection_count; i++) {
        struct store_thread *t = &store->threads[i];
        int failed = pthread_create(&t->thread, NULL, store_thread, t);
        if (failed != 0)
            return status_set(err, STATUS_RESOURCE_EXHAUSTED, "store: no thread: %s", strerror(failed));
        store->thread_count++;
    }
    return STATUS_OK;
}

static void *store_thread(void *arg)
{
    struct store_thread *t = arg;
    struct call *call;
    pthread_setname_np(pthread_self(), "store");
    while ((call = take_next(t->store)) != NULL)
        call_execute(call, t->db);
    return NULL;
}

/* Waits; NULL when the store is closed and nothing is left. */
static struct call *take_next(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    while (store->head == NULL && !store->is_closed)
        pthread_cond_wait(&store->has_work, &store->lock);
    struct call *call = store->head;
    if (call != NULL) {
        store->head = call->next;
        if (store->head == NULL)
            store->tail = &store->head;
        store->count--;
        store->bytes -= call->queued_bytes;
    }
    pthread_mutex_unlock(&store->lock);
    return call;
}

static enum status_code ping_run(struct call *call, struct db *db, struct status *err)
{
    static const struct sql sql = {"select max(version) from schema_migrations"};
    (void)call;
    struct db_rows rows = db_query(db, &sql, DB_NO_VALUES, err);
    (void)db_next(&rows); /* its end tells */
    return db_end(&rows);
}

static void ping_answer(struct call *call, const struct status *status)
{
    CONTAINER_OF(call, struct ping_call, call)->done(call->arg, status);
}

static enum status_code check_run(struct call *call, struct db *db, struct status *err)
{
    (void)call; /* nothing is asked but the connection */
    enum status_code rc = migrate_check(db, db_schema(db)->count, err);
    return rc == STATUS_OK ? db_check(db, err) : rc;
}

static void check_answer(struct call *call, const struct status *status)
{
    CONTAINER_OF(call, struct check_call, call)->done(call->arg, status);
}
