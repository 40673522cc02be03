/*
 * buf: see buf.h. One byte more than `cap` is always allocated, for the NUL of buf_take().
 */
#include "shared/base/buf.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* bytes. First allocation: most texts fit, and it is one small malloc bin. */
enum { FIRST_CAP = 63 };

static bool grow(struct buf *b, size_t need);
static uint64_t json_special_bytes(uint64_t word);
static size_t json_plain_run(struct str s, size_t from);
static void json_put_escape(struct buf *b, unsigned char c);

void buf_init(struct buf *b, size_t max)
{
    /* One object cannot be larger than PTRDIFF_MAX; keeping below lets cap + 1 be computed without a check. */
    *b = (struct buf){.max = max < PTRDIFF_MAX ? max : PTRDIFF_MAX - 1};
}

void buf_fini(struct buf *b)
{
    if (b == NULL)
        return;
    free(b->ptr);
    buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

bool buf_reserve(struct buf *b, size_t more)
{
    if (b->failed)
        return false;
    if (more <= b->cap - b->len)
        return true;
    if (more > b->max - b->len || !grow(b, b->len + more)) {
        b->failed = true;
        return false;
    }
    return true;
}

void buf_put(struct buf *b, struct str s)
{
    if (!buf_reserve(b, s.len) || s.len == 0)
        return;
    memcpy(b->ptr + b->len, s.ptr, s.len);
    b->len += s.len;
}

void buf_put_c(struct buf *b, const char *text)
{
    buf_put(b, str_c(text));
}

void buf_put_char(struct buf *b, char c)
{
    if (buf_reserve(b, 1))
        b->ptr[b->len++] = c;
}

void buf_put_u64(struct buf *b, uint64_t n)
{
    char digits[20]; /* of UINT64_MAX */
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    buf_put(b, (struct str){digits + at, sizeof digits - at});
}

void buf_put_i64(struct buf *b, int64_t n)
{
    if (n < 0)
        buf_put_char(b, '-');
    buf_put_u64(b, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    if (b->failed)
        return;
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    char none[1];
    size_t room = b->ptr == NULL ? sizeof none : b->cap - b->len + 1; /* with the spare byte for the NUL */
    int n = vsnprintf(b->ptr == NULL ? none : b->ptr + b->len, room, fmt, args);
    if (n < 0)
        b->failed = true;
    else if ((size_t)n >= room && buf_reserve(b, (size_t)n))
        vsnprintf(b->ptr + b->len, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(args);
    if (!b->failed)
        b->len += (size_t)n;
}

void buf_drop(struct buf *b, size_t n)
{
    if (n == 0)
        return;
    assert(n <= b->len);
    b->len -= n;
    memmove(b->ptr, b->ptr + n, b->len);
}

void buf_cut(struct buf *b, size_t len)
{
    assert(len <= b->len);
    b->len = len;
}

struct str buf_str(const struct buf *b)
{
    return (struct str){b->ptr, b->len};
}

char *buf_take(struct buf *b, size_t *ret_len)
{
    if (b->failed || (b->ptr == NULL && !grow(b, 0))) {
        buf_fini(b);
        return NULL;
    }
    char *text = b->ptr;
    text[b->len] = '\0';
    if (ret_len != NULL)
        *ret_len = b->len;
    buf_init(b, b->max);
    return text;
}

void buf_put_json_string(struct buf *b, struct str s)
{
    if (s.len > b->max || !buf_reserve(b, s.len + 2)) {
        b->failed = true;
        return;
    }
    buf_put_char(b, '"');
    for (size_t at = 0; at < s.len;) {
        size_t end = json_plain_run(s, at);
        buf_put(b, str_sub(s, at, end));
        if (end < s.len)
            json_put_escape(b, (unsigned char)s.ptr[end++]);
        at = end;
    }
    buf_put_char(b, '"');
}

/* Makes cap at least `need` (<= max), by doubling, so that many small puts cost one copy each on average. */
static bool grow(struct buf *b, size_t need)
{
    size_t cap = b->cap <= b->max / 2 ? b->cap * 2 : b->max;
    if (cap < FIRST_CAP)
        cap = FIRST_CAP;
    if (cap > b->max)
        cap = b->max;
    if (cap < need)
        cap = need;
    char *ptr = realloc(b->ptr, cap + 1);
    if (ptr == NULL)
        return false;
    b->ptr = ptr;
    b->cap = cap;
    return true;
}

/*
 * Non-zero if a byte of `word` is not plain: high bit set, below 0x20, '"' or '\\'. The lowest bit set lies in the first
 * such byte; higher ones may be wrong, because the subtractions borrow.
 */
static uint64_t json_special_bytes(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
    uint64_t below = (word - ones * 0x20) | (quote - ones) | (backslash - ones);
    return (below | word) & high;
}

/* Index of the first byte at or after `from` that cannot be copied as it is; s.len if there is none. */
static size_t json_plain_run(struct str s, size_t from)
{
    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte is the lowest of a word");
    while (from < s.len) {
        if (s.len - from >= sizeof(uint64_t)) {
            uint64_t word;
            memcpy(&word, s.ptr + from, sizeof word);
            uint64_t special = json_special_bytes(word);
            if (special == 0) {
                from += sizeof word;
                continue;
            }
            from += (size_t)__builtin_ctzll(special) / 8;
        }
        unsigned char c = (unsigned char)s.ptr[from];
        if (c < 0x20 || c == '"' || c == '\\')
            return from;
        if (c < 0x80)
            from++;
        /* Such code points come in rows: no look at whole words between them. */
        while (from < s.len && (unsigned char)s.ptr[from] >= 0x80) {
            size_t len = str_utf8_first((struct str){s.ptr + from, s.len - from});
            if (len == 0)
                return from;
            from += len;
        }
    }
    return from;
}

/* Writes one byte that json_plain_run() stopped at. */
static void json_put_escape(struct buf *b, unsigned char c)
{
    static const char short_form[] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r', ['"'] = '"', ['\\'] = '\\',
    };
    if (c >= 0x80) {
        buf_put(b, STR("\xef\xbf\xbd"));
    } else if (short_form[c] != 0) {
        buf_put(b, (struct str){(const char[]){'\\', short_form[c]}, 2});
    } else {
        static const char hex[] = "0123456789abcdef";
        buf_put(b, (struct str){(const char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6});
    }
}
