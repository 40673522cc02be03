/*
 * record_call: what every rpc that reads or changes records does: find who calls, unpack, ask the records, answer.
 *
 * Life     record_call_start() in start(); granted() once the key is known and the request unpacked; then one store call whose
 *          `done` ends with record_call_reply() or record_call_fail(). granted() ends the call itself when it cannot ask.
 * Threads  granted() on the call's queue; the answer on a store thread. One owner at a time (shared/rpc/call.h).
 */
#pragma once
#include "gateway/api/bearer.h"
#include "gateway/api/gateway.h"
#include "gateway/api/payload.h"
#include "shared/store/conversation.h"

/*
 * bytes. Of one answer: gRPC clients take 4 MiB unless they are told otherwise. Pages end before it; what is larger in itself is cut
 * (run_reply.h) or, a single message of a conversation, given as it is.
 */
#define RECORD_REPLY_BYTES ((size_t)3 * 1024 * 1024)
/* bytes. Of one answer while it is put together: a page of the largest messages. */
#define RECORD_REPLY_BYTES_MAX ((size_t)256 * 1024 * 1024)

/* rpc_call_state() of the call. */
struct record_call {
    struct bearer bearer;
    struct rpc_call *call;
    struct grant *grant;
    ProtobufCMessage *request;
    char end_user_id[UUID_TEXT_LEN + 1]; /* of record_call_user() */
    enum payload_form form;
    void (*granted)(struct record_call *rc);
};
void record_call_start(struct rpc_call *call, void (*granted)(struct record_call *rc));
void record_call_ended(struct rpc_call *call);
struct store *record_call_store(const struct record_call *rc);

/*
 * Whose records are asked for: the token's end user, or the one the request names.
 * INVALID_ARGUMENT    field user: there is none, or it is too long
 * PERMISSION_DENIED   USER_MISMATCH: the request names another than the token
 */
MUST_CHECK enum status_code record_call_user(struct record_call *rc, const char *user, struct status *err);
/* The same where records of all are given to an API key that names none: end_user_id stays "" then. */
MUST_CHECK enum status_code record_call_user_if_any(struct record_call *rc, const char *user,
                                                    struct status *err);
/* The form of payloads asked for. INVALID_ARGUMENT, field payloads. */
MUST_CHECK enum status_code record_call_form(struct record_call *rc, int payloads, struct status *err);
/* INVALID_ARGUMENT, the field named: no canonical UUID. */
MUST_CHECK enum status_code record_call_id(const char *field, const char *text, struct status *err);

/* After record_call_user(). */
struct store_conversation_ref record_call_conversation(const struct record_call *rc,
                                                       const char *conversation_id);

void record_call_fail(struct record_call *rc, const struct status *status);
/* The bytes of the answer; RESOURCE_EXHAUSTED goes back when the buf has failed. */
void record_call_reply(struct record_call *rc, struct buf *take_bytes);

/* One per rpc. */
void get_run_start(struct rpc_call *call);
void list_runs_start(struct rpc_call *call);
void list_conversations_start(struct rpc_call *call);
void rename_conversation_start(struct rpc_call *call);
void delete_conversation_start(struct rpc_call *call);
void list_messages_start(struct rpc_call *call);
void list_variables_start(struct rpc_call *call);
