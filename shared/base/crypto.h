/*
 * crypto: random bytes, SHA-256, base64, hex, CRC32 and AES-256-GCM, over OpenSSL's libcrypto.
 * Threads  any.
 */
#pragma once
#include "shared/base/buf.h"
#include "shared/base/status.h"

enum { SHA256_BYTES = 32, AES_KEY_BYTES = 32, AES_NONCE_BYTES = 12, AES_TAG_BYTES = 16 };

/* From the system; the process aborts if the system has none (it never has none). */
void random_bytes(void *ret, size_t n);
void sha256(struct str data, uint8_t ret[SHA256_BYTES]);
uint32_t crc32_of(struct str data);                       /* IEEE polynomial, as zlib */
void hex_put(struct buf *b, const void *bytes, size_t n); /* lower case */
void base64_put(struct buf *b, struct str data);          /* standard alphabet, with padding */
/*
 * Standard or URL alphabet (or both), padding optional; anything else is false: white space, a wrong length, left-over
 * bits that are not zero, or no room in b. Appends to b; when false nothing is appended.
 */
bool base64_get(struct buf *b, struct str text);

/*
 * Appends nonce(12) + ciphertext + tag(16) to ret; the nonce is random. On failure nothing is appended.
 *
 * aad   bytes the result is bound to (e.g. its row id); not stored
 *
 * RESOURCE_EXHAUSTED   no memory, or no room in ret (then ret has failed too)
 */
MUST_CHECK enum status_code aes_gcm_seal(const uint8_t key[AES_KEY_BYTES], struct str aad, struct str plain,
                                         struct buf *ret, struct status *err);
/* The reverse. INVALID_ARGUMENT when it was sealed with another key or aad, or was changed; otherwise as above. */
MUST_CHECK enum status_code aes_gcm_open(const uint8_t key[AES_KEY_BYTES], struct str aad, struct str sealed,
                                         struct buf *ret, struct status *err);
/* Overwrites memory that held a secret, not optimised away. */
void secret_wipe(void *ptr, size_t n);
