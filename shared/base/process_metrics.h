/*
 * process_metrics: what the system says of this process, under the names that Prometheus' clients use (process_…), the build,
 * memory in use, and lines of the log that were dropped.
 * Threads  as metrics.h.
 */
#pragma once
#include "shared/base/metrics.h"

/* component: "gateway" or "executor". RESOURCE_EXHAUSTED: no memory. The families live as long as the registry. */
MUST_CHECK enum status_code process_metrics_add(struct metrics *metrics, const char *component,
                                                struct status *err);
