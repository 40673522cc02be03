/* command: see the header. */
#include "gateway/ctl/command.h"

#include <string.h>

/* Number of words of `path` that `words` begin with, 0 when they do not. */
static size_t path_match(const char *path, char **words, size_t word_count)
{
    struct str rest = str_c(path), piece;
    size_t used = 0;
    while (str_split(&rest, ' ', &piece)) {
        if (used == word_count || !str_eq_c(piece, words[used]))
            return 0;
        used++;
    }
    return used;
}

const struct ctl_command *command_find(const struct ctl_command *commands, size_t count, char **words,
                                       size_t word_count, size_t *ret_used)
{
    for (size_t i = 0; i < count; i++) {
        *ret_used = path_match(commands[i].path, words, word_count);
        if (*ret_used > 0)
            return &commands[i];
    }
    return NULL;
}

static const struct ctl_option *find_option(const struct ctl_command *command, struct str name)
{
    for (size_t i = 0; i < command->option_count; i++) {
        if (str_eq_c(name, command->options[i].name))
            return &command->options[i];
    }
    return NULL;
}

enum status_code command_parse(const struct ctl_command *command, char **words, size_t word_count,
                               struct ctl_args *ret, struct status *err)
{
    memset(ret, 0, sizeof *ret);
    if (word_count > CTL_WORDS_MAX)
        return status_set(err, STATUS_INVALID_ARGUMENT, "more than %d words", CTL_WORDS_MAX);
    bool options_ended = false;
    for (size_t i = 0; i < word_count; i++) {
        struct str word = str_c(words[i]);
        if (options_ended || !str_starts(word, STR("--")) || word.len == 0) {
            ret->positional[ret->positional_count++] = words[i];
            continue;
        }
        if (word.len == 2) {
            options_ended = true;
            continue;
        }
        size_t equals = str_find(word, STR("="), 0);
        struct str name = str_sub(word, 2, equals == SIZE_MAX ? word.len : equals);
        const struct ctl_option *option = find_option(command, name);
        if (option == NULL)
            return status_set(err, STATUS_INVALID_ARGUMENT, "unknown option --%.*s", STR_ARG(name));
        const char *value = "";
        if (option->value_name == NULL) {
            if (equals != SIZE_MAX)
                return status_set(err, STATUS_INVALID_ARGUMENT, "--%s takes no value", option->name);
        } else if (equals != SIZE_MAX) {
            value = words[i] + equals + 1;
        } else if (i + 1 < word_count) {
            value = words[++i];
        } else {
            return status_set(err, STATUS_INVALID_ARGUMENT, "--%s needs a value (%s)", option->name,
                              option->value_name);
        }
        ret->option_names[ret->option_count] = option->name;
        ret->option_values[ret->option_count++] = value;
    }
    if (ret->positional_count < command->arguments_min)
        return status_set(err, STATUS_INVALID_ARGUMENT, "something is missing: %s %s", command->path,
                          command->arguments);
    if (ret->positional_count > command->arguments_max)
        return status_set(err, STATUS_INVALID_ARGUMENT, "\"%s\" is one word too many",
                          ret->positional[command->arguments_max]);
    return STATUS_OK;
}

const char *args_option(const struct ctl_args *args, const char *name)
{
    for (size_t i = args->option_count; i-- > 0;) {
        if (strcmp(args->option_names[i], name) == 0)
            return args->option_values[i];
    }
    return NULL;
}

bool args_has(const struct ctl_args *args, const char *name)
{
    return args_option(args, name) != NULL;
}

const char *args_next(const struct ctl_args *args, const char *name, size_t *index)
{
    while (*index < args->option_count) {
        size_t i = (*index)++;
        if (strcmp(args->option_names[i], name) == 0)
            return args->option_values[i];
    }
    return NULL;
}

static void put_padded(struct buf *b, struct str text, size_t width)
{
    buf_put(b, text);
    for (size_t i = text.len; i < width; i++)
        buf_put_char(b, ' ');
}

static void put_options(struct buf *b, const struct ctl_option *options, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct buf text;
        buf_init(&text, 256);
        buf_printf(&text, "--%s%s%s", options[i].name, options[i].value_name ? " " : "",
                   options[i].value_name ? options[i].value_name : "");
        buf_put_c(b, "  ");
        put_padded(b, buf_str(&text), 24);
        buf_fini(&text);
        buf_printf(b, "  %s\n", options[i].help);
    }
}

static void put_usage(struct buf *b, const struct ctl_command *command)
{
    buf_printf(b, "heddlectl %s%s%s%s", command->path, command->arguments[0] ? " " : "", command->arguments,
               command->option_count > 0 ? " [options]" : "");
}

void command_put_help(struct buf *b, const struct ctl_command *command)
{
    buf_put_c(b, "usage: ");
    put_usage(b, command);
    buf_printf(b, "\n\n%s\n", command->summary);
    if (command->more != NULL)
        buf_printf(b, "\n%s\n", command->more);
    if (command->option_count > 0) {
        buf_put_c(b, "\noptions:\n");
        put_options(b, command->options, command->option_count);
    }
    buf_put_c(b, "\nOptions of every command: heddlectl --help\n");
}

void command_put_overview(struct buf *b, const struct ctl_command *commands, size_t count,
                          const struct ctl_option *globals, size_t global_count)
{
    buf_put_c(b, "usage: heddlectl [options] COMMAND ...\n\nTalks to a Heddle gateway: administration, and "
                 "runs of apps.\n\n"
                 "commands:\n");
    for (size_t i = 0; i < count; i++) {
        buf_put_c(b, "  ");
        put_padded(b, str_c(commands[i].path), 24);
        buf_printf(b, "  %s\n", commands[i].summary);
    }
    buf_put_c(b, "\noptions of every command (before or after it):\n");
    put_options(b, globals, global_count);
    buf_put_c(
        b,
        "\nThe token comes from HEDDLE_TOKEN or, with --token-stdin, from the first line of "
        "standard input: the\n"
        "administrator's for app, key, credential and model; an app's API key for chat, run, stop, runs and "
        "conversations.\n"
        "More about one command: heddlectl COMMAND --help\n");
}

void command_put_markdown(struct buf *b, const struct ctl_command *commands, size_t count,
                          const struct ctl_option *globals, size_t global_count)
{
    buf_put_c(b, "# heddlectl\n\nMade by `heddlectl --help-markdown`; change it there.\n\n## Options of "
                 "every command\n\n```\n");
    put_options(b, globals, global_count);
    buf_put_c(b, "```\n");
    for (size_t i = 0; i < count; i++) {
        buf_printf(b, "\n## %s\n\n%s\n\n```\n", commands[i].path, commands[i].summary);
        put_usage(b, &commands[i]);
        buf_put_c(b, "\n");
        put_options(b, commands[i].options, commands[i].option_count);
        buf_put_c(b, "```\n");
        if (commands[i].more != NULL)
            buf_printf(b, "\n%s\n", commands[i].more);
    }
}
