/*
 * tracing: one call or run as this process takes part in its trace: what it was handed, the span of its own, what it hands on.
 * Threads  belongs to its owner; between tracing_begin() and tracing_end() it is read only.
 */
#pragma once
#include "shared/http/headers.h"
#include "shared/otlp/span.h"

struct tracing {
    struct trace_context context; /* handed on: with a span of our own when it is recorded, else as it came */
    uint8_t parent[TRACE_SPAN_BYTES];
    bool is_on;         /* there is a trace */
    bool has_parent;    /* it did not begin here */
    struct otlp *otlp;  /* NULL: nothing of it is recorded here */
    char *state;        /* tracestate; NULL: none */
    int64_t started_us; /* monotonic */
    int64_t to_wall_us; /* from monotonic to Unix time */
};

/*
 * Takes part in the trace that traceparent names, or begins one where that is none and otlp is not NULL; else there is no trace.
 * It is recorded when otlp is not NULL and whoever came before records it, or, of one that begins here, otlp chooses it.
 *
 * t        zeroed
 * otlp     NULL: nothing is recorded in this process
 * states   values of all headers tracestate, in order; copied. Without memory for them, they are left out
 */
void tracing_begin(struct tracing *t, struct otlp *otlp, struct str traceparent, const struct str *states,
                   size_t state_count);
void tracing_end(struct tracing *t); /* of a zeroed one, too */
static inline bool tracing_is_recorded(const struct tracing *t)
{
    return t != NULL && t->otlp != NULL;
}
/* How the trace is told to somebody who is asked from `span` (NULL: its own span), as headers. It lives where it was made. */
struct tracing_headers {
    char traceparent[TRACE_PARENT_LEN + 1];
    struct http_header list[2];
    size_t count;
};
void tracing_headers(const struct tracing *t, const uint8_t *span, struct tracing_headers *ret);

/* A span of it that ends now: its own (span NULL), or one within it with the parent (NULL: its own span). Recorded ones only. */
struct tracing_span {
    const uint8_t *span, *parent;
    enum span_kind kind;
    int64_t started_us, ended_us; /* monotonic */
};
void tracing_span(const struct tracing *t, const struct tracing_span *about, struct str first,
                  struct str second, struct span *ret);
