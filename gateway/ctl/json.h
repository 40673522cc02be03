/*
 * json: any protobuf message as JSON, by the rules of proto3 JSON that grpcurl follows too: lowerCamelCase names, 64-bit
 * integers as text, enums by name, fields at their default left out, google.protobuf.Struct as plain JSON.
 * Threads  any.
 */
#pragma once
#include "shared/base/buf.h"
#include <protobuf-c/protobuf-c.h>

enum json_layout { JSON_ONE_LINE, JSON_PRETTY };
/* Appends the message; a failed buf means it was too long or memory ran out. */
void message_put_json(struct buf *b, const ProtobufCMessage *message, enum json_layout layout);
