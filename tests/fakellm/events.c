/*
 * events: the events of a stream.
 * Plain lines are written in place. All others are made of the data once the event has ended.
 */
#include "events.h"

#include <stdlib.h>
#include <string.h>

static bool is_plain(const struct events *events)
{
    return events->data_lines == 1 && !events->comments && events->pad_bytes == 0 &&
           events->line_end[0] == '\n';
}

static void put_name(struct events *events)
{
    if (events->name == NULL)
        return;
    text_put(events->out, SPAN("event: "));
    text_put_cstr(events->out, events->name);
    text_put_cstr(events->out, events->line_end);
}

void events_begin(struct events *events, const char *name)
{
    events->name = name;
    if (is_plain(events)) {
        put_name(events);
        text_put(events->out, SPAN("data: "));
    }
    events->at = events->out->len;
}

/* Bytes up to the first comma between tokens, with it; all when there is none. */
static size_t until_comma(struct span json)
{
    bool is_in_text = false;
    for (size_t i = 0; i < json.len; i++) {
        if (json.ptr[i] == '\\' && is_in_text)
            i++;
        else if (json.ptr[i] == '"')
            is_in_text = !is_in_text;
        else if (json.ptr[i] == ',' && !is_in_text)
            return i + 1;
    }
    return json.len;
}

static void put_blanks(struct text *out, int64_t count)
{
    char *at = count > 0 ? text_extend(out, (size_t)count) : NULL;
    if (at != NULL)
        memset(at, ' ', (size_t)count);
}

static void put_lines(struct events *events, struct span data)
{
    struct text *out = events->out;
    if (events->comments) {
        text_put(out, SPAN(": keep-alive"));
        text_put_cstr(out, events->line_end);
    }
    put_name(events);
    for (int64_t line = 1; line == 1 || data.len > 0; line++) {
        size_t n = line < events->data_lines ? until_comma(data) : data.len;
        text_put(out, SPAN("data: "));
        put_blanks(out, events->pad_bytes - 6 - (int64_t)n);
        events->pad_bytes = 0;
        text_put(out, (struct span){data.ptr, n});
        text_put_cstr(out, events->line_end);
        data = (struct span){data.ptr + n, data.len - n};
    }
    text_put_cstr(out, events->line_end);
}

void events_end(struct events *events)
{
    struct text *out = events->out;
    if (is_plain(events)) {
        text_put(out, SPAN("\n\n"));
        return;
    }
    if (out->failed)
        return;
    size_t n = out->len - events->at;
    char *data = malloc(n > 0 ? n : 1);
    if (data == NULL) {
        out->failed = true;
        return;
    }
    if (n > 0)
        memcpy(data, out->ptr + events->at, n);
    out->len = events->at;
    put_lines(events, (struct span){data, n});
    free(data);
}

void events_put(struct events *events, const char *name, struct span data)
{
    events_begin(events, name);
    text_put(events->out, data);
    events_end(events);
}
