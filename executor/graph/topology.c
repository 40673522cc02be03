/*
 * topology: edges of each node, the node where a run starts, and what can never run (dify-dsl.md 1.7, 3.1).
 */
#include "executor/graph/compiler.h"

static void list_edges(struct compiler *c);
static void make_sets(struct compiler *c);
static void choose_root(struct compiler *c);
static void mark_inactive(struct compiler *c);

void compile_topology(struct compiler *c)
{
    list_edges(c);
    if (c->arena->failed)
        return;
    make_sets(c);
    choose_root(c);
    mark_inactive(c);
}

static struct node_set *set_of(struct graph *g, const struct node *node)
{
    return node->container == UINT32_MAX ? &g->top : &g->nodes[node->container].inside;
}

/* Edges that cross a border were reported; they count where they begin. */
static void make_sets(struct compiler *c)
{
    struct graph *g = c->graph;
    uint32_t *members = arena_array(c->arena, g->node_count, sizeof *members);
    if (members == NULL)
        return;
    for (uint32_t i = 0; i < g->node_count; i++)
        set_of(g, &g->nodes[i])->count++;
    g->top.nodes = members;
    members += g->top.count;
    g->top.count = 0;
    for (uint32_t i = 0; i < g->node_count; i++) {
        g->nodes[i].inside.nodes = members;
        members += g->nodes[i].inside.count;
        g->nodes[i].inside.count = 0;
    }
    for (uint32_t i = 0; i < g->node_count; i++) {
        struct node_set *set = set_of(g, &g->nodes[i]);
        g->nodes[i].local = set->count;
        set->nodes[set->count++] = i;
    }
    for (uint32_t i = 0; i < g->edge_count; i++)
        g->edges[i].local = set_of(g, &g->nodes[g->edges[i].source])->edge_count++;
}

static void list_edges(struct compiler *c)
{
    struct graph *g = c->graph;
    g->edge_count = c->e.edge_count;
    g->edges = arena_array(c->arena, g->edge_count, sizeof *g->edges);
    uint32_t *ends = arena_array(c->arena, (size_t)g->edge_count * 2, sizeof *ends);
    if (g->edges == NULL || ends == NULL)
        return;
    for (uint32_t i = 0; i < g->edge_count; i++) {
        const struct dsl_edge *edge = &c->e.edges[i];
        g->edges[i] =
            (struct edge){.index = i, .source = edge->source, .target = edge->target, .handle = edge->handle};
        g->nodes[edge->source].out_count++;
        g->nodes[edge->target].in_count++;
    }
    for (uint32_t i = 0; i < g->node_count; i++) {
        struct node *node = &g->nodes[i];
        node->out = ends;
        node->in = ends + node->out_count;
        ends += node->out_count + node->in_count;
        node->out_count = 0;
        node->in_count = 0;
    }
    for (uint32_t i = 0; i < g->edge_count; i++) {
        struct node *source = &g->nodes[g->edges[i].source], *target = &g->nodes[g->edges[i].target];
        source->out[source->out_count++] = i;
        target->in[target->in_count++] = i;
    }
}

static bool is_entry(const struct compiler *c, uint32_t i)
{
    return dsl_is_entry(c->e.nodes[i].type) && c->e.nodes[i].container == DSL_NONE;
}

/* The first entry node of the file. */
static void choose_root(struct compiler *c)
{
    struct graph *g = c->graph;
    uint32_t start = UINT32_MAX, trigger = UINT32_MAX;
    g->root = UINT32_MAX;
    for (uint32_t i = 0; i < g->node_count; i++) {
        if (!is_entry(c, i))
            continue;
        if (g->root == UINT32_MAX)
            g->root = i;
        if (start == UINT32_MAX && str_eq_c(c->e.nodes[i].type, "start"))
            start = i;
        if (trigger == UINT32_MAX && str_starts(c->e.nodes[i].type, STR("trigger-")))
            trigger = i;
    }
    if (g->root == UINT32_MAX)
        graph_report_add(c->report, false, "workflow.graph.nodes", "add a start node",
                         "no node is one where a run can start");
    if (start != UINT32_MAX && trigger != UINT32_MAX)
        graph_report_add(c->report, false, c->e.nodes[start > trigger ? start : trigger].path,
                         "remove one of them", "a start node and a trigger cannot be in one app");
}

/* A node whose incoming edges all come from inactive nodes never runs. */
static void mark_inactive(struct compiler *c)
{
    struct graph *g = c->graph;
    uint32_t *skipped = arena_array(c->arena, g->node_count, sizeof *skipped);
    uint32_t *todo = arena_array(c->arena, g->node_count, sizeof *todo);
    uint32_t todo_count = 0;
    if (skipped == NULL || todo == NULL)
        return;
    for (uint32_t i = 0; i < g->node_count; i++) {
        if (i != g->root && is_entry(c, i))
            todo[todo_count++] = i;
    }
    while (todo_count > 0) {
        struct node *node = &g->nodes[todo[--todo_count]];
        node->is_inactive = true;
        for (uint32_t k = 0; k < node->out_count; k++) {
            struct node *target = &g->nodes[g->edges[node->out[k]].target];
            bool is_last = ++skipped[target->index] == target->in_count;
            if (is_last && target->index != g->root && !is_entry(c, target->index))
                todo[todo_count++] = target->index;
        }
    }
}
