/* backend: see the header. Credentials come from the store as whole snapshots; a change brings a new one. */
#include "executor/model/backend.h"

#include "executor/model/call.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include <pthread.h>
#include <stdlib.h>

struct model_source {
    struct store *store;
    const char *ca_file;
    pthread_mutex_t lock;
    struct rests *rests;
    struct pool *pool;
    atomic_uint_fast64_t read_generation; /* what the newest read shows at least; 0: it failed */
    atomic_int_fast64_t again_at_ms;      /* after a failed read: not before */
};

/* One loop's. */
struct models {
    struct model_source *source;
    struct http_client *http;
};

/* ms. After a read that failed: every run may ask for the next one. */
#define AGAIN_MS 1000

static void take_pool(struct model_source *source, struct pool *take)
{
    pthread_mutex_lock(&source->lock);
    struct pool *old = source->pool;
    source->pool = take;
    pthread_mutex_unlock(&source->lock);
    pool_unref(old);
}

/* The old ones stay in use: better yesterday's keys than none. The next run that knows of a change has them read again. */
static void not_read(struct model_source *source, const struct status *why)
{
    atomic_store(&source->again_at_ms, clock_monotonic_ms() + AGAIN_MS);
    atomic_store(&source->read_generation, 0);
    log_error("credentials_not_read", LOG_C("reason", why->reason), LOG_C("words", why->message));
}

static void reloaded(void *arg, const struct store_credential_set *set, const struct status *status)
{
    struct model_source *source = arg;
    struct status err = *status;
    struct pool *pool = NULL;
    if (err.code != STATUS_OK || pool_new(set, source->rests, &pool, &err) != STATUS_OK) {
        not_read(source, &err);
        return;
    }
    take_pool(source, pool);
}

static void reload(struct model_source *source, uint64_t generation)
{
    struct status err;
    atomic_store(&source->read_generation, generation);
    if (store_credential_load(source->store, NULL, reloaded, source, &err) != STATUS_OK)
        not_read(source, &err);
}

static void store_changed(void *arg, uint64_t generation)
{
    (void)generation; /* of this process's own count */
    struct model_source *source = arg;
    reload(source, store_config_generation(source->store));
}

void model_source_catch_up(struct model_source *source, uint64_t generation)
{
    /* What others have seen is in the store, so one read shows it, though this process is told of the change later. */
    if (generation > atomic_load(&source->read_generation) &&
        clock_monotonic_ms() >= atomic_load(&source->again_at_ms))
        reload(source, generation);
}

struct first_read {
    struct store_wait wait;
    struct model_source *source;
};

static void first_loaded(void *arg, const struct store_credential_set *set, const struct status *status)
{
    struct first_read *read = arg;
    struct status err = *status;
    struct pool *pool = NULL;
    if (err.code == STATUS_OK && pool_new(set, read->source->rests, &pool, &err) == STATUS_OK)
        take_pool(read->source, pool);
    store_wait_done(&read->wait, &err);
}

enum status_code model_source_new(const struct model_source_options *options,
                                  struct model_source **ret_source, struct status *err)
{
    struct model_source *source = calloc(1, sizeof *source);
    if (source == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "models: out of memory");
    source->rests = rests_new();
    if (source->rests == NULL) {
        free(source);
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "models: out of memory");
    }
    source->store = options->store;
    source->ca_file = options->ca_file;
    pthread_mutex_init(&source->lock, NULL);
    struct first_read read = {.source = source};
    store_wait_init(&read.wait);
    enum status_code rc = store_watch(source->store, store_changed, source, err);
    if (rc == STATUS_OK)
        rc = store_credential_load(source->store, NULL, first_loaded, &read, err);
    if (rc == STATUS_OK)
        rc = store_wait(&read.wait, err);
    else
        store_wait_fini(&read.wait);
    if (rc != STATUS_OK) {
        /* The watch may still fire until the store is closed: the caller closes it before it frees. */
        *ret_source = source;
        return status_prefix(err, "credentials");
    }
    *ret_source = source;
    return STATUS_OK;
}

void model_source_free(struct model_source *source)
{
    if (source == NULL)
        return;
    pool_unref(source->pool);
    rests_free(source->rests);
    pthread_mutex_destroy(&source->lock);
    free(source);
}

static enum status_code models_open(void *arg, uv_loop_t *loop, void **ret_models, struct status *err)
{
    struct model_source *source = arg;
    struct models *models = calloc(1, sizeof *models);
    if (models == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "models: out of memory");
    const struct http_client_options options = {.loop = loop, .ca_file = source->ca_file};
    models->source = source;
    if (http_client_new(&options, &models->http, err) != STATUS_OK) {
        free(models);
        return err->code;
    }
    *ret_models = models;
    return STATUS_OK;
}

static void models_close(void *arg)
{
    struct models *models = arg;
    http_client_close(models->http);
    free(models);
}

static struct model_call *start(void *arg, const struct model_request *request,
                                const struct model_callbacks *callbacks, void *callback_arg,
                                struct status *err)
{
    struct models *models = arg;
    pthread_mutex_lock(&models->source->lock);
    struct pool *pool = pool_ref(models->source->pool);
    pthread_mutex_unlock(&models->source->lock);
    struct model_call *call = model_call_start(models->http, pool, request, callbacks, callback_arg, err);
    pool_unref(pool); /* the call has its own */
    return call;
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

struct model_backend model_source_backend(struct model_source *source)
{
    return (struct model_backend){.arg = source,
                                  .open = models_open,
                                  .close = models_close,
                                  .start = start,
                                  .cancel = cancel,
                                  .pause = pause_call,
                                  .resume = resume_call};
}
