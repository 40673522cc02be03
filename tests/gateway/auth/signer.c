/* signer: see the header. */
#include "tests/gateway/auth/signer.h"

#include "shared/base/crypto.h"
#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES_MAX = 64 * 1024 };

EVP_PKEY *signer_rsa(int bits)
{
    return EVP_RSA_gen((unsigned)bits);
}

EVP_PKEY *signer_ec(void)
{
    return EVP_EC_gen("P-256");
}

char *signer_pem(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    assert(PEM_write_bio_PUBKEY(bio, key) == 1);
    long bytes = BIO_get_mem_data(bio, &text);
    char *copy = str_dup((struct str){text, (size_t)bytes});
    BIO_free(bio);
    return copy;
}

/* base64url without padding. */
static void put_url64(struct buf *b, struct str bytes)
{
    size_t start = b->len;
    base64_put(b, bytes);
    while (b->len > start && b->ptr[b->len - 1] == '=')
        buf_cut(b, b->len - 1);
    for (size_t i = start; i < b->len; i++)
        b->ptr[i] = b->ptr[i] == '+' ? '-' : b->ptr[i] == '/' ? '_' : b->ptr[i];
}

static void put_number(struct buf *b, EVP_PKEY *key, const char *name, const char *param, int bytes)
{
    uint8_t raw[1024];
    BIGNUM *n = NULL;
    assert(EVP_PKEY_get_bn_param(key, param, &n) == 1);
    bytes = bytes == 0 ? BN_num_bytes(n) : bytes;
    assert(BN_bn2binpad(n, raw, bytes) == bytes);
    buf_printf(b, ", \"%s\": \"", name);
    put_url64(b, (struct str){(char *)raw, (size_t)bytes});
    buf_put_char(b, '"');
    BN_free(n);
}

void signer_put_jwk(struct buf *b, EVP_PKEY *key, const char *kid, const char *more)
{
    bool is_rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
    buf_printf(b, "{\"kty\": \"%s\"", is_rsa ? "RSA" : "EC");
    if (kid != NULL)
        buf_printf(b, ", \"kid\": \"%s\"", kid);
    if (is_rsa) {
        put_number(b, key, "n", OSSL_PKEY_PARAM_RSA_N, 0);
        put_number(b, key, "e", OSSL_PKEY_PARAM_RSA_E, 0);
    } else {
        buf_put_c(b, ", \"crv\": \"P-256\"");
        put_number(b, key, "x", OSSL_PKEY_PARAM_EC_PUB_X, 32);
        put_number(b, key, "y", OSSL_PKEY_PARAM_EC_PUB_Y, 32);
    }
    buf_printf(b, "%s}", more);
}

static void put_signature(struct buf *b, EVP_PKEY *key, const char *secret, struct str text)
{
    uint8_t raw[1024];
    size_t bytes = sizeof raw;
    if (key == NULL) {
        unsigned mac_bytes = 0;
        if (secret == NULL)
            return;
        assert(HMAC(EVP_sha256(), secret, (int)strlen(secret), (const uint8_t *)text.ptr, text.len, raw,
                    &mac_bytes) != NULL);
        put_url64(b, (struct str){(char *)raw, mac_bytes});
        return;
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1);
    assert(EVP_DigestSign(ctx, raw, &bytes, (const uint8_t *)text.ptr, text.len) == 1);
    EVP_MD_CTX_free(ctx);
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC) {
        const uint8_t *at = raw;
        ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)bytes);
        uint8_t both[64];
        BN_bn2binpad(ECDSA_SIG_get0_r(sig), both, 32);
        BN_bn2binpad(ECDSA_SIG_get0_s(sig), both + 32, 32);
        ECDSA_SIG_free(sig);
        memcpy(raw, both, sizeof both);
        bytes = sizeof both;
    }
    put_url64(b, (struct str){(char *)raw, bytes});
}

char *signer_token(EVP_PKEY *key, const char *secret, const char *header, const char *claims)
{
    struct buf b, signature;
    buf_init(&b, BYTES_MAX);
    buf_init(&signature, BYTES_MAX);
    put_url64(&b, str_c(header));
    buf_put_char(&b, '.');
    put_url64(&b, str_c(claims));
    put_signature(&signature, key, secret, buf_str(&b));
    buf_put_char(&b, '.');
    buf_put(&b, buf_str(&signature));
    buf_fini(&signature);
    assert(!b.failed);
    return buf_take(&b, NULL);
}
