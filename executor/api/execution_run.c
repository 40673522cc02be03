/*
 * execution_run: the run of an execution as its worker moves it, and its record as the journal writes it.
 *
 * The last events of a run (from message_end, workflow_finished or error on) wait in the outbox until its record is durable. A
 * run whose id is the caller's own is held at its first step, and not even said to have begun, until the journal knows that the
 * id is new.
 */
#include "executor/api/execution.h"
#include "executor/api/payload.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/run_end.h"

/* --- the run --- */

static bool has_own_id(const struct execution *x)
{
    return x->request->run_id_is_own && record_is_kept(&x->record);
}

static enum status_code make(struct job *job, const struct run_host *host, void *host_arg,
                             struct run **ret_run, struct status *err)
{
    struct execution *x = execution_of(job);
    const Heddle__Executor__V1__ExecuteRequest *request = x->request;
    struct value *inputs = NULL, *files = NULL, *environment = NULL;
    enum status_code rc = payload_inputs(request, &inputs, err);
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
            .dialogue_count = x->conversation.message_count + 1,
            .history = x->conversation.history,
            .conversation = x->conversation.variables,
            .inputs = inputs,
            .files = files,
            .environment = environment,
            .wall_ms = clock_wall_ms(),
            .deadline_ms = x->deadline_ms,
            .limits = x->executor->options.limits,
        };
        rc = run_new(&params, host, host_arg, ret_run, err);
    }
    value_unref(environment);
    value_unref(files);
    value_unref(inputs);
    /* The run has what it needs of them; their counts are the worker's from here on. */
    value_unref(x->conversation.history);
    value_unref(x->conversation.variables);
    x->conversation.history = x->conversation.variables = NULL;
    return rc;
}

static void refused(struct job *job, const struct status *status)
{
    struct execution *x = execution_of(job);
    if (tracing_is_recorded(&x->trace))
        run_trace_refused(&x->trace, x->request, status);
    pthread_mutex_lock(&x->lock);
    execution_finish(x, status);
    pthread_mutex_unlock(&x->lock);
}

/* Under the lock. */
static void say_begun(struct execution *x)
{
    Heddle__Executor__V1__Begun frame = HEDDLE__EXECUTOR__V1__BEGUN__INIT;
    frame.instance_id = x->executor->instance_id;
    frame.address = x->executor->address;
    frame.attempt = x->request->attempt;
    meters_run_begun(x->executor->options.meters, &x->meter, str_c(x->job.app_id));
    if (!outbox_begin(&x->outbox, &frame) && x->call != NULL)
        execution_lose_caller(x);
}

static void begun(struct job *job)
{
    struct execution *x = execution_of(job);
    pthread_mutex_lock(&x->lock);
    if (has_own_id(x))
        outbox_withhold(&x->outbox);
    else
        say_begun(x);
    pthread_mutex_unlock(&x->lock);
}

static void wait_for_journal(struct execution *x, bool waits)
{
    pthread_mutex_lock(&x->lock);
    x->waits_for_journal = waits;
    pthread_mutex_unlock(&x->lock);
}

/* Its id was not looked at, and nothing of it was shown. */
static void refuse_to_begin(struct execution *x)
{
    struct status err;
    status_reason(&err, STATUS_UNAVAILABLE, "NOT_BEGUN", "no memory for the run's record");
    pthread_mutex_lock(&x->lock);
    x->waits_for_journal = false;
    execution_finish(x, &err);
    pthread_mutex_unlock(&x->lock);
}

static void keep_begin(struct execution *x, struct run *run, const struct run_event *event)
{
    if (has_own_id(x)) {
        wait_for_journal(x, true);
        x->job.is_paused = true; /* as JOB_RESUME finds it */
        run_set_paused(run, true);
    }
    execution_ref(&x->job); /* the journal's */
    if (record_begin(&x->record, run, event))
        return;
    execution_unref(&x->job);
    log_warn("run_not_recorded", LOG_C("run_id", x->job.run_id), LOG_C("why", "no memory"));
    if (has_own_id(x))
        refuse_to_begin(x);
    run_stop(run, END_REASON_STORE_UNAVAILABLE, STR("no memory for the run's record"));
}

/* Under the lock, or with nobody else there: the end of the run is sure. True: it had begun. Before its caller hears of it. */
static bool count_end(struct execution *x)
{
    return meters_run_ended(x->executor->options.meters, &x->meter, str_c(x->job.app_id));
}

/* Not under the lock. trace_id is empty where there is no trace. */
static void log_end(const struct execution *x)
{
    const struct run_ending *ending = &x->meter.ending;
    char trace_id[2 * TRACE_ID_BYTES + 1] = "";
    if (x->trace.is_on)
        trace_id_format(&x->trace.context, trace_id);
    log_info("run_finished", LOG_C("run_id", x->job.run_id), LOG_C("app_id", x->job.app_id),
             LOG_C("end_user_id", x->job.end_user_id), LOG_C("status", run_status_word(ending->status)),
             LOG_C("end_reason", end_reason_word(ending->reason)), LOG_INT("took_ms", ending->elapsed_ms),
             LOG_INT("steps", ending->steps),
             LOG_INT("tokens", ending->prompt_tokens + ending->completion_tokens),
             LOG_INT("first_token_ms", ending->first_token_ms), LOG_C("trace_id", trace_id));
}

/* The end is in the outbox and waits there; now its record. */
static void keep_end(struct execution *x, struct run *run, const struct event_finished *finished)
{
    pthread_mutex_lock(&x->lock);
    x->end = (struct event_finished){.created_at_ms = finished->created_at_ms,
                                     .finished_at_ms = finished->finished_at_ms,
                                     .elapsed_ms = finished->elapsed_ms,
                                     .total_tokens = finished->total_tokens,
                                     .total_steps = finished->total_steps,
                                     .exceptions_count = finished->exceptions_count,
                                     .usage.first_token_ms = -1};
    pthread_mutex_unlock(&x->lock);
    if (record_end(&x->record, run, finished))
        return;
    log_error("run_end_not_recorded", LOG_C("run_id", x->job.run_id), LOG_C("why", "no memory"));
    pthread_mutex_lock(&x->lock);
    x->is_recorded = true;
    outbox_unmark(&x->outbox);
    bool had_begun = count_end(x);
    pthread_mutex_unlock(&x->lock);
    if (had_begun)
        log_end(x);
    execution_unref(&x->job); /* the journal's */
}

/* Noted before the journal is asked: it may have room again, and say so, before this thread hears that there was none. */
static void keep_node(struct execution *x, const struct event_node *node)
{
    wait_for_journal(x, true);
    if (record_node(&x->record, node))
        wait_for_journal(x, false);
}

static bool is_node_end(enum run_event_kind kind)
{
    return kind == EVENT_NODE_FINISHED || kind == EVENT_ITERATION_COMPLETED || kind == EVENT_LOOP_COMPLETED;
}

static void trace_event(const struct execution *x, const struct run_event *event)
{
    if (is_node_end(event->kind))
        run_trace_node(&x->trace, &event->node);
    else if (event->kind == EVENT_WORKFLOW_FINISHED)
        run_trace_end(&x->trace, x->request, &event->finished);
}

static bool tells_the_end(enum run_event_kind kind)
{
    return kind == EVENT_MESSAGE_END || kind == EVENT_WORKFLOW_FINISHED || kind == EVENT_ERROR;
}

/* Under the lock: the event goes out, or waits for the record. */
static void put(struct execution *x, const struct run_event *event, bool is_wanted)
{
    if (x->is_given_up)
        return; /* the caller has been told another end */
    if (tells_the_end(event->kind) && x->record.has_begun && !x->is_recorded) {
        if (x->outbox.mark == SIZE_MAX)
            x->first_end_sequence = event->sequence;
        outbox_mark(&x->outbox);
    }
    bool is_kept = !is_wanted || (!x->scratch.failed && outbox_put(&x->outbox, buf_str(&x->scratch)));
    if (event->kind == EVENT_WORKFLOW_FINISHED)
        is_kept &= outbox_end(&x->outbox, &event->finished);
    if (!is_kept && x->call != NULL)
        execution_lose_caller(x);
}

static void emit(struct job *job, const struct run_event *event)
{
    struct execution *x = execution_of(job);
    bool is_wanted = event_is_wanted(&x->envelope, event->kind), is_kept = record_is_kept(&x->record);
    if (is_wanted) {
        buf_clear(&x->scratch);
        event_encode(&x->envelope, event, &x->scratch);
    }
    if (is_kept && event->kind == EVENT_WORKFLOW_STARTED)
        keep_begin(x, job->run, event);
    if (is_node_end(event->kind))
        meters_node_ended(x->executor->options.meters, &event->node);
    if (is_kept && is_node_end(event->kind))
        keep_node(x, &event->node);
    if (tracing_is_recorded(&x->trace))
        trace_event(x, event);
    if (is_kept && (event->kind == EVENT_MESSAGE || event->kind == EVENT_MESSAGE_REPLACE))
        record_text(&x->record, event);
    pthread_mutex_lock(&x->lock);
    put(x, event, is_wanted);
    bool is_end = event->kind == EVENT_WORKFLOW_FINISHED;
    if (is_end)
        meters_run_finished(&x->meter, &event->finished);
    bool is_sure = is_end && !x->record.has_begun && count_end(x);
    pthread_mutex_unlock(&x->lock);
    if (is_sure)
        log_end(x);
    if (is_end && x->record.has_begun)
        keep_end(x, job->run, &event->finished);
}

static bool flush(struct job *job)
{
    struct execution *x = execution_of(job);
    pthread_mutex_lock(&x->lock);
    bool may_go_on = execution_pump(x), is_held = x->call != NULL && outbox_hold(&x->outbox);
    bool waits = x->waits_for_journal;
    execution_note_outbox(x);
    pthread_mutex_unlock(&x->lock);
    if (may_go_on && !is_held && !waits)
        job_signal(job, JOB_RESUME);
    return is_held || waits;
}

static void ended(struct job *job)
{
    struct execution *x = execution_of(job);
    pthread_mutex_lock(&x->lock);
    x->has_ended = true;
    outbox_seal(&x->outbox);
    (void)execution_pump(x); /* no source is left to go on */
    pthread_mutex_unlock(&x->lock);
}

const struct job_ops execution_job_ops = {
    .make = make,
    .refused = refused,
    .begun = begun,
    .emit = emit,
    .flush = flush,
    .ended = ended,
    .ref = execution_ref,
    .unref = execution_unref,
};

/* --- the journal --- */

static struct execution *recorded(struct journal_run *place)
{
    return CONTAINER_OF(place, struct execution, record.place);
}

/* Under the lock. The journal lets the run go on; its caller may still be behind. */
static bool let_go_on(struct execution *x)
{
    x->waits_for_journal = false;
    return !x->outbox.is_held;
}

/* Under the lock, which keeps the run from ending: when the process ends, workers go before the journal. */
static void tell_run(struct execution *x, enum job_signal signal)
{
    if (!x->has_ended)
        job_signal(&x->job, signal);
}

/* The id is the caller's own: is it new? If not, the run ends without having done anything. */
static void journal_begun(struct journal_run *place, enum journal_outcome outcome)
{
    struct execution *x = recorded(place);
    struct status err;
    bool is_new = outcome == JOURNAL_DURABLE, may_go_on = false;
    if (outcome == JOURNAL_CLOSED)
        status_reason(&err, STATUS_ALREADY_EXISTS, "RUN_EXISTS", "there is a run %s already", x->job.run_id);
    else
        status_reason(&err, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE",
                      "the run's record could not be written; it has not begun");
    pthread_mutex_lock(&x->lock);
    if (is_new) {
        say_begun(x);
        outbox_show(&x->outbox); /* but for an end that came meanwhile: it has a record to wait for */
        may_go_on = let_go_on(x);
        may_go_on |= execution_pump(x);
    } else {
        execution_finish(x, &err);
        tell_run(x, JOB_GONE);
    }
    if (may_go_on)
        tell_run(x, JOB_RESUME);
    pthread_mutex_unlock(&x->lock);
}

static void journal_resumed(struct journal_run *place)
{
    struct execution *x = recorded(place);
    pthread_mutex_lock(&x->lock);
    if (let_go_on(x))
        tell_run(x, JOB_RESUME);
    pthread_mutex_unlock(&x->lock);
}

/* Under the lock: what the caller is told when the record could not be written, in place of how the run had ended. */
static void tell_store_unavailable(struct execution *x)
{
    static const char words[] = "the run has ended, but its record could not be written";
    int64_t now_ms = clock_wall_ms();
    struct run_event finished = {.kind = EVENT_WORKFLOW_FINISHED,
                                 .sequence = x->first_end_sequence,
                                 .created_at_ms = now_ms,
                                 .finished = x->end};
    finished.finished.workflow_id = str_c(x->request->version_id);
    finished.finished.status = RUN_STATUS_FAILED;
    finished.finished.reason = END_REASON_STORE_UNAVAILABLE;
    finished.finished.error = str_c(words);
    finished.finished.end_user_id = str_c(x->request->end_user_id);
    finished.finished.user = str_c(x->request->user);
    struct run_event error = {
        .kind = EVENT_ERROR,
        .sequence = x->first_end_sequence + 1,
        .created_at_ms = now_ms,
        .error = {.code = STR("store_unavailable"), .message = str_c(words), .status = 503}};
    struct buf bytes;
    buf_init(&bytes, OUTBOX_BYTES_MAX);
    event_encode(&x->envelope, &finished, &bytes);
    bool is_kept = !bytes.failed && outbox_put(&x->outbox, buf_str(&bytes)) &&
                   outbox_end(&x->outbox, &finished.finished);
    if (is_kept && x->version->mode == STORE_APP_CHAT) {
        buf_clear(&bytes);
        event_encode(&x->envelope, &error, &bytes);
        is_kept = !bytes.failed && outbox_put(&x->outbox, buf_str(&bytes));
    }
    if (!is_kept && x->call != NULL)
        execution_lose_caller(x);
    buf_fini(&bytes);
}

static void journal_ended(struct journal_run *place, enum journal_outcome outcome)
{
    struct execution *x = recorded(place);
    struct status err;
    pthread_mutex_lock(&x->lock);
    if (outcome == JOURNAL_CLOSED) {
        /* The gateway asks the record how the run has ended, and tells its caller that. */
        status_reason(&err, STATUS_ABORTED, "RUN_CLOSED", "run %s was ended by another", x->job.run_id);
        x->meter.ending.status = RUN_STATUS_NONE;
        x->meter.ending.reason = END_REASON_NONE;
        execution_finish(x, &err);
    } else if (outcome == JOURNAL_GIVEN_UP) {
        x->is_given_up = true;
        x->meter.ending.status = RUN_STATUS_FAILED;
        x->meter.ending.reason = END_REASON_STORE_UNAVAILABLE;
        outbox_drop_marked(&x->outbox);
        tell_store_unavailable(x);
    }
    x->is_recorded = true;
    outbox_unmark(&x->outbox);
    bool had_begun = count_end(x);
    (void)execution_pump(x);
    pthread_mutex_unlock(&x->lock);
    if (had_begun)
        log_end(x);
    execution_unref(&x->job); /* the journal's */
}

const struct journal_ops execution_journal_ops = {
    .begun = journal_begun, .ended = journal_ended, .resumed = journal_resumed};
