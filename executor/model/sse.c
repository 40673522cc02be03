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

/* An empty line. False: stop. */
static bool end_event(struct sse *s, sse_event event, void *arg)
{
    struct str name = {s->name, s->name_len};
    s->name_len = 0;
    if (!s->has_data)
        return true;
    bool goes_on = event(arg, name, buf_str(&s->data));
    buf_clear(&s->data);
    s->has_data = false;
    return goes_on;
}

/* One whole line without its end. False: stop. */
static bool take_line(struct sse *s, struct str line, sse_event event, void *arg)
{
    if (!s->has_begun && str_starts(line, STR("\xef\xbb\xbf")))
        line = str_sub(line, 3, line.len);
    s->has_begun = true;
    if (line.len == 0)
        return end_event(s, event, arg);
    const char *colon = memchr(line.ptr, ':', line.len);
    size_t name_len = colon == NULL ? line.len : (size_t)(colon - line.ptr);
    struct str name = {line.ptr, name_len}, value = str_sub(line, name_len + 1, line.len);
    if (value.len > 0 && value.ptr[0] == ' ')
        value = str_sub(value, 1, value.len);
    if (str_eq(name, STR("data"))) {
        if (s->has_data)
            buf_put_char(&s->data, '\n');
        buf_put(&s->data, value);
        s->has_data = true;
    } else if (str_eq(name, STR("event"))) {
        s->name_len = value.len < sizeof s->name ? value.len : sizeof s->name;
        if (s->name_len > 0)
            memcpy(s->name, value.ptr, s->name_len);
    }
    return true;
}

/* The line that ends here, with what was kept of it. */
static bool end_line(struct sse *s, struct str rest, sse_event event, void *arg)
{
    if (s->line.len == 0)
        return take_line(s, rest, event, arg);
    buf_put(&s->line, rest);
    if (s->line.failed)
        return true;
    bool goes_on = take_line(s, buf_str(&s->line), event, arg);
    buf_clear(&s->line);
    return goes_on;
}

bool sse_feed(struct sse *s, struct str bytes, sse_event event, void *arg)
{
    const char *at = bytes.ptr, *end = bytes.ptr + bytes.len, *cr = at;
    if (at == end)
        return true;
    if (s->skips_lf && *at == '\n') /* the second half of CRLF */
        at++;
    s->skips_lf = false;
    cr = memchr(at, '\r', (size_t)(end - at));
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (cr != NULL && (stop == NULL || cr < stop))
            stop = cr;
        if (stop == NULL)
            break;
        struct str rest = {at, (size_t)(stop - at)};
        at = stop + 1;
        if (stop == cr) {
            s->skips_lf = at == end;
            if (at < end && *at == '\n')
                at++;
            cr = memchr(at, '\r', (size_t)(end - at));
        }
        bool goes_on = end_line(s, rest, event, arg);
        if (s->line.failed || s->data.failed)
            return false;
        if (!goes_on)
            return true;
    }
    buf_put(&s->line, (struct str){at, (size_t)(end - at)});
    return !s->line.failed;
}

void sse_end(struct sse *s, sse_event event, void *arg)
{
    if (s->line.len > 0 && !take_line(s, buf_str(&s->line), event, arg))
        return;
    (void)end_event(s, event, arg); /* there is nothing left to stop */
}
