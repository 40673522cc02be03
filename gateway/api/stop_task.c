/* stop_task: see the header. */
#include "gateway/api/stop_task.h"

#include "heddle/executor/v1/executor.pb-c.h"
#include "shared/base/clock.h"
#include "shared/rpc/slice.h"
#include <stdio.h>

/* ms. An executor answers at once; a lost one is noticed by its connection. */
#define STOP_MS 5000

static void reply(struct rpc_call *call, Heddle__V1__StopResult result)
{
    Heddle__V1__StopTaskResponse response = HEDDLE__V1__STOP_TASK_RESPONSE__INIT;
    response.result = result;
    rpc_call_reply_message(call, &response.base);
}

static void stopped(struct rpc_client_call *client, void *arg, const struct status *status, struct str bytes)
{
    (void)client;
    struct stop_state *state = arg;
    if (status->code != STATUS_OK) {
        struct status err = *status;
        if (err.code == STATUS_DEADLINE_EXCEEDED) /* ours: a caller whose own has passed hears nothing */
            status_reason(&err, STATUS_UNAVAILABLE, "EXECUTOR_UNAVAILABLE",
                          "the executor that has the run does not answer");
        links_explain(&err);
        rpc_call_finish(state->call, &err);
        return;
    }
    Heddle__Executor__V1__StopResponse *response =
        heddle__executor__v1__stop_response__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
    Heddle__V1__StopResult result =
        response == NULL ? HEDDLE__V1__STOP_RESULT__STOP_RESULT_NOT_FOUND : response->result;
    if (response != NULL)
        heddle__executor__v1__stop_response__free_unpacked(response, NULL);
    /* A run that this gateway began and the executor no longer has is over. */
    if (result == HEDDLE__V1__STOP_RESULT__STOP_RESULT_NOT_FOUND && state->was_known)
        result = HEDDLE__V1__STOP_RESULT__STOP_RESULT_ALREADY_ENDED;
    reply(state->call, result);
}

static void ask_executor(struct stop_state *state, const struct task *task)
{
    struct gateway *gateway = rpc_call_service(state->call);
    Heddle__Executor__V1__StopRequest request = HEDDLE__EXECUTOR__V1__STOP_REQUEST__INIT;
    struct status err;
    request.run_id = (char *)task->run_id;
    request.app_id = (char *)task->app_id;
    request.end_user_id = (char *)task->end_user_id;
    request.reason = HEDDLE__V1__END_REASON__END_REASON_STOPPED_BY_USER;
    const struct rpc_client_args args = {.method = LINK_STOP,
                                         .queue = rpc_call_queue(state->call),
                                         .deadline_ms = clock_monotonic_ms() + STOP_MS};
    grpc_slice bytes = rpc_slice_pack(&request.base);
    if (rpc_client_unary(links_at(gateway->links, str_c(task->address)), &args, bytes, stopped, state, NULL,
                         &err) != STATUS_OK) {
        grpc_slice_unref(bytes);
        rpc_call_finish(state->call, &err);
    }
}

/* On a store thread. */
static void looked(void *arg, const struct store_run *run, const struct status *status)
{
    struct stop_state *state = arg;
    if (status->code == STATUS_OK && run->finished_at_ms != 0)
        reply(state->call, HEDDLE__V1__STOP_RESULT__STOP_RESULT_ALREADY_ENDED);
    else /* a run that leaves no record, or whose record cannot be read, may still be there */
        ask_executor(state, &state->asked);
}

/* This gateway has not begun it, or does not remember. */
static void look(struct stop_state *state)
{
    const struct gateway *gateway = rpc_call_service(state->call);
    const struct store_run_ref ref = {.workspace_id = state->grant->target.workspace_id,
                                      .run_id = str_c(state->asked.run_id),
                                      .app_id = str_c(state->asked.app_id),
                                      .end_user_id = str_c(state->asked.end_user_id)};
    struct status err;
    if (store_run_get(gateway->records, &ref, looked, state, &err) != STATUS_OK)
        ask_executor(state, &state->asked);
}

static enum status_code check(const struct stop_state *state, struct str *ret_user, struct status *err)
{
    if (!uuid_is_canonical(str_c(state->request->task_id)))
        return status_field(err, "task_id", "must be a lower-case UUID");
    if (principal_user(state->bearer.principal, str_c(state->request->user), ret_user, err) != STATUS_OK)
        return err->code;
    if (ret_user->len == 0)
        return status_field(err, "user", "is required");
    return STATUS_OK;
}

static void authenticated(struct bearer *bearer, struct grant *take_grant, const struct status *status)
{
    struct stop_state *state = CONTAINER_OF(bearer, struct stop_state, bearer);
    const struct gateway *gateway = rpc_call_service(state->call);
    struct status err = *status;
    struct str user = {0};
    state->grant = take_grant;
    if (err.code == STATUS_OK) {
        struct str bytes = rpc_call_request(state->call);
        state->request = heddle__v1__stop_task_request__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
        if (state->request == NULL)
            status_set(&err, STATUS_RESOURCE_EXHAUSTED, "no memory for the request");
        else
            err.code = check(state, &user, &err);
    }
    if (err.code != STATUS_OK) {
        rpc_call_finish(state->call, &err);
        return;
    }
    const struct store_target *target = &state->grant->target;
    struct task *asked = &state->asked, known;
    snprintf(asked->run_id, sizeof asked->run_id, "%s", state->request->task_id);
    snprintf(asked->app_id, sizeof asked->app_id, "%.*s", STR_ARG(target->app_id));
    principal_end_user_id(state->bearer.principal, target->workspace_id, target->app_id, user,
                          asked->end_user_id);
    if (tasks_find(gateway->tasks, str_c(asked->run_id), &known)) {
        bool is_theirs = str_eq_c(str_c(known.app_id), asked->app_id) &&
                         str_eq_c(str_c(known.end_user_id), asked->end_user_id);
        if (!is_theirs || known.state == TASK_ENDED) {
            reply(state->call, is_theirs ? HEDDLE__V1__STOP_RESULT__STOP_RESULT_ALREADY_ENDED
                                         : HEDDLE__V1__STOP_RESULT__STOP_RESULT_NOT_FOUND);
            return;
        }
        state->was_known = true;
        ask_executor(state, &known);
        return;
    }
    look(state);
}

void stop_task_start(struct rpc_call *call)
{
    struct gateway *gateway = rpc_call_service(call);
    struct stop_state *state = rpc_call_state(call);
    state->call = call;
    state->bearer.done = authenticated;
    bearer_find(&state->bearer, gateway, call, SCOPE_RUN);
}

void stop_task_ended(struct rpc_call *call)
{
    struct stop_state *state = rpc_call_state(call);
    if (state->request != NULL)
        heddle__v1__stop_task_request__free_unpacked(state->request, NULL);
    bearer_fini(&state->bearer);
    grant_unref(state->grant);
}
