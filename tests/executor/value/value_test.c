/*
 * Values: makers, life, types, Python's equality and truth, walking (value.h, dify-dsl.md 2.1, 2.2).
 */
#include "tests/executor/value/values.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void a_list_is_typed_by_what_it_holds(void **state)
{
    (void)state;
    static const struct {
        const char *json, *type;
    } cases[] = {
        {"[]", "array[any]"},
        {"[\"a\", \"b\"]", "array[string]"},
        {"[1, 2]", "array[number]"},
        {"[1.5]", "array[number]"},
        {"[1, 1.5]", "array[number]"},
        {"[true, false]", "array[boolean]"},
        {"[true, 1]", "array[any]"},
        {"[{}, {\"a\": 1}]", "array[object]"},
        {"[null]", "array[any]"},
        {"[null, \"a\"]", "array[any]"},
        {"[\"a\", null]", "array[any]"},
        {"[[1], [2]]", "array[any]"},
        {"[[1], 2]", "array[any]"},
        {"[\"a\", 1]", "array[any]"},
        {"[{}, \"a\"]", "array[any]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct value *v = parsed(cases[i].json);
        assert_string_equal(value_type_name(v), cases[i].type);
        value_unref(v);
    }
    struct value *secrets = list_of(secret_of("a"), string_of("b"));
    assert_string_equal(value_type_name(secrets), "array[string]");
    value_unref(secrets);
    struct value *mixed = list_of(file_of("{}"), parsed("{}"));
    assert_string_equal(value_type_name(mixed), "array[any]");
    value_unref(mixed);
}

static void equality_is_that_of_python(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool is_equal;
    } cases[] = {
        {"1", "1.0", true},
        {"true", "1", true},
        {"true", "1.0", true},
        {"false", "0", true},
        {"true", "2", false},
        {"null", "null", true},
        {"null", "false", false},
        {"null", "0", false},
        {"0", "-0.0", true},
        {"1", "\"1\"", false},
        {"9007199254740993", "9007199254740992.0", false},
        {"9007199254740992", "9007199254740992.0", true},
        {"9223372036854775807", "9223372036854775808.0", false},
        {"-9223372036854775808", "-9223372036854775808.0", true},
        {"1", "1.5", false},
        {"\"a\"", "\"a\"", true},
        {"\"a\"", "\"a\\u0000\"", false},
        {"[1, true]", "[true, 1.0]", true},
        {"[1, 2]", "[2, 1]", false},
        {"[1]", "[1, 1]", false},
        {"[]", "{}", false},
        {"{\"a\": 1, \"b\": 2}", "{\"b\": 2.0, \"a\": 1}", true},
        {"{\"a\": 1}", "{\"a\": 2}", false},
        {"{\"a\": null}", "{\"b\": null}", false},
        {"{\"a\": 1}", "{\"a\": 1, \"b\": 1}", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct value *a = parsed(cases[i].a), *b = parsed(cases[i].b);
        if (value_equal(a, b) != cases[i].is_equal || value_equal(b, a) != cases[i].is_equal)
            fail_msg("%s == %s", cases[i].a, cases[i].b);
        value_unref(a);
        value_unref(b);
    }
}

static void a_nan_equals_nothing_but_a_list_with_it_equals_itself(void **state)
{
    (void)state;
    struct value *nan = value_float(NULL, NAN), *one = parsed("1");
    assert_false(value_equal(nan, nan));
    assert_false(value_equal(nan, one));
    struct value *list = list_of(value_ref(nan), NULL), *other = list_of(value_float(NULL, NAN), NULL);
    assert_true(value_equal(list, list));
    assert_false(value_equal(list, other));
    value_unref(nan);
    value_unref(one);
    value_unref(list);
    value_unref(other);
}

static void a_secret_equals_its_text_and_a_file_is_no_object(void **state)
{
    (void)state;
    struct value *secret = secret_of("x"), *text = string_of("x"), *file = file_of("{\"a\": 1}"),
                 *object = parsed("{\"a\": 1}");
    assert_true(value_equal(secret, text));
    assert_false(value_equal(file, object));
    assert_true(value_equal(file, file));
    value_unref(secret);
    value_unref(text);
    value_unref(file);
    value_unref(object);
}

static void truth_is_that_of_python(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        bool is_truthy;
    } cases[] = {
        {"null", false}, {"false", false},        {"true", true},  {"0", false},
        {"-1", true},    {"0.0", false},          {"-0.0", false}, {"0.1", true},
        {"\"\"", false}, {"\"0\"", true},         {"[]", false},   {"[0]", true},
        {"{}", false},   {"{\"a\": null}", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct value *v = parsed(cases[i].json);
        if (value_is_truthy(v) != cases[i].is_truthy)
            fail_msg("%s", cases[i].json);
        value_unref(v);
    }
    struct value *file = file_of("{}"), *nan = value_float(NULL, NAN), *secret = secret_of("");
    assert_true(value_is_truthy(file));
    assert_true(value_is_truthy(nan));
    assert_false(value_is_truthy(secret));
    value_unref(file);
    value_unref(nan);
    value_unref(secret);
}

/* Path as "a.b"; what is found as its type name, or NULL. */
static void walking_goes_by_keys_of_objects_only(void **state)
{
    (void)state;
    static const struct {
        const char *path, *type;
    } cases[] = {
        {"o", "object"},   {"o.n", "none"},        {"o.i", "integer"}, {"o.o.s", "string"},
        {"x", NULL},       {"o.x", NULL},          {"o.n.x", NULL},    {"o.i.x", NULL},
        {"o.o.s.0", NULL}, {"l", "array[number]"}, {"l.0", NULL},      {"", NULL},
    };
    struct value *v = parsed("{\"o\": {\"n\": null, \"i\": 1, \"o\": {\"s\": \"x\"}}, \"l\": [1]}");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str rest = str_c(cases[i].path), path[8];
        size_t count = 0;
        while (str_split(&rest, '.', &path[count]))
            count++;
        const struct value *found = value_walk(v, path, count);
        if (cases[i].type == NULL)
            assert_null(found);
        else
            assert_string_equal(value_type_name(found), cases[i].type);
    }
    assert_ptr_equal(value_walk(v, NULL, 0), v);
    assert_null(value_walk(NULL, NULL, 0));
    value_unref(v);
}

static void a_file_is_walked_by_one_attribute(void **state)
{
    (void)state;
    static const struct {
        const char *attribute, *text;
    } cases[] = {
        {"type", "image"},
        {"name", "a.png"},
        {"mime_type", "image/png"},
        {"transfer_method", "remote_url"},
        {"url", "http://h/a"},
        {"extension", ".png"},
        {"related_id", "ref-1"},
        {"filename", NULL},
        {"remote_url", NULL},
        {"id", NULL},
        {"", NULL},
    };
    struct value *file =
        file_of("{\"id\": \"1\", \"type\": \"image\", \"filename\": \"a.png\", \"mime_type\": \"image/png\", "
                "\"size\": 7,"
                "\"transfer_method\": \"remote_url\", \"remote_url\": \"http://h/a\", \"url\": null,"
                "\"extension\": \".png\", \"reference\": \"ref-1\"}");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str path[] = {str_c(cases[i].attribute), STR("ignored")};
        const struct value *found = value_walk(file, path, 2);
        if (cases[i].text == NULL)
            assert_null(found);
        else
            assert_text(value_text(found), cases[i].text);
    }
    assert_int_equal(value_as_int(value_walk(file, &STR("size"), 1)), 7);
    struct value *bare = file_of("{}");
    assert_int_equal(value_type(value_walk(bare, &STR("name"), 1)), VALUE_NONE);
    struct value *holder = object_of("f", bare);
    struct str path[] = {STR("f"), STR("name")};
    assert_null(value_walk(holder, path, 2)); /* only a variable that is a file has attributes */
    value_unref(file);
    value_unref(holder);
}

static void text_that_is_not_utf8_is_repaired(void **state)
{
    (void)state;
    struct value *v = value_string(NULL, STR("a\xff"
                                             "b\xc3\xa4\xe4\xbd"));
    assert_text(value_text(v), "a\xef\xbf\xbd"
                               "bä\xef\xbf\xbd\xef\xbf\xbd");
    value_unref(v);
    v = value_string(NULL, (struct str){NULL, 0});
    assert_int_equal(value_text(v).len, 0);
    assert_int_equal(value_text(v).ptr[0], '\0');
    value_unref(v);
}

static void a_text_taken_from_a_buf_is_the_same_short_or_long(void **state)
{
    (void)state;
    for (size_t len = 0; len < 5000; len += 1 + len / 3) {
        struct value_account account = {.max = 1 << 20};
        struct buf b;
        buf_init(&b, 1 << 20);
        for (size_t i = 0; i < len; i++)
            buf_put_char(&b, (char)('a' + i % 26));
        struct value *v = value_string_take(&account, &b);
        assert_null(b.ptr);
        assert_int_equal(value_text(v).len, len);
        assert_int_equal(value_text(v).ptr[len], '\0');
        for (size_t i = 0; i < len; i++)
            assert_int_equal(value_text(v).ptr[i], 'a' + i % 26);
        assert_int_equal(account.used, value_bytes(v));
        assert_true(value_bytes(v) > len);
        value_unref(v);
        assert_int_equal(account.used, 0);
    }
}

static void a_failed_buf_makes_no_text(void **state)
{
    (void)state;
    struct value_account account = {.max = 1 << 20};
    struct buf b;
    buf_init(&b, 3);
    buf_put_c(&b, "four");
    assert_null(value_string_take(&account, &b));
    assert_true(account.is_full);
    assert_int_equal(account.used, 0);
}

static struct value *take_long_text(struct value_account *a)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 2000; i++)
        buf_put_char(&b, 'x');
    return value_string_take(a, &b);
}

static struct value *build_some(struct value_account *a)
{
    struct value_builder outer, inner;
    value_array_begin(&inner, a);
    for (int i = 0; i < 20; i++)
        value_array_put(&inner, value_int(a, i));
    value_object_begin(&outer, a);
    value_object_put(&outer, STR("list"), value_array_end(&inner));
    for (int i = 0; i < 12; i++) {
        char key[32];
        snprintf(key, sizeof key, "a longer key, number %d", i % 10);
        value_object_put(&outer, str_c(key), value_string(a, str_c(key)));
    }
    value_object_put(&outer, STR("secret"), value_secret(a, STR("s")));
    value_object_put(&outer, STR("real"), value_float(a, 1.5));
    return value_object_end(&outer);
}

static void makers_survive_every_limit(void **state)
{
    (void)state;
    assert_survives_every_limit(take_long_text);
    assert_survives_every_limit(build_some);
}

static void a_builder_keeps_keys_unique_whatever_its_size(void **state)
{
    (void)state;
    for (int count = 0; count < 40; count++) {
        struct value_builder b;
        value_object_begin(&b, NULL);
        for (int i = 0; i < 2 * count; i++) {
            char key[16];
            snprintf(key, sizeof key, "k%d", i % (count > 0 ? count : 1));
            value_object_put(&b, str_c(key), value_int(NULL, i));
        }
        struct value *v = value_object_end(&b);
        assert_int_equal(value_count(v), count);
        for (int i = 0; i < count; i++) {
            char key[16];
            snprintf(key, sizeof key, "k%d", i);
            assert_text(value_key(v, (size_t)i), key);
            assert_int_equal(value_as_int(value_member(v, (size_t)i)), count + i);
            assert_ptr_equal(value_get_c(v, key), value_member(v, (size_t)i));
        }
        assert_null(value_get_c(v, "other"));
        value_unref(v);
    }
}

static void a_missing_child_makes_a_missing_container(void **state)
{
    (void)state;
    struct value_account account = {.max = 1 << 20};
    struct value_builder b;
    value_array_begin(&b, &account);
    value_array_put(&b, value_int(&account, 1));
    value_array_put(&b, NULL);
    value_array_put(&b, value_int(&account, 2));
    assert_null(value_array_end(&b));
    assert_int_equal(account.used, 0);
    value_builder_abort(&b);
}

static void an_aborted_builder_releases_what_was_put(void **state)
{
    (void)state;
    struct value_account account = {.max = 1 << 20};
    struct value_builder b;
    value_object_begin(&b, &account);
    for (int i = 0; i < 30; i++)
        value_object_put(&b, STR("a key of some length"), value_int(&account, i));
    assert_true(account.used > 0);
    value_builder_abort(&b);
    assert_int_equal(account.used, 0);
    assert_false(account.is_full);
}

static void a_container_is_at_most_so_deep(void **state)
{
    (void)state;
    struct value_account account = {.max = 1 << 20};
    struct value *v = value_int(&account, 1);
    for (int depth = 1; depth <= VALUE_DEPTH_MAX + 1; depth++) {
        struct value_builder b;
        value_array_begin(&b, &account);
        value_array_put(&b, v);
        v = value_array_end(&b);
        assert_int_equal(v != NULL, depth <= VALUE_DEPTH_MAX);
    }
    assert_true(account.is_full);
    assert_int_equal(account.used, 0);
}

static void a_value_lives_until_its_last_reference(void **state)
{
    (void)state;
    struct value_account account = {.max = 1 << 20};
    struct value *shared = value_string(&account, STR("shared"));
    size_t bytes = account.used;
    struct value_builder b;
    value_array_begin(&b, &account);
    value_array_put(&b, value_ref(shared));
    value_array_put(&b, value_ref(shared));
    struct value *list = value_array_end(&b);
    value_unref(shared);
    assert_text(value_text(value_item(list, 1)), "shared");
    value_ref(shared);
    value_unref(list);
    assert_int_equal(account.used, bytes);
    value_unref(shared);
    assert_int_equal(account.used, 0);
    assert_null(value_ref(NULL));
    value_unref(NULL);
}

static void frozen_values_do_not_count_references(void **state)
{
    (void)state;
    struct value *part = string_of("part");
    struct value *tree = list_of(object_of("a", value_ref(part)), part); /* the same part in two places */
    value_freeze(tree);
    for (int i = 0; i < 5; i++) {
        value_unref(tree);
        value_unref(value_item(tree, 1));
    }
    value_ref(tree);
    assert_text(value_text(value_get_c(value_item(tree, 0), "a")), "part");
    struct value_account account = {.max = 1 << 20};
    struct value_builder b;
    value_array_begin(&b, &account);
    value_array_put(&b, value_ref(tree));
    struct value *holder = value_array_end(&b);
    assert_ptr_equal(value_item(holder, 0), tree);
    value_unref(holder);
    assert_int_equal(account.used, 0);
    value_thaw_free(tree); /* the leak check sees whether everything ended, once */
    value_freeze(value_none());
    value_thaw_free(value_none());
    value_thaw_free(NULL);
}

static void shorthands_fall_back_when_a_member_is_not_what_was_asked(void **state)
{
    (void)state;
    struct value *v =
        parsed("{\"s\": \"x\", \"n\": null, \"i\": 7, \"f\": 7.0, \"h\": 7.5, \"big\": 1e30, \"t\": true}");
    assert_text(value_get_text(v, "s", STR("-")), "x");
    assert_text(value_get_text(v, "n", STR("-")), "-");
    assert_text(value_get_text(v, "i", STR("-")), "-");
    assert_text(value_get_text(v, "missing", STR("-")), "-");
    assert_text(value_get_text(NULL, "s", STR("-")), "-");
    assert_true(value_get_bool(v, "t", false));
    assert_true(value_get_bool(v, "i", true));
    assert_int_equal(value_get_int(v, "i", 1), 7);
    assert_int_equal(value_get_int(v, "f", 1), 7);
    assert_int_equal(value_get_int(v, "h", 1), 1);
    assert_int_equal(value_get_int(v, "big", 1), 1);
    assert_int_equal(value_get_int(v, "t", 2), 2);
    assert_null(value_get_c(value_get_c(v, "s"), "x"));
    value_unref(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_typed_by_what_it_holds),
        cmocka_unit_test(equality_is_that_of_python),
        cmocka_unit_test(a_nan_equals_nothing_but_a_list_with_it_equals_itself),
        cmocka_unit_test(a_secret_equals_its_text_and_a_file_is_no_object),
        cmocka_unit_test(truth_is_that_of_python),
        cmocka_unit_test(walking_goes_by_keys_of_objects_only),
        cmocka_unit_test(a_file_is_walked_by_one_attribute),
        cmocka_unit_test(text_that_is_not_utf8_is_repaired),
        cmocka_unit_test(a_text_taken_from_a_buf_is_the_same_short_or_long),
        cmocka_unit_test(a_failed_buf_makes_no_text),
        cmocka_unit_test(makers_survive_every_limit),
        cmocka_unit_test(a_builder_keeps_keys_unique_whatever_its_size),
        cmocka_unit_test(a_missing_child_makes_a_missing_container),
        cmocka_unit_test(an_aborted_builder_releases_what_was_put),
        cmocka_unit_test(a_container_is_at_most_so_deep),
        cmocka_unit_test(a_value_lives_until_its_last_reference),
        cmocka_unit_test(frozen_values_do_not_count_references),
        cmocka_unit_test(shorthands_fall_back_when_a_member_is_not_what_was_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
