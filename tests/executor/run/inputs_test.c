/*
 * What a caller may hand in (dify-dsl.md 2.5), row by row.
 */
#include "executor/run/file.h"
#include "executor/run/inputs.h"
#include "executor/value/form.h"
#include "executor/value/parse.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <string.h>

enum { ACCOUNT_BYTES = 1 << 20 };

static struct value *parsed(const char *json)
{
    struct value *v = NULL;
    struct status err = {0};
    if (json != NULL && value_parse_json(NULL, str_c(json), &v, &err) != STATUS_OK)
        fail_msg("%s: %s", json, err.message);
    return v;
}

static struct str options[] = {{"red", 3}, {"it's", 4}};

static struct input_field field_of(const char *type)
{
    return (struct input_field){
        .variable = STR("v"), .type = str_c(type), .options = options, .option_count = 2};
}

/* Checks one field and writes the result, or the error, into `ret`. */
static enum status_code check(struct input_field field, const char *raw, struct buf *ret, struct status *err)
{
    struct graph graph = {.fields = &field, .field_count = 1};
    struct value_account account = {.max = ACCOUNT_BYTES};
    struct value *v = parsed(raw), *checked = NULL;
    enum status_code rc = inputs_check(&graph, &account, v, &checked, err);
    buf_clear(ret);
    if (rc == STATUS_OK)
        value_put_json(ret, checked, JSON_COMPACT, false);
    value_unref(checked);
    value_unref(v);
    assert_int_equal(account.used, 0);
    return rc;
}

static void values_are_taken_or_converted(void **state)
{
    static const struct {
        const char *type, *raw, *checked;
    } rows[] = {
        {"text-input", "{\"v\":\"a\"}", "{\"v\":\"a\"}"},
        {"text-input", "{\"v\":\"\"}", "{\"v\":\"\"}"},
        {"paragraph", "{\"v\":\"a\\u0000b\",\"unknown\":1}", "{\"v\":\"ab\"}"},
        {"text-input", "{\"v\":null}", "{\"v\":null}"},
        {"text-input", "{}", "{\"v\":null}"},
        {"text-input", NULL, "{\"v\":null}"},
        {"select", "{\"v\":\"red\"}", "{\"v\":\"red\"}"},
        {"number", "{\"v\":5}", "{\"v\":5}"},
        {"number", "{\"v\":5.0}", "{\"v\":5.0}"},
        {"number", "{\"v\":\"5\"}", "{\"v\":5}"},
        {"number", "{\"v\":\" -7 \"}", "{\"v\":-7}"},
        {"number", "{\"v\":\"+7\"}", "{\"v\":7}"},
        {"number", "{\"v\":\"1.50\"}", "{\"v\":1.5}"},
        {"number", "{\"v\":\"  \"}", "{\"v\":null}"},
        {"checkbox", "{\"v\":true}", "{\"v\":true}"},
        {"checkbox", "{\"v\":\"Yes\"}", "{\"v\":true}"},
        {"checkbox", "{\"v\":\"on\"}", "{\"v\":true}"},
        {"checkbox", "{\"v\":\"0\"}", "{\"v\":false}"},
        {"checkbox", "{\"v\":\"OFF\"}", "{\"v\":false}"},
        {"checkbox", "{\"v\":1}", "{\"v\":true}"},
        {"checkbox", "{\"v\":0}", "{\"v\":false}"},
        {"json_object", "{\"v\":{\"a\":[1]}}", "{\"v\":{\"a\":[1]}}"},
        {"json_object", "{\"v\":\"\"}", "{\"v\":null}"},
        {"file", "{\"v\":\"\"}", "{\"v\":null}"},
        {"file-list", "{\"v\":[]}", "{\"v\":[]}"},
        {"external_data_tool", "{\"v\":[1,\"a\"]}", "{\"v\":[1,\"a\"]}"},
    };
    struct buf ret;
    (void)state;
    buf_init(&ret, ACCOUNT_BYTES);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct status err = {0};
        if (check(field_of(rows[i].type), rows[i].raw, &ret, &err) != STATUS_OK)
            fail_msg("%s %s: %s", rows[i].type, rows[i].raw, err.message);
        assert_str(rows[i].checked, buf_str(&ret));
    }
    buf_fini(&ret);
}

static void what_does_not_fit_is_named(void **state)
{
    static const struct {
        const char *type, *raw, *message;
    } rows[] = {
        {"text-input", "{\"v\":5}", "(type 'text-input') v in input form must be a string"},
        {"select", "{\"v\":true}", "(type 'select') v in input form must be a string"},
        {"select", "{\"v\":\"blue\"}", "v in input form must be one of the following: ['red', \"it's\"]"},
        {"number", "{\"v\":\"1e5\"}", "v in input form must be a valid number"},
        {"number", "{\"v\":\"five\"}", "v in input form must be a valid number"},
        {"number", "{\"v\":true}", "v in input form must be a valid number"},
        {"number", "{\"v\":[1]}", "v in input form must be a valid number"},
        {"checkbox", "{\"v\":\"maybe\"}", "v in input form must be a boolean"},
        {"checkbox", "{\"v\":2}", "v in input form must be a boolean"},
        {"json_object", "{\"v\":[1]}", "v in input form must be a dict"},
        {"json_object", "{\"v\":\"{}\"}", "v in input form must be a dict"},
        {"file", "{\"v\":\"a.png\"}", "v in input form must be a file"},
        {"file", "{\"v\":{\"type\":\"picture\"}}",
         "v: the type of a file is image, document, audio, video or custom"},
        {"file", "{\"v\":{\"type\":\"image\",\"transfer_method\":\"local_file\"}}",
         "v: files are taken with transfer_method remote_url only"},
        {"file",
         "{\"v\":{\"type\":\"image\",\"transfer_method\":\"remote_url\",\"url\":\"file:///etc/passwd\"}}",
         "v: url is no http or https address"},
        {"file-list", "{\"v\":{}}", "v in input form must be a list of files"},
        {"file-list", "{\"v\":[1]}", "v in input form must be a file"},
    };
    struct buf ret;
    (void)state;
    buf_init(&ret, ACCOUNT_BYTES);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct status err = {0};
        assert_code(STATUS_INVALID_ARGUMENT, check(field_of(rows[i].type), rows[i].raw, &ret, &err));
        assert_string_equal(rows[i].message, err.message);
        assert_string_equal("inputs.v", err.field);
    }
    buf_fini(&ret);
}

static void required_defaults_and_lengths(void **state)
{
    struct status err = {0};
    struct buf ret;
    (void)state;
    buf_init(&ret, ACCOUNT_BYTES);
    struct input_field field = field_of("text-input");
    field.required = true;
    assert_code(STATUS_INVALID_ARGUMENT, check(field, "{\"v\":null}", &ret, &err));
    assert_string_equal("v is required in input form", err.message);
    assert_ok(check(field, "{\"v\":\"\"}", &ret, &err)); /* empty is not missing */

    field.required = false;
    field.max_length = 3;
    assert_ok(check(field, "{\"v\":\"äöü\"}", &ret, &err)); /* characters, not bytes */
    assert_code(STATUS_INVALID_ARGUMENT, check(field, "{\"v\":\"äöüx\"}", &ret, &err));
    assert_string_equal("v in input form must be less than 3 characters", err.message);

    field = field_of("number");
    field.fallback = parsed("\"12\"");
    assert_ok(check(field, "{}", &ret, &err));
    assert_str("{\"v\":12}", buf_str(&ret)); /* a default is converted too */
    value_unref(field.fallback);

    field = field_of("file-list");
    field.max_length = 1;
    assert_code(STATUS_INVALID_ARGUMENT, check(field, "{\"v\":[{},{}]}", &ret, &err));
    assert_string_equal("v in input form must be less than 1 files", err.message);
    buf_fini(&ret);
}

static void a_file_gets_its_attributes_from_its_address(void **state)
{
    static const struct {
        const char *url, *filename, *extension, *mime_type;
    } rows[] = {
        {"https://e.example/a/photo.PNG?size=1", "photo.PNG", ".PNG", "image/png"},
        {"https://e.example/a/b.tar.unknown", "b.tar.unknown", ".unknown", "application/octet-stream"},
        {"https://e.example", "", "", "application/octet-stream"},
        {"http://e.example/?a=/b.png", "", "", "application/octet-stream"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct value_builder b;
        struct value *file = NULL;
        struct status err = {0};
        value_object_begin(&b, NULL);
        value_object_put(&b, STR("type"), value_string(NULL, STR("image")));
        value_object_put(&b, STR("transfer_method"), value_string(NULL, STR("remote_url")));
        value_object_put(&b, STR("url"), value_string(NULL, str_c(rows[i].url)));
        struct value *raw = value_object_end(&b);
        assert_ok(file_from_raw(NULL, raw, "v", &file, &err));
        assert_int_equal(value_type(file), VALUE_FILE);
        assert_str(rows[i].filename, value_get_text(file, "filename", STR("?")));
        assert_str(rows[i].extension, value_get_text(file, "extension", STR("?")));
        assert_str(rows[i].mime_type, value_get_text(file, "mime_type", STR("?")));
        assert_str(rows[i].url, value_get_text(file, "remote_url", STR("?")));
        value_unref(file);
        value_unref(raw);
    }
}

static void files_of_a_run_are_a_list_of_files(void **state)
{
    struct value *files = NULL;
    struct status err = {0};
    (void)state;
    assert_ok(inputs_check_files(NULL, NULL, &files, &err));
    assert_string_equal("array[any]", value_type_name(files)); /* empty */
    value_unref(files);
    struct value *raw = parsed(
        "[{\"type\":\"image\",\"transfer_method\":\"remote_url\",\"url\":\"https://e.example/a.gif\"}]");
    assert_ok(inputs_check_files(NULL, raw, &files, &err));
    assert_string_equal("array[file]", value_type_name(files));
    value_unref(files);
    value_unref(raw);
    raw = parsed("{\"a\":1}");
    assert_code(STATUS_INVALID_ARGUMENT, inputs_check_files(NULL, raw, &files, &err));
    assert_string_equal("files", err.field);
    value_unref(raw);
}

static void without_memory_inputs_are_refused_and_nothing_leaks(void **state)
{
    struct input_field fields[] = {field_of("paragraph"), field_of("file"), field_of("number")};
    struct graph graph = {.fields = fields, .field_count = ARRAY_LEN(fields)};
    (void)state;
    fields[1].variable = STR("f");
    fields[2].variable = STR("n");
    struct value *raw = parsed("{\"v\":\"a\\u0000b\",\"n\":\"5.5\",\"f\":{\"type\":\"image\","
                               "\"transfer_method\":\"remote_url\",\"url\":\"https://e.example/a.gif\"}}");
    for (size_t n = 0;; n++) {
        struct value_account account = {.max = ACCOUNT_BYTES};
        struct value *checked = NULL;
        struct status err = {0};
        alloc_fail_after(n);
        enum status_code rc = inputs_check(&graph, &account, raw, &checked, &err);
        alloc_fail_reset();
        assert_code(alloc_fail_hit() ? STATUS_RESOURCE_EXHAUSTED : STATUS_OK, rc);
        value_unref(checked);
        assert_int_equal(account.used, 0);
        if (rc == STATUS_OK)
            break;
    }
    value_unref(raw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_taken_or_converted),
        cmocka_unit_test(what_does_not_fit_is_named),
        cmocka_unit_test(required_defaults_and_lengths),
        cmocka_unit_test(a_file_gets_its_attributes_from_its_address),
        cmocka_unit_test(files_of_a_run_are_a_list_of_files),
        cmocka_unit_test(without_memory_inputs_are_refused_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
