/*
 * details: struct status as google.rpc.Status, the bytes of the trailer grpc-status-details-bin.
 *   reason → ErrorInfo{reason, domain "heddle"}    retry_ms → RetryInfo    field → BadRequest
 * Threads  any.
 */
#pragma once
#include "shared/base/buf.h"

#define RPC_DETAILS_KEY    "grpc-status-details-bin"
#define RPC_DETAILS_DOMAIN "heddle"

/* bytes. Of the serialized form: three small details and a message. */
#define RPC_DETAILS_BYTES_MAX 4096
/* reasons. Different ones read from peers; further ones read as NULL. Ours are some dozens. */
#define RPC_REASONS_MAX 256
/* bytes. Of one reason. */
#define RPC_REASON_BYTES_MAX 64

/* Appends the serialized form. b->failed says whether there was room. */
void rpc_details_put(struct buf *b, const struct status *status);
/*
 * Adds what the bytes say to a status whose code and message are set: reason (kept for good, so it is as good as static),
 * retry_ms, field. Malformed or foreign details are passed over.
 */
void rpc_details_read(struct str bytes, struct status *status);
