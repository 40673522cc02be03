/*
 * histogram: how often each duration occurred, in buckets under 1 % wide, so that percentiles cost no memory per sample.
 * Threads  belongs to one thread at a time.
 */
#pragma once
#include "shared/base/buf.h"
#include <stdint.h>

/* Buckets double in width every 64 of them; the last ends at 2^41 us (25 days), and longer durations count there. */
enum {
    HISTOGRAM_STEP = 64,
    HISTOGRAM_SHIFT_MAX = 34,
    HISTOGRAM_BUCKETS = (HISTOGRAM_SHIFT_MAX + 2) * HISTOGRAM_STEP
};

struct histogram {
    uint64_t count;
    int64_t sum_us, max_us;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* All zeroes is an empty one. Negative durations count as 0. */
void histogram_add(struct histogram *h, int64_t us);
/* The middle of the bucket that holds the sample at `share` (0 to 1) of all; 0 when there are none. */
int64_t histogram_at(const struct histogram *h, double share);
/* {"count":..,"mean":..,"p50":..,"p90":..,"p99":..,"p999":..,"max":..}, microseconds. */
void histogram_put_json(struct buf *b, const struct histogram *h);
