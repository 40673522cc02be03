/*
 * call: one model call: asks one credential after the other until one answers. As long as nothing has been delivered a call goes
 * on to the next credential that has not been tried and does not rest; afterwards it never sends again.
 * Threads  the loop's of its HTTP client. text() comes from inside libcurl and must only note things (client.h).
 */
#pragma once
#include "executor/model/attempt.h"

/*
 * The request is borrowed until done, failed or cancel, what it points at as well; the call holds the pool. Exactly one
 * of done and failed comes, unless it is cancelled before; the call is gone then. None comes from inside this function.
 * NULL: err says why (no credential, memory, an address that is none).
 */
struct model_call *model_call_start(struct http_client *http, struct pool *pool,
                                    const struct model_request *request,
                                    const struct model_callbacks *callbacks, void *arg, struct status *err);
/* Ends it at once, without a callback; the connection is closed before this returns. */
void model_call_cancel(struct model_call *call);
void model_call_pause(struct model_call *call);
void model_call_resume(struct model_call *call); /* text() may come before this returns */
