/*
 * question-classifier nodes: what is sent to the model and which class its reply chooses (dify-dsl.md 4.8).
 */
#include "tests/executor/nodes/llm_play.h"
#include "tests/support/alloc_fail.h"
#include <stdlib.h>
#include <string.h>

#define SMALL(mode)                                                                                          \
    "model: {provider: acme, name: small, mode: " mode ", completion_params: {temperature: 0.1}}"
#define CLASSES       "classes: [{id: 'c1', name: 'about {{#start.n#}}'}, {id: c2, name: Other, label: L2}]"
#define QUERY         "query_variable_selector: [start, x]"
#define CONFIG        SMALL("chat") ", " QUERY ", " CLASSES
#define OUT(id, what) "{variable: " id ", value_selector: [qc, " what "]}"
#define OUTS                                                                                                 \
    "outputs: [" OUT("id", "class_id") ", " OUT("name", "class_name") ", " OUT("label", "class_label") "]"
#define APP_OF(mode, config)                                                                                 \
    EXPORT(mode, "",                                                                                         \
           FORM NODE("qc", "question-classifier", config) NODE("one", "end", OUTS) NODE("two", "end", OUTS)  \
               NODE("sorry", "end", "outputs: [{variable: e, value_selector: [qc, error_type]}]"),           \
           EDGE("start", "qc") HANDLE("qc", "c1", "one") HANDLE("qc", "c2", "two")                           \
               HANDLE("qc", "fail-branch", "sorry"))
#define APP(config) APP_OF("workflow", config)

#define FIRST  "{\"id\":\"c1\",\"name\":\"about 5\",\"label\":\"CLASS 1\"}"
#define SECOND "{\"id\":\"c2\",\"name\":\"Other\",\"label\":\"L2\"}"
#define GOOD   "{\"category_id\": \"c2\", \"category_name\": \"Other\"}"

static const struct play inputs = {.query = "hello", .inputs = "{\"x\":\"a question\",\"n\":5}"};

/* Plays with a model that says this. */
static void play_reply(struct player *p, const char *dsl, const char *reply)
{
    player_open(p, dsl);
    p->reply = reply;
    player_play(p, &inputs);
}

static void replies_choose_a_class(void **state)
{
    static const struct {
        const char *name, *reply, *outputs;
    } rows[] = {
        {"bare", GOOD, SECOND},
        {"fenced", "```json\n" GOOD "\n```", SECOND},
        {"fenced without a language", "```\n" GOOD "\n```", SECOND},
        {"in one tick", "`" GOOD "`", SECOND},
        {"in two ticks", "``" GOOD "``", SECOND},
        {"with prose around", "Sure!\n```json\n" GOOD "\n```\nAnything else?", SECOND},
        {"bare with prose around", "I think it is " GOOD " and no other.", SECOND},
        {"after a thought", "<think>{\"category_id\": \"c1\"}</think>\n" GOOD, SECOND},
        {"after a thought in capitals", "<THINK a='b'>no {\n</Think>" GOOD, SECOND},
        {"between two thoughts", "<think>[</think>" GOOD "<think>}</think>", SECOND},
        {"in a thought that does not end", "<think>" GOOD, SECOND},
        {"behind half a tag", "<think " GOOD, SECOND},
        {"a list of one", "[" GOOD "]", SECOND},
        {"a fenced list of one", "```json\n[" GOOD "]\n```", SECOND},
        {"with other keys", "{\"keywords\": [\"a\"], \"category_name\": 5, \"category_id\": \"c2\"}", SECOND},
        {"the first", "{\"category_id\": \"c1\", \"category_name\": \"x\"}", FIRST},
        {"an unknown id", "{\"category_id\": \"c9\", \"category_name\": \"Other\"}", FIRST},
        {"an id of another type", "{\"category_id\": 2, \"category_name\": \"Other\"}", FIRST},
        {"an id that is null", "{\"category_id\": null, \"category_name\": \"Other\"}", FIRST},
        {"no id", "{\"category_name\": \"Other\"}", FIRST},
        {"no name", "{\"category_id\": \"c2\"}", FIRST},
        {"nothing in it", "{}", FIRST},
        {"an id twice", "{\"category_id\":\"c1\",\"category_name\":\"\",\"category_id\":\"c2\"}", SECOND},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct player p;
        print_message("%s\n", rows[i].name);
        play_reply(&p, APP(CONFIG), rows[i].reply);
        assert_text(rows[i].outputs, p.outputs);
        assert_int_equal(p.status, RUN_STATUS_SUCCEEDED);
        assert_true(
            player_saw(&p, strcmp(rows[i].outputs, FIRST) == 0 ? "node_started one" : "node_started two"));
        player_close(&p);
    }
}

static void replies_without_json_fail_the_node(void **state)
{
    static const struct {
        const char *name, *reply, *error_type, *error;
    } rows[] = {
        {"nothing", "", "ValueError", "the model's reply has no JSON in it"},
        {"prose", "It is the second one.", "ValueError", "the model's reply has no JSON in it"},
        {"a bracket that closes only", "}", "ValueError", "the model's reply has no JSON in it"},
        {"a bracket that does not close", "{\"category_id\"", "ValueError",
         "the model's reply has no JSON in it"},
        {"only a thought", "<think>" GOOD "</think>", "ValueError", "the model's reply has no JSON in it"},
        {"half an object", "{\"category_id\": \"c2\", }", "OutputParserError",
         "the model's reply is no valid JSON"},
        {"two objects", GOOD " or " GOOD, "OutputParserError", "the model's reply is no valid JSON"},
        {"fenced prose", "```the second```", "OutputParserError", "the model's reply is no valid JSON"},
        {"single quotes", "{'category_id': 'c2'}", "OutputParserError", "the model's reply is no valid JSON"},
        {"a list of two", "[" GOOD ", " GOOD "]", "OutputParserError",
         "the model's reply is no valid JSON"}, /* what counts begins at the first { */
        {"a fenced list of two", "```[" GOOD ", " GOOD "]```", "OutputParserError",
         "the JSON in the model's reply is no object"},
        {"an empty list", "[]", "OutputParserError", "the JSON in the model's reply is no object"},
        {"a list of texts", "[\"c2\"]", "OutputParserError", "the JSON in the model's reply is no object"},
        {"a fenced number", "```json\n2\n```", "OutputParserError",
         "the JSON in the model's reply is no object"},
        {"too deep",
         "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]"
         "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
         "OutputParserError", "the model's reply is no valid JSON"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct player p;
        print_message("%s\n", rows[i].name);
        play_reply(&p, APP(CONFIG), rows[i].reply);
        assert_int_equal(p.status, RUN_STATUS_FAILED);
        assert_string_equal(rows[i].error_type, p.last_error_type);
        assert_contains(rows[i].error, p.error);
        assert_int_equal(p.tokens, 15); /* they are spent all the same */
        player_close(&p);
    }
}

static void a_huge_reply_is_read(void **state)
{
    enum { BYTES = 2 * 1024 * 1024 };
    char *reply = malloc(BYTES + 200);
    struct player p;
    (void)state;
    assert_non_null(reply);
    memset(reply, '{', BYTES); /* no end of it */
    reply[BYTES] = '\0';
    play_reply(&p, APP(CONFIG), reply);
    assert_string_equal("ValueError", p.last_error_type);
    player_close(&p);
    memset(reply, 'x', BYTES);
    memcpy(reply, "<think>", 7);
    memcpy(reply + BYTES, "</think>" GOOD, sizeof "</think>" GOOD);
    play_reply(&p, APP(CONFIG), reply);
    assert_text(SECOND, p.outputs);
    player_close(&p);
    free(reply);
}

/* --- what is sent --- */

/* Only the node, so that its record is the last. */
#define ALONE_OF(mode, config)                                                                               \
    EXPORT(mode, "", FORM NODE("qc", "question-classifier", config), EDGE("start", "qc"))
#define ALONE(config) ALONE_OF("workflow", config)

/* The request the node makes; p is open. */
static const char *ask(struct player *p, const char *dsl, const struct play *play, const char *history)
{
    llm_ask(p, dsl, play, history);
    return p->calls[0].request;
}

static size_t count_of(const char *needle, const char *text)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, needle)) != NULL; at++)
        count++;
    return count;
}

static void the_model_is_told_job_examples_and_question(void **state)
{
    struct player p;
    (void)state;
    const char *request = ask(&p, ALONE(CONFIG ", instruction: 'Mind {{#start.n#}} things.'"), &inputs, NULL);
    assert_contains("{\"provider\":\"acme\",\"model\":\"small\",\"messages\":[{\"system\":\"", request);
    assert_int_equal(1, count_of("{\"system\":", request));
    assert_int_equal(3, count_of("{\"user\":", request));
    assert_int_equal(2, count_of("{\"assistant\":\"```json\\n{", request));
    assert_contains("{\"user\":\"Text:\\na question\\nCategories:\\n"
                    "[{\\\"category_id\\\": \\\"c1\\\", \\\"category_name\\\": \\\"about 5\\\"}, "
                    "{\\\"category_id\\\": \\\"c2\\\", \\\"category_name\\\": \\\"Other\\\"}]\\n"
                    "Instructions:\\nMind 5 things.\\n\"}],\"params\":{\"temperature\":0.1},\"whole\":true}",
                    request);
    assert_null(strstr(request, "<conversation>"));
    player_close(&p);
}

static void completion_mode_sends_one_text(void **state)
{
    struct player p;
    (void)state;
    const char *request = ask(&p, ALONE(SMALL("completion") ", " QUERY ", " CLASSES), &inputs, NULL);
    assert_contains("\"prompt\":[{\"user\":\"", request);
    assert_int_equal(1, count_of("{\"user\":", request));
    assert_int_equal(2, count_of("Answer:\\n```json", request));
    assert_contains("\\nText:\\na question\\nCategories:\\n[{\\\"category_id\\\": \\\"c1\\\"", request);
    assert_contains("}]\\nAnswer:\\n\"}],\"params\"", request);
    player_close(&p);
}

static void an_old_name_of_the_instruction_is_read(void **state)
{
    struct player p;
    (void)state;
    assert_contains("Instructions:\\nold\\n\"}",
                    ask(&p, ALONE(CONFIG ", instructions: old, topics: [a]"), &inputs, NULL));
    player_close(&p);
    assert_contains("Instructions:\\nnew\\n\"}",
                    ask(&p, ALONE(CONFIG ", instructions: old, instruction: new"), &inputs, NULL));
    player_close(&p);
}

static void parameters_of_the_model_are_rendered(void **state)
{
    struct player p;
    (void)state;
    assert_contains("\"params\":{\"n\":5,\"user\":\"a question\",\"stop\":[\"x\"]}",
                    ask(&p,
                        ALONE("model: {provider: acme, name: small, mode: chat, completion_params: "
                              "{n: '{{#start.n#}}', user: '{{#start.x#}}', stop: [x]}}, " QUERY ", " CLASSES),
                        &inputs, NULL));
    player_close(&p);
}

static void a_query_that_is_missing_is_an_empty_text(void **state)
{
#define QUERY_OF(selector) ALONE(SMALL("chat") ", query_variable_selector: " selector ", " CLASSES)
    static const struct {
        const char *dsl, *text, *input;
    } rows[] = {
        {QUERY_OF("[start, gone]"), "Text:\\n\\nCategories", "{\"inputs\":{\"query\":null,"},
        {QUERY_OF("null"), "Text:\\n\\nCategories", "{\"inputs\":{\"query\":null,"},
        {ALONE(SMALL("chat") ", " CLASSES), "Text:\\n\\nCategories", "{\"inputs\":{\"query\":null,"},
        {QUERY_OF("[start, n]"), "Text:\\n5\\nCategories", "{\"inputs\":{\"query\":5,"},
        {QUERY_OF("[start, f]"), "Text:\\n\\nCategories", "{\"inputs\":{\"query\":[],"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct player p;
        assert_contains(rows[i].text,
                        ask(&p, rows[i].dsl, &(struct play){.inputs = "{\"n\":5,\"f\":[]}"}, NULL));
        p.reply = GOOD;
        player_finish(&p);
        assert_int_equal(p.status, RUN_STATUS_SUCCEEDED);
        assert_text_contains(rows[i].input, p.last_record);
        player_close(&p);
    }
}

static void templates_in_the_query_are_not_rendered(void **state)
{
    struct player p;
    (void)state;
    assert_contains(
        "Text:\\n{{#start.n#}}\\nCategories",
        ask(&p, ALONE(CONFIG), &(struct play){.inputs = "{\"x\":\"{{#start.n#}}\",\"n\":5}"}, NULL));
    player_close(&p);
}

static const char history[] =
    "[{\"query\":\"q1\",\"answer\":\"a1\",\"files\":[]},{\"query\":\"q2\",\"answer\":\"a2\",\"files\":"
    "[{\"type\":\"image\",\"transfer_method\":\"remote_url\",\"url\":\"https://e.example/a.png\"}]}]";

static void memory_tells_the_conversation(void **state)
{
#define MEMORY(window) ALONE_OF("advanced-chat", CONFIG ", memory: {window: " window "}")
    static const struct {
        const char *name, *dsl, *text;
    } rows[] = {
        {"all", MEMORY("{enabled: true, size: 10}"),
         "<conversation>\\nHuman: q1\\nAssistant: a1\\nHuman: [image]\\nq2\\nAssistant: "
         "a2\\n</conversation>"},
        {"the last turn, though the window is off", MEMORY("{enabled: false, size: 1}"),
         "<conversation>\\nHuman: [image]\\nq2\\nAssistant: a2\\n</conversation>"},
        {"no size", MEMORY("{enabled: true, size: null}"), "<conversation>\\nHuman: q1\\n"},
        {"a size that is none", MEMORY("{enabled: true, size: 0}"), "<conversation>\\nHuman: q1\\n"},
        {"no window", MEMORY("null"), "<conversation>\\nHuman: q1\\n"},
        {"other prefixes",
         ALONE_OF("advanced-chat", CONFIG ", memory: {role_prefix: {user: U, assistant: A}}"),
         "<conversation>\\nHuman: q1\\n"},
        {"completion", ALONE_OF("advanced-chat", SMALL("completion") ", " QUERY ", " CLASSES ", memory: {}"),
         "<conversation>\\nHuman: q1\\n"},
        {"none", ALONE_OF("advanced-chat", CONFIG ", memory: null"), NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct player p;
        print_message("%s\n", rows[i].name);
        const char *request = ask(&p, rows[i].dsl, &inputs, history);
        if (rows[i].text != NULL)
            assert_contains(rows[i].text, request);
        else
            assert_null(strstr(request, "<conversation>"));
        player_close(&p);
    }
}

static void vision_sends_images_with_the_question(void **state)
{
#define VISION(config) ALONE(CONFIG ", vision: {enabled: true, configs: " config "}")
    static const struct play play = {
        .inputs =
            "{\"x\":\"x\",\"n\":5,\"f\":[{\"type\":\"image\",\"transfer_method\":\"remote_url\",\"url\":"
            "\"https://e.example/a.png\"},{\"type\":\"document\",\"transfer_method\":\"remote_url\","
            "\"url\":\"https://e.example/b.pdf\"}]}"};
    struct player p;
    (void)state;
    const char *request = ask(&p, VISION("{detail: low, variable_selector: [start, f]}"), &play, NULL);
    assert_contains("\\\"Other\\\"}]\\n\",\"files\":[\"https://e.example/a.png low\"]}],\"params\"", request);
    assert_int_equal(1, count_of("\"files\"", request));
    player_close(&p);
    assert_null(strstr(ask(&p, VISION("{variable_selector: [start, gone]}"), &play, NULL), "\"files\""));
    player_close(&p);
    assert_null(strstr(ask(&p, VISION("null"), &play, NULL), "\"files\"")); /* sys.files, empty here */
    player_close(&p);
    player_open(&p, VISION("{variable_selector: [start, n]}"));
    player_play(&p, &play);
    assert_int_equal(0, p.call_count);
    assert_string_equal("InvalidVariableTypeError", p.last_error_type);
    player_close(&p);
}

/* --- records and failures --- */

static void the_record_shows_what_was_asked(void **state)
{
    struct player p;
    (void)state;
    play_reply(&p, ALONE(CONFIG), GOOD);
    assert_text_contains(
        "{\"inputs\":{\"query\":\"a question\",\"model_provider\":\"acme\",\"model_name\":\"small\"},"
        "\"process_data\":{\"model_mode\":\"chat\",\"prompts\":[{\"role\":\"system\",\"text\":\"",
        p.last_record);
    assert_text_contains("\"files\":[]}],\"usage\":{\"prompt_tokens\":10,", p.last_record);
    assert_text_contains("\"finish_reason\":\"stop\",\"model_provider\":\"acme\",\"model_name\":\"small\","
                         "\"credential\":{",
                         p.last_record);
    assert_text_contains("\"outputs\":{\"class_name\":\"Other\",\"class_id\":\"c2\",\"class_label\":\"L2\","
                         "\"usage\":{\"prompt_tokens\":10,",
                         p.last_record);
    assert_int_equal(15, p.tokens);
    player_close(&p);
}

static void a_class_without_an_edge_ends_the_path(void **state)
{
    struct player p;
    (void)state;
    play_reply(&p,
               EXPORT("workflow", "", FORM NODE("qc", "question-classifier", CONFIG) NODE("one", "end", OUTS),
                      EDGE("start", "qc") HANDLE("qc", "c1", "one")),
               GOOD);
    assert_int_equal(RUN_STATUS_SUCCEEDED, p.status);
    assert_text("{}", p.outputs);
    player_close(&p);
}

static void a_model_that_fails_fails_the_node(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, APP(CONFIG));
    player_start(&p, &inputs);
    player_go(&p);
    player_fail(&p, 0, "InvokeConnectionError", "no route");
    player_finish(&p);
    assert_string_equal("no route", p.error);
    assert_string_equal("InvokeConnectionError", p.last_error_type);
    player_close(&p);
    player_open(&p, APP(CONFIG));
    p.refusal = "no credential";
    player_play(&p, &inputs);
    assert_string_equal("no credential", p.error);
    assert_string_equal("InvokeAuthorizationError", p.last_error_type);
    assert_text_contains("{\"inputs\":{\"query\":\"a question\",", p.last_record);
    player_close(&p);
}

static void a_fail_branch_is_taken(void **state)
{
    struct player p;
    (void)state;
    play_reply(&p, APP(CONFIG ", error_strategy: fail-branch"), "no idea");
    assert_int_equal(RUN_STATUS_PARTIAL_SUCCEEDED, p.status);
    assert_text("{\"e\":\"ValueError\"}", p.outputs);
    player_close(&p);
    play_reply(&p, APP(CONFIG ", error_strategy: fail-branch"), GOOD);
    assert_int_equal(RUN_STATUS_SUCCEEDED, p.status);
    player_close(&p);
}

static void a_run_that_stops_gives_up_the_call(void **state)
{
    struct player p;
    (void)state;
    (void)ask(&p, ALONE(CONFIG), &inputs, NULL);
    run_stop(p.run, END_REASON_STOPPED_BY_USER, STR("enough"));
    player_go(&p);
    assert_true(p.calls[0].was_cancelled);
    player_close(&p);
}

static void bad_configuration_is_a_problem_of_the_import(void **state)
{
#define BASE SMALL("chat") ", " QUERY
    static const struct {
        const char *dsl, *problem;
    } rows[] = {
        {ALONE(QUERY ", " CLASSES), "data.model: the node has no model"},
        {ALONE(BASE), "data.classes: the node has no list of classes"},
        {ALONE(BASE ", classes: {}"), "data.classes: the node has no list of classes"},
        {ALONE(BASE ", classes: [{name: a}]"), "data.classes[0].id: a class without id"},
        {ALONE(BASE ", classes: [{id: a, name: a}, {id: b}]"), "data.classes[1].name: a class without name"},
        {ALONE(BASE ", classes: [{id: a, name: [1]}]"), "data.classes[0].name: a class without name"},
        {ALONE(BASE ", classes: [{id: 5, name: a}]"),
         "data.classes[0].id: the id of a class is a number, not a text"},
        {ALONE(BASE ", classes: [5]"), "data.classes[0].id: a class without id"},
        {ALONE(SMALL("chat") ", query_variable_selector: 5, " CLASSES), "data.query_variable_selector: "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *problems = player_problems(rows[i].dsl);
        assert_contains(rows[i].problem, problems);
        free(problems);
    }
}

static void a_node_without_classes_fails_when_it_is_reached(void **state)
{
    struct player p;
    (void)state;
    play_reply(&p, ALONE(BASE ", classes: []"), GOOD);
    assert_int_equal(RUN_STATUS_FAILED, p.status);
    assert_string_equal("The question classifier has no classes", p.error);
    assert_int_equal(0, p.call_count);
    player_close(&p);
}

/* The player's own buffers are made before. */
static void reserve(struct player *p)
{
    assert_true(buf_reserve(&p->log, 65536) && buf_reserve(&p->text, 65536) &&
                buf_reserve(&p->outputs, 65536) && buf_reserve(&p->last_record, 65536));
}

static void memory_that_runs_out_ends_the_run(void **state)
{
    (void)state;
    for (size_t n = 0, has_hit = true; has_hit; n++) {
        struct player p;
        player_open(&p, APP(CONFIG ", vision: {enabled: true}, memory: {}, instruction: i"));
        p.reply = "<think>x</think>" GOOD;
        player_start(&p, &inputs);
        reserve(&p);
        alloc_fail_after(n);
        player_finish(&p);
        has_hit = alloc_fail_hit();
        alloc_fail_reset();
        if (!has_hit)
            assert_text(SECOND, p.outputs);
        else if (p.status != RUN_STATUS_SUCCEEDED) /* some can do without */
            assert_int_equal(RUN_STATUS_FAILED, p.status);
        player_close(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_choose_a_class),
        cmocka_unit_test(replies_without_json_fail_the_node),
        cmocka_unit_test(a_huge_reply_is_read),
        cmocka_unit_test(the_model_is_told_job_examples_and_question),
        cmocka_unit_test(completion_mode_sends_one_text),
        cmocka_unit_test(an_old_name_of_the_instruction_is_read),
        cmocka_unit_test(parameters_of_the_model_are_rendered),
        cmocka_unit_test(a_query_that_is_missing_is_an_empty_text),
        cmocka_unit_test(templates_in_the_query_are_not_rendered),
        cmocka_unit_test(memory_tells_the_conversation),
        cmocka_unit_test(vision_sends_images_with_the_question),
        cmocka_unit_test(the_record_shows_what_was_asked),
        cmocka_unit_test(a_class_without_an_edge_ends_the_path),
        cmocka_unit_test(a_model_that_fails_fails_the_node),
        cmocka_unit_test(a_fail_branch_is_taken),
        cmocka_unit_test(a_run_that_stops_gives_up_the_call),
        cmocka_unit_test(bad_configuration_is_a_problem_of_the_import),
        cmocka_unit_test(a_node_without_classes_fails_when_it_is_reached),
        cmocka_unit_test(memory_that_runs_out_ends_the_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
