/*
 * trace: W3C Trace Context: which trace a call is part of, as the headers traceparent and tracestate say it.
 * Source: W3C Trace Context (https://www.w3.org/TR/trace-context/), sections 3.2 and 3.3.
 * Threads  plain functions; ids may be made by any thread.
 */
#pragma once
#include "shared/base/str.h"

enum { TRACE_ID_BYTES = 16, TRACE_SPAN_BYTES = 8, TRACE_PARENT_LEN = 55 };
/* bytes. Of a tracestate that is passed on: what every party has to carry at least. */
#define TRACE_STATE_BYTES_MAX 512
/* members. Of a tracestate. */
#define TRACE_STATE_MEMBERS_MAX 32

enum trace_flag {
    TRACE_SAMPLED = 1, /* whoever sent it records the trace */
    TRACE_RANDOM = 2   /* the last seven bytes of the trace id are random */
};
struct trace_context {
    uint8_t trace_id[TRACE_ID_BYTES];
    uint8_t span_id[TRACE_SPAN_BYTES];
    uint8_t flags; /* enum trace_flag */
};

/*
 * Reads a traceparent: version 00, or the part of a later version that is as in 00. Flags nobody knows are left out.
 * False: it is none (wrong length, capitals, version ff, ids of zeros); nothing is written.
 */
bool trace_parse(struct str traceparent, struct trace_context *ret);
/* Writes 55 characters of version 00 and a NUL. */
void trace_format(const struct trace_context *context, char text[TRACE_PARENT_LEN + 1]);
/* The trace id as 32 characters and a NUL. */
void trace_id_format(const struct trace_context *context, char text[2 * TRACE_ID_BYTES + 1]);
/*
 * One tracestate made of the values of all its headers, in order, without empty members and blanks around them. What is over
 * TRACE_STATE_BYTES_MAX is left out member by member: those of more than 128 bytes first, then from the end.
 * Gives its length; 0, an empty text: nothing is left, or some member is not well formed, comes twice, or is the 33rd.
 */
size_t trace_state_join(const struct str *values, size_t count, char text[TRACE_STATE_BYTES_MAX + 1]);

/* Fresh ids, never all zeros. */
void trace_new_id(uint8_t ret[TRACE_ID_BYTES]);
void trace_new_span(uint8_t ret[TRACE_SPAN_BYTES]);
/* The span that has this UUID (uuid_v7) as its id elsewhere. False: it is no UUID, nothing written. */
bool trace_span_of(struct str uuid, uint8_t ret[TRACE_SPAN_BYTES]);
/* Is the trace among `ratio` (0 to 1) of all? The same answer for a trace id everywhere. */
bool trace_is_chosen(const struct trace_context *context, double ratio);
