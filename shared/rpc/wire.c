/*
 * wire: see wire.h.
 */
#include "shared/rpc/wire.h"
#include <assert.h>
#include <string.h>

enum {
    VARINT_BYTES_MAX = 10, /* bytes. A varint of 64 bits takes ten */
    SHORT_VARINT_BYTES_MAX =
        5, /* bytes. Of tags and lengths: protobuf-c reads no longer ones, and encoders write none */
};

static bool read_varint(struct str *rest, size_t max, uint64_t *ret);
static bool read_fixed(struct str *rest, size_t size, uint64_t *ret);

enum wire_read wire_next(struct str *rest, struct wire_field *ret)
{
    if (rest->len == 0)
        return WIRE_END;
    struct str r = *rest;
    uint64_t tag, len;
    if (!read_varint(&r, SHORT_VARINT_BYTES_MAX, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
        return WIRE_BROKEN;
    struct wire_field field = {.number = (uint32_t)(tag >> 3), .type = (enum wire_type)(tag & 7)};
    bool ok = false; /* stays for groups, and for the two types that do not exist */
    switch (field.type) {
    case WIRE_VARINT:
        ok = read_varint(&r, VARINT_BYTES_MAX, &field.value);
        break;
    case WIRE_FIXED64:
        ok = read_fixed(&r, 8, &field.value);
        break;
    case WIRE_FIXED32:
        ok = read_fixed(&r, 4, &field.value);
        break;
    case WIRE_BYTES:
        ok = read_varint(&r, SHORT_VARINT_BYTES_MAX, &len) && len <= r.len;
        if (ok) {
            field.bytes = (struct str){r.ptr, (size_t)len};
            r = (struct str){r.ptr + len, r.len - (size_t)len};
        }
        break;
    }
    if (!ok)
        return WIRE_BROKEN;
    *rest = r;
    *ret = field;
    return WIRE_FIELD;
}

bool wire_next_varint(struct str *rest, uint64_t *ret)
{
    return read_varint(rest, VARINT_BYTES_MAX, ret);
}

void wire_put_varint(struct buf *b, uint64_t value)
{
    char bytes[VARINT_BYTES_MAX];
    size_t n = 0;
    while (value >= 0x80) {
        bytes[n++] = (char)(value | 0x80);
        value >>= 7;
    }
    bytes[n++] = (char)value;
    buf_put(b, (struct str){bytes, n});
}

void wire_put_tag(struct buf *b, uint32_t number, enum wire_type type)
{
    wire_put_varint(b, (uint64_t)number << 3 | type);
}

void wire_put_uint(struct buf *b, uint32_t number, uint64_t value)
{
    wire_put_tag(b, number, WIRE_VARINT);
    wire_put_varint(b, value);
}

void wire_put_int(struct buf *b, uint32_t number, int64_t value)
{
    wire_put_uint(b, number, (uint64_t)value);
}

void wire_put_double(struct buf *b, uint32_t number, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    wire_put_fixed64(b, number, bits);
}

void wire_put_fixed64(struct buf *b, uint32_t number, uint64_t value)
{
    char bytes[sizeof value];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(value >> 8 * i);
    wire_put_tag(b, number, WIRE_FIXED64);
    buf_put(b, (struct str){bytes, sizeof bytes});
}

void wire_put_fixed32(struct buf *b, uint32_t number, uint32_t value)
{
    char bytes[sizeof value];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(value >> 8 * i);
    wire_put_tag(b, number, WIRE_FIXED32);
    buf_put(b, (struct str){bytes, sizeof bytes});
}

void wire_put_bytes(struct buf *b, uint32_t number, struct str bytes)
{
    wire_put_tag(b, number, WIRE_BYTES);
    wire_put_varint(b, bytes.len);
    buf_put(b, bytes);
}

void wire_put_uint_if(struct buf *b, uint32_t number, uint64_t value)
{
    if (value != 0)
        wire_put_uint(b, number, value);
}

void wire_put_int_if(struct buf *b, uint32_t number, int64_t value)
{
    if (value != 0)
        wire_put_int(b, number, value);
}

void wire_put_double_if(struct buf *b, uint32_t number, double value)
{
    if (value != 0)
        wire_put_double(b, number, value);
}

void wire_put_bytes_if(struct buf *b, uint32_t number, struct str bytes)
{
    if (bytes.len != 0)
        wire_put_bytes(b, number, bytes);
}

/* One byte is kept for the length; most messages need no more. */
size_t wire_put_begin(struct buf *b, uint32_t number)
{
    wire_put_tag(b, number, WIRE_BYTES);
    buf_put_char(b, 0);
    return b->len;
}

void wire_put_end(struct buf *b, size_t mark)
{
    if (b->failed)
        return;
    assert(mark > 0 && mark <= b->len);
    uint64_t len = b->len - mark;
    size_t more = wire_varint_size(len) - 1;
    if (!buf_reserve(b, more))
        return;
    char *at = b->ptr + mark - 1;
    if (more > 0)
        memmove(at + 1 + more, at + 1, (size_t)len);
    b->len += more;
    for (; len >= 0x80; len >>= 7)
        *at++ = (char)(len | 0x80);
    *at = (char)len;
}

size_t wire_varint_size(uint64_t value)
{
    size_t bits = 64 - (size_t)__builtin_clzll(value | 1);
    return (bits + 6) / 7;
}

size_t wire_bytes_size(uint32_t number, size_t len)
{
    return wire_varint_size((uint64_t)number << 3) + wire_varint_size(len) + len;
}

static bool read_varint(struct str *rest, size_t max, uint64_t *ret)
{
    uint64_t value = 0;
    if (max > rest->len)
        max = rest->len;
    for (size_t i = 0; i < max; i++) {
        unsigned char byte = (unsigned char)rest->ptr[i];
        value |= (uint64_t)(byte & 0x7f) << (7 * i); /* of the tenth byte one bit counts, as everywhere */
        if (byte < 0x80) {
            *rest = (struct str){rest->ptr + i + 1, rest->len - i - 1};
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool read_fixed(struct str *rest, size_t size, uint64_t *ret)
{
    if (rest->len < size)
        return false;
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;)
        value = value << 8 | (unsigned char)rest->ptr[i];
    *rest = (struct str){rest->ptr + size, rest->len - size};
    *ret = value;
    return true;
}
