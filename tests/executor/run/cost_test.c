/*
 * What a run costs, and when a failed one may be tried again: sums over nodes, attempts and containers.
 */
#include "tests/executor/player/player.h"
#include "tests/support/alloc_fail.h"

#define PRICE(amount, currency) ((struct model_price){STR(amount), STR(amount), STR("1"), STR(currency)})
#define FREE                    ((struct model_price){.currency = STR("")})
#define RETRY                   ", retry_config: {retry_enabled: true, max_retries: 1, retry_interval: 0}"
#define ASK(container, id, text)                                                                             \
    INSIDE(container, id, "llm",                                                                             \
           "model: {provider: p, name: m, mode: chat, completion_params: {}}, "                              \
           "prompt_template: [{role: user, text: '" text "'}], context: {enabled: false}, "                  \
           "vision: {enabled: false}")
#define FORM NODE("start", "start", "variables: [{variable: o, type: json_object}]")
/* Three elements side by side. */
#define EACH(more)                                                                                           \
    EXPORT("workflow", "",                                                                                   \
           FORM ITERATION("it", "start, o, l", "ask, text", ", is_parallel: true, parallel_nums: 3" more)    \
               ASK("it", "ask", "{{#it.item#}}") END_OF("end", "o", "it, output"),                           \
           EDGE("start", "it") EDGE("it", "end") EDGE("itstart", "ask"))

static const struct play three = {.inputs = "{\"o\":{\"l\":[1,2,3]}}"};

/* Two models, one after the other. */
static void play_two(struct player *p, const char *mode_dsl, struct model_price first,
                     struct model_price second)
{
    player_open(p, mode_dsl);
    player_start(p, &(struct play){.query = "q"});
    player_go(p);
    p->price = first;
    player_done(p, 0, "stop");
    player_go(p);
    p->price = second;
    player_done(p, 1, "stop");
    player_finish(p);
}

static void prices_of_all_calls_add_up(void **state)
{
    const struct {
        struct model_price first, second;
        const char *sum;
    } rows[] = {
        {PRICE("1", "EUR"), PRICE("2", "EUR"), "30.0000000 + 15.0000000 EUR at 2, 2 x 1"},
        {PRICE("1", "EUR"), PRICE("2", "USD"), "10.0000000 + 5.0000000 EUR at 1, 1 x 1"},
        {PRICE("1", "EUR"), FREE, "10.0000000 + 5.0000000 EUR at 1, 1 x 1"},
        {FREE, PRICE("2", "USD"), "20.0000000 + 10.0000000 USD at 2, 2 x 1"},
        {FREE, FREE, ""},
    };
    static const char *const apps[] = {
        EXPORT("workflow", "", START LLM("a", "t", "") LLM("b", "t", "") END_OF("end", "o", "b, text"),
               EDGE("start", "a") EDGE("a", "b") EDGE("b", "end")),
        EXPORT("advanced-chat", "", START LLM("a", "t", "") LLM("b", "t", "") ANSWER("answer", "ok"),
               EDGE("start", "a") EDGE("a", "b") EDGE("b", "answer")),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t k = 0; k < ARRAY_LEN(apps); k++) {
            struct player p;
            play_two(&p, apps[k], rows[i].first, rows[i].second);
            assert_string_equal(rows[i].sum, p.usage_text);
            assert_int_equal(20, p.usage.prompt_tokens);
            assert_int_equal(30, p.tokens);
            player_close(&p);
        }
    }
}

static void a_container_costs_what_is_asked_in_it(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EACH(""));
    player_start(&p, &three);
    player_go(&p);
    assert_int_equal(3, p.call_count);
    p.price = PRICE("0.25", "EUR");
    player_done(&p, 2, "stop");
    player_done(&p, 0, "stop");
    p.price = PRICE("100", "USD");
    player_done(&p, 1, "stop");
    while (!player_saw(&p, "iteration_completed it"))
        assert_int_equal(RUN_MORE, run_advance(p.run, 1, 1000000));
    assert_string_equal("7.5000000", p.last_price);
    assert_string_equal("EUR", p.last_currency);
    assert_int_equal(45, p.last_container_tokens);
    player_finish(&p);
    assert_string_equal("5.0000000 + 2.5000000 EUR at 0.25, 0.25 x 1", p.usage_text);
    player_close(&p);
}

static void the_time_of_the_failure_that_ended_the_run_is_told(void **state)
{
    static const struct {
        const char *name, *dsl;
        int64_t retry_ms;
    } rows[] = {
        {"a node", EXPORT("workflow", "", START LLM("a", "t", ""), EDGE("start", "a")), 5000},
        {"its last attempt", EXPORT("workflow", "", START LLM("a", "t", RETRY), EDGE("start", "a")), 5000},
        {"handled by a value",
         EXPORT("workflow", "",
                START LLM(
                    "a", "t",
                    ", error_strategy: default-value, default_value: [{key: text, type: string, value: d}]"),
                EDGE("start", "a")),
         0},
        {"in a container", EACH(""), 5000},
        {"in a container that goes on", EACH(", error_handle_mode: continue-on-error"), 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        print_message("%s\n", rows[i].name);
        player_open(&p, rows[i].dsl);
        player_start(&p, &three);
        p.retry_ms = 5000;
        player_go(&p);
        for (size_t k = 0; k < p.call_count && !p.ends; k++) {
            if (p.calls[k].is_open)
                player_fail(&p, k, "InvokeRateLimitError", "all rest");
            player_go(&p);
        }
        assert_int_equal(1, p.ends);
        assert_true(p.finish_retry_ms == rows[i].retry_ms);
        if (rows[i].retry_ms > 0)
            assert_string_equal("all rest; the first is back in 5.0 s", p.error);
        player_close(&p);
    }
}

static void a_stopped_run_names_no_time(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "", START LLM("a", "t", RETRY), EDGE("start", "a")));
    player_start(&p, &three);
    p.retry_ms = 5000;
    player_go(&p);
    player_fail(&p, 0, "InvokeRateLimitError", "all rest");
    player_go(&p);
    assert_int_equal(5000, p.last_retry_ms);
    run_stop(p.run, END_REASON_STOPPED_BY_USER, STR(""));
    player_go(&p);
    assert_int_equal(RUN_STATUS_STOPPED, p.status);
    assert_int_equal(0, p.finish_retry_ms);
    player_close(&p);
}

/* Every allocation fails once, with routes, prices and failures to copy. */
static void want_of_memory_ends_the_run_alone(void **state)
{
    static const struct model_refused refused[] = {{STR("a"), "InvokeRateLimitError", STR("busy")}};
    (void)state;
    bool has_failed = true;
    for (size_t n = 0; has_failed; n++) {
        struct player p;
        struct status err = {0};
        player_open(&p, EXPORT("workflow", "", START LLM("a", "t", RETRY), EDGE("start", "a")));
        player_reserve(&p);
        p.route = (struct model_route){STR("b"), STR("m"), refused, 1, 5};
        p.price = PRICE("0.25", "EUR");
        p.retry_ms = 100;
        alloc_fail_after(n);
        enum status_code rc = player_try(&p, &three, &err);
        if (rc == STATUS_OK) {
            player_go(&p);
            if (p.call_count > 0 && p.calls[0].is_open)
                player_fail(&p, 0, "InvokeRateLimitError", "all rest");
            player_finish(&p);
        }
        alloc_fail_reset();
        has_failed = alloc_fail_hit();
        assert_int_equal(p.ends, rc == STATUS_OK);
        if (!has_failed) {
            assert_int_equal(RUN_STATUS_PARTIAL_SUCCEEDED, p.status);
            assert_string_equal("2.5000000 + 1.2500000 EUR at 0.25, 0.25 x 1", p.usage_text);
            assert_true(n > 30);
        }
        player_close(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prices_of_all_calls_add_up),
        cmocka_unit_test(a_container_costs_what_is_asked_in_it),
        cmocka_unit_test(the_time_of_the_failure_that_ended_the_run_is_told),
        cmocka_unit_test(a_stopped_run_names_no_time),
        cmocka_unit_test(want_of_memory_ends_the_run_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
