// libs: heddle_nodes
/*
 * Reasoning is told apart from the answer in the same way however the text is cut; nothing of a text is lost but tags and
 * white space in front.
 */
#include "executor/nodes/think.h"
#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BYTES_MAX = 1 << 20 };

struct heard {
    struct buf text, reasoning;
    size_t blocks;
};

static void on_text(void *arg, struct str piece)
{
    buf_put(&((struct heard *)arg)->text, piece);
}

static void on_reasoning(void *arg, struct str piece)
{
    buf_put(&((struct heard *)arg)->reasoning, piece);
}

static void on_block_end(void *arg)
{
    ((struct heard *)arg)->blocks++;
}

static void listen(struct heard *h, struct str text, size_t step)
{
    static const struct think_sink sink = {on_text, on_reasoning, on_block_end};
    struct think_filter f;
    *h = (struct heard){0};
    buf_init(&h->text, BYTES_MAX);
    buf_init(&h->reasoning, BYTES_MAX);
    think_init(&f, &sink, h);
    for (size_t at = 0; at < text.len; at += step)
        assert(think_put(&f, str_sub(text, at, at + step)));
    think_end(&f);
    think_fini(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct heard whole, cut;
    struct buf text, reasoning;
    if (size < 2 || size > 1 << 16)
        return 0;
    struct str said = {(const char *)data + 1, size - 1};
    listen(&whole, said, said.len);
    listen(&cut, said, (size_t)data[0] % 16 + 1);
    assert(str_eq(buf_str(&whole.text), buf_str(&cut.text)));
    assert(str_eq(buf_str(&whole.reasoning), buf_str(&cut.reasoning)));
    assert(whole.blocks == cut.blocks);
    assert(whole.text.len + whole.reasoning.len <= said.len);
    buf_init(&text, BYTES_MAX);
    buf_init(&reasoning, BYTES_MAX);
    think_split(said, &text, &reasoning);
    assert(!text.failed && !reasoning.failed && text.len <= whole.text.len);
    buf_fini(&text);
    buf_fini(&reasoning);
    buf_fini(&whole.text);
    buf_fini(&whole.reasoning);
    buf_fini(&cut.text);
    buf_fini(&cut.reasoning);
    return 0;
}
