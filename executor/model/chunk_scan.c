/* chunk_scan: see the header. A function returns false for anything it does not know: then the parser has its turn. */
#include "executor/model/chunk_scan.h"

#include <endian.h>
#include <string.h>

/* levels of containers that are passed over: details of a filter or of log probabilities. */
enum { DEPTH_MAX = 8 };

struct scan {
    const char *at, *end;
    struct buf *scratch;
    bool has_choices;
    struct protocol_piece piece;
};

static bool skip_value(struct scan *s, int depth);

static void blanks(struct scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r'))
        s->at++;
}

/* The character, blanks before it passed over. */
static bool take(struct scan *s, char c)
{
    if (s->at == s->end || *s->at != c) {
        blanks(s);
        if (s->at == s->end || *s->at != c)
            return false;
    }
    s->at++;
    return true;
}

static char next(struct scan *s)
{
    blanks(s);
    return s->at < s->end ? *s->at : '\0';
}

/* Moves over what stands for itself in a string: ASCII without quote, backslash and control characters. */
static const char *plain_end(const char *at, const char *end)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    while (end - at >= (ptrdiff_t)sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        word = le64toh(word);
        uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
        uint64_t odd = (word | (word - ones * 0x20) | (quote - ones) | (backslash - ones)) & high;
        if (odd != 0)
            return at + __builtin_ctzll(odd) /
                            8; /* the first of them is marked rightly, those behind it may not be */
        at += sizeof word;
    }
    while (at < end && (unsigned char)*at >= 0x20 && (unsigned char)*at < 0x80 && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* A string of plain ASCII; keys, and what is of no interest. */
static bool take_plain(struct scan *s, struct str *ret)
{
    if (!take(s, '"'))
        return false;
    const char *stop = plain_end(s->at, s->end);
    if (stop == s->end || *stop != '"')
        return false;
    *ret = (struct str){s->at, (size_t)(stop - s->at)};
    s->at = stop + 1;
    return true;
}

/* '\0': not one of one letter. */
static char unescaped(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case 'r':
        return '\r';
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case '"':
    case '\\':
    case '/':
        return c;
    default:
        return '\0';
    }
}

/* The rest of a string from its first escape on; what came before is `start`. */
static bool take_escaped(struct scan *s, const char *start, struct str *ret)
{
    struct buf *b = s->scratch;
    size_t from = b->len;
    /* No string is longer than its chunk, so what was unescaped before stays where it is. */
    if (from == 0 && !buf_reserve(b, (size_t)(s->end - start)))
        return false;
    for (;;) {
        const char *stop = s->at;
        while (stop < s->end && (unsigned char)*stop >= 0x20 && *stop != '"' && *stop != '\\')
            stop++;
        buf_put(b, (struct str){start, (size_t)(stop - start)});
        if (stop >= s->end || (unsigned char)*stop < 0x20)
            return false;
        s->at = stop + 1;
        if (*stop == '"')
            break;
        char c = s->at < s->end ? unescaped(*s->at) : '\0';
        if (c == '\0')
            return false; /* \u, or a mistake */
        buf_put_char(b, c);
        start = ++s->at;
    }
    *ret = str_sub(buf_str(b), from, b->len);
    return str_is_utf8(*ret);
}

static bool take_text(struct scan *s, struct str *ret)
{
    if (!take(s, '"'))
        return false;
    const char *start = s->at;
    bool is_ascii = true;
    for (;;) {
        s->at = plain_end(s->at, s->end);
        if (s->at == s->end || (unsigned char)*s->at < 0x20)
            return false;
        if (*s->at == '"')
            break;
        if (*s->at == '\\')
            return take_escaped(s, start, ret);
        is_ascii = false;
        s->at++;
    }
    *ret = (struct str){start, (size_t)(s->at++ - start)};
    return is_ascii || str_is_utf8(*ret);
}

static bool take_word(struct scan *s, struct str word)
{
    blanks(s);
    if ((size_t)(s->end - s->at) < word.len || memcmp(s->at, word.ptr, word.len) != 0)
        return false;
    s->at += word.len;
    return true;
}

static bool take_null(struct scan *s)
{
    return take_word(s, STR("null"));
}

/* A text, or null. */
static bool take_optional(struct scan *s, struct str *ret)
{
    return next(s) == 'n' ? take_null(s) : take_text(s, ret);
}

/* Whole numbers of up to 18 digits, and fractions of them; the rest is rare. */
static bool skip_number(struct scan *s)
{
    if (s->at < s->end && *s->at == '-')
        s->at++;
    const char *start = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
        s->at++;
    size_t digits = (size_t)(s->at - start);
    if (digits == 0 || digits > 18 || (*start == '0' && digits > 1))
        return false;
    if (s->at < s->end && *s->at == '.') {
        start = ++s->at;
        while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
            s->at++;
        if (s->at == start)
            return false;
    }
    return s->at == s->end || (*s->at != 'e' && *s->at != 'E');
}

/* Behind the opening bracket. A key in what is passed over may come twice: it is of no interest. */
static bool skip_items(struct scan *s, char close, int depth)
{
    struct str key;
    if (depth >= DEPTH_MAX)
        return false;
    if (take(s, close))
        return true;
    do {
        if (close == '}' && !(take_plain(s, &key) && take(s, ':')))
            return false;
        if (!skip_value(s, depth + 1))
            return false;
    } while (take(s, ','));
    return take(s, close);
}

static bool skip_value(struct scan *s, int depth)
{
    struct str text;
    switch (next(s)) {
    case '"':
        return take_plain(s, &text);
    case '{':
        s->at++;
        return skip_items(s, '}', depth);
    case '[':
        s->at++;
        return skip_items(s, ']', depth);
    case 't':
        return take_word(s, STR("true"));
    case 'f':
        return take_word(s, STR("false"));
    case 'n':
        return take_null(s);
    default:
        return skip_number(s);
    }
}

/* str_eq() without a call: ten keys a chunk are compared with three names each. */
#define IS(key, name) ((key).len == sizeof(name) - 1 && memcmp((key).ptr, (name), sizeof(name) - 1) == 0)

/* A member that may come once. */
struct seen {
    bool first, second, third;
};
static bool once(bool *seen)
{
    bool is_new = !*seen;
    *seen = true;
    return is_new;
}

static bool take_delta(struct scan *s)
{
    struct seen seen = {false};
    struct str key, reasoning = STR("");
    if (!take(s, '{'))
        return false;
    if (take(s, '}'))
        return true;
    do {
        bool ok = take_plain(s, &key) && take(s, ':');
        if (ok && IS(key, "content"))
            ok = once(&seen.first) && take_optional(s, &s->piece.text);
        else if (ok && IS(key, "reasoning_content"))
            ok = once(&seen.second) && take_optional(s, &s->piece.reasoning);
        else if (ok && IS(key, "reasoning"))
            ok = once(&seen.third) && take_optional(s, &reasoning);
        else if (ok && IS(key, "tool_calls"))
            ok = take_null(s);
        else if (ok)
            ok = skip_value(s, 0);
        if (!ok)
            return false;
    } while (take(s, ','));
    if (s->piece.reasoning.len == 0)
        s->piece.reasoning = reasoning;
    return take(s, '}');
}

static bool take_choice(struct scan *s)
{
    struct seen seen = {false};
    struct str key;
    if (!take(s, '{'))
        return false;
    do {
        bool ok = take_plain(s, &key) && take(s, ':');
        if (ok && IS(key, "delta"))
            ok = once(&seen.first) && take_delta(s);
        else if (ok && IS(key, "finish_reason"))
            ok = once(&seen.second) && take_optional(s, &s->piece.finish_reason);
        else if (ok && (IS(key, "message") || IS(key, "text")))
            ok = false;
        else if (ok)
            ok = skip_value(s, 0);
        if (!ok)
            return false;
    } while (take(s, ','));
    return take(s, '}') && seen.first;
}

static bool take_member(struct scan *s)
{
    struct str key;
    if (!take_plain(s, &key) || !take(s, ':'))
        return false;
    if (IS(key, "choices"))
        return once(&s->has_choices) && take(s, '[') && take_choice(s) && take(s, ']');
    if (IS(key, "usage") || IS(key, "error") || IS(key, "x_groq"))
        return take_null(s);
    return skip_value(s, 0);
}

bool chunk_scan(struct str json, struct buf *scratch, struct protocol_piece *ret)
{
    if (json.len == 0)
        return false;
    struct scan s = {.at = json.ptr, .end = json.ptr + json.len, .scratch = scratch};
    buf_clear(scratch);
    if (!take(&s, '{'))
        return false;
    do {
        if (!take_member(&s))
            return false;
    } while (take(&s, ','));
    if (!take(&s, '}') || !s.has_choices || next(&s) != '\0' || s.at != s.end)
        return false;
    ret->text = s.piece.text;
    ret->reasoning = s.piece.reasoning;
    ret->finish_reason = s.piece.finish_reason;
    return true;
}
