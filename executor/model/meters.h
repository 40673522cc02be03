/*
 * meters: what model calls count, by provider, model and credential (its name, as administrators gave it).
 * Threads  made by the main thread; the rest any. Where no meters are given (NULL), nothing is counted.
 */
#pragma once
#include "executor/model/pool.h"
#include "shared/base/metrics.h"

/* children. Triples of provider, model and credential; those of more providers are "other". */
#define MODEL_METERS_MAX 1000

struct model_meters {
    struct metric *picks, *failovers, *refusals, *rests, *disabled, *back, *tokens, *first_content, *seconds;
    struct metric *waits, *gave_up, *waiting; /* kept elsewhere, set when somebody reads */
};
/* RESOURCE_EXHAUSTED: no memory. */
MUST_CHECK enum status_code model_meters_init(struct model_meters *meters, struct metrics *metrics,
                                              struct status *err);

/* A request goes to the ticket's credential. */
void model_meters_picked(const struct model_meters *meters, const struct pool_ticket *ticket);
void model_meters_refused(const struct model_meters *meters, const struct pool_ticket *ticket,
                          enum refusal refusal);
/* The first text of an attempt has come, so long after it was sent. */
void model_meters_spoke(const struct model_meters *meters, const struct pool_ticket *ticket, int64_t us);
/* An attempt has ended well. reply: its tokens. */
void model_meters_answered(const struct model_meters *meters, const struct pool_ticket *ticket,
                           const struct model_reply *reply, int64_t us);
/* What has become of the credential. */
void model_meters_changed(const struct model_meters *meters, const struct pool_ticket *ticket,
                          const struct standing_change *change);
