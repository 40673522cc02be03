/*
 * Tests of arena.
 */
#include "shared/base/arena.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <stdalign.h>
#include <string.h>

static void pieces_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 10 * 1024 * 1024);
    static const size_t sizes[] = {1, 7, 16, 17, 100, 1000, 5000, 100000, 0, 64 * 1024};
    char *pieces[20 * ARRAY_LEN(sizes)];
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        size_t size = sizes[i % ARRAY_LEN(sizes)];
        pieces[i] = arena_alloc(&a, size);
        assert_non_null(pieces[i]);
        assert_int_equal(0, (uintptr_t)pieces[i] % alignof(max_align_t));
        for (size_t k = 0; k < size; k++)
            assert_int_equal(0, pieces[i][k]);
        memset(pieces[i], (int)i + 1, size);
    }
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        for (size_t k = 0; k < sizes[i % ARRAY_LEN(sizes)]; k++)
            assert_int_equal((char)(i + 1), pieces[i][k]);
    }
    arena_fini(&a);
    assert_int_equal(0, a.used);
}

static void the_limit_holds_and_small_pieces_may_still_fit(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 160);
    assert_non_null(arena_alloc(&a, 100)); /* 112 with its alignment */
    assert_null(arena_alloc(&a, 49));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_non_null(arena_alloc(&a, 48));
    assert_int_equal(160, a.used);
    assert_null(arena_alloc(&a, 0));
    arena_fini(&a);
    assert_non_null(arena_alloc(&a, 160)); /* the limit is kept, and free again */
    arena_fini(&a);
    arena_fini(NULL);
}

static void arrays_do_not_overflow(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, SIZE_MAX);
    assert_null(arena_array(&a, SIZE_MAX / 2 + 2, 2));
    int64_t *numbers = arena_array(&a, 10, sizeof *numbers);
    assert_non_null(numbers);
    numbers[9] = 1;
    arena_fini(&a);
}

static void copies_end_in_a_nul(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1000);
    struct str copy = arena_copy(&a, (struct str){"abcd", 3});
    assert_str("abc", copy);
    assert_int_equal('\0', copy.ptr[3]);
    assert_string_equal("", arena_copy_c(&a, (struct str){NULL, 0}));
    assert_string_equal("7 of 9", arena_printf(&a, "%d of %d", 7, 9));
    copy = arena_copy(&a, (struct str){"x", 1000});
    assert_null(copy.ptr);
    assert_int_equal(0, copy.len);
    assert_null(arena_printf(&a, "%01000d", 1));
    arena_fini(&a);
}

static char order[8];

static void note(void *arg)
{
    strncat(order, arg, 1);
}

static void deferred_calls_run_last_in_first_out(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1000);
    order[0] = '\0';
    assert_true(arena_defer(&a, note, "1"));
    assert_true(arena_defer(&a, note, "2"));
    assert_true(arena_defer(&a, note, "3"));
    assert_string_equal("", order);
    arena_fini(&a);
    assert_string_equal("321", order);
    arena_fini(&a);
    assert_string_equal("321", order);
}

static void a_call_that_cannot_be_deferred_is_made_at_once(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 8);
    order[0] = '\0';
    assert_false(arena_defer(&a, note, "1"));
    assert_string_equal("1", order);
    arena_fini(&a);
    assert_string_equal("1", order);
}

static void without_memory_it_gives_null_and_nothing_is_used(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 20);
    for (size_t n = 0;; n++) {
        alloc_fail_after(n);
        bool whole = true;
        for (int i = 0; i < 100; i++)
            whole = arena_alloc(&a, 2000) != NULL && whole;
        alloc_fail_reset();
        size_t used = a.used;
        arena_fini(&a);
        if (!alloc_fail_hit()) {
            assert_true(whole);
            assert_int_equal(100 * 2000, used);
            break;
        }
        assert_false(whole);
        assert_int_equal(99 * 2000, used);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
        cmocka_unit_test(the_limit_holds_and_small_pieces_may_still_fit),
        cmocka_unit_test(arrays_do_not_overflow),
        cmocka_unit_test(copies_end_in_a_nul),
        cmocka_unit_test(deferred_calls_run_last_in_first_out),
        cmocka_unit_test(a_call_that_cannot_be_deferred_is_made_at_once),
        cmocka_unit_test(without_memory_it_gives_null_and_nothing_is_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
