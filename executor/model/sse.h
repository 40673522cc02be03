/*
 * sse: server-sent events, read as they come, cut anywhere (worker-loop.md 4): LF or CRLF, comments, several data lines, data
 * with and without a blank behind the colon. Only the data of events is of interest.
 * Threads  belongs to one thread.
 */
#pragma once
#include "shared/base/buf.h"

/* bytes. Of one event's data, and of one line: a tool call with its arguments is some 100 kB. */
#define SSE_EVENT_BYTES_MAX ((size_t)4 * 1024 * 1024)

struct sse {
    struct buf line; /* the line that is not ended yet */
    struct buf data; /* data of the event that is not ended yet */
    bool has_data, skips_lf;
};

void sse_init(struct sse *s);
void sse_fini(struct sse *s);
/* Called once per event; false stops reading: sse_feed() returns true at once and drops the rest. */
typedef bool (*sse_event)(void *arg, struct str data);
/* Reads more bytes. False: an event or line is too long, or memory ran out; the stream cannot be read on. */
MUST_CHECK bool sse_feed(struct sse *s, struct str bytes, sse_event event, void *arg);
/* The stream ended: an event without its empty line counts as well. */
void sse_end(struct sse *s, sse_event event, void *arg);
