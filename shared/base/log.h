/*
 * log: one line per fact on stderr: text `time=… level=info component=gateway event=started …` or JSON. Stable event names, fields instead of prose.
 * Values are escaped, so a caller's text cannot forge a line. No tokens, keys or bodies.
 * A line is at most 8 KiB: what does not fit is left out and the line ends in `cut=true`. errno is kept.
 * Threads  log_init() and log_never_wait() once at start; the rest any. A line is written by one write(2).
 */
#pragma once
#include "shared/base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };
enum log_kind { LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_DOUBLE };
struct log_field {
    const char *name;
    enum log_kind kind;
    struct str text;
    int64_t number;
    double real;
};
/* For the macros below: name is a literal. */
#define LOG_STR(n, s)    ((struct log_field){.name = (n), .kind = LOG_FIELD_STR, .text = (s)})
#define LOG_C(n, c)      ((struct log_field){.name = (n), .kind = LOG_FIELD_STR, .text = str_c(c)})
#define LOG_INT(n, i)    ((struct log_field){.name = (n), .kind = LOG_FIELD_INT, .number = (int64_t)(i)})
#define LOG_DOUBLE(n, d) ((struct log_field){.name = (n), .kind = LOG_FIELD_DOUBLE, .real = (d)})

/* Before it is called: info, text, component "heddle". component is borrowed for good. */
void log_init(enum log_level level, enum log_format format, const char *component);
/* The same from an option table's words, which it has checked (shared/options_common.h). */
void log_init_words(const char *level, const char *format, const char *component);
/*
 * From here on a line is dropped, and counted, when whoever reads stderr (a pipe, a socket, a terminal) is behind; before, it is
 * waited for. stderr stays what it is until this is called again. log_init_words() does it.
 */
void log_never_wait(void);
/* "debug", "info", "warn", "error"; "text", "json". False for another word: nothing written. */
bool log_level_from(struct str name, enum log_level *ret);
bool log_format_from(struct str name, enum log_format *ret);
bool log_enabled(enum log_level level);
/* Lines that were not taken, since the start. */
uint64_t log_lines_dropped(void);
void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count);

/* log_info("run_finished", LOG_STR("run_id", id), LOG_INT("took_ms", ms)); the event may stand alone. */
#define LOG_AT(level, event, ...)                                                                            \
    do {                                                                                                     \
        if (log_enabled(level)) {                                                                            \
            const struct log_field log_fields[] = {{0}, ##__VA_ARGS__};                                      \
            log_write((level), (event), log_fields + 1, sizeof log_fields / sizeof log_fields[0] - 1);       \
        }                                                                                                    \
    } while (0)
#define log_debug(event, ...) LOG_AT(LOG_DEBUG, event, ##__VA_ARGS__)
#define log_info(event, ...)  LOG_AT(LOG_INFO, event, ##__VA_ARGS__)
#define log_warn(event, ...)  LOG_AT(LOG_WARN, event, ##__VA_ARGS__)
#define log_error(event, ...) LOG_AT(LOG_ERROR, event, ##__VA_ARGS__)
