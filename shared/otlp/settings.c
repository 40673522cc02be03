/* settings: see the header. */
#include "shared/otlp/settings.h"

#include "shared/base/buf.h"
#include "shared/base/crypto.h"
#include <stdlib.h>

#define TRACES_PATH "/v1/traces"

enum status_code otlp_check_endpoint(struct str value, struct status *err)
{
    bool is_http = str_starts(value, STR("http://")) || str_starts(value, STR("https://"));
    size_t host = is_http ? str_find(value, STR("://"), 0) + 3 : 0;
    if (!is_http || host == value.len || value.ptr[host] == '/')
        return status_set(err, STATUS_INVALID_ARGUMENT,
                          "has to be http://HOST:PORT or https://HOST:PORT of a collector");
    if (str_find(value, STR("?"), 0) != SIZE_MAX || str_find(value, STR("#"), 0) != SIZE_MAX ||
        str_find(value, STR("@"), 0) != SIZE_MAX)
        return status_set(err, STATUS_INVALID_ARGUMENT,
                          "takes no query, fragment or password; secrets are for otlp_headers");
    if (value.len > OTLP_ENDPOINT_BYTES_MAX)
        return status_set(err, STATUS_INVALID_ARGUMENT, "is longer than %d bytes", OTLP_ENDPOINT_BYTES_MAX);
    return STATUS_OK;
}

enum status_code otlp_check_headers(struct str value, struct status *err)
{
    struct http_headers *headers = NULL;
    char *text = str_dup(value);
    enum status_code rc = text == NULL ? status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory")
                                       : otlp_headers(text, &headers, err);
    http_headers_unref(headers);
    if (text != NULL)
        secret_wipe(text, value.len);
    free(text);
    return rc;
}

enum status_code otlp_check_ratio(struct str value, struct status *err)
{
    double ratio;
    if (!str_to_double(value, &ratio) || ratio < 0 || ratio > 1)
        return status_set(err, STATUS_INVALID_ARGUMENT, "has to be a number from 0 to 1");
    return STATUS_OK;
}

double otlp_ratio(const char *text)
{
    double ratio;
    return str_to_double(str_c(text), &ratio) ? ratio : 1;
}

char *otlp_url(const char *endpoint)
{
    struct buf b;
    struct str base = str_c(endpoint);
    while (str_ends(base, STR("/")))
        base.len--;
    buf_init(&b, OTLP_ENDPOINT_BYTES_MAX + sizeof TRACES_PATH);
    buf_put(&b, base);
    if (!str_ends(base, STR(TRACES_PATH)))
        buf_put_c(&b, TRACES_PATH);
    return buf_take(&b, NULL);
}

/* "%20" as the byte it stands for. */
static void put_unescaped(struct buf *b, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        bool is_escape = text.ptr[i] == '%' && i + 2 < text.len;
        int high = is_escape ? str_hex_digit(text.ptr[i + 1]) : -1;
        int low = is_escape ? str_hex_digit(text.ptr[i + 2]) : -1;
        if (high >= 0 && low >= 0) {
            buf_put_char(b, (char)(high << 4 | low));
            i += 2;
        } else {
            buf_put_char(b, text.ptr[i]);
        }
    }
}

static enum status_code add_pair(struct http_headers *headers, struct str pair, struct status *err)
{
    size_t equals = str_find(pair, STR("="), 0);
    if (equals == SIZE_MAX)
        return status_set(err, STATUS_INVALID_ARGUMENT, "has to be name=value, several with commas between");
    struct buf value;
    buf_init(&value, HTTP_HEADER_BYTES_MAX);
    put_unescaped(&value, str_trim(str_sub(pair, equals + 1, pair.len)));
    enum status_code rc =
        value.failed
            ? status_set(err, STATUS_RESOURCE_EXHAUSTED, "has a value that is too long, or no memory")
            : http_headers_add(headers, str_trim(str_sub(pair, 0, equals)), buf_str(&value), err);
    if (value.ptr != NULL)
        secret_wipe(value.ptr, value.len);
    buf_fini(&value);
    return rc;
}

enum status_code otlp_headers(const char *text, struct http_headers **ret, struct status *err)
{
    struct str rest = str_c(text), pair;
    struct http_headers *headers = http_headers_new();
    if (headers == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for headers");
    enum status_code rc = http_headers_add(headers, STR("Content-Type"), STR("application/x-protobuf"), err);
    while (rc == STATUS_OK && rest.len > 0 && str_split(&rest, ',', &pair)) {
        if (str_trim(pair).len > 0)
            rc = add_pair(headers, str_trim(pair), err);
    }
    if (rc == STATUS_OK)
        *ret = headers;
    else
        http_headers_unref(headers);
    return rc;
}
