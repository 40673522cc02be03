/*
 * standings: how credentials stand: for which models they rest, what of their quotas is used, how many calls they have at the
 * moment, whether their provider takes them at all. Kept by credential id, across changes of the store.
 * Threads  under the lock of the pool they belong to.
 * Memory   an entry for each credential of the snapshot, and for each of its models that was asked for; what nobody holds any
 *          more leaves with the next snapshot.
 */
#pragma once
#include "executor/model/quota.h"
#include "executor/model/rests.h"
#include "executor/model/snapshot.h"

/* rests. More pairs of credential and model than are asked for between two changes of the store. */
#define STANDINGS_RESTS_MAX 262144
/* rests in a row. Then the provider is believed that it does not take the credential. */
enum { UNAUTHORIZED_MAX = 3 };

struct standing;
struct standing_rest {
    struct rest rest; /* first: every look at a lane reads it */
    struct standing *standing;
    struct standing_rest *next;
    size_t holds;            /* members of lanes, calls */
    int64_t stored_until_ms; /* what of it the store knows */
    size_t model_len;
    char model[];
};
struct standing {
    /* What every look at a lane reads. */
    bool is_disabled; /* refused for good */
    uint64_t mark;    /* whose look it was last marked for (pool.c) */
    int64_t running;  /* calls */
    struct quota quota;

    struct standing *next;
    size_t holds; /* members of lanes, calls that have tried it */
    struct standing_rest *rests;
    int64_t fresh_since_ms; /* of the credential that all of this was learnt of */
    uint64_t secret_hash;
    int unauthorized; /* rests in a row, with this secret */
    bool is_listed;   /* in the newest snapshot */
    uint64_t hash;    /* of the id */
    size_t id_len;
    char id[];
};

struct standings {
    struct standing *buckets[1024];
    size_t rest_count;
};

void standings_fini(struct standings *standings); /* a zeroed one is empty */
struct standing *standings_find(struct standings *standings, struct str credential_id); /* NULL: none */
/* Made when there is none; NULL: no memory. */
struct standing *standings_of(struct standings *standings, const struct credential *credential);
/* Its rest for a model as the provider is asked for it; made when there is none. NULL: no memory, or STANDINGS_RESTS_MAX. */
struct standing_rest *standings_rest(struct standings *standings, struct standing *standing,
                                     struct str model);
/*
 * There is another snapshot: fresh credentials begin anew, and what is gone and held by nobody is forgotten. Those there is no
 * memory for get an entry once they are asked for.
 */
void standings_follow(struct standings *standings, const struct snapshot *snapshot, int64_t now_ms);

/* What has become of a credential; zeroed: nothing. */
struct standing_change {
    int64_t for_ms; /* > 0: it rests for so long from now */
    bool is_disabled, is_back;
    bool is_to_be_stored; /* else the store knows it well enough */
    const char *reason;   /* "rate limited"; static */
};
/* A call of this credential that was begun in this epoch of its rest was refused. */
struct standing_change standing_refused(struct standing_rest *rest, const struct credential *credential,
                                        uint32_t epoch, const struct attempt_failure *failure,
                                        int64_t now_ms);
/* It was answered. True: it is back from a rest. */
bool standing_answered(struct standing_rest *rest, const struct credential *credential, uint32_t epoch,
                       int64_t now_ms);
