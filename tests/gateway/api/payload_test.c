/* JSON text of records → the form a caller asks for: Structs as google.protobuf reads them, text where none can be. */
#include "tests/support/check.h"
#include <stdlib.h>
#include <string.h>

#include "gateway/api/payload.h"
#include "google/protobuf/struct.pb-c.h"
#include "heddle/v1/workflow.pb-c.h"

/* Field numbers of heddle.v1.Run. */
enum { RUN_INPUTS = 7 };

static Heddle__V1__Run *put(struct str json, enum payload_form form)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    payload_put(&b, RUN_INPUTS, json, form);
    assert_false(b.failed);
    Heddle__V1__Run *run = heddle__v1__run__unpack(NULL, b.len, (const uint8_t *)b.ptr);
    buf_fini(&b);
    assert_non_null(run);
    return run;
}

/* Python's look at a Struct, in its order. */
static void put_text(struct buf *b, const Google__Protobuf__Value *value)
{
    switch (value->kind_case) {
    case GOOGLE__PROTOBUF__VALUE__KIND_NULL_VALUE:
        buf_put_c(b, "null");
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE:
        buf_printf(b, "%g", value->number_value);
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE:
        buf_put_json_string(b, str_c(value->string_value));
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE:
        buf_put_c(b, value->bool_value ? "true" : "false");
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE:
        buf_put_char(b, '{');
        for (size_t i = 0; i < value->struct_value->n_fields; i++) {
            buf_put_c(b, i == 0 ? "" : ",");
            buf_put_json_string(b, str_c(value->struct_value->fields[i]->key));
            buf_put_char(b, ':');
            put_text(b, value->struct_value->fields[i]->value);
        }
        buf_put_char(b, '}');
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE:
        buf_put_char(b, '[');
        for (size_t i = 0; i < value->list_value->n_values; i++) {
            buf_put_c(b, i == 0 ? "" : ",");
            put_text(b, value->list_value->values[i]);
        }
        buf_put_char(b, ']');
        break;
    default:
        fail_msg("a value of no kind");
    }
}

static void a_struct_holds_what_the_text_says(void **state)
{
    (void)state;
    static const struct {
        const char *json, *read;
    } rows[] = {
        {"{}", "{}"},
        {" { } \n", "{}"},
        {"{\"a\":1,\"b\":-2.5e3,\"c\":0}", "{\"a\":1,\"b\":-2500,\"c\":0}"},
        {"{\"t\":true,\"f\":false,\"n\":null}", "{\"t\":true,\"f\":false,\"n\":null}"},
        {"{\"list\":[1,[],[\"x\",{}],null]}", "{\"list\":[1,[],[\"x\",{}],null]}"},
        {"{\"o\":{\"p\":{\"q\":\"r\"}}}", "{\"o\":{\"p\":{\"q\":\"r\"}}}"},
        {"{\"\":\"\"}", "{\"\":\"\"}"},
        {"{\"s\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "{\"s\":\"\\\"\\\\/\\b\\f\\n\\r\\t\"}"},
        {"{\"s\":\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"}",
         "{\"s\":\"A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}"},
        {"{\"s\":\"\\ud83dx\\ude00\\ud83d\\u0041\"}", "{\"s\":\"\xef\xbf\xbdx\xef\xbf\xbd\xef\xbf\xbd"
                                                      "A\"}"},
        {"{\"s\":\"\xc3\xa9\xf0\x9f\x98\x80\"}", "{\"s\":\"\xc3\xa9\xf0\x9f\x98\x80\"}"},
        {"{ \"a\" : [ 1 , 2 ] , \"b\" : 3 }", "{\"a\":[1,2],\"b\":3}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        Heddle__V1__Run *run = put(str_c(rows[i].json), PAYLOAD_STRUCT);
        assert_non_null(run->inputs);
        assert_string_equal(run->inputs_json, "");
        struct buf text;
        buf_init(&text, 4096);
        Google__Protobuf__Value whole = GOOGLE__PROTOBUF__VALUE__INIT;
        whole.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE;
        whole.struct_value = run->inputs;
        put_text(&text, &whole);
        char *read = buf_take(&text, NULL);
        assert_string_equal(read, rows[i].read);
        free(read);
        heddle__v1__run__free_unpacked(run, NULL);
    }
}

static void what_is_no_object_stays_text(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "[]",
        "1",
        "\"x\"",
        "{",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":1}x",
        "{a:1}",
        "{\"a\":01x}",
        "{\"a\":nul}",
        "{\"a\":1e999}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"x",
        "{\"a\":[1,]}",
        "{\"a\":[1",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\ud83d\\u12\"}",
        "   ",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        Heddle__V1__Run *run = put(str_c(rows[i]), PAYLOAD_STRUCT);
        assert_null(run->inputs);
        assert_string_equal(run->inputs_json, rows[i]);
        heddle__v1__run__free_unpacked(run, NULL);
    }
}

static void nested(struct buf *b, unsigned depth)
{
    buf_init(b, 4096);
    for (unsigned i = 1; i < depth; i++)
        buf_put_c(b, "{\"a\":");
    buf_put_c(b, "{}");
    for (unsigned i = 1; i < depth; i++)
        buf_put_char(b, '}');
}

static void deeper_than_clients_read_it_stays_text(void **state)
{
    (void)state;
    struct buf json;
    nested(&json, PAYLOAD_STRUCT_DEPTH);
    Heddle__V1__Run *run = put(buf_str(&json), PAYLOAD_STRUCT);
    assert_non_null(run->inputs);
    heddle__v1__run__free_unpacked(run, NULL);
    buf_fini(&json);

    nested(&json, PAYLOAD_STRUCT_DEPTH + 1);
    run = put(buf_str(&json), PAYLOAD_STRUCT);
    assert_null(run->inputs);
    assert_int_equal(strlen(run->inputs_json), json.len);
    heddle__v1__run__free_unpacked(run, NULL);
    buf_fini(&json);
}

static void the_other_forms_need_no_look_into_it(void **state)
{
    (void)state;
    Heddle__V1__Run *run = put(STR("{\"b\":5.0}"), PAYLOAD_JSON);
    assert_null(run->inputs);
    assert_string_equal(run->inputs_json, "{\"b\":5.0}");
    heddle__v1__run__free_unpacked(run, NULL);
    static const struct {
        struct str json;
        enum payload_form form;
    } empty[] = {{STR("{\"b\":5.0}"), PAYLOAD_NONE}, {STR(""), PAYLOAD_JSON}, {STR(""), PAYLOAD_STRUCT}};
    for (size_t i = 0; i < ARRAY_LEN(empty); i++) {
        run = put(empty[i].json, empty[i].form);
        assert_null(run->inputs);
        assert_string_equal(run->inputs_json, "");
        heddle__v1__run__free_unpacked(run, NULL);
    }
}

static void without_room_it_fails_and_writes_no_half(void **state)
{
    (void)state;
    for (size_t max = 0; max < 24; max++) {
        struct buf b;
        buf_init(&b, max);
        payload_put(&b, RUN_INPUTS, STR("{\"a\":\"0123456789\"}"), PAYLOAD_STRUCT);
        assert_true(b.failed || b.len <= max);
        assert_int_equal(b.failed, max < 21);
        buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_struct_holds_what_the_text_says),
        cmocka_unit_test(what_is_no_object_stays_text),
        cmocka_unit_test(deeper_than_clients_read_it_stays_text),
        cmocka_unit_test(the_other_forms_need_no_look_into_it),
        cmocka_unit_test(without_room_it_fails_and_writes_no_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
