/*
 * sse: server-sent events, read as they come, cut anywhere (worker-loop.md 4): LF, CR or CRLF, comments, several data lines,
 * data with and without a blank behind the colon, names of events, a byte order mark. id and retry are of no interest.
 * Threads  belongs to one thread.
 */
#pragma once
#include "shared/base/buf.h"

/* bytes. Of one event's data, and of one line: a tool call with its arguments is some 100 kB. */
#define SSE_EVENT_BYTES_MAX ((size_t)4 * 1024 * 1024)
/* bytes. Of an event's name ("content_block_delta"); the rest of a longer one is forgotten. */
enum { SSE_NAME_BYTES_MAX = 48 };

struct sse {
    struct buf line; /* the line that is not ended yet */
    struct buf data; /* data of the event that is not ended yet */
    char name[SSE_NAME_BYTES_MAX];
    size_t name_len;
    bool has_data, skips_lf, has_begun;
};

void sse_init(struct sse *s);
void sse_fini(struct sse *s);
/* Called once per event (name "": it has none); false stops reading: sse_feed() returns true at once and drops the rest. */
typedef bool (*sse_event)(void *arg, struct str name, struct str data);
/* Reads more bytes. False: an event or line is too long, or memory ran out; the stream cannot be read on. */
MUST_CHECK bool sse_feed(struct sse *s, struct str bytes, sse_event event, void *arg);
/* The stream ended: an event without its empty line counts as well. */
void sse_end(struct sse *s, sse_event event, void *arg);
