/* tracing: see the header. */
#include "shared/otlp/tracing.h"

#include "shared/base/clock.h"
#include <stdlib.h>
#include <string.h>

void tracing_begin(struct tracing *t, struct otlp *otlp, struct str traceparent, struct str state)
{
    t->has_parent = trace_parse(traceparent, &t->context);
    t->is_on = t->has_parent || otlp != NULL;
    if (!t->is_on)
        return;
    if (t->has_parent) {
        memcpy(t->parent, t->context.span_id, sizeof t->parent);
        t->state = state.len > 0 ? str_dup(state) : NULL;
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
