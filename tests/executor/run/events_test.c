/*
 * The events of a run: their order, and what they say (dify-dsl.md 3.8, 5.1 to 5.4).
 */
#include "tests/executor/player/player.h"
#include <stdio.h>
#include <string.h>

#define TEMPLATE(id, text) NODE(id, "template-transform", "template: \"" text "\", variables: []")
#define FORM                                                                                                 \
    NODE("start", "start", "variables: [{variable: o, type: json_object}, {variable: x, type: text-input}]")
#define BROKEN(id) NODE(id, "list-operator", "variable: [nobody, x]")

static const struct play chat = {.query = "q"}, flow = {.inputs = "{\"o\":{\"l\":[1,2]},\"x\":\"v\"}"};

static void play(struct player *p, const char *dsl, const struct play *with)
{
    player_open(p, dsl);
    player_play(p, with);
}

/* Plays until this line has been written. */
static void play_until(struct player *p, const char *dsl, const struct play *with, const char *line)
{
    player_open(p, dsl);
    player_start(p, with);
    while (!player_saw(p, line))
        assert_int_not_equal(RUN_ENDED, run_advance(p->run, 1, 1000000));
}

static void a_start_and_an_answer(void **state)
{
    struct player p;
    (void)state;
    play(&p, EXPORT("advanced-chat", "", START ANSWER("r", "hi"), EDGE("start", "r")), &chat);
    player_expect(&p, "workflow_started {\"sys.query\":\"q\",\"sys.files\":[],\"sys.user_id\":\"u-1\","
                      "\"sys.app_id\":\"app-1\",\"sys.workflow_id\":\"version-1\","
                      "\"sys.workflow_run_id\":\"run-1\",\"sys.dialogue_count\":1}\n"
                      "node_started start\n"
                      "message r.answer \"hi\" final\n"
                      "node_finished start succeeded\n"
                      "node_started r\n"
                      "node_finished r succeeded\n"
                      "message_end\n"
                      "workflow_finished succeeded completed {\"answer\":\"hi\",\"files\":[]}\n");
    assert_int_equal(1, p.ends);
    player_close(&p);
}

static void a_workflow_shows_its_inputs_and_has_no_message(void **state)
{
    struct player p;
    (void)state;
    play(&p, EXPORT("workflow", "", FORM END_OF("end", "x", "start, x"), EDGE("start", "end")), &flow);
    player_expect(&p, "workflow_started {\"o\":{\"l\":[1,2]},\"x\":\"v\",\"sys.files\":[],"
                      "\"sys.user_id\":\"u-1\",\"sys.app_id\":\"app-1\",\"sys.workflow_id\":\"version-1\","
                      "\"sys.workflow_run_id\":\"run-1\",\"sys.timestamp\":1754000000}\n"
                      "node_started start\n"
                      "text_chunk start.x \"v\" final\n"
                      "node_finished start succeeded\n"
                      "node_started end\n"
                      "node_finished end succeeded\n"
                      "workflow_finished succeeded completed {\"x\":\"v\"}\n");
    player_close(&p);
}

/* The three ends of a chatflow, and those of a workflow. */
static void the_last_events_depend_on_mode_and_status(void **state)
{
    static const struct {
        const char *mode;
        bool fails, is_stopped;
        const char *last;
    } rows[] = {
        {"advanced-chat", false, false, "message_end\nworkflow_finished succeeded completed {}\n"},
        {"advanced-chat", true, false,
         "workflow_finished failed node_failed {}: down\nerror invalid_param 400: Run failed: down\n"},
        {"advanced-chat", false, true, "workflow_finished stopped stopped_by_user {}: enough\nmessage_end\n"},
        {"workflow", false, false, "workflow_finished succeeded completed {}\n"},
        {"workflow", true, false, "workflow_finished failed node_failed {}: down\n"},
        {"workflow", false, true, "workflow_finished stopped stopped_by_user {}: enough\n"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        char dsl[2048];
        snprintf(dsl, sizeof dsl, EXPORT("%s", "", START LLM("llm", "t", ""), EDGE("start", "llm")),
                 rows[i].mode);
        player_open(&p, dsl);
        player_start(&p, &chat);
        player_go(&p);
        if (rows[i].fails)
            player_fail(&p, 0, "InvokeServerUnavailableError", "down");
        else if (rows[i].is_stopped)
            run_stop(p.run, END_REASON_STOPPED_BY_USER, STR("enough"));
        else
            player_done(&p, 0, "stop");
        assert_int_equal(RUN_ENDED, player_go(&p));
        size_t at = str_find(buf_str(&p.log), STR("node_finished llm"), 0);
        buf_drop(&p.log, str_find(buf_str(&p.log), STR("\n"), at) + 1);
        player_expect(&p, rows[i].last);
        player_close(&p);
    }
}

static void an_event_names_its_node(void **state)
{
    static const char dsl[] = EXPORT(
        "workflow", "",
        START "    - {id: t, type: custom, data: {type: template-transform, title: 'Say it', template: x, "
              "variables: []}}\n" END_OF("end", "o", "t, output"),
        EDGE("start", "t") EDGE("t", "end"));
    struct player p;
    (void)state;
    play_until(&p, dsl, &(struct play){0}, "node_started start");
    assert_int_equal(1, p.last_index);
    assert_string_equal("", p.last_predecessor); /* the first has none */
    assert_string_equal("start", p.last_type);
    player_close(&p);
    play_until(&p, dsl, &(struct play){0}, "node_started t");
    assert_int_equal(2, p.last_index); /* of their starts, from 1 */
    assert_string_equal("start", p.last_predecessor);
    assert_string_equal("template-transform", p.last_type);
    assert_string_equal("Say it", p.last_title);
    char id[sizeof p.last_execution_id];
    memcpy(id, p.last_execution_id, sizeof id);
    while (!player_saw(&p, "node_finished t succeeded"))
        (void)run_advance(p.run, 1, 1000000);
    assert_string_equal(id, p.last_execution_id); /* of started and finished */
    assert_int_equal(2, p.last_index);
    player_finish(&p);
    assert_string_not_equal(id, p.last_execution_id);
    player_close(&p);
}

static void attempts_share_one_execution(void **state)
{
    struct player p;
    char id[sizeof p.last_execution_id];
    (void)state;
    play_until(&p,
               EXPORT("workflow", "",
                      START LLM("llm", "t",
                                ", retry_config: {retry_enabled: true, max_retries: 2, retry_interval: 0}"),
                      EDGE("start", "llm")),
               &flow, "node_started llm");
    memcpy(id, p.last_execution_id, sizeof id);
    for (size_t i = 0; i < 2; i++) {
        player_go(&p);
        player_fail(&p, i, "InvokeRateLimitError", "busy");
        player_go(&p);
        assert_string_equal(id, p.last_execution_id);
        assert_int_equal(2, p.last_index);
    }
    assert_int_equal(1, player_count(&p, "node_retry llm retry 1: busy\n"));
    assert_int_equal(1, player_count(&p, "node_retry llm retry 2: busy\n"));
    player_done(&p, 2, "stop");
    player_go(&p);
    assert_string_equal(id, p.last_execution_id);
    assert_int_equal(1, player_count(&p, "node_started llm\n"));
    player_close(&p);
}

static void time_passes_between_start_and_end(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "", START LLM("llm", "t", ""), EDGE("start", "llm")));
    player_start(&p, &flow);
    player_go(&p);
    p.now_us += 1234000;
    player_done(&p, 0, "stop");
    player_go(&p);
    assert_int_equal(1234, p.last_elapsed_ms);
    player_close(&p);
}

/* Neither the containers themselves nor their start nodes have events of nodes. */
static void containers_have_events_of_their_own(void **state)
{
    struct player p;
    (void)state;
    play(&p,
         EXPORT("workflow", "",
                FORM ITERATION("it", "start, o, l", "t, output", "")
                    INSIDE("it", "t", "template-transform", "template: x, variables: []")
                        LOOP("loop", "2", "{label: n, var_type: number, value_type: constant, value: 1}", "")
                            INSIDE("loop", "u", "template-transform", "template: x, variables: []")
                                TEMPLATE("after", "a"),
                EDGE("start", "it") EDGE("itstart", "t") EDGE("it", "loop") EDGE("loopstart", "u")
                    EDGE("loop", "after")),
         &flow);
    buf_drop(&p.log, str_find(buf_str(&p.log), STR("node_started"), 0));
    player_expect(&p, "node_started start\n"
                      "node_finished start succeeded\n"
                      "iteration_started it 2 {\"iterator_selector\":[1,2]}\n"
                      "iteration_next it 0\n"
                      "node_started t in it#0\n"
                      "node_finished t succeeded in it#0\n"
                      "iteration_next it 1\n"
                      "node_started t in it#1\n"
                      "node_finished t succeeded in it#1\n"
                      "iteration_completed it succeeded {\"output\":[\"x\",\"x\"]} steps 2\n"
                      "loop_started loop 2 {\"loop_count\":2,\"n\":1}\n"
                      "node_started u in loop#0\n"
                      "node_finished u succeeded in loop#0\n"
                      "loop_next loop 1\n"
                      "node_started u in loop#1\n"
                      "node_finished u succeeded in loop#1\n"
                      "loop_completed loop succeeded {\"n\":1,\"loop_round\":2} steps 2 loop_completed\n"
                      "node_started after\n"
                      "node_finished after succeeded\n"
                      "workflow_finished succeeded completed {}\n");
    assert_int_equal(4, p.steps); /* start, it, loop, after: nodes inside do not count */
    player_close(&p);
}

static void an_empty_iteration_begins_and_completes(void **state)
{
    struct player p;
    (void)state;
    play(&p,
         EXPORT("workflow", "", FORM ITERATION("it", "start, o, l", "nobody, x", ""), EDGE("start", "it")),
         &(struct play){.inputs = "{\"o\":{\"l\":[]}}"});
    buf_drop(&p.log, str_find(buf_str(&p.log), STR("iteration_started"), 0));
    player_expect(&p, "iteration_started it 0 {\"iterator_selector\":[]}\n"
                      "iteration_completed it succeeded {\"output\":[]} steps 0\n"
                      "workflow_finished succeeded completed {}\n");
    player_close(&p);
}

static void skipped_nodes_have_no_events(void **state)
{
    struct player p;
    (void)state;
    play(&p,
         EXPORT("workflow", "",
                FORM NODE("if", "if-else",
                          "cases: [{case_id: 'true', logical_operator: and, conditions: "
                          "[{variable_selector: [start, x], comparison_operator: is, value: v}]}]")
                    TEMPLATE("left", "l") TEMPLATE("right", "r") TEMPLATE("behind", "b"),
                EDGE("start", "if") HANDLE("if", "'true'", "left") HANDLE("if", "'false'", "right")
                    EDGE("right", "behind")),
         &flow);
    buf_drop(&p.log, str_find(buf_str(&p.log), STR("node_started if"), 0));
    player_expect(&p, "node_started if\nnode_finished if succeeded\nnode_started left\n"
                      "node_finished left succeeded\nworkflow_finished succeeded completed {}\n");
    player_close(&p);
}

static void a_status_says_how_a_node_or_a_run_has_ended(void **state)
{
    static const struct {
        const char *more, *line;
        enum run_status status;
        int exceptions;
    } rows[] = {
        {"", "node_finished llm failed: down\n", RUN_STATUS_FAILED, 1},
        {", error_strategy: fail-branch", "node_finished llm exception: down\n", RUN_STATUS_PARTIAL_SUCCEEDED,
         1},
        {", error_strategy: default-value, default_value: []", "node_finished llm exception: down\n",
         RUN_STATUS_PARTIAL_SUCCEEDED, 1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        char dsl[2048];
        snprintf(dsl, sizeof dsl, EXPORT("workflow", "", START LLM("llm", "t", "%s"), EDGE("start", "llm")),
                 rows[i].more);
        player_open(&p, dsl);
        player_start(&p, &flow);
        player_go(&p);
        player_fail(&p, 0, "InvokeServerUnavailableError", "down");
        player_go(&p);
        assert_true(player_saw(&p, rows[i].line));
        assert_int_equal(rows[i].status, p.status);
        assert_int_equal(rows[i].exceptions, p.exceptions);
        player_close(&p);
    }
}

/* --- outputs of a run (3.8) --- */

static void outputs_are_those_of_the_ends_that_were_reached(void **state)
{
    static const struct {
        const char *nodes, *edges, *outputs;
    } rows[] = {
        {"", "", "{}"}, /* no end at all */
        {END_OF("e", "a", "start, x"), EDGE("start", "e"), "{\"a\":\"v\"}"},
        {END_OF("e", "a", "start, x") END_OF("f", "b", "start, x"), EDGE("start", "e") EDGE("start", "f"),
         "{\"a\":\"v\",\"b\":\"v\"}"},
        {END_OF("e", "a", "start, x") TEMPLATE("t", "late") END_OF("f", "a", "t, output"),
         EDGE("start", "e") EDGE("start", "t") EDGE("t", "f"), "{\"a\":\"late\"}"},
        {END_OF("e", "a", "start, x"), "", "{}"}, /* never reached */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        char dsl[4096];
        snprintf(dsl, sizeof dsl,
                 EXPORT("workflow", "", FORM TEMPLATE("z", "z") "%s", EDGE("start", "z") "%s"), rows[i].nodes,
                 rows[i].edges);
        play(&p, dsl, &flow);
        assert_int_equal(RUN_STATUS_SUCCEEDED, p.status);
        assert_text(rows[i].outputs, p.outputs);
        player_close(&p);
    }
}

/* The answer whose node ends first stands first, whatever their order in the file. */
static void answers_stand_in_the_order_in_which_they_ended(void **state)
{
    struct player p;
    (void)state;
    play(&p,
         EXPORT("advanced-chat", "",
                START ANSWER("r1", "late {{#llm.text#}}") LLM("llm", "t", "") ANSWER("r2", "early "),
                EDGE("start", "llm") EDGE("llm", "r1") EDGE("start", "r2")),
         &chat);
    assert_text("{\"answer\":\"early late mocked llm response\",\"files\":[]}", p.outputs);
    player_close(&p);
}

/* Of an iteration only its last element, and only when that one has succeeded; of a loop every round. */
static void answers_inside_containers_are_put_out_too(void **state)
{
    static const struct {
        const char *list, *outputs;
    } rows[] = {
        {"[\"a\",\"b\"]", "{\"answer\":\"<b>\",\"files\":[]}"},
        {"[\"b\",\"a\"]", "{\"answer\":\"<a>\",\"files\":[]}"},
        {"[\"b\",\"bad\"]", "{}"},
        {"[\"bad\",\"b\"]", "{\"answer\":\"<b>\",\"files\":[]}"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        char inputs[128];
        snprintf(inputs, sizeof inputs, "{\"o\":{\"l\":%s}}", rows[i].list);
        play(&p,
             EXPORT("advanced-chat", "",
                    FORM ITERATION("it", "start, o, l", "it, item", ", error_handle_mode: continue-on-error")
                        INSIDE("it", "if", "if-else",
                               "cases: [{case_id: 'true', logical_operator: and, conditions: "
                               "[{variable_selector: [it, item], comparison_operator: is, value: bad}]}]")
                            INSIDE("it", "broken", "list-operator", "variable: [nobody, x]")
                                INSIDE("it", "say", "answer", "answer: \"<{{#it.item#}}>\""),
                    EDGE("start", "it") EDGE("itstart", "if") HANDLE("if", "'true'", "broken")
                        HANDLE("if", "'false'", "say")),
             &(struct play){.query = "q", .inputs = inputs});
        assert_text(rows[i].outputs, p.outputs);
        player_close(&p);
    }
}

/* Where it failed, the outputs stand as far as they came. */
static void a_failed_run_keeps_the_outputs_it_had(void **state)
{
    struct player p;
    (void)state;
    play(&p,
         EXPORT("workflow", "", FORM END_OF("e", "a", "start, x") BROKEN("bad"),
                EDGE("start", "e") EDGE("e", "bad")),
         &flow);
    assert_int_equal(RUN_STATUS_FAILED, p.status);
    assert_text("{\"a\":\"v\"}", p.outputs);
    player_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_and_an_answer),
        cmocka_unit_test(a_workflow_shows_its_inputs_and_has_no_message),
        cmocka_unit_test(the_last_events_depend_on_mode_and_status),
        cmocka_unit_test(an_event_names_its_node),
        cmocka_unit_test(attempts_share_one_execution),
        cmocka_unit_test(time_passes_between_start_and_end),
        cmocka_unit_test(containers_have_events_of_their_own),
        cmocka_unit_test(an_empty_iteration_begins_and_completes),
        cmocka_unit_test(skipped_nodes_have_no_events),
        cmocka_unit_test(a_status_says_how_a_node_or_a_run_has_ended),
        cmocka_unit_test(outputs_are_those_of_the_ends_that_were_reached),
        cmocka_unit_test(answers_stand_in_the_order_in_which_they_ended),
        cmocka_unit_test(answers_inside_containers_are_put_out_too),
        cmocka_unit_test(a_failed_run_keeps_the_outputs_it_had),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
