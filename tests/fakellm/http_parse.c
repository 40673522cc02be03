/* http_parse: HTTP/1.x requests out of bytes. */
#include "http_parse.h"

#include <string.h>
#include <strings.h>

enum {
    CHUNK_LINE_BYTES_MAX = 1024,        /* size and extensions of one chunk */
    CHUNK_TRAILER_BYTES_MAX = 16 * 1024 /* trailers are read and ignored */
};

/* RFC 9110 token characters: methods and header names. */
static bool is_token_char(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_token_char((unsigned char)s.ptr[i]))
            return false;
    return s.len > 0;
}

static bool span_is_nocase(struct span s, const char *word)
{
    return s.len == strlen(word) && strncasecmp(s.ptr, word, s.len) == 0;
}

static struct span trimmed(struct span s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s = (struct span){s.ptr + 1, s.len - 1};
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* Cuts s before the first c: *s keeps what follows it (nothing if there is none), the part before is returned. */
static struct span cut_at(struct span *s, char c)
{
    const char *at = s->len > 0 ? memchr(s->ptr, c, s->len) : NULL;
    struct span before = {s->ptr, at != NULL ? (size_t)(at - s->ptr) : s->len};
    size_t used = at != NULL ? before.len + 1 : before.len;
    *s = (struct span){s->ptr + used, s->len - used};
    return before;
}

enum http_parse http_head_scan(const char *ptr, size_t len, size_t *scanned, size_t *ret_head_bytes)
{
    while (*scanned < len) {
        const char *line = ptr + *scanned;
        const char *end = memchr(line, '\n', len - *scanned);
        if (end == NULL)
            break;
        size_t line_bytes = (size_t)(end - line);
        if (line_bytes == 0 || end[-1] != '\r' || memchr(line, '\0', line_bytes) != NULL)
            return HTTP_PARSE_BAD;
        *scanned += line_bytes + 1;
        if (*scanned > HTTP_HEAD_BYTES_MAX)
            return HTTP_PARSE_TOO_LARGE;
        if (line_bytes == 1) {
            *ret_head_bytes = *scanned;
            return HTTP_PARSE_DONE;
        }
    }
    /* Something that is not HTTP at all (TLS, say) is refused before it sends a line end. */
    if (len > 0 && !is_token_char((unsigned char)ptr[0]))
        return HTTP_PARSE_BAD;
    return len > HTTP_HEAD_BYTES_MAX ? HTTP_PARSE_TOO_LARGE : HTTP_PARSE_MORE;
}

static enum http_parse parse_length(struct http_head *head, struct span value)
{
    size_t n = 0;
    if (value.len == 0)
        return HTTP_PARSE_BAD;
    bool is_large = false;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return HTTP_PARSE_BAD;
        n = n * 10 + (size_t)(value.ptr[i] - '0');
        is_large |= n > HTTP_BODY_BYTES_MAX;
        n = is_large ? HTTP_BODY_BYTES_MAX : n; /* it cannot wrap round on the way */
    }
    if (is_large)
        return HTTP_PARSE_TOO_LARGE;
    if (head->has_length && head->content_length != n)
        return HTTP_PARSE_BAD;
    head->has_length = true;
    head->content_length = n;
    return HTTP_PARSE_DONE;
}

/* "gzip;q=1.0, deflate": what is taken; a weight of 0 takes it back. */
static void parse_encodings(struct http_head *head, struct span value)
{
    while (value.len > 0) {
        struct span weight = cut_at(&value, ',');
        struct span name = trimmed(cut_at(&weight, ';'));
        weight = trimmed(weight);
        bool is_taken = !span_is_nocase(weight, "q=0") && !span_is_nocase(weight, "q=0.0");
        if (span_is_nocase(name, "gzip"))
            head->takes_gzip = is_taken;
        else if (span_is_nocase(name, "deflate"))
            head->takes_deflate = is_taken;
    }
}

/* Headers whose value is taken as it stands; NULL: it is none of them. */
static struct span *kept_header(struct http_head *head, struct span name)
{
    if (span_is_nocase(name, "api-key"))
        return &head->api_key;
    if (span_is_nocase(name, "x-api-key"))
        return &head->x_api_key;
    if (span_is_nocase(name, "x-goog-api-key"))
        return &head->goog_api_key;
    if (span_is_nocase(name, "traceparent"))
        return &head->traceparent;
    if (span_is_nocase(name, "tracestate"))
        return &head->tracestate;
    return span_is_nocase(name, "anthropic-version") ? &head->anthropic_version : NULL;
}

static enum http_parse parse_header(struct http_head *head, struct span line)
{
    struct span value = line;
    struct span name = cut_at(&value, ':');
    if (!is_token(name) || name.len == line.len)
        return HTTP_PARSE_BAD;
    value = trimmed(value);
    if (span_is_nocase(name, "content-length"))
        return parse_length(head, value);
    if (span_is_nocase(name, "transfer-encoding")) {
        if (head->is_chunked || !span_is_nocase(value, "chunked"))
            return HTTP_PARSE_BAD;
        head->is_chunked = true;
    } else if (span_is_nocase(name, "connection")) {
        while (value.len > 0) {
            struct span option = trimmed(cut_at(&value, ','));
            if (span_is_nocase(option, "close"))
                head->keep_alive = false;
            else if (span_is_nocase(option, "keep-alive") && head->is_http10)
                head->keep_alive = true;
        }
    } else if (span_is_nocase(name, "expect")) {
        head->expects_continue = span_is_nocase(value, "100-continue") && !head->is_http10;
    } else if (span_is_nocase(name, "authorization")) {
        struct span scheme = cut_at(&value, ' ');
        if (span_is_nocase(scheme, "bearer"))
            head->bearer = trimmed(value);
    } else if (span_is_nocase(name, "accept-encoding")) {
        parse_encodings(head, value);
    } else {
        struct span *kept = kept_header(head, name);
        if (kept != NULL)
            *kept = value;
    }
    return HTTP_PARSE_DONE;
}

/* "POST /v1/models?x=1 HTTP/1.1" */
static enum http_parse parse_request_line(struct http_head *head, struct span line)
{
    head->method = cut_at(&line, ' ');
    struct span target = cut_at(&line, ' ');
    if (!is_token(head->method) || target.len == 0 || target.ptr[0] != '/')
        return HTTP_PARSE_BAD;
    if (span_is(line, "HTTP/1.0"))
        head->is_http10 = true;
    else if (!span_is(line, "HTTP/1.1"))
        return HTTP_PARSE_BAD;
    head->path = cut_at(&target, '?');
    head->query = target;
    head->keep_alive = !head->is_http10;
    return HTTP_PARSE_DONE;
}

enum http_parse http_head_parse(const char *ptr, size_t len, struct http_head *ret_head)
{
    struct http_head head = {0};
    struct span rest = {ptr, len - 2}; /* without the closing empty line */
    bool is_first = true;
    while (rest.len > 0) {
        struct span line = cut_at(&rest, '\n');
        line.len--; /* the scan saw that every line ends in CR LF */
        enum http_parse rc = is_first ? parse_request_line(&head, line) : parse_header(&head, line);
        if (rc != HTTP_PARSE_DONE)
            return rc;
        is_first = false;
    }
    if (is_first || (head.is_chunked && (head.has_length || head.is_http10)))
        return HTTP_PARSE_BAD;
    *ret_head = head;
    return HTTP_PARSE_DONE;
}

/* Reads "1a;ext=1" into c->left. */
static enum http_parse parse_chunk_size(struct http_chunked *c, struct span line)
{
    struct span digits = trimmed(cut_at(&line, ';'));
    size_t n = 0;
    if (digits.len == 0)
        return HTTP_PARSE_BAD;
    for (size_t i = 0; i < digits.len; i++) {
        static const char hex[] = "0123456789abcdef0123456789ABCDEF";
        const char *at = digits.ptr[i] == '\0' ? NULL : strchr(hex, digits.ptr[i]);
        if (at == NULL)
            return HTTP_PARSE_BAD;
        n = n * 16 + (size_t)(at - hex) % 16;
        if (n > HTTP_BODY_BYTES_MAX - c->body_bytes)
            return HTTP_PARSE_TOO_LARGE;
    }
    c->left = n;
    return HTTP_PARSE_DONE;
}

/* One line of ptr[*at..len) without its CR LF; moves *at behind it. */
static enum http_parse take_line(const char *ptr, size_t len, size_t *at, size_t max, struct span *ret_line)
{
    const char *end = *at < len ? memchr(ptr + *at, '\n', len - *at) : NULL;
    if (end == NULL)
        return len - *at > max ? HTTP_PARSE_BAD : HTTP_PARSE_MORE;
    size_t n = (size_t)(end - (ptr + *at));
    if (n == 0 || n > max || end[-1] != '\r')
        return HTTP_PARSE_BAD;
    *ret_line = (struct span){ptr + *at, n - 1};
    *at += n + 1;
    return HTTP_PARSE_DONE;
}

/* Makes one step of the decoder: a line, or what is there of a chunk's data. DONE: the whole body is there. */
static enum http_parse chunked_step(struct http_chunked *c, char *ptr, size_t len, size_t *at,
                                    bool *ret_is_last)
{
    struct span line;
    enum http_parse rc;
    *ret_is_last = false;
    switch (c->state) {
    case CHUNKED_SIZE:
        rc = take_line(ptr, len, at, CHUNK_LINE_BYTES_MAX, &line);
        if (rc == HTTP_PARSE_DONE)
            rc = parse_chunk_size(c, line);
        if (rc == HTTP_PARSE_DONE)
            c->state = c->left > 0 ? CHUNKED_DATA : CHUNKED_TRAILER;
        return rc;
    case CHUNKED_DATA: {
        size_t n = len - *at < c->left ? len - *at : c->left;
        memmove(ptr + c->body_bytes, ptr + *at, n);
        c->body_bytes += n;
        c->left -= n;
        *at += n;
        if (c->left > 0)
            return HTTP_PARSE_MORE;
        c->state = CHUNKED_DATA_END;
        return HTTP_PARSE_DONE;
    }
    case CHUNKED_DATA_END:
        rc = take_line(ptr, len, at, CHUNK_LINE_BYTES_MAX, &line);
        if (rc == HTTP_PARSE_DONE && line.len > 0)
            rc = HTTP_PARSE_BAD;
        if (rc == HTTP_PARSE_DONE)
            c->state = CHUNKED_SIZE;
        return rc;
    case CHUNKED_TRAILER:
        rc = take_line(ptr, len, at, CHUNK_TRAILER_BYTES_MAX, &line);
        if (rc != HTTP_PARSE_DONE)
            return rc;
        c->trailer_bytes += line.len;
        *ret_is_last = line.len == 0;
        return c->trailer_bytes > CHUNK_TRAILER_BYTES_MAX ? HTTP_PARSE_BAD : HTTP_PARSE_DONE;
    }
    return HTTP_PARSE_BAD;
}

enum http_parse http_chunked_decode(struct http_chunked *c, char *ptr, size_t *len)
{
    size_t at = c->body_bytes;
    bool is_last = false;
    enum http_parse rc = HTTP_PARSE_DONE;
    while (rc == HTTP_PARSE_DONE && !is_last)
        rc = chunked_step(c, ptr, *len, &at, &is_last);
    memmove(ptr + c->body_bytes, ptr + at, *len - at);
    *len = c->body_bytes + (*len - at);
    return rc;
}
