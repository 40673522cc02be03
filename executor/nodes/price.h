/*
 * price: what tokens cost (dify-dsl.md 4.3): tokens × unit price × price unit, exactly, rounded half up to the seventh
 * digit behind the point.
 * Threads  plain functions.
 */
#pragma once
#include "executor/nodes/node.h"

/* bytes. The largest amount: 12 digits, a point, 7 digits. */
enum { MONEY_TEXT_BYTES = 24 };

/*
 * Fills usage->price for its tokens; texts are borrowed from `price`. Left empty when there is no unit price, or one of the
 * texts is no decimal number.
 */
void price_of_usage(const struct model_price *price, struct usage *usage);
/* Another currency than that of the sum is left out. Unit prices become those of `more`. */
void price_add(struct usage_price *sum, const struct usage_price *more);
struct money price_total(const struct usage_price *price);
/* Another currency than that of the sum is left out. */
void money_add(struct money *sum, const struct money *more);

/* "0.0010330"; "0" without a currency. Borrowed from `text`, or a constant. */
struct str money_text(int64_t amount, struct str currency, char text[MONEY_TEXT_BYTES]);
/* "USD" for none. */
struct str money_currency(struct str currency);
