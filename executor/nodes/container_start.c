/*
 * container_start: the nodes that begin a container's children, and loop-end, which makes the current round of a loop the
 * last one (dify-dsl.md 4.21). None has a configuration or outputs.
 */
#include "executor/nodes/types.h"

static void compile_nothing(struct node_compile *nc, const struct value *data, struct node *node)
{
    (void)nc;
    (void)data;
    (void)node;
}

static void succeed(struct node_exec *x)
{
    struct node_result nothing = {0};
    node_succeed(x, &nothing);
}

static void leave_loop(struct node_exec *x)
{
    node_leave(x);
    succeed(x);
}

const struct node_type node_iteration_start = {.name = "iteration-start",
                                               .kind = NODE_ROOT,
                                               .is_silent = true,
                                               .compile = compile_nothing,
                                               .start = succeed};
const struct node_type node_loop_start = {
    .name = "loop-start", .kind = NODE_ROOT, .is_silent = true, .compile = compile_nothing, .start = succeed};
const struct node_type node_loop_end = {
    .name = "loop-end", .kind = NODE_EXECUTABLE, .compile = compile_nothing, .start = leave_loop};
