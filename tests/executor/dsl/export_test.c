/*
 * Exports are read with everything that is wrong named at once, and repaired where Dify's editor repairs them.
 */
#include "executor/dsl/yaml.h"
#include "executor/value/form.h"
#include "tests/executor/dsl/reading.h"
#include "tests/support/alloc_fail.h"
#include <stdio.h>

#define GRAPH "\nworkflow: {graph: {nodes: [{id: s, data: {type: start}}], edges: []}}\n"

static void a_minimal_export(void **state)
{
    (void)state;
    struct reading r;
    reading_init(&r, "app: {mode: advanced-chat, name: Talk}\nkind: app\nversion: 0.6.0" GRAPH);
    assert_ok(r.rc);
    assert_entries(&r.report, 0);
    assert_true(r.e.is_chatflow);
    assert_str("Talk", r.e.name);
    assert_str("0.6.0", r.e.version);
    assert_int_equal(1, r.e.node_count);
    assert_string_equal("advanced-chat", r.report.mode);
    assert_string_equal("Talk", r.report.app_name);
    assert_string_equal("0.6.0", r.report.dsl_version);
    assert_null(r.e.environment);
    assert_null(r.e.features);
    reading_fini(&r);
}

static void what_cannot_be_read_on_has_one_problem(void **state)
{
    (void)state;
    static const struct {
        const char *name, *yaml, *path, *text;
    } rows[] = {
        {"no YAML", "a: b: c", "", "line 1, column 5: mapping values"},
        {"empty", "", "", "this is no export"},
        {"a list", "[1]", "", "this is no export"},
        {"no app", "kind: app", "app", "the part `app` is missing"},
        {"app is no map", "app: x", "app", "the part `app` is missing"},
        {"pipeline", "kind: rag_pipeline\nrag_pipeline: {}", "app", "knowledge pipelines are not served"},
        {"no mode", "app: {name: x}" GRAPH, "app.mode", "the mode is missing"},
        {"unknown mode", "app: {mode: fancy}" GRAPH, "app.mode", "no known mode: \"fancy\""},
        {"chat", "app: {mode: chat}\nmodel_config: {}", "app.mode", "mode chat: basic chat apps"},
        {"agent-chat", "app: {mode: agent-chat}", "app.mode", "mode agent-chat: agent apps"},
        {"completion", "app: {mode: completion}", "app.mode", "mode completion: text generation apps"},
        {"agent", "app: {mode: agent}", "app.mode", "mode agent: agent apps"},
        {"channel", "app: {mode: channel}", "app.mode", "mode channel: channel apps"},
        {"rag-pipeline", "app: {mode: rag-pipeline}", "app.mode", "mode rag-pipeline: knowledge pipelines"},
        {"version is a number", "app: {mode: workflow}\nversion: 0.1" GRAPH, "version", "not of type float"},
        {"no workflow", "app: {mode: workflow}", "workflow", "`workflow` is missing"},
        {"no graph", "app: {mode: workflow}\nworkflow: {}", "workflow.graph", "the graph is missing"},
        {"no nodes", "app: {mode: workflow}\nworkflow: {graph: {edges: []}}", "workflow.graph.nodes",
         "the list of nodes is missing"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct reading r;
        reading_init(&r, rows[i].yaml);
        if (r.rc != STATUS_INVALID_ARGUMENT)
            print_error("%s\n", rows[i].name);
        assert_code(STATUS_INVALID_ARGUMENT, r.rc);
        assert_entry(&r.report, false, rows[i].path, rows[i].text);
        assert_entries(&r.report, 1);
        assert_contains(rows[i].text, r.err.message);
        reading_fini(&r);
    }
}

static void what_is_known_of_a_refused_export_is_kept(void **state)
{
    (void)state;
    struct reading r;
    reading_init(&r, "version: 0.3.0\napp: {mode: chat, name: Old}");
    assert_string_equal("chat", r.report.mode);
    assert_string_equal("Old", r.report.app_name);
    assert_string_equal("0.3.0", r.report.dsl_version);
    reading_fini(&r);
}

static void every_broken_part_is_named(void **state)
{
    (void)state;
    struct reading r;
    reading_init(&r, "app: {mode: workflow}\n"
                     "workflow:\n"
                     "  environment_variables: {}\n"
                     "  conversation_variables: x\n"
                     "  features: []\n"
                     "  graph:\n"
                     "    nodes:\n"
                     "    - x\n"
                     "    - {data: {type: start}}\n"
                     "    - {id: '', data: {type: start}}\n"
                     "    - {id: a}\n"
                     "    - {id: b, data: {}}\n"
                     "    - {id: c, data: {type: ''}}\n"
                     "    - {id: d, data: {type: start}}\n"
                     "    - {id: d, data: {type: end}}\n"
                     "    edges:\n"
                     "    - x\n"
                     "    - {source: a, target: nowhere}\n"
                     "    - {source: no one, target: d}\n");
    assert_ok(r.rc);
    assert_entry(&r.report, false, "workflow.environment_variables", "has to be a list");
    assert_entry(&r.report, false, "workflow.conversation_variables", "has to be a list");
    assert_entry(&r.report, false, "workflow.features", "has to be a map");
    assert_entry(&r.report, false, "workflow.graph.nodes[0]", "has to be a map");
    assert_entry(&r.report, false, "workflow.graph.nodes[1]", "no id");
    assert_entry(&r.report, false, "workflow.graph.nodes[2]", "no id");
    assert_entry(&r.report, false, "workflow.graph.nodes[3]", "no data");
    assert_entry(&r.report, false, "workflow.graph.nodes[4]", "no data.type");
    assert_entry(&r.report, false, "workflow.graph.nodes[5]", "no data.type");
    assert_entry(&r.report, false, "workflow.graph.nodes[7]", "\"d\" is taken");
    assert_entry(&r.report, false, "workflow.graph.edges[0]", "has to be a map");
    assert_entry(&r.report, false, "workflow.graph.edges[1].target",
                 "MISSING_NODE: there is no node \"nowhere\"");
    assert_entry(&r.report, false, "workflow.graph.edges[2].source",
                 "MISSING_NODE: there is no node \"no one\"");
    assert_entries(&r.report, 13);
    reading_fini(&r);
}

static void edges_have_to_be_a_list(void **state)
{
    (void)state;
    struct reading r;
    reading_init(&r, "app: {mode: workflow}\nworkflow: {graph: {nodes: [], edges: {}}}");
    assert_ok(r.rc);
    assert_entry(&r.report, false, "workflow.graph.edges", "has to be a list");
    assert_entries(&r.report, 1);
    reading_fini(&r);
    reading_init(&r, "app: {mode: workflow}\nworkflow: {graph: {nodes: [], edges: null}}");
    assert_ok(r.rc);
    assert_entries(&r.report, 0);
    reading_fini(&r);
}

static void too_many_nodes_or_edges_are_refused(void **state)
{
    (void)state;
    static const size_t nodes[] = {LIMIT_GRAPH_NODES + 1, 1}, edges[] = {0, DSL_EDGES_MAX + 1};
    for (size_t i = 0; i < 2; i++) {
        struct buf n, e;
        struct reading r;
        buf_init(&n, 1 << 20);
        buf_init(&e, 1 << 20);
        for (size_t k = 0; k < nodes[i]; k++)
            buf_put_c(&n, "{},");
        for (size_t k = 0; k < edges[i]; k++)
            buf_put_c(&e, "{},");
        buf_put_char(&n, '\0');
        buf_put_char(&e, '\0');
        reading_graph(&r, n.ptr, e.len > 1 ? e.ptr : "");
        assert_code(STATUS_INVALID_ARGUMENT, r.rc);
        assert_entry(&r.report, false, "workflow.graph", "too large");
        reading_fini(&r);
        buf_fini(&n);
        buf_fini(&e);
    }
}

static void versions_newer_than_known_are_a_warning(void **state)
{
    (void)state;
    static const struct {
        const char *version, *shown, *warning;
    } rows[] = {
        {"", "0.1.0", NULL},
        {"version: null\n", "0.1.0", NULL},
        {"version: ''\n", "0.1.0", NULL},
        {"version: 0.1.5\n", "0.1.5", NULL},
        {"version: 0.7.0\n", "0.7.0", NULL},
        {"version: '0.7'\n", "0.7", NULL},
        {"version: 0.7.1\n", "0.7.1", "newer version (0.7.1)"},
        {"version: 0.10.0\n", "0.10.0", "newer"},
        {"version: '1'\n", "1", "newer"},
        {"version: 0.6.9.9\n", "0.6.9.9", NULL},
        {"version: new\n", "new", "\"new\" is no version"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct reading r;
        char yaml[512];
        (void)snprintf(yaml, sizeof yaml, "%sapp: {mode: workflow}%s", rows[i].version, GRAPH);
        reading_init(&r, yaml);
        assert_ok(r.rc);
        assert_str(rows[i].shown, r.e.version);
        if (rows[i].warning != NULL)
            assert_entry(&r.report, true, "version", rows[i].warning);
        assert_entries(&r.report, rows[i].warning != NULL);
        reading_fini(&r);
    }
}

static void moderation_that_is_on_is_a_warning(void **state)
{
    (void)state;
    struct reading r;
    reading_init(&r,
                 "app: {mode: workflow}\nworkflow: {features: {sensitive_word_avoidance: {enabled: true}}, "
                 "graph: {nodes: []}}");
    assert_ok(r.rc);
    assert_entry(&r.report, true, "workflow.features.sensitive_word_avoidance", "moderation");
    assert_entries(&r.report, 1);
    assert_non_null(r.e.features);
    reading_fini(&r);
}

static void sticky_notes_are_dropped(void **state)
{
    (void)state;
    struct reading r;
    reading_graph(
        &r, "{type: custom-note, id: n, data: {type: ''}}, {type: custom-note}, {id: s, data: {type: start}}",
        "");
    assert_ok(r.rc);
    assert_entries(&r.report, 0);
    assert_int_equal(1, r.e.node_count);
    assert_string_equal("workflow.graph.nodes[2]", node_of(&r, "s")->path);
    reading_fini(&r);
}

static void integer_ids_become_text_wherever_they_stand(void **state)
{
    (void)state;
    struct reading r;
    reading_graph(&r,
                  "{id: 17, data: {type: start}}, {id: '18', data: {type: iteration, start_node_id: 19}}, "
                  "{id: 19, type: custom-iteration-start, parentId: 18, data: {type: iteration-start}}, "
                  "{id: 20, data: {type: code, iteration_id: 18, title: 5}}",
                  "{source: 17, target: '18'}, {source: '19', target: 20}");
    assert_ok(r.rc);
    assert_entry(&r.report, true, "workflow.graph.nodes[0]", "the id 17 is a number");
    assert_entry(&r.report, true, "workflow.graph.nodes[2]", "the id 19 is a number");
    assert_entry(&r.report, true, "workflow.graph.nodes[3]", "the id 20 is a number");
    assert_entries(&r.report, 3);
    assert_edges(&r, "17>18 19>20");
    assert_int_equal(1, node_of(&r, "20")->container);
    assert_str("5", node_of(&r, "20")->title);
    reading_fini(&r);
}

static void edges_without_an_end_are_left_out(void **state)
{
    (void)state;
    struct reading r;
    reading_graph(&r, "{id: s, data: {type: start}}, {id: e, data: {type: end}}",
                  "{source: s}, {target: e}, {source: null, target: e}, {source: [s], target: e}, {source: "
                  "s, target: e}");
    assert_ok(r.rc);
    assert_entry(&r.report, true, "workflow.graph.edges[0]", "has no target and is left out");
    assert_entry(&r.report, true, "workflow.graph.edges[1]", "has no source");
    assert_entry(&r.report, true, "workflow.graph.edges[2]", "has no source");
    assert_entry(&r.report, true, "workflow.graph.edges[3]", "has no source");
    assert_entries(&r.report, 4);
    assert_edges(&r, "s>e");
    assert_int_equal(4, r.e.edges[0].file_index);
    reading_fini(&r);
}

static void a_handle_that_is_none_becomes_source(void **state)
{
    (void)state;
    struct reading r;
    reading_graph(&r, "{id: s, data: {type: start}}, {id: e, data: {type: end}}",
                  "{source: s, target: e}, {source: s, target: e, sourceHandle: null}, "
                  "{source: s, target: e, sourceHandle: 7}, {source: s, target: e, sourceHandle: ''}, "
                  "{source: s, target: e, sourceHandle: 'true'}");
    assert_ok(r.rc);
    assert_edges(&r, "s>e s>e s>e s>e s>e:true");
    for (int i = 1; i <= 3; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "workflow.graph.edges[%d].sourceHandle", i);
        assert_entry(&r.report, true, path, "taken as \"source\"");
    }
    assert_entries(&r.report, 3);
    reading_fini(&r);
}

static void data_of_old_editors_is_repaired(void **state)
{
    (void)state;
    static const struct {
        const char *name, *data, *repaired;
    } rows[] = {
        {"if-else without cases", "{type: if-else, logical_operator: or, conditions: [{value: x}]}",
         "{\"type\":\"if-else\",\"logical_operator\":\"or\",\"conditions\":[{\"value\":\"x\"}],"
         "\"cases\":[{\"case_id\":\"true\",\"logical_operator\":\"or\",\"conditions\":[{\"value\":\"x\"}]}]"
         "}"},
        {"if-else without operator", "{type: if-else, cases: [], conditions: []}",
         "{\"type\":\"if-else\",\"cases\":[{\"case_id\":\"true\",\"logical_operator\":\"and\",\"conditions\":"
         "[]}],"
         "\"conditions\":[]}"},
        {"if-else with cases", "{type: if-else, cases: [{case_id: 'true'}], conditions: [1]}", NULL},
        {"if-else with nothing", "{type: if-else}", NULL},
        {"llm, old name", "{type: llm, structured_output_enabled: true}",
         "{\"type\":\"llm\",\"structured_output_enabled\":true,\"structured_output_switch_on\":true}"},
        {"llm, both names",
         "{type: llm, structured_output_enabled: true, structured_output_switch_on: false}", NULL},
        {"tool without version",
         "{type: tool, tool_configurations: {a: 1, b: {type: mixed, value: x}, c: null}}",
         "{\"type\":\"tool\",\"tool_configurations\":{\"a\":{\"type\":\"constant\",\"value\":1},"
         "\"b\":{\"type\":\"mixed\",\"value\":\"x\"},\"c\":{\"type\":\"constant\",\"value\":null}},"
         "\"tool_node_version\":\"2\"}"},
        {"tool without settings", "{type: tool}", "{\"type\":\"tool\",\"tool_node_version\":\"2\"}"},
        {"tool with version", "{type: tool, version: '2', tool_configurations: {a: 1}}", NULL},
        {"tool with node version", "{type: tool, tool_node_version: '2', tool_configurations: {a: 1}}", NULL},
        {"end with types as of old",
         "{type: end, outputs: [{variable: a}, {variable: b, value_type: 'Array[String]'}, "
         "{variable: c, value_type: number}, x]}",
         "{\"type\":\"end\",\"outputs\":[{\"variable\":\"a\",\"value_type\":\"any\"},"
         "{\"variable\":\"b\",\"value_type\":\"array[string]\"},{\"variable\":\"c\",\"value_type\":"
         "\"number\"},\"x\"]}"},
        {"end with types", "{type: end, outputs: [{variable: a, value_type: any}]}", NULL},
        {"end without outputs", "{type: end, outputs: null}", NULL},
        {"another type", "{type: code, conditions: [1], structured_output_enabled: true}", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct reading r;
        char nodes[512];
        (void)snprintf(nodes, sizeof nodes, "{id: n, data: %s}", rows[i].data);
        reading_graph(&r, nodes, "");
        assert_ok(r.rc);
        assert_entries(&r.report, 0);
        struct value *given;
        struct buf same;
        buf_init(&same, 1024);
        assert_ok(yaml_read(str_c(rows[i].data), &given, NULL));
        value_put_json(&same, given, JSON_COMPACT, false);
        buf_put_char(&same, '\0');
        assert_data(&r, "n", rows[i].repaired != NULL ? rows[i].repaired : same.ptr);
        value_unref(given);
        buf_fini(&same);
        reading_fini(&r);
    }
}

static void no_failed_allocation_leaves_anything_behind(void **state)
{
    (void)state;
    for (size_t n = 0;; n++) {
        struct reading r;
        alloc_fail_after(n);
        reading_init(
            &r, "app: {mode: workflow, name: test}\nversion: 9\nworkflow:\n  graph:\n    nodes:\n"
                "    - {id: s, data: {type: start}}\n"
                "    - {id: i, data: {type: iteration, start_node_id: t}}\n"
                "    - {id: t, data: {type: if-else, conditions: [a, b]}}\n"
                "    - {id: x, data: {type: tool, tool_configurations: {a: 1}}}\n"
                "    - {id: y, data: {type: end, outputs: [{a: b}]}}\n"
                "    edges: [{source: s, target: i}, {source: x, target: x}, {source: t, target: no}]\n");
        alloc_fail_reset();
        bool is_hit = alloc_fail_hit();
        /* What only the report lost is not worth failing for; it says itself that it is cut. */
        assert_true(is_hit == (r.rc == STATUS_RESOURCE_EXHAUSTED || r.report.is_truncated));
        reading_fini(&r);
        if (!is_hit) {
            assert_true(n > 60);
            return;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minimal_export),
        cmocka_unit_test(what_cannot_be_read_on_has_one_problem),
        cmocka_unit_test(what_is_known_of_a_refused_export_is_kept),
        cmocka_unit_test(every_broken_part_is_named),
        cmocka_unit_test(edges_have_to_be_a_list),
        cmocka_unit_test(too_many_nodes_or_edges_are_refused),
        cmocka_unit_test(versions_newer_than_known_are_a_warning),
        cmocka_unit_test(moderation_that_is_on_is_a_warning),
        cmocka_unit_test(sticky_notes_are_dropped),
        cmocka_unit_test(integer_ids_become_text_wherever_they_stand),
        cmocka_unit_test(edges_without_an_end_are_left_out),
        cmocka_unit_test(a_handle_that_is_none_becomes_source),
        cmocka_unit_test(data_of_old_editors_is_repaired),
        cmocka_unit_test(no_failed_allocation_leaves_anything_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
