/*
 * slice: bytes as gRPC holds them, from and to ours.
 * Threads  plain data; references may be dropped on any thread.
 */
#pragma once
#include "shared/base/buf.h"
#include <grpc/byte_buffer.h>
#include <grpc/slice.h>
#include <protobuf-c/protobuf-c.h>

/* Borrowed. By pointer, because short slices hold their bytes themselves. */
struct str rpc_slice_str(const grpc_slice *slice);
grpc_slice rpc_slice_copy(struct str bytes);
/*
 * `part`, a piece of rpc_slice_str(slice), as a slice of its own that shares the memory: how a frame is cut into messages
 * without a copy.
 */
grpc_slice rpc_slice_part(const grpc_slice *slice, struct str part);
/* The serialized message. */
grpc_slice rpc_slice_pack(const ProtobufCMessage *message);
/* Without a copy when it is long; b is empty afterwards, as after buf_init(). False: b had failed; nothing returned. */
MUST_CHECK bool rpc_slice_take_buf(struct buf *b, grpc_slice *ret);
/* The message a buffer holds, in one piece; no copy when it is one already. buffer may be NULL: empty. False: not readable. */
MUST_CHECK bool rpc_slice_from_buffer(grpc_byte_buffer *buffer, grpc_slice *ret);
