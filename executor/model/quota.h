/*
 * quota: what a credential may carry, as its owner says it: requests and tokens within any 60 seconds, requests at one time. A
 * call reserves before it is sent, by an estimate, and settles when it has ended: so a key with a known limit is passed over
 * before it answers 429.
 * Threads  the lock of the standings it belongs to.
 */
#pragma once
#include "shared/base/window.h"

/* ms. */
#define QUOTA_WINDOW_MS 60000
/* Tokens are counted by the second; a second leaves when all of it is 60 s old, so never too many are let through. */
enum { QUOTA_SECONDS = 62 };

struct quota_limits { /* 0: none */
    int64_t requests, tokens, concurrent;
};
struct quota {
    struct window requests; /* when they were reserved */
    int64_t tokens[QUOTA_SECONDS], seconds[QUOTA_SECONDS];
    int64_t running;
};
/* What one call holds; zeroed: nothing. */
struct quota_hold {
    int64_t at_ms, tokens;
    bool is_held;
};

void quota_fini(struct quota *quota);
/*
 * Could a call with so many tokens go now? If not: when at the earliest, INT64_MAX when only the end of a running one can tell.
 * More tokens than the limit in one call go when nothing else was spent.
 */
bool quota_has_room(struct quota *quota, const struct quota_limits *limits, int64_t tokens, int64_t now_ms,
                    int64_t *ret_back_ms);
/* False: no memory. */
MUST_CHECK bool quota_reserve(struct quota *quota, const struct quota_limits *limits, int64_t tokens,
                              int64_t now_ms, struct quota_hold *ret);
/* The call has ended with so many tokens; -1: as estimated. Harmless twice. */
void quota_settle(struct quota *quota, struct quota_hold *hold, int64_t tokens, int64_t now_ms);
