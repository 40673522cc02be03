/*
 * call: one model call, from its request to done or failed.
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
struct model_call *model_call_start(struct http_client *http, const struct credential *credential,
                                    const struct model_request *request,
                                    const struct model_callbacks *callbacks, void *arg, struct status *err);
/* Ends it at once, without a callback; the connection is closed before this returns. */
void model_call_cancel(struct model_call *call);
void model_call_pause(struct model_call *call);
void model_call_resume(struct model_call *call); /* text() may come before this returns */
