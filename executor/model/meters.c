/* meters: see the header. */
#include "executor/model/meters.h"

#define BY_CREDENTIAL                                                                                        \
    .kind = METRIC_COUNTER, .labels = {"provider", "model", "credential"}, .label_count = 3,                 \
    .children_max = MODEL_METERS_MAX
#define BY_CREDENTIAL_AND_KIND                                                                               \
    .kind = METRIC_COUNTER, .labels = {"provider", "model", "credential", "kind"}, .label_count = 4,         \
    .children_max = MODEL_METERS_MAX * 2

enum status_code model_meters_init(struct model_meters *m, struct metrics *metrics, struct status *err)
{
    static const int64_t latency[] = METRIC_LATENCY_BUCKETS;
    const struct metric_row rows[] = {
        {&m->picks, {.name = "heddle_model_picks_total", .help = "Requests sent to models.", BY_CREDENTIAL}},
        {&m->failovers,
         {.name = "heddle_model_failovers_total",
          .help = "Requests sent after another credential had refused the same call.",
          BY_CREDENTIAL}},
        {&m->refusals,
         {.name = "heddle_model_refusals_total",
          .help = "Requests that were refused or broke off, by kind.",
          BY_CREDENTIAL_AND_KIND}},
        {&m->rests,
         {.name = "heddle_model_rests_total",
          .help = "Times a credential was put to rest for a model.",
          BY_CREDENTIAL}},
        {&m->disabled,
         {.name = "heddle_model_disabled_total",
          .help = "Times a credential was disabled because its provider does not take it.",
          BY_CREDENTIAL}},
        {&m->back,
         {.name = "heddle_model_back_total",
          .help = "Times a credential came back from its rest.",
          BY_CREDENTIAL}},
        {&m->tokens,
         {.name = "heddle_model_tokens_total",
          .help = "Tokens as models have counted them: prompt, completion.",
          BY_CREDENTIAL_AND_KIND}},
        {&m->first_content,
         {.name = "heddle_model_first_content_seconds",
          .help = "From a request to the first content of its answer.",
          .kind = METRIC_HISTOGRAM,
          .per_unit = 1000000,
          .labels = {"provider", "model"},
          .label_count = 2,
          .buckets = latency,
          .bucket_count = ARRAY_LEN(latency)}},
        {&m->seconds,
         {.name = "heddle_model_answer_seconds",
          .help = "From a request to the end of its answer, of those that ended well.",
          .kind = METRIC_HISTOGRAM,
          .per_unit = 1000000,
          .labels = {"provider", "model"},
          .label_count = 2,
          .buckets = latency,
          .bucket_count = ARRAY_LEN(latency)}},
        {&m->waits,
         {.name = "heddle_model_waits_total",
          .help = "Calls that had to wait for a credential.",
          .kind = METRIC_COUNTER}},
        {&m->gave_up,
         {.name = "heddle_model_gave_up_total",
          .help = "Calls that found no credential in time.",
          .kind = METRIC_COUNTER}},
        {&m->waiting,
         {.name = "heddle_model_calls_waiting",
          .help = "Calls that wait for a credential now.",
          .kind = METRIC_GAUGE}},
    };
    return metrics_add_rows(metrics, rows, ARRAY_LEN(rows), err);
}

static struct metric_child *of_ticket(struct metric *metric, const struct pool_ticket *ticket)
{
    return METRIC_CHILD(metric, provider_last_part(ticket->ask.provider), ticket->model,
                        ticket->credential->name);
}

static struct metric_child *of_kind(struct metric *metric, const struct pool_ticket *ticket, const char *kind)
{
    return METRIC_CHILD(metric, provider_last_part(ticket->ask.provider), ticket->model,
                        ticket->credential->name, str_c(kind));
}

static struct metric_child *of_model(struct metric *metric, const struct pool_ticket *ticket)
{
    return METRIC_CHILD(metric, provider_last_part(ticket->ask.provider), ticket->model);
}

void model_meters_picked(const struct model_meters *m, const struct pool_ticket *ticket)
{
    if (m == NULL)
        return;
    metric_add(of_ticket(m->picks, ticket), 1);
    if (ticket->tried_count > 1)
        metric_add(of_ticket(m->failovers, ticket), 1);
}

void model_meters_refused(const struct model_meters *m, const struct pool_ticket *ticket,
                          enum refusal refusal)
{
    static const char *const kinds[] = {[REFUSAL_REQUEST] = "request",
                                        [REFUSAL_RATE_LIMIT] = "rate_limit",
                                        [REFUSAL_NO_QUOTA] = "no_quota",
                                        [REFUSAL_UNAUTHORIZED] = "unauthorized",
                                        [REFUSAL_UNAVAILABLE] = "unavailable"};
    if (m != NULL)
        metric_add(of_kind(m->refusals, ticket, kinds[refusal]), 1);
}

void model_meters_spoke(const struct model_meters *m, const struct pool_ticket *ticket, int64_t us)
{
    if (m != NULL)
        metric_observe(of_model(m->first_content, ticket), us);
}

void model_meters_answered(const struct model_meters *m, const struct pool_ticket *ticket,
                           const struct model_reply *reply, int64_t us)
{
    if (m == NULL)
        return;
    metric_observe(of_model(m->seconds, ticket), us);
    if (!reply->has_usage)
        return;
    metric_add(of_kind(m->tokens, ticket, "prompt"), reply->usage.prompt_tokens);
    metric_add(of_kind(m->tokens, ticket, "completion"), reply->usage.completion_tokens);
}

void model_meters_changed(const struct model_meters *m, const struct pool_ticket *ticket,
                          const struct standing_change *change)
{
    if (m == NULL)
        return;
    struct metric *metric = change->is_disabled ? m->disabled : change->is_back ? m->back : m->rests;
    metric_add(of_ticket(metric, ticket), 1);
}
