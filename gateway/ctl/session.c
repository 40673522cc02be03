/* session: see the header. */
#include "gateway/ctl/session.h"

#include "gateway/ctl/table.h"
#include "grpc/health/v1/health.pb-c.h"
#include "heddle/v1/admin.pb-c.h"
#include "heddle/v1/chat.pb-c.h"
#include "heddle/v1/conversation.pb-c.h"
#include "heddle/v1/task.pb-c.h"
#include "heddle/v1/workflow.pb-c.h"
#include "shared/base/clock.h"
#include "shared/base/crypto.h"
#include "shared/limits.h"
#include "shared/rpc/slice.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ADMIN(method, reply)                                                                                 \
    {                                                                                                        \
        "/heddle.v1.AdminService/" method, &heddle__v1__##reply##__descriptor                                \
    }
#define CONVERSATIONS(method, reply)                                                                         \
    {                                                                                                        \
        "/heddle.v1.ConversationService/" method, &heddle__v1__##reply##__descriptor                         \
    }
static const struct rpc_client_method methods[] = {
    [METHOD_SEND_MESSAGE] = {"/heddle.v1.ChatService/SendMessage", &heddle__v1__run_event__descriptor},
    [METHOD_RUN_WORKFLOW] = {"/heddle.v1.WorkflowService/RunWorkflow", &heddle__v1__run_event__descriptor},
    [METHOD_GET_RUN] = {"/heddle.v1.WorkflowService/GetRun", &heddle__v1__run__descriptor},
    [METHOD_LIST_RUNS] = {"/heddle.v1.WorkflowService/ListRuns", &heddle__v1__list_runs_response__descriptor},
    [METHOD_LIST_CONVERSATIONS] = CONVERSATIONS("ListConversations", list_conversations_response),
    [METHOD_LIST_MESSAGES] = CONVERSATIONS("ListMessages", list_messages_response),
    [METHOD_RENAME_CONVERSATION] = CONVERSATIONS("RenameConversation", conversation),
    [METHOD_DELETE_CONVERSATION] = CONVERSATIONS("DeleteConversation", delete_conversation_response),
    [METHOD_LIST_VARIABLES] = CONVERSATIONS("ListVariables", list_variables_response),
    [METHOD_STOP_TASK] = {"/heddle.v1.TaskService/StopTask", &heddle__v1__stop_task_response__descriptor},
    [METHOD_HEALTH_CHECK] = {"/grpc.health.v1.Health/Check",
                             &grpc__health__v1__health_check_response__descriptor},
    [METHOD_IMPORT_APP] = ADMIN("ImportApp", import_app_response),
    [METHOD_LIST_APPS] = ADMIN("ListApps", list_apps_response),
    [METHOD_GET_APP] = ADMIN("GetApp", get_app_response),
    [METHOD_UPDATE_APP] = ADMIN("UpdateApp", app),
    [METHOD_DELETE_APP] = ADMIN("DeleteApp", delete_app_response),
    [METHOD_LIST_VERSIONS] = ADMIN("ListVersions", list_versions_response),
    [METHOD_PUBLISH_VERSION] = ADMIN("PublishVersion", version),
    [METHOD_SET_APP_ENVIRONMENT] = ADMIN("SetAppEnvironment", set_app_environment_response),
    [METHOD_CREATE_API_KEY] = ADMIN("CreateApiKey", create_api_key_response),
    [METHOD_LIST_API_KEYS] = ADMIN("ListApiKeys", list_api_keys_response),
    [METHOD_DELETE_API_KEY] = ADMIN("DeleteApiKey", delete_api_key_response),
    [METHOD_CREATE_CREDENTIAL] = ADMIN("CreateCredential", credential),
    [METHOD_LIST_CREDENTIALS] = ADMIN("ListCredentials", list_credentials_response),
    [METHOD_UPDATE_CREDENTIAL] = ADMIN("UpdateCredential", credential),
    [METHOD_DELETE_CREDENTIAL] = ADMIN("DeleteCredential", delete_credential_response),
    [METHOD_TEST_CREDENTIAL] = ADMIN("TestCredential", test_credential_response),
    [METHOD_SET_MODEL] = ADMIN("SetModel", model),
    [METHOD_LIST_MODELS] = ADMIN("ListModels", list_models_response),
};

bool session_open(struct ctl *ctl, enum ctl_listener listener)
{
    struct status err;
    struct rpc_channel_options options = {
        .target = listener == CTL_ADMIN ? ctl->admin : ctl->gateway,
        .methods = methods,
        .method_count = ARRAY_LEN(methods),
        .message_bytes_max = LIMIT_ADMIN_MESSAGE_BYTES,
        .bearer = ctl->token,
    };
    if (rpc_queues_new(1, &ctl->queues, &err) != STATUS_OK ||
        rpc_queues_start(ctl->queues, &err) != STATUS_OK ||
        rpc_channel_new(&options, &ctl->channel, &err) != STATUS_OK) {
        say_error("%s", err.message);
        return false;
    }
    return true;
}

void session_close(struct ctl *ctl)
{
    rpc_channel_free(ctl->channel);
    rpc_queues_free(ctl->queues);
    ctl->channel = NULL;
    ctl->queues = NULL;
    if (ctl->owned_token != NULL)
        secret_wipe(ctl->owned_token, strlen(ctl->owned_token));
    free(ctl->owned_token);
    ctl->owned_token = NULL;
    ctl->token = NULL;
}

static struct rpc_client_args call_args(const struct ctl *ctl, enum ctl_method method, int64_t default_ms)
{
    int64_t limit_ms = ctl->timeout_ms > 0 ? ctl->timeout_ms : default_ms;
    return (struct rpc_client_args){
        .method = method,
        .queue = rpc_queues_at(ctl->queues, 0),
        .deadline_ms = limit_ms > 0 ? clock_monotonic_ms() + limit_ms : INT64_MAX,
    };
}

ProtobufCMessage *session_try(struct ctl *ctl, enum ctl_method method, const ProtobufCMessage *request,
                              int64_t default_ms, struct status *err)
{
    struct rpc_client_args args = call_args(ctl, method, default_ms);
    grpc_slice reply;
    if (rpc_blocking_unary(ctl->channel, &args, rpc_slice_pack(request), &reply, err) != STATUS_OK)
        return NULL;
    struct str bytes = rpc_slice_str(&reply);
    ProtobufCMessage *message =
        protobuf_c_message_unpack(methods[method].response, NULL, bytes.len, (const uint8_t *)bytes.ptr);
    grpc_slice_unref(reply);
    if (message == NULL)
        status_set(err, STATUS_INTERNAL, "the reply could not be read");
    return message;
}

ProtobufCMessage *session_admin(struct ctl *ctl, enum ctl_method method, const ProtobufCMessage *request)
{
    if (ctl->channel == NULL && !session_open(ctl, CTL_ADMIN))
        return NULL;
    struct status err;
    ProtobufCMessage *reply = session_try(ctl, method, request, 30000, &err);
    if (reply == NULL)
        say_status(ctl, &err);
    return reply;
}

enum ctl_exit session_change(struct ctl *ctl, enum ctl_method method, const ProtobufCMessage *request,
                             const char *words)
{
    ProtobufCMessage *message = session_admin(ctl, method, request);
    if (message == NULL)
        return CTL_FAILED;
    struct buf text;
    buf_init(&text, CTL_OUTPUT_BYTES_MAX);
    if (ctl->is_json)
        message_put_json(&text, message, JSON_PRETTY);
    else
        buf_printf(&text, "%s\n", words);
    protobuf_c_message_free_unpacked(message, NULL);
    return print_buf(&text);
}

char *text_of(const char *text)
{
    return (char *)(text == NULL ? "" : text);
}

bool session_stream(struct ctl *ctl, enum ctl_method method, const ProtobufCMessage *request,
                    struct rpc_blocking_stream **ret)
{
    struct rpc_client_args args = call_args(ctl, method, 0);
    struct status err;
    grpc_slice bytes = rpc_slice_pack(request);
    if (rpc_blocking_stream_new(ctl->channel, &args, bytes, ret, &err) == STATUS_OK)
        return true;
    grpc_slice_unref(bytes);
    say_status(ctl, &err);
    return false;
}

void say_error(const char *fmt, ...)
{
    struct buf safe;
    va_list list;
    char words[4096];
    va_start(list, fmt);
    vsnprintf(words, sizeof words, fmt, list);
    va_end(list);
    buf_init(&safe, 8192);
    buf_put_c(&safe, "heddlectl: ");
    /* Words may come from a server: they must not steer the terminal. */
    text_put_safe(&safe, str_c(words));
    buf_put_char(&safe, '\n');
    (void)!fwrite(safe.ptr, 1, safe.len, stderr); /* nobody left to tell when stderr is gone */
    buf_fini(&safe);
}

static const char *hint_for(const struct ctl *ctl, const struct status *status)
{
    if (status->code == STATUS_UNAUTHENTICATED)
        return ctl->token == NULL
                   ? "no token was given: set HEDDLE_TOKEN, or use --token-stdin"
                   : "is HEDDLE_TOKEN the right one? app, key, credential and model take the administrator's "
                     "token, chat, run, stop, runs and conversations an app's API key";
    if (status->code == STATUS_UNAVAILABLE && status->reason == NULL)
        return "is the gateway running there? --gateway and --admin name its addresses";
    return NULL;
}

void say_status(const struct ctl *ctl, const struct status *status)
{
    if (status->reason != NULL)
        say_error("%s (%s): %s", status_code_name(status->code), status->reason, status->message);
    else
        say_error("%s: %s", status_code_name(status->code), status->message);
    const char *hint = hint_for(ctl, status);
    if (hint != NULL)
        say_error("%s", hint);
}

enum ctl_exit print_buf(struct buf *take_text)
{
    bool is_empty = take_text->len == 0;
    bool is_printed = !take_text->failed &&
                      (is_empty || fwrite(take_text->ptr, 1, take_text->len, stdout) == take_text->len) &&
                      fflush(stdout) == 0;
    if (take_text->failed)
        say_error("out of memory");
    buf_fini(take_text);
    return is_printed ? CTL_OK : CTL_FAILED;
}

enum ctl_exit print_json(const ProtobufCMessage *message, enum json_layout layout)
{
    struct buf text;
    buf_init(&text, CTL_OUTPUT_BYTES_MAX);
    message_put_json(&text, message, layout);
    return print_buf(&text);
}

static char *read_stream(FILE *file, const char *name, size_t *ret_len)
{
    struct buf text;
    buf_init(&text, CTL_INPUT_BYTES_MAX);
    char piece[16384];
    size_t n;
    while ((n = fread(piece, 1, sizeof piece, file)) > 0)
        buf_put(&text, (struct str){piece, n});
    if (ferror(file) != 0)
        say_error("%s: %s", name, strerror(errno));
    else if (text.failed)
        say_error("%s: over %zu MiB", name, CTL_INPUT_BYTES_MAX >> 20);
    bool is_bad = ferror(file) != 0 || text.failed;
    char *taken = is_bad ? NULL : buf_take(&text, ret_len);
    buf_fini(&text);
    return taken;
}

char *read_text(struct ctl *ctl, const char *path, size_t *ret_len)
{
    if (strcmp(path, "-") == 0) {
        if (ctl->stdin_is_used) {
            say_error("standard input is already used for the token: give that in HEDDLE_TOKEN");
            return NULL;
        }
        return read_stream(stdin, "standard input", ret_len);
    }
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        say_error("%s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = read_stream(file, path, ret_len);
    fclose(file);
    return text;
}

char *read_secret(struct ctl *ctl, const char *name)
{
    const char *value = getenv(name);
    if (value != NULL && value[0] != '\0')
        return str_dup(str_c(value));
    size_t len = 0;
    char *text = read_text(ctl, "-", &len);
    if (text == NULL)
        return NULL;
    if (len > 0 && text[len - 1] == '\n')
        text[--len] = '\0';
    if (len > 0 && text[len - 1] == '\r')
        text[--len] = '\0';
    if (len == 0) {
        say_error("the secret is empty: give it in %s or on standard input", name);
        free(text);
        return NULL;
    }
    return text;
}

bool read_number(const char *option, const char *text, int64_t min, int64_t max, int64_t *ret)
{
    if (str_to_i64(str_c(text), ret) && *ret >= min && *ret <= max)
        return true;
    say_error("--%s: \"%s\" is not a whole number from %lld to %lld", option, text, (long long)min,
              (long long)max);
    return false;
}

bool read_yes_no(const char *option, const char *text, bool *ret)
{
    *ret = strcmp(text, "yes") == 0;
    if (*ret || strcmp(text, "no") == 0)
        return true;
    say_error("--%s: \"%s\" is neither yes nor no", option, text);
    return false;
}

void put_time(struct buf *b, int64_t wall_ms)
{
    if (wall_ms == 0)
        return;
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;
    char text[32];
    if (gmtime_r(&seconds, &parts) != NULL && strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts) > 0)
        buf_put_c(b, text);
}
