/* stop: ends a run of this executor, for whoever may: the app's caller, as the end user the run is for. */
#include "executor/api/executor.h"
#include "heddle/executor/v1/executor.pb-c.h"

void stop_start(struct rpc_call *call)
{
    if (!executor_admits(call))
        return;
    const struct executor *executor = rpc_call_service(call);
    struct str bytes = rpc_call_request(call);
    Heddle__Executor__V1__StopRequest *request =
        heddle__executor__v1__stop_request__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
    if (request == NULL) {
        struct status err;
        status_set(&err, STATUS_RESOURCE_EXHAUSTED, "no memory for the request");
        rpc_call_finish(call, &err);
        return;
    }
    Heddle__Executor__V1__StopResponse reply = HEDDLE__EXECUTOR__V1__STOP_RESPONSE__INIT;
    reply.result = HEDDLE__V1__STOP_RESULT__STOP_RESULT_NOT_FOUND;
    struct job *job = workers_find(executor->options.workers, str_c(request->run_id));
    if (job != NULL && str_eq_c(str_c(request->app_id), job->app_id) &&
        str_eq_c(str_c(request->end_user_id), job->end_user_id)) {
        bool shuts_down = request->reason == HEDDLE__V1__END_REASON__END_REASON_SHUTTING_DOWN;
        job_signal(job, shuts_down ? JOB_SHUTDOWN : JOB_STOP);
        reply.result = HEDDLE__V1__STOP_RESULT__STOP_RESULT_STOPPING;
    }
    if (job != NULL)
        job->ops->unref(job);
    heddle__executor__v1__stop_request__free_unpacked(request, NULL);
    rpc_call_reply_message(call, &reply.base);
}
