/*
 * container: who lies in which iteration or loop (dify-dsl.md 1.3, 1.8).
 *
 * Every container has a start node, root of its child runs; old exports get one. A node lies in the container that its
 * canvas parent or its marks name. A start node lies where it is named as the start, and a node without any mark that can
 * be reached only from a start node lies there too. No edge crosses the border of a container.
 */
#include "executor/dsl/export_reader.h"

static void find_start(struct export_reader *r, uint32_t container);
static uint32_t find_unnamed_start(struct export_reader *r, uint32_t container);
static bool add_start(struct export_reader *r, uint32_t container, uint32_t first);
static void find_container(struct export_reader *r, uint32_t index);
static void adopt_unmarked(struct export_reader *r);
static void report_nesting(struct export_reader *r);
static void report_crossing(struct export_reader *r);

void export_resolve_containers(struct export_reader *r)
{
    struct dsl_export *e = r->e;
    uint32_t file_count = e->node_count;
    for (uint32_t i = 0; i < file_count && !r->tree.failed; i++) {
        if (!e->nodes[i].is_broken && dsl_is_container(e->nodes[i].type))
            find_start(r, i);
    }
    if (r->tree.failed)
        return;
    if (e->node_count > file_count)
        export_index_ids(r);
    for (uint32_t i = 0; i < file_count; i++)
        find_container(r, i);
    for (uint32_t i = 0; i < file_count; i++) {
        uint32_t start = e->nodes[i].start;
        if (start != DSL_NONE && e->nodes[start].container == DSL_NONE)
            e->nodes[start].container = i;
    }
    adopt_unmarked(r);
    report_nesting(r);
    report_crossing(r);
}

static void find_start(struct export_reader *r, uint32_t container)
{
    struct dsl_node *node = &r->e->nodes[container];
    struct str id = export_id_text(r, value_get_c(node->data, "start_node_id"));
    if (id.ptr == NULL) {
        node->start = find_unnamed_start(r, container);
        if (node->start != DSL_NONE) {
            graph_report_add(r->report, true, node->path, "open the app in Dify's editor and export it again",
                             "no start_node_id; the start node that lies in it is taken");
        } else if (add_start(r, container, DSL_NONE)) {
            graph_report_add(
                r->report, true, node->path, "connect its first node in Dify's editor and export again",
                "nothing starts in the %.*s, so each of its rounds does nothing", STR_ARG(node->type));
        }
        return;
    }
    uint32_t named = dsl_export_find(r->e, id);
    if (named == DSL_NONE) {
        const char *path = arena_printf(r->arena, "%s.data.start_node_id", node->path);
        if (path != NULL)
            graph_report_add(r->report, false, path, "name the node that comes first in it",
                             "MISSING_NODE: there is no node \"%.*s\"", STR_ARG(str_sub(id, 0, 100)));
        return;
    }
    const struct dsl_node *first = &r->e->nodes[named];
    bool is_start = dsl_is_child_root(first->type) || str_eq_c(first->flow_type, "custom-iteration-start") ||
                    str_eq_c(first->flow_type, "custom-loop-start");
    if (is_start)
        node->start = named;
    else
        (void)add_start(r, container, named); /* want of memory shows in the reader */
}

/* A start node whose canvas parent is this container. */
static uint32_t find_unnamed_start(struct export_reader *r, uint32_t container)
{
    const struct dsl_export *e = r->e;
    for (uint32_t i = 0; i < e->node_count; i++) {
        if (dsl_is_child_root(e->nodes[i].type) && e->nodes[i].parent_id.ptr != NULL &&
            str_eq(e->nodes[i].parent_id, e->nodes[container].id))
            return i;
    }
    return DSL_NONE;
}

/* "<container>start", with a digit more as long as the id is taken; ptr NULL: no memory. */
static struct str start_id(struct export_reader *r, struct str container)
{
    const char *id = arena_printf(r->arena, "%.*sstart", STR_ARG(container));
    for (uint32_t i = 1; id != NULL && dsl_export_find(r->e, str_c(id)) != DSL_NONE; i++)
        id = arena_printf(r->arena, "%.*sstart%u", STR_ARG(container), i);
    return id != NULL ? str_c(id) : (struct str){NULL, 0};
}

/* A start node with an edge to `first`, unless that is DSL_NONE. */
static bool add_start(struct export_reader *r, uint32_t container, uint32_t first)
{
    struct dsl_export *e = r->e;
    const struct dsl_node *node = &e->nodes[container];
    bool is_loop = str_eq_c(node->type, "loop");
    struct dsl_node start = {.id = start_id(r, node->id), .title = STR(""), .path = node->path};
    start.type = is_loop ? STR("loop-start") : STR("iteration-start");
    start.flow_type = is_loop ? STR("custom-loop-start") : STR("custom-iteration-start");
    start.container = container;
    start.start = DSL_NONE;
    struct value_builder b;
    value_object_begin(&b, NULL);
    value_object_put(&b, STR("type"), value_string(NULL, start.type));
    struct value *data = value_object_end(&b);
    start.data = data;
    if (!export_keep(r, data) || start.id.ptr == NULL)
        return false;
    uint32_t index = e->node_count++;
    e->nodes[index] = start;
    e->nodes[container].start = index;
    if (first != DSL_NONE)
        e->edges[e->edge_count++] = (struct dsl_edge){
            .source = index, .target = first, .handle = STR("source"), .file_index = DSL_NONE};
    return true;
}

static uint32_t container_named(struct export_reader *r, struct str id, uint32_t self)
{
    uint32_t found = id.ptr != NULL ? dsl_export_find(r->e, id) : DSL_NONE;
    return found != self && found != DSL_NONE && dsl_is_container(r->e->nodes[found].type) ? found : DSL_NONE;
}

static void find_container(struct export_reader *r, uint32_t index)
{
    struct dsl_node *node = &r->e->nodes[index];
    struct str names[] = {node->parent_id, export_id_text(r, value_get_c(node->data, "iteration_id")),
                          export_id_text(r, value_get_c(node->data, "loop_id"))};
    for (size_t i = 0; i < ARRAY_LEN(names) && node->container == DSL_NONE; i++)
        node->container = container_named(r, names[i], index);
}

/* --- nodes that only edges bind to a container --- */

struct walk {
    struct dsl_outgoing out;
    uint32_t *stack;
    bool *is_outer; /* reached from an entry node outside of containers */
};

static bool walk_init(struct walk *w, struct export_reader *r)
{
    const struct dsl_export *e = r->e;
    w->stack = arena_array(r->arena, e->node_count, sizeof *w->stack);
    w->is_outer = arena_array(r->arena, e->node_count, sizeof *w->is_outer);
    return export_list_outgoing(r, &w->out);
}

static void mark_outer(struct walk *w, const struct dsl_export *e)
{
    uint32_t depth = 0;
    for (uint32_t i = 0; i < e->node_count; i++) {
        if (!dsl_is_entry(e->nodes[i].type) || e->nodes[i].container != DSL_NONE || w->is_outer[i])
            continue;
        w->is_outer[i] = true;
        w->stack[depth++] = i;
        while (depth > 0) {
            uint32_t node = w->stack[--depth];
            for (uint32_t k = w->out.first[node]; k != DSL_NONE; k = w->out.next[k]) {
                uint32_t target = e->edges[k].target;
                if (w->is_outer[target] || e->nodes[target].container != DSL_NONE)
                    continue;
                w->is_outer[target] = true;
                w->stack[depth++] = target;
            }
        }
    }
}

/* Nodes without a container that follow on `from`, which lies in one. Number of them. */
static uint32_t adopt_followers(struct walk *w, struct dsl_export *e, uint32_t from)
{
    uint32_t adopted = 0, depth = 0, container = e->nodes[from].container;
    w->stack[depth++] = from;
    while (depth > 0) {
        uint32_t node = w->stack[--depth];
        for (uint32_t k = w->out.first[node]; k != DSL_NONE; k = w->out.next[k]) {
            struct dsl_node *target = &e->nodes[e->edges[k].target];
            if (target->container != DSL_NONE || w->is_outer[e->edges[k].target] ||
                e->edges[k].target == container)
                continue;
            target->container = container;
            adopted++;
            w->stack[depth++] = e->edges[k].target;
        }
    }
    return adopted;
}

static void adopt_unmarked(struct export_reader *r)
{
    struct dsl_export *e = r->e;
    struct walk w;
    bool has_containers = false;
    for (uint32_t i = 0; i < e->node_count; i++)
        has_containers |= e->nodes[i].container != DSL_NONE;
    if (!has_containers || !walk_init(&w, r))
        return;
    mark_outer(&w, e);
    for (uint32_t i = 0; i < e->node_count; i++) {
        uint32_t container = e->nodes[i].container;
        uint32_t adopted = container != DSL_NONE ? adopt_followers(&w, e, i) : 0;
        if (adopted > 0)
            graph_report_add(r->report, true, e->nodes[container].path,
                             "give them the parentId of the node they lie in",
                             "%u nodes lie in it by their edges only, without parentId", adopted);
    }
}

/* --- what cannot be run --- */

static void report_nesting(struct export_reader *r)
{
    struct dsl_export *e = r->e;
    for (uint32_t i = 0; i < e->node_count; i++) {
        uint32_t levels = 0;
        for (uint32_t c = e->nodes[i].container; c != DSL_NONE && levels <= DSL_NESTING_MAX;
             c = e->nodes[c].container)
            levels++;
        if (levels <= DSL_NESTING_MAX)
            continue;
        graph_report_add(r->report, false, e->nodes[i].path, "take it out of some of them",
                         "the node lies in itself, or in more than %d iterations and loops", DSL_NESTING_MAX);
        e->nodes[i].container = DSL_NONE;
    }
}

static void report_crossing(struct export_reader *r)
{
    const struct dsl_export *e = r->e;
    for (uint32_t i = 0; i < e->edge_count; i++) {
        const struct dsl_edge *edge = &e->edges[i];
        if (e->nodes[edge->source].container == e->nodes[edge->target].container)
            continue;
        graph_report_add(r->report, false, export_edge_path(r, edge, ""),
                         "connect nodes of the same iteration or loop; from outside, the container itself",
                         "the way from \"%.*s\" to \"%.*s\" crosses the border of an iteration or loop",
                         STR_ARG(str_sub(e->nodes[edge->source].id, 0, 100)),
                         STR_ARG(str_sub(e->nodes[edge->target].id, 0, 100)));
    }
}
