/*
 * form: how values are written as text. Every form is that of dify-dsl.md 2.2, quirks included.
 * Threads  any that may read the value. Output is bounded by the buf's max; a failed buf means over it.
 */
#pragma once
#include "executor/value/value.h"

/* Text form (templates, prompts, conditions): True/False, Python repr of numbers, lists and so on. */
void value_put_text(struct buf *b, const struct value *v);
/* Markdown form (answers): bullet lists, indented JSON, links. */
void value_put_markdown(struct buf *b, const struct value *v);
/* Log form: like text, with secrets masked, objects pretty-printed and lists (empty ones too) as Python shows them. */
void value_put_log(struct buf *b, const struct value *v);
/* Python's repr(): what str() of a list or map shows inside. A file is shown as the map of its attributes. */
void value_put_repr(struct buf *b, const struct value *v);
void value_put_repr_text(struct buf *b, struct str s); /* of valid UTF-8 */
/* Python's str() as real Jinja2 prints a value: text itself, None, True, repr of the rest (dify-dsl.md 4.6). */
void value_put_jinja(struct buf *b, const struct value *v);
/* The same for errors, with secrets masked. */
void value_put_jinja_masked(struct buf *b, const struct value *v);

enum json_style {
    JSON_COMPACT, /* no spaces: records, events */
    JSON_SPACED,  /* ", " and ": ": text form of objects */
    JSON_INDENTED /* by 2: markdown form of objects */
};
/* JSON, non-ASCII kept, key order kept, 5 against 5.0 kept; inf and nan as null; secrets masked when asked. */
void value_put_json(struct buf *b, const struct value *v, enum json_style style, bool mask_secrets);
/* Python repr of a double: 1.0, 0.1, 1e-05, 1e+16, inf, nan. */
void value_put_double(struct buf *b, double d);
/* A secret as logs show it: empty stays empty; up to 8 characters become 20 stars; else first 6, 12 stars, last 2. */
void value_put_masked(struct buf *b, struct str secret);
