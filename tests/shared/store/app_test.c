/*
 * Tests of app.
 */
#include "shared/store/app.h"
#include "tests/shared/store/fixture.h"
#include <stdio.h>

static void an_app_shows_its_settings_and_its_published_verdict(void **state)
{
    struct fixture *f = *state;
    struct store_imported imported;
    struct store_version_import r = {.fallback_name = STR("From the export"),
                                     .mode = STORE_APP_CHAT,
                                     .dsl = STR("kind: app"),
                                     .verdict = STR("{\"warnings\":[]}")};
    assert_ok(import_version(f, &r, &imported));

    struct store_app_details details;
    assert_ok(get_app(f, imported.version.app_id, &details));
    assert_str("default", details.app.workspace_id);
    assert_str("From the export", details.app.name);
    assert_int_equal(STORE_APP_CHAT, details.app.mode);
    assert_false(details.app.disabled);
    assert_true(str_eq(details.app.published_version_id, imported.version.version_id));
    assert_int_equal(0, details.app.max_active_requests);
    assert_int_equal(STORE_RECORD_FULL, details.app.record);
    assert_true(details.app.created_at_ms > 0);
    assert_int_equal(details.app.created_at_ms, details.app.updated_at_ms);
    assert_str("{\"warnings\":[]}", details.verdict);
    assert_int_equal(0, details.environment.count);
}

static void an_update_changes_what_it_names_and_leaves_the_rest(void **state)
{
    struct fixture *f = *state;
    struct str app_id = import_text(f, "", "Before", "a").version.app_id;
    struct store_app app;

    struct store_app_update limits = {.app_id = app_id,
                                      .has_max_active_requests = true,
                                      .max_active_requests = 5,
                                      .has_requests_per_minute = true,
                                      .requests_per_minute = 60,
                                      .has_record = true,
                                      .record = STORE_RECORD_NONE,
                                      .has_retention_days = true,
                                      .retention_days = 30,
                                      .has_priority = true,
                                      .priority = -7};
    assert_ok(update_app(f, &limits, &app));
    assert_str("Before", app.name);
    struct store_app_update rename = {.app_id = app_id,
                                      .has_name = true,
                                      .name = STR("Nach\xc3\xb6her"),
                                      .has_disabled = true,
                                      .disabled = true};
    assert_ok(update_app(f, &rename, &app));

    assert_str("Nach\xc3\xb6her", app.name);
    assert_true(app.disabled);
    assert_int_equal(5, app.max_active_requests);
    assert_int_equal(60, app.requests_per_minute);
    assert_int_equal(STORE_RECORD_NONE, app.record);
    assert_int_equal(30, app.retention_days);
    assert_int_equal(-7, app.priority);
    struct store_target target;
    assert_ok(find_version(f, app_id, STR(""), &target));
    assert_int_equal(-7, target.priority);
    assert_int_equal(1, target.version_number);
    assert_true(app.updated_at_ms >= app.created_at_ms);
}

static void values_that_cannot_be_are_refused_with_their_field(void **state)
{
    struct fixture *f = *state;
    struct str app_id = import_text(f, "", "App", "a").version.app_id;
    char long_name[STORE_NAME_BYTES_MAX + 2];
    for (size_t i = 0; i < sizeof long_name; i++)
        long_name[i] = 'x';
    const struct {
        const char *field;
        struct store_app_update update;
    } rows[] = {
        {"name", {.app_id = app_id, .has_name = true, .name = STR("")}},
        {"name", {.app_id = app_id, .has_name = true, .name = {long_name, STORE_NAME_BYTES_MAX + 1}}},
        {"name", {.app_id = app_id, .has_name = true, .name = STR("a\0b")}},
        {"name", {.app_id = app_id, .has_name = true, .name = STR("\xff")}},
        {"max_active_requests",
         {.app_id = app_id, .has_max_active_requests = true, .max_active_requests = -1}},
        {"requests_per_minute",
         {.app_id = app_id, .has_requests_per_minute = true, .requests_per_minute = -1}},
        {"record", {.app_id = app_id, .has_record = true, .record = (enum store_record)3}},
        {"retention_days", {.app_id = app_id, .has_retention_days = true, .retention_days = -1}},
        {"priority", {.app_id = app_id, .has_priority = true, .priority = STORE_PRIORITY_MAX + 1}},
        {"priority", {.app_id = app_id, .has_priority = true, .priority = -STORE_PRIORITY_MAX - 1}},
        {"app_id", {.app_id = STR("nonsense")}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct store_app app;
        assert_field(rows[i].field, f, update_app(f, &rows[i].update, &app));
    }
    struct store_app_update longest = {
        .app_id = app_id, .has_name = true, .name = {long_name, STORE_NAME_BYTES_MAX}};
    struct store_app app;
    assert_ok(update_app(f, &longest, &app));
}

static void pages_hold_all_apps_once_and_in_order_of_their_names(void **state)
{
    struct fixture *f = *state;
    /* Two of one name: the page ends between them. */
    static const char *const names[] = {"delta", "alpha", "charlie", "bravo", "bravo", "echo"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        import_text(f, "", names[i], "a");

    static const char *const expected[] = {"alpha", "bravo", "bravo", "charlie", "delta", "echo"};
    size_t seen = 0;
    struct str last_id = STR("");
    struct store_app_page page = {.next_page_token = STR("")};
    do {
        assert_ok(list_apps(f, 2, page.next_page_token, &page));
        assert_int_equal(2, page.count);
        for (size_t i = 0; i < page.count; i++) {
            assert_str(expected[seen++], page.apps[i].name);
            assert_false(str_eq(last_id, page.apps[i].app_id));
            last_id = page.apps[i].app_id;
        }
    } while (page.next_page_token.len > 0);
    assert_int_equal(ARRAY_LEN(expected), seen);
}

static void a_page_goes_on_after_its_last_app_was_deleted(void **state)
{
    struct fixture *f = *state;
    import_text(f, "", "a", "a");
    struct str middle = import_text(f, "", "b", "a").version.app_id;
    import_text(f, "", "c", "a");
    struct store_app_page page;
    assert_ok(list_apps(f, 2, STR(""), &page));
    assert_ok(delete_app(f, middle));
    assert_ok(list_apps(f, 2, page.next_page_token, &page));
    assert_int_equal(1, page.count);
    assert_str("c", page.apps[0].name);
    assert_str("", page.next_page_token);
}

static void a_wrong_page_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store_app_page page;
    assert_ok(list_apps(f, STORE_PAGE_MAX, STR(""), &page));
    assert_int_equal(0, page.count);
    assert_field("page_size", f, list_apps(f, STORE_PAGE_MAX + 1, STR(""), &page));
    assert_field("page_size", f, list_apps(f, -1, STR(""), &page));
    assert_field("page_token", f, list_apps(f, 0, STR("not base64!"), &page));
    assert_field("page_token", f, list_apps(f, 0, STR("YQ=="), &page)); /* one part instead of two */
}

static void a_deleted_app_takes_all_that_is_its_own_with_it(void **state)
{
    static const struct sql left = {
        "select (select count(*) from apps) + (select count(*) from app_versions) + "
        "(select count(*) from app_environment) + (select count(*) from api_keys)"};
    struct fixture *f = *state;
    struct str app_id = import_text(f, "", "App", "one").version.app_id;
    char id[UUID_TEXT_LEN + 1];
    snprintf(id, sizeof id, "%.*s", STR_ARG(app_id));
    import_text(f, id, "", "two");
    struct store_key key;
    assert_ok(create_key(f, app_id, "app-key", &key));
    struct store_environment environment;
    struct store_variable variable = {.name = STR("A"), .value = STR("1")};
    struct store_environment_change change = {.app_id = app_id, .set = &variable, .set_count = 1};
    assert_ok(change_environment(f, &change, &environment));
    assert_int_equal(5, fixture_number(f, &left));

    assert_ok(delete_app(f, app_id));

    assert_int_equal(0, fixture_number(f, &left));
    struct store_key_owner owner;
    assert_reason(STATUS_NOT_FOUND, "KEY_NOT_FOUND", f, find_key(f, "app-key", &owner));
    assert_reason(STATUS_NOT_FOUND, "APP_NOT_FOUND", f, delete_app(f, app_id));
}

static void an_unknown_app_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct store_app_details details;
    struct store_app app;
    struct store_app_update update = {.app_id = STR(UNKNOWN_ID), .has_disabled = true};
    assert_reason(STATUS_NOT_FOUND, "APP_NOT_FOUND", f, get_app(f, STR(UNKNOWN_ID), &details));
    assert_reason(STATUS_NOT_FOUND, "APP_NOT_FOUND", f, update_app(f, &update, &app));
    assert_reason(STATUS_NOT_FOUND, "APP_NOT_FOUND", f, delete_app(f, STR(UNKNOWN_ID)));
}

static void an_app_of_another_workspace_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct store_imported imported;
    struct store_version_import r = {
        .workspace_id = STR("acme"), .app_id = STR(UNKNOWN_ID), .name = STR("Theirs"), .dsl = STR("a")};
    assert_ok(import_version(f, &r, &imported));
    struct store_app_details details;
    assert_reason(STATUS_NOT_FOUND, "APP_NOT_FOUND", f, get_app(f, STR(UNKNOWN_ID), &details));
    assert_reason(STATUS_NOT_FOUND, "APP_NOT_FOUND", f, delete_app(f, STR(UNKNOWN_ID)));

    r.workspace_id = STR(""); /* the same id may be in use here as well */
    r.name = STR("Ours");
    assert_ok(import_version(f, &r, &imported));
    assert_true(imported.app_created);
    assert_ok(get_app(f, STR(UNKNOWN_ID), &details));
    assert_str("Ours", details.app.name);
}

static void mode_names_are_those_of_exports(void **state)
{
    (void)state;
    enum store_app_mode mode;
    assert_true(store_app_mode_from(STR("workflow"), &mode));
    assert_int_equal(STORE_APP_WORKFLOW, mode);
    assert_true(store_app_mode_from(STR("advanced-chat"), &mode));
    assert_int_equal(STORE_APP_CHAT, mode);
    assert_false(store_app_mode_from(STR("chat"), &mode));
    assert_string_equal("advanced-chat", store_app_mode_name(STORE_APP_CHAT));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_app_shows_its_settings_and_its_published_verdict),
        TEST(an_update_changes_what_it_names_and_leaves_the_rest),
        TEST(values_that_cannot_be_are_refused_with_their_field),
        TEST(pages_hold_all_apps_once_and_in_order_of_their_names),
        TEST(a_page_goes_on_after_its_last_app_was_deleted),
        TEST(a_wrong_page_is_refused),
        TEST(a_deleted_app_takes_all_that_is_its_own_with_it),
        TEST(an_unknown_app_is_not_found),
        TEST(an_app_of_another_workspace_is_not_found),
        cmocka_unit_test(mode_names_are_those_of_exports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
