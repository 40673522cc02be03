/*
 * pattern: regular expressions of JSON Schemas, as far as POSIX has them; \d, \w, \s, \D, \W and \S are known. Bytes are
 * matched, not characters.
 * Threads  any.
 */
#pragma once
#include "shared/base/str.h"

/* Can it be matched? Not: syntax that POSIX does not have, references back, more than PATTERN_BYTES_MAX or repeats beyond bounds. */
bool pattern_is_valid(struct str pattern);
/* Is there a match anywhere in text? False for a pattern that is not valid, and without memory. */
bool pattern_finds(struct str pattern, struct str text);

/* bytes. A compiled expression takes a multiple of it. */
enum { PATTERN_BYTES_MAX = 512 };
