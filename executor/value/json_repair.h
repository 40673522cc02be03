/*
 * json_repair: the object a model meant, read from a text that was to be JSON (dify-dsl.md 4.3, 4.9).
 * Around it there may be prose, code fences and <think> blocks. In it may be wrong: single quotes, keys and texts without
 * quotes, quotes and line ends inside of texts, wrong escapes, commas too many or missing, Python's words, comments,
 * closing brackets missing or mixed up.
 * Threads  any; the result belongs to the account's run.
 */
#pragma once
#include "executor/value/value.h"

/* brackets in a text that are tried as the beginning of the object. */
enum { JSON_REPAIR_TRIES_MAX = 256 };

/*
 * A text that is JSON is taken as it is; else the first object that can be made out. A list stands for its first object, or
 * for {} when it has none.
 * text   UTF-8
 *
 * INVALID_ARGUMENT    nothing usable, not UTF-8, or deeper than LIMIT_DEPTH
 * RESOURCE_EXHAUSTED  the account is full, or no memory
 */
MUST_CHECK enum status_code json_repair_object(struct value_account *a, struct str text, struct value **ret,
                                               struct status *err);
