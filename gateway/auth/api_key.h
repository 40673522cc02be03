/*
 * api_key: the form of API keys. Ours are "app-", 26 random and 6 check characters (base62): garbage of that shape is
 * refused by arithmetic and never reaches the store. Keys brought from Dify ("app-" and 24 characters, dify-api.md 1.1)
 * have no check characters; they are accepted by their form alone and then looked up by hash.
 * Threads  any.
 */
#pragma once
#include "shared/base/crypto.h"
#include "shared/base/status.h"
#include "shared/base/str.h"

enum {
    API_KEY_RANDOM_CHARS = 26, /* base62: 154 bits */
    API_KEY_CHECK_CHARS = 6,   /* CRC32 of all before */
    API_KEY_LEN = 4 + API_KEY_RANDOM_CHARS + API_KEY_CHECK_CHARS,
    API_KEY_LEN_MIN = 20, /* of a key that was brought along: shorter ones can be guessed */
    API_KEY_LEN_MAX = 255 /* Dify's column */
};

/* Writes a new key and a NUL. */
void api_key_make(char key[API_KEY_LEN + 1]);

/*
 * May `token` be a key? Prefix, length and characters are right, and so is the check of a token as long as ours.
 * This is all a caller without a key can make the gateway compute.
 */
bool api_key_is_plausible(struct str token);

/* For a key brought along by an administrator. INVALID_ARGUMENT, field "key": what is wrong with it. */
MUST_CHECK enum status_code api_key_check_brought(struct str key, struct status *err);

/* What is stored and looked up: SHA-256 of the whole key. */
void api_key_hash(struct str key, uint8_t ret[SHA256_BYTES]);

/* How lists show it: "app-Ab…x9Yz". Writes at most 16 bytes and a NUL. */
void api_key_hint(struct str key, char hint[17]);
