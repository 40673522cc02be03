/* trace: see trace.h. */
#include "shared/base/trace.h"

#include "shared/base/uuid.h"
#include <string.h>

/* Where the parts of a traceparent begin: 00-TRACE ID-SPAN ID-FLAGS. */
enum {
    TRACE_AT = 3,
    SPAN_AT = TRACE_AT + 2 * TRACE_ID_BYTES + 1,
    FLAGS_AT = SPAN_AT + 2 * TRACE_SPAN_BYTES + 1
};
/* bytes. Of a member of a tracestate: its key, its value; and what is left out first when there is too much. */
enum {
    KEY_BYTES_MAX = 256,
    TENANT_BYTES_MAX = 241,
    VENDOR_BYTES_MAX = 14,
    VALUE_BYTES_MAX = 256,
    LONG_MEMBER_BYTES = 128
};

/* Lower case alone (W3C Trace Context 3.2.2), unlike str_hex_digit(). */
static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(const char *text, uint8_t *ret, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static void write_hex(const uint8_t *bytes, size_t count, char *text)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        text[2 * i] = hex[bytes[i] >> 4];
        text[2 * i + 1] = hex[bytes[i] & 15];
    }
}

static bool is_zero(const uint8_t *bytes, size_t count)
{
    uint8_t all = 0;
    for (size_t i = 0; i < count; i++)
        all |= bytes[i];
    return all == 0;
}

bool trace_parse(struct str traceparent, struct trace_context *ret)
{
    struct trace_context c;
    uint8_t version;
    struct str t = str_trim(traceparent);
    if (t.len < TRACE_PARENT_LEN || !read_hex(t.ptr, &version, 1) || version == 0xff)
        return false;
    bool has_more = t.len > TRACE_PARENT_LEN;
    if (has_more && (version == 0 || t.ptr[TRACE_PARENT_LEN] != '-'))
        return false;
    if (t.ptr[TRACE_AT - 1] != '-' || t.ptr[SPAN_AT - 1] != '-' || t.ptr[FLAGS_AT - 1] != '-')
        return false;
    if (!read_hex(t.ptr + TRACE_AT, c.trace_id, sizeof c.trace_id) ||
        !read_hex(t.ptr + SPAN_AT, c.span_id, sizeof c.span_id) || !read_hex(t.ptr + FLAGS_AT, &c.flags, 1))
        return false;
    if (is_zero(c.trace_id, sizeof c.trace_id) || is_zero(c.span_id, sizeof c.span_id))
        return false;
    c.flags &= TRACE_SAMPLED | TRACE_RANDOM;
    *ret = c;
    return true;
}

void trace_format(const struct trace_context *context, char text[TRACE_PARENT_LEN + 1])
{
    memset(text, '-', TRACE_PARENT_LEN);
    text[0] = text[1] = '0';
    write_hex(context->trace_id, sizeof context->trace_id, text + TRACE_AT);
    write_hex(context->span_id, sizeof context->span_id, text + SPAN_AT);
    write_hex(&context->flags, 1, text + FLAGS_AT);
    text[TRACE_PARENT_LEN] = '\0';
}

void trace_id_format(const struct trace_context *context, char text[2 * TRACE_ID_BYTES + 1])
{
    write_hex(context->trace_id, sizeof context->trace_id, text);
    text[2 * TRACE_ID_BYTES] = '\0';
}

/* --- tracestate --- */

struct members {
    struct str all[TRACE_STATE_MEMBERS_MAX];
    size_t key_bytes[TRACE_STATE_MEMBERS_MAX];
    size_t count, bytes; /* bytes: with the commas between */
};

static bool is_key_part(struct str part, size_t bytes_max)
{
    for (size_t i = 0; i < part.len; i++) {
        char c = part.ptr[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        bool is_mark = i > 0 && (c == '_' || c == '-' || c == '*' || c == '/');
        if (!is_plain && !is_mark)
            return false;
    }
    return part.len > 0 && part.len <= bytes_max;
}

/* "vendor", or "tenant@vendor". */
static bool is_key(struct str key)
{
    size_t at = str_find(key, STR("@"), 0);
    if (at == SIZE_MAX)
        return is_key_part(key, KEY_BYTES_MAX);
    return is_key_part(str_sub(key, 0, at), TENANT_BYTES_MAX) &&
           is_key_part(str_sub(key, at + 1, key.len), VENDOR_BYTES_MAX);
}

/* Without blanks around it. */
static bool is_value(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < 0x20 || value.ptr[i] > 0x7e || value.ptr[i] == '=')
            return false;
    }
    return value.len > 0 && value.len <= VALUE_BYTES_MAX;
}

static bool add_member(struct members *m, struct str member)
{
    size_t equals = str_find(member, STR("="), 0);
    if (equals == SIZE_MAX || m->count == TRACE_STATE_MEMBERS_MAX)
        return false;
    struct str key = str_sub(member, 0, equals);
    if (!is_key(key) || !is_value(str_sub(member, equals + 1, member.len)))
        return false;
    for (size_t i = 0; i < m->count; i++) {
        if (str_eq(key, str_sub(m->all[i], 0, m->key_bytes[i])))
            return false;
    }
    m->bytes += member.len + (m->count > 0);
    m->key_bytes[m->count] = key.len;
    m->all[m->count++] = member;
    return true;
}

/* Leaves out members over `bytes` from the end, until it is short enough. */
static void shorten(struct members *m, size_t bytes)
{
    for (size_t i = m->count; i-- > 0 && m->bytes > TRACE_STATE_BYTES_MAX;) {
        if (m->all[i].len <= bytes)
            continue;
        m->bytes -= m->all[i].len + (m->count > 1);
        m->count--;
        memmove(&m->all[i], &m->all[i + 1], (m->count - i) * sizeof m->all[0]);
    }
}

size_t trace_state_join(const struct str *values, size_t count, char text[TRACE_STATE_BYTES_MAX + 1])
{
    struct members m = {.count = 0};
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        struct str rest = values[i], member;
        while (rest.ptr != NULL && str_split(&rest, ',', &member)) {
            member = str_trim(member);
            if (member.len > 0 && !add_member(&m, member))
                return 0;
        }
    }
    shorten(&m, LONG_MEMBER_BYTES);
    shorten(&m, 0);
    for (size_t i = 0; i < m.count; i++) {
        if (i > 0)
            text[at++] = ',';
        memcpy(text + at, m.all[i].ptr, m.all[i].len);
        at += m.all[i].len;
    }
    text[at] = '\0';
    return at;
}

/* --- ids --- */

/* Of a UUID of version 7 the last eight bytes are random, but for two bits that are never both 0. */
static void span_of(struct uuid id, uint8_t ret[TRACE_SPAN_BYTES])
{
    memcpy(ret, id.bytes + sizeof id.bytes - TRACE_SPAN_BYTES, TRACE_SPAN_BYTES);
}

void trace_new_id(uint8_t ret[TRACE_ID_BYTES])
{
    struct uuid id = uuid_v7();
    memcpy(ret, id.bytes, TRACE_ID_BYTES);
}

void trace_new_span(uint8_t ret[TRACE_SPAN_BYTES])
{
    span_of(uuid_v7(), ret);
}

bool trace_span_of(struct str uuid, uint8_t ret[TRACE_SPAN_BYTES])
{
    struct uuid id;
    if (!uuid_parse(uuid, &id))
        return false;
    span_of(id, ret);
    return true;
}

bool trace_is_chosen(const struct trace_context *context, double ratio)
{
    uint64_t last = 0;
    for (size_t i = TRACE_ID_BYTES - 7; i < TRACE_ID_BYTES; i++)
        last = last << 8 | context->trace_id[i];
    return (double)last < ratio * (double)(UINT64_C(1) << 56);
}
