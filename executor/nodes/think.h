/*
 * think: a model's reasoning between <think> and </think>, told apart from its answer while it streams (dify-dsl.md 4.3).
 * Tags may be split anywhere, have attributes and be in either case; a block that is never closed is reasoning.
 * Pure: text in, pieces out.
 */
#pragma once
#include "shared/base/buf.h"

struct think_sink {
    void (*text)(void *arg, struct str piece);      /* without white space before the first visible text */
    void (*reasoning)(void *arg, struct str piece); /* of the block that is open */
    void (*block_end)(void *arg);                   /* a block was closed */
};
struct think_filter {
    const struct think_sink *sink;
    void *arg;
    bool is_inside, has_shown;
    struct buf held; /* what may be the beginning of a tag */
};

void think_init(struct think_filter *f, const struct think_sink *sink, void *arg);
void think_fini(struct think_filter *f);
/* False: no memory. */
MUST_CHECK bool think_put(struct think_filter *f, struct str delta);
void think_end(struct think_filter *f); /* what is held is no tag */

/*
 * The whole text at once: the visible text, trimmed, runs of blank lines cut to one; the blocks, each trimmed, joined by
 * line ends. Both are appended; a failed buf means no memory.
 */
void think_split(struct str whole, struct buf *ret_text, struct buf *ret_reasoning);
