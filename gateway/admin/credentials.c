/* credentials: what model providers know us by. Secrets go in and never come out. See call.h. */
#include "gateway/admin/call.h"

#include "shared/store/credential.h"

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

static enum status_code check_url(const char *url, struct status *err)
{
    struct str text = str_c(url);
    size_t host = str_starts(text, STR("http://")) ? 7 : str_starts(text, STR("https://")) ? 8 : 0;
    if (host == 0 || text.len == host || text.ptr[host] == '/')
        return status_field(err, "base_url", "must be an http:// or https:// address");
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] <= ' ' || text.ptr[i] == 0x7f)
            return status_field(err, "base_url", "holds white space or a control character");
    }
    return STATUS_OK;
}

/* A secret becomes a header of a request: what HTTP cannot carry there is refused here, with words. */
static enum status_code check_secret(const char *secret, struct status *err)
{
    for (const char *c = secret; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return status_field(err, "secret", "holds a control character (a line end?)");
    }
    return STATUS_OK;
}

static enum status_code check_create(const Heddle__V1__CreateCredentialRequest *request, struct status *err)
{
    if (request->provider[0] == '\0')
        return status_field(err, "provider", "is required, as exports name it: \"openai\"");
    if (request->name[0] == '\0')
        return status_field(err, "name", "is required");
    if (request->protocol[0] != '\0' && !str_eq_c(str_c(request->protocol), "openai"))
        return status_field(err, "protocol", "\"%.40s\" is not spoken; \"openai\" is", request->protocol);
    if (check_url(request->base_url, err) != STATUS_OK)
        return err->code;
    return check_secret(request->secret, err);
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

void admin_update_credential(struct rpc_call *call)
{
    const Heddle__V1__UpdateCredentialRequest *request =
        admin_begin(call, &heddle__v1__update_credential_request__descriptor);
    if (request == NULL)
        return;
    struct status err = {.code = STATUS_OK};
    struct store_credential_update update = {.credential_id = str_c(request->id)};
    update.has_name = request->has_name_case == HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__HAS_NAME_NAME;
    update.has_base_url =
        request->has_base_url_case == HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__HAS_BASE_URL_BASE_URL;
    update.has_secret = request->has_secret_case == HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__HAS_SECRET_SECRET;
    update.has_weight = request->has_weight_case == HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__HAS_WEIGHT_WEIGHT;
    update.has_disabled =
        request->has_disabled_case == HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__HAS_DISABLED_DISABLED;
    update.has_models = request->models != NULL;
    if (request->end_cooldowns) {
        status_field(&err, "end_cooldowns", "this release rests no credentials, so there is nothing to end");
        err.code = STATUS_UNIMPLEMENTED;
        err.reason = "NOT_ENFORCED";
        admin_fail(call, &err);
        return;
    }
    if (admin_check_id("id", request->id, &err) == STATUS_OK && update.has_base_url)
        err.code = check_url(request->base_url, &err);
    if (err.code == STATUS_OK && update.has_secret)
        err.code = check_secret(request->secret, &err);
    if (err.code == STATUS_OK && update.has_models) {
        update.model_count = request->models->n_globs;
        update.models = read_globs(call, request->models->globs, update.model_count, &err);
    }
    if (err.code != STATUS_OK) {
        admin_fail(call, &err);
        return;
    }
    if (update.has_name)
        update.name = str_c(request->name);
    if (update.has_base_url)
        update.base_url = str_c(request->base_url);
    if (update.has_secret)
        update.secret = str_c(request->secret);
    if (update.has_weight)
        update.weight = request->weight;
    if (update.has_disabled)
        update.disabled = request->disabled;
    if (store_credential_update(admin_store(call), &update, answered, call, &err) != STATUS_OK)
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
