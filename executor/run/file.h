/*
 * file: what a caller hands in as a file, as a value (dify-dsl.md 2.5, dify-api.md 2.11).
 * Threads  those of the account.
 */
#pragma once
#include "executor/value/value.h"

/*
 * raw  object {type, transfer_method, url}; name: of the input, for errors
 *
 * INVALID_ARGUMENT    no such object; local_file (uploads are not served); the message names the input
 * RESOURCE_EXHAUSTED  memory
 */
MUST_CHECK enum status_code file_from_raw(struct value_account *a, const struct value *raw, const char *name,
                                          struct value **ret, struct status *err);
