/* standings: see the header. */
#include "executor/model/standings.h"

#include <stdlib.h>

/* bytes. STANDINGS_MAX entries with ids and names of models. */
#define STANDINGS_BYTES_MAX ((size_t)128 * 1024 * 1024)

/* ms. */
enum { RATE_LIMIT_MS = 60000, REFUSED_MS = 10000, REFUSED_MS_MAX = 300000 };
/* ms. What a provider may ask for: a day. */
#define ASKED_MS_MAX ((int64_t)24 * 3600 * 1000)

struct standings *standings_new(void)
{
    struct standings *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    pthread_mutex_init(&s->lock, NULL);
    arena_init(&s->arena, STANDINGS_BYTES_MAX);
    return s;
}

void standings_free(struct standings *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < ARRAY_LEN(s->buckets); i++) {
        for (struct standing *standing = s->buckets[i]; standing != NULL; standing = standing->next)
            quota_fini(&standing->quota);
    }
    arena_fini(&s->arena);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static struct standing *standing_of(struct standings *s, struct str credential_id)
{
    struct standing **bucket = &s->buckets[str_hash(credential_id) % ARRAY_LEN(s->buckets)];
    for (struct standing *standing = *bucket; standing != NULL; standing = standing->next) {
        if (str_eq(standing->credential_id, credential_id))
            return standing;
    }
    struct standing *standing = s->count < STANDINGS_MAX ? arena_alloc(&s->arena, sizeof *standing) : NULL;
    struct str id = standing == NULL ? STR("") : arena_copy(&s->arena, credential_id);
    if (standing == NULL || id.ptr == NULL)
        return NULL;
    standing->credential_id = id;
    standing->next = *bucket;
    *bucket = standing;
    s->count++;
    return standing;
}

struct rest *standings_of(struct standings *s, struct str credential_id, struct str model)
{
    struct standing *standing = standing_of(s, credential_id);
    if (standing == NULL)
        return NULL;
    for (struct rest *rest = standing->rests; rest != NULL; rest = rest->next) {
        if (str_eq(rest->model, model))
            return rest;
    }
    struct rest *rest = s->count < STANDINGS_MAX ? arena_alloc(&s->arena, sizeof *rest) : NULL;
    struct str name = rest == NULL ? STR("") : arena_copy(&s->arena, model);
    if (rest == NULL || name.ptr == NULL)
        return NULL;
    *rest =
        (struct rest){.next = standing->rests, .standing = standing, .model = name, .until_ms = INT64_MIN};
    standing->rests = rest;
    s->count++;
    return rest;
}

static int64_t unavailable_ms(int refusals)
{
    int64_t ms = REFUSED_MS;
    for (int i = 0; i < refusals && ms < REFUSED_MS_MAX; i++)
        ms *= 2;
    return ms < REFUSED_MS_MAX ? ms : REFUSED_MS_MAX;
}

static int64_t limited_ms(int64_t asked_ms)
{
    int64_t asked = asked_ms < ASKED_MS_MAX ? asked_ms : ASKED_MS_MAX;
    return asked > RATE_LIMIT_MS ? asked : RATE_LIMIT_MS;
}

void standing_rests(struct rest *rest, int64_t for_ms, int64_t now_ms)
{
    if (for_ms <= 0)
        return;
    rest->needs_trial = true;
    if (rest->until_ms < now_ms + for_ms)
        rest->until_ms = now_ms + for_ms;
}

struct standing_change standing_refused(struct rest *rest, enum refusal refusal, int64_t asked_ms,
                                        int64_t version_ms, int64_t now_ms)
{
    struct standing *standing = rest->standing;
    struct standing_change change = {.for_ms = 0};
    switch (refusal) {
    case REFUSAL_REQUEST: /* the credential is as good as before */
        standing_answered(rest);
        return change;
    case REFUSAL_RATE_LIMIT:
        change = (struct standing_change){.for_ms = limited_ms(asked_ms), .reason = "rate limited"};
        break;
    case REFUSAL_UNAVAILABLE:
        change = (struct standing_change){.for_ms = unavailable_ms(rest->refusals), .reason = "unavailable"};
        rest->refusals += rest->refusals < 30;
        break;
    case REFUSAL_UNAUTHORIZED:
        standing->unauthorized++;
        change = (struct standing_change){.for_ms = REFUSED_MS,
                                          .is_disabled = standing->unauthorized >= UNAUTHORIZED_MAX,
                                          .reason = "unauthorized"};
        break;
    case REFUSAL_NO_QUOTA:
        change = (struct standing_change){.is_disabled = true, .reason = "out of quota"};
        break;
    }
    if (change.is_disabled) {
        standing->refused_version_ms = version_ms;
        standing->unauthorized = 0;
        change.for_ms = 0;
        return change;
    }
    standing_rests(rest, change.for_ms, now_ms);
    change.for_ms = rest->until_ms - now_ms;
    return change;
}

void standing_answered(struct rest *rest)
{
    rest->refusals = 0;
    rest->needs_trial = false;
    rest->standing->unauthorized = 0;
}
