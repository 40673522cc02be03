/* trial: TestCredential: an executor asks the provider, who sees what executors will see later. See call.h. */
#include "gateway/admin/call.h"

#include "gateway/api/links.h"
#include "shared/base/clock.h"
#include "shared/rpc/slice.h"

/* ms. An executor gives a provider 15 s (executor/model/trial.h). */
#define TEST_CREDENTIAL_MS 20000

static void tried(struct rpc_client_call *client, void *arg, const struct status *status, struct str bytes)
{
    struct rpc_call *call = arg;
    struct status err = *status;
    (void)client;
    links_explain(&err);
    if (err.code == STATUS_OK)
        rpc_call_reply(call, rpc_slice_copy(bytes));
    else
        admin_fail(call, &err);
}

void admin_test_credential(struct rpc_call *call)
{
    const Heddle__V1__TestCredentialRequest *request =
        admin_begin(call, &heddle__v1__test_credential_request__descriptor);
    if (request == NULL)
        return;
    const struct admin *admin = rpc_call_service(call);
    struct status err;
    if (admin_check_id("id", request->id, &err) != STATUS_OK) {
        admin_fail(call, &err);
        return;
    }
    Heddle__Executor__V1__TestCredentialRequest trial = HEDDLE__EXECUTOR__V1__TEST_CREDENTIAL_REQUEST__INIT;
    trial.credential_id = request->id;
    trial.model = request->model;
    const struct rpc_client_args args = {.method = admin->test_credential,
                                         .queue = rpc_call_queue(call),
                                         .parent = call,
                                         .deadline_ms = clock_monotonic_ms() + TEST_CREDENTIAL_MS,
                                         .patience = RPC_FAIL_FAST};
    grpc_slice bytes = rpc_slice_pack(&trial.base);
    if (rpc_client_unary(admin->executor, &args, bytes, tried, call, NULL, &err) != STATUS_OK) {
        grpc_slice_unref(bytes);
        admin_fail(call, &err);
    }
}
