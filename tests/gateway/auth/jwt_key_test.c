/* Key sets as servers and files give them: which keys are taken, and what they check. */
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/jwt_key.h"
#include "tests/gateway/auth/signer.h"

struct fixture {
    EVP_PKEY *rsa, *small, *ec;
    struct buf text;
    struct jwt_keys *keys;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->rsa = signer_rsa(2048);
    f->small = signer_rsa(1024);
    f->ec = signer_ec();
    buf_init(&f->text, JWT_KEY_FILE_BYTES_MAX * 2);
    f->keys = jwt_keys_new();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    EVP_PKEY_free(f->rsa);
    EVP_PKEY_free(f->small);
    EVP_PKEY_free(f->ec);
    buf_fini(&f->text);
    jwt_keys_unref(f->keys);
    free(f);
    return 0;
}

static enum status_code verify(struct fixture *f, EVP_PKEY *key, const char *secret, const char *header,
                               struct status *err)
{
    struct jwt jwt;
    char *token = signer_token(key, secret, header, "{}");
    assert_ok(jwt_parse(str_c(token), &jwt, err));
    enum status_code rc = jwt_keys_verify(f->keys, &jwt, err);
    jwt_fini(&jwt);
    free(token);
    return rc;
}

static void keys_of_a_set_check_their_own_tokens(void **state)
{
    struct fixture *f = *state;
    struct status err;
    buf_put_c(&f->text, "{\"keys\": [");
    signer_put_jwk(&f->text, f->rsa, "r",
                   ", \"use\": \"sig\", \"alg\": \"RS256\", \"key_ops\": [\"verify\"]");
    buf_put_c(&f->text, ", ");
    signer_put_jwk(&f->text, f->ec, "e", "");
    buf_put_c(&f->text, "]}");
    assert_ok(jwt_keys_add_jwks(f->keys, buf_str(&f->text), &err));
    assert_int_equal(f->keys->count, 2);
    assert_ok(verify(f, f->rsa, NULL, "{\"alg\": \"RS256\", \"kid\": \"r\"}", &err));
    assert_ok(verify(f, f->ec, NULL, "{\"alg\": \"ES256\", \"kid\": \"e\"}", &err));
    assert_code(STATUS_UNAUTHENTICATED, verify(f, f->ec, NULL, "{\"alg\": \"ES256\", \"kid\": \"r\"}", &err));
    assert_string_equal(err.reason, "INVALID_TOKEN");
    assert_code(STATUS_UNAUTHENTICATED, verify(f, f->rsa, NULL, "{\"alg\": \"RS256\"}", &err));
    assert_string_equal(err.reason, "UNKNOWN_KEY");
}

static void a_token_without_a_name_for_its_key_fits_an_only_key(void **state)
{
    struct fixture *f = *state;
    struct status err;
    char *pem = signer_pem(f->rsa);
    assert_ok(jwt_keys_add_pem(f->keys, str_c(pem), JWT_RS256, STR("r"), &err));
    assert_ok(verify(f, f->rsa, NULL, "{\"alg\": \"RS256\"}", &err));
    assert_code(STATUS_INVALID_ARGUMENT, jwt_keys_add_pem(f->keys, str_c(pem), JWT_ES256, STR("e"), &err));
    free(pem);
    pem = signer_pem(f->small);
    assert_code(STATUS_INVALID_ARGUMENT, jwt_keys_add_pem(f->keys, str_c(pem), JWT_RS256, STR("s"), &err));
    assert_contains("1024", err.message);
    free(pem);
    assert_code(STATUS_INVALID_ARGUMENT, jwt_keys_add_pem(f->keys, STR(""), JWT_RS256, STR("s"), &err));
    assert_code(STATUS_INVALID_ARGUMENT,
                jwt_keys_add_secret(f->keys, STR("thirty-one bytes are not enough"), &err));
}

/* A key that is no use here is left out; a text that is no set is refused. count -1: refused. */
static void sets_with_other_things_in_them(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        int count;
    } rows[] = {
        {"{\"keys\": []}", 0},
        {"{\"keys\": [7, null, {}, {\"kty\": \"oct\", \"k\": \"AAAA\", \"kid\": \"s\"}]}", 0},
        {"{\"keys\": [{\"kty\": \"RSA\", \"n\": \"AQAB\", \"e\": \"AQAB\"}]}", 0},
        {"{\"keys\": [{\"kty\": \"RSA\", \"n\": \"!\", \"e\": \"AQAB\"}, {\"kty\": \"RSA\"}]}", 0},
        {"{\"keys\": [{\"kty\": \"EC\", \"crv\": \"P-256\", \"x\": \"AAAA\", \"y\": \"AAAA\"}]}", 0},
        {"{\"keys\": [{\"kty\": \"EC\", \"crv\": \"P-256\", "
         "\"x\": \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\", "
         "\"y\": \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}",
         0}, /* no point of the curve */
        {"{\"keys\": [{\"kty\": \"EC\", \"crv\": \"P-384\", \"x\": \"AAAA\", \"y\": \"AAAA\"}]}", 0},
        {"{\"keys\": {}}", -1},
        {"{\"keys\": [], \"keys\": []}", -1},
        {"[]", -1},
        {"", -1},
        {"{\"keys\": []} x", -1},
        {"{\"keys\": [", -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct status err;
        enum status_code rc = jwt_keys_add_jwks(f->keys, str_c(rows[i].text), &err);
        assert_code(rows[i].count < 0 ? STATUS_INVALID_ARGUMENT : STATUS_OK, rc);
        assert_int_equal(f->keys->count, 0);
    }
}

static void keys_for_another_use_are_left_out(void **state)
{
    struct fixture *f = *state;
    struct status err;
    static const char *const others[] = {", \"use\": \"enc\"",   ", \"alg\": \"RS512\"",
                                         ", \"alg\": \"ES256\"", ", \"key_ops\": [\"encrypt\"]",
                                         ", \"alg\": 7",         ", \"use\": null"};
    buf_put_c(&f->text, "{\"keys\": [");
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        signer_put_jwk(&f->text, f->rsa, "r", others[i]);
        buf_put_c(&f->text, ", ");
    }
    signer_put_jwk(&f->text, f->small, "small", "");
    buf_put_c(&f->text, "]}");
    assert_ok(jwt_keys_add_jwks(f->keys, buf_str(&f->text), &err));
    assert_int_equal(f->keys->count, 0);
}

static void a_set_has_so_many_keys_at_most(void **state)
{
    struct fixture *f = *state;
    struct status err;
    buf_put_c(&f->text, "{\"keys\": [");
    for (int i = 0; i <= JWT_KEYS_MAX; i++) {
        char kid[16];
        snprintf(kid, sizeof kid, "k%d", i);
        buf_put_c(&f->text, i == 0 ? "" : ", ");
        signer_put_jwk(&f->text, f->ec, kid, "");
    }
    buf_put_c(&f->text, "]}");
    assert_code(STATUS_INVALID_ARGUMENT, jwt_keys_add_jwks(f->keys, buf_str(&f->text), &err));
    buf_clear(&f->text);
    buf_put_c(&f->text, "{\"keys\": [");
    for (int i = 0; i <= JWT_NAMELESS_KEYS_MAX; i++) {
        buf_put_c(&f->text, i == 0 ? "" : ", ");
        signer_put_jwk(&f->text, f->ec, NULL, "");
    }
    buf_put_c(&f->text, "]}");
    assert_code(STATUS_INVALID_ARGUMENT, jwt_keys_add_jwks(f->keys, buf_str(&f->text), &err));
}

static void memory_may_end_anywhere(void **state)
{
    struct fixture *f = *state;
    buf_put_c(&f->text, "{\"keys\": [");
    signer_put_jwk(&f->text, f->rsa, "r", "");
    buf_put_c(&f->text, "]}");
    for (size_t n = 0;; n++) {
        struct status err;
        alloc_fail_after(n);
        struct jwt_keys *keys = jwt_keys_new();
        enum status_code rc =
            keys == NULL ? STATUS_RESOURCE_EXHAUSTED : jwt_keys_add_jwks(keys, buf_str(&f->text), &err);
        alloc_fail_reset();
        bool hit = alloc_fail_hit();
        assert_true(rc != STATUS_OK || keys->count <= 1);
        assert_true(hit || (rc == STATUS_OK && keys->count == 1));
        jwt_keys_unref(keys);
        if (!hit)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_of_a_set_check_their_own_tokens, setup, teardown),
        cmocka_unit_test_setup_teardown(a_token_without_a_name_for_its_key_fits_an_only_key, setup, teardown),
        cmocka_unit_test_setup_teardown(sets_with_other_things_in_them, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_for_another_use_are_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(a_set_has_so_many_keys_at_most, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_may_end_anywhere, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
