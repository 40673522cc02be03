/*
 * settings: where traces go, as options say it.
 * Threads  plain functions; at start only.
 */
#pragma once
#include "shared/base/status.h"
#include "shared/base/str.h"
#include "shared/http/headers.h"

/* bytes. Of an endpoint. */
#define OTLP_ENDPOINT_BYTES_MAX 1024

/* Checks of options (options.h): an http or https address without a query; name=value, with commas between; 0 to 1. */
enum status_code otlp_check_endpoint(struct str value, struct status *err);
enum status_code otlp_check_headers(struct str value, struct status *err);
enum status_code otlp_check_ratio(struct str value, struct status *err);

/*
 * The address to which traces are posted: the endpoint and "/v1/traces", unless it ends so. The caller frees it; NULL: no
 * memory.
 */
char *otlp_url(const char *endpoint);
/*
 * "authorization=Bearer%20x,x-scope=7" as headers, with the content type of a request; text NULL: none of its own.
 * INVALID_ARGUMENT     not of that form; nothing of a value is in the words
 * RESOURCE_EXHAUSTED   too long, or no memory
 */
MUST_CHECK enum status_code otlp_headers(const char *text, struct http_headers **ret, struct status *err);
/* The ratio of a text that was checked. */
double otlp_ratio(const char *text);
