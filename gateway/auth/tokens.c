/* tokens: see the header. One lock over what is trusted and what is remembered; it is held over no check and no other lock. */
#include "gateway/auth/tokens.h"

#include "gateway/auth/jwks_fetch.h"
#include "shared/base/crypto.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#define HASH_NONFATAL_OOM 1
/* uthash's default hash falls through its switch labels without saying so, which Clang refuses. */
#define HASH_FUNCTION HASH_FNV
#include <uthash.h>
#include <utlist.h>

/* A token that was checked. */
struct known {
    uint8_t hash[SHA256_BYTES];
    struct principal *principal;
    struct key_source *source; /* whose keys have checked it; NULL: a passport */
    uint64_t generation;       /* of those keys */
    struct known *prev, *next; /* by last use, newest first */
    UT_hash_handle hh;
};

struct tokens {
    struct jwks_fetch *fetch; /* NULL: no issuer has needed it yet; main thread */
    bool is_stopped;          /* main thread */
    pthread_mutex_t lock;     /* of all below */
    uint64_t trust;           /* counts reloads: what was checked before one is not remembered after it */
    struct jwt_keys *passport_keys; /* NULL: none are taken */
    struct issuers *issuers;
    struct known *by_hash, *newest;
    struct jwks_fetch *waker; /* fetch, as other threads may use it; NULL: it is not there */
};

/* --- what is remembered; under the lock --- */

static void forget(struct tokens *tokens, struct known *known)
{
    HASH_DEL(tokens->by_hash, known);
    DL_DELETE(tokens->newest, known);
    principal_unref(known->principal);
    key_source_unref(known->source);
    free(known);
}

static void forget_all(struct tokens *tokens)
{
    while (tokens->newest != NULL)
        forget(tokens, tokens->newest);
}

static struct known *find_known(struct tokens *tokens, const uint8_t hash[SHA256_BYTES])
{
    struct known *known;
    HASH_FIND(hh, tokens->by_hash, hash, SHA256_BYTES, known);
    if (known != NULL && known != tokens->newest) {
        DL_DELETE(tokens->newest, known);
        DL_PREPEND(tokens->newest, known);
    }
    return known;
}

/* Without memory nothing is remembered: the token is checked again next time. */
static void remember(struct tokens *tokens, const uint8_t hash[SHA256_BYTES], struct principal *principal,
                     struct key_source *source, uint64_t generation)
{
    struct known *known = find_known(tokens, hash);
    if (known != NULL)
        forget(tokens, known);
    known = calloc(1, sizeof *known);
    if (known == NULL)
        return;
    memcpy(known->hash, hash, SHA256_BYTES);
    HASH_ADD(hh, tokens->by_hash, hash, SHA256_BYTES, known);
    if (known->hh.tbl == NULL) {
        free(known);
        return;
    }
    known->principal = principal_ref(principal);
    known->source = source == NULL ? NULL : key_source_ref(source);
    known->generation = generation;
    DL_PREPEND(tokens->newest, known);
    if (HASH_COUNT(tokens->by_hash) > TOKENS_KNOWN_MAX)
        forget(tokens, tokens->newest->prev); /* of the first, prev is the last */
}

/* --- life --- */

/* What is trusted, read anew. */
struct trust {
    struct jwt_keys *passport_keys;
    struct issuers *issuers;
};

static void trust_fini(struct trust *trust)
{
    jwt_keys_unref(trust->passport_keys);
    issuers_unref(trust->issuers);
}

static enum status_code trust_read(struct trust *ret, const struct tokens_options *options,
                                   struct buf *mistakes, struct status *err)
{
    enum status_code rc = STATUS_OK;
    *ret = (struct trust){0};
    if (options->jwt_secret != NULL) {
        ret->passport_keys = jwt_keys_new();
        rc = ret->passport_keys == NULL
                 ? status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for a key")
                 : jwt_keys_add_secret(ret->passport_keys, str_c(options->jwt_secret), err);
        if (rc == STATUS_INVALID_ARGUMENT)
            buf_printf(mistakes, "jwt_secret: %s\n", err->message);
    }
    struct status second;
    enum status_code rc_issuers =
        issuers_read(options->jwt_issuers, options->allow_http, mistakes, &ret->issuers, &second);
    if (rc == STATUS_OK && rc_issuers != STATUS_OK)
        rc = status_set(err, rc_issuers, "%s", second.message);
    if (rc != STATUS_OK)
        trust_fini(ret);
    return rc;
}

static bool needs_fetch(const struct issuers *issuers)
{
    for (size_t i = 0; i < issuers->count; i++) {
        if (key_source_url(issuers->issuers[i].keys)->url != NULL)
            return true;
    }
    return false;
}

/* Keys that were fetched hold on, where the URL is the same. */
static void inherit_keys(struct issuers *issuers, const struct issuers *before)
{
    for (size_t i = 0; i < issuers->count; i++) {
        const struct issuer *issuer = &issuers->issuers[i];
        const struct issuer *old = issuers_find(before, str_c(issuer->name));
        const char *url = key_source_url(issuer->keys)->url;
        const char *old_url = old == NULL ? NULL : key_source_url(old->keys)->url;
        if (url != NULL && old_url != NULL && strcmp(url, old_url) == 0)
            key_source_inherit(issuer->keys, old->keys);
    }
}

static enum status_code take_trust(struct tokens *tokens, struct trust take_trust, struct status *err)
{
    if (tokens->fetch == NULL && needs_fetch(take_trust.issuers) &&
        jwks_fetch_new(&tokens->fetch, err) != STATUS_OK) {
        trust_fini(&take_trust);
        return err->code;
    }
    struct trust before = {tokens->passport_keys, tokens->issuers}; /* only this thread changes them */
    if (before.issuers != NULL)
        inherit_keys(take_trust.issuers, before.issuers);
    pthread_mutex_lock(&tokens->lock);
    tokens->passport_keys = take_trust.passport_keys;
    tokens->issuers = take_trust.issuers;
    tokens->waker = tokens->fetch;
    tokens->trust++;
    forget_all(tokens);
    pthread_mutex_unlock(&tokens->lock);
    trust_fini(&before);
    if (tokens->fetch != NULL)
        jwks_fetch_set(tokens->fetch, take_trust.issuers);
    return STATUS_OK;
}

enum status_code tokens_new(const struct tokens_options *options, struct buf *mistakes, struct tokens **ret,
                            struct status *err)
{
    struct trust trust;
    struct tokens *tokens = calloc(1, sizeof *tokens);
    if (tokens == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "tokens: no memory");
    pthread_mutex_init(&tokens->lock, NULL);
    enum status_code rc = trust_read(&trust, options, mistakes, err);
    if (rc == STATUS_OK)
        rc = take_trust(tokens, trust, err);
    if (rc != STATUS_OK) {
        tokens_free(tokens);
        return rc;
    }
    *ret = tokens;
    return STATUS_OK;
}

enum status_code tokens_reload(struct tokens *tokens, const struct tokens_options *options,
                               struct buf *mistakes, struct status *err)
{
    struct trust trust;
    if (tokens->is_stopped)
        return status_set(err, STATUS_FAILED_PRECONDITION, "tokens: stopped");
    if (trust_read(&trust, options, mistakes, err) != STATUS_OK)
        return err->code;
    return take_trust(tokens, trust, err);
}

void tokens_stop(struct tokens *tokens)
{
    if (tokens == NULL || tokens->is_stopped)
        return;
    tokens->is_stopped = true;
    pthread_mutex_lock(&tokens->lock);
    tokens->waker = NULL;
    pthread_mutex_unlock(&tokens->lock);
    jwks_fetch_free(tokens->fetch);
    tokens->fetch = NULL;
}

void tokens_free(struct tokens *tokens)
{
    if (tokens == NULL)
        return;
    tokens_stop(tokens);
    forget_all(tokens);
    jwt_keys_unref(tokens->passport_keys);
    issuers_unref(tokens->issuers);
    pthread_mutex_destroy(&tokens->lock);
    free(tokens);
}

/* --- the check --- */

/* What one check goes by. */
struct check {
    struct tokens *tokens;
    int64_t now_ms, monotonic_ms;
    struct key_source_wait *wait;
    struct jwt_keys *passport_keys;
    struct issuers *issuers;
    struct key_source *source; /* borrowed of issuers; NULL: a passport */
    uint64_t generation;
};

/* A key is not there. OK: wait->done() will come. */
static enum status_code want_keys(const struct check *check, const struct jwt_keys *keys, struct status *err)
{
    int64_t retry_ms = 0;
    enum key_source_answer answer =
        key_source_want(check->source, check->monotonic_ms, check->wait, &retry_ms);
    pthread_mutex_lock(&check->tokens->lock);
    if (check->tokens->waker != NULL)
        jwks_fetch_wake(check->tokens->waker); /* it does not block */
    pthread_mutex_unlock(&check->tokens->lock);
    if (answer == KEY_SOURCE_WAITS)
        return STATUS_OK;
    if (keys != NULL)
        return err->code; /* UNKNOWN_KEY */
    status_reason(err, STATUS_UNAVAILABLE, "ISSUER_KEYS_UNAVAILABLE",
                  "the keys of the token's issuer cannot be fetched");
    err->retry_ms = retry_ms;
    return err->code;
}

static bool is_unknown_key(const struct status *err)
{
    return err->reason != NULL && str_eq_c(STR("UNKNOWN_KEY"), err->reason);
}

static enum status_code check_issued(struct check *check, const struct issuer *issuer, const struct jwt *jwt,
                                     struct principal **ret, struct status *err)
{
    check->source = issuer->keys;
    struct jwt_keys *keys = key_source_keys(issuer->keys, check->monotonic_ms, &check->generation);
    enum status_code rc = STATUS_UNAUTHENTICATED;
    bool is_missing = keys == NULL;
    if (keys != NULL) {
        rc = jwt_keys_verify(keys, jwt, err);
        is_missing = rc != STATUS_OK && is_unknown_key(err) && key_source_url(issuer->keys)->url != NULL;
    }
    if (is_missing)
        rc = want_keys(check, keys, err);
    else if (rc == STATUS_OK)
        rc = issuer_principal(issuer, jwt, check->now_ms, ret, err);
    jwt_keys_unref(keys);
    return rc;
}

static enum status_code check_passport(const struct check *check, const struct jwt *jwt,
                                       struct principal **ret, struct status *err)
{
    if (check->passport_keys == NULL || jwt->algorithm != JWT_HS256)
        return status_reason(err, STATUS_UNAUTHENTICATED, "UNKNOWN_ISSUER",
                             "the token's issuer is not known");
    enum status_code rc = jwt_keys_verify(check->passport_keys, jwt, err);
    return rc == STATUS_OK ? passport_principal(jwt, check->now_ms, ret, err) : rc;
}

static enum status_code check_token(struct check *check, struct str token, struct principal **ret,
                                    struct status *err)
{
    struct jwt jwt;
    if (jwt_parse(token, &jwt, err) != STATUS_OK)
        return err->code;
    struct str name = jwt_text(&jwt, "iss");
    const struct issuer *issuer = name.ptr == NULL ? NULL : issuers_find(check->issuers, name);
    enum status_code rc =
        issuer != NULL ? check_issued(check, issuer, &jwt, ret, err) : check_passport(check, &jwt, ret, err);
    jwt_fini(&jwt);
    return rc;
}

/* Was it checked, with keys that still hold, and is it still its time? A reference. */
static struct principal *recall(struct tokens *tokens, const uint8_t hash[SHA256_BYTES], int64_t now_ms,
                                int64_t monotonic_ms)
{
    struct principal *principal = NULL;
    struct key_source *source = NULL;
    uint64_t generation = 0;
    pthread_mutex_lock(&tokens->lock);
    struct known *known = find_known(tokens, hash);
    if (known != NULL && now_ms < known->principal->valid_until_ms) {
        principal = principal_ref(known->principal);
        source = known->source == NULL ? NULL : key_source_ref(known->source);
        generation = known->generation;
    }
    pthread_mutex_unlock(&tokens->lock);
    bool holds = source == NULL || key_source_generation(source, monotonic_ms) == generation;
    key_source_unref(source);
    if (holds)
        return principal;
    principal_unref(principal);
    return NULL;
}

enum status_code tokens_find(struct tokens *tokens, struct str token, int64_t now_ms, int64_t monotonic_ms,
                             struct key_source_wait *wait, struct principal **ret_principal,
                             struct status *err)
{
    uint8_t hash[SHA256_BYTES];
    *ret_principal = NULL; /* before another thread can tell the wait */
    if (!jwt_is_plausible(token))
        return status_reason(err, STATUS_UNAUTHENTICATED, "INVALID_TOKEN",
                             "this is no API key and no JSON Web Token");
    sha256(token, hash);
    struct principal *principal = recall(tokens, hash, now_ms, monotonic_ms);
    if (principal != NULL) {
        *ret_principal = principal;
        return STATUS_OK;
    }
    struct check check = {.tokens = tokens, .now_ms = now_ms, .monotonic_ms = monotonic_ms, .wait = wait};
    pthread_mutex_lock(&tokens->lock);
    uint64_t trust = tokens->trust;
    check.passport_keys = tokens->passport_keys == NULL ? NULL : jwt_keys_ref(tokens->passport_keys);
    check.issuers = issuers_ref(tokens->issuers);
    pthread_mutex_unlock(&tokens->lock);
    enum status_code rc = check_token(&check, token, &principal, err);
    if (rc == STATUS_OK && principal != NULL) {
        pthread_mutex_lock(&tokens->lock);
        if (trust == tokens->trust)
            remember(tokens, hash, principal, check.source, check.generation);
        pthread_mutex_unlock(&tokens->lock);
    }
    jwt_keys_unref(check.passport_keys);
    issuers_unref(check.issuers);
    if (rc == STATUS_OK && principal != NULL)
        *ret_principal = principal;
    return rc;
}
