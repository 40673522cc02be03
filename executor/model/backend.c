/*
 * backend: see the header. Models, credentials and rests come from the store in one go and make a snapshot; a change brings a new
 * one. Rests are read alone when somebody has written some.
 */
#include "executor/model/backend.h"

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* ms. After a read that failed: every run may ask for the next one. */
#define AGAIN_MS 1000

struct model_source {
    const char *ca_file, *seen_by;
    enum http_version version;
    struct call_times times;
    struct pool *pool;
    struct model_stats stats;
    struct model_meters *meters;
    atomic_uint_fast64_t read_generation; /* what the newest read shows at least; 0: it failed */
    atomic_int_fast64_t again_at_ms;      /* after a failed read: not before */

    pthread_mutex_t lock;  /* for what follows */
    struct store *store;   /* NULL: it is not asked any more */
    uint64_t reads, shown; /* numbers of the newest read, and of the one the pool has */
    struct store_wait *first_read;
};

/* A read under way: its three questions are asked at once and answered one after the other. */
struct reading {
    atomic_int holds; /* who asks, and the answers that will come */
    struct model_source *source;
    uint64_t number;
    struct settings *settings;
    struct snapshot *snapshot;
    struct status why_not; /* code OK: nothing is wrong */
};

/* One loop's. */
struct models {
    struct call_host host;
    struct model_source *source;
    uv_async_t woken;
    uv_timer_t due;
    int open_handles;
};

/* --- reading --- */

static void tell_first_read(struct model_source *source, const struct status *status)
{
    pthread_mutex_lock(&source->lock);
    struct store_wait *wait = source->first_read;
    source->first_read = NULL;
    pthread_mutex_unlock(&source->lock);
    if (wait != NULL)
        store_wait_done(wait, status);
}

/* The old ones stay in use: better yesterday's keys than none. The next run that knows of a change has them read again. */
static void not_read(struct model_source *source, const struct status *why)
{
    atomic_store(&source->again_at_ms, clock_monotonic_ms() + AGAIN_MS);
    atomic_store(&source->read_generation, 0);
    log_error("credentials_not_read", LOG_C("reason", why->reason), LOG_C("words", why->message));
    tell_first_read(source, why);
}

/* The last one says how it went. */
static void reading_release(struct reading *reading)
{
    if (atomic_fetch_sub(&reading->holds, 1) != 1)
        return;
    if (reading->why_not.code != STATUS_OK)
        not_read(reading->source, &reading->why_not);
    else
        tell_first_read(reading->source, &reading->why_not);
    snapshot_unref(reading->snapshot);
    settings_free(reading->settings);
    free(reading);
}

static void note_why_not(struct reading *reading, const struct status *status)
{
    if (reading->why_not.code == STATUS_OK)
        reading->why_not = *status;
}

static void models_loaded(void *arg, const struct store_model_page *page, const struct status *status)
{
    struct reading *reading = arg;
    struct status err = *status;
    if (err.code == STATUS_OK)
        err.code = settings_new(page, &reading->settings, &err);
    note_why_not(reading, &err);
    reading_release(reading);
}

static void credentials_loaded(void *arg, const struct store_credential_set *set, const struct status *status)
{
    struct reading *reading = arg;
    struct status err = *status;
    if (err.code == STATUS_OK && reading->why_not.code == STATUS_OK)
        err.code = snapshot_new(set, reading->settings, &reading->snapshot, &err);
    if (reading->snapshot != NULL)
        reading->settings = NULL;
    note_why_not(reading, &err);
    reading_release(reading);
}

/* Is it newer than what the pool has? */
static bool is_newest(struct reading *reading)
{
    struct model_source *source = reading->source;
    pthread_mutex_lock(&source->lock);
    bool is_newer = reading->number > source->shown;
    source->shown = is_newer ? reading->number : source->shown;
    pthread_mutex_unlock(&source->lock);
    return is_newer;
}

/* The last answer. Rests that cannot be read keep nobody from being called. */
static void all_loaded(void *arg, const struct store_rest_set *set, const struct status *status)
{
    struct reading *reading = arg;
    struct pool *pool = reading->source->pool;
    int64_t now_ms = clock_monotonic_ms();
    if (reading->snapshot != NULL && is_newest(reading)) {
        pool_update(pool, reading->snapshot, now_ms);
        reading->snapshot = NULL;
    }
    if (status->code == STATUS_OK)
        pool_take_rests(pool, set, str_c(reading->source->seen_by), now_ms);
    else
        log_warn("rests_not_read", LOG_C("reason", status->reason), LOG_C("words", status->message));
    reading_release(reading);
}

/*
 * All questions at once: what is asked of the store afterwards is answered when the new ones are in use (it answers in order: it
 * has one thread).
 */
static enum status_code ask_store(struct store *store, struct reading *reading, struct status *err)
{
    atomic_fetch_add(&reading->holds, 3);
    enum status_code rc = store_model_load(store, models_loaded, reading, err);
    int queued = rc == STATUS_OK;
    if (rc == STATUS_OK) {
        rc = store_credential_load(store, NULL, credentials_loaded, reading, err);
        queued += rc == STATUS_OK;
    }
    if (rc == STATUS_OK) {
        rc = store_rest_load(store, all_loaded, reading, err);
        queued += rc == STATUS_OK;
    }
    atomic_fetch_sub(&reading->holds, 3 - queued); /* not the last: the asker's is left */
    return rc;
}

static void reload(struct model_source *source, uint64_t generation)
{
    struct status err = {.code = STATUS_OK};
    struct reading *reading = calloc(1, sizeof *reading);
    if (reading == NULL) {
        status_set(&err, STATUS_RESOURCE_EXHAUSTED, "credentials: out of memory");
        not_read(source, &err);
        return;
    }
    atomic_init(&reading->holds, 1);
    reading->source = source;
    atomic_store(&source->read_generation, generation);
    pthread_mutex_lock(&source->lock);
    reading->number = ++source->reads;
    if (source->store != NULL)
        err.code = ask_store(source->store, reading, &err);
    pthread_mutex_unlock(&source->lock);
    if (err.code != STATUS_OK)
        not_read(source, &err);
    reading_release(reading);
}

static void store_changed(void *arg, uint64_t generation)
{
    struct model_source *source = arg;
    (void)generation; /* of this process's own count */
    pthread_mutex_lock(&source->lock);
    uint64_t config_generation = source->store == NULL ? 0 : store_config_generation(source->store);
    pthread_mutex_unlock(&source->lock);
    reload(source, config_generation);
}

void model_source_catch_up(struct model_source *source, uint64_t generation)
{
    /* What others have seen is in the store, so one read shows it, though this process is told of the change later. */
    if (generation > atomic_load(&source->read_generation) &&
        clock_monotonic_ms() >= atomic_load(&source->again_at_ms))
        reload(source, generation);
}

static void rests_loaded(void *arg, const struct store_rest_set *set, const struct status *status)
{
    struct model_source *source = arg;
    if (status->code == STATUS_OK)
        pool_take_rests(source->pool, set, str_c(source->seen_by), clock_monotonic_ms());
    else
        log_warn("rests_not_read", LOG_C("reason", status->reason), LOG_C("words", status->message));
}

static void rests_changed(void *arg)
{
    struct model_source *source = arg;
    struct status err = {.code = STATUS_OK};
    pthread_mutex_lock(&source->lock);
    if (source->store != NULL)
        err.code = store_rest_load(source->store, rests_loaded, source, &err);
    pthread_mutex_unlock(&source->lock);
    if (err.code != STATUS_OK)
        rests_loaded(source, NULL, &err);
}

/* --- life --- */

enum status_code model_source_new(const struct model_source_options *options,
                                  struct model_source **ret_source, struct status *err)
{
    struct model_source *source = calloc(1, sizeof *source);
    if (source == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "credentials: out of memory");
    source->store = options->store;
    source->ca_file = options->ca_file;
    source->version = options->version;
    source->times = options->times;
    source->seen_by = options->seen_by;
    source->meters = options->meters;
    source->pool =
        pool_new(options->may_wait, options->waiting_max == 0 ? POOL_WAITING_MAX : options->waiting_max);
    pthread_mutex_init(&source->lock, NULL);
    if (source->pool == NULL) {
        model_source_free(source);
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "credentials: out of memory");
    }
    *ret_source =
        source; /* watches may fire until the store is closed: the caller closes it before it frees */
    struct store_wait wait;
    store_wait_init(&wait);
    source->first_read = &wait;
    if (store_watch(options->store, store_changed, source, err) != STATUS_OK ||
        store_rest_watch(options->store, rests_changed, source, err) != STATUS_OK) {
        tell_first_read(source, err);
        return store_wait(&wait, err);
    }
    reload(source, store_config_generation(options->store));
    return store_wait(&wait, err) == STATUS_OK ? STATUS_OK : status_prefix(err, "credentials");
}

void model_source_stop(struct model_source *source)
{
    if (source == NULL)
        return;
    pthread_mutex_lock(&source->lock);
    source->store = NULL;
    pthread_mutex_unlock(&source->lock);
}

void model_source_free(struct model_source *source)
{
    if (source == NULL)
        return;
    pool_free(source->pool);
    pthread_mutex_destroy(&source->lock);
    free(source);
}

void model_source_collect(struct model_source *source)
{
    const struct model_meters *meters = source->meters;
    metric_set(metric_only(meters->waits), (int64_t)atomic_load(&source->stats.waits));
    metric_set(metric_only(meters->gave_up), (int64_t)atomic_load(&source->stats.gave_up));
    metric_set(metric_only(meters->waiting), (int64_t)pool_waiting(source->pool));
}

/* --- what has become of a credential --- */

static void rest_put_done(void *arg, const struct status *status)
{
    (void)arg;
    if (status->code != STATUS_OK)
        log_warn("rest_not_stored", LOG_C("reason", status->reason), LOG_C("words", status->message));
}

static void disable_done(void *arg, const struct status *status)
{
    (void)arg;
    if (status->code != STATUS_OK && status->code != STATUS_NOT_FOUND)
        log_error("credential_not_disabled", LOG_C("reason", status->reason),
                  LOG_C("words", status->message));
}

static void store_rest(struct model_source *source, const struct pool_ticket *ticket,
                       const struct standing_change *change)
{
    struct status err = {.code = STATUS_OK};
    const struct credential *c = ticket->credential;
    const struct store_rest_put rest = {.workspace_id = c->workspace_id,
                                        .credential_id = c->id,
                                        .model = ticket->model,
                                        .for_ms = change->for_ms,
                                        .reason = str_c(change->reason),
                                        .seen_by = str_c(source->seen_by),
                                        .fresh_since_ms = c->fresh_since_ms};
    pthread_mutex_lock(&source->lock);
    if (source->store != NULL)
        err.code = store_rest_put(source->store, &rest, rest_put_done, NULL, &err);
    pthread_mutex_unlock(&source->lock);
    if (err.code != STATUS_OK)
        rest_put_done(NULL, &err);
}

static void store_disabled(struct model_source *source, const struct pool_ticket *ticket, struct str reason)
{
    struct status err = {.code = STATUS_OK};
    const struct credential *c = ticket->credential;
    const struct store_credential_disable disable = {
        .ref = {.workspace_id = c->workspace_id, .credential_id = c->id},
        .reason = reason,
        .fresh_since_ms = c->fresh_since_ms};
    pthread_mutex_lock(&source->lock);
    if (source->store != NULL)
        err.code = store_credential_disable(source->store, &disable, disable_done, NULL, &err);
    pthread_mutex_unlock(&source->lock);
    if (err.code != STATUS_OK)
        disable_done(NULL, &err);
}

static void note_disabled(struct model_source *source, const struct pool_ticket *ticket,
                          const struct standing_change *change, const struct attempt_failure *failure)
{
    struct buf reason;
    buf_init(&reason, STORE_REASON_BYTES_MAX + failure->words.len);
    buf_put_c(&reason, change->reason);
    if (failure->http_status != 0)
        buf_printf(&reason, " (HTTP %d%s)", failure->http_status,
                   failure->refusal == REFUSAL_UNAUTHORIZED ? " three times" : "");
    buf_put_c(&reason, ": ");
    buf_put(&reason, failure->words);
    struct str words = reason.failed ? str_c(change->reason) : buf_str(&reason);
    log_error("credential_disabled", LOG_STR("name", ticket->credential->name), LOG_STR("why", words));
    store_disabled(source, ticket, words);
    buf_fini(&reason);
}

static void note(struct call_host *host, const struct pool_ticket *ticket,
                 const struct standing_change *change, const struct attempt_failure *failure)
{
    struct model_source *source = CONTAINER_OF(host, struct models, host)->source;
    struct str name = ticket->credential->name;
    if (change->is_disabled || change->is_back || change->is_to_be_stored)
        model_meters_changed(source->meters, ticket, change);
    if (change->is_disabled) {
        note_disabled(source, ticket, change, failure);
    } else if (change->is_back) {
        log_info("credential_back", LOG_STR("name", name), LOG_STR("model", ticket->model));
    } else if (change->is_to_be_stored) {
        log_warn("credential_rests", LOG_STR("name", name), LOG_STR("model", ticket->model),
                 LOG_C("why", change->reason), LOG_INT("for_ms", change->for_ms),
                 LOG_INT("http_status", failure->http_status));
        store_rest(source, ticket, change);
    }
}

/* --- a loop's --- */

static void wake(struct pool_home *home)
{
    struct models *models = CONTAINER_OF(CONTAINER_OF(home, struct call_host, home), struct models, host);
    uv_async_send(&models->woken);
}

static void on_due(uv_timer_t *timer);

/* Looks at what has become free by time, and sees to it that it looks again when more will. */
static void arm(struct models *models)
{
    int64_t now_ms = clock_monotonic_ms();
    int64_t next_ms = pool_due(models->host.pool, &models->host.home, now_ms);
    if (next_ms == INT64_MAX) {
        uv_timer_stop(&models->due);
        return;
    }
    uv_update_time(models->due.loop);
    uv_timer_start(&models->due, on_due, next_ms > now_ms ? (uint64_t)(next_ms - now_ms) : 1, 0);
}

static void on_due(uv_timer_t *timer)
{
    struct models *models = timer->data;
    arm(models);
}

static void on_woken(uv_async_t *async)
{
    struct models *models = async->data;
    model_calls_go_on(&models->host);
    arm(models);
}

static enum status_code models_open(void *arg, uv_loop_t *loop, void **ret_models, struct status *err)
{
    struct model_source *source = arg;
    struct models *models = calloc(1, sizeof *models);
    if (models == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "models: out of memory");
    const struct http_client_options options = {
        .loop = loop, .ca_file = source->ca_file, .version = source->version};
    models->source = source;
    models->host = (struct call_host){.pool = source->pool,
                                      .times = source->times,
                                      .note = note,
                                      .stats = &source->stats,
                                      .meters = source->meters};
    if (http_client_new(&options, &models->host.http, err) != STATUS_OK) {
        free(models);
        return err->code;
    }
    if (uv_async_init(loop, &models->woken, on_woken) != 0) {
        http_client_close(models->host.http);
        free(models);
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "models: no wake-up to be had");
    }
    uv_timer_init(loop, &models->due);
    models->woken.data = models->due.data = models;
    models->open_handles = 2;
    pool_add_home(source->pool, &models->host.home, wake);
    *ret_models = models;
    return STATUS_OK;
}

static void handle_closed(uv_handle_t *handle)
{
    struct models *models = handle->data;
    if (--models->open_handles == 0)
        free(models);
}

static void models_close(void *arg)
{
    struct models *models = arg;
    pool_remove_home(models->host.pool, &models->host.home);
    http_client_close(models->host.http);
    uv_close((uv_handle_t *)&models->woken, handle_closed);
    uv_close((uv_handle_t *)&models->due, handle_closed);
}

static struct model_call *start(void *arg, const struct model_caller *caller,
                                const struct model_request *request, const struct model_callbacks *callbacks,
                                void *callback_arg, struct status *err)
{
    struct models *models = arg;
    return model_call_start(&models->host, caller, request, callbacks, callback_arg, err);
}

static void cancel(void *arg, struct model_call *call)
{
    (void)arg;
    model_call_cancel(call);
}

static void pause_call(void *arg, struct model_call *call)
{
    (void)arg;
    model_call_pause(call);
}

static void resume_call(void *arg, struct model_call *call)
{
    (void)arg;
    model_call_resume(call);
}

static int64_t context(void *arg, const struct model_caller *caller, struct str provider, struct str model)
{
    struct model_source *source = arg;
    struct str workspace_id = caller->workspace_id.len > 0 ? caller->workspace_id : STR("default");
    return pool_context_size(source->pool, workspace_id, provider, model);
}

struct model_backend model_source_backend(struct model_source *source)
{
    return (struct model_backend){.arg = source,
                                  .open = models_open,
                                  .close = models_close,
                                  .context = context,
                                  .start = start,
                                  .cancel = cancel,
                                  .pause = pause_call,
                                  .resume = resume_call};
}
