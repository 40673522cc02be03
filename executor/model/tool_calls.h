/*
 * tool_calls: the tools a model wants called, put together from the pieces of its answer.
 * Threads  belongs to one thread.
 */
#pragma once
#include "executor/nodes/node.h"

/* calls of one answer: models ask for a handful. */
enum { TOOL_CALLS_MAX = 128 };
/* bytes. Ids, names and arguments of one answer together: arguments are some kB, seldom 100. */
#define TOOL_CALLS_BYTES_MAX ((size_t)4 * 1024 * 1024)

/* A piece of a call, as a protocol has read it. Borrowed. */
struct tool_call_piece {
    int64_t index;        /* of its call; -1: none given */
    struct str id, name;  /* empty: not said here */
    struct str arguments; /* more of their JSON text */
};

struct tool_calls_block;
struct tool_calls { /* zeroed: empty */
    struct tool_calls_block *block;
    size_t count, bytes;
};

void tool_calls_fini(struct tool_calls *t);
/*
 * A piece of a call belongs to the call of its index. Providers differ: with another id it is a new call all the same, and
 * without an index it is one when it has an id, else more of the last. Id and name come once; arguments are added up.
 * False: too many calls or bytes, or no memory.
 */
MUST_CHECK bool tool_calls_add(struct tool_calls *t, const struct tool_call_piece *piece);
/* What has come so far, in the order of their first pieces; borrowed until the next change. count 0 may give NULL. */
const struct model_tool_call *tool_calls_list(struct tool_calls *t);
