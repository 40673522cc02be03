/*
 * meters: what the gateway counts of runs and callers. A run begins here when an executor says that it has begun, and ends
 * once, as its caller was told: with the status and the reason of the workflow_finished that went out; "unknown" when none
 * did (the caller had left before: the executor's own metrics know).
 * Threads  made by the main thread; the rest any.
 */
#pragma once
#include "shared/base/metrics.h"

/* children. Apps with metrics of their own; those of more are counted together, as "other". */
#define METERS_APPS_MAX 1000
/* children. Ends of runs, by app, status and reason: most apps know three or four. */
#define METERS_ENDS_MAX 4000

struct meters {
    struct metric *started, *ended, *in_flight, *first_text, *seconds, *tokens, *refusals, *auth_failures;
};
/* Adds them to the registry. RESOURCE_EXHAUSTED: no memory. */
MUST_CHECK enum status_code meters_init(struct meters *meters, struct metrics *metrics, struct status *err);

/* What is known of one run, zeroed until it begins; in its call's memory. */
struct run_meter {
    struct metric_child *in_flight; /* NULL: it does not run */
    int64_t called_us;              /* when the caller had called */
    bool has_text;
};
void meters_run_called(struct run_meter *run, int64_t now_us);
void meters_run_begun(struct meters *meters, struct run_meter *run, struct str app_id);
/* The first piece of text goes out; further calls do nothing. */
void meters_run_text(struct meters *meters, struct run_meter *run, int64_t now_us);
/* Once, if it has begun. status, reason: of heddle.v1; 0: not known. */
void meters_run_ended(struct meters *meters, struct run_meter *run, struct str app_id, int status, int reason,
                      int64_t tokens, int64_t now_us);
/* A call for a run was turned away before one had begun. */
void meters_refused(struct meters *meters, const struct status *status);
/* A token or key was not taken, or does not open what it was shown for. Other statuses count nothing. */
void meters_auth_failed(struct meters *meters, const struct status *status);
