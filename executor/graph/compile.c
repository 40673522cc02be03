/*
 * compile: an export → a graph (graph.h). The export is read and repaired by executor/dsl; here its nodes get their types,
 * edges, strategies and configuration, and what they read gets slots. Goes on after problems, so that all are reported.
 */
#include "executor/graph/compiler.h"
#include <stdlib.h>

static struct compiled *compiled_new(void);
static void compile(struct compiler *c);
static void make_nodes(struct compiler *c);
static void set_type(struct compiler *c, uint32_t i);
static enum node_kind kind_of_unserved(struct str type);
static void compile_nodes(struct compiler *c);
static void assign_slots(struct compiler *c);

enum status_code graph_compile(struct str dsl, bool fail_when_reached, struct graph_report *report,
                               struct graph **ret, struct status *err)
{
    struct compiled *out = compiled_new();
    if (out == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "graph: no memory");
    struct compiler c = {.out = out,
                         .graph = &out->graph,
                         .arena = &out->arena,
                         .report = report,
                         .fail_when_reached = fail_when_reached};
    enum status_code rc = dsl_export_read(c.arena, dsl, report, &c.e, err);
    if (rc == STATUS_OK)
        compile(&c);
    if (rc == STATUS_OK && c.arena->failed)
        rc = status_set(err, STATUS_RESOURCE_EXHAUSTED, "graph: no memory, or more than %zu bytes",
                        GRAPH_BYTES_MAX);
    if (rc == STATUS_OK && report->error_count > 0)
        rc = graph_report_status(report, err);
    if (rc != STATUS_OK) {
        graph_unref(&out->graph);
        return rc;
    }
    out->graph.bytes = sizeof *out + out->arena.used + c.e.tree_bytes;
    *ret = &out->graph;
    return STATUS_OK;
}

static struct compiled *compiled_new(void)
{
    struct compiled *out = calloc(1, sizeof *out);
    if (out == NULL)
        return NULL;
    arena_init(&out->arena, GRAPH_BYTES_MAX);
    slots_init(&out->slots, &out->arena);
    atomic_init(&out->refs, 1);
    return out;
}

struct graph *graph_ref(struct graph *g)
{
    atomic_fetch_add_explicit(&CONTAINER_OF(g, struct compiled, graph)->refs, 1, memory_order_relaxed);
    return g;
}

void graph_unref(struct graph *g)
{
    if (g == NULL)
        return;
    struct compiled *out = CONTAINER_OF(g, struct compiled, graph);
    /* Who frees has to see all that others did before they let go. */
    if (atomic_fetch_sub_explicit(&out->refs, 1, memory_order_acq_rel) > 1)
        return;
    arena_fini(&out->arena);
    free(out);
}

const struct node_set *graph_node_set(const struct graph *g, uint32_t container)
{
    return container == UINT32_MAX ? &g->top : &g->nodes[container].inside;
}

uint32_t graph_slot(const struct graph *g, struct str first, struct str second)
{
    return slots_find(&CONTAINER_OF(g, struct compiled, graph)->slots, first, second);
}

static void compile(struct compiler *c)
{
    c->graph->mode = c->e.is_chatflow ? APP_MODE_CHATFLOW : APP_MODE_WORKFLOW;
    c->graph->name = c->e.name;
    c->graph->dsl_version = c->e.version;
    c->graph->features = c->e.features;
    make_nodes(c);
    if (c->arena->failed)
        return;
    compile_topology(c);
    if (c->arena->failed)
        return;
    compile_nodes(c);
    compile_variables(c);
    if (c->arena->failed)
        return;
    compile_responses(c);
    assign_slots(c);
    c->graph->slot_count = c->out->slots.count;
}

/* --- nodes --- */

static void make_nodes(struct compiler *c)
{
    struct graph *g = c->graph;
    g->nodes = arena_array(c->arena, c->e.node_count, sizeof *g->nodes);
    if (g->nodes == NULL)
        return;
    g->node_count = c->e.node_count;
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct dsl_node *from = &c->e.nodes[i];
        g->nodes[i] = (struct node){.index = i,
                                    .id = from->id,
                                    .title = from->title,
                                    .type_name = from->type,
                                    .container = from->container,
                                    .child_root = from->start};
        if (!from->is_broken)
            set_type(c, i);
    }
}

/* Is it part of a container that is not served itself? Then that is what was reported. */
static bool is_implied(const struct compiler *c, uint32_t i)
{
    const struct dsl_node *node = &c->e.nodes[i];
    if (!dsl_is_child_root(node->type) && !str_eq_c(node->type, "loop-end"))
        return false;
    return node->container != DSL_NONE && node_type_find(c->e.nodes[node->container].type) == NULL;
}

static void set_type(struct compiler *c, uint32_t i)
{
    struct node *node = &c->graph->nodes[i];
    const char *path = c->e.nodes[i].path;
    node->type = node_type_find(node->type_name);
    if (node->type != NULL) {
        node->kind = node->type->kind;
        return;
    }
    struct str shown = str_sub(node->type_name, 0, str_utf8_cut(node->type_name, 80));
    node->kind = kind_of_unserved(node->type_name);
    node->unsupported = arena_printf(c->arena, "nodes of type %.*s are not served", STR_ARG(shown));
    if (!node_type_is_known(node->type_name))
        graph_report_add(c->report, false, path, "export the app again", "\"%.*s\" is no node type",
                         STR_ARG(shown));
    else if (!is_implied(c, i) && c->fail_when_reached)
        graph_report_add(c->report, true, path, "replace it by nodes that are served",
                         "nodes of type %.*s are not served; a run that reaches this one fails there",
                         STR_ARG(shown));
    else if (!is_implied(c, i))
        graph_report_add(c->report, false, path,
                         "replace it by nodes that are served, or import with unsupported: FAIL_WHEN_REACHED",
                         "nodes of type %.*s are not served", STR_ARG(shown));
}

/* So that edges and answers around it are treated as they would be. */
static enum node_kind kind_of_unserved(struct str type)
{
    if (dsl_is_entry(type))
        return NODE_ROOT;
    if (dsl_is_container(type))
        return NODE_CONTAINER;
    if (str_eq_c(type, "if-else") || str_eq_c(type, "question-classifier") || str_eq_c(type, "human-input"))
        return NODE_BRANCH;
    return NODE_EXECUTABLE;
}

static void compile_nodes(struct compiler *c)
{
    struct graph *g = c->graph;
    g->responses = arena_array(c->arena, g->node_count, sizeof *g->responses);
    if (g->responses == NULL)
        return;
    for (uint32_t i = 0; i < g->node_count; i++) {
        struct node *node = &g->nodes[i];
        struct node_compile nc = {.c = c, .node = node, .path = c->e.nodes[i].path};
        if (c->e.nodes[i].is_broken)
            continue;
        compile_strategy(&nc, c->e.nodes[i].data);
        if (node->type == NULL)
            continue;
        node->type->compile(&nc, c->e.nodes[i].data, node);
        if (node->type->kind == NODE_RESPONSE)
            g->responses[g->response_count++] =
                (struct response){.node = i, .segments = nc.segments, .segment_count = nc.segment_count};
    }
}

/* --- values and slots --- */

static void thaw(void *v)
{
    value_thaw_free(v);
}

struct value *compiler_keep(struct compiler *c, struct value *take_v)
{
    if (take_v == NULL) {
        c->arena->failed = true;
        return NULL;
    }
    value_freeze(take_v);
    return arena_defer(c->arena, thaw, take_v) ? take_v : NULL;
}

struct value *compiler_copy(const struct value *v)
{
    struct value_builder b;
    switch (value_type(v)) {
    case VALUE_NONE:
        return value_none();
    case VALUE_BOOL:
        return value_bool(value_as_bool(v));
    case VALUE_INT:
        return value_int(NULL, value_as_int(v));
    case VALUE_FLOAT:
        return value_float(NULL, value_as_double(v));
    case VALUE_STRING:
        return value_string(NULL, value_text(v));
    case VALUE_SECRET:
        return value_secret(NULL, value_text(v));
    case VALUE_OBJECT:
    case VALUE_FILE:
        value_object_begin(&b, NULL);
        for (size_t i = 0; i < value_count(v); i++)
            value_object_put(&b, value_key(v, i), compiler_copy(value_member(v, i)));
        return value_type(v) == VALUE_OBJECT ? value_object_end(&b) : value_file_end(&b);
    case VALUE_ARRAY:
        value_array_begin(&b, NULL);
        for (size_t i = 0; i < value_count(v); i++)
            value_array_put(&b, compiler_copy(value_item(v, i)));
        return value_array_end_as(&b, value_elem(v));
    }
    return NULL;
}

/* Gives nodes and variables the slots of theirs that something reads. */
static void assign_slots(struct compiler *c)
{
    struct graph *g = c->graph;
    const struct slot_table *t = &c->out->slots;
    struct output_slot *all = arena_array(c->arena, t->count, sizeof *all);
    if (all == NULL)
        return;
    for (uint32_t slot = 0; slot < t->count; slot++) {
        uint32_t node = dsl_export_find(&c->e, t->names[slot].first);
        if (node != DSL_NONE)
            g->nodes[node].slot_count++;
    }
    for (uint32_t i = 0; i < g->node_count; i++) {
        g->nodes[i].slots = all;
        all += g->nodes[i].slot_count;
        g->nodes[i].slot_count = 0;
    }
    for (uint32_t slot = 0; slot < t->count; slot++) {
        uint32_t index = dsl_export_find(&c->e, t->names[slot].first);
        struct node *node = index != DSL_NONE ? &g->nodes[index] : NULL;
        if (node != NULL)
            node->slots[node->slot_count++] = (struct output_slot){t->names[slot].second, slot};
    }
    for (uint32_t i = 0; i < g->environment_count; i++)
        g->environment[i].slot = slots_find(t, STR("env"), g->environment[i].name);
    for (uint32_t i = 0; i < g->conversation_count; i++)
        g->conversation[i].slot = slots_find(t, STR("conversation"), g->conversation[i].name);
}
