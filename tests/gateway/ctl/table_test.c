/* Columns that line up whatever is in them, and texts of a server that cannot steer a terminal. */
#include "gateway/ctl/table.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <string.h>

static void width_is_what_a_terminal_draws(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t width;
    } rows[] = {
        {"", 0},         {"abc", 3},     {"Zürich", 6},
        {"織機", 4},     {"한국", 4},    {"ｆｕ", 4}, /* full width */
        {"ﾊﾝ", 2},                                    /* half width */
        {"e\u0301", 1},                               /* combining accent */
        {"a\u200bb", 2},                              /* zero width space */
        {"🧵", 2},     {"❤\ufe0f", 1},              /* variation selector */
        {"—", 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(rows[i].width, text_width(str_c(rows[i].text)));
}

static void control_characters_become_question_marks(void **state)
{
    (void)state;
    static const struct {
        const char *text, *safe;
    } rows[] = {
        {"plain", "plain"},
        {"two\nlines\tand a tab", "two\nlines\tand a tab"},
        {"\x1b[31mred\x1b[0m", "?[31mred?[0m"},
        {"bell\a back\b return\r", "bell? back? return?"},
        {"del\x7f", "del?"},
        {"csi\xc2\x9b"
         "31m",
         "csi?31m"}, /* C1: some terminals take it as ESC [ */
        {"\xc2\x80\xc2\x9f", "??"},
        {"\u00a0©", "\u00a0©"},
        {"Zürich 織機", "Zürich 織機"},
        {"cut \xc2", "cut \xc2"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        buf_init(&b, 1000);
        text_put_safe(&b, str_c(rows[i].text));
        buf_put_char(&b, '\0');
        assert_string_equal(rows[i].safe, b.ptr);
        buf_fini(&b);
    }
}

static char *lay_out(size_t columns, const char *const *cells, size_t count, struct buf *b)
{
    struct table t;
    buf_init(b, 10000);
    table_init(&t, columns, cells);
    for (size_t i = columns; i < count; i++)
        table_put(&t, str_c(cells[i]));
    table_print(&t, b);
    buf_put_char(b, '\0');
    assert_false(b->failed);
    return b->ptr;
}

static void columns_line_up_and_the_last_is_not_padded(void **state)
{
    (void)state;
    static const char *const cells[] = {"ID", "NAME",   "STATE", "1", "織機", "on",
                                        "22", "Zürich", "off",   "",  "",     ""};
    struct buf b;
    assert_string_equal("ID  NAME    STATE\n"
                        "1   織機    on\n"
                        "22  Zürich  off\n"
                        "            \n",
                        lay_out(3, cells, ARRAY_LEN(cells), &b));
    buf_fini(&b);
}

static void a_cell_stays_in_its_line(void **state)
{
    (void)state;
    static const char *const cells[] = {"A", "B", "one\ntwo", "x\x1b[2Jy", "tab\there", "z"};
    struct buf b;
    assert_string_equal("A         B\n"
                        "one two   x?[2Jy\n"
                        "tab here  z\n",
                        lay_out(2, cells, ARRAY_LEN(cells), &b));
    buf_fini(&b);
}

static void a_table_without_rows_is_its_headings(void **state)
{
    (void)state;
    static const char *const cells[] = {"APP", "NAME"};
    struct buf b;
    assert_string_equal("APP  NAME\n", lay_out(2, cells, ARRAY_LEN(cells), &b));
    buf_fini(&b);
}

static void without_memory_the_output_says_so(void **state)
{
    (void)state;
    static const char *const headings[] = {"A", "B"};
    for (size_t n = 0;; n++) {
        struct table t;
        struct buf b;
        buf_init(&b, 100000);
        alloc_fail_after(n);
        table_init(&t, 2, headings);
        for (int i = 0; i < 200; i++)
            table_put(&t, STR("some text that takes room"));
        table_print(&t, &b);
        alloc_fail_reset();
        bool has_failed = b.failed;
        buf_fini(&b);
        assert_int_equal(alloc_fail_hit(), has_failed);
        if (!has_failed)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(width_is_what_a_terminal_draws),
        cmocka_unit_test(control_characters_become_question_marks),
        cmocka_unit_test(columns_line_up_and_the_last_is_not_padded),
        cmocka_unit_test(a_cell_stays_in_its_line),
        cmocka_unit_test(a_table_without_rows_is_its_headings),
        cmocka_unit_test(without_memory_the_output_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
