/*
 * rests: for how long a credential is left alone for one model after its provider has refused, or could not be reached. A
 * rest never gets shorter.
 *
 * rate limit      60 s, or as long as the provider asks for when that is longer
 * unavailable     10 s, doubled with each rest in a row, at most 300 s; or as long as it asks for
 * unauthorized    10 s
 *
 * After a rest one call at a time tries it, until one has been answered. Calls that were on their way when a rest began say
 * nothing new: of many refusals at once only the first counts in a row.
 *
 * Threads  plain data; the time is passed in.
 */
#pragma once
#include "executor/model/attempt.h"

struct rest {
    int64_t until_ms; /* monotonic; in the past: it does not rest */
    uint32_t epoch;   /* rests so far */
    uint32_t row;     /* unavailable, in a row */
    bool is_on_trial; /* has not been answered since it began to rest */
    uint32_t trials;  /* in flight: the pool's */
};

void rest_init(struct rest *rest);
/* A call of epoch `epoch` was refused. Returns for how long it rests from now, ms. ret_is_new: it counts in a row. */
int64_t rest_begin(struct rest *rest, uint32_t epoch, enum refusal refusal, int64_t asked_ms, int64_t now_ms,
                   bool *ret_is_new);
/* Somebody else has seen it refused. */
void rest_take(struct rest *rest, int64_t for_ms, int64_t now_ms);
/* A call of epoch `epoch` was answered. True: it is back from a rest with this. */
bool rest_answered(struct rest *rest, uint32_t epoch, int64_t now_ms);
/* Its credential is another one now. */
void rest_forget(struct rest *rest);
