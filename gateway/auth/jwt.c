/* jwt: see the header. cJSON reads the parts; what it lets pass is refused here. */
#include "gateway/auth/jwt.h"

#include "shared/base/crypto.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

/* s. Beyond it a time is no time; its milliseconds still fit. */
#define SECONDS_MAX 1e12

static const char *const algorithm_names[] = {
    [JWT_HS256] = "HS256", [JWT_RS256] = "RS256", [JWT_ES256] = "ES256"};

const char *jwt_algorithm_name(enum jwt_algorithm algorithm)
{
    return algorithm_names[algorithm];
}

bool jwt_algorithm_from(struct str name, enum jwt_algorithm *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(algorithm_names); i++) {
        if (str_eq_c(name, algorithm_names[i])) {
            *ret = (enum jwt_algorithm)i;
            return true;
        }
    }
    return false;
}

static bool is_base64url(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool jwt_is_plausible(struct str token)
{
    size_t dots = 0;
    if (token.len == 0 || token.len > JWT_BYTES_MAX)
        return false;
    for (size_t i = 0; i < token.len; i++) {
        if (token.ptr[i] == '.')
            dots++;
        else if (!is_base64url(token.ptr[i]))
            return false;
    }
    return dots == 2;
}

static bool has_names_twice(const cJSON *object, size_t names_max)
{
    size_t count = 0;
    const cJSON *item, *before;
    cJSON_ArrayForEach (item, object) {
        if (count++ == names_max)
            return true;
        for (before = object->child; before != item; before = before->next) {
            if (strcmp(before->string, item->string) == 0)
                return true;
        }
    }
    return false;
}

/* levels. Deeper than any token, and little stack. */
#define DEPTH_MAX 16

static bool is_strict(const cJSON *value, size_t names_max, int depth)
{
    if (depth > DEPTH_MAX || (cJSON_IsObject(value) && has_names_twice(value, names_max)))
        return false;
    const cJSON *item;
    if (cJSON_IsObject(value) || cJSON_IsArray(value)) {
        cJSON_ArrayForEach (item, value) {
            if (!is_strict(item, names_max, depth + 1))
                return false;
        }
    }
    return true;
}

struct cJSON *jwt_json(struct str text, size_t names_max)
{
    /* cJSON would end a text at an escaped NUL, so that "a\u0000b" were "a". */
    if (text.len == 0 || !str_is_utf8(text) || memchr(text.ptr, '\0', text.len) != NULL ||
        str_find(text, STR("\\u0000"), 0) != SIZE_MAX)
        return NULL;
    const char *end = NULL;
    cJSON *value = cJSON_ParseWithLengthOpts(text.ptr, text.len, &end, false);
    bool is_whole = value != NULL &&
                    str_trim((struct str){end, (size_t)(text.ptr + text.len - end)}).len == 0 &&
                    is_strict(value, names_max, 0);
    if (is_whole)
        return value;
    cJSON_Delete(value);
    return NULL;
}

static enum status_code invalid(struct status *err, const char *words)
{
    return status_reason(err, STATUS_UNAUTHENTICATED, "INVALID_TOKEN", "the token %s", words);
}

/* A part that is a JSON object; NULL: it is not. */
static cJSON *read_object(struct str part)
{
    struct buf b;
    buf_init(&b, JWT_BYTES_MAX);
    cJSON *object = base64_get(&b, part) ? jwt_json(buf_str(&b), JWT_NAMES_MAX) : NULL;
    buf_fini(&b);
    if (object != NULL && !cJSON_IsObject(object)) {
        cJSON_Delete(object);
        return NULL;
    }
    return object;
}

static bool read_signature(struct str part, struct jwt *jwt)
{
    struct buf b;
    buf_init(&b, JWT_SIGNATURE_BYTES_MAX);
    bool is_read = part.len > 0 && base64_get(&b, part);
    if (is_read)
        memcpy(jwt->signature, b.ptr, b.len);
    jwt->signature_bytes = b.len;
    buf_fini(&b);
    return is_read;
}

static enum status_code read_header(struct jwt *jwt, struct status *err)
{
    const cJSON *alg = cJSON_GetObjectItemCaseSensitive(jwt->header, "alg");
    const cJSON *kid = cJSON_GetObjectItemCaseSensitive(jwt->header, "kid");
    if (!cJSON_IsString(alg) || !jwt_algorithm_from(str_c(alg->valuestring), &jwt->algorithm))
        return invalid(err, "is not signed by HS256, RS256 or ES256");
    if (cJSON_GetObjectItemCaseSensitive(jwt->header, "crit") != NULL)
        return invalid(err, "has the header crit, whose extensions are not known here");
    jwt->has_kid = kid != NULL;
    jwt->kid = cJSON_IsString(kid) ? str_c(kid->valuestring) : STR("");
    if (jwt->has_kid && (!cJSON_IsString(kid) || jwt->kid.len > JWT_KID_BYTES_MAX))
        return invalid(err, "has a kid that is no short text");
    return STATUS_OK;
}

enum status_code jwt_parse(struct str token, struct jwt *ret, struct status *err)
{
    if (token.len > JWT_BYTES_MAX)
        return invalid(err, "is too long");
    if (!jwt_is_plausible(token))
        return invalid(err, "has not three parts of base64url");
    size_t first = str_find(token, STR("."), 0), second = str_find(token, STR("."), first + 1);
    *ret = (struct jwt){.signed_text = str_sub(token, 0, second)};
    enum status_code rc = STATUS_OK;
    if (!read_signature(str_sub(token, second + 1, token.len), ret))
        rc = invalid(err, "has no signature");
    if (rc == STATUS_OK && (ret->header = read_object(str_sub(token, 0, first))) == NULL)
        rc = invalid(err, "has a header that is no JSON object");
    if (rc == STATUS_OK)
        rc = read_header(ret, err);
    if (rc == STATUS_OK && (ret->claims = read_object(str_sub(token, first + 1, second))) == NULL)
        rc = invalid(err, "has claims that are no JSON object");
    if (rc != STATUS_OK)
        jwt_fini(ret);
    return rc;
}

void jwt_fini(struct jwt *jwt)
{
    cJSON_Delete(jwt->header);
    cJSON_Delete(jwt->claims);
    jwt->header = jwt->claims = NULL;
}

struct str jwt_text(const struct jwt *jwt, const char *claim)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(jwt->claims, claim);
    if (!cJSON_IsString(item) || item->valuestring[0] == '\0')
        return (struct str){0};
    return str_c(item->valuestring);
}

bool jwt_has_text(const struct jwt *jwt, const char *claim, const char *value)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(jwt->claims, claim), *one;
    if (cJSON_IsString(item))
        return strcmp(item->valuestring, value) == 0;
    if (!cJSON_IsArray(item))
        return false;
    cJSON_ArrayForEach (one, item) {
        if (cJSON_IsString(one) && strcmp(one->valuestring, value) == 0)
            return true;
    }
    return false;
}

/* A claim that is a number of seconds, in ms. False: it is something else; nothing is written when there is none. */
static bool read_time(const struct jwt *jwt, const char *claim, bool *ret_has, int64_t *ret_ms)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(jwt->claims, claim);
    *ret_has = item != NULL;
    if (item == NULL)
        return true;
    if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble) || fabs(item->valuedouble) > SECONDS_MAX)
        return false;
    *ret_ms = (int64_t)(item->valuedouble * 1000);
    return true;
}

enum status_code jwt_check_times(const struct jwt *jwt, int64_t now_ms, int64_t leeway_ms, bool needs_exp,
                                 int64_t *ret_until_ms, struct status *err)
{
    bool has_exp, has_nbf;
    int64_t exp_ms = 0, nbf_ms = 0;
    if (!read_time(jwt, "exp", &has_exp, &exp_ms) || !read_time(jwt, "nbf", &has_nbf, &nbf_ms))
        return invalid(err, "has exp or nbf that are no numbers of seconds");
    if (needs_exp && !has_exp)
        return invalid(err, "has no exp");
    if (has_exp && now_ms >= exp_ms + leeway_ms)
        return status_reason(err, STATUS_UNAUTHENTICATED, "TOKEN_EXPIRED", "the token has expired");
    if (has_nbf && now_ms < nbf_ms - leeway_ms)
        return status_reason(err, STATUS_UNAUTHENTICATED, "TOKEN_NOT_YET_VALID",
                             "the token is not valid yet");
    *ret_until_ms = has_exp ? exp_ms + leeway_ms : INT64_MAX;
    return STATUS_OK;
}
