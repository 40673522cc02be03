/*
 * Printable characters are those of Python 3.12 (Unicode 15.0).
 */
#include "executor/value/printable.h"
#include "tests/executor/value/values.h"

static void a_character_is_printable_as_in_python(void **state)
{
    (void)state;
    static const struct {
        uint32_t code_point;
        bool is_printable;
    } cases[] = {
        {0x1f, false},   {0x20, true},     {0x7e, true},    {0x7f, false},     {0x80, false},
        {0xa0, false},   {0xa1, true},     {0xad, false},   {0xe9, true},      {0x301, true},
        {0x378, false},  {0x4e00, true},   {0x200b, false}, {0x2028, false},   {0x3000, false},
        {0xd800, false}, {0xe000, false},  {0xfeff, false}, {0xfffd, true},    {0xffff, false},
        {0x1f600, true}, {0xe0001, false}, {0xe0100, true}, {0x10ffff, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (is_printable(cases[i].code_point) != cases[i].is_printable)
            fail_msg("U+%04X", (unsigned)cases[i].code_point);
    }
}

static void as_many_characters_are_printable_as_in_python(void **state)
{
    (void)state;
    size_t count = 0;
    for (uint32_t code_point = 0; code_point <= 0x10ffff; code_point++)
        count += is_printable(code_point);
    assert_int_equal(count, 148998);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_character_is_printable_as_in_python),
        cmocka_unit_test(as_many_characters_are_printable_as_in_python),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
