/*
 * Tests of uuid.
 */
#include "shared/base/clock.h"
#include "shared/base/uuid.h"
#include "tests/support/check.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, IDS_PER_THREAD = 20000 };

static int64_t time_of(struct uuid id)
{
    int64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | id.bytes[i];
    return ms;
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct uuid));
}

static void v7_carries_time_version_and_variant(void **state)
{
    (void)state;
    int64_t before = clock_wall_ms();
    struct uuid id = uuid_v7();
    assert_true(before <= time_of(id) && time_of(id) <= clock_wall_ms());
    assert_int_equal(7, id.bytes[6] >> 4);
    assert_int_equal(2, id.bytes[8] >> 6);
}

static void v7_only_grows_also_beyond_4096_a_millisecond(void **state)
{
    (void)state;
    struct uuid last = uuid_v7();
    for (int i = 0; i < 200000; i++) {
        struct uuid id = uuid_v7();
        assert_true(by_bytes(&last, &id) < 0);
        last = id;
    }
}

static void v7_tails_are_random(void **state)
{
    (void)state;
    /* Every one of the 62 bits is seen set and clear; that it is not by chance fails once in 2^200. */
    uint8_t set[8] = {0}, clear[8] = {0};
    for (int i = 0; i < 200; i++) {
        struct uuid id = uuid_v7();
        for (int k = 0; k < 8; k++) {
            set[k] |= id.bytes[8 + k];
            clear[k] |= (uint8_t)~id.bytes[8 + k];
        }
    }
    for (int k = 0; k < 8; k++) {
        assert_int_equal(k == 0 ? 0xbf : 0xff, set[k]);
        assert_int_equal(k == 0 ? 0x7f : 0xff, clear[k]);
    }
}

static void *make_ids(void *arg)
{
    struct uuid *ids = arg;
    for (int i = 0; i < IDS_PER_THREAD; i++)
        ids[i] = uuid_v7();
    return NULL;
}

static void v7_is_distinct_and_growing_in_every_thread(void **state)
{
    (void)state;
    struct uuid *ids = calloc((size_t)THREADS * IDS_PER_THREAD, sizeof *ids);
    assert_non_null(ids);
    pthread_t threads[THREADS];
    for (int t = 0; t < THREADS; t++)
        assert_int_equal(0, pthread_create(&threads[t], NULL, make_ids, ids + t * IDS_PER_THREAD));
    for (int t = 0; t < THREADS; t++)
        assert_int_equal(0, pthread_join(threads[t], NULL));
    for (int i = 1; i < THREADS * IDS_PER_THREAD; i++) {
        if (i % IDS_PER_THREAD != 0)
            assert_true(by_bytes(&ids[i - 1], &ids[i]) < 0);
    }
    qsort(ids, (size_t)THREADS * IDS_PER_THREAD, sizeof *ids, by_bytes);
    for (int i = 1; i < THREADS * IDS_PER_THREAD; i++)
        assert_memory_not_equal(ids[i - 1].bytes, ids[i].bytes, 8); /* the stamps alone differ */
    free(ids);
}

static void v5_is_that_of_the_standard(void **state)
{
    (void)state;
    struct uuid dns;
    char text[UUID_TEXT_LEN + 1];
    assert_true(uuid_parse(STR("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), &dns));
    uuid_format(uuid_v5(dns, STR("www.example.com")), text);
    assert_string_equal("2ed6657d-e927-568b-95e1-2665a8aea6a2", text); /* RFC 9562 A.4 */
    uuid_format(uuid_v5(dns, (struct str){NULL, 0}), text);
    assert_string_equal("4ebd0208-8328-5d69-8c44-ec50939c0967", text);
}

static void text_goes_there_and_back(void **state)
{
    (void)state;
    struct uuid id = uuid_v7(), again;
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    assert_int_equal(UUID_TEXT_LEN, strlen(text));
    assert_true(uuid_is_canonical(str_c(text)));
    assert_true(uuid_parse(str_c(text), &again));
    assert_memory_equal(id.bytes, again.bytes, sizeof id.bytes);
}

static void parse_takes_either_case_and_nothing_else(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool parses, canonical;
    } rows[] = {
        {"00000000-0000-0000-0000-000000000000", true, true},
        {"0123abcd-0000-4000-8000-fedcba987654", true, true},
        {"0123ABCD-0000-4000-8000-FEDCBA987654", true, false},
        {"0123abcd-0000-4000-8000-fedcba98765F", true, false},
        {"0123abcd-0000-4000-8000-fedcba98765", false, false},
        {"0123abcd-0000-4000-8000-fedcba9876543", false, false},
        {"0123abcg-0000-4000-8000-fedcba987654", false, false},
        {"0123abcd0-000-4000-8000-fedcba987654", false, false},
        {"0123abcd-0000-4000-8000_fedcba987654", false, false},
        {"{123abcd-0000-4000-8000-fedcba98765}", false, false},
        {"0123abcd00004000800000fedcba98765400", false, false},
        {"", false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct uuid id;
        memset(&id, 0x55, sizeof id);
        if (uuid_parse(str_c(rows[i].text), &id) != rows[i].parses ||
            uuid_is_canonical(str_c(rows[i].text)) != rows[i].canonical)
            fail_msg("%s", rows[i].text);
        if (!rows[i].parses)
            assert_int_equal(0x55, id.bytes[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v7_carries_time_version_and_variant),
        cmocka_unit_test(v7_only_grows_also_beyond_4096_a_millisecond),
        cmocka_unit_test(v7_tails_are_random),
        cmocka_unit_test(v7_is_distinct_and_growing_in_every_thread),
        cmocka_unit_test(v5_is_that_of_the_standard),
        cmocka_unit_test(text_goes_there_and_back),
        cmocka_unit_test(parse_takes_either_case_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
