// libs: heddle_model
/*
 * Server-sent events: any bytes read the same in one piece and cut anywhere; no event holds a bare CR.
 */
#include "executor/model/sse.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static bool note(void *arg, struct str name, struct str data)
{
    assert(name.len <= SSE_NAME_BYTES_MAX);
    buf_put(arg, name);
    buf_put_char(arg, '=');
    assert(data.len == 0 || memchr(data.ptr, '\r', data.len) == NULL);
    buf_put(arg, data);
    buf_put_char(arg, '\0');
    return true;
}

/* Reads it in pieces of `step` bytes. */
static void read_all(struct str s, size_t step, struct buf *events)
{
    struct sse sse;
    sse_init(&sse);
    for (size_t at = 0; at < s.len; at += step) {
        struct str piece = str_sub(s, at, at + step);
        char *copy = malloc(piece.len);
        if (copy == NULL)
            abort();
        memcpy(copy, piece.ptr, piece.len);
        bool is_good = sse_feed(&sse, (struct str){copy, piece.len}, note, events);
        assert(is_good);
        free(copy);
    }
    sse_end(&sse, note, events);
    sse_fini(&sse);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole, cut;
    if (size < 1 || size > SSE_EVENT_BYTES_MAX)
        return 0;
    struct str s = {(const char *)data + 1, size - 1};
    buf_init(&whole, 4 * size + 2);
    buf_init(&cut, 4 * size + 2);
    read_all(s, size, &whole);
    read_all(s, 1 + data[0] % 16, &cut);
    assert(!whole.failed && str_eq(buf_str(&whole), buf_str(&cut)));
    buf_fini(&whole);
    buf_fini(&cut);
    return 0;
}
