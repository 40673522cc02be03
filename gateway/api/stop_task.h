/*
 * stop_task: TaskService/StopTask: finds the executor that has the run and tells it to stop. One path for all runs: the
 * executor checks app and end user again. Records say what has ended of the runs this gateway has not begun.
 * Threads  the call's queue; a store thread where the records were asked.
 */
#pragma once
#include "gateway/api/bearer.h"
#include "gateway/api/gateway.h"
#include "heddle/v1/task.pb-c.h"

/* rpc_call_state() of the call. */
struct stop_state {
    struct bearer bearer;
    struct rpc_call *call;
    struct grant *grant;
    Heddle__V1__StopTaskRequest *request;
    struct task asked;
    bool was_known; /* this gateway began it */
};
void stop_task_start(struct rpc_call *call);
void stop_task_ended(struct rpc_call *call);
