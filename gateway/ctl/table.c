/* table: see the header. */
#include "gateway/ctl/table.h"

#include <string.h>

static uint32_t next_code_point(struct str s, size_t *i)
{
    unsigned char c = (unsigned char)s.ptr[*i];
    size_t more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
    uint32_t code = more == 3 ? c & 7U : more == 2 ? c & 15U : more == 1 ? c & 31U : c;
    (*i)++;
    for (; more > 0 && *i < s.len; more--)
        code = code << 6 | ((unsigned char)s.ptr[(*i)++] & 63U);
    return code;
}

/* The blocks that terminals draw two columns wide, roughly (UAX 11, emoji). */
static bool is_wide(uint32_t c)
{
    static const struct {
        uint32_t from, to;
    } ranges[] = {{0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xac00, 0xd7a3},
                  {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},
                  {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1faff}, {0x20000, 0x3fffd}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (c >= ranges[i].from && c <= ranges[i].to)
            return true;
    }
    return false;
}

static bool is_zero_width(uint32_t c)
{
    return (c >= 0x300 && c <= 0x36f) || (c >= 0x200b && c <= 0x200f) || (c >= 0xfe00 && c <= 0xfe0f);
}

size_t text_width(struct str text)
{
    size_t width = 0;
    for (size_t i = 0; i < text.len;) {
        uint32_t c = next_code_point(text, &i);
        width += is_zero_width(c) ? 0 : is_wide(c) ? 2 : 1;
    }
    return width;
}

static bool is_control(struct str text, size_t i)
{
    unsigned char c = (unsigned char)text.ptr[i];
    /* C0, DEL, and C1 as UTF-8 writes it (C2 80..9F). */
    return c < 0x20 || c == 0x7f || (c == 0xc2 && i + 1 < text.len && (unsigned char)text.ptr[i + 1] < 0xa0);
}

void text_put_safe(struct buf *b, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c != '\n' && c != '\t' && is_control(text, i)) {
            buf_put_char(b, '?');
            i += (unsigned char)c == 0xc2;
        } else {
            buf_put_char(b, c);
        }
    }
}

void table_init(struct table *t, size_t columns, const char *const *headings)
{
    memset(t, 0, sizeof *t);
    t->columns = columns;
    buf_init(&t->cells, 64 * 1024 * 1024);
    for (size_t i = 0; i < columns; i++)
        table_put(t, str_c(headings[i]));
}

void table_put(struct table *t, struct str text)
{
    size_t start = t->cells.len;
    text_put_safe(&t->cells, text);
    if (t->cells.failed)
        return;
    for (size_t i = start; i < t->cells.len; i++) {
        if (t->cells.ptr[i] == '\n' || t->cells.ptr[i] == '\t')
            t->cells.ptr[i] = ' ';
    }
    size_t width = text_width((struct str){t->cells.ptr + start, t->cells.len - start});
    if (width > t->widths[t->count % t->columns])
        t->widths[t->count % t->columns] = width;
    buf_put_char(&t->cells, '\0');
    t->count++;
}

void table_print(struct table *t, struct buf *ret)
{
    const char *cell = t->cells.ptr;
    for (size_t i = 0; i < t->count && !t->cells.failed; i++) {
        struct str text = str_c(cell);
        cell += text.len + 1;
        size_t column = i % t->columns;
        buf_put(ret, text);
        if (column + 1 == t->columns) {
            buf_put_char(ret, '\n');
            continue;
        }
        for (size_t pad = t->widths[column] - text_width(text) + 2; pad > 0; pad--)
            buf_put_char(ret, ' ');
    }
    ret->failed |= t->cells.failed;
    buf_fini(&t->cells);
}
