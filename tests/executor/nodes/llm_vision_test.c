/*
 * llm nodes that see files (dify-dsl.md 4.3, steps 3, 6 and 8).
 */
#include "tests/executor/nodes/llm_play.h"
#include <stdio.h>

#define SENT_FILE(type, name)                                                                                \
    "{\"type\":\"" type "\",\"transfer_method\":\"remote_url\",\"url\":\"https://e.example/" name "\"}"
#define SEEN(name) "\"https://e.example/" name " high\""

static const struct play nothing = {.query = "q", .inputs = "{\"x\":\"text\",\"o\":{}}"};
static const struct play sent = {.query = "q",
                                 .files = "[" SENT_FILE("image", "a.png") "," SENT_FILE(
                                     "document", "b.pdf") "," SENT_FILE("image", "c.png") "]",
                                 .inputs = "{\"x\":\"text\",\"f\":[" SENT_FILE(
                                     "audio", "d.mp3") "],\"one\":" SENT_FILE("image", "e.png") "}"};

static void images_stand_in_front_of_the_last_message_of_the_user(void **state)
{
    static const struct {
        const char *prompt, *messages;
        const struct play *play;
    } rows[] = {
        {"[{role: user, text: t}], vision: {enabled: true}", "{\"user\":\"t\"}", &nothing},
        {"[{role: user, text: t}], vision: {enabled: true, configs: {variable_selector: [start, f]}}",
         "{\"user\":\"t\"}", &nothing},
        {"[{role: user, text: t}], vision: {enabled: false}", "{\"user\":\"t\"}", &sent},
        {"[{role: system, text: s}, {role: user, text: t}], vision: {enabled: true}",
         "{\"system\":\"s\"},{\"user\":\"t\",\"files\":[" SEEN("a.png") "," SEEN("c.png") "]}", &sent},
        {"[{role: system, text: s}], vision: {enabled: true}",
         "{\"system\":\"s\"},{\"user\":\"\",\"files\":[" SEEN("a.png") "," SEEN("c.png") "]}", &sent},
        {"[{role: user, text: t}, {role: assistant, text: a}], vision: {enabled: true, configs: "
         "{variable_selector: [start, one], detail: low}}",
         "{\"user\":\"t\"},{\"assistant\":\"a\"},{\"user\":\"\",\"files\":[\"https://e.example/e.png low\"]}",
         &sent},
        /* Nothing a model could see. */
        {"[{role: system, text: s}], vision: {enabled: true, configs: {variable_selector: [start, f]}}",
         "{\"system\":\"s\"}", &sent},
        /* Also behind the query of a memory. */
        {"[{role: system, text: s}], memory: {window: {enabled: false}}, vision: {enabled: true}",
         "{\"system\":\"s\"},{\"user\":\"q\",\"files\":[" SEEN("a.png") "," SEEN("c.png") "]}", &sent},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char dsl[2048], request[1024];
        snprintf(dsl, sizeof dsl, CHAT_APP(MESSAGES("%s")), rows[i].prompt);
        snprintf(request, sizeof request, SENT("%s"), rows[i].messages);
        assert_llm_sends(dsl, rows[i].play, NULL, request);
    }
}

static void files_that_texts_refer_to_make_a_message_of_their_own(void **state)
{
    static const struct {
        const char *prompt, *messages;
    } rows[] = {
        {"[{role: system, text: 'see {{#sys.files#}}'}, {role: user, text: t}]",
         "{\"system\":\"see \"},{\"system\":\"\",\"files\":[" SEEN("a.png") "," SEEN(
             "c.png") "]},{\"user\":\"t\"}"},
        {"[{role: user, text: '{{#start.one#}}{{#sys.files#}}'}]",
         "{\"user\":\"\",\"files\":[" SEEN("e.png") "," SEEN("a.png") "," SEEN("c.png") "]}"},
        {"[{role: user, text: 'hear {{#start.f#}}'}]", "{\"user\":\"hear \"}"},
        {"[], memory: {window: {enabled: false}, query_prompt_template: 'Q {{#start.one#}}'}",
         "{\"user\":\"Q \"},{\"user\":\"\",\"files\":[" SEEN("e.png") "]}"},
        /* With vision both. */
        {"[{role: user, text: 'see {{#start.one#}}'}], vision: {enabled: true, configs: {detail: high}}",
         "{\"user\":\"see \"},{\"user\":\"\",\"files\":[" SEEN("a.png") "," SEEN("c.png") "," SEEN(
             "e.png") "]}"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char dsl[2048], request[1024];
        snprintf(dsl, sizeof dsl, CHAT_APP(MESSAGES("%s")), rows[i].prompt);
        snprintf(request, sizeof request, SENT("%s"), rows[i].messages);
        assert_llm_sends(dsl, &sent, NULL, request);
    }
}

static void what_cannot_be_sent_is_no_prompt(void **state)
{
    (void)state;
    assert_llm_fails(CHAT_APP(MESSAGES("[{role: user, text: '{{#start.f#}}'}]")), &sent, "NoPromptFoundError",
                     "No prompt found");
    assert_llm_fails(CHAT_APP(MESSAGES("[{role: user, text: ''}]") ", vision: {enabled: true, configs: "
                                                                   "{variable_selector: [start, f]}}"),
                     &sent, "NoPromptFoundError", "No prompt found");
    assert_llm_fails(CHAT_APP(MESSAGES("[{role: user, text: t}]") ", vision: {enabled: true, configs: "
                                                                  "{variable_selector: [start, x]}}"),
                     &sent, "InvalidVariableTypeError", "of type string");
    /* Completions have no place for files. */
    assert_llm_sends(CHAT_APP(MODEL("completion", "{}") ", prompt_template: {text: 't{{#sys.files#}}'}, "
                                                        "vision: {enabled: true}"),
                     &sent, NULL, SENT_PROMPT("\\nt"));
}

static void the_record_names_the_files(void **state)
{
    struct player p;
    (void)state;
    llm_ask(&p,
            WORKFLOW(MESSAGES("[{role: user, text: t}]") ", vision: {enabled: true, configs: "
                                                         "{variable_selector: [start, one]}}"),
            &sent, NULL);
    player_done(&p, 0, "stop");
    player_go(&p);
    assert_text_contains("{\"inputs\":{\"#files#\":[{\"dify_model_identity\":\"__dify__file__\"",
                         p.last_record);
    assert_text_contains("\"prompts\":[{\"role\":\"user\",\"text\":\"t\",\"files\":[{\"type\":\"image\","
                         "\"data\":\"https://e.example/e.png\",\"detail\":\"high\"}]}]",
                         p.last_record);
    player_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_stand_in_front_of_the_last_message_of_the_user),
        cmocka_unit_test(files_that_texts_refer_to_make_a_message_of_their_own),
        cmocka_unit_test(what_cannot_be_sent_is_no_prompt),
        cmocka_unit_test(the_record_names_the_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
