/*
 * backend: see the header. Models, then credentials come from the store and make a pool; a change brings a new one. Rests are read
 * after it, and when somebody has written some.
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
    struct store *store;
    const char *ca_file, *seen_by;
    bool may_wait;
    struct standings *standings;
    struct line *line;
    struct model_stats stats;
    atomic_uint_fast64_t read_generation; /* what the newest read shows at least; 0: it failed */
    atomic_int_fast64_t again_at_ms;      /* after a failed read: not before */
    struct store_wait *first_read;        /* somebody waits for the first one */

    pthread_mutex_t lock; /* for what follows */
    struct pool *pool;
    bool is_stopped;
};

/* A read under way: the settings wait for the credentials, which the one thread of the store reads next. */
struct reading {
    atomic_int refs;
    struct model_source *source;
    struct settings *settings;
    struct status why_not; /* code OK: they were read */
};

/* One loop's. */
struct models {
    struct call_host host;
    struct model_source *source;
    uv_async_t served;
    uv_timer_t look;
    int open_handles;
};

/* --- reading --- */

static struct pool *current_pool(struct model_source *source)
{
    pthread_mutex_lock(&source->lock);
    struct pool *pool = source->pool == NULL ? NULL : pool_ref(source->pool);
    pthread_mutex_unlock(&source->lock);
    return pool;
}

/* The old ones stay in use: better yesterday's keys than none. The next run that knows of a change has them read again. */
static void not_read(struct model_source *source, const struct status *why)
{
    atomic_store(&source->again_at_ms, clock_monotonic_ms() + AGAIN_MS);
    atomic_store(&source->read_generation, 0);
    log_error("credentials_not_read", LOG_C("reason", why->reason), LOG_C("words", why->message));
    if (source->first_read != NULL)
        store_wait_done(source->first_read, why);
    source->first_read = NULL;
}

static void rests_loaded(void *arg, const struct store_rest_set *set, const struct status *status)
{
    struct model_source *source = arg;
    if (status->code != STATUS_OK) {
        not_read(source, status);
        return;
    }
    pool_take_rests(source->standings, set, clock_monotonic_ms());
    struct pool *pool = current_pool(source);
    if (pool != NULL && !line_is_empty(source->line))
        line_look(source->line, pool, clock_monotonic_ms());
    pool_unref(pool);
    if (source->first_read != NULL)
        store_wait_done(source->first_read, status);
    source->first_read = NULL;
}

/* Does nothing once the store is not to be asked any more. */
static void load_rests(struct model_source *source)
{
    struct status err = {.code = STATUS_OK};
    pthread_mutex_lock(&source->lock);
    if (!source->is_stopped)
        err.code = store_rest_load(source->store, rests_loaded, source, &err);
    pthread_mutex_unlock(&source->lock);
    if (err.code != STATUS_OK)
        not_read(source, &err);
}

static void reading_unref(struct reading *reading)
{
    if (atomic_fetch_sub(&reading->refs, 1) != 1)
        return;
    settings_free(reading->settings);
    free(reading);
}

static void models_loaded(void *arg, const struct store_model_page *page, const struct status *status)
{
    struct reading *reading = arg;
    struct status err = *status;
    if (err.code == STATUS_OK)
        err.code = settings_new(page, &reading->settings, &err);
    if (err.code != STATUS_OK)
        reading->why_not = err;
    reading_unref(reading);
}

static void credentials_loaded(void *arg, const struct store_credential_set *set, const struct status *status)
{
    struct reading *reading = arg;
    struct model_source *source = reading->source;
    struct status err = reading->why_not.code != STATUS_OK ? reading->why_not : *status;
    struct pool *pool = NULL;
    if (err.code == STATUS_OK &&
        pool_new(set, reading->settings, source->standings, &pool, &err) == STATUS_OK)
        reading->settings = NULL;
    reading_unref(reading);
    if (pool == NULL) {
        not_read(source, &err);
        return;
    }
    pthread_mutex_lock(&source->lock);
    struct pool *old = source->pool;
    source->pool = pool;
    pthread_mutex_unlock(&source->lock);
    pool_unref(old);
    load_rests(source);
}

/* Both questions at once: what is asked of the store after them is answered after the new pool is there. */
static enum status_code ask_store(struct model_source *source, struct reading *reading, struct status *err)
{
    enum status_code rc = store_model_load(source->store, models_loaded, reading, err);
    if (rc != STATUS_OK) {
        reading_unref(reading);
        reading_unref(reading);
        return rc;
    }
    rc = store_credential_load(source->store, NULL, credentials_loaded, reading, err);
    if (rc != STATUS_OK)
        reading_unref(reading);
    return rc;
}

static void reload(struct model_source *source, uint64_t generation)
{
    struct status err = {.code = STATUS_OK};
    struct reading *reading = calloc(1, sizeof *reading);
    if (reading == NULL) {
        status_set(&err, STATUS_RESOURCE_EXHAUSTED, "models: out of memory");
        not_read(source, &err);
        return;
    }
    reading->source = source;
    atomic_init(&reading->refs, 2); /* one for each question */
    atomic_store(&source->read_generation, generation);
    pthread_mutex_lock(&source->lock);
    bool is_stopped = source->is_stopped;
    if (!is_stopped)
        err.code = ask_store(source, reading, &err);
    pthread_mutex_unlock(&source->lock);
    if (is_stopped)
        free(reading);
    if (err.code != STATUS_OK)
        not_read(source, &err);
}

static void store_changed(void *arg, uint64_t generation)
{
    (void)generation; /* of this process's own count */
    struct model_source *source = arg;
    reload(source, store_config_generation(source->store));
}

static void rests_changed(void *arg)
{
    load_rests(arg);
}

void model_source_catch_up(struct model_source *source, uint64_t generation)
{
    /* What others have seen is in the store, so one read shows it, though this process is told of the change later. */
    if (generation > atomic_load(&source->read_generation) &&
        clock_monotonic_ms() >= atomic_load(&source->again_at_ms))
        reload(source, generation);
}

/* --- life --- */

enum status_code model_source_new(const struct model_source_options *options,
                                  struct model_source **ret_source, struct status *err)
{
    struct model_source *source = calloc(1, sizeof *source);
    if (source == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "models: out of memory");
    source->store = options->store;
    source->ca_file = options->ca_file;
    source->seen_by = options->seen_by;
    source->may_wait = options->may_wait;
    source->standings = standings_new();
    source->line = line_new(options->waiting_max == 0 ? LINE_CALLS_MAX : options->waiting_max);
    pthread_mutex_init(&source->lock, NULL);
    *ret_source =
        source; /* the watches may fire until the store is closed: the caller closes it before it frees */
    if (source->standings == NULL || source->line == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "models: out of memory");
    struct store_wait wait;
    store_wait_init(&wait);
    source->first_read = &wait;
    if (store_watch(source->store, store_changed, source, err) != STATUS_OK ||
        store_rest_watch(source->store, rests_changed, source, err) != STATUS_OK) {
        store_wait_fini(&wait);
        return err->code;
    }
    reload(source, store_config_generation(source->store));
    return store_wait(&wait, err) == STATUS_OK ? STATUS_OK : status_prefix(err, "credentials");
}

void model_source_stop(struct model_source *source)
{
    if (source == NULL)
        return;
    pthread_mutex_lock(&source->lock);
    source->is_stopped = true;
    pthread_mutex_unlock(&source->lock);
}

void model_source_free(struct model_source *source)
{
    if (source == NULL)
        return;
    pool_unref(source->pool);
    line_free(source->line);
    standings_free(source->standings);
    pthread_mutex_destroy(&source->lock);
    free(source);
}

const struct model_stats *model_source_stats(const struct model_source *source)
{
    return &source->stats;
}

/* --- what has become of a credential --- */

/* A change on its way to the store. */
struct storing {
    struct model_source *source;
    struct rest *rest; /* lives as long as the source */
};

/* From here on its absence from the store means that an operator has ended it. */
static void stored(void *arg, const struct status *status)
{
    struct storing *storing = arg;
    if (status->code != STATUS_OK) {
        log_warn("rest_not_stored", LOG_C("reason", status->reason), LOG_C("words", status->message));
    } else {
        pthread_mutex_lock(&storing->source->standings->lock);
        storing->rest->is_stored = true;
        pthread_mutex_unlock(&storing->source->standings->lock);
    }
    free(storing);
}

static enum status_code submit_change(struct storing *storing, const struct pool_pick *pick,
                                      const struct standing_change *change, struct str words,
                                      struct status *err)
{
    const struct credential *c = pick->credential;
    struct model_source *source = storing->source;
    const struct store_rest_put rest = {.workspace_id = c->workspace_id,
                                        .credential_id = c->id,
                                        .model = pick->model,
                                        .for_ms = change->for_ms,
                                        .reason = str_c(change->reason),
                                        .seen_by = str_c(source->seen_by),
                                        .fresh_since_ms = c->fresh_since_ms};
    const struct store_credential_disable disable = {
        .ref = {.workspace_id = c->workspace_id, .credential_id = c->id},
        .reason = words,
        .fresh_since_ms = c->fresh_since_ms};
    if (source->is_stopped)
        return status_set(err, STATUS_UNAVAILABLE, "this executor is shutting down");
    return change->is_disabled ? store_credential_disable(source->store, &disable, stored, storing, err)
                               : store_rest_put(source->store, &rest, stored, storing, err);
}

static void store_change(struct model_source *source, const struct pool_pick *pick,
                         const struct standing_change *change, struct str words)
{
    struct status err;
    struct storing *storing = calloc(1, sizeof *storing);
    if (storing == NULL) {
        log_warn("rest_not_stored", LOG_C("words", "no memory"));
        return;
    }
    *storing = (struct storing){source, pick->rest};
    pthread_mutex_lock(&source->lock);
    enum status_code rc = submit_change(storing, pick, change, words, &err);
    pthread_mutex_unlock(&source->lock);
    if (rc != STATUS_OK)
        stored(storing, &err);
}

static void note(struct call_host *host, const struct pool_pick *pick, const struct standing_change *change,
                 const struct attempt_failure *failure)
{
    struct model_source *source = CONTAINER_OF(host, struct models, host)->source;
    char words[STORE_REASON_BYTES_MAX + 1];
    int len = snprintf(words, sizeof words, "%s%s (HTTP %d): %.*s", change->reason,
                       failure->refusal == REFUSAL_UNAUTHORIZED ? " three times in a row" : "",
                       failure->http_status, STR_ARG(failure->words));
    struct str reason = {words, len < 0 ? 0 : str_utf8_cut(str_c(words), sizeof words - 1)};
    if (change->is_disabled) {
        atomic_fetch_add(&source->stats.disabled, 1);
        log_error("credential_disabled", LOG_STR("name", pick->credential->name), LOG_STR("why", reason));
    } else {
        atomic_fetch_add(&source->stats.rests, 1);
        log_warn("credential_rests", LOG_STR("name", pick->credential->name), LOG_STR("model", pick->model),
                 LOG_C("why", failure->error_type), LOG_INT("for_ms", change->for_ms));
    }
    store_change(source, pick, change, reason);
}

/* --- a loop's --- */

static struct pool *pool_of(struct call_host *host)
{
    return current_pool(CONTAINER_OF(host, struct models, host)->source);
}

static void wake(struct line_home *home)
{
    struct models *models = CONTAINER_OF(CONTAINER_OF(home, struct call_host, home), struct models, host);
    uv_async_send(&models->served);
}

static void on_look(uv_timer_t *timer)
{
    struct models *models = timer->data;
    struct pool *pool = pool_of(&models->host);
    line_look(models->host.line, pool, clock_monotonic_ms());
    pool_unref(pool);
    if (models->host.waiting == 0)
        uv_timer_stop(timer);
}

static void on_served(uv_async_t *async)
{
    struct models *models = async->data;
    struct line_seat *seat = line_take_served(models->host.line, &models->host.home);
    while (seat != NULL) {
        struct line_seat *next = seat->served_next;
        model_call_served(seat);
        seat = next;
    }
    if (models->host.waiting > 0 && !uv_is_active((uv_handle_t *)&models->look))
        uv_timer_start(&models->look, on_look, LINE_LOOK_MS, LINE_LOOK_MS);
}

static enum status_code models_open(void *arg, uv_loop_t *loop, void **ret_models, struct status *err)
{
    struct model_source *source = arg;
    struct models *models = calloc(1, sizeof *models);
    if (models == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "models: out of memory");
    const struct http_client_options options = {.loop = loop, .ca_file = source->ca_file};
    models->source = source;
    models->host = (struct call_host){.line = source->line,
                                      .home = {.wake = wake},
                                      .may_wait = source->may_wait,
                                      .pool = pool_of,
                                      .note = note,
                                      .stats = &source->stats};
    if (http_client_new(&options, &models->host.http, err) != STATUS_OK) {
        free(models);
        return err->code;
    }
    if (uv_async_init(loop, &models->served, on_served) != 0) {
        http_client_close(models->host.http);
        free(models);
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "models: no wake-up to be had");
    }
    uv_timer_init(loop, &models->look);
    models->served.data = models->look.data = models;
    models->open_handles = 2;
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
    http_client_close(models->host.http);
    uv_close((uv_handle_t *)&models->served, handle_closed);
    uv_close((uv_handle_t *)&models->look, handle_closed);
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
    struct pool *pool = current_pool(arg);
    const struct model_settings *settings = pool_settings(
        pool, caller->workspace_id.len > 0 ? caller->workspace_id : STR("default"), provider, model);
    int64_t tokens = settings->context_size;
    pool_unref(pool);
    return tokens;
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
