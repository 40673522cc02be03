/*
 * crypto: see crypto.h.
 */
#define OPENSSL_API_COMPAT 10100 /* SHA256_*: unlike EVP they allocate nothing, so they cannot fail */
#include "shared/base/crypto.h"
#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { SEAL_OVERHEAD = AES_NONCE_BYTES + AES_TAG_BYTES };

static bool gcm_encrypt(EVP_CIPHER_CTX *ctx, const uint8_t *key, struct str aad, struct str plain,
                        uint8_t *to);
static bool gcm_decrypt_init(EVP_CIPHER_CTX *ctx, const uint8_t *key, struct str sealed);
static bool gcm_decrypt(EVP_CIPHER_CTX *ctx, struct str aad, struct str sealed, uint8_t *to);
static int base64_digit(unsigned char c);

void random_bytes(void *ret, size_t n)
{
    uint8_t *to = ret;
    while (n > 0) {
        ssize_t got = getrandom(to, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            abort();
        to += got;
        n -= (size_t)got;
    }
}

void sha256(struct str data, uint8_t ret[SHA256_BYTES])
{
    SHA256_CTX sha;
    SHA256_Init(&sha);
    if (data.len > 0)
        SHA256_Update(&sha, data.ptr, data.len);
    SHA256_Final(ret, &sha);
}

uint32_t crc32_of(struct str data)
{
    /* Four bits a step: the texts are keys and small records, for which a table of sixteen is enough. */
    static const uint32_t step[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < data.len; i++) {
        crc ^= (unsigned char)data.ptr[i];
        crc = crc >> 4 ^ step[crc & 15];
        crc = crc >> 4 ^ step[crc & 15];
    }
    return ~crc;
}

void hex_put(struct buf *b, const void *bytes, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    if (n > SIZE_MAX / 2 || !buf_reserve(b, 2 * n)) {
        b->failed = true;
        return;
    }
    const uint8_t *from = bytes;
    for (size_t i = 0; i < n; i++) {
        b->ptr[b->len++] = hex[from[i] >> 4];
        b->ptr[b->len++] = hex[from[i] & 15];
    }
}

void base64_put(struct buf *b, struct str data)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (data.len > SIZE_MAX / 2 || !buf_reserve(b, (data.len + 2) / 3 * 4)) {
        b->failed = true;
        return;
    }
    if (data.len == 0)
        return;
    const uint8_t *from = (const uint8_t *)data.ptr;
    char *to = b->ptr + b->len;
    size_t left = data.len;
    for (; left >= 3; left -= 3, from += 3) {
        uint32_t bits = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2];
        for (int shift = 18; shift >= 0; shift -= 6)
            *to++ = alphabet[bits >> shift & 63];
    }
    if (left > 0) {
        uint32_t bits = (uint32_t)from[0] << 16 | (left == 2 ? (uint32_t)from[1] << 8 : 0);
        *to++ = alphabet[bits >> 18];
        *to++ = alphabet[bits >> 12 & 63];
        *to++ = left == 2 ? alphabet[bits >> 6 & 63] : '=';
        *to++ = '=';
    }
    b->len = (size_t)(to - b->ptr);
}

bool base64_get(struct buf *b, struct str text)
{
    if (text.len % 4 == 0 && str_ends(text, STR("=")))
        text.len -= str_ends(text, STR("==")) ? 2 : 1;
    size_t odd = text.len % 4; /* digits beyond whole groups of four */
    if (odd == 1 || !buf_reserve(b, text.len / 4 * 3 + (odd == 0 ? 0 : odd - 1)))
        return false;
    if (text.len == 0)
        return true;
    char *to = b->ptr + b->len;
    uint32_t bits = 0;
    unsigned count = 0; /* of bits not written yet */
    for (size_t i = 0; i < text.len; i++) {
        int digit = base64_digit((unsigned char)text.ptr[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count >= 8) {
            count -= 8;
            *to++ = (char)(bits >> count);
            bits &= (1u << count) - 1;
        }
    }
    if (bits != 0)
        return false;
    b->len = (size_t)(to - b->ptr);
    return true;
}

enum status_code aes_gcm_seal(const uint8_t key[AES_KEY_BYTES], struct str aad, struct str plain,
                              struct buf *ret, struct status *err)
{
    if (plain.len > INT_MAX - SEAL_OVERHEAD || aad.len > INT_MAX)
        return status_set(err, STATUS_INVALID_ARGUMENT, "seal: too long");
    if (!buf_reserve(ret, plain.len + SEAL_OVERHEAD))
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "seal: no room for the result");
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool sealed = ctx != NULL && gcm_encrypt(ctx, key, aad, plain, (uint8_t *)ret->ptr + ret->len);
    EVP_CIPHER_CTX_free(ctx);
    if (!sealed) {
        ERR_clear_error();
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "seal: no memory");
    }
    ret->len += plain.len + SEAL_OVERHEAD;
    return STATUS_OK;
}

enum status_code aes_gcm_open(const uint8_t key[AES_KEY_BYTES], struct str aad, struct str sealed,
                              struct buf *ret, struct status *err)
{
    if (sealed.len < SEAL_OVERHEAD || sealed.len > INT_MAX || aad.len > INT_MAX)
        return status_set(err, STATUS_INVALID_ARGUMENT, "open: not a sealed text");
    size_t plain_len = sealed.len - SEAL_OVERHEAD;
    if (!buf_reserve(ret, plain_len))
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "open: no room for the result");
    enum status_code rc = STATUS_OK;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL || !gcm_decrypt_init(ctx, key, sealed)) {
        rc = status_set(err, STATUS_RESOURCE_EXHAUSTED, "open: no memory");
        goto done;
    }
    uint8_t *to = plain_len == 0 ? NULL : (uint8_t *)ret->ptr + ret->len;
    if (!gcm_decrypt(ctx, aad, sealed, to)) {
        secret_wipe(to, plain_len); /* what came out before the tag was found to be wrong */
        rc = status_set(err, STATUS_INVALID_ARGUMENT, "open: wrong key or changed contents");
        goto done;
    }
    ret->len += plain_len;
done:
    EVP_CIPHER_CTX_free(ctx);
    if (rc != STATUS_OK)
        ERR_clear_error();
    return rc;
}

void secret_wipe(void *ptr, size_t n)
{
    if (n > 0)
        OPENSSL_cleanse(ptr, n);
}

/* Writes nonce, ciphertext and tag. False only without memory. */
static bool gcm_encrypt(EVP_CIPHER_CTX *ctx, const uint8_t *key, struct str aad, struct str plain,
                        uint8_t *to)
{
    uint8_t *nonce = to, *cipher = to + AES_NONCE_BYTES, *tag = cipher + plain.len;
    int n = 0;
    random_bytes(nonce, AES_NONCE_BYTES);
    return EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
           (aad.len == 0 || EVP_EncryptUpdate(ctx, NULL, &n, (const uint8_t *)aad.ptr, (int)aad.len) == 1) &&
           (plain.len == 0 ||
            EVP_EncryptUpdate(ctx, cipher, &n, (const uint8_t *)plain.ptr, (int)plain.len) == 1) &&
           EVP_EncryptFinal_ex(ctx, tag, &n) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, AES_TAG_BYTES, tag) == 1;
}

/* False only without memory. */
static bool gcm_decrypt_init(EVP_CIPHER_CTX *ctx, const uint8_t *key, struct str sealed)
{
    return EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, (const uint8_t *)sealed.ptr) == 1;
}

/* Writes the plain text; false when the tag does not fit it. */
static bool gcm_decrypt(EVP_CIPHER_CTX *ctx, struct str aad, struct str sealed, uint8_t *to)
{
    const uint8_t *cipher = (const uint8_t *)sealed.ptr + AES_NONCE_BYTES;
    size_t len = sealed.len - SEAL_OVERHEAD;
    uint8_t tag[AES_TAG_BYTES]; /* a copy: the parameter is not const */
    memcpy(tag, cipher + len, sizeof tag);
    uint8_t none[EVP_MAX_BLOCK_LENGTH]; /* the last step of GCM writes nothing */
    int n = 0;
    return (aad.len == 0 || EVP_DecryptUpdate(ctx, NULL, &n, (const uint8_t *)aad.ptr, (int)aad.len) == 1) &&
           (len == 0 || EVP_DecryptUpdate(ctx, to, &n, cipher, (int)len) == 1) &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, AES_TAG_BYTES, tag) == 1 &&
           EVP_DecryptFinal_ex(ctx, none, &n) == 1;
}

static int base64_digit(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    if (c == '/' || c == '_')
        return 63;
    return -1;
}
