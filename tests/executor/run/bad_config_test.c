/*
 * Configurations of the wrong type, member by member: an export is refused with the place, or its run comes to one end.
 */
#include "tests/executor/player/player.h"
#include <stdio.h>

enum { MEMBERS_MAX = 12 };

#define FORM                                                                                                 \
    "{id: start, data: {type: start, variables: [{variable: o, type: json_object}, {variable: x, type: "     \
    "text-input}, {variable: f, type: file-list}]}}, "
#define AFTER "{id: after, data: {type: template-transform, template: x, variables: []}}"
#define MODEL "{provider: p, name: m, mode: chat, completion_params: {temperature: 1}}"

struct member {
    const char *key, *value;
};
static const struct {
    const char *type;
    struct member members[MEMBERS_MAX];
} nodes[] = {
    {"end", {{"outputs", "[{variable: v, value_selector: [start, x]}]"}}},
    {"answer", {{"answer", "a"}, {"variables", "[]"}}},
    {"llm",
     {{"model", MODEL},
      {"prompt_template", "[{role: user, text: t}]"},
      {"prompt_config", "{jinja2_variables: []}"},
      {"memory", "{window: {enabled: true, size: 2}, query_prompt_template: q}"},
      {"context", "{enabled: true, variable_selector: [start, x]}"},
      {"vision", "{enabled: true, configs: {variable_selector: [start, f], detail: high}}"},
      {"structured_output_switch_on", "true"},
      {"structured_output", "{schema: {type: object}}"},
      {"reasoning_format", "separated"}}},
    {"if-else",
     {{"cases", "[{case_id: 'true', logical_operator: and, conditions: [{variable_selector: [start, x], "
                "comparison_operator: is, value: v}]}]"},
      {"conditions", "[{variable_selector: [start, x], comparison_operator: is, value: v}]"},
      {"logical_operator", "and"}}},
    {"template-transform",
     {{"template", "'{{ v }}'"}, {"variables", "[{variable: v, value_selector: [start, x]}]"}}},
    {"variable-aggregator",
     {{"variables", "[[start, x]]"},
      {"output_type", "string"},
      {"advanced_settings", "{group_enabled: true, groups: [{group_name: g, variables: [[start, x]]}]}"}}},
    {"assigner",
     {{"version", "'2'"},
      {"items",
       "[{variable_selector: [conversation, n], input_type: constant, operation: '+=', value: 1}]"}}},
    {"assigner",
     {{"assigned_variable_selector", "[conversation, n]"},
      {"write_mode", "over-write"},
      {"input_variable_selector", "[start, x]"}}},
    {"list-operator",
     {{"variable", "[start, f]"},
      {"filter_by", "{enabled: true, conditions: [{key: name, comparison_operator: is, value: a}]}"},
      {"extract_by", "{enabled: true, serial: '1'}"},
      {"order_by", "{enabled: true, key: name, value: asc}"},
      {"limit", "{enabled: true, size: 1}"}}},
    {"question-classifier",
     {{"model", MODEL},
      {"query_variable_selector", "[start, x]"},
      {"classes", "[{id: c, name: c}]"},
      {"instruction", "i"},
      {"memory", "{window: {enabled: true, size: 2}}"},
      {"vision", "{enabled: true, configs: {variable_selector: [start, f]}}"}}},
    {"parameter-extractor",
     {{"model", MODEL},
      {"query", "[start, x]"},
      {"parameters", "[{name: p, type: string, description: d, required: true}]"},
      {"instruction", "i"},
      {"reasoning_mode", "prompt"},
      {"memory", "{window: {enabled: true, size: 2}}"},
      {"vision", "{enabled: false}"}}},
    {"iteration",
     {{"iterator_selector", "[conversation, l]"},
      {"output_selector", "[n, item]"},
      {"start_node_id", "inner"},
      {"is_parallel", "true"},
      {"parallel_nums", "2"},
      {"error_handle_mode", "continue-on-error"},
      {"flatten_output", "true"}}},
    {"loop",
     {{"loop_count", "2"},
      {"loop_variables", "[{label: v, var_type: number, value_type: constant, value: 1}]"},
      {"break_conditions", "[{variable_selector: [n, v], comparison_operator: '=', value: '3'}]"},
      {"logical_operator", "and"},
      {"start_node_id", "inner"},
      {"error_handle_mode", "terminated"},
      {"outputs", "{}"}}},
    {"llm",
     {{"error_strategy", "default-value"},
      {"default_value", "[{key: text, type: string, value: x}]"},
      {"retry_config", "{retry_enabled: true, max_retries: 1, retry_interval: 0}"},
      {"title", "t"},
      {"desc", "d"},
      {"version", "'1'"},
      {"model", MODEL},
      {"prompt_template", "{text: t}"}}},
};
static const char *const wrong[] = {
    "null",
    "true",
    "5",
    "-1.5",
    "''",
    "nonsense",
    "'{{#start.x#}}'",
    "[]",
    "{}",
    "[5]",
    "[null]",
    "['']",
    "[[[]]]",
    "[{}]",
    "{a: {b: []}}",
    "[{variable: 5}]",
    "[a, b]",
    "{enabled: true}",
    "{enabled: true, conditions: 5, key: [], value: {}, size: [], serial: {}}",
    "{window: 5, configs: 5, schema: 5}",
    "9223372036854775807",
    "[[start, x], 5, [5], null]",
};

static void put_app(struct buf *b, const char *type, const struct member *members, size_t changed,
                    const char *value)
{
    bool has_inside = str_eq_c(str_c(type), "iteration") || str_eq_c(str_c(type), "loop");
    buf_printf(b,
               "app: {mode: advanced-chat, name: test}\nkind: app\nversion: 0.3.1\nworkflow:\n"
               "  conversation_variables: [{name: n, value_type: number, value: 1}, {name: l, value_type: "
               "'array[number]', value: [1, 2]}]\n"
               "  graph: {nodes: [" FORM "{id: n, data: {type: %s",
               type);
    for (size_t i = 0; i < MEMBERS_MAX && members[i].key != NULL; i++)
        buf_printf(b, ", %s: %s", members[i].key, i == changed ? value : members[i].value);
    buf_printf(b, "}}, %s" AFTER "], edges: [{source: start, target: n}, {source: n, target: after}]}\n",
               has_inside
                   ? "{id: inner, parentId: n, data: {type: template-transform, template: y, variables: "
                     "[]}}, "
                   : "");
    buf_put_char(b, '\0');
}

/* True: it was taken, and has run. */
static bool play(const char *dsl, const char *what)
{
    struct graph_report report;
    struct graph *g = NULL;
    struct status err = {0};
    graph_report_init(&report);
    enum status_code rc = graph_compile(str_c(dsl), false, &report, &g, &err);
    if (rc != STATUS_OK && (rc != STATUS_INVALID_ARGUMENT || report.error_count == 0))
        fail_msg("%s: %s", what, err.message);
    for (uint32_t i = 0; i < report.count; i++) /* a place below the node or its container, in words */
        assert_true(report.problems[i].path[0] != '\0' && report.problems[i].text[0] != '\0');
    graph_report_fini(&report);
    graph_unref(g);
    if (rc != STATUS_OK)
        return false;
    struct player p;
    player_open(&p, dsl);
    p.reply = "{\"category_id\": \"c\", \"category_name\": \"c\", \"p\": \"v\"}";
    const struct play with = {.query = "q",
                              .inputs =
                                  "{\"o\":{},\"x\":\"v\",\"f\":[{\"type\":\"image\",\"transfer_method\":"
                                  "\"remote_url\",\"url\":\"https://e.example/a.png\"}]}"};
    if (player_try(&p, &with, &err) != STATUS_OK) { /* inputs that the form does not take */
        assert_int_equal(STATUS_INVALID_ARGUMENT, err.code);
        assert_true(err.message[0] != '\0' && err.field[0] != '\0');
        player_close(&p);
        return true;
    }
    player_finish(&p);
    if (p.ends != 1 || (p.status == RUN_STATUS_FAILED && p.error[0] == '\0'))
        fail_msg("%s: %d ends, status %d without words", what, p.ends, (int)p.status);
    player_close(&p);
    return true;
}

static void every_member_of_every_node_may_be_wrong(void **state)
{
    size_t taken = 0, refused = 0;
    struct buf dsl;
    (void)state;
    buf_init(&dsl, 1 << 16);
    for (size_t n = 0; n < ARRAY_LEN(nodes); n++) {
        for (size_t m = 0; m < MEMBERS_MAX && nodes[n].members[m].key != NULL; m++) {
            for (size_t w = 0; w < ARRAY_LEN(wrong); w++) {
                char what[256];
                snprintf(what, sizeof what, "%s, %s: %s", nodes[n].type, nodes[n].members[m].key, wrong[w]);
                buf_clear(&dsl);
                put_app(&dsl, nodes[n].type, nodes[n].members, m, wrong[w]);
                if (play(dsl.ptr, what))
                    taken++;
                else
                    refused++;
            }
        }
    }
    buf_fini(&dsl);
    assert_true(taken > 500 && refused > 200); /* both happen */
}

static void a_form_may_be_wrong(void **state)
{
    static const char *const keys[] = {"variable",   "type",    "required",   "default",
                                       "max_length", "options", "json_schema"};
    char dsl[1024], what[256];
    (void)state;
    for (size_t w = 0; w < ARRAY_LEN(wrong); w++) {
        snprintf(dsl, sizeof dsl, EXPORT("advanced-chat", "", NODE("s", "start", "variables: %s"), ""),
                 wrong[w]);
        (void)play(dsl, wrong[w]);
        for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
            snprintf(what, sizeof what, "%s: %s", keys[k], wrong[w]);
            snprintf(dsl, sizeof dsl,
                     EXPORT("advanced-chat", "",
                            NODE("s", "start", "variables: [{variable: v, type: json_object, %s: %s}]"), ""),
                     keys[k], wrong[w]);
            (void)play(dsl, what);
        }
    }
}

/* As they stand, all of them run: what the other test refuses is refused for what was changed. */
static void the_configurations_are_right_as_they_are(void **state)
{
    struct buf dsl;
    (void)state;
    buf_init(&dsl, 1 << 16);
    for (size_t n = 0; n < ARRAY_LEN(nodes); n++) {
        buf_clear(&dsl);
        put_app(&dsl, nodes[n].type, nodes[n].members, SIZE_MAX, "");
        if (!play(dsl.ptr, nodes[n].type))
            fail_msg("%s is refused", nodes[n].type);
    }
    buf_fini(&dsl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_configurations_are_right_as_they_are),
        cmocka_unit_test(a_form_may_be_wrong),
        cmocka_unit_test(every_member_of_every_node_may_be_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
