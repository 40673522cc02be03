/*
 * execute: one Execute call and the run behind it.
 *
 * The call lives on its queue, the run on its worker; both hold a reference to the execution between them. What they share
 * (outbox, the call's state) is under its lock. Whoever finds that nothing is being sent sends the next message, so an event
 * needs no hop from the worker to the queue.
 */
#include "executor/api/event_encode.h"
#include "executor/api/executor.h"
#include "executor/api/outbox.h"
#include "executor/api/payload.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/rpc/slice.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct execution {
    struct job job;
    atomic_size_t refs;
    struct executor *executor;
    Heddle__Executor__V1__ExecuteRequest *request;
    struct event_envelope envelope;
    struct version_wait wait;
    struct version *version;
    int64_t deadline_ms; /* 0: none */

    pthread_mutex_t lock;  /* for what follows */
    struct rpc_call *call; /* NULL once it was finished */
    struct outbox outbox;
    bool is_sending, is_cancelled;

    struct buf scratch; /* the worker's: one serialized event */
};

static struct execution *execution_of(struct job *job)
{
    return CONTAINER_OF(job, struct execution, job);
}

static void execution_ref(struct job *job)
{
    atomic_fetch_add(&execution_of(job)->refs, 1);
}

static void execution_unref(struct job *job)
{
    struct execution *x = execution_of(job);
    if (atomic_fetch_sub(&x->refs, 1) != 1)
        return;
    version_unref(x->version);
    if (x->request != NULL)
        heddle__executor__v1__execute_request__free_unpacked(x->request, NULL);
    outbox_fini(&x->outbox);
    buf_fini(&x->scratch);
    pthread_mutex_destroy(&x->lock);
    free(x);
}

/* Under the lock, or before anybody else has the execution. */
static void finish(struct execution *x, const struct status *status)
{
    struct rpc_call *call = x->call;
    if (call == NULL)
        return;
    x->call = NULL;
    outbox_close(&x->outbox);
    rpc_call_finish(call, status);
}

/* Under the lock. The stream would have a hole: better no stream. The run ends as with a caller who left. */
static void lose_caller(struct execution *x)
{
    struct status err;
    status_set(&err, STATUS_RESOURCE_EXHAUSTED, "no memory for the run's events; the run was ended");
    finish(x, &err);
    job_signal(&x->job, JOB_GONE);
}

/* Under the lock: starts the next message when none is on its way. True: the run's sources may go on. */
static bool pump(struct execution *x)
{
    struct buf frame;
    grpc_slice slice;
    if (x->is_sending || x->call == NULL)
        return false;
    enum outbox_next next = outbox_take(&x->outbox, &frame);
    bool has_memory = next != OUTBOX_NOTHING || !outbox_has_next(&x->outbox);
    if (next == OUTBOX_NOTHING && has_memory)
        return false;
    if (!has_memory || !rpc_slice_take_buf(&frame, &slice)) {
        /* There may be no later turn to try it again in. */
        buf_fini(&frame);
        lose_caller(x);
        return true;
    }
    x->is_sending = true;
    rpc_call_send(x->call, slice,
                  next == OUTBOX_LAST || outbox_has_next(&x->outbox) ? RPC_SEND_MORE : RPC_SEND_NOW);
    if (next == OUTBOX_LAST)
        finish(x, &(struct status){.code = STATUS_OK});
    return outbox_release(&x->outbox);
}

/* --- the worker's side --- */

static bool is_chat(const struct execution *x)
{
    return x->request->conversation_id[0] != '\0';
}

/* With a conversation that is there already? */
static bool has_history(const struct execution *x)
{
    return is_chat(x) && !x->request->conversation_is_new;
}

static struct conversation_key conversation_of(const struct execution *x)
{
    return (struct conversation_key){.id = str_c(x->request->conversation_id),
                                     .app_id = str_c(x->request->app_id),
                                     .end_user_id = str_c(x->request->end_user_id)};
}

static enum status_code load_conversation(const struct execution *x, struct conversation_state *ret,
                                          struct status *err)
{
    const struct conversation_key key = conversation_of(x);
    *ret = (struct conversation_state){0};
    if (!has_history(x))
        return STATUS_OK;
    return conversations_load(x->executor->conversations, &key, ret, err);
}

static enum status_code make(struct job *job, const struct run_host *host, void *host_arg,
                             struct run **ret_run, struct status *err)
{
    struct execution *x = execution_of(job);
    const Heddle__Executor__V1__ExecuteRequest *request = x->request;
    struct value *inputs = NULL, *files = NULL, *environment = NULL;
    struct conversation_state conversation;
    enum status_code rc = load_conversation(x, &conversation, err);
    if (rc == STATUS_OK)
        rc = payload_inputs(request, &inputs, err);
    if (rc == STATUS_OK)
        rc = payload_files(request, &files, err);
    if (rc == STATUS_OK)
        rc = payload_environment(&x->version->environment, &environment, err);
    if (rc == STATUS_OK) {
        const struct run_params params = {
            .graph = x->version->graph,
            .run_id = str_c(request->run_id),
            .app_id = str_c(request->app_id),
            .workflow_id = str_c(request->version_id),
            .conversation_id = str_c(request->conversation_id),
            .message_id = str_c(request->message_id),
            .user = str_c(request->user),
            .end_user_id = str_c(request->end_user_id),
            .query = str_c(request->query),
            .dialogue_count = conversation.turns + 1,
            .history = conversation.history,
            .conversation = conversation.variables,
            .inputs = inputs,
            .files = files,
            .environment = environment,
            .wall_ms = clock_wall_ms(),
            .deadline_ms = x->deadline_ms,
            .limits = x->executor->options.limits,
        };
        rc = run_new(&params, host, host_arg, ret_run, err);
    }
    conversation_state_fini(&conversation);
    value_unref(environment);
    value_unref(files);
    value_unref(inputs);
    return rc;
}

static void refused(struct job *job, const struct status *status)
{
    struct execution *x = execution_of(job);
    pthread_mutex_lock(&x->lock);
    finish(x, status);
    pthread_mutex_unlock(&x->lock);
}

static void begun(struct job *job)
{
    struct execution *x = execution_of(job);
    Heddle__Executor__V1__Begun frame = HEDDLE__EXECUTOR__V1__BEGUN__INIT;
    frame.instance_id = x->executor->instance_id;
    frame.address = x->executor->address;
    frame.attempt = x->request->attempt;
    pthread_mutex_lock(&x->lock);
    if (outbox_begin(&x->outbox, &frame))
        (void)pump(x); /* nothing is held back yet */
    else if (x->call != NULL)
        lose_caller(x);
    pthread_mutex_unlock(&x->lock);
}

/* Before the caller hears of the end, so that the next turn finds this one. */
static void keep_turn(struct execution *x, const struct value *outputs)
{
    const struct conversation_key key = conversation_of(x);
    struct str answer = outputs == NULL ? STR("") : value_get_text(outputs, "answer", STR(""));
    if (is_chat(x) && !conversations_add(x->executor->conversations, &key, x->job.run, answer))
        log_warn("conversation_lost", LOG_C("run_id", x->job.run_id), LOG_C("why", "no memory"));
}

static void emit(struct job *job, const struct run_event *event)
{
    struct execution *x = execution_of(job);
    if (event->kind == EVENT_WORKFLOW_FINISHED) {
        keep_turn(x, event->finished.outputs);
        log_info("run_finished", LOG_C("run_id", job->run_id), LOG_C("app_id", job->app_id),
                 LOG_INT("status", event->finished.status), LOG_INT("end_reason", event->finished.reason),
                 LOG_INT("took_ms", event->finished.elapsed_ms),
                 LOG_INT("steps", event->finished.total_steps),
                 LOG_INT("tokens", event->finished.total_tokens));
    }
    bool is_wanted = event_is_wanted(&x->envelope, event->kind);
    if (is_wanted) {
        buf_clear(&x->scratch);
        event_encode(&x->envelope, event, &x->scratch);
    }
    pthread_mutex_lock(&x->lock);
    bool is_kept = !is_wanted || (!x->scratch.failed && outbox_put(&x->outbox, buf_str(&x->scratch)));
    if (event->kind == EVENT_WORKFLOW_FINISHED)
        is_kept &= outbox_end(&x->outbox, &event->finished);
    if (!is_kept && x->call != NULL)
        lose_caller(x);
    pthread_mutex_unlock(&x->lock);
}

static bool flush(struct job *job)
{
    struct execution *x = execution_of(job);
    pthread_mutex_lock(&x->lock);
    bool may_go_on = pump(x), is_held = x->call != NULL && outbox_hold(&x->outbox);
    pthread_mutex_unlock(&x->lock);
    if (may_go_on && !is_held)
        job_signal(job, JOB_RESUME);
    return is_held;
}

static void ended(struct job *job)
{
    struct execution *x = execution_of(job);
    pthread_mutex_lock(&x->lock);
    outbox_seal(&x->outbox);
    (void)pump(x); /* no source is left to go on */
    pthread_mutex_unlock(&x->lock);
}

static const struct job_ops ops = {
    .make = make,
    .refused = refused,
    .begun = begun,
    .emit = emit,
    .flush = flush,
    .ended = ended,
    .ref = execution_ref,
    .unref = execution_unref,
};

/* --- the queue's side --- */

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
    if (err.code == STATUS_OK && has_history(x)) {
        const struct conversation_key key = conversation_of(x);
        x->job.request_bytes += conversations_bytes(x->executor->conversations, &key);
    }
    pthread_mutex_lock(&x->lock);
    if (err.code == STATUS_OK && x->is_cancelled)
        status_set(&err, STATUS_CANCELLED, "the caller left before the run had begun");
    if (err.code != STATUS_OK || workers_submit(x->executor->options.workers, &x->job, &err) != STATUS_OK)
        finish(x, &err);
    pthread_mutex_unlock(&x->lock);
    execution_unref(&x->job); /* the question's */
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
    x->job.ops = &ops;
    struct str bytes = rpc_call_request(call);
    x->request = heddle__executor__v1__execute_request__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
    if (x->request == NULL)
        status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for the request");
    if (x->request == NULL || check_request(x->request, err) != STATUS_OK) {
        execution_unref(&x->job);
        return NULL;
    }
    x->job.request_bytes = bytes.len;
    memcpy(x->job.run_id, x->request->run_id, UUID_TEXT_LEN);
    memcpy(x->job.app_id, x->request->app_id, UUID_TEXT_LEN);
    memcpy(x->job.end_user_id, x->request->end_user_id, str_c(x->request->end_user_id).len);
    x->envelope = (struct event_envelope){.run_id = str_c(x->request->run_id),
                                          .conversation_id = str_c(x->request->conversation_id),
                                          .message_id = str_c(x->request->message_id),
                                          .events = x->request->events,
                                          .payloads = x->request->payloads};
    return x;
}

static bool outlives_caller(const struct execution *x)
{
    return x->request->on_disconnect == HEDDLE__V1__ON_DISCONNECT__ON_DISCONNECT_CONTINUE;
}

void execute_start(struct rpc_call *call)
{
    struct status err;
    if (!executor_admits(call))
        return;
    struct execution *x = execution_new(call, &err);
    if (x == NULL) {
        rpc_call_finish(call, &err);
        return;
    }
    struct execute_state *state = rpc_call_state(call);
    state->execution = x; /* the call's reference, given up in execute_ended() */
    x->call = call;
    int64_t deadline_ms = rpc_call_deadline_ms(call);
    /* A run that goes on without its caller is not bound by how long the caller waits. */
    x->deadline_ms = deadline_ms == INT64_MAX || outlives_caller(x) ? 0 : deadline_ms;
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
        may_go_on = pump(x) || outbox_release(&x->outbox);
    pthread_mutex_unlock(&x->lock);
    if (may_go_on)
        job_signal(&x->job, JOB_RESUME);
}

void execute_cancelled(struct rpc_call *call)
{
    struct execution *x = ((struct execute_state *)rpc_call_state(call))->execution;
    if (x == NULL)
        return;
    bool has_worker;
    pthread_mutex_lock(&x->lock);
    x->is_cancelled = !outlives_caller(x);
    has_worker = x->job.worker != NULL;
    finish(x, &(struct status){.code = STATUS_CANCELLED, .message = "the caller left"});
    pthread_mutex_unlock(&x->lock);
    if (has_worker)
        job_signal(&x->job, outlives_caller(x) ? JOB_RESUME : JOB_GONE);
}

void execute_ended(struct rpc_call *call)
{
    struct execution *x = ((struct execute_state *)rpc_call_state(call))->execution;
    if (x != NULL)
        execution_unref(&x->job);
}
