/* admin: see the header. */
#include "gateway/admin/admin.h"

#include "gateway/admin/call.h"
#include "gateway/auth/tokens.h"
#include "shared/base/clock.h"
#include "shared/base/crypto.h"
#include "shared/base/uuid.h"
#include <stdlib.h>
#include <string.h>

#define RPC(method, type, fn)                                                                                \
    {                                                                                                        \
        .path = "/heddle.v1.AdminService/" method, .kind = RPC_UNARY,                                        \
        .request = &heddle__v1__##type##__descriptor, .state_bytes = sizeof(struct admin_call), .slots = 2,  \
        .start = (fn), .ended = admin_call_ended,                                                            \
    }

static const struct rpc_method methods[] = {
    RPC("ImportApp", import_app_request, admin_import_app),
    RPC("ListApps", list_apps_request, admin_list_apps),
    RPC("GetApp", get_app_request, admin_get_app),
    RPC("UpdateApp", update_app_request, admin_update_app),
    RPC("DeleteApp", delete_app_request, admin_delete_app),
    RPC("ListVersions", list_versions_request, admin_list_versions),
    RPC("PublishVersion", publish_version_request, admin_publish_version),
    RPC("SetAppEnvironment", set_app_environment_request, admin_set_environment),
    RPC("CreateApiKey", create_api_key_request, admin_create_key),
    RPC("ListApiKeys", list_api_keys_request, admin_list_keys),
    RPC("DeleteApiKey", delete_api_key_request, admin_delete_key),
    RPC("CreateCredential", create_credential_request, admin_create_credential),
    RPC("ListCredentials", list_credentials_request, admin_list_credentials),
    RPC("UpdateCredential", update_credential_request, admin_update_credential),
    RPC("DeleteCredential", delete_credential_request, admin_delete_credential),
    RPC("TestCredential", test_credential_request, admin_test_credential),
    RPC("SetModel", set_model_request, admin_set_model),
    RPC("ListModels", list_models_request, admin_list_models),
};

static enum status_code read_tokens(struct admin *admin, struct status *err)
{
    struct str rest = str_c(admin->token_text), piece;
    size_t count = 0;
    while (rest.len > 0 && str_split(&rest, ',', &piece)) {
        piece = str_trim(piece);
        if (count == ARRAY_LEN(admin->tokens))
            return status_field(err, "admin_token", "at most two, separated by a comma");
        if (piece.len < ADMIN_TOKEN_BYTES_MIN)
            return status_field(err, "admin_token", "must have at least %d characters",
                                ADMIN_TOKEN_BYTES_MIN);
        admin->tokens[count++] = piece;
    }
    return STATUS_OK;
}

enum status_code admin_new(const struct admin_options *options, struct admin **ret_admin, struct status *err)
{
    struct admin *admin = calloc(1, sizeof *admin);
    char *text = str_dup(str_c(options->tokens));
    if (admin == NULL || text == NULL) {
        free(admin);
        free(text);
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "admin: out of memory");
    }
    admin->store = options->store;
    admin->executor = options->executor;
    admin->check_app = options->check_app;
    admin->test_credential = options->test_credential;
    admin->app_deleted = options->app_deleted;
    admin->app_deleted_arg = options->app_deleted_arg;
    admin->token_text = text;
    admin->jwt = options->jwt;
    enum status_code rc = read_tokens(admin, err);
    if (rc != STATUS_OK) {
        admin_free(admin);
        return rc;
    }
    *ret_admin = admin;
    return STATUS_OK;
}

void admin_free(struct admin *admin)
{
    if (admin == NULL)
        return;
    secret_wipe(admin->token_text, strlen(admin->token_text));
    free(admin->token_text);
    free(admin);
}

enum status_code admin_add(struct admin *admin, struct rpc_server *server, struct status *err)
{
    return rpc_server_add(server, methods, ARRAY_LEN(methods), admin, err);
}

static bool is_admin_token(const struct admin *admin, struct str token)
{
    bool is_right = false;
    for (size_t i = 0; i < ARRAY_LEN(admin->tokens); i++)
        is_right |= admin->tokens[i].ptr != NULL && str_eq_secret(token, admin->tokens[i]);
    return is_right;
}

/* A token of an issuer. Keys that are not there are fetched, but not waited for: the caller hears when to come again. */
static enum status_code check_issued(const struct admin *admin, struct str token, struct status *err)
{
    struct principal *principal = NULL;
    enum status_code rc =
        tokens_find(admin->jwt, token, clock_wall_ms(), clock_monotonic_ms(), NULL, &principal, err);
    if (rc == STATUS_OK)
        rc = principal_check_scope(principal, SCOPE_ADMIN, err);
    if (rc == STATUS_OK && principal->workspace_id.len > 0 && !str_eq_c(principal->workspace_id, "default"))
        rc = status_reason(err, STATUS_PERMISSION_DENIED, "WRONG_WORKSPACE",
                           "the token is for another workspace");
    principal_unref(principal);
    return rc;
}

static enum status_code check_token(const struct admin *admin, struct str header, struct status *err)
{
    struct str bearer = str_eq_nocase(str_sub(header, 0, 7), STR("bearer "))
                            ? str_trim(str_sub(header, 7, header.len))
                            : STR("");
    if (admin->jwt != NULL && jwt_is_plausible(bearer) && !is_admin_token(admin, bearer))
        return check_issued(admin, bearer, err);
    if (admin->tokens[0].ptr == NULL)
        return status_reason(err, STATUS_UNAUTHENTICATED, "ADMIN_DISABLED",
                             "the gateway was started without admin_token: administration is off");
    if (header.ptr == NULL)
        return status_reason(err, STATUS_UNAUTHENTICATED, "MISSING_TOKEN",
                             "metadata authorization: Bearer <admin token> is missing");
    if (bearer.len == 0 || !is_admin_token(admin, bearer))
        return status_reason(err, STATUS_UNAUTHENTICATED, "INVALID_TOKEN",
                             "this is not the administrator's token");
    return STATUS_OK;
}

static bool is_admitted(struct rpc_call *call)
{
    struct status err;
    if (check_token(rpc_call_service(call), rpc_call_metadata(call, "authorization"), &err) == STATUS_OK)
        return true;
    rpc_call_finish(call, &err);
    return false;
}

void *admin_begin(struct rpc_call *call, const ProtobufCMessageDescriptor *descriptor)
{
    if (!is_admitted(call))
        return NULL;
    struct admin_call *state = rpc_call_state(call);
    arena_init(&state->arena, ADMIN_REPLY_BYTES_MAX);
    struct str bytes = rpc_call_request(call);
    state->request = protobuf_c_message_unpack(descriptor, NULL, bytes.len, (const uint8_t *)bytes.ptr);
    if (state->request == NULL) {
        struct status err; /* the kit has checked the bytes: only memory can be missing */
        status_set(&err, STATUS_RESOURCE_EXHAUSTED, "no memory for the request");
        rpc_call_finish(call, &err);
    }
    return state->request;
}

void admin_call_ended(struct rpc_call *call)
{
    struct admin_call *state = rpc_call_state(call);
    if (state->request != NULL)
        protobuf_c_message_free_unpacked(state->request, NULL);
    if (state->checked != NULL)
        protobuf_c_message_free_unpacked(state->checked, NULL);
    arena_fini(&state->arena);
}

struct store *admin_store(const struct rpc_call *call)
{
    return ((struct admin *)rpc_call_service(call))->store;
}

struct arena *admin_arena(struct rpc_call *call)
{
    return &((struct admin_call *)rpc_call_state(call))->arena;
}

void admin_reply(struct rpc_call *call, const ProtobufCMessage *message)
{
    if (!admin_arena(call)->failed) {
        rpc_call_reply_message(call, message);
        return;
    }
    struct status err;
    status_set(&err, STATUS_RESOURCE_EXHAUSTED, "no memory for the answer");
    rpc_call_finish(call, &err);
}

void admin_fail(struct rpc_call *call, const struct status *status)
{
    rpc_call_finish(call, status);
}

char *admin_text(struct rpc_call *call, struct str text)
{
    char *copy = arena_copy_c(admin_arena(call), text);
    return copy == NULL ? (char *)"" : copy;
}

void *admin_items(struct rpc_call *call, size_t count, size_t size)
{
    struct arena *arena = admin_arena(call);
    void **items = arena_array(arena, count == 0 ? 1 : count, sizeof *items);
    char *pieces = arena_array(arena, count == 0 ? 1 : count, size);
    if (items == NULL || pieces == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        items[i] = pieces + i * size;
    return items;
}

enum status_code admin_check_id(const char *field, const char *text, struct status *err)
{
    if (!uuid_is_canonical(str_c(text)))
        return status_field(err, field, "must be a lower-case UUID");
    return STATUS_OK;
}
