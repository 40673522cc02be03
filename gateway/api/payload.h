/*
 * payload: inputs and outputs as records keep them (the text of a JSON object) → the form a caller asks for.
 * Threads  plain functions.
 */
#pragma once
#include "shared/base/buf.h"

/*
 * levels. Of JSON as a google.protobuf.Struct: each takes three of messages, and clients read 64 (our own) or 100 of them.
 */
#define PAYLOAD_STRUCT_DEPTH 20

/* The numbers of heddle.v1.Payloads. */
enum payload_form { PAYLOAD_STRUCT, PAYLOAD_JSON, PAYLOAD_NONE };
/* False: it has no such value. */
MUST_CHECK bool payload_form_from(int payloads, enum payload_form *ret);

/*
 * Appends a payload pair to a message on the wire: the Struct is field `number`, its text the next. Nothing for "" and for
 * PAYLOAD_NONE. What a Struct cannot hold (over PAYLOAD_STRUCT_DEPTH, a number over what a double holds, no JSON object)
 * comes as text.
 */
void payload_put(struct buf *b, uint32_t number, struct str json, enum payload_form form);
/* Appends a value as text, as field `number`: a JSON string without its quotes and escapes, all else as JSON. */
void payload_put_text(struct buf *b, uint32_t number, struct str json);
