/* tool_calls: see the header. */
#include "executor/model/tool_calls.h"

#include <stdlib.h>

struct part {
    int64_t index; /* -1: none given */
    struct buf id, name, arguments;
};
struct tool_calls_block {
    struct part parts[TOOL_CALLS_MAX];
    struct model_tool_call list[TOOL_CALLS_MAX];
};

void tool_calls_fini(struct tool_calls *t)
{
    for (size_t i = 0; i < t->count; i++) {
        buf_fini(&t->block->parts[i].id);
        buf_fini(&t->block->parts[i].name);
        buf_fini(&t->block->parts[i].arguments);
    }
    free(t->block);
    *t = (struct tool_calls){0};
}

/* NULL: it begins a new call. */
static struct part *part_of(struct tool_calls *t, const struct tool_call_piece *piece)
{
    if (piece->index < 0)
        return piece->id.len == 0 && t->count > 0 ? &t->block->parts[t->count - 1] : NULL;
    for (size_t i = t->count; i > 0; i--) {
        struct part *part = &t->block->parts[i - 1];
        if (part->index == piece->index) {
            bool is_other = piece->id.len > 0 && part->id.len > 0 && !str_eq(piece->id, buf_str(&part->id));
            return is_other ? NULL : part;
        }
    }
    return NULL;
}

static struct part *add_part(struct tool_calls *t, int64_t index)
{
    if (t->block == NULL)
        t->block = calloc(1, sizeof *t->block);
    if (t->block == NULL || t->count == TOOL_CALLS_MAX)
        return NULL;
    struct part *part = &t->block->parts[t->count++];
    part->index = index;
    buf_init(&part->id, TOOL_CALLS_BYTES_MAX);
    buf_init(&part->name, TOOL_CALLS_BYTES_MAX);
    buf_init(&part->arguments, TOOL_CALLS_BYTES_MAX);
    return part;
}

bool tool_calls_add(struct tool_calls *t, const struct tool_call_piece *piece)
{
    struct part *part = part_of(t, piece);
    if (part == NULL)
        part = add_part(t, piece->index);
    if (part == NULL)
        return false;
    size_t before = part->id.len + part->name.len + part->arguments.len;
    if (part->id.len == 0)
        buf_put(&part->id, piece->id);
    if (part->name.len == 0)
        buf_put(&part->name, piece->name);
    buf_put(&part->arguments, piece->arguments);
    t->bytes += part->id.len + part->name.len + part->arguments.len - before;
    return !part->id.failed && !part->name.failed && !part->arguments.failed &&
           t->bytes <= TOOL_CALLS_BYTES_MAX;
}

const struct model_tool_call *tool_calls_list(struct tool_calls *t)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct part *part = &t->block->parts[i];
        t->block->list[i] =
            (struct model_tool_call){buf_str(&part->id), buf_str(&part->name), buf_str(&part->arguments)};
    }
    return t->count > 0 ? t->block->list : NULL;
}
