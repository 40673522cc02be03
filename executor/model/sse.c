/* sse: see the header. */
#include "executor/model/sse.h"

#include <string.h>

void sse_init(struct sse *s)
{
    memset(s, 0, sizeof *s);
    buf_init(&s->line, SSE_EVENT_BYTES_MAX);
    buf_init(&s->data, SSE_EVENT_BYTES_MAX);
}

void sse_fini(struct sse *s)
{
    buf_fini(&s->line);
    buf_fini(&s->data);
}

/* One whole line without its end. False: stop. */
static bool take_line(struct sse *s, struct str line, sse_event event, void *arg)
{
    if (line.len == 0) {
        if (!s->has_data)
            return true;
        bool goes_on = event(arg, buf_str(&s->data));
        buf_clear(&s->data);
        s->has_data = false;
        return goes_on;
    }
    size_t colon = str_find(line, STR(":"), 0);
    struct str name = str_sub(line, 0, colon == SIZE_MAX ? line.len : colon);
    if (!str_eq(name, STR("data")))
        return true; /* a comment, or event, id, retry: of no interest */
    struct str value = colon == SIZE_MAX ? STR("") : str_sub(line, colon + 1, line.len);
    if (value.len > 0 && value.ptr[0] == ' ')
        value = str_sub(value, 1, value.len);
    if (s->has_data)
        buf_put_char(&s->data, '\n');
    buf_put(&s->data, value);
    s->has_data = true;
    return true;
}

bool sse_feed(struct sse *s, struct str bytes, sse_event event, void *arg)
{
    size_t start = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        char c = bytes.ptr[i];
        bool was_cr = s->skips_lf;
        s->skips_lf = false;
        if (c == '\n' && was_cr) { /* the second half of CRLF */
            start = i + 1;
            continue;
        }
        if (c != '\n' && c != '\r')
            continue;
        s->skips_lf = c == '\r';
        struct str line = str_sub(bytes, start, i);
        start = i + 1;
        bool goes_on;
        if (s->line.len > 0) {
            buf_put(&s->line, line);
            goes_on = s->line.failed || take_line(s, buf_str(&s->line), event, arg);
            if (!s->line.failed)
                buf_clear(&s->line);
        } else {
            goes_on = take_line(s, line, event, arg);
        }
        if (s->line.failed || s->data.failed)
            return false;
        if (!goes_on)
            return true;
    }
    buf_put(&s->line, str_sub(bytes, start, bytes.len));
    return !s->line.failed;
}

void sse_end(struct sse *s, sse_event event, void *arg)
{
    if (s->line.len > 0 && !take_line(s, buf_str(&s->line), event, arg))
        return;
    (void)take_line(s, STR(""), event, arg); /* there is nothing left to stop */
}
