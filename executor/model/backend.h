/*
 * backend: model calls of the workers: the credentials and models of the store, kept up to date, and a client on each loop.
 * Threads  model_source is made by the main thread and used by all; what its backend opens belongs to one loop.
 */
#pragma once
#include "executor/model/call.h"
#include "executor/worker/workers.h"
#include "shared/store/store.h"

struct model_source;
/*
 * ca_file      PEM of authorities for TLS; NULL: the system's
 * version      of HTTP towards models
 * times        how long an attempt may take
 * seen_by      instance id: who saw a refusal; borrowed
 * may_wait     when all credentials for a model rest or are full, its calls wait in line; else they fail at once
 * waiting_max  calls that may wait at a time; 0: POOL_WAITING_MAX
 * meters       what is counted by credential; NULL: nothing
 */
struct model_source_options {
    struct store *store;
    const char *ca_file, *seen_by;
    enum http_version version;
    struct call_times times;
    bool may_wait;
    size_t waiting_max;
    struct model_meters *meters;
};
/* Reads the credentials (waits for them) and follows their changes. Errors of the store; RESOURCE_EXHAUSTED. */
MUST_CHECK enum status_code model_source_new(const struct model_source_options *options,
                                             struct model_source **ret_source, struct status *err);
/* Nothing is asked of the store any more: before it is closed, which may be before the workers end. NULL is fine. */
void model_source_stop(struct model_source *source);
/* After the store is closed and the workers are gone. NULL is fine. */
void model_source_free(struct model_source *source);
struct model_backend model_source_backend(struct model_source *source);
/*
 * A gateway has seen this generation of the store: what is asked of the store after this is answered after the credentials have
 * been read anew, if they were behind.
 */
void model_source_catch_up(struct model_source *source, uint64_t generation);
/* Brings those of its meters up to date that are kept elsewhere. Any thread. */
void model_source_collect(struct model_source *source);
