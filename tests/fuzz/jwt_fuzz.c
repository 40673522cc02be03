// libs: heddle_auth
/*
 * Tokens and key sets of strangers are read without harm, no token is taken that was not signed, and what is taken apart is of the
 * form the header promises. The first byte chooses: a token, its claims alone, or a key set.
 */
#include "gateway/auth/issuer.h"
#include "shared/base/crypto.h"
#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SECRET "a secret of thirty-two bytes or more"

static void read_token(struct str token)
{
    struct jwt jwt;
    struct status err;
    struct principal *principal = NULL;
    struct jwt_keys *keys = jwt_keys_new();
    assert(keys != NULL && jwt_keys_add_secret(keys, STR(SECRET), &err) == STATUS_OK);
    if (jwt_parse(token, &jwt, &err) == STATUS_OK) {
        assert(token.len <= JWT_BYTES_MAX && jwt_is_plausible(token));
        assert(jwt.signature_bytes > 0 && jwt.signature_bytes <= JWT_SIGNATURE_BYTES_MAX);
        assert(jwt.kid.len <= JWT_KID_BYTES_MAX && jwt.header != NULL && jwt.claims != NULL);
        (void)jwt_keys_verify(keys, &jwt, &err);
        if (passport_principal(&jwt, 1000000, &principal, &err) == STATUS_OK) {
            assert(principal->user.len > 0 && principal->user.len <= PRINCIPAL_USER_BYTES_MAX);
            assert(uuid_is_canonical(principal->app_id) && principal->valid_until_ms > 1000000);
            assert((principal->scopes & SCOPE_ADMIN) == 0);
            principal_unref(principal);
        }
        jwt_fini(&jwt);
    } else {
        assert(err.code == STATUS_UNAUTHENTICATED && strcmp(err.reason, "INVALID_TOKEN") == 0);
    }
    jwt_keys_unref(keys);
}

/* A token with these claims, so that the fuzzer need not find base64. */
static void read_claims(struct str claims)
{
    struct buf token;
    buf_init(&token, 65536);
    buf_put_c(&token, "eyJhbGciOiJIUzI1NiJ9.");
    base64_put(&token, claims);
    while (token.len > 0 && token.ptr[token.len - 1] == '=')
        buf_cut(&token, token.len - 1);
    for (size_t i = 0; i < token.len; i++)
        token.ptr[i] = token.ptr[i] == '+' ? '-' : token.ptr[i] == '/' ? '_' : token.ptr[i];
    buf_put_c(&token, ".AAAA");
    if (!token.failed)
        read_token(buf_str(&token));
    buf_fini(&token);
}

static void read_keys(struct str json)
{
    struct status err;
    struct jwt_keys *keys = jwt_keys_new();
    assert(keys != NULL);
    enum status_code rc = jwt_keys_add_jwks(keys, json, &err);
    assert(rc == STATUS_OK || rc == STATUS_INVALID_ARGUMENT);
    assert(keys->count <= JWT_KEYS_MAX && keys->nameless <= JWT_NAMELESS_KEYS_MAX);
    jwt_keys_unref(keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct str rest = {(const char *)data + 1, size - 1};
    switch (data[0] % 3) {
    case 0:
        read_token(rest);
        break;
    case 1:
        read_claims(rest);
        break;
    default:
        read_keys(rest);
    }
    return 0;
}
