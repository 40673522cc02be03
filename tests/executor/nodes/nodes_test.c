/*
 * The small node types: start, end, answer, template-transform, variable-aggregator; and the table of all types.
 */
#include "tests/executor/player/player.h"
#include <stdlib.h>
#include <string.h>

/* Plays an app that must succeed; its outputs are these. */
static void assert_gives(const char *dsl, const struct play *play, const char *outputs)
{
    struct player p;
    player_open(&p, dsl);
    player_play(&p, play);
    if (p.status != RUN_STATUS_SUCCEEDED)
        fail_msg("%.*s", STR_ARG(buf_str(&p.log)));
    assert_text(outputs, p.outputs);
    player_close(&p);
}

static void every_known_type_is_listed(void **state)
{
    static const char *const served[] = {"start",
                                         "end",
                                         "answer",
                                         "llm",
                                         "if-else",
                                         "template-transform",
                                         "variable-aggregator",
                                         "variable-assigner",
                                         "assigner",
                                         "iteration",
                                         "iteration-start",
                                         "loop",
                                         "loop-start",
                                         "loop-end",
                                         "list-operator",
                                         "question-classifier",
                                         "parameter-extractor"};
    static const char *const known[] = {"code", "http-request", "tool", "trigger-schedule",
                                        "knowledge-retrieval"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(served); i++) {
        const struct node_type *type = node_type_find(str_c(served[i]));
        assert_non_null(type);
        assert_non_null(type->compile);
        assert_non_null(type->start);
        assert_true(node_type_is_known(str_c(served[i])));
    }
    assert_ptr_equal(node_type_find(STR("variable-assigner")), node_type_find(STR("variable-aggregator")));
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        assert_true(node_type_is_known(str_c(known[i])) && node_type_find(str_c(known[i])) == NULL);
    assert_false(node_type_is_known(STR("custom-note")));
}

/* --- start --- */

#define FORM                                                                                                 \
    NODE("start", "start", "variables: [{variable: x, type: text-input}, {variable: o, type: json_object}]")

static void start_shows_its_inputs_and_has_flat_names(void **state)
{
    static const char dsl[] =
        "app: {mode: advanced-chat, name: test}\nkind: app\nversion: 0.3.1\nworkflow:\n"
        "  environment_variables: [{name: region, value: eu, value_type: string}]\n"
        "  conversation_variables: [{name: mood, value: calm, value_type: string}]\n"
        "  graph:\n    nodes:\n" FORM NODE("t", "template-transform",
                                           "template: '{{ q }} {{ e }} {{ c }} {{ x }}', variables: "
                                           "[{variable: q, value_selector: [start, sys.query]}, "
                                           "{variable: e, value_selector: [start, env.region]}, {variable: "
                                           "c, value_selector: [start, conversation.mood]}, "
                                           "{variable: x, value_selector: [start, x]}]")
            ANSWER("a", "{{#t.output#}}") "    edges:\n" EDGE("start", "t") EDGE("t", "a");
    struct player p;
    (void)state;
    player_open(&p, dsl);
    player_start(&p, &(struct play){.query = "q", .inputs = "{\"x\":\"in\"}"});
    while (!player_saw(&p, "node_finished start"))
        assert_int_equal(run_advance(p.run, 1, 1000000), RUN_MORE);
    assert_text(
        "{\"inputs\":{\"x\":\"in\",\"o\":null},\"process_data\":{},\"outputs\":{\"x\":\"in\",\"o\":null}}",
        p.last_record);
    player_finish(&p);
    assert_text("q eu calm in", p.text);
    player_close(&p);
}

static void a_broken_form_is_a_problem(void **state)
{
    (void)state;
    char *problems =
        player_problems(EXPORT("workflow", "", NODE("start", "start", "variables: [{type: number}]"), ""));
    assert_contains("an input without `variable`", problems);
    free(problems);
}

/* --- end, answer --- */

static void end_gives_raw_values_and_null(void **state)
{
    (void)state;
    assert_gives(
        EXPORT(
            "workflow", "",
            FORM NODE("end", "end",
                      "outputs: [{variable: o, value_selector: [start, o, a]}, "
                      "{variable: gone, value_selector: [nobody, x]}, {variable: none, value_selector: []}, "
                      "{variable: '', value_selector: []}]"),
            EDGE("start", "end")),
        &(struct play){.inputs = "{\"o\":{\"a\":[1,{\"b\":2.0}]}}"},
        "{\"o\":[1,{\"b\":2.0}],\"gone\":null,\"none\":null}");
    assert_gives(EXPORT("workflow", "", START NODE("end", "end", "outputs: []"), EDGE("start", "end")),
                 &(struct play){0}, "{}");
}

static void answer_renders_markdown_and_collects_files(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("advanced-chat", "",
                           FORM ANSWER("a", "{{#start.o.list#}}|{{#nobody.x#}}|{{#sys.files#}}"),
                           EDGE("start", "a")));
    player_play(&p, &(struct play){.query = "q",
                                   .inputs = "{\"o\":{\"list\":[\"a\",\"b\"]}}",
                                   .files = "[{\"type\":\"image\",\"transfer_method\":\"remote_url\","
                                            "\"url\":\"https://e.example/a.png\"}]"});
    assert_text_contains("{\"answer\":\"- a\\n- b|nobody.x|![a.png](https://e.example/a.png)\",\"files\":[{",
                         p.outputs);
    assert_text("- a\n- b|nobody.x|![a.png](https://e.example/a.png)", p.text); /* the stream agrees */
    player_close(&p);
}

/* --- template-transform --- */

#define TRANSFORM(template)                                                                                  \
    EXPORT("workflow", "",                                                                                   \
           FORM NODE("t", "template-transform",                                                              \
                     "template: " template ", variables: [{variable: x, value_selector: [start, x]}, "       \
                                           "{variable: o, value_selector: [start, o]}, {variable: gone, "    \
                                           "value_selector: [start, gone]}]")                                \
               END_OF("end", "out", "t, output"),                                                            \
           EDGE("start", "t") EDGE("t", "end"))

static void plain_templates_print_as_jinja_does(void **state)
{
    static const struct {
        const char *dsl, *outputs;
    } rows[] = {
        {TRANSFORM("'no placeholder'"), "{\"out\":\"no placeholder\"}"},
        {TRANSFORM("'<{{ x }}> <{{x}}>'"), "{\"out\":\"<v> <v>\"}"},
        {TRANSFORM("'{{ o }}'"), "{\"out\":\"{'a': True, 'b': None}\"}"},
        {TRANSFORM("'<{{ gone }}> <{{ unknown }}>'"), "{\"out\":\"<None> <>\"}"},
        {TRANSFORM("\"line\\n\""), "{\"out\":\"line\"}"},
        {TRANSFORM("''"), "{\"out\":\"\"}"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_gives(rows[i].dsl, &(struct play){.inputs = "{\"x\":\"v\",\"o\":{\"a\":true,\"b\":null}}"},
                     rows[i].outputs);
}

static void a_template_escapes_nothing(void **state)
{
    (void)state;
    assert_gives(TRANSFORM("'<b>{{ x }}</b>'"), &(struct play){.inputs = "{\"x\":\"<i> & \\\"it's\\\"\"}"},
                 "{\"out\":\"<b><i> & \\\"it's\\\"</b>\"}");
}

static void real_jinja_is_not_served(void **state)
{
    static const char dsl[] = TRANSFORM("'{% for a in x %}{{ a }}{% endfor %}'");
    struct player p;
    (void)state;
    char *problems = player_problems(dsl);
    assert_contains("workflow.graph.nodes[1].data.template: the template needs Jinja2", problems);
    free(problems);
    player_open_lenient(&p, dsl);
    player_play(&p, &(struct play){0});
    assert_int_equal(p.status, RUN_STATUS_FAILED);
    assert_contains("needs Jinja2", p.error);
    player_close(&p);
}

static void a_long_output_is_refused(void **state)
{
    struct player p;
    struct buf json;
    (void)state;
    buf_init(&json, 1 << 20);
    buf_put_c(&json, "{\"x\":\"");
    for (int i = 0; i < LIMIT_TEXT_OUTPUT_CHARS / 2 + 1; i++)
        buf_put_c(&json, "ä");
    buf_put_c(&json, "\"}");
    buf_put_char(&json, '\0');
    /* Nor is it tried again. */
    player_open(&p, TRANSFORM("'{{ x }}{{ x }}', retry_config: {retry_enabled: true, max_retries: 2, "
                              "retry_interval: 0}"));
    player_play(&p, &(struct play){.inputs = json.ptr});
    assert_int_equal(p.status, RUN_STATUS_FAILED);
    assert_string_equal("Output length exceeds 400000 characters", p.error);
    assert_int_equal(0, player_count(&p, "node_retry"));
    player_close(&p);
    player_open(&p, TRANSFORM("'{{ x }}'"));
    player_play(&p, &(struct play){.inputs = json.ptr});
    assert_int_equal(p.status, RUN_STATUS_SUCCEEDED);
    player_close(&p);
    buf_fini(&json);
}

/* --- variable-aggregator --- */

#define AGGREGATE(type, config, outputs)                                                                     \
    EXPORT("workflow", "", FORM NODE("g", type, config) NODE("end", "end", "outputs: [" outputs "]"),        \
           EDGE("start", "g") EDGE("g", "end"))

static void the_first_variable_that_exists_is_taken(void **state)
{
    static const struct play play = {.inputs = "{\"x\":\"v\",\"o\":{\"nil\":null,\"a\":1}}"};
    (void)state;
    assert_gives(AGGREGATE("variable-aggregator",
                           "variables: [[start, gone], [start, x], [start, o]], output_type: number",
                           "{variable: out, value_selector: [g, output]}"),
                 &play, "{\"out\":\"v\"}");
    assert_gives(AGGREGATE("variable-assigner", "variables: [[start, o, nil], [start, x]]", /* null exists */
                           "{variable: out, value_selector: [g, output]}"),
                 &play, "{\"out\":null}");
    assert_gives(AGGREGATE("variable-aggregator", "variables: [[start, gone]]",
                           "{variable: out, value_selector: [g, output]}"),
                 &play, "{\"out\":null}");
    assert_gives(
        AGGREGATE(
            "variable-aggregator",
            "variables: [], advanced_settings: {group_enabled: true, groups: ["
            "{groupId: '1', group_name: one, output_type: string, variables: [[start, gone], [start, x]]}, "
            "{groupId: '2', group_name: two, variables: [[start, o, a]]}, {group_name: three, variables: "
            "[[start, gone]]}]}",
            "{variable: one, value_selector: [g, one, output]}, {variable: two, value_selector: [g, two, "
            "output]}, "
            "{variable: three, value_selector: [g, three]}"),
        &play, "{\"one\":\"v\",\"two\":1,\"three\":null}");
}

static void the_aggregator_shows_what_it_took(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, AGGREGATE("variable-aggregator", "variables: [[start, gone], [start, o, a]]", ""));
    player_start(&p, &(struct play){.inputs = "{\"o\":{\"a\":7}}"});
    while (!player_saw(&p, "node_finished g"))
        assert_int_equal(run_advance(p.run, 1, 1000000), RUN_MORE);
    assert_text("{\"inputs\":{\"o.a\":7},\"process_data\":{},\"outputs\":{\"output\":7}}", p.last_record);
    player_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_known_type_is_listed),
        cmocka_unit_test(start_shows_its_inputs_and_has_flat_names),
        cmocka_unit_test(a_broken_form_is_a_problem),
        cmocka_unit_test(end_gives_raw_values_and_null),
        cmocka_unit_test(answer_renders_markdown_and_collects_files),
        cmocka_unit_test(plain_templates_print_as_jinja_does),
        cmocka_unit_test(a_template_escapes_nothing),
        cmocka_unit_test(real_jinja_is_not_served),
        cmocka_unit_test(a_long_output_is_refused),
        cmocka_unit_test(the_first_variable_that_exists_is_taken),
        cmocka_unit_test(the_aggregator_shows_what_it_took),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
