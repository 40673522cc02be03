/*
 * options_print: see options_print.h.
 */
#include "shared/base/options_print.h"
#include "shared/base/options_value.h"
#include <inttypes.h>
#include <string.h>

/* columns. Of the whole page, and where the right-hand column starts. */
enum { PAGE_COLUMNS = 100, TEXT_COLUMN = 30 };
/* bytes. Of the paragraph about one option; its parts are literals in our tables. */
enum { PARAGRAPH_BYTES_MAX = 4096 };

static const struct command questions[] = {
    {"--help", "Prints this page."},
    {"--version", "Prints the version."},
    {"--print-config", "Prints every option with the value it would run with (secrets as ***)."},
    {"--print-options-md", "Prints the table of options in Markdown."},
};

static void put_command(struct buf *b, const struct program *program, const struct command *command);
static void put_entry(struct buf *b, struct str name, struct str text);
static void put_padding(struct buf *b, size_t from, size_t to);
static void put_option_head(const struct option *option, struct buf *b);
static void put_option_text(const struct option *option, struct buf *b);
static void put_values(const struct option *option, struct buf *b);
static void put_md_cell(struct buf *b, struct str text);

static void put_command(struct buf *b, const struct program *program, const struct command *command)
{
    struct buf head;
    buf_init(&head, PARAGRAPH_BYTES_MAX);
    buf_put_c(&head, command->name);
    for (size_t i = 0; i < program->argument_count; i++) {
        if (strcmp(program->arguments[i].command, command->name) == 0)
            buf_printf(&head, " %s", program->arguments[i].name);
    }
    put_entry(b, buf_str(&head), str_c(command->help));
    b->failed |= head.failed;
    buf_fini(&head);
}

void options_put_help(const struct program *program, struct buf *b)
{
    buf_printf(b, "Usage: %s %s[OPTION VALUE]...\n\n%s\n", program->name,
               program->command_count > 0 ? "[COMMAND] " : "", program->summary);
    if (program->command_count > 0)
        buf_put_c(b, "\nCommands (without one, the first is meant):\n");
    for (size_t i = 0; i < program->command_count; i++)
        put_command(b, program, &program->commands[i]);

    buf_put_c(b, "\nOptions (also as environment variables; the command line wins):\n");
    struct buf head, text;
    buf_init(&head, PARAGRAPH_BYTES_MAX);
    buf_init(&text, PARAGRAPH_BYTES_MAX);
    for (size_t i = 0; i < program->option_count; i++) {
        buf_clear(&head);
        buf_clear(&text);
        put_option_head(&program->options[i], &head);
        put_option_text(&program->options[i], &text);
        put_entry(b, buf_str(&head), buf_str(&text));
        b->failed |= head.failed || text.failed;
    }
    buf_fini(&head);
    buf_fini(&text);
    for (size_t i = 0; i < ARRAY_LEN(questions); i++)
        put_entry(b, str_c(questions[i].name), str_c(questions[i].help));
}

void options_put_markdown(const struct program *program, struct buf *b)
{
    buf_put_c(b, "| option | default | meaning |\n|---|---|---|\n");
    struct buf values;
    buf_init(&values, PARAGRAPH_BYTES_MAX);
    for (size_t i = 0; i < program->option_count; i++) {
        const struct option *option = &program->options[i];
        buf_printf(b, "| `%s` | ", option->name);
        if (option->fallback == NULL) {
            buf_put_c(b, "none");
        } else {
            buf_put_char(b, '`');
            put_md_cell(b, str_c(option->fallback));
            buf_put_char(b, '`');
        }
        buf_put_c(b, " | ");
        put_md_cell(b, str_c(option->help));
        buf_clear(&values);
        put_values(option, &values);
        put_md_cell(b, buf_str(&values));
        b->failed |= values.failed;
        buf_put_c(b, " |\n");
    }
    buf_fini(&values);
}

void options_put_config(const struct program *program, const void *config, struct buf *b)
{
    for (size_t i = 0; i < program->option_count; i++) {
        buf_printf(b, "%s=", program->options[i].name);
        option_put(&program->options[i], config, b);
        buf_put_char(b, '\n');
    }
}

void option_put_env_name(const struct option *option, const char *suffix, struct buf *b)
{
    buf_put_c(b, "HEDDLE_");
    for (const char *c = option->name; *c != '\0'; c++)
        buf_put_char(b, *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c);
    buf_put_c(b, suffix);
}

/* Two columns: the name, and the text wrapped between words. A long name has its line for itself. */
static void put_entry(struct buf *b, struct str name, struct str text)
{
    buf_put_c(b, "  ");
    buf_put(b, name);
    size_t column = 2 + str_utf8_count(name);
    if (column + 2 > TEXT_COLUMN) {
        buf_put_char(b, '\n');
        column = 0;
    }
    put_padding(b, column, TEXT_COLUMN);
    column = TEXT_COLUMN;
    struct str word;
    while (str_split(&text, ' ', &word)) {
        size_t width = str_utf8_count(word);
        if (column > TEXT_COLUMN && column + 1 + width > PAGE_COLUMNS) {
            buf_put_char(b, '\n');
            put_padding(b, 0, TEXT_COLUMN);
            column = TEXT_COLUMN;
        } else if (column > TEXT_COLUMN) {
            buf_put_char(b, ' ');
            column++;
        }
        buf_put(b, word);
        column += width;
    }
    buf_put_char(b, '\n');
}

static void put_padding(struct buf *b, size_t from, size_t to)
{
    for (; from < to; from++)
        buf_put_char(b, ' ');
}

/* --listen TEXT */
static void put_option_head(const struct option *option, struct buf *b)
{
    static const char *const kinds[] = {
        [OPTION_TEXT] = " TEXT",        [OPTION_INT] = " N",
        [OPTION_BOOL] = " yes|no",      [OPTION_CHOICE] = " CHOICE",
        [OPTION_SECRET] = "_file FILE", [OPTION_FILE] = " FILE",
    };
    buf_put_c(b, "--");
    buf_put_c(b, option->name);
    buf_put_c(b, kinds[option->kind]);
}

/* What it means. From 1 to 9. Default: 3. HEDDLE_LISTEN */
static void put_option_text(const struct option *option, struct buf *b)
{
    buf_put_c(b, option->help);
    put_values(option, b);
    buf_put_c(b, " Default: ");
    buf_put_c(b, option->fallback == NULL ? "none" : option->fallback);
    buf_put_c(b, ". Env: ");
    option_put_env_name(option, "", b);
    if (option->kind == OPTION_SECRET) {
        buf_put_c(b, ", ");
        option_put_env_name(option, "_FILE", b);
    }
    buf_put_char(b, '.');
}

/* A sentence about which values there are, where the option's own sentence need not say it. */
static void put_values(const struct option *option, struct buf *b)
{
    if (option->kind == OPTION_INT) {
        buf_printf(b, " From %" PRId64 " to %" PRId64 ".", option->min, option->max);
    } else if (option->kind == OPTION_BOOL) {
        buf_put_c(b, " Yes or no.");
    } else if (option->kind == OPTION_CHOICE) {
        struct str rest = str_c(option->choices), choice;
        const char *between = " One of ";
        while (str_split(&rest, '|', &choice)) {
            buf_put_c(b, between);
            buf_put(b, choice);
            between = ", ";
        }
        buf_put_char(b, '.');
    } else if (option->kind == OPTION_SECRET) {
        buf_printf(b, " Secret: only as --%s_file FILE or in the environment.", option->name);
    }
}

static void put_md_cell(struct buf *b, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '|')
            buf_put_char(b, '\\');
        buf_put_char(b, text.ptr[i]);
    }
}
