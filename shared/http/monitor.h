/*
 * monitor: what a process shows to those who watch it: metrics (/metrics), whether it lives (/healthz), and whether it may be
 * given work (/readyz: 200 "ready", or 503 with what is wrong, a line each).
 * Threads  made, ticked and freed by the main thread; `alive` is called on the server's.
 */
#pragma once
#include "shared/base/metrics.h"
#include "shared/base/readiness.h"
#include "shared/http/server.h"

struct monitor {
    struct metrics *metrics;
    struct readiness readiness;
    struct metric *ready;
    struct http_server *server; /* NULL: it is off */
    void (*alive)(void *arg, struct buf *words);
    void *arg;
};

/* With the metrics of every process (process_metrics.h) and heddle_ready. RESOURCE_EXHAUSTED: no memory. */
MUST_CHECK enum status_code monitor_new(const char *component, struct monitor **ret_monitor,
                                        struct status *err);
/*
 * Shows it all. After the last family was added.
 * address   as http_server_new(); "" and "none": nowhere
 * alive     puts what does not turn any more, a line each
 * Errors of http_server_new().
 */
MUST_CHECK enum status_code monitor_listen(struct monitor *monitor, const char *address,
                                           void (*alive)(void *arg, struct buf *words), void *arg,
                                           struct status *err);
/* Could it listen there? For a moment it does. Errors of http_server_new(). */
MUST_CHECK enum status_code monitor_check_address(const char *address, struct status *err);
/* At least once a second. */
void monitor_tick(struct monitor *monitor, int64_t now_ms);
/* Nothing is shown any more; before what is counted goes. NULL is fine, and so is calling it twice. */
void monitor_close(struct monitor *monitor);
void monitor_free(struct monitor *monitor); /* NULL is fine */
