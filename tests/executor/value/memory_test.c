/*
 * Values without memory: every allocation of makers, builders and the parser fails once. The sources are compiled into
 * this program with an allocator that can be told to fail.
 */
#include "tests/executor/value/values.h"
#include <stdlib.h>

/* How many allocations still succeed. */
static size_t allocations_left;

static bool may_allocate(void)
{
    if (allocations_left == 0)
        return false;
    allocations_left--;
    return true;
}

static void *scarce_malloc(size_t size)
{
    return may_allocate() ? malloc(size) : NULL;
}

static void *scarce_calloc(size_t count, size_t size)
{
    return may_allocate() ? calloc(count, size) : NULL;
}

static void *scarce_realloc(void *ptr, size_t size)
{
    return may_allocate() ? realloc(ptr, size) : NULL;
}

#define malloc  scarce_malloc
#define calloc  scarce_calloc
#define realloc scarce_realloc
#include "executor/value/builder.c"
#include "executor/value/parse.c"
#include "executor/value/value.c"
#undef malloc
#undef calloc
#undef realloc

/* bytes. More than any of these needs. */
enum { ACCOUNT_BYTES = 1 << 20 };

/* Makes a value with 0, 1, 2, … allocations until it succeeds; `needed` is how many that takes at least. */
static void assert_survives_every_failure(struct value *(*make)(struct value_account *a), size_t needed)
{
    for (size_t allowed = 0;; allowed++) {
        struct value_account account = {.max = ACCOUNT_BYTES};
        allocations_left = allowed;
        struct value *v = make(&account);
        allocations_left = SIZE_MAX;
        bool is_made = v != NULL;
        assert_true(account.is_full != is_made);
        value_unref(v);
        assert_int_equal(account.used, 0);
        if (is_made) {
            assert_true(allowed >= needed);
            return;
        }
    }
}

static struct value *make_text(struct value_account *a)
{
    return value_string(a, STR("text"));
}

static struct value *parse_many(struct value_account *a)
{
    struct value *v = NULL;
    struct str json =
        STR("{\"a\":1,\"b\":\"x\",\"c\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25],"
            "\"d\":{},\"e\":[],\"f\":1.5,\"g\":2,\"h\":3,\"i\":4,\"j\":5,\"a\":6}");
    enum status_code rc = value_parse_json(a, json, &v, NULL);
    assert_true(rc == (v != NULL ? STATUS_OK : STATUS_RESOURCE_EXHAUSTED));
    return v;
}

static struct value *build_many(struct value_account *a)
{
    static const char *const keys[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "a", "b"};
    struct value_builder b;
    value_object_begin(&b, a);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        value_object_put(&b, str_c(keys[i]), value_int(a, (int64_t)i));
    return value_object_end(&b);
}

static void no_failed_allocation_leaves_anything_behind(void **state)
{
    (void)state;
    assert_survives_every_failure(make_text, 1);
    assert_survives_every_failure(parse_many, 39);
    assert_survives_every_failure(build_many, 15);
}

static void a_text_is_adopted_even_if_its_block_cannot_be_fitted(void **state)
{
    (void)state;
    struct value_account account = {.max = ACCOUNT_BYTES};
    struct buf b;
    buf_init(&b, ACCOUNT_BYTES);
    while (b.len < ADOPT_BYTES_MIN)
        buf_put_c(&b, "text");
    size_t len = b.len;
    allocations_left = 1; /* the header; not the fitting */
    struct value *v = value_string_take(&account, &b);
    allocations_left = SIZE_MAX;
    assert_int_equal(value_text(v).len, len);
    assert_int_equal(account.used, value_bytes(v));
    value_unref(v);
    assert_int_equal(account.used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_failed_allocation_leaves_anything_behind),
        cmocka_unit_test(a_text_is_adopted_even_if_its_block_cannot_be_fitted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
