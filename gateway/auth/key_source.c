/* key_source: see the header. */
#include "gateway/auth/key_source.h"

#include "shared/base/crypto.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* ms. The first pause after a failed fetch; doubled each time. */
#define BACKOFF_MS 1000

struct key_source {
    _Atomic size_t refs;
    struct key_url url;
    char *url_text, *ca_text, *token_text;
    pthread_mutex_t lock; /* of all below */
    struct jwt_keys *keys;
    uint8_t hash[SHA256_BYTES]; /* of the set's text */
    uint64_t generation;        /* of keys; 0: there have been none */
    int64_t seen_ms;            /* when the keys were last seen */
    int64_t due_ms;             /* of the next fetch */
    int64_t tried_ms;           /* when the last fetch began */
    bool was_tried, is_fetching, is_closed;
    unsigned failures; /* in a row */
    struct key_source_wait *waits;
    size_t wait_count;
};

static struct key_source *source_new(void)
{
    struct key_source *source = calloc(1, sizeof *source);
    if (source == NULL)
        return NULL;
    atomic_init(&source->refs, 1);
    pthread_mutex_init(&source->lock, NULL);
    return source;
}

struct key_source *key_source_new_fixed(struct jwt_keys *keys)
{
    struct key_source *source = source_new();
    if (source == NULL)
        return NULL;
    source->keys = jwt_keys_ref(keys);
    source->generation = 1;
    return source;
}

static bool copy_text(const char *text, char **ret)
{
    *ret = text == NULL ? NULL : str_dup(str_c(text));
    return text == NULL || *ret != NULL;
}

struct key_source *key_source_new_url(const struct key_url *url)
{
    struct key_source *source = source_new();
    if (source == NULL)
        return NULL;
    if (!copy_text(url->url, &source->url_text) || !copy_text(url->ca_file, &source->ca_text) ||
        !copy_text(url->token_file, &source->token_text)) {
        key_source_unref(source);
        return NULL;
    }
    source->url = *url;
    source->url.url = source->url_text;
    source->url.ca_file = source->ca_text;
    source->url.token_file = source->token_text;
    source->due_ms = INT64_MIN;
    return source;
}

struct key_source *key_source_ref(struct key_source *source)
{
    atomic_fetch_add_explicit(&source->refs, 1, memory_order_relaxed);
    return source;
}

void key_source_unref(struct key_source *source)
{
    if (source == NULL || atomic_fetch_sub_explicit(&source->refs, 1, memory_order_acq_rel) != 1)
        return;
    jwt_keys_unref(source->keys);
    pthread_mutex_destroy(&source->lock);
    free(source->url_text);
    free(source->ca_text);
    free(source->token_text);
    free(source);
}

const struct key_url *key_source_url(const struct key_source *source)
{
    return &source->url;
}

/* Under the lock: keys that nobody has confirmed for too long are gone. */
static void drop_stale(struct key_source *source, int64_t now_ms)
{
    if (source->url.url == NULL || source->keys == NULL || now_ms - source->seen_ms <= source->url.stale_ms)
        return;
    jwt_keys_unref(source->keys);
    source->keys = NULL;
    source->generation++;
    memset(source->hash, 0, sizeof source->hash);
}

struct jwt_keys *key_source_keys(struct key_source *source, int64_t now_ms, uint64_t *ret_generation)
{
    pthread_mutex_lock(&source->lock);
    drop_stale(source, now_ms);
    struct jwt_keys *keys = source->keys == NULL ? NULL : jwt_keys_ref(source->keys);
    *ret_generation = keys == NULL ? 0 : source->generation;
    pthread_mutex_unlock(&source->lock);
    return keys;
}

uint64_t key_source_generation(struct key_source *source, int64_t now_ms)
{
    pthread_mutex_lock(&source->lock);
    drop_stale(source, now_ms);
    uint64_t generation = source->keys == NULL ? 0 : source->generation;
    pthread_mutex_unlock(&source->lock);
    return generation;
}

void key_source_inherit(struct key_source *source, struct key_source *from)
{
    pthread_mutex_lock(&from->lock);
    struct jwt_keys *keys = from->keys == NULL ? NULL : jwt_keys_ref(from->keys);
    int64_t seen_ms = from->seen_ms;
    uint8_t hash[SHA256_BYTES];
    memcpy(hash, from->hash, sizeof hash);
    pthread_mutex_unlock(&from->lock);
    if (keys == NULL)
        return;
    pthread_mutex_lock(&source->lock);
    source->keys = keys;
    source->generation = 1;
    source->seen_ms = seen_ms;
    memcpy(source->hash, hash, sizeof hash);
    pthread_mutex_unlock(&source->lock);
}

/* Under the lock: may a fetch begin now that was not due? */
static int64_t earliest_ms(const struct key_source *source)
{
    if (!source->was_tried)
        return INT64_MIN;
    if (source->failures > 0)
        return source->due_ms;
    return source->tried_ms + source->url.refetch_ms;
}

enum key_source_answer key_source_want(struct key_source *source, int64_t now_ms,
                                       struct key_source_wait *wait, int64_t *ret_retry_ms)
{
    enum key_source_answer answer = KEY_SOURCE_TOO_SOON;
    pthread_mutex_lock(&source->lock);
    int64_t earliest = earliest_ms(source);
    bool may_come = source->is_fetching || now_ms >= earliest;
    *ret_retry_ms = may_come ? BACKOFF_MS : earliest - now_ms;
    if (source->url.url == NULL || source->is_closed) {
        *ret_retry_ms = 0;
    } else if (may_come) {
        if (!source->is_fetching)
            source->due_ms = INT64_MIN;
        if (wait != NULL && source->wait_count < KEY_SOURCE_WAITS_MAX) {
            LL_PREPEND(source->waits, wait);
            source->wait_count++;
            answer = KEY_SOURCE_WAITS;
        }
    }
    pthread_mutex_unlock(&source->lock);
    return answer;
}

bool key_source_begin(struct key_source *source, int64_t now_ms, int64_t *ret_due_ms)
{
    bool begins = false;
    *ret_due_ms = INT64_MAX;
    pthread_mutex_lock(&source->lock);
    if (source->url.url != NULL && !source->is_fetching && !source->is_closed) {
        begins = now_ms >= source->due_ms;
        *ret_due_ms = source->due_ms;
    }
    if (begins) {
        source->is_fetching = true;
        source->was_tried = true;
        source->tried_ms = now_ms;
    }
    pthread_mutex_unlock(&source->lock);
    return begins;
}

static void tell(struct key_source_wait *waits)
{
    struct key_source_wait *wait, *next;
    LL_FOREACH_SAFE (waits, wait, next) {
        wait->done(wait);
    }
}

static struct key_source_wait *take_waits(struct key_source *source)
{
    struct key_source_wait *waits = source->waits;
    source->waits = NULL;
    source->wait_count = 0;
    return waits;
}

bool key_source_end(struct key_source *source, int64_t now_ms, struct jwt_keys *take_keys,
                    const uint8_t hash[32])
{
    bool is_new = false;
    pthread_mutex_lock(&source->lock);
    source->is_fetching = false;
    struct jwt_keys *unused = take_keys;
    if (take_keys != NULL) {
        is_new = source->keys == NULL || memcmp(source->hash, hash, SHA256_BYTES) != 0;
        if (is_new) {
            unused = source->keys;
            source->keys = take_keys;
            source->generation++;
            memcpy(source->hash, hash, SHA256_BYTES);
        }
        source->seen_ms = now_ms;
        source->failures = 0;
        source->due_ms = now_ms + source->url.refresh_ms;
    } else {
        int64_t pause_ms = (int64_t)BACKOFF_MS << (source->failures < 6 ? source->failures : 6);
        source->failures++;
        source->due_ms =
            now_ms + (pause_ms < KEY_SOURCE_BACKOFF_MS_MAX ? pause_ms : KEY_SOURCE_BACKOFF_MS_MAX);
    }
    struct key_source_wait *waits = take_waits(source);
    pthread_mutex_unlock(&source->lock);
    jwt_keys_unref(unused);
    tell(waits);
    return is_new;
}

void key_source_close(struct key_source *source)
{
    pthread_mutex_lock(&source->lock);
    source->is_closed = true;
    struct key_source_wait *waits = take_waits(source);
    pthread_mutex_unlock(&source->lock);
    tell(waits);
}
