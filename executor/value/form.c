/*
 * form: see form.h. Recursion is bounded: no value is deeper than VALUE_DEPTH_MAX.
 */
#include "executor/value/form.h"
#include "executor/value/printable.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum secrets { SECRETS_SHOWN, SECRETS_MASKED };

/* Significant digits that always tell a double apart, and a number of them that never needs rounding care. */
enum { DOUBLE_DIGITS_MAX = 17, DOUBLE_DIGITS_SAFE = 15 };

/* d = 0.DIGITS × 10^point */
struct decimal {
    char digits[DOUBLE_DIGITS_MAX];
    int count, point;
};

static void put_text_of(struct buf *b, const struct value *v, enum secrets secrets);
static void put_file_markdown(struct buf *b, const struct value *file);
static void put_repr(struct buf *b, const struct value *v, enum secrets secrets);
static void put_repr_special(struct buf *b, struct str character);
static size_t repr_plain_run(struct str s, size_t from, char quote);
static void put_json(struct buf *b, const struct value *v, enum json_style style, enum secrets secrets,
                     unsigned level);
static void put_json_text(struct buf *b, const struct value *v, enum secrets secrets);
static void put_json_items(struct buf *b, const struct value *v, enum json_style style, enum secrets secrets,
                           unsigned level);
static void put_json_members(struct buf *b, const struct value *v, enum json_style style,
                             enum secrets secrets, unsigned level);
static bool put_short_decimal(struct buf *b, double d);
static struct decimal shortest_decimal(double d);
static bool decimal_equals(const struct decimal *dec, double d);
static void put_fixed(struct buf *b, const struct decimal *dec);
static void put_scientific(struct buf *b, const struct decimal *dec);
static void put_zeros(struct buf *b, int count);

/* --- text, log, Jinja --- */

void value_put_text(struct buf *b, const struct value *v)
{
    switch (value_type(v)) {
    case VALUE_NONE:
    case VALUE_FILE:
        return;
    case VALUE_OBJECT:
        put_json(b, v, JSON_SPACED, SECRETS_SHOWN, 0);
        return;
    case VALUE_ARRAY:
        if (value_count(v) == 0 || value_elem(v) == VALUE_ELEM_FILE)
            return;
        if (value_elem(v) == VALUE_ELEM_STRING)
            put_json(b, v, JSON_SPACED, SECRETS_SHOWN, 0);
        else
            put_repr(b, v, SECRETS_SHOWN);
        return;
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_FLOAT:
    case VALUE_STRING:
    case VALUE_SECRET:
        break;
    }
    put_text_of(b, v, SECRETS_SHOWN);
}

void value_put_log(struct buf *b, const struct value *v)
{
    switch (value_type(v)) {
    case VALUE_NONE:
    case VALUE_FILE:
        return;
    case VALUE_OBJECT:
        put_json(b, v, JSON_INDENTED, SECRETS_MASKED, 0);
        return;
    case VALUE_ARRAY:
        if (value_elem(v) != VALUE_ELEM_FILE)
            put_repr(b, v, SECRETS_MASKED);
        return;
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_FLOAT:
    case VALUE_STRING:
    case VALUE_SECRET:
        break;
    }
    put_text_of(b, v, SECRETS_MASKED);
}

void value_put_jinja(struct buf *b, const struct value *v)
{
    put_text_of(b, v, SECRETS_SHOWN);
}

void value_put_jinja_masked(struct buf *b, const struct value *v)
{
    put_text_of(b, v, SECRETS_MASKED);
}

/* Python's str(): texts themselves, repr of the rest. */
static void put_text_of(struct buf *b, const struct value *v, enum secrets secrets)
{
    if (value_type(v) == VALUE_STRING || (value_type(v) == VALUE_SECRET && secrets == SECRETS_SHOWN))
        buf_put(b, value_text(v));
    else if (value_type(v) == VALUE_SECRET)
        value_put_masked(b, value_text(v));
    else
        put_repr(b, v, secrets);
}

void value_put_masked(struct buf *b, struct str secret)
{
    /* Cut at code points, as Python counts characters. */
    size_t characters = str_utf8_count(secret);
    if (characters == 0)
        return;
    if (characters <= 8) {
        buf_put(b, STR("********************"));
        return;
    }
    size_t at = 0;
    for (size_t i = 0; i < characters - 2; i++) {
        if (i == 6)
            buf_put(b, str_sub(secret, 0, at));
        at += str_utf8_first(str_sub(secret, at, secret.len));
    }
    buf_put(b, STR("************"));
    buf_put(b, str_sub(secret, at, secret.len));
}

/* --- markdown --- */

void value_put_markdown(struct buf *b, const struct value *v)
{
    if (value_type(v) == VALUE_OBJECT) {
        put_json(b, v, JSON_INDENTED, SECRETS_SHOWN, 0);
    } else if (value_type(v) == VALUE_FILE) {
        put_file_markdown(b, v);
    } else if (value_type(v) != VALUE_ARRAY) {
        value_put_text(b, v);
    } else {
        for (size_t i = 0; i < value_count(v); i++) {
            if (i > 0)
                buf_put_char(b, '\n');
            if (value_elem(v) == VALUE_ELEM_FILE) {
                put_file_markdown(b, value_item(v, i));
            } else {
                buf_put(b, STR("- "));
                put_text_of(b, value_item(v, i), SECRETS_SHOWN);
            }
        }
    }
}

static void put_file_markdown(struct buf *b, const struct value *file)
{
    struct str url = value_get_text(file, "url", value_get_text(file, "remote_url", STR("None")));
    struct str name = value_get_text(file, "filename", STR(""));
    bool is_image = str_eq_c(value_get_text(file, "type", STR("")), "image");
    buf_put_c(b, is_image ? "![" : "[");
    buf_put(b, name.len > 0 || is_image ? name : url);
    buf_put(b, STR("]("));
    buf_put(b, url);
    buf_put_char(b, ')');
}

/* --- Python's repr() --- */

void value_put_repr(struct buf *b, const struct value *v)
{
    put_repr(b, v, SECRETS_SHOWN);
}

static void put_repr(struct buf *b, const struct value *v, enum secrets secrets)
{
    switch (value_type(v)) {
    case VALUE_NONE:
        buf_put(b, STR("None"));
        break;
    case VALUE_BOOL:
        buf_put_c(b, value_as_bool(v) ? "True" : "False");
        break;
    case VALUE_INT:
        buf_put_i64(b, value_as_int(v));
        break;
    case VALUE_FLOAT:
        value_put_double(b, value_as_double(v));
        break;
    case VALUE_SECRET:
        if (secrets == SECRETS_MASKED) {
            buf_put_char(b, '\'');
            value_put_masked(b, value_text(v));
            buf_put_char(b, '\'');
            break;
        }
        value_put_repr_text(b, value_text(v));
        break;
    case VALUE_STRING:
        value_put_repr_text(b, value_text(v));
        break;
    case VALUE_ARRAY:
        buf_put_char(b, '[');
        for (size_t i = 0; i < value_count(v) && !b->failed; i++) {
            if (i > 0)
                buf_put(b, STR(", "));
            put_repr(b, value_item(v, i), secrets);
        }
        buf_put_char(b, ']');
        break;
    case VALUE_OBJECT:
    case VALUE_FILE:
        buf_put_char(b, '{');
        for (size_t i = 0; i < value_count(v) && !b->failed; i++) {
            if (i > 0)
                buf_put(b, STR(", "));
            value_put_repr_text(b, value_key(v, i));
            buf_put(b, STR(": "));
            put_repr(b, value_member(v, i), secrets);
        }
        buf_put_char(b, '}');
        break;
    }
}

void value_put_repr_text(struct buf *b, struct str s)
{
    bool has_single = s.len > 0 && memchr(s.ptr, '\'', s.len) != NULL;
    bool has_double = s.len > 0 && memchr(s.ptr, '"', s.len) != NULL;
    char quote = has_single && !has_double ? '"' : '\'';
    buf_put_char(b, quote);
    for (size_t at = 0; at < s.len && !b->failed;) {
        size_t end = repr_plain_run(s, at, quote);
        buf_put(b, str_sub(s, at, end));
        at = end;
        if (at < s.len) {
            size_t len = str_utf8_first(str_sub(s, at, s.len));
            put_repr_special(b, str_sub(s, at, at + len));
            at += len;
        }
    }
    buf_put_char(b, quote);
}

/* The code point of one valid character. */
static uint32_t code_point_of(struct str character)
{
    const unsigned char *p = (const unsigned char *)character.ptr;
    switch (character.len) {
    case 1:
        return p[0];
    case 2:
        return (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
    case 3:
        return (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
    default:
        return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 | (uint32_t)(p[2] & 0x3f) << 6 |
               (p[3] & 0x3f);
    }
}

/* Index of the first character at or after `from` that repr() does not show as it is; s.len if there is none. */
static size_t repr_plain_run(struct str s, size_t from, char quote)
{
    while (from < s.len) {
        unsigned char c = (unsigned char)s.ptr[from];
        if (c < 0x20 || c == 0x7f || c == '\\' || c == (unsigned char)quote)
            return from;
        size_t len = 1;
        if (c >= 0x80) {
            len = str_utf8_first(str_sub(s, from, s.len));
            if (!is_printable(code_point_of(str_sub(s, from, from + len))))
                return from;
        }
        from += len;
    }
    return from;
}

static void put_repr_special(struct buf *b, struct str character)
{
    uint32_t code_point = code_point_of(character);
    switch (code_point) {
    case '\n':
        buf_put(b, STR("\\n"));
        break;
    case '\r':
        buf_put(b, STR("\\r"));
        break;
    case '\t':
        buf_put(b, STR("\\t"));
        break;
    case '\\':
    case '\'':
        buf_put_char(b, '\\');
        buf_put(b, character);
        break;
    default:
        if (code_point <= 0xff)
            buf_printf(b, "\\x%02x", code_point);
        else if (code_point <= 0xffff)
            buf_printf(b, "\\u%04x", code_point);
        else
            buf_printf(b, "\\U%08x", code_point);
    }
}

/* --- JSON --- */

void value_put_json(struct buf *b, const struct value *v, enum json_style style, bool mask_secrets)
{
    put_json(b, v, style, mask_secrets ? SECRETS_MASKED : SECRETS_SHOWN, 0);
}

static void put_json(struct buf *b, const struct value *v, enum json_style style, enum secrets secrets,
                     unsigned level)
{
    switch (value_type(v)) {
    case VALUE_NONE:
        buf_put(b, STR("null"));
        break;
    case VALUE_BOOL:
        buf_put_c(b, value_as_bool(v) ? "true" : "false");
        break;
    case VALUE_INT:
        buf_put_i64(b, value_as_int(v));
        break;
    case VALUE_FLOAT:
        if (isfinite(value_as_double(v)))
            value_put_double(b, value_as_double(v));
        else
            buf_put(b, STR("null"));
        break;
    case VALUE_STRING:
    case VALUE_SECRET:
        put_json_text(b, v, secrets);
        break;
    case VALUE_ARRAY:
        buf_put_char(b, '[');
        put_json_items(b, v, style, secrets, level + 1);
        buf_put_char(b, ']');
        break;
    case VALUE_OBJECT:
    case VALUE_FILE:
        buf_put_char(b, '{');
        put_json_members(b, v, style, secrets, level + 1);
        buf_put_char(b, '}');
        break;
    }
}

static void put_json_text(struct buf *b, const struct value *v, enum secrets secrets)
{
    if (value_type(v) == VALUE_STRING || secrets == SECRETS_SHOWN) {
        buf_put_json_string(b, value_text(v));
        return;
    }
    struct buf masked;
    buf_init(&masked, 64); /* at most 6 + 2 characters of 4 bytes and 12 stars */
    value_put_masked(&masked, value_text(v));
    b->failed |= masked.failed;
    buf_put_json_string(b, buf_str(&masked));
    buf_fini(&masked);
}

static void put_line(struct buf *b, unsigned level)
{
    buf_put_char(b, '\n');
    for (unsigned i = 0; i < level; i++)
        buf_put(b, STR("  "));
}

/* What stands in front of the i-th child. */
static void put_json_lead(struct buf *b, size_t i, enum json_style style, unsigned level)
{
    if (i > 0)
        buf_put_c(b, style == JSON_SPACED ? ", " : ",");
    if (style == JSON_INDENTED)
        put_line(b, level);
}

static void put_json_items(struct buf *b, const struct value *v, enum json_style style, enum secrets secrets,
                           unsigned level)
{
    size_t count = value_count(v);
    for (size_t i = 0; i < count && !b->failed; i++) {
        put_json_lead(b, i, style, level);
        put_json(b, value_item(v, i), style, secrets, level);
    }
    if (count > 0 && style == JSON_INDENTED)
        put_line(b, level - 1);
}

static void put_json_members(struct buf *b, const struct value *v, enum json_style style,
                             enum secrets secrets, unsigned level)
{
    size_t count = value_count(v);
    for (size_t i = 0; i < count && !b->failed; i++) {
        put_json_lead(b, i, style, level);
        buf_put_json_string(b, value_key(v, i));
        buf_put_c(b, style == JSON_COMPACT ? ":" : ": ");
        put_json(b, value_member(v, i), style, secrets, level);
    }
    if (count > 0 && style == JSON_INDENTED)
        put_line(b, level - 1);
}

/* --- doubles --- */

void value_put_double(struct buf *b, double d)
{
    if (isnan(d)) {
        buf_put(b, STR("nan"));
        return;
    }
    if (signbit(d))
        buf_put_char(b, '-');
    d = fabs(d);
    if (isinf(d)) {
        buf_put(b, STR("inf"));
    } else if (d < 1e15 && d == floor(d)) {
        buf_put_u64(b, (uint64_t)d);
        buf_put(b, STR(".0"));
    } else if (!put_short_decimal(b, d)) {
        struct decimal dec = shortest_decimal(d);
        if (dec.point > -4 && dec.point <= 16)
            put_fixed(b, &dec);
        else
            put_scientific(b, &dec);
    }
}

/*
 * Up to six decimals: exact, because the digits and the power of ten are both whole numbers that a double holds, so their
 * quotient is rounded as a reader would round it; and no other text of at most 15 digits reads as the same double.
 */
static bool put_short_decimal(struct buf *b, double d)
{
    static const double powers[] = {10, 100, 1000, 10000, 100000, 1000000};
    if (d < 1e-4 || d >= 1e9)
        return false;
    for (size_t k = 0; k < ARRAY_LEN(powers); k++) {
        double digits = nearbyint(d * powers[k]);
        if (digits / powers[k] != d)
            continue;
        char text[32];
        uint64_t power = (uint64_t)powers[k], whole = (uint64_t)digits;
        int len = snprintf(text, sizeof text, "%llu.%0*llu", (unsigned long long)(whole / power), (int)k + 1,
                           (unsigned long long)(whole % power));
        buf_put(b, (struct str){text, (size_t)len});
        return true;
    }
    return false;
}

/* d rounded to `count` digits; independent of the locale, whose decimal point is one byte that is skipped. */
static struct decimal rounded_decimal(double d, int count)
{
    char text[DOUBLE_DIGITS_MAX + sizeof ".e+308"];
    struct decimal dec = {.count = count};
    snprintf(text, sizeof text, "%.*e", count - 1, d);
    dec.digits[0] = text[0];
    const char *e = text + 1;
    if (count > 1) {
        memcpy(dec.digits + 1, text + 2, (size_t)count - 1);
        e = text + 1 + count;
    }
    for (const char *p = e + 2; *p != '\0'; p++)
        dec.point = dec.point * 10 + (*p - '0');
    dec.point = (e[1] == '-' ? -dec.point : dec.point) + 1;
    return dec;
}

/* The next decimal of as many digits. False when the last digit is a 9 (then the caller tries more digits). */
static bool decimal_step(struct decimal *dec)
{
    if (dec->digits[dec->count - 1] == '9')
        return false;
    dec->digits[dec->count - 1]++;
    return true;
}

/* The fewest digits that read back as d, which is positive and finite. */
static struct decimal shortest_decimal(double d)
{
    struct decimal dec;
    int exponent;
    bool is_subnormal = d < 0x1p-1022; /* with fewer digits the less there is of it */
    /* Below a power of two doubles lie closer, so the nearest decimal can be too low while the one above it is not. */
    bool is_power_of_two = frexp(d, &exponent) == 0.5;
    for (int count = is_subnormal ? 1 : DOUBLE_DIGITS_SAFE;; count++) {
        dec = rounded_decimal(d, count);
        if (count == DOUBLE_DIGITS_MAX || decimal_equals(&dec, d))
            break;
        if (is_power_of_two && decimal_step(&dec) && decimal_equals(&dec, d))
            break;
    }
    while (dec.count > 1 && dec.digits[dec.count - 1] == '0')
        dec.count--;
    return dec;
}

static bool decimal_equals(const struct decimal *dec, double d)
{
    char text[DOUBLE_DIGITS_MAX + sizeof "e-2147483648"];
    int len = snprintf(text, sizeof text, "%.*se%d", dec->count, dec->digits, dec->point - dec->count);
    double read;
    return str_to_double((struct str){text, (size_t)len}, &read) && read == d;
}

static void put_fixed(struct buf *b, const struct decimal *dec)
{
    if (dec->point <= 0) {
        buf_put(b, STR("0."));
        put_zeros(b, -dec->point);
        buf_put(b, (struct str){dec->digits, (size_t)dec->count});
    } else if (dec->count <= dec->point) {
        buf_put(b, (struct str){dec->digits, (size_t)dec->count});
        put_zeros(b, dec->point - dec->count);
        buf_put(b, STR(".0"));
    } else {
        buf_put(b, (struct str){dec->digits, (size_t)dec->point});
        buf_put_char(b, '.');
        buf_put(b, (struct str){dec->digits + dec->point, (size_t)(dec->count - dec->point)});
    }
}

static void put_scientific(struct buf *b, const struct decimal *dec)
{
    buf_put_char(b, dec->digits[0]);
    if (dec->count > 1) {
        buf_put_char(b, '.');
        buf_put(b, (struct str){dec->digits + 1, (size_t)dec->count - 1});
    }
    buf_printf(b, "e%c%02d", dec->point > 0 ? '+' : '-', dec->point > 0 ? dec->point - 1 : 1 - dec->point);
}

static void put_zeros(struct buf *b, int count)
{
    for (int i = 0; i < count; i++)
        buf_put_char(b, '0');
}
