/* Tests of metrics: the text as Prometheus reads it, bounds of children, histograms, threads. */
#include "shared/base/metrics.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct metrics *new_metrics(void)
{
    struct metrics *metrics = NULL;
    struct status err;
    assert_ok(metrics_new(&metrics, &err));
    return metrics;
}

static struct metric *add(struct metrics *metrics, const struct metric_options *options)
{
    struct metric *metric = NULL;
    struct status err;
    assert_ok(metrics_add(metrics, options, &metric, &err));
    return metric;
}

/* The caller frees it. */
static char *written(struct metrics *metrics)
{
    struct buf to;
    buf_init(&to, (size_t)16 * 1024 * 1024);
    metrics_write(metrics, &to);
    char *text = buf_take(&to, NULL);
    assert_non_null(text);
    return text;
}

static void assert_written(const char *expected, struct metrics *metrics)
{
    char *text = written(metrics);
    assert_string_equal(expected, text);
    free(text);
}

static void numbers_are_written_in_base_units(void **state)
{
    (void)state;
    static const struct {
        int64_t value, per_unit;
        const char *text;
    } rows[] = {
        {0, 1, "0"},
        {42, 1, "42"},
        {-3, 1, "-3"},
        {1500000, 1000000, "1.5"},
        {1, 1000000, "0.000001"},
        {-2500, 1000, "-2.5"},
        {INT64_MAX, 1, "9223372036854775807"},
        {INT64_MIN, 1, "-9223372036854775808"},
        {1, 3, "0.333333333"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char expected[128];
        struct metrics *metrics = new_metrics();
        const struct metric_options options = {
            .name = "heddle_x", .help = "h", .kind = METRIC_GAUGE, .per_unit = rows[i].per_unit};
        metric_set(metric_only(add(metrics, &options)), rows[i].value);
        snprintf(expected, sizeof expected, "# HELP heddle_x h\n# TYPE heddle_x gauge\nheddle_x %s\n",
                 rows[i].text);
        assert_written(expected, metrics);
        metrics_free(metrics);
    }
}

static void texts_are_escaped(void **state)
{
    (void)state;
    struct metrics *metrics = new_metrics();
    const struct metric_options options = {.name = "heddle_x_total",
                                           .help = "back\\slash \"quote\" and\nnew line",
                                           .kind = METRIC_COUNTER,
                                           .labels = {"app", "why"},
                                           .label_count = 2};
    struct metric *metric = add(metrics, &options);
    metric_add(METRIC_CHILD(metric, STR("a\"b\\c\nd"), STR("")), 1);
    metric_add(METRIC_CHILD(metric, STR("\xc3\xa4\xff{},="), STR("x\0y")), 2);
    assert_written("# HELP heddle_x_total back\\\\slash \"quote\" and\\nnew line\n"
                   "# TYPE heddle_x_total counter\n"
                   "heddle_x_total{app=\"a\\\"b\\\\c\\nd\",why=\"\"} 1\n"
                   "heddle_x_total{app=\"\xc3\xa4\xef\xbf\xbd{},=\",why=\"x\"} 2\n",
                   metrics);
    metrics_free(metrics);
}

static void a_long_value_is_cut(void **state)
{
    (void)state;
    char text[METRIC_VALUE_BYTES_MAX * 3];
    memset(text, 'a', sizeof text);
    struct metrics *metrics = new_metrics();
    const struct metric_options options = {
        .name = "heddle_x", .help = "h", .kind = METRIC_GAUGE, .labels = {"m"}, .label_count = 1};
    struct metric *metric = add(metrics, &options);
    const struct str longer = {text, sizeof text}, cut = {text, METRIC_VALUE_BYTES_MAX};
    assert_ptr_equal(METRIC_CHILD(metric, longer), METRIC_CHILD(metric, cut));
    metrics_free(metrics);
}

static void a_histogram_counts_into_all_buckets_above(void **state)
{
    (void)state;
    static const int64_t bounds[] = {1000, 500000, 1000000};
    struct metrics *metrics = new_metrics();
    const struct metric_options options = {.name = "heddle_x_seconds",
                                           .help = "h",
                                           .kind = METRIC_HISTOGRAM,
                                           .per_unit = 1000000,
                                           .labels = {"k"},
                                           .label_count = 1,
                                           .buckets = bounds,
                                           .bucket_count = ARRAY_LEN(bounds)};
    struct metric_child *child = METRIC_CHILD(add(metrics, &options), STR("v"));
    static const int64_t values[] = {0, 1000, 1001, 2500000};
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        metric_observe(child, values[i]);
    assert_int_equal(4, metric_value(child));
    assert_written("# HELP heddle_x_seconds h\n"
                   "# TYPE heddle_x_seconds histogram\n"
                   "heddle_x_seconds_bucket{k=\"v\",le=\"0.001\"} 2\n"
                   "heddle_x_seconds_bucket{k=\"v\",le=\"0.5\"} 3\n"
                   "heddle_x_seconds_bucket{k=\"v\",le=\"1\"} 3\n"
                   "heddle_x_seconds_bucket{k=\"v\",le=\"+Inf\"} 4\n"
                   "heddle_x_seconds_sum{k=\"v\"} 2.502001\n"
                   "heddle_x_seconds_count{k=\"v\"} 4\n",
                   metrics);
    metrics_free(metrics);
}

static void what_is_too_much_is_other(void **state)
{
    (void)state;
    struct metrics *metrics = new_metrics();
    const struct metric_options options = {.name = "heddle_x_total",
                                           .help = "h",
                                           .kind = METRIC_COUNTER,
                                           .labels = {"app", "why"},
                                           .label_count = 2,
                                           .children_max = 3};
    struct metric *metric = add(metrics, &options);
    for (int i = 0; i < 1000; i++) {
        char app[16], why[16];
        snprintf(app, sizeof app, "app%d", i);
        snprintf(why, sizeof why, "why%d", i % 2);
        metric_add(METRIC_CHILD(metric, str_c(app), str_c(why)), 1);
    }
    metric_add(METRIC_CHILD(metric, STR("app1"), STR("why1")), 1); /* those that are known go on */
    assert_written("# HELP heddle_x_total h\n# TYPE heddle_x_total counter\n"
                   "heddle_x_total{app=\"app0\",why=\"why0\"} 1\n"
                   "heddle_x_total{app=\"app1\",why=\"why1\"} 2\n"
                   "heddle_x_total{app=\"app2\",why=\"why0\"} 1\n"
                   "heddle_x_total{app=\"other\",why=\"why1\"} 499\n"
                   "heddle_x_total{app=\"other\",why=\"why0\"} 498\n",
                   metrics);
    metrics_free(metrics);
}

static void labels_that_are_not_closed_end_in_other_too(void **state)
{
    (void)state;
    enum { MANY = 1000, CHILDREN = 2 };
    struct metrics *metrics = new_metrics();
    const struct metric_options options = {.name = "heddle_x_total",
                                           .help = "h",
                                           .kind = METRIC_COUNTER,
                                           .labels = {"app", "why"},
                                           .label_count = 2,
                                           .children_max = CHILDREN};
    struct metric *metric = add(metrics, &options);
    for (int i = 0; i < MANY; i++) {
        char why[16];
        snprintf(why, sizeof why, "why%d", i);
        metric_add(METRIC_CHILD(metric, STR("a"), str_c(why)), 1);
    }
    struct metric_child *rest = METRIC_CHILD(metric, STR("a"), STR("one more"));
    assert_ptr_equal(rest, METRIC_CHILD(metric, STR("other"), STR("other")));
    assert_int_equal(MANY - CHILDREN - METRIC_OTHERS_MAX, metric_value(rest));
    metrics_free(metrics);
}

static void without_memory_it_is_counted_under_other(void **state)
{
    (void)state;
    struct metrics *metrics = new_metrics();
    const struct metric_options options = {
        .name = "heddle_x_total", .help = "h", .kind = METRIC_COUNTER, .labels = {"app"}, .label_count = 1};
    struct metric *metric = add(metrics, &options);
    for (size_t n = 0; n < 8; n++) {
        alloc_fail_after(n);
        struct metric_child *child = METRIC_CHILD(metric, STR("a"));
        alloc_fail_reset();
        assert_non_null(child);
        metric_add(child, 1);
        if (!alloc_fail_hit())
            break;
    }
    assert_true(metric_value(METRIC_CHILD(metric, STR("other"))) > 0);
    assert_int_equal(1, metric_value(METRIC_CHILD(metric, STR("a"))));
    metrics_free(metrics);
}

static void no_memory_to_make_one(void **state)
{
    (void)state;
    const struct metric_options options = {.name = "heddle_x", .help = "h", .kind = METRIC_GAUGE};
    for (size_t n = 0;; n++) {
        struct metrics *metrics = NULL;
        struct metric *metric;
        struct status err;
        alloc_fail_after(n);
        enum status_code rc = metrics_new(&metrics, &err);
        if (rc == STATUS_OK)
            rc = metrics_add(metrics, &options, &metric, &err);
        alloc_fail_reset();
        metrics_free(metrics);
        if (!alloc_fail_hit()) {
            assert_ok(rc);
            break;
        }
        assert_code(STATUS_RESOURCE_EXHAUSTED, rc);
    }
}

static void set_now(void *arg)
{
    metric_set(arg, metric_value(arg) + 10);
}

static void collectors_run_before_every_writing(void **state)
{
    (void)state;
    struct status err;
    struct metrics *metrics = new_metrics();
    const struct metric_options options = {.name = "heddle_x", .help = "h", .kind = METRIC_GAUGE};
    struct metric_child *child = metric_only(add(metrics, &options));
    assert_ok(metrics_collect(metrics, set_now, child, &err));
    assert_written("# HELP heddle_x h\n# TYPE heddle_x gauge\nheddle_x 10\n", metrics);
    assert_written("# HELP heddle_x h\n# TYPE heddle_x gauge\nheddle_x 20\n", metrics);
    metrics_free(metrics);
}

/* --- threads --- */

enum { THREADS = 4, ROUNDS = 2000, APPS = 50 };

static struct metric *shared_counter, *shared_histogram;
static atomic_bool is_over;

static void *count_on(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        char app[16];
        snprintf(app, sizeof app, "app%d", i % APPS);
        metric_add(METRIC_CHILD(shared_counter, str_c(app)), 1);
        metric_observe(metric_only(shared_histogram), i);
    }
    return NULL;
}

static void *read_on(void *arg)
{
    while (!atomic_load(&is_over)) {
        char *text = written(arg);
        free(text);
    }
    return NULL;
}

static void threads_lose_nothing(void **state)
{
    (void)state;
    static const int64_t bounds[] = METRIC_WORK_BUCKETS;
    struct metrics *metrics = new_metrics();
    shared_counter = add(metrics, &(struct metric_options){.name = "heddle_x_total",
                                                           .help = "h",
                                                           .kind = METRIC_COUNTER,
                                                           .labels = {"app"},
                                                           .label_count = 1,
                                                           .children_max = APPS / 2});
    shared_histogram = add(metrics, &(struct metric_options){.name = "heddle_y_seconds",
                                                             .help = "h",
                                                             .kind = METRIC_HISTOGRAM,
                                                             .per_unit = 1000000,
                                                             .buckets = bounds,
                                                             .bucket_count = ARRAY_LEN(bounds)});
    pthread_t threads[THREADS], reader;
    atomic_store(&is_over, false);
    assert_int_equal(0, pthread_create(&reader, NULL, read_on, metrics));
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(0, pthread_create(&threads[i], NULL, count_on, NULL));
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&is_over, true);
    pthread_join(reader, NULL);
    int64_t sum = metric_value(METRIC_CHILD(shared_counter, STR("other")));
    assert_true(sum > 0);
    for (int i = 0; i < APPS; i++) {
        char app[16];
        snprintf(app, sizeof app, "app%d", i);
        struct metric_child *child = METRIC_CHILD(shared_counter, str_c(app));
        if (child != METRIC_CHILD(shared_counter, STR("other")))
            sum += metric_value(child);
    }
    assert_int_equal(THREADS * ROUNDS, sum);
    assert_int_equal(THREADS * ROUNDS, metric_value(metric_only(shared_histogram)));
    metrics_free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_written_in_base_units),
        cmocka_unit_test(texts_are_escaped),
        cmocka_unit_test(a_long_value_is_cut),
        cmocka_unit_test(a_histogram_counts_into_all_buckets_above),
        cmocka_unit_test(what_is_too_much_is_other),
        cmocka_unit_test(labels_that_are_not_closed_end_in_other_too),
        cmocka_unit_test(without_memory_it_is_counted_under_other),
        cmocka_unit_test(no_memory_to_make_one),
        cmocka_unit_test(collectors_run_before_every_writing),
        cmocka_unit_test(threads_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
