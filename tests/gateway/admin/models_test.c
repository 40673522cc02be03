/* SetModel and ListModels. */
#include "tests/gateway/admin/admin_kit.h"
#include <string.h>

static Heddle__V1__Model example(const char *provider, const char *name)
{
    Heddle__V1__Model model = HEDDLE__V1__MODEL__INIT;
    model.provider = (char *)provider;
    model.model = (char *)name;
    return model;
}

static Heddle__V1__Model *set_model(struct admin_kit *kit, Heddle__V1__Model *model)
{
    Heddle__V1__SetModelRequest request = HEDDLE__V1__SET_MODEL_REQUEST__INIT;
    request.model = model;
    return admin_kit_call(kit, KIT_SET_MODEL, &request.base);
}

static void all_settings_of_a_model_are_kept_and_replaced(void **state)
{
    struct admin_kit *kit = *state;
    Heddle__V1__Model model = example("openai", "gpt-4");
    model.protocol = (char *)"azure_openai";
    model.upstream_model = (char *)"gpt-4o";
    model.context_size = 128000;
    model.prompt_unit_price = (char *)"2.50";
    model.completion_unit_price = (char *)"10";
    model.price_unit = (char *)"0.001";
    model.currency = (char *)"EUR";
    model.affinity = true;
    Heddle__V1__Model *reply = set_model(kit, &model);
    assert_non_null(reply);
    assert_string_equal("azure_openai", reply->protocol);
    assert_string_equal("gpt-4o", reply->upstream_model);
    assert_int_equal(128000, reply->context_size);
    assert_string_equal("2.50", reply->prompt_unit_price);
    assert_string_equal("10", reply->completion_unit_price);
    assert_string_equal("0.001", reply->price_unit);
    assert_string_equal("EUR", reply->currency);
    assert_true(reply->affinity);
    heddle__v1__model__free_unpacked(reply, NULL);

    Heddle__V1__Model bare = example("openai", "gpt-4");
    reply = set_model(kit, &bare);
    heddle__v1__model__free_unpacked(reply, NULL);
    Heddle__V1__ListModelsRequest list = HEDDLE__V1__LIST_MODELS_REQUEST__INIT;
    Heddle__V1__ListModelsResponse *page = admin_kit_call(kit, KIT_LIST_MODELS, &list.base);
    assert_int_equal(1, page->n_models);
    assert_string_equal("gpt-4", page->models[0]->model);
    assert_string_equal("", page->models[0]->upstream_model);
    assert_string_equal("", page->models[0]->price_unit);
    assert_false(page->models[0]->affinity);
    heddle__v1__list_models_response__free_unpacked(page, NULL);
}

static void a_price_is_kept_with_its_unit_and_currency(void **state)
{
    struct admin_kit *kit = *state;
    Heddle__V1__Model model = example("openai", "gpt-4");
    model.completion_unit_price = (char *)"10";
    Heddle__V1__Model *reply = set_model(kit, &model);
    assert_string_equal("0.000001", reply->price_unit);
    assert_string_equal("USD", reply->currency);
    heddle__v1__model__free_unpacked(reply, NULL);
}

static void what_a_model_cannot_be_is_refused_by_its_field(void **state)
{
    static const struct {
        const char *field, *provider, *model, *protocol, *prompt, *completion, *unit, *currency;
        int64_t context;
    } rows[] = {
        {"model.provider", "", "m", "", "", "", "", "", 0},
        {"model.model", "p", "", "", "", "", "", "", 0},
        {"model.protocol", "p", "m", "soap", "", "", "", "", 0},
        {"model.prompt_unit_price", "p", "m", "", "-1", "", "", "", 0},
        {"model.completion_unit_price", "p", "m", "", "", "a lot", "", "", 0},
        {"model.price_unit", "p", "m", "", "", "", "1/1000", "", 0},
        {"model.currency", "p", "m", "", "", "", "", "usd", 0},
        {"model.context_size", "p", "m", "", "", "", "", "", -1},
    };
    struct admin_kit *kit = *state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        Heddle__V1__Model model = example(rows[i].provider, rows[i].model);
        model.protocol = (char *)rows[i].protocol;
        model.prompt_unit_price = (char *)rows[i].prompt;
        model.completion_unit_price = (char *)rows[i].completion;
        model.price_unit = (char *)rows[i].unit;
        model.currency = (char *)rows[i].currency;
        model.context_size = rows[i].context;
        assert_null(set_model(kit, &model));
        assert_code(STATUS_INVALID_ARGUMENT, kit->err.code);
        assert_string_equal(rows[i].field, kit->err.field);
    }
    assert_null(set_model(kit, NULL));
    assert_string_equal("model", kit->err.field);
}

static void a_model_is_removed_once(void **state)
{
    struct admin_kit *kit = *state;
    Heddle__V1__Model model = example("openai", "gpt-4");
    heddle__v1__model__free_unpacked(set_model(kit, &model), NULL);
    Heddle__V1__SetModelRequest request = HEDDLE__V1__SET_MODEL_REQUEST__INIT;
    request.model = &model;
    request.remove = true;
    assert_ok(admin_kit_code(kit, KIT_SET_MODEL, &request.base));
    assert_code(STATUS_NOT_FOUND, admin_kit_code(kit, KIT_SET_MODEL, &request.base));
    assert_string_equal("MODEL_NOT_FOUND", kit->err.reason);
}

static void models_are_listed_in_pages_and_by_provider(void **state)
{
    static const char *const names[][2] = {{"openai", "b"}, {"anthropic", "c"}, {"openai", "a"}};
    struct admin_kit *kit = *state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        Heddle__V1__Model model = example(names[i][0], names[i][1]);
        heddle__v1__model__free_unpacked(set_model(kit, &model), NULL);
    }
    Heddle__V1__ListModelsRequest list = HEDDLE__V1__LIST_MODELS_REQUEST__INIT;
    char token[256], seen[16] = "";
    list.page_size = 2;
    do {
        Heddle__V1__ListModelsResponse *page = admin_kit_call(kit, KIT_LIST_MODELS, &list.base);
        for (size_t i = 0; i < page->n_models; i++)
            strcat(seen, page->models[i]->model);
        assert_true(strlen(page->next_page_token) < sizeof token);
        strcpy(token, page->next_page_token);
        heddle__v1__list_models_response__free_unpacked(page, NULL);
        list.page_token = token;
    } while (token[0] != '\0');
    assert_string_equal("cab", seen);
    list = (Heddle__V1__ListModelsRequest)HEDDLE__V1__LIST_MODELS_REQUEST__INIT;
    list.provider = (char *)"anthropic";
    Heddle__V1__ListModelsResponse *page = admin_kit_call(kit, KIT_LIST_MODELS, &list.base);
    assert_int_equal(1, page->n_models);
    heddle__v1__list_models_response__free_unpacked(page, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, admin_kit_setup, admin_kit_teardown)
    const struct CMUnitTest tests[] = {
        TEST(all_settings_of_a_model_are_kept_and_replaced),
        TEST(a_price_is_kept_with_its_unit_and_currency),
        TEST(what_a_model_cannot_be_is_refused_by_its_field),
        TEST(a_model_is_removed_once),
        TEST(models_are_listed_in_pages_and_by_provider),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
