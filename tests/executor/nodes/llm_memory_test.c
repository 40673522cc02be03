/*
 * llm nodes that remember the conversation (dify-dsl.md 4.3, History).
 */
#include "executor/nodes/memory.h"
#include "tests/executor/nodes/llm_play.h"
#include "tests/support/alloc_fail.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TWO_TURNS    "[{\"query\":\"q1\",\"answer\":\"a1\"},{\"query\":\"q2\",\"answer\":\"a2\"}]"
#define MEMORY(rest) MODEL("chat", "{}") ", prompt_template: [{role: system, text: s}], memory: {" rest "}"
#define COMPLETION(text, rest)                                                                               \
    MODEL("completion", "{}") ", prompt_template: {text: '" text "'}, memory: {" rest "}"
#define PREFIX "role_prefix: {user: U, assistant: A}"

static const struct play now = {.query = "now"};

static void earlier_turns_stand_before_the_query(void **state)
{
    (void)state;
    assert_llm_sends(CHAT_APP(MEMORY("window: {enabled: false}")), &now, TWO_TURNS,
                     SENT("{\"system\":\"s\"},{\"user\":\"q1\"},{\"assistant\":\"a1\"},{\"user\":\"q2\"},"
                          "{\"assistant\":\"a2\"},{\"user\":\"now\"}"));
    assert_llm_sends(CHAT_APP(MEMORY("window: {enabled: false}")), &now, "[]",
                     SENT("{\"system\":\"s\"},{\"user\":\"now\"}"));
    /* Without memory nothing is remembered. */
    assert_llm_sends(CHAT_APP(MODEL("chat", "{}") ", prompt_template: [{role: system, text: s}]"), &now,
                     TWO_TURNS, SENT("{\"system\":\"s\"}"));
    /* A message without text is left out. */
    assert_llm_sends(CHAT_APP(MEMORY("window: {enabled: false}")), &now,
                     "[{\"query\":\"\",\"answer\":\"a1\"},{\"query\":\"q2\",\"answer\":\"\"}]",
                     SENT("{\"system\":\"s\"},{\"assistant\":\"a1\"},{\"user\":\"q2\"},{\"user\":\"now\"}"));
}

static void a_window_counts_turns(void **state)
{
    static const struct {
        const char *window, *first; /* the first question that is remembered */
    } rows[] = {
        {"{enabled: true, size: 1}", "q599"},
        {"{enabled: true, size: 3}", "q597"},
        {"{enabled: false, size: 1}", "q100"},
        {"{enabled: true, size: 0}", "q100"},
        {"{enabled: true, size: -3}", "q100"},
        {"{enabled: true, size: 501}", "q100"},
        {"{enabled: true, size: 499}", "q101"},
        {"{enabled: true}", "q100"},
        {"null", "q100"},
    };
    struct buf history;
    (void)state;
    buf_init(&history, 1 << 20);
    for (int i = 0; i < 600; i++)
        buf_printf(&history, "%s{\"query\":\"q%d\",\"answer\":\"a\"}", i == 0 ? "[" : ",", i);
    buf_put_c(&history, "]");
    buf_put_char(&history, '\0');
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        char dsl[1024], begin[128];
        snprintf(dsl, sizeof dsl,
                 CHAT_APP(MODEL_OF("openai", "gpt-4o", "chat", "{}") ", prompt_template: [], memory: "
                                                                     "{window: %s}"),
                 rows[i].window);
        snprintf(begin, sizeof begin, "\"messages\":[{\"user\":\"%s\"},", rows[i].first);
        llm_ask(&p, dsl, &now, history.ptr);
        assert_contains(begin, p.calls[0].request);
        player_close(&p);
    }
    buf_fini(&history);
}

static void tokens_are_estimated(void **state)
{
    static const struct {
        const char *text;
        int64_t tokens;
    } rows[] = {{"", 0},
                {"a", 1},
                {"four", 1},
                {"fives", 2},
                {"\xe4\xbd\xa0\xe5\xa5\xbd", 2}, /* one each */
                {"\xf0\x9f\x98\x80", 1},
                {"ab\xc3\xa4", 2}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(rows[i].tokens, memory_tokens(str_c(rows[i].text)));
}

/* Three messages of 1,000 tokens each, and what is sent of them. */
static void single_messages_go_while_there_is_no_room(void **state)
{
    enum { BYTES = 4 * (1000 - 4) };
    static const struct {
        const char *name, *params;
        bool first, second;
        int64_t context; /* in the settings; 0: not there */
    } rows[] = {
        {"unknown", "{}", false, true, 0}, /* 2000 tokens */
        {"unknown", "{}", true, true, 3000},
        {"unknown", "{}", false, true, 2999},
        {"gpt-4", "{max_tokens: 1001}", false, false,
         3000},                         /* the settings count, not what is known of the name */
        {"gpt-4", "{}", true, true, 0}, /* 8192 */
        {"gpt-4", "{max_tokens: 5000}", true, true, 0},              /* 3192 */
        {"gpt-4", "{max_tokens: 5192}", true, true, 0},              /* 3000 */
        {"gpt-4", "{max_tokens: 5193}", false, true, 0},             /* 2999 */
        {"gpt-4", "{max_completion_tokens: 6500}", false, false, 0}, /* 1692 */
        {"gpt-4", "{max_tokens: 9999}", false, false, 0},            /* none; the last message stays */
        {"gpt-4", "{max_tokens: '5{{#start.n#}}3'}", false, true, 0},
        {"gpt-4", "{max_tokens: -5}", true, true, 0},
    };
    char text[BYTES + 1], history[3 * BYTES + 200];
    (void)state;
    memset(text, 'x', BYTES);
    text[BYTES] = '\0';
    snprintf(history, sizeof history,
             "[{\"query\":\"\",\"answer\":\"1%s\"},{\"query\":\"2%s\",\"answer\":\"3%s\"}]", text + 1,
             text + 1, text + 1);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        char dsl[1024];
        snprintf(dsl, sizeof dsl,
                 EXPORT("advanced-chat", "",
                        FORM NODE_LLM("model: {provider: openai, name: %s, mode: chat, "
                                      "completion_params: %s}, prompt_template: [], "
                                      "memory: {window: {enabled: false}}"),
                        EDGE("start", "llm")),
                 rows[i].name, rows[i].params);
        player_open(&p, dsl);
        p.context = rows[i].context;
        player_start(&p, &(struct play){.query = "now", .inputs = "{\"n\":19}"});
        llm_remember(&p, history);
        player_go(&p);
        assert_int_equal(1, p.call_count);
        bool has_first = strstr(p.calls[0].request, "\"1xx") != NULL;
        bool has_second = strstr(p.calls[0].request, "\"2xx") != NULL;
        if (has_first != rows[i].first || has_second != rows[i].second)
            fail_msg("%s %s: %d %d", rows[i].name, rows[i].params, has_first, has_second);
        assert_contains("\"3xx", p.calls[0].request);
        player_close(&p);
    }
}

static void images_of_earlier_turns_are_seen_with_vision(void **state)
{
    static const char history[] =
        "[{\"query\":\"look\",\"answer\":\"nice\",\"files\":["
        "{\"type\":\"image\",\"transfer_method\":\"remote_url\",\"url\":\"https://e.example/1.png\"},"
        "{\"type\":\"document\",\"transfer_method\":\"remote_url\",\"url\":\"https://e.example/2.pdf\"}]}]";
    (void)state;
    assert_llm_sends(CHAT_APP(MEMORY("window: {enabled: false}") ", vision: {enabled: true}"), &now, history,
                     SENT("{\"system\":\"s\"},{\"user\":\"look\",\"files\":[\"https://e.example/1.png "
                          "low\"]},{\"assistant\":\"nice\"},{\"user\":\"now\"}"));
    assert_llm_sends(
        CHAT_APP(MEMORY("window: {enabled: false}") ", vision: {enabled: false}"), &now, history,
        SENT("{\"system\":\"s\"},{\"user\":\"look\"},{\"assistant\":\"nice\"},{\"user\":\"now\"}"));
    assert_llm_sends(CHAT_APP(COMPLETION("t", "window: {enabled: false}, " PREFIX)), &now, history,
                     SENT_PROMPT("U: [image]\\nlook\\nA: nice\\nt"));
}

static void completion_mode_has_the_history_as_text(void **state)
{
    (void)state;
    assert_llm_sends(CHAT_APP(COMPLETION("go on", "window: {enabled: false}, " PREFIX)), &now, TWO_TURNS,
                     SENT_PROMPT("U: q1\\nA: a1\\nU: q2\\nA: a2\\ngo on"));
    assert_llm_sends(CHAT_APP(COMPLETION("<{{#histories#}}>", "window: {enabled: true, size: 1}, " PREFIX)),
                     &now, TWO_TURNS, SENT_PROMPT("<{{U: q2\\nA: a2}}>"));
    assert_llm_sends(CHAT_APP(COMPLETION("<#histories#>", "window: {enabled: false}, " PREFIX)), &now, "[]",
                     SENT_PROMPT("<>"));
    assert_llm_fails(CHAT_APP(COMPLETION("t", "window: {enabled: false}")), &now,
                     "MemoryRolePrefixRequiredError", "Memory role prefix is required");
}

/* History, images, and a schema in words; then a reply that needs mending. */
static void without_memory_the_run_ends(void **state)
{
    static const char image[] =
        "[{\"type\":\"image\",\"transfer_method\":\"remote_url\",\"url\":\"https://e.example/1.png\"}]";
    char history[512];
    (void)state;
    snprintf(history, sizeof history, "[{\"query\":\"look\",\"answer\":\"nice\",\"files\":%s}]", image);
    for (size_t n = 0;; n++) {
        struct player p;
        player_open(&p, CHAT_APP(MEMORY("window: {enabled: false}, query_prompt_template: 'Q "
                                        "{{#sys.query#}} {{#sys.files#}}'") ", vision: {enabled: true}, "
                                                                            "structured_output_switch_on: "
                                                                            "true, structured_output: "
                                                                            "{schema: {type: object}}"));
        player_start(&p, &(struct play){.query = "now", .files = image});
        llm_remember(&p, history);
        p.reply = "so: {a: 1, 'b': [2";
        (void)buf_reserve(&p.log, 4096); /* what the player needs for itself */
        (void)buf_reserve(&p.text, 4096);
        (void)buf_reserve(&p.outputs, 4096);
        (void)buf_reserve(&p.last_record, 64 * 1024);
        alloc_fail_after(n);
        player_finish(&p);
        alloc_fail_reset();
        bool has_failed = alloc_fail_hit();
        assert_int_equal(p.ends, 1);
        assert_true(has_failed || p.status == RUN_STATUS_SUCCEEDED);
        player_close(&p);
        if (!has_failed) {
            assert_true(n > 50);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(earlier_turns_stand_before_the_query),
        cmocka_unit_test(a_window_counts_turns),
        cmocka_unit_test(tokens_are_estimated),
        cmocka_unit_test(single_messages_go_while_there_is_no_room),
        cmocka_unit_test(images_of_earlier_turns_are_seen_with_vision),
        cmocka_unit_test(completion_mode_has_the_history_as_text),
        cmocka_unit_test(without_memory_the_run_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
