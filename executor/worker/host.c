/*
 * host: see the header. Model calls are known to a run as a job_call, whether or not the provider has been asked yet: one
 * that a run begins while it is away is begun when it is back. One that it cancels there is cancelled at once, and waited for:
 * the request is the run's, which lets go of it then.
 */
#include "executor/worker/host.h"

#include "executor/nodes/model_record.h"
#include "shared/base/clock.h"
#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

/* bytes. What a model may say while its run is away, and its reply. */
#define HELD_BYTES_MAX ((size_t)64 * 1024 * 1024)

static void begin_call(struct job_call *call, struct status *err);
static void deliver(struct job_call *call);

void host_mark_dirty(struct job *job)
{
    if (job->is_dirty)
        return;
    job->is_dirty = true;
    job->dirty_next = job->worker->dirty;
    job->worker->dirty = job;
}

static void host_emit(void *arg, struct run *run, const struct run_event *event)
{
    (void)run;
    struct job *job = arg;
    job->ops->emit(job, event);
    job->emitted_at_ms = clock_monotonic_ms();
    if (job->is_away)
        job->away.has_emitted = true;
    else
        host_mark_dirty(job);
}

static void host_timer_start(void *arg, struct run *run, int64_t at_ms)
{
    (void)run;
    struct job *job = arg;
    if (job->is_away)
        job->away.timer_at_ms = at_ms;
    else
        timers_set(&job->worker->timers, job, at_ms);
}

static void host_wake(void *arg, struct run *run)
{
    (void)run;
    struct job *job = arg;
    if (job->is_away)
        job->away.is_woken = true;
    else
        ready_put(&job->worker->ready, job);
}

static int64_t host_now_us(void *arg)
{
    (void)arg;
    return clock_monotonic_us();
}

static void host_new_id(void *arg, char text[UUID_TEXT_LEN + 1])
{
    (void)arg;
    uuid_format(uuid_v7(), text);
}

/* --- model calls --- */

static void call_free(struct job_call *call)
{
    LL_DELETE(call->job->calls, call);
    buf_fini(&call->held_text);
    arena_fini(&call->held);
    free(call);
}

static void call_text(void *arg, struct str delta)
{
    struct job_call *call = arg;
    if (call->job->is_away)
        buf_put(&call->held_text, delta);
    else
        call->callbacks.text(call->arg, delta);
}

static void call_done(void *arg, const struct model_reply *reply)
{
    struct job_call *call = arg;
    call->call = NULL;
    call->end = JOB_CALL_DONE;
    if (call->job->is_away) {
        (void)model_reply_copy(&call->held, reply, &call->reply); /* what does not fit shows there */
        return;
    }
    call->callbacks.done(call->arg, reply); /* only notes it: the call is still there */
    call_free(call);
}

static void call_failed(void *arg, const struct model_failure *failure)
{
    struct job_call *call = arg;
    call->call = NULL;
    call->end = JOB_CALL_FAILED;
    if (call->job->is_away) {
        (void)model_failure_copy(&call->held, failure, &call->failure); /* likewise */
        return;
    }
    call->callbacks.failed(call->arg, failure);
    call_free(call);
}

static struct model_call *host_model_start(void *arg, struct run *run, const struct model_request *request,
                                           const struct model_callbacks *callbacks, void *callback_arg,
                                           struct status *err)
{
    (void)run;
    struct job *job = arg;
    struct job_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for a model call");
        return NULL;
    }
    call->job = job;
    call->request = *request;
    call->callbacks = *callbacks;
    call->arg = callback_arg;
    buf_init(&call->held_text, HELD_BYTES_MAX);
    arena_init(&call->held, HELD_BYTES_MAX);
    if (job->is_away) {
        LL_APPEND(job->away.begun, call);
        return (struct model_call *)call;
    }
    LL_PREPEND(job->calls, call);
    begin_call(call, err);
    if (call->call != NULL)
        return (struct model_call *)call;
    call_free(call);
    return NULL;
}

/* call->call is NULL afterwards when the model could not be asked. */
static void begin_call(struct job_call *call, struct status *err)
{
    static const struct model_callbacks ours = {.text = call_text, .done = call_done, .failed = call_failed};
    struct worker *worker = call->job->worker;
    call->call = worker->backend->start(worker->models, &call->job->caller, &call->request, &ours, call, err);
    if (call->call != NULL && call->job->is_paused)
        worker->backend->pause(worker->models, call->call);
}

void host_cancel_call(struct job_call *call)
{
    struct worker *worker = call->job->worker;
    call->is_cancelled = true;
    if (call->call != NULL)
        worker->backend->cancel(worker->models, call->call);
    call->call = NULL;
}

static void host_model_cancel(void *arg, struct run *run, struct model_call *model_call)
{
    (void)run;
    struct job *job = arg;
    struct job_call *call = (struct job_call *)model_call;
    if (job->is_away) {
        worker_cancel_call(job->worker, call); /* the call itself goes when the job is back */
        return;
    }
    host_cancel_call(call);
    call_free(call);
}

static int64_t host_model_context(void *arg, struct run *run, struct str provider, struct str model)
{
    (void)run;
    struct job *job = arg;
    const struct model_backend *backend = job->worker->backend;
    return backend->context == NULL ? 0 : backend->context(backend->arg, &job->caller, provider, model);
}

/* --- away --- */

static void come_back(struct job *job)
{
    worker_take_back(job->worker, job);
}

static void make_away(struct helper_task *task)
{
    struct job *job = CONTAINER_OF(task, struct job, away.task);
    job->away.made = job->ops->make(job, &worker_host, job, &job->away.run, &job->away.err);
    come_back(job);
}

static void turn_away(struct helper_task *task)
{
    struct job *job = CONTAINER_OF(task, struct job, away.task);
    job->away.progress = run_advance(job->run, AWAY_STEPS, AWAY_US);
    if (job->away.progress == RUN_ENDED) {
        run_free(job->run); /* large values are let go here, too */
        job->run = NULL;
    }
    come_back(job);
}

static bool go_away(struct job *job, void (*run)(struct helper_task *task))
{
    struct status err;
    job->away = (struct job_away){.task = {.run = run}};
    job->is_away = true;
    if (helpers_do(job->worker->helpers, &job->away.task, &err) == STATUS_OK)
        return true;
    job->is_away = false;
    return false;
}

bool host_make_away(struct job *job)
{
    return go_away(job, make_away);
}

bool host_turn_away(struct job *job)
{
    return go_away(job, turn_away);
}

void host_settle(struct job *job)
{
    struct job_call *call, *next;
    assert(!job->is_away);
    LL_FOREACH_SAFE (job->calls, call, next) {
        if (call->is_cancelled)
            call_free(call);
        else
            deliver(call);
    }
    LL_FOREACH_SAFE (job->away.begun, call, next) {
        struct status err = {0};
        LL_DELETE(job->away.begun, call);
        LL_PREPEND(job->calls, call);
        if (call->is_cancelled) {
            call_free(call);
            continue;
        }
        begin_call(call, &err);
        if (call->call == NULL) {
            struct model_failure failure = model_refusal(&err);
            call_failed(call, &failure);
        }
    }
    if (job->away.has_emitted)
        host_mark_dirty(job);
    if (job->run == NULL)
        return;
    if (job->away.timer_at_ms != 0)
        timers_set(&job->worker->timers, job, job->away.timer_at_ms);
    if (job->away.is_woken)
        ready_put(&job->worker->ready, job);
}

/* What the model said while the run was away. */
static void deliver(struct job_call *call)
{
    if (call->held_text.failed || call->held.failed) {
        if (call->call != NULL)
            call->job->worker->backend->cancel(call->job->worker->models, call->call);
        call_failed(call, &(struct model_failure){.error_type = "MemoryError",
                                                  .message = STR("no memory for the reply of the model")});
        return;
    }
    if (call->held_text.len > 0) {
        call->callbacks.text(call->arg, buf_str(&call->held_text));
        buf_fini(&call->held_text);
        buf_init(&call->held_text, HELD_BYTES_MAX);
    }
    if (call->end == JOB_CALL_DONE)
        call_done(call, &call->reply);
    else if (call->end == JOB_CALL_FAILED)
        call_failed(call, &call->failure);
}

const struct run_host worker_host = {
    .emit = host_emit,
    .model_start = host_model_start,
    .model_cancel = host_model_cancel,
    .timer_start = host_timer_start,
    .wake = host_wake,
    .now_us = host_now_us,
    .new_id = host_new_id,
    .model_context = host_model_context,
};
