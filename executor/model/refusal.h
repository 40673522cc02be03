/*
 * refusal: what a provider's error says of its credential, and how Dify names it.
 * Threads  plain functions.
 */
#pragma once
#include "executor/model/attempt.h"

/* bytes. Of a provider's own words in an error; and the same when every letter of it is a key, and is replaced. */
#define REFUSAL_WORDS_MAX       600
#define REFUSAL_WORDS_BYTES_MAX (3 * REFUSAL_WORDS_MAX + 1)

struct refusal_verdict {
    enum refusal refusal;
    const char *error_type; /* dify-dsl.md 3.6; static */
};
/*
 * status   of HTTP, or what the body says it would be; 0: none
 * piece    what was read of the error: error, error_code, error_kind
 */
struct refusal_verdict refusal_of(int status, const struct protocol_piece *piece);
/* Appends what a provider says, cut, never empty, and without the key that some quote when they refuse it. */
void refusal_put_words(struct buf *ret, const struct protocol *protocol, const struct http_headers *headers,
                       struct str words);
