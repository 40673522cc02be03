/*
 * Tests of str.
 */
#include "shared/base/str.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct str none = {NULL, 0};

static void equality_is_about_bytes(void **state)
{
    (void)state;
    assert_true(str_eq(STR("a\0b"), STR("a\0b")));
    assert_false(str_eq(STR("a\0b"), STR("a\0c")));
    assert_false(str_eq(STR("ab"), STR("abc")));
    assert_true(str_eq(none, STR("")));
    assert_true(str_eq_c(STR("run"), "run"));
    assert_true(str_eq_c(none, NULL));
    assert_true(str_eq_nocase(STR("Content-TYPE"), STR("content-type")));
    assert_false(str_eq_nocase(STR("["), STR("{"))); /* differ by the bit that case is */
    assert_false(str_eq_nocase(STR("a"), STR("ab")));
    assert_true(str_eq_secret(STR("key"), STR("key")));
    assert_false(str_eq_secret(STR("key"), STR("kez")));
    assert_false(str_eq_secret(STR("key"), STR("keyy")));
    assert_true(str_eq_secret(none, STR("")));
}

static void order_is_bytewise_and_the_shorter_first(void **state)
{
    (void)state;
    static const struct str sorted[] = {STR(""),   STR("A"), STR("a"),   STR("a\0"),
                                        STR("ab"), STR("b"), STR("\xff")};
    for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
        for (size_t j = 0; j < ARRAY_LEN(sorted); j++) {
            int order = str_cmp(sorted[i], sorted[j]);
            assert_int_equal((i > j) - (i < j), (order > 0) - (order < 0));
        }
    }
    assert_int_equal(0, str_cmp(none, none));
}

static void prefixes_and_suffixes(void **state)
{
    (void)state;
    assert_true(str_starts(STR("Bearer x"), STR("Bearer ")));
    assert_true(str_starts(STR("x"), none));
    assert_true(str_starts(none, none));
    assert_false(str_starts(STR("Bear"), STR("Bearer ")));
    assert_true(str_ends(STR("a.yml"), STR(".yml")));
    assert_true(str_ends(STR("x"), none));
    assert_true(str_ends(none, none));
    assert_false(str_ends(STR("yml"), STR(".yml")));
}

static void find_gives_the_first_at_or_after(void **state)
{
    (void)state;
    struct str s = STR("abcabc");
    assert_int_equal(0, str_find(s, STR("abc"), 0));
    assert_int_equal(3, str_find(s, STR("abc"), 1));
    assert_true(str_find(s, STR("abc"), 4) == SIZE_MAX);
    assert_true(str_find(s, STR("abcabca"), 0) == SIZE_MAX);
    assert_int_equal(6, str_find(s, none, 6));
    assert_true(str_find(s, none, 7) == SIZE_MAX);
    assert_true(str_find(s, STR("a"), SIZE_MAX) == SIZE_MAX);
    assert_int_equal(0, str_find(none, none, 0));
    assert_true(str_find(none, STR("a"), 0) == SIZE_MAX);
}

static void sub_is_clamped(void **state)
{
    (void)state;
    assert_str("bc", str_sub(STR("abcd"), 1, 3));
    assert_str("bcd", str_sub(STR("abcd"), 1, SIZE_MAX));
    assert_str("", str_sub(STR("abcd"), 3, 1));
    assert_str("", str_sub(STR("abcd"), 9, 12));
    assert_str("", str_sub(none, 0, 5));
    assert_str("", str_sub(none, 3, 5));
}

static void trim_takes_ascii_white_space(void **state)
{
    (void)state;
    assert_str("a b", str_trim(STR(" \t\r\n\v\fa b \n")));
    assert_str("", str_trim(STR(" \n ")));
    assert_str("", str_trim(none));
    assert_str("\xc2\xa0", str_trim(STR("\xc2\xa0")));
}

static void split_gives_every_piece_also_empty_ones(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        const char *pieces[4];
    } rows[] = {
        {STR("a,b,c"), {"a", "b", "c"}},
        {STR("a,"), {"a", ""}},
        {STR(",a"), {"", "a"}},
        {STR(","), {"", ""}},
        {STR(""), {""}},
        {{NULL, 0}, {NULL}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str rest = rows[i].text, piece;
        size_t n = 0;
        for (; rows[i].pieces[n] != NULL; n++) {
            assert_true(str_split(&rest, ',', &piece));
            assert_str(rows[i].pieces[n], piece);
        }
        assert_false(str_split(&rest, ',', &piece));
    }
}

static void dup_copies_with_a_nul(void **state)
{
    (void)state;
    char *copy = str_dup((struct str){"abc", 2});
    assert_string_equal("ab", copy);
    free(copy);
    copy = str_dup(none);
    assert_string_equal("", copy);
    free(copy);
    alloc_fail_after(0);
    assert_null(str_dup(STR("x")));
    alloc_fail_reset();
}

static void utf8_is_what_rfc_3629_says(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct str text;
        size_t first; /* str_utf8_first */
        bool valid;
    } rows[] = {
        {"empty", {NULL, 0}, 0, true},
        {"NUL", STR("\0"), 1, true},
        {"last of 1", STR("\x7f"), 1, true},
        {"first of 2", STR("\xc2\x80"), 2, true},
        {"last of 2", STR("\xdf\xbf"), 2, true},
        {"first of 3", STR("\xe0\xa0\x80"), 3, true},
        {"below surrogates", STR("\xed\x9f\xbf"), 3, true},
        {"above surrogates", STR("\xee\x80\x80"), 3, true},
        {"last of 3", STR("\xef\xbf\xbf"), 3, true},
        {"first of 4", STR("\xf0\x90\x80\x80"), 4, true},
        {"last of all", STR("\xf4\x8f\xbf\xbf"), 4, true},
        {"lone continuation", STR("\x80"), 0, false},
        {"overlong slash, 2", STR("\xc0\xaf"), 0, false},
        {"overlong 2, last", STR("\xc1\xbf"), 0, false},
        {"overlong 3", STR("\xe0\x9f\xbf"), 0, false},
        {"overlong 4", STR("\xf0\x8f\xbf\xbf"), 0, false},
        {"first surrogate", STR("\xed\xa0\x80"), 0, false},
        {"last surrogate", STR("\xed\xbf\xbf"), 0, false},
        {"beyond the last", STR("\xf4\x90\x80\x80"), 0, false},
        {"f5", STR("\xf5\x80\x80\x80"), 0, false},
        {"ff", STR("\xff"), 0, false},
        {"cut 2", STR("\xc3"), 0, false},
        {"cut 3", STR("\xe4\xb8"), 0, false},
        {"cut 4", STR("\xf0\x9f\x98"), 0, false},
        {"bad second", STR("\xc3("), 0, false},
        {"bad third", STR("\xe4\xb8("), 0, false},
        {"bad fourth", STR("\xf0\x9f\x98("), 0, false},
        {"late fault", STR("long enough for words\xff and more"), 1, false},
        {"fault at the very end", STR("12345678\xe4\xb8"), 1, false},
        {"mixed", STR("12345678é12345678中\xf0\x9f\x98\x80x"), 1, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (str_is_utf8(rows[i].text) != rows[i].valid || str_utf8_first(rows[i].text) != rows[i].first)
            fail_msg("%s", rows[i].name);
    }
}

static void utf8_counts_code_points(void **state)
{
    (void)state;
    assert_int_equal(0, str_utf8_count(none));
    assert_int_equal(5, str_utf8_count(STR("aé中\xf0\x9f\x98\x80z")));
}

static void utf8_cut_ends_on_a_code_point(void **state)
{
    (void)state;
    struct str s = STR("a\xf0\x9f\x98\x80z");
    static const size_t expected[] = {0, 1, 1, 1, 1, 5, 6, 6};
    for (size_t max = 0; max < ARRAY_LEN(expected); max++)
        assert_int_equal(expected[max], str_utf8_cut(s, max));
    assert_int_equal(0, str_utf8_cut(none, 0));
    assert_int_equal(5,
                     str_utf8_cut(STR("\x80\x80\x80\x80\x80\x80"), 5)); /* no UTF-8: still no more than max */
}

static void unsigned_numbers_are_checked_whole(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        bool ok;
        uint64_t value;
    } rows[] = {
        {STR("0"), true, 0},
        {STR("007"), true, 7},
        {STR("18446744073709551615"), true, UINT64_MAX},
        {STR("18446744073709551616"), false, 0},
        {STR("99999999999999999999999"), false, 0},
        {STR(""), false, 0},
        {{NULL, 0}, false, 0},
        {STR("-1"), false, 0},
        {STR("+1"), false, 0},
        {STR(" 1"), false, 0},
        {STR("1 "), false, 0},
        {STR("1\0"), false, 0},
        {STR("0x1"), false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t value = 77;
        assert_true(str_to_u64(rows[i].text, &value) == rows[i].ok);
        assert_true(value == (rows[i].ok ? rows[i].value : 77));
    }
}

static void signed_numbers_reach_both_ends(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        bool ok;
        int64_t value;
    } rows[] = {
        {STR("9223372036854775807"), true, INT64_MAX},
        {STR("9223372036854775808"), false, 0},
        {STR("-9223372036854775808"), true, INT64_MIN},
        {STR("-9223372036854775809"), false, 0},
        {STR("-1"), true, -1},
        {STR("-0"), true, 0},
        {STR("-"), false, 0},
        {STR("--1"), false, 0},
        {STR("+1"), false, 0},
        {STR(""), false, 0},
        {{NULL, 0}, false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t value = 77;
        assert_true(str_to_i64(rows[i].text, &value) == rows[i].ok);
        assert_true(value == (rows[i].ok ? rows[i].value : 77));
    }
}

static void doubles_are_what_json_and_python_print(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        bool ok;
        double value;
    } rows[] = {
        {STR("0"), true, 0},
        {STR("-1.5"), true, -1.5},
        {STR("1e5"), true, 1e5},
        {STR("1E+5"), true, 1e5},
        {STR("1e-05"), true, 1e-5},
        {STR("1.7976931348623157e308"), true, 1.7976931348623157e308},
        {STR("5e-324"), true, 5e-324},
        {STR("1e-400"), true, 0},
        {STR("0.1000000000000000000000000000000000000000000000000000000000000000000001"), true, 0.1},
        {STR("1e309"), false, 0},
        {STR("1."), false, 0},
        {STR(".5"), false, 0},
        {STR("-"), false, 0},
        {STR("+1"), false, 0},
        {STR("1e"), false, 0},
        {STR("1e+"), false, 0},
        {STR("1.5.2"), false, 0},
        {STR("1,5"), false, 0},
        {STR("0x10"), false, 0},
        {STR("inf"), false, 0},
        {STR("nan"), false, 0},
        {STR(" 1"), false, 0},
        {STR("1 "), false, 0},
        {STR("1\0"), false, 0},
        {STR(""), false, 0},
        {{NULL, 0}, false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        double value = 77;
        if (str_to_double(rows[i].text, &value) != rows[i].ok || value != (rows[i].ok ? rows[i].value : 77))
            fail_msg("%.*s: %g", STR_ARG(rows[i].text), value);
    }
    double zero = 1;
    assert_true(str_to_double(STR("-0.0"), &zero));
    assert_true(zero == 0 && signbit(zero));
}

/* 63 bytes still fit the number's place on the stack, 64 do not. */
static void long_doubles_may_need_memory(void **state)
{
    (void)state;
    char digits[64];
    memset(digits, '0', sizeof digits);
    digits[0] = '1';
    digits[1] = '.';
    double value = 0;
    alloc_fail_after(0);
    assert_true(str_to_double((struct str){digits, 63}, &value));
    assert_true(value == 1);
    assert_false(str_to_double((struct str){digits, 64}, &value));
    alloc_fail_reset();
    assert_true(alloc_fail_hit());
    assert_true(str_to_double((struct str){digits, 64}, &value));
}

static void a_hash_is_of_the_bytes_and_spreads_ids(void **state)
{
    (void)state;
    assert_int_equal(str_hash(STR("run")), str_hash((struct str){"runs", 3}));
    assert_true(str_hash(STR("")) != str_hash(STR("a")));
    enum { IDS = 4096, BUCKETS = 256 };
    unsigned counts[BUCKETS] = {0}, most = 0;
    for (unsigned i = 0; i < IDS; i++) {
        char id[48];
        snprintf(id, sizeof id, "019aaf00-0000-7000-8000-%012u", i);
        unsigned count = ++counts[str_hash(str_c(id)) % BUCKETS];
        most = count > most ? count : most;
    }
    assert_true(most < 4 * IDS / BUCKETS);
}

static void globs_know_stars_and_question_marks(void **state)
{
    static const struct {
        const char *glob, *name;
        bool fits;
    } rows[] = {
        {"*", "", true},
        {"*", "gpt-4o", true},
        {"", "", true},
        {"", "a", false},
        {"gpt-4o", "gpt-4o", true},
        {"gpt-4o", "gpt-4o-mini", false},
        {"gpt-4o", "gpt-4", false},
        {"gpt-*", "gpt-4o", true},
        {"gpt-*", "gpt-", true},
        {"gpt-*", "gpt", false},
        {"*-mini", "gpt-4o-mini", true},
        {"*-mini", "gpt-4o-mini-2", false},
        {"gpt-?", "gpt-4", true},
        {"gpt-?", "gpt-", false},
        {"gpt-?", "gpt-4o", false},
        {"?*", "", false},
        {"?*", "a", true},
        {"*a*b", "xaxxbxb", true},
        {"*a*b", "xbxa", false},
        {"a**b", "ab", true},
        {"***", "x", true},
        {"[ab]", "a", false},
        {"[ab]", "[ab]", true},
        {"a.c", "abc", false},
        {"GPT", "gpt", false},
        {"*ab*ab*ab", "abababxab", true},
        {"*aaaaaaaaab", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (str_fits(str_c(rows[i].name), str_c(rows[i].glob)) != rows[i].fits)
            fail_msg("\"%s\" and \"%s\"", rows[i].glob, rows[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality_is_about_bytes),
        cmocka_unit_test(order_is_bytewise_and_the_shorter_first),
        cmocka_unit_test(prefixes_and_suffixes),
        cmocka_unit_test(a_hash_is_of_the_bytes_and_spreads_ids),
        cmocka_unit_test(find_gives_the_first_at_or_after),
        cmocka_unit_test(sub_is_clamped),
        cmocka_unit_test(trim_takes_ascii_white_space),
        cmocka_unit_test(split_gives_every_piece_also_empty_ones),
        cmocka_unit_test(dup_copies_with_a_nul),
        cmocka_unit_test(utf8_is_what_rfc_3629_says),
        cmocka_unit_test(utf8_counts_code_points),
        cmocka_unit_test(utf8_cut_ends_on_a_code_point),
        cmocka_unit_test(unsigned_numbers_are_checked_whole),
        cmocka_unit_test(signed_numbers_reach_both_ends),
        cmocka_unit_test(doubles_are_what_json_and_python_print),
        cmocka_unit_test(long_doubles_may_need_memory),
        cmocka_unit_test(globs_know_stars_and_question_marks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
