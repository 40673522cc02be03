/*
 * JSON text to value (parse.h).
 */
#include "executor/value/form.h"
#include "executor/value/parse.h"
#include "tests/executor/value/values.h"
#include <stdio.h>
#include <string.h>

/* Parsed and written again; NULL in `again` means the same text. */
static void a_valid_text_is_read_as_it_is(void **state)
{
    (void)state;
    static const struct {
        const char *json, *again;
    } cases[] = {
        {"null", NULL},
        {" \t\r\n true \n", "true"},
        {"[]", NULL},
        {"[ 1 , 2 ]", "[1,2]"},
        {"{ \"a\" : { } }", "{\"a\":{}}"},
        {"0", NULL},
        {"-0", "0"},
        {"-0.0", NULL},
        {"1", NULL},
        {"1.0", NULL},
        {"1e2", "100.0"},
        {"1E+2", "100.0"},
        {"1.5e-7", "1.5e-07"},
        {"9223372036854775807", NULL},
        {"-9223372036854775808", NULL},
        {"9223372036854775808", "9.223372036854776e+18"},
        {"123456789012345678901234567890", "1.2345678901234568e+29"},
        {"0.1000000000000000055511151231257827021181583404541015625000000000000000000000", "0.1"},
        {"\"\"", NULL},
        {"\"a b\"", NULL},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\""},
        {"\"\\u0041\\u00e9\\u4f60\"", "\"Aé你\""},
        {"\"\\ud83d\\ude00!\"", "\"😀!\""},
        {"\"\\uD83D\\uDE00\"", "\"😀\""},
        {"\"\\ud83d\"", "\"\xef\xbf\xbd\""},
        {"\"\\ude00\\ud83d\"", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\"\\ud83dx\\ud83d\\n\"", "\"\xef\xbf\xbdx\xef\xbf\xbd\\n\""},
        {"\"\\ud83d\\u0041\"", "\"\xef\xbf\xbd"
                               "A\""},
        {"\"\\u0000\"", NULL},
        {"\"long enough to be read eight bytes at a time, then é, then \\n and on\"", NULL},
        {"{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}"},
        {"{\"\":1,\"\\u0061\\n\":2,\"a\\u000a\":3}", "{\"\":1,\"a\\n\":3}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct value *v = parsed(cases[i].json);
        struct buf b;
        buf_init(&b, 1 << 20);
        value_put_json(&b, v, JSON_COMPACT, false);
        assert_text(buf_str(&b), cases[i].again != NULL ? cases[i].again : cases[i].json);
        buf_fini(&b);
        value_unref(v);
    }
}

static void a_text_that_is_not_json_is_refused_with_the_place(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        size_t at;
    } cases[] = {
        {"", 0},
        {"  ", 2},
        {"nul", 0},
        {"True", 0},
        {"[1,]", 3},
        {"[1 2]", 3},
        {"[", 1},
        {"[1", 2},
        {"{", 1},
        {"{a:1}", 1},
        {"{\"a\"}", 4},
        {"{\"a\":1,}", 7},
        {"{\"a\" 1}", 5},
        {"1 2", 2},
        {"[]]", 2},
        {"01", 0},
        {"-", 1},
        {"+1", 0},
        {".5", 0},
        {"1.", 2},
        {"1e", 2},
        {"1e+", 3},
        {"-01", 1},
        {"0x10", 1},
        {"NaN", 0},
        {"Infinity", 0},
        {"1e999", 0},
        {"\"a", 2},
        {"\"\n\"", 1},
        {"\"\\x\"", 1},
        {"\"\\u12g4\"", 5},
        {"\"\\u12", 5},
        {"\"\\", 1},
        {"'a'", 0},
        {"\"\xff\"", 1},
        {"\"\xc0\x80\"", 1},
        {"\"\xed\xa0\x80\"", 1},
        {"\xef\xbb\xbf"
         "1",
         0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct value *v = NULL;
        struct status err = {0};
        char place[32];
        snprintf(place, sizeof place, "byte %zu:", cases[i].at);
        enum status_code rc = value_parse_json(NULL, str_c(cases[i].json), &v, &err);
        if (rc != STATUS_INVALID_ARGUMENT || v != NULL || strstr(err.message, place) == NULL)
            fail_msg("%s: code %d, %s", cases[i].json, rc, err.message);
    }
}

static void a_nul_is_kept_inside_a_string_and_refused_outside(void **state)
{
    (void)state;
    struct value *v = parsed("\"a\\u0000b\"");
    assert_int_equal(value_text(v).len, 3);
    assert_memory_equal(value_text(v).ptr, "a\0b", 4);
    value_unref(v);
    assert_int_equal(value_parse_json(NULL, STR("1\0"), &v, NULL), STATUS_INVALID_ARGUMENT);
    assert_int_equal(value_parse_json(NULL, STR("\"\0\""), &v, NULL), STATUS_INVALID_ARGUMENT);
}

static enum status_code parse_nested(size_t depth, struct value **ret)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < depth; i++)
        buf_put_c(&b, i % 2 == 0 ? "[" : "{\"k\":");
    buf_put_c(&b, "1");
    for (size_t i = depth; i-- > 0;)
        buf_put_c(&b, i % 2 == 0 ? "]" : "}");
    enum status_code rc = value_parse_json(NULL, buf_str(&b), ret, NULL);
    buf_fini(&b);
    return rc;
}

static void nesting_is_read_up_to_the_limit(void **state)
{
    (void)state;
    struct value *v = NULL;
    assert_int_equal(parse_nested(LIMIT_DEPTH, &v), STATUS_OK);
    value_unref(v);
    assert_int_equal(parse_nested(LIMIT_DEPTH + 1, &v), STATUS_INVALID_ARGUMENT);
    assert_int_equal(parse_nested(100000, &v), STATUS_INVALID_ARGUMENT);
}

static void an_object_of_many_keys_finds_each_of_them(void **state)
{
    (void)state;
    enum { KEYS = 3000 };
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < KEYS * 2; i++)
        buf_printf(&b, "%c\"key %d\":%d", i == 0 ? '{' : ',', i % KEYS, i);
    buf_put_c(&b, "}");
    struct value *v = NULL;
    assert_int_equal(value_parse_json(NULL, buf_str(&b), &v, NULL), STATUS_OK);
    buf_fini(&b);
    assert_int_equal(value_count(v), KEYS);
    for (int i = 0; i < KEYS; i++) {
        char key[32];
        snprintf(key, sizeof key, "key %d", i);
        assert_text(value_key(v, (size_t)i), key);
        assert_int_equal(value_get_int(v, key, -1), KEYS + i);
    }
    assert_null(value_get_c(v, "key 3000"));
    assert_null(value_get_c(v, ""));
    value_unref(v);
}

static struct value *parse_some(struct value_account *a)
{
    struct value *v = NULL;
    struct status err = {0};
    enum status_code rc = value_parse_json(a,
                                           STR("{\"a\":[1,2.5,\"x\",null,[],{}],\"b\\n\":{\"c\":[[1],[2]],"
                                               "\"c\":\"\\u00e9\"},\"k1\":1,\"k2\":1,\"k3\":1,\"k4\":1,"
                                               "\"k5\":1,\"k6\":1,\"k7\":1,\"k8\":1,\"k1\":2,\"l\":[0,1,2,3,"
                                               "4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]}"),
                                           &v, &err);
    assert_true(rc == (v != NULL ? STATUS_OK : STATUS_RESOURCE_EXHAUSTED));
    return v;
}

static void a_full_account_ends_parsing_and_nothing_stays_counted(void **state)
{
    (void)state;
    assert_survives_every_limit(parse_some);
}

static void what_was_refused_leaves_nothing_counted(void **state)
{
    (void)state;
    struct value_account account = {.max = 1 << 20};
    struct value *v;
    assert_int_equal(value_parse_json(&account, STR("{\"a\":[1,{\"b\":\"c\"},"), &v, NULL),
                     STATUS_INVALID_ARGUMENT);
    assert_int_equal(account.used, 0);
    assert_false(account.is_full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_valid_text_is_read_as_it_is),
        cmocka_unit_test(a_text_that_is_not_json_is_refused_with_the_place),
        cmocka_unit_test(a_nul_is_kept_inside_a_string_and_refused_outside),
        cmocka_unit_test(nesting_is_read_up_to_the_limit),
        cmocka_unit_test(an_object_of_many_keys_finds_each_of_them),
        cmocka_unit_test(a_full_account_ends_parsing_and_nothing_stays_counted),
        cmocka_unit_test(what_was_refused_leaves_nothing_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
