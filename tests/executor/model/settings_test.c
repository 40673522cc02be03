/*
 * What the store says of a model, found by the names an export has for it.
 */
#include "executor/model/settings.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"

static const struct store_model models[] = {
    {.workspace_id = STR("w"),
     .provider = STR("vendor/openai/openai"),
     .model = STR("gpt-4"),
     .protocol = STR("anthropic"),
     .upstream_model = STR("real"),
     .context_size = 1000,
     .prompt_unit_price = STR("2.5"),
     .affinity = true},
    {.workspace_id = STR("w"),
     .provider = STR("other"),
     .model = STR("gpt-4"),
     .context_size = 2000,
     .completion_unit_price = STR("1"),
     .price_unit = STR("0.001"),
     .currency = STR("EUR")},
    {.workspace_id = STR("w"), .provider = STR("other"), .model = STR("free"), .protocol = STR("telepathy")},
    {.workspace_id = STR("v"), .provider = STR("openai"), .model = STR("gpt-4"), .context_size = 3000},
};
static const struct store_model_page page = {.models = models, .count = ARRAY_LEN(models)};

static void settings_are_found_by_the_names_of_exports(void **state)
{
    static const struct {
        const char *workspace, *provider, *model;
        int64_t context_size;
    } rows[] = {
        {"w", "openai", "gpt-4", 1000}, {"w", "langgenius/openai/openai", "gpt-4", 1000},
        {"w", "other", "gpt-4", 2000},  {"v", "openai", "gpt-4", 3000},
        {"w", "openai", "gpt-4o", 0},   {"w", "openai/x", "gpt-4", 0},
        {"u", "openai", "gpt-4", 0},    {"v", "", "gpt-4", 3000},
        {"w", "", "free", 0},           {"w", "", "none", 0},
    };
    struct settings *settings;
    struct status err;
    (void)state;
    assert_ok(settings_new(&page, &settings, &err));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(rows[i].context_size, settings_find(settings, str_c(rows[i].workspace),
                                                             str_c(rows[i].provider), str_c(rows[i].model))
                                                   ->context_size);
    settings_free(settings);
    assert_ptr_equal(&model_settings_none, settings_find(NULL, STR("w"), STR("openai"), STR("gpt-4")));
    settings_free(NULL);
}

static void what_is_not_said_has_its_meaning(void **state)
{
    struct settings *settings;
    struct status err;
    (void)state;
    assert_ok(settings_new(&page, &settings, &err));
    const struct model_settings *a = settings_find(settings, STR("w"), STR("openai"), STR("gpt-4"));
    assert_ptr_equal(&protocol_anthropic, a->protocol);
    assert_str("real", a->upstream_model);
    assert_str("2.5", a->price.prompt_unit_price);
    assert_str("", a->price.completion_unit_price);
    assert_str("0.000001", a->price.price_unit);
    assert_str("USD", a->price.currency);
    assert_true(a->affinity);
    const struct model_settings *b = settings_find(settings, STR("w"), STR("other"), STR("gpt-4"));
    assert_null(b->protocol);
    assert_str("", b->upstream_model);
    assert_str("0.001", b->price.price_unit);
    assert_str("EUR", b->price.currency);
    assert_false(b->affinity);
    const struct model_settings *free_one = settings_find(settings, STR("w"), STR("other"), STR("free"));
    assert_null(free_one->protocol);
    assert_str("", free_one->price.currency); /* nothing to pay, in no currency */
    settings_free(settings);
}

static void without_memory_there_are_none(void **state)
{
    (void)state;
    for (size_t n = 0;; n++) {
        struct settings *settings = NULL;
        struct status err;
        alloc_fail_after(n);
        enum status_code rc = settings_new(&page, &settings, &err);
        alloc_fail_reset();
        settings_free(settings);
        if (!alloc_fail_hit()) {
            assert_ok(rc);
            break;
        }
        assert_code(STATUS_RESOURCE_EXHAUSTED, rc);
        assert_null(settings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_found_by_the_names_of_exports),
        cmocka_unit_test(what_is_not_said_has_its_meaning),
        cmocka_unit_test(without_memory_there_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
