/* request_log: what was asked, when, and how it ended. */
#include "request_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "json.h"

enum { END_COUNT = HTTP_BROKEN_OFF + 1, LINE_BYTES_MAX = 128 * 1024 * 1024, LINE_KEEP_BYTES = 64 * 1024 };

struct request_log {
    /* A ring: `count` entries from `first` on. */
    struct log_entry *ring[REQUEST_LOG_ENTRIES_MAX];
    size_t first, count;
    size_t without_body; /* so many of the oldest have lost their bodies */
    size_t body_bytes;   /* held by entries of the ring */

    uint64_t next_number;
    uint64_t received, in_flight, ended[END_COUNT];

    FILE *file;
    bool is_file_dirty;
    struct text line;
};

static struct log_entry *entry_at(const struct request_log *log, size_t i)
{
    return log->ring[(log->first + i) % REQUEST_LOG_ENTRIES_MAX];
}

static void entry_unref(struct log_entry *entry)
{
    if (entry == NULL || --entry->refs > 0)
        return;
    free(entry->path);
    free(entry->model);
    free(entry->key);
    free(entry->traceparent);
    free(entry->tracestate);
    free(entry->body);
    free(entry);
}

struct request_log *request_log_new(const char *file)
{
    struct request_log *log = calloc(1, sizeof *log);
    if (log == NULL)
        return NULL;
    log->next_number = 1;
    text_init(&log->line, LINE_BYTES_MAX);
    if (file != NULL) {
        log->file = fopen(file, "ae");
        if (log->file == NULL) {
            int error = errno;
            request_log_free(log);
            errno = error;
            return NULL;
        }
    }
    return log;
}

void request_log_free(struct request_log *log)
{
    if (log == NULL)
        return;
    request_log_flush(log);
    if (log->file != NULL)
        (void)fclose(log->file); /* flushed, and checked, above */
    for (size_t i = 0; i < log->count; i++)
        entry_unref(entry_at(log, i));
    text_fini(&log->line);
    free(log);
}

/* The oldest entry leaves the ring. */
static void drop_oldest(struct request_log *log)
{
    struct log_entry *entry = entry_at(log, 0);
    if (log->without_body > 0)
        log->without_body--;
    else
        log->body_bytes -= entry->body_bytes;
    log->first = (log->first + 1) % REQUEST_LOG_ENTRIES_MAX;
    log->count--;
    entry_unref(entry);
}

/* Takes bodies from the oldest until the rest is within the limit. The newest always keeps its own. */
static void drop_bodies(struct request_log *log)
{
    while (log->body_bytes > REQUEST_LOG_BODY_BYTES_MAX && log->without_body + 1 < log->count) {
        struct log_entry *entry = entry_at(log, log->without_body++);
        log->body_bytes -= entry->body_bytes;
        free(entry->body);
        entry->body = NULL;
    }
}

static int64_t wall_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* this clock always exists */
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* A copy of a header that may be missing. False: no memory. */
static bool copy_header(struct span value, char **ret)
{
    *ret = value.ptr != NULL ? strndup(value.ptr, value.len) : NULL;
    return value.ptr == NULL || *ret != NULL;
}

struct log_entry *request_log_begin(struct request_log *log, const char *id_prefix, struct span key,
                                    const struct http_request *req)
{
    struct log_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return NULL;
    entry->refs = 1;
    entry->received_ns = (int64_t)uv_hrtime();
    entry->received_wall_us = wall_us();
    entry->body_bytes = req->body.len;
    entry->body = malloc(req->body.len > 0 ? req->body.len : 1);
    entry->path = strndup(req->path.ptr, req->path.len);
    bool has_headers = copy_header(key, &entry->key);
    has_headers &= copy_header(req->head->traceparent, &entry->traceparent);
    has_headers &= copy_header(req->head->tracestate, &entry->tracestate);
    if (entry->body == NULL || entry->path == NULL || !has_headers) {
        entry_unref(entry);
        return NULL;
    }
    if (req->body.len > 0)
        memcpy(entry->body, req->body.ptr, req->body.len);
    (void)snprintf(entry->id, sizeof entry->id, "%s%llu", id_prefix, (unsigned long long)log->next_number++);

    if (log->count == REQUEST_LOG_ENTRIES_MAX)
        drop_oldest(log);
    log->ring[(log->first + log->count++) % REQUEST_LOG_ENTRIES_MAX] = entry;
    entry->refs++;
    log->body_bytes += entry->body_bytes;
    drop_bodies(log);
    log->received++;
    log->in_flight++;
    return entry;
}

/* One moment by both clocks. The wall clock is read once, on arrival, so that it cannot jump within a request. */
static void put_time(struct text *out, const char *name, const struct log_entry *entry, int64_t ns)
{
    if (ns == 0) {
        text_putf(out, ",\"%s\":null", name);
        return;
    }
    int64_t us = ns / 1000;
    int64_t at_wall_us = entry->received_wall_us + (ns - entry->received_ns) / 1000;
    text_putf(out, ",\"%s\":{\"monotonic_ms\":%lld.%03lld,\"wall_ms\":%lld.%03lld}", name,
              (long long)(us / 1000), (long long)(us % 1000), (long long)(at_wall_us / 1000),
              (long long)(at_wall_us % 1000));
}

/* The body as it was sent: JSON as JSON, anything else as a string. */
static void put_body(struct text *out, const struct log_entry *entry)
{
    struct span body = {entry->body, entry->body_bytes};
    if (body.ptr == NULL) {
        text_put(out, SPAN("null"));
    } else if (!json_compact(out, body)) {
        text_put(out, SPAN("\""));
        text_put_escaped(out, body);
        text_put(out, SPAN("\""));
    }
}

static void put_entry(struct text *out, const struct log_entry *entry)
{
    text_putf(out, "{\"id\":\"%s\",\"path\":", entry->id);
    text_put_json(out, entry->path);
    text_putf(out, ",\"protocol\":\"%s\",\"model\":", entry->protocol);
    text_put_json(out, entry->model);
    text_put(out, SPAN(",\"key\":"));
    text_put_json(out, entry->key);
    text_put(out, SPAN(",\"traceparent\":"));
    text_put_json(out, entry->traceparent);
    text_put(out, SPAN(",\"tracestate\":"));
    text_put_json(out, entry->tracestate);
    text_putf(out,
              ",\"stream\":%s,\"status\":%d,\"limited\":%s,\"rule\":", entry->is_stream ? "true" : "false",
              entry->status, entry->is_limited ? "true" : "false");
    if (entry->rule < 0)
        text_put(out, SPAN("null"));
    else
        text_putf(out, "%d", entry->rule);
    put_time(out, "received_at", entry, entry->received_ns);
    put_time(out, "first_byte_at", entry, entry->first_byte_ns);
    put_time(out, "ended_at", entry, entry->ended_ns);
    text_put(out, SPAN(",\"end\":"));
    text_put_json(out, entry->ended_ns != 0 ? http_end_name(entry->how) : NULL);
    text_putf(out, ",\"chunks_sent\":%lld,\"messages_digest\":\"%016llx\",\"body_bytes\":%zu,\"body\":",
              (long long)entry->chunks_sent, (unsigned long long)entry->messages_digest, entry->body_bytes);
    put_body(out, entry);
    text_put(out, SPAN("}"));
}

static void file_failed(struct request_log *log)
{
    (void)fprintf(stderr, "fakellm: cannot write the request log: %s\n", strerror(errno));
    (void)fclose(log->file); /* what it still holds is lost, as was just said */
    log->file = NULL;
}

static void write_line(struct request_log *log, const struct log_entry *entry)
{
    text_clear(&log->line, LINE_KEEP_BYTES);
    put_entry(&log->line, entry);
    text_put(&log->line, SPAN("\n"));
    if (log->line.failed)
        (void)fprintf(stderr, "fakellm: no memory for the log line of request %s\n", entry->id);
    else if (fwrite(log->line.ptr, log->line.len, 1, log->file) != 1)
        file_failed(log);
    log->is_file_dirty = true;
}

void request_log_end(struct request_log *log, struct log_entry *entry, enum http_end how)
{
    entry->ended_ns = (int64_t)uv_hrtime();
    entry->how = how;
    log->ended[how]++;
    log->in_flight--;
    if (log->file != NULL)
        write_line(log, entry);
    entry_unref(entry);
}

void request_log_flush(struct request_log *log)
{
    if (log->file != NULL && log->is_file_dirty && fflush(log->file) != 0)
        file_failed(log);
    log->is_file_dirty = false;
}

void request_log_reset(struct request_log *log)
{
    size_t kept = 0;
    size_t count = log->count;
    log->without_body = log->body_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        struct log_entry *entry = entry_at(log, i);
        if (entry->ended_ns != 0) {
            entry_unref(entry);
            continue;
        }
        if (entry->body == NULL) /* such entries are older than all others */
            log->without_body++;
        else
            log->body_bytes += entry->body_bytes;
        log->ring[(log->first + kept++) % REQUEST_LOG_ENTRIES_MAX] = entry;
    }
    log->count = kept;
    memset(log->ended, 0, sizeof log->ended);
    log->received = log->in_flight;
}

void request_log_put_json(const struct request_log *log, struct text *out)
{
    text_put(out, SPAN("["));
    for (size_t i = 0; i < log->count; i++) {
        if (i > 0)
            text_put(out, SPAN(",\n"));
        put_entry(out, entry_at(log, i));
    }
    text_put(out, SPAN("]\n"));
}

void request_log_put_stats(const struct request_log *log, size_t open_connections, struct text *out)
{
    text_putf(out, "{\"received\":%llu,\"in_flight\":%llu", (unsigned long long)log->received,
              (unsigned long long)log->in_flight);
    for (size_t i = 0; i < END_COUNT; i++)
        text_putf(out, ",\"%s\":%llu", http_end_name((enum http_end)i), (unsigned long long)log->ended[i]);
    text_putf(out, ",\"open_connections\":%zu}\n", open_connections);
}
