/*
 * metrics: what operators watch, counted in memory and written as text for Prometheus.
 *
 * Families   a name, a kind, and label names; every set of label values is a child. A family has at most children_max of them:
 *            further values of its first label are counted under "other" (the other labels come from closed sets, and are kept).
 *            Children stay until the end, so a pointer to one can be kept.
 * Units      values are whole numbers in a unit of the caller's; `per_unit` of them make one base unit (seconds, bytes), in
 *            which they are written: 1000000 for µs.
 * Cost       counting is one relaxed atomic operation (a histogram: two), finding a child by its labels some 100 ns under a
 *            short lock.
 * Threads    making and adding: the main thread, before anybody counts or reads; counting, finding, writing: any.
 * Source     Prometheus text format 0.0.4; its page "metric and label naming".
 */
#pragma once
#include "shared/base/buf.h"

/* labels. Of one family. */
#define METRIC_LABELS_MAX 4
/* buckets. Of one histogram, without +Inf. */
#define METRIC_BUCKETS_MAX 24
/* bytes. Of a label's value; a longer one is cut: names from exports have no limit of their own. */
#define METRIC_VALUE_BYTES_MAX 128
/* children. Default of a family. */
#define METRIC_CHILDREN_DEFAULT 200
/* children. Beyond children_max, whose first label is "other". */
#define METRIC_OTHERS_MAX 64

struct metrics;
struct metric; /* a family */
struct metric_child;

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/*
 * name          "heddle_…", by Prometheus' conventions: base unit, counters end in _total; static, as all texts here
 * per_unit      0: 1
 * labels        label_count names
 * children_max  0: METRIC_CHILDREN_DEFAULT
 * buckets       of a histogram: upper bounds in the caller's unit, growing
 */
struct metric_options {
    const char *name, *help;
    enum metric_kind kind;
    int64_t per_unit;
    const char *labels[METRIC_LABELS_MAX];
    size_t label_count, children_max;
    const int64_t *buckets;
    size_t bucket_count;
};

/* µs. Bounds that serve latencies of runs, nodes and models; and those of short work in a process. */
#define METRIC_LATENCY_BUCKETS                                                                               \
    {                                                                                                        \
        1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000,  \
            30000000, 60000000, 120000000, 300000000, 600000000                                              \
    }
#define METRIC_WORK_BUCKETS                                                                                  \
    {                                                                                                        \
        50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 1000000                    \
    }

/* RESOURCE_EXHAUSTED: no memory. */
MUST_CHECK enum status_code metrics_new(struct metrics **ret_metrics, struct status *err);
void metrics_free(struct metrics *metrics); /* NULL is fine */
/*
 * Adds a family; *ret_metric lives as long as the registry. A family without labels has its one child from the start.
 * RESOURCE_EXHAUSTED: no memory
 */
MUST_CHECK enum status_code metrics_add(struct metrics *metrics, const struct metric_options *options,
                                        struct metric **ret_metric, struct status *err);
struct metric_row {
    struct metric **ret_metric;
    struct metric_options options;
};
/* The same for a table of them. */
MUST_CHECK enum status_code metrics_add_rows(struct metrics *metrics, const struct metric_row *rows,
                                             size_t count, struct status *err);
/* collect(arg) is called before every writing, for gauges and for counts kept elsewhere; one at a time. */
MUST_CHECK enum status_code metrics_collect(struct metrics *metrics, void (*collect)(void *arg), void *arg,
                                            struct status *err);

/* The child with these values of the labels, in order (label_count of them). Never NULL: see Families, also without memory. */
struct metric_child *metric_child(struct metric *metric, const struct str *values);
/* Of a family without labels. */
struct metric_child *metric_only(struct metric *metric);

void metric_add(struct metric_child *child, int64_t n); /* counter, gauge */
void metric_set(struct metric_child *child, int64_t value);
void metric_observe(struct metric_child *child, int64_t value); /* histogram */
/* What a counter or gauge stands at, or how often a histogram has observed; for tests and for readiness. */
int64_t metric_value(const struct metric_child *child);

/* Writes all of it, in the order in which families were added. The buf has failed when it did not fit. */
void metrics_write(struct metrics *metrics, struct buf *to);

/* Shorthands for the one, two … values of metric_child(). */
#define METRIC_CHILD(metric, ...) metric_child((metric), (const struct str[]){__VA_ARGS__})
