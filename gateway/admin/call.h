/*
 * call: what every rpc of AdminService does: check the token, unpack, hand over to the store, answer.
 * Inside gateway/admin only.
 *
 * Life     admin_begin() in start(); then one store call whose `done` ends with admin_reply() or admin_fail(). A handler that
 *          cannot submit its store call ends the call itself.
 * Threads  start on the queue's thread; the answer on a store thread. One owner at a time (shared/rpc/call.h).
 */
#pragma once
#include "gateway/admin/admin.h"
#include "heddle/executor/v1/executor.pb-c.h"
#include "heddle/v1/admin.pb-c.h"
#include "shared/base/arena.h"
#include "shared/rpc/call.h"
#include "shared/store/app.h"

/* bytes. Of one answer while it is put together. */
#define ADMIN_REPLY_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct admin {
    struct store *store;
    struct rpc_channel *executor;
    size_t check_app, test_credential;
    void (*app_deleted)(void *arg, struct str app_id);
    void *app_deleted_arg;
    struct str tokens[2]; /* ptr NULL: not set */
    char *token_text;
    struct tokens *jwt;
};

/* What each call keeps until it has ended. */
struct admin_call {
    ProtobufCMessage *request; /* unpacked; freed with the call */
    ProtobufCMessage *checked; /* ImportApp: the executor's verdict */
    struct arena arena;        /* the answer's pieces */
};
void admin_call_ended(struct rpc_call *call);

/*
 * Token and request. NULL: the call has been ended. The message lives as long as the call.
 * descriptor   of the request
 */
void *admin_begin(struct rpc_call *call, const ProtobufCMessageDescriptor *descriptor);
struct store *admin_store(const struct rpc_call *call);
struct arena *admin_arena(struct rpc_call *call);
void admin_reply(struct rpc_call *call, const ProtobufCMessage *message);
void admin_fail(struct rpc_call *call, const struct status *status);
/* For a text of an answer; "" when memory is out, and the arena notes that: admin_reply() then fails the call. */
char *admin_text(struct rpc_call *call, struct str text);
/* Array of `count` pointers to zeroed pieces of `size` bytes; NULL when memory is out. */
void *admin_items(struct rpc_call *call, size_t count, size_t size);

/*
 * What runs see as `env`: the variables of the export (verdict; NULL: none) with the app's own over them. Secrets as stars.
 * It points into the verdict.
 */
void admin_environment(struct rpc_call *call, const Heddle__Executor__V1__CheckAppResponse *verdict,
                       const struct store_environment *own, Heddle__V1__EnvironmentVariable ***ret,
                       size_t *ret_count);

/* Canonical UUID; INVALID_ARGUMENT, field, otherwise. */
MUST_CHECK enum status_code admin_check_id(const char *field, const char *text, struct status *err);

/* One per rpc. */
void admin_import_app(struct rpc_call *call);
void admin_list_apps(struct rpc_call *call);
void admin_get_app(struct rpc_call *call);
void admin_update_app(struct rpc_call *call);
void admin_delete_app(struct rpc_call *call);
void admin_list_versions(struct rpc_call *call);
void admin_publish_version(struct rpc_call *call);
void admin_set_environment(struct rpc_call *call);
void admin_create_key(struct rpc_call *call);
void admin_list_keys(struct rpc_call *call);
void admin_delete_key(struct rpc_call *call);
void admin_create_credential(struct rpc_call *call);
void admin_list_credentials(struct rpc_call *call);
void admin_update_credential(struct rpc_call *call);
void admin_delete_credential(struct rpc_call *call);
void admin_test_credential(struct rpc_call *call);
void admin_set_model(struct rpc_call *call);
void admin_list_models(struct rpc_call *call);
