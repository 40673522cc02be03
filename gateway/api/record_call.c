/* record_call: see the header. */
#include "gateway/api/record_call.h"

#include "gateway/api/requests.h"
#include "shared/rpc/slice.h"

static void authenticated(struct bearer *bearer, struct grant *take_grant, const struct status *status)
{
    struct record_call *rc = CONTAINER_OF(bearer, struct record_call, bearer);
    struct status err = *status;
    rc->grant = take_grant;
    if (err.code == STATUS_OK && rc->grant->target.disabled)
        status_reason(&err, STATUS_PERMISSION_DENIED, "APP_DISABLED", "the app is disabled");
    if (err.code == STATUS_OK) {
        struct str bytes = rpc_call_request(rc->call);
        rc->request = protobuf_c_message_unpack(rpc_call_method(rc->call)->request, NULL, bytes.len,
                                                (const uint8_t *)bytes.ptr);
        if (rc->request == NULL)
            status_set(&err, STATUS_RESOURCE_EXHAUSTED, "no memory for the request");
    }
    if (err.code == STATUS_OK)
        rc->granted(rc);
    else
        record_call_fail(rc, &err);
}

void record_call_start(struct rpc_call *call, void (*granted)(struct record_call *rc))
{
    struct gateway *gateway = rpc_call_service(call);
    struct record_call *rc = rpc_call_state(call);
    rc->call = call;
    rc->granted = granted;
    rc->bearer.done = authenticated;
    bearer_find(&rc->bearer, gateway, call, SCOPE_READ);
}

void record_call_ended(struct rpc_call *call)
{
    struct record_call *rc = rpc_call_state(call);
    if (rc->request != NULL)
        protobuf_c_message_free_unpacked(rc->request, NULL);
    bearer_fini(&rc->bearer);
    grant_unref(rc->grant);
}

struct store *record_call_store(const struct record_call *rc)
{
    const struct gateway *gateway = rpc_call_service(rc->call);
    return gateway->records;
}

enum status_code record_call_user(struct record_call *rc, const char *user, struct status *err)
{
    struct str name;
    if (principal_user(rc->bearer.principal, str_c(user), &name, err) != STATUS_OK ||
        request_check_user(name, err) != STATUS_OK)
        return err->code;
    principal_end_user_id(rc->bearer.principal, rc->grant->target.workspace_id, rc->grant->target.app_id,
                          name, rc->end_user_id);
    return STATUS_OK;
}

enum status_code record_call_user_if_any(struct record_call *rc, const char *user, struct status *err)
{
    bool is_token_s = rc->bearer.principal != NULL && rc->bearer.principal->user.len > 0;
    return is_token_s || user[0] != '\0' ? record_call_user(rc, user, err) : STATUS_OK;
}

enum status_code record_call_form(struct record_call *rc, int payloads, struct status *err)
{
    if (!payload_form_from(payloads, &rc->form))
        return status_field(err, "payloads", "has no value %d", payloads);
    return STATUS_OK;
}

enum status_code record_call_id(const char *field, const char *text, struct status *err)
{
    if (!uuid_is_canonical(str_c(text)))
        return status_field(err, field, "must be a lower-case UUID");
    return STATUS_OK;
}

struct store_conversation_ref record_call_conversation(const struct record_call *rc,
                                                       const char *conversation_id)
{
    return (struct store_conversation_ref){.workspace_id = rc->grant->target.workspace_id,
                                           .app_id = rc->grant->target.app_id,
                                           .end_user_id = str_c(rc->end_user_id),
                                           .conversation_id = str_c(conversation_id)};
}

void record_call_fail(struct record_call *rc, const struct status *status)
{
    rpc_call_finish(rc->call, status);
}

void record_call_reply(struct record_call *rc, struct buf *take_bytes)
{
    grpc_slice bytes;
    struct status err;
    if (rpc_slice_take_buf(take_bytes, &bytes)) {
        rpc_call_reply(rc->call, bytes);
        return;
    }
    buf_fini(take_bytes);
    status_set(&err, STATUS_RESOURCE_EXHAUSTED, "the answer is too large, or there is no memory for it");
    record_call_fail(rc, &err);
}
