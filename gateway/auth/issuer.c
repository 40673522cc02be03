/* issuer: see the header. */
#include "gateway/auth/issuer.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

static enum status_code unknown_app(struct status *err)
{
    return status_reason(err, STATUS_UNAUTHENTICATED, "UNKNOWN_APP", "the token's app is not known");
}

static int compare_value(const void *value, const void *row)
{
    return strcmp(value, ((const struct issuer_row *)row)->value);
}

/* ret "": none is meant. */
static enum status_code find_app(const struct issuer *issuer, const struct jwt *jwt, struct str *ret,
                                 struct status *err)
{
    *ret = str_c(issuer->app_id);
    if (issuer->app_claim == NULL)
        return STATUS_OK;
    struct str value = jwt_text(jwt, issuer->app_claim);
    if (value.ptr == NULL)
        return STATUS_OK; /* whoever needs an app says that there is none */
    *ret = value;
    if (issuer->app_rows != NULL) {
        const struct issuer_row *row = bsearch(value.ptr, issuer->app_rows, issuer->app_row_count,
                                               sizeof *issuer->app_rows, compare_value);
        if (row == NULL)
            return unknown_app(err);
        *ret = str_c(row->app_id);
    }
    return uuid_is_canonical(*ret) ? STATUS_OK : unknown_app(err);
}

static enum status_code find_user(const struct jwt *jwt, const char *claim, struct str *ret,
                                  struct status *err)
{
    *ret = jwt_text(jwt, claim);
    if (ret->len == 0 || ret->len > PRINCIPAL_USER_BYTES_MAX)
        return status_reason(err, STATUS_UNAUTHENTICATED, "INVALID_TOKEN",
                             "the token names no end user of 1 to %d bytes in %s", PRINCIPAL_USER_BYTES_MAX,
                             claim);
    return STATUS_OK;
}

/* Words of a text, or texts of a list; others mean nothing here. */
static unsigned read_scopes(const struct jwt *jwt, const char *claim)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(jwt->claims, claim), *one;
    unsigned scopes = 0;
    enum scope scope;
    struct str rest = str_c(cJSON_IsString(item) ? item->valuestring : ""), word;
    while (rest.len > 0 && str_split(&rest, ' ', &word)) {
        if (scope_from(word, &scope))
            scopes |= scope;
    }
    if (cJSON_IsArray(item)) {
        cJSON_ArrayForEach (one, item) {
            if (cJSON_IsString(one) && scope_from(str_c(one->valuestring), &scope))
                scopes |= scope;
        }
    }
    return scopes;
}

static bool is_for_us(const struct issuer *issuer, const struct jwt *jwt)
{
    for (size_t i = 0; i < issuer->audience_count; i++) {
        if (jwt_has_text(jwt, "aud", issuer->audiences[i]))
            return true;
    }
    return false;
}

static enum status_code make(const struct principal *from, struct principal **ret, struct status *err)
{
    struct principal *principal = principal_new(from);
    if (principal == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for a token");
    *ret = principal;
    return STATUS_OK;
}

enum status_code issuer_principal(const struct issuer *issuer, const struct jwt *jwt, int64_t now_ms,
                                  struct principal **ret, struct status *err)
{
    struct principal p = {.workspace_id = str_c(issuer->workspace),
                          .issuer = str_c(issuer->name),
                          .scopes = issuer->scopes,
                          .end_user_type =
                              issuer->user_claim == NULL ? PRINCIPAL_SERVICE_API : PRINCIPAL_OPENAPI};
    enum status_code rc = jwt_check_times(jwt, now_ms, issuer->leeway_ms, true, &p.valid_until_ms, err);
    if (rc == STATUS_OK && !is_for_us(issuer, jwt))
        rc = status_reason(err, STATUS_UNAUTHENTICATED, "WRONG_AUDIENCE", "the token is for somebody else");
    if (rc == STATUS_OK)
        rc = find_app(issuer, jwt, &p.app_id, err);
    if (rc == STATUS_OK && issuer->user_claim != NULL)
        rc = find_user(jwt, issuer->user_claim, &p.user, err);
    if (rc == STATUS_OK && issuer->scopes_claim != NULL)
        p.scopes = read_scopes(jwt, issuer->scopes_claim);
    return rc == STATUS_OK ? make(&p, ret, err) : rc;
}

enum status_code passport_principal(const struct jwt *jwt, int64_t now_ms, struct principal **ret,
                                    struct status *err)
{
    struct principal p = {.app_id = jwt_text(jwt, "app_id"),
                          .scopes = SCOPE_RUN | SCOPE_READ,
                          .end_user_type = PRINCIPAL_BROWSER};
    enum status_code rc = jwt_check_times(jwt, now_ms, 0, false, &p.valid_until_ms, err);
    if (rc == STATUS_OK && !uuid_is_canonical(p.app_id))
        rc = unknown_app(err);
    if (rc == STATUS_OK)
        rc = find_user(jwt, jwt_text(jwt, "end_user_id").ptr != NULL ? "end_user_id" : "user_id", &p.user,
                       err);
    return rc == STATUS_OK ? make(&p, ret, err) : rc;
}
