/*
 * attempt: one request of a model call to one credential's provider, from its sending to done or failed.
 * Threads  the loop's of its HTTP client. text() comes from inside libcurl and must only note things (client.h).
 */
#pragma once
#include "executor/model/pool.h"
#include "executor/nodes/node.h"
#include "shared/http/client.h"

/*
 * Sends the request with this credential; the call holds its pool. Exactly one of done and failed comes, unless it is
 * cancelled before; the call is gone then. None comes from inside this function.
 * NULL: err says why (memory, an address that is none).
 */
struct attempt *attempt_start(struct http_client *http, const struct credential *credential,
                              const struct model_request *request, const struct model_callbacks *callbacks,
                              void *arg, struct status *err);
/* Ends it at once, without a callback; the connection is closed before this returns. */
void attempt_cancel(struct attempt *call);
void attempt_pause(struct attempt *call);
void attempt_resume(struct attempt *call); /* text() may come before this returns */

/*
 * What a failure means for the next request. Asked for from inside failed().
 * may_try_another  nothing has been delivered, and with another credential it may go better
 * must_rest        this credential is better left alone for a while
 * asked_ms         for how long, as the provider says (Retry-After); 0: it does not
 */
struct attempt_refusal {
    bool may_try_another, must_rest;
    enum rest_cause cause;
    int64_t asked_ms;
};
struct attempt_refusal attempt_refusal(const struct attempt *call);
