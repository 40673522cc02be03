/* rests: see the header. */
#include "executor/model/rests.h"

#include "shared/base/arena.h"
#include <pthread.h>
#include <stdlib.h>

/* buckets; a power of two. */
#define BUCKETS 1024
/* bytes. RESTS_MAX entries with ids and names of models. */
#define RESTS_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* ms. */
enum { RATE_LIMIT_MS = 60000, REFUSED_MS = 10000, REFUSED_MS_MAX = 300000 };
/* ms. What a provider may ask for: a day. */
#define ASKED_MS_MAX ((int64_t)24 * 3600 * 1000)

struct rests {
    pthread_mutex_t lock;
    struct arena arena;
    struct rest *buckets[BUCKETS];
    size_t count;
};

struct rests *rests_new(void)
{
    struct rests *rests = calloc(1, sizeof *rests);
    if (rests == NULL)
        return NULL;
    pthread_mutex_init(&rests->lock, NULL);
    arena_init(&rests->arena, RESTS_BYTES_MAX);
    return rests;
}

void rests_free(struct rests *rests)
{
    if (rests == NULL)
        return;
    arena_fini(&rests->arena);
    pthread_mutex_destroy(&rests->lock);
    free(rests);
}

/* Under the lock. NULL: no memory. */
static struct rest *add(struct rests *rests, struct rest **bucket, struct str credential_id, struct str model)
{
    struct rest *rest = rests->count < RESTS_MAX ? arena_alloc(&rests->arena, sizeof *rest) : NULL;
    if (rest == NULL)
        return NULL;
    rest->credential_id = arena_copy(&rests->arena, credential_id);
    rest->model = arena_copy(&rests->arena, model);
    if (rest->credential_id.ptr == NULL || rest->model.ptr == NULL)
        return NULL;
    atomic_init(&rest->until_ms, INT64_MIN);
    atomic_init(&rest->refusals, 0);
    rest->next = *bucket;
    *bucket = rest;
    rests->count++;
    return rest;
}

struct rest *rests_of(struct rests *rests, struct str credential_id, struct str model)
{
    struct rest **bucket = &rests->buckets[(str_hash(credential_id) * 31 + str_hash(model)) % BUCKETS];
    pthread_mutex_lock(&rests->lock);
    struct rest *rest = *bucket;
    while (rest != NULL && !(str_eq(rest->credential_id, credential_id) && str_eq(rest->model, model)))
        rest = rest->next;
    if (rest == NULL)
        rest = add(rests, bucket, credential_id, model);
    pthread_mutex_unlock(&rests->lock);
    return rest;
}

bool rest_is_over(const struct rest *rest, int64_t now_ms)
{
    return rest == NULL || atomic_load_explicit(&rest->until_ms, memory_order_relaxed) <= now_ms;
}

static int64_t length_of(enum rest_cause cause, int refusals, int64_t asked_ms)
{
    if (cause == REST_RATE_LIMIT) {
        int64_t asked = asked_ms < ASKED_MS_MAX ? asked_ms : ASKED_MS_MAX;
        return asked > RATE_LIMIT_MS ? asked : RATE_LIMIT_MS;
    }
    int64_t ms = REFUSED_MS;
    for (int i = 0; i < refusals && ms < REFUSED_MS_MAX; i++)
        ms *= 2;
    return ms < REFUSED_MS_MAX ? ms : REFUSED_MS_MAX;
}

int64_t rest_begin(struct rest *rest, enum rest_cause cause, int64_t asked_ms, int64_t now_ms)
{
    if (rest == NULL)
        return 0;
    int refusals = atomic_load(&rest->refusals);
    if (refusals < 30)
        atomic_fetch_add(&rest->refusals, 1);
    int64_t until_ms = now_ms + length_of(cause, refusals, asked_ms);
    int64_t known_ms = atomic_load(&rest->until_ms);
    while (known_ms < until_ms && !atomic_compare_exchange_weak(&rest->until_ms, &known_ms, until_ms))
        ;
    return (known_ms < until_ms ? until_ms : known_ms) - now_ms;
}

void rest_forgive(struct rest *rest)
{
    if (rest != NULL)
        atomic_store(&rest->refusals, 0);
}
