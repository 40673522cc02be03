/*
 * json_schema_parts: what the two files of json_schema share.
 * Threads  reads its arguments only.
 */
#pragma once
#include "executor/value/value.h"

/* Where the value of a $ref leads, a JSON pointer into the whole schema; NULL: nowhere. Borrowed. */
const struct value *json_schema_resolve(const struct value *root, const struct value *ref);
