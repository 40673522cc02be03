/*
 * executor: heddle.executor.v1.ExecutorService: runs for gateways, stops, verdicts on exports (architecture.md section 3).
 * Threads  made by the main thread; lives until its servers are freed, workers, helpers and store are ended.
 */
#pragma once
#include "executor/api/meters.h"
#include "executor/api/versions.h"
#include "executor/model/backend.h"
#include "executor/model/protocol.h"
#include "executor/worker/workers.h"
#include "shared/rpc/server.h"
#include "shared/store/journal.h"

/* threads. Trials of credentials at a time; more wait. */
enum { EXECUTOR_TRIALS_MAX = 2 };

/*
 * models    what it knows of credentials is brought up to date before a run whose gateway has seen more
 * token     that callers must show (authorization: Bearer); NULL or "": none. Copied
 * otlp      where spans go; NULL: nowhere
 * tells_models   providers are told of the trace
 * ca_file   PEM of authorities for trials of credentials; NULL: the system's; borrowed
 * address   where Stop reaches this executor, for Begun; "": the target that gateways know; copied
 */
struct executor_options {
    struct store *store;
    struct workers *workers;
    struct helpers *helpers;
    struct versions *versions;
    struct model_source *models;
    struct store *records;   /* to read conversations from; has the master key */
    struct journal *journal; /* where runs are recorded */
    const char *instance_id; /* never used again by another process; copied */
    const char *token, *address, *ca_file;
    struct meters *meters; /* what is counted */
    struct run_limits limits;
    struct otlp *otlp;
    bool tells_models;
};

/* What the handlers work with; its members do not change once made. */
struct executor {
    struct executor_options options;
    char instance_id[UUID_TEXT_LEN + 1];
    char *token, *address;
    struct helpers *trials; /* threads that wait for providers */
};

/* RESOURCE_EXHAUSTED: no memory, or no thread to be had. */
MUST_CHECK enum status_code executor_new(const struct executor_options *options,
                                         struct executor **ret_executor, struct status *err);
void executor_free(struct executor *executor); /* NULL is fine */
/* Adds the service to a server before its start. Errors as rpc_server_add(). */
MUST_CHECK enum status_code executor_add(struct executor *executor, struct rpc_server *server,
                                         struct status *err);

/* Inside executor/api: does the caller show the token? Ends the call when not. */
MUST_CHECK bool executor_admits(struct rpc_call *call);
/* The handlers (rpc_method.start and the like). */
void execute_start(struct rpc_call *call);
void execute_sent(struct rpc_call *call, bool ok);
void execute_cancelled(struct rpc_call *call);
void execute_ended(struct rpc_call *call);
void stop_start(struct rpc_call *call);
void check_app_start(struct rpc_call *call);
void check_app_ended(struct rpc_call *call);
void test_credential_start(struct rpc_call *call);
void test_credential_cancelled(struct rpc_call *call);
void test_credential_ended(struct rpc_call *call);

/* What the calls keep in rpc_call_state(). */
struct execution;
struct execute_state {
    struct execution *execution; /* a reference */
};
struct check_app_state {
    struct helper_task task;
    struct rpc_call *call;
    void *request; /* CheckAppRequest */
};
struct test_credential_state {
    struct helper_task task;
    struct rpc_call *call;
    void *request;      /* TestCredentialRequest */
    struct arena arena; /* what the store has said */
    const struct protocol *protocol;
    struct str provider, base_url, model;
    char *secret; /* NULL: not known yet */
    atomic_bool is_given_up;
};
