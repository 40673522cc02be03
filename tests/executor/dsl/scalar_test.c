/*
 * Scalars without quotes have the type and the value PyYAML gives them.
 */
#include "executor/dsl/scalar.h"
#include "executor/value/form.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <stdio.h>
#include <string.h>

struct row {
    const char *text;
    enum value_type type;
    const char *python; /* repr of the value */
};

static void check_row(const struct row *row, struct value *v)
{
    struct buf b;
    buf_init(&b, 4096);
    value_put_repr(&b, v);
    if (value_type(v) != row->type || !str_eq_c(buf_str(&b), row->python))
        print_error("'%s': type %s, %.*s\n", row->text, value_type_name(v), STR_ARG(buf_str(&b)));
    assert_int_equal(row->type, value_type(v));
    assert_str(row->python, buf_str(&b));
    buf_fini(&b);
    value_unref(v);
}

static void plain_scalars_have_the_types_of_the_safe_loader(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"", VALUE_NONE, "None"},
        {"~", VALUE_NONE, "None"},
        {"null", VALUE_NONE, "None"},
        {"NULL", VALUE_NONE, "None"},
        {"nULL", VALUE_STRING, "'nULL'"},
        {"yes", VALUE_BOOL, "True"},
        {"On", VALUE_BOOL, "True"},
        {"TRUE", VALUE_BOOL, "True"},
        {"no", VALUE_BOOL, "False"},
        {"OFF", VALUE_BOOL, "False"},
        {"False", VALUE_BOOL, "False"},
        {"y", VALUE_STRING, "'y'"},
        {"tRUE", VALUE_STRING, "'tRUE'"},
        {"0", VALUE_INT, "0"},
        {"-0", VALUE_INT, "0"},
        {"12", VALUE_INT, "12"},
        {"+5", VALUE_INT, "5"},
        {"-5", VALUE_INT, "-5"},
        {"1_000_", VALUE_INT, "1000"},
        {"017", VALUE_INT, "15"},
        {"0_17", VALUE_INT, "15"},
        {"-017", VALUE_INT, "-15"},
        {"08", VALUE_STRING, "'08'"},
        {"0o17", VALUE_STRING, "'0o17'"},
        {"0x1F", VALUE_INT, "31"},
        {"-0x_f_f", VALUE_INT, "-255"},
        {"0x", VALUE_STRING, "'0x'"},
        {"0x_", VALUE_STRING, "'0x_'"},
        {"0xg", VALUE_STRING, "'0xg'"},
        {"0b101", VALUE_INT, "5"},
        {"0b102", VALUE_STRING, "'0b102'"},
        {"1:30", VALUE_INT, "90"},
        {"-1:30:59", VALUE_INT, "-5459"},
        {"1:60", VALUE_STRING, "'1:60'"},
        {"1:5x", VALUE_STRING, "'1:5x'"},
        {"0:30", VALUE_STRING, "'0:30'"},
        {"1_0:30", VALUE_INT, "630"},
        {"_1", VALUE_STRING, "'_1'"},
        {"9223372036854775807", VALUE_INT, "9223372036854775807"},
        {"9223372036854775808", VALUE_FLOAT, "9.223372036854776e+18"},
        {"-9223372036854775808", VALUE_INT, "-9223372036854775808"},
        {"-9223372036854775809", VALUE_FLOAT, "-9.223372036854776e+18"},
        {"0xffffffffffffffff", VALUE_FLOAT, "1.8446744073709552e+19"},
        {"1.5", VALUE_FLOAT, "1.5"},
        {"1.", VALUE_FLOAT, "1.0"},
        {".5", VALUE_FLOAT, "0.5"},
        {"-.5", VALUE_STRING, "'-.5'"},
        {"1_0.5_0", VALUE_FLOAT, "10.5"},
        {"1.5e+3", VALUE_FLOAT, "1500.0"},
        {"1.e-3", VALUE_FLOAT, "0.001"},
        {"1.5e3", VALUE_STRING, "'1.5e3'"},
        {"1e3", VALUE_STRING, "'1e3'"},
        {"1e+3", VALUE_STRING, "'1e+3'"},
        {"-1.5e-3", VALUE_FLOAT, "-0.0015"},
        {"1.5e+", VALUE_STRING, "'1.5e+'"},
        {"1.0e+400", VALUE_FLOAT, "inf"},
        {"-1.0e+400", VALUE_FLOAT, "-inf"},
        {"1:30.5", VALUE_FLOAT, "90.5"},
        {"1:30.", VALUE_FLOAT, "90.0"},
        {".inf", VALUE_FLOAT, "inf"},
        {"-.INF", VALUE_FLOAT, "-inf"},
        {".nan", VALUE_FLOAT, "nan"},
        {".NaN", VALUE_FLOAT, "nan"},
        {"-.nan", VALUE_STRING, "'-.nan'"},
        {".", VALUE_STRING, "'.'"},
        {"-", VALUE_STRING, "'-'"},
        {"1.2.3", VALUE_STRING, "'1.2.3'"},
        {"2024-01-02", VALUE_STRING, "'2024-01-02'"},
        {"2024-01-02 03:04:05", VALUE_STRING, "'2024-01-02 03:04:05'"},
        {"=", VALUE_STRING, "'='"},
        {"hello", VALUE_STRING, "'hello'"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_row(&rows[i], scalar_plain(str_c(rows[i].text)));
}

static void a_very_long_number_is_a_text(void **state)
{
    (void)state;
    char digits[2000];
    memset(digits, '7', sizeof digits);
    static const struct {
        size_t len;
        enum value_type type;
    } rows[] = {{300, VALUE_FLOAT},
                {400, VALUE_STRING},
                {1024, VALUE_STRING},
                {1025, VALUE_STRING},
                {2000, VALUE_STRING}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct value *v = scalar_plain((struct str){digits, rows[i].len});
        assert_int_equal(rows[i].type, value_type(v));
        value_unref(v);
    }
    digits[1] = '.'; /* as long as a number can be */
    struct value *v = scalar_plain((struct str){digits, 1024});
    assert_int_equal(VALUE_FLOAT, value_type(v));
    value_unref(v);
}

static void a_tag_says_the_type(void **state)
{
    (void)state;
    static const struct {
        const char *tag;
        struct row row;
    } rows[] = {
        {"str", {"1", VALUE_STRING, "'1'"}},
        {"timestamp", {"2024-01-02", VALUE_STRING, "'2024-01-02'"}},
        {"null", {"", VALUE_NONE, "None"}},
        {"bool", {"yes", VALUE_BOOL, "True"}},
        {"int", {"0x10", VALUE_INT, "16"}},
        {"float", {"3", VALUE_FLOAT, "3.0"}},
        {"float", {"-1_0", VALUE_FLOAT, "-10.0"}},
        {"float", {"2.5", VALUE_FLOAT, "2.5"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char tag[64];
        struct value *v;
        (void)snprintf(tag, sizeof tag, "tag:yaml.org,2002:%s", rows[i].tag);
        assert_ok(scalar_tagged(str_c(tag), str_c(rows[i].row.text), &v, NULL));
        check_row(&rows[i].row, v);
    }
}

static void a_tag_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *tag, *text;
    } rows[] = {{"int", "x"},      {"int", "1.5"},    {"int", ""},      {"float", "x"},
                {"float", "0x10"}, {"bool", "maybe"}, {"binary", "YQ"}, {"python/name", "os"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char tag[64];
        struct value *v;
        struct status err;
        (void)snprintf(tag, sizeof tag, "tag:yaml.org,2002:%s", rows[i].tag);
        assert_code(STATUS_INVALID_ARGUMENT, scalar_tagged(str_c(tag), str_c(rows[i].text), &v, &err));
        assert_contains(rows[i].tag, err.message);
    }
}

static void want_of_memory_is_told(void **state)
{
    (void)state;
    static const char *const texts[] = {"text", "12", "1.5"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        alloc_fail_after(0);
        struct value *v = scalar_plain(str_c(texts[i]));
        alloc_fail_reset();
        assert_null(v);
        alloc_fail_after(0);
        assert_code(STATUS_RESOURCE_EXHAUSTED,
                    scalar_tagged(STR("tag:yaml.org,2002:str"), str_c(texts[i]), &v, NULL));
        alloc_fail_reset();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_scalars_have_the_types_of_the_safe_loader),
        cmocka_unit_test(a_very_long_number_is_a_text),
        cmocka_unit_test(a_tag_says_the_type),
        cmocka_unit_test(a_tag_that_does_not_fit_is_refused),
        cmocka_unit_test(want_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
