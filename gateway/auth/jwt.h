/*
 * jwt: a JSON Web Token in its compact form, taken apart: header.claims.signature. Nothing in it is true before its signature
 * was checked with a key that was chosen for it (jwt_key.h); what the header says of keys (jku, jwk, x5u, x5c) is never used.
 *
 * Strict   base64url without padding; valid UTF-8 without NUL; objects without a name twice; alg is one of three; a header with
 *          crit is refused (RFC 7515 4.1.11: whoever does not know what it names must).
 * Source   RFC 7515, 7519, 8725.
 * Threads  plain data.
 */
#pragma once
#include "shared/base/status.h"
#include "shared/base/str.h"

struct cJSON;

/* bytes. A whole token: half of LIMIT_METADATA_BYTES. */
#define JWT_BYTES_MAX ((size_t)8192)
/* names. Of one object of a token. */
#define JWT_NAMES_MAX 100
/* bytes. Of an RSA key of 4096 bits. */
#define JWT_SIGNATURE_BYTES_MAX 512
/* bytes. Of a key's name. */
#define JWT_KID_BYTES_MAX 255

enum jwt_algorithm { JWT_HS256, JWT_RS256, JWT_ES256 };
/* "HS256" … */
const char *jwt_algorithm_name(enum jwt_algorithm algorithm);
/* Exactly such a name (they are case-sensitive). */
bool jwt_algorithm_from(struct str name, enum jwt_algorithm *ret);

struct jwt {
    struct str signed_text; /* of the token */
    enum jwt_algorithm algorithm;
    bool has_kid;
    struct str kid;
    uint8_t signature[JWT_SIGNATURE_BYTES_MAX];
    size_t signature_bytes;
    struct cJSON *header, *claims;
};

/* Three parts of the characters of a token? This is all that is computed for garbage. */
bool jwt_is_plausible(struct str token);
/*
 * Takes a token apart. It borrows from `token`; end it with jwt_fini().
 * UNAUTHENTICATED   INVALID_TOKEN: what is wrong with its form (nothing of it is repeated); nothing is to be ended then
 */
MUST_CHECK enum status_code jwt_parse(struct str token, struct jwt *ret, struct status *err);
void jwt_fini(struct jwt *jwt);

/*
 * A JSON value that is strict as above, for tokens and for files; NULL: it is not. End it with cJSON_Delete().
 * names_max   of one object: each is compared with all others
 */
struct cJSON *jwt_json(struct str text, size_t names_max);

/* A claim that is a text of at least one byte; ptr NULL: there is none, or it is something else. Borrowed. */
struct str jwt_text(const struct jwt *jwt, const char *claim);
/* Is `value` the claim, or one of its list? */
bool jwt_has_text(const struct jwt *jwt, const char *claim, const char *value);

/*
 * Is it the token's time (exp, nbf)?
 *
 * now_ms         wall clock
 * leeway_ms      by which clocks may differ
 * needs_exp      a token without exp is refused
 * ret_until_ms   until when, leeway included; INT64_MAX: for ever
 *
 * UNAUTHENTICATED   TOKEN_EXPIRED, TOKEN_NOT_YET_VALID; INVALID_TOKEN: no exp, or no numbers of seconds
 */
MUST_CHECK enum status_code jwt_check_times(const struct jwt *jwt, int64_t now_ms, int64_t leeway_ms,
                                            bool needs_exp, int64_t *ret_until_ms, struct status *err);
