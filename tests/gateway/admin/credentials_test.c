/* Credentials as administrators see and change them, and trials by an executor. */
#include "shared/base/clock.h"
#include "tests/gateway/admin/admin_kit.h"
#include <string.h>

#define HOUR_MS    3600000
#define UNKNOWN_ID "01890000-0000-7000-8000-000000000000"

/* The only one there is. */
static Heddle__V1__ListCredentialsResponse *list_one(struct admin_kit *kit)
{
    Heddle__V1__ListCredentialsRequest list = HEDDLE__V1__LIST_CREDENTIALS_REQUEST__INIT;
    Heddle__V1__ListCredentialsResponse *page = admin_kit_call(kit, KIT_LIST_CREDENTIALS, &list.base);
    assert_non_null(page);
    assert_int_equal(1, page->n_credentials);
    return page;
}

static Heddle__V1__UpdateCredentialRequest change_of(const char *id)
{
    Heddle__V1__UpdateCredentialRequest request = HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__INIT;
    request.id = (char *)id;
    return request;
}

static void quotas_and_protocol_are_set_and_changed(void **state)
{
    struct admin_kit *kit = *state;
    Heddle__V1__CreateCredentialRequest create = HEDDLE__V1__CREATE_CREDENTIAL_REQUEST__INIT;
    create.provider = (char *)"anthropic";
    create.protocol = (char *)"anthropic";
    create.name = (char *)"main";
    create.base_url = (char *)"https://api.anthropic.com";
    create.requests_per_minute = 50;
    create.tokens_per_minute = 5000000000;
    create.max_concurrent = 3;
    Heddle__V1__Credential *credential = admin_kit_call(kit, KIT_CREATE_CREDENTIAL, &create.base);
    assert_string_equal("anthropic", credential->protocol);
    assert_int_equal(50, credential->requests_per_minute);
    assert_int_equal(5000000000, credential->tokens_per_minute);
    assert_int_equal(3, credential->max_concurrent);

    Heddle__V1__UpdateCredentialRequest change = change_of(credential->id);
    change.has_requests_per_minute_case =
        HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__HAS_REQUESTS_PER_MINUTE_REQUESTS_PER_MINUTE;
    change.has_tokens_per_minute_case =
        HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__HAS_TOKENS_PER_MINUTE_TOKENS_PER_MINUTE;
    change.tokens_per_minute = 7;
    change.has_protocol_case = HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__HAS_PROTOCOL_PROTOCOL;
    change.protocol = (char *)"gemini";
    Heddle__V1__Credential *changed = admin_kit_call(kit, KIT_UPDATE_CREDENTIAL, &change.base);
    assert_int_equal(0, changed->requests_per_minute);
    assert_int_equal(7, changed->tokens_per_minute);
    assert_int_equal(3, changed->max_concurrent);
    assert_string_equal("gemini", changed->protocol);
    heddle__v1__credential__free_unpacked(changed, NULL);

    change.protocol = (char *)"soap";
    assert_code(STATUS_INVALID_ARGUMENT, admin_kit_code(kit, KIT_UPDATE_CREDENTIAL, &change.base));
    assert_string_equal("protocol", kit->err.field);
    create.protocol = (char *)"soap";
    assert_code(STATUS_INVALID_ARGUMENT, admin_kit_code(kit, KIT_CREATE_CREDENTIAL, &create.base));
    assert_string_equal("protocol", kit->err.field);
    create.protocol = (char *)"";
    create.max_concurrent = -1;
    assert_code(STATUS_INVALID_ARGUMENT, admin_kit_code(kit, KIT_CREATE_CREDENTIAL, &create.base));
    assert_string_equal("max_concurrent", kit->err.field);
    heddle__v1__credential__free_unpacked(credential, NULL);
}

static void rests_are_shown_until_they_are_ended_by_hand(void **state)
{
    struct admin_kit *kit = *state;
    const char *id = admin_kit_credential(kit, "main");
    int64_t before_ms = clock_wall_ms();
    admin_kit_rest(kit, id, "gpt-4o", HOUR_MS);
    admin_kit_rest(kit, id, "o1", 2 * HOUR_MS);
    Heddle__V1__ListCredentialsResponse *page = list_one(kit);
    const Heddle__V1__Credential *credential = page->credentials[0];
    assert_int_equal(2, credential->n_cooldowns);
    assert_string_equal("gpt-4o", credential->cooldowns[0]->model);
    assert_string_equal("rate limited", credential->cooldowns[0]->reason);
    assert_string_equal("executor-1", credential->cooldowns[0]->seen_by);
    assert_true(credential->cooldowns[0]->until_ms >= before_ms + HOUR_MS);
    assert_string_equal("o1", credential->cooldowns[1]->model);
    heddle__v1__list_credentials_response__free_unpacked(page, NULL);

    Heddle__V1__UpdateCredentialRequest change = change_of(id);
    change.has_weight_case = HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__HAS_WEIGHT_WEIGHT;
    change.weight = 2;
    Heddle__V1__Credential *changed = admin_kit_call(kit, KIT_UPDATE_CREDENTIAL, &change.base);
    assert_int_equal(2, changed->n_cooldowns);
    heddle__v1__credential__free_unpacked(changed, NULL);
    change.end_cooldowns = true;
    changed = admin_kit_call(kit, KIT_UPDATE_CREDENTIAL, &change.base);
    assert_int_equal(0, changed->n_cooldowns);
    heddle__v1__credential__free_unpacked(changed, NULL);
}

static void a_credential_says_why_it_was_disabled(void **state)
{
    struct admin_kit *kit = *state;
    const char *id = admin_kit_credential(kit, "main");
    admin_kit_disable(kit, id, "out of quota: pay");
    Heddle__V1__ListCredentialsResponse *page = list_one(kit);
    assert_true(page->credentials[0]->disabled);
    assert_string_equal("out of quota: pay", page->credentials[0]->disabled_reason);
    heddle__v1__list_credentials_response__free_unpacked(page, NULL);
    Heddle__V1__UpdateCredentialRequest change = change_of(id);
    change.has_disabled_case = HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__HAS_DISABLED_DISABLED;
    Heddle__V1__Credential *changed = admin_kit_call(kit, KIT_UPDATE_CREDENTIAL, &change.base);
    assert_false(changed->disabled);
    assert_string_equal("", changed->disabled_reason);
    heddle__v1__credential__free_unpacked(changed, NULL);
}

static void an_executor_tries_a_credential_and_its_words_come_back(void **state)
{
    struct admin_kit *kit = *state;
    const char *id = admin_kit_credential(kit, "main");
    Heddle__V1__TestCredentialRequest request = HEDDLE__V1__TEST_CREDENTIAL_REQUEST__INIT;
    request.id = (char *)id;
    request.model = (char *)"gpt-4o";
    kit->trial.http_status = 401;
    kit->trial.message = (char *)"no such key";
    kit->trial.elapsed_ms = 12;
    Heddle__V1__TestCredentialResponse *reply = admin_kit_call(kit, KIT_TEST_CREDENTIAL, &request.base);
    assert_non_null(reply);
    assert_false(reply->ok);
    assert_int_equal(401, reply->http_status);
    assert_string_equal("no such key", reply->message);
    assert_int_equal(12, reply->elapsed_ms);
    assert_string_equal(id, kit->asked_id);
    assert_string_equal("gpt-4o", kit->asked_model);
    heddle__v1__test_credential_response__free_unpacked(reply, NULL);
}

static void why_a_credential_cannot_be_tried_is_said(void **state)
{
    struct admin_kit *kit = *state;
    Heddle__V1__TestCredentialRequest request = HEDDLE__V1__TEST_CREDENTIAL_REQUEST__INIT;
    request.id = (char *)"7";
    assert_code(STATUS_INVALID_ARGUMENT, admin_kit_code(kit, KIT_TEST_CREDENTIAL, &request.base));
    assert_string_equal("id", kit->err.field);

    request.id = (char *)UNKNOWN_ID;
    status_reason(&kit->trial_status, STATUS_NOT_FOUND, "CREDENTIAL_NOT_FOUND", "not here");
    assert_code(STATUS_NOT_FOUND, admin_kit_code(kit, KIT_TEST_CREDENTIAL, &request.base));
    assert_string_equal("CREDENTIAL_NOT_FOUND", kit->err.reason);

    admin_kit_lose_executor(kit);
    assert_code(STATUS_UNAVAILABLE, admin_kit_code(kit, KIT_TEST_CREDENTIAL, &request.base));
    assert_string_equal("EXECUTOR_UNAVAILABLE", kit->err.reason);
    assert_contains("no executor can be reached", kit->err.message);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, admin_kit_setup, admin_kit_teardown)
    const struct CMUnitTest tests[] = {
        TEST(quotas_and_protocol_are_set_and_changed),
        TEST(rests_are_shown_until_they_are_ended_by_hand),
        TEST(a_credential_says_why_it_was_disabled),
        TEST(an_executor_tries_a_credential_and_its_words_come_back),
        TEST(why_a_credential_cannot_be_tried_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
