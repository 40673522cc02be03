/*
 * options: see options.h. First the questions that end the program (--help …), then the command line is taken apart, then
 * every option of the table gets its value: from the command line, else the environment, else its default.
 */
#include "shared/base/options.h"
#include "shared/base/crypto.h"
#include "shared/base/options_print.h"
#include "shared/base/options_value.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SECRET_BYTES_MAX = 16 * 1024,  /* of a secret's file: a PEM key is a few kilobytes */
    PRINT_BYTES_MAX = 1024 * 1024, /* of what --help and its like print: 256 options are some 50 kB */
    NAME_BYTES_MAX = 256,          /* of an option's name in any spelling; names are literals of ours */
    WORD_BYTES_MAX = 48, /* of a word that "did you mean" is asked for; a longer one is like nothing */
    TYPOS_MAX = 2        /* letters that "did you mean" forgives */
};

enum word_kind {
    WORD_UNKNOWN,
    WORD_OPTION,
    WORD_SECRET,     /* the name of a secret, which is not to be on the command line */
    WORD_SECRET_FILE /* the name of a secret and _file */
};

struct parse {
    const struct program *program;
    void *config;
    char **env;
    const char *
        *given; /* per option: its text on the command line, or NULL; of a secret the path of its file */
    const char *command;
    const struct command_argument *awaited; /* of the command, not yet given */
    size_t mistakes;
};

/* What a word that is none may have been meant to be. */
struct guess {
    struct str word;
    size_t typos; /* between word and name; more than TYPOS_MAX: no guess */
    char name[NAME_BYTES_MAX];
};

static enum options_result answer_question(const struct program *program, int argc, char **argv);
static enum options_result print_whole(struct buf *text);
static bool has_argument(int argc, char **argv, const char *arg);
static void take_arguments(struct parse *p, int argc, char **argv);
static const char **argument_at(struct parse *p, const struct command_argument *argument);
static const struct command_argument *argument_of(const struct program *program, const char *command);
static void take_command(struct parse *p, const char *word);
static int take_option(struct parse *p, int argc, char **argv, int at);
static enum word_kind find_option(const struct program *program, struct str name, size_t *ret_index);
static void fill_option(struct parse *p, size_t index);
static void fill_secret(struct parse *p, size_t index);
static void store_secret_file(struct parse *p, const struct option *option, const char *label,
                              const char *path);
static void store(struct parse *p, const struct option *option, const char *label, struct str value);
static enum status_code read_secret(const char *path, char text[SECRET_BYTES_MAX + 1], size_t *ret_len,
                                    struct status *err);
static struct str without_line_end(struct str s);
static const char *from_env(struct parse *p, const struct option *option, const char *suffix,
                            char label[NAME_BYTES_MAX]);
static void mistake(struct parse *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void unknown_option(struct parse *p, struct str name);
static void mistake_unknown(struct parse *p, const char *what, const struct guess *guess);
static void guess_try(struct guess *guess, const char *prefix, const char *name, const char *suffix);
static size_t typos_between(struct str a, struct str b);

enum options_result options_parse(const struct program *program, int argc, char **argv, char **env,
                                  void *config, const char **ret_command)
{
    for (size_t i = 0; i < program->option_count; i++)
        option_clear(&program->options[i], config);
    enum options_result result = answer_question(program, argc, argv);
    if (result != OPTIONS_RUN)
        return result;

    struct parse p = {.program = program, .config = config, .env = env};
    p.command = program->command_count > 0 ? program->commands[0].name : NULL;
    p.given = calloc(program->option_count + 1, sizeof *p.given);
    if (p.given == NULL) {
        mistake(&p, "out of memory");
        return OPTIONS_EXIT_USAGE;
    }
    take_arguments(&p, argc, argv);
    for (size_t i = 0; i < program->option_count; i++) {
        if (program->options[i].kind == OPTION_SECRET)
            fill_secret(&p, i);
        else
            fill_option(&p, i);
    }
    free(p.given);
    if (p.mistakes > 0) {
        fprintf(stderr, "%s: not started; see %s --help\n", program->name, program->name);
        result = OPTIONS_EXIT_USAGE;
    } else if (has_argument(argc, argv, "--print-config")) {
        struct buf text;
        buf_init(&text, PRINT_BYTES_MAX);
        options_put_config(program, config, &text);
        result = print_whole(&text);
    }
    if (result == OPTIONS_RUN)
        *ret_command = p.command;
    else
        options_free(program, config);
    return result;
}

void options_free(const struct program *program, void *config)
{
    for (size_t i = 0; i < program->option_count; i++)
        option_release(&program->options[i], config);
}

/* Answers --help, --version and --print-options-md, whatever else is on the command line; OPTIONS_RUN if not asked. */
static enum options_result answer_question(const struct program *program, int argc, char **argv)
{
    struct buf text;
    buf_init(&text, PRINT_BYTES_MAX);
    if (has_argument(argc, argv, "--help"))
        options_put_help(program, &text);
    else if (has_argument(argc, argv, "--version"))
        buf_printf(&text, "%s %s\n", program->name, HEDDLE_VERSION);
    else if (has_argument(argc, argv, "--print-options-md"))
        options_put_markdown(program, &text);
    else
        return OPTIONS_RUN;
    return print_whole(&text);
}

/* Prints and frees the text. */
static enum options_result print_whole(struct buf *text)
{
    bool printed =
        !text->failed && fwrite(text->ptr, 1, text->len, stdout) == text->len && fflush(stdout) == 0;
    buf_fini(text);
    if (!printed)
        fprintf(stderr, "cannot print: out of memory, or the output is closed\n");
    return printed ? OPTIONS_EXIT_OK : OPTIONS_EXIT_USAGE;
}

static bool has_argument(int argc, char **argv, const char *arg)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], arg) == 0)
            return true;
    }
    return false;
}

static void take_arguments(struct parse *p, int argc, char **argv)
{
    bool has_command = false;
    for (size_t i = 0; i < p->program->argument_count; i++)
        *argument_at(p, &p->program->arguments[i]) = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--print-config") == 0)
            continue;
        if (argv[i][0] == '-') {
            i = take_option(p, argc, argv, i);
        } else if (p->awaited != NULL) {
            *argument_at(p, p->awaited) = argv[i];
            p->awaited = NULL;
        } else if (has_command || p->program->command_count == 0) {
            mistake(p, "%s: one word too many", argv[i]);
        } else {
            take_command(p, argv[i]);
            has_command = true;
        }
    }
    if (p->awaited != NULL)
        mistake(p, "%s: %s is missing behind it", p->command, p->awaited->name);
}

static const char **argument_at(struct parse *p, const struct command_argument *argument)
{
    return (const char **)((char *)p->config + argument->offset);
}

static const struct command_argument *argument_of(const struct program *program, const char *command)
{
    for (size_t i = 0; i < program->argument_count; i++) {
        if (strcmp(program->arguments[i].command, command) == 0)
            return &program->arguments[i];
    }
    return NULL;
}

static void take_command(struct parse *p, const char *word)
{
    struct guess guess = {.word = str_c(word), .typos = TYPOS_MAX + 1};
    for (size_t i = 0; i < p->program->command_count; i++) {
        const char *name = p->program->commands[i].name;
        if (strcmp(word, name) == 0) {
            p->command = name;
            p->awaited = argument_of(p->program, name);
            return;
        }
        guess_try(&guess, "", name, "");
    }
    mistake_unknown(p, "command", &guess);
}

/* Takes the option at argv[at]; returns the index of the last argument that belongs to it. */
static int take_option(struct parse *p, int argc, char **argv, int at)
{
    struct str rest = str_c(argv[at]), name;
    (void)str_split(&rest, '=', &name); /* never empty-handed: the argument starts with a dash */
    const char *value = rest.ptr;
    if (value == NULL && at + 1 < argc && strncmp(argv[at + 1], "--", 2) != 0)
        value = argv[++at];

    size_t index = 0;
    switch (find_option(p->program, name, &index)) {
    case WORD_UNKNOWN:
        unknown_option(p, name); /* its value is skipped unseen: it may be a secret after a misspelt name */
        break;
    case WORD_SECRET:
        mistake(
            p,
            "%.*s: a secret is not taken from the command line, where others can see it; use %.*s_file FILE",
            STR_ARG(name), STR_ARG(name));
        break;
    case WORD_OPTION:
    case WORD_SECRET_FILE:
        if (value == NULL)
            mistake(p, "%.*s: needs a value", STR_ARG(name));
        else
            p->given[index] = value;
        break;
    }
    return at;
}

static enum word_kind find_option(const struct program *program, struct str name, size_t *ret_index)
{
    if (!str_starts(name, STR("--")))
        return WORD_UNKNOWN;
    name = str_sub(name, 2, name.len);
    for (size_t i = 0; i < program->option_count; i++) {
        const struct option *option = &program->options[i];
        struct str own = str_c(option->name);
        *ret_index = i;
        if (str_eq(name, own))
            return option->kind == OPTION_SECRET ? WORD_SECRET : WORD_OPTION;
        if (option->kind == OPTION_SECRET && str_starts(name, own) &&
            str_eq(str_sub(name, own.len, name.len), STR("_file")))
            return WORD_SECRET_FILE;
    }
    return WORD_UNKNOWN;
}

static void fill_option(struct parse *p, size_t index)
{
    const struct option *option = &p->program->options[index];
    char label[NAME_BYTES_MAX];
    const char *value = p->given[index];
    if (value != NULL) {
        snprintf(label, sizeof label, "--%s", option->name);
    } else {
        value = from_env(p, option, "", label);
        if (value == NULL) {
            snprintf(label, sizeof label, "default of --%s", option->name);
            value = option->fallback;
        }
    }
    if (value != NULL)
        store(p, option, label, str_c(value));
}

static void fill_secret(struct parse *p, size_t index)
{
    const struct option *option = &p->program->options[index];
    char label[NAME_BYTES_MAX];
    const char *path = p->given[index];
    if (path != NULL)
        snprintf(label, sizeof label, "--%s_file", option->name);
    else
        path = from_env(p, option, "_FILE", label);
    if (path != NULL) {
        store_secret_file(p, option, label, path);
        return;
    }
    const char *value = from_env(p, option, "", label);
    if (value != NULL)
        store(p, option, label, without_line_end(str_c(value)));
}

static void store_secret_file(struct parse *p, const struct option *option, const char *label,
                              const char *path)
{
    char text[SECRET_BYTES_MAX + 1];
    size_t len = 0;
    struct status err;
    if (read_secret(path, text, &len, &err) == STATUS_OK)
        store(p, option, label, without_line_end((struct str){text, len}));
    else
        mistake(p, "%s: %s", label, err.message);
    secret_wipe(text, sizeof text);
}

static void store(struct parse *p, const struct option *option, const char *label, struct str value)
{
    struct status err;
    if (option_store(option, value, p->config, &err) != STATUS_OK)
        mistake(p, "%s: %s", label, err.message);
}

static enum status_code read_secret(const char *path, char text[SECRET_BYTES_MAX + 1], size_t *ret_len,
                                    struct status *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return status_set(err, STATUS_INVALID_ARGUMENT, "cannot read '%s': %s", path, strerror(errno));
    size_t len = 0;
    ssize_t got;
    do {
        got = read(fd, text + len, SECRET_BYTES_MAX + 1 - len);
        if (got > 0)
            len += (size_t)got;
    } while (got > 0 || (got < 0 && errno == EINTR));
    int read_errno = errno;
    close(fd);
    if (got < 0)
        return status_set(err, STATUS_INVALID_ARGUMENT, "cannot read '%s': %s", path, strerror(read_errno));
    if (len > SECRET_BYTES_MAX)
        return status_set(err, STATUS_INVALID_ARGUMENT, "'%s' is longer than %d bytes", path,
                          SECRET_BYTES_MAX);
    if (without_line_end((struct str){text, len}).len == 0)
        return status_set(err, STATUS_INVALID_ARGUMENT, "'%s' is empty", path);
    if (memchr(text, '\0', len) != NULL)
        return status_set(err, STATUS_INVALID_ARGUMENT, "'%s' is not a text", path);
    *ret_len = len;
    return STATUS_OK;
}

static struct str without_line_end(struct str s)
{
    if (str_ends(s, STR("\r\n")))
        return str_sub(s, 0, s.len - 2);
    return str_ends(s, STR("\n")) ? str_sub(s, 0, s.len - 1) : s;
}

/* Value of the option's variable, NULL when it is not set or empty; its name goes into `label`. */
static const char *from_env(struct parse *p, const struct option *option, const char *suffix,
                            char label[NAME_BYTES_MAX])
{
    struct buf name;
    buf_init(&name, NAME_BYTES_MAX - 1);
    option_put_env_name(option, suffix, &name);
    if (name.failed) {
        buf_fini(&name);
        mistake(p, "--%s: out of memory", option->name);
        return NULL;
    }
    memcpy(label, name.ptr, name.len);
    label[name.len] = '\0';
    size_t len = name.len;
    buf_fini(&name);
    for (char **entry = p->env; entry != NULL && *entry != NULL; entry++) {
        if (strncmp(*entry, label, len) == 0 && (*entry)[len] == '=' && (*entry)[len + 1] != '\0')
            return *entry + len + 1;
    }
    return NULL;
}

static void mistake(struct parse *p, const char *fmt, ...)
{
    p->mistakes++;
    va_list args;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

static void unknown_option(struct parse *p, struct str name)
{
    struct guess guess = {.word = name, .typos = TYPOS_MAX + 1};
    for (size_t i = 0; i < p->program->option_count; i++) {
        const struct option *option = &p->program->options[i];
        guess_try(&guess, "--", option->name, option->kind == OPTION_SECRET ? "_file" : "");
    }
    static const char *const questions[] = {"--help", "--version", "--print-config", "--print-options-md"};
    for (size_t i = 0; i < ARRAY_LEN(questions); i++)
        guess_try(&guess, "", questions[i], "");
    mistake_unknown(p, "option", &guess);
}

static void mistake_unknown(struct parse *p, const char *what, const struct guess *guess)
{
    if (guess->typos <= TYPOS_MAX && guess->typos * 2 < guess->word.len)
        mistake(p, "%.*s: no such %s; did you mean %s?", STR_ARG(guess->word), what, guess->name);
    else
        mistake(p, "%.*s: no such %s", STR_ARG(guess->word), what);
}

static void guess_try(struct guess *guess, const char *prefix, const char *name, const char *suffix)
{
    char whole[NAME_BYTES_MAX];
    snprintf(whole, sizeof whole, "%s%s%s", prefix, name, suffix);
    size_t typos = typos_between(guess->word, str_c(whole));
    if (typos < guess->typos) {
        guess->typos = typos;
        memcpy(guess->name, whole, strlen(whole) + 1);
    }
}

/* Letters to add, drop or change to get from a to b (Levenshtein); SIZE_MAX when one is long. */
static size_t typos_between(struct str a, struct str b)
{
    if (a.len > WORD_BYTES_MAX || b.len > WORD_BYTES_MAX)
        return SIZE_MAX;
    size_t row[WORD_BYTES_MAX + 1]; /* row[j]: from the first i bytes of a to the first j of b */
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t change = diagonal + (a.ptr[i - 1] != b.ptr[j - 1]);
            size_t drop_or_add = 1 + (row[j] < row[j - 1] ? row[j] : row[j - 1]);
            diagonal = row[j];
            row[j] = change < drop_or_add ? change : drop_or_add;
        }
    }
    return row[b.len];
}
