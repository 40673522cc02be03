/*
 * What records of nodes that ask a model say of the call: why this key, what it cost, when to come back.
 */
#include "tests/executor/nodes/extractor_play.h"
#include <stdio.h>

#define CLASSIFIER                                                                                           \
    EXPORT("workflow", "",                                                                                   \
           FORM NODE("qc", "question-classifier",                                                            \
                     SMALL("chat") ", query_variable_selector: [start, x], classes: [{id: c1, name: A}]"),   \
           EDGE("start", "qc"))
#define LLM_APP WORKFLOW(MESSAGES("[{role: user, text: t}]"))

static const struct {
    const char *name, *dsl, *reply;
} askers[] = {
    {"llm", LLM_APP, "text"},
    {"question-classifier", CLASSIFIER, "{\"category_id\":\"c1\",\"category_name\":\"A\"}"},
    {"parameter-extractor", PROMPT(CITY), "{\"city\":\"Rome\"}"},
};

static const struct model_refused refusals[] = {
    {STR("first"), "InvokeRateLimitError", STR("status 429: slow down")},
    {STR("second \"key\""), "InvokeServerUnavailableError", STR("status 503")},
};
static const struct model_price price = {STR("2.5"), STR("10"), STR("0.000001"), STR("EUR")};

static void ask(struct player *p, const char *dsl)
{
    player_open(p, dsl);
    player_start(p, &(struct play){.query = "q", .inputs = "{\"x\":\"to Rome\"}"});
    player_go(p);
    assert_int_equal(1, p->call_count);
}

static void the_record_says_why_this_key(void **state)
{
    static const struct {
        const char *name;
        struct model_route route;
        const char *credential;
    } rows[] = {
        {"the first one",
         {STR("spare"), STR("big-2"), NULL, 0, 0},
         "{\"name\":\"spare\",\"model\":\"big-2\",\"tried\":1,\"waited_ms\":0,\"refused\":[]}"},
        {"the third, after a wait",
         {STR("spare"), STR("big-2"), refusals, 2, 1234},
         "{\"name\":\"spare\",\"model\":\"big-2\",\"tried\":3,\"waited_ms\":1234,\"refused\":["
         "{\"credential\":\"first\",\"error_type\":\"InvokeRateLimitError\",\"message\":\"status 429: slow "
         "down\"},{\"credential\":\"second \\\"key\\\"\",\"error_type\":\"InvokeServerUnavailableError\","
         "\"message\":\"status 503\"}]}"},
    };
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(askers); k++) {
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            struct player p;
            char expected[1024];
            print_message("%s: %s\n", askers[k].name, rows[i].name);
            ask(&p, askers[k].dsl);
            p.route = rows[i].route;
            player_say(&p, 0, askers[k].reply);
            player_done(&p, 0, "stop");
            player_finish(&p);
            assert_int_equal(RUN_STATUS_SUCCEEDED, p.status);
            snprintf(expected, sizeof expected, ",\"credential\":%s},\"outputs\":", rows[i].credential);
            assert_text_contains(expected, p.last_record);
            player_close(&p);
        }
    }
}

static void a_failure_says_who_refused_and_when_the_first_is_back(void **state)
{
    static const struct {
        size_t refused_count;
        int64_t retry_ms;
        struct str name;
        const char *error, *credential;
    } rows[] = {
        {2, 42001, STR("second \"key\""), "all rest; the first is back in 42.1 s",
         "{\"name\":\"second \\\"key\\\"\",\"model\":\"big-2\",\"tried\":2,\"waited_ms\":7,\"refused\":["
         "{\"credential\":\"first\","},
        {1, 60000, STR("first"), "all rest; the first is back in 60.0 s",
         "{\"name\":\"first\",\"model\":\"big-2\",\"tried\":1,\"waited_ms\":7,\"refused\":["},
        {1, 1, STR("other"), "all rest; the first is back in 0.1 s", /* broke off in the middle */
         "{\"name\":\"other\",\"model\":\"big-2\",\"tried\":2,\"waited_ms\":7,\"refused\":["},
        {0, 0, STR(""), "all rest",
         "{\"name\":\"\",\"model\":\"big-2\",\"tried\":0,\"waited_ms\":7,\"refused\":[]}"},
    };
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(askers); k++) {
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            struct player p;
            char expected[256];
            ask(&p, askers[k].dsl);
            p.route = (struct model_route){rows[i].name, STR("big-2"), refusals, rows[i].refused_count, 7};
            p.retry_ms = rows[i].retry_ms;
            player_fail(&p, 0, "InvokeRateLimitError", "all rest");
            player_finish(&p);
            assert_int_equal(RUN_STATUS_FAILED, p.status);
            assert_string_equal(rows[i].error, p.error);
            assert_string_equal("InvokeRateLimitError", p.last_error_type);
            assert_true(p.last_retry_ms == rows[i].retry_ms && p.finish_retry_ms == rows[i].retry_ms);
            snprintf(expected, sizeof expected, ",\"credential\":%s", rows[i].credential);
            assert_text_contains(expected, p.last_record);
            player_close(&p);
        }
    }
}

static void the_words_of_an_extractor_name_the_time(void **state)
{
    struct player p;
    (void)state;
    ask(&p, PROMPT(CITY));
    p.retry_ms = 1500;
    player_fail(&p, 0, "InvokeRateLimitError", "all rest");
    player_finish(&p);
    assert_text_contains("\"__error\":\"all rest; the first is back in 1.5 s\"", p.last_record);
    player_close(&p);
}

static void a_model_that_cannot_be_asked_was_tried_by_none(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(askers); k++) {
        struct player p;
        player_open(&p, askers[k].dsl);
        p.refusal = "no credential";
        player_play(&p, &(struct play){.inputs = "{\"x\":\"to Rome\"}"});
        assert_string_equal("no credential", p.error);
        assert_text_contains(
            ",\"credential\":{\"name\":\"\",\"model\":\"\",\"tried\":0,\"waited_ms\":0,\"refused\":[]}}",
            p.last_record);
        player_close(&p);
    }
}

static void what_fails_before_the_question_names_no_credential(void **state)
{
    static const char vision[] = ", vision: {enabled: true, configs: {variable_selector: [start, x]}}";
    static const char *const rows[] = {MESSAGES("[{role: user, text: '{{#nobody.x#}}'}]"),
                                       SMALL("chat") ", " QUERY ", parameters: [" CITY "]"};
    static const char *const types[] = {"llm", "parameter-extractor"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        char dsl[2048];
        snprintf(dsl, sizeof dsl, EXPORT("workflow", "", FORM NODE("n", "%s", "%s%s"), EDGE("start", "n")),
                 types[i], rows[i], vision);
        player_open(&p, dsl);
        player_play(&p, &(struct play){.inputs = "{\"x\":\"to Rome\"}"});
        assert_int_equal(RUN_STATUS_FAILED, p.status);
        assert_text_contains("\"process_data\":{\"model_mode\":\"chat\"", p.last_record);
        assert_int_equal(SIZE_MAX, str_find(buf_str(&p.last_record), STR("credential"), 0));
        player_close(&p);
    }
}

static void tokens_have_their_price(void **state)
{
    static const char usage[] =
        "usage\":{\"prompt_tokens\":10,\"prompt_unit_price\":\"2.5\",\"prompt_price_unit\":\"0.000001\","
        "\"prompt_price\":\"0.0000250\",\"completion_tokens\":5,\"completion_unit_price\":\"10\","
        "\"completion_price_unit\":\"0.000001\",\"completion_price\":\"0.0000500\",\"total_tokens\":15,"
        "\"total_price\":\"0.0000750\",\"currency\":\"EUR\",";
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(askers); k++) {
        struct player p;
        ask(&p, askers[k].dsl);
        p.price = price;
        player_say(&p, 0, askers[k].reply);
        player_done(&p, 0, "stop");
        player_finish(&p);
        size_t at = str_find(buf_str(&p.last_record), str_c(usage), 0);
        assert_int_not_equal(SIZE_MAX, at);
        /* In the outputs, too. */
        assert_int_not_equal(SIZE_MAX, str_find(buf_str(&p.last_record), str_c(usage), at + 1));
        assert_string_equal("0.0000750", p.last_price);
        assert_string_equal("EUR", p.last_currency);
        assert_string_equal("0.0000250 + 0.0000500 EUR at 2.5, 10 x 0.000001", p.usage_text);
        player_close(&p);
    }
}

static void a_reply_that_cannot_be_used_costs_the_same(void **state)
{
    struct player p;
    (void)state;
    ask(&p, CLASSIFIER);
    p.price = price;
    p.route = (struct model_route){.credential = STR("spare")};
    player_say(&p, 0, "no JSON");
    player_done(&p, 0, "stop");
    player_finish(&p);
    assert_int_equal(RUN_STATUS_FAILED, p.status);
    assert_string_equal("0.0000750", p.last_price);
    assert_int_equal(0, p.finish_retry_ms);
    assert_text_contains("\"credential\":{\"name\":\"spare\"", p.last_record);
    player_close(&p);
}

static void without_a_price_a_node_costs_nothing(void **state)
{
    struct player p;
    (void)state;
    ask(&p, LLM_APP);
    player_done(&p, 0, "stop");
    player_finish(&p);
    assert_string_equal("0", p.last_price);
    assert_string_equal("USD", p.last_currency);
    assert_string_equal("", p.usage_text);
    player_close(&p);
}

static void route_and_price_are_copied(void **state)
{
    (void)state;
    struct player p;
    char name[] = "spare", model[] = "big-2", words[] = "busy", unit[] = "2.5", currency[] = "EUR";
    ask(&p, LLM_APP);
    const struct model_refused refused = {str_c(name), "InvokeRateLimitError", str_c(words)};
    p.route = (struct model_route){str_c(name), str_c(model), &refused, 1, 0};
    p.price = (struct model_price){str_c(unit), str_c(unit), STR("1"), str_c(currency)};
    player_done(&p, 0, "stop");
    char *const texts[] = {name, model, words, unit, currency};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        texts[i][0] = '#';
    player_finish(&p);
    assert_text_contains("\"credential\":{\"name\":\"spare\",\"model\":\"big-2\",\"tried\":1,\"waited_ms\":0,"
                         "\"refused\":[{\"credential\":\"spare\",\"error_type\":\"InvokeRateLimitError\","
                         "\"message\":\"busy\"}]}",
                         p.last_record);
    assert_string_equal("25.0000000 + 12.5000000 EUR at 2.5, 2.5 x 1", p.usage_text);
    player_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_record_says_why_this_key),
        cmocka_unit_test(a_failure_says_who_refused_and_when_the_first_is_back),
        cmocka_unit_test(the_words_of_an_extractor_name_the_time),
        cmocka_unit_test(a_model_that_cannot_be_asked_was_tried_by_none),
        cmocka_unit_test(what_fails_before_the_question_names_no_credential),
        cmocka_unit_test(tokens_have_their_price),
        cmocka_unit_test(a_reply_that_cannot_be_used_costs_the_same),
        cmocka_unit_test(without_a_price_a_node_costs_nothing),
        cmocka_unit_test(route_and_price_are_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
