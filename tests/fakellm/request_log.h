#ifndef FAKELLM_REQUEST_LOG_H
#define FAKELLM_REQUEST_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http.h"
#include "text.h"

/*
 * request_log: what was asked, when, and how it ended; the newest requests in memory, all that have ended in a file.
 * Threads  one.
 */

enum {
    REQUEST_LOG_ENTRIES_MAX = 10000,                /* what /control/requests shows at most */
    REQUEST_LOG_BODY_BYTES_MAX = 256 * 1024 * 1024, /* bodies kept in memory; the oldest give way */
    REQUEST_LOG_JSON_BYTES_MAX = 1024 * 1024 * 1024 /* the whole log as JSON, bodies escaped */
};

struct request_log;

/* One request. Times are nanoseconds of uv_hrtime (CLOCK_MONOTONIC), 0 for what has not happened. */
struct log_entry {
    size_t refs;
    char id[32];
    char *path;
    const char *protocol; /* static */
    char *model;
    char *key;
    char *traceparent, *tracestate; /* the headers; NULL: not sent */
    char *body;
    size_t body_bytes;
    uint64_t messages_digest;
    bool is_stream;
    bool is_limited; /* refused by the limiter */
    int status;
    int rule; /* index of the script's rule; -1: none matched */
    int64_t received_ns, first_byte_ns, ended_ns;
    int64_t received_wall_us;
    enum http_end how; /* once ended_ns is set */
    int64_t chunks_sent;
};

/* file  JSON lines are appended here; NULL for none. Returns NULL without memory or, with errno, without the file. */
struct request_log *request_log_new(const char *file);
void request_log_free(struct request_log *log);

/*
 * Notes a request that came in now and returns its entry, for the caller to fill and to give back with
 * request_log_end(). Strings are copied. NULL: no memory.
 *
 * id_prefix   the id is this and the request's number
 * key         its ptr is NULL when there is none
 */
struct log_entry *request_log_begin(struct request_log *log, const char *id_prefix, struct span key,
                                    const struct http_request *req);

/* Notes that the request ended now, and gives the entry back. */
void request_log_end(struct request_log *log, struct log_entry *entry, enum http_end how);

/* Writes out what is buffered for the file; call it when the loop is about to wait. */
void request_log_flush(struct request_log *log);

/* Forgets the requests that have ended, and starts counting anew with those in flight. */
void request_log_reset(struct request_log *log);

/* A JSON array, oldest first. */
void request_log_put_json(const struct request_log *log, struct text *out);

void request_log_put_stats(const struct request_log *log, size_t open_connections, struct text *out);

#endif
