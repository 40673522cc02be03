/*
 * options: one table per program feeds parsing, checking, --help, --print-config and the docs.
 * Every option is --name VALUE or --name=VALUE, and environment variable HEDDLE_NAME (upper case). The command line wins.
 * A secret is never on the command line: it is --name_file FILE, HEDDLE_NAME_FILE or HEDDLE_NAME.
 * Source: design/api.md "Programs".
 * Threads  at start only; the filled struct is read-only afterwards.
 */
#pragma once
#include "shared/base/buf.h"

enum option_kind {
    OPTION_TEXT,   /* const char * */
    OPTION_INT,    /* int64_t, between min and max */
    OPTION_BOOL,   /* bool: yes/no, true/false, 1/0 */
    OPTION_CHOICE, /* const char *: one of choices */
    OPTION_SECRET, /* const char *; from file or environment, without the line end behind it; shown as *** */
    OPTION_FILE    /* const char *: path of a readable file */
};
struct option {
    const char *name; /* lower_case; --name and HEDDLE_NAME */
    enum option_kind kind;
    size_t offset;        /* of the field in the program's config struct */
    const char *fallback; /* default as text; NULL = none (the field is NULL, 0 or false), as for secrets */
    int64_t min, max;     /* OPTION_INT */
    const char *choices;  /* OPTION_CHOICE: "text|json" */
    const char *help;     /* one sentence, with the unit */
    /* Further check of the text, or NULL. Puts words about what is wrong into *err. */
    enum status_code (*check)(struct str value, struct status *err);
};
struct command {
    const char *name, *help;
};
/* A word that has to follow a command: "DIRECTORY" in `backup DIRECTORY`. */
struct command_argument {
    const char *command, *name;
    size_t
        offset; /* of a const char * in the program's config struct: NULL without the command; borrowed from argv */
};
struct program {
    const char *name, *summary; /* summary: one line for --help */
    const struct option *options;
    size_t option_count;
    const struct command *commands; /* first one is the default */
    size_t command_count;
    const struct command_argument *arguments;
    size_t argument_count;
};
enum options_result { OPTIONS_RUN, OPTIONS_EXIT_OK, OPTIONS_EXIT_USAGE };

/*
 * Fills the fields of `config` (a struct of the program) that the table names, from defaults, environment and arguments.
 * --help, --version, --print-config and --print-options-md (the table of the docs) print to stdout and give
 * OPTIONS_EXIT_OK (exit 0). All mistakes are printed to stderr together, one line each ("--listen: …"; a value from the
 * environment under its name there), and give OPTIONS_EXIT_USAGE (exit 2).
 *
 * argv          an option given twice counts as it was given last; the command may stand anywhere
 * env           like environ; NULL for none. A variable with an empty value counts as not set; names of no option are ignored
 * ret_command   one of the commands' names, NULL if the program has none; written with OPTIONS_RUN only
 *
 * After OPTIONS_RUN the texts live until options_free(); otherwise nothing is left to free and the fields are none.
 */
enum options_result options_parse(const struct program *program, int argc, char **argv, char **env,
                                  void *config, const char **ret_command);
/* Frees the texts (secrets are wiped) and sets every field of the table to none. */
void options_free(const struct program *program, void *config);
