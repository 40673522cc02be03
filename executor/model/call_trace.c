/* call_trace: see the header. Names of attributes: OpenTelemetry semantic conventions "gen_ai" and "http"; our own begin with heddle. */
#include "executor/model/call_trace.h"

#include "shared/base/clock.h"

void call_trace_begin(struct call_trace *t, const struct model_caller *caller, struct tracing_headers *ret)
{
    bool is_recorded = tracing_is_recorded(caller->trace);
    t->caller = caller;
    ret->count = 0;
    if (is_recorded) {
        trace_new_span(t->span);
        t->started_us = clock_monotonic_us();
    }
    if (caller->trace != NULL && caller->tells_trace)
        tracing_headers(caller->trace, is_recorded ? t->span : NULL, ret);
}

static const char *refusal_name(enum refusal refusal)
{
    switch (refusal) {
    case REFUSAL_REQUEST:
        return "request";
    case REFUSAL_RATE_LIMIT:
        return "rate_limit";
    case REFUSAL_NO_QUOTA:
        return "no_quota";
    case REFUSAL_UNAUTHORIZED:
        return "unauthorized";
    case REFUSAL_UNAVAILABLE:
        break;
    }
    return "unavailable";
}

static void put_answer(struct span *s, const struct model_reply *reply)
{
    span_int(s, "http.response.status_code", reply->http_status);
    span_texts(s, "gen_ai.response.finish_reasons", reply->finish_reason);
    if (reply->has_usage) {
        span_int(s, "gen_ai.usage.input_tokens", reply->usage.prompt_tokens);
        span_int(s, "gen_ai.usage.output_tokens", reply->usage.completion_tokens);
    }
    if (reply->usage.first_token_ms >= 0)
        span_int(s, "heddle.model.first_token_ms", reply->usage.first_token_ms);
}

static void put_failure(struct span *s, const struct attempt_failure *failure)
{
    if (failure->http_status != 0)
        span_int(s, "http.response.status_code", failure->http_status);
    span_text(s, "error.type", str_c(failure->error_type));
    span_text(s, "heddle.refusal", str_c(refusal_name(failure->refusal)));
    span_error(s, failure->words);
}

void call_trace_end(const struct call_trace *t, const struct model_request *request,
                    const struct pool_ticket *ticket, const struct model_reply *reply,
                    const struct attempt_failure *failure)
{
    const struct tracing *trace = t->caller->trace;
    uint8_t node[TRACE_SPAN_BYTES];
    struct span s;
    if (!tracing_is_recorded(trace))
        return;
    struct str operation = request->is_completion ? STR("text_completion") : STR("chat");
    const struct tracing_span about = {.span = t->span,
                                       .parent = trace_span_of(request->execution_id, node) ? node : NULL,
                                       .kind = SPAN_CLIENT,
                                       .started_us = t->started_us,
                                       .ended_us = clock_monotonic_us()};
    tracing_span(trace, &about, operation, ticket->model, &s);
    span_text(&s, "gen_ai.operation.name", operation);
    span_text(&s, "gen_ai.provider.name", request->provider);
    span_text(&s, "gen_ai.request.model", ticket->model);
    span_text(&s, "gen_ai.conversation.id", t->caller->conversation_id);
    span_text(&s, "http.request.method", STR("POST"));
    if (ticket->credential != NULL)
        span_text(&s, "heddle.credential.name", ticket->credential->name);
    span_int(&s, "heddle.model.attempt", (int64_t)ticket->tried_count);
    span_int(&s, "heddle.model.waited_ms", ticket->waited_ms);
    if (reply != NULL)
        put_answer(&s, reply);
    else if (failure != NULL)
        put_failure(&s, failure);
    else
        span_text(&s, "error.type", STR("cancelled"));
    span_put(&s, trace->otlp);
}
