/* api_key: see the header. */
#include "gateway/auth/api_key.h"

#include <stdio.h>
#include <string.h>

static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
static const char prefix[] = "app-";
enum { PREFIX_LEN = sizeof prefix - 1 };

static void check_chars(struct str body, char check[API_KEY_CHECK_CHARS])
{
    uint32_t crc = crc32_of(body);
    for (int i = 0; i < API_KEY_CHECK_CHARS; i++) {
        check[i] = base62[crc % 62];
        crc /= 62;
    }
}

void api_key_make(char key[API_KEY_LEN + 1])
{
    memcpy(key, prefix, PREFIX_LEN);
    for (size_t len = PREFIX_LEN; len < API_KEY_LEN - API_KEY_CHECK_CHARS;) {
        uint8_t byte;
        random_bytes(&byte, 1);
        if (byte < 62 * 4) /* so that every character is equally likely */
            key[len++] = base62[byte % 62];
    }
    check_chars((struct str){key, API_KEY_LEN - API_KEY_CHECK_CHARS},
                key + API_KEY_LEN - API_KEY_CHECK_CHARS);
    key[API_KEY_LEN] = '\0';
}

static bool has_key_characters(struct str token)
{
    for (size_t i = 0; i < token.len; i++) {
        char c = token.ptr[i];
        bool fits = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                    c == '_';
        if (!fits)
            return false;
    }
    return true;
}

static bool has_right_check(struct str token)
{
    char check[API_KEY_CHECK_CHARS];
    check_chars(str_sub(token, 0, API_KEY_LEN - API_KEY_CHECK_CHARS), check);
    return memcmp(check, token.ptr + API_KEY_LEN - API_KEY_CHECK_CHARS, API_KEY_CHECK_CHARS) == 0;
}

bool api_key_is_plausible(struct str token)
{
    if (token.len < API_KEY_LEN_MIN || token.len > API_KEY_LEN_MAX || !str_starts(token, STR("app-")))
        return false;
    return has_key_characters(token) && (token.len != API_KEY_LEN || has_right_check(token));
}

enum status_code api_key_check_brought(struct str key, struct status *err)
{
    if (!str_starts(key, STR("app-")))
        return status_field(err, "key", "must begin with \"app-\"");
    if (key.len < API_KEY_LEN_MIN || key.len > API_KEY_LEN_MAX)
        return status_field(err, "key", "must have %d to %d characters", API_KEY_LEN_MIN, API_KEY_LEN_MAX);
    if (!has_key_characters(key))
        return status_field(err, "key", "may hold letters, digits, '-' and '_' only");
    if (key.len == API_KEY_LEN && !has_right_check(key))
        return status_field(err, "key", "has the length of our own keys (%d) but not their check characters",
                            API_KEY_LEN);
    return STATUS_OK;
}

void api_key_hash(struct str key, uint8_t ret[SHA256_BYTES])
{
    sha256(key, ret);
}

void api_key_hint(struct str key, char hint[17])
{
    if (key.len < API_KEY_LEN_MIN)
        snprintf(hint, 17, "app-");
    else
        snprintf(hint, 17, "%.6s\xe2\x80\xa6%.4s", key.ptr, key.ptr + key.len - 4);
}
