/* container_state: see the header. */
#include "executor/nodes/container_state.h"
#include "executor/nodes/price.h"
#include <stdlib.h>

bool container_state_init(struct container_state *s, struct node_exec *x, size_t count)
{
    s->x = x;
    if (!node_exec_charge(x, count * sizeof *s->durations_ms))
        return false;
    s->durations_ms = calloc(count + 1, sizeof *s->durations_ms);
    return s->durations_ms != NULL && arena_defer(node_exec_arena(x), free, s->durations_ms);
}

void container_state_note(struct container_state *s, const struct node_child *child)
{
    s->durations_ms[node_child_index(child)] = node_child_elapsed_ms(child);
    struct money cost = node_child_cost(child);
    s->tokens += node_child_tokens(child);
    money_add(&s->cost, &cost);
}

/* The Python names of errors are constants here; a child's has to outlive it. */
static const char *kept_error_type(struct node_exec *x, struct str name)
{
    const char *copy = name.len == 0 ? NULL : arena_copy_c(node_exec_arena(x), name);
    return copy != NULL ? copy : "WorkflowNodeError";
}

void container_state_end(struct container_state *s, size_t children, int32_t steps, const char *reason,
                         struct value *take_inputs, struct value *take_outputs,
                         const struct child_failure *failure)
{
    s->record.steps = steps;
    s->record.durations_ms = s->durations_ms;
    s->record.duration_count = children;
    s->record.reason = reason;
    struct node_result result = {.inputs = take_inputs,
                                 .outputs = take_outputs,
                                 .container = &s->record,
                                 .total_tokens = s->tokens,
                                 .cost = s->cost};
    if (failure == NULL) {
        node_succeed(s->x, &result);
        return;
    }
    result.error_type = kept_error_type(s->x, failure->error_type);
    result.retry_ms = failure->retry_ms;
    node_fail(s->x, &result, "%.*s", STR_ARG(failure->error));
}
