/*
 * model_record: see model_record.h.
 */
#include "executor/nodes/model_record.h"
#include "executor/nodes/price.h"

static struct value *seconds(struct value_account *a, int64_t ms)
{
    return ms < 0 ? value_none() : value_float(a, (double)ms / 1000);
}

static struct value *unit(struct value_account *a, struct str text)
{
    return value_string(a, text.len > 0 ? text : STR("0"));
}

static struct value *amount(struct value_account *a, int64_t n, struct str currency)
{
    char text[MONEY_TEXT_BYTES];
    return value_string(a, money_text(n, currency, text));
}

struct value *model_usage(struct value_account *a, const struct usage *u)
{
    const struct usage_price *p = &u->price;
    int64_t generate_ms = u->first_token_ms < 0 ? -1 : u->latency_ms - u->first_token_ms;
    struct value_builder b;
    value_object_begin(&b, a);
    value_object_put(&b, STR("prompt_tokens"), value_int(a, u->prompt_tokens));
    value_object_put(&b, STR("prompt_unit_price"), unit(a, p->prompt_unit_price));
    value_object_put(&b, STR("prompt_price_unit"), unit(a, p->price_unit));
    value_object_put(&b, STR("prompt_price"), amount(a, p->prompt, p->currency));
    value_object_put(&b, STR("completion_tokens"), value_int(a, u->completion_tokens));
    value_object_put(&b, STR("completion_unit_price"), unit(a, p->completion_unit_price));
    value_object_put(&b, STR("completion_price_unit"), unit(a, p->price_unit));
    value_object_put(&b, STR("completion_price"), amount(a, p->completion, p->currency));
    value_object_put(&b, STR("total_tokens"), value_int(a, u->prompt_tokens + u->completion_tokens));
    value_object_put(&b, STR("total_price"), amount(a, price_total(p).amount, p->currency));
    value_object_put(&b, STR("currency"), value_string(a, money_currency(p->currency)));
    value_object_put(&b, STR("latency"), seconds(a, u->latency_ms));
    value_object_put(&b, STR("time_to_first_token"), seconds(a, u->first_token_ms));
    value_object_put(&b, STR("time_to_generate"), seconds(a, generate_ms));
    return value_object_end(&b);
}

static struct value *refused_value(struct value_account *a, const struct model_refused *refused)
{
    struct value_builder b;
    value_object_begin(&b, a);
    value_object_put(&b, STR("credential"), value_string(a, refused->credential));
    value_object_put(&b, STR("error_type"), value_string(a, str_c(refused->error_type)));
    value_object_put(&b, STR("message"), value_string(a, refused->words));
    return value_object_end(&b);
}

/* Those that refused, and the one that did not. */
static size_t tried(const struct model_route *route)
{
    size_t n = route->refused_count;
    bool has_answered =
        route->credential.len > 0 && (n == 0 || !str_eq(route->refused[n - 1].credential, route->credential));
    return n + has_answered;
}

void model_route_put(struct value_builder *b, struct value_account *a, const struct model_route *route)
{
    struct value_builder credential, refused;
    if (route == NULL)
        return;
    value_array_begin(&refused, a);
    for (size_t i = 0; i < route->refused_count; i++)
        value_array_put(&refused, refused_value(a, &route->refused[i]));
    value_object_begin(&credential, a);
    value_object_put(&credential, STR("name"), value_string(a, route->credential));
    value_object_put(&credential, STR("model"), value_string(a, route->model));
    value_object_put(&credential, STR("tried"), value_int(a, (int64_t)tried(route)));
    value_object_put(&credential, STR("waited_ms"), value_int(a, route->waited_ms));
    value_object_put(&credential, STR("refused"), value_array_end(&refused));
    value_object_put(b, STR("credential"), value_object_end(&credential));
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

struct model_failure model_refusal(const struct status *err)
{
    return (struct model_failure){
        .error_type = model_refusal_type(err), .message = str_c(err->message), .retry_ms = err->retry_ms};
}

struct str model_failure_words(struct arena *arena, const struct model_failure *failure)
{
    if (failure->retry_ms <= 0)
        return failure->message;
    int64_t tenths = failure->retry_ms / 100 + (failure->retry_ms % 100 > 0);
    return str_c(arena_printf(arena, "%.*s; the first is back in %lld.%lld s", STR_ARG(failure->message),
                              (long long)(tenths / 10), (long long)(tenths % 10)));
}

void model_failure_end(struct node_exec *x, const struct model_failure *failure,
                       struct node_result *take_result)
{
    struct str words = model_failure_words(node_exec_arena(x), failure);
    take_result->error_type = failure->error_type;
    take_result->retry_ms = failure->retry_ms;
    node_fail(x, take_result, "%.*s", STR_ARG(words));
}

void model_usage_put(struct node_result *result, const struct usage *u)
{
    result->total_tokens = u->prompt_tokens + u->completion_tokens;
    result->cost = price_total(&u->price);
}

/* --- copies --- */

static bool route_copy(struct arena *arena, struct model_route *route)
{
    struct model_refused *copy = arena_array(arena, route->refused_count + 1, sizeof *copy);
    for (size_t i = 0; copy != NULL && i < route->refused_count; i++) {
        copy[i] = route->refused[i];
        copy[i].credential = arena_copy(arena, copy[i].credential);
        copy[i].words = arena_copy(arena, copy[i].words);
    }
    route->refused = copy;
    route->credential = arena_copy(arena, route->credential);
    route->model = arena_copy(arena, route->model);
    return !arena->failed;
}

bool model_reply_copy(struct arena *arena, const struct model_reply *reply, struct model_reply *ret)
{
    *ret = *reply;
    struct str *texts[] = {&ret->finish_reason, &ret->price.prompt_unit_price,
                           &ret->price.completion_unit_price, &ret->price.price_unit, &ret->price.currency};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        *texts[i] = arena_copy(arena, *texts[i]);
    ret->calls = model_calls_copy(arena, reply->calls, reply->call_count);
    return route_copy(arena, &ret->route);
}

bool model_failure_copy(struct arena *arena, const struct model_failure *failure, struct model_failure *ret)
{
    *ret = *failure;
    ret->message = arena_copy(arena, failure->message);
    return route_copy(arena, &ret->route);
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
