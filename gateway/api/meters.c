/* meters: see the header. */
#include "gateway/api/meters.h"

#include "shared/base/run_end.h"

enum status_code meters_init(struct meters *m, struct metrics *metrics, struct status *err)
{
    static const int64_t latency[] = METRIC_LATENCY_BUCKETS;
    const struct metric_row rows[] = {
        {&m->started,
         {.name = "heddle_gateway_runs_started_total",
          .help = "Runs that an executor has begun for this gateway.",
          .kind = METRIC_COUNTER,
          .labels = {"app"},
          .label_count = 1,
          .children_max = METERS_APPS_MAX}},
        {&m->ended,
         {.name = "heddle_gateway_runs_ended_total",
          .help = "Runs that have ended, as their callers were told; unknown: the caller had left before.",
          .kind = METRIC_COUNTER,
          .labels = {"app", "status", "end_reason"},
          .label_count = 3,
          .children_max = METERS_ENDS_MAX}},
        {&m->in_flight,
         {.name = "heddle_gateway_runs_in_flight",
          .help = "Runs that are relayed.",
          .kind = METRIC_GAUGE,
          .labels = {"app"},
          .label_count = 1,
          .children_max = METERS_APPS_MAX}},
        {&m->first_text,
         {.name = "heddle_gateway_first_text_seconds",
          .help = "From a call to the first piece of text on its way to the caller.",
          .kind = METRIC_HISTOGRAM,
          .per_unit = 1000000,
          .buckets = latency,
          .bucket_count = ARRAY_LEN(latency)}},
        {&m->seconds,
         {.name = "heddle_gateway_run_seconds",
          .help = "From a call to the end of its run's stream.",
          .kind = METRIC_HISTOGRAM,
          .per_unit = 1000000,
          .buckets = latency,
          .bucket_count = ARRAY_LEN(latency)}},
        {&m->tokens,
         {.name = "heddle_gateway_tokens_total",
          .help = "Tokens of runs that have ended, of prompts and answers together.",
          .kind = METRIC_COUNTER,
          .labels = {"app"},
          .label_count = 1,
          .children_max = METERS_APPS_MAX}},
        {&m->refusals,
         {.name = "heddle_gateway_refusals_total",
          .help =
              "Calls for a run that ended before one had begun, by reason (or code, where there is none).",
          .kind = METRIC_COUNTER,
          .labels = {"reason"},
          .label_count = 1}},
        {&m->auth_failures,
         {.name = "heddle_gateway_auth_failures_total",
          .help = "Keys and tokens that were not taken, by reason.",
          .kind = METRIC_COUNTER,
          .labels = {"reason"},
          .label_count = 1}},
    };
    return metrics_add_rows(metrics, rows, ARRAY_LEN(rows), err);
}

void meters_run_called(struct run_meter *run, int64_t now_us)
{
    *run = (struct run_meter){.called_us = now_us};
}

void meters_run_begun(struct meters *m, struct run_meter *run, struct str app_id)
{
    metric_add(METRIC_CHILD(m->started, app_id), 1);
    run->in_flight = METRIC_CHILD(m->in_flight, app_id);
    metric_add(run->in_flight, 1);
}

void meters_run_text(struct meters *m, struct run_meter *run, int64_t now_us)
{
    if (run->has_text)
        return;
    run->has_text = true;
    metric_observe(metric_only(m->first_text), now_us - run->called_us);
}

void meters_run_ended(struct meters *m, struct run_meter *run, struct str app_id, int status, int reason,
                      int64_t tokens, int64_t now_us)
{
    if (run->in_flight == NULL)
        return;
    metric_add(run->in_flight, -1);
    run->in_flight = NULL;
    metric_add(METRIC_CHILD(m->ended, app_id, str_c(run_status_word(status)), str_c(end_reason_word(reason))),
               1);
    metric_observe(metric_only(m->seconds), now_us - run->called_us);
    if (tokens > 0)
        metric_add(METRIC_CHILD(m->tokens, app_id), tokens);
}

static struct str reason_of(const struct status *status)
{
    return str_c(status->reason != NULL ? status->reason : status_code_name(status->code));
}

void meters_refused(struct meters *m, const struct status *status)
{
    metric_add(METRIC_CHILD(m->refusals, reason_of(status)), 1);
}

void meters_auth_failed(struct meters *m, const struct status *status)
{
    if (status->code == STATUS_UNAUTHENTICATED || status->code == STATUS_PERMISSION_DENIED)
        metric_add(METRIC_CHILD(m->auth_failures, reason_of(status)), 1);
}
