/*
 * Tests of model.
 */
#include "shared/store/model.h"
#include "tests/shared/store/fixture.h"

static struct store_model example(const char *provider, const char *model)
{
    return (struct store_model){.provider = str_c(provider),
                                .model = str_c(model),
                                .protocol = STR("openai"),
                                .upstream_model = STR("gpt-4o-2024-08-06"),
                                .context_size = 128000,
                                .prompt_unit_price = STR("2.50"),
                                .completion_unit_price = STR("10"),
                                .price_unit = STR("0.000001"),
                                .currency = STR("USD"),
                                .affinity = true};
}

static void settings_take_the_place_of_what_was_there(void **state)
{
    struct fixture *f = *state;
    struct store_model model, example_model = example("openai", "gpt-4o");
    assert_ok(set_model(f, &example_model, &model));
    assert_str("default", model.workspace_id);
    struct store_model bare = {.provider = STR("openai"), .model = STR("gpt-4o"), .context_size = 8192};
    struct store_model_page page;
    assert_ok(load_models(f, &page));
    assert_int_equal(1, page.count);
    assert_str("gpt-4o-2024-08-06", page.models[0].upstream_model);
    assert_str("2.50", page.models[0].prompt_unit_price);
    assert_str("10", page.models[0].completion_unit_price);
    assert_str("0.000001", page.models[0].price_unit);
    assert_str("USD", page.models[0].currency);
    assert_int_equal(128000, page.models[0].context_size);
    assert_true(page.models[0].affinity);

    assert_ok(set_model(f, &bare, &model));
    assert_ok(load_models(f, &page));
    assert_int_equal(1, page.count);
    assert_str("", page.models[0].protocol);
    assert_str("", page.models[0].prompt_unit_price);
    assert_int_equal(8192, page.models[0].context_size);
    assert_false(page.models[0].affinity);
}

static void models_are_listed_by_provider_and_name_and_loaded_whole(void **state)
{
    struct fixture *f = *state;
    struct store_model model;
    static const char *const rows[][2] = {{"openai", "o1"}, {"anthropic", "claude"}, {"openai", "gpt-4o"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct store_model m = example(rows[i][0], rows[i][1]);
        assert_ok(set_model(f, &m, &model));
    }
    struct store_model theirs = example("openai", "o1");
    theirs.workspace_id = STR("acme");
    assert_ok(set_model(f, &theirs, &model));

    static const char *const expected[] = {"claude", "gpt-4o", "o1"};
    struct store_model_page page = {.next_page_token = STR("")};
    size_t seen = 0;
    do {
        struct store_model_list list = {.page_size = 2, .page_token = page.next_page_token};
        assert_ok(list_models(f, &list, &page));
        for (size_t i = 0; i < page.count; i++)
            assert_str(expected[seen++], page.models[i].model);
    } while (page.next_page_token.len > 0);
    assert_int_equal(ARRAY_LEN(expected), seen);
    struct store_model_list of_one = {.provider = STR("anthropic")};
    assert_ok(list_models(f, &of_one, &page));
    assert_int_equal(1, page.count);

    assert_ok(load_models(f, &page));
    assert_int_equal(4, page.count);
    assert_str("acme", page.models[0].workspace_id);
    assert_str("claude", page.models[1].model);
}

static void a_removed_model_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct store_model model, m = example("openai", "o1");
    assert_ok(set_model(f, &m, &model));
    assert_ok(remove_model(f, "openai", "o1"));
    assert_reason(STATUS_NOT_FOUND, "MODEL_NOT_FOUND", f, remove_model(f, "openai", "o1"));
    struct store_model_page page;
    assert_ok(load_models(f, &page));
    assert_int_equal(0, page.count);
}

static void there_is_room_for_a_bounded_number_only(void **state)
{
    struct fixture *f = *state;
    fixture_script(
        f,
        "insert into models with recursive n (i) as (select 1 union all select i + 1 from n where i < 9999) "
        "select 'default', 'p', 'm' || i, '', '', 0, '', '', '', '', 0, 0 from n");
    struct store_model model, last = example("p", "last"), over = example("p", "over");
    assert_ok(set_model(f, &last, &model));
    assert_code(STATUS_RESOURCE_EXHAUSTED, set_model(f, &over, &model));
    assert_ok(set_model(f, &last, &model)); /* one that is there may still change */
    struct store_model_page page;
    assert_ok(load_models(f, &page));
    assert_int_equal(STORE_MODELS_MAX, page.count);
}

static void values_that_cannot_be_are_refused_with_their_field(void **state)
{
    struct fixture *f = *state;
    struct store_model model, no_provider = example("", "o1"), no_model = example("openai", "");
    struct store_model negative = example("openai", "o1"), long_price = example("openai", "o1");
    negative.context_size = -1;
    long_price.price_unit = STR("0.0000000000000000000000000000000000000000000000000000000000000001");
    assert_field("provider", f, set_model(f, &no_provider, &model));
    assert_field("model", f, set_model(f, &no_model, &model));
    assert_field("context_size", f, set_model(f, &negative, &model));
    assert_field("price_unit", f, set_model(f, &long_price, &model));
    assert_field("provider", f, remove_model(f, "", "o1"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(settings_take_the_place_of_what_was_there),
        TEST(models_are_listed_by_provider_and_name_and_loaded_whole),
        TEST(a_removed_model_is_not_found),
        TEST(there_is_room_for_a_bounded_number_only),
        TEST(values_that_cannot_be_are_refused_with_their_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
