/*
 * exporter: sends spans to a collector by OTLP/HTTP (protobuf), from a thread of its own.
 * Source   OpenTelemetry Protocol 1.x, "OTLP/HTTP".
 * Threads  made and closed by the main thread; the rest: any thread. Nothing here ever waits for a collector.
 * Memory   at most SPAN_BATCHES_MAX + 2 batches (queue.h) and the bytes of one request. What does not fit is dropped and counted.
 */
#pragma once
#include "shared/base/status.h"
#include "shared/base/trace.h"

/* ms. That a span waits for others to go with; and that a request to a collector may take. */
#define OTLP_DELAY_MS   1000
#define OTLP_REQUEST_MS 10000

struct otlp;

/*
 * endpoint       http://HOST:PORT, checked (settings.h)
 * headers        as text, checked; NULL: none
 * sample_ratio   as text, checked: of the traces that begin here
 * ca_file        PEM bundle of the authorities collectors are checked against; NULL: the system's
 * service, version, instance   of this process, for the resource of its spans
 */
struct otlp_options {
    const char *endpoint, *headers, *sample_ratio, *ca_file;
    const char *service, *version, *instance;
};

/*
 * Needs http_global_init() before it. Logs one warning when the collector cannot be reached or refuses, and one line when it is
 * well again.
 * RESOURCE_EXHAUSTED   memory, threads or files
 */
MUST_CHECK enum status_code otlp_new(const struct otlp_options *options, struct otlp **ret,
                                     struct status *err);
/* Sends what waits, once and until then at most (monotonic), and ends. NULL is fine. Nobody puts any more. */
void otlp_close(struct otlp *take_otlp, int64_t until_ms);

/* Is a trace that begins here to be recorded? */
bool otlp_chooses(const struct otlp *otlp, const struct trace_context *context);
/* A span: a field `spans` of ScopeSpans (span.h writes it); copied. */
void otlp_put(struct otlp *otlp, struct str field);

/* spans: sent; dropped for want of room, because they had to wait too long, or refused; and requests that failed. */
struct otlp_stats {
    uint64_t sent, dropped, failures;
};
struct otlp_stats otlp_stats(struct otlp *otlp);
