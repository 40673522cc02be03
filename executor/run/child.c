/*
 * child: what a container asks of its run (node.h): children begun, asked, ended. A child that has come to its end is told to
 * its container the next time the run looks at that; ended children are used again, by container.
 */
#include "executor/run/run_core.h"
#include <utlist.h>

static struct node_child *take_spare(struct run *run, uint32_t container);
static void forget(struct frame *f, const struct node *container);

void node_container_started(struct node_exec *x, const struct value *inputs, int32_t length)
{
    emit_container_started(x, inputs, length);
}

void node_container_next(struct node_exec *x, int32_t index)
{
    emit_container_next(x, index);
}

struct node_child *node_child_start(struct node_exec *x, int32_t index, bool has_own_variables)
{
    struct run *run = x->run;
    struct node_child *child = take_spare(run, x->node->index);
    if (child == NULL) {
        run->has_no_memory = true;
        return NULL;
    }
    child->index = index;
    child->started_us = run_now_us(run);
    child->tokens = child->retry_ms = 0;
    child->cost = (struct money){0};
    child->has_ended = child->has_failed = child->must_leave = false;
    DL_APPEND(x->children, child);
    if (!scope_begin(&child->scope, x->scope, x, !has_own_variables)) {
        run->has_no_memory = true;
        return NULL; /* ends with its container */
    }
    scope_queue(&child->scope);
    return child;
}

/* One that has ended, or a new one; NULL: no memory. */
static struct node_child *take_spare(struct run *run, uint32_t container)
{
    if (run->spare_children == NULL)
        run->spare_children = arena_array(&run->arena, run->graph->node_count, sizeof(struct node_child *));
    if (run->spare_children == NULL)
        return NULL;
    struct node_child *child = run->spare_children[container];
    if (child != NULL) {
        run->spare_children[container] = child->next;
        return child;
    }
    child = arena_alloc(&run->arena, sizeof *child);
    if (child != NULL && !scope_init(&child->scope, run, container)) {
        response_fini(&child->scope.responses);
        return NULL;
    }
    return child;
}

int32_t node_child_index(const struct node_child *child)
{
    return child->index;
}

int64_t node_child_elapsed_ms(const struct node_child *child)
{
    return (run_now_us(child->scope.run) - child->started_us) / 1000;
}

int64_t node_child_tokens(const struct node_child *child)
{
    return child->tokens;
}

struct money node_child_cost(const struct node_child *child)
{
    return child->cost;
}

static void set_by_name(struct frame *f, const struct node *node, struct str name, struct value *v)
{
    for (uint32_t i = 0; i < node->slot_count; i++) {
        if (str_eq(node->slots[i].name, name))
            frame_set(f, node->slots[i].slot, v);
    }
}

void node_child_set(struct node_child *child, struct str name, struct value *v)
{
    set_by_name(&child->scope.frame, child->scope.owner->node, name, v);
}

void node_container_set(struct node_exec *x, struct str name, struct value *v)
{
    set_by_name(&x->scope->frame, x->node, name, v);
}

struct value *node_child_get(struct node_child *child, const struct selector *selector)
{
    return frame_get(&child->scope.frame, selector);
}

bool node_child_must_leave(const struct node_child *child)
{
    return child->must_leave;
}

void node_child_keep_outputs(struct node_child *child)
{
    if (child->scope.outputs != NULL)
        scope_merge_outputs(child->scope.around, child->scope.outputs);
}

void node_child_keep_variables(struct node_child *child)
{
    struct scope *s = &child->scope;
    const struct graph *g = s->run->graph;
    for (uint32_t i = 0; s->written != NULL && i < g->conversation_count; i++) {
        const struct variable_definition *d = &g->conversation[i];
        struct str parts[] = {STR("conversation"), d->name};
        struct selector target = {parts, ARRAY_LEN(parts), d->slot};
        if (s->written[i] && d->slot != SLOT_NONE)
            scope_set(s->around, &target, s->frame.slots[d->slot]);
    }
}

void node_child_end(struct node_child *child)
{
    struct node_exec *x = child->scope.owner;
    scope_cancel(&child->scope, NODE_STATUS_NONE, STR(""));
    DL_DELETE(x->children, child);
    child_free(child);
    child->next = x->run->spare_children[x->node->index];
    x->run->spare_children[x->node->index] = child;
}

void node_leave(struct node_exec *x)
{
    struct node_child *child = scope_child(x->scope);
    if (child != NULL)
        child->must_leave = true;
}

void node_container_forget(struct node_exec *x)
{
    forget(&x->scope->frame, x->node);
}

/* Containers within lie at most DSL_NESTING_MAX deep. */
static void forget(struct frame *f, const struct node *container)
{
    for (uint32_t i = 0; i < container->inside.count; i++) {
        const struct node *node = &f->graph->nodes[container->inside.nodes[i]];
        for (uint32_t k = 0; k < node->slot_count; k++)
            frame_set(f, node->slots[k].slot, NULL);
        forget(f, node);
    }
}

/* --- for the run --- */

void child_note_end(struct node_child *child)
{
    struct node_exec *owner = child->scope.owner;
    if (child->has_ended)
        return;
    child->has_ended = true;
    child->next_ended = NULL;
    if (owner->ended_first == NULL)
        owner->ended_first = child;
    else
        owner->ended_last->next_ended = child;
    owner->ended_last = child;
    run_note(owner->run, owner);
}

void child_fail(struct node_child *child, const struct child_failure *failure)
{
    struct run *run = child->scope.run;
    scope_cancel(&child->scope, NODE_STATUS_FAILED, failure->error);
    child->has_failed = true;
    child->error = value_string(&run->account, failure->error);
    child->error_type = value_string(&run->account, failure->error_type);
    child->retry_ms = failure->retry_ms;
    child_note_end(child);
}

static struct str text_or_empty(const struct value *v)
{
    return v == NULL ? STR("") : value_text(v);
}

void child_deliver_ends(struct node_exec *x)
{
    struct node_child *child;
    while (x->state == EXEC_RUNNING && (child = x->ended_first) != NULL) {
        const struct child_failure failure = {text_or_empty(child->error), text_or_empty(child->error_type),
                                              child->retry_ms};
        x->ended_first = child->next_ended;
        x->node->type->child_ended(x, child, child->has_failed ? &failure : NULL);
    }
}

void child_free(struct node_child *child)
{
    scope_fini(&child->scope);
    value_unref(child->error);
    value_unref(child->error_type);
    child->error = child->error_type = NULL;
}
