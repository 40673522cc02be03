/*
 * cycle: leaves out the edges that lie on a cycle, as the editor does (dify-dsl.md 1.8). An edge lies on one exactly when
 * both its ends are in the same strongly connected component; these are found by Tarjan's algorithm, without recursion.
 */
#include "executor/dsl/export_reader.h"

struct search {
    const struct dsl_export *e;
    struct dsl_outgoing out;    /* what is left to follow */
    uint32_t *order, *low;      /* when a node was met, from 1; the earliest it leads back to */
    uint32_t *component;        /* by its number from 1; 0: not known yet */
    uint32_t *open, open_count; /* met, component not known yet */
    uint32_t *path, path_count; /* from the first node to where the search is */
    uint32_t met, components;
};

static bool search_init(struct search *s, struct export_reader *r);
static void search_from(struct search *s, uint32_t node);

void export_remove_cycles(struct export_reader *r)
{
    struct dsl_export *e = r->e;
    struct search s;
    if (r->tree.failed || e->edge_count == 0 || !search_init(&s, r))
        return;
    for (uint32_t i = 0; i < e->node_count; i++) {
        if (s.order[i] == 0)
            search_from(&s, i);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < e->edge_count; i++) {
        struct dsl_edge edge = e->edges[i];
        if (s.component[edge.source] != s.component[edge.target]) {
            e->edges[kept++] = edge;
            continue;
        }
        graph_report_add(r->report, true, export_edge_path(r, &edge, ""),
                         "use a loop node to repeat something",
                         "the edge from \"%.*s\" to \"%.*s\" lies on a cycle and is left out",
                         STR_ARG(str_sub(e->nodes[edge.source].id, 0, 100)),
                         STR_ARG(str_sub(e->nodes[edge.target].id, 0, 100)));
    }
    e->edge_count = kept;
}

static bool search_init(struct search *s, struct export_reader *r)
{
    struct arena *a = r->arena;
    size_t nodes = r->e->node_count;
    *s = (struct search){.e = r->e};
    s->order = arena_array(a, nodes, sizeof(uint32_t));
    s->low = arena_array(a, nodes, sizeof(uint32_t));
    s->component = arena_array(a, nodes, sizeof(uint32_t));
    s->open = arena_array(a, nodes, sizeof(uint32_t));
    s->path = arena_array(a, nodes, sizeof(uint32_t));
    return export_list_outgoing(r, &s->out);
}

static void meet(struct search *s, uint32_t node)
{
    s->order[node] = s->low[node] = ++s->met;
    s->open[s->open_count++] = node;
    s->path[s->path_count++] = node;
}

static void lower(uint32_t *low, uint32_t to)
{
    if (to < *low)
        *low = to;
}

/* Nothing is left to follow from `node`. */
static void leave(struct search *s, uint32_t node)
{
    s->path_count--;
    if (s->path_count > 0)
        lower(&s->low[s->path[s->path_count - 1]], s->low[node]);
    if (s->low[node] != s->order[node])
        return;
    s->components++;
    while (s->component[node] == 0)
        s->component[s->open[--s->open_count]] = s->components;
}

static void search_from(struct search *s, uint32_t start)
{
    meet(s, start);
    while (s->path_count > 0) {
        uint32_t node = s->path[s->path_count - 1], edge = s->out.first[node];
        if (edge == DSL_NONE) {
            leave(s, node);
            continue;
        }
        s->out.first[node] = s->out.next[edge]; /* each edge is followed once */
        uint32_t target = s->e->edges[edge].target;
        if (s->order[target] == 0)
            meet(s, target);
        else if (s->component[target] == 0)
            lower(&s->low[node], s->order[target]);
    }
}
