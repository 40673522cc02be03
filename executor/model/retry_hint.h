/*
 * retry_hint: for how long a provider asks to be left alone, from the headers of an answer.
 * Threads  plain data; the time is passed in.
 */
#pragma once
#include "shared/base/str.h"

/* ms. The longest wait that is believed: limits of a month are no rest. */
#define RETRY_HINT_MS_MAX ((int64_t)7 * 24 * 3600 * 1000)
/* limits that one answer tells of (requests, tokens, tokens of the input, the same per day); more are ignored. */
enum { RETRY_HINT_LIMITS_MAX = 8 };

struct retry_hint {   /* zeroed: nothing is known */
    int64_t asked_ms; /* Retry-After; 0: not said */
    struct retry_limit {
        char name[24]; /* "requests" */
        int64_t reset_ms;
        bool has_remaining, is_used_up;
    } limits[RETRY_HINT_LIMITS_MAX];
    size_t limit_count;
};

/*
 * Takes a header of an answer: Retry-After (seconds or a date), retry-after-ms, x-ratelimit-{remaining,reset}-NAME,
 * anthropic-ratelimit-NAME-{remaining,reset}. Others are ignored. wall_ms: Unix time now.
 */
void retry_hint_take(struct retry_hint *h, struct str name, struct str value, int64_t wall_ms);
/* What Retry-After asks for. 0: nothing. */
int64_t retry_hint_asked_ms(const struct retry_hint *h);
/* The same for a call that came too often; without it the longest of the limits that are used up, or do not say so. */
int64_t retry_hint_limited_ms(const struct retry_hint *h);
/* "34s", "6m0s", "1h2m3.5s", "250ms", "0.5" (seconds); 0: none of these. */
int64_t retry_hint_duration_ms(struct str text);
