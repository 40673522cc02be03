/*
 * meters: what the executor counts of runs and nodes. A run begins here when its gateway is told that it has, and ends once,
 * when its end is sure: its record is written, or will never be, or there is none. So what is counted and logged is what the
 * record says; "unknown" is the end of a run that somebody else had closed before.
 * Threads  made by the main thread; the rest any, but for one run one at a time.
 */
#pragma once
#include "executor/run/event.h"
#include "shared/base/metrics.h"

/* children. As in the gateway: apps with metrics of their own, ends by app, status and reason. */
#define METERS_APPS_MAX 1000
#define METERS_ENDS_MAX 4000

struct meters {
    struct metric *started, *ended, *in_flight, *seconds, *first_token, *tokens, *nodes, *refusals;
    struct metric *outbox_bytes, *outbox_held;
};
/* Adds them to the registry. RESOURCE_EXHAUSTED: no memory. */
MUST_CHECK enum status_code meters_init(struct meters *meters, struct metrics *metrics, struct status *err);

/* How a run has ended, as its event said. */
struct run_ending {
    enum run_status status;
    enum end_reason reason;
    int64_t elapsed_ms, prompt_tokens, completion_tokens, first_token_ms;
    int32_t steps;
};
/* What is known of one run, zeroed; in its execution's memory. */
struct run_meter {
    struct metric_child *in_flight; /* NULL: it does not run */
    bool has_begun;
    struct run_ending ending;
    size_t outbox_bytes; /* as they are counted */
    bool is_held;        /* likewise */
};
void meters_run_begun(struct meters *meters, struct run_meter *run, struct str app_id);
/* Noted until it is sure. */
void meters_run_finished(struct run_meter *run, const struct event_finished *finished);
/* It is sure; once, if it has begun: true then. */
bool meters_run_ended(struct meters *meters, struct run_meter *run, struct str app_id);
void meters_node_ended(struct meters *meters, const struct event_node *node);
/* A call for a run was turned away before one had begun. */
void meters_refused(struct meters *meters, const struct status *status);
/* What waits in the run's outbox now, and whether its sources are held for it. */
void meters_outbox(struct meters *meters, struct run_meter *run, size_t bytes, bool is_held);
