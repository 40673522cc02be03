/*
 * model_record: see model_record.h.
 */
#include "executor/nodes/model_record.h"

static struct value *seconds(struct value_account *a, int64_t ms)
{
    return ms < 0 ? value_none() : value_float(a, (double)ms / 1000);
}

/* Models have no prices yet. */
struct value *model_usage(struct value_account *a, const struct usage *u)
{
    static const struct str zero = {"0", 1};
    int64_t generate_ms = u->first_token_ms < 0 ? -1 : u->latency_ms - u->first_token_ms;
    struct value_builder b;
    value_object_begin(&b, a);
    value_object_put(&b, STR("prompt_tokens"), value_int(a, u->prompt_tokens));
    value_object_put(&b, STR("prompt_unit_price"), value_string(a, zero));
    value_object_put(&b, STR("prompt_price_unit"), value_string(a, zero));
    value_object_put(&b, STR("prompt_price"), value_string(a, zero));
    value_object_put(&b, STR("completion_tokens"), value_int(a, u->completion_tokens));
    value_object_put(&b, STR("completion_unit_price"), value_string(a, zero));
    value_object_put(&b, STR("completion_price_unit"), value_string(a, zero));
    value_object_put(&b, STR("completion_price"), value_string(a, zero));
    value_object_put(&b, STR("total_tokens"), value_int(a, u->prompt_tokens + u->completion_tokens));
    value_object_put(&b, STR("total_price"), value_string(a, zero));
    value_object_put(&b, STR("currency"), value_string(a, STR("USD")));
    value_object_put(&b, STR("latency"), seconds(a, u->latency_ms));
    value_object_put(&b, STR("time_to_first_token"), seconds(a, u->first_token_ms));
    value_object_put(&b, STR("time_to_generate"), seconds(a, generate_ms));
    return value_object_end(&b);
}

void model_identity_put(struct value_builder *b, struct value_account *a, struct str provider,
                        struct str name)
{
    value_object_put(b, STR("model_provider"), value_string(a, provider));
    value_object_put(b, STR("model_name"), value_string(a, name));
}

struct value *model_call_value(struct value_account *a, const struct model_tool_call *call)
{
    struct value_builder function, b;
    value_object_begin(&function, a);
    value_object_put(&function, STR("name"), value_string(a, call->name));
    value_object_put(&function, STR("arguments"), value_string(a, call->arguments));
    value_object_begin(&b, a);
    value_object_put(&b, STR("id"), value_string(a, call->id));
    value_object_put(&b, STR("type"), value_string(a, STR("function")));
    value_object_put(&b, STR("function"), value_object_end(&function));
    return value_object_end(&b);
}

const char *model_refusal_type(const struct status *err)
{
    if (err->code == STATUS_RESOURCE_EXHAUSTED)
        return "InvokeRateLimitError";
    if (err->code == STATUS_UNAVAILABLE)
        return "InvokeServerUnavailableError";
    return "InvokeAuthorizationError";
}

const struct model_tool_call *model_calls_copy(struct arena *arena, const struct model_tool_call *calls,
                                               size_t count)
{
    struct model_tool_call *copy = arena_array(arena, count + 1, sizeof *copy);
    for (size_t i = 0; copy != NULL && i < count; i++)
        copy[i] = (struct model_tool_call){arena_copy(arena, calls[i].id), arena_copy(arena, calls[i].name),
                                           arena_copy(arena, calls[i].arguments)};
    return arena->failed ? NULL : copy;
}
