/* payload: see the header. One pass over the text that writes the Struct's bytes as it goes: no tree, no second copy. */
#include "gateway/api/payload.h"

#include "shared/rpc/wire.h"
#include <string.h>

/* Field numbers of google.protobuf.Value, Struct, ListValue, and of an entry of Struct's map. */
enum {
    VALUE_NULL = 1,
    VALUE_NUMBER = 2,
    VALUE_STRING = 3,
    VALUE_BOOL = 4,
    VALUE_STRUCT = 5,
    VALUE_LIST = 6,
    STRUCT_ENTRY = 1,
    ENTRY_KEY = 1,
    ENTRY_VALUE = 2,
    LIST_VALUE = 1
};

struct scan {
    struct str rest;
    struct buf *out;
};

static bool put_value(struct scan *s, unsigned depth);

static void skip_space(struct scan *s)
{
    while (s->rest.len > 0 && (s->rest.ptr[0] == ' ' || s->rest.ptr[0] == '\n' || s->rest.ptr[0] == '\t' ||
                               s->rest.ptr[0] == '\r'))
        s->rest = str_sub(s->rest, 1, s->rest.len);
}

static bool take(struct scan *s, struct str word)
{
    if (!str_starts(s->rest, word))
        return false;
    s->rest = str_sub(s->rest, word.len, s->rest.len);
    return true;
}

/* Punctuation, with the space before it. */
static bool take_mark(struct scan *s, char mark)
{
    skip_space(s);
    return take(s, (struct str){&mark, 1});
}

/* --- texts --- */

static bool take_hex4(struct scan *s, uint32_t *ret)
{
    *ret = 0;
    if (s->rest.len < 4)
        return false;
    for (size_t i = 0; i < 4; i++) {
        int digit = str_hex_digit(s->rest.ptr[i]);
        if (digit < 0)
            return false;
        *ret = *ret << 4 | (uint32_t)digit;
    }
    s->rest = str_sub(s->rest, 4, s->rest.len);
    return true;
}

static void put_code_point(struct buf *b, uint32_t c)
{
    if (c < 0x80) {
        buf_put_char(b, (char)c);
        return;
    }
    if (c < 0x800) {
        buf_put_char(b, (char)(0xc0 | c >> 6));
    } else if (c < 0x10000) {
        buf_put_char(b, (char)(0xe0 | c >> 12));
        buf_put_char(b, (char)(0x80 | (c >> 6 & 0x3f)));
    } else {
        buf_put_char(b, (char)(0xf0 | c >> 18));
        buf_put_char(b, (char)(0x80 | (c >> 12 & 0x3f)));
        buf_put_char(b, (char)(0x80 | (c >> 6 & 0x3f)));
    }
    buf_put_char(b, (char)(0x80 | (c & 0x3f)));
}

#define REPLACEMENT 0xfffd

/* Behind "\u". Half of a surrogate pair alone becomes U+FFFD: a protobuf string is UTF-8. */
static bool put_unicode_escape(struct scan *s)
{
    uint32_t high, low;
    if (!take_hex4(s, &high))
        return false;
    bool is_high = high >= 0xd800 && high < 0xdc00, is_low = high >= 0xdc00 && high < 0xe000;
    struct str before = s->rest;
    if (is_high && take(s, STR("\\u"))) {
        if (!take_hex4(s, &low))
            return false;
        if (low >= 0xdc00 && low < 0xe000) {
            put_code_point(s->out, 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
            return true;
        }
        s->rest = before;
    }
    put_code_point(s->out, is_high || is_low ? REPLACEMENT : high);
    return true;
}

static bool put_escape(struct scan *s)
{
    static const char shorts[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    if (take(s, STR("u")))
        return put_unicode_escape(s);
    for (size_t i = 0; s->rest.len > 0 && i < sizeof shorts - 1; i++) {
        if (s->rest.ptr[0] == shorts[i]) {
            buf_put_char(s->out, meant[i]);
            s->rest = str_sub(s->rest, 1, s->rest.len);
            return true;
        }
    }
    return false;
}

/* A string as field `number`. */
static bool put_string(struct scan *s, uint32_t number)
{
    if (!take_mark(s, '"'))
        return false;
    size_t mark = wire_put_begin(s->out, number);
    for (;;) {
        size_t plain = 0;
        while (plain < s->rest.len && s->rest.ptr[plain] != '"' && s->rest.ptr[plain] != '\\' &&
               (unsigned char)s->rest.ptr[plain] >= 0x20)
            plain++;
        struct str piece = str_sub(s->rest, 0, plain);
        if (!str_is_utf8(piece))
            return false;
        buf_put(s->out, piece);
        s->rest = str_sub(s->rest, plain, s->rest.len);
        if (take(s, STR("\"")))
            break;
        if (!take(s, STR("\\")) || !put_escape(s))
            return false; /* the end of the text, or a control character */
    }
    wire_put_end(s->out, mark);
    return true;
}

/* --- the rest --- */

static bool put_number(struct scan *s)
{
    static const char parts[] = "+-.0123456789Ee";
    size_t len = 0;
    double number;
    while (len < s->rest.len && memchr(parts, s->rest.ptr[len], sizeof parts - 1) != NULL)
        len++;
    if (len == 0 || !str_to_double(str_sub(s->rest, 0, len), &number))
        return false;
    wire_put_double(s->out, VALUE_NUMBER, number);
    s->rest = str_sub(s->rest, len, s->rest.len);
    return true;
}

/* Behind "{": the fields of a Struct. */
static bool put_members(struct scan *s, unsigned depth)
{
    if (depth > PAYLOAD_STRUCT_DEPTH)
        return false;
    if (take_mark(s, '}'))
        return true;
    do {
        size_t entry = wire_put_begin(s->out, STRUCT_ENTRY);
        if (!put_string(s, ENTRY_KEY) || !take_mark(s, ':'))
            return false;
        size_t value = wire_put_begin(s->out, ENTRY_VALUE);
        if (!put_value(s, depth))
            return false;
        wire_put_end(s->out, value);
        wire_put_end(s->out, entry);
    } while (take_mark(s, ','));
    return take_mark(s, '}');
}

/* Behind "[": the fields of a ListValue. */
static bool put_items(struct scan *s, unsigned depth)
{
    if (depth > PAYLOAD_STRUCT_DEPTH)
        return false;
    if (take_mark(s, ']'))
        return true;
    do {
        size_t item = wire_put_begin(s->out, LIST_VALUE);
        if (!put_value(s, depth))
            return false;
        wire_put_end(s->out, item);
    } while (take_mark(s, ','));
    return take_mark(s, ']');
}

/* The fields of one Value. */
static bool put_value(struct scan *s, unsigned depth)
{
    skip_space(s);
    if (s->rest.len == 0 || s->out->failed)
        return false;
    size_t mark;
    bool ok;
    switch (s->rest.ptr[0]) {
    case '"':
        return put_string(s, VALUE_STRING);
    case '{':
        mark = wire_put_begin(s->out, VALUE_STRUCT);
        ok = take(s, STR("{")) && put_members(s, depth + 1);
        if (ok)
            wire_put_end(s->out, mark);
        return ok;
    case '[':
        mark = wire_put_begin(s->out, VALUE_LIST);
        ok = take(s, STR("[")) && put_items(s, depth + 1);
        if (ok)
            wire_put_end(s->out, mark);
        return ok;
    case 't':
    case 'f':
        wire_put_uint(s->out, VALUE_BOOL, s->rest.ptr[0] == 't');
        return take(s, STR("true")) || take(s, STR("false"));
    case 'n':
        wire_put_uint(s->out, VALUE_NULL, 0);
        return take(s, STR("null"));
    default:
        return put_number(s);
    }
}

/* The whole text as field `number`; false: it is as it was before, or has failed for want of room. */
static bool put_struct(struct buf *b, uint32_t number, struct str json)
{
    size_t before = b->len;
    struct scan s = {.rest = json, .out = b};
    size_t mark = wire_put_begin(b, number);
    bool ok = take_mark(&s, '{') && put_members(&s, 1);
    skip_space(&s);
    if (ok && s.rest.len == 0) {
        wire_put_end(b, mark);
        return true;
    }
    if (!b->failed)
        buf_cut(b, before);
    return b->failed;
}

bool payload_form_from(int payloads, enum payload_form *ret)
{
    if (payloads < PAYLOAD_STRUCT || payloads > PAYLOAD_NONE)
        return false;
    *ret = (enum payload_form)payloads;
    return true;
}

void payload_put(struct buf *b, uint32_t number, struct str json, enum payload_form form)
{
    if (json.len == 0 || form == PAYLOAD_NONE || b->failed)
        return;
    if (form == PAYLOAD_JSON || !put_struct(b, number, json))
        wire_put_bytes(b, number + 1, json);
}

void payload_put_text(struct buf *b, uint32_t number, struct str json)
{
    size_t before = b->len;
    struct scan s = {.rest = json, .out = b};
    bool ok = put_string(&s, number);
    skip_space(&s);
    if ((ok && s.rest.len == 0) || b->failed)
        return;
    buf_cut(b, before);
    wire_put_bytes(b, number, json);
}
