/*
 * str: borrowed bytes. May hold NUL, need not end in one.
 * Threads  plain data.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
    const char *ptr;
    size_t len;
};

/* A literal as struct str, at no cost: STR("run"). */
#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
/* For printf: printf("%.*s", STR_ARG(s)). */
#define STR_ARG(s) (int)(s).len, (s).ptr

struct str str_c(const char *text); /* of a C string; NULL gives the empty string */
bool str_eq(struct str a, struct str b);
bool str_eq_c(struct str a, const char *b);
bool str_eq_nocase(struct str a, struct str b); /* ASCII only */
int str_hex_digit(char c);                      /* 0 to 15, either case; -1: none */
int str_cmp(struct str a, struct str b);        /* bytewise, like memcmp then length */
/* FNV-1a, the halves folded together: for tables of ids. Not against chosen keys. */
uint64_t str_hash(struct str s);
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
/* Index of the first needle at or after `from`; SIZE_MAX if there is none. An empty needle is found at `from`. */
size_t str_find(struct str s, struct str needle, size_t from);
struct str str_sub(struct str s, size_t from, size_t to); /* bytes [from, to), clamped to s */
struct str str_trim(struct str s);                        /* ASCII white space on both ends */
/* Cuts the piece before the first `sep` off *rest; false when *rest was already used up (ptr NULL). */
bool str_split(struct str *rest, char sep, struct str *piece);
/* malloc'd copy with a NUL behind it; NULL without memory. */
char *str_dup(struct str s);
/* Constant time in the contents (not in the lengths). For secrets. */
bool str_eq_secret(struct str a, struct str b);

/* Bytes of the code point s starts with, 1 to 4; 0 when s is empty or does not start with valid UTF-8. */
size_t str_utf8_first(struct str s);
/* Valid UTF-8 by RFC 3629 (no surrogates, no overlong forms)? */
bool str_is_utf8(struct str s);
/* Number of code points; s is valid UTF-8. */
size_t str_utf8_count(struct str s);
/* Length in bytes of the longest prefix of s that is at most `max` bytes and ends on a code point; s is valid UTF-8. */
size_t str_utf8_cut(struct str s, size_t max);

/* Checked numbers: the whole of s, no white space, no sign unless said. False: nothing written. */
bool str_to_u64(struct str s, uint64_t *ret);
bool str_to_i64(struct str s, int64_t *ret); /* optional leading - */
/*
 * A decimal number as JSON or Python writes it: optional leading -, digits, '.' with digits, exponent; leading zeros are
 * allowed. Locale-free. Not hex, inf or nan; false also when it is too large for a double. Too small becomes 0.
 */
bool str_to_double(struct str s, double *ret);

/* Does the whole of s fit the glob? Only * (any bytes, also none) and ? (one byte) are special. */
bool str_fits(struct str s, struct str glob);
