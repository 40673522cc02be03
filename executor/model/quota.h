/*
 * quota: what was asked of one credential in the last minute, requests and tokens, so that it is passed over before its provider
 * has to refuse. In any 60 s there are never more requests than its limit, nor more tokens as they were estimated or, once
 * known, used.
 * Threads  plain data; the time is passed in and never goes back.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ms. A minute, and what a request may take longer on its way to the provider than the one that comes after that minute. */
#define QUOTA_WINDOW_MS 60250
/* entries. Without an allocation. */
enum { QUOTA_FEW = 4 };

struct quota_limits {
    int64_t requests, tokens; /* per minute; 0: no limit */
};

struct quota_entry { /* what was asked for in one ms */
    int64_t at_ms;
    int64_t requests, tokens;
};
struct quota {
    size_t first, count, cap; /* cap: of more */
    int64_t requests, tokens; /* of all entries */
    struct quota_entry *more; /* NULL: few is all there is */
    struct quota_entry few[QUOTA_FEW];
};

void quota_fini(struct quota *q); /* a zeroed one is empty */
/*
 * From when on a request of `tokens` has room: now_ms or earlier when it has it now. A request that is larger than the limit has
 * room when there is no other.
 */
int64_t quota_room_ms(struct quota *q, const struct quota_limits *limits, int64_t tokens, int64_t now_ms);
/* Counts it, whether it has room or not. Without memory it counts for longer, never less. Nothing without limits. */
void quota_take(struct quota *q, const struct quota_limits *limits, int64_t tokens, int64_t now_ms);
/* What was counted at `at_ms` as `estimated` tokens has used `used`. */
void quota_settle(struct quota *q, int64_t at_ms, int64_t estimated, int64_t used);
