/*
 * details: see details.h. Written and read field by field: three small messages, and no memory to manage.
 *   google.rpc.Status      1 code, 2 message, 3 details (Any: 1 type_url, 2 value)
 *   google.rpc.ErrorInfo   1 reason, 2 domain
 *   google.rpc.RetryInfo   1 retry_delay (Duration: 1 seconds, 2 nanos)
 *   google.rpc.BadRequest  1 field_violations (1 field, 2 description)
 */
#include "shared/rpc/details.h"
#include "shared/rpc/wire.h"
#include <pthread.h>
#include <string.h>

#define TYPE_PREFIX "type.googleapis.com/"

static void read_any(struct str any, struct status *status);
static void read_error_info(struct str bytes, struct status *status);
static void read_retry_info(struct str bytes, struct status *status);
static void read_bad_request(struct str bytes, struct status *status);
static bool get_bytes(struct str message, uint32_t number, struct str *ret);
static uint64_t get_number(struct str message, uint32_t number);
static const char *reason_keep(struct str reason);

/* Reasons read from peers. Kept for the life of the process, because a status may be copied and held anywhere. */
static struct {
    pthread_mutex_t lock;
    size_t count;
    char words[RPC_REASONS_MAX][RPC_REASON_BYTES_MAX];
} reasons = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The parts of one detail: Status.details, and in it Any.value. */
struct detail {
    size_t any, value;
};

static struct detail begin_detail(struct buf *b, struct str type_url)
{
    struct detail detail;
    detail.any = wire_put_begin(b, 3);
    wire_put_bytes(b, 1, type_url);
    detail.value = wire_put_begin(b, 2);
    return detail;
}

static void end_detail(struct buf *b, struct detail detail)
{
    wire_put_end(b, detail.value);
    wire_put_end(b, detail.any);
}

void rpc_details_put(struct buf *b, const struct status *status)
{
    wire_put_uint_if(b, 1, (uint64_t)status->code);
    wire_put_bytes_if(b, 2, str_c(status->message));
    if (status->reason != NULL) {
        struct detail detail = begin_detail(b, STR(TYPE_PREFIX "google.rpc.ErrorInfo"));
        wire_put_bytes(b, 1, str_c(status->reason));
        wire_put_bytes(b, 2, STR(RPC_DETAILS_DOMAIN));
        end_detail(b, detail);
    }
    if (status->retry_ms > 0) {
        struct detail detail = begin_detail(b, STR(TYPE_PREFIX "google.rpc.RetryInfo"));
        size_t delay = wire_put_begin(b, 1);
        wire_put_int_if(b, 1, status->retry_ms / 1000);
        wire_put_int_if(b, 2, status->retry_ms % 1000 * 1000000);
        wire_put_end(b, delay);
        end_detail(b, detail);
    }
    if (status->field[0] != '\0') {
        struct detail detail = begin_detail(b, STR(TYPE_PREFIX "google.rpc.BadRequest"));
        size_t violation = wire_put_begin(b, 1);
        wire_put_bytes(b, 1, str_c(status->field));
        wire_put_bytes_if(b, 2, str_c(status->message));
        wire_put_end(b, violation);
        end_detail(b, detail);
    }
}

void rpc_details_read(struct str bytes, struct status *status)
{
    struct wire_field field;
    while (wire_next(&bytes, &field) == WIRE_FIELD) {
        if (field.number == 3 && field.type == WIRE_BYTES)
            read_any(field.bytes, status);
    }
}

static void read_any(struct str any, struct status *status)
{
    static const struct {
        const char *type_url;
        void (*read)(struct str bytes, struct status *status);
    } kinds[] = {
        {TYPE_PREFIX "google.rpc.ErrorInfo", read_error_info},
        {TYPE_PREFIX "google.rpc.RetryInfo", read_retry_info},
        {TYPE_PREFIX "google.rpc.BadRequest", read_bad_request},
    };
    struct str type_url, value;
    if (!get_bytes(any, 1, &type_url) || !get_bytes(any, 2, &value))
        return;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (str_eq_c(type_url, kinds[i].type_url))
            kinds[i].read(value, status);
    }
}

static void read_error_info(struct str bytes, struct status *status)
{
    struct str reason, domain;
    if (get_bytes(bytes, 1, &reason) && get_bytes(bytes, 2, &domain) && str_eq_c(domain, RPC_DETAILS_DOMAIN))
        status->reason = reason_keep(reason);
}

static void read_retry_info(struct str bytes, struct status *status)
{
    struct str delay;
    if (!get_bytes(bytes, 1, &delay))
        return;
    uint64_t seconds = get_number(delay, 1), nanos = get_number(delay, 2);
    if (seconds <= INT32_MAX && nanos < 1000000000)
        status->retry_ms = (int64_t)seconds * 1000 + (int64_t)((nanos + 999999) / 1000000);
}

static void read_bad_request(struct str bytes, struct status *status)
{
    struct str violation, name;
    if (!get_bytes(bytes, 1, &violation) || !get_bytes(violation, 1, &name) || !str_is_utf8(name))
        return;
    size_t len = str_utf8_cut(name, sizeof status->field - 1);
    memcpy(status->field, name.ptr, len);
    status->field[len] = '\0';
}

/* First field of that number. */
static bool get_bytes(struct str message, uint32_t number, struct str *ret)
{
    struct wire_field field;
    while (wire_next(&message, &field) == WIRE_FIELD) {
        if (field.number == number && field.type == WIRE_BYTES) {
            *ret = field.bytes;
            return true;
        }
    }
    return false;
}

/* 0 when there is none. */
static uint64_t get_number(struct str message, uint32_t number)
{
    struct wire_field field;
    while (wire_next(&message, &field) == WIRE_FIELD) {
        if (field.number == number && field.type == WIRE_VARINT)
            return field.value;
    }
    return 0;
}

static bool is_reason(struct str word)
{
    for (size_t i = 0; i < word.len; i++) {
        char c = word.ptr[i];
        if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '_')
            return false;
    }
    return word.len > 0 && word.len < RPC_REASON_BYTES_MAX;
}

static const char *reason_keep(struct str reason)
{
    if (!is_reason(reason))
        return NULL;
    const char *kept = NULL;
    pthread_mutex_lock(&reasons.lock);
    for (size_t i = 0; i < reasons.count && kept == NULL; i++) {
        if (str_eq_c(reason, reasons.words[i]))
            kept = reasons.words[i];
    }
    if (kept == NULL && reasons.count < RPC_REASONS_MAX) {
        char *word = reasons.words[reasons.count++];
        memcpy(word, reason.ptr, reason.len); /* zeroed before: the NUL is there */
        kept = word;
    }
    pthread_mutex_unlock(&reasons.lock);
    return kept;
}
