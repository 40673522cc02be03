/*
 * collector: a server for tests that takes OTLP requests on the loop of the test and reads them by protobuf-c.
 * Threads  the test's main thread; exporters have theirs.
 */
#pragma once
#include "shared/otlp/exporter.h"
#include "tests/shared/http/server.h"
#include "tests/support/check.h"
#include <otlp.pb-c.h>

enum { COLLECTED_MAX = 64 };

struct collector {
    uv_loop_t loop;
    uv_timer_t tick; /* so that a loop that waits looks again */
    struct server *server;
    char endpoint[64];
    struct otlp *otlp;
    const char *answers[8];              /* to the first requests, "" for none at all; then 200 */
    size_t requests;                     /* that came */
    char head[4096];                     /* of the last one */
    Otlp__Request *taken[COLLECTED_MAX]; /* bodies, in order */
};

/* Setup and teardown; *state is the collector. Its otlp is closed first when the test has not done so. */
int collector_begin(void **state);
int collector_end(void **state);
/* Runs the loop until so many requests came. */
void collector_wait(struct collector *c, size_t requests);
/* Closes the exporter while the loop runs. */
void collector_close_otlp(struct collector *c, int64_t within_ms);
/* An exporter that sends here. */
struct otlp_options collector_options(const struct collector *c);
/* An attribute's value; NULL: there is none. */
const Otlp__Value *attribute(Otlp__Attribute *const *attributes, size_t count, const char *key);
#define SPAN_ATTRIBUTE(span, key) attribute((span)->attributes, (span)->n_attributes, (key))
