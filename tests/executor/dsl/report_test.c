/*
 * A report keeps all problems and warnings, up to its bounds.
 */
#include "executor/dsl/report.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <string.h>

static void entries_keep_their_order_and_their_texts(void **state)
{
    (void)state;
    struct graph_report r;
    struct status err;
    char path[] = "a.b";
    graph_report_init(&r);
    graph_report_add(&r, true, path, NULL, "odd");
    graph_report_add(&r, false, path, "do this", "wrong by %d", 3);
    graph_report_add(&r, false, "", "", "wrong again");
    path[0] = 'x';
    assert_int_equal(3, r.count);
    assert_int_equal(2, r.error_count);
    assert_true(r.problems[0].is_warning && !r.problems[1].is_warning);
    assert_string_equal("a.b", r.problems[0].path);
    assert_string_equal("", r.problems[0].hint);
    assert_string_equal("do this", r.problems[1].hint);
    assert_string_equal("wrong by 3", r.problems[1].text);
    assert_code(STATUS_INVALID_ARGUMENT, graph_report_status(&r, &err));
    assert_string_equal("a.b: wrong by 3", err.message);
    assert_false(r.is_truncated);
    graph_report_fini(&r);
    assert_int_equal(0, r.count);
    assert_string_equal("", r.mode);
}

static void more_than_the_most_is_counted_only(void **state)
{
    (void)state;
    struct graph_report r;
    graph_report_init(&r);
    for (int i = 0; i < GRAPH_PROBLEMS_MAX + 3; i++)
        graph_report_add(&r, false, "p", NULL, "%d", i);
    assert_int_equal(GRAPH_PROBLEMS_MAX, r.count);
    assert_int_equal(GRAPH_PROBLEMS_MAX + 3, r.error_count);
    assert_true(r.is_truncated);
    assert_string_equal("499", r.problems[GRAPH_PROBLEMS_MAX - 1].text);
    graph_report_fini(&r);
}

static void a_long_text_is_cut_between_characters(void **state)
{
    (void)state;
    struct graph_report r;
    char text[1001] = "";
    for (size_t i = 0; i + 3 < sizeof text; i += 3)
        memcpy(text + i, "\xE6\x97\xA5", 4);
    graph_report_init(&r);
    graph_report_add(&r, false, "p", NULL, "%s", text);
    struct str kept = str_c(r.problems[0].text);
    assert_true(str_is_utf8(kept) && kept.len > 500 && kept.len < 512);
    graph_report_fini(&r);
}

static void without_memory_the_count_is_still_right(void **state)
{
    (void)state;
    struct graph_report r;
    struct status err;
    graph_report_init(&r);
    alloc_fail_after(0);
    graph_report_add(&r, false, "p", NULL, "wrong");
    alloc_fail_reset();
    assert_int_equal(0, r.count);
    assert_int_equal(1, r.error_count);
    assert_true(r.is_truncated);
    assert_code(STATUS_INVALID_ARGUMENT, graph_report_status(&r, &err));
    graph_report_fini(&r);
    graph_report_fini(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_keep_their_order_and_their_texts),
        cmocka_unit_test(more_than_the_most_is_counted_only),
        cmocka_unit_test(a_long_text_is_cut_between_characters),
        cmocka_unit_test(without_memory_the_count_is_still_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
