/* decimal: see the header. */
#include "shared/base/decimal.h"

enum { LIMB_DIGITS = 9 };
static const uint32_t base = 1000000000;

/* d = d × factor + more. False: it does not fit. */
static bool grow(struct decimal *d, uint32_t factor, uint32_t more)
{
    uint64_t carry = more;
    for (size_t i = 0; i < DECIMAL_LIMBS; i++) {
        carry += (uint64_t)d->limbs[i] * factor;
        d->limbs[i] = (uint32_t)(carry % base);
        carry /= base;
    }
    return carry == 0;
}

/* d = d / divisor, the rest dropped. */
static void shrink(struct decimal *d, uint32_t divisor)
{
    uint64_t rest = 0;
    for (size_t i = DECIMAL_LIMBS; i > 0; i--) {
        rest = rest * base + d->limbs[i - 1];
        d->limbs[i - 1] = (uint32_t)(rest / divisor);
        rest %= divisor;
    }
}

bool decimal_parse(struct str text, struct decimal *ret)
{
    struct decimal d = {.scale = 0};
    bool has_point = false, has_digit = false;
    int digits = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '.' && !has_point) {
            has_point = true;
            continue;
        }
        if (c < '0' || c > '9')
            return false;
        has_digit = true;
        digits += has_point || digits > 0 || c != '0';
        if (digits > DECIMAL_DIGITS_MAX || !grow(&d, 10, (uint32_t)(c - '0')))
            return false;
        d.scale += has_point;
    }
    if (has_digit)
        *ret = d;
    return has_digit;
}

struct decimal decimal_from_uint(uint64_t n)
{
    struct decimal d = {.scale = 0};
    for (size_t i = 0; n > 0; i++, n /= base)
        d.limbs[i] = (uint32_t)(n % base);
    return d;
}

bool decimal_multiply(const struct decimal *a, const struct decimal *b, struct decimal *ret)
{
    struct decimal product = {.scale = a->scale + b->scale};
    for (size_t i = 0; i < DECIMAL_LIMBS; i++) {
        uint64_t carry = 0;
        for (size_t k = 0; k < DECIMAL_LIMBS; k++) {
            carry += (uint64_t)a->limbs[i] * b->limbs[k];
            if (i + k >= DECIMAL_LIMBS) {
                if (carry > 0)
                    return false;
                continue;
            }
            carry += product.limbs[i + k];
            product.limbs[i + k] = (uint32_t)(carry % base);
            carry /= base;
        }
        if (carry > 0)
            return false;
    }
    *ret = product;
    return true;
}

static bool to_int64(const struct decimal *d, int64_t *ret)
{
    uint64_t n = 0;
    for (size_t i = DECIMAL_LIMBS; i > 0; i--) {
        if (n > ((uint64_t)INT64_MAX - d->limbs[i - 1]) / base)
            return false;
        n = n * base + d->limbs[i - 1];
    }
    *ret = (int64_t)n;
    return true;
}

/* What decides is the first digit that is dropped. */
bool decimal_round(const struct decimal *d, uint32_t scale, int64_t *ret)
{
    struct decimal n = *d;
    for (uint32_t i = n.scale; i < scale; i++) {
        if (!grow(&n, 10, 0))
            return false;
    }
    if (n.scale > scale) {
        uint32_t drop = n.scale - scale - 1;
        for (; drop >= LIMB_DIGITS; drop -= LIMB_DIGITS)
            shrink(&n, base);
        for (; drop > 0; drop--)
            shrink(&n, 10);
        if (!grow(&n, 1, 5))
            return false;
        shrink(&n, 10);
    }
    return to_int64(&n, ret);
}
