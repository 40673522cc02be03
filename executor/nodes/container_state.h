/*
 * container_state: what iteration and loop keep while their children run: how long each took, their tokens and price.
 * Memory  counted in the run; lives in the scratch arena of the container's execution.
 */
#pragma once
#include "executor/nodes/node.h"

struct container_state {
    struct node_exec *x;
    int64_t *durations_ms; /* by index of the child */
    int64_t tokens;
    struct money cost;
    struct container_record record;
};

/* Room for `count` children; 0 is fine. False: no memory. */
MUST_CHECK bool container_state_init(struct container_state *s, struct node_exec *x, size_t count);
/* Notes the time, tokens and price of a child that has ended. */
void container_state_note(struct container_state *s, const struct node_child *child);
/*
 * Ends the container, well or (error not NULL) not. Takes the values.
 * children  how many were begun: that many durations are shown
 */
void container_state_end(struct container_state *s, size_t children, int32_t steps, const char *reason,
                         struct value *take_inputs, struct value *take_outputs,
                         const struct child_failure *failure);
