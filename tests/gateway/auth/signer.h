/*
 * signer: keys and tokens for tests, as an issuer makes them.
 * Threads  the test's main thread.
 */
#pragma once
#include "gateway/auth/jwt.h"
#include "shared/base/buf.h"
#include <openssl/evp.h>

/* A new key of 2048 bits, or of P-256. */
EVP_PKEY *signer_rsa(int bits);
EVP_PKEY *signer_ec(void);
/* "BEGIN PUBLIC KEY"; free() it. */
char *signer_pem(EVP_PKEY *key);
/* Appends a JWK, with more members (", \"use\": \"sig\"") or "". */
void signer_put_jwk(struct buf *b, EVP_PKEY *key, const char *kid, const char *more);
/*
 * A token of these JSON texts; free() it. key NULL: HS256 with the secret; both NULL: no signature.
 */
char *signer_token(EVP_PKEY *key, const char *secret, const char *header, const char *claims);
