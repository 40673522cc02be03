/*
 * Tests of buf.
 */
#include "shared/base/buf.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <stdlib.h>
#include <string.h>

static void texts_and_numbers_are_put_one_after_another(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    buf_put(&b, STR("a\0b"));
    buf_put(&b, (struct str){NULL, 0});
    buf_put_c(&b, "|");
    buf_put_char(&b, 'c');
    buf_put_u64(&b, 0);
    buf_put_char(&b, ' ');
    buf_put_u64(&b, UINT64_MAX);
    buf_put_char(&b, ' ');
    buf_put_i64(&b, INT64_MIN);
    buf_put_char(&b, ' ');
    buf_put_i64(&b, INT64_MAX);
    assert_false(b.failed);
    struct str expected = STR("a\0b|c0 18446744073709551615 -9223372036854775808 9223372036854775807");
    assert_true(str_eq(buf_str(&b), expected));
    buf_fini(&b);
}

static void printf_grows_as_far_as_the_text_needs(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 500);
    buf_printf(&b, "%s", "");
    buf_printf(&b, "%d-", 7);
    buf_printf(&b, "%0300d", 1);
    assert_false(b.failed);
    assert_int_equal(302, b.len);
    assert_memory_equal("7-000", b.ptr, 5);
    assert_int_equal('1', b.ptr[301]);
    buf_printf(&b, "%0199d", 1);
    assert_true(b.failed);
    assert_int_equal(302, b.len);
    buf_fini(&b);
}

static void it_holds_its_maximum_and_not_a_byte_more(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4);
    buf_put_c(&b, "abcd");
    buf_printf(&b, "%s", "");
    buf_put_c(&b, "");
    assert_false(b.failed);
    buf_put_char(&b, 'e');
    assert_true(b.failed);
    assert_str("abcd", buf_str(&b));
    buf_fini(&b);

    buf_init(&b, 0);
    buf_printf(&b, "%s", "");
    assert_false(b.failed);
    buf_printf(&b, "x");
    assert_true(b.failed);
    buf_fini(&b);
}

static void printf_fills_the_last_byte(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 70); /* beyond the first allocation */
    buf_printf(&b, "%070d", 3);
    assert_false(b.failed);
    assert_int_equal(70, b.len);
    buf_fini(&b);
}

static void failure_sticks_until_cleared(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 3);
    buf_put_c(&b, "abcd");
    buf_put_c(&b, "x");
    buf_put_i64(&b, 1);
    buf_printf(&b, "y");
    buf_put_json_string(&b, STR(""));
    assert_true(b.failed);
    assert_int_equal(0, b.len);
    assert_false(buf_reserve(&b, 0));
    buf_clear(&b);
    buf_put_c(&b, "abc");
    assert_false(b.failed);
    assert_str("abc", buf_str(&b));
    buf_fini(&b);
}

static void an_absurd_size_is_refused_without_overflow(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, SIZE_MAX);
    buf_put_char(&b, 'a');
    assert_false(buf_reserve(&b, SIZE_MAX));
    assert_true(b.failed);
    buf_clear(&b);
    buf_put_json_string(&b, (struct str){"", SIZE_MAX});
    assert_true(b.failed);
    buf_fini(&b);
}

static void drop_takes_from_the_front_and_cut_from_the_end(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    buf_drop(&b, 0);
    buf_cut(&b, 0);
    buf_put_c(&b, "0123456789");
    buf_drop(&b, 3);
    assert_str("3456789", buf_str(&b));
    buf_cut(&b, 4);
    assert_str("3456", buf_str(&b));
    buf_drop(&b, 4);
    assert_int_equal(0, b.len);
    buf_fini(&b);
}

static void take_hands_over_the_bytes_with_a_nul(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 63);
    for (int i = 0; i < 63; i++)
        buf_put_char(&b, 'x');
    size_t len = 0;
    char *text = buf_take(&b, &len);
    assert_non_null(text);
    assert_int_equal(63, len);
    assert_int_equal(63, strlen(text));
    free(text);

    text = buf_take(&b, NULL); /* empty now */
    assert_string_equal("", text);
    free(text);

    buf_put_c(&b, "again");
    text = buf_take(&b, &len);
    assert_string_equal("again", text);
    free(text);
}

static void take_of_a_failed_buf_is_null_and_starts_over(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4);
    buf_put_c(&b, "abc");
    buf_put_c(&b, "de");
    size_t len = 77;
    assert_null(buf_take(&b, &len));
    assert_int_equal(77, len);
    assert_false(b.failed);
    assert_null(b.ptr);
}

static void without_memory_it_fails_and_keeps_what_it_had(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100000);
    for (size_t n = 0;; n++) {
        alloc_fail_after(n);
        for (int i = 0; i < 1000; i++)
            buf_put_u64(&b, 5);
        char *text = buf_take(&b, NULL);
        alloc_fail_reset();
        if (!alloc_fail_hit()) {
            assert_int_equal(1000, strlen(text));
            free(text);
            break;
        }
        assert_null(text);
    }
    alloc_fail_after(0);
    assert_null(buf_take(&b, NULL));
    alloc_fail_reset();

    buf_put_c(&b, "kept");
    alloc_fail_after(0);
    buf_printf(&b, "%080d", 1);
    alloc_fail_reset();
    assert_true(b.failed);
    assert_str("kept", buf_str(&b));
    buf_fini(&b);
    buf_fini(NULL);
}

static void json_strings_have_the_escapes_json_needs(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct str in;
        const char *out;
    } rows[] = {
        {"empty", {NULL, 0}, "\"\""},
        {"plain", STR("plain text, longer than a word"), "\"plain text, longer than a word\""},
        {"quotes", STR("say \"a\\b\""), "\"say \\\"a\\\\b\\\"\""},
        {"short escapes", STR("\b\t\n\f\r"), "\"\\b\\t\\n\\f\\r\""},
        {"other controls", STR("\x01\x1f\0"), "\"\\u0001\\u001f\\u0000\""},
        {"DEL and slash stay", STR("\x7f/"), "\"\x7f/\""},
        {"UTF-8 stays", STR("é中\xf0\x9f\x98\x80"), "\"é中\xf0\x9f\x98\x80\""},
        {"no UTF-8", STR("a\xff\x62"), "\"a\xef\xbf\xbd\x62\""},
        {"one replacement a byte", STR("\xe4\xb8"), "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"surrogate", STR("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"mixed", STR("aaaaaaa\"bbbbbbbb\ncccccccc中dddddddd"),
         "\"aaaaaaa\\\"bbbbbbbb\\ncccccccc中dddddddd\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        buf_init(&b, 1000);
        buf_put_json_string(&b, rows[i].in);
        assert_false(b.failed);
        if (!str_eq_c(buf_str(&b), rows[i].out))
            fail_msg("%s: %.*s", rows[i].name, STR_ARG(buf_str(&b)));
        buf_fini(&b);
    }
}

/* Each byte value at each place of a word: the fast path must see it as the slow one does. */
static void json_strings_see_a_special_byte_at_every_place(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        for (size_t at = 0; at < 20; at++) {
            char text[20];
            memset(text, 'x', sizeof text);
            text[at] = (char)c;
            struct buf b;
            buf_init(&b, 1000);
            buf_put_json_string(&b, (struct str){text, sizeof text});
            bool plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
            bool two = c == '"' || c == '\\' || c == '\b' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
            size_t extra = plain ? 0 : c >= 0x80 ? 2 : two ? 1 : 5;
            assert_int_equal(sizeof text + 2 + extra, b.len);
            buf_fini(&b);
        }
    }
}

static void a_json_string_over_the_maximum_fails(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    buf_put_json_string(&b, STR("12345678"));
    assert_false(b.failed);
    buf_clear(&b);
    buf_put_json_string(&b, STR("1234567\n"));
    assert_true(b.failed);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_and_numbers_are_put_one_after_another),
        cmocka_unit_test(printf_grows_as_far_as_the_text_needs),
        cmocka_unit_test(it_holds_its_maximum_and_not_a_byte_more),
        cmocka_unit_test(printf_fills_the_last_byte),
        cmocka_unit_test(failure_sticks_until_cleared),
        cmocka_unit_test(an_absurd_size_is_refused_without_overflow),
        cmocka_unit_test(drop_takes_from_the_front_and_cut_from_the_end),
        cmocka_unit_test(take_hands_over_the_bytes_with_a_nul),
        cmocka_unit_test(take_of_a_failed_buf_is_null_and_starts_over),
        cmocka_unit_test(without_memory_it_fails_and_keeps_what_it_had),
        cmocka_unit_test(json_strings_have_the_escapes_json_needs),
        cmocka_unit_test(json_strings_see_a_special_byte_at_every_place),
        cmocka_unit_test(a_json_string_over_the_maximum_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
