/* The relay between a source and a sink of the test's: order, flow control, and every way to end. */
#include "tests/support/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/api/relay.h"
#include "heddle/executor/v1/executor.pb-c.h"
#include "shared/rpc/slice.h"

enum { SENT_MAX = 64 };

struct fixture {
    struct relay relay;
    size_t asked; /* frames asked for and not given */
    char address[64];
    size_t begun_count;
    Heddle__V1__RunEvent *sent[SENT_MAX];
    bool had_more[SENT_MAX];
    size_t sent_count;
    size_t lost_count, ended_count;
    struct status ended;
    bool not_begun;
};

static void source_next(void *arg)
{
    struct fixture *f = arg;
    assert_int_equal(f->asked, 0);
    f->asked++;
}

static void sink_begun(void *arg, struct str address)
{
    struct fixture *f = arg;
    f->begun_count++;
    snprintf(f->address, sizeof f->address, "%.*s", STR_ARG(address));
}

static void sink_send(void *arg, grpc_slice take_event, bool has_more)
{
    struct fixture *f = arg;
    assert_true(f->sent_count < SENT_MAX);
    assert_int_equal(f->ended_count, 0);
    struct str bytes = rpc_slice_str(&take_event);
    f->had_more[f->sent_count] = has_more;
    f->sent[f->sent_count] = heddle__v1__run_event__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
    assert_non_null(f->sent[f->sent_count++]);
    grpc_slice_unref(take_event);
}

static void sink_lost(void *arg)
{
    struct fixture *f = arg;
    f->lost_count++;
}

static void sink_ended(void *arg, const struct status *status, bool not_begun)
{
    struct fixture *f = arg;
    f->ended_count++;
    f->ended = *status;
    f->not_begun = not_begun;
}

static const struct relay_source source = {.next = source_next};
static const struct relay_sink sink = {
    .begun = sink_begun, .send = sink_send, .lost = sink_lost, .ended = sink_ended};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->relay = (struct relay){.source = &source, .sink = &sink, .source_arg = f, .sink_arg = f};
    relay_start(&f->relay);
    assert_int_equal(f->asked, 1);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(f->ended_count, 1);
    for (size_t i = 0; i < f->sent_count; i++)
        heddle__v1__run_event__free_unpacked(f->sent[i], NULL);
    free(f);
    return 0;
}

/* Answers the question for a frame. */
static void give(struct fixture *f, grpc_slice take_frame)
{
    assert_int_equal(f->asked, 1);
    f->asked = 0;
    relay_frame(&f->relay, &take_frame);
    grpc_slice_unref(take_frame);
}

static void give_message(struct fixture *f, Heddle__Executor__V1__ExecuteFrame *frame)
{
    give(f, rpc_slice_pack(&frame->base));
}

static void begin(struct fixture *f)
{
    Heddle__Executor__V1__Begun begun = HEDDLE__EXECUTOR__V1__BEGUN__INIT;
    begun.instance_id = "instance-1";
    begun.address = "unix:executor.sock";
    Heddle__Executor__V1__ExecuteFrame frame = HEDDLE__EXECUTOR__V1__EXECUTE_FRAME__INIT;
    frame.begun = &begun;
    give_message(f, &frame);
}

static void give_ended(struct fixture *f)
{
    Heddle__Executor__V1__Ended ended = HEDDLE__EXECUTOR__V1__ENDED__INIT;
    Heddle__Executor__V1__ExecuteFrame frame = HEDDLE__EXECUTOR__V1__EXECUTE_FRAME__INIT;
    frame.ended = &ended;
    give_message(f, &frame);
}

/* A frame of `count` text events with sequences from `first`. text_bytes: of each, so that slices are long ones. */
static void give_texts(struct fixture *f, uint64_t first, size_t count, size_t text_bytes)
{
    ProtobufCBinaryData packed[SENT_MAX];
    char *text = calloc(1, text_bytes + 1);
    memset(text, 'x', text_bytes);
    for (size_t i = 0; i < count; i++) {
        Heddle__V1__Message message = HEDDLE__V1__MESSAGE__INIT;
        Heddle__V1__RunEvent event = HEDDLE__V1__RUN_EVENT__INIT;
        message.answer = text;
        event.task_id = event.workflow_run_id = "run-1";
        event.sequence = first + i;
        event.event_case = HEDDLE__V1__RUN_EVENT__EVENT_MESSAGE;
        event.message = &message;
        packed[i].len = heddle__v1__run_event__get_packed_size(&event);
        packed[i].data = malloc(packed[i].len);
        heddle__v1__run_event__pack(&event, packed[i].data);
    }
    Heddle__Executor__V1__Events events = HEDDLE__EXECUTOR__V1__EVENTS__INIT;
    events.n_event = count;
    events.event = packed;
    Heddle__Executor__V1__ExecuteFrame frame = HEDDLE__EXECUTOR__V1__EXECUTE_FRAME__INIT;
    frame.events = &events;
    give_message(f, &frame);
    for (size_t i = 0; i < count; i++)
        free(packed[i].data);
    free(text);
}

static void give_finished(struct fixture *f, uint64_t sequence)
{
    Heddle__V1__WorkflowFinished finished = HEDDLE__V1__WORKFLOW_FINISHED__INIT;
    finished.status = HEDDLE__V1__RUN_STATUS__RUN_STATUS_PARTIAL_SUCCEEDED;
    finished.end_reason = HEDDLE__V1__END_REASON__END_REASON_STEP_LIMIT;
    finished.total_tokens = 300;
    Heddle__V1__RunEvent event = HEDDLE__V1__RUN_EVENT__INIT;
    event.sequence = sequence;
    event.event_case = HEDDLE__V1__RUN_EVENT__EVENT_WORKFLOW_FINISHED;
    event.workflow_finished = &finished;
    uint8_t bytes[256];
    ProtobufCBinaryData packed = {heddle__v1__run_event__pack(&event, bytes), bytes};
    Heddle__Executor__V1__Events events = HEDDLE__EXECUTOR__V1__EVENTS__INIT;
    events.n_event = 1;
    events.event = &packed;
    Heddle__Executor__V1__ExecuteFrame frame = HEDDLE__EXECUTOR__V1__EXECUTE_FRAME__INIT;
    frame.events = &events;
    give_message(f, &frame);
}

/* The source has ended, as the answer to the question for a frame. */
static void break_off(struct fixture *f, enum status_code code)
{
    struct status status;
    status_set(&status, code, "source");
    f->asked = 0;
    relay_source_ended(&f->relay, &status);
}

static void end_well(struct fixture *f)
{
    give_ended(f);
    break_off(f, STATUS_OK);
    assert_int_equal(f->ended_count, 1);
    assert_ok(f->ended.code);
}

static void a_frame_may_hold_a_whole_run(void **state)
{
    struct fixture *f = *state;
    Heddle__V1__WorkflowFinished finished = HEDDLE__V1__WORKFLOW_FINISHED__INIT;
    Heddle__V1__RunEvent event = HEDDLE__V1__RUN_EVENT__INIT;
    event.sequence = 1;
    event.event_case = HEDDLE__V1__RUN_EVENT__EVENT_WORKFLOW_FINISHED;
    event.workflow_finished = &finished;
    uint8_t bytes[256];
    ProtobufCBinaryData packed[] = {{heddle__v1__run_event__pack(&event, bytes), bytes},
                                    {heddle__v1__run_event__pack(&event, bytes), bytes}};
    Heddle__Executor__V1__Begun begun = HEDDLE__EXECUTOR__V1__BEGUN__INIT;
    begun.address = "unix:executor.sock";
    Heddle__Executor__V1__Events events = HEDDLE__EXECUTOR__V1__EVENTS__INIT;
    events.n_event = 2;
    events.event = packed;
    Heddle__Executor__V1__Ended ended = HEDDLE__EXECUTOR__V1__ENDED__INIT;
    Heddle__Executor__V1__ExecuteFrame frame = HEDDLE__EXECUTOR__V1__EXECUTE_FRAME__INIT;
    frame.begun = &begun;
    frame.events = &events;
    frame.ended = &ended;
    give_message(f, &frame);
    assert_int_equal(f->begun_count, 1);
    assert_int_equal(f->sent_count, 1);
    assert_true(f->had_more[0]);
    relay_sent(&f->relay, true);
    assert_int_equal(f->sent_count, 2);
    assert_true(f->had_more[1]); /* the end follows */
    assert_int_equal(f->asked, 0);
    relay_sent(&f->relay, true);
    assert_int_equal(f->asked, 1);
    break_off(f, STATUS_OK);
    assert_int_equal(f->ended_count, 1);
    assert_ok(f->ended.code);
}

static void events_come_in_order_one_at_a_time_and_hint_at_the_next(void **state)
{
    struct fixture *f = *state;
    begin(f);
    assert_int_equal(f->begun_count, 1);
    assert_string_equal(f->address, "unix:executor.sock");
    give_texts(f, 1, 3, 1000);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(f->sent_count, i + 1); /* only one is on its way */
        assert_int_equal(f->sent[i]->sequence, i + 1);
        assert_int_equal(strlen(f->sent[i]->message->answer), 1000);
        assert_int_equal(f->had_more[i], i < 2);
        assert_int_equal(f->asked, 0); /* the next frame waits for all of this one */
        relay_sent(&f->relay, true);
    }
    assert_int_equal(f->asked, 1);
    give_texts(f, 4, 1, 1);
    assert_int_equal(f->sent[3]->sequence, 4);
    assert_false(f->had_more[3]);
    relay_sent(&f->relay, true);
    end_well(f);
    assert_int_equal(f->sent_count, 4);
}

static void a_hint_is_not_given_for_what_is_no_event(void **state)
{
    struct fixture *f = *state;
    begin(f);
    /* Events{event: RunEvent{sequence: 7}, unknown field 9: ""} */
    static const char bytes[] = "\x12\x06\x0a\x02\x28\x07\x4a\x00";
    give(f, rpc_slice_copy((struct str){bytes, sizeof bytes - 1}));
    assert_int_equal(f->sent_count, 1);
    assert_int_equal(f->sent[0]->sequence, 7);
    assert_false(f->had_more[0]);
    relay_sent(&f->relay, true);
    end_well(f);
}

static void frames_without_events_and_unknown_ones_are_passed_over(void **state)
{
    struct fixture *f = *state;
    begin(f);
    give_texts(f, 1, 0, 0);
    give(f, grpc_empty_slice());
    give(f, rpc_slice_copy(STR("\x7a\x02hi")));
    give(f, rpc_slice_copy(STR("\x12\x7f")));
    assert_int_equal(f->sent_count, 0);
    end_well(f);
}

static void a_refusal_before_the_run_has_begun_passes_unchanged(void **state)
{
    struct fixture *f = *state;
    struct status status;
    status_field(&status, "inputs.text", "is required");
    f->asked = 0;
    relay_source_ended(&f->relay, &status);
    assert_true(f->not_begun);
    assert_code(STATUS_INVALID_ARGUMENT, f->ended.code);
    assert_string_equal(f->ended.field, "inputs.text");
    assert_string_equal(f->ended.message, status.message);
}

static void a_source_that_ends_well_without_a_word_is_an_error(void **state)
{
    struct fixture *f = *state;
    break_off(f, STATUS_OK);
    assert_true(f->not_begun);
    assert_code(STATUS_INTERNAL, f->ended.code);
}

/* What the record says of a chat that failed: workflow_finished and error. */
static struct outcome recorded(void)
{
    const struct store_run run = {.run_id = STR("run-1"),
                                  .conversation_id = STR("conversation-1"),
                                  .message_id = STR("message-1"),
                                  .status = HEDDLE__V1__RUN_STATUS__RUN_STATUS_FAILED,
                                  .end_reason = HEDDLE__V1__END_REASON__END_REASON_EXECUTOR_LOST};
    struct outcome outcome;
    outcome_of_run(&outcome, &run, &(struct outcome_form){.payloads = PAYLOAD_NONE}, 1);
    return outcome;
}

static void close_as_recorded(struct fixture *f)
{
    struct outcome outcome = recorded();
    assert_int_equal(f->lost_count, 1);
    relay_close(&f->relay, &outcome);
}

static void a_run_whose_executor_is_lost_ends_as_its_record_says(void **state)
{
    struct fixture *f = *state;
    begin(f);
    give_texts(f, 41, 2, 10);
    relay_sent(&f->relay, true);
    relay_sent(&f->relay, true);
    break_off(f, STATUS_UNAVAILABLE);
    assert_int_equal(f->sent_count, 2); /* nobody knows yet */
    assert_int_equal(f->ended_count, 0);
    close_as_recorded(f);
    assert_int_equal(f->sent_count, 3);
    assert_int_equal(f->sent[2]->event_case, HEDDLE__V1__RUN_EVENT__EVENT_WORKFLOW_FINISHED);
    assert_int_equal(f->sent[2]->sequence, 43);
    relay_sent(&f->relay, true);
    assert_int_equal(f->sent[3]->event_case, HEDDLE__V1__RUN_EVENT__EVENT_ERROR);
    assert_int_equal(f->sent[3]->sequence, 44);
    assert_int_equal(f->ended_count, 0);
    relay_sent(&f->relay, true);
    assert_ok(f->ended.code);
    assert_false(f->not_begun);
}

/* A stream that was cancelled ends by itself, whatever is still on its way down. */
static void what_came_before_the_executor_was_lost_comes_first(void **state)
{
    struct fixture *f = *state;
    begin(f);
    give_texts(f, 1, 2, 10);
    break_off(f, STATUS_CANCELLED);
    close_as_recorded(f);
    assert_int_equal(f->sent_count, 1);
    for (size_t i = 1; i < 4; i++) {
        relay_sent(&f->relay, true);
        assert_int_equal(f->sent_count, i + 1);
        assert_int_equal(f->sent[i]->sequence, i + 1);
    }
    relay_sent(&f->relay, true);
    assert_ok(f->ended.code);
    assert_int_equal(f->asked, 0);
}

static void an_end_that_was_on_its_way_is_not_told_twice(void **state)
{
    struct fixture *f = *state;
    begin(f);
    /* Events{event: RunEvent{sequence: 1}, event: RunEvent{sequence: 2, workflow_finished: {}}} */
    static const char bytes[] = "\x12\x0b\x0a\x02\x28\x01\x0a\x05\x28\x02\xba\x01\x00";
    give(f, rpc_slice_copy((struct str){bytes, sizeof bytes - 1}));
    break_off(f, STATUS_CANCELLED);
    close_as_recorded(f);
    relay_sent(&f->relay, true);
    assert_int_equal(f->sent[1]->sequence, 2);
    relay_sent(&f->relay, true);
    assert_int_equal(f->sent_count, 2);
    assert_ok(f->ended.code);
}

static void a_sink_that_goes_while_the_record_is_asked_ends_with_the_answer(void **state)
{
    struct fixture *f = *state;
    begin(f);
    break_off(f, STATUS_UNAVAILABLE);
    relay_sink_gone(&f->relay);
    assert_int_equal(f->ended_count, 0); /* the answer still comes, and needs the relay */
    close_as_recorded(f);
    assert_int_equal(f->sent_count, 0);
    assert_int_equal(f->ended_count, 1);
}

static void a_replay_has_no_source_and_counts_from_one(void **state)
{
    struct fixture *f = *state;
    f->relay = (struct relay){.sink = &sink, .sink_arg = f};
    struct outcome outcome = recorded();
    relay_replay(&f->relay, &outcome);
    assert_int_equal(outcome.count, 0); /* it was taken */
    assert_int_equal(f->sent[0]->sequence, 1);
    relay_sent(&f->relay, true);
    assert_int_equal(f->sent[1]->sequence, 2);
    relay_sent(&f->relay, true);
    assert_int_equal(f->sent_count, 2);
    assert_ok(f->ended.code);
}

static void a_source_lost_after_the_run_had_finished_adds_nothing(void **state)
{
    struct fixture *f = *state;
    begin(f);
    give_finished(f, 9);
    relay_sent(&f->relay, true);
    break_off(f, STATUS_UNAVAILABLE);
    assert_int_equal(f->sent_count, 1);
    assert_ok(f->ended.code);
}

static void a_run_that_ended_is_well_whatever_the_source_says_then(void **state)
{
    struct fixture *f = *state;
    begin(f);
    give_ended(f);
    break_off(f, STATUS_UNAVAILABLE);
    assert_int_equal(f->sent_count, 0);
    assert_ok(f->ended.code);
}

/* Where a sink may go: before anything, after the beginning, while an event is on its way, between events, at the very end. */
static void a_sink_that_goes_before_the_beginning_ends_with_the_source(void **state)
{
    struct fixture *f = *state;
    relay_sink_gone(&f->relay);
    assert_int_equal(f->ended_count, 0);
    break_off(f, STATUS_CANCELLED);
    assert_int_equal(f->sent_count, 0);
    assert_code(STATUS_CANCELLED, f->ended.code);
}

static void a_sink_that_goes_during_an_event_gets_no_more_and_the_rest_is_dropped(void **state)
{
    struct fixture *f = *state;
    begin(f);
    give_texts(f, 1, 5, 1000);
    relay_sent(&f->relay, true);
    relay_sink_gone(&f->relay); /* relay_sent() of the second does not come */
    assert_int_equal(f->asked, 1);
    give_texts(f, 6, 5, 1000);
    assert_int_equal(f->asked, 1);
    assert_int_equal(f->sent_count, 2);
    break_off(f, STATUS_CANCELLED);
    assert_code(STATUS_CANCELLED, f->ended.code);
}

static void a_sink_that_refuses_an_event_gets_no_more(void **state)
{
    struct fixture *f = *state;
    begin(f);
    give_texts(f, 1, 2, 1000);
    relay_sent(&f->relay, false);
    assert_int_equal(f->sent_count, 1);
    relay_sink_gone(&f->relay);
    give_ended(f);
    break_off(f, STATUS_OK);
    assert_int_equal(f->sent_count, 1);
    assert_false(f->not_begun);
}

static void a_sink_that_goes_while_the_source_is_waited_for_ends_with_it(void **state)
{
    struct fixture *f = *state;
    begin(f);
    give_texts(f, 1, 1, 10);
    relay_sent(&f->relay, true);
    relay_sink_gone(&f->relay);
    assert_int_equal(f->asked, 1);
    break_off(f, STATUS_CANCELLED);
    assert_int_equal(f->sent_count, 1);
}

static void a_sink_that_goes_during_our_own_last_events_ends_at_once(void **state)
{
    struct fixture *f = *state;
    begin(f);
    break_off(f, STATUS_UNAVAILABLE);
    close_as_recorded(f);
    assert_int_equal(f->sent_count, 1);
    relay_sink_gone(&f->relay);
    assert_int_equal(f->ended_count, 1);
    assert_int_equal(f->sent_count, 1);
}

static void how_the_run_ended_and_whether_it_spoke_is_noted_as_it_goes_down(void **state)
{
    struct fixture *f = *state;
    begin(f);
    assert_false(f->relay.has_text);
    give_texts(f, 1, 1, 10);
    assert_true(f->relay.has_text);
    assert_int_equal(0, f->relay.told.status);
    relay_sent(&f->relay, true);
    give_finished(f, 2);
    assert_int_equal(HEDDLE__V1__RUN_STATUS__RUN_STATUS_PARTIAL_SUCCEEDED, f->relay.told.status);
    assert_int_equal(HEDDLE__V1__END_REASON__END_REASON_STEP_LIMIT, f->relay.told.reason);
    assert_int_equal(300, f->relay.told.total_tokens);
    relay_sent(&f->relay, true);
    end_well(f);
}

static void an_end_of_our_own_is_noted_too(void **state)
{
    struct fixture *f = *state;
    begin(f);
    break_off(f, STATUS_UNAVAILABLE);
    close_as_recorded(f);
    while (f->ended_count == 0)
        relay_sent(&f->relay, true);
    const Heddle__V1__WorkflowFinished *told = NULL;
    for (size_t i = 0; i < f->sent_count; i++) {
        if (f->sent[i]->event_case == HEDDLE__V1__RUN_EVENT__EVENT_WORKFLOW_FINISHED)
            told = f->sent[i]->workflow_finished;
    }
    assert_non_null(told);
    assert_int_equal(told->status, f->relay.told.status);
    assert_int_equal(told->end_reason, f->relay.told.reason);
    assert_int_equal(told->total_tokens, f->relay.told.total_tokens);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_frame_may_hold_a_whole_run),
        TEST(events_come_in_order_one_at_a_time_and_hint_at_the_next),
        TEST(a_hint_is_not_given_for_what_is_no_event),
        TEST(frames_without_events_and_unknown_ones_are_passed_over),
        TEST(a_refusal_before_the_run_has_begun_passes_unchanged),
        TEST(a_source_that_ends_well_without_a_word_is_an_error),
        TEST(a_run_whose_executor_is_lost_ends_as_its_record_says),
        TEST(what_came_before_the_executor_was_lost_comes_first),
        TEST(an_end_that_was_on_its_way_is_not_told_twice),
        TEST(a_sink_that_goes_while_the_record_is_asked_ends_with_the_answer),
        TEST(a_replay_has_no_source_and_counts_from_one),
        TEST(a_source_lost_after_the_run_had_finished_adds_nothing),
        TEST(a_run_that_ended_is_well_whatever_the_source_says_then),
        TEST(a_sink_that_goes_before_the_beginning_ends_with_the_source),
        TEST(a_sink_that_goes_during_an_event_gets_no_more_and_the_rest_is_dropped),
        TEST(a_sink_that_refuses_an_event_gets_no_more),
        TEST(a_sink_that_goes_while_the_source_is_waited_for_ends_with_it),
        TEST(a_sink_that_goes_during_our_own_last_events_ends_at_once),
        TEST(how_the_run_ended_and_whether_it_spoke_is_noted_as_it_goes_down),
        TEST(an_end_of_our_own_is_noted_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
