/*
 * Tests of version.
 */
#include "shared/limits.h"
#include "shared/store/version.h"
#include "tests/shared/store/fixture.h"
#include <stdlib.h>
#include <string.h>

#define APP_ID "01890000-0000-7000-8000-00000000000a"

static void the_first_import_makes_an_app_with_the_id_that_was_asked_for(void **state)
{
    struct fixture *f = *state;
    struct store_imported imported = import_text(f, APP_ID, "App", "one");
    assert_true(imported.app_created);
    assert_true(imported.created);
    assert_str(APP_ID, imported.version.app_id);
    assert_int_equal(1, imported.version.number);
    assert_true(imported.version.published);
    assert_true(uuid_is_canonical(imported.version.version_id));
}

static void the_first_version_is_published_in_any_case(void **state)
{
    struct fixture *f = *state;
    struct store_imported imported;
    struct store_version_import r = {.name = STR("App"), .dsl = STR("a"), .publish = false};
    assert_ok(import_version(f, &r, &imported));
    assert_true(uuid_is_canonical(imported.version.app_id));
    assert_true(imported.version.published);
}

static void the_same_text_is_the_same_version(void **state)
{
    struct fixture *f = *state;
    struct store_imported first = import_text(f, APP_ID, "App", "one");
    struct store_imported again = import_text(f, APP_ID, "", "one");
    assert_false(again.created);
    assert_false(again.app_created);
    assert_true(str_eq(first.version.version_id, again.version.version_id));
    assert_int_equal(1, again.version.number);

    struct store_imported elsewhere =
        import_text(f, "", "Other", "one"); /* of another app: a version of its own */
    assert_true(elsewhere.created);
}

static void the_same_text_takes_the_new_verdict(void **state)
{
    struct fixture *f = *state;
    import_text(f, APP_ID, "App", "one");
    struct store_imported imported;
    struct store_version_import r = {.app_id = STR(APP_ID),
                                     .mode = STORE_APP_WORKFLOW,
                                     .dsl = STR("one"),
                                     .verdict = STR("{\"new\":1}"),
                                     .fail_when_reached = true};
    sha256(r.dsl, r.content_hash);
    assert_ok(import_version(f, &r, &imported));
    assert_true(imported.version.fail_when_reached);
    assert_true(imported.version.published);
    struct store_app_details details;
    assert_ok(get_app(f, STR(APP_ID), &details));
    assert_str("{\"new\":1}", details.verdict);
}

static void another_text_is_the_next_version_and_runs_only_when_published(void **state)
{
    struct fixture *f = *state;
    struct store_imported first = import_text(f, APP_ID, "App", "one");
    struct store_imported second;
    struct store_version_import r = {.app_id = STR(APP_ID),
                                     .fallback_name = STR("Ignored"),
                                     .mode = STORE_APP_WORKFLOW,
                                     .dsl = STR("two"),
                                     .dsl_version = STR("0.3.0")};
    sha256(r.dsl, r.content_hash);
    assert_ok(import_version(f, &r, &second));
    assert_int_equal(2, second.version.number);
    assert_false(second.version.published);
    assert_str("0.3.0", second.version.dsl_version);

    struct store_target target;
    assert_ok(find_version(f, STR(APP_ID), STR(""), &target));
    assert_true(str_eq(first.version.version_id, target.version_id));

    struct store_version published;
    assert_ok(publish_version(f, STR(APP_ID), second.version.version_id, &published));
    assert_true(published.published);
    assert_ok(find_version(f, STR(APP_ID), STR(""), &target));
    assert_true(str_eq(second.version.version_id, target.version_id));
    assert_memory_equal(r.content_hash, target.content_hash, SHA256_BYTES);

    struct store_app_details details;
    assert_ok(get_app(f, STR(APP_ID), &details));
    assert_str("App", details.app.name);
    import_text(f, APP_ID, "New name", "two");
    assert_ok(get_app(f, STR(APP_ID), &details));
    assert_str("New name", details.app.name);
}

static void another_mode_is_refused_and_changes_nothing(void **state)
{
    static const struct sql versions = {"select count(*) from app_versions"};
    struct fixture *f = *state;
    import_text(f, APP_ID, "App", "one");
    struct store_imported imported;
    struct store_version_import r = {
        .app_id = STR(APP_ID), .name = STR("Changed"), .mode = STORE_APP_CHAT, .dsl = STR("two")};
    assert_reason(STATUS_FAILED_PRECONDITION, "APP_MODE_MISMATCH", f, import_version(f, &r, &imported));
    assert_int_equal(1, fixture_number(f, &versions));
}

static void an_import_that_cannot_be_is_refused_with_its_field(void **state)
{
    struct fixture *f = *state;
    char *big = malloc(LIMIT_DSL_BYTES + 1);
    assert_non_null(big);
    memset(big, 'x', LIMIT_DSL_BYTES + 1);
    const struct {
        const char *field;
        struct store_version_import import;
    } rows[] = {
        {"app_id", {.app_id = STR("x"), .name = STR("n"), .dsl = STR("a")}},
        {"app_id",
         {.app_id = STR("01890000-0000-7000-8000-00000000000A"), .name = STR("n"), .dsl = STR("a")}},
        {"name", {.dsl = STR("a")}},
        {"dsl", {.name = STR("n")}},
        {"dsl", {.name = STR("n"), .dsl = {big, LIMIT_DSL_BYTES + 1}}},
        {"dsl", {.name = STR("n"), .dsl = STR("a\0b")}},
        {"verdict", {.name = STR("n"), .dsl = STR("a"), .verdict = STR("\xc3")}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct store_imported imported;
        assert_field(rows[i].field, f, import_version(f, &rows[i].import, &imported));
    }
    struct store_imported imported;
    struct store_version_import longest = {.name = STR("n"), .dsl = {big, LIMIT_DSL_BYTES}};
    assert_ok(import_version(f, &longest, &imported));
    struct store_runnable runnable;
    struct store_version_load load = {.ref = {.app_id = imported.version.app_id}};
    assert_ok(load_version(f, &load, &runnable));
    assert_int_equal(LIMIT_DSL_BYTES, runnable.dsl.len);
    free(big);
}

static void versions_are_listed_newest_first_in_pages(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = {"1", "2", "3", "4", "5"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        import_text(f, APP_ID, i == 0 ? "App" : "", texts[i]);
    struct store_version_page page = {.next_page_token = STR("")};
    int32_t expected = 5;
    do {
        assert_ok(list_versions(f, STR(APP_ID), 2, page.next_page_token, &page));
        for (size_t i = 0; i < page.count; i++) {
            assert_int_equal(expected, page.versions[i].number);
            assert_int_equal(expected == 5, page.versions[i].published);
            expected--;
        }
    } while (page.next_page_token.len > 0);
    assert_int_equal(0, expected);
    assert_reason(STATUS_NOT_FOUND, "APP_NOT_FOUND", f, list_versions(f, STR(UNKNOWN_ID), 2, STR(""), &page));
    assert_field("page_token", f,
                 list_versions(f, STR(APP_ID), 2, STR("YQ=="), &page)); /* "a" is no number */
}

static void a_version_of_another_app_is_not_found(void **state)
{
    struct fixture *f = *state;
    import_text(f, APP_ID, "App", "one");
    struct str other = import_text(f, "", "Other", "two").version.version_id;
    struct store_target target;
    struct store_version version;
    assert_reason(STATUS_NOT_FOUND, "VERSION_NOT_FOUND", f, find_version(f, STR(APP_ID), other, &target));
    assert_reason(STATUS_NOT_FOUND, "VERSION_NOT_FOUND", f, publish_version(f, STR(APP_ID), other, &version));
    assert_reason(STATUS_NOT_FOUND, "APP_NOT_FOUND", f, find_version(f, STR(UNKNOWN_ID), other, &target));
    assert_reason(STATUS_NOT_FOUND, "APP_NOT_FOUND", f, publish_version(f, STR(UNKNOWN_ID), other, &version));
    assert_field("version_id", f, find_version(f, STR(APP_ID), STR("latest"), &target));
}

static void what_is_loaded_to_run_has_text_settings_and_opened_variables(void **state)
{
    struct fixture *f = *state;
    struct store_imported old = import_text(f, APP_ID, "App", "old");
    import_text(f, APP_ID, "", "new");
    struct store_app app;
    struct store_app_update update = {.app_id = STR(APP_ID),
                                      .has_disabled = true,
                                      .disabled = true,
                                      .has_requests_per_minute = true,
                                      .requests_per_minute = 7};
    assert_ok(update_app(f, &update, &app));
    struct store_variable set[] = {{.name = STR("TOKEN"), .value = STR("s3cret"), .secret = true},
                                   {.name = STR("COUNT"), .value_type = STR("number"), .value = STR("5.0")}};
    struct store_environment_change change = {.app_id = STR(APP_ID), .set = set, .set_count = 2};
    struct store_environment environment;
    assert_ok(change_environment(f, &change, &environment));

    struct store_runnable runnable;
    struct store_version_load load = {.ref = {.app_id = STR(APP_ID)}};
    assert_ok(load_version(f, &load, &runnable));
    assert_str("new", runnable.dsl);
    assert_true(runnable.target.disabled);
    assert_int_equal(7, runnable.target.requests_per_minute);
    assert_int_equal(2, runnable.environment.count);
    assert_str("COUNT", runnable.environment.variables[0].name);
    assert_str("5.0", runnable.environment.variables[0].value);
    assert_str("TOKEN", runnable.environment.variables[1].name);
    assert_str("s3cret", runnable.environment.variables[1].value);
    assert_true(runnable.environment.variables[1].secret);

    load.ref.version_id = old.version.version_id;
    load.omit_dsl = true;
    assert_ok(load_version(f, &load, &runnable));
    assert_str("", runnable.dsl);
    assert_memory_equal(old.version.content_hash, runnable.target.content_hash, SHA256_BYTES);
    assert_int_equal(2, runnable.environment.count);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_first_import_makes_an_app_with_the_id_that_was_asked_for),
        TEST(the_first_version_is_published_in_any_case),
        TEST(the_same_text_is_the_same_version),
        TEST(the_same_text_takes_the_new_verdict),
        TEST(another_text_is_the_next_version_and_runs_only_when_published),
        TEST(another_mode_is_refused_and_changes_nothing),
        TEST(an_import_that_cannot_be_is_refused_with_its_field),
        TEST(versions_are_listed_newest_first_in_pages),
        TEST(a_version_of_another_app_is_not_found),
        TEST(what_is_loaded_to_run_has_text_settings_and_opened_variables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
