/*
 * command: heddlectl's commands. One table feeds parsing, --help and docs/heddlectl.md.
 * Threads  the main thread.
 */
#pragma once
#include "shared/base/buf.h"
#include "shared/base/status.h"

struct ctl;

struct ctl_option {
    const char *name;       /* without dashes */
    const char *value_name; /* "N" in --weight N; NULL: a switch */
    const char *help;
};
/* words. Of a command line after its command; options and arguments together. */
#define CTL_WORDS_MAX 256

struct ctl_args {
    const char *positional[CTL_WORDS_MAX];
    size_t positional_count;
    const char *option_names[CTL_WORDS_MAX], *option_values[CTL_WORDS_MAX];
    size_t option_count;
};

enum ctl_exit { CTL_OK = 0, CTL_FAILED = 1, CTL_USAGE = 2, CTL_INTERRUPTED = 130 };

struct ctl_command {
    const char *path;      /* "app import" */
    const char *arguments; /* "FILE", for the usage line */
    const char *summary;   /* one line */
    const char *more;      /* further help, or NULL */
    size_t arguments_min, arguments_max;
    const struct ctl_option *options;
    size_t option_count;
    enum ctl_exit (*run)(struct ctl *ctl, const struct ctl_args *args);
};

/* Finds the command that words[0..] begin with; *ret_used = words of its path. NULL: none. */
const struct ctl_command *command_find(const struct ctl_command *commands, size_t count, char **words,
                                       size_t word_count, size_t *ret_used);
/* Parses what follows the command's path. INVALID_ARGUMENT: words for people. "--" ends the options. */
MUST_CHECK enum status_code command_parse(const struct ctl_command *command, char **words, size_t word_count,
                                          struct ctl_args *ret, struct status *err);

/* The last value given for an option, NULL when it was not given ("" for a switch). */
const char *args_option(const struct ctl_args *args, const char *name);
bool args_has(const struct ctl_args *args, const char *name);
/* Options given several times: the value at or after *index, which moves past it; NULL: no more. */
const char *args_next(const struct ctl_args *args, const char *name, size_t *index);

/* Help of one command, of all, and all of it as Markdown. */
void command_put_help(struct buf *b, const struct ctl_command *command);
void command_put_overview(struct buf *b, const struct ctl_command *commands, size_t count,
                          const struct ctl_option *globals, size_t global_count);
void command_put_markdown(struct buf *b, const struct ctl_command *commands, size_t count,
                          const struct ctl_option *globals, size_t global_count);
