/* The command line of heddlectl: which command, which words and options, and what is said about mistakes. */
#include "gateway/ctl/command.h"
#include "gateway/ctl/runs.h"
#include "tests/support/capture.h"
#include "tests/support/check.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct ctl_option add_options[] = {
    {"name", "NAME", "what it is called"},
    {"input", "K=V", "may be given again"},
    {"yes", NULL, "really"},
};
static const struct ctl_command commands[] = {
    {"app import", "FILE", "Imports", "More about it.", 1, 1, add_options, ARRAY_LEN(add_options), NULL},
    {"app list", "", "Lists", NULL, 0, 0, NULL, 0, NULL},
    {"env", "APP [WORD ...]", "Environment", NULL, 1, 3, add_options, ARRAY_LEN(add_options), NULL},
    {"run", "", "Runs", NULL, 0, 0, add_options, ARRAY_LEN(add_options), NULL},
};
static const struct ctl_option globals[] = {{"json", NULL, "JSON instead of words"}};

/* Cuts a line at spaces into words; "" stands for an empty word. Returns how many. */
static size_t words_of(const char *line, char *copy, char **words)
{
    size_t count = 0;
    strcpy(copy, line);
    for (char *save = NULL, *word = strtok_r(copy, " ", &save); word != NULL;
         word = strtok_r(NULL, " ", &save)) {
        words[count++] = word;
        if (strcmp(word, "\"\"") == 0)
            word[0] = '\0';
    }
    return count;
}

static void a_command_is_found_by_all_words_of_its_path(void **state)
{
    (void)state;
    static const struct {
        const char *line, *path;
        size_t used;
    } rows[] = {
        {"app import x.yml", "app import", 2},
        {"app list", "app list", 2},
        {"env", "env", 1},
        {"run --name x", "run", 1},
        {"app", NULL, 0},
        {"list", NULL, 0},
        {"import app", NULL, 0},
        {"App list", NULL, 0},
        {"runs", NULL, 0},
        {"--name app", NULL, 0},
        {"", NULL, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char copy[128], *words[16];
        size_t used = 99, count = words_of(rows[i].line, copy, words);
        const struct ctl_command *found = command_find(commands, ARRAY_LEN(commands), words, count, &used);
        assert_true((found == NULL) == (rows[i].path == NULL));
        if (found != NULL) {
            assert_string_equal(rows[i].path, found->path);
            assert_int_equal(rows[i].used, used);
        }
    }
}

static void words_and_options_may_be_mixed(void **state)
{
    (void)state;
    static const struct {
        const char *line; /* after "env" */
        const char *positional[3];
        const char *name; /* of --name; NULL: not given */
        bool yes;
    } rows[] = {
        {"a", {"a"}, NULL, false},
        {"a b c", {"a", "b", "c"}, NULL, false},
        {"--name x a", {"a"}, "x", false},
        {"a --name x b", {"a", "b"}, "x", false},
        {"a --name=x", {"a"}, "x", false},
        {"a --name=x=y", {"a"}, "x=y", false},
        {"a --name=", {"a"}, "", false},
        {"a --name \"\"", {"a"}, "", false},
        {"a --name --yes", {"a"}, "--yes", false}, /* what follows is the value, whatever it is */
        {"a --name one --name two", {"a"}, "two", false},
        {"a --yes", {"a"}, NULL, true},
        {"-- a", {"a"}, NULL, false},
        {"a -- --yes --name", {"a", "--yes", "--name"}, NULL, false},
        {"a -- --", {"a", "--"}, NULL, false},
        {"- -x", {"-", "-x"}, NULL, false},
        {"\"\"", {""}, NULL, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char copy[128], *words[16];
        struct ctl_args args;
        struct status err;
        size_t count = words_of(rows[i].line, copy, words);
        assert_ok(command_parse(&commands[2], words, count, &args, &err));
        size_t expected = 0;
        for (; expected < 3 && rows[i].positional[expected] != NULL; expected++)
            assert_string_equal(rows[i].positional[expected], args.positional[expected]);
        assert_int_equal(expected, args.positional_count);
        const char *name = args_option(&args, "name");
        assert_true((name == NULL) == (rows[i].name == NULL));
        if (name != NULL)
            assert_string_equal(rows[i].name, name);
        assert_int_equal(rows[i].yes, args_has(&args, "yes"));
        assert_false(args_has(&args, "input"));
    }
}

static void mistakes_are_said_in_words(void **state)
{
    (void)state;
    static const struct {
        size_t command;
        const char *line, *words;
    } rows[] = {
        {0, "", "something is missing: app import FILE"},
        {0, "--yes", "something is missing: app import FILE"},
        {0, "a b", "\"b\" is one word too many"},
        {1, "a", "\"a\" is one word too many"},
        {1, "--name x", "unknown option --name"},
        {0, "a --nam x", "unknown option --nam"},
        {0, "a --names=x", "unknown option --names"},
        {0, "a --=x", "unknown option --"},
        {0, "a --name", "--name needs a value (NAME)"},
        {0, "a --yes=no", "--yes takes no value"},
        {0, "a --YES", "unknown option --YES"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char copy[128], *words[16];
        struct ctl_args args;
        struct status err;
        size_t count = words_of(rows[i].line, copy, words);
        assert_code(STATUS_INVALID_ARGUMENT,
                    command_parse(&commands[rows[i].command], words, count, &args, &err));
        assert_string_equal(rows[i].words, err.message);
    }
}

static void more_words_than_there_is_room_for_are_refused(void **state)
{
    (void)state;
    static char word[] = "a";
    char *words[CTL_WORDS_MAX + 1];
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        words[i] = word;
    const struct ctl_command wide = {.path = "wide", .arguments = "", .arguments_max = CTL_WORDS_MAX};
    struct ctl_args args;
    struct status err;
    assert_ok(command_parse(&wide, words, CTL_WORDS_MAX, &args, &err));
    assert_int_equal(CTL_WORDS_MAX, args.positional_count);
    assert_code(STATUS_INVALID_ARGUMENT, command_parse(&wide, words, CTL_WORDS_MAX + 1, &args, &err));
}

static void an_option_given_again_is_read_in_order(void **state)
{
    (void)state;
    char copy[128], *words[16];
    struct ctl_args args;
    struct status err;
    size_t index = 0, count = words_of("--input a=1 --name n --input=b=2 --input c=3", copy, words);
    assert_ok(command_parse(&commands[3], words, count, &args, &err));
    assert_string_equal("a=1", args_next(&args, "input", &index));
    assert_string_equal("b=2", args_next(&args, "input", &index));
    assert_string_equal("c=3", args_next(&args, "input", &index));
    assert_null(args_next(&args, "input", &index));
    assert_null(args_next(&args, "input", &index));
    assert_string_equal("c=3", args_option(&args, "input"));
}

static void inputs_become_a_json_object_of_texts(void **state)
{
    (void)state;
    static const struct {
        const char *line, *json; /* NULL: refused */
    } rows[] = {
        {"", "{}"},
        {"--input a=1", "{\"a\": \"1\"}"},
        {"--input a=1 --input b=x=y", "{\"a\": \"1\", \"b\": \"x=y\"}"},
        {"--input a=", "{\"a\": \"\"}"},
        {"--input a=\"", "{\"a\": \"\\\"\"}"},
        {"--input a", NULL},
        {"--input =1", NULL},
        {"--input \"\"", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char copy[128], *words[16];
        struct ctl_args args;
        struct status err;
        struct buf json;
        struct capture said;
        buf_init(&json, 1000);
        size_t count = words_of(rows[i].line, copy, words);
        assert_ok(command_parse(&commands[3], words, count, &args, &err));
        capture_begin(&said, STDERR_FILENO);
        bool is_good = inputs_json(&args, &json);
        char *text = capture_end(&said);
        assert_int_equal(rows[i].json != NULL, is_good);
        if (is_good) {
            buf_put_char(&json, '\0');
            assert_string_equal(rows[i].json, json.ptr);
            assert_string_equal("", text);
        } else {
            assert_non_null(strstr(text, "NAME=VALUE"));
        }
        free(text);
        buf_fini(&json);
    }
}

static void help_names_every_command_argument_and_option(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 100000);
    command_put_help(&text, &commands[0]);
    command_put_overview(&text, commands, ARRAY_LEN(commands), globals, ARRAY_LEN(globals));
    command_put_markdown(&text, commands, ARRAY_LEN(commands), globals, ARRAY_LEN(globals));
    assert_false(text.failed);
    static const char *const parts[] = {
        "usage: heddlectl app import FILE [options]\n\nImports\n\nMore about it.\n",
        "  --name NAME               what it is called\n",
        "  app list                  Lists\n",
        "\n## app list\n\nLists\n\n```\nheddlectl app list\n```\n",
        "\n## env\n\nEnvironment\n\n```\nheddlectl env APP [WORD ...] [options]\n",
        "  --json                    JSON instead of words\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        assert_true(str_find(buf_str(&text), str_c(parts[i]), 0) != SIZE_MAX);
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_is_found_by_all_words_of_its_path),
        cmocka_unit_test(words_and_options_may_be_mixed),
        cmocka_unit_test(mistakes_are_said_in_words),
        cmocka_unit_test(more_words_than_there_is_room_for_are_refused),
        cmocka_unit_test(an_option_given_again_is_read_in_order),
        cmocka_unit_test(inputs_become_a_json_object_of_texts),
        cmocka_unit_test(help_names_every_command_argument_and_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
