/*
 * frame: see frame.h. A node is looked at again whenever one of its incoming edges is decided; counts of those that are
 * unknown and taken make that cheap. Skips are passed on with a list instead of recursion: graphs may be deep.
 */
#include "executor/run/frame.h"

static void take_edge(struct frame *f, uint32_t edge);
static void skip_edge(struct frame *f, uint32_t edge, struct frame_queue *skipped);
static void pass_on_skips(struct frame *f, struct frame_queue *skipped);
static void make_ready(struct frame *f, uint32_t node);
static void queue_push(struct frame *f, struct frame_queue *q, uint32_t node);
static uint32_t queue_pop(struct frame *f, struct frame_queue *q);

bool frame_init(struct frame *f, struct arena *arena, const struct graph *graph, uint32_t root)
{
    *f = (struct frame){.graph = graph,
                        .nodes = arena_array(arena, graph->node_count, sizeof *f->nodes),
                        .edges = arena_array(arena, graph->edge_count, sizeof *f->edges),
                        .slots = arena_array(arena, graph->slot_count, sizeof(struct value *)),
                        .ready = {FRAME_NO_NODE, FRAME_NO_NODE},
                        .ending = FRAME_NO_NODE};
    if (f->nodes == NULL || f->edges == NULL || f->slots == NULL)
        return false;
    struct frame_queue skipped = {FRAME_NO_NODE, FRAME_NO_NODE};
    for (uint32_t i = 0; i < graph->node_count; i++) {
        f->nodes[i].predecessor = FRAME_NO_NODE;
        f->nodes[i].edges_unknown = graph->nodes[i].in_count;
        if (graph->nodes[i].is_inactive) {
            f->nodes[i].mark = FRAME_SKIPPED;
            queue_push(f, &skipped, i);
        }
    }
    pass_on_skips(f, &skipped);
    make_ready(f, root);
    return true;
}

void frame_fini(struct frame *f)
{
    for (uint32_t i = 0; f->slots != NULL && i < f->graph->slot_count; i++)
        value_unref(f->slots[i]);
    f->slots = NULL;
}

uint32_t frame_pop(struct frame *f)
{
    return queue_pop(f, &f->ready);
}

bool frame_has_ready(const struct frame *f)
{
    return f->ready.first != FRAME_NO_NODE;
}

void frame_take_all(struct frame *f, uint32_t node)
{
    const struct node *n = &f->graph->nodes[node];
    f->ending = node;
    f->nodes[node].has_ended = true;
    for (uint32_t i = 0; i < n->out_count; i++)
        take_edge(f, n->out[i]);
}

void frame_take_handle(struct frame *f, uint32_t node, struct str handle)
{
    const struct node *n = &f->graph->nodes[node];
    const struct edge *edges = f->graph->edges;
    struct frame_queue skipped = {FRAME_NO_NODE, FRAME_NO_NODE};
    f->ending = node;
    f->nodes[node].has_ended = true;
    for (uint32_t i = 0; i < n->out_count; i++) {
        if (!str_eq(edges[n->out[i]].handle, handle)) {
            skip_edge(f, n->out[i], &skipped);
            pass_on_skips(f, &skipped);
        }
    }
    for (uint32_t i = 0; i < n->out_count; i++) {
        if (str_eq(edges[n->out[i]].handle, handle))
            take_edge(f, n->out[i]);
    }
}

void frame_set(struct frame *f, uint32_t slot, struct value *v)
{
    if (slot == SLOT_NONE)
        return;
    struct value *old = f->slots[slot];
    f->slots[slot] = value_ref(v);
    value_unref(old);
}

void frame_set_outputs(struct frame *f, const struct node *node, const struct value *outputs)
{
    for (uint32_t i = 0; outputs != NULL && i < node->slot_count; i++) {
        struct value *v = value_get(outputs, node->slots[i].name);
        if (v != NULL)
            frame_set(f, node->slots[i].slot, v);
    }
}

struct value *frame_get(const struct frame *f, const struct selector *selector)
{
    /* An unresolved selector and one that names nothing have the same number. */
    _Static_assert(SELECTOR_UNRESOLVED == SLOT_NONE, "one test for both");
    if (selector->count < 2 || selector->slot == SLOT_NONE)
        return NULL;
    return value_walk(f->slots[selector->slot], selector->parts + 2, selector->count - 2);
}

static void take_edge(struct frame *f, uint32_t edge)
{
    const struct edge *e = &f->graph->edges[edge];
    struct frame_node *target = &f->nodes[e->target];
    if (f->edges[edge] != FRAME_UNKNOWN)
        return;
    f->edges[edge] = FRAME_TAKEN;
    target->edges_unknown--;
    target->edges_taken++;
    if (f->edge_taken != NULL)
        f->edge_taken(f->arg, edge);
    if (target->edges_unknown == 0)
        make_ready(f, e->target);
}

/* The target goes on the list when this was its last hope. */
static void skip_edge(struct frame *f, uint32_t edge, struct frame_queue *skipped)
{
    const struct edge *e = &f->graph->edges[edge];
    struct frame_node *target = &f->nodes[e->target];
    if (f->edges[edge] != FRAME_UNKNOWN)
        return;
    f->edges[edge] = FRAME_SKIPPED;
    target->edges_unknown--;
    if (target->edges_unknown > 0)
        return;
    if (target->edges_taken > 0) {
        make_ready(f, e->target);
    } else if (target->mark == FRAME_UNKNOWN) {
        target->mark = FRAME_SKIPPED;
        queue_push(f, skipped, e->target);
    }
}

static void pass_on_skips(struct frame *f, struct frame_queue *skipped)
{
    uint32_t node;
    while ((node = queue_pop(f, skipped)) != FRAME_NO_NODE) {
        const struct node *n = &f->graph->nodes[node];
        for (uint32_t i = 0; i < n->out_count; i++)
            skip_edge(f, n->out[i], skipped);
    }
}

static void make_ready(struct frame *f, uint32_t node)
{
    struct frame_node *n = &f->nodes[node];
    if (n->mark != FRAME_UNKNOWN)
        return;
    n->mark = FRAME_TAKEN;
    n->predecessor = f->ending;
    queue_push(f, &f->ready, node);
}

static void queue_push(struct frame *f, struct frame_queue *q, uint32_t node)
{
    f->nodes[node].next = FRAME_NO_NODE;
    if (q->first == FRAME_NO_NODE)
        q->first = node;
    else
        f->nodes[q->last].next = node;
    q->last = node;
}

static uint32_t queue_pop(struct frame *f, struct frame_queue *q)
{
    uint32_t node = q->first;
    if (node != FRAME_NO_NODE)
        q->first = f->nodes[node].next;
    return node;
}
