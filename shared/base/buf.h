/*
 * buf: owned bytes that grow up to a maximum. Failure sticks: later puts do nothing and the writer checks `failed` once, at the end.
 * Threads  belongs to one thread at a time.
 */
#pragma once
#include "shared/base/status.h"
#include "shared/base/str.h"

struct buf {
    char *ptr;
    size_t len, cap, max;
    bool failed;
};

void buf_init(struct buf *b, size_t max); /* max bytes it may ever hold */
void buf_fini(struct buf *b);             /* frees; b is as after buf_init */
void buf_clear(struct buf *b);            /* empty again, memory kept, failure forgotten */
/* Room for `more` further bytes; false (and failed) when over max or without memory. */
bool buf_reserve(struct buf *b, size_t more);
void buf_put(struct buf *b, struct str s); /* s is no part of b */
void buf_put_c(struct buf *b, const char *text);
void buf_put_char(struct buf *b, char c);
void buf_put_u64(struct buf *b, uint64_t n);
void buf_put_i64(struct buf *b, int64_t n);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Drops the first n bytes (n <= len). */
void buf_drop(struct buf *b, size_t n);
/* Forgets what lies behind the first `len` bytes (len <= b->len), e.g. to undo puts that failed half way; failure sticks. */
void buf_cut(struct buf *b, size_t len);
struct str buf_str(const struct buf *b); /* borrowed; valid until the next change */
/*
 * Hands the bytes over, NUL behind them (not counted); free them with free(). NULL when failed or without memory.
 * Either way b is as after buf_init. ret_len may be NULL.
 */
char *buf_take(struct buf *b, size_t *ret_len);

/* Writes s as a JSON string with quotes: raw UTF-8, escapes only what JSON must have; a byte that is not UTF-8 becomes U+FFFD. */
void buf_put_json_string(struct buf *b, struct str s);
