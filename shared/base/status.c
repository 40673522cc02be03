/*
 * status: see status.h. Messages are built aside and then copied, so that err->message may be one of the arguments.
 */
#include "shared/base/status.h"
#include "shared/base/str.h"
#include <stdio.h>
#include <string.h>

/* Room for one code point more than a message, to see where the last one that fits ends. */
enum { DRAFT_BYTES = sizeof(((struct status *)0)->message) + 4 };

static void copy_cut(char *to, size_t size, const char *from);
static void vformat(char draft[DRAFT_BYTES], const char *fmt, va_list args) PRINTF_LIKE(2, 0);
static enum status_code vset(struct status *err, enum status_code code, const char *reason, const char *fmt,
                             va_list args) PRINTF_LIKE(4, 0);

enum status_code status_set(struct status *err, enum status_code code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vset(err, code, NULL, fmt, args);
    va_end(args);
    return code;
}

enum status_code status_reason(struct status *err, enum status_code code, const char *reason, const char *fmt,
                               ...)
{
    va_list args;
    va_start(args, fmt);
    vset(err, code, reason, fmt, args);
    va_end(args);
    return code;
}

enum status_code status_field(struct status *err, const char *field, const char *fmt, ...)
{
    if (err == NULL)
        return STATUS_INVALID_ARGUMENT;
    char name[sizeof err->field];
    copy_cut(name, sizeof name, field);
    va_list args;
    va_start(args, fmt);
    vset(err, STATUS_INVALID_ARGUMENT, "INVALID_FIELD", fmt, args);
    va_end(args);
    memcpy(err->field, name, sizeof name);
    return status_prefix(err, "%s", name);
}

enum status_code status_prefix(struct status *err, const char *fmt, ...)
{
    if (err == NULL)
        return STATUS_UNKNOWN;
    char draft[DRAFT_BYTES], both[2 * DRAFT_BYTES];
    va_list args;
    va_start(args, fmt);
    vformat(draft, fmt, args);
    va_end(args);
    snprintf(both, sizeof both, "%s: %s", draft, err->message);
    copy_cut(err->message, sizeof err->message, both);
    return err->code;
}

const char *status_code_name(enum status_code code)
{
    switch (code) {
    case STATUS_OK:
        return "OK";
    case STATUS_CANCELLED:
        return "CANCELLED";
    case STATUS_UNKNOWN:
        return "UNKNOWN";
    case STATUS_INVALID_ARGUMENT:
        return "INVALID_ARGUMENT";
    case STATUS_DEADLINE_EXCEEDED:
        return "DEADLINE_EXCEEDED";
    case STATUS_NOT_FOUND:
        return "NOT_FOUND";
    case STATUS_ALREADY_EXISTS:
        return "ALREADY_EXISTS";
    case STATUS_PERMISSION_DENIED:
        return "PERMISSION_DENIED";
    case STATUS_RESOURCE_EXHAUSTED:
        return "RESOURCE_EXHAUSTED";
    case STATUS_FAILED_PRECONDITION:
        return "FAILED_PRECONDITION";
    case STATUS_ABORTED:
        return "ABORTED";
    case STATUS_OUT_OF_RANGE:
        return "OUT_OF_RANGE";
    case STATUS_UNIMPLEMENTED:
        return "UNIMPLEMENTED";
    case STATUS_INTERNAL:
        return "INTERNAL";
    case STATUS_UNAVAILABLE:
        return "UNAVAILABLE";
    case STATUS_DATA_LOSS:
        return "DATA_LOSS";
    case STATUS_UNAUTHENTICATED:
        return "UNAUTHENTICATED";
    }
    return "UNKNOWN";
}

static enum status_code vset(struct status *err, enum status_code code, const char *reason, const char *fmt,
                             va_list args)
{
    if (err == NULL)
        return code;
    char draft[DRAFT_BYTES];
    vformat(draft, fmt, args);
    err->code = code;
    err->reason = reason;
    err->retry_ms = 0;
    err->field[0] = '\0';
    copy_cut(err->message, sizeof err->message, draft);
    return code;
}

static void vformat(char draft[DRAFT_BYTES], const char *fmt, va_list args)
{
    if (vsnprintf(draft, DRAFT_BYTES, fmt, args) < 0)
        draft[0] = '\0';
}

/* Copies what fits into `size` bytes with the NUL, ending on a code point. */
static void copy_cut(char *to, size_t size, const char *from)
{
    size_t len = str_utf8_cut(str_c(from), size - 1);
    memcpy(to, from, len);
    to[len] = '\0';
}
