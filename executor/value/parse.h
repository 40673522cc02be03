/*
 * parse: JSON text → value. RFC 8259, strict; `1` is an integer and `1.0` a float; depth up to LIMIT_DEPTH.
 * An integer beyond 64 bits becomes a float; a number beyond a double is refused. Half a surrogate pair becomes U+FFFD.
 * Of equal keys the last value wins, in the first one's place.
 * Threads  any; the result belongs to the account's run (or to nobody yet when the account is NULL).
 */
#pragma once
#include "executor/value/value.h"

/* INVALID_ARGUMENT with the byte offset in words; RESOURCE_EXHAUSTED when the account is full or memory ran out. */
MUST_CHECK enum status_code value_parse_json(struct value_account *a, struct str json, struct value **ret,
                                             struct status *err);
