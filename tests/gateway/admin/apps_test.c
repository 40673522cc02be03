/* Settings of apps. */
#include "tests/gateway/admin/admin_kit.h"
#include <stdio.h>
#include <string.h>

#define APP_ID "019aaf00-0000-7000-8000-000000000001"

static void import(struct admin_kit *kit)
{
    Heddle__V1__ImportAppRequest request = HEDDLE__V1__IMPORT_APP_REQUEST__INIT;
    request.dsl = (char *)"text";
    request.app_id = (char *)APP_ID;
    assert_ok(admin_kit_code(kit, KIT_IMPORT_APP, &request.base));
}

static Heddle__V1__UpdateAppRequest change(void)
{
    Heddle__V1__UpdateAppRequest request = HEDDLE__V1__UPDATE_APP_REQUEST__INIT;
    request.app_id = (char *)APP_ID;
    return request;
}

static void priority_records_and_retention_are_set_and_shown_everywhere(void **state)
{
    struct admin_kit *kit = *state;
    import(kit);
    Heddle__V1__UpdateAppRequest request = change();
    request.has_priority_case = HEDDLE__V1__UPDATE_APP_REQUEST__HAS_PRIORITY_PRIORITY;
    request.priority = -100;
    request.has_record_case = HEDDLE__V1__UPDATE_APP_REQUEST__HAS_RECORD_RECORD;
    request.record = HEDDLE__V1__RECORD__RECORD_SUMMARY;
    request.has_retention_days_case = HEDDLE__V1__UPDATE_APP_REQUEST__HAS_RETENTION_DAYS_RETENTION_DAYS;
    request.retention_days = 30;
    Heddle__V1__App *app = admin_kit_call(kit, KIT_UPDATE_APP, &request.base);
    assert_int_equal(-100, app->priority);
    assert_int_equal(HEDDLE__V1__RECORD__RECORD_SUMMARY, app->record);
    assert_int_equal(30, app->retention_days);
    heddle__v1__app__free_unpacked(app, NULL);

    Heddle__V1__UpdateAppRequest rename = change();
    rename.has_name_case = HEDDLE__V1__UPDATE_APP_REQUEST__HAS_NAME_NAME;
    rename.name = (char *)"renamed";
    assert_ok(admin_kit_code(kit, KIT_UPDATE_APP, &rename.base));
    Heddle__V1__GetAppRequest get = HEDDLE__V1__GET_APP_REQUEST__INIT;
    get.app_id = (char *)APP_ID;
    Heddle__V1__GetAppResponse *got = admin_kit_call(kit, KIT_GET_APP, &get.base);
    assert_int_equal(-100, got->app->priority);
    assert_int_equal(HEDDLE__V1__RECORD__RECORD_SUMMARY, got->app->record);
    heddle__v1__get_app_response__free_unpacked(got, NULL);
    Heddle__V1__ListAppsRequest list = HEDDLE__V1__LIST_APPS_REQUEST__INIT;
    Heddle__V1__ListAppsResponse *listed = admin_kit_call(kit, KIT_LIST_APPS, &list.base);
    assert_int_equal(-100, listed->apps[0]->priority);
    assert_int_equal(30, listed->apps[0]->retention_days);
    heddle__v1__list_apps_response__free_unpacked(listed, NULL);
}

static void settings_that_cannot_be_are_refused_by_their_field(void **state)
{
    struct admin_kit *kit = *state;
    import(kit);
    Heddle__V1__UpdateAppRequest rows[4] = {change(), change(), change(), change()};
    static const char *const fields[] = {"priority", "priority", "record", "retention_days"};
    rows[0].has_priority_case = rows[1].has_priority_case =
        HEDDLE__V1__UPDATE_APP_REQUEST__HAS_PRIORITY_PRIORITY;
    rows[0].priority = 101;
    rows[1].priority = -101;
    rows[2].has_record_case = HEDDLE__V1__UPDATE_APP_REQUEST__HAS_RECORD_RECORD;
    rows[2].record = (Heddle__V1__Record)3;
    rows[3].has_retention_days_case = HEDDLE__V1__UPDATE_APP_REQUEST__HAS_RETENTION_DAYS_RETENTION_DAYS;
    rows[3].retention_days = -1;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_code(STATUS_INVALID_ARGUMENT, admin_kit_code(kit, KIT_UPDATE_APP, &rows[i].base));
        assert_string_equal(fields[i], kit->err.field);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, admin_kit_setup, admin_kit_teardown)
    const struct CMUnitTest tests[] = {
        TEST(priority_records_and_retention_are_set_and_shown_everywhere),
        TEST(settings_that_cannot_be_are_refused_by_their_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
