/*
 * slice: see slice.h.
 */
#include "shared/rpc/slice.h"
#include <assert.h>
#include <grpc/byte_buffer_reader.h>
#include <stdlib.h>

/* bytes. Below this a copy costs less than handing memory over. */
enum { COPY_BYTES = 256 };

struct str rpc_slice_str(const grpc_slice *slice)
{
    return (struct str){(const char *)GRPC_SLICE_START_PTR(*slice), GRPC_SLICE_LENGTH(*slice)};
}

grpc_slice rpc_slice_copy(struct str bytes)
{
    return bytes.len == 0 ? grpc_empty_slice() : grpc_slice_from_copied_buffer(bytes.ptr, bytes.len);
}

grpc_slice rpc_slice_part(const grpc_slice *slice, struct str part)
{
    if (part.len == 0)
        return grpc_empty_slice();
    struct str all = rpc_slice_str(slice);
    assert(part.ptr >= all.ptr && part.ptr + part.len <= all.ptr + all.len);
    size_t from = (size_t)(part.ptr - all.ptr);
    return grpc_slice_sub(*slice, from, from + part.len);
}

grpc_slice rpc_slice_pack(const ProtobufCMessage *message)
{
    grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(message));
    protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
    return slice;
}

bool rpc_slice_take_buf(struct buf *b, grpc_slice *ret)
{
    if (b->failed)
        return false;
    if (b->len <= COPY_BYTES) {
        *ret = rpc_slice_copy(buf_str(b));
        buf_fini(b);
        return true;
    }
    size_t len;
    char *bytes = buf_take(b, &len);
    if (bytes == NULL)
        return false;
    *ret = grpc_slice_new(bytes, len, free);
    return true;
}

bool rpc_slice_from_buffer(grpc_byte_buffer *buffer, grpc_slice *ret)
{
    if (buffer == NULL) {
        *ret = grpc_empty_slice();
        return true;
    }
    grpc_byte_buffer_reader reader;
    if (!grpc_byte_buffer_reader_init(&reader, buffer))
        return false;
    size_t total = grpc_byte_buffer_length(buffer);
    grpc_slice *first = NULL;
    if (total == 0) {
        *ret = grpc_empty_slice();
    } else if (grpc_byte_buffer_reader_peek(&reader, &first) && GRPC_SLICE_LENGTH(*first) == total) {
        *ret = grpc_slice_ref(*first);
    } else {
        grpc_byte_buffer_reader_destroy(&reader); /* it has moved on */
        if (!grpc_byte_buffer_reader_init(&reader, buffer))
            return false;
        *ret = grpc_byte_buffer_reader_readall(&reader);
    }
    grpc_byte_buffer_reader_destroy(&reader);
    return true;
}
