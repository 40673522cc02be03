/* rests: see the header. */
#include "executor/model/rests.h"

/* ms. */
enum { RATE_LIMIT_MS = 60000, REFUSED_MS = 10000, REFUSED_MS_MAX = 300000 };
/* ms. What a provider may ask for: a day. */
#define ASKED_MS_MAX ((int64_t)24 * 3600 * 1000)

void rest_init(struct rest *rest)
{
    *rest = (struct rest){.until_ms = INT64_MIN};
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t length_of(enum refusal refusal, uint32_t row)
{
    int64_t ms = REFUSED_MS;
    if (refusal == REFUSAL_RATE_LIMIT)
        return RATE_LIMIT_MS;
    if (refusal != REFUSAL_UNAVAILABLE)
        return REFUSED_MS;
    for (uint32_t i = 1; i < row && ms < REFUSED_MS_MAX; i++)
        ms *= 2;
    return ms < REFUSED_MS_MAX ? ms : REFUSED_MS_MAX;
}

int64_t rest_begin(struct rest *rest, uint32_t epoch, enum refusal refusal, int64_t asked_ms, int64_t now_ms,
                   bool *ret_is_new)
{
    /* Once it was well again even an old call tells something new. */
    *ret_is_new = epoch == rest->epoch || !rest->is_on_trial;
    if (*ret_is_new) {
        rest->epoch++;
        rest->row += refusal == REFUSAL_UNAVAILABLE;
    }
    int64_t asked = asked_ms < ASKED_MS_MAX ? asked_ms : ASKED_MS_MAX;
    rest->until_ms = larger(rest->until_ms, now_ms + larger(length_of(refusal, rest->row), asked));
    rest->is_on_trial = true;
    return rest->until_ms - now_ms;
}

void rest_take(struct rest *rest, int64_t for_ms, int64_t now_ms)
{
    if (now_ms + for_ms <= rest->until_ms)
        return;
    rest->until_ms = now_ms + for_ms;
    rest->epoch++;
    rest->is_on_trial = true;
}

bool rest_answered(struct rest *rest, uint32_t epoch, int64_t now_ms)
{
    bool was_on_trial = rest->is_on_trial;
    if (epoch != rest->epoch || rest->until_ms > now_ms)
        return false;
    rest->row = 0;
    rest->is_on_trial = false;
    return was_on_trial;
}

void rest_forget(struct rest *rest)
{
    rest->until_ms = INT64_MIN;
    rest->epoch++;
    rest->row = 0;
    rest->is_on_trial = false;
}
