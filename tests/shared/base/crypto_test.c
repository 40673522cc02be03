/*
 * Tests of crypto. The AES-GCM vector is test case 16 of the GCM specification by McGrew and Viega.
 */
#include "shared/base/crypto.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <string.h>

static const uint8_t key[AES_KEY_BYTES] = {0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65, 0x73, 0x1c, 0x6d, 0x6a, 0x8f,
                                           0x94, 0x67, 0x30, 0x83, 0x08, 0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65,
                                           0x73, 0x1c, 0x6d, 0x6a, 0x8f, 0x94, 0x67, 0x30, 0x83, 0x08};

/* Bytes of a hexadecimal literal. */
static size_t from_hex(const char *hex, uint8_t *to)
{
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        unsigned byte = 0;
        for (size_t k = 0; k < 2; k++) {
            char c = hex[2 * i + k];
            byte = byte << 4 | (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
        }
        to[i] = (uint8_t)byte;
    }
    return n;
}

static void sha256_is_that_of_the_standard(void **state)
{
    (void)state;
    static const struct {
        struct str in;
        const char *out;
    } rows[] = {
        {{NULL, 0}, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {STR("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t digest[SHA256_BYTES];
        sha256(rows[i].in, digest);
        struct buf b;
        buf_init(&b, 64);
        hex_put(&b, digest, sizeof digest);
        assert_str(rows[i].out, buf_str(&b));
        buf_fini(&b);
    }
}

static void crc32_is_that_of_zlib(void **state)
{
    (void)state;
    assert_int_equal(0, crc32_of((struct str){NULL, 0}));
    assert_int_equal(0xcbf43926, crc32_of(STR("123456789")));
    assert_int_equal(0x414fa339, crc32_of(STR("The quick brown fox jumps over the lazy dog")));
}

static void random_bytes_differ_and_stay_in_their_place(void **state)
{
    (void)state;
    uint8_t a[300] = {0}, b[300] = {0};
    random_bytes(a, sizeof a - 1);
    random_bytes(b, sizeof b - 1);
    assert_memory_not_equal(a, b, sizeof a);
    assert_int_equal(0, a[sizeof a - 1]);
    random_bytes(NULL, 0);
}

static void hex_needs_its_room(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 5);
    hex_put(&b, "\x00\xfa", 2);
    hex_put(&b, NULL, 0);
    assert_str("00fa", buf_str(&b));
    assert_false(b.failed);
    hex_put(&b, "x", 1);
    assert_true(b.failed);
    buf_clear(&b);
    hex_put(&b, "x", SIZE_MAX);
    assert_true(b.failed);
    buf_fini(&b);
}

/* RFC 4648 section 10, and bytes that need the alphabet's last two. */
static const struct {
    struct str plain;
    const char *text;
} base64_rows[] = {
    {STR(""), ""},
    {STR("f"), "Zg=="},
    {STR("fo"), "Zm8="},
    {STR("foo"), "Zm9v"},
    {STR("foob"), "Zm9vYg=="},
    {STR("fooba"), "Zm9vYmE="},
    {STR("foobar"), "Zm9vYmFy"},
    {STR("\xfb\xff\xfe\x00"), "+//+AA=="},
};

static void base64_goes_there_and_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(base64_rows); i++) {
        struct buf b;
        buf_init(&b, 100);
        base64_put(&b, base64_rows[i].plain);
        assert_str(base64_rows[i].text, buf_str(&b));
        buf_clear(&b);
        buf_put_c(&b, "before");
        assert_true(base64_get(&b, str_c(base64_rows[i].text)));
        assert_true(str_eq(str_sub(buf_str(&b), 6, SIZE_MAX), base64_rows[i].plain));
        buf_fini(&b);
    }
}

static void base64_needs_exactly_its_room(void **state)
{
    (void)state;
    for (size_t i = 1; i < ARRAY_LEN(base64_rows); i++) {
        struct str plain = base64_rows[i].plain, text = str_c(base64_rows[i].text);
        struct buf b;
        buf_init(&b, plain.len);
        assert_true(base64_get(&b, text));
        buf_fini(&b);
        buf_init(&b, plain.len - 1);
        assert_false(base64_get(&b, text));
        assert_int_equal(0, b.len);
        buf_fini(&b);
        buf_init(&b, text.len);
        base64_put(&b, plain);
        assert_false(b.failed);
        buf_fini(&b);
        buf_init(&b, text.len - 1);
        base64_put(&b, plain);
        assert_true(b.failed);
        buf_fini(&b);
    }
}

static void base64_is_strict_about_what_it_takes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
    } rows[] = {
        {"Zg", true},     {"Zm8", true},         {"-__-AA", true}, {"+//+AA", true},  {"Zg=", false},
        {"Zg===", false}, {"Z", false},          {"Zm9vY", false}, {"=", false},      {"====", false},
        {"Zh==", false},  {"Zm9=", false},       {"Zm 8", false},  {"Zg==\n", false}, {"Zg==Zg==", false},
        {"Zm9*", false},  {"Zm\xc3\xa9", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        buf_init(&b, 100);
        buf_put_c(&b, "kept");
        if (base64_get(&b, str_c(rows[i].text)) != rows[i].ok)
            fail_msg("'%s'", rows[i].text);
        if (!rows[i].ok)
            assert_str("kept", buf_str(&b));
        buf_fini(&b);
    }
}

static void open_understands_the_published_vector(void **state)
{
    (void)state;
    uint8_t sealed[200], aad[32], plain[64];
    size_t n = from_hex("cafebabefacedbaddecaf888", sealed);
    n += from_hex("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                  "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
                  sealed + n);
    n += from_hex("76fc6ece0f4e1768cddf8853bb2d551b", sealed + n);
    size_t aad_len = from_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2", aad);
    size_t plain_len = from_hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                                "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
                                plain);
    struct buf b;
    buf_init(&b, plain_len);
    struct status err;
    assert_ok(
        aes_gcm_open(key, (struct str){(char *)aad, aad_len}, (struct str){(char *)sealed, n}, &b, &err));
    assert_int_equal(plain_len, b.len);
    assert_memory_equal(plain, b.ptr, plain_len);
    buf_fini(&b);
}

static void what_was_sealed_opens_with_the_same_key_and_aad_only(void **state)
{
    (void)state;
    static const struct str plains[] = {STR(""), STR("x"),
                                        STR("sk-a secret of a provider, longer than a block")};
    struct status err;
    for (size_t i = 0; i < ARRAY_LEN(plains); i++) {
        struct buf sealed, opened;
        buf_init(&sealed, 200);
        buf_init(&opened, 200);
        buf_put_c(&opened, "before ");
        assert_ok(aes_gcm_seal(key, STR("row 1"), plains[i], &sealed, &err));
        assert_int_equal(AES_NONCE_BYTES + plains[i].len + AES_TAG_BYTES, sealed.len);
        assert_ok(aes_gcm_open(key, STR("row 1"), buf_str(&sealed), &opened, &err));
        assert_true(str_eq(str_sub(buf_str(&opened), 7, SIZE_MAX), plains[i]));

        size_t len = opened.len;
        assert_code(STATUS_INVALID_ARGUMENT,
                    aes_gcm_open(key, STR("row 2"), buf_str(&sealed), &opened, &err));
        assert_code(STATUS_INVALID_ARGUMENT, aes_gcm_open(key, STR(""), buf_str(&sealed), &opened, &err));
        uint8_t other[AES_KEY_BYTES] = {1};
        assert_code(STATUS_INVALID_ARGUMENT,
                    aes_gcm_open(other, STR("row 1"), buf_str(&sealed), &opened, &err));
        for (size_t at = 0; at < sealed.len; at++) {
            sealed.ptr[at] ^= 1;
            assert_code(STATUS_INVALID_ARGUMENT,
                        aes_gcm_open(key, STR("row 1"), buf_str(&sealed), &opened, &err));
            sealed.ptr[at] ^= 1;
            struct str cut = str_sub(buf_str(&sealed), 0, at);
            assert_code(STATUS_INVALID_ARGUMENT, aes_gcm_open(key, STR("row 1"), cut, &opened, &err));
        }
        assert_int_equal(len, opened.len);
        buf_fini(&sealed);
        buf_fini(&opened);
    }
}

static void the_same_text_never_seals_the_same(void **state)
{
    (void)state;
    struct buf a, b;
    struct status err;
    buf_init(&a, 200);
    buf_init(&b, 200);
    assert_ok(aes_gcm_seal(key, STR(""), STR("text"), &a, &err));
    assert_ok(aes_gcm_seal(key, STR(""), STR("text"), &b, &err));
    assert_false(str_eq(buf_str(&a), buf_str(&b)));
    buf_fini(&a);
    buf_fini(&b);
}

static void no_room_is_said(void **state)
{
    (void)state;
    struct buf sealed, small;
    struct status err;
    buf_init(&sealed, 32);
    buf_init(&small, 3);
    assert_code(STATUS_RESOURCE_EXHAUSTED, aes_gcm_seal(key, STR(""), STR("text"), &small, &err));
    assert_int_equal(0, small.len);
    assert_ok(aes_gcm_seal(key, STR(""), STR("text"), &sealed, &err));
    buf_clear(&small);
    assert_code(STATUS_RESOURCE_EXHAUSTED, aes_gcm_open(key, STR(""), buf_str(&sealed), &small, &err));
    assert_int_equal(0, small.len);
    buf_fini(&small);

    buf_init(&small, 100);
    alloc_fail_after(0);
    assert_code(STATUS_RESOURCE_EXHAUSTED, aes_gcm_seal(key, STR(""), STR("text"), &small, &err));
    alloc_fail_reset();
    buf_fini(&small);
    buf_fini(&sealed);
}

static void wiped_memory_is_zero(void **state)
{
    (void)state;
    char secret[] = "secret";
    secret_wipe(secret, 3);
    assert_memory_equal("\0\0\0ret", secret, sizeof secret);
    secret_wipe(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_is_that_of_the_standard),
        cmocka_unit_test(crc32_is_that_of_zlib),
        cmocka_unit_test(random_bytes_differ_and_stay_in_their_place),
        cmocka_unit_test(hex_needs_its_room),
        cmocka_unit_test(base64_goes_there_and_back),
        cmocka_unit_test(base64_needs_exactly_its_room),
        cmocka_unit_test(base64_is_strict_about_what_it_takes),
        cmocka_unit_test(open_understands_the_published_vector),
        cmocka_unit_test(what_was_sealed_opens_with_the_same_key_and_aad_only),
        cmocka_unit_test(the_same_text_never_seals_the_same),
        cmocka_unit_test(no_room_is_said),
        cmocka_unit_test(wiped_memory_is_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
