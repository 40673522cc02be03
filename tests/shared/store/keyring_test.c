/*
 * Tests of keyring.
 */
#include "shared/store/keyring.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <string.h>

#define ZEROS "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define ONES  "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="

static struct status err;

static void keys_are_read_with_and_without_ids(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t count;
        const char *first_id;
    } rows[] = {
        {NULL, 0, ""},
        {"", 0, ""},
        {" \n", 0, ""},
        {"k1:" ZEROS, 1, "k1"},
        {"k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", 1, "k1"}, /* no padding */
        {ZEROS, 1, "66687aad"}, /* SHA-256 of 32 zero bytes begins so */
        {"2024-06.b_1:" ONES ", " ZEROS, 2, "2024-06.b_1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct keyring ring;
        assert_ok(keyring_init(&ring, rows[i].text, &err));
        assert_int_equal(rows[i].count, ring.count);
        assert_string_equal(rows[i].first_id, ring.keys[0].id);
        keyring_fini(&ring);
    }
}

static void keys_that_cannot_be_are_refused_without_being_shown(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "k1:",
        "k1:secretsecret",
        ":" ZEROS,
        "bad id:" ZEROS,
        "an-id-that-is-longer-than-32-bytes:" ZEROS,
        "k1:AAAA" ZEROS,
        "k1:" ZEROS ",",
        ZEROS "," ZEROS,
        "k1:" ZEROS ",k1:" ONES,
        "1:" ZEROS ",2:" ZEROS ",3:" ZEROS ",4:" ZEROS ",5:" ZEROS ",6:" ZEROS ",7:" ZEROS ",8:" ZEROS
        ",9:" ZEROS,
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct keyring ring;
        assert_code(STATUS_INVALID_ARGUMENT, keyring_init(&ring, rows[i], &err));
        assert_string_equal("master_key", err.field);
        assert_null(strstr(err.message, "AAAA"));
        assert_null(strstr(err.message, "secretsecret"));
        assert_int_equal(0, ring.count);
    }
}

static void what_is_sealed_opens_only_for_its_row_and_key(void **state)
{
    (void)state;
    struct keyring both, second;
    assert_ok(keyring_init(&both, "a:" ZEROS ",b:" ONES, &err));
    assert_ok(keyring_init(&second, "b:" ONES, &err));
    struct buf sealed, opened;
    buf_init(&sealed, 1000);
    buf_init(&opened, 1000);
    struct str key_id;
    assert_ok(keyring_seal(&both, STR("row 1"), STR("hush"), &sealed, &key_id, &err));
    assert_str("a", key_id);

    assert_ok(keyring_open(&both, STR("row 1"), key_id, buf_str(&sealed), &opened, &err));
    assert_str("hush", buf_str(&opened));
    buf_clear(&opened);
    assert_code(STATUS_DATA_LOSS, keyring_open(&both, STR("row 2"), key_id, buf_str(&sealed), &opened, &err));
    assert_string_equal("SEAL_BROKEN", err.reason);
    assert_code(STATUS_DATA_LOSS,
                keyring_open(&both, STR("row 1"), STR("b"), buf_str(&sealed), &opened, &err));
    assert_code(STATUS_FAILED_PRECONDITION,
                keyring_open(&second, STR("row 1"), key_id, buf_str(&sealed), &opened, &err));
    assert_string_equal("NO_MASTER_KEY", err.reason);
    assert_int_equal(0, opened.len);
    buf_fini(&sealed);
    buf_fini(&opened);
    keyring_fini(&both);
    keyring_fini(&second);
}

static void an_empty_ring_seals_and_opens_nothing(void **state)
{
    (void)state;
    struct keyring ring;
    assert_ok(keyring_init(&ring, NULL, &err));
    struct buf b;
    buf_init(&b, 1000);
    struct str key_id;
    assert_code(STATUS_FAILED_PRECONDITION, keyring_seal(&ring, STR("row"), STR("x"), &b, &key_id, &err));
    assert_string_equal("NO_MASTER_KEY", err.reason);
    assert_code(STATUS_FAILED_PRECONDITION, keyring_open(&ring, STR("row"), STR("a"), STR("x"), &b, &err));
    assert_string_equal("NO_MASTER_KEY", err.reason);
    buf_fini(&b);
}

static void a_failed_allocation_is_told_as_such(void **state)
{
    (void)state;
    for (size_t n = 0;; n++) {
        struct keyring ring;
        alloc_fail_after(n);
        enum status_code rc = keyring_init(&ring, ZEROS ",b:" ONES, &err);
        alloc_fail_reset();
        if (!alloc_fail_hit()) {
            assert_ok(rc);
            assert_int_equal(2, ring.count);
            keyring_fini(&ring);
            assert_true(n > 0);
            break;
        }
        assert_code(STATUS_RESOURCE_EXHAUSTED, rc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_read_with_and_without_ids),
        cmocka_unit_test(keys_that_cannot_be_are_refused_without_being_shown),
        cmocka_unit_test(what_is_sealed_opens_only_for_its_row_and_key),
        cmocka_unit_test(an_empty_ring_seals_and_opens_nothing),
        cmocka_unit_test(a_failed_allocation_is_told_as_such),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
