/*
 * admin_kit: see the header.
 */
#include "tests/gateway/admin/admin_kit.h"

#include "shared/base/clock.h"
#include "shared/limits.h"
#include "shared/rpc/slice.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CALL_MS = 20000 };

#define ADMIN(method, reply)                                                                                 \
    {                                                                                                        \
        "/heddle.v1.AdminService/" method, &heddle__v1__##reply##__descriptor                                \
    }
static const struct rpc_client_method methods[KIT_METHOD_COUNT] = {
    [KIT_IMPORT_APP] = ADMIN("ImportApp", import_app_response),
    [KIT_LIST_APPS] = ADMIN("ListApps", list_apps_response),
    [KIT_GET_APP] = ADMIN("GetApp", get_app_response),
    [KIT_UPDATE_APP] = ADMIN("UpdateApp", app),
    [KIT_CREATE_CREDENTIAL] = ADMIN("CreateCredential", credential),
    [KIT_LIST_CREDENTIALS] = ADMIN("ListCredentials", list_credentials_response),
    [KIT_UPDATE_CREDENTIAL] = ADMIN("UpdateCredential", credential),
    [KIT_TEST_CREDENTIAL] = ADMIN("TestCredential", test_credential_response),
    [KIT_SET_MODEL] = ADMIN("SetModel", model),
    [KIT_LIST_MODELS] = ADMIN("ListModels", list_models_response),
};

/* --- the executor --- */

static void test_credential(struct rpc_call *call)
{
    struct admin_kit *kit = rpc_call_service(call);
    struct str bytes = rpc_call_request(call);
    Heddle__Executor__V1__TestCredentialRequest *request =
        heddle__executor__v1__test_credential_request__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
    snprintf(kit->asked_id, sizeof kit->asked_id, "%s", request->credential_id);
    snprintf(kit->asked_model, sizeof kit->asked_model, "%s", request->model);
    heddle__executor__v1__test_credential_request__free_unpacked(request, NULL);
    if (kit->trial_status.code == STATUS_OK)
        rpc_call_reply_message(call, &kit->trial.base);
    else
        rpc_call_finish(call, &kit->trial_status);
}

/* Every export is a workflow without problems. */
static void check_app(struct rpc_call *call)
{
    Heddle__Executor__V1__CheckAppResponse reply = HEDDLE__EXECUTOR__V1__CHECK_APP_RESPONSE__INIT;
    uint8_t hash[32] = {0};
    reply.mode = (char *)"workflow";
    reply.app_name = (char *)"An app";
    reply.content_hash = (ProtobufCBinaryData){sizeof hash, hash};
    rpc_call_reply_message(call, &reply.base);
}

static const struct rpc_method executor_methods[] = {
    {.path = "/heddle.executor.v1.ExecutorService/TestCredential",
     .kind = RPC_UNARY,
     .request = &heddle__executor__v1__test_credential_request__descriptor,
     .start = test_credential},
    {.path = "/heddle.executor.v1.ExecutorService/CheckApp",
     .kind = RPC_UNARY,
     .request = &heddle__executor__v1__check_app_request__descriptor,
     .start = check_app},
};
static const struct rpc_client_method to_executor[] = {
    {"/heddle.executor.v1.ExecutorService/CheckApp", &heddle__executor__v1__check_app_response__descriptor},
    {"/heddle.executor.v1.ExecutorService/TestCredential", &heddle__v1__test_credential_response__descriptor},
};

/* --- life --- */

int admin_kit_setup(void **state)
{
    struct admin_kit *kit = calloc(1, sizeof *kit);
    assert_non_null(kit);
    const char *tmp = getenv("TMPDIR");
    snprintf(kit->folder, sizeof kit->folder, "%s/heddle-admin-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    assert_non_null(mkdtemp(kit->folder));
    snprintf(kit->url, sizeof kit->url, "sqlite:%s/heddle.db", kit->folder);
    snprintf(kit->address, sizeof kit->address, "unix:%s/admin", kit->folder);
    snprintf(kit->executor_address, sizeof kit->executor_address, "unix:%s/executor", kit->folder);
    heddle__v1__test_credential_response__init(&kit->trial);

    const struct store_options store_options = {.role = STORE_GATEWAY,
                                                .schema = STORE_MIGRATE,
                                                .master_key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="};
    const struct rpc_server_options on_executor = {.address = kit->executor_address,
                                                   .message_bytes_max = LIMIT_ADMIN_MESSAGE_BYTES},
                                    on_admin = {.address = kit->address,
                                                .message_bytes_max = LIMIT_ADMIN_MESSAGE_BYTES};
    const struct rpc_channel_options executor_options = {.target = kit->executor_address,
                                                         .methods = to_executor,
                                                         .method_count = ARRAY_LEN(to_executor),
                                                         .message_bytes_max = LIMIT_ADMIN_MESSAGE_BYTES},
                                     admin_channel = {.target = kit->address,
                                                      .methods = methods,
                                                      .method_count = ARRAY_LEN(methods),
                                                      .message_bytes_max = LIMIT_ADMIN_MESSAGE_BYTES,
                                                      .bearer = KIT_TOKEN};
    assert_ok(store_open(kit->url, &store_options, &kit->store, &kit->err));
    assert_ok(rpc_queues_new(1, &kit->queues, &kit->err));
    assert_ok(rpc_server_new(kit->queues, &on_executor, &kit->executor, &kit->err));
    assert_ok(rpc_server_add(kit->executor, executor_methods, ARRAY_LEN(executor_methods), kit, &kit->err));
    assert_ok(rpc_server_start(kit->executor, &kit->err));
    assert_ok(rpc_channel_new(&executor_options, &kit->to_executor, &kit->err));
    const struct admin_options admin_options = {.store = kit->store,
                                                .executor = kit->to_executor,
                                                .check_app = 0,
                                                .test_credential = 1,
                                                .tokens = KIT_TOKEN};
    assert_ok(admin_new(&admin_options, &kit->admin, &kit->err));
    assert_ok(rpc_server_new(kit->queues, &on_admin, &kit->server, &kit->err));
    assert_ok(admin_add(kit->admin, kit->server, &kit->err));
    assert_ok(rpc_server_start(kit->server, &kit->err));
    assert_ok(rpc_channel_new(&admin_channel, &kit->channel, &kit->err));
    assert_ok(rpc_queues_start(kit->queues, &kit->err));
    *state = kit;
    return 0;
}

void admin_kit_lose_executor(struct admin_kit *kit)
{
    if (kit->executor != NULL)
        rpc_server_stop(kit->executor, clock_monotonic_ms());
    rpc_server_free(kit->executor);
    kit->executor = NULL;
}

int admin_kit_teardown(void **state)
{
    struct admin_kit *kit = *state;
    rpc_server_stop(kit->server, clock_monotonic_ms());
    rpc_server_free(kit->server);
    admin_kit_lose_executor(kit);
    store_close(kit->store);
    rpc_channel_free(kit->channel);
    rpc_channel_free(kit->to_executor);
    rpc_queues_free(kit->queues);
    admin_free(kit->admin);
    DIR *dir = opendir(kit->folder);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        char path[sizeof kit->folder + sizeof entry->d_name + 1];
        snprintf(path, sizeof path, "%s/%s", kit->folder, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    closedir(dir);
    assert_int_equal(0, rmdir(kit->folder));
    free(kit);
    return 0;
}

/* --- calls --- */

void *admin_kit_call(struct admin_kit *kit, enum kit_method method, const ProtobufCMessage *request)
{
    const struct rpc_client_args args = {.method = method,
                                         .queue = rpc_queues_at(kit->queues, 0),
                                         .deadline_ms = clock_monotonic_ms() + CALL_MS,
                                         .patience = RPC_WAIT_FOR_READY};
    grpc_slice reply;
    kit->err = (struct status){.code = STATUS_OK};
    if (rpc_blocking_unary(kit->channel, &args, rpc_slice_pack(request), &reply, &kit->err) != STATUS_OK)
        return NULL;
    struct str bytes = rpc_slice_str(&reply);
    void *message =
        protobuf_c_message_unpack(methods[method].response, NULL, bytes.len, (const uint8_t *)bytes.ptr);
    grpc_slice_unref(reply);
    assert_non_null(message);
    return message;
}

enum status_code admin_kit_code(struct admin_kit *kit, enum kit_method method,
                                const ProtobufCMessage *request)
{
    ProtobufCMessage *reply = admin_kit_call(kit, method, request);
    if (reply != NULL)
        protobuf_c_message_free_unpacked(reply, NULL);
    return kit->err.code;
}

const char *admin_kit_credential(struct admin_kit *kit, const char *name)
{
    static char id[64];
    Heddle__V1__CreateCredentialRequest request = HEDDLE__V1__CREATE_CREDENTIAL_REQUEST__INIT;
    request.provider = (char *)"openai";
    request.name = (char *)name;
    request.base_url = (char *)"https://api.openai.com/v1";
    request.secret = (char *)"sk-hush";
    Heddle__V1__Credential *credential = admin_kit_call(kit, KIT_CREATE_CREDENTIAL, &request.base);
    assert_ok(kit->err.code);
    snprintf(id, sizeof id, "%s", credential->id);
    heddle__v1__credential__free_unpacked(credential, NULL);
    return id;
}

void admin_kit_rest(struct admin_kit *kit, const char *credential_id, const char *model, int64_t for_ms)
{
    struct store_wait wait;
    const struct store_rest_put put = {.credential_id = str_c(credential_id),
                                       .model = str_c(model),
                                       .for_ms = for_ms,
                                       .reason = STR("rate limited"),
                                       .seen_by = STR("executor-1")};
    store_wait_init(&wait);
    assert_ok(store_rest_put(kit->store, &put, store_wait_done, &wait, &kit->err));
    assert_ok(store_wait(&wait, &kit->err));
}

void admin_kit_disable(struct admin_kit *kit, const char *credential_id, const char *reason)
{
    struct store_wait wait;
    const struct store_credential_disable disable = {.ref = {.credential_id = str_c(credential_id)},
                                                     .reason = str_c(reason)};
    store_wait_init(&wait);
    assert_ok(store_credential_disable(kit->store, &disable, store_wait_done, &wait, &kit->err));
    assert_ok(store_wait(&wait, &kit->err));
}
