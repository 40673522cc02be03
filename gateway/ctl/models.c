/* models: how models are spoken to and what they cost. See admin_commands.h. */
#include "gateway/ctl/admin_commands.h"

#include "gateway/ctl/list.h"
#include "heddle/v1/admin.pb-c.h"

enum ctl_exit model_set(struct ctl *ctl, const struct ctl_args *args)
{
    Heddle__V1__SetModelRequest request = HEDDLE__V1__SET_MODEL_REQUEST__INIT;
    Heddle__V1__Model model = HEDDLE__V1__MODEL__INIT;
    request.model = &model;
    model.provider = text_of(args->positional[0]);
    model.model = text_of(args->positional[1]);
    model.upstream_model = text_of(args_option(args, "upstream"));
    model.protocol = text_of(args_option(args, "protocol"));
    model.prompt_unit_price = text_of(args_option(args, "prompt-price"));
    model.completion_unit_price = text_of(args_option(args, "completion-price"));
    model.price_unit = text_of(args_option(args, "price-unit"));
    model.currency = text_of(args_option(args, "currency"));
    model.affinity = args_has(args, "affinity");
    const char *context = args_option(args, "context");
    if (context != NULL && !read_number("context", context, 0, INT64_MAX, &model.context_size))
        return CTL_USAGE;
    return session_change(ctl, METHOD_SET_MODEL, &request.base, "set");
}

enum ctl_exit model_remove(struct ctl *ctl, const struct ctl_args *args)
{
    Heddle__V1__SetModelRequest request = HEDDLE__V1__SET_MODEL_REQUEST__INIT;
    Heddle__V1__Model model = HEDDLE__V1__MODEL__INIT;
    request.model = &model;
    request.remove = true;
    model.provider = text_of(args->positional[0]);
    model.model = text_of(args->positional[1]);
    return session_change(ctl, METHOD_SET_MODEL, &request.base, "removed");
}

/* "2.50 / 10 USD by 0.000001"; "" for none. */
static void put_price_cell(struct table *t, const Heddle__V1__Model *model)
{
    struct buf cell;
    buf_init(&cell, 1024);
    if (model->prompt_unit_price[0] != '\0' || model->completion_unit_price[0] != '\0')
        buf_printf(&cell, "%s / %s %s by %s", model->prompt_unit_price[0] ? model->prompt_unit_price : "0",
                   model->completion_unit_price[0] ? model->completion_unit_price : "0", model->currency,
                   model->price_unit);
    table_put(t, buf_str(&cell));
    buf_fini(&cell);
}

static void put_model_row(struct table *t, const ProtobufCMessage *item)
{
    const Heddle__V1__Model *model = (const Heddle__V1__Model *)item;
    table_put(t, str_c(model->provider));
    table_put(t, str_c(model->model));
    table_put(t, str_c(model->upstream_model));
    table_put(t, str_c(model->protocol));
    table_put_int(t, model->context_size);
    table_put(t, model->affinity ? STR("yes") : STR("no"));
    put_price_cell(t, model);
}

enum ctl_exit model_list(struct ctl *ctl, const struct ctl_args *args)
{
    static const char *const headings[] = {
        "PROVIDER", "MODEL", "UPSTREAM", "PROTOCOL", "CONTEXT", "AFFINITY", "PRICES (PROMPT / COMPLETION)"};
    Heddle__V1__ListModelsRequest request = HEDDLE__V1__LIST_MODELS_REQUEST__INIT;
    request.provider = text_of(args_option(args, "provider"));
    return list_print(ctl, METHOD_LIST_MODELS, &request.base, &request.page_token, ARRAY_LEN(headings),
                      headings, put_model_row);
}
