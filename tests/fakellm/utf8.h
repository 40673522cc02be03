#ifndef FAKELLM_UTF8_H
#define FAKELLM_UTF8_H

#include <stddef.h>

/* Bytes of the well-formed UTF-8 character that begins at ptr[0]; 0 if none does. left: at least 1. */
static inline size_t utf8_char_bytes(const char *ptr, size_t left)
{
    const unsigned char *p = (const unsigned char *)ptr;
    if (p[0] < 0x80)
        return 1;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    /* overlong, surrogate, above U+10FFFF: all show in the second byte */
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

#endif
