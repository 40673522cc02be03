/* histogram: see the header. */
#include "tests/bench/histogram.h"

static size_t bucket_of(int64_t us)
{
    uint64_t value = us > 0 ? (uint64_t)us : 0;
    unsigned shift = 0;
    while (value >> shift >= 2 * HISTOGRAM_STEP && shift < HISTOGRAM_SHIFT_MAX)
        shift++;
    uint64_t top = value >> shift;
    if (top >= 2 * HISTOGRAM_STEP)
        top = 2 * HISTOGRAM_STEP - 1;
    return shift * (size_t)HISTOGRAM_STEP + (size_t)top;
}

static int64_t middle_of(size_t bucket)
{
    if (bucket < 2 * HISTOGRAM_STEP)
        return (int64_t)bucket;
    size_t shift = bucket / HISTOGRAM_STEP - 1;
    uint64_t top = bucket - shift * HISTOGRAM_STEP;
    return (int64_t)((top << shift) + ((uint64_t)1 << shift) / 2);
}

void histogram_add(struct histogram *h, int64_t us)
{
    h->buckets[bucket_of(us)]++;
    h->count++;
    h->sum_us += us;
    if (us > h->max_us)
        h->max_us = us;
}

int64_t histogram_at(const struct histogram *h, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)h->count), seen = 0;
    if (wanted >= h->count)
        wanted = h->count > 0 ? h->count - 1 : 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen > wanted) {
            int64_t us = middle_of(i);
            return us < h->max_us ? us : h->max_us;
        }
    }
    return 0;
}

void histogram_put_json(struct buf *b, const struct histogram *h)
{
    buf_printf(b, "{\"count\":%llu,\"mean\":%.1f", (unsigned long long)h->count,
               h->count > 0 ? (double)h->sum_us / (double)h->count : 0.0);
    static const struct {
        const char *name;
        double share;
    } rows[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        buf_printf(b, ",\"%s\":%lld", rows[i].name, (long long)histogram_at(h, rows[i].share));
    buf_printf(b, ",\"max\":%lld}", (long long)h->max_us);
}
