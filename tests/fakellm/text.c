/* text: growing bytes, and the JSON we write into them. */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

void text_init(struct text *t, size_t max)
{
    *t = (struct text){.max = max};
}

void text_fini(struct text *t)
{
    free(t->ptr);
    *t = (struct text){.max = t->max};
}

void text_clear(struct text *t, size_t keep)
{
    if (t->cap > keep)
        text_fini(t);
    t->len = 0;
    t->failed = false;
}

void text_drop(struct text *t, size_t n)
{
    if (n < t->len)
        memmove(t->ptr, t->ptr + n, t->len - n);
    t->len = n < t->len ? t->len - n : 0;
}

char *text_extend(struct text *t, size_t n)
{
    if (t->failed || n > t->max - t->len) {
        t->failed = true;
        return NULL;
    }
    if (t->len + n > t->cap) {
        size_t cap = t->cap < 256 ? 256 : t->cap;
        while (cap < t->len + n)
            cap *= 2;
        char *ptr = realloc(t->ptr, cap);
        if (ptr == NULL) {
            t->failed = true;
            return NULL;
        }
        t->ptr = ptr;
        t->cap = cap;
    }
    char *at = t->ptr + t->len;
    t->len += n;
    return at;
}

void text_put(struct text *t, struct span s)
{
    char *at = text_extend(t, s.len);
    if (at != NULL && s.len > 0)
        memcpy(at, s.ptr, s.len);
}

void text_put_cstr(struct text *t, const char *s)
{
    text_put(t, span_of(s));
}

void text_putf(struct text *t, const char *fmt, ...)
{
    char small[256];
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(small, sizeof small, fmt, args);
    if (n < 0) {
        t->failed = true;
    } else if ((size_t)n < sizeof small) {
        text_put(t, (struct span){small, (size_t)n});
    } else {
        char *at = text_extend(t, (size_t)n + 1); /* room for the NUL, which is taken away again */
        if (at != NULL) {
            (void)vsnprintf(at, (size_t)n + 1, fmt, again); /* the same arguments fitted n bytes just now */
            t->len--;
        }
    }
    va_end(again);
    va_end(args);
}

static void put_special(struct text *t, unsigned char c)
{
    static const char escapes[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    if (c == '"' || c == '\\')
        text_put(t, (struct span){(char[]){'\\', (char)c}, 2});
    else if (c < sizeof escapes && escapes[c] != 0)
        text_put(t, (struct span){(char[]){'\\', escapes[c]}, 2});
    else if (c < 0x20)
        text_putf(t, "\\u%04x", c);
    else
        text_put(t, SPAN("\xef\xbf\xbd"));
}

void text_put_escaped(struct text *t, struct span s)
{
    size_t plain = 0; /* start of the run that can be copied as it stands */
    for (size_t i = 0; i < s.len;) {
        unsigned char c = (unsigned char)s.ptr[i];
        size_t n = c < 0x20 || c == '"' || c == '\\' ? 0 : utf8_char_bytes(s.ptr + i, s.len - i);
        if (n == 0) {
            text_put(t, (struct span){s.ptr + plain, i - plain});
            put_special(t, c);
            plain = ++i;
        } else {
            i += n;
        }
    }
    if (s.len > plain)
        text_put(t, (struct span){s.ptr + plain, s.len - plain});
}

void text_put_json(struct text *t, const char *s)
{
    if (s == NULL) {
        text_put(t, SPAN("null"));
        return;
    }
    text_put(t, SPAN("\""));
    text_put_escaped(t, span_of(s));
    text_put(t, SPAN("\""));
}

bool span_is(struct span s, const char *word)
{
    return s.len == strlen(word) && (s.len == 0 || memcmp(s.ptr, word, s.len) == 0);
}

struct span span_of(const char *s)
{
    return (struct span){s, strlen(s)};
}
