/*
 * execute: the Execute rpc: what is asked for, what has to be read for it, and the hand-over to a worker.
 */
#include "executor/api/execution.h"
#include "shared/base/uuid.h"
#include <stdlib.h>
#include <string.h>

/* Everything is read, or something went wrong on the way. Takes the question's reference. */
static void submit(struct execution *x, const struct status *status)
{
    struct executor *executor = x->executor;
    struct status err = *status;
    if (err.code == STATUS_OK) {
        record_init(&x->record, executor->options.journal, &execution_journal_ops, x->request, x->version,
                    &x->conversation);
        if (record_is_kept(&x->record))
            err.code = journal_admits(executor->options.journal, &err);
    }
    pthread_mutex_lock(&x->lock);
    if (err.code == STATUS_OK && x->is_cancelled)
        status_set(&err, STATUS_CANCELLED, "the caller left before the run had begun");
    if (err.code != STATUS_OK || workers_submit(executor->options.workers, &x->job, &err) != STATUS_OK)
        execution_finish(x, &err);
    pthread_mutex_unlock(&x->lock);
    if (err.code != STATUS_OK && tracing_is_recorded(&x->trace))
        run_trace_refused(&x->trace, x->request, &err);
    execution_unref(&x->job);
}

/* On a store thread. */
static void thread_loaded(void *arg, const struct store_message_thread *thread, const struct status *status)
{
    struct execution *x = arg;
    struct status err = *status;
    if (err.code == STATUS_OK && !conversation_state_read(thread, &x->conversation))
        status_set(&err, STATUS_RESOURCE_EXHAUSTED, "no memory for the conversation");
    x->job.request_bytes += x->conversation.bytes;
    submit(x, &err);
}

static void load_conversation(struct execution *x)
{
    struct status err;
    const struct store_message_thread_load load = {
        .workspace_id = str_c(x->request->workspace_id),
        .app_id = str_c(x->request->app_id),
        .end_user_id = str_c(x->request->end_user_id),
        .conversation_id = str_c(x->request->conversation_id),
        .parent_message_id = str_c(x->request->parent_message_id),
    };
    if (store_message_thread_load(x->executor->options.records, &load, thread_loaded, x, &err) != STATUS_OK)
        submit(x, &err);
}

static void loaded(struct version_wait *wait, struct version *take_version, const struct status *status)
{
    struct execution *x = CONTAINER_OF(wait, struct execution, wait);
    struct status err = *status;
    x->version = take_version;
    bool wants_chat = x->request->mode == HEDDLE__EXECUTOR__V1__RUN_MODE__RUN_MODE_CHAT;
    if (err.code == STATUS_OK && take_version->is_disabled)
        status_reason(&err, STATUS_PERMISSION_DENIED, "APP_DISABLED", "the app is disabled");
    else if (err.code == STATUS_OK && (take_version->mode == STORE_APP_CHAT) != wants_chat)
        status_reason(&err, STATUS_FAILED_PRECONDITION, wants_chat ? "NOT_CHAT_APP" : "NOT_WORKFLOW_APP",
                      "the app is of mode %s", store_app_mode_name(take_version->mode));
    if (err.code == STATUS_OK && execution_has_history(x))
        load_conversation(x);
    else
        submit(x, &err);
}

static enum status_code check_request(const Heddle__Executor__V1__ExecuteRequest *request, struct status *err)
{
    const struct {
        const char *field, *text;
    } ids[] = {{"run_id", request->run_id}, {"app_id", request->app_id}, {"version_id", request->version_id}};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        if (!uuid_is_canonical(str_c(ids[i].text)))
            return status_field(err, ids[i].field, "must be a lower-case UUID");
    }
    if (str_c(request->end_user_id).len > UUID_TEXT_LEN)
        return status_field(err, "end_user_id", "must be a lower-case UUID");
    return STATUS_OK;
}

static struct execution *execution_new(struct rpc_call *call, struct status *err)
{
    struct execution *x = calloc(1, sizeof *x);
    if (x == NULL) {
        status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for another run");
        return NULL;
    }
    atomic_init(&x->refs, 1);
    pthread_mutex_init(&x->lock, NULL);
    outbox_init(&x->outbox);
    buf_init(&x->scratch, OUTBOX_BYTES_MAX);
    x->executor = rpc_call_service(call);
    x->job.ops = &execution_job_ops;
    struct str bytes = rpc_call_request(call);
    x->request = heddle__executor__v1__execute_request__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
    if (x->request == NULL)
        status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for the request");
    if (x->request == NULL || check_request(x->request, err) != STATUS_OK) {
        execution_unref(&x->job);
        return NULL;
    }
    x->job.request_bytes = bytes.len;
    x->job.caller = (struct model_caller){.workspace_id = str_c(x->request->workspace_id),
                                          .conversation_id = str_c(x->request->conversation_id),
                                          .priority = x->request->priority};
    memcpy(x->job.run_id, x->request->run_id, UUID_TEXT_LEN);
    memcpy(x->job.app_id, x->request->app_id, UUID_TEXT_LEN);
    memcpy(x->job.end_user_id, x->request->end_user_id, str_c(x->request->end_user_id).len);
    const struct str state = str_c(x->request->tracestate);
    tracing_begin(&x->trace, x->executor->options.otlp, str_c(x->request->traceparent), &state, 1);
    x->job.caller.trace = x->trace.is_on ? &x->trace : NULL;
    x->job.caller.tells_trace = x->executor->options.tells_models;
    x->envelope = (struct event_envelope){.run_id = str_c(x->request->run_id),
                                          .conversation_id = str_c(x->request->conversation_id),
                                          .message_id = str_c(x->request->message_id),
                                          .events = x->request->events,
                                          .payloads = x->request->payloads};
    return x;
}

void execute_start(struct rpc_call *call)
{
    struct status err;
    if (!executor_admits(call))
        return;
    struct execution *x = execution_new(call, &err);
    if (x == NULL) {
        meters_refused(((struct executor *)rpc_call_service(call))->options.meters, &err);
        rpc_call_finish(call, &err);
        return;
    }
    struct execute_state *state = rpc_call_state(call);
    state->execution = x; /* the call's reference, given up in execute_ended() */
    x->call = call;
    int64_t deadline_ms = rpc_call_deadline_ms(call);
    /* A run that goes on without its caller is not bound by how long the caller waits. */
    x->deadline_ms = deadline_ms == INT64_MAX || execution_outlives_caller(x) ? 0 : deadline_ms;
    x->job.caller.deadline_ms = x->deadline_ms;
    x->wait.done = loaded;
    x->wait.workspace_id = str_c(x->request->workspace_id);
    x->wait.app_id = str_c(x->request->app_id);
    x->wait.version_id = str_c(x->request->version_id);
    execution_ref(&x->job); /* the question's */
    model_source_catch_up(x->executor->options.models, x->request->config_generation);
    versions_load(x->executor->options.versions, &x->wait, x->request->config_generation);
}

void execute_sent(struct rpc_call *call, bool ok)
{
    struct execution *x = ((struct execute_state *)rpc_call_state(call))->execution;
    pthread_mutex_lock(&x->lock);
    x->is_sending = false;
    bool may_go_on = false;
    if (ok)
        may_go_on = execution_pump(x) || (outbox_release(&x->outbox) && !x->waits_for_journal);
    execution_note_outbox(x);
    pthread_mutex_unlock(&x->lock);
    if (may_go_on)
        job_signal(&x->job, JOB_RESUME);
}

void execute_cancelled(struct rpc_call *call)
{
    struct execution *x = ((struct execute_state *)rpc_call_state(call))->execution;
    if (x == NULL)
        return;
    pthread_mutex_lock(&x->lock);
    x->is_cancelled = !execution_outlives_caller(x);
    bool has_worker = x->job.worker != NULL;
    bool may_go_on = !x->is_cancelled && !x->waits_for_journal; /* which resumes it when it knows */
    execution_finish(x, &(struct status){.code = STATUS_CANCELLED, .message = "the caller left"});
    pthread_mutex_unlock(&x->lock);
    if (has_worker && x->is_cancelled)
        job_signal(&x->job, JOB_GONE);
    else if (has_worker && may_go_on)
        job_signal(&x->job, JOB_RESUME);
}

void execute_ended(struct rpc_call *call)
{
    struct execution *x = ((struct execute_state *)rpc_call_state(call))->execution;
    if (x != NULL)
        execution_unref(&x->job);
}
