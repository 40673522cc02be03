/*
 * The cache gives the graph that was put under a key, forgets what was used longest ago, and never more than it may hold.
 */
#include "executor/graph/cache.h"
#include "tests/executor/graph/compiling.h"
#include "tests/support/alloc_fail.h"
#include <pthread.h>
#include <stdio.h>

static struct str text_of(char *room, size_t size, int i)
{
    int len = snprintf(
        room, size,
        "app: {mode: workflow, name: n%d}\nworkflow: {graph: {nodes: [{id: s, data: {type: start}}]}}\n", i);
    return (struct str){room, (size_t)len};
}

/* Graph number i, by the cache. */
static struct graph *get(struct graph_cache *cache, int i)
{
    char room[256];
    struct graph_report report;
    struct graph *g = NULL;
    graph_report_init(&report);
    assert_ok(graph_cache_compile(cache, text_of(room, sizeof room, i), false, &report, &g, NULL));
    graph_report_fini(&report);
    return g;
}

static bool holds(struct graph_cache *cache, int i)
{
    char room[256];
    struct graph_key key = graph_key_of(text_of(room, sizeof room, i), false);
    struct graph *g = graph_cache_get(cache, &key);
    graph_unref(g);
    return g != NULL;
}

static void the_same_text_is_the_same_graph(void **state)
{
    (void)state;
    struct graph_cache *cache = graph_cache_new(4, SIZE_MAX);
    struct graph *a = get(cache, 1), *again = get(cache, 1), *b = get(cache, 2);
    assert_ptr_equal(a, again);
    assert_ptr_not_equal(a, b);
    assert_str("n1", a->name);
    graph_unref(again);
    graph_unref(b);
    graph_cache_free(cache);
    assert_str("n1", a->name); /* outlives the cache */
    graph_unref(a);
}

static void how_unserved_types_are_taken_is_part_of_the_key(void **state)
{
    (void)state;
    struct graph_cache *cache = graph_cache_new(4, SIZE_MAX);
    char room[256];
    struct str text = text_of(room, sizeof room, 1);
    graph_unref(get(cache, 1));
    struct graph_key strict = graph_key_of(text, false), lenient = graph_key_of(text, true);
    struct graph *g = graph_cache_get(cache, &strict);
    assert_non_null(g);
    assert_null(graph_cache_get(cache, &lenient));
    graph_cache_put(cache, &lenient, g);
    graph_unref(g);
    struct graph *same = graph_cache_get(cache, &lenient);
    assert_ptr_equal(g, same);
    graph_unref(same);
    graph_cache_free(cache);
}

static void what_was_used_longest_ago_goes_first(void **state)
{
    (void)state;
    struct graph_cache *cache = graph_cache_new(3, SIZE_MAX);
    for (int i = 1; i <= 3; i++)
        graph_unref(get(cache, i));
    assert_true(holds(cache, 1)); /* a use of 1 */
    graph_unref(get(cache, 4));
    assert_false(holds(cache, 2));
    assert_true(holds(cache, 3));
    assert_true(holds(cache, 1));
    assert_true(holds(cache, 4));
    graph_cache_free(cache);
}

static void memory_is_bounded_too(void **state)
{
    (void)state;
    struct graph_cache *probe = graph_cache_new(1, SIZE_MAX);
    struct graph *g = get(probe, 1);
    size_t bytes = g->bytes;
    graph_unref(g);
    graph_cache_free(probe);

    struct graph_cache *cache = graph_cache_new(100, 2 * bytes);
    for (int i = 1; i <= 3; i++)
        graph_unref(get(cache, i));
    assert_false(holds(cache, 1));
    assert_true(holds(cache, 2) && holds(cache, 3));
    graph_cache_free(cache);

    cache = graph_cache_new(100, bytes - 1); /* too small for any */
    g = get(cache, 1);
    assert_non_null(g);
    assert_false(holds(cache, 1));
    graph_unref(g);
    graph_cache_free(cache);
}

static void what_is_refused_is_not_kept(void **state)
{
    (void)state;
    struct graph_cache *cache = graph_cache_new(4, SIZE_MAX);
    for (int i = 0; i < 2; i++) {
        struct graph_report report;
        struct graph *g = NULL;
        graph_report_init(&report);
        assert_code(STATUS_INVALID_ARGUMENT, graph_cache_compile(cache, STR("x"), false, &report, &g, NULL));
        assert_int_equal(1, report.error_count);
        graph_report_fini(&report);
    }
    graph_cache_free(cache);
}

static void without_memory_it_stays_as_it_is(void **state)
{
    (void)state;
    alloc_fail_after(0);
    assert_null(graph_cache_new(4, SIZE_MAX));
    alloc_fail_reset();
    struct graph_cache *other = graph_cache_new(4, SIZE_MAX);
    struct graph *g = get(other, 1);
    for (size_t n = 0;; n++) {
        struct graph_cache *cache = graph_cache_new(4, SIZE_MAX);
        char room[256];
        struct graph_key key = graph_key_of(text_of(room, sizeof room, 1), false);
        alloc_fail_after(n);
        graph_cache_put(cache, &key, g);
        alloc_fail_reset();
        assert_int_equal(!alloc_fail_hit(), holds(cache, 1));
        graph_cache_free(cache);
        if (!alloc_fail_hit()) {
            assert_true(n >= 3);
            break;
        }
    }
    graph_unref(g);
    graph_cache_free(other);
    graph_cache_free(NULL);
}

/* No assertions: they belong to the main thread. NULL: all was well. */
static void *use(void *cache)
{
    for (int i = 0; i < 200; i++) {
        char room[256];
        struct graph_report report;
        struct graph *g = NULL;
        graph_report_init(&report);
        enum status_code rc =
            graph_cache_compile(cache, text_of(room, sizeof room, i % 5), false, &report, &g, NULL);
        graph_report_fini(&report);
        bool is_good = rc == STATUS_OK && g->node_count == 1;
        graph_unref(g);
        if (!is_good)
            return cache;
    }
    return NULL;
}

static void many_threads_use_it_at_once(void **state)
{
    (void)state;
    struct graph_cache *cache = graph_cache_new(3, SIZE_MAX);
    pthread_t threads[4];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(0, pthread_create(&threads[i], NULL, use, cache));
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        void *failed;
        assert_int_equal(0, pthread_join(threads[i], &failed));
        assert_null(failed);
    }
    graph_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_text_is_the_same_graph),
        cmocka_unit_test(how_unserved_types_are_taken_is_part_of_the_key),
        cmocka_unit_test(what_was_used_longest_ago_goes_first),
        cmocka_unit_test(memory_is_bounded_too),
        cmocka_unit_test(what_is_refused_is_not_kept),
        cmocka_unit_test(without_memory_it_stays_as_it_is),
        cmocka_unit_test(many_threads_use_it_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
