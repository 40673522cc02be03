/* credentials: what model providers know us by. Secrets go in and never come out. See call.h. */
#include "gateway/admin/call.h"

#include "gateway/admin/check.h"
#include "shared/store/rest.h"

static void cooldown_to_proto(struct rpc_call *call, const struct store_rest *rest, Heddle__V1__Cooldown *ret)
{
    heddle__v1__cooldown__init(ret);
    ret->model = admin_text(call, rest->model);
    ret->until_ms = rest->until_ms;
    ret->reason = admin_text(call, rest->reason);
    ret->seen_by = admin_text(call, rest->seen_by);
}

static void credential_to_proto(struct rpc_call *call, const struct store_credential *credential,
                                Heddle__V1__Credential *ret)
{
    heddle__v1__credential__init(ret);
    ret->id = admin_text(call, credential->credential_id);
    ret->provider = admin_text(call, credential->provider);
    ret->protocol = admin_text(call, credential->protocol);
    ret->name = admin_text(call, credential->name);
    ret->base_url = admin_text(call, credential->base_url);
    ret->models = arena_array(admin_arena(call), credential->model_count + 1, sizeof *ret->models);
    for (; ret->models != NULL && ret->n_models < credential->model_count; ret->n_models++)
        ret->models[ret->n_models] = admin_text(call, credential->models[ret->n_models]);
    ret->weight = credential->weight;
    ret->disabled = credential->disabled;
    ret->disabled_reason = admin_text(call, credential->disabled_reason);
    ret->requests_per_minute = credential->requests_per_minute;
    ret->tokens_per_minute = credential->tokens_per_minute;
    ret->max_concurrent = credential->max_concurrent;
    ret->cooldowns = admin_items(call, credential->rest_count, sizeof(Heddle__V1__Cooldown));
    for (; ret->cooldowns != NULL && ret->n_cooldowns < credential->rest_count; ret->n_cooldowns++)
        cooldown_to_proto(call, &credential->rests[ret->n_cooldowns], ret->cooldowns[ret->n_cooldowns]);
    ret->created_at_ms = credential->created_at_ms;
    ret->updated_at_ms = credential->updated_at_ms;
}

static void answered(void *arg, const struct store_credential *credential, const struct status *status)
{
    struct rpc_call *call = arg;
    if (status->code != STATUS_OK) {
        admin_fail(call, status);
        return;
    }
    Heddle__V1__Credential reply;
    credential_to_proto(call, credential, &reply);
    admin_reply(call, &reply.base);
}

/* Globs of a request as the store wants them; NULL: no memory. */
static const struct str *read_globs(struct rpc_call *call, char *const *globs, size_t count,
                                    struct status *err)
{
    struct str *ret = arena_array(admin_arena(call), count + 1, sizeof *ret);
    for (size_t i = 0; ret != NULL && i < count; i++)
        ret[i] = str_c(globs[i]);
    if (ret == NULL)
        status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for the models");
    return ret;
}

static enum status_code check_create(const Heddle__V1__CreateCredentialRequest *request, struct status *err)
{
    if (request->provider[0] == '\0')
        return status_field(err, "provider", "is required, as exports name it: \"openai\"");
    if (request->name[0] == '\0')
        return status_field(err, "name", "is required");
    if (check_protocol("protocol", str_c(request->protocol), err) != STATUS_OK ||
        check_url("base_url", str_c(request->base_url), err) != STATUS_OK)
        return err->code;
    return check_secret("secret", str_c(request->secret), err);
}

void admin_create_credential(struct rpc_call *call)
{
    const Heddle__V1__CreateCredentialRequest *request =
        admin_begin(call, &heddle__v1__create_credential_request__descriptor);
    if (request == NULL)
        return;
    struct status err;
    struct store_credential_create create = {
        .provider = str_c(request->provider),
        .protocol = str_c(request->protocol),
        .name = str_c(request->name),
        .base_url = str_c(request->base_url),
        .secret = str_c(request->secret),
        .models = read_globs(call, request->models, request->n_models, &err),
        .model_count = request->n_models,
        .weight = request->weight,
        .disabled = request->disabled,
        .requests_per_minute = request->requests_per_minute,
        .tokens_per_minute = request->tokens_per_minute,
        .max_concurrent = request->max_concurrent,
    };
    if (create.models == NULL || check_create(request, &err) != STATUS_OK ||
        store_credential_create(admin_store(call), &create, answered, call, &err) != STATUS_OK)
        admin_fail(call, &err);
}

static void listed(void *arg, const struct store_credential_page *page, const struct status *status)
{
    struct rpc_call *call = arg;
    if (status->code != STATUS_OK) {
        admin_fail(call, status);
        return;
    }
    Heddle__V1__ListCredentialsResponse reply = HEDDLE__V1__LIST_CREDENTIALS_RESPONSE__INIT;
    reply.credentials = admin_items(call, page->count, sizeof(Heddle__V1__Credential));
    for (; reply.credentials != NULL && reply.n_credentials < page->count; reply.n_credentials++)
        credential_to_proto(call, &page->credentials[reply.n_credentials],
                            reply.credentials[reply.n_credentials]);
    reply.next_page_token = admin_text(call, page->next_page_token);
    admin_reply(call, &reply.base);
}

void admin_list_credentials(struct rpc_call *call)
{
    const Heddle__V1__ListCredentialsRequest *request =
        admin_begin(call, &heddle__v1__list_credentials_request__descriptor);
    if (request == NULL)
        return;
    struct status err;
    const struct store_credential_list list = {.provider = str_c(request->provider),
                                               .page_size = request->page_size,
                                               .page_token = str_c(request->page_token)};
    if (store_credential_list(admin_store(call), &list, listed, call, &err) != STATUS_OK)
        admin_fail(call, &err);
}

/* What of the request is said, in the store's words, without the globs. */
static struct store_credential_update read_update(const Heddle__V1__UpdateCredentialRequest *request)
{
    return (struct store_credential_update){
        .credential_id = str_c(request->id),
        .has_name = request->has_name_case != 0,
        .name = str_c(request->has_name_case != 0 ? request->name : NULL),
        .has_base_url = request->has_base_url_case != 0,
        .base_url = str_c(request->has_base_url_case != 0 ? request->base_url : NULL),
        .has_secret = request->has_secret_case != 0,
        .secret = str_c(request->has_secret_case != 0 ? request->secret : NULL),
        .has_models = request->models != NULL,
        .has_weight = request->has_weight_case != 0,
        .weight = request->weight,
        .has_disabled = request->has_disabled_case != 0,
        .disabled = request->disabled,
        .ends_rests = request->end_cooldowns,
        .has_requests_per_minute = request->has_requests_per_minute_case != 0,
        .requests_per_minute = request->requests_per_minute,
        .has_tokens_per_minute = request->has_tokens_per_minute_case != 0,
        .tokens_per_minute = request->tokens_per_minute,
        .has_max_concurrent = request->has_max_concurrent_case != 0,
        .max_concurrent = request->max_concurrent,
        .has_protocol = request->has_protocol_case != 0,
        .protocol = str_c(request->has_protocol_case != 0 ? request->protocol : NULL),
    };
}

static enum status_code check_update(const Heddle__V1__UpdateCredentialRequest *request,
                                     const struct store_credential_update *update, struct status *err)
{
    if (admin_check_id("id", request->id, err) != STATUS_OK ||
        (update->has_base_url && check_url("base_url", update->base_url, err) != STATUS_OK) ||
        (update->has_secret && check_secret("secret", update->secret, err) != STATUS_OK) ||
        check_protocol("protocol", update->protocol, err) != STATUS_OK)
        return err->code;
    return STATUS_OK;
}

void admin_update_credential(struct rpc_call *call)
{
    const Heddle__V1__UpdateCredentialRequest *request =
        admin_begin(call, &heddle__v1__update_credential_request__descriptor);
    if (request == NULL)
        return;
    struct status err;
    struct store_credential_update update = read_update(request);
    enum status_code rc = check_update(request, &update, &err);
    if (rc == STATUS_OK && update.has_models) {
        update.model_count = request->models->n_globs;
        update.models = read_globs(call, request->models->globs, update.model_count, &err);
        if (update.models == NULL)
            rc = err.code;
    }
    if (rc == STATUS_OK)
        rc = store_credential_update(admin_store(call), &update, answered, call, &err);
    if (rc != STATUS_OK)
        admin_fail(call, &err);
}

static void deleted(void *arg, const struct status *status)
{
    struct rpc_call *call = arg;
    Heddle__V1__DeleteCredentialResponse reply = HEDDLE__V1__DELETE_CREDENTIAL_RESPONSE__INIT;
    if (status->code != STATUS_OK)
        admin_fail(call, status);
    else
        admin_reply(call, &reply.base);
}

void admin_delete_credential(struct rpc_call *call)
{
    const Heddle__V1__DeleteCredentialRequest *request =
        admin_begin(call, &heddle__v1__delete_credential_request__descriptor);
    if (request == NULL)
        return;
    struct status err;
    const struct store_credential_ref ref = {.credential_id = str_c(request->id)};
    if (admin_check_id("id", request->id, &err) != STATUS_OK ||
        store_credential_delete(admin_store(call), &ref, deleted, call, &err) != STATUS_OK)
        admin_fail(call, &err);
}
