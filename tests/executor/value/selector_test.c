/*
 * Selectors (dify-dsl.md 2.1).
 */
#include "executor/value/selector.h"
#include "tests/executor/value/values.h"

/* ARENA_BYTES: more than any of these selectors needs. */
enum { ARENA_BYTES = 64 * 1024 };

static void assert_dotted(const struct selector *s, const char *expected)
{
    struct buf b;
    buf_init(&b, 4096);
    selector_put_dotted(&b, s);
    assert_text(buf_str(&b), expected);
    buf_fini(&b);
}

static void a_list_of_names_is_a_selector(void **state)
{
    (void)state;
    static const struct {
        const char *json, *dotted; /* NULL: refused */
    } cases[] = {
        {"[\"node\", \"name\"]", "node.name"},
        {"[\"node\", \"name\", \"a\", \"b\"]", "node.name.a.b"},
        {"[1712, \"name\", 3]", "1712.name.3"},
        {"[\"\", \"\"]", "."},
        {"[]", ""},
        {"null", ""},
        {"[\"node\"]", "node"}, /* names nothing, but is one */
        {"[\"node\", null]", NULL},
        {"[\"node\", true]", NULL},
        {"[\"node\", 1.5]", NULL},
        {"[\"node\", [\"a\"]]", NULL},
        {"\"node.name\"", NULL},
        {"{\"a\": 1}", NULL},
        {"5", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena;
        arena_init(&arena, ARENA_BYTES);
        struct value *list = parsed(cases[i].json);
        struct selector s;
        struct status err = {0};
        enum status_code rc = selector_from_value(&arena, list, &s, &err);
        value_unref(list); /* the selector has copies */
        assert_int_equal(rc, cases[i].dotted != NULL ? STATUS_OK : STATUS_INVALID_ARGUMENT);
        if (rc == STATUS_OK) {
            assert_dotted(&s, cases[i].dotted);
            assert_int_equal(s.slot, SELECTOR_UNRESOLVED);
        }
        arena_fini(&arena);
    }
}

static void no_value_at_all_is_a_selector_that_is_not_given(void **state)
{
    (void)state;
    struct selector s;
    assert_int_equal(selector_from_value(NULL, NULL, &s, NULL), STATUS_OK);
    assert_int_equal(s.count, 0);
}

static void a_dotted_text_splits_at_every_dot(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t count; /* 0: no selector */
    } cases[] = {{"a.b", 2}, {"a.b.c", 3}, {".", 2}, {"a..b", 3}, {"a. b", 2}, {"ab", 0}, {"", 0}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena;
        arena_init(&arena, ARENA_BYTES);
        struct selector s;
        assert_int_equal(selector_from_dotted(&arena, str_c(cases[i].text), &s), cases[i].count > 0);
        if (cases[i].count > 0) {
            assert_int_equal(s.count, cases[i].count);
            assert_dotted(&s, cases[i].text);
        }
        arena_fini(&arena);
    }
}

static void a_selector_has_a_maximum_of_parts(void **state)
{
    (void)state;
    for (size_t parts = SELECTOR_PARTS_MAX; parts <= SELECTOR_PARTS_MAX + 1; parts++) {
        struct arena arena;
        struct buf text;
        struct value_builder list;
        arena_init(&arena, ARENA_BYTES);
        buf_init(&text, 4096);
        value_array_begin(&list, NULL);
        for (size_t i = 0; i < parts; i++) {
            buf_put_c(&text, i == 0 ? "a" : ".a");
            value_array_put(&list, string_of("a"));
        }
        struct selector s;
        struct value *v = value_array_end(&list);
        bool fits = parts == SELECTOR_PARTS_MAX;
        assert_int_equal(selector_from_dotted(&arena, buf_str(&text), &s), fits);
        assert_int_equal(selector_from_value(&arena, v, &s, NULL),
                         fits ? STATUS_OK : STATUS_INVALID_ARGUMENT);
        value_unref(v);
        buf_fini(&text);
        arena_fini(&arena);
    }
}

static void selectors_name_the_same_variable_by_their_first_two_parts(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool is_same;
    } cases[] = {
        {"n.x", "n.x.y", true}, {"n.x", "n.y", false}, {"n.x", "m.x", false}, {"n.x.a", "n.x.b", true}};
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct selector a, b;
        assert_true(selector_from_dotted(&arena, str_c(cases[i].a), &a));
        assert_true(selector_from_dotted(&arena, str_c(cases[i].b), &b));
        assert_int_equal(selector_same_variable(&a, &b), cases[i].is_same);
    }
    arena_fini(&arena);
}

static void errors_show_a_selector_as_python_does(void **state)
{
    (void)state;
    static const struct {
        const char *json, *shown;
    } cases[] = {{"[]", "[]"},
                 {"[\"node\"]", "['node']"},
                 {"[\"node\", \"name\", \"k\"]", "['node', 'name', 'k']"},
                 {"[\"it's\", \"a\\nb\"]", "[\"it's\", 'a\\nb']"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena;
        struct buf b;
        struct selector s;
        struct value *list = parsed(cases[i].json);
        arena_init(&arena, ARENA_BYTES);
        buf_init(&b, 4096);
        assert_int_equal(selector_from_value(&arena, list, &s, NULL), STATUS_OK);
        selector_put_repr(&b, &s);
        assert_text(buf_str(&b), cases[i].shown);
        buf_fini(&b);
        arena_fini(&arena);
        value_unref(list);
    }
}

static void a_full_arena_is_told(void **state)
{
    (void)state;
    struct value *list = parsed("[\"node\", \"name\", 5]");
    enum status_code rc = STATUS_RESOURCE_EXHAUSTED;
    for (size_t max = 0; rc != STATUS_OK; max++) {
        struct arena arena;
        struct selector s = {0};
        arena_init(&arena, max);
        rc = selector_from_value(&arena, list, &s, NULL);
        assert_true(rc == STATUS_OK || rc == STATUS_RESOURCE_EXHAUSTED);
        assert_int_equal(s.count, rc == STATUS_OK ? 3 : 0);
        arena_fini(&arena);
    }
    value_unref(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_of_names_is_a_selector),
        cmocka_unit_test(no_value_at_all_is_a_selector_that_is_not_given),
        cmocka_unit_test(a_dotted_text_splits_at_every_dot),
        cmocka_unit_test(a_selector_has_a_maximum_of_parts),
        cmocka_unit_test(selectors_name_the_same_variable_by_their_first_two_parts),
        cmocka_unit_test(errors_show_a_selector_as_python_does),
        cmocka_unit_test(a_full_arena_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
