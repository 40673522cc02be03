/* relay: see the header. */
#include "gateway/api/relay.h"

#include "shared/base/clock.h"
#include "shared/rpc/slice.h"
#include "shared/rpc/wire.h"

/* Field numbers of heddle.executor.v1.ExecuteFrame, Begun and Events, of heddle.v1.RunEvent and WorkflowFinished. */
enum {
    FRAME_BEGUN = 1,
    FRAME_EVENTS = 2,
    FRAME_ENDED = 3,
    BEGUN_ADDRESS = 2,
    EVENTS_EVENT = 1,
    EVENT_SEQUENCE = 5,
    EVENT_MESSAGE = 7,
    EVENT_TEXT_CHUNK = 8,
    EVENT_FINISHED = 23,
    FINISHED_STATUS = 2,
    FINISHED_REASON = 3,
    FINISHED_TOKENS = 8
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
    outcome_fini(&relay->outcome);
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

static void note_finished(struct relay *relay, struct str finished)
{
    struct wire_field field;
    while (wire_next(&finished, &field) == WIRE_FIELD) {
        if (field.type != WIRE_VARINT)
            continue;
        if (field.number == FINISHED_STATUS)
            relay->told.status = (int)field.value;
        else if (field.number == FINISHED_REASON)
            relay->told.reason = (int)field.value;
        else if (field.number == FINISHED_TOKENS)
            relay->told.total_tokens = (int64_t)field.value;
    }
}

/* What goes down to the caller, whoever has made it. */
static void note_told(struct relay *relay, const struct wire_field *field)
{
    if (field->type != WIRE_BYTES)
        return;
    if (field->number == EVENT_FINISHED)
        note_finished(relay, field->bytes);
    else if (field->number == EVENT_MESSAGE || field->number == EVENT_TEXT_CHUNK)
        relay->has_text = true;
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
        note_told(relay, &field);
    }
}

static void note_own_event(struct relay *relay, struct str event)
{
    struct wire_field field;
    while (wire_next(&event, &field) == WIRE_FIELD)
        note_told(relay, &field);
}

/* The events of our own, then the end. */
static void pump_outcome(struct relay *relay)
{
    grpc_slice event;
    struct status status = {.code = STATUS_OK};
    bool is_told = relay->is_sink_gone || relay->has_finished;
    if (is_told || !outcome_has_more(&relay->outcome)) {
        end(relay, &status, false);
    } else if (outcome_next(&relay->outcome, ++relay->last_sequence, &event)) {
        note_own_event(relay, rpc_slice_str(&event));
        send(relay, event, true);
    } else {
        status_set(&status, STATUS_RESOURCE_EXHAUSTED, "no memory to say how the run ended");
        end(relay, &status, false);
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
        send(relay, rpc_slice_part(&relay->frame, event), next_event(&rest, &ahead) || relay->has_ended);
        return;
    }
    if (relay->has_frame) {
        grpc_slice_unref(relay->frame);
        relay->has_frame = false;
        if (!relay->has_source_ended) {
            relay->source->next(relay->source_arg);
            return;
        }
    }
    if (relay->has_outcome)
        pump_outcome(relay);
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

/* Cut from a reference of our own: what is found may lie in *frame itself when it is short. */
static void take_events(struct relay *relay, const grpc_slice *frame)
{
    struct wire_field field = {0};
    relay->frame = grpc_slice_ref(*frame);
    relay->has_frame = true;
    struct str rest = rpc_slice_str(&relay->frame);
    while (wire_next(&rest, &field) == WIRE_FIELD &&
           (field.number != FRAME_EVENTS || field.type != WIRE_BYTES))
        continue;
    relay->rest = field.bytes;
}

void relay_frame(struct relay *relay, const grpc_slice *frame)
{
    struct str rest = rpc_slice_str(frame);
    struct wire_field field;
    while (wire_next(&rest, &field) == WIRE_FIELD) {
        if (field.type != WIRE_BYTES)
            continue;
        if (field.number == FRAME_BEGUN && !relay->has_begun)
            take_begun(relay, field.bytes);
        else if (field.number == FRAME_EVENTS && !relay->has_frame)
            take_events(relay, frame);
        else if (field.number == FRAME_ENDED)
            relay->has_ended = true;
    }
    if (relay->has_frame)
        pump(relay);
    else
        relay->source->next(relay->source_arg);
}

/* --- the end --- */

void relay_source_ended(struct relay *relay, const struct status *status)
{
    relay->has_source_ended = true;
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
        relay->sink->lost(relay->sink_arg);
    }
}

void relay_close(struct relay *relay, struct outcome *take_outcome)
{
    relay->outcome = outcome_take(take_outcome);
    relay->has_outcome = true;
    pump(relay);
}

void relay_replay(struct relay *relay, struct outcome *take_outcome)
{
    relay->has_source_ended = true;
    relay_close(relay, take_outcome);
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
    if (relay->sink != NULL)
        pump(relay);
}
