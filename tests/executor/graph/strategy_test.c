/*
 * error_strategy, default_value and retry_config of a node.
 */
#include "executor/value/form.h"
#include "tests/executor/graph/compiling.h"
#include <stdio.h>

/* A graph of start and one node of `type` whose data has these members too. */
static void compile_node(struct compiling *c, const char *type, const char *members)
{
    char nodes[1024];
    (void)snprintf(nodes, sizeof nodes, "{id: s, data: {type: start}}, {id: n, data: {type: %s, %s}}", type,
                   members);
    compiling_graph(c, nodes, "s>n", "");
}

static void strategies(void **state)
{
    (void)state;
    static const struct {
        const char *members;
        enum error_strategy strategy;
        enum node_kind kind;
    } rows[] = {
        {"x: 1", ERROR_STRATEGY_NONE, NODE_EXECUTABLE},
        {"error_strategy: null", ERROR_STRATEGY_NONE, NODE_EXECUTABLE},
        {"error_strategy: ''", ERROR_STRATEGY_NONE, NODE_EXECUTABLE},
        {"error_strategy: none", ERROR_STRATEGY_NONE, NODE_EXECUTABLE},
        {"error_strategy: fail-branch", ERROR_STRATEGY_FAIL_BRANCH, NODE_BRANCH},
        {"error_strategy: default-value", ERROR_STRATEGY_DEFAULT_VALUE, NODE_EXECUTABLE},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct compiling c;
        compile_node(&c, "code", rows[i].members);
        assert_clean(&c);
        assert_int_equal(rows[i].strategy, graph_node(&c, "n")->error_strategy);
        assert_int_equal(rows[i].kind, graph_node(&c, "n")->kind);
        compiling_fini(&c);
    }
}

static void default_values_have_their_type(void **state)
{
    (void)state;
    static const struct {
        const char *entry, *json;
    } rows[] = {
        {"{key: k, type: string, value: x}", "\"x\""},
        {"{key: k, type: string, value: ''}", "\"\""},
        {"{key: k, type: number, value: 5}", "5"},
        {"{key: k, type: number, value: '5'}", "5.0"},
        {"{key: k, type: number, value: ' +1.5 '}", "1.5"},
        {"{key: k, type: number, value: true}", "true"},
        {"{key: k, type: object, value: {a: [1, {b: null}]}}", "{\"a\":[1,{\"b\":null}]}"},
        {"{key: k, type: object, value: '{\"a\": 1}'}", "{\"a\":1}"},
        {"{key: k, type: 'array[number]', value: '[1, 2.5]'}", "[1,2.5]"},
        {"{key: k, type: 'array[number]', value: []}", "[]"},
        {"{key: k, type: 'array[string]', value: [a]}", "[\"a\"]"},
        {"{key: k, type: 'array[object]', value: '[{}]'}", "[{}]"},
        {"{key: k, type: 'array[file]', value: anything}", "\"anything\""},
        {"{key: k, type: 'array[file]'}", "null"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct compiling c;
        struct buf b;
        char members[256];
        (void)snprintf(members, sizeof members, "error_strategy: default-value, default_value: [%s]",
                       rows[i].entry);
        compile_node(&c, "code", members);
        assert_clean(&c);
        const struct value *outputs = graph_node(&c, "n")->default_outputs;
        assert_int_equal(1, value_count(outputs));
        buf_init(&b, 1024);
        value_put_json(&b, value_get_c(outputs, "k"), JSON_COMPACT, false);
        assert_str(rows[i].json, buf_str(&b));
        buf_fini(&b);
        compiling_fini(&c);
    }
}

static void default_values_count_only_with_their_strategy(void **state)
{
    (void)state;
    struct compiling c;
    compile_node(&c, "code", "default_value: [{key: k, type: string, value: x}]");
    assert_clean(&c);
    assert_null(graph_node(&c, "n")->default_outputs);
    compiling_fini(&c);
    compile_node(&c, "code", "error_strategy: default-value, default_value: null");
    assert_clean(&c);
    assert_int_equal(0, value_count(graph_node(&c, "n")->default_outputs));
    compiling_fini(&c);
    compile_node(&c, "code",
                 "error_strategy: default-value, default_value: [{key: a, type: string, value: x}, "
                 "{key: b, type: string, value: y}, {key: a, type: number, value: 1}]");
    assert_clean(&c);
    assert_int_equal(2, value_count(graph_node(&c, "n")->default_outputs));
    assert_int_equal(1, value_get_int(graph_node(&c, "n")->default_outputs, "a", 0));
    compiling_fini(&c);
}

static void default_values_that_do_not_fit_are_problems_used_or_not(void **state)
{
    (void)state;
    static const struct {
        const char *list, *path, *text;
    } rows[] = {
        {"x", "default_value", "has to be a list"},
        {"[x]", "default_value[0]", "without key"},
        {"[{key: '', type: string, value: x}]", "default_value[0]", "without key"},
        {"[{key: k, type: string, value: x}, {key: k, value: x}]", "default_value[1]", "no known type: \"\""},
        {"[{key: k, type: file, value: x}]", "default_value[0]", "no known type: \"file\""},
        {"[{key: k, type: string, value: 5}]", "default_value[0]", "not a text"},
        {"[{key: k, type: string}]", "default_value[0]", "not a text"},
        {"[{key: k, type: number, value: five}]", "default_value[0]", "not a number"},
        {"[{key: k, type: number, value: ''}]", "default_value[0]", "not a number"},
        {"[{key: k, type: object, value: '['}]", "default_value[0]", "not a map"},
        {"[{key: k, type: object, value: '[]'}]", "default_value[0]", "not a map"},
        {"[{key: k, type: object, value: null}]", "default_value[0]", "not a map"},
        {"[{key: k, type: 'array[number]', value: '[\"a\"]'}]", "default_value[0]", "not a list of numbers"},
        {"[{key: k, type: 'array[string]', value: [a, 1]}]", "default_value[0]", "not a list of texts"},
        {"[{key: k, type: 'array[object]', value: [{}, a]}]", "default_value[0]", "not a list of maps"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct compiling c;
        char members[256], path[128];
        (void)snprintf(members, sizeof members, "default_value: %s", rows[i].list);
        (void)snprintf(path, sizeof path, "workflow.graph.nodes[1].data.%s", rows[i].path);
        compile_node(&c, "code", members);
        assert_code(STATUS_INVALID_ARGUMENT, c.rc);
        assert_entry(&c.report, false, path, rows[i].text);
        assert_entries(&c.report, 1);
        compiling_fini(&c);
    }
}

static void retries_are_read_where_they_are_honoured(void **state)
{
    (void)state;
    static const struct {
        const char *type, *config;
        bool is_enabled;
        int retries;
        int64_t interval_ms;
    } rows[] = {
        {"llm", "{retry_enabled: true, max_retries: 3, retry_interval: 1000}", true, 3, 1000},
        {"code", "{retry_enabled: true, max_retries: '3', retry_interval: 100.0}", true, 3, 100},
        {"code", "{retry_enabled: false, max_retries: 3}", false, 3, 0},
        {"code", "{}", false, 0, 0},
        {"code", "null", false, 0, 0},
        {"if-else", "{retry_enabled: true, max_retries: 3, retry_interval: 1000}", false, 0, 0},
        {"if-else", "nonsense", false, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct compiling c;
        char members[256];
        (void)snprintf(members, sizeof members, "retry_config: %s", rows[i].config);
        compile_node(&c, rows[i].type, members);
        assert_clean(&c);
        const struct node *node = graph_node(&c, "n");
        assert_int_equal(rows[i].is_enabled, node->retry_enabled);
        assert_int_equal(rows[i].retries, node->max_retries);
        assert_int_equal(rows[i].interval_ms, node->retry_interval_ms);
        compiling_fini(&c);
    }
}

static void retries_out_of_bounds(void **state)
{
    (void)state;
    static const struct {
        const char *config, *path, *text;
        bool is_warning;
    } rows[] = {
        {"{max_retries: -1}", ".max_retries", "whole number", false},
        {"{max_retries: many}", ".max_retries", "whole number", false},
        {"{max_retries: 1.5}", ".max_retries", "whole number", false},
        {"{retry_interval: [1]}", ".retry_interval", "whole number", false},
        {"[1]", "", "has to be a map", false},
        {"{max_retries: 1000}", ".max_retries", "1000 is cut to 100", true},
        {"{retry_interval: 600001}", ".retry_interval", "600001 is cut to 600000", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct compiling c;
        char members[256], path[128];
        (void)snprintf(members, sizeof members, "retry_config: %s", rows[i].config);
        (void)snprintf(path, sizeof path, "workflow.graph.nodes[1].data.retry_config%s", rows[i].path);
        compile_node(&c, "llm", members);
        assert_code(rows[i].is_warning ? STATUS_OK : STATUS_INVALID_ARGUMENT, c.rc);
        assert_entry(&c.report, rows[i].is_warning, path, rows[i].text);
        assert_entries(&c.report, 1);
        compiling_fini(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strategies),
        cmocka_unit_test(default_values_have_their_type),
        cmocka_unit_test(default_values_count_only_with_their_strategy),
        cmocka_unit_test(default_values_that_do_not_fit_are_problems_used_or_not),
        cmocka_unit_test(retries_are_read_where_they_are_honoured),
        cmocka_unit_test(retries_out_of_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
