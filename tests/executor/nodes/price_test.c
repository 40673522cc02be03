/*
 * Tests of price.
 */
#include "executor/nodes/price.h"
#include "tests/support/check.h"

static struct usage priced(int64_t prompt, int64_t completion, struct model_price price)
{
    struct usage usage = {.prompt_tokens = prompt, .completion_tokens = completion};
    price_of_usage(&price, &usage);
    return usage;
}

/* "prompt + completion = total currency" */
static void check(const char *expected, const struct usage *usage)
{
    char texts[3][MONEY_TEXT_BYTES];
    const struct usage_price *p = &usage->price;
    struct buf b;
    buf_init(&b, 256);
    buf_put(&b, money_text(p->prompt, p->currency, texts[0]));
    buf_put_c(&b, " + ");
    buf_put(&b, money_text(p->completion, p->currency, texts[1]));
    buf_put_c(&b, " = ");
    buf_put(&b, money_text(price_total(p).amount, p->currency, texts[2]));
    buf_put_char(&b, ' ');
    buf_put(&b, money_currency(p->currency));
    assert_str(expected, buf_str(&b));
    buf_fini(&b);
}

static void tokens_cost_exactly_seven_digits(void **state)
{
    (void)state;
    static const struct {
        int64_t prompt, completion;
        const char *prompt_price, *completion_price, *unit, *expected;
    } rows[] = {
        {1033, 128, "0.001", "0.002", "0.001", "0.0010330 + 0.0002560 = 0.0012890 USD"},
        {10, 5, "2.5", "10", "0.000001", "0.0000250 + 0.0000500 = 0.0000750 USD"},
        {1, 1, "0.05", "0.049999", "0.000001", "0.0000001 + 0.0000000 = 0.0000001 USD"}, /* half up */
        {3, 7, "0.15", "0.6", "0.000001", "0.0000005 + 0.0000042 = 0.0000047 USD"},
        {0, 0, "1", "1", "1", "0.0000000 + 0.0000000 = 0.0000000 USD"},
        {-5, 4, "1", "1", "1", "0.0000000 + 4.0000000 = 4.0000000 USD"},
        {10, 5, "", "3", "0.001", "0.0000000 + 0.0150000 = 0.0150000 USD"},
        {10, 5, "3", "", "0.001", "0.0300000 + 0.0000000 = 0.0300000 USD"},
        {1, 0, "0.1000000000000000000000000000", "0", "1", "0.1000000 + 0.0000000 = 0.1000000 USD"},
        /* No price, or none that can be read. */
        {10, 5, "", "", "0.001", "0 + 0 = 0 USD"},
        {10, 5, "1e-3", "3", "0.001", "0 + 0 = 0 USD"},
        {10, 5, "-1", "3", "0.001", "0 + 0 = 0 USD"},
        {10, 5, "3", "free", "0.001", "0 + 0 = 0 USD"},
        {10, 5, "3", "3", "", "0 + 0 = 0 USD"},
        {10, 5, "3", "3", "1E-6", "0 + 0 = 0 USD"},
        /* More than an amount can be. */
        {INT64_MAX, INT64_MAX, "999999999999999999999999999999999999", "999999999999999999999999999999999999",
         "999999999999999999999999999999999999",
         "922337203685.4775807 + 922337203685.4775807 = 922337203685.4775807 USD"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct usage usage =
            priced(rows[i].prompt, rows[i].completion,
                   (struct model_price){str_c(rows[i].prompt_price), str_c(rows[i].completion_price),
                                        str_c(rows[i].unit), STR("USD")});
        check(rows[i].expected, &usage);
    }
}

static void a_usage_without_a_price_has_none(void **state)
{
    (void)state;
    struct usage usage = priced(10, 5, (struct model_price){STR("1"), STR("1"), STR("1"), STR("")});
    check("0 + 0 = 0 USD", &usage);
    assert_int_equal(0, usage.price.prompt_unit_price.len);
}

static void prices_of_one_currency_add_up(void **state)
{
    (void)state;
    struct usage a = priced(10, 5, (struct model_price){STR("1"), STR("2"), STR("0.001"), STR("EUR")});
    struct usage b = priced(20, 1, (struct model_price){STR("3"), STR("4"), STR("0.01"), STR("EUR")});
    struct usage other = priced(99, 99, (struct model_price){STR("1"), STR("1"), STR("1"), STR("USD")});
    struct usage none = {.prompt_tokens = 1}, sum = {.prompt_tokens = 0};
    price_add(&sum.price, &none.price);
    check("0 + 0 = 0 USD", &sum);
    price_add(&sum.price, &a.price);
    check("0.0100000 + 0.0100000 = 0.0200000 EUR", &sum);
    price_add(&sum.price, &other.price);
    price_add(&sum.price, &none.price);
    check("0.0100000 + 0.0100000 = 0.0200000 EUR", &sum);
    assert_str("1", sum.price.prompt_unit_price);
    price_add(&sum.price, &b.price);
    check("0.6100000 + 0.0500000 = 0.6600000 EUR", &sum);
    assert_str("3", sum.price.prompt_unit_price);
    assert_str("4", sum.price.completion_unit_price);
    assert_str("0.01", sum.price.price_unit);
}

static void amounts_add_up_as_far_as_they_can(void **state)
{
    (void)state;
    char text[MONEY_TEXT_BYTES];
    struct money sum = {0}, none = {0};
    money_add(&sum, &none);
    assert_str("0", money_text(sum.amount, sum.currency, text));
    money_add(&sum, &(struct money){5, STR("EUR")});
    money_add(&sum, &(struct money){5, STR("USD")});
    money_add(&sum, &none);
    assert_str("0.0000005", money_text(sum.amount, sum.currency, text));
    money_add(&sum, &(struct money){INT64_MAX, STR("EUR")});
    assert_str("922337203685.4775807", money_text(sum.amount, sum.currency, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_cost_exactly_seven_digits),
        cmocka_unit_test(a_usage_without_a_price_has_none),
        cmocka_unit_test(prices_of_one_currency_add_up),
        cmocka_unit_test(amounts_add_up_as_far_as_they_can),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
