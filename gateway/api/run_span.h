/*
 * run_span: the call of a run as a span, and the trace it is part of.
 * Threads  the call's queue.
 */
#pragma once
#include "gateway/api/run_call.h"
#include "shared/otlp/tracing.h"

/* Takes part in the trace that the call's metadata (traceparent, tracestate) name; t is zeroed. */
void run_span_begin(struct tracing *t, struct otlp *otlp, const struct rpc_call *call);
/*
 * The call ends, with this status. Nothing where the trace is not recorded.
 * run   NULL: it was refused before there was one
 */
void run_span_end(const struct tracing *t, const struct rpc_call *call, const struct run_call *run,
                  const struct status *status);
