/*
 * rests: which credential is to be left alone for which model, and until when, because its provider has refused or could not
 * be reached. Kept in memory across changes of the store; a rest never gets shorter.
 *
 * rate limit      60 s, or as long as the provider says when that is longer
 * anything else   10 s, doubled with each refusal in a row, at most 300 s
 *
 * Threads  any; rests_of() takes a lock, the others are a few atomic words.
 * Memory   an entry per (credential, model) that has been asked for, at most RESTS_MAX; they end with the table.
 */
#pragma once
#include "shared/base/status.h"
#include "shared/base/str.h"
#include <stdatomic.h>

/* entries. More pairs than any set of credentials has models; beyond it nothing rests. */
#define RESTS_MAX 65536

enum rest_cause { REST_RATE_LIMIT, REST_REFUSED };

struct rests;
struct rest {
    struct rest *next;
    atomic_int_fast64_t until_ms; /* monotonic; in the past: it does not rest */
    atomic_int refusals;          /* in a row */
    struct str credential_id, model;
};

/* NULL: no memory. */
struct rests *rests_new(void);
void rests_free(struct rests *rests); /* NULL is fine */
/* The entry, made when there is none; NULL: no memory, or RESTS_MAX. Lives as long as the table. */
struct rest *rests_of(struct rests *rests, struct str credential_id, struct str model);

/* NULL as rest is fine everywhere: it never rests. */
bool rest_is_over(const struct rest *rest, int64_t now_ms);
/* asked_ms: what the provider asks for; 0: nothing. Returns for how long it rests from now, ms. */
int64_t rest_begin(struct rest *rest, enum rest_cause cause, int64_t asked_ms, int64_t now_ms);
void rest_forgive(struct rest *rest); /* it has answered: the next refusal is the first again */
