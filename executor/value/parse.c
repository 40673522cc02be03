/*
 * parse: see parse.h. One pass of recursive descent, at most LIMIT_DEPTH deep. Finished children wait on a stack of slots
 * until their container closes; then it is made in one block.
 */
#include "executor/value/parse.h"
#include "executor/value/layout.h"
#include "shared/base/arena.h"
#include <stdlib.h>
#include <string.h>

struct parser {
    struct value_account *account;
    struct str text;
    size_t at;
    unsigned depth;
    struct value_slot *stack; /* `few` until that is too small */
    size_t count, cap;
    struct value_slot few[24];
    struct arena keys; /* keys that had escapes; all others are borrowed from the text */
    struct status *err;
    enum status_code rc;
};

/* A string of the text, between its quotes. */
struct quoted {
    struct str raw;
    bool has_escapes;
};

static struct value *parse_value(struct parser *p);
static struct value *parse_array(struct parser *p);
static struct value *parse_object(struct parser *p);
static struct value *parse_string(struct parser *p);
static struct value *parse_number(struct parser *p);
static struct value *parse_word(struct parser *p, struct str word, struct value *value);
static bool parse_key(struct parser *p, struct str *ret);
static bool scan_string(struct parser *p, struct quoted *ret);
static size_t plain_run(struct str s, size_t from);
static bool scan_escape(struct parser *p, size_t *at);
static size_t unescape(struct str raw, char *ret);
static bool push(struct parser *p, struct str key, struct value *take_item);
static bool enter(struct parser *p);
static char peek(struct parser *p);
static struct value *invalid(struct parser *p, size_t at, const char *words);
static struct value *exhausted(struct parser *p);

enum status_code value_parse_json(struct value_account *a, struct str json, struct value **ret,
                                  struct status *err)
{
    struct parser p;
    p.account = a;
    p.text = json;
    p.at = 0;
    p.depth = 0;
    p.stack = p.few;
    p.count = 0;
    p.cap = ARRAY_LEN(p.few);
    arena_init(&p.keys, SIZE_MAX); /* a key is no longer than its text */
    p.err = err;
    p.rc = STATUS_OK;

    struct value *v = parse_value(&p);
    if (v != NULL && (peek(&p), p.at < json.len)) {
        value_unref(v);
        v = invalid(&p, p.at, "more than one value");
    }
    for (size_t i = 0; i < p.count; i++)
        value_unref(p.stack[i].value);
    if (p.stack != p.few) {
        free(p.stack);
        value_uncharge(a, p.cap * sizeof *p.stack);
    }
    arena_fini(&p.keys);
    if (v != NULL)
        *ret = v;
    return p.rc;
}

static struct value *parse_value(struct parser *p)
{
    switch (peek(p)) {
    case '{':
        return parse_object(p);
    case '[':
        return parse_array(p);
    case '"':
        return parse_string(p);
    case 't':
        return parse_word(p, STR("true"), value_bool(true));
    case 'f':
        return parse_word(p, STR("false"), value_bool(false));
    case 'n':
        return parse_word(p, STR("null"), value_none());
    default:
        return parse_number(p);
    }
}

static struct value *parse_array(struct parser *p)
{
    size_t base = p->count;
    if (!enter(p))
        return NULL;
    if (peek(p) == ']') {
        p->at++;
    } else {
        for (;;) {
            if (!push(p, STR(""), parse_value(p)))
                return NULL;
            char c = peek(p);
            if (c != ',' && c != ']')
                return invalid(p, p->at, "expected ',' or ']'");
            p->at++;
            if (c == ']')
                break;
        }
    }
    p->depth--;
    struct value *v = value_make_array(p->account, p->stack + base, p->count - base);
    p->count = base;
    return v != NULL ? v : exhausted(p);
}

static struct value *parse_object(struct parser *p)
{
    size_t base = p->count;
    if (!enter(p))
        return NULL;
    if (peek(p) == '}') {
        p->at++;
    } else {
        for (;;) {
            struct str key;
            if (!parse_key(p, &key) || !push(p, key, parse_value(p)))
                return NULL;
            char c = peek(p);
            if (c != ',' && c != '}')
                return invalid(p, p->at, "expected ',' or '}'");
            p->at++;
            if (c == '}')
                break;
        }
    }
    p->depth--;
    struct value *v = value_make_object(p->account, VALUE_OBJECT, p->stack + base, p->count - base);
    p->count = base;
    return v != NULL ? v : exhausted(p);
}

/* A key and the colon behind it. */
static bool parse_key(struct parser *p, struct str *ret)
{
    struct quoted key;
    if (peek(p) != '"') {
        invalid(p, p->at, "expected a key in quotes");
        return false;
    }
    if (!scan_string(p, &key))
        return false;
    if (peek(p) != ':') {
        invalid(p, p->at, "expected ':'");
        return false;
    }
    p->at++;
    *ret = key.raw;
    if (key.has_escapes) {
        char *bytes = arena_alloc(&p->keys, key.raw.len);
        if (bytes == NULL) {
            exhausted(p);
            return false;
        }
        *ret = (struct str){bytes, unescape(key.raw, bytes)};
    }
    return true;
}

static struct value *parse_string(struct parser *p)
{
    struct quoted string;
    if (!scan_string(p, &string))
        return NULL;
    size_t len = string.has_escapes ? unescape(string.raw, NULL) : string.raw.len;
    struct value *v = value_alloc_text(p->account, VALUE_STRING, len);
    if (v == NULL)
        return exhausted(p);
    if (string.has_escapes)
        unescape(string.raw, v->as.text.ptr);
    else if (len > 0)
        memcpy(v->as.text.ptr, string.raw.ptr, len);
    return v;
}

static size_t digit_run(struct str s, size_t from)
{
    while (from < s.len && s.ptr[from] >= '0' && s.ptr[from] <= '9')
        from++;
    return from;
}

static bool has_char(struct str s, size_t at, char c)
{
    return at < s.len && s.ptr[at] == c;
}

/* JSON's grammar is narrower than that of the number helpers of str.h, so the text is checked here first. */
static struct value *parse_number(struct parser *p)
{
    struct str s = p->text;
    size_t from = p->at, at = from + has_char(s, from, '-'), digits = at;
    at = digit_run(s, digits);
    if (at == digits)
        return invalid(p, at, "expected a value");
    if (s.ptr[digits] == '0' && at > digits + 1)
        return invalid(p, digits, "a number with a leading zero");
    bool is_whole = true;
    if (has_char(s, at, '.')) {
        is_whole = false;
        digits = at + 1;
        at = digit_run(s, digits);
        if (at == digits)
            return invalid(p, at, "expected a digit");
    }
    if (has_char(s, at, 'e') || has_char(s, at, 'E')) {
        is_whole = false;
        digits = at + 1;
        digits += has_char(s, digits, '+') || has_char(s, digits, '-');
        at = digit_run(s, digits);
        if (at == digits)
            return invalid(p, at, "expected a digit");
    }
    p->at = at;
    int64_t n;
    double d;
    struct value *v;
    if (is_whole && str_to_i64(str_sub(s, from, at), &n))
        v = value_int(p->account, n);
    else if (str_to_double(str_sub(s, from, at), &d))
        v = value_float(p->account, d);
    else
        return invalid(p, from, "a number out of range");
    return v != NULL ? v : exhausted(p);
}

static struct value *parse_word(struct parser *p, struct str word, struct value *value)
{
    if (!str_starts(str_sub(p->text, p->at, p->text.len), word))
        return invalid(p, p->at, "expected a value");
    p->at += word.len;
    return value;
}

/* --- strings --- */

/* At the opening quote; goes behind the closing one. What is returned is valid UTF-8 with valid escapes. */
static bool scan_string(struct parser *p, struct quoted *ret)
{
    size_t from = p->at + 1, at = from;
    bool has_escapes = false, is_ascii = true;
    for (;;) {
        at = plain_run(p->text, at);
        if (at == p->text.len) {
            invalid(p, at, "a string without end");
            return false;
        }
        unsigned char c = (unsigned char)p->text.ptr[at];
        if (c == '"')
            break;
        if (c >= 0x80) {
            is_ascii = false;
            at++;
        } else if (c == '\\') {
            has_escapes = true;
            if (!scan_escape(p, &at))
                return false;
        } else {
            invalid(p, at, "a control character in a string");
            return false;
        }
    }
    *ret = (struct quoted){str_sub(p->text, from, at), has_escapes};
    if (!is_ascii && !str_is_utf8(ret->raw)) {
        invalid(p, from, "a string that is not UTF-8");
        return false;
    }
    p->at = at + 1;
    return true;
}

/* Index of the first byte at or after `from` that is a quote, a backslash, a control character or not ASCII. */
static size_t plain_run(struct str s, size_t from)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    while (s.len - from >= sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, s.ptr + from, sizeof word);
        uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
        if (((word | (word - ones * 0x20) | (quote - ones) | (backslash - ones)) & high) != 0)
            break;
        from += sizeof word;
    }
    while (from < s.len) {
        unsigned char c = (unsigned char)s.ptr[from];
        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
            break;
        from++;
    }
    return from;
}

/* Goes behind the escape whose backslash is at *at. */
static bool scan_escape(struct parser *p, size_t *at)
{
    static const char letters[] = "\"\\/bfnrtu";
    size_t letter = *at + 1;
    if (letter >= p->text.len || memchr(letters, p->text.ptr[letter], sizeof letters - 1) == NULL) {
        invalid(p, *at, "an unknown escape");
        return false;
    }
    *at = letter + 1;
    if (p->text.ptr[letter] != 'u')
        return true;
    for (; *at < letter + 5; ++*at) {
        if (*at >= p->text.len || str_hex_digit(p->text.ptr[*at]) < 0) {
            invalid(p, *at, "expected four hexadecimal digits");
            return false;
        }
    }
    return true;
}

/* The four digits behind \u. */
static uint32_t hex4(const char *p)
{
    uint32_t n = 0;
    for (int i = 0; i < 4; i++)
        n = n << 4 | (uint32_t)str_hex_digit(p[i]);
    return n;
}

/* The character of the escape \uXXXX at `at`, with its second half if it is a surrogate pair; moves at behind it. */
static uint32_t unicode_escape(struct str raw, size_t *at)
{
    uint32_t code_point = hex4(raw.ptr + *at + 2);
    *at += 6;
    if (code_point < 0xd800 || code_point > 0xdfff)
        return code_point;
    if (code_point < 0xdc00 && str_starts(str_sub(raw, *at, raw.len), STR("\\u"))) {
        uint32_t low = hex4(raw.ptr + *at + 2);
        if (low >= 0xdc00 && low <= 0xdfff) {
            *at += 6;
            return 0x10000 + ((code_point - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    return 0xfffd; /* half a pair is no character */
}

static size_t encode_utf8(uint32_t code_point, char ret[4])
{
    if (code_point < 0x80) {
        ret[0] = (char)code_point;
        return 1;
    }
    size_t len = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {[2] = 0xc0, [3] = 0xe0, [4] = 0xf0};
    for (size_t i = len - 1; i > 0; i--) {
        ret[i] = (char)(0x80 | (code_point & 0x3f));
        code_point >>= 6;
    }
    ret[0] = (char)(leads[len] | code_point);
    return len;
}

/* Length of a scanned string without its escapes; ret, if any, receives the bytes. Never longer than raw. */
static size_t unescape(struct str raw, char *ret)
{
    static const char meant[] = {['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r',
                                 ['t'] = '\t', ['"'] = '"',  ['/'] = '/',  ['\\'] = '\\'};
    size_t len = 0;
    for (size_t at = 0; at < raw.len;) {
        const char *found = memchr(raw.ptr + at, '\\', raw.len - at);
        size_t plain = found != NULL ? (size_t)(found - raw.ptr) - at : raw.len - at;
        if (ret != NULL)
            memcpy(ret + len, raw.ptr + at, plain);
        len += plain;
        at += plain;
        if (at == raw.len)
            break;
        char bytes[4];
        size_t count = 1;
        if (raw.ptr[at + 1] == 'u') {
            count = encode_utf8(unicode_escape(raw, &at), bytes);
        } else {
            bytes[0] = meant[(unsigned char)raw.ptr[at + 1]];
            at += 2;
        }
        if (ret != NULL)
            memcpy(ret + len, bytes, count);
        len += count;
    }
    return len;
}

/* --- the parser --- */

/* NULL (a child that failed, and said so) is false. */
static bool push(struct parser *p, struct str key, struct value *take_item)
{
    if (take_item == NULL)
        return false;
    if (p->count == p->cap) {
        bool is_first = p->stack == p->few;
        size_t bytes = p->cap * sizeof *p->stack; /* in use, and again as many to come */
        struct value_slot *grown = NULL;
        if (value_charge(p->account, is_first ? 2 * bytes : bytes)) {
            grown = realloc(is_first ? NULL : p->stack, 2 * bytes);
            if (grown == NULL)
                value_uncharge(p->account, is_first ? 2 * bytes : bytes);
        }
        if (grown == NULL) {
            value_unref(take_item);
            exhausted(p);
            return false;
        }
        if (is_first)
            memcpy(grown, p->few, bytes);
        p->stack = grown;
        p->cap *= 2;
    }
    p->stack[p->count++] = (struct value_slot){key, take_item};
    return true;
}

/* Into the container whose bracket is next. */
static bool enter(struct parser *p)
{
    if (p->depth == LIMIT_DEPTH) {
        invalid(p, p->at, "nested too deep");
        return false;
    }
    p->depth++;
    p->at++;
    return true;
}

/* The next byte that is no white space, not consumed; NUL at the end. */
static char peek(struct parser *p)
{
    for (; p->at < p->text.len; p->at++) {
        char c = p->text.ptr[p->at];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            return c;
    }
    return '\0';
}

/* Both return NULL, so that failing is one line. */
static struct value *invalid(struct parser *p, size_t at, const char *words)
{
    if (at == p->text.len)
        words = "the text ends too early";
    p->rc = status_set(p->err, STATUS_INVALID_ARGUMENT, "JSON, byte %zu: %s", at, words);
    return NULL;
}

static struct value *exhausted(struct parser *p)
{
    value_refuse(p->account);
    p->rc =
        status_set(p->err, STATUS_RESOURCE_EXHAUSTED, "JSON, byte %zu: no memory left for its values", p->at);
    return NULL;
}
