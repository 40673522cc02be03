/*
 * What of answers and ends is streamed when, seen from outside (dify-dsl.md 3.9). Cases that need graphs no editor makes are in
 * response_test.c.
 */
#include "tests/executor/player/player.h"
#include <string.h>

#define TEMPLATE(id, text) NODE(id, "template-transform", "template: \"" text "\", variables: []")
#define CHOICE(id)                                                                                           \
    NODE(id, "if-else",                                                                                      \
         "cases: [{case_id: 'true', logical_operator: and, conditions: [{variable_selector: [sys, query], "  \
         "comparison_operator: contains, value: 'yes'}]}]")
#define MOOD "  conversation_variables: [{name: mood, value_type: string, value: calm}]\n"
#define SET(id, value)                                                                                       \
    NODE(id, "assigner",                                                                                     \
         "version: '2', items: [{variable_selector: [conversation, mood], input_type: constant, operation: " \
         "over-write, value: '" value "'}]")

static const struct play asked = {.query = "yes"};

static void start(struct player *p, const char *dsl)
{
    player_open(p, dsl);
    player_start(p, &asked);
    player_go(p);
}

static void expect_text(struct player *p, const char *text)
{
    assert_text(text, p->text);
}

static void fixed_text_comes_before_any_node_behind_start_has_started(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("advanced-chat", "", START LLM("llm", "a", "") ANSWER("r", "hello {{#llm.text#}}"),
                           EDGE("start", "llm") EDGE("llm", "r")));
    player_start(&p, &asked);
    while (!player_saw(&p, "node_finished start"))
        assert_int_equal(RUN_MORE, run_advance(p.run, 1, 1000000));
    buf_drop(&p.log, str_find(buf_str(&p.log), STR("node_started"), 0));
    player_expect(&p, "node_started start\nmessage r.answer \"hello \"\nnode_finished start succeeded\n");
    player_close(&p);
}

static void what_feeds_the_first_reference_streams_while_a_later_model_runs(void **state)
{
    struct player p;
    (void)state;
    start(&p, EXPORT("advanced-chat", "",
                     START LLM("one", "a", "") LLM("two", "b", "")
                         ANSWER("r", "{{#one.text#}} and {{#two.text#}}"),
                     EDGE("start", "one") EDGE("start", "two") EDGE("one", "r") EDGE("two", "r")));
    player_say(&p, 1, "later");
    player_go(&p);
    expect_text(&p, ""); /* held back, though it is faster */
    player_say(&p, 0, "first");
    player_go(&p);
    expect_text(&p, "first");
    player_done(&p, 1, "stop");
    player_go(&p);
    expect_text(&p, "first");
    player_say(&p, 0, " one");
    player_done(&p, 0, "stop");
    player_go(&p);
    expect_text(&p, "first one and later");
    assert_int_equal(RUN_STATUS_SUCCEEDED, p.status);
    player_close(&p);
}

static void behind_a_branch_nothing_appears_before_its_edge_is_taken(void **state)
{
    struct player p;
    (void)state;
    start(&p, EXPORT("advanced-chat", "",
                     START LLM("llm", "a", "") CHOICE("if") ANSWER("left", "yes {{#llm.text#}}")
                         ANSWER("right", "no {{#llm.text#}}"),
                     EDGE("start", "llm") EDGE("llm", "if") HANDLE("if", "'true'", "left")
                         HANDLE("if", "'false'", "right")));
    player_say(&p, 0, "so ");
    player_go(&p);
    expect_text(&p, "");
    player_say(&p, 0, "it is");
    player_done(&p, 0, "stop");
    player_go(&p);
    expect_text(&p, "yes so it is");
    player_close(&p);
}

static void answers_in_a_row_never_interleave(void **state)
{
    struct player p;
    (void)state;
    start(&p, EXPORT("advanced-chat", "",
                     START LLM("one", "a", "") ANSWER("r1", "1 {{#one.text#}}.") LLM("two", "b", "")
                         ANSWER("r2", "2 {{#two.text#}}."),
                     EDGE("start", "one") EDGE("one", "r1") EDGE("start", "two") EDGE("r1", "r2")
                         EDGE("two", "r2")));
    player_say(&p, 0, "a");
    player_say(&p, 1, "b"); /* r2 has a way without a blocking edge, so it stands in line */
    player_go(&p);
    expect_text(&p, "1 a");
    player_done(&p, 1, "stop");
    player_go(&p);
    expect_text(&p, "1 a");
    player_done(&p, 0, "stop");
    player_go(&p);
    expect_text(&p, "1 a.2 b.");
    assert_text("{\"answer\":\"1 a.2 b.\",\"files\":[]}", p.outputs);
    player_close(&p);
}

static void an_answer_behind_another_begins_when_that_one_has_run(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("advanced-chat", "", START ANSWER("r1", "one ") ANSWER("r2", "two"),
                           EDGE("start", "r1") EDGE("r1", "r2")));
    player_play(&p, &asked);
    buf_drop(&p.log, str_find(buf_str(&p.log), STR("node_started"), 0));
    player_expect(&p, "node_started start\nmessage r1.answer \"one \" final\nnode_finished start succeeded\n"
                      "node_started r1\nmessage r2.answer \"two\" final\nnode_finished r1 succeeded\n"
                      "node_started r2\nnode_finished r2 succeeded\nmessage_end\n"
                      "workflow_finished succeeded completed {\"answer\":\"one two\",\"files\":[]}\n");
    player_close(&p);
}

/* The same model with and without a strategy: its branch blocks what comes behind. */
static void a_model_with_a_fail_branch_does_not_stream_early(void **state)
{
    static const struct {
        const char *dsl, *early;
    } rows[] = {
#define APP(more)                                                                                            \
    EXPORT("advanced-chat", "", START LLM("llm", "a", more) ANSWER("r", "> {{#llm.text#}}"),                 \
           EDGE("start", "llm") EDGE("llm", "r"))
        {APP(""), "> early"},
        {APP(", error_strategy: default-value, default_value: []"), "> early"},
        {APP(", error_strategy: fail-branch"), ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        start(&p, rows[i].dsl);
        player_say(&p, 0, "early");
        player_go(&p);
        expect_text(&p, rows[i].early);
        player_done(&p, 0, "stop");
        player_go(&p);
        expect_text(&p, "> early");
        player_close(&p);
    }
}

static void an_assigner_holds_back_answers_that_mention_its_variable(void **state)
{
    static const struct {
        const char *dsl, *early, *text;
    } rows[] = {
#undef APP
#define APP(answer)                                                                                          \
    EXPORT("advanced-chat", MOOD, START LLM("llm", "a", "") SET("set", "wild") ANSWER("r", answer),          \
           EDGE("start", "llm") EDGE("llm", "set") EDGE("set", "r"))
        {APP("mood {{#conversation.mood#}}"), "", "mood wild"},
        {APP("query {{#sys.query#}}"), "query yes", "query yes"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        start(&p, rows[i].dsl);
        expect_text(&p, rows[i].early);
        player_finish(&p);
        expect_text(&p, rows[i].text);
        player_close(&p);
    }
}

/* Each behind another thing that blocks: what is fixed in it comes with the end of that. */
static void containers_block_too(void **state)
{
    struct player p;
    (void)state;
    start(&p, EXPORT("advanced-chat", "",
                     START LOOP("loop", "1", "", "")
                         INSIDE("loop", "ask", "llm",
                                "model: {provider: p, name: m, mode: chat, completion_params: {}}, "
                                "prompt_template: [{role: user, text: t}], context: {enabled: false}")
                             ANSWER("r", "done"),
                     EDGE("start", "loop") EDGE("loopstart", "ask") EDGE("loop", "r")));
    expect_text(&p, "");
    player_finish(&p);
    expect_text(&p, "done");
    player_close(&p);
}

static void a_reference_to_a_skipped_node_is_passed_over(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("advanced-chat", "",
                           START CHOICE("if") TEMPLATE("left", "L") TEMPLATE("right", "R")
                               ANSWER("r", "<{{#left.output#}}{{#right.output#}}>"),
                           EDGE("start", "if") HANDLE("if", "'true'", "left") HANDLE("if", "'false'", "right")
                               EDGE("left", "r") EDGE("right", "r")));
    player_play(&p, &asked);
    expect_text(&p, "<L>");
    player_close(&p);
}

/* Texts of the system, the environment and the conversation are the answer's own, those of a node that node's. */
static void texts_are_attributed_to_a_node(void **state)
{
    static const struct {
        const char *dsl, *node;
    } rows[] = {
#undef APP
#define APP(answer)                                                                                          \
    EXPORT("advanced-chat", "  environment_variables: [{name: key, value_type: string, value: v}]\n" MOOD,   \
           START TEMPLATE("t", "text") ANSWER("r", answer), EDGE("start", "t") EDGE("t", "r"))
        {APP("fixed"), "r"},          {APP("{{#sys.query#}}"), "r"},
        {APP("{{#env.key#}}"), "r"},  {APP("{{#conversation.mood#}}"), "r"},
        {APP("{{#t.output#}}"), "t"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        player_open(&p, rows[i].dsl);
        player_play(&p, &asked);
        assert_string_equal(rows[i].node, p.last_text_node);
        player_close(&p);
    }
}

static void the_last_piece_is_final(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("advanced-chat", "",
                           START TEMPLATE("t", "T") ANSWER("r", "a{{#t.output#}}b{{#sys.query#}}"),
                           EDGE("start", "t") EDGE("t", "r")));
    player_play(&p, &asked);
    assert_true(player_saw(&p, "message r.answer \"a\"\n"));
    assert_true(player_saw(&p, "message t.output \"T\"\n"));
    assert_true(player_saw(&p, "message r.answer \"b\"\n"));
    assert_true(player_saw(&p, "message sys.query \"yes\" final\n"));
    player_close(&p);
}

/* A value that never streamed comes whole, as answers show it. */
static void values_come_whole_as_markdown(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("advanced-chat", "",
                           NODE("start", "start", "variables: [{variable: o, type: json_object}]")
                               ANSWER("r", "{{#start.o.list#}} {{#start.o.map#}}"),
                           EDGE("start", "r")));
    player_play(&p, &(struct play){.query = "q", .inputs = "{\"o\":{\"list\":[1,2],\"map\":{\"a\":1}}}"});
    assert_true(player_saw(&p, "message start.o.list \"- 1\\n- 2\"\n"));
    assert_true(player_saw(&p, "message start.o.map \"{\\n  \\\"a\\\": 1\\n}\" final\n"));
    player_close(&p);
}

static void an_end_streams_its_outputs_line_by_line(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           START TEMPLATE("t", "T") LLM("llm", "a", "")
                               NODE("end", "end",
                                    "outputs: [{variable: a, value_selector: [llm, text]}, "
                                    "{variable: b, value_selector: [t, output]}]"),
                           EDGE("start", "llm") EDGE("start", "t") EDGE("llm", "end") EDGE("t", "end")));
    player_start(&p, &(struct play){0});
    player_go(&p);
    player_say(&p, 0, "said");
    player_go(&p);
    player_done(&p, 0, "stop");
    player_go(&p);
    expect_text(&p, "said\nT");
    assert_true(player_saw(&p, "text_chunk llm.text \"said\"\n"));
    assert_true(player_saw(&p, "text_chunk end.answer \"\\n\"\n"));
    assert_true(player_saw(&p, "text_chunk t.output \"T\" final\n"));
    player_close(&p);
}

/* Thoughts go out while an answer that waits or writes mentions the model, and never into its text. */
static void thoughts_are_shown_where_an_answer_mentions_their_node(void **state)
{
    static const struct {
        const char *dsl;
        bool is_shown;
    } rows[] = {
#undef APP
#define APP(answer)                                                                                          \
    EXPORT("advanced-chat", "", START LLM("llm", "a", ", reasoning_format: separated") ANSWER("r", answer),  \
           EDGE("start", "llm") EDGE("llm", "r"))
        {APP("{{#llm.text#}}"), true},
        {APP("{{#llm.reasoning_content#}}"), true},
        {APP("nothing of it"), false},
        {APP("{{#llm.usage#}}"), false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        start(&p, rows[i].dsl);
        player_say(&p, 0, "<think>why</think>because");
        player_done(&p, 0, "stop");
        player_go(&p);
        assert_int_equal(rows[i].is_shown, player_saw(&p, "reasoning_chunk llm \"why\"\n"));
        player_close(&p);
    }
    struct player p;
    start(&p, rows[0].dsl);
    player_say(&p, 0, "<think>why</think>because");
    player_done(&p, 0, "stop");
    player_go(&p);
    assert_text("{\"answer\":\"because\",\"files\":[]}", p.outputs);
    expect_text(&p, "because");
    player_close(&p);
}

/* Inside of a container an answer is one of a small run of its own. */
static void answers_inside_stream_round_by_round(void **state)
{
    struct player p;
    (void)state;
    start(&p, EXPORT("advanced-chat", "",
                     START LOOP("loop", "2", "", "") INSIDE(
                         "loop", "ask", "llm",
                         "model: {provider: p, name: m, mode: chat, completion_params: {}}, "
                         "prompt_template: [{role: user, text: t}], context: {enabled: false}")
                         INSIDE("loop", "say", "answer", "answer: \"<{{#ask.text#}}>\"") ANSWER("r", "end"),
                     EDGE("start", "loop") EDGE("loopstart", "ask") EDGE("ask", "say") EDGE("loop", "r")));
    expect_text(&p, "<");
    player_say(&p, 0, "one");
    player_go(&p);
    expect_text(&p, "<one");
    player_done(&p, 0, "stop");
    player_go(&p);
    expect_text(&p, "<one><");
    player_say(&p, 1, "two");
    player_done(&p, 1, "stop");
    player_go(&p);
    expect_text(&p, "<one><two>end");
    assert_text("{\"answer\":\"<one><two>end\",\"files\":[]}", p.outputs);
    player_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_text_comes_before_any_node_behind_start_has_started),
        cmocka_unit_test(what_feeds_the_first_reference_streams_while_a_later_model_runs),
        cmocka_unit_test(behind_a_branch_nothing_appears_before_its_edge_is_taken),
        cmocka_unit_test(answers_in_a_row_never_interleave),
        cmocka_unit_test(an_answer_behind_another_begins_when_that_one_has_run),
        cmocka_unit_test(a_model_with_a_fail_branch_does_not_stream_early),
        cmocka_unit_test(an_assigner_holds_back_answers_that_mention_its_variable),
        cmocka_unit_test(containers_block_too),
        cmocka_unit_test(a_reference_to_a_skipped_node_is_passed_over),
        cmocka_unit_test(texts_are_attributed_to_a_node),
        cmocka_unit_test(the_last_piece_is_final),
        cmocka_unit_test(values_come_whole_as_markdown),
        cmocka_unit_test(an_end_streams_its_outputs_line_by_line),
        cmocka_unit_test(thoughts_are_shown_where_an_answer_mentions_their_node),
        cmocka_unit_test(answers_inside_stream_round_by_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
