/*
 * credential_state: how a credential stands, in words at a glance.
 * Threads  plain functions.
 */
#pragma once
#include "heddle/v1/admin.pb-c.h"
#include "shared/base/buf.h"

/* rests. Named in one line; the others are counted. */
enum { STATE_RESTS_MAX = 2 };

/*
 * "enabled", "disabled", "disabled: out of quota: …", "enabled; gpt-4o rests 43 s: rate limited; 2 more rest".
 * now_ms: wall clock; rests that are over are left out
 */
void state_put(struct buf *b, const Heddle__V1__Credential *credential, int64_t now_ms);
/* "43 s", "2 min", "3 h": rounded up, at least 1 s. */
void state_put_span(struct buf *b, int64_t ms);
/* "60 requests/min, 100000 tokens/min, 4 at a time"; "" for none. */
void state_put_limits(struct buf *b, const Heddle__V1__Credential *credential);
