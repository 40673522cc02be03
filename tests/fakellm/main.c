/* fakellm: a model server for tests that speaks the OpenAI protocol. Options, routes, start and end. */
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

static void print_help(void)
{
    printf("fakellm: a model server for tests that speaks the OpenAI protocol\n\nusage: fakellm [options]\n");
    for (size_t i = 0; i < OPTION_COUNT; i++)
        print_option(option_table[i].name, option_table[i].value, option_table[i].help);
    printf("\nhow to answer when no rule of the script matches, or where it leaves this out:\n");
    for (size_t i = 0; i < rule_field_count; i++)
        if (rule_field_is_option(&rule_fields[i]))
            print_option(rule_fields[i].name, rule_fields[i].kind == RULE_TEXT ? "TEXT" : "N",
                         rule_fields[i].help);
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
        if (rule_field_is_option(&rule_fields[f]) && is_option(arg + 2, rule_fields[f].name))
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

static void route_chat(struct program *program, struct http_conn *conn, const struct http_request *req)
{
    chat_request(&program->service, PROMPT_CHAT, conn, req);
}

static void route_completion(struct program *program, struct http_conn *conn, const struct http_request *req)
{
    chat_request(&program->service, PROMPT_COMPLETION, conn, req);
}

static void route_models(struct program *program, struct http_conn *conn, const struct http_request *req)
{
    (void)req;
    control_models(&program->control, conn);
}

static void route_requests(struct program *program, struct http_conn *conn, const struct http_request *req)
{
    (void)req;
    control_requests(&program->control, conn);
}

static void route_stats(struct program *program, struct http_conn *conn, const struct http_request *req)
{
    (void)req;
    control_stats(&program->control, conn);
}

static void route_reset(struct program *program, struct http_conn *conn, const struct http_request *req)
{
    (void)req;
    control_reset(&program->control, conn);
}

static void route_script(struct program *program, struct http_conn *conn, const struct http_request *req)
{
    control_script(&program->control, conn, req->body);
}

static void on_request(void *arg, struct http_conn *conn, const struct http_request *req)
{
    static const struct {
        const char *method, *path;
        void (*answer)(struct program *program, struct http_conn *conn, const struct http_request *req);
    } routes[] = {
        {"POST", "/v1/chat/completions", route_chat}, {"POST", "/v1/completions", route_completion},
        {"GET", "/v1/models", route_models},          {"GET", "/control/requests", route_requests},
        {"GET", "/control/stats", route_stats},       {"POST", "/control/reset", route_reset},
        {"POST", "/control/script", route_script},
    };
    bool is_path_known = false;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (!span_is(req->path, routes[i].path))
            continue;
        if (span_is(req->method, routes[i].method)) {
            routes[i].answer(arg, conn, req);
            return;
        }
        is_path_known = true;
    }
    if (is_path_known)
        http_respond(conn, 405, "application/json",
                     SPAN("{\"error\":{\"message\":\"method not allowed\"}}\n"));
    else
        http_respond(conn, 404, "application/json", SPAN("{\"error\":{\"message\":\"no such path\"}}\n"));
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

static struct script *load_script(const struct options *options)
{
    struct text file;
    text_init(&file, SCRIPT_FILE_BYTES_MAX);
    struct script *script = NULL;
    char message[RULE_MESSAGE_BYTES];
    if (options->script == NULL || read_file(options->script, &file)) {
        script =
            script_new((struct span){file.ptr, file.len}, &options->defaults, options->is_burst, message);
        if (script == NULL)
            (void)fprintf(stderr, "fakellm: %s%s%s\n", options->script != NULL ? options->script : "",
                          options->script != NULL ? ": " : "", message);
    }
    text_fini(&file);
    return script;
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

static int serve(struct program *program, const struct options *options, const struct sockaddr *addr)
{
    struct http_handler handler = {
        .arg = program, .request = on_request, .resume = chat_resume, .ended = chat_ended};
    program_init_loop(program);
    text_init(&program->service.events, REQUEST_LOG_JSON_BYTES_MAX);
    program->service.script = script_ref(program->control.first_script);
    program->control.service = &program->service;
    program->control.defaults = options->defaults;
    program->control.is_burst = options->is_burst;

    int exit_code = EXIT_SUCCESS;
    int rc = http_server_start(&program->loop, addr, &handler, &program->server);
    program->control.server = program->server;
    if (rc == 0) {
        say_ready(program, options->listen);
    } else {
        (void)fprintf(stderr, "fakellm: cannot listen on %s: %s\n", options->listen, uv_strerror(rc));
        program_stop(program);
        exit_code = EXIT_FAILURE;
    }
    (void)uv_run(&program->loop, UV_RUN_DEFAULT); /* until program_stop() has closed everything */
    rc = uv_loop_close(&program->loop);
    assert(rc == 0);
    http_server_free(program->server);
    script_unref(program->service.script);
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
    program.control.first_script = load_script(&options);
    if (program.control.first_script == NULL)
        goto end;
    program.service.log = request_log_new(options.request_log);
    if (program.service.log == NULL) {
        (void)fprintf(stderr, "fakellm: request log: %s\n", strerror(errno));
        goto end;
    }
    (void)signal(SIGPIPE, SIG_IGN); /* a client that left shows as an error of the write */
    raise_file_limit();
    exit_code = serve(&program, &options, (const struct sockaddr *)&addr);
end:
    request_log_free(program.service.log);
    script_unref(program.control.first_script);
    rule_fini(&options.defaults);
    return exit_code;
}
