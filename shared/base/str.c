/*
 * str: see str.h.
 */
#include "shared/base/str.h"
#include <assert.h>
#include <locale.h>
#include <math.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* bytes. A number up to this length is parsed without touching the heap. */
enum { SHORT_NUMBER_BYTES = 64 };
/* One bit in every byte: the high one. Set where a byte is not ASCII. */
#define HIGH_BITS 0x8080808080808080u

static char ascii_lower(char c);
static bool is_space(char c);
static bool is_continuation(char c);
static bool is_digit(char c);
static size_t ascii_run(struct str s, size_t from);
static size_t digit_run(struct str s, size_t from);
static bool is_decimal(struct str s);
static double decimal_value(const char *text);

struct str str_c(const char *text)
{
    if (text == NULL)
        return STR("");
    return (struct str){text, strlen(text)};
}

bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool str_eq_c(struct str a, const char *b)
{
    return str_eq(a, str_c(b));
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i]))
            return false;
    }
    return true;
}

int str_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int str_cmp(struct str a, struct str b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter == 0 ? 0 : memcmp(a.ptr, b.ptr, shorter);
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

uint64_t str_hash(struct str s)
{
    uint64_t hash = 14695981039346656037ULL;
    for (size_t i = 0; i < s.len; i++)
        hash = (hash ^ (unsigned char)s.ptr[i]) * 1099511628211ULL;
    return hash ^ hash >> 32;
}

bool str_starts(struct str s, struct str prefix)
{
    return prefix.len <= s.len && str_eq((struct str){s.ptr, prefix.len}, prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return suffix.len <= s.len && str_eq(str_sub(s, s.len - suffix.len, s.len), suffix);
}

size_t str_find(struct str s, struct str needle, size_t from)
{
    if (from > s.len)
        return SIZE_MAX;
    if (needle.len == 0)
        return from;
    if (needle.len > s.len - from)
        return SIZE_MAX;
    const char *found = memmem(s.ptr + from, s.len - from, needle.ptr, needle.len);
    return found == NULL ? SIZE_MAX : (size_t)(found - s.ptr);
}

struct str str_sub(struct str s, size_t from, size_t to)
{
    if (to > s.len)
        to = s.len;
    if (from > to)
        from = to;
    /* No arithmetic on NULL, not even + 0. */
    return (struct str){from == 0 ? s.ptr : s.ptr + from, to - from};
}

struct str str_trim(struct str s)
{
    size_t from = 0, to = s.len;
    while (from < to && is_space(s.ptr[from]))
        from++;
    while (to > from && is_space(s.ptr[to - 1]))
        to--;
    return str_sub(s, from, to);
}

bool str_split(struct str *rest, char sep, struct str *piece)
{
    if (rest->ptr == NULL)
        return false;
    const char *found = rest->len == 0 ? NULL : memchr(rest->ptr, sep, rest->len);
    if (found == NULL) {
        *piece = *rest;
        *rest = (struct str){NULL, 0};
        return true;
    }
    size_t at = (size_t)(found - rest->ptr);
    *piece = str_sub(*rest, 0, at);
    *rest = str_sub(*rest, at + 1, rest->len);
    return true;
}

char *str_dup(struct str s)
{
    char *copy = malloc(s.len + 1);
    if (copy == NULL)
        return NULL;
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return copy;
}

bool str_eq_secret(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0);
}

size_t str_utf8_first(struct str s)
{
    if (s.len == 0)
        return 0;
    const unsigned char *p = (const unsigned char *)s.ptr;
    if (p[0] < 0x80)
        return 1;
    /* The second byte alone tells overlong forms, surrogates and what lies beyond U+10FFFF. */
    unsigned char low = 0x80, high = 0xbf;
    size_t len;
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        len = 2;
    } else if ((p[0] & 0xf0) == 0xe0) {
        len = 3;
        if (p[0] == 0xe0)
            low = 0xa0;
        else if (p[0] == 0xed)
            high = 0x9f;
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        len = 4;
        if (p[0] == 0xf0)
            low = 0x90;
        else if (p[0] == 0xf4)
            high = 0x8f;
    } else {
        return 0;
    }
    if (len > s.len || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if (!is_continuation(s.ptr[i]))
            return 0;
    }
    return len;
}

bool str_is_utf8(struct str s)
{
    for (size_t at = ascii_run(s, 0); at < s.len; at = ascii_run(s, at)) {
        size_t len = str_utf8_first(str_sub(s, at, s.len));
        if (len == 0)
            return false;
        at += len;
    }
    return true;
}

size_t str_utf8_count(struct str s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++)
        count += !is_continuation(s.ptr[i]);
    return count;
}

size_t str_utf8_cut(struct str s, size_t max)
{
    if (s.len <= max)
        return s.len;
    /* At most three bytes back: more continuation bytes in a row are not UTF-8, and then any place is as good. */
    for (size_t back = 0; back <= 3 && back <= max; back++) {
        if (!is_continuation(s.ptr[max - back]))
            return max - back;
    }
    return max;
}

bool str_to_u64(struct str s, uint64_t *ret)
{
    if (s.len == 0)
        return false;
    uint64_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (!is_digit(s.ptr[i]) || __builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(s.ptr[i] - '0'), &n))
            return false;
    }
    *ret = n;
    return true;
}

bool str_to_i64(struct str s, int64_t *ret)
{
    bool negative = s.len > 0 && s.ptr[0] == '-';
    uint64_t size;
    if (!str_to_u64(str_sub(s, negative, s.len), &size) || size > (uint64_t)INT64_MAX + negative)
        return false;
    *ret = negative && size > 0 ? -(int64_t)(size - 1) - 1 : (int64_t)size;
    return true;
}

bool str_to_double(struct str s, double *ret)
{
    if (!is_decimal(s))
        return false;
    double value;
    if (s.len < SHORT_NUMBER_BYTES) {
        char text[SHORT_NUMBER_BYTES];
        memcpy(text, s.ptr, s.len);
        text[s.len] = '\0';
        value = decimal_value(text);
    } else {
        char *text = str_dup(s);
        if (text == NULL)
            return false;
        value = decimal_value(text);
        free(text);
    }
    if (!isfinite(value))
        return false;
    *ret = value;
    return true;
}

static char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Index of the first byte at or after `from` that is not ASCII; s.len if there is none. */
static size_t ascii_run(struct str s, size_t from)
{
    while (s.len - from >= sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, s.ptr + from, sizeof word);
        if ((word & HIGH_BITS) != 0)
            break;
        from += sizeof word;
    }
    while (from < s.len && (unsigned char)s.ptr[from] < 0x80)
        from++;
    return from;
}

/* Index behind the digits that start at `from`. */
static size_t digit_run(struct str s, size_t from)
{
    while (from < s.len && is_digit(s.ptr[from]))
        from++;
    return from;
}

/* -? digits ( . digits )? ( [eE] [+-]? digits )? and nothing else. */
static bool is_decimal(struct str s)
{
    size_t from = s.len > 0 && s.ptr[0] == '-';
    size_t at = digit_run(s, from);
    if (at == from)
        return false;
    if (at < s.len && s.ptr[at] == '.') {
        from = at + 1;
        at = digit_run(s, from);
        if (at == from)
            return false;
    }
    if (at < s.len && (s.ptr[at] == 'e' || s.ptr[at] == 'E')) {
        from = at + 1;
        if (from < s.len && (s.ptr[from] == '+' || s.ptr[from] == '-'))
            from++;
        at = digit_run(s, from);
        if (at == from)
            return false;
    }
    return at == s.len;
}

static locale_t c_locale;

static void c_locale_make(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    assert(c_locale != (locale_t)0); /* "C" is built into the library: nothing is read or allocated */
}

/* strtod in the C locale, whatever locale a library may have set. */
static double decimal_value(const char *text)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, c_locale_make);
    return strtod_l(text, NULL, c_locale);
}

bool str_fits(struct str s, struct str glob)
{
    size_t g = 0, n = 0, star = SIZE_MAX, star_n = 0;
    while (n < s.len) {
        if (g < glob.len && (glob.ptr[g] == '?' || (glob.ptr[g] == s.ptr[n] && glob.ptr[g] != '*'))) {
            g++;
            n++;
        } else if (g < glob.len && glob.ptr[g] == '*') {
            star = g++;
            star_n = n;
        } else if (star != SIZE_MAX) { /* let the last star take one more */
            g = star + 1;
            n = ++star_n;
        } else {
            return false;
        }
    }
    while (g < glob.len && glob.ptr[g] == '*')
        g++;
    return g == glob.len;
}
