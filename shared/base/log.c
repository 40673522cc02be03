/*
 * log: see log.h. A line is built on the stack, so that lines about missing memory can be written too.
 */
#include "shared/base/log.h"
#include "shared/base/clock.h"
#include "shared/base/status.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    LINE_BYTES = 8192, /* a longer line is cut: still one write, and enough for every field we have */
    TAIL_BYTES = 32,   /* kept free for what closes a line that was cut */
};

struct line {
    enum log_format format;
    bool cut; /* something did not fit; nothing more is added */
    size_t len;
    char text[LINE_BYTES];
};

/* How a line is written without waiting for its reader. */
enum way {
    WAY_PLAIN, /* a file, which has no reader, or nothing better was to be had */
    WAY_OPENED, /* a pipe or a terminal, opened once more: O_NONBLOCK on fd 2 itself would be everybody's who has it */
    WAY_SOCKET
};

static struct {
    enum log_level level;
    enum log_format format;
    const char *component;
    enum way way;
    int fd;
} settings = {LOG_INFO, LOG_TEXT, "heddle", WAY_PLAIN, STDERR_FILENO};

static atomic_uint_fast64_t dropped;
static atomic_bool is_torn; /* the last line was written in part: its end is owed */

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *const format_names[] = {"text", "json"};

static bool find_name(const char *const *names, size_t count, struct str name, size_t *ret);
static void write_line(const struct line *line);
static void put_time(struct line *line);
static void put_text_field(struct line *line, const char *name, struct str text);
static void put_field(struct line *line, const struct log_field *field);
static bool put_name(struct line *line, const char *name);
static void put_escaped(struct line *line, struct str text);
static bool needs_quotes(struct str text);
static size_t next_unit(struct str s, enum log_format format, char escape[8]);
static bool put(struct line *line, struct str s);
static void put_tail(struct line *line, struct str s);

void log_init(enum log_level level, enum log_format format, const char *component)
{
    settings.level = level;
    settings.format = format;
    settings.component = component;
}

void log_init_words(const char *level, const char *format, const char *component)
{
    enum log_level least = LOG_INFO;
    enum log_format form = LOG_TEXT;
    (void)log_level_from(str_c(level), &least); /* another word cannot come: the defaults stay */
    (void)log_format_from(str_c(format), &form);
    log_init(least, form, component);
    log_never_wait();
}

bool log_level_from(struct str name, enum log_level *ret)
{
    size_t i;
    if (!find_name(level_names, ARRAY_LEN(level_names), name, &i))
        return false;
    *ret = (enum log_level)i;
    return true;
}

bool log_format_from(struct str name, enum log_format *ret)
{
    size_t i;
    if (!find_name(format_names, ARRAY_LEN(format_names), name, &i))
        return false;
    *ret = (enum log_format)i;
    return true;
}

bool log_enabled(enum log_level level)
{
    return level >= settings.level;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count)
{
    int saved_errno = errno;
    struct line line;
    line.format = settings.format;
    line.cut = false;
    line.len = 0;
    if (line.format == LOG_JSON)
        put(&line, STR("{"));
    put_time(&line);
    put_text_field(&line, "level", str_c(level_names[level]));
    put_text_field(&line, "component", str_c(settings.component));
    put_text_field(&line, "event", str_c(event));
    for (size_t i = 0; i < count; i++)
        put_field(&line, &fields[i]);
    if (line.cut)
        put_tail(&line, line.format == LOG_JSON ? STR(",\"cut\":true") : STR(" cut=true"));
    put_tail(&line, line.format == LOG_JSON ? STR("}\n") : STR("\n"));
    write_line(&line);
    errno =
        saved_errno; /* a log line changes nothing for its caller, not even when it could not be written */
}

uint64_t log_lines_dropped(void)
{
    return atomic_load_explicit(&dropped, memory_order_relaxed);
}

void log_never_wait(void)
{
    struct stat st;
    if (settings.way == WAY_OPENED)
        close(settings.fd);
    settings.way = WAY_PLAIN;
    settings.fd = STDERR_FILENO;
    if (fstat(STDERR_FILENO, &st) != 0)
        return;
    if (S_ISSOCK(st.st_mode)) {
        settings.way = WAY_SOCKET;
    } else if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)) {
        int fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
            return; /* not ours to open: it is written as it is */
        settings.way = WAY_OPENED;
        settings.fd = fd;
    }
}

/* Bytes that were taken; negative: none. */
static ssize_t write_some(const char *text, size_t len)
{
    ssize_t n;
    do {
        n = settings.way == WAY_SOCKET ? send(settings.fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL)
                                       : write(settings.fd, text, len);
    } while (n < 0 && errno == EINTR);
    return n;
}

/* One system call; a reader that is behind costs the line, and never the time of who has something to say. */
static void write_line(const struct line *line)
{
    if (atomic_load_explicit(&is_torn, memory_order_relaxed) && atomic_exchange(&is_torn, false) &&
        write_some("\n", 1) != 1) {
        atomic_store(&is_torn, true);
        atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
        return;
    }
    ssize_t n = write_some(line->text, line->len);
    if (n == (ssize_t)line->len)
        return;
    atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
    if (n > 0)
        atomic_store(&is_torn, true);
}

static bool find_name(const char *const *names, size_t count, struct str name, size_t *ret)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq_c(name, names[i])) {
            *ret = i;
            return true;
        }
    }
    return false;
}

/* RFC 3339, UTC, with milliseconds. */
static void put_time(struct line *line)
{
    int64_t now_ms = clock_wall_ms();
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm tm = {0};
    (void)gmtime_r(&seconds, &tm); /* fails only for years that do not fit an int */
    char text[40];
    size_t len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    int tail = snprintf(text + len, sizeof text - len, ".%03dZ", (int)(now_ms % 1000));
    put_text_field(line, "time", (struct str){text, len + (size_t)tail});
}

static void put_field(struct line *line, const struct log_field *field)
{
    char number[40];
    int len = 0;
    switch (field->kind) {
    case LOG_FIELD_STR:
        put_text_field(line, field->name, field->text);
        return;
    case LOG_FIELD_INT:
        len = snprintf(number, sizeof number, "%" PRId64, field->number);
        break;
    case LOG_FIELD_DOUBLE:
        if (isfinite(field->real))
            len = snprintf(number, sizeof number, "%.15g", field->real);
        else
            len = snprintf(number, sizeof number, "null"); /* JSON has no word for it */
        break;
    }
    size_t before = line->len;
    if (put_name(line, field->name) && !put(line, (struct str){number, (size_t)len}))
        line->len = before;
}

static void put_text_field(struct line *line, const char *name, struct str text)
{
    if (!put_name(line, name))
        return;
    bool quoted = line->format == LOG_JSON || needs_quotes(text);
    if (!quoted) {
        put_escaped(line, text);
        return;
    }
    put_tail(line, STR("\""));
    put_escaped(line, text);
    put_tail(line, STR("\""));
}

/* The separator and the name; false when it does not fit, and then nothing is written. */
static bool put_name(struct line *line, const char *name)
{
    size_t before = line->len;
    bool first = before <= 1;
    bool fits;
    if (line->format == LOG_JSON)
        fits = (first || put(line, STR(","))) && put(line, STR("\"")) && put(line, str_c(name)) &&
               put(line, STR("\":"));
    else
        fits = (first || put(line, STR(" "))) && put(line, str_c(name)) && put(line, STR("="));
    if (!fits)
        line->len = before;
    return fits;
}

/* The text with escapes; cut between two of its units when it does not fit. */
static void put_escaped(struct line *line, struct str text)
{
    size_t plain = 0; /* start of what was seen and is copied as it is */
    for (size_t at = 0; at <= text.len && !line->cut;) {
        char escape[8] = "";
        size_t len = at == text.len ? 0 : next_unit(str_sub(text, at, text.len), line->format, escape);
        bool full = line->len + (at + len - plain) > LINE_BYTES - TAIL_BYTES;
        if (len == 0 || escape[0] != '\0' || full) {
            put(line, str_sub(text, plain, at));
            plain = at + len;
            if (full)
                line->cut = true;
            else if (escape[0] != '\0')
                put(line, str_c(escape));
        }
        if (len == 0)
            break;
        at += len;
    }
}

/* A text value stands alone unless a reader of `name=value name=value` could misread it. */
static bool needs_quotes(struct str text)
{
    if (text.len == 0)
        return true;
    for (size_t at = 0, len; at < text.len; at += len) {
        char c = text.ptr[at];
        char escape[8] = "";
        len = next_unit(str_sub(text, at, text.len), LOG_TEXT, escape);
        if (c == ' ' || c == '=' || escape[0] != '\0')
            return true;
    }
    return false;
}

/*
 * Length of the first code point (or byte that belongs to none) of s, and what to write in its place ("" for itself):
 * quotes, control characters and line separators must not end a value or a line, for a terminal or a browser either.
 */
static size_t next_unit(struct str s, enum log_format format, char escape[8])
{
    size_t len = str_utf8_first(s);
    unsigned char c = (unsigned char)s.ptr[0];
    if (len == 0) {
        snprintf(escape, 8, format == LOG_JSON ? "\\ufffd" : "\\x%02x", c);
        return 1;
    }
    if (c == '"' || c == '\\')
        snprintf(escape, 8, "\\%c", c);
    else if (c == '\n')
        snprintf(escape, 8, "\\n");
    else if (c == '\t')
        snprintf(escape, 8, "\\t");
    else if (c < 0x20 || c == 0x7f)
        snprintf(escape, 8, "\\u%04x", c);
    else if (c == 0xc2 && (unsigned char)s.ptr[1] < 0xa0)
        snprintf(escape, 8, "\\u%04x", (unsigned char)s.ptr[1]);
    else if (len == 3 && (memcmp(s.ptr, "\xe2\x80\xa8", 3) == 0 || memcmp(s.ptr, "\xe2\x80\xa9", 3) == 0))
        snprintf(escape, 8, "\\u20%02x", (unsigned)((unsigned char)s.ptr[2] & 0x3f));
    return len;
}

/* Adds s whole, or nothing and marks the line as cut. */
static bool put(struct line *line, struct str s)
{
    if (line->cut || s.len > LINE_BYTES - TAIL_BYTES - line->len) {
        line->cut = true;
        return false;
    }
    put_tail(line, s);
    return true;
}

/* Adds s, which has its place even when the line is full. */
static void put_tail(struct line *line, struct str s)
{
    if (s.len > 0)
        memcpy(line->text + line->len, s.ptr, s.len);
    line->len += s.len;
}
