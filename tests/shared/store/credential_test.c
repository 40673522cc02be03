/*
 * Tests of credential.
 */
#include "shared/store/credential.h"
#include "tests/shared/store/fixture.h"
#include <string.h>

static struct store_credential_create example(const char *name)
{
    return (struct store_credential_create){.provider = STR("langgenius/openai/openai"),
                                            .name = str_c(name),
                                            .base_url = STR("https://api.openai.com/v1"),
                                            .secret = STR("sk-hush")};
}

static void a_credential_gets_what_was_left_out(void **state)
{
    struct fixture *f = *state;
    struct store_credential credential;
    struct store_credential_create create = example("main");
    assert_ok(create_credential(f, &create, &credential));
    assert_true(uuid_is_canonical(credential.credential_id));
    assert_str("default", credential.workspace_id);
    assert_str("langgenius/openai/openai", credential.provider);
    assert_str("openai", credential.protocol);
    assert_str("main", credential.name);
    assert_str("https://api.openai.com/v1", credential.base_url);
    assert_int_equal(1, credential.model_count);
    assert_str("*", credential.models[0]);
    assert_int_equal(1, credential.weight);
    assert_false(credential.disabled);
    assert_str("", credential.disabled_reason);
    assert_int_equal(0, credential.requests_per_minute);
    assert_int_equal(0, credential.tokens_per_minute);
    assert_int_equal(0, credential.max_concurrent);
    assert_int_equal(0, credential.rest_count);
    assert_true(credential.fresh_since_ms > 0);
}

static void quotas_and_the_protocol_are_kept_changed_and_loaded(void **state)
{
    struct fixture *f = *state;
    struct store_credential credential;
    struct store_credential_create create = example("a");
    create.protocol = STR("anthropic");
    create.requests_per_minute = 60;
    create.tokens_per_minute = 5000000000;
    create.max_concurrent = 4;
    assert_ok(create_credential(f, &create, &credential));
    struct store_credential_set set;
    assert_ok(load_credentials(f, NULL, &set));
    const struct store_credential *loaded = &set.credentials[0].credential;
    assert_str("anthropic", loaded->protocol);
    assert_int_equal(60, loaded->requests_per_minute);
    assert_int_equal(5000000000, loaded->tokens_per_minute);
    assert_int_equal(4, loaded->max_concurrent);
    assert_int_equal(credential.fresh_since_ms, loaded->fresh_since_ms);
    assert_str("sk-hush", set.credentials[0].secret);

    struct store_credential_update tokens = {
        .credential_id = credential.credential_id, .has_tokens_per_minute = true, .tokens_per_minute = 9};
    assert_ok(update_credential(f, &tokens, &credential));
    assert_int_equal(60, credential.requests_per_minute);
    assert_int_equal(9, credential.tokens_per_minute);
    assert_str("anthropic", credential.protocol);
    struct store_credential_update others = {.credential_id = credential.credential_id,
                                             .has_protocol = true,
                                             .has_requests_per_minute = true,
                                             .has_max_concurrent = true};
    assert_ok(update_credential(f, &others, &credential));
    assert_str("openai", credential.protocol);
    assert_int_equal(0, credential.requests_per_minute);
    assert_int_equal(9, credential.tokens_per_minute);
    assert_int_equal(0, credential.max_concurrent);
}

static void executors_load_all_of_all_workspaces_opened(void **state)
{
    struct fixture *f = *state;
    const struct str globs[] = {STR("gpt-4*"), STR("o1")};
    struct store_credential credential;
    struct store_credential_create a = example("a"), b = example("b");
    a.models = globs;
    a.model_count = 2;
    a.weight = 5;
    b.workspace_id = STR("acme");
    b.disabled = true;
    b.secret = STR("");
    assert_ok(create_credential(f, &a, &credential));
    assert_ok(create_credential(f, &b, &credential));

    struct store_credential_set set;
    assert_ok(load_credentials(f, NULL, &set));
    assert_int_equal(2, set.count);
    assert_str("acme", set.credentials[0].credential.workspace_id);
    assert_true(set.credentials[0].credential.disabled);
    assert_str("", set.credentials[0].secret);
    assert_str("sk-hush", set.credentials[1].secret);
    assert_str("", set.credentials[1].problem);
    assert_int_equal(2, set.credentials[1].credential.model_count);
    assert_str("gpt-4*", set.credentials[1].credential.models[0]);
    assert_str("o1", set.credentials[1].credential.models[1]);
    assert_int_equal(5, set.credentials[1].credential.weight);
}

static void more_credentials_than_a_page_are_loaded_in_order(void **state)
{
    struct fixture *f = *state;
    enum { MANY = 150 };
    for (int i = 0; i < MANY; i++) {
        struct store_credential credential;
        struct store_credential_create create = example(arena_printf(&f->arena, "c%03d", i));
        create.secret = create.name;
        assert_ok(create_credential(f, &create, &credential));
    }
    struct store_credential_set set;
    assert_ok(load_credentials(f, NULL, &set));
    assert_int_equal(MANY, set.count);
    for (size_t i = 0; i < MANY; i++) {
        assert_str(arena_printf(&f->arena, "c%03zu", i), set.credentials[i].credential.name);
        assert_true(str_eq(set.credentials[i].credential.name, set.credentials[i].secret));
    }
}

static void one_credential_is_loaded_by_its_id(void **state)
{
    struct fixture *f = *state;
    struct store_credential credential;
    struct store_credential_create a = example("a"), b = example("b");
    assert_ok(create_credential(f, &a, &credential));
    assert_ok(create_credential(f, &b, &credential));
    struct store_credential_set set;
    assert_ok(load_credentials(f, arena_copy_c(&f->arena, credential.credential_id), &set));
    assert_int_equal(1, set.count);
    assert_str("b", set.credentials[0].credential.name);
    assert_reason(STATUS_NOT_FOUND, "CREDENTIAL_NOT_FOUND", f, load_credentials(f, UNKNOWN_ID, &set));
    assert_field("id", f, load_credentials(f, "", &set));
}

static void a_secret_is_sealed_and_the_store_file_does_not_hold_it(void **state)
{
    static const struct sql found = {"select count(*) from credentials where instr(sealed, 'sk-hush') > 0 or "
                                     "length(sealed) <> 12 + 7 + 16 "
                                     "or key_id <> 'a'"};
    struct fixture *f = *state;
    struct store_credential credential;
    struct store_credential_create create = example("a");
    assert_ok(create_credential(f, &create, &credential));
    assert_int_equal(0, fixture_number(f, &found));
}

static void a_secret_moved_to_another_row_does_not_open(void **state)
{
    struct fixture *f = *state;
    struct store_credential credential;
    struct store_credential_create a = example("a"), b = example("b");
    b.secret = STR("sk-other");
    assert_ok(create_credential(f, &a, &credential));
    assert_ok(create_credential(f, &b, &credential));
    fixture_script(f, "update credentials set sealed = (select sealed from credentials where name = 'a') "
                      "where name = 'b'");
    struct store_credential_set set;
    assert_ok(load_credentials(f, NULL, &set));
    assert_str("sk-hush", set.credentials[0].secret);
    assert_str("", set.credentials[1].secret);
    assert_true(set.credentials[1].problem.len > 0);
}

static void new_master_keys_seal_while_old_ones_still_open(void **state)
{
    struct fixture *f = *state;
    struct store_credential credential;
    struct store_credential_create a = example("a"), b = example("b");
    assert_ok(create_credential(f, &a, &credential));
    fixture_reopen(f, MASTER_KEY_B "," MASTER_KEY_A);
    assert_ok(create_credential(f, &b, &credential));
    struct store_credential_set set;
    assert_ok(load_credentials(f, NULL, &set));
    assert_str("sk-hush", set.credentials[0].secret);
    assert_str("sk-hush", set.credentials[1].secret);

    fixture_reopen(f, MASTER_KEY_B);
    assert_ok(load_credentials(f, NULL, &set));
    assert_str("", set.credentials[0].secret);
    assert_true(str_find(set.credentials[0].problem, STR("master key a"), 0) != SIZE_MAX);
    assert_str("sk-hush", set.credentials[1].secret);
    assert_str("", set.credentials[1].problem);

    fixture_reopen(f, "a:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="); /* another key of the same name */
    assert_ok(load_credentials(f, NULL, &set));
    assert_true(set.credentials[0].problem.len > 0);
    assert_str("", set.credentials[0].secret);
}

static void without_a_master_key_only_sealing_and_opening_fail(void **state)
{
    struct fixture *f = *state;
    struct store_credential credential;
    struct store_credential_set set;
    struct store_credential_create with = example("with"), without = example("without");
    without.secret = STR("");
    fixture_reopen(f, "");
    assert_reason(STATUS_FAILED_PRECONDITION, "NO_MASTER_KEY", f, create_credential(f, &with, &credential));
    assert_ok(create_credential(f, &without, &credential));
    assert_ok(load_credentials(f, NULL, &set));
    assert_int_equal(1, set.count);

    fixture_reopen(f, MASTER_KEY_A);
    assert_ok(create_credential(f, &with, &credential));
    fixture_reopen(f, NULL);
    assert_reason(STATUS_FAILED_PRECONDITION, "NO_MASTER_KEY", f, load_credentials(f, NULL, &set));
    struct store_credential_page page;
    struct store_credential_list all = {.page_size = 0};
    assert_ok(list_credentials(f, &all, &page));
    assert_int_equal(2, page.count);
    struct store_credential_update disable = {
        .credential_id = credential.credential_id, .has_disabled = true, .disabled = true};
    assert_ok(update_credential(f, &disable, &credential));
    assert_true(credential.disabled);
}

static void an_update_changes_what_it_names_and_leaves_the_rest(void **state)
{
    struct fixture *f = *state;
    struct store_credential credential;
    struct store_credential_create create = example("a");
    assert_ok(create_credential(f, &create, &credential));
    const struct str globs[] = {STR("gpt-4o")};
    struct store_credential_update update = {.credential_id = credential.credential_id,
                                             .has_name = true,
                                             .name = STR("renamed"),
                                             .has_models = true,
                                             .models = globs,
                                             .model_count = 1,
                                             .has_weight = true,
                                             .weight = 9};
    assert_ok(update_credential(f, &update, &credential));
    assert_str("renamed", credential.name);
    assert_str("https://api.openai.com/v1", credential.base_url);
    assert_str("gpt-4o", credential.models[0]);
    assert_int_equal(9, credential.weight);
    struct store_credential_set set;
    assert_ok(load_credentials(f, NULL, &set));
    assert_str("sk-hush", set.credentials[0].secret);

    struct store_credential_update secret = {.credential_id = credential.credential_id,
                                             .has_secret = true,
                                             .secret = STR("sk-new"),
                                             .has_base_url = true,
                                             .base_url = STR("http://127.0.0.1:1"),
                                             .has_models = true,
                                             .has_weight = true};
    assert_ok(update_credential(f, &secret, &credential));
    assert_str("*", credential.models[0]);
    assert_int_equal(1, credential.weight);
    assert_ok(load_credentials(f, NULL, &set));
    assert_str("sk-new", set.credentials[0].secret);

    secret.secret = STR("");
    assert_ok(update_credential(f, &secret, &credential));
    assert_ok(load_credentials(f, NULL, &set));
    assert_str("", set.credentials[0].secret);
    assert_str("", set.credentials[0].problem);
}

static void a_provider_has_one_credential_of_a_name(void **state)
{
    struct fixture *f = *state;
    struct store_credential credential;
    struct store_credential_create a = example("a"), b = example("b"), elsewhere = example("a");
    elsewhere.workspace_id = STR("acme");
    assert_ok(create_credential(f, &a, &credential));
    assert_reason(STATUS_ALREADY_EXISTS, "CREDENTIAL_EXISTS", f, create_credential(f, &a, &credential));
    assert_ok(create_credential(f, &elsewhere, &credential));
    assert_ok(create_credential(f, &b, &credential));
    struct store_credential_update rename = {
        .credential_id = credential.credential_id, .has_name = true, .name = STR("a")};
    assert_reason(STATUS_ALREADY_EXISTS, "CREDENTIAL_EXISTS", f, update_credential(f, &rename, &credential));
}

static void values_that_cannot_be_are_refused_with_their_field(void **state)
{
    struct fixture *f = *state;
    static char big[STORE_SECRET_BYTES_MAX + 1];
    memset(big, 'x', sizeof big);
    const struct str line_end = STR("a\nb"), empty = STR("");
    struct str long_globs[20];
    for (size_t i = 0; i < ARRAY_LEN(long_globs); i++)
        long_globs[i] = (struct str){big, STORE_NAME_BYTES_MAX};
    struct {
        const char *field;
        struct store_credential_create create;
    } rows[16];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        rows[i].create = example("a");
    size_t n = 0;
    rows[n].field = "provider", rows[n++].create.provider = STR("");
    rows[n].field = "name", rows[n++].create.name = STR("");
    rows[n].field = "base_url", rows[n++].create.base_url = STR("");
    rows[n].field = "base_url", rows[n++].create.base_url = (struct str){big, STORE_URL_BYTES_MAX + 1};
    rows[n].field = "secret", rows[n++].create.secret = (struct str){big, STORE_SECRET_BYTES_MAX + 1};
    rows[n].field = "secret", rows[n++].create.secret = STR("a\0b");
    rows[n].field = "weight", rows[n++].create.weight = -1;
    rows[n].field = "weight", rows[n++].create.weight = STORE_WEIGHT_MAX + 1;
    rows[n].field = "requests_per_minute", rows[n++].create.requests_per_minute = -1;
    rows[n].field = "requests_per_minute", rows[n++].create.requests_per_minute = STORE_REQUESTS_MAX + 1;
    rows[n].field = "tokens_per_minute", rows[n++].create.tokens_per_minute = -1;
    rows[n].field = "max_concurrent", rows[n++].create.max_concurrent = -1;
    rows[n].field = "models", rows[n].create.models = &line_end, rows[n++].create.model_count = 1;
    rows[n].field = "models", rows[n].create.models = &empty, rows[n++].create.model_count = 1;
    rows[n].field = "models", rows[n].create.models = long_globs,
    rows[n++].create.model_count = ARRAY_LEN(long_globs);
    rows[n].field = "models", rows[n++].create.model_count = STORE_GLOBS_MAX + 1;
    assert_int_equal(ARRAY_LEN(rows), n);
    for (size_t i = 0; i < n; i++) {
        struct store_credential credential;
        assert_field(rows[i].field, f, create_credential(f, &rows[i].create, &credential));
        assert_null(strstr(f->err.message, "sk-hush"));
    }
}

static void credentials_are_listed_by_provider_and_name(void **state)
{
    struct fixture *f = *state;
    static const char *const rows[][2] = {
        {"openai", "b"}, {"anthropic", "z"}, {"openai", "a"}, {"ollama", "m"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct store_credential credential;
        struct store_credential_create create = example(rows[i][1]);
        create.provider = str_c(rows[i][0]);
        assert_ok(create_credential(f, &create, &credential));
    }
    static const char *const expected[] = {"z", "m", "a", "b"};
    struct store_credential_page page = {.next_page_token = STR("")};
    size_t seen = 0;
    do {
        struct store_credential_list list = {.page_size = 3, .page_token = page.next_page_token};
        assert_ok(list_credentials(f, &list, &page));
        for (size_t i = 0; i < page.count; i++)
            assert_str(expected[seen++], page.credentials[i].name);
    } while (page.next_page_token.len > 0);
    assert_int_equal(ARRAY_LEN(expected), seen);
    struct store_credential_list of_one = {.provider = STR("openai"), .page_size = 1};
    assert_ok(list_credentials(f, &of_one, &page));
    assert_str("a", page.credentials[0].name);
    of_one.page_token = page.next_page_token;
    assert_ok(list_credentials(f, &of_one, &page));
    assert_str("b", page.credentials[0].name);
    assert_str("", page.next_page_token);
}

static void there_is_room_for_a_bounded_number_only(void **state)
{
    struct fixture *f = *state;
    fixture_script(
        f, "insert into credentials (id, provider, protocol, name, base_url, models, weight, created_at_ms, "
           "updated_at_ms) with recursive n (i) as (select 1 union all select i + 1 from n where i < 1999) "
           "select 'id ' || i, 'p', 'openai', 'name ' || i, 'u', '*', 1, 0, 0 from n");
    struct store_credential credential;
    struct store_credential_create last = example("last"), over = example("over");
    assert_ok(create_credential(f, &last, &credential));
    assert_code(STATUS_RESOURCE_EXHAUSTED, create_credential(f, &over, &credential));
    struct store_credential_set set;
    assert_ok(load_credentials(f, NULL, &set));
    assert_int_equal(STORE_CREDENTIALS_MAX, set.count);
}

static void an_unknown_credential_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct store_credential credential;
    struct store_credential_create create = example("a");
    assert_ok(create_credential(f, &create, &credential));
    assert_ok(delete_credential(f, credential.credential_id));
    struct store_credential_update update = {.credential_id = credential.credential_id, .has_weight = true};
    assert_reason(STATUS_NOT_FOUND, "CREDENTIAL_NOT_FOUND", f,
                  delete_credential(f, credential.credential_id));
    assert_reason(STATUS_NOT_FOUND, "CREDENTIAL_NOT_FOUND", f, update_credential(f, &update, &credential));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_credential_gets_what_was_left_out),
        TEST(quotas_and_the_protocol_are_kept_changed_and_loaded),
        TEST(executors_load_all_of_all_workspaces_opened),
        TEST(more_credentials_than_a_page_are_loaded_in_order),
        TEST(one_credential_is_loaded_by_its_id),
        TEST(a_secret_is_sealed_and_the_store_file_does_not_hold_it),
        TEST(a_secret_moved_to_another_row_does_not_open),
        TEST(new_master_keys_seal_while_old_ones_still_open),
        TEST(without_a_master_key_only_sealing_and_opening_fail),
        TEST(an_update_changes_what_it_names_and_leaves_the_rest),
        TEST(a_provider_has_one_credential_of_a_name),
        TEST(values_that_cannot_be_are_refused_with_their_field),
        TEST(credentials_are_listed_by_provider_and_name),
        TEST(there_is_room_for_a_bounded_number_only),
        TEST(an_unknown_credential_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
