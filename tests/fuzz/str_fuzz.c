// libs: heddle_base
/*
 * What must hold for any bytes: UTF-8 checks agree with each other, a JSON string is UTF-8 without bare controls, cutting
 * keeps UTF-8 whole, and numbers, ids and base64 that were taken come back the same.
 */
#include "shared/base/crypto.h"
#include "shared/base/uuid.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check_utf8(struct str s)
{
    bool valid = true;
    size_t count = 0;
    for (size_t at = 0, len; at < s.len && valid; at += len, count++) {
        len = str_utf8_first(str_sub(s, at, s.len));
        valid = len > 0;
    }
    assert(str_is_utf8(s) == valid);
    if (!valid)
        return;
    assert(str_utf8_count(s) == count);
    for (size_t max = 0; max <= s.len; max++) {
        size_t cut = str_utf8_cut(s, max);
        assert(cut <= max && max - cut < 4 && str_is_utf8(str_sub(s, 0, cut)));
    }
}

static void check_json(struct str s)
{
    struct buf b;
    buf_init(&b, 6 * s.len + 2);
    buf_put_json_string(&b, s);
    assert(!b.failed && b.len >= 2 && b.ptr[0] == '"' && b.ptr[b.len - 1] == '"');
    assert(str_is_utf8(buf_str(&b)));
    for (size_t i = 1; i < b.len - 1; i++) {
        assert((unsigned char)b.ptr[i] >= 0x20 && b.ptr[i] != '"');
        if (b.ptr[i] == '\\')
            i++;
    }
    buf_fini(&b);
}

static void check_numbers(struct str s)
{
    char text[32];
    uint64_t natural;
    int64_t whole;
    double real, again;
    if (str_to_u64(s, &natural) && natural <= INT64_MAX)
        assert(str_to_i64(s, &whole) && whole == (int64_t)natural);
    if (str_to_i64(s, &whole)) {
        snprintf(text, sizeof text, "%lld", (long long)whole);
        int64_t same;
        assert(str_to_i64(str_c(text), &same) && same == whole);
        assert(str_to_double(s, &real) && fabs(real - (double)whole) <= 0);
    }
    if (str_to_double(s, &real)) {
        snprintf(text, sizeof text, "%.17g", real);
        assert(str_to_double(str_c(text), &again) && memcmp(&real, &again, sizeof real) == 0);
    }
}

static void check_codecs(struct str s)
{
    struct buf coded, plain;
    buf_init(&coded, 2 * s.len + 8);
    buf_init(&plain, 2 * s.len + 8);
    base64_put(&coded, s);
    assert(base64_get(&plain, buf_str(&coded)) && str_eq(buf_str(&plain), s));
    buf_clear(&coded);
    buf_clear(&plain);
    if (base64_get(&plain, s)) {
        base64_put(&coded, buf_str(&plain));
        assert(!coded.failed && coded.len >= s.len);
    }
    buf_fini(&coded);
    buf_fini(&plain);

    struct uuid id;
    if (uuid_parse(s, &id)) {
        char text[UUID_TEXT_LEN + 1];
        uuid_format(id, text);
        assert(str_eq_nocase(s, str_c(text)) && str_eq_c(s, text) == uuid_is_canonical(s));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of exact size, so that reading past its end is seen. */
    char *copy = malloc(size == 0 ? 1 : size);
    if (copy == NULL)
        return 0;
    memcpy(copy, data, size);
    struct str s = {copy, size};
    check_utf8(s);
    check_json(s);
    check_numbers(s);
    check_codecs(s);
    free(copy);
    return 0;
}
