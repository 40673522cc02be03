/*
 * template: text with {{#node.name#}} references, in pieces (dify-dsl.md 2.3).
 * Parsing needs no pool; rendering asks for each reference. A literal piece that is itself a dotted selector is kept as a
 * reference too [Q]; an unresolved reference renders as its bare dotted path [Q].
 * Threads  immutable once parsed and resolved.
 */
#pragma once
#include "executor/value/selector.h"

struct template_piece {
    struct str text;          /* literal text, or the bare path of a reference */
    struct selector selector; /* count 0: plain literal */
    bool is_braced;           /* written as {{#…#}} (not a literal that happens to be a path) */
};
struct template
{
    struct template_piece *pieces;
    size_t count;
};

/*
 * Splits text; pieces point into the arena's copy. RESOURCE_EXHAUSTED: no memory.
 * Whoever knows all variables may set a selector's count to 0 where it is none of them: rendering is the same, and quicker.
 */
MUST_CHECK enum status_code template_parse(struct arena *a, struct str text, struct template *ret,
                                           struct status *err);

/* Looks a selector up; NULL: not found. Borrowed. */
typedef struct value *(*template_lookup)(void *arg, const struct selector *selector);
enum template_form {
    TEMPLATE_TEXT,
    TEMPLATE_MARKDOWN,
    TEMPLATE_LOG,
    TEMPLATE_JINJA /* for template_parse_plain(): Python's str() of a value; an unknown name renders as nothing */
};
/* Appends the rendered text. A failed buf means over its max. */
void template_render(const struct template *t, enum template_form form, template_lookup lookup, void *arg,
                     struct buf *ret);

/*
 * Plain-name placeholders of template-transform and the like: {{ name }} with optional white space, `name` an identifier.
 * True when `text` needs nothing but these (no {% %}, {# #}, filters, expressions): then *ret has literals, and references
 * whose selector has one part: the name. False: it needs real Jinja2; err says at which byte and what.
 * As Jinja2 does, a trailing newline of the text is dropped and other line ends become \n (dify-dsl.md 4.6).
 * INVALID_ARGUMENT in *err: real Jinja2; RESOURCE_EXHAUSTED: no memory.
 */
bool template_parse_plain(struct arena *a, struct str text, struct template *ret, struct status *err);
