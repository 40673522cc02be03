/*
 * wire: fields of protobuf messages, read and written one by one without unpacking.
 * Threads  plain functions.
 */
#pragma once
#include "shared/base/buf.h"

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

/* One field as it lies there. `bytes` of WIRE_BYTES is borrowed from what is read. */
struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t value; /* of the others, as unsigned bits */
    struct str bytes;
};

enum wire_read { WIRE_FIELD, WIRE_END, WIRE_BROKEN };
/* Cuts the next field off *rest. WIRE_BROKEN: truncated, a group, or no field number; *rest is where it was. */
enum wire_read wire_next(struct str *rest, struct wire_field *ret);

/* The same for one varint of a packed field. False: truncated, or longer than ten bytes. */
bool wire_next_varint(struct str *rest, uint64_t *ret);

/* Writers: a zero value is written too; leave it out at the call where proto3 does. */
void wire_put_varint(struct buf *b, uint64_t value);
void wire_put_tag(struct buf *b, uint32_t number, enum wire_type type);
void wire_put_uint(struct buf *b, uint32_t number, uint64_t value); /* uint32, uint64, bool, enum */
void wire_put_int(struct buf *b, uint32_t number, int64_t value);   /* int32, int64 */
void wire_put_double(struct buf *b, uint32_t number, double value);
void wire_put_fixed64(struct buf *b, uint32_t number, uint64_t value);
void wire_put_fixed32(struct buf *b, uint32_t number, uint32_t value);
void wire_put_bytes(struct buf *b, uint32_t number, struct str bytes); /* string, bytes, a packed message */

/* The same, but nothing for 0, false and "". */
void wire_put_uint_if(struct buf *b, uint32_t number, uint64_t value);
void wire_put_int_if(struct buf *b, uint32_t number, int64_t value);
void wire_put_double_if(struct buf *b, uint32_t number, double value);
void wire_put_bytes_if(struct buf *b, uint32_t number, struct str bytes);

/* A nested message: size_t m = wire_put_begin(b, 7); … its fields …; wire_put_end(b, m). The length is put in at the end. */
size_t wire_put_begin(struct buf *b, uint32_t number);
void wire_put_end(struct buf *b, size_t mark);
/* Bytes of a varint, and of a WIRE_BYTES field with its tag: for sizes known before. */
size_t wire_varint_size(uint64_t value);
size_t wire_bytes_size(uint32_t number, size_t len);
