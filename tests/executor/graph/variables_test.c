/*
 * Environment and conversation variables have the type they say, or the import is refused.
 */
#include "executor/value/form.h"
#include "tests/executor/graph/compiling.h"
#include <stdio.h>

#define START "{id: s, data: {type: start}}"

static void compile_list(struct compiling *c, const char *kind, const char *list)
{
    char workflow[1024];
    (void)snprintf(workflow, sizeof workflow, "  %s_variables: %s\n", kind, list);
    compiling_graph(c, START, "", workflow);
}

static void every_type_takes_its_values(void **state)
{
    (void)state;
    static const struct {
        const char *type, *value;
        enum value_type made;
        const char *repr;
    } rows[] = {
        {"string", "x", VALUE_STRING, "'x'"},
        {"string", "''", VALUE_STRING, "''"},
        {"secret", "sk-1", VALUE_SECRET, "'sk-1'"},
        {"secret", "''", VALUE_SECRET, "''"},
        {"number", "5", VALUE_INT, "5"},
        {"number", "5.0", VALUE_FLOAT, "5.0"},
        {"integer", "5", VALUE_INT, "5"},
        {"float", "2.5", VALUE_FLOAT, "2.5"},
        {"float", "2", VALUE_FLOAT, "2.0"},
        {"boolean", "true", VALUE_BOOL, "True"},
        {"object", "{a: 1}", VALUE_OBJECT, "{'a': 1}"},
        {"array[string]", "[a, b]", VALUE_ARRAY, "['a', 'b']"},
        {"array[number]", "[1, 2.5]", VALUE_ARRAY, "[1, 2.5]"},
        {"array[object]", "[{a: 1}]", VALUE_ARRAY, "[{'a': 1}]"},
        {"array[boolean]", "[true]", VALUE_ARRAY, "[True]"},
        {"array[object]", "[]", VALUE_ARRAY, "[]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct compiling c;
        struct buf b;
        char list[256];
        (void)snprintf(list, sizeof list, "[{name: v, value_type: '%s', value: %s, description: d, id: x}]",
                       rows[i].type, rows[i].value);
        compile_list(&c, "environment", list);
        assert_clean(&c);
        assert_int_equal(1, c.graph->environment_count);
        const struct variable_definition *d = &c.graph->environment[0];
        assert_str("v", d->name);
        assert_str(rows[i].type, d->type_name);
        assert_str("d", d->description);
        assert_int_equal(rows[i].made, value_type(d->value));
        buf_init(&b, 1024);
        value_put_repr(&b, d->value);
        assert_str(rows[i].repr, buf_str(&b));
        buf_fini(&b);
        compiling_fini(&c);
    }
}

static void an_empty_list_keeps_the_type_it_says(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        enum value_elem elem;
    } rows[] = {{"array[string]", VALUE_ELEM_STRING},
                {"array[number]", VALUE_ELEM_NUMBER},
                {"array[object]", VALUE_ELEM_OBJECT},
                {"array[boolean]", VALUE_ELEM_BOOL}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct compiling c;
        char list[128];
        (void)snprintf(list, sizeof list, "[{name: v, value_type: '%s', value: []}]", rows[i].type);
        compile_list(&c, "conversation", list);
        assert_clean(&c);
        assert_int_equal(rows[i].elem, value_elem(c.graph->conversation[0].value));
        compiling_fini(&c);
    }
}

static void what_does_not_fit_is_a_problem(void **state)
{
    (void)state;
    static const struct {
        const char *entry, *text;
    } rows[] = {
        {"x", "without name"},
        {"{value_type: string, value: x}", "without name"},
        {"{name: '', value_type: string, value: x}", "without name"},
        {"{name: v, value: x}", "\"v\" has no value_type"},
        {"{name: v, value_type: string}", "\"v\" has no value"},
        {"{name: v, value_type: string, value: null}", "\"v\" has no value"},
        {"{name: v, value_type: file, value: x}", "\"v\" (file) has a value_type that is not known"},
        {"{name: v, value_type: string, value: 5}", "is no text"},
        {"{name: v, value_type: secret, value: 5}", "is no text"},
        {"{name: v, value_type: number, value: '5'}", "is no number"},
        {"{name: v, value_type: number, value: true}", "is no number"},
        {"{name: v, value_type: integer, value: 5.5}", "no whole number"},
        {"{name: v, value_type: float, value: x}", "is no number"},
        {"{name: v, value_type: boolean, value: 'true'}", "neither true nor false"},
        {"{name: v, value_type: object, value: ''}", "is no map"},
        {"{name: v, value_type: 'array[string]', value: x}", "no list of texts"},
        {"{name: v, value_type: 'array[string]', value: [x, 1]}", "no list of texts"},
        {"{name: v, value_type: 'array[number]', value: [x]}", "no list of numbers"},
        {"{name: v, value_type: 'array[object]', value: [[]]}", "no list of maps"},
        {"{name: v, value_type: 'array[boolean]', value: [1]}", "no list of true and false"},
    };
    static const char *const kinds[] = {"environment", "conversation"};
    for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
        struct compiling c;
        char list[256], path[64];
        (void)snprintf(list, sizeof list, "[{name: good, value_type: string, value: x}, %s]",
                       rows[i / 2].entry);
        (void)snprintf(path, sizeof path, "workflow.%s_variables[1]", kinds[i % 2]);
        compile_list(&c, kinds[i % 2], list);
        assert_code(STATUS_INVALID_ARGUMENT, c.rc);
        assert_entry(&c.report, false, path, rows[i / 2].text);
        assert_entries(&c.report, 1);
        compiling_fini(&c);
    }
}

static void no_report_shows_a_value(void **state)
{
    (void)state;
    struct compiling c;
    compile_list(&c, "environment", "[{name: v, value_type: secret, value: [hunter2]}]");
    assert_code(STATUS_INVALID_ARGUMENT, c.rc);
    assert_null(strstr(c.report.problems[0].text, "hunter2"));
    assert_null(strstr(c.err.message, "hunter2"));
    compiling_fini(&c);
}

static void sizes_have_bounds(void **state)
{
    (void)state;
    static const struct {
        const char *head, *tail;
        size_t count;
        bool is_fine;
        const char *text;
    } rows[] = {
        {"  environment_variables: [{name: v, value_type: string, value: ", "}]\n", 200 * 1024 - 200, true,
         NULL},
        {"  environment_variables: [{name: v, value_type: string, value: ", "}]\n", 200 * 1024, false,
         "is larger than 200 KiB"},
        {"  conversation_variables: [{name: v, value_type: string, value: x, description: ", "}]\n", 255,
         true, NULL},
        {"  conversation_variables: [{name: v, value_type: string, value: x, description: ", "}]\n", 256,
         false, "more than 255 characters"},
        {"  environment_variables: [{name: v, value_type: string, value: x, description: ", "}]\n", 256, true,
         NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct compiling c;
        struct buf b;
        buf_init(&b, 1 << 20);
        buf_put_c(&b, rows[i].head);
        for (size_t k = 0; k < rows[i].count; k++)
            buf_put_char(&b, 'x');
        buf_put_c(&b, rows[i].tail);
        buf_put_char(&b, '\0');
        compiling_graph(&c, START, "", b.ptr);
        assert_code(rows[i].is_fine ? STATUS_OK : STATUS_INVALID_ARGUMENT, c.rc);
        if (!rows[i].is_fine)
            assert_contains(rows[i].text, c.report.problems[0].text);
        compiling_fini(&c);
        buf_fini(&b);
    }
}

static void their_number_has_a_bound(void **state)
{
    (void)state;
    struct compiling c;
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_put_c(&b, "  environment_variables: [");
    for (int i = 0; i <= 1000; i++)
        buf_printf(&b, "{name: v%d, value_type: string, value: x}, ", i);
    buf_put_c(&b, "]\n");
    buf_put_char(&b, '\0');
    compiling_graph(&c, START, "", b.ptr);
    assert_code(STATUS_INVALID_ARGUMENT, c.rc);
    assert_entry(&c.report, false, "workflow.environment_variables", "1001 variables, at most 1000");
    assert_entries(&c.report, 1);
    compiling_fini(&c);
    buf_fini(&b);
}

static void of_equal_names_the_last_counts(void **state)
{
    (void)state;
    struct compiling c;
    compile_list(&c, "environment",
                 "[{name: v, value_type: string, value: a}, {name: w, value_type: string, value: b}, "
                 "{name: v, value_type: string, value: c}]");
    assert_ok(c.rc);
    assert_entry(&c.report, true, "workflow.environment_variables[2]", "\"v\" is given twice");
    assert_int_equal(2, c.graph->environment_count);
    assert_str("c", value_text(c.graph->environment[0].value));
    compiling_fini(&c);
}

static void a_workflow_has_no_conversation(void **state)
{
    (void)state;
    struct compiling c;
    compiling_text(&c,
                   STR("app: {mode: workflow}\nworkflow:\n  graph: {nodes: [" START "]}\n"
                       "  conversation_variables: [{name: v, value_type: nonsense}]\n"),
                   false);
    assert_ok(c.rc);
    assert_entry(&c.report, true, "workflow.conversation_variables", "no conversation");
    assert_int_equal(0, c.graph->conversation_count);
    compiling_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_takes_its_values),
        cmocka_unit_test(an_empty_list_keeps_the_type_it_says),
        cmocka_unit_test(what_does_not_fit_is_a_problem),
        cmocka_unit_test(no_report_shows_a_value),
        cmocka_unit_test(sizes_have_bounds),
        cmocka_unit_test(their_number_has_a_bound),
        cmocka_unit_test(of_equal_names_the_last_counts),
        cmocka_unit_test(a_workflow_has_no_conversation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
