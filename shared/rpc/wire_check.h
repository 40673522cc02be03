/*
 * wire_check: whether bytes may be unpacked as a message. protobuf-c recurses without a limit, takes groups of memory for
 * every element and ends strings at NUL, so bytes from outside are looked through first, without memory and without
 * recursion.
 * Threads  plain function.
 */
#pragma once
#include "shared/base/status.h"
#include "shared/base/str.h"
#include <protobuf-c/protobuf-c.h>

/*
 * Accepts at most LIMIT_DEPTH levels of messages (the outermost is the first) and LIMIT_WIRE_FIELDS fields and elements,
 * unknown ones included. Refuses what is truncated, groups, wire types other than the field's, strings that are not UTF-8 or
 * hold NUL, and a message field that is not repeated but occurs twice (merging costs the square of the count).
 *
 * INVALID_ARGUMENT   with the field's path, as "inputs.fields[3].value"
 */
MUST_CHECK enum status_code wire_check(const ProtobufCMessageDescriptor *descriptor, struct str bytes,
                                       struct status *err);
