/* run_records: see run_call.h. */
#include "gateway/api/run_call.h"

#include "shared/base/clock.h"
#include "shared/base/log.h"

/* --- a run whose executor was lost --- */

/* Without records: as much as is known here. */
static void close_as_known(struct run_call *run, const struct store_run_close *close)
{
    const struct store_run known = {.run_id = close->run_id,
                                    .version_id = close->version_id,
                                    .end_user_id = close->end_user_id,
                                    .conversation_id = close->conversation_id,
                                    .message_id = close->message_id,
                                    .user = close->user,
                                    .status = close->status,
                                    .end_reason = close->end_reason,
                                    .error = close->error,
                                    .created_at_ms = close->created_at_ms,
                                    .finished_at_ms = close->finished_at_ms,
                                    .elapsed_ms = close->finished_at_ms - close->created_at_ms};
    const struct outcome_form form = request_outcome_form(&run->request);
    struct outcome outcome;
    outcome_of_run(&outcome, &known, &form, close->finished_at_ms);
    relay_close(&run->relay, &outcome);
}

/* The run as it is known here: begun, and lost with its executor. */
static struct store_run_close as_lost(const struct run_call *run)
{
    const struct store_target *target = &run->grant->target;
    int64_t now_ms = clock_wall_ms();
    return (struct store_run_close){
        .workspace_id = target->workspace_id,
        .run_id = str_c(run->task.run_id),
        .app_id = target->app_id,
        .version_id = str_c(run->version_id),
        .end_user_id = str_c(run->task.end_user_id),
        .conversation_id = str_c(run->conversation_id),
        .message_id = str_c(run->message_id),
        .user = request_user(&run->request),
        .end_user_type = str_c(principal_type(run->bearer.principal)),
        .mode = target->mode,
        .record = target->record,
        .attempt = run->attempt,
        .status = HEDDLE__V1__RUN_STATUS__RUN_STATUS_FAILED,
        .end_reason = HEDDLE__V1__END_REASON__END_REASON_EXECUTOR_LOST,
        .error = STR("the executor that ran it was lost"),
        .created_at_ms = run->relay.begun_at_ms,
        .finished_at_ms = now_ms < run->relay.begun_at_ms ? run->relay.begun_at_ms : now_ms,
    };
}

static void closed(void *arg, struct lookup_answer *answer)
{
    struct run_call *run = arg;
    if (answer->status.code == STATUS_OK) {
        relay_close(&run->relay, &answer->outcome);
    } else {
        log_warn("run_not_closed", LOG_C("run_id", run->task.run_id), LOG_C("reason", answer->status.reason),
                 LOG_C("words", answer->status.message)); /* whoever looks for dead processes closes it */
        const struct store_run_close close = as_lost(run);
        close_as_known(run, &close);
    }
    run_call_unref(run); /* the question's */
}

void run_records_close(struct run_call *run)
{
    const struct store_run_close close = as_lost(run);
    struct outcome_form form = request_outcome_form(&run->request);
    form.answer = OUTCOME_ANSWER_REPLACED;
    run->refs++; /* the question's */
    if (lookup_close(run->gateway->lookups, run->bearer.queue, &close, &form, closed, run))
        return;
    run_call_unref(run);
    close_as_known(run, &close);
}

/* --- the caller's own run id --- */

static void refuse_own_id(struct run_call *run, struct status *err)
{
    status_reason(err, STATUS_ALREADY_EXISTS, "RUN_EXISTS", "run_id: a run with the id %s exists already",
                  run->task.run_id);
}

static void looked(void *arg, struct lookup_answer *answer)
{
    struct run_call *run = arg;
    struct status err = answer->status;
    bool is_new = run->has_task && !run->was_taken && answer->found == RUN_UNKNOWN;
    if (run->call == NULL) {
        run_call_forget_task(run); /* the caller left meanwhile */
    } else if (err.code == STATUS_OK && is_new) {
        run_call_execute(run);
    } else if (err.code == STATUS_OK && answer->found == RUN_HAS_ENDED) {
        run_call_forget_task(run);
        run->relay = (struct relay){.sink = &run_call_sink, .sink_arg = run};
        relay_replay(&run->relay, &answer->outcome);
    } else {
        if (err.code == STATUS_OK)
            refuse_own_id(run, &err);
        run_call_forget_task(run);
        run_call_finish(run, &err);
    }
    run_call_unref(run); /* the question's */
}

void run_records_look(struct run_call *run)
{
    const struct lookup_find find = {.workspace_id = run->grant->target.workspace_id,
                                     .run_id = str_c(run->task.run_id),
                                     .app_id = str_c(run->task.app_id),
                                     .end_user_id = str_c(run->task.end_user_id),
                                     .form = request_outcome_form(&run->request)};
    struct status err;
    run->refs++; /* the question's */
    if (lookup_find(run->gateway->lookups, run->bearer.queue, &find, looked, run))
        return;
    status_set(&err, STATUS_RESOURCE_EXHAUSTED, "no memory to look for run_id");
    run_call_forget_task(run);
    run_call_finish(run, &err);
    run_call_unref(run);
}
