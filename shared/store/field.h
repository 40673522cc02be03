/*
 * field: shape checks of request fields. Each gives INVALID_ARGUMENT with the field's name. Used inside shared/store.
 * A value is named `field` as callers know it.
 */
#pragma once
#include "shared/base/status.h"
#include "shared/base/str.h"

/* UTF-8 without NUL (PostgreSQL takes nothing else), `min` to `max` bytes. */
MUST_CHECK enum status_code field_text(const char *field, struct str s, size_t min, size_t max,
                                       struct status *err);
/* A lower-case UUID. */
MUST_CHECK enum status_code field_id(const char *field, struct str s, struct status *err);
/* Between 0 and max. */
MUST_CHECK enum status_code field_count(const char *field, int64_t n, int64_t max, struct status *err);
/* "" becomes "default"; otherwise a name. */
MUST_CHECK enum status_code field_workspace(struct str *s, struct status *err);
