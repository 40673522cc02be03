/*
 * jwt_key: keys that tokens are signed with, and the check of a signature. A key has one algorithm, from its own form, and a
 * token whose header names another is refused before anything is computed: the text of a public key is never a secret.
 *
 * OpenSSL is used directly: libjwt 1.10 lets the token's header choose the algorithm, takes every token for a NULL key, reads
 * the PEM again for each check and knows no JWKS.
 *
 * Source   RFC 7517, 7518, 8725; architecture.md section 4.
 * Threads  a set is filled by one thread, then immutable and shared; references are counted atomically.
 */
#pragma once
#include "gateway/auth/jwt.h"
#include <stdatomic.h>

/* keys. Of one issuer: some that go, some that come, each for two algorithms. */
#define JWT_KEYS_MAX 64
/* keys without a name, of one issuer: each of them is tried. */
#define JWT_NAMELESS_KEYS_MAX 4
/* bytes. Of a shared secret (RFC 7518 3.2: as many as the hash has). */
#define JWT_SECRET_BYTES_MIN 32
/* bits. Below it a key is broken, above it a check takes too long. */
#define JWT_RSA_BITS_MIN 2048
#define JWT_RSA_BITS_MAX (JWT_SIGNATURE_BYTES_MAX * 8)
/* bytes. A key set or a PEM file. */
#define JWT_KEY_FILE_BYTES_MAX ((size_t)256 * 1024)

struct jwt_key;
struct jwt_keys {
    _Atomic size_t refs;
    size_t count, nameless;
    struct jwt_key *keys;
};

/* Empty, one reference. NULL: no memory. */
struct jwt_keys *jwt_keys_new(void);
struct jwt_keys *jwt_keys_ref(struct jwt_keys *keys);
void jwt_keys_unref(struct jwt_keys *keys); /* NULL is allowed; secrets are wiped */

/* For HS256. INVALID_ARGUMENT: it is shorter than JWT_SECRET_BYTES_MIN. */
MUST_CHECK enum status_code jwt_keys_add_secret(struct jwt_keys *keys, struct str secret, struct status *err);
/*
 * A public key ("BEGIN PUBLIC KEY").
 * kid                "": it is tried for tokens of every name
 * INVALID_ARGUMENT   no public key, not one of this algorithm, of a wrong size, or there are too many keys
 */
MUST_CHECK enum status_code jwt_keys_add_pem(struct jwt_keys *keys, struct str pem,
                                             enum jwt_algorithm algorithm, struct str kid,
                                             struct status *err);
/*
 * The keys of a JWKS that are for signatures by RS256 or ES256; others are left out, and so is a name that was there before.
 * INVALID_ARGUMENT   it is none, or has too many keys
 */
MUST_CHECK enum status_code jwt_keys_add_jwks(struct jwt_keys *keys, struct str json, struct status *err);

/*
 * Is the token signed by one of these keys? A token without kid fits when there is one key, or keys without names.
 * UNAUTHENTICATED      UNKNOWN_KEY: no key has its name; INVALID_TOKEN: its algorithm is not its key's, or the signature is wrong
 * RESOURCE_EXHAUSTED   no memory
 */
MUST_CHECK enum status_code jwt_keys_verify(const struct jwt_keys *keys, const struct jwt *jwt,
                                            struct status *err);
