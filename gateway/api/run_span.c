/* run_span: see the header. Names of attributes: OpenTelemetry semantic conventions "rpc"; our own begin with heddle. */
#include "gateway/api/run_span.h"

#include "shared/base/clock.h"
#include "shared/base/run_end.h"

void run_span_begin(struct tracing *t, struct otlp *otlp, const struct rpc_call *call)
{
    struct str parent = rpc_call_metadata(call, "traceparent"), states[TRACE_STATE_MEMBERS_MAX];
    size_t count = 0;
    if (parent.ptr == NULL && otlp == NULL)
        return;
    if (rpc_call_metadata_nth(call, "traceparent", 1).ptr != NULL)
        parent = STR(""); /* two of them say nothing */
    while (parent.len > 0 && count < ARRAY_LEN(states) &&
           (states[count] = rpc_call_metadata_nth(call, "tracestate", count)).ptr != NULL)
        count++;
    tracing_begin(t, otlp, parent, states, count);
}

/* As the conventions have it: what is the caller's own mistake is no error of a server. */
static bool is_server_error(enum status_code code)
{
    return code == STATUS_UNKNOWN || code == STATUS_DEADLINE_EXCEEDED || code == STATUS_UNIMPLEMENTED ||
           code == STATUS_INTERNAL || code == STATUS_UNAVAILABLE || code == STATUS_DATA_LOSS;
}

static void put_run(struct span *s, const struct run_call *run)
{
    const struct relay_end *told = &run->relay.told;
    span_text(s, "heddle.app.id", str_c(run->task.app_id));
    span_text(s, "heddle.run.id", str_c(run->task.run_id));
    span_text(s, "gen_ai.conversation.id", str_c(run->conversation_id));
    if (run->attempt > 0)
        span_int(s, "heddle.run.attempt", run->attempt);
    if (told->status == 0)
        return;
    span_text(s, "heddle.run.status", str_c(run_status_word(told->status)));
    span_text(s, "heddle.run.end_reason", str_c(end_reason_word(told->reason)));
}

void run_span_end(const struct tracing *t, const struct rpc_call *call, const struct run_call *run,
                  const struct status *status)
{
    struct span s;
    struct str path = str_c(rpc_call_method(call)->path);
    if (!tracing_is_recorded(t))
        return;
    path = str_sub(path, 1, path.len);
    size_t slash = str_find(path, STR("/"), 0);
    const struct tracing_span about = {
        .kind = SPAN_SERVER, .started_us = t->started_us, .ended_us = clock_monotonic_us()};
    tracing_span(t, &about, path, STR(""), &s);
    span_text(&s, "rpc.system", STR("grpc"));
    span_text(&s, "rpc.service", str_sub(path, 0, slash));
    span_text(&s, "rpc.method", str_sub(path, slash + 1, path.len));
    span_int(&s, "rpc.grpc.status_code", status->code);
    if (run != NULL)
        put_run(&s, run);
    if (status->code != STATUS_OK) {
        span_text(&s, "heddle.refusal", str_c(status->reason));
        span_text(&s, "heddle.words", str_c(status->message));
    }
    if (is_server_error(status->code))
        span_error(&s, str_c(status->message));
    span_put(&s, t->otlp);
}
