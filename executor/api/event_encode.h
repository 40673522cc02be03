/*
 * event_encode: what a run tells → bytes of heddle.v1.RunEvent, written field by field without building a message. The field
 * numbers are those of proto/heddle/v1/events.proto; the test unpacks every kind with protobuf-c and compares.
 * Threads  any; works on its arguments only.
 */
#pragma once
#include "executor/run/event.h"
#include "heddle/v1/common.pb-c.h"
#include "shared/base/buf.h"

/* What is the same in all events of a run, and what its caller asked for. Texts are borrowed. */
struct event_envelope {
    struct str run_id; /* task_id and workflow_run_id */
    struct str conversation_id, message_id;
    Heddle__V1__Events events;
    Heddle__V1__Payloads payloads;
};

/* Does this caller want events of this kind? (proto/heddle/v1/common.proto, Events) */
bool event_is_wanted(const struct event_envelope *envelope, enum run_event_kind kind);
/* Appends the serialized event. Secrets are masked. A failed buf means that it did not fit. */
void event_encode(const struct event_envelope *envelope, const struct run_event *event, struct buf *ret);

/* The same for parts of records. */
/* heddle.v1.Usage by itself. */
void event_encode_usage(const struct usage *usage, struct buf *ret);
/* Field `nodes` of heddle.v1.Run: one NodeFinished, its payloads as JSON. Of containers as well, what only they have left out. */
void event_encode_node_record(const struct event_node *node, struct buf *ret);
/* Field `number`, repeated FileValue. files NULL: nothing. */
void event_encode_files(uint32_t number, const struct value *files, struct buf *ret);
