/*
 * scope: where nodes run (run_core.h): the run itself, or one child of a container. Each has its own frame and its own texts,
 * as if it were a small run (dify-dsl.md 3.9, 4.12, 4.13); all share the run's queue, where scopes with ready nodes stand in
 * line and give one node in turn.
 */
#include "executor/run/run_core.h"
#include <string.h>

static void mark_written(struct scope *s, struct str name);

static struct value *frame_value(void *arg, const struct selector *selector)
{
    return frame_get(&((struct scope *)arg)->frame, selector);
}

/* A node inside a container that is not around this scope gives what it gives when the container has ended. */
static enum response_source source_state(void *arg, uint32_t node)
{
    struct scope *s = arg, *where = NULL;
    const struct graph *g = s->run->graph;
    const struct node *source = &g->nodes[node];
    while ((where = scope_of(s, source)) == NULL)
        source = &g->nodes[source->container];
    const struct frame_node *state = frame_node(&where->frame, source->index);
    if (state->mark == FRAME_SKIPPED)
        return source->index == node ? RESPONSE_SOURCE_SKIPPED : RESPONSE_SOURCE_ENDED;
    return state->has_ended ? RESPONSE_SOURCE_ENDED : RESPONSE_SOURCE_OPEN;
}

static bool charge_response(void *arg, size_t bytes)
{
    return run_charge(((struct scope *)arg)->run, bytes);
}

static void emit_response(void *arg, const struct response_text *text)
{
    struct scope *s = arg;
    struct run *run = s->run;
    if (run->text_scope != s)
        run->text_scope_bytes = 0;
    run->text_scope = s;
    run->text_scope_bytes += text->text.len;
    emit_text(s, text);
}

/* What another scope has said since cannot be taken back; then this text stays, too. */
static void rewind_response(void *arg, size_t bytes)
{
    struct scope *s = arg;
    struct run *run = s->run;
    if (run->text_scope != s || run->text_scope_bytes < bytes)
        return;
    run->text_scope_bytes -= bytes;
    run->text_offset -= bytes;
}

static const struct response_host response_host = {.get = frame_value,
                                                   .source = source_state,
                                                   .charge = charge_response,
                                                   .emit = emit_response,
                                                   .rewind = rewind_response};

static void edge_taken(void *arg, uint32_t edge)
{
    response_edge_taken(&((struct scope *)arg)->responses, edge);
}

bool scope_init(struct scope *s, struct run *run, uint32_t container)
{
    *s = (struct scope){.run = run};
    return frame_init(&s->frame, &run->arena, run->graph, container) &&
           response_init(&s->responses, &run->arena, run->graph, container, run->params.limits.max_bytes,
                         &response_host, s);
}

bool scope_begin(struct scope *s, struct scope *around, struct node_exec *owner, bool is_shared)
{
    struct run *run = s->run;
    uint32_t variables = run->graph->conversation_count;
    s->around = around;
    s->owner = owner;
    s->frame.edge_taken = edge_taken;
    s->frame.arg = s;
    response_restart(&s->responses);
    if (!is_shared && variables > 0) {
        if (s->written == NULL)
            s->written = arena_array(&run->arena, variables, sizeof *s->written);
        if (s->written == NULL)
            return false;
        memset(s->written, 0, variables * sizeof *s->written);
    }
    return frame_begin(&s->frame, &run->arena, around != NULL ? &around->frame : NULL, is_shared);
}

void scope_fini(struct scope *s)
{
    value_unref(s->outputs);
    s->outputs = NULL;
    frame_fini(&s->frame);
}

void scope_queue(struct scope *s)
{
    struct run *run = s->run;
    if (s->is_queued || !frame_has_ready(&s->frame))
        return;
    s->is_queued = true;
    s->next_queued = NULL;
    if (run->queued_first == NULL)
        run->queued_first = s;
    else
        run->queued_last->next_queued = s;
    run->queued_last = s;
}

void scope_unqueue(struct scope *s)
{
    struct run *run = s->run;
    struct scope *before = NULL;
    if (!s->is_queued)
        return;
    for (struct scope *at = run->queued_first; at != s; at = at->next_queued)
        before = at;
    if (before == NULL)
        run->queued_first = s->next_queued;
    else
        before->next_queued = s->next_queued;
    if (run->queued_last == s)
        run->queued_last = before;
    s->is_queued = false;
}

struct scope *scope_pop(struct run *run, uint32_t *ret_node)
{
    struct scope *s = run->queued_first;
    if (s == NULL)
        return NULL;
    *ret_node = frame_pop(&s->frame);
    scope_unqueue(s);
    scope_queue(s); /* the next of its nodes comes after those of others */
    return s;
}

void scope_cancel(struct scope *s, enum node_status status, struct str text)
{
    struct run *run = s->run;
    for (struct node_exec *x = run->execs, *next; s->living > 0 && x != NULL; x = next) {
        next = x->next;
        if (x->scope != s)
            continue;
        for (struct node_child *child = x->children; child != NULL; child = child->next)
            scope_cancel(&child->scope, status, text);
        next = x->next; /* what was within it may have followed */
        run_unnote(run, x);
        exec_cancel(x);
        if (status != NODE_STATUS_NONE)
            emit_node_finished(x, status, text);
        exec_release(x);
    }
    scope_unqueue(s);
}

struct scope *scope_of(struct scope *s, const struct node *node)
{
    while (s != NULL && s->frame.container != node->container)
        s = s->around;
    return s;
}

struct node_child *scope_child(struct scope *s)
{
    return s->owner == NULL ? NULL : CONTAINER_OF(s, struct node_child, scope);
}

void scope_set(struct scope *s, const struct selector *target, struct value *v)
{
    frame_set(&s->frame, target->slot, v);
    if (target->count >= 2 && str_eq_c(target->parts[0], "conversation"))
        mark_written(s, target->parts[1]);
}

/* In the nearest scope that has variables of its own. */
static void mark_written(struct scope *s, struct str name)
{
    const struct graph *g = s->run->graph;
    while (s != NULL && s->written == NULL)
        s = s->around;
    for (uint32_t i = 0; s != NULL && i < g->conversation_count; i++) {
        if (str_eq(g->conversation[i].name, name))
            s->written[i] = true;
    }
}

/* Later members win; `answer` goes behind what is there (dify-dsl.md 3.8). */
void scope_merge_outputs(struct scope *s, const struct value *outputs)
{
    struct run *run = s->run;
    struct value_builder b;
    value_object_begin(&b, &run->account);
    value_object_put_all(&b, s->outputs);
    for (size_t i = 0; outputs != NULL && i < value_count(outputs); i++) {
        struct str key = value_key(outputs, i);
        struct value *v = value_member(outputs, i);
        struct value *before = s->outputs == NULL ? NULL : value_get(s->outputs, key);
        if (before != NULL && str_eq_c(key, "answer") && value_type(before) == VALUE_STRING &&
            value_type(v) == VALUE_STRING) {
            struct buf text;
            buf_init(&text, run->params.limits.max_bytes);
            buf_put(&text, value_text(before));
            buf_put(&text, value_text(v));
            value_object_put(&b, key, value_string_take(&run->account, &text));
        } else {
            value_object_put(&b, key, value_ref(v));
        }
    }
    struct value *merged = value_object_end(&b);
    if (merged == NULL) {
        run->has_no_memory = true;
        return;
    }
    value_unref(s->outputs);
    s->outputs = merged;
}
