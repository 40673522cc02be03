/*
 * What a caller sent, as values.
 */
#include "executor/api/payload.h"
#include "executor/value/form.h"
#include "tests/support/check.h"

typedef Heddle__Executor__V1__ExecuteRequest request_t;

/* JSON of the value, which is given up. */
static void expect_json(const char *expected, struct value *take_v)
{
    struct buf b;
    buf_init(&b, 4096);
    value_put_json(&b, take_v, JSON_COMPACT, true);
    assert_str(expected, buf_str(&b));
    buf_fini(&b);
    value_unref(take_v);
}

static void inputs_come_as_json(void **state)
{
    static const struct {
        const char *json, *expected; /* NULL: refused */
    } rows[] = {{"", "{}"},
                {"{}", "{}"},
                {"{\"a\":1,\"b\":1.0,\"c\":[null]}", "{\"a\":1,\"b\":1.0,\"c\":[null]}"},
                {"[]", NULL},
                {"1", NULL},
                {"null", NULL},
                {"{\"a\":", NULL},
                {"x", NULL}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        request_t request = HEDDLE__EXECUTOR__V1__EXECUTE_REQUEST__INIT;
        struct value *inputs = NULL;
        struct status err;
        request.inputs_json = (char *)rows[i].json;
        enum status_code rc = payload_inputs(&request, &inputs, &err);
        if (rows[i].expected != NULL) {
            assert_ok(rc);
            expect_json(rows[i].expected, inputs);
        } else {
            assert_code(STATUS_INVALID_ARGUMENT, rc);
            assert_string_equal(err.field, "inputs_json");
            assert_null(inputs);
        }
    }
}

static void inputs_come_as_a_struct(void **state)
{
    typedef Google__Protobuf__Value value_t;
    value_t whole = GOOGLE__PROTOBUF__VALUE__INIT, real = GOOGLE__PROTOBUF__VALUE__INIT,
            huge = GOOGLE__PROTOBUF__VALUE__INIT, text = GOOGLE__PROTOBUF__VALUE__INIT,
            yes = GOOGLE__PROTOBUF__VALUE__INIT, list = GOOGLE__PROTOBUF__VALUE__INIT,
            none = GOOGLE__PROTOBUF__VALUE__INIT;
    Google__Protobuf__ListValue items = GOOGLE__PROTOBUF__LIST_VALUE__INIT;
    whole.kind_case = real.kind_case = huge.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE;
    whole.number_value = -7;
    real.number_value = 0.5;
    huge.number_value = 1e300;
    text.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE;
    text.string_value = (char *)"hi";
    yes.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE;
    yes.bool_value = true;
    value_t *in_list[] = {&whole, &text, &none};
    items.n_values = 3;
    items.values = in_list;
    list.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE;
    list.list_value = &items;
    static const char *const keys[] = {"whole", "real", "huge", "yes", "list"};
    value_t *const values[] = {&whole, &real, &huge, &yes, &list};
    Google__Protobuf__Struct__FieldsEntry fields[5], *pointers[5];
    for (size_t i = 0; i < 5; i++) {
        google__protobuf__struct__fields_entry__init(&fields[i]);
        fields[i].key = (char *)keys[i];
        fields[i].value = values[i];
        pointers[i] = &fields[i];
    }
    Google__Protobuf__Struct object = GOOGLE__PROTOBUF__STRUCT__INIT;
    object.n_fields = 5;
    object.fields = pointers;
    request_t request = HEDDLE__EXECUTOR__V1__EXECUTE_REQUEST__INIT;
    request.inputs = &object;
    struct value *inputs = NULL;
    struct status err;
    (void)state;
    assert_ok(payload_inputs(&request, &inputs, &err));
    expect_json("{\"whole\":-7,\"real\":0.5,\"huge\":1e+300,\"yes\":true,\"list\":[-7,\"hi\",null]}", inputs);
    request.inputs_json = (char *)"{}";
    assert_code(STATUS_INVALID_ARGUMENT, payload_inputs(&request, &inputs, &err));
    assert_string_equal(err.field, "inputs_json");
}

static void files_are_raw_objects(void **state)
{
    Heddle__V1__File file = HEDDLE__V1__FILE__INIT, *files[] = {&file};
    file.type = (char *)"image";
    file.transfer_method = (char *)"remote_url";
    file.url = (char *)"https://x.test/a.png";
    request_t request = HEDDLE__EXECUTOR__V1__EXECUTE_REQUEST__INIT;
    struct value *v = NULL;
    struct status err;
    (void)state;
    assert_ok(payload_files(&request, &v, &err));
    expect_json("[]", v);
    request.n_files = 1;
    request.files = files;
    assert_ok(payload_files(&request, &v, &err));
    expect_json("[{\"type\":\"image\",\"transfer_method\":\"remote_url\",\"url\":\"https://x.test/a.png\","
                "\"upload_file_id\":\"\"}]",
                v);
}

static void environment_variables_have_their_types(void **state)
{
    static const struct {
        const char *type, *text, *expected; /* NULL: refused */
    } rows[] = {{"", "a", "a"},
                {"string", "1", "\"1\""},
                {"integer", "12", "12"},
                {"integer", "1.5", NULL},
                {"number", "12", "12"},
                {"number", "1.5", "1.5"},
                {"float", "2", "2.0"},
                {"number", "x", NULL},
                {"boolean", "True", "true"},
                {"boolean", "false", "false"},
                {"boolean", "1", NULL},
                {"object", "{\"a\":[1]}", "{\"a\":[1]}"},
                {"object", "{", NULL},
                {"array[string]", "[\"a\"]", "[\"a\"]"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct store_variable variable = {
            .name = STR("v"), .value_type = str_c(rows[i].type), .value = str_c(rows[i].text)};
        const struct store_environment environment = {&variable, 1};
        struct value *v = NULL;
        struct status err;
        enum status_code rc = payload_environment(&environment, &v, &err);
        if (rows[i].expected == NULL) {
            assert_code(STATUS_FAILED_PRECONDITION, rc);
            assert_string_equal(err.reason, "BAD_ENVIRONMENT");
            assert_contains("variable v", err.message);
            continue;
        }
        assert_ok(rc);
        if (rows[i].type[0] == '\0')
            assert_str("a", value_text(value_get_c(v, "v")));
        else
            expect_json(rows[i].expected, value_ref(value_get_c(v, "v")));
        value_unref(v);
    }
}

static void a_secret_stays_one_whatever_its_type(void **state)
{
    const struct store_variable variables[] = {
        {.name = STR("a"), .value_type = STR("secret"), .value = STR("abc")},
        {.name = STR("b"), .value_type = STR("integer"), .value = STR("12"), .secret = true}};
    const struct store_environment environment = {variables, 2};
    struct value *v = NULL;
    struct status err;
    (void)state;
    assert_ok(payload_environment(&environment, &v, &err));
    assert_int_equal(value_type(value_get_c(v, "a")), VALUE_SECRET);
    assert_int_equal(value_type(value_get_c(v, "b")), VALUE_SECRET);
    assert_str("12", value_text(value_get_c(v, "b")));
    value_unref(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inputs_come_as_json),
        cmocka_unit_test(inputs_come_as_a_struct),
        cmocka_unit_test(files_are_raw_objects),
        cmocka_unit_test(environment_variables_have_their_types),
        cmocka_unit_test(a_secret_stays_one_whatever_its_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
