/*
 * metrics: see the header. A family's children are a list that only grows, read without a lock by whoever writes them out, and
 * a table by label values behind the family's lock.
 */
#include "shared/base/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define HASH_NONFATAL_OOM 1
/* uthash's default hash falls through its switch labels without saying so, which Clang refuses. */
#define HASH_FUNCTION HASH_FNV
#include <uthash.h>

/* bytes. The values of one child's labels, each with a NUL behind it. */
enum { KEY_BYTES_MAX = METRIC_LABELS_MAX * (METRIC_VALUE_BYTES_MAX + 1) };
/* bytes. A bound in base units, with its NUL: 20 digits, a point, and digits behind it. */
enum { BOUND_TEXT_BYTES = 32, DIGITS_MAX = 9 };

struct metric_child {
    const struct metric *metric;
    _Atomic(struct metric_child *) next; /* in the order in which they came */
    UT_hash_handle hh;
    _Atomic int64_t value; /* counter, gauge; of a histogram the sum */
    size_t key_len;
    char *key;                  /* behind the buckets */
    _Atomic uint64_t buckets[]; /* of a histogram: one per bound, and one for what is above all */
};

struct metric {
    const char *name, *help;
    enum metric_kind kind;
    int64_t per_unit;
    const char *labels[METRIC_LABELS_MAX];
    size_t label_count, children_max;
    int64_t bounds[METRIC_BUCKETS_MAX];
    char bound_texts[METRIC_BUCKETS_MAX][BOUND_TEXT_BYTES];
    size_t bound_count;
    struct metric *next;

    _Atomic(struct metric_child *) first;
    struct metric_child
        *rest; /* all labels are "other" (or there are none); made with the family, listed when it is used */
    pthread_mutex_t lock; /* over the following */
    struct metric_child *table, *last;
    size_t count;
};

struct collector {
    void (*collect)(void *arg);
    void *arg;
    struct collector *next;
};

struct metrics {
    struct metric *first, *last;
    struct collector *collectors, *last_collector;
    pthread_mutex_t writing;
};

/* Exact: there is no double in between. */
static void format_number(char text[BOUND_TEXT_BYTES], int64_t value, int64_t per_unit)
{
    uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value, unit = (uint64_t)per_unit;
    uint64_t rest = size % unit;
    int at = snprintf(text, BOUND_TEXT_BYTES, "%s%" PRIu64 "%s", value < 0 ? "-" : "", size / unit,
                      rest > 0 ? "." : "");
    for (int digits = 0; rest > 0 && digits < DIGITS_MAX && at < BOUND_TEXT_BYTES - 1; digits++) {
        rest *= 10;
        text[at++] = (char)('0' + rest / unit);
        rest %= unit;
    }
    text[at] = '\0';
}

/* --- making --- */

enum status_code metrics_new(struct metrics **ret_metrics, struct status *err)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);
    if (metrics == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "metrics: out of memory");
    pthread_mutex_init(&metrics->writing, NULL);
    *ret_metrics = metrics;
    return STATUS_OK;
}

static void metric_free(struct metric *metric)
{
    struct metric_child *child = atomic_load(&metric->first), *next;
    bool is_rest_listed = false;
    HASH_CLEAR(hh, metric->table);
    for (; child != NULL; child = next) {
        next = atomic_load(&child->next);
        is_rest_listed |= child == metric->rest;
        free(child);
    }
    if (!is_rest_listed)
        free(metric->rest);
    pthread_mutex_destroy(&metric->lock);
    free(metric);
}

void metrics_free(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    for (struct metric *metric = metrics->first, *next; metric != NULL; metric = next) {
        next = metric->next;
        metric_free(metric);
    }
    for (struct collector *c = metrics->collectors, *next; c != NULL; c = next) {
        next = c->next;
        free(c);
    }
    pthread_mutex_destroy(&metrics->writing);
    free(metrics);
}

/* Values as they are kept: cut, and without NUL, which stands between them. */
static size_t make_key(const struct metric *metric, const struct str *values, char key[KEY_BYTES_MAX])
{
    size_t len = 0;
    for (size_t i = 0; i < metric->label_count; i++) {
        size_t take = values[i].len < METRIC_VALUE_BYTES_MAX ? values[i].len : METRIC_VALUE_BYTES_MAX;
        const char *nul = take > 0 ? memchr(values[i].ptr, '\0', take) : NULL;
        if (nul != NULL)
            take = (size_t)(nul - values[i].ptr);
        if (take > 0)
            memcpy(key + len, values[i].ptr, take);
        len += take;
        key[len++] = '\0';
    }
    return len;
}

/* NULL: no memory. */
static struct metric_child *child_new(const struct metric *metric, const char *key, size_t key_len)
{
    size_t buckets = metric->kind == METRIC_HISTOGRAM ? metric->bound_count + 1 : 0;
    struct metric_child *child = calloc(1, sizeof *child + buckets * sizeof child->buckets[0] + key_len);
    if (child == NULL)
        return NULL;
    child->metric = metric;
    child->key = (char *)&child->buckets[buckets];
    child->key_len = key_len;
    if (key_len > 0)
        memcpy(child->key, key, key_len);
    return child;
}

/* Under the lock, or before anybody else has the family: from here on it is written out. */
static void list_child(struct metric *metric, struct metric_child *child)
{
    if (metric->last == NULL)
        atomic_store_explicit(&metric->first, child, memory_order_release);
    else
        atomic_store_explicit(&metric->last->next, child, memory_order_release);
    metric->last = child;
    metric->count++;
}

enum status_code metrics_add(struct metrics *metrics, const struct metric_options *options,
                             struct metric **ret_metric, struct status *err)
{
    const struct str others[METRIC_LABELS_MAX] = {STR("other"), STR("other"), STR("other"), STR("other")};
    char key[KEY_BYTES_MAX];
    assert(options->label_count <= METRIC_LABELS_MAX && options->bucket_count <= METRIC_BUCKETS_MAX);
    struct metric *metric = calloc(1, sizeof *metric);
    if (metric == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "metrics: out of memory");
    metric->name = options->name;
    metric->help = options->help;
    metric->kind = options->kind;
    metric->per_unit = options->per_unit > 0 ? options->per_unit : 1;
    metric->label_count = options->label_count;
    memcpy(metric->labels, options->labels, sizeof metric->labels);
    metric->children_max = options->children_max > 0 ? options->children_max : METRIC_CHILDREN_DEFAULT;
    metric->bound_count = options->bucket_count;
    if (options->bucket_count > 0)
        memcpy(metric->bounds, options->buckets, options->bucket_count * sizeof metric->bounds[0]);
    for (size_t i = 0; i < metric->bound_count; i++)
        format_number(metric->bound_texts[i], metric->bounds[i], metric->per_unit);
    metric->rest = child_new(metric, key, make_key(metric, others, key));
    if (metric->rest == NULL) {
        free(metric);
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "metrics: out of memory");
    }
    pthread_mutex_init(&metric->lock, NULL);
    if (metric->label_count == 0)
        list_child(metric, metric->rest);
    if (metrics->last == NULL)
        metrics->first = metric;
    else
        metrics->last->next = metric;
    metrics->last = metric;
    *ret_metric = metric;
    return STATUS_OK;
}

enum status_code metrics_add_rows(struct metrics *metrics, const struct metric_row *rows, size_t count,
                                  struct status *err)
{
    for (size_t i = 0; i < count; i++) {
        if (metrics_add(metrics, &rows[i].options, rows[i].ret_metric, err) != STATUS_OK)
            return err->code;
    }
    return STATUS_OK;
}

enum status_code metrics_collect(struct metrics *metrics, void (*collect)(void *arg), void *arg,
                                 struct status *err)
{
    struct collector *collector = calloc(1, sizeof *collector);
    if (collector == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "metrics: out of memory");
    *collector = (struct collector){.collect = collect, .arg = arg};
    if (metrics->last_collector == NULL)
        metrics->collectors = collector;
    else
        metrics->last_collector->next = collector;
    metrics->last_collector = collector;
    return STATUS_OK;
}

/* --- finding --- */

/* Under the lock. NULL: it is not there, and there is no room for it. */
static struct metric_child *find_or_add(struct metric *metric, const struct str *values, size_t count_max)
{
    char key[KEY_BYTES_MAX];
    size_t len = make_key(metric, values, key);
    struct metric_child *child = NULL;
    if (len == metric->rest->key_len && memcmp(key, metric->rest->key, len) == 0)
        return NULL;
    HASH_FIND(hh, metric->table, key, len, child);
    if (child != NULL || metric->count >= count_max)
        return child;
    child = child_new(metric, key, len);
    if (child == NULL)
        return NULL;
    HASH_ADD_KEYPTR(hh, metric->table, child->key, child->key_len, child);
    if (child->hh.tbl == NULL) {
        free(child);
        return NULL;
    }
    list_child(metric, child);
    return child;
}

/* Under the lock. Where nothing else is left. */
static struct metric_child *rest_of(struct metric *metric)
{
    bool is_listed = metric->last == metric->rest || atomic_load(&metric->rest->next) != NULL;
    if (!is_listed)
        list_child(metric, metric->rest);
    return metric->rest;
}

struct metric_child *metric_child(struct metric *metric, const struct str *values)
{
    struct str as_other[METRIC_LABELS_MAX];
    if (metric->label_count == 0)
        return metric->rest;
    pthread_mutex_lock(&metric->lock);
    struct metric_child *child = find_or_add(metric, values, metric->children_max);
    if (child == NULL) {
        memcpy(as_other, values, metric->label_count * sizeof as_other[0]);
        as_other[0] = STR("other");
        child = find_or_add(metric, as_other, metric->children_max + METRIC_OTHERS_MAX);
    }
    if (child == NULL)
        child = rest_of(metric);
    pthread_mutex_unlock(&metric->lock);
    return child;
}

struct metric_child *metric_only(struct metric *metric)
{
    assert(metric->label_count == 0);
    return metric->rest;
}

/* --- counting --- */

void metric_add(struct metric_child *child, int64_t n)
{
    atomic_fetch_add_explicit(&child->value, n, memory_order_relaxed);
}

void metric_set(struct metric_child *child, int64_t value)
{
    atomic_store_explicit(&child->value, value, memory_order_relaxed);
}

void metric_observe(struct metric_child *child, int64_t value)
{
    const struct metric *metric = child->metric;
    size_t i = 0;
    while (i < metric->bound_count && value > metric->bounds[i])
        i++;
    atomic_fetch_add_explicit(&child->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&child->value, value, memory_order_relaxed);
}

int64_t metric_value(const struct metric_child *child)
{
    uint64_t count = 0;
    if (child->metric->kind != METRIC_HISTOGRAM)
        return atomic_load_explicit(&child->value, memory_order_relaxed);
    for (size_t i = 0; i <= child->metric->bound_count; i++)
        count += atomic_load_explicit(&child->buckets[i], memory_order_relaxed);
    return (int64_t)count;
}

/* --- writing --- */

static void put_number(struct buf *to, int64_t value, int64_t per_unit)
{
    char text[BOUND_TEXT_BYTES];
    format_number(text, value, per_unit);
    buf_put_c(to, text);
}

/* in_quotes: a label's value; else a help text. What is no UTF-8 becomes U+FFFD: readers refuse the whole page for it. */
static void put_escaped(struct buf *to, struct str text, bool in_quotes)
{
    for (size_t at = 0; at < text.len;) {
        size_t len = str_utf8_first(str_sub(text, at, text.len));
        char c = text.ptr[at];
        if (len == 0)
            buf_put_c(to, "\xef\xbf\xbd");
        else if (c == '\\')
            buf_put_c(to, "\\\\");
        else if (c == '\n')
            buf_put_c(to, "\\n");
        else if (c == '"' && in_quotes)
            buf_put_c(to, "\\\"");
        else
            buf_put(to, str_sub(text, at, at + len));
        at += len == 0 ? 1 : len;
    }
}

/* {a="x",le="0.5"}; le NULL: none. Nothing when there are no labels at all. */
static void put_labels(struct buf *to, const struct metric_child *child, const char *le)
{
    const struct metric *metric = child->metric;
    const char *value = child->key;
    if (metric->label_count == 0 && le == NULL)
        return;
    buf_put_char(to, '{');
    for (size_t i = 0; i < metric->label_count; i++) {
        if (i > 0)
            buf_put_char(to, ',');
        buf_put_c(to, metric->labels[i]);
        buf_put_c(to, "=\"");
        put_escaped(to, str_c(value), true);
        buf_put_char(to, '"');
        value += strlen(value) + 1;
    }
    if (le != NULL)
        buf_printf(to, "%sle=\"%s\"", metric->label_count > 0 ? "," : "", le);
    buf_put_char(to, '}');
}

static void put_sample(struct buf *to, const struct metric_child *child, const char *suffix, const char *le,
                       int64_t value, int64_t per_unit)
{
    buf_put_c(to, child->metric->name);
    buf_put_c(to, suffix);
    put_labels(to, child, le);
    buf_put_char(to, ' ');
    put_number(to, value, per_unit);
    buf_put_char(to, '\n');
}

/* The count is that of the buckets as they were read, so that the last bucket and the count always agree. */
static void put_histogram(struct buf *to, const struct metric_child *child)
{
    const struct metric *metric = child->metric;
    int64_t count = 0;
    for (size_t i = 0; i < metric->bound_count; i++) {
        count += (int64_t)atomic_load_explicit(&child->buckets[i], memory_order_relaxed);
        put_sample(to, child, "_bucket", metric->bound_texts[i], count, 1);
    }
    count += (int64_t)atomic_load_explicit(&child->buckets[metric->bound_count], memory_order_relaxed);
    put_sample(to, child, "_bucket", "+Inf", count, 1);
    put_sample(to, child, "_sum", NULL, atomic_load_explicit(&child->value, memory_order_relaxed),
               metric->per_unit);
    put_sample(to, child, "_count", NULL, count, 1);
}

static void put_family(struct buf *to, const struct metric *metric)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    buf_printf(to, "# HELP %s ", metric->name);
    put_escaped(to, str_c(metric->help), false);
    buf_printf(to, "\n# TYPE %s %s\n", metric->name, kinds[metric->kind]);
    const struct metric_child *child = atomic_load_explicit(&metric->first, memory_order_acquire);
    for (; child != NULL; child = atomic_load_explicit(&child->next, memory_order_acquire)) {
        if (metric->kind == METRIC_HISTOGRAM)
            put_histogram(to, child);
        else
            put_sample(to, child, "", NULL, atomic_load_explicit(&child->value, memory_order_relaxed),
                       metric->per_unit);
    }
}

void metrics_write(struct metrics *metrics, struct buf *to)
{
    pthread_mutex_lock(&metrics->writing);
    for (const struct collector *c = metrics->collectors; c != NULL; c = c->next)
        c->collect(c->arg);
    for (const struct metric *metric = metrics->first; metric != NULL; metric = metric->next)
        put_family(to, metric);
    pthread_mutex_unlock(&metrics->writing);
}
