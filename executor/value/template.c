/*
 * template: see template.h.
 */
#include "executor/value/template.h"
#include "executor/value/form.h"
#include <string.h>

/* Parts of a reference (dify-dsl.md 2.3): {{#NODE_ID(.NAME){1,10}#}}. */
enum { NODE_ID_CHARS_MAX = 50, NAME_CHARS_MAX = 30, NAMES_MAX = 10 };

/* Where a reference stands: [from, to) with its braces, and the path inside. */
struct reference {
    size_t from, to;
    struct str path;
};

/* A template under construction; pieces NULL: only counts. */
struct pieces {
    struct arena *arena;
    struct template_piece *pieces;
    size_t count;
};

static bool find_reference(struct str text, size_t from, struct reference *ret);
static size_t match_reference(struct str text, size_t at);
static bool put_pieces(struct pieces *p, struct str text);
static bool put_literal(struct pieces *p, struct str text);
static bool put_reference(struct pieces *p, struct str path);
static bool resolve(struct arena *a, struct str path, struct selector *ret);
static void put_form(struct buf *b, enum template_form form, const struct value *v);
static struct str without_last_newline(struct str text);
static size_t find_opening(struct str text, size_t from);
static size_t plain_placeholder(struct str text, size_t at, struct str *name, const char **problem);
static bool put_plain_pieces(struct pieces *p, struct str text, struct status *err);
static struct str unix_lines(struct arena *a, struct str text);
static bool is_jinja_word(struct str name);

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* --- {{#node.name#}} --- */

enum status_code template_parse(struct arena *a, struct str text, struct template *ret, struct status *err)
{
    struct pieces counted = {.arena = a}, made = {.arena = a};
    text = arena_copy(a, text);
    if (text.ptr == NULL || !put_pieces(&counted, text))
        goto fail;
    made.pieces = arena_array(a, counted.count, sizeof *made.pieces);
    if (counted.count > 0 && (made.pieces == NULL || !put_pieces(&made, text)))
        goto fail;
    *ret = (struct template){made.pieces, made.count};
    return STATUS_OK;
fail:
    return status_set(err, STATUS_RESOURCE_EXHAUSTED, "template: no memory");
}

/* Literals and references in turn, empty literals left out. False: no memory. */
static bool put_pieces(struct pieces *p, struct str text)
{
    size_t at = 0;
    struct reference ref;
    while (find_reference(text, at, &ref)) {
        if (!put_literal(p, str_sub(text, at, ref.from)) || !put_reference(p, ref.path))
            return false;
        at = ref.to;
    }
    return put_literal(p, str_sub(text, at, text.len));
}

static bool put_literal(struct pieces *p, struct str text)
{
    if (text.len == 0)
        return true;
    if (p->pieces != NULL) {
        struct template_piece *piece = &p->pieces[p->count];
        *piece = (struct template_piece){.text = text, .selector.slot = SELECTOR_UNRESOLVED};
        if (!resolve(p->arena, text, &piece->selector))
            return false;
    }
    p->count++;
    return true;
}

static bool put_reference(struct pieces *p, struct str path)
{
    if (!put_literal(p, path))
        return false;
    if (p->pieces != NULL)
        p->pieces[p->count - 1].is_braced = true;
    return true;
}

/* Leaves *ret alone when the path is no selector; false only without memory. */
static bool resolve(struct arena *a, struct str path, struct selector *ret)
{
    size_t dots = 0;
    for (size_t i = 0; i < path.len && dots < SELECTOR_PARTS_MAX; i++)
        dots += path.ptr[i] == '.';
    return dots == 0 || dots == SELECTOR_PARTS_MAX || selector_from_dotted(a, path, ret);
}

static bool find_reference(struct str text, size_t from, struct reference *ret)
{
    for (; (from = str_find(text, STR("{{#"), from)) != SIZE_MAX; from++) {
        size_t to = match_reference(text, from);
        if (to != 0) {
            *ret = (struct reference){from, to, str_sub(text, from + 3, to - 3)};
            return true;
        }
    }
    return false;
}

/* Index behind the reference that starts at `at` (where {{# stands); 0 if it is none. */
static size_t match_reference(struct str text, size_t at)
{
    size_t from = at + 3;
    at = from;
    while (at < text.len && is_word_char(text.ptr[at]))
        at++;
    if (at == from || at - from > NODE_ID_CHARS_MAX)
        return 0;
    int names = 0;
    for (; at < text.len && text.ptr[at] == '.'; names++) {
        from = ++at;
        while (at < text.len && is_word_char(text.ptr[at]))
            at++;
        if (at == from || at - from > NAME_CHARS_MAX || is_digit(text.ptr[from]))
            return 0;
    }
    bool is_closed = str_starts(str_sub(text, at, text.len), STR("#}}"));
    return is_closed && names >= 1 && names <= NAMES_MAX ? at + 3 : 0;
}

/* --- rendering --- */

void template_render(const struct template *t, enum template_form form, template_lookup lookup, void *arg,
                     struct buf *ret)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct template_piece *piece = &t->pieces[i];
        const struct value *v = piece->selector.count > 0 ? lookup(arg, &piece->selector) : NULL;
        if (v != NULL)
            put_form(ret, form, v);
        else if (form != TEMPLATE_JINJA || !piece->is_braced)
            buf_put(ret, piece->text);
    }
}

static void put_form(struct buf *b, enum template_form form, const struct value *v)
{
    switch (form) {
    case TEMPLATE_TEXT:
        value_put_text(b, v);
        break;
    case TEMPLATE_MARKDOWN:
        value_put_markdown(b, v);
        break;
    case TEMPLATE_LOG:
        value_put_log(b, v);
        break;
    case TEMPLATE_JINJA:
        value_put_jinja(b, v);
        break;
    }
}

/* --- {{ name }} --- */

bool template_parse_plain(struct arena *a, struct str text, struct template *ret, struct status *err)
{
    struct pieces counted = {.arena = a}, made = {.arena = a};
    text = without_last_newline(text);
    if (!put_plain_pieces(&counted, text, err))
        return false;
    made.pieces = arena_array(a, counted.count, sizeof *made.pieces);
    text = arena_copy(a, text);
    if ((made.pieces == NULL && counted.count > 0) || text.ptr == NULL) {
        status_set(err, STATUS_RESOURCE_EXHAUSTED, "template: no memory");
        return false;
    }
    if (counted.count > 0 && !put_plain_pieces(&made, text, err))
        return false;
    *ret = (struct template){made.pieces, made.count};
    return true;
}

static struct str without_last_newline(struct str text)
{
    if (str_ends(text, STR("\r\n")))
        return str_sub(text, 0, text.len - 2);
    if (str_ends(text, STR("\n")) || str_ends(text, STR("\r")))
        return str_sub(text, 0, text.len - 1);
    return text;
}

/* Appends one piece; false without memory. `name` is the name of a placeholder, empty for a literal. */
static bool put_plain_piece(struct pieces *p, struct str text, struct str name)
{
    if (p->pieces != NULL) {
        struct template_piece *piece = &p->pieces[p->count];
        struct str *parts = NULL;
        if (name.len == 0)
            text = unix_lines(p->arena, text);
        else
            parts = arena_array(p->arena, 1, sizeof *parts);
        if (text.ptr == NULL || (name.len > 0 && parts == NULL))
            return false;
        if (parts != NULL)
            parts[0] = name;
        *piece = (struct template_piece){text, {parts, parts != NULL, SELECTOR_UNRESOLVED}, parts != NULL};
    }
    p->count++;
    return true;
}

static bool put_plain_pieces(struct pieces *p, struct str text, struct status *err)
{
    for (size_t at = 0; at < text.len;) {
        size_t opening = find_opening(text, at);
        bool has_memory = true;
        if (opening > at)
            has_memory = put_plain_piece(p, str_sub(text, at, opening), STR(""));
        at = opening;
        if (at < text.len && has_memory) {
            struct str name;
            const char *problem;
            size_t end = plain_placeholder(text, at, &name, &problem);
            if (end == 0) {
                status_set(err, STATUS_INVALID_ARGUMENT, "byte %zu: %s", at, problem);
                return false;
            }
            has_memory = put_plain_piece(p, name, name);
            at = end;
        }
        if (!has_memory) {
            status_set(err, STATUS_RESOURCE_EXHAUSTED, "template: no memory");
            return false;
        }
    }
    return true;
}

/* Index of the first {{, {% or {# at or after `from`; text.len if there is none. */
static size_t find_opening(struct str text, size_t from)
{
    for (; (from = str_find(text, STR("{"), from)) != SIZE_MAX; from++) {
        if (from + 1 < text.len && memchr("{%#", text.ptr[from + 1], 3) != NULL)
            return from;
    }
    return text.len;
}

static size_t skip_space(struct str text, size_t at)
{
    while (at < text.len && (text.ptr[at] == ' ' || (text.ptr[at] >= '\t' && text.ptr[at] <= '\r')))
        at++;
    return at;
}

/* Index behind the {{ name }} that starts at `at`; 0, and what it is instead, if it is none. */
static size_t plain_placeholder(struct str text, size_t at, struct str *name, const char **problem)
{
    if (text.ptr[at + 1] != '{') {
        *problem = text.ptr[at + 1] == '%' ? "a statement {% %}" : "a comment {# #}";
        return 0;
    }
    size_t from = skip_space(text, at + 2);
    at = from;
    while (at < text.len && is_word_char(text.ptr[at]))
        at++;
    *name = str_sub(text, from, at);
    at = skip_space(text, at);
    *problem = "an expression in {{ }} that is more than a name";
    if (name->len == 0 || is_digit(name->ptr[0]) || is_jinja_word(*name) ||
        !str_starts(str_sub(text, at, text.len), STR("}}")))
        return 0;
    return at + 2;
}

/* Words that Jinja2 does not look up as a variable. */
static bool is_jinja_word(struct str name)
{
    static const char *const words[] = {"true", "false", "none", "True", "False", "None", "not",
                                        "and",  "or",    "in",   "is",   "if",    "else", "self"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_eq_c(name, words[i]))
            return true;
    }
    return false;
}

/* A copy with every line end as \n; ptr NULL without memory. */
static struct str unix_lines(struct arena *a, struct str text)
{
    if (str_find(text, STR("\r"), 0) == SIZE_MAX)
        return text;
    char *lines = arena_alloc(a, text.len);
    if (lines == NULL)
        return (struct str){NULL, 0};
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\n' && i > 0 && text.ptr[i - 1] == '\r')
            continue;
        lines[len++] = text.ptr[i] == '\r' ? '\n' : text.ptr[i];
    }
    return (struct str){lines, len};
}
