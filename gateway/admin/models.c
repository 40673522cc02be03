/* models: how a provider's model is spoken to and what it costs. See call.h. */
#include "gateway/admin/call.h"

#include "gateway/admin/check.h"
#include "shared/store/model.h"

static void model_to_proto(struct rpc_call *call, const struct store_model *model, Heddle__V1__Model *ret)
{
    heddle__v1__model__init(ret);
    ret->provider = admin_text(call, model->provider);
    ret->model = admin_text(call, model->model);
    ret->protocol = admin_text(call, model->protocol);
    ret->upstream_model = admin_text(call, model->upstream_model);
    ret->context_size = model->context_size;
    ret->prompt_unit_price = admin_text(call, model->prompt_unit_price);
    ret->completion_unit_price = admin_text(call, model->completion_unit_price);
    ret->price_unit = admin_text(call, model->price_unit);
    ret->currency = admin_text(call, model->currency);
    ret->affinity = model->affinity;
}

static void set(void *arg, const struct store_model *model, const struct status *status)
{
    struct rpc_call *call = arg;
    if (status->code != STATUS_OK) {
        admin_fail(call, status);
        return;
    }
    Heddle__V1__Model reply;
    model_to_proto(call, model, &reply);
    admin_reply(call, &reply.base);
}

/* The answer to a removal names what was removed. */
static void removed(void *arg, const struct status *status)
{
    struct rpc_call *call = arg;
    const Heddle__V1__SetModelRequest *request =
        (const Heddle__V1__SetModelRequest *)((struct admin_call *)rpc_call_state(call))->request;
    Heddle__V1__Model reply = HEDDLE__V1__MODEL__INIT;
    if (status->code != STATUS_OK) {
        admin_fail(call, status);
        return;
    }
    reply.provider = request->model->provider;
    reply.model = request->model->model;
    admin_reply(call, &reply.base);
}

static enum status_code check_model(const Heddle__V1__Model *model, struct status *err)
{
    if (model == NULL)
        return status_field(err, "model", "is required");
    if (model->provider[0] == '\0')
        return status_field(err, "model.provider", "is required, as exports name it: \"openai\"");
    if (model->model[0] == '\0')
        return status_field(err, "model.model", "is required, as exports name it: \"gpt-4o\"");
    if (model->context_size < 0)
        return status_field(err, "model.context_size", "must not be negative");
    if (check_protocol("model.protocol", str_c(model->protocol), err) != STATUS_OK ||
        check_decimal("model.prompt_unit_price", str_c(model->prompt_unit_price), err) != STATUS_OK ||
        check_decimal("model.completion_unit_price", str_c(model->completion_unit_price), err) != STATUS_OK ||
        check_decimal("model.price_unit", str_c(model->price_unit), err) != STATUS_OK ||
        check_currency("model.currency", str_c(model->currency), err) != STATUS_OK)
        return err->code;
    return STATUS_OK;
}

static struct store_model read_model(const Heddle__V1__Model *model)
{
    struct store_model ret = {
        .provider = str_c(model->provider),
        .model = str_c(model->model),
        .protocol = str_c(model->protocol),
        .upstream_model = str_c(model->upstream_model),
        .context_size = model->context_size,
        .prompt_unit_price = str_c(model->prompt_unit_price),
        .completion_unit_price = str_c(model->completion_unit_price),
        .price_unit = str_c(model->price_unit),
        .currency = str_c(model->currency),
        .affinity = model->affinity,
    };
    /* Kept with what they mean, so that a price reads the same for ever. */
    bool has_price = ret.prompt_unit_price.len > 0 || ret.completion_unit_price.len > 0;
    if (has_price && ret.price_unit.len == 0)
        ret.price_unit = STR("0.000001");
    if (has_price && ret.currency.len == 0)
        ret.currency = STR("USD");
    return ret;
}

void admin_set_model(struct rpc_call *call)
{
    const Heddle__V1__SetModelRequest *request =
        admin_begin(call, &heddle__v1__set_model_request__descriptor);
    if (request == NULL)
        return;
    struct status err;
    enum status_code rc = check_model(request->model, &err);
    if (rc == STATUS_OK && request->remove) {
        const struct store_model_ref ref = {.provider = str_c(request->model->provider),
                                            .model = str_c(request->model->model)};
        rc = store_model_remove(admin_store(call), &ref, removed, call, &err);
    } else if (rc == STATUS_OK) {
        const struct store_model model = read_model(request->model);
        rc = store_model_set(admin_store(call), &model, set, call, &err);
    }
    if (rc != STATUS_OK)
        admin_fail(call, &err);
}

static void listed(void *arg, const struct store_model_page *page, const struct status *status)
{
    struct rpc_call *call = arg;
    if (status->code != STATUS_OK) {
        admin_fail(call, status);
        return;
    }
    Heddle__V1__ListModelsResponse reply = HEDDLE__V1__LIST_MODELS_RESPONSE__INIT;
    reply.models = admin_items(call, page->count, sizeof(Heddle__V1__Model));
    for (; reply.models != NULL && reply.n_models < page->count; reply.n_models++)
        model_to_proto(call, &page->models[reply.n_models], reply.models[reply.n_models]);
    reply.next_page_token = admin_text(call, page->next_page_token);
    admin_reply(call, &reply.base);
}

void admin_list_models(struct rpc_call *call)
{
    const Heddle__V1__ListModelsRequest *request =
        admin_begin(call, &heddle__v1__list_models_request__descriptor);
    if (request == NULL)
        return;
    struct status err;
    const struct store_model_list list = {.provider = str_c(request->provider),
                                          .page_size = request->page_size,
                                          .page_token = str_c(request->page_token)};
    if (store_model_list(admin_store(call), &list, listed, call, &err) != STATUS_OK)
        admin_fail(call, &err);
}
