/*
 * Tests of decimal.
 */
#include "shared/base/decimal.h"
#include "tests/support/check.h"
#include <string.h>

static void texts_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t thousandths; /* -1: refused */
    } rows[] = {
        {"0", 0},
        {"7", 7000},
        {"007", 7000},
        {"0.0005", 1},
        {"0.00049", 0},
        {"1.2345", 1235},
        {".5", 500},
        {"5.", 5000},
        {"9999999999.9995", 10000000000000},
        {"0000000000000000000000000000000000000000000000001.5", 1500},
        {"0.000000000000000000000000000000000000", 0},    /* 36 digits */
        {"0.00000000000000000000000000000000000001", -1}, /* 38 */
        {"1234567890123456789012345678901234567", -1},    /* 37 */
        {"123456789012345678901234567890.1234567", -1},   /* likewise */
        {"0.0000000000000000000000000000000000010", -1},  /* likewise */
        {"", -1},
        {".", -1},
        {"1.2.3", -1},
        {"-1", -1},
        {"+1", -1},
        {"1e3", -1},
        {"1E-3", -1},
        {" 1", -1},
        {"1 ", -1},
        {"1,5", -1},
        {"0x1", -1},
        {"NaN", -1},
        {"Infinity", -1},
        {"\xd9\xa1", -1}, /* a digit of another script */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct decimal d;
        int64_t n = -1;
        if (decimal_parse(str_c(rows[i].text), &d))
            assert_true(decimal_round(&d, 3, &n));
        if (n != rows[i].thousandths)
            fail_msg("\"%s\": %lld", rows[i].text, (long long)n);
    }
    struct decimal d;
    assert_false(decimal_parse(STR("1\0"), &d));
}

static void products_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        uint32_t scale;
        int64_t n; /* -1: does not fit */
    } rows[] = {
        {"0.1", "0.2", 2, 2},
        {"1000000001", "1000000001", 0, 1000000002000000001},
        {"999999999.999999999", "999999999.999999999", 0, 999999999999999998},
        {"9223372036854775807", "1", 0, INT64_MAX},
        {"9223372036854775807.4", "1", 0, INT64_MAX},
        {"9223372036854775807.5", "1", 0, -1},
        {"9223372036854775808", "1", 0, -1},
        {"18446744073709551616", "1", 0, -1},
        {"922337203685477580.7", "1", 1, INT64_MAX},
        {"922337203685477580.8", "1", 1, -1},
        {"0.000000000000000000000000000000000005", "0.1", 36, 1},
        {"0.000000000000000000000000000000000004", "0.1", 36, 0},
        {"123456789012345678901234567890123456", "0.000000000000000000000000000000000001", 18,
         123456789012345679},
        {"0", "999999999999999999999999999999999999", 7, 0},
        {"1", "1", 120, -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct decimal a, b;
        int64_t n = -1;
        assert_true(decimal_parse(str_c(rows[i].a), &a));
        assert_true(decimal_parse(str_c(rows[i].b), &b));
        assert_true(decimal_multiply(&a, &b, &a));
        if (!decimal_round(&a, rows[i].scale, &n))
            n = -1;
        if (n != rows[i].n)
            fail_msg("%s x %s: %lld", rows[i].a, rows[i].b, (long long)n);
    }
}

static void three_of_the_longest_can_be_multiplied_and_no_more(void **state)
{
    (void)state;
    char nines[DECIMAL_DIGITS_MAX + 1];
    struct decimal long_one, product, ten = decimal_from_uint(10);
    int64_t n;
    memset(nines, '9', DECIMAL_DIGITS_MAX);
    nines[DECIMAL_DIGITS_MAX] = '\0';
    assert_true(decimal_parse(str_c(nines), &long_one));
    assert_true(decimal_multiply(&long_one, &long_one, &product));
    assert_true(decimal_multiply(&product, &long_one, &product));
    assert_false(decimal_round(&product, 0, &n));
    assert_false(decimal_multiply(&product, &ten, &product));
    assert_false(decimal_multiply(&product, &product, &product));
}

static void whole_numbers_become_decimals(void **state)
{
    (void)state;
    const uint64_t rows[] = {0, 1, 999999999, 1000000000, 123456789012345678, INT64_MAX};
    int64_t n;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct decimal d = decimal_from_uint(rows[i]);
        assert_true(decimal_round(&d, 0, &n));
        assert_true(n == (int64_t)rows[i]);
    }
    struct decimal d = decimal_from_uint(UINT64_MAX);
    assert_false(decimal_round(&d, 0, &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_read),
        cmocka_unit_test(products_are_exact),
        cmocka_unit_test(three_of_the_longest_can_be_multiplied_and_no_more),
        cmocka_unit_test(whole_numbers_become_decimals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
