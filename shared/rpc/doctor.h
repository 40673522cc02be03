/*
 * doctor: what the doctor commands of both programs share: lines for people, and looks at addresses.
 * Threads  the main thread, before anything else runs.
 */
#pragma once
#include "shared/base/status.h"
#include <stdbool.h>

/* Prints "ok  what" or "FAIL  what: words" and how to mend it. Returns 1 for a failure, to be counted. */
int doctor_line(const char *what, const struct status *status, const char *mend);
/* May enough files be open? Each connection is one. */
int doctor_files(int64_t files);
/* Can this address be listened on? Listens for a moment. Errors as rpc_server_start(). */
enum status_code doctor_check_address(const char *address, struct status *err);
/* Does a health check of the target answer SERVING within two seconds? bearer NULL: none. UNAVAILABLE otherwise. */
enum status_code doctor_check_serving(const char *target, const char *bearer, struct status *err);
/* Logs a warning when others can reach the address without TLS and that was not said to be meant so. */
void doctor_warn_plain_text(const char *address, bool insecure);
