/*
 * The forms of values (dify-dsl.md 2.2). What Python's repr(), str() and json.dumps() show was taken from Python 3.12.
 */
#include "executor/value/form.h"
#include "tests/executor/value/values.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void a_value_has_the_forms_of_its_type(void **state)
{
    (void)state;
    static const struct {
        const char *json, *type, *text, *markdown, *repr;
    } cases[] = {
        {"null", "none", "", "", "None"},
        {"true", "boolean", "True", "True", "True"},
        {"false", "boolean", "False", "False", "False"},
        {"0", "integer", "0", "0", "0"},
        {"-7", "integer", "-7", "-7", "-7"},
        {"9223372036854775807", "integer", "9223372036854775807", "9223372036854775807",
         "9223372036854775807"},
        {"5.0", "float", "5.0", "5.0", "5.0"},
        {"0.1", "float", "0.1", "0.1", "0.1"},
        {"1e-05", "float", "1e-05", "1e-05", "1e-05"},
        {"1e16", "float", "1e+16", "1e+16", "1e+16"},
        {"\"\"", "string", "", "", "''"},
        {"\"plain\"", "string", "plain", "plain", "'plain'"},
        {"\"caf\\u00e9 'x'\"", "string", "café 'x'", "café 'x'", "\"café 'x'\""},
        {"{}", "object", "{}", "{}", "{}"},
        {"{\"a\": 1, \"b\": null, \"c\": [1, 2.0, {\"d\": []}], \"e\": {}, \"\\u00fc\": \"\\u00df\"}",
         "object", "{\"a\": 1, \"b\": null, \"c\": [1, 2.0, {\"d\": []}], \"e\": {}, \"ü\": \"ß\"}",
         "{\n  \"a\": 1,\n  \"b\": null,\n  \"c\": [\n    1,\n    2.0,\n    {\n      \"d\": []\n    }\n  "
         "],\n  \"e\": {},\n  \"ü\": \"ß\"\n}",
         "{'a': 1, 'b': None, 'c': [1, 2.0, {'d': []}], 'e': {}, 'ü': 'ß'}"},
        {"[]", "array[any]", "", "", "[]"},
        {"[\"a\", \"b\\\"c\", \"\\u4f60\\u597d\\n\"]", "array[string]", "[\"a\", \"b\\\"c\", \"你好\\n\"]",
         "- a\n- b\"c\n- 你好\n", "['a', 'b\"c', '你好\\n']"},
        {"[1, 2.5, -3]", "array[number]", "[1, 2.5, -3]", "- 1\n- 2.5\n- -3", "[1, 2.5, -3]"},
        {"[true, false]", "array[boolean]", "[True, False]", "- True\n- False", "[True, False]"},
        {"[{\"a\": 1, \"b\": null, \"t\": true}, {\"it's\": \"q\"}]", "array[object]",
         "[{'a': 1, 'b': None, 't': True}, {\"it's\": 'q'}]",
         "- {'a': 1, 'b': None, 't': True}\n- {\"it's\": 'q'}",
         "[{'a': 1, 'b': None, 't': True}, {\"it's\": 'q'}]"},
        {"[{}]", "array[object]", "[{}]", "- {}", "[{}]"},
        {"[1, \"a\", null]", "array[any]", "[1, 'a', None]", "- 1\n- a\n- None", "[1, 'a', None]"},
        {"[\"a\", null]", "array[any]", "['a', None]", "- a\n- None", "['a', None]"},
        {"[null, null]", "array[any]", "[None, None]", "- None\n- None", "[None, None]"},
        {"[[1], [\"x\"]]", "array[any]", "[[1], ['x']]", "- [1]\n- ['x']", "[[1], ['x']]"},
        {"[true, 1]", "array[any]", "[True, 1]", "- True\n- 1", "[True, 1]"},
        {"[1.0, 2.0]", "array[number]", "[1.0, 2.0]", "- 1.0\n- 2.0", "[1.0, 2.0]"},
        {"[[]]", "array[any]", "[[]]", "- []", "[[]]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct value *v = parsed(cases[i].json);
        assert_string_equal(value_type_name(v), cases[i].type);
        assert_written(value_put_text, v, cases[i].text);
        assert_written(value_put_markdown, v, cases[i].markdown);
        assert_written(value_put_repr, v, cases[i].repr);
        assert_written(value_put_jinja, v, value_type(v) == VALUE_STRING ? cases[i].text : cases[i].repr);
        value_unref(v);
    }
}

static void repr_of_a_text_is_that_of_python(void **state)
{
    (void)state;
    static const struct {
        const char *text, *repr;
    } cases[] = {
        {"", "''"},
        {"plain", "'plain'"},
        {"it's", "\"it's\""},
        {"say \"hi\"", "'say \"hi\"'"},
        {"it's \"both\"", "'it\\'s \"both\"'"},
        {"back\\slash", "'back\\\\slash'"},
        {"tab\tnl\ncr\r", "'tab\\tnl\\ncr\\r'"},
        {"\001\037\177", "'\\x01\\x1f\\x7f'"},
        {"café ñ", "'café ñ'"},
        {"\302\200\302\237\302\240\302\255", "'\\x80\\x9f\\xa0\\xad'"},
        {"你好", "'你好'"},
        {"\342\200\213\342\200\250\343\200\200\357\273\277", "'\\u200b\\u2028\\u3000\\ufeff'"},
        {"😀👍🏽", "'😀👍🏽'"},
        {"\363\240\200\201\363\260\200\200\364\217\277\277", "'\\U000e0001\\U000f0000\\U0010ffff'"},
        {"\356\200\200\315\270�", "'\\ue000\\u0378�'"},
        {"́a·", "'́a·'"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct value *v = string_of(cases[i].text);
        assert_written(value_put_repr, v, cases[i].repr);
        value_unref(v);
    }
    struct value *with_nul = value_string(NULL, STR("a\0b"));
    assert_written(value_put_repr, with_nul, "'a\\x00b'");
    value_unref(with_nul);
}

static void repr_of_a_double_is_that_of_python(void **state)
{
    (void)state;
    static const struct {
        double d;
        const char *repr;
    } cases[] = {
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {1.0, "1.0"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {0.30000000000000004, "0.30000000000000004"},
        {100.0, "100.0"},
        {123456789012345.0, "123456789012345.0"},
        {1e15, "1000000000000000.0"},
        {123456789012345680.0, "1.2345678901234568e+17"},
        {1e16, "1e+16"},
        {9999999999999998.0, "9999999999999998.0"},
        {1e17, "1e+17"},
        {1e22, "1e+22"},
        {1e23, "1e+23"},
        {0.0001, "0.0001"},
        {0.00001, "1e-05"},
        {0.00012345, "0.00012345"},
        {1.5e-7, "1.5e-07"},
        {1e100, "1e+100"},
        {1e-100, "1e-100"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {2.225073858507201e-308, "2.225073858507201e-308"},
        {5e-324, "5e-324"},
        {1.5e-323, "1.5e-323"},
        {4.35, "4.35"},
        {2.675, "2.675"},
        {3.141592653589793, "3.141592653589793"},
        {1234567.891, "1234567.891"},
        {0.5, "0.5"},
        {9007199254740993.0, "9007199254740992.0"},
        {5e15, "5000000000000000.0"},
        {123456.7e10, "1234567000000000.0"},
        {0x1p-44, "5.684341886080802e-14"},
        {0x1p-1022, "2.2250738585072014e-308"},
        {0x1p-1074, "5e-324"},
        {0x1p-24, "5.960464477539063e-08"},
        {0x1p-25, "2.9802322387695312e-08"},
        {0x1p63, "9.223372036854776e+18"},
        {0x1p64, "1.8446744073709552e+19"},
        {0x1p54, "1.8014398509481984e+16"},
        {0x1p200, "1.6069380442589903e+60"},
        {0x1p-200, "6.223015277861142e-61"},
        {0x1p1023, "8.98846567431158e+307"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
        {NAN, "nan"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct value *v = value_float(NULL, cases[i].d);
        assert_written(value_put_text, v, cases[i].repr);
        value_unref(v);
    }
}

static void every_double_reads_back_from_its_repr(void **state)
{
    (void)state;
    uint64_t bits = 1;
    for (int i = 0; i < 20000; i++) {
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        double d, read;
        memcpy(&d, &bits, sizeof d);
        if (!isfinite(d))
            continue;
        struct buf b;
        buf_init(&b, 64);
        value_put_double(&b, d);
        assert_true(str_to_double(buf_str(&b), &read));
        assert_true(read == d);
        buf_fini(&b);
    }
}

static void a_masked_secret_shows_at_most_its_ends(void **state)
{
    (void)state;
    static const struct {
        const char *secret, *masked;
    } cases[] = {
        {"", ""},
        {"a", "********************"},
        {"12345678", "********************"},
        {"123456789", "123456************89"},
        {"sk-abcdefghijkl", "sk-abc************kl"},
        {"äöüäöüäö", "********************"},
        {"äöüäöü-ßé", "äöüäöü************ßé"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct value *v = secret_of(cases[i].secret);
        assert_written(value_put_log, v, cases[i].masked);
        assert_written(value_put_text, v, cases[i].secret);
        assert_written(value_put_markdown, v, cases[i].secret);
        assert_written(value_put_jinja, v, cases[i].secret);
        value_unref(v);
    }
}

static void logs_mask_secrets_wherever_they_are(void **state)
{
    (void)state;
    struct value *list = list_of(secret_of("sk-abcdefghijkl"), value_none());
    struct value *object = object_of("key", secret_of("sk-abcdefghijkl"));
    assert_written(value_put_log, list, "['sk-abc************kl', None]");
    assert_written(value_put_text, list, "['sk-abcdefghijkl', None]");
    assert_written(value_put_log, object, "{\n  \"key\": \"sk-abc************kl\"\n}");
    assert_written(value_put_text, object, "{\"key\": \"sk-abcdefghijkl\"}");
    value_unref(list);
    value_unref(object);
}

static void logs_show_lists_as_python_and_objects_over_lines(void **state)
{
    (void)state;
    static const struct {
        const char *json, *log;
    } cases[] = {
        {"null", ""}, {"\"x\"", "x"},       {"true", "True"},
        {"[]", "[]"}, {"[\"a\"]", "['a']"}, {"{\"a\": [1]}", "{\n  \"a\": [\n    1\n  ]\n}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct value *v = parsed(cases[i].json);
        assert_written(value_put_log, v, cases[i].log);
        value_unref(v);
    }
}

static void a_file_is_a_link_in_markdown_and_nothing_in_text(void **state)
{
    (void)state;
    static const struct {
        const char *members, *markdown;
    } cases[] = {
        {"{\"type\": \"image\", \"filename\": \"a.png\", \"url\": \"http://h/a\"}", "![a.png](http://h/a)"},
        {"{\"type\": \"image\", \"filename\": null, \"url\": \"http://h/a\"}", "![](http://h/a)"},
        {"{\"type\": \"document\", \"filename\": \"a.pdf\", \"url\": \"http://h/a\"}", "[a.pdf](http://h/a)"},
        {"{\"type\": \"document\", \"filename\": \"\", \"url\": \"http://h/a\"}", "[http://h/a](http://h/a)"},
        {"{\"type\": \"audio\", \"remote_url\": \"http://h/r\"}", "[http://h/r](http://h/r)"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct value *file = file_of(cases[i].members);
        assert_written(value_put_markdown, file, cases[i].markdown);
        assert_written(value_put_text, file, "");
        assert_written(value_put_log, file, "");
        value_unref(file);
    }
}

static void files_are_links_on_lines_of_their_own(void **state)
{
    (void)state;
    struct value *files = list_of(file_of("{\"type\": \"image\", \"filename\": \"a\", \"url\": \"u\"}"),
                                  file_of("{\"type\": \"video\", \"filename\": \"b\", \"url\": \"w\"}"));
    assert_string_equal(value_type_name(files), "array[file]");
    assert_written(value_put_markdown, files, "![a](u)\n[b](w)");
    assert_written(value_put_text, files, "");
    assert_written(value_put_log, files, "");
    value_unref(files);
}

static void an_empty_list_of_a_known_type_writes_nothing(void **state)
{
    (void)state;
    for (int elem = VALUE_ELEM_ANY; elem <= VALUE_ELEM_FILE; elem++) {
        struct value_builder b;
        value_array_begin(&b, NULL);
        struct value *v = value_array_end_as(&b, (enum value_elem)elem);
        assert_int_equal(value_elem(v), elem);
        assert_written(value_put_text, v, "");
        assert_written(value_put_markdown, v, "");
        value_unref(v);
    }
}

static void assert_json(const struct value *v, enum json_style style, bool mask, const char *expected)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    value_put_json(&b, v, style, mask);
    assert_text(buf_str(&b), expected);
    buf_fini(&b);
}

static void json_keeps_order_and_kinds_of_numbers_in_every_style(void **state)
{
    (void)state;
    struct value *v = parsed("{\"z\":5,\"a\":[5.0,{}],\"e\":[]}");
    assert_json(v, JSON_COMPACT, false, "{\"z\":5,\"a\":[5.0,{}],\"e\":[]}");
    assert_json(v, JSON_SPACED, false, "{\"z\": 5, \"a\": [5.0, {}], \"e\": []}");
    assert_json(v, JSON_INDENTED, false,
                "{\n  \"z\": 5,\n  \"a\": [\n    5.0,\n    {}\n  ],\n  \"e\": []\n}");
    value_unref(v);
}

static void json_has_no_infinity_and_no_nan(void **state)
{
    (void)state;
    struct value *v = list_of(value_float(NULL, INFINITY), value_float(NULL, NAN));
    assert_json(v, JSON_COMPACT, false, "[null,null]");
    value_unref(v);
}

static void json_masks_secrets_when_asked(void **state)
{
    (void)state;
    struct value *v = object_of("k", secret_of("sk-\"bcdefghijkl"));
    assert_json(v, JSON_COMPACT, true, "{\"k\":\"sk-\\\"bc************kl\"}");
    assert_json(v, JSON_COMPACT, false, "{\"k\":\"sk-\\\"bcdefghijkl\"}");
    value_unref(v);
    struct value *wide = secret_of("😀😀😀😀😀😀😀😀😀");
    assert_json(wide, JSON_COMPACT, true, "\"😀😀😀😀😀😀************😀😀\"");
    value_unref(wide);
}

static void json_escapes_what_python_escapes(void **state)
{
    (void)state;
    struct value *v = value_string(NULL, STR("\"\\/\b\f\n\r\t\0\x1f\x7fé\xe2\x80\xa8"));
    assert_json(v, JSON_COMPACT, false, "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7fé\xe2\x80\xa8\"");
    value_unref(v);
}

static void a_form_longer_than_its_buf_fails_the_buf(void **state)
{
    (void)state;
    static const put_value forms[] = {value_put_text, value_put_markdown, value_put_log, value_put_repr,
                                      value_put_jinja};
    struct value *v = parsed("[{\"key\": [\"some text\", 1.5, null]}]");
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct buf whole;
        buf_init(&whole, 1 << 20);
        forms[i](&whole, v);
        for (size_t max = 0; max <= whole.len; max++) {
            struct buf b;
            buf_init(&b, max);
            forms[i](&b, v);
            assert_int_equal(b.failed, max < whole.len);
            buf_fini(&b);
        }
        buf_fini(&whole);
    }
    value_unref(v);
}

/* The quick way for few decimals says what the digits say, and what reads as the same double. */
static void doubles_of_few_decimals_are_written_as_they_were_meant(void **state)
{
    uint64_t seed = 88172645463325252u;
    (void)state;
    for (int i = 0; i < 200000; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        uint64_t power = 1;
        int decimals = (int)(seed % 9);
        for (int k = 0; k < decimals; k++)
            power *= 10;
        uint64_t digits = (seed >> 8) % 1000000000000u;
        double d = (double)digits / (double)power;
        char expected[64];
        int len = snprintf(expected, sizeof expected, "%llu.%0*llu", (unsigned long long)(digits / power),
                           decimals, (unsigned long long)(digits % power));
        while (decimals > 1 && expected[len - 1] == '0') {
            expected[--len] = '\0';
            decimals--;
        }
        if (decimals == 0)
            snprintf(expected, sizeof expected, "%llu.0", (unsigned long long)digits);
        struct buf b;
        buf_init(&b, 100);
        value_put_double(&b, d);
        buf_put_char(&b, '\0');
        assert_true(strtod(b.ptr, NULL) == d);
        if (d >= 1e-4)
            assert_string_equal(b.ptr, expected);
        buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_of_few_decimals_are_written_as_they_were_meant),
        cmocka_unit_test(a_value_has_the_forms_of_its_type),
        cmocka_unit_test(repr_of_a_text_is_that_of_python),
        cmocka_unit_test(repr_of_a_double_is_that_of_python),
        cmocka_unit_test(every_double_reads_back_from_its_repr),
        cmocka_unit_test(a_masked_secret_shows_at_most_its_ends),
        cmocka_unit_test(logs_mask_secrets_wherever_they_are),
        cmocka_unit_test(logs_show_lists_as_python_and_objects_over_lines),
        cmocka_unit_test(a_file_is_a_link_in_markdown_and_nothing_in_text),
        cmocka_unit_test(files_are_links_on_lines_of_their_own),
        cmocka_unit_test(an_empty_list_of_a_known_type_writes_nothing),
        cmocka_unit_test(json_keeps_order_and_kinds_of_numbers_in_every_style),
        cmocka_unit_test(json_has_no_infinity_and_no_nan),
        cmocka_unit_test(json_masks_secrets_when_asked),
        cmocka_unit_test(json_escapes_what_python_escapes),
        cmocka_unit_test(a_form_longer_than_its_buf_fails_the_buf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
