/*
 * versions: what runs of a version need: its compiled graph and its app's own variables; read once, kept until something
 * changes in the store.
 * Threads  any. The answer comes on the asking thread (kept), a store thread or a helper's.
 */
#pragma once
#include "executor/graph/cache.h"
#include "executor/worker/helpers.h"
#include "shared/store/version.h"
#include <stdatomic.h>

/* versions. Kept at a time; beyond it all are read anew. */
#define VERSIONS_MAX 4096
/* graphs, bytes. Compiled ones kept by the hash of their text, across changes in the store. */
#define VERSIONS_GRAPHS_MAX       1024
#define VERSIONS_GRAPHS_BYTES_MAX ((size_t)512 * 1024 * 1024)

struct versions;

/* Immutable; counted. */
struct version {
    atomic_size_t refs;
    struct version *next; /* of the cache's bucket */
    struct graph *graph;
    bool is_disabled; /* the app */
    enum store_app_mode mode;
    enum store_record record;
    int32_t number; /* of the app's versions, from 1 */
    char app_id[37], version_id[37];
    struct store_environment environment; /* texts in `arena` */
    struct arena arena;
};
struct version *version_ref(struct version *version);
void version_unref(struct version *version); /* NULL is fine */

/* A question under way; in the asker's memory until `done`, which comes exactly once, perhaps before versions_load returns. */
struct version_wait {
    void (*done)(struct version_wait *wait, struct version *take_version, const struct status *status);
    struct versions *versions;
    struct helper_task task;
    struct graph_key key;
    struct version *version; /* under construction */
    char *dsl;
    size_t dsl_len;
    uint64_t generation;
    struct str workspace_id, app_id, version_id; /* borrowed from the asker */
};

/* RESOURCE_EXHAUSTED: no memory. */
MUST_CHECK enum status_code versions_new(struct store *store, struct helpers *helpers,
                                         struct versions **ret_versions, struct status *err);
/* After the last done. NULL is fine. */
void versions_free(struct versions *versions);
/*
 * wait         its `done`, workspace_id, app_id and version_id are set
 * generation   what the asker has seen of the store (store_config_generation); behind it, the store is read
 * status of done: NOT_FOUND APP_NOT_FOUND or VERSION_NOT_FOUND, FAILED_PRECONDITION when the export does not compile, and those of
 * the store
 */
void versions_load(struct versions *versions, struct version_wait *wait, uint64_t generation);
struct graph_cache *versions_graphs(struct versions *versions);
