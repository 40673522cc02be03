/* Tests of readiness: what has to last how long. */
#include "shared/base/readiness.h"
#include "tests/support/check.h"
#include <stdlib.h>

enum { WELL, WRONG, END };

static void states_hold_for_a_while(void **state)
{
    (void)state;
    static const struct {
        int64_t at_ms;
        int what;
        bool has_changed, is_ready;
    } rows[] = {
        {0, WRONG, false, false},    {5000, WRONG, false, false},
        {5001, WELL, true, true}, /* from the start: at once */
        {6000, WRONG, false, true},  {6000 + READINESS_DOWN_MS - 1, WRONG, false, true},
        {8000, WELL, false, true}, /* a stumble */
        {8001, WRONG, false, true},  {8001 + READINESS_DOWN_MS, WRONG, true, false},
        {11000, WELL, false, false}, {11100, WRONG, false, false},
        {12000, WELL, false, false}, {12000 + READINESS_UP_MS, WELL, true, true},
        {20000, END, false, false},  {20001, WELL, false, false},
        {30000, WELL, false, false},
    };
    struct readiness r;
    readiness_init(&r);
    assert_false(readiness_is_ready(&r));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool has_changed = false;
        if (rows[i].what == END)
            readiness_end(&r, "draining");
        else
            has_changed =
                readiness_note(&r, rows[i].what == WELL ? STR("") : STR("store is away"), rows[i].at_ms);
        if (rows[i].has_changed != has_changed || rows[i].is_ready != readiness_is_ready(&r))
            fail_msg("row %zu", i);
    }
    readiness_fini(&r);
}

static void it_says_what_is_wrong(void **state)
{
    (void)state;
    struct readiness r;
    struct buf words;
    buf_init(&words, 4096);
    readiness_init(&r);
    assert_false(readiness_put(&r, &words));
    assert_str("starting", buf_str(&words));
    buf_clear(&words);
    (void)readiness_note(&r, STR("no executor\nno store\n"), 1);
    assert_false(readiness_put(&r, &words));
    assert_str("no executor\nno store\n", buf_str(&words));
    buf_clear(&words);
    (void)readiness_note(&r, STR(""), 2);
    assert_true(readiness_put(&r, &words));
    assert_int_equal(0, words.len);
    readiness_end(&r, "draining");
    assert_false(readiness_put(&r, &words));
    assert_str("draining", buf_str(&words));
    buf_fini(&words);
    readiness_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_hold_for_a_while),
        cmocka_unit_test(it_says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
