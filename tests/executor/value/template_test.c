/*
 * Templates (dify-dsl.md 2.3, 4.6).
 */
#include "executor/value/template.h"
#include "tests/executor/value/values.h"
#include <string.h>

/* Enough for the templates here. */
enum { ARENA_BYTES = 1 << 20 };

#define CHARS_10 "aaaaaaaaaa"
#define CHARS_30 CHARS_10 CHARS_10 CHARS_10
#define CHARS_50 CHARS_30 CHARS_10 CHARS_10
#define NAMES_10 ".b.b.b.b.b.b.b.b.b.b"

/* The pieces, references in <>, literals that may be paths in (), other literals in []. */
static void put_pieces(struct buf *b, const struct template *t)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct template_piece *piece = &t->pieces[i];
        const char *around = piece->is_braced ? "<>" : piece->selector.count > 0 ? "()" : "[]";
        buf_put_char(b, around[0]);
        buf_put(b, piece->text);
        buf_put_char(b, around[1]);
    }
}

static void assert_pieces(const struct template *t, const char *expected)
{
    struct buf b;
    buf_init(&b, 64 * 1024);
    put_pieces(&b, t);
    assert_text(buf_str(&b), expected);
    buf_fini(&b);
}

static void a_template_splits_into_literals_and_references(void **state)
{
    (void)state;
    static const struct {
        const char *text, *pieces;
    } cases[] = {
        {"", ""},
        {"plain", "[plain]"},
        {"{{#a.b#}}", "<a.b>"},
        {"x {{#a.b#}} y", "[x ]<a.b>[ y]"},
        {"{{#a.b#}}{{#c.d.e#}}", "<a.b><c.d.e>"},
        {"{{#1712.text#}}", "<1712.text>"},
        {"{{#sys.query#}}\n", "<sys.query>[\n]"},
        /* literals that are dotted are tried as selectors */
        {"sys.query", "(sys.query)"},
        {"One. Two.", "(One. Two.)"},
        /* not references */
        {"{{# a.b #}}", "({{# a.b #}})"},
        {"{{#a#}}", "[{{#a#}}]"},
        {"{{#context#}}", "[{{#context#}}]"},
        {"{{#a-b.c#}}", "({{#a-b.c#}})"},
        {"{{#a.b-c#}}", "({{#a.b-c#}})"},
        {"{{#a.1b#}}", "({{#a.1b#}})"},
        {"{{#a..b#}}", "({{#a..b#}})"},
        {"{{#.b#}}", "({{#.b#}})"},
        {"{{#a.b.#}}", "({{#a.b.#}})"},
        {"{{#$output.x#}}", "({{#$output.x#}})"},
        {"{{#é.b#}}", "({{#é.b#}})"},
        {"{{a.b}}", "({{a.b}})"},
        {"{{#a.b#}", "({{#a.b#})"},
        {"{{#a.b", "({{#a.b)"},
        {"{{#", "[{{#]"},
        {"{#a.b#}}", "({#a.b#}})"},
        /* the leftmost match counts */
        {"{{{#a.b#}}}", "[{]<a.b>[}]"},
        {"{{#{{#a.b#}}#}}", "[{{#]<a.b>[#}}]"},
        {"{{#a.{{#b.c#}}", "({{#a.)<b.c>"},
        /* lengths */
        {"{{#" CHARS_50 ".b#}}", "<" CHARS_50 ".b>"},
        {"{{#" CHARS_50 "a.b#}}", "({{#" CHARS_50 "a.b#}})"},
        {"{{#a." CHARS_30 "#}}", "<a." CHARS_30 ">"},
        {"{{#a." CHARS_30 "a#}}", "({{#a." CHARS_30 "a#}})"},
        {"{{#a._" CHARS_10 "9#}}", "<a._" CHARS_10 "9>"},
        {"{{#a" NAMES_10 "#}}", "<a" NAMES_10 ">"},
        {"{{#a" NAMES_10 ".b#}}", "({{#a" NAMES_10 ".b#}})"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena;
        struct template t;
        arena_init(&arena, ARENA_BYTES);
        assert_int_equal(template_parse(&arena, str_c(cases[i].text), &t, NULL), STATUS_OK);
        assert_pieces(&t, cases[i].pieces);
        arena_fini(&arena);
    }
}

static void a_literal_of_more_dots_than_a_selector_has_is_plain(void **state)
{
    (void)state;
    char dots[SELECTOR_PARTS_MAX + 1];
    memset(dots, '.', sizeof dots);
    for (size_t len = SELECTOR_PARTS_MAX - 1; len <= SELECTOR_PARTS_MAX; len++) {
        struct arena arena;
        struct template t;
        arena_init(&arena, ARENA_BYTES);
        assert_int_equal(template_parse(&arena, (struct str){dots, len}, &t, NULL), STATUS_OK);
        assert_int_equal(t.pieces[0].selector.count, len < SELECTOR_PARTS_MAX ? SELECTOR_PARTS_MAX : 0);
        arena_fini(&arena);
    }
}

/* The pool: {node: {name: value}}. */
static struct value *find_in_pool(void *arg, const struct selector *selector)
{
    return value_walk(arg, selector->parts, selector->count);
}

static void assert_rendered(const struct template *t, enum template_form form, struct value *pool,
                            const char *expected)
{
    struct buf b;
    buf_init(&b, 64 * 1024);
    template_render(t, form, find_in_pool, pool, &b);
    assert_false(b.failed);
    assert_text(buf_str(&b), expected);
    buf_fini(&b);
}

static void a_template_renders_what_the_pool_holds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum template_form form;
        const char *rendered;
    } cases[] = {
        {"Hi {{#sys.query#}}!", TEMPLATE_TEXT, "Hi what?!"},
        {"{{#n.yes#}}/{{#n.none#}}/{{#n.one#}}/{{#n.half#}}", TEMPLATE_TEXT, "True//1/0.5"},
        {"{{#n.list#}}", TEMPLATE_TEXT, "[\"a\", \"b\"]"},
        {"{{#n.list#}}", TEMPLATE_MARKDOWN, "- a\n- b"},
        {"{{#n.list#}}", TEMPLATE_LOG, "['a', 'b']"},
        {"{{#n.object#}}", TEMPLATE_TEXT, "{\"k\": \"v\"}"},
        {"{{#n.object#}}", TEMPLATE_MARKDOWN, "{\n  \"k\": \"v\"\n}"},
        {"{{#n.object.k#}}", TEMPLATE_TEXT, "v"},
        /* a reference to nothing is its bare path */
        {"<{{#n.missing#}}>", TEMPLATE_TEXT, "<n.missing>"},
        {"<{{#n.list.0#}}>", TEMPLATE_TEXT, "<{{#n.list.0#}}>"},
        {"<{{#n.object.x#}}>", TEMPLATE_MARKDOWN, "<n.object.x>"},
        /* a literal that is a selector is looked up */
        {"sys.query", TEMPLATE_TEXT, "what?"},
        {"n.list", TEMPLATE_MARKDOWN, "- a\n- b"},
        {"sys.query ", TEMPLATE_TEXT, "sys.query "},
        {"{{#n.one#}}sys.query{{#n.one#}}", TEMPLATE_TEXT, "1what?1"},
        {"A. B", TEMPLATE_TEXT, "A. B"},
    };
    struct value *pool =
        parsed("{\"sys\": {\"query\": \"what?\"}, \"n\": {\"yes\": true, \"none\": null, \"one\": 1,"
               "\"half\": 0.5, \"list\": [\"a\", \"b\"], \"object\": {\"k\": \"v\"}}}");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena;
        struct template t;
        arena_init(&arena, ARENA_BYTES);
        assert_int_equal(template_parse(&arena, str_c(cases[i].text), &t, NULL), STATUS_OK);
        assert_rendered(&t, cases[i].form, pool, cases[i].rendered);
        arena_fini(&arena);
    }
    value_unref(pool);
}

static void a_rendered_text_over_its_maximum_fails_the_buf(void **state)
{
    (void)state;
    struct arena arena;
    struct template t;
    struct value *pool = parsed("{\"n\": {\"x\": \"12345\"}}");
    arena_init(&arena, ARENA_BYTES);
    assert_int_equal(template_parse(&arena, STR("ab{{#n.x#}}cd"), &t, NULL), STATUS_OK);
    for (size_t max = 0; max < 12; max++) {
        struct buf b;
        buf_init(&b, max);
        template_render(&t, TEMPLATE_TEXT, find_in_pool, pool, &b);
        assert_int_equal(b.failed, max < 9);
        buf_fini(&b);
    }
    arena_fini(&arena);
    value_unref(pool);
}

static void plain_placeholders_need_no_jinja(void **state)
{
    (void)state;
    static const struct {
        const char *text, *pieces;
    } cases[] = {
        {"", ""},
        {"text", "[text]"},
        {"{{ name }}", "<name>"},
        {"{{name}}", "<name>"},
        {"{{\n\tname\n}}", "<name>"},
        {"a{{ b }}c{{ _d1 }}", "[a]<b>[c]<_d1>"},
        {"{ {{ a }} } }}", "[{ ]<a>[ } }}]"},
        {"{a} {", "[{a} {]"},
        {"{{ truth }}{{ selfish }}", "<truth><selfish>"},
        /* one line end at the end is dropped, the others become \n */
        {"a\n", "[a]"},
        {"a\n\n", "[a\n]"},
        {"a\r\n", "[a]"},
        {"a\r\rb\r\n\r\n", "[a\n\nb\n]"},
        {"{{ a }}\n", "<a>"},
        {"\n", ""},
        {"x\r\n{{ a }}\r\ny", "[x\n]<a>[\ny]"},
        /* {{#…#}} is an expression to Jinja, but a dotted literal is only text */
        {"a.b", "[a.b]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena;
        struct template t;
        struct status err = {0};
        arena_init(&arena, ARENA_BYTES);
        if (!template_parse_plain(&arena, str_c(cases[i].text), &t, &err))
            fail_msg("%s: %s", cases[i].text, err.message);
        assert_pieces(&t, cases[i].pieces);
        arena_fini(&arena);
    }
}

static void anything_else_needs_jinja_and_the_place_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *text, *place;
    } cases[] = {
        {"ab {% if x %}", "byte 3: a statement"},
        {"{# note #}", "byte 0: a comment"},
        {"é {{ a.b }}", "byte 3: an expression"},
        {"{{ a | join }}", "byte 0: "},
        {"{{ a[0] }}", "byte 0: "},
        {"{{ a() }}", "byte 0: "},
        {"{{ 'a' }}", "byte 0: "},
        {"{{ 1 }}", "byte 0: "},
        {"{{ a b }}", "byte 0: "},
        {"{{- a }}", "byte 0: "},
        {"{{ a -}}", "byte 0: "},
        {"{{{ a }}}", "byte 0: "},
        {"{{#a.b#}}", "byte 0: "},
        {"{{ }}", "byte 0: "},
        {"{{ a", "byte 0: "},
        {"{{ a }", "byte 0: "},
        {"{{", "byte 0: "},
        {"{{ true }}", "byte 0: "},
        {"{{ None }}", "byte 0: "},
        {"{{ not }}", "byte 0: "},
        {"{{ self }}", "byte 0: "},
        {"{{ é }}", "byte 0: "},
        {"a\r\n{{ x }}{% raw %}", "byte 10: "},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena;
        struct template t;
        struct status err = {0};
        arena_init(&arena, ARENA_BYTES);
        assert_false(template_parse_plain(&arena, str_c(cases[i].text), &t, &err));
        assert_int_equal(err.code, STATUS_INVALID_ARGUMENT);
        if (strncmp(err.message, cases[i].place, strlen(cases[i].place)) != 0)
            fail_msg("%s: %s", cases[i].text, err.message);
        arena_fini(&arena);
    }
}

static void plain_placeholders_render_as_jinja_prints(void **state)
{
    (void)state;
    static const struct {
        const char *text, *rendered;
    } cases[] = {
        {"{{ s }}|{{ n }}|{{ t }}|{{ i }}|{{ f }}", "x'y|None|True|5|5.0"},
        {"{{ l }} {{ e }} {{ o }}", "['a', 1] [] {'k': None}"},
        {"<{{ missing }}>", "<>"},
        {"s.x", "s.x"},
    };
    struct value *names = parsed(
        "{\"s\": \"x'y\", \"n\": null, \"t\": true, \"i\": 5, \"f\": 5.0, \"l\": [\"a\", 1], \"e\": [],"
        "\"o\": {\"k\": null}}");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena;
        struct template t;
        arena_init(&arena, ARENA_BYTES);
        assert_true(template_parse_plain(&arena, str_c(cases[i].text), &t, NULL));
        assert_rendered(&t, TEMPLATE_JINJA, names, cases[i].rendered);
        arena_fini(&arena);
    }
    value_unref(names);
}

static void a_full_arena_is_told(void **state)
{
    (void)state;
    bool is_made = false, is_plain_made = false;
    for (size_t max = 0; !is_made || !is_plain_made; max++) {
        struct arena arena;
        struct template t;
        struct status err = {0};
        arena_init(&arena, max);
        is_made = template_parse(&arena, STR("a.b {{#a.b#}} c {{#d.e#}}"), &t, &err) == STATUS_OK;
        assert_true(is_made || err.code == STATUS_RESOURCE_EXHAUSTED);
        arena_fini(&arena);
        is_plain_made = template_parse_plain(&arena, STR("a\r {{ b }} c\r\n{{ d }}"), &t, &err);
        assert_true(is_plain_made || err.code == STATUS_RESOURCE_EXHAUSTED);
        arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_template_splits_into_literals_and_references),
        cmocka_unit_test(a_literal_of_more_dots_than_a_selector_has_is_plain),
        cmocka_unit_test(a_template_renders_what_the_pool_holds),
        cmocka_unit_test(a_rendered_text_over_its_maximum_fails_the_buf),
        cmocka_unit_test(plain_placeholders_need_no_jinja),
        cmocka_unit_test(anything_else_needs_jinja_and_the_place_is_told),
        cmocka_unit_test(plain_placeholders_render_as_jinja_prints),
        cmocka_unit_test(a_full_arena_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
