/*
 * YAML texts become trees of values; what is no export's YAML is refused with its place, and cheaply.
 */
#include "executor/dsl/yaml.h"
#include "executor/value/form.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <stdlib.h>
#include <string.h>

static void what_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *name, *yaml, *json;
    } rows[] = {
        {"nothing", "", "null"},
        {"comments only", "# nothing\n", "null"},
        {"a scalar", "hello", "\"hello\""},
        {"byte order mark",
         "\xEF\xBB\xBF"
         "a: 1\n",
         "{\"a\":1}"},
        {"map in its order", "b: 1\na: x\n", "{\"b\":1,\"a\":\"x\"}"},
        {"quotes make texts", "a: '1'\nb: \"true\"\nc: ''\n", "{\"a\":\"1\",\"b\":\"true\",\"c\":\"\"}"},
        {"lists", "a:\n- 1\n- - x\n  - null\n-\n", "{\"a\":[1,[\"x\",null],null]}"},
        {"flow style", "a: [1, b, {c: d}, []]\n", "{\"a\":[1,\"b\",{\"c\":\"d\"},[]]}"},
        {"folded quotes", "a: \"one\n  two\\\n  three\\n\"\n", "{\"a\":\"one twothree\\n\"}"},
        {"escapes", "a: \"\\t\\u00e9\\U0001F600\"\n", "{\"a\":\"\\t\xC3\xA9\xF0\x9F\x98\x80\"}"},
        {"literal block", "a: |\n  x\n   y\n\nb: 1\n", "{\"a\":\"x\\n y\\n\",\"b\":1}"},
        {"folded block", "a: >-\n  x\n  y\n\n  z\n", "{\"a\":\"x y\\nz\"}"},
        {"windows line ends", "a: 1\r\nb: 2\r\n", "{\"a\":1,\"b\":2}"},
        {"last equal key wins", "a: 1\nb: 2\na: 3\n", "{\"a\":3,\"b\":2}"},
        {"keys are texts", "1: a\ntrue: b\n~: c\n0x10: d\n1.5: e\n'': f\n",
         "{\"1\":\"a\",\"true\":\"b\",\"null\":\"c\",\"16\":\"d\",\"1.5\":\"e\",\"\":\"f\"}"},
        {"explicit key", "? a\n: b\n", "{\"a\":\"b\"}"},
        {"document marks", "--- \na: 1\n...\n", "{\"a\":1}"},
        {"alias", "a: &x {b: 1}\nc: *x\nd: [*x]\n", "{\"a\":{\"b\":1},\"c\":{\"b\":1},\"d\":[{\"b\":1}]}"},
        {"alias of a scalar, as a key", "- &k name\n- *k : 1\n", "[\"name\",{\"name\":1}]"},
        {"name given again", "- &x 1\n- &x 2\n- *x\n", "[1,2,2]"},
        {"name given again within", "- &x [&x 1, *x]\n- *x\n", "[[1,1],1]"},
        {"merge", "x: &x {a: 1, b: 2}\ny:\n  b: 3\n  <<: *x\n",
         "{\"x\":{\"a\":1,\"b\":2},\"y\":{\"a\":1,\"b\":3}}"},
        {"merge of a list: the first wins", "a: {<<: [{k: 1, l: 2}, {k: 3, m: 4}]}\n",
         "{\"a\":{\"k\":1,\"m\":4,\"l\":2}}"},
        {"two merges: the later wins", "a: {<<: {k: 1}, <<: {k: 2}}\n", "{\"a\":{\"k\":2}}"},
        {"merge key in quotes is a key", "a: {'<<': 1}\n", "{\"a\":{\"<<\":1}}"},
        {"tags of the safe loader", "a: !!str 1\nb: !!int '2'\nc: !!map {}\nd: !!seq []\ne: ! 5\nf: ! '6'\n",
         "{\"a\":\"1\",\"b\":2,\"c\":{},\"d\":[],\"e\":5,\"f\":6}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct value *v;
        struct status err = {0};
        struct buf b;
        buf_init(&b, 4096);
        enum status_code rc = yaml_read(str_c(rows[i].yaml), &v, &err);
        if (rc != STATUS_OK)
            print_error("%s: %s\n", rows[i].name, err.message);
        assert_ok(rc);
        value_put_json(&b, v, JSON_COMPACT, false);
        assert_str(rows[i].json, buf_str(&b));
        buf_fini(&b);
        value_unref(v);
    }
}

static void an_alias_is_the_very_value(void **state)
{
    (void)state;
    struct value *v;
    assert_ok(yaml_read(STR("a: &x [1, 2]\nb: *x\n"), &v, NULL));
    assert_ptr_equal(value_get_c(v, "a"), value_get_c(v, "b"));
    value_unref(v);
}

static void what_is_refused_has_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *name, *yaml, *message;
    } rows[] = {
        {"wrong indent", "a:\n  b: 1\n c: 2\n", "line 3, column 2: did not find expected key"},
        {"the line is shown", "a: 1\nb: c: d\n", ": b: c: d"},
        {"line shown to its length",
         "a: 1\nb: c: 0123456789012345678901234567890123456789012345678901234567890"
         "1234567890123456789012345678901234567890123456789\n",
         "…"},
        {"open bracket", "a: [1,\nb: 2", "while parsing a flow"},
        {"tab as indent", "\ta: 1\n", "line 1, column 1"},
        {"invalid UTF-8", "a: 1\nb: \xE9t\n", "line 2, column 4: the text is not UTF-8"},
        {"cut character", "a: \xE6\x97", "line 1, column 4: the text is not UTF-8"},
        {"control character", "a: 1\r\n\xE6\x97\xA5: \x07\n", "line 2, column 4: a control character"},
        {"delete", "\x7F", "line 1, column 1: a control character"},
        {"C1 control", "a: \xC2\x9F", "a control character"},
        {"byte order mark inside", "a: \xEF\xBB\xBF", "a control character"},
        {"no character", "a: \xEF\xBF\xBF", "a control character"},
        {"NUL by escape", "a: 1\nb: \"x\\0\"\n", "line 2, column 4: a text with a NUL"},
        {"second document", "a: 1\n---\nb: 2\n", "line 2, column 1: a second document"},
        {"unknown alias", "a: *nope\n", "line 1, column 4: an alias of a name"},
        {"alias of itself", "a: &a [*a]\n", "an alias of what it is part of"},
        {"list as key", "? [a]\n: b\n", "line 1, column 3: a key has to be a scalar"},
        {"alias of a list as key", "- &l [1]\n- *l : 2\n", "a key has to be a scalar"},
        {"unknown tag", "a: !thing 1\n", "line 1, column 4: the tag !thing"},
        {"tag of code", "a: !!python/object/apply:os.system ['ls']\n", "a tag that is not known"},
        {"set", "a: !!set {b}\n", "a tag that is not known"},
        {"merge of a scalar", "<<: 1\n", "<< takes a map"},
        {"merge of scalars", "<<: [1]\n", "<< takes a map"},
        {"wrong escape", "a: \"\\q\"\n", "line 1, column 5: found unknown escape"},
        {"surrogate by escape", "a: \"\\uD800\"\n", "invalid Unicode character escape"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct value *v = NULL;
        struct status err = {0};
        enum status_code rc = yaml_read(str_c(rows[i].yaml), &v, &err);
        if (rc != STATUS_INVALID_ARGUMENT)
            print_error("%s\n", rows[i].name);
        assert_code(STATUS_INVALID_ARGUMENT, rc);
        assert_contains(rows[i].message, err.message);
        assert_null(v);
    }
}

static void a_raw_nul_is_refused(void **state)
{
    (void)state;
    struct value *v;
    struct status err;
    assert_code(STATUS_INVALID_ARGUMENT, yaml_read(STR("a: 1\nb: x\0y\n"), &v, &err));
    assert_contains("line 2, column 5: a control character", err.message);
}

/* `unit` over and over, up to `bytes`; free it with free(). */
static struct str repeated(const char *head, const char *unit, size_t bytes)
{
    struct buf b;
    size_t len;
    buf_init(&b, bytes + 1);
    buf_put_c(&b, head);
    while (b.len + strlen(unit) <= bytes)
        buf_put_c(&b, unit);
    char *text = buf_take(&b, &len);
    assert_non_null(text);
    return (struct str){text, len};
}

static void assert_refused(struct str text, const char *message)
{
    struct value *v = NULL;
    struct status err = {0};
    assert_code(STATUS_INVALID_ARGUMENT, yaml_read(text, &v, &err));
    assert_contains(message, err.message);
    free((char *)text.ptr);
}

static void depth_is_refused_where_it_begins(void **state)
{
    (void)state;
    assert_refused(repeated("", "[", 200000), "line 1, column 65: nested too deeply");
    assert_refused(repeated("", "{a: ", 800000), "nested too deeply");
    assert_refused(repeated("", "- ", 400000), "nested too deeply");
}

static void the_deepest_levels_that_are_read(void **state)
{
    (void)state;
    char text[2 * LIMIT_DEPTH + 2];
    struct value *v;
    memset(text, '[', LIMIT_DEPTH);
    memset(text + LIMIT_DEPTH, ']', LIMIT_DEPTH);
    assert_ok(yaml_read((struct str){text, 2 * LIMIT_DEPTH}, &v, NULL));
    value_unref(v);
    memset(text, '[', LIMIT_DEPTH + 1);
    memset(text + LIMIT_DEPTH + 1, ']', LIMIT_DEPTH + 1);
    assert_code(STATUS_INVALID_ARGUMENT, yaml_read((struct str){text, 2 * LIMIT_DEPTH + 2}, &v, NULL));
}

static void aliases_count_for_their_depth(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4096);
    buf_put_c(&b, "- &a [[[[[[[[[[x]]]]]]]]]]\n"); /* 10 levels of its own */
    for (int i = 0; i < 6; i++)
        buf_printf(&b, "- &%c [[[[[[[[[[*%c]]]]]]]]]]\n", 'b' + i, 'a' + i);
    struct value *v = NULL;
    struct status err = {0};
    assert_code(STATUS_INVALID_ARGUMENT, yaml_read(buf_str(&b), &v, &err));
    assert_contains("line 7, column 16: nested too deeply", err.message);
    buf_fini(&b);
}

static void a_small_text_cannot_stand_for_a_huge_tree(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4096);
    buf_put_c(&b, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 20; i++) {
        buf_printf(&b, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++)
            buf_printf(&b, "*a%d,", i - 1);
        buf_put_c(&b, "]\n");
    }
    struct value *v = NULL;
    struct status err = {0};
    assert_code(STATUS_INVALID_ARGUMENT, yaml_read(buf_str(&b), &v, &err));
    assert_contains("line 6, ", err.message); /* a5 would be the first to pass a million */
    assert_contains("too large, aliases followed", err.message);
    buf_fini(&b);
}

static void texts_count_as_often_as_they_are_named(void **state)
{
    (void)state;
    struct str text = repeated("- &a 0123456789012345678901234567890123456789\n", "- *a\n", LIMIT_DSL_BYTES);
    assert_refused(text, "too large, aliases followed");
}

static void every_bound_has_its_words(void **state)
{
    (void)state;
    assert_refused(repeated("", "a", LIMIT_DSL_BYTES + 1), "the text is too large: 10485761 bytes");
    assert_refused(repeated("[", "a,", 3000000), "too large, aliases followed");
    struct buf b;
    size_t len;
    buf_init(&b, 1 << 20);
    for (int i = 0; i <= YAML_ANCHORS_MAX; i++)
        buf_printf(&b, "- &n%d x\n", i);
    char *text = buf_take(&b, &len);
    assert_refused((struct str){text, len}, "line 10001, column 3: too many anchors");
}

static void no_failed_allocation_leaves_anything_behind(void **state)
{
    (void)state;
    struct str text = STR("a: &a {b: [1, 2.5, 'text', null]}\ne: {<<: [*a], ? k : &s x, *s : 2}\n"
                          "f: [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]\n");
    for (size_t n = 0;; n++) {
        struct value *v = NULL;
        struct status err = {0};
        alloc_fail_after(n);
        enum status_code rc = yaml_read(text, &v, &err);
        alloc_fail_reset();
        if (!alloc_fail_hit()) {
            assert_ok(rc);
            value_unref(v);
            assert_true(n > 30);
            return;
        }
        assert_code(STATUS_RESOURCE_EXHAUSTED, rc);
        assert_null(v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read),
        cmocka_unit_test(an_alias_is_the_very_value),
        cmocka_unit_test(what_is_refused_has_its_place),
        cmocka_unit_test(a_raw_nul_is_refused),
        cmocka_unit_test(depth_is_refused_where_it_begins),
        cmocka_unit_test(the_deepest_levels_that_are_read),
        cmocka_unit_test(aliases_count_for_their_depth),
        cmocka_unit_test(a_small_text_cannot_stand_for_a_huge_tree),
        cmocka_unit_test(texts_count_as_often_as_they_are_named),
        cmocka_unit_test(every_bound_has_its_words),
        cmocka_unit_test(no_failed_allocation_leaves_anything_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
