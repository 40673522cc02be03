/*
 * Exports become graphs: nodes with types and edges, the root, what is inactive, slots of what is read; and everything that
 * is wrong is named at once.
 */
#include "executor/value/form.h"
#include "tests/executor/graph/compiling.h"
#include "tests/executor/graph/node_types.h"
#include "tests/support/alloc_fail.h"
#include <stdio.h>

#define START "{id: s, data: {type: start, title: Start}}, "

static void nodes_have_their_type_and_edges_in_file_order(void **state)
{
    (void)state;
    struct compiling c;
    compiling_graph(&c, START "{id: b, data: {type: if-else}}, {id: e, data: {type: end, title: null}}",
                    "s>b b>e:true b>e:false s>e", "");
    assert_clean(&c);
    const struct graph *g = c.graph;
    assert_int_equal(APP_MODE_CHATFLOW, g->mode);
    assert_str("test", g->name);
    assert_str("0.3.0", g->dsl_version);
    assert_int_equal(3, g->node_count);
    assert_int_equal(4, g->edge_count);
    assert_int_equal(0, g->root);
    assert_str("Start", g->nodes[0].title);
    assert_str("", g->nodes[2].title);
    assert_str("if-else", g->nodes[1].type_name);
    assert_int_equal(NODE_ROOT, g->nodes[0].kind);
    assert_int_equal(NODE_BRANCH, g->nodes[1].kind);
    assert_int_equal(NODE_RESPONSE, g->nodes[2].kind);
    assert_int_equal(2, g->nodes[0].out_count);
    assert_int_equal(0, g->nodes[0].out[0]);
    assert_int_equal(3, g->nodes[0].out[1]);
    assert_int_equal(3, g->nodes[2].in_count);
    assert_int_equal(1, g->nodes[2].in[0]);
    assert_int_equal(3, g->nodes[2].in[2]);
    assert_str("source", g->edges[0].handle);
    assert_str("false", g->edges[2].handle);
    assert_int_equal(1, g->edges[2].source);
    assert_int_equal(2, g->edges[2].target);
    for (uint32_t i = 0; i < g->node_count; i++) {
        assert_int_equal(UINT32_MAX, g->nodes[i].container);
        assert_int_equal(UINT32_MAX, g->nodes[i].child_root);
        assert_false(g->nodes[i].is_inactive);
        assert_null(g->nodes[i].unsupported);
    }
    assert_true(g->bytes > sizeof *g);
    compiling_fini(&c);
}

static void containers_know_their_children(void **state)
{
    (void)state;
    struct compiling c;
    compiling_graph(
        &c,
        START "{id: i, data: {type: iteration, start_node_id: a}}, {id: a, parentId: i, data: {type: code}}",
        "s>i", "");
    assert_clean(&c);
    assert_int_equal(1, graph_node(&c, "a")->container);
    assert_int_equal(graph_node(&c, "istart")->index, graph_node(&c, "i")->child_root);
    assert_int_equal(NODE_CONTAINER, graph_node(&c, "i")->kind);
    assert_int_equal(1, graph_node(&c, "istart")->out_count);
    compiling_fini(&c);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *name, *nodes, *edges, *path, *text;
    } rows[] = {
        {"no node", "", "", "workflow.graph.nodes", "no node is one where a run can start"},
        {"no entry node", "{id: a, data: {type: code}}", "", "workflow.graph.nodes", "where a run can start"},
        {"entry node only within a container",
         "{id: l, data: {type: loop, start_node_id: ls}}, {id: ls, type: custom-loop-start, data: {type: "
         "loop-start}}, "
         "{id: s, parentId: l, data: {type: start}}",
         "", "workflow.graph.nodes", "where a run can start"},
        {"unknown type", START "{id: a, data: {type: teapot}}", "", "workflow.graph.nodes[1]",
         "\"teapot\" is no node type"},
        {"type that is not served", START "{id: a, data: {type: agent}}", "", "workflow.graph.nodes[1]",
         "nodes of type agent are not served"},
        {"edge to nowhere", START, "s>x", "workflow.graph.edges[0].target", "MISSING_NODE"},
        {"edge from nowhere", START, "x>s", "workflow.graph.edges[0].source", "MISSING_NODE"},
        {"selector with a name that is none", START "{id: a, data: {type: code, reads: [s, [x]]}}", "",
         "workflow.graph.nodes[1].data.reads", "name 2 of a selector"},
        {"selector that is a text", START "{id: a, data: {type: code, reads: s.x}}", "",
         "workflow.graph.nodes[1].data.reads", "a selector is a list of names"},
        {"configuration that is not served", START "{id: a, data: {type: code, is_strange: true}}", "",
         "workflow.graph.nodes[1].data.is_strange", "strange readers"},
        {"strategy", START "{id: a, data: {type: code, error_strategy: hope}}", "",
         "workflow.graph.nodes[1].data.error_strategy", "no known strategy: \"hope\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct compiling c;
        compiling_graph(&c, rows[i].nodes, rows[i].edges, "");
        if (c.report.count != 1)
            print_error("%s\n", rows[i].name);
        assert_code(STATUS_INVALID_ARGUMENT, c.rc);
        assert_entry(&c.report, false, rows[i].path, rows[i].text);
        assert_entries(&c.report, 1);
        assert_contains(rows[i].text, c.err.message);
        assert_contains(rows[i].path, c.err.message);
        compiling_fini(&c);
    }
}

static void all_problems_come_at_once(void **state)
{
    (void)state;
    struct compiling c;
    compiling_graph(&c,
                    START
                    "{id: a, data: {type: agent}}, {id: a, data: {type: teapot}}, {id: b, data: {type: code, "
                    "reads: x, is_odd: true}}, {id: c}",
                    "s>x", "  environment_variables: [{}]\n");
    assert_code(STATUS_INVALID_ARGUMENT, c.rc);
    assert_entry(&c.report, false, "workflow.graph.nodes[1]", "agent");
    assert_entry(&c.report, false, "workflow.graph.nodes[2]", "teapot");
    assert_entry(&c.report, false, "workflow.graph.nodes[2]", "\"a\" is taken");
    assert_entry(&c.report, false, "workflow.graph.nodes[3].data.reads", "selector");
    assert_entry(&c.report, true, "workflow.graph.nodes[3].data.is_odd", "odd");
    assert_entry(&c.report, false, "workflow.graph.nodes[4]", "no data");
    assert_entry(&c.report, false, "workflow.graph.edges[0].target", "MISSING_NODE");
    assert_entry(&c.report, false, "workflow.environment_variables[0]", "without name");
    assert_entries(&c.report, 8);
    compiling_fini(&c);
}

static void a_warning_refuses_nothing(void **state)
{
    (void)state;
    struct compiling c;
    compiling_graph(&c, START "{id: a, data: {type: code, is_odd: true}}", "", "");
    assert_ok(c.rc);
    assert_entry(&c.report, true, "workflow.graph.nodes[1].data.is_odd", "odd");
    assert_string_equal("make it even", c.report.problems[0].hint);
    compiling_fini(&c);
}

static void what_is_not_served_fails_when_reached_if_asked_so(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        enum node_kind kind;
    } rows[] = {
        {"agent", NODE_EXECUTABLE}, {"question-classifier", NODE_BRANCH}, {"human-input", NODE_BRANCH}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct compiling c;
        char nodes[256], text[128];
        (void)snprintf(nodes, sizeof nodes, START "{id: a, data: {type: %s}}", rows[i].type);
        (void)snprintf(text, sizeof text, "nodes of type %s are not served", rows[i].type);
        compiling_graph_unserved(&c, nodes, "s>a");
        assert_ok(c.rc);
        assert_entry(&c.report, true, "workflow.graph.nodes[1]", text);
        assert_entries(&c.report, 1);
        assert_string_equal(text, graph_node(&c, "a")->unsupported);
        assert_null(graph_node(&c, "a")->type);
        assert_int_equal(rows[i].kind, graph_node(&c, "a")->kind);
        compiling_fini(&c);
    }
    struct compiling c;
    compiling_graph_unserved(&c, START "{id: a, data: {type: code, is_strange: true}}", "s>a");
    assert_ok(c.rc);
    assert_entry(&c.report, true, "workflow.graph.nodes[1].data.is_strange", "strange readers");
    assert_string_equal("strange readers", graph_node(&c, "a")->unsupported);
    assert_non_null(graph_node(&c, "a")->type);
    compiling_fini(&c);

    compiling_graph_unserved(&c, START "{id: a, data: {type: teapot}}", "s>a");
    assert_code(STATUS_INVALID_ARGUMENT, c.rc); /* nobody knows what that is */
    compiling_fini(&c);
}

static void what_belongs_to_a_container_that_is_not_served_is_not_reported_apart(void **state)
{
    (void)state;
    struct compiling c;
    node_types_serve_loops = false;
    compiling_graph(&c,
                    START
                    "{id: l, data: {type: loop, start_node_id: ls}}, "
                    "{id: ls, type: custom-loop-start, data: {type: loop-start}}, "
                    "{id: le, parentId: l, data: {type: loop-end}}, {id: a, parentId: l, data: {type: code}}",
                    "s>l ls>a a>le", "");
    assert_code(STATUS_INVALID_ARGUMENT, c.rc);
    assert_entry(&c.report, false, "workflow.graph.nodes[1]", "nodes of type loop are not served");
    assert_entries(&c.report, 1);
    compiling_fini(&c);

    compiling_graph_unserved(
        &c,
        START "{id: l, data: {type: loop, start_node_id: a}}, {id: le, data: {type: loop-end}}, "
              "{id: a, parentId: l, data: {type: code}}, {id: r, data: {type: answer, answer: x}}",
        "s>l l>r");
    assert_ok(c.rc);
    assert_entry(&c.report, true, "workflow.graph.nodes[1]", "nodes of type loop are not served");
    assert_entry(&c.report, true, "workflow.graph.nodes[2]",
                 "nodes of type loop-end are not served"); /* lies nowhere */
    assert_entries(&c.report, 2);
    assert_int_equal(NODE_CONTAINER, graph_node(&c, "l")->kind);
    assert_non_null(graph_node(&c, "lstart")->unsupported);
    assert_int_equal(1, c.graph->responses[0].blocking_count); /* a container blocks, served or not */
    compiling_fini(&c);
    node_types_serve_loops = true;
}

static void a_constant_of_a_node_lives_with_the_graph(void **state)
{
    (void)state;
    struct compiling c;
    struct buf b;
    buf_init(&b, 1024);
    compiling_graph(&c, START "{id: a, data: {type: code, constant: [1, 2.5, x, null, true, {k: [v]}]}}",
                    "s>a", "");
    assert_clean(&c);
    const struct reader_config *config = graph_node(&c, "a")->config;
    value_put_json(&b, config->constant, JSON_COMPACT, false);
    assert_str("[1,2.5,\"x\",null,true,{\"k\":[\"v\"]}]", buf_str(&b));
    buf_fini(&b);
    compiling_fini(&c);
}

static void an_answer_has_as_many_segments_as_it_needs(void **state)
{
    (void)state;
    struct compiling c;
    struct buf nodes;
    buf_init(&nodes, 1 << 16);
    buf_put_c(&nodes, START "{id: r, data: {type: answer, answer: '");
    for (int i = 0; i < 50; i++)
        buf_printf(&nodes, "%d{{#s.x%d#}}", i, i);
    buf_put_c(&nodes, "'}}");
    buf_put_char(&nodes, '\0');
    compiling_graph(&c, nodes.ptr, "s>r", "");
    assert_clean(&c);
    const struct response *r = &c.graph->responses[0];
    assert_int_equal(100, r->segment_count);
    assert_str("49", r->segments[98].literal);
    assert_str("x49", r->segments[99].selector.parts[1]);
    compiling_fini(&c);
    buf_fini(&nodes);
}

static void the_first_entry_node_is_the_root_and_others_are_inactive(void **state)
{
    (void)state;
    struct compiling c;
    compiling_graph_unserved(
        &c,
        "{id: a, data: {type: code}}, {id: t1, data: {type: trigger-webhook}}, "
        "{id: t2, data: {type: trigger-webhook}}, {id: x, data: {type: code}}, "
        "{id: y, data: {type: code}}, {id: z, data: {type: code}}, {id: e, data: {type: end}}",
        "t2>x x>y y>e t1>z z>e t2>z");
    assert_ok(c.rc);
    assert_str("t1", c.graph->nodes[c.graph->root].id);
    static const struct {
        const char *id;
        bool is_inactive;
    } rows[] = {{"t1", false}, {"t2", true}, {"x", true}, {"y", true},
                {"z", false},  {"e", false}, {"a", false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(rows[i].is_inactive, graph_node(&c, rows[i].id)->is_inactive);
    compiling_fini(&c);
}

static void a_start_and_a_trigger_do_not_go_together(void **state)
{
    (void)state;
    struct compiling c;
    compiling_graph_unserved(&c, "{id: t, data: {type: trigger-webhook}}, " START, "");
    assert_code(STATUS_INVALID_ARGUMENT, c.rc);
    assert_entry(&c.report, false, "workflow.graph.nodes[1]", "cannot be in one app");
    compiling_fini(&c);
}

static void what_is_read_has_a_slot(void **state)
{
    (void)state;
    struct compiling c;
    compiling_graph(
        &c,
        START
        "{id: a, data: {type: code, reads: [s, x], text: '{{#b.text#}} and {{#a.b.c#}} {{#sys.query#}}'}}, "
        "{id: b, data: {type: llm, reads: [env, KEY], text: 'sys.query'}}, "
        "{id: e, data: {type: answer, answer: 'see {{#conversation.name#}}, {{#b.text#}}'}}",
        "s>a",
        "  environment_variables: [{name: KEY, value_type: string, value: v}, "
        "{name: OTHER, value_type: string, value: v}]\n"
        "  conversation_variables: [{name: name, value_type: string, value: v}]\n");
    assert_clean(&c);
    const struct graph *g = c.graph;
    static const char *const read[][2] = {{"s", "x"},       {"b", "text"},  {"a", "b"},
                                          {"sys", "query"}, {"env", "KEY"}, {"conversation", "name"}};
    for (size_t i = 0; i < ARRAY_LEN(read); i++)
        assert_true(graph_slot(g, str_c(read[i][0]), str_c(read[i][1])) < g->slot_count);
    assert_int_equal(ARRAY_LEN(read), g->slot_count);
    assert_int_equal(SLOT_NONE, graph_slot(g, STR("b"), STR("usage")));
    assert_int_equal(SLOT_NONE, graph_slot(g, STR("btext"), STR("")));
    assert_int_equal(1, graph_node(&c, "b")->slot_count);
    assert_str("text", graph_node(&c, "b")->slots[0].name);
    assert_int_equal(graph_slot(g, STR("b"), STR("text")), graph_node(&c, "b")->slots[0].slot);
    assert_int_equal(0, graph_node(&c, "e")->slot_count);
    assert_int_equal(graph_slot(g, STR("env"), STR("KEY")), g->environment[0].slot);
    assert_int_equal(SLOT_NONE, g->environment[1].slot);
    assert_int_equal(graph_slot(g, STR("conversation"), STR("name")), g->conversation[0].slot);
    compiling_fini(&c);
}

static void text_with_dots_is_no_variable(void **state)
{
    (void)state;
    struct compiling c;
    compiling_graph(&c,
                    START "{id: e, data: {type: answer, answer: 'www.example.com'}}, "
                          "{id: f, data: {type: answer, answer: 's.x'}}, "
                          "{id: g, data: {type: answer, answer: '{{#nobody.x#}}'}}",
                    "s>e", "");
    assert_clean(&c);
    const struct response *r = c.graph->responses;
    assert_false(r[0].segments[0].is_reference);
    assert_str("www.example.com", r[0].segments[0].literal);
    assert_true(r[1].segments[0].is_reference);
    assert_int_equal(0, r[1].segments[0].source_node);
    assert_true(r[2].segments[0].is_reference); /* never found, but written as one */
    assert_int_equal(UINT32_MAX, r[2].segments[0].source_node);
    compiling_fini(&c);
}

static void flat_copies_of_constants_are_the_variable_itself(void **state)
{
    (void)state;
    struct compiling c;
    compiling_graph(&c,
                    START "{id: a, data: {type: code, reads: [s, sys.query]}}, "
                          "{id: b, data: {type: code, reads: [s, env.KEY]}}, "
                          "{id: d, data: {type: code, reads: [s, conversation.x]}}, "
                          "{id: e, data: {type: code, reads: [a, sys.query]}}, {id: f, data: {type: code, "
                          "reads: [s, sysquery]}}",
                    "s>a", "");
    assert_clean(&c);
    const struct graph *g = c.graph;
    assert_true(graph_slot(g, STR("sys"), STR("query")) != SLOT_NONE);
    assert_true(graph_slot(g, STR("env"), STR("KEY")) != SLOT_NONE);
    assert_int_equal(SLOT_NONE, graph_slot(g, STR("s"), STR("sys.query")));
    assert_true(graph_slot(g, STR("s"), STR("conversation.x")) != SLOT_NONE); /* that one changes */
    assert_true(graph_slot(g, STR("a"), STR("sys.query")) != SLOT_NONE);
    assert_true(graph_slot(g, STR("s"), STR("sysquery")) != SLOT_NONE);
    compiling_fini(&c);
}

static void the_form_is_that_of_the_root(void **state)
{
    (void)state;
    struct compiling c;
    compiling_graph(&c,
                    "{id: s, data: {type: start, variables: [{variable: a}, {variable: b}]}}, "
                    "{id: t, data: {type: start, variables: [{variable: c}]}}",
                    "", "  features: {opening_statement: Hello}\n");
    assert_clean(&c);
    assert_int_equal(2, c.graph->field_count);
    assert_str("b", c.graph->fields[1].variable);
    assert_str("Hello", value_get_text(c.graph->features, "opening_statement", STR("")));
    compiling_fini(&c);
}

static void many_variables_each_have_their_own_slot(void **state)
{
    (void)state;
    struct compiling c;
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_put_c(&b, START);
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "{id: n%d, data: {type: code, reads: [s, x%d]}}, ", i, i % 700);
    buf_put_char(&b, '\0');
    compiling_graph(&c, b.ptr, "", "");
    assert_clean(&c);
    assert_int_equal(700, c.graph->slot_count);
    assert_int_equal(700, graph_node(&c, "s")->slot_count);
    for (uint32_t i = 0; i < 700; i++) {
        const struct output_slot *s = &graph_node(&c, "s")->slots[i];
        assert_int_equal(i, s->slot);
        assert_int_equal(i, graph_slot(c.graph, STR("s"), s->name));
    }
    compiling_fini(&c);
    buf_fini(&b);
}

static void a_graph_ends_with_its_last_reference(void **state)
{
    (void)state;
    struct compiling c;
    compiling_graph(&c, START, "", "");
    assert_clean(&c);
    struct graph *g = graph_ref(c.graph);
    compiling_fini(&c);
    assert_int_equal(1, g->node_count); /* a freed one would be reported */
    graph_unref(g);
    graph_unref(NULL);
}

static void no_failed_allocation_leaves_anything_behind(void **state)
{
    (void)state;
    struct str yaml = STR(
        "app: {mode: workflow, name: test}\nversion: 0.3.0\nworkflow:\n"
        "  environment_variables: [{name: K, value_type: secret, value: x}, {name: L, value_type: "
        "'array[string]', value: []}]\n"
        "  graph:\n    nodes:\n"
        "    - {id: s, data: {type: start, variables: [{variable: a}]}}\n"
        "    - {id: i, data: {type: iteration, start_node_id: t}}\n"
        "    - {id: t, parentId: i, data: {type: if-else, conditions: [a, b]}}\n"
        "    - {id: l, data: {type: llm, text: 'a {{#s.a#}} {{#env.K#}}', reads: [s, a], error_strategy: "
        "default-value,\n"
        "       default_value: [{key: text, type: string, value: x}, {key: n, type: number, value: '5'}]}}\n"
        "    - {id: y, data: {type: end, outputs: [{variable: b, value_selector: [l, text]}]}}\n"
        "    edges: [{source: s, target: i}, {source: i, target: l}, {source: l, target: y}]\n");
    for (size_t n = 0;; n++) {
        struct graph_report report;
        struct graph *g = NULL;
        graph_report_init(&report);
        alloc_fail_after(n);
        enum status_code rc = graph_compile(yaml, false, &report, &g, NULL);
        alloc_fail_reset();
        bool is_hit = alloc_fail_hit();
        assert_true(is_hit == (rc == STATUS_RESOURCE_EXHAUSTED || report.is_truncated));
        assert_true((g != NULL) == (rc == STATUS_OK));
        graph_unref(g);
        graph_report_fini(&report);
        if (!is_hit) {
            assert_ok(rc);
            assert_true(n > 100);
            return;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_have_their_type_and_edges_in_file_order),
        cmocka_unit_test(containers_know_their_children),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(all_problems_come_at_once),
        cmocka_unit_test(a_warning_refuses_nothing),
        cmocka_unit_test(what_is_not_served_fails_when_reached_if_asked_so),
        cmocka_unit_test(what_belongs_to_a_container_that_is_not_served_is_not_reported_apart),
        cmocka_unit_test(a_constant_of_a_node_lives_with_the_graph),
        cmocka_unit_test(an_answer_has_as_many_segments_as_it_needs),
        cmocka_unit_test(the_first_entry_node_is_the_root_and_others_are_inactive),
        cmocka_unit_test(a_start_and_a_trigger_do_not_go_together),
        cmocka_unit_test(what_is_read_has_a_slot),
        cmocka_unit_test(text_with_dots_is_no_variable),
        cmocka_unit_test(flat_copies_of_constants_are_the_variable_itself),
        cmocka_unit_test(the_form_is_that_of_the_root),
        cmocka_unit_test(many_variables_each_have_their_own_slot),
        cmocka_unit_test(a_graph_ends_with_its_last_reference),
        cmocka_unit_test(no_failed_allocation_leaves_anything_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
