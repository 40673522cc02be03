/* standings: see the header. */
#include "executor/model/standings.h"

#include <stdlib.h>
#include <string.h>

/* ms. A rest that got longer by less is not written again: of many refusals at once the first tells. */
#define STORED_SLACK_MS 1000

static struct standing **bucket_of(struct standings *standings, uint64_t hash)
{
    return &standings->buckets[hash % ARRAY_LEN(standings->buckets)];
}

static void standing_free(struct standings *standings, struct standing *standing)
{
    while (standing->rests != NULL) {
        struct standing_rest *rest = standing->rests;
        standing->rests = rest->next;
        standings->rest_count--;
        free(rest);
    }
    quota_fini(&standing->quota);
    free(standing);
}

void standings_fini(struct standings *standings)
{
    for (size_t i = 0; i < ARRAY_LEN(standings->buckets); i++) {
        while (standings->buckets[i] != NULL) {
            struct standing *standing = standings->buckets[i];
            standings->buckets[i] = standing->next;
            standing_free(standings, standing);
        }
    }
}

struct standing *standings_find(struct standings *standings, struct str credential_id)
{
    struct standing *standing = *bucket_of(standings, str_hash(credential_id));
    while (standing != NULL && !str_eq((struct str){standing->id, standing->id_len}, credential_id))
        standing = standing->next;
    return standing;
}

struct standing *standings_of(struct standings *standings, const struct credential *credential)
{
    struct standing *standing = standings_find(standings, credential->id);
    if (standing != NULL)
        return standing;
    standing = calloc(1, sizeof *standing + credential->id.len);
    if (standing == NULL)
        return NULL;
    standing->fresh_since_ms = credential->fresh_since_ms;
    standing->secret_hash = credential->secret_hash;
    standing->is_listed = true;
    standing->hash = str_hash(credential->id);
    standing->id_len = credential->id.len;
    if (credential->id.len > 0)
        memcpy(standing->id, credential->id.ptr, credential->id.len);
    struct standing **bucket = bucket_of(standings, standing->hash);
    standing->next = *bucket;
    *bucket = standing;
    return standing;
}

struct standing_rest *standings_rest(struct standings *standings, struct standing *standing, struct str model)
{
    for (struct standing_rest *rest = standing->rests; rest != NULL; rest = rest->next) {
        if (str_eq((struct str){rest->model, rest->model_len}, model))
            return rest;
    }
    if (standings->rest_count == STANDINGS_RESTS_MAX)
        return NULL;
    struct standing_rest *rest = calloc(1, sizeof *rest + model.len);
    if (rest == NULL)
        return NULL;
    rest->standing = standing;
    rest_init(&rest->rest);
    rest->stored_until_ms = INT64_MIN;
    rest->model_len = model.len;
    if (model.len > 0)
        memcpy(rest->model, model.ptr, model.len);
    rest->next = standing->rests;
    standing->rests = rest;
    standings->rest_count++;
    return rest;
}

/* --- another snapshot --- */

/* Whose rests were only ended by hand may still be one that its provider does not take: the row of it goes on. */
static void begin_anew(struct standing *standing, const struct credential *credential)
{
    if (standing->is_disabled || standing->secret_hash != credential->secret_hash)
        standing->unauthorized = 0;
    standing->fresh_since_ms = credential->fresh_since_ms;
    standing->secret_hash = credential->secret_hash;
    standing->is_disabled = false;
    for (struct standing_rest *rest = standing->rests; rest != NULL; rest = rest->next) {
        rest_forget(&rest->rest);
        rest->stored_until_ms = INT64_MIN;
    }
}

/* Nobody asks for them, and they say nothing. */
static void drop_rests(struct standings *standings, struct standing *standing, int64_t now_ms)
{
    struct standing_rest **at = &standing->rests;
    while (*at != NULL) {
        struct standing_rest *rest = *at;
        if (rest->holds > 0 || rest->rest.until_ms > now_ms || rest->rest.is_on_trial) {
            at = &rest->next;
            continue;
        }
        *at = rest->next;
        standings->rest_count--;
        free(rest);
    }
}

static void drop_gone(struct standings *standings, struct standing **bucket, int64_t now_ms)
{
    while (*bucket != NULL) {
        struct standing *standing = *bucket;
        if (standing->is_listed || standing->holds > 0) {
            drop_rests(standings, standing, now_ms);
            bucket = &standing->next;
            continue;
        }
        *bucket = standing->next;
        standing_free(standings, standing);
    }
}

void standings_follow(struct standings *standings, const struct snapshot *snapshot, int64_t now_ms)
{
    for (size_t i = 0; i < ARRAY_LEN(standings->buckets); i++) {
        for (struct standing *standing = standings->buckets[i]; standing != NULL; standing = standing->next)
            standing->is_listed = false;
    }
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct credential *credential = &snapshot->credentials[i];
        struct standing *standing = standings_of(standings, credential);
        if (standing == NULL)
            continue;
        standing->is_listed = true;
        if (standing->fresh_since_ms != credential->fresh_since_ms)
            begin_anew(standing, credential);
    }
    for (size_t i = 0; i < ARRAY_LEN(standings->buckets); i++)
        drop_gone(standings, &standings->buckets[i], now_ms);
}

/* --- what calls say --- */

static struct standing_change disable(struct standing *standing, const char *reason)
{
    bool was_disabled = standing->is_disabled;
    standing->is_disabled = true;
    if (was_disabled)
        return (struct standing_change){.for_ms = 0};
    return (struct standing_change){.is_disabled = true, .is_to_be_stored = true, .reason = reason};
}

static const char *reason_of(enum refusal refusal)
{
    switch (refusal) {
    case REFUSAL_RATE_LIMIT:
        return "rate limited";
    case REFUSAL_NO_QUOTA:
        return "out of quota";
    case REFUSAL_UNAUTHORIZED:
        return "unauthorized";
    case REFUSAL_UNAVAILABLE:
        return "unavailable";
    case REFUSAL_REQUEST:
        break;
    }
    return "";
}

struct standing_change standing_refused(struct standing_rest *rest, const struct credential *credential,
                                        uint32_t epoch, const struct attempt_failure *failure, int64_t now_ms)
{
    struct standing *standing = rest->standing;
    const char *reason = reason_of(failure->refusal);
    bool is_new;
    if (credential->fresh_since_ms != standing->fresh_since_ms)
        return (struct standing_change){.for_ms = 0}; /* of a secret that is no more */
    if (failure->refusal == REFUSAL_REQUEST)          /* whoever reads the request takes the credential */
        return (struct standing_change){.is_back = standing_answered(rest, credential, epoch, now_ms)};
    if (failure->refusal == REFUSAL_NO_QUOTA)
        return disable(standing, reason);
    int64_t for_ms = rest_begin(&rest->rest, epoch, failure->refusal, failure->asked_ms, now_ms, &is_new);
    if (failure->refusal == REFUSAL_UNAUTHORIZED)
        standing->unauthorized += is_new;
    if (standing->unauthorized >= UNAUTHORIZED_MAX)
        return disable(standing, reason);
    struct standing_change change = {.for_ms = for_ms, .reason = reason};
    change.is_to_be_stored = now_ms + for_ms > rest->stored_until_ms + STORED_SLACK_MS;
    if (change.is_to_be_stored)
        rest->stored_until_ms = now_ms + for_ms;
    return change;
}

bool standing_answered(struct standing_rest *rest, const struct credential *credential, uint32_t epoch,
                       int64_t now_ms)
{
    if (credential->fresh_since_ms != rest->standing->fresh_since_ms)
        return false;
    rest->standing->unauthorized = 0;
    return rest_answered(&rest->rest, epoch, now_ms);
}
