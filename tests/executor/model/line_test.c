/*
 * Who comes first in line (line.h), beside a list that is sorted each time.
 */
#include "executor/model/line.h"
#include "tests/support/check.h"
#include <stdlib.h>
#include <string.h>

enum { SEATS = 60 };

static bool goes_before(const struct line_seat *a, const struct line_seat *b)
{
    return a->priority > b->priority || (a->priority == b->priority && a->number < b->number);
}

/* Both ways, and by the shorter list through it. */
static void check_order(const struct line *line)
{
    size_t count = 0, firsts = 0;
    const struct line_seat *prev = NULL;
    for (const struct line_seat *seat = line->first; seat != NULL; prev = seat, seat = seat->next, count++) {
        assert_ptr_equal(seat->prev, prev);
        assert_true(prev == NULL || goes_before(prev, seat));
        firsts += prev == NULL || prev->priority != seat->priority;
    }
    assert_int_equal(count, line->count);
    for (const struct line_seat *first = line->first; first != NULL; first = first->lower, firsts--) {
        assert_int_equal(first->last->priority, first->priority);
        assert_ptr_equal(first->last->next, first->lower);
        assert_true(first->lower == NULL || first->lower->higher == first);
    }
    assert_int_equal(firsts, 0);
}

static void seats_are_in_order_whoever_comes_and_goes(void **state)
{
    static struct line_seat seats[SEATS];
    bool is_in[SEATS] = {false};
    struct line line = {.count = 0};
    uint64_t numbers = 0;
    (void)state;
    srandom(4);
    for (int n = 0; n < 20000; n++) {
        size_t i = (size_t)random() % SEATS;
        if (is_in[i]) {
            line_leave(&line, &seats[i]);
        } else {
            seats[i] = (struct line_seat){.priority = (int32_t)(random() % 5) - 2, .number = ++numbers};
            if (random() % 4 == 0)
                seats[i].number -= (uint64_t)random() % 20; /* came earlier, from another line */
            for (size_t j = 0; j < SEATS; j++) {
                if (is_in[j] && seats[j].number == seats[i].number)
                    seats[i].number = ++numbers;
            }
            line_enter(&line, &seats[i]);
        }
        is_in[i] = !is_in[i];
        check_order(&line);
    }
    for (size_t i = 0; i < SEATS; i++) {
        if (is_in[i])
            line_leave(&line, &seats[i]);
    }
    assert_null(line.first);
    assert_int_equal(line.count, 0);
}

static void the_soonest_deadline_is_known(void **state)
{
    struct line_seat seats[] = {{.number = 1, .deadline_ms = 50},
                                {.number = 2},
                                {.number = 3, .deadline_ms = 20, .priority = 1},
                                {.number = 4, .deadline_ms = 30}};
    struct line line = {.count = 0};
    (void)state;
    for (size_t i = 0; i < 4; i++)
        line_enter(&line, &seats[i]);
    assert_int_equal(line.soonest_ms, 20);
    line_leave(&line, &seats[2]);
    assert_int_equal(line.soonest_ms, 20); /* no later than it is */
    assert_int_equal(line_soonest_ms(&line), 30);
    line_leave(&line, &seats[0]);
    line_leave(&line, &seats[3]);
    assert_int_equal(line_soonest_ms(&line), 0);
    line_leave(&line, &seats[1]);
    assert_int_equal(line.soonest_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seats_are_in_order_whoever_comes_and_goes),
        cmocka_unit_test(the_soonest_deadline_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
