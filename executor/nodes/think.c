/*
 * think: see think.h.
 */
#include "executor/nodes/think.h"

/* bytes. Between "<think" and ">"; a longer one is no tag. */
enum { TAG_ATTRIBUTES_MAX = 512 };

enum tag_match { TAG_NONE, TAG_PARTIAL, TAG_WHOLE };

/* For think_split(). */
struct collector {
    struct buf text, block, *reasoning;
    bool has_failed; /* a block: clearing its buf forgets that */
};

static void run(struct think_filter *f, bool is_end);
static enum tag_match match_tag(const struct think_filter *f, struct str s, size_t *len);
static void give(struct think_filter *f, struct str piece);
static void put_single_blank_lines(struct buf *b, struct str text);
static size_t blank_run_end(struct str text, size_t at);

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

void think_init(struct think_filter *f, const struct think_sink *sink, void *arg)
{
    *f = (struct think_filter){.sink = sink, .arg = arg};
    buf_init(&f->held, SIZE_MAX / 2); /* what comes is bounded by its sender */
}

void think_fini(struct think_filter *f)
{
    buf_fini(&f->held);
}

bool think_put(struct think_filter *f, struct str delta)
{
    buf_put(&f->held, delta);
    if (f->held.failed)
        return false;
    run(f, false);
    return true;
}

void think_end(struct think_filter *f)
{
    run(f, true);
}

/* Gives all that is no tag, and keeps what may become one. */
static void run(struct think_filter *f, bool is_end)
{
    struct str s = buf_str(&f->held);
    size_t from = 0, at = 0; /* given up to `from`, looked at up to `at` */
    while ((at = str_find(s, STR("<"), at)) != SIZE_MAX) {
        size_t len = 0;
        enum tag_match match = match_tag(f, str_sub(s, at, s.len), &len);
        if (match == TAG_PARTIAL && !is_end)
            break;
        if (match != TAG_WHOLE) {
            at++;
            continue;
        }
        give(f, str_sub(s, from, at));
        if (f->is_inside)
            f->sink->block_end(f->arg);
        f->is_inside = !f->is_inside;
        from = at += len;
    }
    size_t to = at == SIZE_MAX ? s.len : at;
    give(f, str_sub(s, from, to));
    buf_drop(&f->held, to);
}

/* s starts with "<". Inside only the closing tag counts, outside only the opening one. */
static enum tag_match match_tag(const struct think_filter *f, struct str s, size_t *len)
{
    struct str tag = f->is_inside ? STR("</think>") : STR("<think");
    size_t common = s.len < tag.len ? s.len : tag.len;
    if (!str_eq_nocase(str_sub(s, 0, common), str_sub(tag, 0, common)))
        return TAG_NONE;
    *len = tag.len;
    if (common < tag.len)
        return TAG_PARTIAL;
    if (f->is_inside)
        return TAG_WHOLE;
    if (s.len > tag.len && s.ptr[tag.len] != '>' && !is_space(s.ptr[tag.len]))
        return TAG_NONE;
    size_t end = str_find(s, STR(">"), tag.len);
    *len = end + 1;
    if (end == SIZE_MAX)
        return s.len - tag.len <= TAG_ATTRIBUTES_MAX ? TAG_PARTIAL : TAG_NONE;
    return end - tag.len <= TAG_ATTRIBUTES_MAX ? TAG_WHOLE : TAG_NONE;
}

static void give(struct think_filter *f, struct str piece)
{
    while (!f->is_inside && !f->has_shown && piece.len > 0 && is_space(piece.ptr[0]))
        piece = str_sub(piece, 1, piece.len);
    if (piece.len == 0)
        return;
    if (f->is_inside) {
        f->sink->reasoning(f->arg, piece);
    } else {
        f->has_shown = true;
        f->sink->text(f->arg, piece);
    }
}

/* --- the whole text --- */

static void collect_text(void *arg, struct str piece)
{
    buf_put(&((struct collector *)arg)->text, piece);
}

static void collect_reasoning(void *arg, struct str piece)
{
    buf_put(&((struct collector *)arg)->block, piece);
}

static void collect_block(void *arg)
{
    struct collector *c = arg;
    struct str block = str_trim(buf_str(&c->block));
    if (block.len > 0 && c->reasoning->len > 0)
        buf_put_char(c->reasoning, '\n');
    buf_put(c->reasoning, block);
    c->has_failed |= c->block.failed;
    buf_clear(&c->block);
}

void think_split(struct str whole, struct buf *ret_text, struct buf *ret_reasoning)
{
    static const struct think_sink sink = {collect_text, collect_reasoning, collect_block};
    struct collector c = {.reasoning = ret_reasoning};
    struct think_filter f;
    buf_init(&c.text, whole.len);
    buf_init(&c.block, whole.len);
    think_init(&f, &sink, &c);
    bool ok = think_put(&f, whole);
    think_end(&f);
    collect_block(&c);
    ok &= !c.text.failed && !c.has_failed;
    put_single_blank_lines(ret_text, str_trim(buf_str(&c.text)));
    ret_text->failed |= !ok;
    think_fini(&f);
    buf_fini(&c.text);
    buf_fini(&c.block);
}

/* White space from one line end to another, whatever is between, becomes two line ends. */
static void put_single_blank_lines(struct buf *b, struct str text)
{
    size_t from = 0;
    for (size_t at = 0; (at = str_find(text, STR("\n"), at)) != SIZE_MAX;) {
        size_t end = blank_run_end(text, at);
        if (end > at + 1) {
            buf_put(b, str_sub(text, from, at));
            buf_put(b, STR("\n\n"));
            from = end;
        }
        at = end;
    }
    buf_put(b, str_sub(text, from, text.len));
}

/* Index behind the last line end of the white space that starts at the line end `at`. */
static size_t blank_run_end(struct str text, size_t at)
{
    size_t end = at + 1;
    for (size_t i = at + 1; i < text.len && is_space(text.ptr[i]); i++) {
        if (text.ptr[i] == '\n')
            end = i + 1;
    }
    return end;
}
