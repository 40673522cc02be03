/* The queue keeps spans in order, in batches, drops and counts what has no room, and is safe between threads. */
#include "shared/otlp/queue.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <string.h>

static char half[SPAN_BATCH_BYTES / 2];

static struct str big(void)
{
    return (struct str){half, sizeof half};
}

static void spans_come_out_as_they_went_in(void **state)
{
    (void)state;
    struct span_queue q;
    span_queue_init(&q);
    assert_null(span_queue_take(&q, SPAN_TAKE_ANY));
    assert_int_equal(SPAN_KEPT, span_queue_put(&q, STR("one")));
    assert_int_equal(SPAN_KEPT, span_queue_put(&q, STR("two")));
    assert_null(span_queue_take(&q, SPAN_TAKE_FULL));
    struct span_batch *batch = span_queue_take(&q, SPAN_TAKE_ANY);
    assert_non_null(batch);
    assert_int_equal(2, batch->spans);
    assert_str("onetwo", ((struct str){batch->bytes, batch->len}));
    assert_null(span_queue_take(&q, SPAN_TAKE_ANY));
    span_queue_give_back(&q, batch);
    assert_int_equal(SPAN_KEPT, span_queue_put(&q, STR("three")));
    span_queue_fini(&q); /* with what is in it */
}

static void a_full_batch_is_ready_and_the_next_one_begins(void **state)
{
    (void)state;
    struct span_queue q;
    span_queue_init(&q);
    assert_int_equal(SPAN_KEPT, span_queue_put(&q, big()));
    assert_int_equal(SPAN_KEPT, span_queue_put(&q, big()));
    assert_null(span_queue_take(&q, SPAN_TAKE_FULL));
    assert_int_equal(SPAN_BATCH_READY, span_queue_put(&q, STR("next")));
    struct span_batch *batch = span_queue_take(&q, SPAN_TAKE_FULL);
    assert_non_null(batch);
    assert_int_equal(2, batch->spans);
    assert_int_equal(SPAN_BATCH_BYTES, batch->len);
    assert_null(span_queue_take(&q, SPAN_TAKE_FULL));
    span_queue_give_back(&q, batch);
    span_queue_fini(&q);
}

static void what_has_no_room_is_dropped_and_counted(void **state)
{
    (void)state;
    struct span_queue q;
    span_queue_init(&q);
    for (size_t i = 0; i < 2 * SPAN_BATCHES_MAX; i++)
        assert_int_not_equal(SPAN_DROPPED, span_queue_put(&q, big()));
    assert_int_equal(0, span_queue_dropped(&q));
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(SPAN_DROPPED, span_queue_put(&q, STR("x")));
    assert_int_equal(100, span_queue_dropped(&q));
    span_queue_give_back(&q, span_queue_take(&q, SPAN_TAKE_FULL));
    assert_int_equal(SPAN_BATCH_READY, span_queue_put(&q, STR("x")));
    span_queue_fini(&q);
}

static void a_span_too_large_is_dropped_alone(void **state)
{
    (void)state;
    static char huge[SPAN_BATCH_BYTES + 1];
    struct span_queue q;
    span_queue_init(&q);
    assert_int_equal(SPAN_DROPPED, span_queue_put(&q, (struct str){huge, sizeof huge}));
    assert_int_equal(SPAN_KEPT, span_queue_put(&q, STR("x")));
    span_queue_fini(&q);
}

static void without_memory_spans_are_dropped(void **state)
{
    (void)state;
    struct span_queue q;
    span_queue_init(&q);
    alloc_fail_after(0);
    assert_int_equal(SPAN_DROPPED, span_queue_put(&q, STR("x")));
    alloc_fail_reset();
    assert_int_equal(SPAN_KEPT, span_queue_put(&q, STR("x")));
    span_queue_fini(&q);
}

enum { THREADS = 4, EACH = 20000 };

static void *put_many(void *arg)
{
    struct span_queue *q = arg;
    char bytes[100];
    memset(bytes, 'x', sizeof bytes);
    for (size_t i = 0; i < EACH; i++)
        (void)span_queue_put(q, (struct str){bytes, sizeof bytes}); /* drops are counted there */
    return NULL;
}

static size_t take_all(struct span_queue *q)
{
    struct span_batch *batch;
    size_t spans = 0;
    while ((batch = span_queue_take(q, SPAN_TAKE_ANY)) != NULL) {
        assert_int_equal(batch->len, batch->spans * 100);
        spans += batch->spans;
        span_queue_give_back(q, batch);
    }
    return spans;
}

static void nothing_is_lost_between_threads(void **state)
{
    (void)state;
    struct span_queue q;
    pthread_t threads[THREADS];
    size_t spans = 0;
    span_queue_init(&q);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(0, pthread_create(&threads[i], NULL, put_many, &q));
    for (size_t i = 0; i < 200; i++)
        spans += take_all(&q);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(0, pthread_join(threads[i], NULL));
    spans += take_all(&q);
    assert_int_equal(THREADS * EACH, spans + span_queue_dropped(&q));
    span_queue_fini(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_come_out_as_they_went_in),
        cmocka_unit_test(a_full_batch_is_ready_and_the_next_one_begins),
        cmocka_unit_test(what_has_no_room_is_dropped_and_counted),
        cmocka_unit_test(a_span_too_large_is_dropped_alone),
        cmocka_unit_test(without_memory_spans_are_dropped),
        cmocka_unit_test(nothing_is_lost_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
