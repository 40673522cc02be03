/*
 * What may be unpacked and what may not, and that a refusal names the field.
 */
#include "shared/limits.h"
#include "shared/rpc/wire.h"
#include "shared/rpc/wire_check.h"
#include "tests/support/check.h"
#include <google/protobuf/descriptor.pb-c.h>
#include <google/protobuf/struct.pb-c.h>
#include <heddle/v1/chat.pb-c.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES_MAX = 4 << 20 };

#define STRUCT_TYPE (&google__protobuf__struct__descriptor)
#define LIST_TYPE   (&google__protobuf__list_value__descriptor)
#define VALUE_TYPE  (&google__protobuf__value__descriptor)
/* Has repeated numbers: 3 path and 4 span are packed, and public_dependency (10) of a file is not. */
#define LOCATION_TYPE (&google__protobuf__source_code_info__location__descriptor)
#define FILE_TYPE     (&google__protobuf__file_descriptor_proto__descriptor)

static void messages_are_accepted_or_refused_with_the_field(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const ProtobufCMessageDescriptor *type;
        struct str bytes;
        enum status_code code;
        const char *field;
    } cases[] = {
        {"nothing", STRUCT_TYPE, {NULL, 0}, STATUS_OK, ""},
        {"an entry", STRUCT_TYPE, STR("\x0a\x05\x0a\x01k\x12\x00"), STATUS_OK, ""},
        {"an unknown field", STRUCT_TYPE, STR("\x78\x01\x7a\x01\xff"), STATUS_OK, ""},
        {"an unknown field that is broken", STRUCT_TYPE, STR("\x7a\x02\xff"), STATUS_INVALID_ARGUMENT, ""},
        {"key not UTF-8", STRUCT_TYPE, STR("\x0a\x03\x0a\x01\xff"), STATUS_INVALID_ARGUMENT, "fields[0].key"},
        {"second entry", STRUCT_TYPE, STR("\x0a\x03\x0a\x01k\x0a\x03\x0a\x01\x80"), STATUS_INVALID_ARGUMENT,
         "fields[1].key"},
        {"string with NUL", VALUE_TYPE,
         STR("\x1a\x03"
             "a\0b"),
         STATUS_INVALID_ARGUMENT, "string_value"},
        {"string that is not UTF-8", VALUE_TYPE, STR("\x1a\x02\xc3("), STATUS_INVALID_ARGUMENT,
         "string_value"},
        {"string, UTF-8", VALUE_TYPE, STR("\x1a\x02\xc3\xa4"), STATUS_OK, ""},
        {"number where a string should be", VALUE_TYPE, STR("\x18\x01"), STATUS_INVALID_ARGUMENT,
         "string_value"},
        {"varint where a double should be", VALUE_TYPE, STR("\x10\x01"), STATUS_INVALID_ARGUMENT,
         "number_value"},
        {"string where a bool should be", VALUE_TYPE, STR("\x22\x01\x01"), STATUS_INVALID_ARGUMENT,
         "bool_value"},
        {"deep inside", LIST_TYPE, STR("\x0a\x00\x0a\x06\x32\x04\x0a\x02\x1a\x01"), STATUS_INVALID_ARGUMENT,
         "values[1].list_value.values[0]"},
        {"message twice", VALUE_TYPE, STR("\x2a\x00\x2a\x00"), STATUS_INVALID_ARGUMENT, "struct_value"},
        {"two choices of one", VALUE_TYPE, STR("\x2a\x00\x32\x00"), STATUS_OK, ""},
        {"string twice", VALUE_TYPE, STR("\x1a\x01x\x1a\x01y"), STATUS_OK, ""},
        {"long tag", VALUE_TYPE, STR("\x9a\x00\x01x"), STATUS_INVALID_ARGUMENT, "string_value"},
        {"long length", VALUE_TYPE, STR("\x1a\x81\x00x"), STATUS_OK, ""},
        {"packed", LOCATION_TYPE, STR("\x0a\x03\x01\x96\x01"), STATUS_OK, ""},
        {"packed, cut", LOCATION_TYPE, STR("\x0a\x03\x01\x01\x96"), STATUS_INVALID_ARGUMENT, "path[0]"},
        {"packable, not packed", LOCATION_TYPE, STR("\x08\x01\x08\x02"), STATUS_OK, ""},
        {"packed, though not said", FILE_TYPE, STR("\x52\x02\x01\x02"), STATUS_OK, ""},
        {"fixed in place of packed", LOCATION_TYPE, STR("\x0d\x01\x00\x00\x00"), STATUS_INVALID_ARGUMENT,
         "path[0]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct status err = {0};
        enum status_code rc = wire_check(cases[i].type, cases[i].bytes, &err);
        if (rc != cases[i].code || strcmp(err.field, cases[i].field) != 0)
            fail_msg("%s: %s, field \"%s\"", cases[i].name, status_code_name(rc), err.field);
        ProtobufCMessage *message = protobuf_c_message_unpack(cases[i].type, NULL, cases[i].bytes.len,
                                                              (const uint8_t *)cases[i].bytes.ptr);
        if (rc == STATUS_OK)
            assert_non_null(message);
        if (message != NULL)
            protobuf_c_message_free_unpacked(message, NULL);
    }
}

/* `levels` messages, one in the other: a list that holds a list and so on takes two for each. */
static struct buf nested_lists(unsigned levels)
{
    struct buf inner, outer;
    buf_init(&inner, BYTES_MAX);
    buf_init(&outer, BYTES_MAX);
    for (unsigned level = levels; level > 1; level--) {
        buf_clear(&outer);
        wire_put_bytes(&outer, level % 2 == 0 ? 1 : 6, buf_str(&inner)); /* values, list_value */
        struct buf swap = inner;
        inner = outer;
        outer = swap;
    }
    buf_fini(&outer);
    return inner;
}

static void nesting_has_a_limit(void **state)
{
    (void)state;
    static const struct {
        unsigned levels;
        enum status_code code;
    } cases[] = {
        {1, STATUS_OK},
        {2, STATUS_OK},
        {LIMIT_DEPTH, STATUS_OK},
        {LIMIT_DEPTH + 1, STATUS_INVALID_ARGUMENT},
        {100, STATUS_INVALID_ARGUMENT},
        {1000, STATUS_INVALID_ARGUMENT},
        {10000, STATUS_INVALID_ARGUMENT},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b = nested_lists(cases[i].levels);
        struct status err;
        assert_code(cases[i].code, wire_check(LIST_TYPE, buf_str(&b), &err));
        if (cases[i].code != STATUS_OK)
            assert_contains("nested too deeply", err.message);
        buf_fini(&b);
    }
}

static void fields_and_elements_have_a_limit(void **state)
{
    (void)state;
    static const char *const names[] = {"fields", "unknown fields", "packed elements",
                                        "packed and counted together"};
    for (size_t kind = 0; kind < ARRAY_LEN(names); kind++) {
        for (size_t more = 0; more < 2; more++) {
            struct buf b, packed;
            buf_init(&b, BYTES_MAX);
            buf_init(&packed, BYTES_MAX);
            size_t count = LIMIT_WIRE_FIELDS + more;
            if (kind >= 2) {
                while (packed.len < (kind == 2 ? count - 1 : count / 2 - 1)) /* the field itself counts */
                    buf_put_char(&packed, 1);
                wire_put_bytes(&b, 1, buf_str(&packed));
                count -= 1 + packed.len;
            }
            for (size_t i = 0; i < count; i++)
                wire_put_uint(&b, kind == 1 ? 15 : 1, 1);
            struct status err;
            enum status_code rc = wire_check(LOCATION_TYPE, buf_str(&b), &err);
            if (rc != (more == 0 ? STATUS_OK : STATUS_INVALID_ARGUMENT))
                fail_msg("%s + %zu: %s", names[kind], more, status_code_name(rc));
            if (more > 0)
                assert_contains("too many fields", err.message);
            buf_fini(&b);
            buf_fini(&packed);
        }
    }
}

static void a_long_path_is_cut(void **state)
{
    (void)state;
    struct buf b = nested_lists(LIMIT_DEPTH + 1);
    struct status err;
    assert_code(STATUS_INVALID_ARGUMENT, wire_check(LIST_TYPE, buf_str(&b), &err));
    assert_int_equal(sizeof err.field - 1, strlen(err.field));
    buf_fini(&b);
}

static void every_message_of_ours_can_be_checked(void **state)
{
    (void)state;
    Heddle__V1__SendMessageRequest request = HEDDLE__V1__SEND_MESSAGE_REQUEST__INIT;
    request.query = (char *)"hi";
    uint8_t bytes[64];
    size_t len = heddle__v1__send_message_request__pack(&request, bytes);
    struct status err;
    assert_ok(
        wire_check(&heddle__v1__send_message_request__descriptor, (struct str){(char *)bytes, len}, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_accepted_or_refused_with_the_field),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(fields_and_elements_have_a_limit),
        cmocka_unit_test(a_long_path_is_cut),
        cmocka_unit_test(every_message_of_ours_can_be_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
