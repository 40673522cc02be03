/*
 * test_credential: asks a provider something small with a credential and says what came back. The store is asked for the credential,
 * and for the model's settings when one is to answer; then a thread of its own waits for the provider.
 */
#include "executor/api/executor.h"
#include "executor/model/settings.h"
#include "executor/model/trial.h"
#include "heddle/executor/v1/executor.pb-c.h"
#include "shared/base/clock.h"
#include "shared/base/crypto.h"
#include <stdio.h>
#include <string.h>

/* bytes. One credential and the name of a model. */
#define STATE_BYTES_MAX ((size_t)64 * 1024)
/* ms. For the answer's way back within the caller's deadline, or a quarter of what is left when that is less. */
#define WAY_BACK_MS 500

static const Heddle__Executor__V1__TestCredentialRequest *request_of(
    const struct test_credential_state *state)
{
    return state->request;
}

static void answer(struct rpc_call *call, const struct trial_result *result)
{
    Heddle__V1__TestCredentialResponse reply = HEDDLE__V1__TEST_CREDENTIAL_RESPONSE__INIT;
    reply.ok = result->ok;
    reply.http_status = result->http_status;
    reply.message = (char *)result->words;
    reply.elapsed_ms = result->elapsed_ms;
    rpc_call_reply_message(call, &reply.base);
}

static int64_t time_for_it(struct rpc_call *call)
{
    int64_t left_ms = rpc_call_deadline_ms(call) - clock_monotonic_ms();
    left_ms -= left_ms / 4 < WAY_BACK_MS ? left_ms / 4 : WAY_BACK_MS;
    return left_ms < 1 ? 1 : left_ms > TRIAL_MS ? TRIAL_MS : left_ms;
}

static void ask(struct helper_task *task)
{
    struct test_credential_state *state = CONTAINER_OF(task, struct test_credential_state, task);
    struct rpc_call *call = state->call;
    const struct executor *executor = rpc_call_service(call);
    const struct trial_params params = {.protocol = state->protocol,
                                        .secret = str_c(state->secret),
                                        .base_url = state->base_url,
                                        .model = state->model,
                                        .ca_file = executor->options.ca_file,
                                        .total_ms = time_for_it(call),
                                        .is_given_up = &state->is_given_up};
    struct trial_result result;
    struct status err;
    enum status_code rc = trial_run(&params, &result, &err);
    if (rc == STATUS_INVALID_ARGUMENT) { /* something about the credential, and that is what was asked for */
        snprintf(result.words, sizeof result.words, "%s", err.message);
        rc = STATUS_OK;
    }
    if (rc == STATUS_OK)
        answer(call, &result);
    else
        rpc_call_finish(call, &err);
}

static void begin(struct test_credential_state *state)
{
    struct executor *executor = rpc_call_service(state->call);
    struct status err;
    state->task.run = ask;
    if (helpers_do(executor->trials, &state->task, &err) != STATUS_OK)
        rpc_call_finish(state->call, &err);
}

/* The model as its provider is asked for it, and how, as a call would find it. */
static enum status_code apply_settings(struct test_credential_state *state,
                                       const struct store_model_page *page, struct status *err)
{
    const Heddle__Executor__V1__TestCredentialRequest *request = request_of(state);
    struct settings *settings = NULL;
    enum status_code rc = settings_new(page, &settings, err);
    if (rc != STATUS_OK)
        return rc;
    struct str workspace = str_c(request->workspace_id), provider = state->provider;
    bool is_pattern =
        str_find(provider, STR("*"), 0) != SIZE_MAX || str_find(provider, STR("?"), 0) != SIZE_MAX;
    const struct model_settings *found =
        settings_find(settings, workspace.len == 0 ? STR("default") : workspace,
                      is_pattern ? STR("") : provider, str_c(request->model));
    if (found->upstream_model.len > 0)
        state->model = arena_copy(&state->arena, found->upstream_model);
    if (found->protocol != NULL)
        state->protocol = found->protocol;
    settings_free(settings);
    return state->arena.failed ? status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for the model")
                               : STATUS_OK;
}

static void models_loaded(void *arg, const struct store_model_page *page, const struct status *status)
{
    struct test_credential_state *state = arg;
    struct status err = *status;
    if (err.code == STATUS_OK)
        err.code = apply_settings(state, page, &err);
    if (err.code == STATUS_OK)
        begin(state);
    else
        rpc_call_finish(state->call, &err);
}

static enum status_code keep(struct test_credential_state *state,
                             const struct store_credential_opened *credential, struct status *err)
{
    if (credential->problem.len > 0)
        return status_reason(err, STATUS_FAILED_PRECONDITION, "CREDENTIAL_UNUSABLE",
                             "the credential cannot be opened: %.*s", STR_ARG(credential->problem));
    state->protocol = protocol_find(credential->credential.protocol);
    if (state->protocol == NULL)
        return status_reason(err, STATUS_FAILED_PRECONDITION, "CREDENTIAL_UNUSABLE",
                             "its protocol \"%.*s\" is not spoken by this executor",
                             STR_ARG(credential->credential.protocol));
    state->provider = arena_copy(&state->arena, credential->credential.provider);
    state->base_url = arena_copy(&state->arena, credential->credential.base_url);
    state->secret = arena_copy_c(&state->arena, credential->secret);
    state->model = str_c(request_of(state)->model);
    return state->arena.failed ? status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for the credential")
                               : STATUS_OK;
}

static void credential_loaded(void *arg, const struct store_credential_set *set, const struct status *status)
{
    struct test_credential_state *state = arg;
    const struct executor *executor = rpc_call_service(state->call);
    struct status err = *status;
    if (err.code == STATUS_OK)
        err.code = keep(state, &set->credentials[0], &err);
    if (err.code == STATUS_OK && state->model.len == 0) {
        begin(state);
        return;
    }
    if (err.code == STATUS_OK)
        err.code = store_model_load(executor->options.store, models_loaded, state, &err);
    if (err.code != STATUS_OK)
        rpc_call_finish(state->call, &err);
}

void test_credential_start(struct rpc_call *call)
{
    if (!executor_admits(call))
        return;
    const struct executor *executor = rpc_call_service(call);
    struct test_credential_state *state = rpc_call_state(call);
    struct str bytes = rpc_call_request(call);
    struct status err;
    enum status_code rc;
    state->call = call;
    arena_init(&state->arena, STATE_BYTES_MAX);
    state->request =
        heddle__executor__v1__test_credential_request__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
    if (state->request == NULL) {
        rc = status_set(&err, STATUS_RESOURCE_EXHAUSTED, "no memory for the request");
    } else {
        const struct store_credential_ref ref = {.workspace_id = str_c(request_of(state)->workspace_id),
                                                 .credential_id = str_c(request_of(state)->credential_id)};
        rc = store_credential_load(executor->options.store, &ref, credential_loaded, state, &err);
    }
    if (rc != STATUS_OK)
        rpc_call_finish(call, &err);
}

void test_credential_cancelled(struct rpc_call *call)
{
    struct test_credential_state *state = rpc_call_state(call);
    atomic_store(&state->is_given_up, true);
}

void test_credential_ended(struct rpc_call *call)
{
    struct test_credential_state *state = rpc_call_state(call);
    if (state->request != NULL)
        heddle__executor__v1__test_credential_request__free_unpacked(state->request, NULL);
    if (state->secret != NULL)
        secret_wipe(state->secret, strlen(state->secret));
    arena_fini(&state->arena);
}
