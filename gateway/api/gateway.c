/* gateway: see the header. The table of public methods, and what they share. */
#include "gateway/api/gateway.h"

#include "gateway/api/record_call.h"
#include "gateway/api/stop_task.h"
#include "heddle/v1/chat.pb-c.h"
#include "heddle/v1/conversation.pb-c.h"
#include "heddle/v1/workflow.pb-c.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include <stdio.h>
#include <stdlib.h>

#define RUN(path_, type, fn)                                                                                 \
    {                                                                                                        \
        .path = path_, .kind = RPC_SERVER_STREAM, .request = &heddle__v1__##type##__descriptor,              \
        .state_bytes = sizeof(struct run_state), .slots = 16, .start = (fn), .sent = run_sent,               \
        .cancelled = run_cancelled, .ended = run_ended,                                                      \
    }
/* Reads or changes records. */
#define RECORD(path_, type, fn)                                                                              \
    {                                                                                                        \
        .path = path_, .kind = RPC_UNARY, .request = &heddle__v1__##type##__descriptor,                      \
        .state_bytes = sizeof(struct record_call), .start = (fn), .ended = record_call_ended,                \
    }
static const struct rpc_method methods[] = {
    RUN("/heddle.v1.ChatService/SendMessage", send_message_request, chat_start),
    RUN("/heddle.v1.WorkflowService/RunWorkflow", run_workflow_request, workflow_start),
    {.path = "/heddle.v1.TaskService/StopTask",
     .kind = RPC_UNARY,
     .request = &heddle__v1__stop_task_request__descriptor,
     .state_bytes = sizeof(struct stop_state),
     .start = stop_task_start,
     .ended = stop_task_ended},
    RECORD("/heddle.v1.WorkflowService/GetRun", get_run_request, get_run_start),
    RECORD("/heddle.v1.WorkflowService/ListRuns", list_runs_request, list_runs_start),
    RECORD("/heddle.v1.ConversationService/ListConversations", list_conversations_request,
           list_conversations_start),
    RECORD("/heddle.v1.ConversationService/ListMessages", list_messages_request, list_messages_start),
    RECORD("/heddle.v1.ConversationService/RenameConversation", rename_conversation_request,
           rename_conversation_start),
    RECORD("/heddle.v1.ConversationService/DeleteConversation", delete_conversation_request,
           delete_conversation_start),
    RECORD("/heddle.v1.ConversationService/ListVariables", list_variables_request, list_variables_start),
};

static enum status_code find_key(void *arg, const uint8_t hash[SHA256_BYTES],
                                 const struct store_version_ref *app, store_key_owner_done done,
                                 void *done_arg, struct status *err)
{
    (void)app;
    return store_key_find(arg, hash, done, done_arg, err);
}

/* An app being read: its target is told as that of a key without an id. */
struct app_read {
    store_key_owner_done done;
    void *done_arg;
};

static void app_found(void *arg, const struct store_target *target, const struct status *status)
{
    struct app_read *read = arg;
    struct store_key_owner owner = {0};
    if (status->code == STATUS_OK)
        owner.target = *target;
    read->done(read->done_arg, &owner, status);
    free(read);
}

static enum status_code find_app(void *arg, const uint8_t hash[SHA256_BYTES],
                                 const struct store_version_ref *app, store_key_owner_done done,
                                 void *done_arg, struct status *err)
{
    (void)hash;
    struct app_read *read = calloc(1, sizeof *read);
    if (read == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory to look for an app");
    *read = (struct app_read){done, done_arg};
    enum status_code rc = store_version_find(arg, app, app_found, read, err);
    if (rc != STATUS_OK)
        free(read);
    return rc;
}

static void store_changed(void *arg, uint64_t generation)
{
    (void)generation;
    struct gateway *gateway = arg;
    key_cache_drop(gateway->keys);
    key_cache_drop(gateway->apps);
}

enum status_code gateway_new(const struct gateway_options *options, struct gateway **ret_gateway,
                             struct status *err)
{
    const struct key_reader keys = {.arg = options->store,
                                    .find = find_key,
                                    .unknown_reason = "INVALID_TOKEN",
                                    .unknown_words = "the API key is not known"};
    const struct key_reader apps = {.arg = options->store,
                                    .find = find_app,
                                    .unknown_reason = "UNKNOWN_APP",
                                    .unknown_words = "the token's app is not known"};
    struct gateway *gateway = calloc(1, sizeof *gateway);
    if (gateway == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "gateway: out of memory");
    gateway->store = options->store;
    gateway->records = options->records;
    gateway->links = options->links;
    gateway->tokens = options->tokens;
    gateway->otlp = options->otlp;
    gateway->meters = options->meters;
    gateway->runs_max = options->runs_max;
    gateway->tasks = tasks_new();
    gateway->live = live_new(options->queues);
    gateway->lookups = lookups_new(options->records);
    snprintf(gateway->instance_id, sizeof gateway->instance_id, "%s", options->instance_id);
    enum status_code rc = gateway->tasks == NULL || gateway->live == NULL || gateway->lookups == NULL
                              ? status_set(err, STATUS_RESOURCE_EXHAUSTED, "gateway: out of memory")
                              : key_cache_new(&keys, &gateway->keys, err);
    if (rc == STATUS_OK)
        rc = key_cache_new(&apps, &gateway->apps, err);
    if (rc == STATUS_OK)
        rc = store_watch(gateway->store, store_changed, gateway, err);
    if (rc != STATUS_OK) {
        gateway_free(gateway);
        return rc;
    }
    *ret_gateway = gateway;
    return STATUS_OK;
}

void gateway_free(struct gateway *gateway)
{
    if (gateway == NULL)
        return;
    key_cache_free(gateway->keys);
    key_cache_free(gateway->apps);
    live_free(gateway->live);
    lookups_free(gateway->lookups);
    tasks_free(gateway->tasks);
    free(gateway);
}

enum status_code gateway_add(struct gateway *gateway, struct rpc_server *server, struct status *err)
{
    return rpc_server_add(server, methods, ARRAY_LEN(methods), gateway, err);
}

void gateway_drain(struct gateway *gateway)
{
    atomic_store(&gateway->is_draining, true);
}

void gateway_end_runs(struct gateway *gateway)
{
    struct status err;
    if (live_end(gateway->live, "", HEDDLE__V1__END_REASON__END_REASON_SHUTTING_DOWN, &err) != STATUS_OK)
        log_warn("runs_not_ended", LOG_C("words", err.message));
}

static void records_marked(void *arg, const struct status *status)
{
    (void)arg;
    if (status->code != STATUS_OK)
        log_error("records_not_removed", LOG_C("reason", status->reason), LOG_C("words", status->message));
}

void gateway_app_deleted(void *arg, struct str app_id)
{
    struct gateway *gateway = arg;
    struct status err;
    char text[UUID_TEXT_LEN + 1];
    snprintf(text, sizeof text, "%.*s", STR_ARG(app_id));
    if (app_id.len > 0 &&
        live_end(gateway->live, text, HEDDLE__V1__END_REASON__END_REASON_STOPPED_BY_USER, &err) != STATUS_OK)
        log_warn("runs_not_ended", LOG_STR("app_id", app_id), LOG_C("words", err.message));
    const struct store_app_ref ref = {.app_id = app_id};
    if (store_run_remove_app(gateway->records, &ref, records_marked, NULL, &err) != STATUS_OK)
        records_marked(NULL, &err);
}

void gateway_tick(struct gateway *gateway)
{
    lookups_tick(gateway->lookups, clock_monotonic_ms());
}

size_t gateway_live_runs(const struct gateway *gateway)
{
    return atomic_load(&gateway->live_runs);
}

static void uses_noted(void *arg, const struct status *status)
{
    (void)arg;
    if (status->code != STATUS_OK)
        log_warn("key_uses_not_noted", LOG_C("reason", status->reason), LOG_C("words", status->message));
}

void gateway_note_key_uses(struct gateway *gateway)
{
    struct key_use uses[256];
    struct store_key_use noted[ARRAY_LEN(uses)];
    struct status err;
    size_t count = key_cache_take_uses(gateway->keys, uses, ARRAY_LEN(uses));
    for (size_t i = 0; i < count; i++)
        noted[i] = (struct store_key_use){.workspace_id = uses[i].grant->target.workspace_id,
                                          .key_id = uses[i].grant->key_id,
                                          .used_at_ms = uses[i].used_at_ms};
    if (count > 0 && store_key_touch(gateway->store, noted, count, uses_noted, NULL, &err) != STATUS_OK)
        log_warn("key_uses_not_noted", LOG_C("reason", err.reason), LOG_C("words", err.message));
    for (size_t i = 0; i < count; i++)
        grant_unref(uses[i].grant);
}
