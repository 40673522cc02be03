/*
 * check: what fields of administration must look like, as far as that shows without asking anybody.
 * Each gives INVALID_ARGUMENT with the field's name. Threads  any.
 */
#pragma once
#include "shared/base/status.h"
#include "shared/base/str.h"

/* A protocol that executors speak (executor/model/protocol.h has them), or "": the default. */
MUST_CHECK enum status_code check_protocol(const char *field, struct str name, struct status *err);
/* http:// or https:// and a host, without white space. */
MUST_CHECK enum status_code check_url(const char *field, struct str url, struct status *err);
/* A secret becomes a header of a request: what HTTP cannot carry there is refused. Not quoted in words. */
MUST_CHECK enum status_code check_secret(const char *field, struct str secret, struct status *err);

/* A price or factor executors can reckon with (shared/base/decimal.h), or "". */
MUST_CHECK enum status_code check_decimal(const char *field, struct str text, struct status *err);
/* Three capital letters, or "". */
MUST_CHECK enum status_code check_currency(const char *field, struct str text, struct status *err);
