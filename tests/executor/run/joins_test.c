/*
 * Which edges are taken and skipped, and what that makes ready, in which order (dify-dsl.md 3.1 to 3.4). On graphs that no
 * editor makes: frame_test.c.
 */
#include "tests/executor/player/player.h"
#include <stdio.h>
#include <string.h>

enum { BRANCHES = 50 };

#define FORM               NODE("start", "start", "variables: [{variable: x, type: text-input}]")
#define TEMPLATE(id, text) NODE(id, "template-transform", "template: \"" text "\", variables: []")
#define CASE(id, value)                                                                                      \
    "{case_id: '" id "', logical_operator: and, conditions: [{variable_selector: [start, x], "               \
    "comparison_operator: is, value: '" value "'}]}"
#define CHOICE(id, cases) NODE(id, "if-else", "cases: [" cases "]")

/* The nodes in the order in which they started, behind start. */
static void expect_starts(const char *nodes, const char *edges, const char *x, const char *starts)
{
    struct player p;
    struct buf order;
    char dsl[8192], inputs[64];
    snprintf(dsl, sizeof dsl, EXPORT("workflow", "", FORM "%s", "%s"), nodes, edges);
    snprintf(inputs, sizeof inputs, "{\"x\":\"%s\"}", x);
    player_open(&p, dsl);
    player_play(&p, &(struct play){.inputs = inputs});
    assert_int_equal(RUN_STATUS_SUCCEEDED, p.status);
    buf_init(&order, 4096);
    struct str rest = buf_str(&p.log), line;
    while (str_split(&rest, '\n', &line)) {
        const struct str begin = STR("node_started ");
        if (str_starts(line, begin) && !str_eq_c(line, "node_started start"))
            buf_printf(&order, order.len > 0 ? " %.*s" : "%.*s", STR_ARG(str_sub(line, begin.len, line.len)));
    }
    assert_text(starts, order);
    buf_fini(&order);
    player_close(&p);
}

static void edges_decide_what_starts(void **state)
{
    static const struct {
        const char *what, *nodes, *edges, *x, *starts;
    } rows[] = {
        {"ready nodes go first in, first out", TEMPLATE("a", "") TEMPLATE("b", "") TEMPLATE("c", ""),
         EDGE("start", "b") EDGE("start", "a") EDGE("b", "c"), "v", "b a c"},
        {"a join of two ways runs once, when both are decided",
         TEMPLATE("a", "") TEMPLATE("b", "") TEMPLATE("c", "") TEMPLATE("join", ""),
         EDGE("start", "a") EDGE("start", "b") EDGE("b", "c") EDGE("a", "join") EDGE("c", "join"), "v",
         "a b c join"},
        {"one taken way is enough for a join",
         CHOICE("if", CASE("true", "v")) TEMPLATE("a", "") TEMPLATE("b", "") TEMPLATE("join", ""),
         EDGE("start", "if") HANDLE("if", "'true'", "a") HANDLE("if", "'false'", "b") EDGE("a", "join")
             EDGE("b", "join"),
         "v", "if a join"},
        {"a join of skipped ways is skipped, and what is behind it",
         CHOICE("if", CASE("true", "v")) TEMPLATE("a", "") TEMPLATE("b", "") TEMPLATE("join", "")
             TEMPLATE("behind", ""),
         EDGE("start", "if") HANDLE("if", "'false'", "a") HANDLE("if", "'false'", "b") EDGE("a", "join")
             EDGE("b", "join") EDGE("join", "behind"),
         "v", "if"},
        {"a skip that decides a join comes before what is taken",
         CHOICE("if", CASE("true", "v")) TEMPLATE("x", "") TEMPLATE("a", "") TEMPLATE("join", ""),
         EDGE("start", "x") EDGE("start", "if") EDGE("x", "join") HANDLE("if", "'true'", "a")
             HANDLE("if", "'false'", "join"),
         "v", "x if join a"},
        {"several edges of one handle are all taken",
         CHOICE("if", CASE("true", "v")) TEMPLATE("a", "") TEMPLATE("b", ""),
         EDGE("start", "if") HANDLE("if", "'true'", "b") HANDLE("if", "'true'", "a"), "v", "if b a"},
        {"no edge has the handle", CHOICE("if", CASE("true", "v")) TEMPLATE("a", ""),
         EDGE("start", "if") HANDLE("if", "'true'", "a"), "other", "if"},
        {"the id of the case is the handle",
         CHOICE("if", CASE("one", "w") ", " CASE("two", "v")) TEMPLATE("a", "") TEMPLATE("b", ""),
         EDGE("start", "if") HANDLE("if", "one", "a") HANDLE("if", "two", "b"), "v", "if b"},
        {"no case holds: false", CHOICE("if", CASE("one", "w")) TEMPLATE("a", "") TEMPLATE("b", ""),
         EDGE("start", "if") HANDLE("if", "one", "a") HANDLE("if", "'false'", "b"), "v", "if b"},
        {"where nothing branches no handle is looked at",
         TEMPLATE("a", "") TEMPLATE("b", "") TEMPLATE("c", ""),
         HANDLE("start", "whatever", "a") HANDLE("start", "'false'", "b") HANDLE("a", "fail-branch", "c"),
         "v", "a b c"},
        {"a way that nothing leads to keeps a join waiting", TEMPLATE("orphan", "") TEMPLATE("join", ""),
         EDGE("orphan", "join") EDGE("start", "join"), "v", ""},
        {"sticky notes are no nodes",
         "    - {id: note, type: custom-note, data: {type: '', text: hello}}\n" TEMPLATE("a", ""),
         EDGE("start", "a"), "v", "a"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        print_message("%s\n", rows[i].what);
        expect_starts(rows[i].nodes, rows[i].edges, rows[i].x, rows[i].starts);
    }
}

/* What was skipped gave nothing: a condition fails on it, an aggregator passes it over. */
static void variables_of_skipped_nodes_do_not_exist(void **state)
{
    static const struct {
        const char *node;
        enum run_status status;
        const char *outputs;
    } rows[] = {
        {NODE("n", "variable-aggregator", "variables: [[b, output], [a, output]]"), RUN_STATUS_SUCCEEDED,
         "{\"o\":\"A\"}"},
        {NODE("n", "template-transform",
              "template: '{{ v }}', variables: [{variable: v, value_selector: [b, output]}]"),
         RUN_STATUS_SUCCEEDED, "{\"o\":\"None\"}"},
        {NODE(
             "n", "if-else",
             "cases: [{case_id: source, logical_operator: and, conditions: [{variable_selector: [b, output], "
             "comparison_operator: empty, value: ''}]}]"),
         RUN_STATUS_FAILED, "{}"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        char dsl[4096];
        snprintf(dsl, sizeof dsl,
                 EXPORT("workflow", "",
                        FORM CHOICE("if", CASE("true", "v")) TEMPLATE("a", "A")
                            TEMPLATE("b", "B") "%s" END_OF("end", "o", "n, output"),
                        EDGE("start", "if") HANDLE("if", "'true'", "a") HANDLE("if", "'false'", "b")
                            EDGE("a", "n") EDGE("b", "n") EDGE("n", "end")),
                 rows[i].node);
        player_open(&p, dsl);
        player_play(&p, &(struct play){.inputs = "{\"x\":\"v\"}"});
        assert_int_equal(rows[i].status, p.status);
        assert_text(rows[i].outputs, p.outputs);
        player_close(&p);
    }
}

static void as_many_branches_as_there_are_run_at_once(void **state)
{
    struct player p;
    struct buf dsl;
    (void)state;
    buf_init(&dsl, 1 << 20);
    buf_put_c(&dsl, "app: {mode: workflow, name: test}\nworkflow:\n  graph:\n    nodes:\n" START);
    for (int i = 0; i < BRANCHES; i++)
        buf_printf(&dsl,
                   "    - {id: m%d, data: {type: llm, model: {provider: p, name: m, mode: chat, "
                   "completion_params: {}}, prompt_template: [{role: user, text: t}], context: {enabled: "
                   "false}}}\n",
                   i);
    buf_put_c(&dsl, TEMPLATE("join", "done") END_OF("end", "o", "join, output") "    edges:\n");
    for (int i = 0; i < BRANCHES; i++)
        buf_printf(&dsl, "    - {source: start, target: m%d}\n    - {source: m%d, target: join}\n", i, i);
    buf_put_c(&dsl, EDGE("join", "end"));
    buf_put_char(&dsl, '\0');
    player_open(&p, dsl.ptr);
    player_start(&p, &(struct play){0});
    assert_int_equal(RUN_IDLE, player_go(&p));
    assert_int_equal(BRANCHES, p.call_count);
    player_finish(&p);
    assert_text("{\"o\":\"done\"}", p.outputs);
    player_close(&p);
    buf_fini(&dsl);
}

/* The first in the file is where a run starts; what only the others lead to is skipped, a join of both is not. */
static void the_first_entry_node_is_the_root(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           NODE("one", "start", "variables: [{variable: x, type: text-input}]")
                               NODE("two", "start", "variables: [{variable: y, type: text-input}]")
                                   TEMPLATE("a", "") TEMPLATE("b", "") TEMPLATE("join", ""),
                           EDGE("two", "b") EDGE("b", "join") EDGE("one", "a") EDGE("a", "join")));
    player_play(&p, &(struct play){.inputs = "{\"x\":\"v\"}"});
    assert_int_equal(1, player_count(&p, "node_started one\n"));
    assert_int_equal(0, player_count(&p, "node_started two\n") + player_count(&p, "node_started b\n"));
    assert_int_equal(1, player_count(&p, "node_started join\n"));
    assert_int_equal(3, p.steps);
    player_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges_decide_what_starts),
        cmocka_unit_test(variables_of_skipped_nodes_do_not_exist),
        cmocka_unit_test(as_many_branches_as_there_are_run_at_once),
        cmocka_unit_test(the_first_entry_node_is_the_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
