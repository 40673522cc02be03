/*
 * yaml_text: the characters of a YAML text: which may stand there, and words about a place in it.
 * Threads  any.
 */
#pragma once
#include "shared/base/status.h"
#include "shared/base/str.h"

/* INVALID_ARGUMENT: not UTF-8, or a character YAML has no place for (NUL, control characters). */
MUST_CHECK enum status_code yaml_text_check(struct str text, struct status *err);
/*
 * INVALID_ARGUMENT with "line 3, column 7: <words>: <what stands in that line>".
 * line, column   from 0, in characters; text is valid UTF-8
 */
enum status_code yaml_text_error(struct str text, size_t line, size_t column, struct status *err,
                                 const char *fmt, ...) PRINTF_LIKE(5, 6);
