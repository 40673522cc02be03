/* Who calls: scopes, the end user of a call, and its id. */
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"

#include "gateway/auth/principal.h"

static const struct principal anna_of_a = {
    .issuer = {"https://a", 9}, .user = {"anna", 4}, .end_user_type = PRINCIPAL_OPENAPI, .scopes = SCOPE_RUN};

static void an_end_user_has_one_id_per_app_and_nobody_can_forge_another(void **state)
{
    (void)state;
    struct principal anna_of_b = anna_of_a, passport = anna_of_a, named = anna_of_a;
    anna_of_b.issuer = STR("https://b");
    passport.issuer = STR("");
    passport.end_user_type = PRINCIPAL_BROWSER;
    named.user = STR(""); /* the caller names end users, as with an API key */
    named.end_user_type = PRINCIPAL_SERVICE_API;
    const struct {
        const struct principal *principal;
        struct str app, user;
    } rows[] = {
        {NULL, STR("app1"), STR("anna")},
        {NULL, STR("app2"), STR("anna")},
        {NULL, STR("app1"), STR("annab")},
        {&anna_of_a, STR("app1"), STR("anna")},
        {&anna_of_b, STR("app1"), STR("anna")},
        {&passport, STR("app1"), STR("anna")},
        {NULL, STR("app1service-api"), STR("anna")},
        {NULL, STR("app1"), STR("https://aanna")},
    };
    char ids[ARRAY_LEN(rows)][UUID_TEXT_LEN + 1], again[UUID_TEXT_LEN + 1];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        principal_end_user_id(rows[i].principal, STR("default"), rows[i].app, rows[i].user, ids[i]);
        principal_end_user_id(rows[i].principal, STR("default"), rows[i].app, rows[i].user, again);
        assert_string_equal(ids[i], again);
        assert_true(uuid_is_canonical(str_c(ids[i])));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(ids[i], ids[j]);
    }
    principal_end_user_id(&named, STR("default"), STR("app1"), STR("anna"), again);
    assert_string_equal(again, ids[0]);
}

static void a_token_s_end_user_is_the_token_s(void **state)
{
    (void)state;
    struct status err;
    struct str user;
    struct principal named = anna_of_a;
    named.user = STR("");
    assert_ok(principal_user(&anna_of_a, STR(""), &user, &err));
    assert_str("anna", user);
    assert_ok(principal_user(&anna_of_a, STR("anna"), &user, &err));
    assert_str("anna", user);
    assert_code(STATUS_PERMISSION_DENIED, principal_user(&anna_of_a, STR("bert"), &user, &err));
    assert_string_equal(err.reason, "USER_MISMATCH");
    assert_ok(principal_user(NULL, STR("bert"), &user, &err));
    assert_str("bert", user);
    assert_ok(principal_user(&named, STR("bert"), &user, &err));
    assert_str("bert", user);
}

static void scopes(void **state)
{
    (void)state;
    struct status err;
    enum scope scope;
    assert_true(scope_from(STR("admin"), &scope) && scope == SCOPE_ADMIN);
    assert_false(scope_from(STR("Admin"), &scope) || scope_from(STR(""), &scope));
    assert_ok(principal_check_scope(&anna_of_a, SCOPE_RUN, &err));
    assert_code(STATUS_PERMISSION_DENIED, principal_check_scope(&anna_of_a, SCOPE_READ, &err));
    assert_string_equal(err.reason, "SCOPE_MISSING");
    assert_contains("\"read\"", err.message);
    assert_ok(principal_check_scope(NULL, SCOPE_RUN, &err));
    assert_ok(principal_check_scope(NULL, SCOPE_READ, &err));
    assert_code(STATUS_PERMISSION_DENIED, principal_check_scope(NULL, SCOPE_ADMIN, &err));
}

static void a_principal_is_a_copy(void **state)
{
    (void)state;
    alloc_fail_after(0);
    assert_null(principal_new(&anna_of_a));
    alloc_fail_reset();
    struct principal *principal = principal_new(&anna_of_a);
    assert_true(principal->user.ptr != anna_of_a.user.ptr);
    assert_string_equal(principal->user.ptr, "anna");
    assert_string_equal(principal->issuer.ptr, "https://a");
    assert_string_equal(principal->app_id.ptr, "");
    principal_unref(principal_ref(principal));
    principal_unref(principal);
    principal_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_end_user_has_one_id_per_app_and_nobody_can_forge_another),
        cmocka_unit_test(a_token_s_end_user_is_the_token_s),
        cmocka_unit_test(scopes),
        cmocka_unit_test(a_principal_is_a_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
