/*
 * Patterns of JSON Schemas.
 */
#include "executor/value/pattern.h"
#include "tests/support/check.h"
#include <string.h>

static void a_pattern_is_found_anywhere(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool is_found;
    } rows[] = {
        {"b", "abc", true},
        {"^b", "abc", false},
        {"^[A-Z]{2}$", "AB", true},
        {"^[A-Z]{2}$", "ABC", false},
        {"^a|b$", "xb", true},
        {"^\\d+$", "2026", true},
        {"^\\d+$", "20a6", false},
        {"^[\\d-]+$", "20-26", true},
        {"^\\w+$", "a_1", true},
        {"^\\W$", "-", true},
        {"a\\sb", "a b", true},
        {"^\\S+\\D$", "ab", true},
        {"a\\.b", "a.b", true},
        {"a\\.b", "axb", false},
        {"^a{2,3}$", "aaa", true},
        {"^a{2,}$", "a", false},
        {"^(a{1,40}b{1,40}){2}$", "aabbab", true},
        {"^(a{20}){20}$", "aaa", false},
        {"^((a+)+)+$", "aaa", true},
        {"^a{1,1000}$", "aaa", true},
        {"^a+?b??c*?$", "aa", true},
        {"^a+?$", "", false},
        {"^[\\[\\]]+$", "[]", true},
        {"^[a\\-z]$", "-", true},
        {"^[a\\-z]$", "b", false},
        {"^[a\\^]$", "^", true},
        {"^[^\\]a]$", "]", false},
        {"^[\\w\\-.]+$", "a-b.c", true},
        {"a}", "a}", true},
        {"^((a*)?)*$", "aa", true},
        {"^$", "", true},
        {"", "anything", true},
        {"^[]a]$", "]", true}, /* a ] that is first in a class is of it */
        {"^[^]a]$", "b", true},
        {"^[^]\\d]$", "]", false},
        {"é", "café", true},
        {"a\\nb", "a\nb", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!pattern_is_valid(str_c(rows[i].pattern)) && rows[i].is_found)
            fail_msg("%s is not valid", rows[i].pattern);
        if (pattern_finds(str_c(rows[i].pattern), str_c(rows[i].text)) != rows[i].is_found)
            fail_msg("%s in %s", rows[i].pattern, rows[i].text);
    }
}

static void what_cannot_be_matched_is_not_valid(void **state)
{
    static const char *const rows[] = {"(",
                                       "[a",
                                       "a\\",
                                       "(a)\\1",
                                       "\\bword\\b",
                                       "(?:a)",
                                       "[\\W]",
                                       "a{1001}",
                                       "a{1,1001}",
                                       "a{99999999999999999999}",
                                       "*a(",
                                       "a**",
                                       "a+??",
                                       "a{2}{3}",
                                       "a{",
                                       "a{,2}",
                                       "(((((a*)*)*)*)*)*",
                                       "[",
                                       "[^",
                                       "[]",
                                       "((a{20}){20}){20}",
                                       "a++++++++++++++++++++++++++++++++++++++++++++++++++",
                                       "(((((((((((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+"};
    char longest[PATTERN_BYTES_MAX + 2];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (pattern_is_valid(str_c(rows[i])))
            fail_msg("%s is valid", rows[i]);
        assert_false(pattern_finds(str_c(rows[i]), STR("a")));
    }
    memset(longest, 'a', sizeof longest);
    assert_true(pattern_is_valid((struct str){longest, PATTERN_BYTES_MAX}));
    assert_false(pattern_is_valid((struct str){longest, PATTERN_BYTES_MAX + 1}));
    assert_false(pattern_is_valid(STR("a\0b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_is_found_anywhere),
        cmocka_unit_test(what_cannot_be_matched_is_not_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
