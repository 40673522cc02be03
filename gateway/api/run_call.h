/*
 * run_call: a call that starts a run, as run_call.c (its life) and run_records.c (what records say of it) share it.
 * Threads  the call's queue; store threads hand it back by a post.
 * A run_call has one reference for the caller's call, one for the executor's, one for each question under way.
 */
#pragma once
#include "gateway/api/bearer.h"
#include "gateway/api/gateway.h"
#include "gateway/api/relay.h"
#include "gateway/api/requests.h"
#include "shared/otlp/tracing.h"
#include "shared/rpc/client.h"

struct run_call {
    size_t refs;
    struct gateway *gateway;
    struct rpc_call *call; /* NULL once it was ended */
    struct run_request request;
    struct bearer bearer;
    struct grant *grant; /* app and version to run */
    struct rpc_op version_found;
    struct grant *version; /* answer of the store to a version_id */
    struct status version_status;
    struct task task;
    char conversation_id[UUID_TEXT_LEN + 1], message_id[UUID_TEXT_LEN + 1];
    bool is_new_conversation;
    bool is_own_id; /* the caller's; then only a run that nobody has begun may begin */
    bool was_taken; /* an executor has said that it is */
    bool has_task;  /* it is noted in `tasks` as ours */
    char version_id[UUID_TEXT_LEN + 1];
    unsigned attempt;
    struct live_run live;             /* while there is an upstream */
    Heddle__V1__EndReason end_reason; /* why it is to end as soon as it has begun; UNSPECIFIED: it is not */
    struct rpc_client_call *upstream; /* NULL once it has ended */
    bool never_left;                  /* of the last one: no connection was given the request */
    struct relay relay;
    struct tracing trace;
    struct run_meter meter;
};

/* Gives a reference back. */
void run_call_unref(struct run_call *run);
/* Ends the caller's call, once. */
void run_call_finish(struct run_call *run, const struct status *status);
/* Nothing has begun, or no more is to be known of it here. */
void run_call_forget_task(struct run_call *run);
/* Asks an executor to run it. */
void run_call_execute(struct run_call *run);
extern const struct relay_sink run_call_sink;

/* --- run_records.c --- */

/* The executor was lost in the middle: the record says how the run ended, and says so from now on. Ends in relay_close(). */
void run_records_close(struct run_call *run);
/*
 * The caller brought the run id: has a run with it been? One of theirs that has ended is told again; where there is none
 * run_call_execute() follows; else the call ends with ALREADY_EXISTS, RUN_EXISTS, or with what is wrong with the records.
 */
void run_records_look(struct run_call *run);
