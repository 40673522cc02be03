#ifndef FAKELLM_HTTP_PARSE_H
#define FAKELLM_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

/* http_parse: HTTP/1.x requests out of bytes. No I/O, no memory of its own. */

enum {
    HTTP_HEAD_BYTES_MAX = 64 * 1024,       /* request line and headers; far above what clients send */
    HTTP_BODY_BYTES_MAX = 16 * 1024 * 1024 /* a long prompt with inline files still fits */
};

enum http_parse { HTTP_PARSE_DONE, HTTP_PARSE_MORE, HTTP_PARSE_BAD, HTTP_PARSE_TOO_LARGE };

/* What a request's head says. The spans point into the bytes it was parsed from. */
struct http_head {
    struct span method;
    struct span path;   /* the target up to its '?' */
    struct span query;  /* behind it; empty without one */
    struct span bearer; /* what follows "Bearer " in Authorization; ptr is NULL without one */
    struct span api_key, x_api_key, goog_api_key, anthropic_version; /* such headers; ptr is NULL without */
    struct span traceparent, tracestate;                             /* likewise */
    size_t content_length;
    bool has_length;
    bool is_chunked;
    bool keep_alive;
    bool is_http10;
    bool expects_continue;
    bool takes_gzip, takes_deflate; /* Accept-Encoding names it */
};

/*
 * Looks for the end of a head in ptr[0..len). *scanned starts at 0 and is carried from call to call while bytes are
 * only added. On DONE *ret_head_bytes is the head's length with its closing empty line.
 */
enum http_parse http_head_scan(const char *ptr, size_t len, size_t *scanned, size_t *ret_head_bytes);

/* Parses a whole head as http_head_scan() found it. TOO_LARGE: its content-length is above HTTP_BODY_BYTES_MAX. */
enum http_parse http_head_parse(const char *ptr, size_t len, struct http_head *ret_head);

/* Decoder of one chunked body; starts zeroed. */
struct http_chunked {
    enum { CHUNKED_SIZE, CHUNKED_DATA, CHUNKED_DATA_END, CHUNKED_TRAILER } state;
    size_t left;          /* bytes missing of the chunk at hand */
    size_t body_bytes;    /* decoded so far */
    size_t trailer_bytes; /* read so far */
};

/*
 * Decodes in place: ptr[0..body_bytes) holds what was decoded earlier, the raw bytes follow up to *len. Afterwards the
 * same is true again, with more decoded and *len smaller. DONE: the body is complete, what follows it is not part of it.
 */
enum http_parse http_chunked_decode(struct http_chunked *c, char *ptr, size_t *len);

#endif
