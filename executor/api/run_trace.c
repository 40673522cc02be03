/* run_trace: see the header. */
#include "executor/api/run_trace.h"

#include "shared/base/clock.h"
#include "shared/base/run_end.h"

static const char *node_status_word(enum node_status status)
{
    static const char *const words[] = {
        [NODE_STATUS_NONE] = "unknown",    [NODE_STATUS_PENDING] = "pending",
        [NODE_STATUS_RUNNING] = "running", [NODE_STATUS_SUCCEEDED] = "succeeded",
        [NODE_STATUS_FAILED] = "failed",   [NODE_STATUS_EXCEPTION] = "exception",
        [NODE_STATUS_STOPPED] = "stopped", [NODE_STATUS_PAUSED] = "paused",
        [NODE_STATUS_RETRY] = "retry",
    };
    return words[status];
}

static void put_container(struct span *s, const struct event_node *node)
{
    if (node->iteration_id.len > 0) {
        span_text(s, "heddle.iteration.id", node->iteration_id);
        span_int(s, "heddle.iteration.index", node->iteration_index);
    }
    if (node->loop_id.len > 0) {
        span_text(s, "heddle.loop.id", node->loop_id);
        span_int(s, "heddle.loop.index", node->loop_index);
    }
}

void run_trace_node(const struct tracing *trace, const struct event_node *node)
{
    uint8_t own[TRACE_SPAN_BYTES], around[TRACE_SPAN_BYTES];
    struct span s;
    if (!trace_span_of(node->execution_id, own))
        return;
    const struct tracing_span about = {.span = own,
                                       .parent = trace_span_of(node->container_id, around) ? around : NULL,
                                       .kind = SPAN_INTERNAL,
                                       .started_us = node->started_us,
                                       .ended_us = node->ended_us};
    tracing_span(trace, &about, node->node_type, node->title, &s);
    span_text(&s, "heddle.node.id", node->node_id);
    span_text(&s, "heddle.node.type", node->node_type);
    span_text(&s, "heddle.node.title", node->title);
    span_int(&s, "heddle.node.index", node->index);
    span_text(&s, "heddle.node.status", str_c(node_status_word(node->status)));
    if (node->total_tokens > 0)
        span_int(&s, "heddle.node.tokens", node->total_tokens);
    if (node->retry_index > 0)
        span_int(&s, "heddle.node.retries", node->retry_index);
    if (node->steps > 0)
        span_int(&s, "heddle.node.steps", node->steps);
    put_container(&s, node);
    if (node->status == NODE_STATUS_FAILED || node->status == NODE_STATUS_EXCEPTION) {
        span_text(&s, "error.type", node->error_type);
        span_error(&s, node->error);
    }
    span_put(&s, trace->otlp);
}

static void begin_run(const struct tracing *trace, const Heddle__Executor__V1__ExecuteRequest *request,
                      struct span *ret)
{
    const struct tracing_span about = {
        .kind = SPAN_SERVER, .started_us = trace->started_us, .ended_us = clock_monotonic_us()};
    tracing_span(trace, &about, STR("run"), STR(""), ret);
    span_text(ret, "rpc.system", STR("grpc"));
    span_text(ret, "rpc.service", STR("heddle.executor.v1.ExecutorService"));
    span_text(ret, "rpc.method", STR("Execute"));
    span_text(ret, "heddle.run.id", str_c(request->run_id));
    span_int(ret, "heddle.run.attempt", request->attempt);
    span_text(ret, "heddle.app.id", str_c(request->app_id));
    span_text(ret, "heddle.version.id", str_c(request->version_id));
    span_text(ret, "gen_ai.conversation.id", str_c(request->conversation_id));
}

void run_trace_end(const struct tracing *trace, const Heddle__Executor__V1__ExecuteRequest *request,
                   const struct event_finished *finished)
{
    struct span s;
    begin_run(trace, request, &s);
    span_text(&s, "heddle.run.status", str_c(run_status_word((int)finished->status)));
    span_text(&s, "heddle.run.end_reason", str_c(end_reason_word((int)finished->reason)));
    span_int(&s, "heddle.run.steps", finished->total_steps);
    span_int(&s, "heddle.run.tokens", finished->total_tokens);
    if (finished->status == RUN_STATUS_FAILED)
        span_error(&s, finished->error);
    span_put(&s, trace->otlp);
}

void run_trace_refused(const struct tracing *trace, const Heddle__Executor__V1__ExecuteRequest *request,
                       const struct status *status)
{
    struct span s;
    begin_run(trace, request, &s);
    span_int(&s, "rpc.grpc.status_code", status->code);
    span_text(&s, "heddle.refusal", str_c(status->reason));
    span_error(&s, str_c(status->message));
    span_put(&s, trace->otlp);
}
