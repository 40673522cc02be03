/*
 * The object a model meant: what it wrote, and what is read of it.
 */
#include "executor/value/form.h"
#include "executor/value/json_repair.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <string.h>

struct row {
    const char *text, *json; /* json NULL: nothing usable */
};

static void assert_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct value *v = NULL;
        struct status err;
        struct buf b;
        enum status_code rc = json_repair_object(NULL, str_c(rows[i].text), &v, &err);
        if (rows[i].json == NULL) {
            if (rc != STATUS_INVALID_ARGUMENT)
                fail_msg("%s: is read", rows[i].text);
            assert_null(v);
            continue;
        }
        if (rc != STATUS_OK)
            fail_msg("%s: %s", rows[i].text, err.message);
        buf_init(&b, 4096);
        value_put_json(&b, v, JSON_COMPACT, false);
        if (!str_eq_c(buf_str(&b), rows[i].json))
            fail_msg("%s\nis read as\n%.*s\nnot\n%s", rows[i].text, STR_ARG(buf_str(&b)), rows[i].json);
        buf_fini(&b);
        value_unref(v);
    }
}

static void json_is_taken_as_it_is(void **state)
{
    static const struct row rows[] = {
        {"{\"a\":1}", "{\"a\":1}"},
        {" {\"a\":1.0,\"b\":[true,null,\"x\"]}\n", "{\"a\":1.0,\"b\":[true,null,\"x\"]}"},
        {"{}", "{}"},
        {"{\"think\":\"<think>{}</think>\"}", "{\"think\":\"<think>{}</think>\"}"},
        /* A list stands for its first object. */
        {"[1,{\"a\":1},{\"b\":2}]", "{\"a\":1}"},
        {"[1,2]", "{}"},
        {"[]", "{}"},
    };
    (void)state;
    assert_rows(rows, ARRAY_LEN(rows));
}

static void what_is_around_the_object_is_left_out(void **state)
{
    static const struct row rows[] = {
        {"```json\n{\"a\":1}\n```", "{\"a\":1}"},
        {"```\n{\"a\":1}\n```\nDone.", "{\"a\":1}"},
        {"Here it is: {\"a\":1} I hope it helps.", "{\"a\":1}"},
        {"<think>{\"b\":2}</think>{\"a\":1}", "{\"a\":1}"},
        {"<THINK>\n\n</Think>\n\n{\"a\":1}", "{\"a\":1}"},
        {"first {\"b\":2}</think>\n{\"a\":1}", "{\"a\":1}"},
        {"{\"a\":\"x </think>\",}", "{\"a\":\"x </think>\"}"},
        {"See [1] and {x}: {\"a\":1}", "{\"a\":1}"},
        {"An empty {} or [] and {\"a\":1}", "{\"a\":1}"},
        {"nothing but {} here", "{}"},
        {"{\"a\":1}\n{\"b\":2}", "{\"a\":1}"},
        {"a list: [{\"a\":1}, {\"b\":2}].", "{\"a\":1}"},
        {"a list: [1, 2].", "{}"},
    };
    (void)state;
    assert_rows(rows, ARRAY_LEN(rows));
}

static void faults_inside_are_mended(void **state)
{
    static const struct row rows[] = {
        /* commas */
        {"{\"a\":1,}", "{\"a\":1}"},
        {"{\"a\":[1,2,],,\"b\":3}", "{\"a\":[1,2],\"b\":3}"},
        {"{\"a\":1 \"b\":2}", "{\"a\":1,\"b\":2}"},
        {"{\"a\":\"x\" \"b\":\"y\"}", "{\"a\":\"x\",\"b\":\"y\"}"},
        {"{\"a\":[\"x\" \"y\"]}", "{\"a\":[\"x\",\"y\"]}"},
        {"{\"a\":true\n\"b\":null\n}", "{\"a\":true,\"b\":null}"},
        /* quotes */
        {"{'a':'x'}", "{\"a\":\"x\"}"},
        {"{'a':'it's','b':'say \"hi\"'}", "{\"a\":\"it's\",\"b\":\"say \\\"hi\\\"\"}"},
        {"{\"a\":\"say \"hi\" to me\",\"b\":1}", "{\"a\":\"say \\\"hi\\\" to me\",\"b\":1}"},
        {"{\"a\":\"say \"hi\", then go\",\"b\":1}", "{\"a\":\"say \\\"hi\\\", then go\",\"b\":1}"},
        {"{a:1,b_c:'x'}", "{\"a\":1,\"b_c\":\"x\"}"},
        {"{name: John Smith, age: 30}", "{\"name\":\"John Smith\",\"age\":30}"},
        {"{\xc3\xa4: \xe4\xbd\xa0}", "{\"\xc3\xa4\":\"\xe4\xbd\xa0\"}"},
        /* inside of texts */
        {"{\"a\":\"one\ntwo\tthree\"}", "{\"a\":\"one\\ntwo\\tthree\"}"},
        {"{\"a\":\"\\d+ \\'x\\' \\u00e4 \\u12 \\\\ \\n\"}",
         "{\"a\":\"\\\\d+ 'x' \xc3\xa4 \\\\u12 \\\\ \\n\"}"},
        /* words */
        {"{\"a\":True,\"b\":False,\"c\":None,\"d\":NaN,\"e\":undefined}",
         "{\"a\":true,\"b\":false,\"c\":null,\"d\":null,\"e\":null}"},
        {"{\"a\":-1.5e3,\"b\":007,\"c\":1.0,}", "{\"a\":-1500.0,\"b\":\"007\",\"c\":1.0}"},
        {"{\"a\":,\"b\":}", "{\"a\":null,\"b\":null}"},
        {"{\"a\":1, oops, \"b\":2}", "{\"a\":1,\"b\":2}"},
        {"{\"a\":1, \"b\", \"c\":2}", "{\"a\":1,\"c\":2}"},
        /* comments */
        {"{ // one\n\"a\":1, /* two */ \"b\":2 // three\n}", "{\"a\":1,\"b\":2}"},
        {"{\"a\":\"http://e.example\",}", "{\"a\":\"http://e.example\"}"},
        /* brackets */
        {"{\"a\":{\"b\":[1,2", "{\"a\":{\"b\":[1,2]}}"},
        {"{\"a\":[1,2}", "{\"a\":[1,2]}"},
        {"[{\"a\":{\"b\":1]", "{\"a\":{\"b\":1}}"},
        {"{\"a\":\"cut in the midd", "{\"a\":\"cut in the midd\"}"},
        {"{\"a\":1,\"b\":", "{\"a\":1,\"b\":null}"},
        {"{\"a\":1,\"b", "{\"a\":1}"},
        {"```json\n{\"a\":[1,2\n```", "{\"a\":[1,2]}"},
        {"{\"a\":{oops},\"b\":2}", "{\"a\":{},\"b\":2}"},
        {"{\"a\":1,\"a\":2,}", "{\"a\":2}"},
    };
    (void)state;
    assert_rows(rows, ARRAY_LEN(rows));
}

static void what_has_no_object_is_refused(void **state)
{
    static const struct row rows[] = {
        {"", NULL},
        {"5", NULL},
        {"\"{}", "{}"}, /* there is one */
        {"\"text\"", NULL},
        {"null", NULL},
        {"I cannot answer that.", NULL},
        {"<think>{\"a\":1}", NULL},
        {"{x} {y} {\"z\"}", NULL},
        {"{\"a\":\"\xff\",}", NULL},
    };
    (void)state;
    assert_rows(rows, ARRAY_LEN(rows));
}

static void too_deep_is_refused(void **state)
{
    static char text[8 * (LIMIT_DEPTH + 1)];
    struct value *v = NULL;
    struct status err;
    (void)state;
    for (int i = 0; i < LIMIT_DEPTH; i++)
        memcpy(text + strlen(text), "{'a':", 6);
    assert_ok(json_repair_object(NULL, str_c(text), &v, &err));
    value_unref(v);
    v = NULL;
    memcpy(text + strlen(text), "{'a':", 6);
    assert_code(STATUS_INVALID_ARGUMENT, json_repair_object(NULL, str_c(text), &v, &err));
    assert_null(v);
}

static void only_so_many_brackets_are_tried(void **state)
{
    static char text[4 * JSON_REPAIR_TRIES_MAX + 16];
    struct value *v = NULL;
    struct status err;
    (void)state;
    for (int i = 0; i < JSON_REPAIR_TRIES_MAX; i++)
        memcpy(text + strlen(text), "{x} ", 5);
    memcpy(text + strlen(text), "{\"a\":1}", 8);
    assert_code(STATUS_INVALID_ARGUMENT, json_repair_object(NULL, str_c(text), &v, &err));
    assert_ok(json_repair_object(NULL, str_c(text + 4), &v, &err));
    value_unref(v);
}

static void a_full_account_is_told(void **state)
{
    struct value_account account = {.max = 64};
    struct value *v = NULL;
    struct status err;
    (void)state;
    assert_code(STATUS_RESOURCE_EXHAUSTED,
                json_repair_object(&account, STR("so: {'a':'a text that takes some room'}"), &v, &err));
    assert_true(account.is_full);
    assert_int_equal(account.used, 0);
}

static void a_failing_allocation_leaves_nothing_behind(void **state)
{
    (void)state;
    for (size_t n = 0;; n++) {
        struct value *v = NULL;
        struct status err;
        alloc_fail_after(n);
        enum status_code rc = json_repair_object(NULL, STR("[] or [{'a':{b:[1,'x']}}"), &v, &err);
        alloc_fail_reset();
        if (!alloc_fail_hit()) {
            assert_ok(rc);
            value_unref(v);
            break;
        }
        if (rc == STATUS_OK) /* what is only tried out may fail and be taken for something else */
            value_unref(v);
        else
            assert_null(v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_taken_as_it_is),
        cmocka_unit_test(what_is_around_the_object_is_left_out),
        cmocka_unit_test(faults_inside_are_mended),
        cmocka_unit_test(what_has_no_object_is_refused),
        cmocka_unit_test(too_deep_is_refused),
        cmocka_unit_test(only_so_many_brackets_are_tried),
        cmocka_unit_test(a_full_account_is_told),
        cmocka_unit_test(a_failing_allocation_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
