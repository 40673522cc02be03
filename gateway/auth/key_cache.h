/*
 * key_cache: what callers are granted, so that a call costs no read of the store: of API keys by the key's hash, or (a cache of
 * its own) of apps that tokens name, by a hash of the app. What is known to be nothing is kept apart, so that garbage cannot
 * drive out keys.
 *
 * Changes   key_cache_drop() forgets everything. Answers to reads submitted before it still go to those who waited for
 *           them, but are not kept, and nobody who comes later waits for them: a key deleted by this process is refused from
 *           the moment its deletion is answered.
 * Reads     one at a time per key; further callers wait for its answer.
 * Threads   any. key_wait.done comes on whatever thread answers the read.
 * Source    architecture.md section 4; dify-api.md 1.2 (whose choice it is that unknown keys are remembered).
 */
#pragma once
#include "gateway/auth/grant.h"

/* keys, 300 bytes each. Apps times the keys of each; beyond it the longest unused go. */
#define KEY_CACHE_KEYS_MAX 10000
/* hashes, 100 bytes each. A client with an old key asks often; a guesser gains nothing from more. */
#define KEY_CACHE_UNKNOWN_MAX 10000
/* reads in flight. The store takes STORE_QUEUE_MAX of all kinds. */
#define KEY_CACHE_READS_MAX 1000
/* calls waiting for them. */
#define KEY_CACHE_WAITS_MAX 20000
/* keys used and not yet taken by key_cache_take_uses(); further ones are not noted (last_used_at_ms is coarse). */
#define KEY_CACHE_USES_MAX STORE_TOUCH_MAX
/* ms. A key's use is noted again after this. */
#define KEY_CACHE_USE_EVERY_MS 60000

/*
 * Where keys are read that are not here: store_key_find(), store_version_find(), or a test.
 * app               as key_cache_find() was told; borrowed for the call
 * unknown_reason, unknown_words   what callers hear of a key that is not there (NOT_FOUND)
 */
struct key_reader {
    void *arg;
    enum status_code (*find)(void *arg, const uint8_t hash[SHA256_BYTES], const struct store_version_ref *app,
                             store_key_owner_done done, void *done_arg, struct status *err);
    const char *unknown_reason, *unknown_words;
};

/*
 * A caller that waits. It lies in the caller's memory until done(), which comes exactly once and perhaps before
 * key_cache_find() returns; take_grant is NULL unless the status is OK.
 */
struct key_wait {
    void (*done)(struct key_wait *wait, struct grant *take_grant, const struct status *status);
    struct key_wait *next;
};

struct key_cache;

/* A key and when it was last used. */
struct key_use {
    struct grant *grant;
    int64_t used_at_ms;
};

/* reader is copied. RESOURCE_EXHAUSTED: no memory. */
MUST_CHECK enum status_code key_cache_new(const struct key_reader *reader, struct key_cache **ret_cache,
                                          struct status *err);
/* Once all reads are answered. NULL is allowed. */
void key_cache_free(struct key_cache *cache);

/*
 * Finds the key with this hash.
 *
 * app         whose published version is meant, in a cache of apps; NULL: of keys
 * now_ms      wall clock: when it is used
 * ret_grant   a reference for the caller, or NULL when it is not known yet: wait->done() will tell, with the codes below
 *
 * UNAUTHENTICATED      the reader's unknown_reason: no such key
 * UNAVAILABLE          too many callers wait, or the store cannot be read (its reason)
 * RESOURCE_EXHAUSTED   no memory
 */
MUST_CHECK enum status_code key_cache_find(struct key_cache *cache, const uint8_t hash[SHA256_BYTES],
                                           const struct store_version_ref *app, int64_t now_ms,
                                           struct key_wait *wait, struct grant **ret_grant,
                                           struct status *err);

/* Keys, apps or versions have changed: forgets everything. */
void key_cache_drop(struct key_cache *cache);

/* Takes what is noted of keys' uses, up to `max`; the references are the caller's. Gives how many. */
size_t key_cache_take_uses(struct key_cache *cache, struct key_use *ret, size_t max);
