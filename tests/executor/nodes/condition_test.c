/*
 * The operators of conditions (dify-dsl.md 4.4), row by row.
 */
#include "executor/nodes/condition.h"
#include "executor/value/parse.h"
#include "tests/support/check.h"

enum { F = CONDITION_FALSE, T = CONDITION_TRUE, E = CONDITION_ERROR };

struct row {
    const char *op, *actual, *expected; /* JSON */
    int verdict;
};

static struct value *parsed(const char *json)
{
    struct value *v = NULL;
    struct status err = {0};
    if (value_parse_json(NULL, str_c(json), &v, &err) != STATUS_OK)
        fail_msg("%s: %s", json, err.message);
    return v;
}

static void check_rows(const struct row *rows, size_t count)
{
    static const char *const names[] = {"false", "true", "an error"};
    for (size_t i = 0; i < count; i++) {
        struct value *actual = parsed(rows[i].actual), *expected = parsed(rows[i].expected);
        struct status err = {0};
        enum condition_operator op;
        assert_true(condition_operator_find(str_c(rows[i].op), &op));
        assert_string_equal(rows[i].op, condition_operator_name(op));
        int verdict = (int)condition_compare(op, actual, expected, &err);
        if (verdict != rows[i].verdict)
            fail_msg("%s %s %s: is %s", rows[i].actual, rows[i].op, rows[i].expected, names[verdict]);
        assert_true((verdict == E) == (err.message[0] != '\0'));
        value_unref(actual);
        value_unref(expected);
    }
}
#define CHECK(rows) check_rows(rows, ARRAY_LEN(rows))

static void contains(void **state)
{
    static const struct row rows[] = {
        {"contains", "\"hello world\"", "\"hello\"", T},
        {"contains", "\"Hello\"", "\"hello\"", F},
        {"contains", "\"\"", "\"\"", F}, /* falsy first */
        {"contains", "null", "\"a\"", F},
        {"contains", "0", "\"a\"", F},
        {"contains", "\"x\"", "\"\"", T},
        {"contains", "\"a5b\"", "5", T}, /* the expected value as text */
        {"contains", "\"is True\"", "true", T},
        {"contains", "[\"a\",\"b\"]", "\"b\"", T},
        {"contains", "[\"ab\"]", "\"a\"", F},
        {"contains", "[1,2]", "1.0", T},
        {"contains", "[]", "1", F},
        {"contains", "5", "5", E},
        {"contains", "{\"a\":1}", "\"a\"", E},
        {"not contains", "\"abc\"", "\"b\"", F},
        {"not contains", "\"abc\"", "\"x\"", T},
        {"not contains", "\"\"", "\"x\"", T},
        {"not contains", "null", "\"x\"", T},
        {"not contains", "[]", "\"x\"", T},
        {"not contains", "[\"x\"]", "\"x\"", F},
        {"not contains", "5", "5", E},
    };
    (void)state;
    CHECK(rows);
}

static void beginnings_and_ends(void **state)
{
    static const struct row rows[] = {
        {"start with", "\"abc\"", "\"ab\"", T}, {"start with", "\"abc\"", "\"bc\"", F},
        {"start with", "\"\"", "\"a\"", F},     {"start with", "null", "\"a\"", F},
        {"start with", "5", "\"5\"", E},        {"start with", "\"5\"", "5", E},
        {"end with", "\"abc\"", "\"bc\"", T},   {"end with", "\"abc\"", "\"ab\"", F},
        {"end with", "\"\"", "\"\"", F},        {"end with", "[\"a\"]", "\"a\"", E},
    };
    (void)state;
    CHECK(rows);
}

static void sameness(void **state)
{
    static const struct row rows[] = {
        {"is", "\"a\"", "\"a\"", T},     {"is", "\"a\"", "\"A\"", F},     {"is", "\"\"", "\"\"", T},
        {"is", "null", "\"\"", F},       {"is", "true", "true", T},       {"is", "true", "false", F},
        {"is", "5", "\"5\"", E},         {"is", "[]", "\"\"", E},         {"is", "\"5\"", "5", F},
        {"is not", "\"a\"", "\"b\"", T}, {"is not", "\"a\"", "\"a\"", F}, {"is not", "null", "\"a\"", F},
        {"is not", "false", "true", T},  {"is not", "5", "6", E},
    };
    (void)state;
    CHECK(rows);
}

static void emptiness_and_null(void **state)
{
    static const struct row rows[] = {
        {"empty", "\"\"", "null", T},      {"empty", "0", "null", T},         {"empty", "0.0", "null", T},
        {"empty", "false", "null", T},     {"empty", "null", "null", T},      {"empty", "[]", "null", T},
        {"empty", "{}", "null", T},        {"empty", "\" \"", "null", F},     {"empty", "[0]", "null", F},
        {"not empty", "\"a\"", "null", T}, {"not empty", "0", "null", F},     {"not empty", "-1", "null", T},
        {"null", "null", "null", T},       {"null", "\"\"", "null", F},       {"null", "0", "null", F},
        {"not null", "null", "null", F},   {"not null", "\"\"", "null", T},   {"exists", "null", "null", F},
        {"exists", "\"\"", "null", T},     {"not exists", "null", "null", T}, {"not exists", "[]", "null", F},
    };
    (void)state;
    CHECK(rows);
}

static void membership(void **state)
{
    static const struct row rows[] = {
        {"in", "\"a\"", "[\"a\",\"b\"]", T},
        {"in", "\"c\"", "[\"a\",\"b\"]", F},
        {"in", "\"\"", "[\"\"]", F},
        {"in", "null", "[]", F},
        {"in", "\"a\"", "\"abc\"", E},
        {"in", "1", "[1.0]", T},
        {"not in", "\"c\"", "[\"a\"]", T},
        {"not in", "\"a\"", "[\"a\"]", F},
        {"not in", "\"\"", "[\"\"]", T},
        {"not in", "null", "\"x\"", T},
        {"not in", "\"a\"", "\"abc\"", E},
        {"all of", "[\"a\",\"b\",\"c\"]", "[\"a\",\"c\"]", T},
        {"all of", "[\"a\"]", "[\"a\",\"c\"]", F},
        {"all of", "\"abc\"", "[\"a\",\"bc\"]", T},
        {"all of", "\"abc\"", "[\"x\"]", F},
        {"all of", "[]", "[]", F}, /* falsy */
        {"all of", "[\"a\"]", "[]", T},
        {"all of", "5", "[\"5\"]", F}, /* no container */
        {"all of", "\"abc\"", "[1]", E},
        {"all of", "[\"a\"]", "\"a\"", E},
        {"all of", "[true,false]", "[true]", T},
    };
    (void)state;
    CHECK(rows);
}

static void equality_of_numbers(void **state)
{
    static const struct row rows[] = {
        {"=", "5", "\"5\"", T},
        {"=", "5", "\" 5 \"", T},
        {"=", "5", "\"6\"", F},
        {"=", "5", "5.9", T},
        {"=", "5", "\"5.0\"", E},
        {"=", "5", "\"1.5\"", E},
        {"=", "5", "\"x\"", E},
        {"=", "5", "\"\"", E},
        {"=", "5", "null", E},
        {"=", "5.0", "\"5\"", T},
        {"=", "1.5", "\"1.50\"", T},
        {"=", "1.5", "\"x\"", E},
        {"=", "null", "\"5\"", F},
        {"=", "\"5\"", "\"5\"", E},
        {"=", "true", "\"false\"", T}, /* a text that is not empty */
        {"=", "true", "1", T},
        {"=", "false", "\"\"", T},
        {"=", "false", "1", F},
        {"=", "true", "[1]", E},
        {"=", "[]", "\"5\"", E},
        {"≠", "5", "\"6\"", T},
        {"≠", "5", "\"5\"", F},
        {"≠", "null", "\"5\"", F},
        {"≠", "5", "\"1.5\"", E},
        {"=", "9007199254740993", "\"9007199254740993\"", T},
        {"=", "9007199254740993", "\"9007199254740992\"", F},
        {"=", "5", "\"99999999999999999999\"", F},
        {"=", "-5", "\"-5\"", T},
        {"=", "5", "\"+5\"", T},
        {"=", "5", "\"5-\"", E},
    };
    (void)state;
    CHECK(rows);
}

static void order_of_numbers(void **state)
{
    static const struct row rows[] = {
        {">", "5", "\"4\"", T},
        {">", "5", "\"5\"", F},
        {">", "5", "\"4.5\"", T},
        {"<", "5", "\"5.5\"", T},
        {"<", "5", "\"5\"", F},
        {"≥", "5", "\"5\"", T},
        {"≥", "5", "\"5.5\"", F},
        {"≤", "5", "\"5\"", T},
        {"≤", "5.5", "\"5\"", F},
        {"≤", "5", "6", T},
        {">", "true", "\"0\"", T},
        {">", "null", "\"4\"", F},
        {"<", "null", "\"4\"", F},
        {">", "\"5\"", "\"4\"", E},
        {">", "5", "\"four\"", E},
        {">", "5", "null", E},
        {">", "[5]", "\"4\"", E},
        {">", "-1.5", "\"-2\"", T},
        {">", "5", "\"\"", E},
        {"≥", "1e300", "\"1e299\"", T},
        {">", "9007199254740993", "\"9007199254740992\"", T},
    };
    (void)state;
    CHECK(rows);
}

static void what_a_text_means_against_a_boolean(void **state)
{
    static const struct {
        const char *expected; /* JSON */
        int verdict;          /* E: no boolean */
    } rows[] = {{"\"true\"", T},      {"\"false\"", F}, {"\"1\"", T}, {"\"0\"", F},
                {"\"True\"", E},      {"\"yes\"", E},   {"\"\"", E},  {"\"[1]\"", E},
                {"\"\\\"a\\\"\"", E}, {"true", T},      {"0", F},     {"{}", E}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct value_account account = {.max = 10000};
        struct value *expected = parsed(rows[i].expected);
        struct status err = {0};
        struct value *v = condition_as_bool(&account, expected, &err);
        if ((v == NULL) != (rows[i].verdict == E) ||
            (v != NULL && value_as_bool(v) != (rows[i].verdict == T)))
            fail_msg("%s: not as expected", rows[i].expected);
        value_unref(v);
        value_unref(expected);
        assert_int_equal(account.used, 0);
    }
    struct value *list = parsed("[\"true\",\"0\",true]");
    struct value *v = condition_as_bool(NULL, list, NULL);
    assert_string_equal("array[boolean]", value_type_name(v));
    value_unref(v);
    value_unref(list);
    list = parsed("[\"true\",\"x\"]");
    assert_null(condition_as_bool(NULL, list, NULL));
    value_unref(list);
}

static void unknown_operators_are_none(void **state)
{
    enum condition_operator op;
    (void)state;
    assert_false(condition_operator_find(STR("=="), &op));
    assert_false(condition_operator_find(STR(""), &op));
    assert_false(condition_operator_find(STR("Contains"), &op));
}

static void secrets_compare_as_texts(void **state)
{
    struct value *secret = value_secret(NULL, STR("key")), *text = value_string(NULL, STR("key"));
    struct status err = {0};
    (void)state;
    assert_int_equal(condition_compare(CONDITION_IS, secret, text, &err), T);
    assert_int_equal(condition_compare(CONDITION_CONTAINS, secret, text, &err), T);
    value_unref(secret);
    value_unref(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contains),
        cmocka_unit_test(beginnings_and_ends),
        cmocka_unit_test(sameness),
        cmocka_unit_test(emptiness_and_null),
        cmocka_unit_test(membership),
        cmocka_unit_test(equality_of_numbers),
        cmocka_unit_test(order_of_numbers),
        cmocka_unit_test(what_a_text_means_against_a_boolean),
        cmocka_unit_test(unknown_operators_are_none),
        cmocka_unit_test(secrets_compare_as_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
