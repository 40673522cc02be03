/*
 * headers: a counted curl_slist whose bytes are wiped at the end.
 */
#include "shared/http/headers.h"
#include "shared/base/crypto.h"
#include <assert.h>
#include <curl/curl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct http_headers {
    atomic_uint refs;
    unsigned count;
    struct curl_slist *list;
};

static bool append(struct http_headers *h, const char *line)
{
    struct curl_slist *list = curl_slist_append(h->list, line);
    if (list == NULL)
        return false;
    h->list = list;
    return true;
}

struct http_headers *http_headers_new(void)
{
    struct http_headers *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    atomic_init(&h->refs, 1);
    if (!append(h, "Expect:")) {
        http_headers_unref(h);
        return NULL;
    }
    return h;
}

static bool is_token(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_alnum && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return name.len > 0;
}

static bool is_field_value(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

enum status_code http_header_check(const struct http_header *header, struct status *err)
{
    if (!is_token(header->name))
        return status_set(err, STATUS_INVALID_ARGUMENT, "header: not a name");
    if (!is_field_value(header->value))
        return status_set(err, STATUS_INVALID_ARGUMENT, "header %.*s: control characters in its value",
                          STR_ARG(header->name));
    if (header->name.len + header->value.len + 2 > HTTP_HEADER_BYTES_MAX)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "header %.*s: too long", STR_ARG(header->name));
    return STATUS_OK;
}

enum status_code http_headers_add(struct http_headers *h, struct str name, struct str value,
                                  struct status *err)
{
    enum status_code rc = http_header_check(&(struct http_header){name, value}, err);
    if (rc != STATUS_OK)
        return rc;
    if (h->count >= HTTP_HEADERS_MAX)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "header: too many of them");

    struct buf line;
    buf_init(&line, HTTP_HEADER_BYTES_MAX + 1);
    buf_put(&line, name);
    /* "Name;" is libcurl's way to say a header without a value. */
    buf_put_c(&line, value.len > 0 ? ": " : ";");
    buf_put(&line, value);
    buf_put_char(&line, '\0');
    bool is_added = !line.failed && append(h, line.ptr);
    if (line.ptr != NULL)
        secret_wipe(line.ptr, line.len);
    buf_fini(&line);
    if (!is_added)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "header: no memory");
    h->count++;
    return STATUS_OK;
}

struct http_headers *http_headers_ref(struct http_headers *h)
{
    atomic_fetch_add(&h->refs, 1);
    return h;
}

void http_headers_unref(struct http_headers *h)
{
    if (h == NULL || atomic_fetch_sub(&h->refs, 1) != 1)
        return;
    for (struct curl_slist *line = h->list; line != NULL; line = line->next)
        secret_wipe(line->data, strlen(line->data));
    curl_slist_free_all(h->list);
    free(h);
}

const struct curl_slist *http_headers_list(const struct http_headers *h)
{
    return h->list;
}

struct str http_headers_get(const struct http_headers *h, struct str name)
{
    for (const struct curl_slist *line = h->list; line != NULL; line = line->next) {
        struct str text = str_c(line->data);
        if (text.len > name.len && text.ptr[name.len] == ':' &&
            str_eq_nocase(str_sub(text, 0, name.len), name))
            return str_trim(str_sub(text, name.len + 1, text.len));
    }
    return (struct str){NULL, 0};
}
