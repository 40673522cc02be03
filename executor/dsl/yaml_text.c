/*
 * yaml_text: see yaml_text.h. Line ends are those of YAML 1.1: \n, \r, \r\n, and the three of Unicode.
 */
#include "executor/dsl/yaml_text.h"
#include <stdio.h>

/* bytes. Of a line that is shown. */
enum { SHOWN_BYTES_MAX = 100 };

static bool is_allowed(struct str s, size_t char_bytes);
static size_t line_end_bytes(struct str s);
static struct str line_of(struct str text, size_t line);
static void place_of(struct str text, size_t offset, size_t *line, size_t *column);

enum status_code yaml_text_check(struct str text, struct status *err)
{
    for (size_t i = 0; i < text.len;) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= 0x20 && c < 0x7F) {
            i++;
            continue;
        }
        struct str rest = str_sub(text, i, text.len);
        size_t n = str_utf8_first(rest);
        if (n > 0 && is_allowed(rest, n)) {
            i += n;
            continue;
        }
        size_t line, column;
        place_of(text, i, &line, &column);
        if (n == 0)
            return status_set(err, STATUS_INVALID_ARGUMENT, "line %zu, column %zu: the text is not UTF-8",
                              line + 1, column + 1);
        return status_set(err, STATUS_INVALID_ARGUMENT, "line %zu, column %zu: a control character", line + 1,
                          column + 1);
    }
    return STATUS_OK;
}

enum status_code yaml_text_error(struct str text, size_t line, size_t column, struct status *err,
                                 const char *fmt, ...)
{
    char words[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    struct str shown = str_trim(line_of(text, line));
    bool is_cut = shown.len > SHOWN_BYTES_MAX;
    shown = str_sub(shown, 0, str_utf8_cut(shown, SHOWN_BYTES_MAX));
    return status_set(err, STATUS_INVALID_ARGUMENT, "line %zu, column %zu: %s%s%.*s%s", line + 1, column + 1,
                      words, shown.len > 0 ? ": " : "", STR_ARG(shown), is_cut ? "…" : "");
}

/* What libyaml (and PyYAML) take for printable. */
static bool is_allowed(struct str s, size_t char_bytes)
{
    const unsigned char *c = (const unsigned char *)s.ptr;
    switch (char_bytes) {
    case 1:
        return c[0] == '\t' || c[0] == '\n' || c[0] == '\r' || (c[0] >= 0x20 && c[0] < 0x7F);
    case 2:
        return c[0] > 0xC2 || c[1] >= 0xA0 || c[1] == 0x85;
    case 3: /* not U+FEFF, U+FFFE, U+FFFF */
        return !(c[0] == 0xEF && c[1] == 0xBB && c[2] == 0xBF) &&
               !(c[0] == 0xEF && c[1] == 0xBF && c[2] >= 0xBE);
    default:
        return true;
    }
}

/* Bytes of the line end that s starts with; 0 when it starts with none. */
static size_t line_end_bytes(struct str s)
{
    if (str_starts(s, STR("\r\n")) || str_starts(s, STR("\xC2\x85")))
        return 2;
    if (str_starts(s, STR("\n")) || str_starts(s, STR("\r")))
        return 1;
    return str_starts(s, STR("\xE2\x80\xA8")) || str_starts(s, STR("\xE2\x80\xA9")) ? 3 : 0;
}

static struct str line_of(struct str text, size_t line)
{
    size_t start = 0;
    for (size_t i = 0; i < text.len;) {
        size_t end = line_end_bytes(str_sub(text, i, text.len));
        if (end > 0 && line == 0)
            return str_sub(text, start, i);
        i += end > 0 ? end : 1;
        if (end > 0) {
            line--;
            start = i;
        }
    }
    return line == 0 ? str_sub(text, start, text.len) : STR("");
}

/* All before offset is valid UTF-8. */
static void place_of(struct str text, size_t offset, size_t *line, size_t *column)
{
    *line = 0;
    *column = 0;
    for (size_t i = 0; i < offset;) {
        struct str rest = str_sub(text, i, text.len);
        size_t end = line_end_bytes(rest);
        *column = end > 0 ? 0 : *column + 1;
        *line += end > 0;
        i += end > 0 ? end : str_utf8_first(rest);
    }
}
