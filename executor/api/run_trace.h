/*
 * run_trace: a run and its nodes as spans. Inside executor/api. What it is called for is recorded (tracing_is_recorded()).
 * Threads  the run's.
 */
#pragma once
#include "executor/run/event.h"
#include "shared/otlp/tracing.h"
#include <heddle/executor/v1/executor.pb-c.h>

/* The end of a node. */
void run_trace_node(const struct tracing *trace, const struct event_node *node);
/* The end of the run. */
void run_trace_end(const struct tracing *trace, const Heddle__Executor__V1__ExecuteRequest *request,
                   const struct event_finished *finished);
/* It has not begun. */
void run_trace_refused(const struct tracing *trace, const Heddle__Executor__V1__ExecuteRequest *request,
                       const struct status *status);
