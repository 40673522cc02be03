/*
 * Tests of options: one small program, and what it makes of command lines and environments.
 */
#include "shared/base/options.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/capture.h"
#include "tests/support/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct config {
    const char *listen, *store, *log_format, *master_key, *tls_cert;
    int64_t workers;
    bool insecure;
    const char *directory;
};

static enum status_code check_listen(struct str value, struct status *err)
{
    if (str_find(value, STR(":"), 0) == SIZE_MAX)
        return status_set(err, STATUS_INVALID_ARGUMENT, "'%.*s' has no port", STR_ARG(value));
    return STATUS_OK;
}

static const struct option table[] = {
    {.name = "listen",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct config, listen),
     .fallback = "127.0.0.1:7400",
     .help = "Address that callers connect to, as host and port; a second sentence is here to be wrapped at "
             "the edge.",
     .check = check_listen},
    {.name = "store",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct config, store),
     .help = "Where data lives."},
    {.name = "log_format",
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct config, log_format),
     .fallback = "text",
     .choices = "text|json",
     .help = "Form of log lines."},
    {.name = "master_key",
     .kind = OPTION_SECRET,
     .offset = offsetof(struct config, master_key),
     .help = "Key of stored credentials."},
    {.name = "tls_cert",
     .kind = OPTION_FILE,
     .offset = offsetof(struct config, tls_cert),
     .help = "Certificate chain, PEM."},
    {.name = "workers",
     .kind = OPTION_INT,
     .offset = offsetof(struct config, workers),
     .fallback = "2",
     .min = -1,
     .max = 64,
     .help = "Worker threads."},
    {.name = "insecure",
     .kind = OPTION_BOOL,
     .offset = offsetof(struct config, insecure),
     .fallback = "no",
     .help = "Plain text | on purpose."},
};
static const struct command commands[] = {{"serve", "Runs."}, {"migrate", "Brings the store up to date."}};
static const struct program program = {.name = "heddle-test",
                                       .summary = "A program of tests.",
                                       .options = table,
                                       .option_count = ARRAY_LEN(table),
                                       .commands = commands,
                                       .command_count = ARRAY_LEN(commands)};

/* One call of options_parse() and what came of it. */
struct outcome {
    const struct program *program;
    enum options_result result;
    struct config config;
    const char *command;
    char *out, *err;
};

enum { ARGS_MAX = 12 };

/* args and env end in NULL; env may be NULL. End it with outcome_fini(). */
static struct outcome parse_program(const struct program *p, const char *const *args, const char *const *env)
{
    struct outcome o = {.program = p, .command = "untouched"};
    memset(&o.config, 0x55, sizeof o.config);
    char *argv[ARGS_MAX + 2] = {(char *)p->name};
    int argc = 1;
    for (; args[argc - 1] != NULL; argc++) {
        assert_true(argc <= ARGS_MAX);
        argv[argc] = (char *)args[argc - 1];
    }
    struct capture out, err;
    capture_begin(&out, STDOUT_FILENO);
    capture_begin(&err, STDERR_FILENO);
    o.result = options_parse(p, argc, argv, (char **)env, &o.config, &o.command);
    o.err = capture_end(&err);
    o.out = capture_end(&out);
    return o;
}

static void outcome_fini(struct outcome *o)
{
    options_free(o->program, &o->config);
    free(o->out);
    free(o->err);
}

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_ARGS   ((const char *const[]){NULL})

static struct outcome parse(const char *const *args, const char *const *env)
{
    return parse_program(&program, args, env);
}

/* A file with these bytes, which ends when the descriptor returned is closed. */
static int make_file(const char *bytes, size_t len, char ret_path[32])
{
    int fd = memfd_create("options_test", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(len, write(fd, bytes, len));
    snprintf(ret_path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

static void defaults_hold_when_nothing_is_said(void **state)
{
    (void)state;
    struct outcome o = parse(NO_ARGS, NULL);
    assert_int_equal(OPTIONS_RUN, o.result);
    assert_string_equal("serve", o.command);
    assert_string_equal("127.0.0.1:7400", o.config.listen);
    assert_null(o.config.store);
    assert_string_equal("text", o.config.log_format);
    assert_null(o.config.master_key);
    assert_null(o.config.tls_cert);
    assert_int_equal(2, o.config.workers);
    assert_false(o.config.insecure);
    assert_string_equal("", o.err);
    assert_string_equal("", o.out);
    outcome_fini(&o);
    assert_null(o.config.listen);
}

static void the_command_line_wins_over_the_environment(void **state)
{
    (void)state;
    struct outcome o = parse(ARGS("--listen=a:1", "migrate", "--workers", "-1", "--workers", "7", "--store="),
                             ARGS("HEDDLE_LISTEN=b:2", "HEDDLE_STORE=sqlite:x", "HEDDLE_INSECURE=true",
                                  "HEDDLE_LOG_FORMAT=json", "HEDDLE_WORKERS=9"));
    assert_string_equal("", o.err);
    assert_int_equal(OPTIONS_RUN, o.result);
    assert_string_equal("migrate", o.command);
    assert_string_equal("a:1", o.config.listen);
    assert_string_equal("", o.config.store);
    assert_true(o.config.insecure);
    assert_string_equal("json", o.config.log_format);
    assert_int_equal(7, o.config.workers);
    outcome_fini(&o);
}

static void foreign_and_empty_variables_are_ignored(void **state)
{
    (void)state;
    struct outcome o = parse(NO_ARGS, ARGS("HEDDLE_WORKERS=", "HEDDLE_TOKEN=x", "HEDDLE_WORKERSX=1",
                                           "WORKERS=1", "HEDDLE_listen=z:1"));
    assert_int_equal(OPTIONS_RUN, o.result);
    assert_int_equal(2, o.config.workers);
    assert_string_equal("127.0.0.1:7400", o.config.listen);
    assert_string_equal("", o.err);
    outcome_fini(&o);
}

static void truth_has_three_spellings(void **state)
{
    (void)state;
    static const char *const words[] = {"no", "yes", "false", "true", "0", "1"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        struct outcome o = parse(ARGS("--insecure", words[i]), NULL);
        assert_int_equal(OPTIONS_RUN, o.result);
        assert_true(o.config.insecure == (i % 2 == 1));
        outcome_fini(&o);
    }
}

static void a_secret_comes_from_a_file_or_the_environment(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct str bytes;
        const char *secret; /* NULL: refused with `words` */
        const char *words;
    } rows[] = {
        {"line end", STR("s3cret\n"), "s3cret", NULL},
        {"DOS line end", STR("s3cret\r\n"), "s3cret", NULL},
        {"none", STR("s3cret"), "s3cret", NULL},
        {"one line end only", STR("s3cret\n\n"), "s3cret\n", NULL},
        {"empty", STR(""), NULL, "is empty"},
        {"line end alone", STR("\n"), NULL, "is empty"},
        {"NUL", STR("s3\0cret"), NULL, "is not a text"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char path[32], variable[80];
        int fd = make_file(rows[i].bytes.ptr, rows[i].bytes.len, path);
        snprintf(variable, sizeof variable, "HEDDLE_MASTER_KEY_FILE=%s", path);
        struct outcome outcomes[] = {parse(ARGS("--master_key_file", path), NULL),
                                     parse(NO_ARGS, ARGS(variable))};
        close(fd);
        for (size_t k = 0; k < ARRAY_LEN(outcomes); k++) {
            if (rows[i].secret != NULL) {
                assert_int_equal(OPTIONS_RUN, outcomes[k].result);
                assert_string_equal(rows[i].secret, outcomes[k].config.master_key);
            } else {
                assert_int_equal(OPTIONS_EXIT_USAGE, outcomes[k].result);
                assert_contains(rows[i].words, outcomes[k].err);
                assert_contains(k == 0 ? "--master_key_file: " : "HEDDLE_MASTER_KEY_FILE: ", outcomes[k].err);
            }
            outcome_fini(&outcomes[k]);
        }
    }
    struct outcome o = parse(NO_ARGS, ARGS("HEDDLE_MASTER_KEY=from env\n"));
    assert_string_equal("from env", o.config.master_key);
    outcome_fini(&o);
}

static void a_secret_file_wins_over_the_variable(void **state)
{
    (void)state;
    char path[32];
    int fd = make_file("file", 4, path);
    struct outcome o = parse(ARGS("--master_key_file", path), ARGS("HEDDLE_MASTER_KEY=variable"));
    close(fd);
    assert_string_equal("file", o.config.master_key);
    outcome_fini(&o);
}

static void a_secret_file_has_a_maximum(void **state)
{
    (void)state;
    enum { MAX = 16 * 1024 };
    static char bytes[MAX + 1];
    memset(bytes, 'k', sizeof bytes);
    for (size_t len = MAX; len <= MAX + 1; len++) {
        char path[32];
        int fd = make_file(bytes, len, path);
        struct outcome o = parse(ARGS("--master_key_file", path), NULL);
        close(fd);
        assert_int_equal(len == MAX ? OPTIONS_RUN : OPTIONS_EXIT_USAGE, o.result);
        if (len == MAX)
            assert_int_equal(MAX, strlen(o.config.master_key));
        else
            assert_contains("is longer than 16384 bytes", o.err);
        outcome_fini(&o);
    }
}

static void a_secret_on_the_command_line_is_refused_and_not_repeated(void **state)
{
    (void)state;
    const char *const *const rows[] = {
        ARGS("--master_key", "s3cret"),
        ARGS("--master_key=s3cret"),
        ARGS("--master_kye", "s3cret"),
        ARGS("--master_kye=s3cret"),
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct outcome o = parse(rows[i], NULL);
        assert_int_equal(OPTIONS_EXIT_USAGE, o.result);
        assert_null(strstr(o.err, "s3cret"));
        if (i < 2)
            assert_contains("--master_key: a secret is not taken from the command line", o.err);
        else
            assert_contains("--master_kye: no such option", o.err);
        outcome_fini(&o);
    }
}

static void every_mistake_has_its_words(void **state)
{
    (void)state;
    const struct {
        const char *const *args, *const *env;
        const char *words;
    } rows[] = {
        {ARGS("--workers=65"), NULL, "--workers: '65' is not a whole number from -1 to 64\n"},
        {ARGS("--workers=-2"), NULL, "--workers: '-2' is not a whole number from -1 to 64\n"},
        {ARGS("--workers=2x"), NULL, "--workers: '2x' is not"},
        {NO_ARGS, ARGS("HEDDLE_WORKERS=many"), "HEDDLE_WORKERS: 'many' is not a whole number"},
        {ARGS("--insecure=maybe"), NULL, "--insecure: 'maybe' is neither yes nor no\n"},
        {ARGS("--insecure"), NULL, "--insecure: needs a value\n"},
        {ARGS("--listen", "--insecure=yes"), NULL, "--listen: needs a value\n"},
        {ARGS("--log_format=xml"), NULL, "--log_format: 'xml' is none of text|json\n"},
        {ARGS("--log_format=tex"), NULL, "--log_format: 'tex' is none of text|json\n"},
        {ARGS("--listen=nowhere"), NULL, "--listen: 'nowhere' has no port\n"},
        {ARGS("--tls_cert=./no such"), NULL,
         "--tls_cert: cannot read './no such': No such file or directory\n"},
        {ARGS("--tls_cert=."), NULL, "--tls_cert: '.' is a folder\n"},
        {ARGS("--master_key_file=./no such"), NULL,
         "--master_key_file: cannot read './no such': No such file"},
        {ARGS("--master_key_file=."), NULL, "--master_key_file: cannot read '.': Is a directory\n"},
        {ARGS("--lisen=a:1"), NULL, "--lisen: no such option; did you mean --listen?\n"},
        {ARGS("--log-format=json"), NULL, "--log-format: no such option; did you mean --log_format?\n"},
        {ARGS("--master_key_fil=x"), NULL,
         "--master_key_fil: no such option; did you mean --master_key_file?\n"},
        {ARGS("--print_config"), NULL, "--print_config: no such option; did you mean --print-config?\n"},
        {ARGS("--colour=red"), NULL, "--colour: no such option\n"},
        {ARGS("-l"), NULL, "-l: no such option\n"},
        {ARGS("-listen=a:1"), NULL, "-listen: no such option; did you mean --listen?\n"},
        {ARGS("--"), NULL, "--: no such option\n"},
        {ARGS("--a_word_that_is_so_long_that_it_is_like_no_option_of_ours=1"), NULL,
         "of_ours: no such option\n"},
        {ARGS("migrat"), NULL, "migrat: no such command; did you mean migrate?\n"},
        {ARGS("dance"), NULL, "dance: no such command\n"},
        {ARGS("serve", "now"), NULL, "now: one word too many\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct outcome o = parse(rows[i].args, rows[i].env);
        assert_contains(rows[i].words, o.err);
        assert_int_equal(OPTIONS_EXIT_USAGE, o.result);
        assert_string_equal("untouched", o.command);
        assert_string_equal("", o.out);
        assert_null(o.config.listen);
        outcome_fini(&o);
    }
}

static void all_mistakes_are_told_together(void **state)
{
    (void)state;
    struct outcome o = parse(ARGS("--lisen", "x", "dance", "--workers=0x", "--insecure", "--print-config"),
                             ARGS("HEDDLE_LOG_FORMAT=xml"));
    assert_int_equal(OPTIONS_EXIT_USAGE, o.result);
    assert_string_equal("--lisen: no such option; did you mean --listen?\n"
                        "dance: no such command\n"
                        "--insecure: needs a value\n"
                        "HEDDLE_LOG_FORMAT: 'xml' is none of text|json\n"
                        "--workers: '0x' is not a whole number from -1 to 64\n"
                        "heddle-test: not started; see heddle-test --help\n",
                        o.err);
    assert_string_equal("", o.out);
    outcome_fini(&o);
}

static void a_command_has_the_word_that_follows_it(void **state)
{
    (void)state;
    static const struct command with_backup[] = {{"serve", "Runs."}, {"backup", "Copies the store."}};
    static const struct command_argument arguments[] = {
        {"backup", "DIRECTORY", offsetof(struct config, directory)}};
    struct program p = program;
    p.commands = with_backup;
    p.command_count = ARRAY_LEN(with_backup);
    p.arguments = arguments;
    p.argument_count = ARRAY_LEN(arguments);
    struct outcome o = parse_program(&p, NO_ARGS, NULL);
    assert_int_equal(OPTIONS_RUN, o.result);
    assert_null(o.config.directory);
    outcome_fini(&o);
    o = parse_program(&p, ARGS("backup", "--workers", "3", "here"), NULL);
    assert_int_equal(OPTIONS_RUN, o.result);
    assert_string_equal("backup", o.command);
    assert_string_equal("here", o.config.directory);
    outcome_fini(&o);
    o = parse_program(&p, ARGS("backup"), NULL);
    assert_int_equal(OPTIONS_EXIT_USAGE, o.result);
    assert_contains("backup: DIRECTORY is missing behind it\n", o.err);
    outcome_fini(&o);
    o = parse_program(&p, ARGS("backup", "here", "there"), NULL);
    assert_int_equal(OPTIONS_EXIT_USAGE, o.result);
    assert_contains("there: one word too many\n", o.err);
    outcome_fini(&o);
    o = parse_program(&p, ARGS("--help"), NULL);
    assert_contains("backup DIRECTORY", o.out);
    outcome_fini(&o);
}

static void a_program_without_commands_takes_no_words(void **state)
{
    (void)state;
    struct program plain = program;
    plain.commands = NULL;
    plain.command_count = 0;
    struct outcome o = parse_program(&plain, NO_ARGS, NULL);
    assert_int_equal(OPTIONS_RUN, o.result);
    assert_null(o.command);
    outcome_fini(&o);
    o = parse_program(&plain, ARGS("serve"), NULL);
    assert_int_equal(OPTIONS_EXIT_USAGE, o.result);
    assert_contains("serve: one word too many\n", o.err);
    outcome_fini(&o);
    o = parse_program(&plain, ARGS("--help"), NULL);
    assert_contains("Usage: heddle-test [OPTION VALUE]...\n", o.out);
    assert_null(strstr(o.out, "Commands"));
    outcome_fini(&o);
}

static void help_shows_all_within_100_columns(void **state)
{
    (void)state;
    struct outcome o = parse(ARGS("nonsense", "--help", "--workers=x"), NULL);
    assert_int_equal(OPTIONS_EXIT_OK, o.result);
    assert_string_equal("", o.err);
    assert_contains("Usage: heddle-test [COMMAND] [OPTION VALUE]...\n\nA program of tests.\n", o.out);
    assert_contains("\n  migrate                     Brings the store up to date.\n", o.out);
    assert_contains(
        "\n  --workers N                 Worker threads. From -1 to 64. Default: 2. Env: HEDDLE_WORKERS.\n",
        o.out);
    assert_contains("\n  --master_key_file FILE      Key of stored credentials.", o.out);
    assert_contains("HEDDLE_MASTER_KEY_FILE.", o.out);
    assert_contains("One of text, json. Default: text.", o.out);
    assert_contains("Default: none. Env: HEDDLE_STORE.", o.out);
    assert_contains("\n  --help ", o.out);
    struct str rest = str_c(o.out), line;
    size_t wide = 0;
    while (str_split(&rest, '\n', &line)) {
        assert_in_range(line.len, 0, 100);
        assert_false(str_ends(line, STR(" ")));
        wide += line.len > 90;
    }
    assert_true(wide > 0);
    outcome_fini(&o);
}

static void a_long_option_name_gets_a_line_of_its_own(void **state)
{
    (void)state;
    static const struct option long_one = {.name = "a_name_of_more_than_thirty_letters",
                                           .kind = OPTION_TEXT,
                                           .offset = offsetof(struct config, store),
                                           .help = "Helps."};
    struct program wide = program;
    wide.options = &long_one;
    wide.option_count = 1;
    struct outcome o = parse_program(&wide, ARGS("--help"), NULL);
    assert_contains(
        "\n  --a_name_of_more_than_thirty_letters TEXT\n                              Helps. Default:",
        o.out);
    outcome_fini(&o);
}

static void version_is_one_line(void **state)
{
    (void)state;
    struct outcome o = parse(ARGS("--version"), NULL);
    assert_int_equal(OPTIONS_EXIT_OK, o.result);
    assert_string_equal("heddle-test " HEDDLE_VERSION "\n", o.out);
    outcome_fini(&o);
}

static void print_config_shows_values_but_no_secrets(void **state)
{
    (void)state;
    struct outcome o =
        parse(ARGS("--print-config", "--store=postgres://me:pa:s/s@word@host/db?password=x&a=b", "migrate"),
              ARGS("HEDDLE_MASTER_KEY=s3cret", "HEDDLE_INSECURE=1"));
    assert_int_equal(OPTIONS_EXIT_OK, o.result);
    assert_string_equal("listen=127.0.0.1:7400\n"
                        "store=postgres://me:***@host/db?password=***\n"
                        "log_format=text\n"
                        "master_key=***\n"
                        "tls_cert=\n"
                        "workers=2\n"
                        "insecure=yes\n",
                        o.out);
    assert_null(o.config.listen);
    outcome_fini(&o);
}

static void print_config_leaves_urls_without_password_alone(void **state)
{
    (void)state;
    static const char *const rows[] = {"postgres://host:5432/db", "postgres://me@host:5432/db",
                                       "sqlite:a:b@c", "unix:/a:b@c", "http://host/a:b"};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char expected[80];
        struct outcome o = parse(ARGS("--print-config", "--store", rows[i]), NULL);
        snprintf(expected, sizeof expected, "\nstore=%s\n", rows[i]);
        assert_contains(expected, o.out);
        outcome_fini(&o);
    }
}

static void print_options_md_is_a_table(void **state)
{
    (void)state;
    struct outcome o = parse(ARGS("--print-options-md"), NULL);
    assert_int_equal(OPTIONS_EXIT_OK, o.result);
    assert_contains("| option | default | meaning |\n|---|---|---|\n| `listen` | `127.0.0.1:7400` | Address ",
                    o.out);
    assert_contains("| `workers` | `2` | Worker threads. From -1 to 64. |\n", o.out);
    assert_contains("| `store` | none | Where data lives. |\n", o.out);
    assert_contains("| `insecure` | `no` | Plain text \\| on purpose. Yes or no. |\n", o.out);
    outcome_fini(&o);
}

static void a_closed_output_is_a_failure(void **state)
{
    (void)state;
    int saved = dup(STDOUT_FILENO);
    struct capture err;
    struct config config;
    const char *command = NULL;
    char *argv[] = {"heddle-test", "--help", NULL};
    capture_begin(&err, STDERR_FILENO);
    close(STDOUT_FILENO);
    enum options_result result = options_parse(&program, 2, argv, NULL, &config, &command);
    char *text = capture_end(&err);
    assert_int_equal(STDOUT_FILENO, dup2(saved, STDOUT_FILENO));
    close(saved);
    clearerr(stdout);
    assert_int_equal(OPTIONS_EXIT_USAGE, result);
    assert_contains("cannot print", text);
    free(text);
}

static void every_failing_allocation_is_a_mistake_with_words(void **state)
{
    (void)state;
    const char *const *const rows[] = {
        ARGS("--listen=a:1", "--workers=3"),
        ARGS("--help"),
        ARGS("--print-config"),
        ARGS("--print-options-md"),
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t n = 0;; n++) {
            struct capture out, err;
            struct config config;
            const char *command = NULL;
            char *argv[ARGS_MAX] = {"heddle-test"};
            int argc = 1;
            for (; rows[i][argc - 1] != NULL; argc++)
                argv[argc] = (char *)rows[i][argc - 1];
            capture_begin(&out, STDOUT_FILENO);
            capture_begin(&err, STDERR_FILENO);
            alloc_fail_after(n);
            enum options_result result =
                options_parse(&program, argc, argv, (char **)ARGS("HEDDLE_MASTER_KEY=x"), &config, &command);
            alloc_fail_reset();
            free(capture_end(&err));
            free(capture_end(&out));
            options_free(&program, &config);
            if (!alloc_fail_hit()) {
                assert_int_equal(i == 0 ? OPTIONS_RUN : OPTIONS_EXIT_OK, result);
                assert_true(n > 0);
                break;
            }
            assert_int_equal(OPTIONS_EXIT_USAGE, result);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold_when_nothing_is_said),
        cmocka_unit_test(the_command_line_wins_over_the_environment),
        cmocka_unit_test(foreign_and_empty_variables_are_ignored),
        cmocka_unit_test(truth_has_three_spellings),
        cmocka_unit_test(a_secret_comes_from_a_file_or_the_environment),
        cmocka_unit_test(a_secret_file_wins_over_the_variable),
        cmocka_unit_test(a_secret_file_has_a_maximum),
        cmocka_unit_test(a_secret_on_the_command_line_is_refused_and_not_repeated),
        cmocka_unit_test(every_mistake_has_its_words),
        cmocka_unit_test(all_mistakes_are_told_together),
        cmocka_unit_test(a_command_has_the_word_that_follows_it),
        cmocka_unit_test(a_program_without_commands_takes_no_words),
        cmocka_unit_test(help_shows_all_within_100_columns),
        cmocka_unit_test(a_long_option_name_gets_a_line_of_its_own),
        cmocka_unit_test(version_is_one_line),
        cmocka_unit_test(print_config_shows_values_but_no_secrets),
        cmocka_unit_test(print_config_leaves_urls_without_password_alone),
        cmocka_unit_test(print_options_md_is_a_table),
        cmocka_unit_test(a_closed_output_is_a_failure),
        cmocka_unit_test(every_failing_allocation_is_a_mistake_with_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
