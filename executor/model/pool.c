/* pool: see the header. */
#include "executor/model/pool.h"

#include <stdatomic.h>
#include <stdlib.h>

/* buckets; a power of two. */
#define BUCKETS 1024
/* bytes. Texts of STORE_CREDENTIALS_MAX credentials and STORE_MODELS_MAX models, and the lanes. */
#define POOL_BYTES_MAX ((size_t)256 * 1024 * 1024)

struct pool {
    atomic_size_t refs;
    struct standings *standings;
    struct arena arena; /* under the standings' lock once the pool is shared */
    struct credential *credentials;
    size_t count;
    struct settings *settings; /* or NULL */
    struct lane *lanes[BUCKETS];
    size_t lane_count;
};

static size_t bucket_of(struct str workspace_id, struct str provider, struct str model)
{
    return ((str_hash(workspace_id) * 31 + str_hash(provider)) * 31 + str_hash(model)) % BUCKETS;
}

enum status_code pool_new(const struct store_credential_set *credentials, struct settings *take_settings,
                          struct standings *standings, struct pool **ret_pool, struct status *err)
{
    struct pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "pool: out of memory");
    atomic_init(&pool->refs, 1);
    pool->standings = standings;
    arena_init(&pool->arena, POOL_BYTES_MAX);
    pool->credentials = arena_array(&pool->arena, credentials->count + 1, sizeof *pool->credentials);
    bool has_memory = pool->credentials != NULL;
    for (size_t i = 0; has_memory && i < credentials->count; i++) {
        has_memory = credential_read(&pool->arena, &credentials->credentials[i], &pool->credentials[i]);
        pool->count++; /* also half of one: it has headers to free */
    }
    if (!has_memory) {
        pool_unref(pool);
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "pool: out of memory");
    }
    pool->settings = take_settings;
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
        credential_fini(&pool->credentials[i]);
    settings_free(pool->settings);
    arena_fini(&pool->arena);
    free(pool);
}

const struct model_settings *pool_settings(const struct pool *pool, struct str workspace_id,
                                           struct str provider, struct str model)
{
    return settings_find(pool->settings, workspace_id, provider, model);
}

/* --- lanes; under the lock --- */

static bool add_member(struct pool *pool, struct lane *lane, const struct credential *credential)
{
    const struct model_settings *s = lane->settings;
    const struct protocol *protocol = s->protocol != NULL ? s->protocol : credential->protocol;
    struct lane_member *m = &lane->members[lane->count];
    *m = (struct lane_member){.credential = credential,
                              .protocol = protocol,
                              .headers = credential_headers(credential, protocol),
                              .rest = standings_of(pool->standings, credential->id, lane->upstream_model)};
    if (m->headers != NULL && m->rest != NULL)
        lane->count++;
    return m->rest != NULL;
}

/* NULL: no memory, or POOL_LANES_MAX. */
static struct lane *make_lane(struct pool *pool, const struct pool_query *query, struct str provider)
{
    struct lane *lane = pool->lane_count < POOL_LANES_MAX ? arena_alloc(&pool->arena, sizeof *lane) : NULL;
    if (lane == NULL)
        return NULL;
    *lane = (struct lane){.workspace_id = arena_copy(&pool->arena, query->workspace_id),
                          .provider = arena_copy(&pool->arena, provider),
                          .model = arena_copy(&pool->arena, query->model),
                          .settings = pool_settings(pool, query->workspace_id, provider, query->model)};
    struct str other = lane->settings->upstream_model;
    lane->upstream_model = other.len > 0 ? other : lane->model;
    size_t fitting = 0;
    for (size_t i = 0; i < pool->count; i++)
        fitting += credential_fits(&pool->credentials[i], lane->workspace_id, provider, lane->upstream_model);
    lane->members = arena_array(&pool->arena, fitting + 1, sizeof *lane->members);
    if (lane->members == NULL || pool->arena.failed)
        return NULL;
    for (size_t i = 0; i < pool->count; i++) {
        const struct credential *c = &pool->credentials[i];
        if (credential_fits(c, lane->workspace_id, provider, lane->upstream_model) &&
            !add_member(pool, lane, c))
            return NULL;
    }
    struct lane **bucket = &pool->lanes[bucket_of(query->workspace_id, provider, query->model)];
    lane->next = *bucket;
    *bucket = lane;
    pool->lane_count++;
    return lane;
}

static struct lane *lane_of(struct pool *pool, const struct pool_query *query)
{
    struct str provider = provider_last_part(query->provider);
    struct lane *lane = pool->lanes[bucket_of(query->workspace_id, provider, query->model)];
    for (; lane != NULL; lane = lane->next) {
        if (str_eq(lane->workspace_id, query->workspace_id) && str_eq(lane->provider, provider) &&
            str_eq(lane->model, query->model))
            return lane;
    }
    return make_lane(pool, query, provider);
}

struct lane *pool_lane(struct pool *pool, const struct pool_query *query)
{
    pthread_mutex_lock(&pool->standings->lock);
    struct lane *lane = lane_of(pool, query);
    pthread_mutex_unlock(&pool->standings->lock);
    return lane;
}

/* --- picks --- */

static enum status_code none_fits(const struct pool_query *query, struct status *err)
{
    struct str name = provider_last_part(query->provider);
    return status_reason(err, STATUS_FAILED_PRECONDITION, "NO_CREDENTIAL",
                         "no enabled credential serves model \"%.*s\" of provider \"%.*s\"; add one with "
                         "heddlectl credential add --provider \"%.*s\"",
                         STR_ARG(query->model), STR_ARG(name), STR_ARG(name));
}

static enum status_code no_memory(struct status *err)
{
    return status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for another model, or too many models");
}

/* Why nobody was taken. */
static enum status_code nobody(const struct lane *lane, const struct pool_query *query, int64_t back_ms,
                               struct status *err)
{
    if (back_ms == INT64_MIN && (query->lane.tried_count > 0 && lane->count > 0))
        return status_reason(err, STATUS_RESOURCE_EXHAUSTED, "ALL_TRIED",
                             "no other credential serves model \"%.*s\" now", STR_ARG(query->model));
    if (back_ms == INT64_MIN)
        return none_fits(query, err);
    status_reason(err, STATUS_UNAVAILABLE, "ALL_RESTING",
                  "all credentials for model \"%.*s\" rest or are full", STR_ARG(query->model));
    err->retry_ms = back_ms == INT64_MAX ? 0 : back_ms - query->lane.now_ms;
    return err->code;
}

enum status_code pool_take(struct pool *pool, const struct pool_query *query, struct pool_pick *ret,
                           int64_t *ret_back_ms, struct status *err)
{
    enum status_code rc = STATUS_OK;
    *ret = (struct pool_pick){.credential = NULL};
    pthread_mutex_lock(&pool->standings->lock);
    struct lane *lane = lane_of(pool, query);
    const struct lane_member *m = lane == NULL ? NULL : lane_take(lane, &query->lane, ret_back_ms);
    if (m != NULL) {
        *ret = (struct pool_pick){.credential = m->credential,
                                  .settings = lane->settings,
                                  .model = lane->upstream_model,
                                  .protocol = m->protocol,
                                  .headers = m->headers,
                                  .rest = m->rest,
                                  .is_trial = m->rest->needs_trial};
        if (!quota_reserve(&m->rest->standing->quota, &m->credential->limits, query->lane.tokens,
                           query->lane.now_ms, &ret->hold))
            rc = no_memory(err);
        else if (ret->is_trial)
            m->rest->on_trial = true;
    }
    pthread_mutex_unlock(&pool->standings->lock);
    if (lane == NULL)
        return no_memory(err);
    return m == NULL ? nobody(lane, query, *ret_back_ms, err) : rc;
}

struct standing_change pool_end(struct pool *pool, struct pool_pick *pick, enum pool_outcome outcome,
                                const struct attempt_failure *failure, int64_t tokens, int64_t now_ms)
{
    struct standing_change change = {.for_ms = 0};
    pthread_mutex_lock(&pool->standings->lock);
    quota_settle(&pick->rest->standing->quota, &pick->hold, tokens, now_ms);
    if (pick->is_trial)
        pick->rest->on_trial = false;
    if (outcome == POOL_ANSWERED)
        standing_answered(pick->rest);
    else if (outcome == POOL_REFUSED)
        change = standing_refused(pick->rest, failure->refusal, failure->asked_ms,
                                  pick->credential->version_ms, now_ms);
    pthread_mutex_unlock(&pool->standings->lock);
    return change;
}

/* fn for every rest that is known; under the lock. */
static void for_each_rest(struct standings *standings, int64_t now_ms,
                          void (*fn)(struct rest *rest, int64_t now_ms))
{
    for (size_t i = 0; i < ARRAY_LEN(standings->buckets); i++) {
        for (struct standing *s = standings->buckets[i]; s != NULL; s = s->next) {
            for (struct rest *rest = s->rests; rest != NULL; rest = rest->next)
                fn(rest, now_ms);
        }
    }
}

static void unlist(struct rest *rest, int64_t now_ms)
{
    (void)now_ms;
    rest->is_listed = false;
}

static void end_unlisted(struct rest *rest, int64_t now_ms)
{
    if (!rest->is_listed && rest->is_stored && rest->until_ms > now_ms) {
        rest->until_ms = now_ms;
        rest->refusals = 0;
    }
    rest->is_stored = rest->is_listed;
}

void pool_take_rests(struct standings *standings, const struct store_rest_set *rests, int64_t now_ms)
{
    pthread_mutex_lock(&standings->lock);
    for_each_rest(standings, now_ms, unlist);
    for (size_t i = 0; i < rests->count; i++) {
        struct rest *rest = standings_of(standings, rests->rests[i].credential_id, rests->rests[i].model);
        if (rest == NULL)
            continue;
        standing_rests(rest, rests->rests[i].remaining_ms, now_ms);
        rest->is_listed = true;
    }
    for_each_rest(standings, now_ms, end_unlisted);
    pthread_mutex_unlock(&standings->lock);
}
