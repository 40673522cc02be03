/*
 * scalar: see scalar.h. Each rule is a matcher over the text; ints and floats are computed from a copy without
 * underscores.
 */
#include "executor/dsl/scalar.h"
#include <math.h>
#include <string.h>

/* characters. A longer run of digits is a text: nothing in an export is that number, and PyYAML has such a bound too. */
enum { NUMBER_CHARS_MAX = 1024 };

#define TAG_PREFIX "tag:yaml.org,2002:"

static bool is_one_of(struct str text, const char *const *words, size_t count);
static bool is_null(struct str text);
static bool is_true(struct str text);
static bool is_false(struct str text);
static bool has_int_form(struct str text);
static bool has_float_form(struct str text);
static bool has_decimal_form(struct str text);
static struct value *int_of(struct str text);
static struct value *float_of(struct str text);

/* PyYAML looks only at scalars that start with one of these. */
static bool may_be_number(struct str text)
{
    return text.len > 0 && text.len <= NUMBER_CHARS_MAX && memchr("-+.0123456789", text.ptr[0], 13) != NULL;
}

struct value *scalar_plain(struct str text)
{
    if (is_null(text))
        return value_none();
    if (is_true(text) || is_false(text))
        return value_bool(is_true(text));
    if (may_be_number(text)) {
        if (has_float_form(text))
            return float_of(text);
        if (has_int_form(text))
            return int_of(text);
    }
    return value_string(NULL, text);
}

enum status_code scalar_tagged(struct str tag, struct str text, struct value **ret, struct status *err)
{
    struct value *v;
    bool is_int = may_be_number(text) && has_int_form(text);
    bool is_float = may_be_number(text) && (has_float_form(text) || has_decimal_form(text));
    if (str_eq_c(tag, TAG_PREFIX "str") || str_eq_c(tag, TAG_PREFIX "timestamp"))
        v = value_string(NULL, text);
    else if (str_eq_c(tag, TAG_PREFIX "null"))
        v = value_none();
    else if (str_eq_c(tag, TAG_PREFIX "bool") && (is_true(text) || is_false(text)))
        v = value_bool(is_true(text));
    else if (str_eq_c(tag, TAG_PREFIX "int") && is_int)
        v = int_of(text);
    else if (str_eq_c(tag, TAG_PREFIX "float") && is_float)
        v = float_of(text);
    else
        return status_set(err, STATUS_INVALID_ARGUMENT, "the tag %.*s is not known or does not fit its value",
                          STR_ARG(str_sub(tag, 0, 80)));
    if (v == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for a scalar");
    *ret = v;
    return STATUS_OK;
}

/* --- words --- */

static bool is_one_of(struct str text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq_c(text, words[i]))
            return true;
    }
    return false;
}

static bool is_null(struct str text)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    return is_one_of(text, words, ARRAY_LEN(words));
}

static bool is_true(struct str text)
{
    static const char *const words[] = {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"};
    return is_one_of(text, words, ARRAY_LEN(words));
}

static bool is_false(struct str text)
{
    static const char *const words[] = {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"};
    return is_one_of(text, words, ARRAY_LEN(words));
}

/* --- forms of numbers --- */

static bool at(struct str s, size_t i, char c)
{
    return i < s.len && s.ptr[i] == c;
}

static bool is_digit_at(struct str s, size_t i)
{
    return i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9';
}

/* Index behind the characters of `set` that start at i. */
static size_t skip(struct str s, size_t i, const char *set)
{
    while (i < s.len && s.ptr[i] != '\0' && strchr(set, s.ptr[i]) != NULL)
        i++;
    return i;
}

static size_t skip_sign(struct str s)
{
    return at(s, 0, '-') || at(s, 0, '+') ? 1 : 0;
}

/* Behind the (:[0-5]?[0-9])+ at i; 0 when there is none. */
static size_t skip_sixties(struct str s, size_t i)
{
    size_t start = i;
    while (at(s, i, ':') && is_digit_at(s, i + 1)) {
        bool is_pair = is_digit_at(s, i + 2);
        if (is_pair && s.ptr[i + 1] > '5')
            return 0;
        i += is_pair ? 3 : 2;
    }
    return i > start ? i : 0;
}

/* Without sign. Only underscores behind a prefix are no number. */
static bool has_prefixed_form(struct str s, const char *set)
{
    struct str digits = str_sub(s, 2, s.len);
    return digits.len > 0 && skip(digits, 0, set) == digits.len && skip(digits, 0, "_") < digits.len;
}

static bool has_int_form(struct str text)
{
    struct str s = str_sub(text, skip_sign(text), text.len);
    if (str_starts(s, STR("0b")))
        return has_prefixed_form(s, "01_");
    if (str_starts(s, STR("0x")))
        return has_prefixed_form(s, "0123456789abcdefABCDEF_");
    if (at(s, 0, '0'))
        return skip(s, 1, "01234567_") == s.len;
    if (!is_digit_at(s, 0))
        return false;
    size_t end = skip(s, 0, "0123456789_");
    return end == s.len || skip_sixties(s, end) == s.len;
}

/* Behind the exponent at i, which may be missing; SIZE_MAX when what is there is none. */
static size_t skip_exponent(struct str s, size_t i)
{
    if (!at(s, i, 'e') && !at(s, i, 'E'))
        return i;
    if (!at(s, i + 1, '-') && !at(s, i + 1, '+'))
        return SIZE_MAX;
    return is_digit_at(s, i + 2) ? skip(s, i + 2, "0123456789") : SIZE_MAX;
}

static bool has_float_form(struct str text)
{
    static const char *const infinities[] = {".inf", ".Inf", ".INF"};
    static const char *const nans[] = {".nan", ".NaN", ".NAN"};
    struct str s = str_sub(text, skip_sign(text), text.len);
    if (is_one_of(s, infinities, ARRAY_LEN(infinities)) || is_one_of(text, nans, ARRAY_LEN(nans)))
        return true;
    if (at(text, 0, '.'))
        return is_digit_at(text, 1) && skip_exponent(text, skip(text, 1, "0123456789_")) == text.len;
    if (!is_digit_at(s, 0))
        return false;
    size_t end = skip(s, 0, "0123456789_");
    if (at(s, end, '.'))
        return skip_exponent(s, skip(s, end + 1, "0123456789_")) == s.len;
    end = skip_sixties(s, end);
    return end > 0 && at(s, end, '.') && skip(s, end + 1, "0123456789_") == s.len;
}

/* Nothing but decimal digits. */
static bool has_decimal_form(struct str text)
{
    size_t start = skip_sign(text);
    return is_digit_at(text, start) && skip(text, start, "0123456789_") == text.len;
}

/* --- values of numbers --- */

/* A number without sign and underscores, NUL behind it. */
struct plain_number {
    bool is_negative;
    char digits[NUMBER_CHARS_MAX + 4];
    size_t len;
};

static void plain_number_read(struct plain_number *n, struct str text)
{
    n->is_negative = at(text, 0, '-');
    n->len = 0;
    for (size_t i = skip_sign(text); i < text.len; i++) {
        if (text.ptr[i] == '_')
            continue;
        if (text.ptr[i] == '.' && n->len == 0)
            n->digits[n->len++] = '0';
        n->digits[n->len++] = text.ptr[i];
    }
    n->digits[n->len] = '\0';
}

/* Digits of one base, or groups in base 60. False: it does not fit; then *real is near it. */
static bool compute(struct str digits, uint64_t base, bool has_sixties, uint64_t *whole, double *real)
{
    bool fits = true;
    uint64_t group = 0, done = 0;
    double group_real = 0, done_real = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (has_sixties && digits.ptr[i] == ':') {
            fits &= !__builtin_add_overflow(done, group, &done) && !__builtin_mul_overflow(done, 60u, &done);
            done_real = (done_real + group_real) * 60;
            group = 0;
            group_real = 0;
            continue;
        }
        unsigned digit = (unsigned)str_hex_digit(digits.ptr[i]);
        fits &= !__builtin_mul_overflow(group, base, &group) && !__builtin_add_overflow(group, digit, &group);
        group_real = group_real * (double)base + digit;
    }
    fits &= !__builtin_add_overflow(done, group, whole);
    *real = done_real + group_real;
    return fits;
}

static struct value *int_of(struct str text)
{
    struct plain_number n;
    plain_number_read(&n, text);
    struct str digits = {n.digits, n.len};
    bool has_sixties = memchr(n.digits, ':', n.len) != NULL;
    uint64_t base = 10;
    if (str_starts(digits, STR("0b")) || str_starts(digits, STR("0x"))) {
        base = digits.ptr[1] == 'b' ? 2 : 16;
        digits = str_sub(digits, 2, digits.len);
    } else if (digits.len > 1 && digits.ptr[0] == '0') {
        base = 8;
    }
    uint64_t whole = 0;
    double real = 0;
    if (compute(digits, base, has_sixties, &whole, &real) && whole <= (uint64_t)INT64_MAX + n.is_negative)
        return value_int(NULL, n.is_negative ? (int64_t)(0 - whole) : (int64_t)whole);
    if (base == 10 && !has_sixties && !str_to_double(digits, &real)) /* exactly rounded */
        return value_string(NULL, text);                             /* beyond a double */
    return value_float(NULL, n.is_negative ? -real : real);
}

/* "5." is no number to str_to_double(). */
static double decimal(struct plain_number *n)
{
    struct str s = {n->digits, n->len};
    char fixed[sizeof n->digits + 1];
    size_t dot = str_find(s, STR("."), 0), len = 0;
    for (size_t i = 0; i < s.len; i++) {
        fixed[len++] = s.ptr[i];
        if (i == dot && !is_digit_at(s, i + 1))
            fixed[len++] = '0';
    }
    double real;
    return str_to_double((struct str){fixed, len}, &real) ? real : INFINITY;
}

static struct value *float_of(struct str text)
{
    struct plain_number n;
    plain_number_read(&n, text);
    struct str s = {n.digits, n.len};
    double real;
    const char *colon = memchr(n.digits, ':', n.len);
    size_t dot = str_find(s, STR("."), 0);
    if (str_find(s, STR("n"), 0) != SIZE_MAX || str_find(s, STR("N"), 0) != SIZE_MAX) {
        real = (text.ptr[1] | 0x20) == 'n' ? NAN : INFINITY;
    } else if (colon != NULL) {
        uint64_t whole;
        (void)compute(str_sub(s, 0, dot), 10, true, &whole, &real); /* real is what is wanted */
        struct plain_number after = {.len = 0};
        plain_number_read(&after, str_sub(s, dot, s.len));
        real += decimal(&after);
    } else {
        real = decimal(&n);
    }
    return value_float(NULL, n.is_negative ? -real : real);
}
