/*
 * llm nodes: what is sent to the model and what becomes of its reply (dify-dsl.md 4.3).
 */
#include "tests/executor/nodes/llm_play.h"
#include <stdlib.h>
#include <string.h>

static const struct play inputs = {
    .query = "what?",
    .inputs =
        "{\"x\":\"a value\",\"n\":5,\"o\":{\"context\":[\"one\",{\"content\":\"two\",\"summary\":\"s\"}],"
        "\"bad\":[5],\"known\":[{\"content\":\"c\",\"metadata\":{\"_source\":\"knowledge\"}}],\"text\":\"a "
        "text\",\"nothing\":null,\"params\":{\"warm\":\"0.5\",\"flag\":\"true\"}}}"};

static void assert_sends(const char *dsl, const char *request)
{
    assert_llm_sends(dsl, &inputs, NULL, request);
}

static void chat_messages_are_rendered_in_order(void **state)
{
    (void)state;
    assert_sends(
        CHAT_APP(MESSAGES(
            "[{role: system, text: 'be {{#start.x#}}'}, {role: user, text: '{{#sys.query#}} {{#start.n#}}'}, "
            "{role: assistant, text: ''}]")),
        "{\"provider\":\"acme/openai/openai\",\"model\":\"big\",\"messages\":[{\"system\":\"be a value\"},"
        "{\"user\":\"what? 5\"}],\"params\":null}");
}

static void memory_adds_the_query(void **state)
{
    (void)state;
    assert_sends(CHAT_APP(MESSAGES("[{role: system, text: s}]") ", memory: {window: {enabled: false}}"),
                 "{\"provider\":\"acme/openai/"
                 "openai\",\"model\":\"big\",\"messages\":[{\"system\":\"s\"},{\"user\":\"what?\"}],"
                 "\"params\":null}");
    assert_sends(
        CHAT_APP(MESSAGES(
            "[{role: system, text: s}]") ", memory: {window: {enabled: false}, query_prompt_template: 'Q: "
                                         "{{#sys.query#}}{{#sys.files#}}'}"),
        "{\"provider\":\"acme/openai/"
        "openai\",\"model\":\"big\",\"messages\":[{\"system\":\"s\"},{\"user\":\"Q: what?\"}],"
        "\"params\":null}");
    /* Without memory none is added. */
    assert_sends(CHAT_APP(MESSAGES("[{role: system, text: s}], memory: null")),
                 "{\"provider\":\"acme/openai/"
                 "openai\",\"model\":\"big\",\"messages\":[{\"system\":\"s\"}],\"params\":null}");
}

static void context_stands_where_it_is_written(void **state)
{
    (void)state;
#define CONTEXT(selector)                                                                                    \
    CHAT_APP(MESSAGES(                                                                                       \
        "[{role: user, text: '<{{#context#}}> {{#start.n#}} {{#context#}}'}]") ", context: {enabled: true, " \
                                                                               "variable_selector: "         \
                                                                               "[" selector "]}")
    assert_sends(CONTEXT("start, o, text"),
                 "{\"provider\":\"acme/openai/openai\",\"model\":\"big\",\"messages\":"
                 "[{\"user\":\"<a text> 5 a text\"}],\"params\":null}");
    assert_sends(CONTEXT("start, o, context"),
                 "{\"provider\":\"acme/openai/openai\",\"model\":\"big\",\"messages\":"
                 "[{\"user\":\"<one\\ns\\ntwo> 5 one\\ns\\ntwo\"}],\"params\":null}");
    /* What a knowledge base found is context like any other. */
    assert_sends(CONTEXT("start, o, known"),
                 "{\"provider\":\"acme/openai/openai\",\"model\":\"big\",\"messages\":"
                 "[{\"user\":\"<c> 5 c\"}],\"params\":null}");
    assert_sends(CONTEXT("start, o, missing"),
                 "{\"provider\":\"acme/openai/openai\",\"model\":\"big\",\"messages\":"
                 "[{\"user\":\"<> 5 \"}],\"params\":null}");
    assert_llm_fails(CONTEXT("start, o, bad"), &inputs, "InvalidContextStructureError",
                     "Invalid context structure");
}

static void completion_mode_sends_one_prompt(void **state)
{
    (void)state;
    /* A line for the history that is not there. */
    assert_sends(CHAT_APP(MODEL("completion", "{}") ", prompt_template: {text: 'go on: {{#start.x#}}'}"),
                 "{\"provider\":\"acme/openai/openai\",\"model\":\"big\",\"prompt\":[{\"user\":\"\\ngo on: a "
                 "value\"}],\"params\":null}");
    /* Only the inner token is replaced. */
    assert_sends(
        CHAT_APP(MODEL("completion",
                       "{}") ", prompt_template: {text: '{{#histories#}} #sys.query# {{#sys.query#}}'}"),
        "{\"provider\":\"acme/openai/openai\",\"model\":\"big\",\"prompt\":[{\"user\":\"{{}} what? "
        "what?\"}],\"params\":null}");
    assert_llm_fails(CHAT_APP(MODEL("completion",
                                    "{}") ", prompt_template: {text: t}, memory: {window: {enabled: false}}"),
                     &inputs, "MemoryRolePrefixRequiredError", "Memory role prefix is required");
    assert_sends(
        CHAT_APP(MODEL("completion",
                       "{}") ", prompt_template: {text: t}, "
                             "memory: {window: {enabled: false}, role_prefix: {user: U, assistant: A}}"),
        "{\"provider\":\"acme/openai/"
        "openai\",\"model\":\"big\",\"prompt\":[{\"user\":\"\\nt\"}],\"params\":null}");
}

static void parameters_are_passed_on(void **state)
{
    (void)state;
    assert_sends(CHAT_APP(MODEL(
                     "chat", "{temperature: 0.7, max_tokens: 512, stop: ['###']}") ", prompt_template: "
                                                                                   "[{role: user, text: t}]"),
                 "{\"provider\":\"acme/openai/openai\",\"model\":\"big\",\"messages\":[{\"user\":\"t\"}],"
                 "\"params\":{\"temperature\":0.7,\"max_tokens\":512,\"stop\":[\"###\"]}}");
    /* A rendered number or boolean becomes one. */
    assert_sends(
        CHAT_APP(MODEL("chat",
                       "{temperature: '{{#start.o.params.warm#}}', n: '{{#start.n#}}', flag: "
                       "'{{#start.o.params.flag#}}', "
                       "user: '{{#start.x#}}', top_p: 1}") ", prompt_template: [{role: user, text: t}]"),
        "{\"provider\":\"acme/openai/openai\",\"model\":\"big\",\"messages\":[{\"user\":\"t\"}],"
        "\"params\":{\"temperature\":0.5,\"n\":5,\"flag\":true,\"user\":\"a value\",\"top_p\":1}}");
}

static void a_rendered_parameter_is_cut(void **state)
{
    struct player p;
    char json[2300] = "{\"x\":\"", expected[1200] = "\"params\":{\"user\":\"";
    (void)state;
    memset(json + strlen(json), 'y', 2000);
    memcpy(json + strlen(json), "\"}", 3);
    memset(expected + strlen(expected), 'y', 1024);
    memcpy(expected + strlen(expected), "\"}}", 4);
    player_open(
        &p, CHAT_APP(MODEL("chat", "{user: '{{#start.x#}}'}") ", prompt_template: [{role: user, text: t}]"));
    player_start(&p, &(struct play){.query = "q", .inputs = json});
    player_go(&p);
    assert_contains(expected, p.calls[0].request);
    player_close(&p);
}

static void plain_jinja_prompts_are_rendered(void **state)
{
    (void)state;
    assert_sends(
        CHAT_APP(MESSAGES(
            "[{role: user, edition_type: jinja2, text: old, jinja2_text: '{{ a }}-{{ unknown }}-{{ b "
            "}}'}]") ", prompt_config: {jinja2_variables: [{variable: a, value_selector: [start, x]}, "
                     "{variable: b, value_selector: [start, o, context]}]}"),
        "{\"provider\":\"acme/openai/openai\",\"model\":\"big\",\"messages\":"
        "[{\"user\":\"a value--['one', {'content': 'two', 'summary': 's'}]\"}],\"params\":null}");
}

static void what_the_prompt_names_has_to_exist(void **state)
{
    (void)state;
    assert_llm_fails(CHAT_APP(MESSAGES("[{role: user, text: '{{#start.gone#}}'}]")), &inputs,
                     "VariableNotFoundError", "Variable #start.gone# not found");
    assert_llm_fails(
        CHAT_APP(MESSAGES("[{role: user, text: t}]") ", memory: {query_prompt_template: '{{#start.gone#}}'}"),
        &inputs, "VariableNotFoundError", "Variable #start.gone# not found");
    assert_llm_fails(
        CHAT_APP(MESSAGES("[{role: user, text: t}]") ", prompt_config: {jinja2_variables: [{variable: a, "
                                                     "value_selector: [start, gone]}]}"),
        &inputs, "VariableNotFoundError", "Variable a not found");
    assert_llm_fails(CHAT_APP(MESSAGES("[{role: user, text: ''}]")), &inputs, "NoPromptFoundError",
                     "No prompt found");
    /* A null is an empty text. */
    assert_sends(CHAT_APP(MESSAGES("[{role: user, text: '<{{#start.o.nothing#}}>'}]")),
                 "{\"provider\":\"acme/openai/"
                 "openai\",\"model\":\"big\",\"messages\":[{\"user\":\"<>\"}],\"params\":null}");
}

static void the_reply_becomes_outputs_and_a_record(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           FORM NODE_LLM(MESSAGES("[{role: user, text: 'say {{#start.x#}}'}]"))
                               NODE("end", "end",
                                    "outputs: [{variable: text, value_selector: [llm, text]}, "
                                    "{variable: r, value_selector: [llm, reasoning_content]}, "
                                    "{variable: f, value_selector: [llm, finish_reason]}, "
                                    "{variable: t, value_selector: [llm, usage, total_tokens]}, "
                                    "{variable: l, value_selector: [llm, usage, latency]}, "
                                    "{variable: p, value_selector: [llm, usage, total_price]}]"),
                           EDGE("start", "llm") EDGE("llm", "end")));
    player_start(&p, &inputs);
    player_go(&p);
    p.route = (struct model_route){.credential = STR("spare"), .model = STR("big")};
    player_say(&p, 0, "<think>hm</think>done");
    player_done(&p, 0, "length");
    run_set_paused(p.run, false);
    while (!player_saw(&p, "node_finished llm"))
        assert_int_equal(run_advance(p.run, 1, 1000000), RUN_MORE);
    assert_text(
        "{\"inputs\":{\"#start.x#\":\"a "
        "value\",\"model_provider\":\"acme/openai/openai\",\"model_name\":\"big\"},"
        "\"process_data\":{\"model_mode\":\"chat\",\"prompts\":[{\"role\":\"user\",\"text\":\"say a "
        "value\",\"files\":[]}],"
        "\"usage\":{\"prompt_tokens\":10,\"prompt_unit_price\":\"0\",\"prompt_price_unit\":\"0\","
        "\"prompt_price\":\"0\","
        "\"completion_tokens\":5,\"completion_unit_price\":\"0\",\"completion_price_unit\":\"0\","
        "\"completion_price\":\"0\","
        "\"total_tokens\":15,\"total_price\":\"0\",\"currency\":\"USD\",\"latency\":0.2,\"time_to_"
        "first_token\":0.05,"
        "\"time_to_generate\":0.15},\"finish_reason\":\"length\",\"model_provider\":\"acme/openai/"
        "openai\",\"model_name\":\"big\",\"credential\":{\"name\":\"spare\",\"model\":\"big\",\"tried\":1,"
        "\"waited_ms\":0,\"refused\":[]}},"
        "\"outputs\":{\"text\":\"<think>hm</"
        "think>done\",\"reasoning_content\":\"\",\"usage\":{\"prompt_tokens\":10,"
        "\"prompt_unit_price\":\"0\",\"prompt_price_unit\":\"0\",\"prompt_price\":\"0\",\"completion_"
        "tokens\":5,"
        "\"completion_unit_price\":\"0\",\"completion_price_unit\":\"0\",\"completion_price\":\"0\","
        "\"total_tokens\":15,"
        "\"total_price\":\"0\",\"currency\":\"USD\",\"latency\":0.2,\"time_to_first_token\":0.05,"
        "\"time_to_generate\":0.15},"
        "\"finish_reason\":\"length\"}}",
        p.last_record);
    player_go(&p);
    assert_text(
        "{\"text\":\"<think>hm</think>done\",\"r\":\"\",\"f\":\"length\",\"t\":15,\"l\":0.2,\"p\":\"0\"}",
        p.outputs);
    player_close(&p);
}

static void separated_reasoning_goes_its_own_way(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("advanced-chat", "",
                           START NODE_LLM(MESSAGES("[{role: user, text: t}]") ", reasoning_format: separated")
                               ANSWER("answer", "{{#llm.text#}}"),
                           EDGE("start", "llm") EDGE("llm", "answer")));
    player_start(&p, &(struct play){.query = "q"});
    player_go(&p);
    buf_clear(&p.log);
    player_say(&p, 0, "<thi");
    player_go(&p);
    player_say(&p, 0, "nk>first");
    player_go(&p);
    player_say(&p, 0, "</think>\n\n an answer");
    player_go(&p);
    player_done(&p, 0, "stop");
    assert_int_equal(player_go(&p), RUN_ENDED);
    assert_string_equal("{\"llm\":\"first\"}", p.reasoning);
    player_expect(&p, "reasoning_chunk llm \"first\"\n"
                      "message llm.text \"an answer\"\n"
                      "reasoning_chunk llm \"\" final\n"
                      "message llm.text \"\" final\n"
                      "node_finished llm succeeded\n"
                      "node_started answer\n"
                      "node_finished answer succeeded\n"
                      "message_end\n"
                      "workflow_finished succeeded completed {\"answer\":\"an answer\",\"files\":[]}\n");
    player_close(&p);
}

static void a_model_that_cannot_be_asked_fails_the_node(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, WORKFLOW(MESSAGES("[{role: user, text: t}]")));
    p.refusal = "no credential for provider acme/openai/openai";
    player_play(&p, &(struct play){0});
    assert_int_equal(p.status, RUN_STATUS_FAILED);
    assert_string_equal("no credential for provider acme/openai/openai", p.error);
    assert_string_equal("InvokeAuthorizationError", p.last_error_type);
    player_close(&p);
}

static void what_is_not_served_is_a_problem_of_the_import(void **state)
{
    static const struct {
        const char *dsl, *problem;
    } rows[] = {
        {WORKFLOW(MESSAGES("[{role: user, edition_type: jinja2, jinja2_text: '{% if a %}b{% endif %}'}]")),
         "needs Jinja2"},
        {WORKFLOW(MESSAGES("[{role: robot, text: t}]")), "unknown role"},
        {WORKFLOW("prompt_template: [{role: user, text: t}]"), "the node has no model"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *problems = player_problems(rows[i].dsl);
        assert_contains(rows[i].problem, problems);
        free(problems);
    }
    /* On request it is a node that fails. */
    struct player p;
    player_open_lenient(&p, rows[0].dsl);
    player_play(&p, &(struct play){0});
    assert_int_equal(p.status, RUN_STATUS_FAILED);
    assert_contains("needs Jinja2", p.error);
    player_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chat_messages_are_rendered_in_order),
        cmocka_unit_test(memory_adds_the_query),
        cmocka_unit_test(context_stands_where_it_is_written),
        cmocka_unit_test(completion_mode_sends_one_prompt),
        cmocka_unit_test(parameters_are_passed_on),
        cmocka_unit_test(a_rendered_parameter_is_cut),
        cmocka_unit_test(plain_jinja_prompts_are_rendered),
        cmocka_unit_test(what_the_prompt_names_has_to_exist),
        cmocka_unit_test(the_reply_becomes_outputs_and_a_record),
        cmocka_unit_test(separated_reasoning_goes_its_own_way),
        cmocka_unit_test(a_model_that_cannot_be_asked_fails_the_node),
        cmocka_unit_test(what_is_not_served_is_a_problem_of_the_import),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
