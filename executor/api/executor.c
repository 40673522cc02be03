/* executor: see the header. */
#include "executor/api/executor.h"

#include "heddle/executor/v1/executor.pb-c.h"
#include "shared/base/crypto.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct rpc_method methods[] = {
    {
        .path = "/heddle.executor.v1.ExecutorService/Execute",
        .kind = RPC_SERVER_STREAM,
        .request = &heddle__executor__v1__execute_request__descriptor,
        .state_bytes = sizeof(struct execute_state),
        .slots = 16,
        .start = execute_start,
        .sent = execute_sent,
        .cancelled = execute_cancelled,
        .ended = execute_ended,
    },
    {
        .path = "/heddle.executor.v1.ExecutorService/Stop",
        .kind = RPC_UNARY,
        .request = &heddle__executor__v1__stop_request__descriptor,
        .start = stop_start,
    },
    {
        .path = "/heddle.executor.v1.ExecutorService/CheckApp",
        .kind = RPC_UNARY,
        .request = &heddle__executor__v1__check_app_request__descriptor,
        .state_bytes = sizeof(struct check_app_state),
        .slots = 4,
        .start = check_app_start,
        .ended = check_app_ended,
    },
    {
        .path = "/heddle.executor.v1.ExecutorService/TestCredential",
        .kind = RPC_UNARY,
        .request = &heddle__executor__v1__test_credential_request__descriptor,
        .state_bytes = sizeof(struct test_credential_state),
        .slots = 2,
        .start = test_credential_start,
        .cancelled = test_credential_cancelled,
        .ended = test_credential_ended,
    },
};

enum status_code executor_new(const struct executor_options *options, struct executor **ret_executor,
                              struct status *err)
{
    struct executor *executor = calloc(1, sizeof *executor);
    if (executor == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "executor: out of memory");
    executor->options = *options;
    executor->token = str_dup(str_c(options->token));
    executor->address = str_dup(str_c(options->address));
    if (executor->token == NULL || executor->address == NULL) {
        executor_free(executor);
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "executor: out of memory");
    }
    if (helpers_new(EXECUTOR_TRIALS_MAX, &executor->trials, err) != STATUS_OK) {
        executor_free(executor);
        return err->code;
    }
    snprintf(executor->instance_id, sizeof executor->instance_id, "%s", options->instance_id);
    *ret_executor = executor;
    return STATUS_OK;
}

void executor_free(struct executor *executor)
{
    if (executor == NULL)
        return;
    helpers_free(executor->trials);
    if (executor->token != NULL)
        secret_wipe(executor->token, strlen(executor->token));
    free(executor->token);
    free(executor->address);
    free(executor);
}

enum status_code executor_add(struct executor *executor, struct rpc_server *server, struct status *err)
{
    return rpc_server_add(server, methods, ARRAY_LEN(methods), executor, err);
}

bool executor_admits(struct rpc_call *call)
{
    const struct executor *executor = rpc_call_service(call);
    if (executor->token[0] == '\0')
        return true;
    struct str header = rpc_call_metadata(call, "authorization");
    struct str scheme = str_sub(header, 0, 7), token = str_sub(header, 7, header.len);
    if (header.ptr != NULL && str_eq_nocase(scheme, STR("bearer ")) &&
        str_eq_secret(token, str_c(executor->token)))
        return true;
    struct status err;
    status_reason(&err, STATUS_UNAUTHENTICATED, "INVALID_EXECUTOR_TOKEN",
                  "gateway and executor have different executor_tokens");
    rpc_call_finish(call, &err);
    return false;
}
