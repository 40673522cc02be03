/*
 * key_source: the keys of one issuer: fixed, or a JWKS at a URL that is fetched now and then. This is when to fetch, what holds
 * meanwhile, and who waits; jwks_fetch does the fetching.
 *
 * Rotation  a token whose key is not there has the set fetched again, but not within refetch_ms of the last try: whoever invents
 *           names of keys makes no traffic.
 * Outages   a failed fetch is tried again after 1, 2, 4 … s, at most BACKOFF_MS_MAX; the keys that were there hold for stale_ms
 *           after they were last seen.
 * Threads   any; one lock of its own, held over nothing else. References are counted atomically. `now_ms` is monotonic.
 */
#pragma once
#include "gateway/auth/jwt_key.h"

/* ms. The longest pause after failed fetches. */
#define KEY_SOURCE_BACKOFF_MS_MAX 60000
/* calls. That wait for the keys of one issuer; a fetch takes seconds. */
#define KEY_SOURCE_WAITS_MAX 1000

/*
 * url          https, or http to this machine
 * ca_file      PEM bundle the server is checked against; NULL: the system's
 * token_file   a bearer token for the server, read for each fetch; NULL: none
 * refresh_ms   a set is fetched again after this
 * refetch_ms   least time between two fetches for an unknown key
 * stale_ms     how long a set holds that cannot be fetched again
 */
struct key_url {
    const char *url, *ca_file, *token_file;
    int64_t refresh_ms, refetch_ms, stale_ms;
};

/* A call that waits for the next answer of a fetch, in the caller's memory; done() comes exactly once, on any thread. */
struct key_source_wait {
    void (*done)(struct key_source_wait *wait);
    struct key_source_wait *next;
};

struct key_source;
/* NULL: no memory. */
struct key_source *key_source_new_fixed(struct jwt_keys *keys);
/* Copies the texts. The first fetch is due at once. */
struct key_source *key_source_new_url(const struct key_url *url);
struct key_source *key_source_ref(struct key_source *source);
void key_source_unref(struct key_source *source); /* NULL is allowed */
/* What it is fetched by; url NULL: it is fixed. */
const struct key_url *key_source_url(const struct key_source *source);

/* A reference to the keys that hold now, NULL: there are none; and their generation, which changes with the keys. */
struct jwt_keys *key_source_keys(struct key_source *source, int64_t now_ms, uint64_t *ret_generation);
/* The generation alone, 0 when there are no keys. */
uint64_t key_source_generation(struct key_source *source, int64_t now_ms);
/* Another source's keys, as those of a source that was made anew for the same URL. */
void key_source_inherit(struct key_source *source, struct key_source *from);

enum key_source_answer {
    KEY_SOURCE_WAITS,   /* wait->done() will come */
    KEY_SOURCE_TOO_SOON /* nothing is fetched for this now; *ret_retry_ms says when it can be */
};
/* The key that is needed is not there. NULL wait: a fetch is asked for, and nobody waits. */
enum key_source_answer key_source_want(struct key_source *source, int64_t now_ms,
                                       struct key_source_wait *wait, int64_t *ret_retry_ms);

/* --- for jwks_fetch --- */

/* Is it to be fetched now? Then it counts as being fetched. Otherwise *ret_due_ms says when (INT64_MAX: never). */
bool key_source_begin(struct key_source *source, int64_t now_ms, int64_t *ret_due_ms);
/* The fetch has ended; keys NULL: it failed. Tells who waits. True: they are other keys than before. */
bool key_source_end(struct key_source *source, int64_t now_ms, struct jwt_keys *take_keys,
                    const uint8_t hash[32]);
/* Tells everybody, for good: nothing will be fetched any more. */
void key_source_close(struct key_source *source);
