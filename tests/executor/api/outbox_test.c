/*
 * The outbox: what goes out as which message, and when the run's sources are held back.
 */
#include "executor/api/outbox.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <stdlib.h>
#include <string.h>

typedef Heddle__Executor__V1__ExecuteFrame frame;

static frame *take(struct outbox *o, enum outbox_next expected)
{
    struct buf bytes;
    assert_int_equal(outbox_take(o, &bytes), expected);
    frame *f = heddle__executor__v1__execute_frame__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
    assert_non_null(f);
    buf_fini(&bytes);
    return f;
}

static void take_nothing(struct outbox *o)
{
    struct buf bytes;
    assert_false(outbox_has_next(o));
    assert_int_equal(outbox_take(o, &bytes), OUTBOX_NOTHING);
    assert_int_equal(bytes.len, 0);
    buf_fini(&bytes);
}

static void drop(frame *f)
{
    heddle__executor__v1__execute_frame__free_unpacked(f, NULL);
}

static void put_begun(struct outbox *o)
{
    Heddle__Executor__V1__Begun begun = HEDDLE__EXECUTOR__V1__BEGUN__INIT;
    begun.instance_id = (char *)"instance";
    begun.address = (char *)"127.0.0.1:1";
    begun.attempt = 3;
    assert_true(outbox_begin(o, &begun));
}

/* An event that is nothing but its task id. */
static void put_event(struct outbox *o, size_t bytes)
{
    char *event = malloc(bytes);
    assert_non_null(event);
    memset(event, 'x', bytes);
    assert_true(outbox_put(o, (struct str){event, bytes}));
    free(event);
}

static void a_run_goes_out_from_begun_to_ended(void **state)
{
    struct outbox o;
    (void)state;
    outbox_init(&o);
    take_nothing(&o);
    put_begun(&o);
    assert_true(outbox_put(&o, STR("\x0a\x01"
                                   "a"))); /* a RunEvent: field 1, "a" */
    assert_true(outbox_put(&o, STR("\x0a\x01"
                                   "b")));
    frame *f = take(&o, OUTBOX_MORE); /* what has gathered is one message */
    assert_string_equal(f->begun->instance_id, "instance");
    assert_string_equal(f->begun->address, "127.0.0.1:1");
    assert_int_equal(f->begun->attempt, 3);
    assert_int_equal(f->events->n_event, 2);
    assert_null(f->ended);
    drop(f);
    take_nothing(&o);

    const struct event_finished finished = {.status = RUN_STATUS_SUCCEEDED,
                                            .reason = END_REASON_COMPLETED,
                                            .total_tokens = 12,
                                            .total_steps = 3,
                                            .elapsed_ms = 456};
    assert_true(outbox_end(&o, &finished));
    take_nothing(&o); /* an event may still come */
    assert_true(outbox_put(&o, STR("\x0a\x01"
                                   "c")));
    outbox_seal(&o);
    f = take(&o, OUTBOX_LAST);
    assert_null(f->begun);
    assert_int_equal(f->events->n_event, 1);
    assert_int_equal(f->ended->total_tokens, 12);
    assert_int_equal(f->ended->total_steps, 3);
    drop(f);
    take_nothing(&o);
    outbox_fini(&o);
}

static void too_many_bytes_hold_the_sources_until_they_are_taken(void **state)
{
    struct outbox o;
    struct buf bytes;
    (void)state;
    outbox_init(&o);
    put_event(&o, OUTBOX_BYTES_HIGH - 100);
    assert_false(outbox_hold(&o));
    assert_false(outbox_release(&o)); /* nothing is held */
    put_event(&o, 200);
    assert_true(outbox_hold(&o));
    assert_false(outbox_release(&o));
    assert_true(outbox_hold(&o));
    assert_int_equal(outbox_take(&o, &bytes), OUTBOX_MORE);
    buf_fini(&bytes);
    assert_true(outbox_release(&o));
    assert_false(outbox_release(&o)); /* once */
    assert_false(outbox_hold(&o));
    outbox_fini(&o);
}

static void too_many_events_hold_the_sources_as_well(void **state)
{
    struct outbox o;
    (void)state;
    outbox_init(&o);
    for (size_t i = 0; i < OUTBOX_EVENTS_HIGH; i++)
        assert_true(outbox_put(&o, STR("")));
    assert_false(outbox_hold(&o));
    assert_true(outbox_put(&o, STR("")));
    assert_true(outbox_hold(&o));
    outbox_fini(&o);
}

static void what_is_marked_waits_and_what_came_before_goes(void **state)
{
    struct outbox o;
    (void)state;
    outbox_init(&o);
    put_begun(&o);
    put_event(&o, 10);
    put_event(&o, 11);
    outbox_mark(&o);
    put_event(&o, 12);
    outbox_mark(&o); /* where it is */
    put_event(&o, 13);
    assert_true(outbox_end(&o, &(struct event_finished){.status = RUN_STATUS_SUCCEEDED}));
    outbox_seal(&o);
    frame *f = take(&o, OUTBOX_MORE);
    assert_non_null(f->begun);
    assert_int_equal(f->events->n_event, 2);
    assert_int_equal(f->events->event[1].len, 11);
    drop(f);
    take_nothing(&o);
    outbox_unmark(&o);
    f = take(&o, OUTBOX_LAST);
    assert_int_equal(f->events->n_event, 2);
    assert_int_equal(f->events->event[0].len, 12);
    drop(f);
    outbox_fini(&o);
}

static void what_is_withheld_waits_and_its_end_longer(void **state)
{
    const struct event_finished finished = {.status = RUN_STATUS_STOPPED};
    struct outbox o;
    (void)state;
    outbox_init(&o);
    outbox_withhold(&o);
    put_event(&o, 10);
    outbox_mark(&o);
    put_event(&o, 20);
    assert_true(outbox_end(&o, &finished));
    outbox_seal(&o);
    put_begun(&o);
    take_nothing(&o);
    outbox_show(&o);
    frame *f = take(&o, OUTBOX_MORE);
    assert_non_null(f->begun);
    assert_int_equal(f->events->n_event, 1);
    drop(f);
    take_nothing(&o); /* its record is not durable yet */
    outbox_unmark(&o);
    drop(take(&o, OUTBOX_LAST));
    outbox_fini(&o);
}

static void nobody_is_behind_once_nobody_reads(void **state)
{
    struct outbox o;
    (void)state;
    outbox_init(&o);
    put_event(&o, OUTBOX_BYTES_HIGH + 1);
    assert_true(outbox_hold(&o));
    outbox_close(&o);
    assert_false(o.is_held);
    outbox_fini(&o);
}

static void what_will_not_come_true_is_taken_back(void **state)
{
    struct outbox o;
    (void)state;
    outbox_init(&o);
    put_event(&o, 10);
    outbox_mark(&o);
    put_event(&o, 12);
    assert_true(outbox_end(&o, &(struct event_finished){.status = RUN_STATUS_SUCCEEDED}));
    outbox_seal(&o);
    drop(take(&o, OUTBOX_MORE));
    put_event(&o, 13);
    outbox_drop_marked(&o);
    put_event(&o, 14);
    assert_true(outbox_end(&o, &(struct event_finished){.status = RUN_STATUS_FAILED}));
    take_nothing(&o);
    outbox_unmark(&o);
    frame *f = take(&o, OUTBOX_LAST);
    assert_int_equal(f->events->n_event, 1);
    assert_int_equal(f->events->event[0].len, 14);
    assert_int_equal(f->ended->status, HEDDLE__V1__RUN_STATUS__RUN_STATUS_FAILED);
    drop(f);
    outbox_fini(&o);
}

static void a_closed_outbox_with_a_mark_holds_nothing(void **state)
{
    struct outbox o;
    (void)state;
    outbox_init(&o);
    put_event(&o, 10);
    outbox_mark(&o);
    put_event(&o, 12);
    outbox_close(&o);
    outbox_drop_marked(&o);
    assert_true(outbox_put(&o, STR("late")));
    outbox_unmark(&o);
    take_nothing(&o);
    assert_false(outbox_hold(&o));
    outbox_fini(&o);
}

static void a_closed_outbox_drops_what_is_put_in(void **state)
{
    struct outbox o;
    (void)state;
    outbox_init(&o);
    put_event(&o, 1000);
    outbox_close(&o);
    put_event(&o, 2 * OUTBOX_BYTES_HIGH);
    assert_false(outbox_hold(&o));
    take_nothing(&o);
    outbox_fini(&o);
}

static void an_event_that_does_not_fit_leaves_whole_events(void **state)
{
    struct outbox o;
    (void)state;
    outbox_init(&o);
    o.events.max = 64;
    assert_true(outbox_put(&o, STR("\x0a\x01"
                                   "a")));
    char big[100] = {0};
    assert_false(outbox_put(&o, (struct str){big, sizeof big}));
    assert_int_equal(o.event_count, 1);
    frame *f = take(&o, OUTBOX_MORE);
    assert_int_equal(f->events->n_event, 1);
    drop(f);
    outbox_fini(&o);
}

static void without_memory_events_stay_until_there_is_some(void **state)
{
    struct outbox o;
    struct buf bytes;
    (void)state;
    outbox_init(&o);
    assert_true(outbox_put(&o, STR("\x0a\x01"
                                   "a")));
    alloc_fail_after(0);
    enum outbox_next next = outbox_take(&o, &bytes);
    alloc_fail_reset();
    assert_int_equal(next, OUTBOX_NOTHING);
    buf_fini(&bytes);
    frame *f = take(&o, OUTBOX_MORE);
    assert_int_equal(f->events->n_event, 1);
    drop(f);
    outbox_fini(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_goes_out_from_begun_to_ended),
        cmocka_unit_test(too_many_bytes_hold_the_sources_until_they_are_taken),
        cmocka_unit_test(too_many_events_hold_the_sources_as_well),
        cmocka_unit_test(what_is_marked_waits_and_what_came_before_goes),
        cmocka_unit_test(what_is_withheld_waits_and_its_end_longer),
        cmocka_unit_test(nobody_is_behind_once_nobody_reads),
        cmocka_unit_test(what_will_not_come_true_is_taken_back),
        cmocka_unit_test(a_closed_outbox_with_a_mark_holds_nothing),
        cmocka_unit_test(a_closed_outbox_drops_what_is_put_in),
        cmocka_unit_test(an_event_that_does_not_fit_leaves_whole_events),
        cmocka_unit_test(without_memory_events_stay_until_there_is_some),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
