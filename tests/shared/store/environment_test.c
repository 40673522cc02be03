/*
 * Tests of environment.
 */
#include "shared/store/environment.h"
#include "tests/shared/store/fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APP_ID "01890000-0000-7000-8000-00000000000a"

static int setup(void **state)
{
    fixture_setup(state);
    import_text(*state, APP_ID, "App", "one");
    return 0;
}

static enum status_code set(struct fixture *f, const struct store_variable *variables, size_t count,
                            struct store_environment *ret)
{
    struct store_environment_change change = {.app_id = STR(APP_ID), .set = variables, .set_count = count};
    return change_environment(f, &change, ret);
}

static void variables_are_set_replaced_and_removed_at_once(void **state)
{
    struct fixture *f = *state;
    struct store_environment now;
    const struct store_variable first[] = {
        {.name = STR("B"), .value = STR("1")},
        {.name = STR("A"), .value_type = STR("object"), .value = STR("{}")},
        {.name = STR("C"), .value = STR("")}};
    assert_ok(set(f, first, 3, &now));
    assert_int_equal(3, now.count);
    assert_str("A", now.variables[0].name);
    assert_str("object", now.variables[0].value_type);
    assert_str("B", now.variables[1].name);
    assert_str("string", now.variables[1].value_type);
    assert_str("", now.variables[2].value);

    const struct store_variable second[] = {{.name = STR("B"), .value = STR("2")},
                                            {.name = STR("C"), .value = STR("first of two")},
                                            {.name = STR("C"), .value = STR("last of two")}};
    const struct str remove[] = {STR("A"), STR("C"), STR("never there")};
    struct store_environment_change change = {
        .app_id = STR(APP_ID), .set = second, .set_count = 3, .remove = remove, .remove_count = 3};
    assert_ok(change_environment(f, &change, &now));
    assert_int_equal(2, now.count);
    assert_str("2", now.variables[0].value);
    assert_str("last of two", now.variables[1].value);
}

static void secrets_are_sealed_and_not_shown(void **state)
{
    static const struct sql plain = {
        "select count(*) from app_environment where value is not null or instr(sealed, 'hush') > 0"};
    struct fixture *f = *state;
    struct store_environment now;
    const struct store_variable secrets[] = {
        {.name = STR("BY_FLAG"), .value = STR("hush"), .secret = true},
        {.name = STR("BY_TYPE"), .value_type = STR("secret"), .value = STR("hush")}};
    assert_ok(set(f, secrets, 2, &now));
    for (size_t i = 0; i < 2; i++) {
        assert_true(now.variables[i].secret);
        assert_str("", now.variables[i].value);
        assert_str("secret", now.variables[i].value_type);
    }
    assert_int_equal(0, fixture_number(f, &plain));

    const struct store_variable open = {.name = STR("BY_FLAG"), .value = STR("public")};
    assert_ok(set(f, &open, 1, &now));
    assert_false(now.variables[0].secret);
    assert_str("public", now.variables[0].value);
}

static void a_secret_moved_to_another_variable_does_not_open(void **state)
{
    struct fixture *f = *state;
    struct store_environment now;
    const struct store_variable secret = {.name = STR("A"), .value = STR("hush"), .secret = true};
    assert_ok(set(f, &secret, 1, &now));
    fixture_script(f, "update app_environment set name = 'B'");
    struct store_runnable runnable;
    struct store_version_load load = {.ref = {.app_id = STR(APP_ID)}};
    assert_reason(STATUS_DATA_LOSS, "SEAL_BROKEN", f, load_version(f, &load, &runnable));
    struct store_app_details details; /* to look at the app nothing has to be opened */
    assert_ok(get_app(f, STR(APP_ID), &details));
}

static void without_a_master_key_only_secrets_are_refused(void **state)
{
    struct fixture *f = *state;
    struct store_environment now;
    const struct store_variable both[] = {{.name = STR("PLAIN"), .value = STR("1")},
                                          {.name = STR("SECRET"), .value = STR("hush"), .secret = true}};
    struct store_runnable runnable;
    struct store_version_load load = {.ref = {.app_id = STR(APP_ID)}};
    fixture_reopen(f, NULL);
    assert_reason(STATUS_FAILED_PRECONDITION, "NO_MASTER_KEY", f, set(f, both, 2, &now));
    assert_ok(load_version(f, &load, &runnable));
    assert_int_equal(0, runnable.environment.count); /* all or nothing */
    assert_ok(set(f, both, 1, &now));

    fixture_reopen(f, MASTER_KEY_A);
    assert_ok(set(f, both, 2, &now));
    fixture_reopen(f, MASTER_KEY_B);
    assert_reason(STATUS_FAILED_PRECONDITION, "NO_MASTER_KEY", f, load_version(f, &load, &runnable));
    assert_contains("master key a", f->err.message);
    fixture_reopen(f, MASTER_KEY_B "," MASTER_KEY_A);
    assert_ok(load_version(f, &load, &runnable));
    assert_str("hush", runnable.environment.variables[1].value);
}

static void a_change_that_cannot_be_is_refused_with_its_field(void **state)
{
    struct fixture *f = *state;
    struct store_environment now;
    const struct store_variable no_name = {.value = STR("1")};
    const struct store_variable bad_value = {.name = STR("A"), .value = STR("\xff")};
    const struct store_variable bad_type = {.name = STR("A"), .value_type = STR("a\0b")};
    assert_field("set.name", f, set(f, &no_name, 1, &now));
    assert_field("set.value", f, set(f, &bad_value, 1, &now));
    assert_field("set.value_type", f, set(f, &bad_type, 1, &now));
    struct store_environment_change elsewhere = {.app_id = STR(UNKNOWN_ID)};
    assert_reason(STATUS_NOT_FOUND, "APP_NOT_FOUND", f, change_environment(f, &elsewhere, &now));
    assert_field("set", f, set(f, &no_name, STORE_ENVIRONMENT_MAX + 1, &now));
    struct store_environment_change removes = {.app_id = STR(APP_ID),
                                               .remove_count = STORE_ENVIRONMENT_MAX + 1};
    assert_field("remove", f, change_environment(f, &removes, &now));
}

static void an_app_has_a_thousand_variables_at_most(void **state)
{
    struct fixture *f = *state;
    struct store_environment now;
    struct store_variable *many = calloc(STORE_ENVIRONMENT_MAX, sizeof *many);
    assert_non_null(many);
    for (size_t i = 0; i < STORE_ENVIRONMENT_MAX; i++)
        many[i] =
            (struct store_variable){.name = str_c(arena_printf(&f->arena, "V%zu", i)), .value = STR("x")};
    assert_ok(set(f, many, STORE_ENVIRONMENT_MAX, &now));
    assert_int_equal(STORE_ENVIRONMENT_MAX, now.count);
    assert_str("V999", now.variables[now.count - 1].name);

    const struct store_variable one_more = {.name = STR("W"), .value = STR("x")};
    assert_field("set", f, set(f, &one_more, 1, &now));
    const struct str remove = STR("V0");
    struct store_environment_change swap = {
        .app_id = STR(APP_ID), .set = &one_more, .set_count = 1, .remove = &remove, .remove_count = 1};
    assert_ok(change_environment(f, &swap, &now));
    free(many);
}

static void all_variables_of_an_app_have_a_length_at_most(void **state)
{
    struct fixture *f = *state;
    struct store_environment now;
    char *big = malloc(STORE_ENVIRONMENT_BYTES_MAX + 1);
    assert_non_null(big);
    memset(big, 'x', STORE_ENVIRONMENT_BYTES_MAX + 1);
    const struct store_variable too_big = {.name = STR("A"), .value = {big, STORE_ENVIRONMENT_BYTES_MAX + 1}};
    const struct store_variable fits = {.name = STR("A"), .value = {big, STORE_ENVIRONMENT_BYTES_MAX - 2}};
    const struct store_variable fills = {.name = STR("B"), .value = STR("")};
    const struct store_variable overflows = {.name = STR("B"), .value = STR("x")};
    assert_field("set.value", f, set(f, &too_big, 1, &now));
    assert_ok(set(f, &fits, 1, &now));
    assert_ok(set(f, &fills, 1, &now));
    assert_field("set", f, set(f, &overflows, 1, &now));
    free(big);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(variables_are_set_replaced_and_removed_at_once),
        TEST(secrets_are_sealed_and_not_shown),
        TEST(a_secret_moved_to_another_variable_does_not_open),
        TEST(without_a_master_key_only_secrets_are_refused),
        TEST(a_change_that_cannot_be_is_refused_with_its_field),
        TEST(an_app_has_a_thousand_variables_at_most),
        TEST(all_variables_of_an_app_have_a_length_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
