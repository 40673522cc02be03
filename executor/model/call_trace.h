/*
 * call_trace: the attempts of a model call as spans, and how the trace is told to providers.
 * Threads  as call.h.
 */
#pragma once
#include "executor/model/attempt.h"
#include "executor/model/pool.h"
#include "executor/worker/job.h"
#include "shared/otlp/tracing.h"

/* Of one attempt. `caller` outlives it; NULL trace: nothing is done. */
struct call_trace {
    const struct model_caller *caller;
    uint8_t span[TRACE_SPAN_BYTES];
    int64_t started_us; /* monotonic */
};

/* An attempt begins. *ret: what to tell the provider. */
void call_trace_begin(struct call_trace *t, const struct model_caller *caller, struct tracing_headers *ret);
/*
 * It has ended: answered (failure NULL), refused (reply NULL), or given up by its run (both NULL).
 * ticket   whom it asked
 */
void call_trace_end(const struct call_trace *t, const struct model_request *request,
                    const struct pool_ticket *ticket, const struct model_reply *reply,
                    const struct attempt_failure *failure);
