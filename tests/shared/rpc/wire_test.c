/*
 * Fields written by wire_put_*() are what protobuf-c reads, and wire_next() reads what lies there, or says that it is broken.
 */
#include "shared/rpc/wire.h"
#include "tests/support/check.h"
#include <google/protobuf/struct.pb-c.h>
#include <heddle/v1/events.pb-c.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES_MAX = 1 << 20 };

static void written_fields_are_read_by_protobuf_c(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, BYTES_MAX);
    wire_put_bytes(&b, 1, STR("task"));
    wire_put_uint(&b, 5, 300);
    wire_put_int(&b, 6, -1);
    size_t chunk = wire_put_begin(&b, 8);
    wire_put_bytes(&b, 1, STR("text"));
    wire_put_uint(&b, 2, UINT64_MAX);
    wire_put_end(&b, chunk);
    assert_false(b.failed);
    Heddle__V1__RunEvent *event = heddle__v1__run_event__unpack(NULL, b.len, (const uint8_t *)b.ptr);
    assert_non_null(event);
    assert_string_equal("task", event->task_id);
    assert_int_equal(300, event->sequence);
    assert_int_equal(-1, event->created_at_ms);
    assert_int_equal(HEDDLE__V1__RUN_EVENT__EVENT_TEXT_CHUNK, event->event_case);
    assert_string_equal("text", event->text_chunk->text);
    assert_true(event->text_chunk->offset == UINT64_MAX);
    heddle__v1__run_event__free_unpacked(event, NULL);
    buf_fini(&b);
}

static void a_double_is_written_as_it_is(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, BYTES_MAX);
    wire_put_double(&b, 2, -0.1);
    Google__Protobuf__Value *value = google__protobuf__value__unpack(NULL, b.len, (const uint8_t *)b.ptr);
    assert_non_null(value);
    assert_true(value->number_value == -0.1);
    google__protobuf__value__free_unpacked(value, NULL);
    buf_fini(&b);
}

static void nothing_is_written_for_nothing(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, BYTES_MAX);
    wire_put_uint_if(&b, 1, 0);
    wire_put_int_if(&b, 2, 0);
    wire_put_double_if(&b, 3, 0);
    wire_put_bytes_if(&b, 4, STR(""));
    assert_int_equal(0, b.len);
    wire_put_uint_if(&b, 1, 1);
    wire_put_int_if(&b, 2, 1);
    wire_put_double_if(&b, 3, 1);
    wire_put_bytes_if(&b, 4, STR("x"));
    assert_int_equal(2 + 2 + 9 + 3, b.len);
    buf_fini(&b);
}

static void nested_lengths_of_any_size_are_right(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 124, 125, 126, 127, 128, 16378, 16379, 16380, 16381, 16384, 100000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct buf b;
        buf_init(&b, BYTES_MAX);
        char *text = calloc(1, sizes[i] + 1);
        memset(text, 'a', sizes[i]);
        size_t outer = wire_put_begin(&b, 1), inner = wire_put_begin(&b, 2000);
        buf_put(&b, (struct str){text, sizes[i]});
        wire_put_end(&b, inner);
        wire_put_uint(&b, 3, 7);
        wire_put_end(&b, outer);
        size_t inner_size = wire_bytes_size(2000, sizes[i]);
        assert_int_equal(wire_bytes_size(1, inner_size + 2), b.len);

        struct str rest = buf_str(&b);
        struct wire_field field;
        assert_int_equal(WIRE_FIELD, wire_next(&rest, &field));
        assert_int_equal(1, field.number);
        assert_int_equal(0, rest.len);
        rest = field.bytes;
        assert_int_equal(WIRE_FIELD, wire_next(&rest, &field));
        assert_int_equal(2000, field.number);
        assert_str(text, field.bytes);
        assert_int_equal(WIRE_FIELD, wire_next(&rest, &field));
        assert_int_equal(7, field.value);
        assert_int_equal(WIRE_END, wire_next(&rest, &field));
        free(text);
        buf_fini(&b);
    }
}

static void a_full_buffer_fails_without_harm(void **state)
{
    (void)state;
    for (size_t max = 0; max < 140; max++) {
        struct buf b;
        buf_init(&b, max);
        size_t outer = wire_put_begin(&b, 1);
        for (int i = 0; i < 130; i++)
            buf_put_char(&b, 'a');
        wire_put_end(&b, outer);
        assert_int_equal(max < 133, b.failed);
        buf_fini(&b);
    }
}

static void varints_have_the_size_they_say(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit <= 64; bit++) {
        uint64_t value = bit == 64 ? UINT64_MAX : (uint64_t)1 << bit;
        struct buf b;
        uint64_t read;
        buf_init(&b, 16);
        wire_put_varint(&b, value);
        assert_int_equal(b.len, wire_varint_size(value));
        struct str rest = buf_str(&b);
        assert_true(wire_next_varint(&rest, &read));
        assert_true(read == value);
        assert_int_equal(0, rest.len);
        buf_fini(&b);
    }
    assert_int_equal(1, wire_varint_size(0));
}

static void fields_are_read_one_by_one(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct str bytes;
        enum wire_read read;
        uint32_t number;
        enum wire_type type;
        uint64_t value;
    } cases[] = {
        {"nothing", {"", 0}, WIRE_END, 0, 0, 0},
        {"varint", STR("\x08\x96\x01"), WIRE_FIELD, 1, WIRE_VARINT, 150},
        {"fixed 32", STR("\x0d\x01\x00\x00\x80"), WIRE_FIELD, 1, WIRE_FIXED32, 0x80000001},
        {"fixed 64", STR("\x09\x01\x00\x00\x00\x00\x00\x00\x80"), WIRE_FIELD, 1, WIRE_FIXED64,
         0x8000000000000001},
        {"largest number", STR("\xf8\xff\xff\xff\x0f\x01"), WIRE_FIELD, 536870911, WIRE_VARINT, 1},
        {"number too large", STR("\xf8\xff\xff\xff\x1f\x01"), WIRE_BROKEN, 0, 0, 0},
        {"number 0", STR("\x00\x01"), WIRE_BROKEN, 0, 0, 0},
        {"no value", STR("\x08"), WIRE_BROKEN, 0, 0, 0},
        {"endless varint", STR("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"), WIRE_BROKEN, 0, 0, 0},
        {"longest varint", STR("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), WIRE_FIELD, 1, WIRE_VARINT,
         UINT64_MAX},
        {"half a fixed 32", STR("\x0d\x01\x00\x00"), WIRE_BROKEN, 0, 0, 0},
        {"half a fixed 64", STR("\x09\x01\x00\x00\x00"), WIRE_BROKEN, 0, 0, 0},
        {"half a text", STR("\x0a\x02x"), WIRE_BROKEN, 0, 0, 0},
        {"length over all bounds", STR("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), WIRE_BROKEN, 0, 0, 0},
        {"start of a group", STR("\x0b"), WIRE_BROKEN, 0, 0, 0},
        {"end of a group", STR("\x0c"), WIRE_BROKEN, 0, 0, 0},
        {"type 6", STR("\x0e\x01"), WIRE_BROKEN, 0, 0, 0},
        {"type 7", STR("\x0f\x01"), WIRE_BROKEN, 0, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str rest = cases[i].bytes;
        struct wire_field field = {0};
        enum wire_read read = wire_next(&rest, &field);
        if (read != cases[i].read)
            fail_msg("%s: %d", cases[i].name, read);
        if (read != WIRE_FIELD) {
            assert_true(rest.ptr == cases[i].bytes.ptr && rest.len == cases[i].bytes.len);
            continue;
        }
        assert_int_equal(cases[i].number, field.number);
        assert_int_equal(cases[i].type, field.type);
        assert_true(cases[i].value == field.value);
        assert_int_equal(0, rest.len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_fields_are_read_by_protobuf_c),
        cmocka_unit_test(a_double_is_written_as_it_is),
        cmocka_unit_test(nothing_is_written_for_nothing),
        cmocka_unit_test(nested_lengths_of_any_size_are_right),
        cmocka_unit_test(a_full_buffer_fails_without_harm),
        cmocka_unit_test(varints_have_the_size_they_say),
        cmocka_unit_test(fields_are_read_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
