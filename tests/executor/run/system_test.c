/*
 * What a run knows from its caller: system variables by mode, the query, files, conversation variables (dify-dsl.md 2.1, 2.4 to
 * 2.6).
 */
#include "executor/run/inputs.h"
#include "executor/value/parse.h"
#include "tests/executor/player/player.h"

#define NAMES                                                                                                \
    "outputs: [{variable: query, value_selector: [sys, query]}, {variable: files, value_selector: [sys, "    \
    "files]}, {variable: conversation_id, value_selector: [sys, conversation_id]}, {variable: "              \
    "dialogue_count, value_selector: [sys, dialogue_count]}, {variable: user_id, value_selector: [sys, "     \
    "user_id]}, {variable: app_id, value_selector: [sys, app_id]}, {variable: workflow_id, value_selector: " \
    "[sys, workflow_id]}, {variable: workflow_run_id, value_selector: [sys, workflow_run_id]}, {variable: "  \
    "timestamp, value_selector: [sys, timestamp]}, {variable: batch, value_selector: [sys, batch]}, "        \
    "{variable: dataset_id, value_selector: [sys, dataset_id]}, {variable: invoke_from, value_selector: "    \
    "[sys, invoke_from]}]"

/* null: there is none in that mode. */
static void system_variables_depend_on_the_mode(void **state)
{
    static const struct {
        const char *dsl, *outputs;
    } rows[] = {
        {EXPORT("workflow", "", START NODE("end", "end", NAMES), EDGE("start", "end")),
         "{\"query\":null,\"files\":[],\"conversation_id\":null,\"dialogue_count\":null,\"user_id\":\"u-1\","
         "\"app_id\":\"app-1\",\"workflow_id\":\"version-1\",\"workflow_run_id\":\"run-1\","
         "\"timestamp\":1754000000,\"batch\":null,\"dataset_id\":null,\"invoke_from\":null}"},
        {EXPORT("advanced-chat", "", START NODE("end", "end", NAMES), EDGE("start", "end")),
         "{\"query\":\"what?\",\"files\":[],\"conversation_id\":\"conversation-1\",\"dialogue_count\":1,"
         "\"user_id\":\"u-1\",\"app_id\":\"app-1\",\"workflow_id\":\"version-1\","
         "\"workflow_run_id\":\"run-1\",\"timestamp\":null,\"batch\":null,\"dataset_id\":null,"
         "\"invoke_from\":null}"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        player_open(&p, rows[i].dsl);
        player_play(&p, &(struct play){.query = "what?"});
        assert_text(rows[i].outputs, p.outputs);
        player_close(&p);
    }
}

static void a_chatflow_needs_a_query(void **state)
{
    static const char *const queries[] = {NULL, ""};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
        struct player p;
        struct status err = {0};
        struct play play = {.query = queries[i]};
        player_open(&p, EXPORT("advanced-chat", "", START, ""));
        assert_code(STATUS_INVALID_ARGUMENT, player_try(&p, &play, &err));
        assert_string_equal("query", err.field);
        player_close(&p);
    }
}

static void files_of_the_caller_are_a_list_of_files(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("advanced-chat", "",
                           START NODE("list", "list-operator", "variable: [sys, files]")
                               ANSWER("a", "{{#list.first_record.name#}} {{#list.first_record.type#}} "
                                           "{{#list.first_record.size#}}"),
                           EDGE("start", "list") EDGE("list", "a")));
    player_play(&p, &(struct play){.query = "q",
                                   .files = "[{\"type\":\"image\",\"transfer_method\":\"remote_url\","
                                            "\"url\":\"https://e.example/a.png\"}]"});
    assert_text("a.png image -1", p.text);
    player_close(&p);
}

/* Nothing but the names of the form comes in; what is not given takes its default, else it is null. */
static void inputs_are_those_of_the_form(void **state)
{
    static const struct {
        const char *inputs, *outputs;
    } rows[] = {
        {"{\"a\":\"given\",\"other\":\"dropped\"}",
         "{\"a\":\"given\",\"b\":\"fallback\",\"c\":null,\"d\":null}"},
        {"{\"a\":\"given\",\"b\":null}", "{\"a\":\"given\",\"b\":\"fallback\",\"c\":null,\"d\":null}"},
        {"{\"a\":\"x\\u0000y\",\"b\":\"\"}", "{\"a\":\"xy\",\"b\":\"\",\"c\":null,\"d\":null}"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        player_open(&p,
                    EXPORT("workflow", "",
                           NODE("start", "start",
                                "variables: [{variable: a, type: text-input, required: true}, {variable: b, "
                                "type: paragraph, default: fallback}, {variable: c, type: number}]")
                               NODE("end", "end",
                                    "outputs: [{variable: a, value_selector: [start, a]}, {variable: b, "
                                    "value_selector: [start, b]}, {variable: c, value_selector: [start, c]}, "
                                    "{variable: d, value_selector: [start, other]}]"),
                           EDGE("start", "end")));
        player_play(&p, &(struct play){.inputs = rows[i].inputs});
        assert_text(rows[i].outputs, p.outputs);
        player_close(&p);
    }
}

static void a_query_has_no_nul(void **state)
{
    static const struct {
        struct str query;
        const char *kept;
    } rows[] = {
        {STR("a\0b"), "ab"}, {STR("\0"), ""}, {STR("a\0"), "a"}, {STR("\0\0a"), "a"}, {STR("a"), "a"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct value *v = inputs_text(NULL, rows[i].query);
        assert_str(rows[i].kept, value_text(v));
        value_unref(v);
    }
}

#define KEPT                                                                                                 \
    "  conversation_variables: [{name: mood, value_type: string, value: calm}, {name: list, value_type: "    \
    "'array[number]', value: [1]}, {name: added, value_type: number, value: 7}]\n"

static void a_later_turn_has_what_was_kept_and_what_is_new(void **state)
{
    static const struct {
        const char *kept;
        int64_t turn;
        const char *text;
    } rows[] = {
        {NULL, 1, "1 calm - 1 7"},
        {"{\"mood\":\"wild\",\"list\":[2]}", 2, "2 wild - 2 7"},
        {"{\"list\":[],\"gone\":1}", 5, "5 calm  7"},
        {"{\"added\":8}", 9, "9 calm - 1 8"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        player_open(&p, EXPORT("advanced-chat", KEPT,
                               START ANSWER("a", "{{#sys.dialogue_count#}} {{#conversation.mood#}} "
                                                 "{{#conversation.list#}} {{#conversation.added#}}"),
                               EDGE("start", "a")));
        struct value *kept = NULL;
        if (rows[i].kept != NULL)
            assert_ok(value_parse_json(NULL, str_c(rows[i].kept), &kept, NULL));
        player_play(&p, &(struct play){.query = "q", .conversation = kept, .dialogue_count = rows[i].turn});
        value_unref(kept);
        assert_text(rows[i].text, p.text);
        player_close(&p);
    }
}

/* In a workflow there are none to write to: only those of loops are targets. */
static void a_workflow_has_no_conversation_variables(void **state)
{
    struct player p;
    (void)state;
    player_open(&p,
                EXPORT("workflow", "  conversation_variables: [{name: t, value_type: number, value: 1}]\n",
                       START NODE("set", "assigner",
                                  "version: '2', items: [{variable_selector: [conversation, t], "
                                  "input_type: constant, operation: '+=', value: 1}]"),
                       EDGE("start", "set")));
    player_play(&p, &(struct play){0});
    assert_int_equal(RUN_STATUS_FAILED, p.status);
    assert_string_equal("Variable ['conversation', 't'] not found", p.error);
    player_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(system_variables_depend_on_the_mode),
        cmocka_unit_test(a_chatflow_needs_a_query),
        cmocka_unit_test(files_of_the_caller_are_a_list_of_files),
        cmocka_unit_test(inputs_are_those_of_the_form),
        cmocka_unit_test(a_query_has_no_nul),
        cmocka_unit_test(a_later_turn_has_what_was_kept_and_what_is_new),
        cmocka_unit_test(a_workflow_has_no_conversation_variables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
