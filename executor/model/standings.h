/*
 * standings: how credentials stand: for which models they rest, what of their quotas is used, how much each is due. Kept by
 * credential id, across changes of the store; what the pool of the moment picks from.
 *
 * Rests    rate limit: 60 s, or as long as the provider says when that is longer. Unavailable: 10 s, doubled with each refusal
 *          in a row, at most 300 s. Unauthorized: 10 s, and after UNAUTHORIZED_MAX in a row the credential is not used any more;
 *          out of quota: at once. A rest never gets shorter. After it one call at a time is tried until one has been answered.
 * Threads  any, under the lock where it says so.
 * Memory   an entry for each credential, and for each of its models, that has been asked for; at most STANDINGS_MAX.
 */
#pragma once
#include "executor/model/attempt.h"
#include "executor/model/quota.h"
#include "shared/base/arena.h"
#include <pthread.h>

/* entries. More pairs than any set of credentials has models; beyond it a pair is not used. */
#define STANDINGS_MAX 65536
/* refusals in a row. */
enum { UNAUTHORIZED_MAX = 3 };

struct standing;
/* Of a credential for a model, as the provider is asked for it. */
struct rest {
    struct rest *next;
    struct standing *standing;
    struct str model;
    int64_t until_ms; /* monotonic; in the past: it does not rest */
    int refusals;     /* in a row */
    bool needs_trial, on_trial;
    bool is_stored, is_listed; /* it has been seen in the store; it is there now */
    double due; /* picks it should have had and has not (lane.h) */
};
struct standing {
    struct standing *next;
    struct str credential_id;
    struct rest *rests;
    struct quota quota;
    int unauthorized; /* in a row */
    int64_t
        refused_version_ms; /* updated_at_ms of the credential that the provider does not take any more; 0: none */
};

struct standings {
    pthread_mutex_t lock; /* of all of it */
    struct arena arena;
    struct standing *buckets[1024];
    size_t count;
};

/* NULL: no memory. */
struct standings *standings_new(void);
void standings_free(struct standings *standings); /* NULL is fine */
/* Under the lock. The entry, made when there is none; NULL: no memory, or STANDINGS_MAX. Lives as long as the table. */
struct rest *standings_of(struct standings *standings, struct str credential_id, struct str model);

/* What a refusal has led to. */
struct standing_change {
    int64_t for_ms;     /* > 0: it rests so long from now */
    bool is_disabled;   /* it is not to be used any more */
    const char *reason; /* words: "rate limited"; static */
};
/* Under the lock. version_ms: of the credential that was refused. */
struct standing_change standing_refused(struct rest *rest, enum refusal refusal, int64_t asked_ms,
                                        int64_t version_ms, int64_t now_ms);
/* Under the lock: it has answered. */
void standing_answered(struct rest *rest);
/* Under the lock: it rests at least so long. */
void standing_rests(struct rest *rest, int64_t for_ms, int64_t now_ms);
