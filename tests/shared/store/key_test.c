/*
 * Tests of key.
 */
#include "shared/store/key.h"
#include "tests/shared/store/fixture.h"

static void a_key_is_found_by_its_hash_with_all_a_gateway_needs(void **state)
{
    struct fixture *f = *state;
    struct store_imported imported;
    struct store_version_import import = {.workspace_id = STR("acme"),
                                          .name = STR("App"),
                                          .mode = STORE_APP_CHAT,
                                          .dsl = STR("one"),
                                          .fail_when_reached = true};
    sha256(import.dsl, import.content_hash);
    assert_ok(import_version(f, &import, &imported));
    struct store_key_create create = {.workspace_id = STR("acme"),
                                      .app_id = imported.version.app_id,
                                      .name = STR("CI"),
                                      .prefix = STR("app-123")};
    sha256(STR("app-123456"), create.hash);
    struct store_key key;
    assert_ok(create_key_as(f, &create, &key));
    assert_str("CI", key.name);
    assert_str("app-123", key.prefix);
    assert_true(key.created_at_ms > 0);
    assert_int_equal(0, key.last_used_at_ms);

    struct store_key_owner owner;
    assert_ok(find_key(f, "app-123456", &owner));
    assert_true(str_eq(key.key_id, owner.key_id));
    assert_str("acme", owner.target.workspace_id);
    assert_true(str_eq(imported.version.app_id, owner.target.app_id));
    assert_int_equal(STORE_APP_CHAT, owner.target.mode);
    assert_false(owner.target.disabled);
    assert_true(str_eq(imported.version.version_id, owner.target.version_id));
    assert_memory_equal(import.content_hash, owner.target.content_hash, SHA256_BYTES);
    assert_true(owner.target.fail_when_reached);
    assert_reason(STATUS_NOT_FOUND, "KEY_NOT_FOUND", f, find_key(f, "app-123457", &owner));
}

static void a_key_follows_the_published_version_and_the_apps_settings(void **state)
{
    struct fixture *f = *state;
    struct store_imported first = import_text(f, "", "App", "one");
    struct store_key key;
    assert_ok(create_key(f, first.version.app_id, "app-k", &key));
    struct store_app app;
    struct store_app_update update = {.app_id = first.version.app_id,
                                      .has_disabled = true,
                                      .disabled = true,
                                      .has_max_active_requests = true,
                                      .max_active_requests = 3};
    assert_ok(update_app(f, &update, &app));
    const char *id = arena_copy_c(&f->arena, first.version.app_id);
    struct store_imported second = import_text(f, id, "", "two");

    struct store_key_owner owner;
    assert_ok(find_key(f, "app-k", &owner));
    assert_true(owner.target.disabled);
    assert_int_equal(3, owner.target.max_active_requests);
    assert_true(str_eq(second.version.version_id, owner.target.version_id));
}

static void a_key_belongs_to_one_app_of_one_workspace(void **state)
{
    struct fixture *f = *state;
    struct str app_id = import_text(f, "", "App", "one").version.app_id;
    struct store_key key;
    assert_ok(create_key(f, app_id, "app-k", &key));
    assert_reason(STATUS_ALREADY_EXISTS, "KEY_EXISTS", f, create_key(f, app_id, "app-k", &key));

    struct store_imported theirs;
    struct store_version_import import = {.workspace_id = STR("acme"), .name = STR("App"), .dsl = STR("one")};
    assert_ok(import_version(f, &import, &theirs));
    struct store_key_create create = {.workspace_id = STR("acme"), .app_id = theirs.version.app_id};
    sha256(STR("app-k"), create.hash);
    assert_reason(STATUS_ALREADY_EXISTS, "KEY_EXISTS", f, create_key_as(f, &create, &key));
    assert_reason(STATUS_NOT_FOUND, "APP_NOT_FOUND", f, create_key(f, STR(UNKNOWN_ID), "app-2", &key));
}

static void a_deleted_key_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct str app_id = import_text(f, "", "App", "one").version.app_id;
    struct store_key key;
    struct store_key_owner owner;
    assert_ok(create_key(f, app_id, "app-k", &key));
    assert_ok(delete_key(f, key.key_id));
    assert_reason(STATUS_NOT_FOUND, "KEY_NOT_FOUND", f, find_key(f, "app-k", &owner));
    assert_reason(STATUS_NOT_FOUND, "KEY_NOT_FOUND", f, delete_key(f, key.key_id));
    assert_field("id", f, delete_key(f, STR("app-k")));
}

static void keys_are_listed_newest_first_of_one_app_or_all(void **state)
{
    struct fixture *f = *state;
    struct str a = import_text(f, "", "A", "one").version.app_id;
    struct str b = import_text(f, "", "B", "one").version.app_id;
    struct store_key keys[5];
    static const char *const texts[] = {"k01", "k02", "k03", "k04", "k05"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_ok(create_key(f, i % 2 == 0 ? a : b, texts[i], &keys[i]));

    struct store_key_page page = {.next_page_token = STR("")};
    size_t left = 5;
    do {
        assert_ok(list_keys(f, STR(""), 2, page.next_page_token, &page));
        for (size_t i = 0; i < page.count; i++)
            assert_true(str_eq(keys[--left].key_id, page.keys[i].key_id));
    } while (page.next_page_token.len > 0);
    assert_int_equal(0, left);

    assert_ok(list_keys(f, a, 2, STR(""), &page));
    assert_int_equal(2, page.count);
    assert_str("k05", page.keys[0].prefix);
    assert_str("k03", page.keys[1].prefix);
    assert_ok(list_keys(f, a, 2, page.next_page_token, &page));
    assert_int_equal(1, page.count);
    assert_str("k01", page.keys[0].prefix);
    assert_str("", page.next_page_token);
}

static void the_last_use_of_a_key_only_moves_forward_and_tells_nobody(void **state)
{
    struct fixture *f = *state;
    struct store_key key;
    assert_ok(create_key(f, import_text(f, "", "App", "one").version.app_id, "app-k", &key));
    uint64_t generation = store_generation(f->store);
    uint64_t config_generation = store_config_generation(f->store);
    const struct store_key_use uses[] = {{.key_id = key.key_id, .used_at_ms = 5000},
                                         {.key_id = STR(UNKNOWN_ID), .used_at_ms = 6000},
                                         {.key_id = key.key_id, .used_at_ms = 4000}};
    assert_ok(touch_keys(f, uses, ARRAY_LEN(uses)));
    struct store_key_page page;
    assert_ok(list_keys(f, STR(""), 0, STR(""), &page));
    assert_int_equal(5000, page.keys[0].last_used_at_ms);
    assert_int_equal(generation, store_generation(f->store));
    assert_int_equal(config_generation, store_config_generation(f->store));
    assert_field("uses", f, touch_keys(f, uses, STORE_TOUCH_MAX + 1));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_key_is_found_by_its_hash_with_all_a_gateway_needs),
        TEST(a_key_follows_the_published_version_and_the_apps_settings),
        TEST(a_key_belongs_to_one_app_of_one_workspace),
        TEST(a_deleted_key_is_not_found),
        TEST(keys_are_listed_newest_first_of_one_app_or_all),
        TEST(the_last_use_of_a_key_only_moves_forward_and_tells_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
