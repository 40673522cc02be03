/*
 * Bytes go into slices and come out again, in one piece.
 */
#include "shared/rpc/slice.h"
#include "tests/support/check.h"
#include <google/protobuf/struct.pb-c.h>
#include <grpc/grpc.h>
#include <stdlib.h>
#include <string.h>

static int start(void **state)
{
    (void)state;
    grpc_init();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    grpc_shutdown_blocking();
    return 0;
}

static void a_buffer_becomes_a_slice_whatever_its_size(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 15, 16, 23, 24, 256, 257, 100000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct buf b;
        grpc_slice slice;
        buf_init(&b, 1 << 20);
        for (size_t n = 0; n < sizes[i]; n++)
            buf_put_char(&b, (char)('a' + n % 26));
        assert_true(rpc_slice_take_buf(&b, &slice));
        assert_null(b.ptr);
        assert_int_equal(sizes[i], rpc_slice_str(&slice).len);
        for (size_t n = 0; n < sizes[i]; n++)
            assert_int_equal('a' + n % 26, rpc_slice_str(&slice).ptr[n]);
        grpc_slice_unref(slice);
    }
}

static void a_buffer_that_failed_gives_no_slice(void **state)
{
    (void)state;
    struct buf b;
    grpc_slice slice;
    buf_init(&b, 3);
    buf_put_c(&b, "four");
    assert_false(rpc_slice_take_buf(&b, &slice));
    buf_fini(&b);
}

static void a_part_lives_longer_than_the_whole(void **state)
{
    (void)state;
    static const size_t sizes[] = {10, 100, 10000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        grpc_slice whole = grpc_slice_malloc(sizes[i]);
        memset(GRPC_SLICE_START_PTR(whole), '.', sizes[i]);
        memcpy(GRPC_SLICE_START_PTR(whole) + 2, "part", 4);
        grpc_slice part = rpc_slice_part(&whole, str_sub(rpc_slice_str(&whole), 2, 6));
        grpc_slice none = rpc_slice_part(&whole, str_sub(rpc_slice_str(&whole), 3, 3));
        grpc_slice_unref(whole);
        assert_str("part", rpc_slice_str(&part));
        assert_int_equal(0, rpc_slice_str(&none).len);
        grpc_slice_unref(part);
        grpc_slice_unref(none);
    }
}

static void a_message_in_pieces_is_put_together(void **state)
{
    (void)state;
    for (size_t pieces = 0; pieces <= 5; pieces++) {
        grpc_slice parts[5];
        for (size_t i = 0; i < pieces; i++)
            parts[i] = rpc_slice_copy(STR("a piece that is too long for the slice itself;"));
        grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(parts, pieces);
        grpc_slice whole;
        assert_true(rpc_slice_from_buffer(buffer, &whole));
        grpc_byte_buffer_destroy(buffer);
        assert_int_equal(46 * pieces, rpc_slice_str(&whole).len);
        for (size_t i = 0; i < pieces; i++)
            assert_str("a piece that is too long for the slice itself;",
                       str_sub(rpc_slice_str(&whole), 46 * i, 46 * (i + 1)));
        grpc_slice_unref(whole);
        for (size_t i = 0; i < pieces; i++)
            grpc_slice_unref(parts[i]);
    }
    grpc_slice nothing;
    assert_true(rpc_slice_from_buffer(NULL, &nothing));
    assert_int_equal(0, rpc_slice_str(&nothing).len);
}

static void a_message_is_packed(void **state)
{
    (void)state;
    Google__Protobuf__Value value = GOOGLE__PROTOBUF__VALUE__INIT;
    value.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE;
    value.string_value = (char *)"text";
    grpc_slice slice = rpc_slice_pack(&value.base);
    assert_str("\x1a\x04text", rpc_slice_str(&slice));
    grpc_slice_unref(slice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_becomes_a_slice_whatever_its_size),
        cmocka_unit_test(a_buffer_that_failed_gives_no_slice),
        cmocka_unit_test(a_part_lives_longer_than_the_whole),
        cmocka_unit_test(a_message_in_pieces_is_put_together),
        cmocka_unit_test(a_message_is_packed),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
