/* tracing: see the header. */
#include "shared/otlp/tracing.h"

#include "shared/base/clock.h"
#include <stdlib.h>
#include <string.h>

static char *join(const struct str *states, size_t count)
{
    char text[TRACE_STATE_BYTES_MAX + 1];
    size_t len = trace_state_join(states, count, text);
    return len == 0 ? NULL : str_dup((struct str){text, len});
}

void tracing_begin(struct tracing *t, struct otlp *otlp, struct str traceparent, const struct str *states,
                   size_t state_count)
{
    t->has_parent = trace_parse(traceparent, &t->context);
    t->is_on = t->has_parent || otlp != NULL;
    if (!t->is_on)
        return;
    if (t->has_parent) {
        memcpy(t->parent, t->context.span_id, sizeof t->parent);
        t->state = join(states, state_count);
    } else {
        trace_new_id(t->context.trace_id);
        trace_new_span(t->context.span_id);
        t->context.flags = otlp_chooses(otlp, &t->context) ? TRACE_SAMPLED : 0;
    }
    if (otlp == NULL || (t->context.flags & TRACE_SAMPLED) == 0)
        return;
    if (t->has_parent)
        trace_new_span(t->context.span_id);
    t->otlp = otlp;
    t->started_us = clock_monotonic_us();
    t->to_wall_us = clock_wall_us() - t->started_us;
}

void tracing_end(struct tracing *t)
{
    free(t->state);
    *t = (struct tracing){.is_on = false};
}

void tracing_headers(const struct tracing *t, const uint8_t *span, struct tracing_headers *ret)
{
    struct trace_context context = t->context;
    if (span != NULL)
        memcpy(context.span_id, span, sizeof context.span_id);
    trace_format(&context, ret->traceparent);
    ret->list[0] = (struct http_header){STR("traceparent"), str_c(ret->traceparent)};
    ret->list[1] = (struct http_header){STR("tracestate"), str_c(t->state)};
    ret->count = t->state == NULL ? 1 : 2;
}

void tracing_span(const struct tracing *t, const struct tracing_span *about, struct str first,
                  struct str second, struct span *ret)
{
    struct trace_context context = t->context;
    bool is_own = about->span == NULL;
    if (!is_own)
        memcpy(context.span_id, about->span, sizeof context.span_id);
    const uint8_t *around = about->parent != NULL ? about->parent : t->context.span_id;
    const struct span_about whole = {.context = &context,
                                     .parent = !is_own         ? around
                                               : t->has_parent ? t->parent
                                                               : NULL,
                                     .is_parent_remote = is_own,
                                     .state = str_c(t->state),
                                     .kind = about->kind,
                                     .started_us = about->started_us + t->to_wall_us,
                                     .ended_us = about->ended_us + t->to_wall_us};
    span_begin(ret, &whole, first, second);
}
