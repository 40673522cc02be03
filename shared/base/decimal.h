/*
 * decimal: exact decimal numbers that are not negative: prices, and what they come to.
 * Threads  plain functions.
 */
#pragma once
#include "shared/base/status.h"
#include "shared/base/str.h"

/* digits. Of a number in a text; zeros in front of it are not counted. */
#define DECIMAL_DIGITS_MAX 36

/* Three numbers of that many digits can be multiplied. */
enum { DECIMAL_LIMBS = 3 * DECIMAL_DIGITS_MAX / 9 };

/* limbs as a number of base 10^9, the least first, divided by 10^scale. */
struct decimal {
    uint32_t limbs[DECIMAL_LIMBS];
    uint32_t scale;
};

/*
 * "12", "0.0005", ".5", "5.": digits and at most one point.
 * False: anything else (a sign, an exponent, spaces, nothing at all) or too many digits.
 */
MUST_CHECK bool decimal_parse(struct str text, struct decimal *ret);
struct decimal decimal_from_uint(uint64_t n);
/* False: the product does not fit. ret may be a or b. */
MUST_CHECK bool decimal_multiply(const struct decimal *a, const struct decimal *b, struct decimal *ret);
/* The number in whole 10^-scale, a half rounded up. False: it does not fit. */
MUST_CHECK bool decimal_round(const struct decimal *d, uint32_t scale, int64_t *ret);
