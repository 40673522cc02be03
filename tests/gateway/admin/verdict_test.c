/* Verdicts as they are kept, and the values of variables. */
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <string.h>

#include "gateway/admin/verdict.h"
#include "shared/base/crypto.h"
#include "shared/limits.h"
#include "shared/store/version.h"

static Heddle__V1__EnvironmentVariable plain = HEDDLE__V1__ENVIRONMENT_VARIABLE__INIT,
                                       typed = HEDDLE__V1__ENVIRONMENT_VARIABLE__INIT,
                                       flagged = HEDDLE__V1__ENVIRONMENT_VARIABLE__INIT;
static Heddle__V1__EnvironmentVariable *environment[] = {&plain, &typed, &flagged};
static Heddle__V1__Problem remark = HEDDLE__V1__PROBLEM__INIT;
static Heddle__V1__Problem *remarks[] = {&remark};
static Heddle__V1__InputField input = HEDDLE__V1__INPUT_FIELD__INIT;
static Heddle__V1__InputField *form[] = {&input};

static Heddle__Executor__V1__CheckAppResponse example(void)
{
    Heddle__Executor__V1__CheckAppResponse response = HEDDLE__EXECUTOR__V1__CHECK_APP_RESPONSE__INIT;
    plain.name = "PLAIN", plain.value_type = "string", plain.value = "open";
    typed.name = "TYPED", typed.value_type = "secret", typed.value = "hidden one";
    flagged.name = "FLAGGED", flagged.value_type = "string", flagged.secret = 1, flagged.value = "hidden two";
    remark.text = "odd";
    input.variable = "city";
    response.mode = "workflow";
    response.n_environment = 3;
    response.environment = environment;
    response.n_warnings = response.n_problems = 1;
    response.warnings = response.problems = remarks;
    response.n_input_form = 1;
    response.input_form = form;
    return response;
}

static void a_verdict_is_kept_without_problems_and_secrets(void **state)
{
    (void)state;
    Heddle__Executor__V1__CheckAppResponse response = example();
    struct buf text, bytes;
    buf_init(&text, STORE_VERDICT_BYTES_MAX);
    buf_init(&bytes, STORE_VERDICT_BYTES_MAX);
    verdict_put(&text, &response);
    assert_false(text.failed);
    assert_true(base64_get(&bytes, buf_str(&text)));
    assert_true(str_find(buf_str(&bytes), STR("hidden"), 0) == SIZE_MAX);
    assert_string_equal(typed.value, "hidden one"); /* the original is as it was */

    Heddle__Executor__V1__CheckAppResponse *kept = verdict_read(buf_str(&text));
    assert_non_null(kept);
    assert_string_equal(kept->mode, "workflow");
    assert_int_equal(kept->n_problems, 0);
    assert_int_equal(kept->n_warnings, 1);
    assert_string_equal(kept->warnings[0]->text, "odd");
    assert_string_equal(kept->input_form[0]->variable, "city");
    assert_int_equal(kept->n_environment, 3);
    assert_string_equal(kept->environment[0]->value, "open");
    assert_false(kept->environment[0]->secret);
    for (size_t i = 1; i < 3; i++) {
        assert_true(kept->environment[i]->secret);
        assert_string_equal(kept->environment[i]->value, "");
    }
    heddle__executor__v1__check_app_response__free_unpacked(kept, NULL);
    buf_fini(&bytes);
    buf_fini(&text);
}

static void what_is_no_verdict_is_not_read(void **state)
{
    (void)state;
    assert_null(verdict_read(STR("not base64!")));
    assert_null(verdict_read(STR("////")));
    Heddle__Executor__V1__CheckAppResponse *empty = verdict_read(STR(""));
    assert_non_null(empty);
    heddle__executor__v1__check_app_response__free_unpacked(empty, NULL);
}

static void without_memory_a_verdict_is_not_kept(void **state)
{
    (void)state;
    Heddle__Executor__V1__CheckAppResponse response = example();
    for (size_t n = 0;; n++) {
        struct buf text;
        buf_init(&text, STORE_VERDICT_BYTES_MAX);
        alloc_fail_after(n);
        verdict_put(&text, &response);
        alloc_fail_reset();
        bool was_hit = alloc_fail_hit();
        assert_int_equal(text.failed, was_hit);
        buf_fini(&text);
        if (!was_hit)
            return;
    }
}

static void a_value_is_of_its_type(void **state)
{
    (void)state;
    static const struct {
        const char *type, *value;
        bool fits;
    } rows[] = {
        {"", "", true},
        {"string", "any \xf0\x9f\xa7\xb5", true},
        {"secret", "x", true},
        {"number", "1", true},
        {"number", "-1.5e3", true},
        {"number", "", false},
        {"number", "1x", false},
        {"number", "0x10", false},
        {"number", "nan", false},
        {"float", "0.5", true},
        {"float", "half", false},
        {"integer", "-9223372036854775808", true},
        {"integer", "9223372036854775808", false},
        {"integer", "1.0", false},
        {"boolean", "true", true},
        {"boolean", "False", true},
        {"boolean", "1", false},
        {"object", "{}", true},
        {"object", " {\"a\": [1]} ", true},
        {"object", "[]", false},
        {"object", "{\"a\":", false},
        {"object", "{} {}", false},
        {"object", "", false},
        {"array[string]", "[]", true},
        {"array[string]", "[\"a\", \"b\"]", true},
        {"array[string]", "[\"a\", 1]", false},
        {"array[string]", "{}", false},
        {"array[number]", "[1, 2.5]", true},
        {"array[number]", "[true]", false},
        {"array[object]", "[{}]", true},
        {"array[object]", "[[]]", false},
        {"array[boolean]", "[true, false]", true},
        {"array[boolean]", "[null]", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct status err = {.code = STATUS_OK};
        enum status_code rc = variable_check(str_c(rows[i].type), str_c(rows[i].value), 4, &err);
        if ((rc == STATUS_OK) != rows[i].fits)
            fail_msg("%s: %s gives %s", rows[i].type, rows[i].value, status_code_name(rc));
        if (!rows[i].fits)
            assert_string_equal(err.field, "set[4].value");
    }
}

static void json_is_as_deep_as_runs_can_read_it(void **state)
{
    (void)state;
    struct status err;
    char json[512];
    for (int depth = LIMIT_DEPTH; depth <= LIMIT_DEPTH + 1; depth++) {
        struct buf b;
        buf_init(&b, sizeof json);
        buf_put_c(&b, "{\"[[\\\"\": ");
        for (int i = 1; i < depth; i++)
            buf_put_char(&b, '[');
        for (int i = 1; i < depth; i++)
            buf_put_char(&b, ']');
        buf_put_c(&b, "}");
        assert_false(b.failed);
        memcpy(json, b.ptr, b.len);
        json[b.len] = '\0';
        buf_fini(&b);
        assert_code(depth <= LIMIT_DEPTH ? STATUS_OK : STATUS_INVALID_ARGUMENT,
                    variable_check(STR("object"), str_c(json), 0, &err));
    }
}

static void types_that_are_none_are_named_and_values_never(void **state)
{
    (void)state;
    static const char *const types[] = {"text", "array", "array[any]", "array[string", "String", "file"};
    struct status err;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        assert_code(STATUS_INVALID_ARGUMENT, variable_check(str_c(types[i]), STR("x"), 0, &err));
        assert_string_equal(err.field, "set[0].value_type");
    }
    assert_code(STATUS_INVALID_ARGUMENT, variable_check(STR("number"), STR("s3cr3t"), 0, &err));
    assert_null(strstr(err.message, "s3cr3t"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_verdict_is_kept_without_problems_and_secrets),
        cmocka_unit_test(what_is_no_verdict_is_not_read),
        cmocka_unit_test(without_memory_a_verdict_is_not_kept),
        cmocka_unit_test(a_value_is_of_its_type),
        cmocka_unit_test(json_is_as_deep_as_runs_can_read_it),
        cmocka_unit_test(types_that_are_none_are_named_and_values_never),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
