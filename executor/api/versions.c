/* versions: see the header. */
#include "executor/api/versions.h"

#include "shared/base/arena.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* buckets; a power of two. */
#define BUCKETS 1024
/* bytes. A copy of an environment, which the store bounds. */
#define ENVIRONMENT_BYTES_MAX (STORE_ENVIRONMENT_BYTES_MAX + (size_t)1024 * 1024)

struct versions {
    struct store *store;
    struct helpers *helpers;
    struct graph_cache *graphs;
    pthread_mutex_t lock;
    struct version *buckets[BUCKETS];
    size_t count;
    uint64_t seen; /* store_config_generation() up to which nothing older is kept */
};

struct version *version_ref(struct version *version)
{
    atomic_fetch_add(&version->refs, 1);
    return version;
}

void version_unref(struct version *version)
{
    if (version == NULL || atomic_fetch_sub(&version->refs, 1) != 1)
        return;
    graph_unref(version->graph);
    arena_fini(&version->arena);
    free(version);
}

static struct version **bucket_of(struct versions *versions, struct str version_id)
{
    return &versions->buckets[str_hash(version_id) % BUCKETS];
}

/* Takes all out, under the lock; the caller drops them without it. */
static struct version *take_all(struct versions *versions)
{
    struct version *list = NULL;
    for (size_t i = 0; i < BUCKETS; i++) {
        while (versions->buckets[i] != NULL) {
            struct version *version = versions->buckets[i];
            versions->buckets[i] = version->next;
            version->next = list;
            list = version;
        }
    }
    versions->count = 0;
    return list;
}

static void drop_list(struct version *list)
{
    while (list != NULL) {
        struct version *next = list->next;
        version_unref(list);
        list = next;
    }
}

static void store_changed(void *arg, uint64_t generation)
{
    struct versions *versions = arg;
    (void)generation;
    pthread_mutex_lock(&versions->lock);
    /* Only now: the store counts a change before it tells us of it, and in between old versions are still here. */
    versions->seen = store_config_generation(versions->store);
    struct version *list = take_all(versions);
    pthread_mutex_unlock(&versions->lock);
    drop_list(list);
}

enum status_code versions_new(struct store *store, struct helpers *helpers, struct versions **ret_versions,
                              struct status *err)
{
    struct versions *versions = calloc(1, sizeof *versions);
    struct graph_cache *graphs = graph_cache_new(VERSIONS_GRAPHS_MAX, VERSIONS_GRAPHS_BYTES_MAX);
    if (versions == NULL || graphs == NULL) {
        free(versions);
        graph_cache_free(graphs);
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "versions: out of memory");
    }
    versions->store = store;
    versions->helpers = helpers;
    versions->graphs = graphs;
    pthread_mutex_init(&versions->lock, NULL);
    versions->seen = store_config_generation(store); /* nothing is kept yet */
    if (store_watch(store, store_changed, versions, err) != STATUS_OK) {
        versions_free(versions);
        return err->code;
    }
    *ret_versions = versions;
    return STATUS_OK;
}

void versions_free(struct versions *versions)
{
    if (versions == NULL)
        return;
    drop_list(take_all(versions));
    graph_cache_free(versions->graphs);
    pthread_mutex_destroy(&versions->lock);
    free(versions);
}

struct graph_cache *versions_graphs(struct versions *versions)
{
    return versions->graphs;
}

/* NULL: not here, or what is here may be older than what the asker has seen. */
static struct version *find_kept(struct versions *versions, const struct version_wait *wait,
                                 uint64_t generation)
{
    pthread_mutex_lock(&versions->lock);
    struct version *version = generation <= versions->seen ? *bucket_of(versions, wait->version_id) : NULL;
    while (version != NULL &&
           !(str_eq_c(wait->version_id, version->version_id) && str_eq_c(wait->app_id, version->app_id)))
        version = version->next;
    if (version != NULL)
        version_ref(version);
    pthread_mutex_unlock(&versions->lock);
    return version;
}

/* Keeps it, unless the store has changed since it was read. */
static void keep(struct versions *versions, const struct version_wait *wait, struct version *version)
{
    struct version *dropped = NULL;
    pthread_mutex_lock(&versions->lock);
    if (store_generation(versions->store) == wait->generation) {
        if (versions->count == VERSIONS_MAX)
            dropped = take_all(versions);
        struct version **bucket = bucket_of(versions, wait->version_id);
        version->next = *bucket;
        *bucket = version_ref(version);
        versions->count++;
    }
    pthread_mutex_unlock(&versions->lock);
    drop_list(dropped);
}

/* Ends the question; the wait is the asker's again. */
static void answer(struct version_wait *wait, const struct status *status)
{
    struct version *version = wait->version;
    wait->version = NULL;
    free(wait->dsl);
    wait->dsl = NULL;
    if (status->code != STATUS_OK) {
        version_unref(version);
        wait->done(wait, NULL, status);
        return;
    }
    keep(wait->versions, wait, version);
    wait->done(wait, version, status);
}

static void compile(struct helper_task *task)
{
    struct version_wait *wait = CONTAINER_OF(task, struct version_wait, task);
    struct status status = {.code = STATUS_OK};
    struct graph_report report;
    graph_report_init(&report);
    if (graph_cache_compile(wait->versions->graphs, (struct str){wait->dsl, wait->dsl_len},
                            wait->key.fail_when_reached, &report, &wait->version->graph,
                            &status) == STATUS_INVALID_ARGUMENT) {
        /* It was accepted once: by another release, then. The caller's request is not what is wrong. */
        struct status why = status;
        status_reason(&status, STATUS_FAILED_PRECONDITION, "VERSION_DOES_NOT_COMPILE", "version %.*s: %s",
                      STR_ARG(wait->version_id), why.message);
    }
    graph_report_fini(&report);
    answer(wait, &status);
}

static bool copy_environment(struct version *version, const struct store_environment *from)
{
    struct store_variable *variables = arena_array(&version->arena, from->count + 1, sizeof *variables);
    for (size_t i = 0; variables != NULL && i < from->count; i++) {
        variables[i].name = arena_copy(&version->arena, from->variables[i].name);
        variables[i].value_type = arena_copy(&version->arena, from->variables[i].value_type);
        variables[i].value = arena_copy(&version->arena, from->variables[i].value);
        variables[i].secret = from->variables[i].secret;
    }
    version->environment = (struct store_environment){variables, from->count};
    return !version->arena.failed;
}

static void loaded(void *arg, const struct store_runnable *runnable, const struct status *status)
{
    struct version_wait *wait = arg;
    struct status err = *status;
    if (err.code != STATUS_OK) {
        answer(wait, &err);
        return;
    }
    struct version *version = calloc(1, sizeof *version);
    wait->version = version;
    if (version != NULL) {
        atomic_init(&version->refs, 1);
        arena_init(&version->arena, ENVIRONMENT_BYTES_MAX);
        version->is_disabled = runnable->target.disabled;
        version->mode = runnable->target.mode;
        version->record = runnable->target.record;
        version->number = runnable->target.version_number;
        snprintf(version->app_id, sizeof version->app_id, "%.*s", STR_ARG(runnable->target.app_id));
        snprintf(version->version_id, sizeof version->version_id, "%.*s",
                 STR_ARG(runnable->target.version_id));
        memcpy(wait->key.hash, runnable->target.content_hash, SHA256_BYTES);
        wait->key.fail_when_reached = runnable->target.fail_when_reached;
    }
    if (version == NULL || !copy_environment(version, &runnable->environment)) {
        status_set(&err, STATUS_RESOURCE_EXHAUSTED, "no memory for version %.*s", STR_ARG(wait->version_id));
        answer(wait, &err);
        return;
    }
    version->graph = graph_cache_get(wait->versions->graphs, &wait->key);
    if (version->graph != NULL) {
        answer(wait, &err);
        return;
    }
    wait->dsl = str_dup(runnable->dsl);
    wait->dsl_len = runnable->dsl.len;
    wait->task.run = compile;
    if (wait->dsl == NULL)
        status_set(&err, STATUS_RESOURCE_EXHAUSTED, "no memory for the export");
    if (wait->dsl == NULL || helpers_do(wait->versions->helpers, &wait->task, &err) != STATUS_OK)
        answer(wait, &err);
}

void versions_load(struct versions *versions, struct version_wait *wait, uint64_t generation)
{
    struct status err = {.code = STATUS_OK};
    wait->versions = versions;
    wait->version = NULL;
    wait->dsl = NULL;
    wait->generation = store_generation(versions->store);
    struct version *kept = find_kept(versions, wait, generation);
    if (kept != NULL) {
        wait->done(wait, kept, &err);
        return;
    }
    const struct store_version_load load = {
        .ref = {.workspace_id = wait->workspace_id, .app_id = wait->app_id, .version_id = wait->version_id}};
    if (store_version_load(versions->store, &load, loaded, wait, &err) != STATUS_OK)
        answer(wait, &err);
}
