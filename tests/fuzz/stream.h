/*
 * stream: any bytes as the answer of a provider: read in one piece and cut anywhere they say the same, all of it is UTF-8, and
 * a body is read to its end as well.
 */
#pragma once
#include "executor/model/protocol.h"
#include "executor/model/sse.h"
#include "executor/model/tool_calls.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct heard {
    const struct protocol *protocol;
    void *reader;
    struct sse sse;
    struct tool_calls calls;
    struct buf said;
    bool is_over;
};

static void note_text(struct buf *said, const char *name, struct str text)
{
    assert(str_is_utf8(text));
    if (text.len > 0)
        buf_printf(said, "%s:%.*s\n", name, STR_ARG(text));
}

static bool note_piece(struct heard *h, struct str event, struct str data, bool is_whole)
{
    struct protocol_piece piece;
    if (!h->protocol->read(h->reader, event, data, is_whole, &h->calls, &piece)) {
        buf_put_c(&h->said, "unreadable\n");
        h->is_over = true;
        return false;
    }
    assert(piece.error.ptr != NULL || (piece.error_code.len == 0 && piece.error_kind.len == 0));
    assert(piece.error_asked_ms >= 0);
    assert(piece.has_usage || (piece.prompt_tokens == -1 && piece.completion_tokens == -1));
    note_text(&h->said, "reasoning", piece.reasoning);
    note_text(&h->said, "text", piece.text);
    note_text(&h->said, "finish", piece.finish_reason);
    note_text(&h->said, "error", piece.error);
    note_text(&h->said, "code", piece.error_code);
    note_text(&h->said, "kind", piece.error_kind);
    if (piece.has_usage)
        buf_printf(&h->said, "%lld %lld\n", (long long)piece.prompt_tokens,
                   (long long)piece.completion_tokens);
    h->is_over = piece.is_last || piece.error.ptr != NULL;
    return !h->is_over;
}

static bool on_event(void *arg, struct str event, struct str data)
{
    struct heard *h = arg;
    return !h->is_over && note_piece(h, event, data, false);
}

static void hear_begin(struct heard *h, const struct protocol *protocol)
{
    memset(h, 0, sizeof *h);
    h->protocol = protocol;
    h->reader = calloc(1, protocol->reader_size);
    if (h->reader == NULL)
        abort();
    sse_init(&h->sse);
    buf_init(&h->said, (size_t)64 * 1024 * 1024);
}

static void hear_end(struct heard *h)
{
    const struct model_tool_call *list = tool_calls_list(&h->calls);
    for (size_t i = 0; i < h->calls.count; i++) {
        note_text(&h->said, "id", list[i].id);
        note_text(&h->said, "name", list[i].name);
        note_text(&h->said, "arguments", list[i].arguments);
    }
    tool_calls_fini(&h->calls);
    h->protocol->reader_fini(h->reader);
    free(h->reader);
    sse_fini(&h->sse);
}

/* Pieces of up to `step` bytes, each in memory of its own. */
static void hear_stream(struct heard *h, const struct protocol *protocol, struct str s, size_t step)
{
    hear_begin(h, protocol);
    for (size_t at = 0; at < s.len && !h->is_over; at += step) {
        struct str piece = str_sub(s, at, at + step);
        char *copy = malloc(piece.len);
        if (copy == NULL)
            abort();
        memcpy(copy, piece.ptr, piece.len);
        bool is_good = sse_feed(&h->sse, (struct str){copy, piece.len}, on_event, h);
        assert(is_good);
        free(copy);
    }
    if (!h->is_over)
        sse_end(&h->sse, on_event, h);
    hear_end(h);
}

static int stream_fuzz(const struct protocol *protocol, const uint8_t *data, size_t size)
{
    struct heard whole, cut, body;
    if (size < 1 || size > 65536)
        return 0;
    struct str s = {(const char *)data + 1, size - 1};
    hear_stream(&whole, protocol, s, size);
    hear_stream(&cut, protocol, s, 1 + data[0] % 32);
    assert(str_eq(buf_str(&whole.said), buf_str(&cut.said)));
    buf_fini(&whole.said);
    buf_fini(&cut.said);
    hear_begin(&body, protocol);
    (void)note_piece(&body, STR(""), s, true);
    hear_end(&body);
    buf_fini(&body.said);
    return 0;
}
