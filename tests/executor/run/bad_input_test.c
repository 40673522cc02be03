/*
 * Apps and inputs that nobody should make: what comes of them is stated, and never a crash or a run without an end.
 */
#include "tests/executor/player/player.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES_MAX = 64 << 20 };

#define FORM                                                                                                 \
    NODE("start", "start",                                                                                   \
         "variables: [{variable: o, type: json_object}, {variable: x, type: text-input}, {variable: file, "  \
         "type: file}, {variable: files, type: file-list}]")
#define TEMPLATE(id, text) NODE(id, "template-transform", "template: \"" text "\", variables: []")

/* --- values of every type, and none, for everything that reads a variable --- */

/* A letter for each; upper case for what is a list or a file. */
static const struct {
    char letter;
    const char *selector;
} values[] = {
    {'m', "start.o.missing"}, {'u', "nobody.x"},    {'n', "start.o.nil"},  {'t', "start.o.right"},
    {'f', "start.o.wrong"},   {'i', "start.o.int"}, {'d', "start.o.real"}, {'e', "start.o.blank"},
    {'s', "start.o.text"},    {'E', "start.o.els"}, {'N', "start.o.nums"}, {'B', "start.o.bools"},
    {'S', "start.o.texts"},   {'M', "start.o.mix"}, {'O', "start.o.maps"}, {'o', "start.o.bare"},
    {'p', "start.o.map"},     {'F', "start.file"},  {'L', "start.files"},
};
#define PICTURE "{\"type\":\"image\",\"transfer_method\":\"remote_url\",\"url\":\"https://e.example/a.png\"}"
static const char inputs[] =
    "{\"o\":{\"nil\":null,\"right\":true,\"wrong\":false,\"int\":0,\"real\":1.5,\"blank\":\"\",\"text\":"
    "\"a\","
    "\"els\":[],\"nums\":[1,2.5],\"bools\":[true],\"texts\":[\"a\",\"b\"],\"mix\":[1,\"a\",null,[]],"
    "\"maps\":[{\"a\":1}],\"bare\":{},\"map\":{\"k\":1}},\"file\":" PICTURE ",\"files\":[" PICTURE "]}";

#define ALL      "muntfidesENBSMOopFL"
#define EXISTING "ntfidesENBSMOopFL"
#define MODEL    "model: {provider: p, name: m, mode: chat, completion_params: {}}"
#define COND(op, value)                                                                                      \
    "cases: [{case_id: 'true', logical_operator: and, conditions: [{variable_selector: $L, "                 \
    "comparison_operator: '" op "', value: " value "}]}]"

/* $L: the selector as a list, $D: with dots. */
static const struct {
    const char *what, *type, *config, *inside;
    const char *fine; /* the values with which it succeeds */
} readers[] = {
    {"end", "end", "outputs: [{variable: v, value_selector: $L}]", "", ALL},
    {"answer", "answer", "answer: 'v {{#$D#}}'", "", ALL},
    {"template", "template-transform", "template: '{{ v }}', variables: [{variable: v, value_selector: $L}]",
     "", ALL},
    {"aggregator", "variable-aggregator", "variables: [$L], output_type: string", "", ALL},
    {"prompt", "llm",
     MODEL ", prompt_template: [{role: user, text: 'v {{#$D#}}'}], context: {enabled: false}", "", EXISTING},
    {"context of llm", "llm",
     MODEL ", prompt_template: [{role: user, text: 'v {{#context#}}'}], context: {enabled: true, "
           "variable_selector: $L}",
     "", "muntfidesESopF"},
    {"vision of llm", "llm",
     MODEL ", prompt_template: [{role: user, text: v}], context: {enabled: false}, vision: {enabled: true, "
           "configs: {variable_selector: $L}}",
     "", "munEFL"},
    {"empty", "if-else", COND("empty", "''"), "", EXISTING},
    {"not exists", "if-else", COND("not exists", "''"), "", EXISTING},
    {"null", "if-else", COND("null", "''"), "", EXISTING},
    {"contains", "if-else", COND("contains", "a"), "", "niesENSMOo"},
    {"not contains", "if-else", COND("not contains", "a"), "", "niesENSMOo"},
    {"start with", "if-else", COND("start with", "a"), "", "niesEo"},
    {"is", "if-else", COND("is", "a"), "", "nes"},
    {"is, of a boolean", "if-else", COND("is", "true"), "", "ntfes"},
    {"=", "if-else", COND("=", "'5'"), "", "ntfid"},
    {"<", "if-else", COND("<", "'5'"), "", "ntfid"},
    {"in", "if-else", COND("in", "[a]"), "", "nidesENSMOopFL"},
    {"in, with a text", "if-else", COND("in", "a"), "", "nieEo"},
    {"query of classifier", "question-classifier",
     MODEL ", query_variable_selector: $L, classes: [{id: c, name: c}]", "", ALL},
    {"query of extractor", "parameter-extractor",
     MODEL ", query: $L, parameters: [{name: p, type: string, description: d, required: false}]", "", ALL},
    {"list-operator", "list-operator", "variable: $L, limit: {enabled: true, size: 1}", "", "nfieENBSoL"},
    {"iteration", "iteration",
     "iterator_selector: $L, output_selector: [n, item], start_node_id: nstart, flatten_output: false",
     "iteration", "nENBSMOL"},
    {"output of iteration", "iteration",
     "iterator_selector: [start, o, nums], output_selector: $L, start_node_id: nstart", "iteration", ALL},
    {"variable of loop", "loop",
     "loop_count: 2, start_node_id: nstart, loop_variables: [{label: v, var_type: string, value_type: "
     "variable, value: $L}]",
     "loop", EXISTING},
    /* Before the first round an error is none; behind it, it is. */
    {"end of loop", "loop",
     "loop_count: 2, start_node_id: nstart, break_conditions: [{variable_selector: $L, comparison_operator: "
     "'=', value: '5'}]",
     "loop", "ntfid"},
};

static void put_config(struct buf *b, const char *config, const char *selector)
{
    for (; *config != '\0'; config++) {
        if (config[0] == '$' && config[1] == 'D') {
            buf_put_c(b, selector);
            config++;
        } else if (config[0] == '$' && config[1] == 'L') {
            struct str rest = str_c(selector), part;
            for (bool is_first = true; str_split(&rest, '.', &part); is_first = false)
                buf_printf(b, "%s%.*s", is_first ? "[" : ", ", STR_ARG(part));
            buf_put_c(b, "]");
            config++;
        } else {
            buf_put_char(b, config[0]);
        }
    }
}

static void any_value_anywhere_does_what_the_rules_say(void **state)
{
    struct buf dsl;
    (void)state;
    buf_init(&dsl, TEXT_BYTES_MAX);
    for (size_t r = 0; r < ARRAY_LEN(readers); r++) {
        for (size_t v = 0; v < ARRAY_LEN(values); v++) {
            struct player p;
            bool is_fine = strchr(readers[r].fine, values[v].letter) != NULL;
            buf_clear(&dsl);
            buf_put_c(&dsl, EXPORT("workflow", "", FORM, ""));
            buf_cut(&dsl, dsl.len - (sizeof "    edges:\n" - 1));
            buf_printf(&dsl, "    - {id: n, type: custom, data: {type: %s, title: n, ", readers[r].type);
            put_config(&dsl, readers[r].config, values[v].selector);
            buf_put_c(&dsl, "}}\n");
            if (readers[r].inside[0] != '\0')
                buf_printf(&dsl,
                           "    - {id: nstart, type: custom-%s-start, parentId: n, data: {type: %s-start}}\n",
                           readers[r].inside, readers[r].inside);
            buf_put_c(&dsl, "    edges:\n" EDGE("start", "n"));
            buf_put_char(&dsl, '\0');
            player_open(&p, dsl.ptr);
            p.reply = "{\"category_id\": \"c\", \"category_name\": \"c\"}";
            player_play(&p, &(struct play){.inputs = inputs});
            bool is_right = is_fine ? p.status == RUN_STATUS_SUCCEEDED
                                    : p.status == RUN_STATUS_FAILED && p.error[0] != '\0';
            if (!is_right)
                fail_msg("%s with %s has to %s: %s", readers[r].what, values[v].selector,
                         is_fine ? "succeed" : "fail with words", p.error);
            assert_int_equal(1, p.ends);
            player_close(&p);
        }
    }
    buf_fini(&dsl);
}

/* --- too much of it --- */

static char *list_of(size_t count, const char *item)
{
    struct buf json;
    buf_init(&json, TEXT_BYTES_MAX);
    buf_put_c(&json, "{\"o\":{\"l\":[");
    for (size_t i = 0; i < count; i++)
        buf_printf(&json, i > 0 ? ",%s" : "%s", item);
    buf_put_c(&json, "]}}");
    buf_put_char(&json, '\0');
    return buf_take(&json, NULL);
}

static void a_million_elements_meet_the_step_limit(void **state)
{
    static const char *const parallel[] = {"", ", is_parallel: true, parallel_nums: 10"};
    char *million = list_of(1000000, "1");
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(parallel); i++) {
        struct player p;
        char dsl[2048];
        snprintf(dsl, sizeof dsl,
                 EXPORT("workflow", "",
                        FORM ITERATION("it", "start, o, l", "it, item", "%s")
                            INSIDE("it", "t", "template-transform", "template: x, variables: []"),
                        EDGE("start", "it") EDGE("itstart", "t")),
                 parallel[i]);
        player_open(&p, dsl);
        player_play(&p, &(struct play){.inputs = million});
        assert_int_equal(RUN_STATUS_STOPPED, p.status);
        assert_int_equal(END_REASON_STEP_LIMIT, p.reason);
        assert_string_equal("Maximum execution steps exceeded: 501 > 500", p.error);
        player_close(&p);
    }
    free(million);
}

/* Nothing in it takes a step: the run goes through all of them, in turns of its budget. */
static void an_empty_iteration_over_many_elements_ends(void **state)
{
    enum { COUNT = 100000 };
    char *many = list_of(COUNT, "1");
    struct player p;
    (void)state;
    player_open(
        &p, EXPORT("workflow", "",
                   FORM ITERATION("it", "start, o, l", "nobody, x", "")
                       NODE("list", "if-else",
                            "cases: [{case_id: 'true', logical_operator: and, conditions: "
                            "[{variable_selector: [it, output], comparison_operator: empty, value: ''}]}]"),
                   EDGE("start", "it") EDGE("it", "list")));
    player_play(&p, &(struct play){.inputs = many});
    assert_int_equal(RUN_STATUS_SUCCEEDED, p.status);
    assert_int_equal(COUNT, p.last_durations);
    player_close(&p);
    free(many);
}

static void a_loop_that_never_breaks_meets_a_limit(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           START LOOP("loop", "1000000", "", "")
                               INSIDE("loop", "t", "template-transform", "template: x, variables: []"),
                           EDGE("start", "loop") EDGE("loopstart", "t")));
    player_play(&p, &(struct play){0});
    assert_int_equal(RUN_STATUS_STOPPED, p.status);
    assert_int_equal(END_REASON_STEP_LIMIT, p.reason);
    player_close(&p);
    /* Rounds without a node, for longer than a run may take. */
    player_open(&p, EXPORT("workflow", "", START LOOP("loop", "1000000", "", ""), EDGE("start", "loop")));
    player_start(&p, &(struct play){.limits = {.max_time_ms = 1000}});
    for (int i = 0; i < 1000; i++)
        assert_int_equal(RUN_MORE, run_advance(p.run, 10, 1000000));
    player_pass(&p, 1001);
    assert_int_equal(RUN_ENDED, player_go(&p));
    assert_int_equal(END_REASON_TIME_LIMIT, p.reason);
    player_close(&p);
}

static void steps_are_counted_to_500(void **state)
{
    static const struct {
        int nodes;
        enum run_status status;
        int steps;
    } rows[] = {
        {500, RUN_STATUS_SUCCEEDED, 500}, {501, RUN_STATUS_STOPPED, 501}, {2000, RUN_STATUS_STOPPED, 501}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        struct buf dsl, edges;
        buf_init(&dsl, TEXT_BYTES_MAX);
        buf_init(&edges, TEXT_BYTES_MAX);
        buf_put_c(&dsl, "app: {mode: workflow, name: test}\nworkflow:\n  graph:\n    nodes:\n"
                        "    - {id: n0, data: {type: start, variables: []}}\n");
        for (int n = 1; n < rows[i].nodes; n++) {
            buf_printf(&dsl,
                       "    - {id: n%d, data: {type: template-transform, template: x, variables: []}}\n", n);
            buf_printf(&edges, "    - {source: n%d, target: n%d}\n", n - 1, n);
        }
        buf_put_c(&dsl, "    edges:\n");
        buf_put(&dsl, buf_str(&edges));
        buf_put_char(&dsl, '\0');
        player_open(&p, dsl.ptr);
        player_play(&p, &(struct play){0});
        assert_int_equal(rows[i].status, p.status);
        assert_int_equal(rows[i].steps, p.steps);
        player_close(&p);
        buf_fini(&dsl);
        buf_fini(&edges);
    }
}

#define DOUBLING                                                                                             \
    EXPORT("workflow", "",                                                                                   \
           FORM LOOP("loop", "40", "{label: t, var_type: string, value_type: variable, value: [start, x]}",  \
                     "") INSIDE("loop", "twice", "template-transform",                                       \
                                "template: '{{ t }}{{ t }}', variables: [{variable: t, value_selector: "     \
                                "[loop, t]}]")                                                               \
               INSIDE("loop", "set", "assigner",                                                             \
                      "version: '2', items: [{variable_selector: [loop, t], input_type: variable, "          \
                      "operation: over-write, value: [twice, output]}]"),                                    \
           EDGE("start", "loop") EDGE("loopstart", "twice") EDGE("twice", "set"))

static void a_value_over_the_memory_limit_ends_its_run_only(void **state)
{
    struct player greedy, modest;
    (void)state;
    player_open(&modest,
                EXPORT("workflow", "", FORM LLM("llm", "{{#start.x#}}", "") END_OF("end", "o", "llm, text"),
                       EDGE("start", "llm") EDGE("llm", "end")));
    player_start(&modest, &(struct play){.inputs = "{\"x\":\"a\"}"});
    assert_int_equal(RUN_IDLE, player_go(&modest));
    player_open(&greedy, DOUBLING);
    player_play(&greedy, &(struct play){.inputs = "{\"x\":\"a\"}", .limits = {.max_bytes = 200000}});
    assert_int_equal(RUN_STATUS_FAILED, greedy.status);
    assert_int_equal(END_REASON_MEMORY_LIMIT, greedy.reason);
    assert_int_equal(1, greedy.ends);
    player_close(&greedy);
    player_finish(&modest);
    assert_int_equal(RUN_STATUS_SUCCEEDED, modest.status);
    assert_text("{\"o\":\"mocked llm response\"}", modest.outputs);
    player_close(&modest);
    /* With room for it, a text output still has its longest length. */
    player_open(&greedy, DOUBLING);
    player_play(&greedy, &(struct play){.inputs = "{\"x\":\"a\"}"});
    assert_int_equal(RUN_STATUS_FAILED, greedy.status);
    assert_string_equal("Output length exceeds 400000 characters", greedy.error);
    player_close(&greedy);
}

static void inputs_over_the_memory_limit_are_refused(void **state)
{
    char *many = list_of(10000, "\"text\"");
    struct player p;
    struct status err = {0};
    (void)state;
    player_open(&p, EXPORT("workflow", "", FORM, ""));
    struct play play = {.inputs = many, .limits = {.max_bytes = 10000}};
    assert_code(STATUS_RESOURCE_EXHAUSTED, player_try(&p, &play, &err));
    assert_contains("inputs: more than 10000 bytes", err.message);
    player_close(&p);
    free(many);
}

/* --- apps that are none --- */

static void broken_graphs_are_refused_with_the_place(void **state)
{
    static const struct {
        const char *what, *nodes, *edges, *problem;
    } rows[] = {
        {"an id twice", TEMPLATE("a", "x") TEMPLATE("a", "y"), "", "nodes[2]: the id \"a\" is taken"},
        {"an edge to nowhere", "", EDGE("start", "gone"), "edges[0].target: MISSING_NODE"},
        {"an edge from nowhere", "", EDGE("gone", "start"), "edges[0].source: MISSING_NODE"},
        {"an iteration whose start is missing",
         NODE("it", "iteration",
              "iterator_selector: [start, o, l], output_selector: [it, item], start_node_id: gone"),
         "", "nodes[1].data.start_node_id: MISSING_NODE"},
        {"a loop whose start is missing", NODE("loop", "loop", "loop_count: 1, start_node_id: gone"), "",
         "nodes[1].data.start_node_id: MISSING_NODE"},
        {"loops in each other", LOOP("one", "1", "", ", loop_id: two") LOOP("two", "1", "", ", loop_id: one"),
         "", "lies in itself"},
        {"an edge into a loop",
         LOOP("loop", "1", "", "") INSIDE("loop", "t", "template-transform", "template: x, variables: []"),
         EDGE("start", "t"), "edges[0]: the way from \"start\" to \"t\" crosses"},
        {"an edge out of a loop",
         LOOP("loop", "1", "", "") INSIDE("loop", "t", "template-transform", "template: x, variables: []")
             TEMPLATE("after", "x"),
         EDGE("start", "loop") EDGE("loop", "after") EDGE("t", "after"),
         "edges[2]: the way from \"t\" to \"after\" crosses"},
        {"a type nobody knows", NODE("a", "teapot", ""), "", "\"teapot\" is no node type"},
        {"a node without type", "    - {id: a, data: {title: a}}\n", "", "nodes[1]"},
        {"a node without data", "    - {id: a}\n", "", "nodes[1]"},
        {"a node that is a text", "    - a\n", "", "nodes[1]"},
        {"a loop of no rounds", LOOP("loop", "0", "", ""), "", "loop_count is not between"},
        {"an iteration of no elements at once",
         ITERATION("it", "start, o, l", "it, item", ", is_parallel: true, parallel_nums: 0"), "",
         "parallel_nums is below 1"},
        {"a way to handle errors that is none",
         ITERATION("it", "start, o, l", "it, item", ", error_handle_mode: hope"), "",
         "unknown error_handle_mode \"hope\""},
        {"a condition on nothing", LOOP("loop", "1", "", ", break_conditions: [{}]"), "",
         "break_conditions[0].variable_selector: the condition has no variable"},
        {"a condition without operator",
         LOOP("loop", "1", "", ", break_conditions: [{variable_selector: [loop, v]}]"), "",
         "break_conditions[0].comparison_operator: unknown operator \"\""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char dsl[4096];
        print_message("%s\n", rows[i].what);
        snprintf(dsl, sizeof dsl, EXPORT("workflow", "", FORM "%s", "%s"), rows[i].nodes, rows[i].edges);
        char *problems = player_problems(dsl);
        if (strstr(problems, rows[i].problem) == NULL)
            fail_msg("%s: no \"%s\" in\n%s", rows[i].what, rows[i].problem, problems);
        free(problems);
    }
}

/* What only looks broken. */
static void odd_graphs_run(void **state)
{
    static const struct {
        const char *what, *nodes, *edges, *outputs;
    } rows[] = {
        {"a loop that names itself as its place",
         LOOP("loop", "2", "", ", loop_id: loop") END_OF("end", "r", "loop, loop_round"),
         EDGE("start", "loop") EDGE("loop", "end"), "{\"r\":2}"},
        {"an iteration in which nothing lies",
         ITERATION("it", "start, o, l", "it, item", "") END_OF("end", "r", "it, output"),
         EDGE("start", "it") EDGE("it", "end"), "{\"r\":[1,2]}"},
        {"a node that leads to itself", TEMPLATE("t", "x") END_OF("end", "r", "t, output"),
         EDGE("start", "t") EDGE("t", "t") EDGE("t", "end"), "{\"r\":\"x\"}"},
        {"a circle", TEMPLATE("a", "x") TEMPLATE("b", "y") END_OF("end", "r", "start, o, l"),
         EDGE("start", "end") EDGE("start", "a") EDGE("a", "b") EDGE("b", "a"), "{\"r\":[1,2]}"},
        {"the same edge many times", END_OF("end", "r", "start, o, l"),
         EDGE("start", "end") EDGE("start", "end") EDGE("start", "end"), "{\"r\":[1,2]}"},
        {"break conditions that are null",
         LOOP("loop", "2", "", ", break_conditions: null") END_OF("end", "r", "loop, loop_round"),
         EDGE("start", "loop") EDGE("loop", "end"), "{\"r\":2}"},
        {"no break conditions",
         LOOP("loop", "2", "", ", break_conditions: []") END_OF("end", "r", "loop, loop_round"),
         EDGE("start", "loop") EDGE("loop", "end"), "{\"r\":2}"},
        {"a loop without a word of conditions",
         LOOP("loop", "2", "", "") END_OF("end", "r", "loop, loop_round"),
         EDGE("start", "loop") EDGE("loop", "end"), "{\"r\":2}"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        char dsl[4096];
        print_message("%s\n", rows[i].what);
        snprintf(dsl, sizeof dsl, EXPORT("workflow", "", FORM "%s", "%s"), rows[i].nodes, rows[i].edges);
        player_open(&p, dsl);
        player_play(&p, &(struct play){.inputs = "{\"o\":{\"l\":[1,2]}}"});
        assert_int_equal(RUN_STATUS_SUCCEEDED, p.status);
        assert_text(rows[i].outputs, p.outputs);
        player_close(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_value_anywhere_does_what_the_rules_say),
        cmocka_unit_test(a_million_elements_meet_the_step_limit),
        cmocka_unit_test(an_empty_iteration_over_many_elements_ends),
        cmocka_unit_test(a_loop_that_never_breaks_meets_a_limit),
        cmocka_unit_test(steps_are_counted_to_500),
        cmocka_unit_test(a_value_over_the_memory_limit_ends_its_run_only),
        cmocka_unit_test(inputs_over_the_memory_limit_are_refused),
        cmocka_unit_test(broken_graphs_are_refused_with_the_place),
        cmocka_unit_test(odd_graphs_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
