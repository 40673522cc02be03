/*
 * cache: see cache.h. A hash of entries, and a list of the same with the newest first. Graphs that go are let go after the
 * lock has been released: freeing one can take a while.
 */
#include "executor/graph/cache.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION     HASH_FNV /* the usual one falls through between cases, which Clang warns of */
#include <uthash.h>
#include <utlist.h>

/* Without padding, so that its bytes can be hashed and compared. */
struct cache_key {
    uint8_t bytes[SHA256_BYTES + 1];
};
struct entry {
    struct cache_key key;
    struct graph *graph;
    struct entry *prev, *next;
    UT_hash_handle hh;
};
struct graph_cache {
    pthread_mutex_t lock;
    struct entry *by_key, *newest;
    size_t count, count_max;
    size_t bytes, bytes_max;
};

static struct cache_key bytes_of(const struct graph_key *key);
static void remove_entry(struct graph_cache *cache, struct entry *entry, struct entry **gone);
static void free_entries(struct entry *gone);

struct graph_cache *graph_cache_new(size_t count_max, size_t bytes_max)
{
    struct graph_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL)
        return NULL;
    pthread_mutex_init(&cache->lock, NULL);
    cache->count_max = count_max;
    cache->bytes_max = bytes_max;
    return cache;
}

void graph_cache_free(struct graph_cache *cache)
{
    if (cache == NULL)
        return;
    struct entry *gone = NULL;
    while (cache->newest != NULL)
        remove_entry(cache, cache->newest, &gone);
    free_entries(gone);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

struct graph_key graph_key_of(struct str dsl, bool fail_when_reached)
{
    struct graph_key key = {.fail_when_reached = fail_when_reached};
    sha256(dsl, key.hash);
    return key;
}

static struct cache_key bytes_of(const struct graph_key *key)
{
    struct cache_key k;
    memcpy(k.bytes, key->hash, SHA256_BYTES);
    k.bytes[SHA256_BYTES] = key->fail_when_reached;
    return k;
}

struct graph *graph_cache_get(struct graph_cache *cache, const struct graph_key *key)
{
    struct cache_key k = bytes_of(key);
    struct entry *entry;
    struct graph *found = NULL;
    pthread_mutex_lock(&cache->lock);
    HASH_FIND(hh, cache->by_key, &k, sizeof k, entry);
    if (entry != NULL) {
        found = graph_ref(entry->graph);
        DL_DELETE(cache->newest, entry);
        DL_PREPEND(cache->newest, entry);
    }
    pthread_mutex_unlock(&cache->lock);
    return found;
}

void graph_cache_put(struct graph_cache *cache, const struct graph_key *key, struct graph *g)
{
    struct entry *entry = calloc(1, sizeof *entry), *found, *gone = NULL;
    if (entry == NULL || g->bytes > cache->bytes_max) {
        free(entry);
        return;
    }
    entry->key = bytes_of(key);
    entry->graph = graph_ref(g);
    pthread_mutex_lock(&cache->lock);
    HASH_FIND(hh, cache->by_key, &entry->key, sizeof entry->key, found);
    if (found == NULL)
        HASH_ADD(hh, cache->by_key, key, sizeof entry->key, entry);
    if (entry->hh.tbl == NULL) {
        DL_APPEND(gone, entry);
    } else {
        DL_PREPEND(cache->newest, entry);
        cache->count++;
        cache->bytes += g->bytes;
    }
    while (cache->count > cache->count_max || cache->bytes > cache->bytes_max)
        remove_entry(cache, cache->newest->prev, &gone); /* the head's prev is the last */
    pthread_mutex_unlock(&cache->lock);
    free_entries(gone);
}

enum status_code graph_cache_compile(struct graph_cache *cache, struct str dsl, bool fail_when_reached,
                                     struct graph_report *report, struct graph **ret, struct status *err)
{
    struct graph_key key = graph_key_of(dsl, fail_when_reached);
    struct graph *found = graph_cache_get(cache, &key);
    if (found != NULL) {
        *ret = found;
        return STATUS_OK;
    }
    enum status_code rc = graph_compile(dsl, fail_when_reached, report, ret, err);
    if (rc == STATUS_OK)
        graph_cache_put(cache, &key, *ret);
    return rc;
}

/* Under the lock (or with the cache to ourselves): moves it to the list of those to be freed. */
static void remove_entry(struct graph_cache *cache, struct entry *entry, struct entry **gone)
{
    HASH_DEL(cache->by_key, entry);
    DL_DELETE(cache->newest, entry);
    cache->count--;
    cache->bytes -= entry->graph->bytes;
    DL_APPEND(*gone, entry);
}

static void free_entries(struct entry *gone)
{
    struct entry *entry, *next;
    DL_FOREACH_SAFE (gone, entry, next) {
        graph_unref(entry->graph);
        free(entry);
    }
}
