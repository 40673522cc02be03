/* price: see the header. */
#include "executor/nodes/price.h"
#include "shared/base/decimal.h"
#include <stdio.h>

/* digits behind the point of an amount, and what they count. */
enum { AMOUNT_SCALE = 7, AMOUNT_OF_ONE = 10000000 };

/* False: a text is no decimal number. What is more than an amount can be is the largest one. */
static bool cost(int64_t tokens, struct str unit_price, struct str price_unit, int64_t *ret)
{
    struct decimal price, unit, product = decimal_from_uint(tokens > 0 ? (uint64_t)tokens : 0);
    if (unit_price.len == 0)
        unit_price = STR("0");
    if (!decimal_parse(unit_price, &price) || !decimal_parse(price_unit, &unit))
        return false;
    if (!decimal_multiply(&product, &price, &product) || !decimal_multiply(&product, &unit, &product) ||
        !decimal_round(&product, AMOUNT_SCALE, ret))
        *ret = INT64_MAX;
    return true;
}

void price_of_usage(const struct model_price *price, struct usage *usage)
{
    struct usage_price p = {.prompt_unit_price = price->prompt_unit_price,
                            .completion_unit_price = price->completion_unit_price,
                            .price_unit = price->price_unit,
                            .currency = price->currency};
    bool has_price = p.prompt_unit_price.len > 0 || p.completion_unit_price.len > 0;
    usage->price = (struct usage_price){0};
    if (has_price && p.currency.len > 0 &&
        cost(usage->prompt_tokens, p.prompt_unit_price, p.price_unit, &p.prompt) &&
        cost(usage->completion_tokens, p.completion_unit_price, p.price_unit, &p.completion))
        usage->price = p;
}

static int64_t sum_of(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

void price_add(struct usage_price *sum, const struct usage_price *more)
{
    struct usage_price added = *more;
    if (more->currency.len == 0 || (sum->currency.len > 0 && !str_eq(sum->currency, more->currency)))
        return;
    added.prompt = sum_of(sum->prompt, more->prompt);
    added.completion = sum_of(sum->completion, more->completion);
    *sum = added;
}

struct money price_total(const struct usage_price *price)
{
    return (struct money){sum_of(price->prompt, price->completion), price->currency};
}

void money_add(struct money *sum, const struct money *more)
{
    if (more->currency.len == 0 || (sum->currency.len > 0 && !str_eq(sum->currency, more->currency)))
        return;
    *sum = (struct money){sum_of(sum->amount, more->amount), more->currency};
}

struct str money_text(int64_t amount, struct str currency, char text[MONEY_TEXT_BYTES])
{
    if (currency.len == 0)
        return STR("0");
    snprintf(text, MONEY_TEXT_BYTES, "%lld.%07lld", (long long)(amount / AMOUNT_OF_ONE),
             (long long)(amount % AMOUNT_OF_ONE));
    return str_c(text);
}

struct str money_currency(struct str currency)
{
    return currency.len > 0 ? currency : STR("USD");
}
