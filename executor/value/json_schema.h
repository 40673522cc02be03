/*
 * json_schema: does a value follow a JSON Schema of draft 7 (dify-dsl.md 2.5, 4.1)? Words are those of Python's jsonschema; format
 * is a note, as there. $ref reaches into the same schema only.
 * Threads  reads its arguments only.
 */
#pragma once
#include "executor/value/value.h"

/*
 * Is it a schema at all: an object or a boolean, every known keyword of its type, patterns that can be matched?
 * why  empty; gets what is wrong with it
 */
bool json_schema_is_valid(const struct value *schema, struct buf *why);
/*
 * schema  a valid one
 * why     empty; gets the first fault. What takes too long to be told (repeated references, large lists that have
 *         to be unique) is a fault as well
 */
bool json_schema_fits(const struct value *schema, const struct value *v, struct buf *why);
