// libs: heddle_value
/*
 * The pieces of a template, put together again, are its text; rendering and plain placeholders break nothing.
 */
#include "executor/value/template.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_BYTES = 1 << 20, TEXT_BYTES = 1 << 20 };

/* Every other selector is found. */
static struct value *find_some(void *arg, const struct selector *selector)
{
    size_t *asked = arg;
    assert(selector->count >= 1 && selector->count <= SELECTOR_PARTS_MAX);
    return ++*asked % 2 == 0 ? value_bool(true) : NULL;
}

static void render(const struct template *t, enum template_form form)
{
    struct buf b;
    size_t asked = 0;
    buf_init(&b, TEXT_BYTES);
    template_render(t, form, find_some, &asked, &b);
    assert(!b.failed);
    buf_fini(&b);
}

static void assert_pieces_make(const struct template *t, struct str text)
{
    struct buf b;
    buf_init(&b, TEXT_BYTES);
    for (size_t i = 0; i < t->count; i++) {
        const struct template_piece *piece = &t->pieces[i];
        assert(piece->text.len > 0);
        assert(!piece->is_braced || piece->selector.count >= 2);
        buf_put_c(&b, piece->is_braced ? "{{#" : "");
        buf_put(&b, piece->text);
        buf_put_c(&b, piece->is_braced ? "#}}" : "");
    }
    assert(str_eq(buf_str(&b), text));
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct arena arena;
    struct template t;
    arena_init(&arena, ARENA_BYTES);
    if (template_parse(&arena, text, &t, NULL) == STATUS_OK) {
        assert_pieces_make(&t, text);
        render(&t, TEMPLATE_TEXT);
    }
    arena_fini(&arena);
    if (template_parse_plain(&arena, text, &t, NULL))
        render(&t, TEMPLATE_JINJA);
    arena_fini(&arena);
    return 0;
}
