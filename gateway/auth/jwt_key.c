/* jwt_key: see the header. */
#include "gateway/auth/jwt_key.h"

#include "shared/base/crypto.h"
#include <assert.h>
#include <cjson/cJSON.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

/* bytes. Of a coordinate of P-256; a signature is two of them. */
#define P256_BYTES 32

struct jwt_key {
    enum jwt_algorithm algorithm;
    char *kid;      /* "": none */
    EVP_PKEY *pkey; /* RS256, ES256: never NULL */
    char *secret;   /* HS256: never NULL */
    size_t secret_bytes;
};

struct jwt_keys *jwt_keys_new(void)
{
    struct jwt_keys *keys = calloc(1, sizeof *keys);
    if (keys == NULL)
        return NULL;
    atomic_init(&keys->refs, 1);
    keys->keys = calloc(JWT_KEYS_MAX, sizeof *keys->keys);
    if (keys->keys == NULL) {
        free(keys);
        return NULL;
    }
    return keys;
}

struct jwt_keys *jwt_keys_ref(struct jwt_keys *keys)
{
    atomic_fetch_add_explicit(&keys->refs, 1, memory_order_relaxed);
    return keys;
}

void jwt_keys_unref(struct jwt_keys *keys)
{
    if (keys == NULL || atomic_fetch_sub_explicit(&keys->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < keys->count; i++) {
        struct jwt_key *key = &keys->keys[i];
        if (key->secret != NULL)
            secret_wipe(key->secret, key->secret_bytes);
        free(key->secret);
        free(key->kid);
        EVP_PKEY_free(key->pkey);
    }
    free(keys->keys);
    free(keys);
}

/* Takes pkey or secret, whatever comes. */
static enum status_code add(struct jwt_keys *keys, struct jwt_key take_key, struct str kid,
                            struct status *err)
{
    enum status_code rc = STATUS_OK;
    assert((take_key.algorithm == JWT_HS256 ? (void *)take_key.secret : (void *)take_key.pkey) != NULL);
    if (keys->count == JWT_KEYS_MAX || (kid.len == 0 && keys->nameless == JWT_NAMELESS_KEYS_MAX))
        rc = status_set(err, STATUS_INVALID_ARGUMENT, "more than %d keys, or %d without kid", JWT_KEYS_MAX,
                        JWT_NAMELESS_KEYS_MAX);
    else if (kid.len > JWT_KID_BYTES_MAX)
        rc = status_set(err, STATUS_INVALID_ARGUMENT, "kid: over %d bytes", JWT_KID_BYTES_MAX);
    else if ((take_key.kid = str_dup(kid)) == NULL)
        rc = status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for a key");
    if (rc == STATUS_OK) {
        keys->keys[keys->count++] = take_key;
        keys->nameless += kid.len == 0;
        return STATUS_OK;
    }
    EVP_PKEY_free(take_key.pkey);
    free(take_key.secret);
    return rc;
}

enum status_code jwt_keys_add_secret(struct jwt_keys *keys, struct str secret, struct status *err)
{
    if (secret.len < JWT_SECRET_BYTES_MIN)
        return status_set(err, STATUS_INVALID_ARGUMENT, "must have at least %d bytes", JWT_SECRET_BYTES_MIN);
    char *copy = str_dup(secret);
    if (copy == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for a key");
    return add(keys, (struct jwt_key){.algorithm = JWT_HS256, .secret = copy, .secret_bytes = secret.len},
               STR(""), err);
}

static enum status_code check_rsa(const EVP_PKEY *pkey, struct status *err)
{
    int bits = EVP_PKEY_get_bits(pkey);
    if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_RSA)
        return status_set(err, STATUS_INVALID_ARGUMENT, "is no RSA key, which RS256 needs");
    if (bits < JWT_RSA_BITS_MIN || bits > JWT_RSA_BITS_MAX)
        return status_set(err, STATUS_INVALID_ARGUMENT, "is an RSA key of %d bits, not of %d to %d", bits,
                          JWT_RSA_BITS_MIN, JWT_RSA_BITS_MAX);
    return STATUS_OK;
}

static enum status_code check_ec(const EVP_PKEY *pkey, struct status *err)
{
    char curve[32] = "";
    if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_EC ||
        EVP_PKEY_get_group_name(pkey, curve, sizeof curve, NULL) != 1 || strcmp(curve, "prime256v1") != 0)
        return status_set(err, STATUS_INVALID_ARGUMENT, "is no key of the curve P-256, which ES256 needs");
    return STATUS_OK;
}

/* Takes pkey, whatever comes. */
static enum status_code add_public(struct jwt_keys *keys, EVP_PKEY *take_pkey, enum jwt_algorithm algorithm,
                                   struct str kid, struct status *err)
{
    enum status_code rc = algorithm == JWT_RS256 ? check_rsa(take_pkey, err) : check_ec(take_pkey, err);
    if (rc == STATUS_OK)
        return add(keys, (struct jwt_key){.algorithm = algorithm, .pkey = take_pkey}, kid, err);
    EVP_PKEY_free(take_pkey);
    return rc;
}

enum status_code jwt_keys_add_pem(struct jwt_keys *keys, struct str pem, enum jwt_algorithm algorithm,
                                  struct str kid, struct status *err)
{
    assert(algorithm != JWT_HS256);
    if (pem.len > JWT_KEY_FILE_BYTES_MAX)
        return status_set(err, STATUS_INVALID_ARGUMENT, "is too large");
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *pkey = bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    BIO_free(bio);
    ERR_clear_error();
    if (pkey == NULL)
        return status_set(err, STATUS_INVALID_ARGUMENT, "is no public key in PEM (\"BEGIN PUBLIC KEY\")");
    return add_public(keys, pkey, algorithm, kid, err);
}

/* --- JWKS --- */

/* A member that is base64url. False: it is not, or longer than max. */
static bool read_bytes(const cJSON *jwk, const char *name, struct buf *b)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(jwk, name);
    return cJSON_IsString(item) && base64_get(b, str_c(item->valuestring)) && b->len > 0;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *build)
{
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return pkey;
}

static EVP_PKEY *rsa_from(const cJSON *jwk)
{
    struct buf n, e;
    buf_init(&n, JWT_SIGNATURE_BYTES_MAX + 1);
    buf_init(&e, 8);
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *bn_n = NULL, *bn_e = NULL;
    if (build != NULL && read_bytes(jwk, "n", &n) && read_bytes(jwk, "e", &e)) {
        bn_n = BN_bin2bn((const uint8_t *)n.ptr, (int)n.len, NULL);
        bn_e = BN_bin2bn((const uint8_t *)e.ptr, (int)e.len, NULL);
        bool is_key = bn_n != NULL && bn_e != NULL && BN_is_odd(bn_n) && BN_is_odd(bn_e) && !BN_is_one(bn_e);
        if (is_key && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, bn_n) == 1 &&
            OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, bn_e) == 1)
            pkey = from_params("RSA", build);
    }
    BN_free(bn_n);
    BN_free(bn_e);
    OSSL_PARAM_BLD_free(build);
    buf_fini(&n);
    buf_fini(&e);
    return pkey;
}

static EVP_PKEY *ec_from(const cJSON *jwk)
{
    struct buf x, y;
    buf_init(&x, P256_BYTES);
    buf_init(&y, P256_BYTES);
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    const cJSON *curve = cJSON_GetObjectItemCaseSensitive(jwk, "crv");
    if (build != NULL && cJSON_IsString(curve) && strcmp(curve->valuestring, "P-256") == 0 &&
        read_bytes(jwk, "x", &x) && read_bytes(jwk, "y", &y) && x.len == P256_BYTES && y.len == P256_BYTES) {
        uint8_t point[1 + 2 * P256_BYTES] = {POINT_CONVERSION_UNCOMPRESSED};
        memcpy(point + 1, x.ptr, P256_BYTES);
        memcpy(point + 1 + P256_BYTES, y.ptr, P256_BYTES);
        if (OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
            OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point) == 1)
            pkey = from_params("EC", build);
    }
    OSSL_PARAM_BLD_free(build);
    buf_fini(&x);
    buf_fini(&y);
    return pkey;
}

static bool is_text(const cJSON *jwk, const char *name, const char *value)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(jwk, name);
    return cJSON_IsString(item) && strcmp(item->valuestring, value) == 0;
}

/* Is it said to be for something else? */
static bool is_for_other_use(const cJSON *jwk, enum jwt_algorithm algorithm)
{
    const cJSON *alg = cJSON_GetObjectItemCaseSensitive(jwk, "alg");
    const cJSON *use = cJSON_GetObjectItemCaseSensitive(jwk, "use");
    const cJSON *ops = cJSON_GetObjectItemCaseSensitive(jwk, "key_ops"), *op;
    if ((alg != NULL && !is_text(jwk, "alg", jwt_algorithm_name(algorithm))) ||
        (use != NULL && !is_text(jwk, "use", "sig")))
        return true;
    if (ops == NULL)
        return false;
    cJSON_ArrayForEach (op, ops) {
        if (cJSON_IsString(op) && strcmp(op->valuestring, "verify") == 0)
            return false;
    }
    return true;
}

static bool has_key(const struct jwt_keys *keys, enum jwt_algorithm algorithm, struct str kid)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (keys->keys[i].algorithm == algorithm && str_eq_c(kid, keys->keys[i].kid))
            return true;
    }
    return false;
}

static enum status_code add_jwk(struct jwt_keys *keys, const cJSON *jwk, struct status *err)
{
    bool is_rsa = is_text(jwk, "kty", "RSA"), is_ec = is_text(jwk, "kty", "EC");
    enum jwt_algorithm algorithm = is_rsa ? JWT_RS256 : JWT_ES256;
    const cJSON *kid_item = cJSON_GetObjectItemCaseSensitive(jwk, "kid");
    struct str kid = cJSON_IsString(kid_item) ? str_c(kid_item->valuestring) : STR("");
    bool is_ours = (is_rsa || is_ec) && !is_for_other_use(jwk, algorithm) && kid.len <= JWT_KID_BYTES_MAX;
    if (!is_ours || (kid.len > 0 && has_key(keys, algorithm, kid)))
        return STATUS_OK;
    EVP_PKEY *pkey = is_rsa ? rsa_from(jwk) : ec_from(jwk);
    ERR_clear_error();
    if (pkey == NULL)
        return STATUS_OK;
    struct status unfit;
    if ((is_rsa ? check_rsa(pkey, &unfit) : check_ec(pkey, &unfit)) != STATUS_OK) {
        EVP_PKEY_free(pkey);
        return STATUS_OK;
    }
    return add(keys, (struct jwt_key){.algorithm = algorithm, .pkey = pkey}, kid, err);
}

enum status_code jwt_keys_add_jwks(struct jwt_keys *keys, struct str json, struct status *err)
{
    cJSON *root = json.len > JWT_KEY_FILE_BYTES_MAX ? NULL : jwt_json(json, JWT_NAMES_MAX);
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "keys"), *jwk;
    enum status_code rc = STATUS_OK;
    if (!cJSON_IsArray(list))
        rc = status_set(err, STATUS_INVALID_ARGUMENT, "is no JWKS: an object with a list \"keys\"");
    else if (cJSON_GetArraySize(list) > JWT_KEYS_MAX)
        rc = status_set(err, STATUS_INVALID_ARGUMENT, "has more than %d keys", JWT_KEYS_MAX);
    if (rc == STATUS_OK) {
        cJSON_ArrayForEach (jwk, list) {
            rc = add_jwk(keys, jwk, err);
            if (rc != STATUS_OK)
                break;
        }
    }
    cJSON_Delete(root);
    return rc;
}

/* --- the check --- */

static bool is_mac_right(const struct jwt_key *key, const struct jwt *jwt)
{
    uint8_t mac[SHA256_BYTES];
    unsigned bytes = 0;
    if (HMAC(EVP_sha256(), key->secret, (int)key->secret_bytes, (const uint8_t *)jwt->signed_text.ptr,
             jwt->signed_text.len, mac, &bytes) == NULL ||
        bytes != SHA256_BYTES)
        return false;
    return str_eq_secret((struct str){(const char *)mac, sizeof mac},
                         (struct str){(const char *)jwt->signature, jwt->signature_bytes});
}

/* The two numbers of a token in the form OpenSSL reads. 0: it cannot be. */
static int der_of(const struct jwt *jwt, uint8_t **ret_der)
{
    if (jwt->signature_bytes != 2 * P256_BYTES)
        return 0;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(jwt->signature, P256_BYTES, NULL);
    BIGNUM *s = BN_bin2bn(jwt->signature + P256_BYTES, P256_BYTES, NULL);
    int bytes = 0;
    if (sig != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(sig, r, s) == 1) {
        r = s = NULL; /* its own now */
        bytes = i2d_ECDSA_SIG(sig, ret_der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(sig);
    return bytes < 0 ? 0 : bytes;
}

static bool is_signature_right(const struct jwt_key *key, const struct jwt *jwt)
{
    uint8_t *der = NULL;
    const uint8_t *signature = jwt->signature;
    size_t bytes = jwt->signature_bytes;
    if (key->algorithm == JWT_ES256) {
        bytes = (size_t)der_of(jwt, &der);
        signature = der;
        if (bytes == 0)
            return false;
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool is_right = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key->pkey) == 1 &&
                    EVP_DigestVerify(ctx, signature, bytes, (const uint8_t *)jwt->signed_text.ptr,
                                     jwt->signed_text.len) == 1;
    EVP_MD_CTX_free(ctx);
    OPENSSL_free(der);
    ERR_clear_error();
    return is_right;
}

static bool is_candidate(const struct jwt_keys *keys, const struct jwt_key *key, const struct jwt *jwt)
{
    if (key->kid[0] == '\0')
        return true;
    return jwt->has_kid ? str_eq_c(jwt->kid, key->kid) : keys->count == 1;
}

enum status_code jwt_keys_verify(const struct jwt_keys *keys, const struct jwt *jwt, struct status *err)
{
    bool is_known = false, is_its_algorithm = false;
    for (size_t i = 0; i < keys->count; i++) {
        const struct jwt_key *key = &keys->keys[i];
        if (!is_candidate(keys, key, jwt))
            continue;
        is_known = true;
        if (key->algorithm != jwt->algorithm)
            continue;
        is_its_algorithm = true;
        if (key->algorithm == JWT_HS256 ? is_mac_right(key, jwt) : is_signature_right(key, jwt))
            return STATUS_OK;
    }
    if (!is_known)
        return status_reason(err, STATUS_UNAUTHENTICATED, "UNKNOWN_KEY",
                             "the token is signed with a key that its issuer does not have");
    return status_reason(err, STATUS_UNAUTHENTICATED, "INVALID_TOKEN",
                         is_its_algorithm ? "the token's signature is wrong"
                                          : "the token's algorithm is not its key's");
}
