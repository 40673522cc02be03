/*
 * headers: request headers shared by many requests, e.g. one list per credential. Wiped when freed: they hold secrets.
 * Threads  headers_ref/unref any thread; a list does not change once it is shared.
 */
#pragma once
#include "shared/base/status.h"
#include "shared/base/str.h"

/* headers. Of one list: some 10 are usual. */
#define HTTP_HEADERS_MAX 64
/* bytes. Of one line: a token of an identity provider is 2 to 4 kB. */
#define HTTP_HEADER_BYTES_MAX (16 * 1024)

struct http_headers;

/* An empty list with one reference (it says "Expect:", which keeps bodies over 1 MiB from waiting a second); NULL: no memory. */
struct http_headers *http_headers_new(void);
/*
 * Adds one header; copied.
 * INVALID_ARGUMENT     a name that is no token, a value with control characters; the value is not repeated in the words
 * RESOURCE_EXHAUSTED   too long, too many, or no memory
 */
MUST_CHECK enum status_code http_headers_add(struct http_headers *h, struct str name, struct str value,
                                             struct status *err);
struct http_headers *http_headers_ref(struct http_headers *h);
void http_headers_unref(struct http_headers *h); /* NULL is fine */
/* The value of the first header of that name; borrowed; ptr NULL: there is none. */
struct str http_headers_get(const struct http_headers *h, struct str name);

/* One header of a request alone, beside a list that many share. */
struct http_header {
    struct str name, value;
};
/* Would http_headers_add() take it? Errors as there. */
MUST_CHECK enum status_code http_header_check(const struct http_header *header, struct status *err);

struct curl_slist;
const struct curl_slist *http_headers_list(const struct http_headers *h); /* for client.c */
