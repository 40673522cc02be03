/*
 * json: any protobuf message as JSON, by the rules of proto3 JSON that grpcurl follows too: lowerCamelCase names, 64-bit
 * integers as text, enums by name, fields at their default left out, google.protobuf.Struct as plain JSON.
 * Threads  any.
 */
#pragma once
#include "shared/base/buf.h"
#include <protobuf-c/protobuf-c.h>

enum json_layout { JSON_ONE_LINE, JSON_PRETTY };
/*
 * Appends JSON text with DEL and C1 control characters written as \\u00XX: it stays the same JSON and does not steer a
 * terminal. (All below U+0020 are escaped in JSON anyway, or white space between its parts.)
 */
void json_put_safe(struct buf *b, struct str json);
/* Appends the message and a line end, safe as above; a failed buf means it was too long or memory ran out. */
void message_put_json(struct buf *b, const ProtobufCMessage *message, enum json_layout layout);
