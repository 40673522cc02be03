/* fakellm: a model server for tests that speaks the protocols of several providers. Options, start and end. */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "control.h"

enum { EXIT_USAGE = 2, SCRIPT_FILE_BYTES_MAX = HTTP_BODY_BYTES_MAX, SIGNAL_COUNT = 2 };

struct options {
    const char *listen;
    const char *script;
    const char *limits;
    const char *seed;
    const char *request_log;
    bool is_burst;
    bool is_help;
    struct rule defaults;
};

static const struct {
    const char *name;
    const char *value; /* how help calls it; NULL: a switch */
    size_t offset;
    const char *help;
} option_table[] = {
    {"listen", "ADDR:PORT", offsetof(struct options, listen),
     "where to listen; port 0: any free one (default 127.0.0.1:0)"},
    {"script", "FILE", offsetof(struct options, script),
     "JSON list of rules, the first that matches answers"},
    {"limits", "FILE", offsetof(struct options, limits), "JSON list of limits of requests and tokens"},
    {"seed", "N", offsetof(struct options, seed), "of what rules do at random (default 0)"},
    {"request-log", "FILE", offsetof(struct options, request_log),
     "append a JSON line for every request that has ended"},
    {"burst", NULL, offsetof(struct options, is_burst),
     "no pace: all words in one write, whatever the rules say"},
    {"help", NULL, offsetof(struct options, is_help), "say this"},
};
enum { OPTION_COUNT = sizeof option_table / sizeof option_table[0] };

struct program {
    uv_loop_t loop;
    uv_prepare_t before_wait;
    uv_signal_t signals[SIGNAL_COUNT];
    struct http_server *server;
    struct chat_service service;
    struct control control;
};

/* ---- options ---- */

/* "first_token_ms" is the option --first-token-ms; an option may be followed by '=' and its value. */
static bool is_option(const char *arg, const char *name)
{
    while (*name != '\0' && (*arg == *name || (*arg == '-' && *name == '_'))) {
        arg++;
        name++;
    }
    return *name == '\0' && (*arg == '\0' || *arg == '=');
}

static void print_option(const char *name, const char *value, const char *help)
{
    char left[64];
    (void)snprintf(left, sizeof left, "--%s%s%s", name, value != NULL ? " " : "", value != NULL ? value : "");
    for (char *at = left + 2; *at != '\0'; at++)
        if (*at == '_')
            *at = '-';
    printf("  %-26s %s\n", left, help);
}

static const char *value_name(const struct rule_field *field)
{
    if (field->kind == RULE_WORD)
        return "WORD";
    return field->kind == RULE_TEXT ? "TEXT" : "N";
}

static void print_help(void)
{
    printf("fakellm: a model server for tests that speaks what OpenAI, Azure, Anthropic and Gemini "
           "do\n\nusage: fakellm [options]\n");
    for (size_t i = 0; i < OPTION_COUNT; i++)
        print_option(option_table[i].name, option_table[i].value, option_table[i].help);
    printf("\nhow to answer when no rule of the script matches, or where it leaves this out:\n");
    for (size_t i = 0; i < rule_field_count; i++)
        if (!rule_fields[i].is_script_only)
            print_option(rule_fields[i].name, value_name(&rule_fields[i]), rule_fields[i].help);
}

static bool complain(const char *arg, const char *what)
{
    (void)fprintf(stderr, "fakellm: %s: %s; see --help\n", arg, what);
    return false;
}

/* The value of argv[*i], which is an option; steps over it when it is an argument of its own. */
static const char *take_value(int argc, char **argv, int *i)
{
    char *equals = strchr(argv[*i], '=');
    if (equals != NULL)
        return equals + 1;
    return *i + 1 < argc ? argv[++*i] : NULL;
}

static bool read_own_option(struct options *options, size_t row, int argc, char **argv, int *i)
{
    char *at = (char *)options + option_table[row].offset;
    const char *arg = argv[*i];
    if (option_table[row].value == NULL) {
        *(bool *)at = true;
        return strchr(arg, '=') == NULL || complain(arg, "takes no value");
    }
    const char *value = take_value(argc, argv, i);
    *(const char **)at = value;
    return value != NULL || complain(arg, "needs a value");
}

static bool read_rule_option(struct options *options, const struct rule_field *field, int argc, char **argv,
                             int *i)
{
    char message[RULE_MESSAGE_BYTES];
    const char *arg = argv[*i];
    const char *value = take_value(argc, argv, i);
    if (value == NULL)
        return complain(arg, "needs a value");
    return rule_set_option(&options->defaults, field, value, message) || complain(arg, message);
}

static bool read_option(struct options *options, int argc, char **argv, int *i)
{
    const char *arg = argv[*i];
    if (strncmp(arg, "--", 2) != 0)
        return complain(arg, "is no option");
    for (size_t row = 0; row < OPTION_COUNT; row++)
        if (is_option(arg + 2, option_table[row].name))
            return read_own_option(options, row, argc, argv, i);
    for (size_t f = 0; f < rule_field_count; f++)
        if (!rule_fields[f].is_script_only && is_option(arg + 2, rule_fields[f].name))
            return read_rule_option(options, &rule_fields[f], argc, argv, i);
    return complain(arg, "is no option");
}

static bool read_options(struct options *options, int argc, char **argv)
{
    *options = (struct options){.listen = "127.0.0.1:0"};
    rule_init(&options->defaults);
    for (int i = 1; i < argc; i++)
        if (!read_option(options, argc, argv, &i))
            return false;
    return true;
}

/* "127.0.0.1:8080" or "[::1]:8080" */
static bool parse_address(const char *text, struct sockaddr_storage *ret_addr)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof host)
        return false;
    char *end = NULL;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || port > 65535)
        return false;
    size_t n = (size_t)(colon - text);
    bool is_ip6 = n >= 2 && text[0] == '[' && text[n - 1] == ']';
    memcpy(host, text + is_ip6, n - 2 * is_ip6);
    host[n - 2 * is_ip6] = '\0';
    if (is_ip6)
        return uv_ip6_addr(host, (int)port, (struct sockaddr_in6 *)ret_addr) == 0;
    return uv_ip4_addr(host, (int)port, (struct sockaddr_in *)ret_addr) == 0;
}

/* ---- routes ---- */

static void on_request(void *arg, struct http_conn *conn, const struct http_request *req)
{
    struct program *program = arg;
    struct route route;
    if (control_request(&program->control, conn, req))
        return;
    switch (route_find(req, &route)) {
    case ROUTE_FOUND:
        chat_request(&program->service, &route, conn, req);
        break;
    case ROUTE_OTHER_METHOD:
        http_respond(conn, 405, "application/json",
                     SPAN("{\"error\":{\"message\":\"method not allowed\"}}\n"));
        break;
    case ROUTE_NONE:
        http_respond(conn, 404, "application/json", SPAN("{\"error\":{\"message\":\"no such path\"}}\n"));
        break;
    }
}

/* ---- start and end ---- */

static void on_before_wait(uv_prepare_t *prepare)
{
    struct program *program = prepare->data;
    request_log_flush(program->service.log);
}

static void program_stop(struct program *program)
{
    http_server_stop(program->server);
    for (int i = 0; i < SIGNAL_COUNT; i++)
        if (!uv_is_closing((uv_handle_t *)&program->signals[i]))
            uv_close((uv_handle_t *)&program->signals[i], NULL);
    if (!uv_is_closing((uv_handle_t *)&program->before_wait))
        uv_close((uv_handle_t *)&program->before_wait, NULL);
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    program_stop(handle->data);
}

/* Every connection is a descriptor. What the system does not allow shows when connections are refused. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* up to the hard limit is always allowed */
    }
}

static bool read_file(const char *path, struct text *out)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        (void)fprintf(stderr, "fakellm: %s: %s\n", path, strerror(errno));
        return false;
    }
    char piece[16 * 1024];
    size_t n;
    while ((n = fread(piece, 1, sizeof piece, file)) > 0)
        text_put(out, (struct span){piece, n});
    bool is_read = !ferror(file) && !out->failed;
    (void)fclose(file); /* only read from */
    if (!is_read)
        (void)fprintf(stderr, "fakellm: %s: cannot be read, or is longer than 16 MiB\n", path);
    return is_read;
}

/* Says what is wrong with a file, or with the options where it has none. Returns false. */
static bool complain_of_file(const char *path, const char *message)
{
    (void)fprintf(stderr, "fakellm: %s%s%s\n", path != NULL ? path : "", path != NULL ? ": " : "", message);
    return false;
}

static bool load_script(struct control *control, const char *path)
{
    struct text file;
    text_init(&file, SCRIPT_FILE_BYTES_MAX);
    char message[RULE_MESSAGE_BYTES];
    bool is_read = path == NULL || read_file(path, &file);
    if (is_read) {
        control->first_script = script_new((struct span){file.ptr, file.len}, &control->options, message);
        is_read = control->first_script != NULL || complain_of_file(path, message);
    }
    text_fini(&file);
    return is_read;
}

static bool load_limits(struct control *control, const char *path)
{
    struct text file;
    text_init(&file, SCRIPT_FILE_BYTES_MAX);
    char message[LIMIT_MESSAGE_BYTES];
    bool is_read = path == NULL || read_file(path, &file);
    if (is_read) {
        control->first_limits = limits_new((struct span){file.ptr, file.len}, message);
        is_read = control->first_limits != NULL || complain_of_file(path, message);
    }
    text_fini(&file);
    return is_read;
}

static bool read_seed(const char *text, uint64_t *ret)
{
    char *end = NULL;
    errno = 0;
    *ret = text != NULL ? strtoull(text, &end, 10) : 0;
    return text == NULL || (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0) ||
           complain("--seed", "must be a whole number");
}

static void program_init_loop(struct program *program)
{
    static const int signals[SIGNAL_COUNT] = {SIGTERM, SIGINT};
    int rc = uv_loop_init(&program->loop);
    assert(rc == 0);
    rc = uv_prepare_init(&program->loop, &program->before_wait);
    assert(rc == 0);
    program->before_wait.data = program;
    rc = uv_prepare_start(&program->before_wait, on_before_wait);
    assert(rc == 0);
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        rc = uv_signal_init(&program->loop, &program->signals[i]);
        assert(rc == 0);
        program->signals[i].data = program;
        rc = uv_signal_start(&program->signals[i], on_signal, signals[i]);
        assert(rc == 0);
    }
}

/* Says where the server listens; this line tells tests that it is ready. */
static void say_ready(const struct program *program, const char *listen)
{
    int host_bytes = (int)(strrchr(listen, ':') - listen);
    printf("fakellm listening on http://%.*s:%d/v1\n", host_bytes, listen, http_server_port(program->server));
    (void)fflush(stdout); /* nobody may be reading */
}

static int serve(struct program *program, const char *listen, const struct sockaddr *addr)
{
    struct http_handler handler = {
        .arg = program, .request = on_request, .resume = chat_resume, .ended = chat_ended};
    program_init_loop(program);
    text_init(&program->service.events, REQUEST_LOG_JSON_BYTES_MAX);
    rule_init(&program->service.plain);
    program->service.script = script_ref(program->control.first_script);
    program->service.limits = limits_ref(program->control.first_limits);
    program->control.service = &program->service;

    int exit_code = EXIT_SUCCESS;
    int rc = http_server_start(&program->loop, addr, &handler, &program->server);
    program->control.server = program->server;
    if (rc == 0) {
        say_ready(program, listen);
    } else {
        (void)fprintf(stderr, "fakellm: cannot listen on %s: %s\n", listen, uv_strerror(rc));
        program_stop(program);
        exit_code = EXIT_FAILURE;
    }
    (void)uv_run(&program->loop, UV_RUN_DEFAULT); /* until program_stop() has closed everything */
    rc = uv_loop_close(&program->loop);
    assert(rc == 0);
    http_server_free(program->server);
    script_unref(program->service.script);
    limits_unref(program->service.limits);
    text_fini(&program->service.events);
    return exit_code;
}

int main(int argc, char **argv)
{
    struct options options;
    struct sockaddr_storage addr;
    struct program program = {0};
    int exit_code = EXIT_USAGE;
    if (!read_options(&options, argc, argv))
        goto end;
    if (options.is_help) {
        print_help();
        exit_code = EXIT_SUCCESS;
        goto end;
    }
    if (!parse_address(options.listen, &addr)) {
        complain(options.listen, "is not a numeric address and a port");
        goto end;
    }
    program.control.options =
        (struct script_options){.defaults = &options.defaults, .is_burst = options.is_burst};
    if (!read_seed(options.seed, &program.control.options.seed) ||
        !load_script(&program.control, options.script) || !load_limits(&program.control, options.limits))
        goto end;
    program.service.log = request_log_new(options.request_log);
    if (program.service.log == NULL) {
        (void)fprintf(stderr, "fakellm: request log: %s\n", strerror(errno));
        goto end;
    }
    program.service.keys = key_report_new();
    if (program.service.keys == NULL) {
        (void)fprintf(stderr, "fakellm: out of memory\n");
        goto end;
    }
    (void)signal(SIGPIPE, SIG_IGN); /* a client that left shows as an error of the write */
    raise_file_limit();
    exit_code = serve(&program, options.listen, (const struct sockaddr *)&addr);
end:
    request_log_free(program.service.log);
    key_report_free(program.service.keys);
    script_unref(program.control.first_script);
    limits_unref(program.control.first_limits);
    rule_fini(&options.defaults);
    return exit_code;
}
