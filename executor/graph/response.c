/*
 * response: what blocks each answer and end node (dify-dsl.md 3.9).
 *
 * The rule: of every simple path from the root to a response, the edges that leave a branch, a container, a response, or an
 * assigner of a variable the response mentions are blocking; the response is reachable once all blocking edges of some path
 * have been taken.
 *
 * There can be exponentially many paths, but of each the last blocking edge suffices. An edge is only ever taken when its
 * source has run, and but for the root a node only runs when an edge to it has been taken before. So behind a taken edge
 * lies a way from the root of which every edge has been taken, the blocking ones too; with the rest of the path, which
 * has no blocking edge, it is a path to the response with nothing left. And the other way round: where a path has nothing
 * left, its last blocking edge has been taken. Thus a response has one set per blocking edge from which it can be reached
 * by edges that do not block, or one empty set when the root itself is such a place; and each is found by one walk
 * backwards.
 */
#include "executor/graph/compiler.h"
#include <stdlib.h>
#include <string.h>

struct written { /* variables an assigner writes */
    struct selector *selectors;
    uint32_t count;
};
struct walk {
    struct compiler *c;
    struct written *written; /* by node */
    bool *is_reachable;      /* from the root, or from the start node of the container it lies in */
    uint32_t *met, round;    /* nodes met in this walk */
    uint32_t *todo, todo_count;
    uint32_t *blocking, blocking_count; /* edges */
};

static bool walk_init(struct walk *w, struct compiler *c);
static void find_written(struct walk *w, const struct node *node, const struct value *data);
static void mark_reachable(struct walk *w, uint32_t root);
static void compile_response(struct walk *w, struct response *response);
static bool walk_back(struct walk *w, const struct response *response);
static bool is_blocking(const struct walk *w, const struct edge *edge, const struct response *response);

void compile_responses(struct compiler *c)
{
    struct graph *g = c->graph;
    struct walk w;
    if (g->response_count == 0 || !walk_init(&w, c))
        return;
    for (uint32_t i = 0; i < g->node_count; i++) {
        if (i == g->root)
            mark_reachable(&w, i);
        if (g->nodes[i].child_root != UINT32_MAX)
            mark_reachable(&w, g->nodes[i].child_root);
    }
    for (uint32_t i = 0; i < g->response_count; i++)
        compile_response(&w, &g->responses[i]);
}

static bool walk_init(struct walk *w, struct compiler *c)
{
    size_t nodes = c->graph->node_count;
    *w = (struct walk){.c = c};
    w->written = arena_array(c->arena, nodes, sizeof *w->written);
    w->is_reachable = arena_array(c->arena, nodes, sizeof *w->is_reachable);
    w->met = arena_array(c->arena, nodes, sizeof *w->met);
    w->todo = arena_array(c->arena, nodes, sizeof *w->todo);
    w->blocking = arena_array(c->arena, c->graph->edge_count, sizeof *w->blocking);
    if (c->arena->failed)
        return false;
    for (size_t i = 0; i < nodes; i++)
        find_written(w, &c->graph->nodes[i], c->e.nodes[i].data);
    return !c->arena->failed;
}

/* Version 1 has one, version 2 a list (dify-dsl.md 4.11). One that is no selector is the node type's problem. */
static void find_written(struct walk *w, const struct node *node, const struct value *data)
{
    struct written *written = &w->written[node->index];
    if (!str_eq_c(node->type_name, "assigner"))
        return;
    const struct value *items = value_get_c(data, "items");
    size_t count = items != NULL && value_type(items) == VALUE_ARRAY ? value_count(items) : 0;
    written->selectors = arena_array(w->c->arena, count + 1, sizeof *written->selectors);
    for (size_t i = 0; i <= count && written->selectors != NULL; i++) {
        const struct value *list = i < count ? value_get_c(value_item(items, i), "variable_selector")
                                             : value_get_c(data, "assigned_variable_selector");
        struct selector s;
        if (selector_from_value(w->c->arena, list, &s, NULL) == STATUS_OK && s.count >= 2)
            written->selectors[written->count++] = s;
    }
}

static void mark_reachable(struct walk *w, uint32_t root)
{
    const struct graph *g = w->c->graph;
    if (w->is_reachable[root])
        return;
    w->is_reachable[root] = true;
    w->todo[w->todo_count++] = root;
    while (w->todo_count > 0) {
        const struct node *node = &g->nodes[w->todo[--w->todo_count]];
        for (uint32_t i = 0; i < node->out_count; i++) {
            uint32_t target = g->edges[node->out[i]].target;
            if (w->is_reachable[target])
                continue;
            w->is_reachable[target] = true;
            w->todo[w->todo_count++] = target;
        }
    }
}

static int compare_edges(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

bool graph_response_is_opened_by(const struct response *response, uint32_t edge)
{
    return response->is_open ||
           (response->blocking_count > 0 &&
            bsearch(&edge, response->blocking, response->blocking_count, sizeof edge, compare_edges) != NULL);
}

static void compile_response(struct walk *w, struct response *response)
{
    response->is_open = walk_back(w, response);
    if (response->is_open)
        return;
    response->blocking = arena_array(w->c->arena, w->blocking_count, sizeof *response->blocking);
    if (response->blocking == NULL || w->blocking_count == 0)
        return;
    response->blocking_count = w->blocking_count;
    memcpy(response->blocking, w->blocking, w->blocking_count * sizeof *w->blocking);
    qsort(response->blocking, response->blocking_count, sizeof *response->blocking, compare_edges);
}

/* Collects the blocking edges that lead to the response. True: the root does, by edges that do not block. */
static bool walk_back(struct walk *w, const struct response *response)
{
    const struct graph *g = w->c->graph;
    uint32_t container = g->nodes[response->node].container;
    uint32_t root = container == UINT32_MAX ? g->root : g->nodes[container].child_root;
    w->round++;
    w->blocking_count = 0;
    w->todo_count = 0;
    w->todo[w->todo_count++] = response->node;
    w->met[response->node] = w->round;
    while (w->todo_count > 0) {
        const struct node *node = &g->nodes[w->todo[--w->todo_count]];
        if (node->index == root)
            return true;
        for (uint32_t i = 0; i < node->in_count; i++) {
            const struct edge *edge = &g->edges[node->in[i]];
            if (!w->is_reachable[edge->source])
                continue;
            if (is_blocking(w, edge, response)) {
                w->blocking[w->blocking_count++] = edge->index;
            } else if (w->met[edge->source] != w->round) {
                w->met[edge->source] = w->round;
                w->todo[w->todo_count++] = edge->source;
            }
        }
    }
    return false;
}

static bool mentions(const struct response *response, const struct selector *variable)
{
    for (uint32_t i = 0; i < response->segment_count; i++) {
        const struct response_segment *segment = &response->segments[i];
        if (segment->is_reference && selector_same_variable(&segment->selector, variable))
            return true;
    }
    return false;
}

static bool is_blocking(const struct walk *w, const struct edge *edge, const struct response *response)
{
    const struct node *source = &w->c->graph->nodes[edge->source];
    if (source->kind == NODE_BRANCH || source->kind == NODE_CONTAINER || source->kind == NODE_RESPONSE)
        return true;
    const struct written *written = &w->written[edge->source];
    for (uint32_t i = 0; i < written->count; i++) {
        if (mentions(response, &written->selectors[i]))
            return true;
    }
    return false;
}
