/* relay: see the header. */
#include "gateway/api/relay.h"

#include "heddle/v1/events.pb-c.h"
#include "shared/base/clock.h"
#include "shared/rpc/slice.h"
#include "shared/rpc/wire.h"

/* Field numbers of heddle.executor.v1.ExecuteFrame, Begun and Events, and of heddle.v1.RunEvent. */
enum {
    FRAME_BEGUN = 1,
    FRAME_EVENTS = 2,
    FRAME_ENDED = 3,
    BEGUN_ADDRESS = 2,
    EVENTS_EVENT = 1,
    EVENT_SEQUENCE = 5,
    EVENT_FINISHED = 23
};

void relay_start(struct relay *relay)
{
    relay->source->next(relay->source_arg);
}

/* The only way out. */
static void end(struct relay *relay, const struct status *status, bool not_begun)
{
    if (relay->is_over)
        return;
    relay->is_over = true;
    if (relay->has_frame)
        grpc_slice_unref(relay->frame);
    relay->has_frame = false;
    while (relay->made_sent < relay->made_count)
        grpc_slice_unref(relay->made[relay->made_sent++]);
    relay->sink->ended(relay->sink_arg, status, not_begun);
}

static void send(struct relay *relay, grpc_slice take_event, bool has_more)
{
    relay->is_sending = true;
    relay->sink->send(relay->sink_arg, take_event, has_more);
}

/* Cuts the next event off *rest; false: there is none. */
static bool next_event(struct str *rest, struct str *ret)
{
    struct wire_field field;
    while (wire_next(rest, &field) == WIRE_FIELD) {
        if (field.number != EVENTS_EVENT || field.type != WIRE_BYTES)
            continue;
        *ret = field.bytes;
        return true;
    }
    return false;
}

/* Looks at an event's outermost fields only, for the case that the relay has to make the last events itself. */
static void note_event(struct relay *relay, struct str event)
{
    struct wire_field field;
    while (wire_next(&event, &field) == WIRE_FIELD) {
        if (field.number == EVENT_SEQUENCE && field.type == WIRE_VARINT && field.value > relay->last_sequence)
            relay->last_sequence = field.value;
        else if (field.number == EVENT_FINISHED)
            relay->has_finished = true;
    }
}

/* Hands on what there is: the rest of the frame, then events of our own. */
static void pump(struct relay *relay)
{
    struct str event, ahead;
    if (relay->is_sending || relay->is_over)
        return;
    if (relay->has_frame && !relay->is_sink_gone && next_event(&relay->rest, &event)) {
        struct str rest = relay->rest;
        note_event(relay, event);
        send(relay, rpc_slice_part(&relay->frame, event), next_event(&rest, &ahead));
        return;
    }
    if (relay->has_frame) {
        grpc_slice_unref(relay->frame);
        relay->has_frame = false;
        relay->source->next(relay->source_arg);
        return;
    }
    if (relay->made_sent < relay->made_count && !relay->is_sink_gone) {
        grpc_slice made = relay->made[relay->made_sent++];
        send(relay, made, true);
        return;
    }
    if (relay->made_count > 0)
        end(relay, &(struct status){.code = STATUS_OK}, false);
}

static void take_begun(struct relay *relay, struct str begun)
{
    struct wire_field field;
    struct str address = STR("");
    while (wire_next(&begun, &field) == WIRE_FIELD) {
        if (field.number == BEGUN_ADDRESS && field.type == WIRE_BYTES)
            address = field.bytes;
    }
    relay->has_begun = true;
    relay->begun_at_ms = clock_wall_ms();
    relay->sink->begun(relay->sink_arg, address);
}

void relay_frame(struct relay *relay, const grpc_slice *frame)
{
    struct str rest = rpc_slice_str(frame);
    struct wire_field field = {0};
    if (wire_next(&rest, &field) == WIRE_FIELD && field.type == WIRE_BYTES && field.number == FRAME_EVENTS) {
        relay->frame = grpc_slice_ref(*frame);
        relay->has_frame = true;
        /* field.bytes may lie in *frame itself when it is short: cut from our own reference. */
        relay->rest = rpc_slice_str(&relay->frame);
        (void)wire_next(&relay->rest, &field); /* it was a field a moment ago */
        relay->rest = field.bytes;
        pump(relay);
        return;
    }
    if (field.number == FRAME_BEGUN && field.type == WIRE_BYTES)
        take_begun(relay, field.bytes);
    else if (field.number == FRAME_ENDED)
        relay->has_ended = true;
    relay->source->next(relay->source_arg);
}

/* --- the end --- */

static grpc_slice make_event(struct relay *relay, Heddle__V1__RunEvent *event, int64_t now_ms)
{
    event->task_id = event->workflow_run_id = (char *)relay->run.run_id;
    event->conversation_id = (char *)relay->run.conversation_id;
    event->message_id = (char *)relay->run.message_id;
    event->sequence = ++relay->last_sequence;
    event->created_at_ms = now_ms;
    return rpc_slice_pack(&event->base);
}

/* workflow_finished (failed, executor lost), then `error` for chatflows (architecture.md section 7). */
static void make_lost(struct relay *relay)
{
    static char words[] = "the executor that ran it was lost";
    static char run_failed[] = "Run failed: the executor that ran it was lost";
    static char code[] = "internal_server_error";
    int64_t now_ms = clock_wall_ms();
    Heddle__V1__RunEvent event = HEDDLE__V1__RUN_EVENT__INIT;
    Heddle__V1__WorkflowFinished finished = HEDDLE__V1__WORKFLOW_FINISHED__INIT;
    finished.workflow_id = (char *)relay->run.version_id;
    finished.status = HEDDLE__V1__RUN_STATUS__RUN_STATUS_FAILED;
    finished.end_reason = HEDDLE__V1__END_REASON__END_REASON_EXECUTOR_LOST;
    finished.error = words;
    finished.created_at_ms = relay->begun_at_ms;
    finished.finished_at_ms = now_ms;
    finished.elapsed_ms = now_ms > relay->begun_at_ms ? now_ms - relay->begun_at_ms : 0;
    finished.end_user_id = (char *)relay->run.end_user_id;
    finished.user = (char *)relay->run.user;
    event.event_case = HEDDLE__V1__RUN_EVENT__EVENT_WORKFLOW_FINISHED;
    event.workflow_finished = &finished;
    relay->made[relay->made_count++] = make_event(relay, &event, now_ms);
    if (!relay->run.is_chat)
        return;
    Heddle__V1__Error error = HEDDLE__V1__ERROR__INIT;
    error.code = code;
    error.message = run_failed;
    error.status = 500;
    event.event_case = HEDDLE__V1__RUN_EVENT__EVENT_ERROR;
    event.error = &error;
    relay->made[relay->made_count++] = make_event(relay, &event, now_ms);
}

void relay_source_ended(struct relay *relay, const struct status *status)
{
    if (!relay->has_begun) {
        struct status err = *status;
        if (err.code == STATUS_OK)
            status_set(&err, STATUS_INTERNAL, "the executor ended the stream without a word");
        end(relay, &err, true);
    } else if (relay->is_sink_gone) {
        end(relay, status, false);
    } else if (relay->has_ended || relay->has_finished) {
        end(relay, &(struct status){.code = STATUS_OK}, false);
    } else if (status->code == STATUS_DEADLINE_EXCEEDED) {
        end(relay, status, false); /* the caller's: nobody was lost */
    } else {
        make_lost(relay);
        pump(relay);
    }
}

void relay_sent(struct relay *relay, bool ok)
{
    relay->is_sending = false;
    if (ok)
        pump(relay);
    else
        relay_sink_gone(relay);
}

void relay_sink_gone(struct relay *relay)
{
    relay->is_sink_gone = true;
    relay->is_sending = false;
    if (relay->source != NULL)
        pump(relay);
}
