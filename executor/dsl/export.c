/*
 * export: see export.h. Reads top down and goes on after a problem wherever there is something to go on with. Want of
 * memory shows in the arena (`failed`) and in the builder of the tree, and is looked at once, at the end.
 */
#include "executor/dsl/export.h"
#include "executor/dsl/export_reader.h"
#include "executor/dsl/yaml.h"
#include <stdlib.h>
#include <string.h>

#define NODES_PATH "workflow.graph.nodes"

static bool read_head(struct export_reader *r, const struct value *tree);
static bool read_mode(struct export_reader *r, const struct value *app);
static bool read_version(struct export_reader *r, const struct value *tree);
static bool read_graph(struct export_reader *r, const struct value *workflow);
static void read_node(struct export_reader *r, const struct value *v, size_t file_index);
static struct str read_node_id(struct export_reader *r, const struct value *v, const char *path);
static void read_edges(struct export_reader *r, const struct value *list);
static void read_edge(struct export_reader *r, const struct value *v, size_t file_index);
static void report_duplicate_ids(struct export_reader *r);
static void read_settings(struct export_reader *r, const struct value *workflow);
static void thaw_tree(void *tree);

static const struct value *get_of_type(const struct value *v, const char *key, enum value_type type)
{
    const struct value *member = value_get_c(v, key);
    return member != NULL && value_type(member) == type ? member : NULL;
}

static void problem(struct export_reader *r, const char *path, const char *text, const char *hint)
{
    graph_report_add(r->report, false, path, hint, "%s", text);
}

enum status_code dsl_export_read(struct arena *a, struct str text, struct graph_report *report,
                                 struct dsl_export *ret, struct status *err)
{
    struct value *tree;
    struct status why;
    enum status_code rc = yaml_read(text, &tree, &why);
    if (rc == STATUS_INVALID_ARGUMENT) {
        graph_report_add(report, false, "", "the text has to be the YAML file Dify exports, as it is", "%s",
                         why.message);
        return graph_report_status(report, err);
    }
    if (rc != STATUS_OK)
        return status_set(err, rc, "%s", why.message);
    *ret = (struct dsl_export){0};
    struct export_reader r = {.arena = a, .report = report, .e = ret};
    value_array_begin(&r.tree, NULL);
    bool is_readable = export_keep(&r, tree) && read_head(&r, tree);
    if (is_readable) {
        export_repair_data(&r);
        export_resolve_containers(&r);
        export_remove_cycles(&r);
    }
    struct value *kept = value_array_end(&r.tree);
    if (kept == NULL || a->failed) {
        value_unref(kept);
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "export: no memory, or too large");
    }
    if (!is_readable) {
        value_unref(kept);
        return graph_report_status(report, err);
    }
    ret->tree_bytes = value_bytes(kept);
    value_freeze(kept);
    if (!arena_defer(a, thaw_tree, kept))
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "export: no memory");
    return STATUS_OK;
}

static void thaw_tree(void *tree)
{
    value_thaw_free(tree);
}

/* --- the head: version, mode --- */

/* False: there is nothing to read on. */
static bool read_head(struct export_reader *r, const struct value *tree)
{
    if (value_type(tree) != VALUE_OBJECT) {
        problem(r, "", "this is no export: the text is not a map of names to values",
                "export the app in Dify and take that file");
        return false;
    }
    bool has_version = read_version(r, tree);
    const struct value *app = get_of_type(tree, "app", VALUE_OBJECT);
    if (app == NULL) {
        bool is_pipeline = str_eq_c(value_get_text(tree, "kind", STR("")), "rag_pipeline");
        problem(r, "app", is_pipeline ? "knowledge pipelines are not served" : "the part `app` is missing",
                "export an app of mode workflow or advanced-chat");
        return false;
    }
    r->e->name = value_get_text(app, "name", STR(""));
    r->report->app_name = graph_report_copy(r->report, r->e->name);
    if (!read_mode(r, app) || !has_version)
        return false;
    const struct value *workflow = get_of_type(tree, "workflow", VALUE_OBJECT);
    if (workflow == NULL) {
        problem(r, "workflow", "the part `workflow` is missing", "export the app again");
        return false;
    }
    read_settings(r, workflow);
    return read_graph(r, workflow);
}

static bool read_mode(struct export_reader *r, const struct value *app)
{
    static const struct {
        const char *name, *what;
    } unserved[] = {
        {"chat", "basic chat apps"}, {"agent-chat", "agent apps"}, {"completion", "text generation apps"},
        {"agent", "agent apps"},     {"channel", "channel apps"},  {"rag-pipeline", "knowledge pipelines"},
    };
    struct str mode = value_get_text(app, "mode", STR(""));
    r->report->mode = graph_report_copy(r->report, mode);
    r->e->is_chatflow = str_eq_c(mode, "advanced-chat");
    if (r->e->is_chatflow || str_eq_c(mode, "workflow"))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(unserved); i++) {
        if (str_eq_c(mode, unserved[i].name)) {
            graph_report_add(
                r->report, false, "app.mode",
                "rebuild it as a workflow or chatflow; Dify converts basic apps by \"Convert to Workflow\"",
                "mode %s: %s have no graph and are not served", unserved[i].name, unserved[i].what);
            return false;
        }
    }
    graph_report_add(r->report, false, "app.mode", "workflow and advanced-chat are served",
                     mode.len > 0 ? "no known mode: \"%.*s\"" : "the mode is missing%.*s",
                     STR_ARG(str_sub(mode, 0, 80)));
    return false;
}

/* Is it newer than the newest whose rules we know, 0.7.0? */
static bool is_newer(struct str version, bool *is_number)
{
    static const uint64_t newest[] = {0, 7, 0};
    struct str part;
    int order = 0;
    *is_number = true;
    for (size_t i = 0; str_split(&version, '.', &part); i++) {
        uint64_t n, known = i < ARRAY_LEN(newest) ? newest[i] : 0;
        if (!str_to_u64(part, &n)) {
            *is_number = false;
            return false;
        }
        if (order == 0)
            order = n > known ? 1 : n < known ? -1 : 0;
    }
    return order > 0;
}

static bool read_version(struct export_reader *r, const struct value *tree)
{
    const struct value *v = value_get_c(tree, "version");
    r->e->version = STR("0.1.0");
    if (export_is_given(v) && value_type(v) != VALUE_STRING) {
        graph_report_add(r->report, false, "version", "write it in quotes, e.g. '0.3.0'",
                         "the version has to be a text, not of type %s", value_type_name(v));
        return false;
    }
    if (export_is_given(v) && value_text(v).len > 0)
        r->e->version = value_text(v);
    if (export_is_given(v))
        r->report->dsl_version = graph_report_copy(r->report, r->e->version);
    bool is_number;
    bool newer = is_newer(r->e->version, &is_number);
    if (newer || !is_number)
        graph_report_add(r->report, true, "version", "check that the app does here what it does in Dify",
                         newer ? "the export is of a newer version (%.*s) than 0.7.0"
                               : "\"%.*s\" is no version",
                         STR_ARG(str_sub(r->e->version, 0, 80)));
    return true;
}

static void read_settings(struct export_reader *r, const struct value *workflow)
{
    static const struct {
        const char *key;
        enum value_type type;
        const char *what;
    } parts[] = {{"environment_variables", VALUE_ARRAY, "a list"},
                 {"conversation_variables", VALUE_ARRAY, "a list"},
                 {"features", VALUE_OBJECT, "a map"}};
    const struct value **targets[] = {&r->e->environment, &r->e->conversation, &r->e->features};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        *targets[i] = get_of_type(workflow, parts[i].key, parts[i].type);
        if (*targets[i] != NULL || !export_is_given(value_get_c(workflow, parts[i].key)))
            continue;
        const char *path = arena_printf(r->arena, "workflow.%s", parts[i].key);
        if (path != NULL)
            graph_report_add(r->report, false, path, "export the app again", "has to be %s", parts[i].what);
    }
    if (value_get_bool(value_get_c(r->e->features, "sensitive_word_avoidance"), "enabled", false))
        graph_report_add(r->report, true, "workflow.features.sensitive_word_avoidance",
                         "moderate before calling, or in the graph",
                         "moderation is not served: runs go on without it");
}

/* --- nodes and edges --- */

static bool read_graph(struct export_reader *r, const struct value *workflow)
{
    const struct value *graph = get_of_type(workflow, "graph", VALUE_OBJECT);
    if (graph == NULL) {
        problem(r, "workflow.graph", "the graph is missing", "export the app again");
        return false;
    }
    const struct value *nodes = get_of_type(graph, "nodes", VALUE_ARRAY);
    const struct value *edges = value_get_c(graph, "edges");
    if (nodes == NULL) {
        problem(r, NODES_PATH, "the list of nodes is missing", "export the app again");
        return false;
    }
    if (export_is_given(edges) && value_type(edges) != VALUE_ARRAY) {
        problem(r, "workflow.graph.edges", "has to be a list", "export the app again");
        edges = NULL;
    }
    size_t edge_count = export_is_given(edges) ? value_count(edges) : 0;
    if (value_count(nodes) > LIMIT_GRAPH_NODES || edge_count > DSL_EDGES_MAX) {
        graph_report_add(r->report, false, "workflow.graph", "split the app",
                         "too large: %zu nodes and %zu edges, at most %d and %d", value_count(nodes),
                         edge_count, LIMIT_GRAPH_NODES, DSL_EDGES_MAX);
        return false;
    }
    /* A container may need a start node and an edge to be added. */
    r->e->nodes = arena_array(r->arena, value_count(nodes) * 2 + 1, sizeof *r->e->nodes);
    r->e->edges = arena_array(r->arena, edge_count + value_count(nodes) + 1, sizeof *r->e->edges);
    if (r->e->nodes == NULL || r->e->edges == NULL)
        return false;
    for (size_t i = 0; i < value_count(nodes); i++)
        read_node(r, value_item(nodes, i), i);
    export_index_ids(r);
    report_duplicate_ids(r);
    if (edge_count > 0)
        read_edges(r, edges);
    return true;
}

static void read_node(struct export_reader *r, const struct value *v, size_t file_index)
{
    const char *path = arena_printf(r->arena, NODES_PATH "[%zu]", file_index);
    if (path == NULL)
        return;
    if (value_type(v) != VALUE_OBJECT) {
        problem(r, path, "a node has to be a map", "export the app again");
        return;
    }
    struct dsl_node node = {.path = path, .container = DSL_NONE, .start = DSL_NONE};
    node.flow_type = value_get_text(v, "type", STR("custom"));
    if (str_eq_c(node.flow_type, "custom-note"))
        return;
    node.id = read_node_id(r, v, path);
    if (node.id.ptr == NULL)
        return;
    node.data = get_of_type(v, "data", VALUE_OBJECT);
    node.is_broken = true;
    if (node.data == NULL) {
        problem(r, path, "the node has no data", "export the app again");
    } else {
        node.type = value_get_text(node.data, "type", STR(""));
        node.is_broken = node.type.len == 0;
        if (node.is_broken)
            problem(r, path, "the node has no data.type", "export the app again");
    }
    struct str title = export_id_text(r, value_get_c(node.data, "title"));
    node.title = title.ptr != NULL ? title : STR("");
    node.parent_id = export_id_text(r, value_get_c(v, "parentId"));
    r->e->nodes[r->e->node_count++] = node;
}

static struct str read_node_id(struct export_reader *r, const struct value *v, const char *path)
{
    const struct value *id = value_get_c(v, "id");
    struct str text = export_id_text(r, id);
    if (text.ptr == NULL)
        problem(r, path, "the node has no id", "give it one, a text that no other node has");
    else if (value_type(id) == VALUE_INT)
        graph_report_add(r->report, true, path, "write it in quotes",
                         "the id %.*s is a number; taken as text", STR_ARG(text));
    return text;
}

static int compare_ids(const void *a, const void *b)
{
    const struct dsl_id *x = a, *y = b;
    int order = str_cmp(x->id, y->id);
    return order != 0 ? order : (x->node > y->node) - (x->node < y->node);
}

void export_index_ids(struct export_reader *r)
{
    struct dsl_export *e = r->e;
    e->id_count = 0;
    e->ids = arena_array(r->arena, e->node_count, sizeof *e->ids);
    if (e->ids == NULL)
        return;
    for (uint32_t i = 0; i < e->node_count; i++)
        e->ids[i] = (struct dsl_id){e->nodes[i].id, i};
    e->id_count = e->node_count;
    qsort(e->ids, e->id_count, sizeof *e->ids, compare_ids);
}

uint32_t dsl_export_find(const struct dsl_export *e, struct str id)
{
    uint32_t low = 0, high = e->id_count;
    while (low < high) { /* the first that is not smaller */
        uint32_t middle = low + (high - low) / 2;
        if (str_cmp(e->ids[middle].id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < e->id_count && str_eq(e->ids[low].id, id) ? e->ids[low].node : DSL_NONE;
}

static void report_duplicate_ids(struct export_reader *r)
{
    const struct dsl_export *e = r->e;
    for (uint32_t i = 1; i < e->id_count; i++) {
        if (str_eq(e->ids[i].id, e->ids[i - 1].id))
            graph_report_add(r->report, false, e->nodes[e->ids[i].node].path,
                             "give every node an id of its own", "the id \"%.*s\" is taken by another node",
                             STR_ARG(str_sub(e->ids[i].id, 0, 100)));
    }
}

static void read_edges(struct export_reader *r, const struct value *list)
{
    for (size_t i = 0; i < value_count(list); i++)
        read_edge(r, value_item(list, i), i);
}

static void read_edge(struct export_reader *r, const struct value *v, size_t file_index)
{
    static const char *const ends[] = {"source", "target"};
    struct dsl_edge edge = {.handle = STR("source"), .file_index = (uint32_t)file_index};
    if (value_type(v) != VALUE_OBJECT) {
        problem(r, export_edge_path(r, &edge, ""), "an edge has to be a map", "export the app again");
        return;
    }
    uint32_t *targets[] = {&edge.source, &edge.target};
    bool is_good = true;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct str id = export_id_text(r, value_get_c(v, ends[i]));
        if (id.ptr == NULL) {
            graph_report_add(r->report, true, export_edge_path(r, &edge, ""),
                             "connect it again in the editor", "the edge has no %s and is left out", ends[i]);
            return;
        }
        *targets[i] = dsl_export_find(r->e, id);
        if (*targets[i] != DSL_NONE)
            continue;
        is_good = false;
        graph_report_add(r->report, false, export_edge_path(r, &edge, i == 0 ? ".source" : ".target"),
                         "remove the edge, or add the node", "MISSING_NODE: there is no node \"%.*s\"",
                         STR_ARG(str_sub(id, 0, 100)));
    }
    const struct value *handle = value_get_c(v, "sourceHandle");
    if (handle != NULL && value_type(handle) == VALUE_STRING && value_text(handle).len > 0)
        edge.handle = value_text(handle);
    else if (handle != NULL)
        graph_report_add(r->report, true, export_edge_path(r, &edge, ".sourceHandle"),
                         "write the handle as a text, in quotes", "no handle; taken as \"source\"");
    if (is_good)
        r->e->edges[r->e->edge_count++] = edge;
}

/* --- shared with repairs --- */

bool export_keep(struct export_reader *r, struct value *take_v)
{
    value_array_put(&r->tree, take_v);
    return !r->tree.failed;
}

const char *export_edge_path(struct export_reader *r, const struct dsl_edge *edge, const char *suffix)
{
    const char *path;
    if (edge->file_index != DSL_NONE) {
        path = arena_printf(r->arena, "workflow.graph.edges[%u]%s", edge->file_index, suffix);
    } else {
        path = arena_printf(r->arena, "%s.data.start_node_id", r->e->nodes[edge->source].path);
    }
    return path != NULL ? path : "workflow.graph.edges";
}

struct str export_id_text(struct export_reader *r, const struct value *v)
{
    const struct str none = {NULL, 0};
    if (v == NULL)
        return none;
    if (value_type(v) == VALUE_STRING)
        return value_text(v).len > 0 ? value_text(v) : none;
    if (value_type(v) != VALUE_INT)
        return none;
    const char *digits = arena_printf(r->arena, "%lld", (long long)value_as_int(v));
    return digits != NULL ? str_c(digits) : none;
}

bool export_list_outgoing(struct export_reader *r, struct dsl_outgoing *ret)
{
    const struct dsl_export *e = r->e;
    ret->first = arena_array(r->arena, e->node_count, sizeof *ret->first);
    ret->next = arena_array(r->arena, e->edge_count, sizeof *ret->next);
    if (r->arena->failed)
        return false;
    for (uint32_t i = 0; i < e->node_count; i++)
        ret->first[i] = DSL_NONE;
    for (uint32_t i = e->edge_count; i-- > 0;) {
        ret->next[i] = ret->first[e->edges[i].source];
        ret->first[e->edges[i].source] = i;
    }
    return true;
}

bool dsl_is_container(struct str type)
{
    return str_eq_c(type, "iteration") || str_eq_c(type, "loop");
}

bool dsl_is_entry(struct str type)
{
    static const char *const types[] = {"start", "datasource", "trigger-webhook", "trigger-schedule",
                                        "trigger-plugin"};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (str_eq_c(type, types[i]))
            return true;
    }
    return false;
}

bool dsl_is_child_root(struct str type)
{
    return str_eq_c(type, "iteration-start") || str_eq_c(type, "loop-start");
}
