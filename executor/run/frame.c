/*
 * frame: see frame.h. A node is looked at again whenever one of its incoming edges is decided; counts of those that are
 * unknown and taken make that cheap. Skips are passed on with a stack of our own: graphs may be deep.
 */
#include "executor/run/frame.h"
#include <string.h>

static void take_edge(struct frame *f, uint32_t edge);
static uint32_t skip_edge(struct frame *f, uint32_t edge);
static void skip_node(struct frame *f, uint32_t node);
static void make_ready(struct frame *f, uint32_t node);
static void queue_push(struct frame *f, struct frame_queue *q, uint32_t node);
static uint32_t queue_pop(struct frame *f, struct frame_queue *q);

struct frame_node *frame_node(const struct frame *f, uint32_t node)
{
    return &f->nodes[f->graph->nodes[node].local];
}

static uint8_t *edge_mark(const struct frame *f, uint32_t edge)
{
    return &f->edges[f->graph->edges[edge].local];
}

bool frame_init(struct frame *f, struct arena *arena, const struct graph *graph, uint32_t container)
{
    const struct node_set *set = graph_node_set(graph, container);
    *f = (struct frame){.graph = graph,
                        .container = container,
                        .nodes = arena_array(arena, set->count, sizeof *f->nodes),
                        .edges = arena_array(arena, set->edge_count, sizeof *f->edges)};
    return f->nodes != NULL && f->edges != NULL;
}

bool frame_begin(struct frame *f, struct arena *arena, const struct frame *around, bool is_shared)
{
    const struct graph *g = f->graph;
    const struct node_set *set = graph_node_set(g, f->container);
    if (!is_shared && f->own_slots == NULL)
        f->own_slots = arena_array(arena, g->slot_count, sizeof(struct value *));
    f->slots = is_shared ? around->slots : f->own_slots;
    if (f->slots == NULL)
        return false;
    for (uint32_t i = 0; !is_shared && around != NULL && i < g->slot_count; i++)
        f->slots[i] = value_ref(around->slots[i]);
    f->ready = (struct frame_queue){FRAME_NO_NODE, FRAME_NO_NODE};
    f->ending = FRAME_NO_NODE;
    memset(f->edges, FRAME_UNKNOWN, set->edge_count);
    for (uint32_t i = 0; i < set->count; i++) {
        const struct node *node = &g->nodes[set->nodes[i]];
        f->nodes[i] = (struct frame_node){.predecessor = FRAME_NO_NODE, .edges_unknown = node->in_count};
    }
    for (uint32_t i = 0; i < set->count; i++) {
        if (g->nodes[set->nodes[i]].is_inactive)
            skip_node(f, set->nodes[i]);
    }
    make_ready(f, f->container == UINT32_MAX ? g->root : g->nodes[f->container].child_root);
    return true;
}

void frame_fini(struct frame *f)
{
    for (uint32_t i = 0; f->own_slots != NULL && i < f->graph->slot_count; i++) {
        value_unref(f->own_slots[i]);
        f->own_slots[i] = NULL;
    }
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
    frame_node(f, node)->has_ended = true;
    for (uint32_t i = 0; i < n->out_count; i++)
        take_edge(f, n->out[i]);
}

void frame_take_handle(struct frame *f, uint32_t node, struct str handle)
{
    const struct node *n = &f->graph->nodes[node];
    const struct edge *edges = f->graph->edges;
    f->ending = node;
    frame_node(f, node)->has_ended = true;
    for (uint32_t i = 0; i < n->out_count; i++) {
        uint32_t lost = str_eq(edges[n->out[i]].handle, handle) ? FRAME_NO_NODE : skip_edge(f, n->out[i]);
        if (lost != FRAME_NO_NODE)
            skip_node(f, lost);
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
    struct frame_node *target = frame_node(f, e->target);
    if (*edge_mark(f, edge) != FRAME_UNKNOWN)
        return;
    *edge_mark(f, edge) = FRAME_TAKEN;
    target->edges_unknown--;
    target->edges_taken++;
    if (f->edge_taken != NULL)
        f->edge_taken(f->arg, edge);
    if (target->edges_unknown == 0)
        make_ready(f, e->target);
}

/* The target when this was its last hope, else FRAME_NO_NODE. */
static uint32_t skip_edge(struct frame *f, uint32_t edge)
{
    const struct edge *e = &f->graph->edges[edge];
    struct frame_node *target = frame_node(f, e->target);
    if (*edge_mark(f, edge) != FRAME_UNKNOWN)
        return FRAME_NO_NODE;
    *edge_mark(f, edge) = FRAME_SKIPPED;
    target->edges_unknown--;
    if (target->edges_unknown > 0)
        return FRAME_NO_NODE;
    if (target->edges_taken == 0)
        return e->target;
    make_ready(f, e->target);
    return FRAME_NO_NODE;
}

/* The node and what only it led to, each before the next edge of the one before it (dify-dsl.md 3.4). */
static void skip_node(struct frame *f, uint32_t node)
{
    uint32_t top = FRAME_NO_NODE;
    for (uint32_t lost = node;;) {
        struct frame_node *at = lost == FRAME_NO_NODE ? NULL : frame_node(f, lost);
        if (at != NULL && at->mark == FRAME_UNKNOWN) {
            at->mark = FRAME_SKIPPED;
            at->next = top;
            top = lost;
        }
        if (top == FRAME_NO_NODE)
            return;
        const struct node *n = &f->graph->nodes[top];
        at = frame_node(f, top);
        lost = FRAME_NO_NODE;
        if (at->passed_on < n->out_count)
            lost = skip_edge(f, n->out[at->passed_on++]);
        else
            top = at->next;
    }
}

static void make_ready(struct frame *f, uint32_t node)
{
    struct frame_node *n = frame_node(f, node);
    if (n->mark != FRAME_UNKNOWN)
        return;
    n->mark = FRAME_TAKEN;
    n->predecessor = f->ending;
    queue_push(f, &f->ready, node);
}

static void queue_push(struct frame *f, struct frame_queue *q, uint32_t node)
{
    frame_node(f, node)->next = FRAME_NO_NODE;
    if (q->first == FRAME_NO_NODE)
        q->first = node;
    else
        frame_node(f, q->last)->next = node;
    q->last = node;
}

static uint32_t queue_pop(struct frame *f, struct frame_queue *q)
{
    uint32_t node = q->first;
    if (node != FRAME_NO_NODE)
        q->first = frame_node(f, node)->next;
    return node;
}
