/* pool: see the header. */
#include "executor/model/pool.h"

#include "shared/base/arena.h"
#include "shared/base/crypto.h"
#include "shared/base/log.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* buckets; a power of two. */
#define BUCKETS 1024
/* bytes. Texts of STORE_CREDENTIALS_MAX credentials, and the lanes. */
#define POOL_BYTES_MAX ((size_t)128 * 1024 * 1024)

/* Those who serve one model of one provider, and how much each is due. */
struct lane {
    struct lane *next;
    struct str provider, model;
    const struct credential **members;
    struct rest **rests; /* of the members */
    int64_t *due;
    size_t count;
};
struct pool {
    atomic_size_t refs;
    struct rests *rests;
    struct arena arena;
    struct credential *credentials;
    size_t count;
    pthread_mutex_t lock; /* lanes and arena, once the pool is shared */
    struct lane *buckets[BUCKETS];
    size_t lane_count;
};

static struct str last_part(struct str provider)
{
    for (size_t i = provider.len; i-- > 0;) {
        if (provider.ptr[i] == '/')
            return str_sub(provider, i + 1, provider.len);
    }
    return provider;
}

/* The header list of a credential. INVALID_ARGUMENT: not to be carried by HTTP; RESOURCE_EXHAUSTED: no memory. */
static enum status_code make_headers(struct str secret, struct http_headers **ret_headers)
{
    struct status err;
    struct buf bearer;
    struct http_headers *headers = http_headers_new();
    if (headers == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    buf_init(&bearer, STORE_SECRET_BYTES_MAX + 16);
    buf_put_c(&bearer, "Bearer ");
    buf_put(&bearer, secret);
    enum status_code rc = bearer.failed ? STATUS_RESOURCE_EXHAUSTED : STATUS_OK;
    if (rc == STATUS_OK)
        rc = http_headers_add(headers, STR("Content-Type"), STR("application/json"), &err);
    if (rc == STATUS_OK)
        rc = http_headers_add(headers, STR("Accept"), STR("text/event-stream"), &err);
    if (rc == STATUS_OK && secret.len > 0)
        rc = http_headers_add(headers, STR("Authorization"), buf_str(&bearer), &err);
    if (bearer.ptr != NULL)
        secret_wipe(bearer.ptr, bearer.len);
    buf_fini(&bearer);
    if (rc == STATUS_OK)
        *ret_headers = headers;
    else
        http_headers_unref(headers);
    return rc;
}

/* False: no memory. What is wrong with a credential itself only makes it unusable. */
static bool read_credential(struct pool *pool, const struct store_credential_opened *from,
                            struct credential *ret)
{
    struct arena *arena = &pool->arena;
    struct str url = from->credential.base_url;
    while (url.len > 0 && url.ptr[url.len - 1] == '/')
        url.len--;
    ret->pool = pool;
    ret->id = arena_copy(arena, from->credential.credential_id);
    ret->provider = arena_copy(arena, last_part(from->credential.provider));
    ret->name = arena_copy(arena, from->credential.name);
    ret->base_url = arena_copy(arena, url);
    ret->weight = from->credential.weight < 1 ? 1 : from->credential.weight;
    struct str *models = arena_array(arena, from->credential.model_count + 1, sizeof *models);
    for (; models != NULL && ret->model_count < from->credential.model_count; ret->model_count++)
        models[ret->model_count] = arena_copy(arena, from->credential.models[ret->model_count]);
    ret->models = models;
    enum status_code rc = make_headers(from->secret, &ret->headers);
    ret->is_usable = !from->credential.disabled && from->problem.len == 0 && rc == STATUS_OK &&
                     str_eq(from->credential.protocol, STR("openai"));
    if (from->problem.len > 0)
        log_warn("credential_unusable", LOG_STR("name", from->credential.name),
                 LOG_STR("why", from->problem));
    return rc != STATUS_RESOURCE_EXHAUSTED;
}

enum status_code pool_new(const struct store_credential_set *set, struct rests *rests, struct pool **ret_pool,
                          struct status *err)
{
    struct pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "pool: out of memory");
    atomic_init(&pool->refs, 1);
    pool->rests = rests;
    pthread_mutex_init(&pool->lock, NULL);
    arena_init(&pool->arena, POOL_BYTES_MAX);
    pool->credentials = arena_array(&pool->arena, set->count + 1, sizeof *pool->credentials);
    bool has_memory = pool->credentials != NULL;
    for (; has_memory && pool->count < set->count; pool->count++)
        has_memory = read_credential(pool, &set->credentials[pool->count], &pool->credentials[pool->count]);
    if (!has_memory || pool->arena.failed) {
        pool_unref(pool);
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "pool: out of memory");
    }
    *ret_pool = pool;
    return STATUS_OK;
}

struct pool *pool_ref(struct pool *pool)
{
    atomic_fetch_add(&pool->refs, 1);
    return pool;
}

void pool_unref(struct pool *pool)
{
    if (pool == NULL || atomic_fetch_sub(&pool->refs, 1) != 1)
        return;
    for (size_t i = 0; i < pool->count; i++)
        http_headers_unref(pool->credentials[i].headers);
    pthread_mutex_destroy(&pool->lock);
    arena_fini(&pool->arena);
    free(pool);
}

static bool fits(const struct credential *credential, struct str provider, struct str model)
{
    /* An export that names no provider takes whoever serves its model. */
    bool is_of_provider = provider.len == 0 || str_fits(provider, credential->provider);
    if (!credential->is_usable || !is_of_provider)
        return false;
    for (size_t i = 0; i < credential->model_count; i++) {
        if (str_fits(model, credential->models[i]))
            return true;
    }
    return false;
}

static struct lane **bucket_of(struct pool *pool, struct str provider, struct str model)
{
    return &pool->buckets[(str_hash(provider) * 31 + str_hash(model)) % BUCKETS];
}

/* Under the lock. NULL: no memory for another lane. */
static struct lane *lane_of(struct pool *pool, struct str provider, struct str model)
{
    struct lane **bucket = bucket_of(pool, provider, model);
    for (struct lane *lane = *bucket; lane != NULL; lane = lane->next) {
        if (str_eq(lane->provider, provider) && str_eq(lane->model, model))
            return lane;
    }
    if (pool->lane_count == POOL_LANES_MAX)
        return NULL;
    struct lane *lane = arena_alloc(&pool->arena, sizeof *lane);
    const struct credential **members = arena_array(&pool->arena, pool->count + 1, sizeof *members);
    struct rest **rests = arena_array(&pool->arena, pool->count + 1, sizeof *rests);
    int64_t *due = arena_array(&pool->arena, pool->count + 1, sizeof *due);
    struct str provider_copy = arena_copy(&pool->arena, provider),
               model_copy = arena_copy(&pool->arena, model);
    if (lane == NULL || members == NULL || rests == NULL || due == NULL || provider_copy.ptr == NULL ||
        model_copy.ptr == NULL)
        return NULL;
    *lane = (struct lane){.next = *bucket,
                          .provider = provider_copy,
                          .model = model_copy,
                          .members = members,
                          .rests = rests,
                          .due = due};
    for (size_t i = 0; i < pool->count; i++) {
        if (!fits(&pool->credentials[i], provider, model))
            continue;
        if (pool->rests != NULL)
            lane->rests[lane->count] = rests_of(pool->rests, pool->credentials[i].id, model_copy);
        lane->members[lane->count++] = &pool->credentials[i];
    }
    *bucket = lane;
    pool->lane_count++;
    return lane;
}

static bool was_tried(const struct pool_query *query, const struct credential *credential)
{
    for (size_t i = 0; i < query->tried_count; i++) {
        if (query->tried[i] == credential)
            return true;
    }
    return false;
}

/*
 * Smooth weighted round robin: all that may be taken grow by their weight, the one most due is taken and pays for them.
 * SIZE_MAX: none may be taken.
 */
static size_t take_turn(struct lane *lane, const struct pool_query *query)
{
    size_t best = SIZE_MAX;
    int64_t total = 0;
    for (size_t i = 0; i < lane->count; i++) {
        if (!rest_is_over(lane->rests[i], query->now_ms) || was_tried(query, lane->members[i]))
            continue;
        lane->due[i] += lane->members[i]->weight;
        total += lane->members[i]->weight;
        if (best == SIZE_MAX || lane->due[i] > lane->due[best])
            best = i;
    }
    if (best != SIZE_MAX)
        lane->due[best] -= total;
    return best;
}

/* The one whose rest ends first; SIZE_MAX: there is none. */
static size_t first_back(const struct lane *lane)
{
    size_t best = SIZE_MAX;
    int64_t best_ms = INT64_MAX;
    for (size_t i = 0; i < lane->count; i++) {
        int64_t until_ms = lane->rests[i] == NULL ? INT64_MIN : atomic_load(&lane->rests[i]->until_ms);
        if (best != SIZE_MAX && until_ms >= best_ms)
            continue;
        best = i;
        best_ms = until_ms;
    }
    return best;
}

/* Without memory of the picks before. */
static const struct credential *first_fitting(const struct pool *pool, const struct pool_query *query)
{
    for (size_t i = 0; i < pool->count; i++) {
        const struct credential *credential = &pool->credentials[i];
        if (fits(credential, last_part(query->provider), query->model) && !was_tried(query, credential))
            return credential;
    }
    return NULL;
}

enum status_code pool_pick(struct pool *pool, const struct pool_query *query, struct pool_choice *ret,
                           struct status *err)
{
    struct str name = last_part(query->provider);
    *ret = (struct pool_choice){NULL, NULL};
    pthread_mutex_lock(&pool->lock);
    struct lane *lane = lane_of(pool, name, query->model);
    size_t best = lane == NULL ? SIZE_MAX : take_turn(lane, query);
    if (lane != NULL && best == SIZE_MAX && query->tried_count == 0)
        best = first_back(lane);
    if (best != SIZE_MAX)
        *ret = (struct pool_choice){lane->members[best], lane->rests[best]};
    else if (lane == NULL)
        ret->credential = first_fitting(pool, query);
    pthread_mutex_unlock(&pool->lock);
    if (ret->credential != NULL)
        return STATUS_OK;
    if (query->tried_count > 0)
        return status_reason(err, STATUS_RESOURCE_EXHAUSTED, "ALL_TRIED",
                             "no other credential serves model \"%.*s\" now", STR_ARG(query->model));
    return status_reason(err, STATUS_FAILED_PRECONDITION, "NO_CREDENTIAL",
                         "no enabled credential serves model \"%.*s\" of provider \"%.*s\"; add one with "
                         "heddlectl credential add --provider \"%.*s\"",
                         STR_ARG(query->model), STR_ARG(name), STR_ARG(name));
}
