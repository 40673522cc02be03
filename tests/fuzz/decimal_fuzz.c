// libs: heddle_base
/*
 * Two decimal numbers and a scale: what is read is a number, products do not depend on the order, and come near to those of
 * floating point.
 */
#include "shared/base/decimal.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double double_of(struct str text)
{
    char copy[256];
    if (text.len >= sizeof copy)
        return -1;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return strtod(copy, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str all = {(const char *)data, size};
    size_t cut = str_find(all, STR(" "), 0);
    if (size < 2 || cut == SIZE_MAX)
        return 0;
    uint32_t scale = data[0] % 40;
    struct str a_text = str_sub(all, 1, cut), b_text = str_sub(all, cut + 1, all.len);
    struct decimal a, b, ab, ba;
    int64_t ab_n, ba_n;
    if (cut < 1 || !decimal_parse(a_text, &a) || !decimal_parse(b_text, &b))
        return 0;
    if (!decimal_multiply(&a, &b, &ab) || !decimal_multiply(&b, &a, &ba))
        abort(); /* two of them always fit */
    bool fits = decimal_round(&ab, scale, &ab_n);
    if (fits != decimal_round(&ba, scale, &ba_n) || (fits && ab_n != ba_n))
        abort();
    double x = double_of(a_text), y = double_of(b_text);
    if (x < 0 || y < 0)
        return 0;
    double near = x * y * pow(10, scale);
    if (fits ? fabs(near - (double)ab_n) > 1 + near * 1e-9 : near < 9.2e18)
        abort();
    return 0;
}
