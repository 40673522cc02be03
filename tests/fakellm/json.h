#ifndef FAKELLM_JSON_H
#define FAKELLM_JSON_H

#include <cjson/cJSON.h>

#include "text.h"

/*
 * Puts the JSON value in `json` on one line, without blanks between its tokens and otherwise byte for byte
 * (1.0 stays 1.0, the order of keys stays).
 *
 * Returns false, with `out` as it was, when `json` is not exactly one RFC 8259 value in UTF-8, or nests deeper
 * than 1,000.
 */
bool json_compact(struct text *out, struct span json);

/* Parses one JSON value with nothing but blanks behind it. NULL when it is not that; end it with cJSON_Delete(). */
cJSON *json_read(struct span json);

#endif
