/*
 * rest: which credential is to be left alone for which model, and until when, as all executors know it. A rest never gets
 * shorter; it ends before its time only when its credential becomes fresh (credential.h, fresh_since_ms).
 * See store.h for calls, results, errors and threads. Written by executors; times by the clock of who writes and reads: the
 * processes of one machine share it.
 */
#pragma once
#include "shared/store/credential.h"

/* rests. Read at a time: more pairs of credential and model than rest at one time. */
#define STORE_RESTS_MAX 10000

/* ms. A rest: longer than any provider counts, short enough that an end by hand is not forgotten. */
#define STORE_REST_MS_MAX ((int64_t)31 * 24 * 3600 * 1000)

struct store_rest {
    struct str workspace_id, credential_id;
    struct str model;     /* as the provider is asked for it */
    int64_t until_ms;     /* Unix time */
    int64_t remaining_ms; /* when it was read; more than 0 */
    struct str reason;    /* "rate limited", … */
    struct str seen_by;   /* instance id of the executor that was refused */
};
struct store_rest_set {
    const struct store_rest *rests; /* those that are not over, by workspace, credential and model */
    size_t count;
};
typedef void (*store_rest_set_done)(void *arg, const struct store_rest_set *set, const struct status *status);

struct store_rest_put {
    struct str workspace_id, credential_id, model;
    int64_t for_ms; /* from now; at most STORE_REST_MS_MAX; 0 and less: it is over already */
    struct str reason, seen_by;
    int64_t fresh_since_ms; /* of the credential that was refused; 0: whatever it is */
};
/* Keeps the longer one. Nothing happens for a credential that is gone, or has become fresh since. */
MUST_CHECK enum status_code store_rest_put(struct store *store, const struct store_rest_put *request,
                                           store_done done, void *arg, struct status *err);
MUST_CHECK enum status_code store_rest_load(struct store *store, store_rest_set_done done, void *arg,
                                            struct status *err);
/*
 * Calls changed(arg) on the watching thread some 20 ms after anything was committed, by this process or another: rests that
 * were put among it, and changes of the configuration, after store_watch() has been told. As store_watch() otherwise; one watch.
 */
MUST_CHECK enum status_code store_rest_watch(struct store *store, void (*changed)(void *arg), void *arg,
                                             struct status *err);
