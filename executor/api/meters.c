/* meters: see the header. */
#include "executor/api/meters.h"

#include "shared/base/run_end.h"

enum status_code meters_init(struct meters *m, struct metrics *metrics, struct status *err)
{
    static const int64_t latency[] = METRIC_LATENCY_BUCKETS;
    const struct metric_row rows[] = {
        {&m->started,
         {.name = "heddle_executor_runs_started_total",
          .help = "Runs that have begun.",
          .kind = METRIC_COUNTER,
          .labels = {"app"},
          .label_count = 1,
          .children_max = METERS_APPS_MAX}},
        {&m->ended,
         {.name = "heddle_executor_runs_ended_total",
          .help = "Runs that have ended, as their records say; unknown: another had closed the record.",
          .kind = METRIC_COUNTER,
          .labels = {"app", "status", "end_reason"},
          .label_count = 3,
          .children_max = METERS_ENDS_MAX}},
        {&m->in_flight,
         {.name = "heddle_executor_runs_in_flight",
          .help = "Runs that have begun and whose end is not sure yet.",
          .kind = METRIC_GAUGE,
          .labels = {"app"},
          .label_count = 1,
          .children_max = METERS_APPS_MAX}},
        {&m->seconds,
         {.name = "heddle_executor_run_seconds",
          .help = "Runs, from start to end.",
          .kind = METRIC_HISTOGRAM,
          .per_unit = 1000000,
          .buckets = latency,
          .bucket_count = ARRAY_LEN(latency)}},
        {&m->first_token,
         {.name = "heddle_executor_first_token_seconds",
          .help = "From the start of a run's model call to its first token, of runs that had one.",
          .kind = METRIC_HISTOGRAM,
          .per_unit = 1000000,
          .buckets = latency,
          .bucket_count = ARRAY_LEN(latency)}},
        {&m->tokens,
         {.name = "heddle_executor_tokens_total",
          .help = "Tokens of runs that have ended: prompt, completion.",
          .kind = METRIC_COUNTER,
          .labels = {"app", "kind"},
          .label_count = 2,
          .children_max = METERS_APPS_MAX * 2}},
        {&m->nodes,
         {.name = "heddle_executor_node_seconds",
          .help = "Executions of nodes by type and status; its count is how many.",
          .kind = METRIC_HISTOGRAM,
          .per_unit = 1000000,
          .labels = {"type", "status"},
          .label_count = 2,
          .buckets = latency,
          .bucket_count = ARRAY_LEN(latency)}},
        {&m->refusals,
         {.name = "heddle_executor_refusals_total",
          .help =
              "Calls for a run that ended before one had begun, by reason (or code, where there is none).",
          .kind = METRIC_COUNTER,
          .labels = {"reason"},
          .label_count = 1}},
        {&m->outbox_bytes,
         {.name = "heddle_executor_outbox_bytes",
          .help = "Events of runs that wait to be sent.",
          .kind = METRIC_GAUGE}},
        {&m->outbox_held,
         {.name = "heddle_executor_runs_held",
          .help = "Runs whose models are held back because their callers are behind.",
          .kind = METRIC_GAUGE}},
    };
    return metrics_add_rows(metrics, rows, ARRAY_LEN(rows), err);
}

void meters_run_begun(struct meters *m, struct run_meter *run, struct str app_id)
{
    metric_add(METRIC_CHILD(m->started, app_id), 1);
    run->has_begun = true;
    run->in_flight = METRIC_CHILD(m->in_flight, app_id);
    metric_add(run->in_flight, 1);
}

void meters_run_finished(struct run_meter *run, const struct event_finished *finished)
{
    run->ending = (struct run_ending){.status = finished->status,
                                      .reason = finished->reason,
                                      .elapsed_ms = finished->elapsed_ms,
                                      .prompt_tokens = finished->usage.prompt_tokens,
                                      .completion_tokens = finished->usage.completion_tokens,
                                      .first_token_ms = finished->usage.first_token_ms,
                                      .steps = finished->total_steps};
}

bool meters_run_ended(struct meters *m, struct run_meter *run, struct str app_id)
{
    const struct run_ending *ending = &run->ending;
    if (run->in_flight == NULL)
        return false;
    metric_add(run->in_flight, -1);
    run->in_flight = NULL;
    metric_add(METRIC_CHILD(m->ended, app_id, str_c(run_status_word(ending->status)),
                            str_c(end_reason_word(ending->reason))),
               1);
    metric_observe(metric_only(m->seconds), ending->elapsed_ms * 1000);
    if (ending->first_token_ms >= 0)
        metric_observe(metric_only(m->first_token), ending->first_token_ms * 1000);
    if (ending->prompt_tokens > 0)
        metric_add(METRIC_CHILD(m->tokens, app_id, STR("prompt")), ending->prompt_tokens);
    if (ending->completion_tokens > 0)
        metric_add(METRIC_CHILD(m->tokens, app_id, STR("completion")), ending->completion_tokens);
    return true;
}

void meters_node_ended(struct meters *m, const struct event_node *node)
{
    static const char *const words[] = {[NODE_STATUS_SUCCEEDED] = "succeeded",
                                        [NODE_STATUS_FAILED] = "failed",
                                        [NODE_STATUS_EXCEPTION] = "exception",
                                        [NODE_STATUS_STOPPED] = "stopped",
                                        [NODE_STATUS_RETRY] = "retry"};
    const char *word = (size_t)node->status < ARRAY_LEN(words) ? words[node->status] : NULL;
    metric_observe(METRIC_CHILD(m->nodes, node->node_type, str_c(word == NULL ? "unknown" : word)),
                   node->elapsed_ms * 1000);
}

void meters_refused(struct meters *m, const struct status *status)
{
    metric_add(METRIC_CHILD(m->refusals,
                            str_c(status->reason != NULL ? status->reason : status_code_name(status->code))),
               1);
}

void meters_outbox(struct meters *m, struct run_meter *run, size_t bytes, bool is_held)
{
    if (bytes != run->outbox_bytes)
        metric_add(metric_only(m->outbox_bytes), (int64_t)bytes - (int64_t)run->outbox_bytes);
    if (is_held != run->is_held)
        metric_add(metric_only(m->outbox_held), is_held ? 1 : -1);
    run->outbox_bytes = bytes;
    run->is_held = is_held;
}
