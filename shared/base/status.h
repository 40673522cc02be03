/*
 * status: the one shape of an error. A function returns a code and puts words for people into the caller's
 * struct status. Codes are gRPC's, so they cross the wire unchanged; `reason` becomes ErrorInfo.reason.
 * Threads  plain data; no locks.
 */
#pragma once
#include <stdarg.h>
#include <stdint.h>

#define MUST_CHECK            __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a)     __attribute__((format(printf, f, a)))
#define CONTAINER_OF(p, t, m) ((t *)((char *)(p)-offsetof(t, m)))
#define ARRAY_LEN(a)          (sizeof(a) / sizeof((a)[0]))

/* Values are those of google.rpc.Code / grpc_status_code. */
enum status_code {
    STATUS_OK = 0,
    STATUS_CANCELLED = 1,
    STATUS_UNKNOWN = 2,
    STATUS_INVALID_ARGUMENT = 3,
    STATUS_DEADLINE_EXCEEDED = 4,
    STATUS_NOT_FOUND = 5,
    STATUS_ALREADY_EXISTS = 6,
    STATUS_PERMISSION_DENIED = 7,
    STATUS_RESOURCE_EXHAUSTED = 8,
    STATUS_FAILED_PRECONDITION = 9,
    STATUS_ABORTED = 10,
    STATUS_OUT_OF_RANGE = 11,
    STATUS_UNIMPLEMENTED = 12,
    STATUS_INTERNAL = 13,
    STATUS_UNAVAILABLE = 14,
    STATUS_DATA_LOSS = 15,
    STATUS_UNAUTHENTICATED = 16
};

/*
 * reason    UPPER_SNAKE word for programs, e.g. "NOT_CHAT_APP"; a static string, or NULL for none
 * field     request field at fault, e.g. "inputs.city"; "" for none (becomes BadRequest)
 * retry_ms  when trying again can help (becomes RetryInfo); 0 = not said
 * message   words for people, cut if longer; never a secret; valid UTF-8 as long as its parts are
 */
struct status {
    enum status_code code;
    const char *reason;
    int64_t retry_ms;
    char field[96];
    char message[512];
};

/*
 * Fills *err (NULL is allowed and ignored) and returns code, so that failing is one line. reason, field and retry_ms
 * are cleared. err->message may be one of the arguments.
 */
enum status_code status_set(struct status *err, enum status_code code, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* The same with a reason (static string). */
enum status_code status_reason(struct status *err, enum status_code code, const char *reason, const char *fmt,
                               ...) PRINTF_LIKE(4, 5);

/* INVALID_ARGUMENT about one request field, reason "INVALID_FIELD". The message is "field: words". */
enum status_code status_field(struct status *err, const char *field, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "context: " in front of the message; returns err->code (UNKNOWN when err is NULL). */
enum status_code status_prefix(struct status *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* "INVALID_ARGUMENT" and so on; "UNKNOWN" for a code that is none. */
const char *status_code_name(enum status_code code);
