/*
 * run_call: the life of a call that starts a run: authenticate, check, look whether the caller's own run id is taken, open the
 * executor's stream with the call as its parent, relay, end. Everything happens on the call's queue; store threads hand it back by a post.
 * A run_call has one reference for the caller's call, one for the executor's, one for a look-up under way.
 */
#include "gateway/api/run_call.h"

#include "gateway/api/run_span.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/rpc/slice.h"
#include <stdio.h>
#include <stdlib.h>

/* attempts. Executors asked before the caller hears of it, when each said that nothing has begun. */
#define ATTEMPTS_MAX 3

void run_call_unref(struct run_call *run)
{
    if (--run->refs > 0)
        return;
    request_free(&run->request);
    bearer_fini(&run->bearer);
    grant_unref(run->grant);
    tracing_end(&run->trace);
    atomic_fetch_sub(&run->gateway->live_runs, 1);
    free(run);
}

void run_call_forget_task(struct run_call *run)
{
    if (run->has_task)
        tasks_remove(run->gateway->tasks, str_c(run->task.run_id));
    run->has_task = false;
}

void run_call_finish(struct run_call *run, const struct status *status)
{
    struct rpc_call *call = run->call;
    run->call = NULL;
    if (call == NULL)
        return;
    run_span_end(&run->trace, call, run, status);
    if (!run->relay.has_begun && status->code != STATUS_OK)
        meters_refused(run->gateway->meters, status);
    rpc_call_finish(call, status);
}

/* The caller leaves, or is sent away. */
static void part_from_caller(struct run_call *run, const struct status *status)
{
    relay_sink_gone(&run->relay);
    run_call_finish(run, status);
    if (run->upstream != NULL)
        rpc_client_cancel(run->upstream);
}

/* --- ending from outside --- */

/* ms. An executor answers at once. Less than a gateway that shuts down still has, so that callers hear how it went. */
#define END_MS 1500

static void asked_to_end(struct rpc_client_call *client, void *arg, const struct status *status,
                         struct str reply)
{
    (void)client;
    (void)reply; /* whatever it says, the stream tells how the run ends */
    struct run_call *run = arg;
    if (status->code != STATUS_OK) {
        log_warn("run_not_ended", LOG_C("run_id", run->task.run_id), LOG_C("words", status->message));
        if (run->upstream != NULL)
            rpc_client_cancel(run->upstream); /* the relay tells the caller that the executor is lost */
    }
    run_call_unref(run);
}

/* Asks the executor to end the run; its last events come through the relay. */
static void ask_to_end(struct run_call *run)
{
    struct status err;
    Heddle__Executor__V1__StopRequest request = HEDDLE__EXECUTOR__V1__STOP_REQUEST__INIT;
    request.run_id = run->task.run_id;
    request.app_id = run->task.app_id;
    request.end_user_id = run->task.end_user_id;
    request.reason = run->end_reason;
    const struct rpc_client_args args = {
        .method = LINK_STOP, .queue = run->bearer.queue, .deadline_ms = clock_monotonic_ms() + END_MS};
    grpc_slice bytes = rpc_slice_pack(&request.base);
    run->refs++; /* the question's */
    if (rpc_client_unary(links_at(run->gateway->links, str_c(run->task.address)), &args, bytes, asked_to_end,
                         run, NULL, &err) != STATUS_OK) {
        grpc_slice_unref(bytes);
        asked_to_end(NULL, run, &err, STR(""));
    }
}

static void end_live(struct live_run *live, Heddle__V1__EndReason reason)
{
    struct run_call *run = CONTAINER_OF(live, struct run_call, live);
    bool goes_on =
        reason == HEDDLE__V1__END_REASON__END_REASON_SHUTTING_DOWN && request_outlives_caller(&run->request);
    if (goes_on) {
        struct status err;
        status_reason(&err, STATUS_UNAVAILABLE, "SHUTTING_DOWN",
                      "this gateway is shutting down; run %s goes on without it", run->task.run_id);
        part_from_caller(run, &err);
        return;
    }
    run->end_reason = reason;
    if (run->relay.has_begun)
        ask_to_end(run);
}

/* --- the relay's two ends --- */

static void source_next(void *arg)
{
    struct run_call *run = arg;
    rpc_client_next(run->upstream);
}

static void sink_begun(void *arg, struct str address)
{
    struct run_call *run = arg;
    if (address.len <= TASK_ADDRESS_MAX)
        snprintf(run->task.address, sizeof run->task.address, "%.*s", STR_ARG(address));
    tasks_set_address(run->gateway->tasks, str_c(run->task.run_id), address);
    meters_run_begun(run->gateway->meters, &run->meter, str_c(run->task.app_id));
    if (run->end_reason != HEDDLE__V1__END_REASON__END_REASON_UNSPECIFIED)
        ask_to_end(run);
}

static void sink_send(void *arg, grpc_slice take_event, bool has_more)
{
    struct run_call *run = arg;
    if (run->relay.has_text && !run->meter.has_text)
        meters_run_text(run->gateway->meters, &run->meter, clock_monotonic_us());
    rpc_call_send(run->call, take_event, has_more ? RPC_SEND_MORE : RPC_SEND_NOW);
}

static bool says_not_begun(const struct status *status)
{
    return status->reason != NULL && str_eq_c(STR("NOT_BEGUN"), status->reason);
}

/* ms. What every call may meet is logged once in this time. */
#define COMPLAIN_EVERY_MS 1000

static bool may_complain(struct gateway *gateway)
{
    int64_t now_ms = clock_monotonic_ms(), before_ms = atomic_load(&gateway->complained_at_ms);
    return now_ms - before_ms >= COMPLAIN_EVERY_MS &&
           atomic_compare_exchange_strong(&gateway->complained_at_ms, &before_ms, now_ms);
}

/* What a caller is told when nothing has begun, or nobody knows. */
static void explain(struct run_call *run, struct status *err)
{
    struct status why = *err;
    if (says_not_begun(err)) {
        status_reason(err, STATUS_UNAVAILABLE, "EXECUTORS_BUSY", "no executor takes the run now: %s",
                      why.message);
        err->retry_ms = LINK_RETRY_MS;
    } else if (err->code == STATUS_UNAVAILABLE && err->reason == NULL && !run->never_left) {
        status_reason(err, STATUS_UNAVAILABLE, "RUN_STATE_UNKNOWN",
                      "the executor was lost before it said whether run %s has begun, GetRun can tell: %s",
                      run->task.run_id, why.message);
    } else {
        if (err->code == STATUS_UNAUTHENTICATED && may_complain(run->gateway))
            log_error("executor_token_refused", LOG_C("words", why.message));
        links_explain(err);
    }
}

static bool may_try_again(const struct run_call *run, const struct status *status)
{
    if (run->call == NULL || run->attempt >= ATTEMPTS_MAX)
        return false;
    return says_not_begun(status) || (run->never_left && status->code == STATUS_UNAVAILABLE);
}

static void sink_ended(void *arg, const struct status *status, bool not_begun)
{
    struct run_call *run = arg;
    struct status err = *status;
    if (not_begun && may_try_again(run, &err)) {
        run_call_execute(run);
        return;
    }
    bool is_taken = not_begun && run->is_own_id && err.code == STATUS_ALREADY_EXISTS && run->call != NULL;
    if (is_taken && !run->was_taken) {
        run->was_taken =
            true; /* a record that was not there a moment ago, or could not be seen: look again */
        run_records_look(run);
        return;
    }
    struct str run_id = str_c(run->task.run_id);
    const struct relay_end *told = &run->relay.told;
    meters_run_ended(run->gateway->meters, &run->meter, str_c(run->task.app_id), told->status, told->reason,
                     told->total_tokens, clock_monotonic_us());
    if (not_begun) {
        explain(run, &err);
        run_call_forget_task(run);
    } else if (run->has_task) {
        bool is_left = run->relay.is_sink_gone || err.code == STATUS_DEADLINE_EXCEEDED;
        bool goes_on = is_left && !run->relay.has_ended && request_outlives_caller(&run->request);
        tasks_end(run->gateway->tasks, run_id, goes_on ? TASK_DETACHED : TASK_ENDED);
    }
    run_call_finish(run, &err);
}

static void upstream_message(struct rpc_client_call *client, void *arg, const grpc_slice *message)
{
    (void)client;
    struct run_call *run = arg;
    relay_frame(&run->relay, message);
}

/* ms. A stream that breaks off so shortly before the caller's deadline does so for it: executors keep the same time. */
#define DEADLINE_SLACK_MS 50

static bool is_for_deadline(const struct run_call *run, const struct status *status)
{
    if (run->call == NULL || (status->code != STATUS_CANCELLED && status->code != STATUS_DEADLINE_EXCEEDED))
        return false;
    int64_t deadline_ms = rpc_call_deadline_ms(run->call);
    return deadline_ms != INT64_MAX && deadline_ms - clock_monotonic_ms() <= DEADLINE_SLACK_MS;
}

static void upstream_ended(struct rpc_client_call *client, void *arg, const struct status *status)
{
    struct run_call *run = arg;
    run->never_left = rpc_client_never_left(client);
    run->upstream = NULL;
    live_remove(run->gateway->live, run->bearer.queue, &run->live);
    struct status late;
    if (is_for_deadline(run, status)) {
        status_set(&late, STATUS_DEADLINE_EXCEEDED, "the call's deadline has passed");
        status = &late;
    }
    relay_source_ended(&run->relay, status);
    run_call_unref(run); /* the executor's */
}

/* --- before the relay --- */

static grpc_slice pack_request(struct run_call *run)
{
    Heddle__Executor__V1__ExecuteRequest request = HEDDLE__EXECUTOR__V1__EXECUTE_REQUEST__INIT;
    const struct store_target *target = &run->grant->target;
    char workspace[STORE_NAME_BYTES_MAX + 1], traceparent[TRACE_PARENT_LEN + 1] = "";
    if (run->trace.is_on)
        trace_format(&run->trace.context, traceparent);
    snprintf(workspace, sizeof workspace, "%.*s", STR_ARG(target->workspace_id));
    request_to_executor(&run->request, &request);
    request.run_id = run->task.run_id;
    request.attempt = run->attempt;
    request.workspace_id = workspace;
    request.app_id = run->task.app_id;
    request.version_id = run->version_id;
    request.version_hash = (ProtobufCBinaryData){SHA256_BYTES, (uint8_t *)target->content_hash};
    request.end_user_id = run->task.end_user_id;
    request.end_user_type = (char *)principal_type(run->bearer.principal);
    request.conversation_id = run->conversation_id;
    request.conversation_is_new = run->is_new_conversation;
    request.message_id = run->message_id;
    request.config_generation = store_config_generation(run->gateway->store);
    request.gateway_instance = run->gateway->instance_id;
    request.priority = target->priority;
    request.run_id_is_own = run->is_own_id;
    request.traceparent = traceparent;
    if (run->trace.state != NULL)
        request.tracestate = run->trace.state;
    return rpc_slice_pack(&request.base);
}

static void sink_lost(void *arg)
{
    run_records_close(arg);
}

const struct relay_sink run_call_sink = {
    .begun = sink_begun, .send = sink_send, .lost = sink_lost, .ended = sink_ended};

void run_call_execute(struct run_call *run)
{
    static const struct relay_source source = {.next = source_next};
    static const struct rpc_stream_handler handler = {.message = upstream_message, .ended = upstream_ended};
    struct status err;
    run->attempt++;
    run->relay = (struct relay){
        .source = &source,
        .sink = &run_call_sink,
        .source_arg = run,
        .sink_arg = run,
    };
    grpc_slice bytes = pack_request(run);
    const struct rpc_client_args args = {.method = LINK_EXECUTE,
                                         .queue = rpc_call_queue(run->call),
                                         .parent = run->call,
                                         .deadline_ms = INT64_MAX};
    if (rpc_client_stream(links_target(run->gateway->links), &args, bytes, &handler, run, &run->upstream,
                          &err) != STATUS_OK) {
        grpc_slice_unref(bytes);
        run_call_forget_task(run);
        run_call_finish(run, &err);
        return;
    }
    run->refs++; /* the executor's */
    run->live = (struct live_run){.app_id = run->task.app_id, .end = end_live};
    live_add(run->gateway->live, run->bearer.queue, &run->live);
    relay_start(&run->relay);
}

/* Everything is known and allowed: the run gets its ids and goes. */
static void go(struct run_call *run)
{
    struct status err;
    const struct store_target *target = &run->grant->target;
    struct str run_id = request_run_id(&run->request);
    run->is_own_id = run_id.len > 0;
    if (run->is_own_id)
        snprintf(run->task.run_id, sizeof run->task.run_id, "%.*s", STR_ARG(run_id));
    else
        uuid_format(uuid_v7(), run->task.run_id);
    snprintf(run->task.app_id, sizeof run->task.app_id, "%.*s", STR_ARG(target->app_id));
    snprintf(run->version_id, sizeof run->version_id, "%.*s", STR_ARG(target->version_id));
    principal_end_user_id(run->bearer.principal, target->workspace_id, target->app_id,
                          request_user(&run->request), run->task.end_user_id);
    if (run->request.service == RUN_CHAT) {
        struct str conversation_id = str_c(run->request.chat->conversation_id);
        run->is_new_conversation = conversation_id.len == 0;
        if (run->is_new_conversation)
            uuid_format(uuid_v7(), run->conversation_id);
        else
            snprintf(run->conversation_id, sizeof run->conversation_id, "%.*s", STR_ARG(conversation_id));
        uuid_format(uuid_v7(), run->message_id);
    }
    run->has_task = tasks_add(run->gateway->tasks, &run->task, &err) == STATUS_OK;
    if (run->is_own_id && (run->has_task || err.code == STATUS_ALREADY_EXISTS))
        run_records_look(run);
    else if (run->has_task)
        run_call_execute(run);
    else
        run_call_finish(run, &err);
}

static enum status_code check_target(const struct run_call *run, struct status *err)
{
    const struct store_target *target = &run->grant->target;
    bool wants_chat = run->request.service == RUN_CHAT;
    if (target->disabled)
        return status_reason(err, STATUS_PERMISSION_DENIED, "APP_DISABLED", "the app is disabled");
    if ((target->mode == STORE_APP_CHAT) != wants_chat)
        return status_reason(err, STATUS_FAILED_PRECONDITION,
                             wants_chat ? "NOT_CHAT_APP" : "NOT_WORKFLOW_APP",
                             "the key's app is of mode %s; call %s", store_app_mode_name(target->mode),
                             wants_chat ? "WorkflowService/RunWorkflow" : "ChatService/SendMessage");
    if (target->version_id.len == 0)
        return status_reason(err, STATUS_FAILED_PRECONDITION, "NO_PUBLISHED_VERSION",
                             "the app has no published version");
    return STATUS_OK;
}

static void version_posted(struct rpc_op *op, bool ok)
{
    (void)ok;
    struct run_call *run = CONTAINER_OF(op, struct run_call, version_found);
    struct status err = run->version_status;
    if (err.code == STATUS_OK) {
        grant_unref(run->grant);
        run->grant = run->version;
    }
    run->version = NULL;
    if (err.code != STATUS_OK)
        run_call_finish(run, &err);
    else if (run->call != NULL) /* else the caller left meanwhile */
        go(run);
    run_call_unref(run); /* the look-up's */
}

/* On a store thread. */
static void version_found(void *arg, const struct store_target *target, const struct status *status)
{
    struct run_call *run = arg;
    run->version_status = *status;
    run->version = status->code == STATUS_OK ? grant_new(run->grant->key_id, target) : NULL;
    if (status->code == STATUS_OK && run->version == NULL)
        status_set(&run->version_status, STATUS_RESOURCE_EXHAUSTED, "no memory for the version");
    rpc_queue_post(run->bearer.queue, &run->version_found);
}

/* The caller named a version: it must be one of the key's app. */
static void find_version(struct run_call *run)
{
    struct status err;
    const struct store_version_ref ref = {.workspace_id = run->grant->target.workspace_id,
                                          .app_id = run->grant->target.app_id,
                                          .version_id = request_version_id(&run->request)};
    run->version_found.done = version_posted;
    run->refs++; /* the look-up's */
    if (store_version_find(run->gateway->store, &ref, version_found, run, &err) == STATUS_OK)
        return;
    run_call_finish(run, &err);
    run_call_unref(run);
}

static void authenticated(struct bearer *bearer, struct grant *take_grant, const struct status *status)
{
    struct run_call *run = CONTAINER_OF(bearer, struct run_call, bearer);
    struct status err = *status;
    run->grant = take_grant;
    if (run->call == NULL) {
        run_call_unref(run); /* the look-up's; the caller left meanwhile */
        return;
    }
    enum status_code rc = err.code;
    if (rc == STATUS_OK)
        rc = check_target(run, &err);
    if (rc == STATUS_OK)
        rc = request_read(&run->request, rpc_call_request(run->call), &err);
    if (rc == STATUS_OK)
        rc = request_take_user(&run->request, run->bearer.principal, &err);
    if (rc == STATUS_OK)
        rc = request_check(&run->request, &err);
    struct str version_id = rc == STATUS_OK ? request_version_id(&run->request) : STR("");
    if (rc != STATUS_OK)
        run_call_finish(run, &err);
    else if (version_id.len == 0 || str_eq(version_id, run->grant->target.version_id))
        go(run);
    else
        find_version(run);
    run_call_unref(run); /* the look-up's */
}

static void refuse(struct gateway *gateway, struct rpc_call *call, const struct status *status)
{
    struct tracing trace = {.is_on = false};
    run_span_begin(&trace, gateway->otlp, call);
    run_span_end(&trace, call, NULL, status);
    tracing_end(&trace);
    meters_refused(gateway->meters, status);
    rpc_call_finish(call, status);
}

static void start(struct rpc_call *call, enum run_service service)
{
    struct gateway *gateway = rpc_call_service(call);
    struct status err;
    if (atomic_load(&gateway->is_draining)) {
        status_reason(&err, STATUS_UNAVAILABLE, "SHUTTING_DOWN", "this gateway is shutting down");
        refuse(gateway, call, &err);
        return;
    }
    if (atomic_load(&gateway->live_runs) >= gateway->runs_max) {
        status_reason(&err, STATUS_UNAVAILABLE, "GATEWAY_BUSY", "this gateway has %zu runs under way",
                      gateway->runs_max);
        err.retry_ms = LINK_RETRY_MS;
        refuse(gateway, call, &err);
        return;
    }
    struct run_call *run = calloc(1, sizeof *run);
    if (run == NULL) {
        status_set(&err, STATUS_RESOURCE_EXHAUSTED, "no memory for another call");
        refuse(gateway, call, &err);
        return;
    }
    run->refs = 2; /* the caller's, the look-up's */
    meters_run_called(&run->meter, clock_monotonic_us());
    run->gateway = gateway;
    atomic_fetch_add(&gateway->live_runs, 1);
    run->call = call;
    run_span_begin(&run->trace, gateway->otlp, call);
    run->request.service = service;
    run->bearer.done = authenticated;
    ((struct run_state *)rpc_call_state(call))->run = run;
    bearer_find(&run->bearer, gateway, call, SCOPE_RUN);
}

void chat_start(struct rpc_call *call)
{
    start(call, RUN_CHAT);
}

void workflow_start(struct rpc_call *call)
{
    start(call, RUN_WORKFLOW);
}

void run_sent(struct rpc_call *call, bool ok)
{
    struct run_call *run = ((struct run_state *)rpc_call_state(call))->run;
    relay_sent(&run->relay, ok);
}

void run_cancelled(struct rpc_call *call)
{
    struct run_call *run = ((struct run_state *)rpc_call_state(call))->run;
    if (run != NULL)
        part_from_caller(run, &(struct status){.code = STATUS_CANCELLED, .message = "the caller left"});
}

void run_ended(struct rpc_call *call)
{
    struct run_call *run = ((struct run_state *)rpc_call_state(call))->run;
    if (run != NULL)
        run_call_unref(run);
}
