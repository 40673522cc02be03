/*
 * Real exports come to their stated outcomes (MANIFEST.md of the test data).
 */
#include "tests/executor/player/player.h"
#include <stdio.h>
#include <string.h>

static void passthrough_gives_its_input_back(void **state)
{
    static const char *const queries[] = {"hello world", "", "日本語 🧵", "line\\nbreak"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
        struct player p;
        char inputs[128], outputs[128];
        player_open_export(&p, "dify-fixtures/simple_passthrough_workflow.yml");
        snprintf(inputs, sizeof inputs, "{\"query\":\"%s\"}", queries[i]);
        snprintf(outputs, sizeof outputs, "{\"query\":\"%s\"}", queries[i]);
        player_play(&p, &(struct play){.inputs = inputs});
        assert_int_equal(p.status, RUN_STATUS_SUCCEEDED);
        assert_text(outputs, p.outputs);
        player_close(&p);
    }
}

static void if_else_takes_the_branch_of_contains(void **state)
{
    static const struct {
        const char *query, *branch;
    } rows[] = {
        {"hello world", "true"}, {"hello123", "true"}, {"say hello", "true"}, {"Hello world", "false"},
        {"HELLO", "false"},      {"helo", "false"},    {"", "false"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        char inputs[128], outputs[128];
        player_open_export(&p, "dify-fixtures/conditional_hello_branching_workflow.yml");
        snprintf(inputs, sizeof inputs, "{\"query\":\"%s\"}", rows[i].query);
        snprintf(outputs, sizeof outputs, "{\"%s\":\"%s\"}", rows[i].branch, rows[i].query);
        player_play(&p, &(struct play){.inputs = inputs});
        assert_int_equal(p.status, RUN_STATUS_SUCCEEDED);
        assert_text(outputs, p.outputs);
        player_close(&p);
    }
}

static void llm_workflow_gives_the_model_text(void **state)
{
    struct player p;
    (void)state;
    player_open_export(&p, "dify-fixtures/basic_llm_chat_workflow.yml");
    player_play(&p, &(struct play){.inputs = "{\"query\":\"hi\"}"});
    assert_int_equal(p.status, RUN_STATUS_SUCCEEDED);
    assert_text("{\"answer\":\"mocked llm response\"}", p.outputs);
    assert_text("mocked llm response", p.text);
    player_close(&p);
}

static void failing_model_fails_the_run(void **state)
{
    struct player p;
    (void)state;
    player_open_export(&p, "dify-fixtures/basic_llm_chat_workflow.yml");
    player_start(&p, &(struct play){.inputs = "{\"query\":\"hi\"}"});
    player_go(&p);
    player_fail(&p, 0, "InvokeBadRequestError", "status 400: no such thing");
    assert_int_equal(player_go(&p), RUN_ENDED);
    assert_int_equal(p.status, RUN_STATUS_FAILED);
    assert_int_equal(p.reason, END_REASON_NODE_FAILED);
    assert_string_equal(p.error, "status 400: no such thing");
    assert_string_equal(p.last_error_type, "InvokeBadRequestError");
    player_close(&p);
}

static void chatflow_streams_in_the_order_of_events(void **state)
{
    struct player p;
    (void)state;
    player_open_export(&p, "dify-fixtures/basic_chatflow.yml");
    player_play(&p, &(struct play){.query = "hi"});
    player_expect(
        &p, "workflow_started "
            "{\"sys.query\":\"hi\",\"sys.files\":[],\"sys.user_id\":\"u-1\",\"sys.app_id\":\"app-1\","
            "\"sys.workflow_id\":\"version-1\",\"sys.workflow_run_id\":\"run-1\",\"sys.dialogue_count\":1}\n"
            "node_started 1755189262236\n"
            "node_finished 1755189262236 succeeded\n"
            "node_started llm\n"
            "message llm.text \"mocked\"\n"
            "message llm.text \" llm\"\n"
            "message llm.text \" response\"\n"
            "message llm.text \"\" final\n"
            "node_finished llm succeeded\n"
            "node_started answer\n"
            "node_finished answer succeeded\n"
            "message_end\n"
            "workflow_finished succeeded completed {\"answer\":\"mocked llm response\",\"files\":[]}\n");
    assert_int_equal(p.tokens, 15);
    assert_int_equal(p.steps, 3);
    player_close(&p);
}

static void answer_around_the_query_comes_before_start_has_succeeded(void **state)
{
    struct player p;
    (void)state;
    player_open_export(&p, "dify-fixtures/answer_end_with_text.yml");
    player_play(&p, &(struct play){.query = "Hello, AI!"});
    const char *start = strchr(p.log.ptr, '\n') + 1;
    buf_drop(&p.log, (size_t)(start - p.log.ptr));
    player_expect(
        &p, "node_started 1755077165531\n"
            "message answer.answer \"prefix\"\n"
            "message sys.query \"Hello, AI!\"\n"
            "message answer.answer \"suffix\" final\n"
            "node_finished 1755077165531 succeeded\n"
            "node_started answer\n"
            "node_finished answer succeeded\n"
            "message_end\n"
            "workflow_finished succeeded completed {\"answer\":\"prefixHello, AI!suffix\",\"files\":[]}\n");
    player_close(&p);
}

static void branch_beside_a_parallel_model_call(void **state)
{
    static const struct {
        const char *query, *answer;
    } rows[] = {{"hello there", "contains 'hello'mocked llm response"}, {"good day", "mocked llm response"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        char outputs[128];
        player_open_export(&p, "dify-fixtures/test_complex_branch.yml");
        player_play(&p, &(struct play){.query = rows[i].query});
        snprintf(outputs, sizeof outputs, "{\"answer\":\"%s\",\"files\":[]}", rows[i].answer);
        assert_text(outputs, p.outputs);
        assert_text(rows[i].answer, p.text);
        player_close(&p);
    }
}

static void two_ends_one_streams_a_template_one_the_model(void **state)
{
    struct player p;
    (void)state;
    player_open_export(&p, "dify-fixtures/conditional_streaming_vs_template_workflow.yml");
    player_play(&p, &(struct play){.inputs = "{\"query\":\"Hello, how are you?\",\"blocking\":1}"});
    assert_true(player_saw(&p, "text_chunk 1754239042599.query \"Hello, how are you?\"\n"
                               "text_chunk 1754239058707.answer \"\\n\"\n"));
    assert_int_equal(player_count(&p, "text_chunk "), 3);
    assert_true(player_saw(&p, "text_chunk 1754296914925.output \"mocked llm response\" final\n"));
    assert_text("Hello, how are you?\nmocked llm response", p.text);
    player_close(&p);

    player_open_export(&p, "dify-fixtures/conditional_streaming_vs_template_workflow.yml");
    player_play(&p, &(struct play){.inputs = "{\"query\":\"Hello, how are you?\",\"blocking\":2}"});
    assert_true(player_saw(&p, "text_chunk 17542969329740.text \"mocked\"\n"
                               "text_chunk 17542969329740.text \" llm\"\n"
                               "text_chunk 17542969329740.text \" response\"\n"
                               "text_chunk 17542969329740.text \"\" final\n"
                               "node_finished 17542969329740 succeeded\n"));
    assert_text("Hello, how are you?\nmocked llm response", p.text);
    player_close(&p);
}

static void legacy_if_else_on_a_select_input(void **state)
{
    static const struct {
        const char *choice, *key;
    } rows[] = {{"True", "text_2"}, {"False", "text"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        char inputs[128], outputs[128];
        player_open_export(&p, "dify-recommended/sentiment-analysis.yml");
        snprintf(inputs, sizeof inputs,
                 "{\"input_text\":\"fine\",\"Multisentiment\":\"%s\",\"Categories\":\"a\"}", rows[i].choice);
        snprintf(outputs, sizeof outputs, "{\"%s\":\"mocked llm response\"}", rows[i].key);
        player_play(&p, &(struct play){.inputs = inputs});
        assert_text(outputs, p.outputs);
        player_close(&p);
    }
}

static void reflective_translation_joins_its_branches(void **state)
{
    static const struct {
        const char *country, *taken, *skipped;
    } rows[] = {{"", "node_started 1721118559807", "node_started 1721118668192"},
                {"Norway", "node_started 1721118668192", "node_started 1721118559807"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        char inputs[256];
        player_open_export(&p, "awesome-dify-workflow/translation_workflow.yml");
        snprintf(inputs, sizeof inputs,
                 "{\"source_lang\":\"English\",\"target_lang\":\"Norwegian\",\"source_text\":\"hi\","
                 "\"country\":\"%s\"}",
                 rows[i].country);
        player_play(&p, &(struct play){.inputs = inputs});
        assert_text("{\"output\":\"mocked llm response\"}", p.outputs);
        assert_int_equal(p.call_count, 3);
        assert_true(player_saw(&p, rows[i].taken));
        assert_false(player_saw(&p, rows[i].skipped));
        player_close(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passthrough_gives_its_input_back),
        cmocka_unit_test(if_else_takes_the_branch_of_contains),
        cmocka_unit_test(llm_workflow_gives_the_model_text),
        cmocka_unit_test(failing_model_fails_the_run),
        cmocka_unit_test(chatflow_streams_in_the_order_of_events),
        cmocka_unit_test(answer_around_the_query_comes_before_start_has_succeeded),
        cmocka_unit_test(branch_beside_a_parallel_model_call),
        cmocka_unit_test(two_ends_one_streams_a_template_one_the_model),
        cmocka_unit_test(legacy_if_else_on_a_select_input),
        cmocka_unit_test(reflective_translation_joins_its_branches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
