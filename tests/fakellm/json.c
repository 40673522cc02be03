/*
 * json: reading a value with cJSON, and copying one without blanks.
 * The copy has its own strict reader: cJSON takes some things that are not JSON, and forgets 1.0 against 1; a log line
 * must be valid, on one line, and show what was sent.
 */
#include "json.h"

#include <ctype.h>
#include <string.h>

#include "utf8.h"

enum { DEPTH_MAX = 1000 }; /* as deep as cJSON reads */

struct reader {
    struct text *out;
    const char *at, *end;
};

static bool read_value(struct reader *r, int depth);

static void skip_blanks(struct reader *r)
{
    while (r->at < r->end && memchr(" \t\r\n", *r->at, 4) != NULL)
        r->at++;
}

static bool peek(const struct reader *r, char c)
{
    return r->at < r->end && *r->at == c;
}

/* Takes c, copying it, with the blanks around it. */
static bool take(struct reader *r, char c)
{
    skip_blanks(r);
    if (!peek(r, c))
        return false;
    text_put(r->out, (struct span){&c, 1});
    r->at++;
    skip_blanks(r);
    return true;
}

static bool read_escape(struct reader *r)
{
    if (r->end - r->at < 2)
        return false;
    char c = r->at[1];
    if (c == 'u') {
        if (r->end - r->at < 6)
            return false;
        for (int i = 2; i < 6; i++)
            if (!isxdigit((unsigned char)r->at[i]))
                return false;
        r->at += 6;
        return true;
    }
    r->at += 2;
    return c != '\0' && strchr("\"\\/bfnrt", c) != NULL;
}

static bool read_string(struct reader *r)
{
    const char *start = r->at;
    if (!peek(r, '"'))
        return false;
    r->at++;
    while (r->at < r->end && *r->at != '"') {
        if (*r->at == '\\') {
            if (!read_escape(r))
                return false;
            continue;
        }
        size_t n = (unsigned char)*r->at < 0x20 ? 0 : utf8_char_bytes(r->at, (size_t)(r->end - r->at));
        if (n == 0)
            return false;
        r->at += n;
    }
    if (!peek(r, '"'))
        return false;
    r->at++;
    text_put(r->out, (struct span){start, (size_t)(r->at - start)});
    return true;
}

static bool skip_digits(struct reader *r)
{
    const char *start = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
        r->at++;
    return r->at > start;
}

static bool read_number(struct reader *r)
{
    const char *start = r->at;
    if (peek(r, '-'))
        r->at++;
    const char *whole = r->at;
    if (!skip_digits(r) || (*whole == '0' && r->at - whole > 1))
        return false;
    if (peek(r, '.')) {
        r->at++;
        if (!skip_digits(r))
            return false;
    }
    if (peek(r, 'e') || peek(r, 'E')) {
        r->at++;
        if (peek(r, '+') || peek(r, '-'))
            r->at++;
        if (!skip_digits(r))
            return false;
    }
    text_put(r->out, (struct span){start, (size_t)(r->at - start)});
    return true;
}

static bool read_word(struct reader *r, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0)
        return false;
    text_put(r->out, (struct span){word, n});
    r->at += n;
    return true;
}

/* An object or an array, by what closes it. */
static bool read_members(struct reader *r, char open, char close, int depth)
{
    if (depth == DEPTH_MAX || !take(r, open))
        return false;
    if (take(r, close))
        return true;
    do {
        if (close == '}' && (!read_string(r) || !take(r, ':')))
            return false;
        if (!read_value(r, depth + 1))
            return false;
    } while (take(r, ','));
    return take(r, close);
}

static bool read_value(struct reader *r, int depth)
{
    skip_blanks(r);
    if (r->at == r->end)
        return false;
    switch (*r->at) {
    case '{':
        return read_members(r, '{', '}', depth);
    case '[':
        return read_members(r, '[', ']', depth);
    case '"':
        return read_string(r);
    case 't':
        return read_word(r, "true");
    case 'f':
        return read_word(r, "false");
    case 'n':
        return read_word(r, "null");
    default:
        return read_number(r);
    }
}

bool json_compact(struct text *out, struct span json)
{
    if (out->failed || json.len == 0)
        return false;
    size_t before = out->len;
    struct reader r = {.out = out, .at = json.ptr, .end = json.ptr + json.len};
    bool is_json = read_value(&r, 0);
    skip_blanks(&r);
    if (!is_json || r.at != r.end) {
        out->len = before;
        out->failed = false;
        return false;
    }
    return true;
}

cJSON *json_read(struct span json)
{
    const char *end = NULL;
    cJSON *value = cJSON_ParseWithLengthOpts(json.ptr, json.len, &end, 0);
    while (value != NULL && end < json.ptr + json.len && strchr(" \t\r\n", *end) != NULL && *end != '\0')
        end++;
    if (value != NULL && end == json.ptr + json.len)
        return value;
    cJSON_Delete(value);
    return NULL;
}
