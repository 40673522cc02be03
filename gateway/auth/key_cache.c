/* key_cache: see the header. One lock over everything; it is never held over a read or a callback. */
#include "gateway/auth/key_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#define HASH_NONFATAL_OOM 1
/* uthash's default hash falls through its switch labels without saying so, which Clang refuses. */
#define HASH_FUNCTION HASH_FNV
#include <uthash.h>
#include <utlist.h>

/* What is known of one hash. */
struct known {
    uint8_t hash[SHA256_BYTES];
    struct grant *grant;       /* NULL: no such key */
    int64_t use_noted_at_ms;   /* 0: not yet */
    struct known *prev, *next; /* by last use, newest first */
    UT_hash_handle hh;
};

struct shelf {
    struct known *by_hash, *newest;
    size_t count, max;
};

/* A read in flight. */
struct read {
    struct key_cache *cache;
    uint8_t hash[SHA256_BYTES];
    int64_t now_ms; /* of the caller who came last */
    struct key_wait *waits;
    bool is_current; /* began after the last change, so it is in `reads` */
    UT_hash_handle hh;
};

struct use {
    struct grant *grant;
    int64_t used_at_ms;
    UT_hash_handle hh; /* by key id */
};

struct key_cache {
    struct key_reader reader;
    pthread_mutex_t lock; /* of all below */
    struct shelf keys, unknown;
    struct read *reads; /* by hash: those that newcomers may wait for */
    size_t read_count;  /* all that are in flight */
    size_t wait_count;
    struct use *uses;
};

static enum status_code no_such_key(const struct key_cache *cache, struct status *err);
static struct known *shelf_find(struct shelf *shelf, const uint8_t hash[SHA256_BYTES]);
static void shelf_put(struct shelf *shelf, const uint8_t hash[SHA256_BYTES], struct grant *grant,
                      int64_t use_noted_at_ms);
static void shelf_remove(struct shelf *shelf, struct known *known);
static void shelf_clear(struct shelf *shelf);
static bool note_use(struct key_cache *cache, struct grant *grant, int64_t now_ms);
static enum status_code join_read(struct key_cache *cache, const uint8_t hash[SHA256_BYTES], int64_t now_ms,
                                  struct key_wait *wait, struct read **ret_new, struct status *err);
static void on_read(void *arg, const struct store_key_owner *owner, const struct status *status);
static void settle_read(struct read *read, struct grant *grant, const struct status *status);

enum status_code key_cache_new(const struct key_reader *reader, struct key_cache **ret_cache,
                               struct status *err)
{
    struct key_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "key cache: no memory");
    cache->reader = *reader;
    cache->keys.max = KEY_CACHE_KEYS_MAX;
    cache->unknown.max = KEY_CACHE_UNKNOWN_MAX;
    pthread_mutex_init(&cache->lock, NULL);
    *ret_cache = cache;
    return STATUS_OK;
}

void key_cache_free(struct key_cache *cache)
{
    if (cache == NULL)
        return;
    shelf_clear(&cache->keys);
    shelf_clear(&cache->unknown);
    struct use *use, *next;
    HASH_ITER (hh, cache->uses, use, next) {
        HASH_DEL(cache->uses, use);
        grant_unref(use->grant);
        free(use);
    }
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

enum status_code key_cache_find(struct key_cache *cache, const uint8_t hash[SHA256_BYTES],
                                const struct store_version_ref *app, int64_t now_ms, struct key_wait *wait,
                                struct grant **ret_grant, struct status *err)
{
    enum status_code rc = STATUS_OK;
    struct read *fresh = NULL;
    struct grant *grant = NULL;
    pthread_mutex_lock(&cache->lock);
    struct known *known = shelf_find(&cache->keys, hash);
    if (known != NULL) {
        grant = grant_ref(known->grant);
        if (now_ms - known->use_noted_at_ms >= KEY_CACHE_USE_EVERY_MS && note_use(cache, grant, now_ms))
            known->use_noted_at_ms = now_ms;
    } else if (shelf_find(&cache->unknown, hash) != NULL) {
        rc = no_such_key(cache, err);
    } else {
        rc = join_read(cache, hash, now_ms, wait, &fresh, err);
    }
    if (rc == STATUS_OK)
        *ret_grant = grant; /* before another thread can tell the wait */
    pthread_mutex_unlock(&cache->lock);
    if (rc != STATUS_OK)
        return rc;
    struct status failed;
    if (fresh != NULL &&
        cache->reader.find(cache->reader.arg, hash, app, on_read, fresh, &failed) != STATUS_OK)
        settle_read(fresh, NULL, &failed);
    return STATUS_OK;
}

void key_cache_drop(struct key_cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    shelf_clear(&cache->keys);
    shelf_clear(&cache->unknown);
    struct read *read, *next;
    HASH_ITER (hh, cache->reads, read, next) {
        HASH_DEL(cache->reads, read);
        read->is_current = false;
    }
    pthread_mutex_unlock(&cache->lock);
}

size_t key_cache_take_uses(struct key_cache *cache, struct key_use *ret, size_t max)
{
    size_t count = 0;
    struct use *use, *next;
    pthread_mutex_lock(&cache->lock);
    HASH_ITER (hh, cache->uses, use, next) {
        if (count == max)
            break;
        HASH_DEL(cache->uses, use);
        ret[count++] = (struct key_use){use->grant, use->used_at_ms};
        free(use);
    }
    pthread_mutex_unlock(&cache->lock);
    return count;
}

static enum status_code no_such_key(const struct key_cache *cache, struct status *err)
{
    return status_reason(err, STATUS_UNAUTHENTICATED, cache->reader.unknown_reason, "%s",
                         cache->reader.unknown_words);
}

static struct known *shelf_find(struct shelf *shelf, const uint8_t hash[SHA256_BYTES])
{
    struct known *known;
    HASH_FIND(hh, shelf->by_hash, hash, SHA256_BYTES, known);
    if (known != NULL && known != shelf->newest) {
        DL_DELETE(shelf->newest, known);
        DL_PREPEND(shelf->newest, known);
    }
    return known;
}

/* Keeps one reference of its own. Without memory it keeps nothing: it is read again next time. */
static void shelf_put(struct shelf *shelf, const uint8_t hash[SHA256_BYTES], struct grant *grant,
                      int64_t use_noted_at_ms)
{
    struct known *known = calloc(1, sizeof *known);
    if (known == NULL)
        return;
    memcpy(known->hash, hash, SHA256_BYTES);
    HASH_ADD(hh, shelf->by_hash, hash, SHA256_BYTES, known);
    if (known->hh.tbl == NULL) {
        free(known);
        return;
    }
    known->grant = grant == NULL ? NULL : grant_ref(grant);
    known->use_noted_at_ms = use_noted_at_ms;
    DL_PREPEND(shelf->newest, known);
    if (++shelf->count > shelf->max)
        shelf_remove(shelf, shelf->newest->prev); /* of the first, prev is the last */
}

static void shelf_remove(struct shelf *shelf, struct known *known)
{
    HASH_DEL(shelf->by_hash, known);
    DL_DELETE(shelf->newest, known);
    shelf->count--;
    grant_unref(known->grant);
    free(known);
}

static void shelf_clear(struct shelf *shelf)
{
    while (shelf->newest != NULL)
        shelf_remove(shelf, shelf->newest);
}

/* False: no room, so it may be tried again. */
static bool note_use(struct key_cache *cache, struct grant *grant, int64_t now_ms)
{
    struct use *use;
    if (grant->key_id.len == 0)
        return true; /* an app's: there is no key */
    HASH_FIND(hh, cache->uses, grant->key_id.ptr, grant->key_id.len, use);
    if (use != NULL) {
        use->used_at_ms = now_ms;
        return true;
    }
    if (HASH_COUNT(cache->uses) >= KEY_CACHE_USES_MAX || (use = calloc(1, sizeof *use)) == NULL)
        return false;
    HASH_ADD_KEYPTR(hh, cache->uses, grant->key_id.ptr, grant->key_id.len, use);
    if (use->hh.tbl == NULL) {
        free(use);
        return false;
    }
    use->grant = grant_ref(grant);
    use->used_at_ms = now_ms;
    return true;
}

/* Has `wait` wait for the read of this hash; ret_new: the read to be started, when there was none. */
static enum status_code join_read(struct key_cache *cache, const uint8_t hash[SHA256_BYTES], int64_t now_ms,
                                  struct key_wait *wait, struct read **ret_new, struct status *err)
{
    struct read *read;
    if (cache->wait_count == KEY_CACHE_WAITS_MAX)
        return status_reason(err, STATUS_UNAVAILABLE, "STORE_OVERLOADED",
                             "too many calls wait for their API key");
    HASH_FIND(hh, cache->reads, hash, SHA256_BYTES, read);
    if (read == NULL) {
        if (cache->read_count == KEY_CACHE_READS_MAX)
            return status_reason(err, STATUS_UNAVAILABLE, "STORE_OVERLOADED",
                                 "too many API keys are being looked up");
        read = calloc(1, sizeof *read);
        if (read == NULL)
            return status_set(err, STATUS_RESOURCE_EXHAUSTED, "key cache: no memory");
        memcpy(read->hash, hash, SHA256_BYTES);
        HASH_ADD(hh, cache->reads, hash, SHA256_BYTES, read);
        if (read->hh.tbl == NULL) {
            free(read);
            return status_set(err, STATUS_RESOURCE_EXHAUSTED, "key cache: no memory");
        }
        read->cache = cache;
        read->is_current = true;
        cache->read_count++;
        *ret_new = read;
    }
    read->now_ms = now_ms;
    wait->next = NULL;
    LL_PREPEND(read->waits, wait);
    cache->wait_count++;
    return STATUS_OK;
}

static void on_read(void *arg, const struct store_key_owner *owner, const struct status *status)
{
    struct read *read = arg;
    struct status failed = *status;
    struct grant *grant = NULL;
    if (status->code == STATUS_OK) {
        grant = grant_new(owner->key_id, &owner->target);
        if (grant == NULL)
            status_set(&failed, STATUS_RESOURCE_EXHAUSTED, "key cache: no memory");
    } else if (status->code == STATUS_NOT_FOUND) {
        no_such_key(read->cache, &failed);
    }
    settle_read(read, grant, &failed);
    grant_unref(grant);
}

/* Keeps what was found, tells everybody, ends the read. `grant` is borrowed. */
static void settle_read(struct read *read, struct grant *grant, const struct status *status)
{
    struct key_cache *cache = read->cache;
    size_t told = 0;
    struct key_wait *wait, *next;
    pthread_mutex_lock(&cache->lock);
    if (read->is_current) {
        HASH_DEL(cache->reads, read);
        if (grant != NULL)
            shelf_put(&cache->keys, read->hash, grant,
                      note_use(cache, grant, read->now_ms) ? read->now_ms : 0);
        else if (status->code == STATUS_UNAUTHENTICATED)
            shelf_put(&cache->unknown, read->hash, NULL, 0);
    }
    LL_COUNT(read->waits, wait, told);
    cache->read_count--;
    cache->wait_count -= told;
    pthread_mutex_unlock(&cache->lock);
    LL_FOREACH_SAFE (read->waits, wait, next) {
        wait->done(wait, grant == NULL ? NULL : grant_ref(grant), status);
    }
    free(read);
}
