/*
 * tokens: who calls with a JSON Web Token: a passport (HS256, option jwt_secret) or a token of an issuer (option jwt_issuers).
 *
 * Choice   a token whose claim iss names an issuer is checked with that issuer's keys and with nothing else; any other only as a
 *          passport. The key's algorithm decides (jwt_key.h).
 * Cost     what was checked is remembered by the token's hash until it expires or its issuer's keys change, so a busy caller
 *          costs a hash. A wrong token costs a parse and a check of its signature; nothing of it reaches the store.
 * Threads  find and wake any; new, reload, stop and free the main thread.
 * Source   architecture.md section 4; dify-api.md 1.4.
 */
#pragma once
#include "gateway/auth/issuers_file.h"

/* tokens that are remembered, under 1 kB each; beyond it the longest unused go. */
#define TOKENS_KNOWN_MAX 10000

/*
 * jwt_secret     of passports; NULL: none are taken
 * jwt_issuers    path of the file; NULL: no issuers
 * allow_http     see issuers_read()
 */
struct tokens_options {
    const char *jwt_secret, *jwt_issuers;
    bool allow_http;
};
struct tokens;

/*
 * mistakes   one line each of what is wrong with secret and file; appended
 *
 * INVALID_ARGUMENT     there are mistakes
 * RESOURCE_EXHAUSTED   no memory, no thread
 */
MUST_CHECK enum status_code tokens_new(const struct tokens_options *options, struct buf *mistakes,
                                       struct tokens **ret, struct status *err);
/*
 * Reads secret, issuers and keys again (SIGHUP). When it fails everything stays as it was. Keys that were fetched stay for
 * issuers whose URL has not changed. Errors as tokens_new().
 */
MUST_CHECK enum status_code tokens_reload(struct tokens *tokens, const struct tokens_options *options,
                                          struct buf *mistakes, struct status *err);
/* Nobody waits for keys any more. Before the queues end; NULL is allowed, and so is calling it twice. */
void tokens_stop(struct tokens *tokens);
void tokens_free(struct tokens *tokens); /* NULL is allowed */

/*
 * Who calls with this token.
 *
 * now_ms           wall clock
 * monotonic_ms     for the keys' times
 * wait             told when keys came or could not be fetched: then ask again, with NULL. NULL: nobody waits
 * ret_principal    a reference for the caller, or NULL: wait->done() will come, or there is an error
 *
 * UNAUTHENTICATED      INVALID_TOKEN, TOKEN_EXPIRED, TOKEN_NOT_YET_VALID, UNKNOWN_ISSUER, UNKNOWN_KEY, WRONG_AUDIENCE,
 *                      UNKNOWN_APP
 * UNAVAILABLE          ISSUER_KEYS_UNAVAILABLE: the issuer's keys cannot be fetched; retry_ms
 * RESOURCE_EXHAUSTED   no memory
 */
MUST_CHECK enum status_code tokens_find(struct tokens *tokens, struct str token, int64_t now_ms,
                                        int64_t monotonic_ms, struct key_source_wait *wait,
                                        struct principal **ret_principal, struct status *err);
