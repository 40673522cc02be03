/* heddle-gateway: checks who calls and relays runs. Options, start, end, migrate, doctor. */
#include "gateway/admin/admin.h"
#include "gateway/api/gateway.h"
#include "gateway/auth/tokens.h"
#include "shared/base/clock.h"
#include "shared/base/process.h"
#include "shared/http/client.h"
#include "shared/http/monitor.h"
#include "shared/limits.h"
#include "shared/options_common.h"
#include "shared/otlp/doctor.h"
#include "shared/otlp/settings.h"
#include "shared/rpc/call_metrics.h"
#include "shared/rpc/doctor.h"
#include "shared/rpc/health.h"
#include "shared/rpc/pulse.h"
#include "shared/rpc/reflection.h"
#include "shared/store/backup.h"
#include "shared/store/instance.h"
#include "shared/store/probe.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct config {
    const char *store, *listen, *admin_listen, *executor_target, *executor_token, *admin_token, *master_key;
    const char *jwt_secret, *jwt_issuers;
    const char *otlp_endpoint, *otlp_headers, *otlp_sample_ratio;
    const char *http_listen, *log_level, *log_format;
    const char *directory; /* of `backup` */
    int64_t rpc_threads, max_runs, grace_seconds;
    bool insecure;
};

#define ROW(field) .name = #field, .offset = offsetof(struct config, field)
static const struct option options[] = {
    OPTION_STORE(struct config),
    {ROW(listen), .kind = OPTION_TEXT, .fallback = "127.0.0.1:7400", .help = "address for callers."},
    {ROW(admin_listen), .kind = OPTION_TEXT, .fallback = "127.0.0.1:7401",
     .help = "address for administration; AdminService lives here only."},
    {ROW(executor_target), .kind = OPTION_TEXT, .fallback = "unix:heddle-executor.sock",
     .help = "gRPC target of the executors: unix:PATH, host:port, or dns:///NAME:port for several."},
    OPTION_EXECUTOR_TOKEN(struct config),
    {ROW(admin_token), .kind = OPTION_SECRET,
     .help = "bearer token of administrators; two with a comma while it is changed; none: administration is "
             "off."},
    {ROW(jwt_secret), .kind = OPTION_SECRET,
     .help = "key of Dify's passports (HS256), at least 32 bytes; none: no passports are taken."},
    {ROW(jwt_issuers), .kind = OPTION_FILE,
     .help = "JSON file of issuers whose tokens are taken (docs/operations.md)."},
    OPTION_MASTER_KEY(struct config),
    OPTION_INSECURE(struct config),
    OPTION_RPC_THREADS(struct config),
    {ROW(max_runs), .kind = OPTION_INT, .fallback = "20000", .min = 1, .max = 1000000,
     .help = "runs at a time, about 40 kB each; more are refused."},
    OPTIONS_OTLP(struct config),
    OPTION_GRACE_SECONDS(struct config),
    OPTION_HTTP_LISTEN(struct config, "127.0.0.1:7480"),
    OPTION_LOG_LEVEL(struct config),
    OPTION_LOG_FORMAT(struct config),
};
#undef ROW
static const struct command commands[] = {
    {"serve", "take calls until SIGTERM"},
    {"migrate", "bring the store's schema up to date and end"},
    {"doctor", "check store, addresses and executors, and say what to do"},
    {"backup", "copy the store into a directory, while everything runs"},
};
static const struct command_argument arguments[] = {
    {"backup", "DIRECTORY", offsetof(struct config, directory)}};
static const struct program program = {
    .name = "heddle-gateway",
    .summary = "Checks who calls Dify apps and relays their runs from heddle-executor.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .commands = commands,
    .command_count = ARRAY_LEN(commands),
    .arguments = arguments,
    .argument_count = ARRAY_LEN(arguments),
};

/* Everything that is made at the start, in that order, and ended in stop(). */
struct process {
    char instance_id[UUID_TEXT_LEN + 1];
    struct rpc_queues *queues;
    struct store *store, *records;
    struct instance *instance;
    struct links *links;
    bool has_http;
    struct otlp *otlp;
    struct tokens *tokens;
    struct gateway *gateway;
    struct admin *admin;
    struct rpc_server *public_server, *admin_server;
    struct rpc_health *health;
    struct rpc_reflection *reflection;
    struct monitor *monitor;
    struct meters meters;
    struct metric *reachable;
    struct rpc_call_metrics calls;
    struct rpc_pulse *pulse;
    struct store_probe *store_probe, *records_probe;
};

static enum status_code start_server(struct process *p, const char *option, const char *address,
                                     size_t message_bytes, bool is_admin, struct rpc_server **ret,
                                     struct status *err)
{
    const struct rpc_server_options server_options = {.address = address, .message_bytes_max = message_bytes};
    if (rpc_server_new(p->queues, &server_options, ret, err) != STATUS_OK ||
        (is_admin ? admin_add(p->admin, *ret, err) : gateway_add(p->gateway, *ret, err)) != STATUS_OK ||
        rpc_health_add(p->health, *ret, err) != STATUS_OK ||
        rpc_reflection_add(p->reflection, *ret, err) != STATUS_OK || rpc_server_start(*ret, err) != STATUS_OK)
        return status_prefix(err, "%s", option);
    return STATUS_OK;
}

/* threads. Of records: a long list does not hold up what a run waits for. */
#define RECORD_THREADS 4

/* What is kept, and the sign that this process lives: what dead ones have left is closed before the first call comes. */
static enum status_code open_store(struct process *p, const struct config *config, struct status *err)
{
    const struct store_options control = {
        .role = STORE_GATEWAY, .schema = STORE_MIGRATE, .master_key = config->master_key};
    const struct store_options records = {.file = STORE_RECORDS,
                                          .role = STORE_GATEWAY,
                                          .schema = STORE_MIGRATE,
                                          .master_key = config->master_key,
                                          .threads = RECORD_THREADS};
    if (store_open(config->store, &control, &p->store, err) != STATUS_OK)
        return status_prefix(err, "store");
    if (store_open(config->store, &records, &p->records, err) != STATUS_OK ||
        instance_take(config->store, "gateway", p->instance_id, &p->instance, err) != STATUS_OK)
        return status_prefix(err, "records");
    return STATUS_OK;
}

static struct tokens_options tokens_options_of(const struct config *config)
{
    return (struct tokens_options){
        .jwt_secret = config->jwt_secret, .jwt_issuers = config->jwt_issuers, .allow_http = config->insecure};
}

/* Says each mistake in a line of its own. */
static void log_mistakes(const char *event, const struct buf *mistakes)
{
    struct str rest = buf_str(mistakes), line;
    while (rest.len > 0 && str_split(&rest, '\n', &line))
        log_error(event, LOG_STR("words", line));
}

/* bytes. What is said of mistakes in one file. */
#define MISTAKES_BYTES_MAX ((size_t)256 * 1024)

/* Whose tokens are taken. Before threads start: libcurl wants to be the first. */
static enum status_code start_tokens(struct process *p, const struct config *config, struct status *err)
{
    const struct tokens_options tokens_options = tokens_options_of(config);
    struct buf mistakes;
    if (http_global_init(err) != STATUS_OK)
        return err->code;
    p->has_http = true;
    buf_init(&mistakes, MISTAKES_BYTES_MAX);
    enum status_code rc = tokens_new(&tokens_options, &mistakes, &p->tokens, err);
    log_mistakes("token_option_wrong", &mistakes);
    buf_fini(&mistakes);
    return rc;
}

static struct otlp_options otlp_options_of(const struct config *config, const char *instance_id)
{
    return (struct otlp_options){.endpoint = config->otlp_endpoint,
                                 .headers = config->otlp_headers,
                                 .sample_ratio = config->otlp_sample_ratio,
                                 .service = "heddle-gateway",
                                 .version = HEDDLE_VERSION,
                                 .instance = instance_id};
}

/* --- what is watched --- */

static void collect(void *arg)
{
    struct process *p = arg;
    metric_set(metric_only(p->reachable), rpc_channel_is_ready(links_target(p->links)));
}

static enum status_code start_monitor(struct process *p, struct status *err)
{
    const struct metric_options reachable = {.name = "heddle_gateway_executor_reachable",
                                             .help = "1: an executor that takes runs can be reached.",
                                             .kind = METRIC_GAUGE};
    if (monitor_new("gateway", &p->monitor, err) != STATUS_OK ||
        meters_init(&p->meters, p->monitor->metrics, err) != STATUS_OK)
        return err->code;
    return metrics_add(p->monitor->metrics, &reachable, &p->reachable, err);
}

/* On the HTTP server's thread. */
static void put_stuck(void *arg, struct buf *words)
{
    struct process *p = arg;
    size_t stuck = rpc_pulse_look(p->pulse, clock_monotonic_ms());
    if (stuck > 0)
        buf_printf(words, "%zu of %zu gRPC threads do not turn\n", stuck, rpc_queues_count(p->queues));
}

/* Once everything else is there: nothing is shown of a process that does not start. */
static enum status_code show_monitor(struct process *p, const struct config *config, struct status *err)
{
    p->calls.servers[0].name = "public";
    p->calls.servers[0].server = p->public_server;
    p->calls.servers[1].name = "admin";
    p->calls.servers[1].server = p->admin_server;
    p->calls.server_count = 2;
    if (rpc_pulse_new(p->queues, &p->pulse, err) != STATUS_OK ||
        store_probe_new(p->store, "store", &p->store_probe, err) != STATUS_OK ||
        store_probe_new(p->records, "store's records", &p->records_probe, err) != STATUS_OK ||
        rpc_call_metrics_add(&p->calls, p->monitor->metrics, err) != STATUS_OK ||
        metrics_collect(p->monitor->metrics, collect, p, err) != STATUS_OK)
        return err->code;
    if (monitor_listen(p->monitor, config->http_listen, put_stuck, p, err) != STATUS_OK)
        return status_prefix(err, "http_listen");
    return STATUS_OK;
}

static enum status_code start(struct process *p, const struct config *config, struct status *err)
{
    if (start_monitor(p, err) != STATUS_OK || start_tokens(p, config, err) != STATUS_OK)
        return err->code;
    long threads = config->rpc_threads > 0 ? (long)config->rpc_threads : sysconf(_SC_NPROCESSORS_ONLN) / 4;
    if (rpc_queues_new(threads < 1 ? 1 : (size_t)threads, &p->queues, err) != STATUS_OK)
        return err->code;
    uuid_format(uuid_v7(), p->instance_id);
    if (open_store(p, config, err) != STATUS_OK)
        return err->code;
    if (links_new(config->executor_target, config->executor_token, &p->links, err) != STATUS_OK)
        return status_prefix(err, "executor_target");
    const struct otlp_options otlp_options = otlp_options_of(config, p->instance_id);
    if (config->otlp_endpoint != NULL && otlp_new(&otlp_options, &p->otlp, err) != STATUS_OK)
        return err->code;
    const struct gateway_options gateway_options = {.queues = p->queues,
                                                    .store = p->store,
                                                    .records = p->records,
                                                    .links = p->links,
                                                    .tokens = p->tokens,
                                                    .otlp = p->otlp,
                                                    .meters = &p->meters,
                                                    .instance_id = p->instance_id,
                                                    .runs_max = (size_t)config->max_runs};
    if (gateway_new(&gateway_options, &p->gateway, err) != STATUS_OK)
        return err->code;
    const struct admin_options admin_options = {.store = p->store,
                                                .executor = links_target(p->links),
                                                .check_app = LINK_CHECK_APP,
                                                .test_credential = LINK_TEST_CREDENTIAL,
                                                .app_deleted = gateway_app_deleted,
                                                .app_deleted_arg = p->gateway,
                                                .tokens = config->admin_token,
                                                .jwt = p->tokens};
    if (admin_new(&admin_options, &p->admin, err) != STATUS_OK ||
        rpc_health_new(p->queues, &p->health, err) != STATUS_OK ||
        rpc_reflection_new(&p->reflection, err) != STATUS_OK || rpc_queues_start(p->queues, err) != STATUS_OK)
        return err->code;
    /* With the queues running: one server may start and the other not, and then the first has to be stopped. */
    if (start_server(p, "listen", config->listen, LIMIT_PUBLIC_MESSAGE_BYTES, false, &p->public_server,
                     err) != STATUS_OK ||
        start_server(p, "admin_listen", config->admin_listen, LIMIT_ADMIN_MESSAGE_BYTES, true,
                     &p->admin_server, err) != STATUS_OK)
        return err->code;
    return show_monitor(p, config, err);
}

/* ms. For the last spans to reach their collector. */
#define TRACES_MS 2000

/* Ends whatever start() has made, also half of it. */
static void stop(struct process *p, int64_t until_ms)
{
    monitor_close(p->monitor);
    if (p->admin_server != NULL)
        rpc_server_stop(p->admin_server, until_ms);
    if (p->public_server != NULL)
        rpc_server_stop(p->public_server, until_ms);
    tokens_stop(p->tokens); /* answers who waits for keys; the queues still run */
    store_close(p->store);  /* answers what was asked */
    while (p->gateway != NULL && gateway_live_runs(p->gateway) > 0) {
        /* Executors' streams were cancelled with their callers; they end in a moment. */
        (void)process_wait_signal(2);
        gateway_tick(p->gateway);
    }
    store_close(p->records);
    instance_give(p->instance);
    rpc_server_free(p->admin_server);
    rpc_server_free(p->public_server);
    links_free(p->links);
    rpc_queues_free(p->queues);
    rpc_health_free(p->health);
    rpc_reflection_free(p->reflection);
    admin_free(p->admin);
    gateway_free(p->gateway);
    tokens_free(p->tokens);
    otlp_close(p->otlp, clock_monotonic_ms() + TRACES_MS);
    rpc_pulse_free(p->pulse);
    store_probe_free(p->store_probe);
    store_probe_free(p->records_probe);
    monitor_free(p->monitor);
    if (p->has_http)
        http_global_fini();
}

/* Of what only reads, stops and administers; runs have a health of their own. */
static void set_serving(struct process *p, enum rpc_serving serving)
{
    static const char *const names[] = {"heddle.v1.TaskService", "heddle.v1.ConversationService",
                                        "heddle.v1.AdminService"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        (void)rpc_health_set(p->health, names[i], serving, NULL); /* these few always fit */
}

static void set_taking_runs(struct process *p, enum rpc_serving serving)
{
    static const char *const names[] = {"", "heddle.v1.ChatService", "heddle.v1.WorkflowService"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        (void)rpc_health_set(p->health, names[i], serving, NULL);
}

/* May runs be sent here? gRPC's health of their services says the same as /readyz. */
static void look_at_readiness(struct process *p, const struct config *config)
{
    struct buf words;
    int64_t now_ms = clock_monotonic_ms();
    buf_init(&words, READINESS_WORDS_MAX);
    if (!rpc_channel_is_ready(links_target(p->links)))
        buf_printf(&words, "no executor can be reached at %s\n", config->executor_target);
    store_probe_look(p->store_probe, now_ms, &words);
    store_probe_look(p->records_probe, now_ms, &words);
    if (readiness_note(&p->monitor->readiness, buf_str(&words), now_ms)) {
        bool is_ready = readiness_is_ready(&p->monitor->readiness);
        set_taking_runs(p, is_ready ? RPC_SERVING : RPC_NOT_SERVING);
        if (is_ready)
            log_info("ready");
        else
            log_warn("not_ready", LOG_STR("words", str_trim(buf_str(&words))));
    }
    buf_fini(&words);
    monitor_tick(p->monitor, now_ms);
}

/* SIGTERM: health first, no new runs, the running ones go on for the grace time; a second signal ends them at once. */
static void drain(struct process *p, int64_t grace_seconds)
{
    log_info("draining", LOG_INT("calls", rpc_server_live_calls(p->public_server)),
             LOG_INT("grace_seconds", grace_seconds));
    readiness_end(&p->monitor->readiness, "draining");
    set_serving(p, RPC_NOT_SERVING);
    set_taking_runs(p, RPC_NOT_SERVING);
    gateway_drain(p->gateway);
    int64_t until_ms = clock_monotonic_ms() + grace_seconds * 1000;
    bool is_urged = false;
    while (gateway_live_runs(p->gateway) > 0 && !is_urged && clock_monotonic_ms() < until_ms) {
        is_urged = process_wait_signal(20);
        gateway_tick(p->gateway);
        monitor_tick(p->monitor, clock_monotonic_ms());
    }
    if (gateway_live_runs(p->gateway) > 0)
        log_warn("ending_runs", LOG_INT("runs", gateway_live_runs(p->gateway)));
    gateway_end_runs(p->gateway);
}

/* ms. Between two notes of which keys were used; and for the last events of ended runs to reach their callers. */
#define KEY_USES_MS 5000
#define TAIL_MS     2000

/* Whoever waits for this gateway to get ready hears of it at once. */
static int64_t tick_ms(struct process *p)
{
    return readiness_is_ready(&p->monitor->readiness) ? LOOKUP_TICK_MS : LOOKUP_TICK_MS / 10;
}

static int serve(const struct config *config, int64_t files)
{
    struct process p = {0};
    struct status err;
    if (start(&p, config, &err) != STATUS_OK) {
        log_error("start_failed", LOG_C("reason", err.reason), LOG_C("field", err.field),
                  LOG_C("words", err.message));
        stop(&p, 0);
        return 1;
    }
    doctor_warn_plain_text(config->listen, config->insecure);
    doctor_warn_plain_text(config->admin_listen, config->insecure);
    if (config->admin_token == NULL)
        log_warn("administration_off",
                 LOG_C("words", "no admin_token is set: every call of AdminService is refused"));
    set_serving(&p, RPC_SERVING);
    set_taking_runs(&p, RPC_NOT_SERVING);
    look_at_readiness(&p, config);
    log_info("started", LOG_C("version", HEDDLE_VERSION), LOG_C("listen", config->listen),
             LOG_C("admin_listen", config->admin_listen), LOG_C("executor_target", config->executor_target),
             LOG_C("http_listen", config->http_listen), LOG_C("instance", p.gateway->instance_id),
             LOG_INT("files_max", files));
    for (int64_t noted_ms = clock_monotonic_ms(); !process_wait_signal(tick_ms(&p));) {
        gateway_tick(p.gateway);
        look_at_readiness(&p, config);
        if (clock_monotonic_ms() - noted_ms < KEY_USES_MS)
            continue;
        gateway_note_key_uses(p.gateway);
        noted_ms = clock_monotonic_ms();
    }
    drain(&p, config->grace_seconds);
    stop(&p, clock_monotonic_ms() + TAIL_MS);
    log_info("stopped");
    return 0;
}

static int migrate(const struct config *config)
{
    static const struct {
        enum store_file file;
        const char *name;
    } parts[] = {{STORE_CONTROL, "store"}, {STORE_RECORDS, "records"}};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        struct status err;
        int from, to;
        if (store_migrate(config->store, parts[i].file, &from, &to, &err) != STATUS_OK) {
            fprintf(stderr, "heddle-gateway: %s: %s\n", parts[i].name, err.message);
            return 1;
        }
        printf(from == to ? "%s: the schema is %d already\n" : "%s: the schema is %d now, it was %d\n",
               parts[i].name, to, from);
    }
    return 0;
}

/* A signal ends the copying, and nothing is left behind. */
static bool backup_goes_on(void *arg, enum store_file file, int64_t done_bytes, int64_t all_bytes)
{
    (void)arg;
    if (isatty(STDERR_FILENO) == 1)
        fprintf(stderr, "\r%s: %lld of %lld MiB ", file == STORE_RECORDS ? "records" : "store",
                (long long)(done_bytes >> 20), (long long)(all_bytes >> 20));
    return !process_wait_signal(0);
}

static int backup(const struct config *config)
{
    const struct store_backup_watch watch = {.goes_on = backup_goes_on};
    struct store_backup_sizes sizes;
    struct status err;
    enum status_code rc = store_backup(config->store, config->directory, &watch, &sizes, &err);
    if (isatty(STDERR_FILENO) == 1)
        fputc('\n', stderr);
    if (rc != STATUS_OK) {
        fprintf(stderr, "heddle-gateway: backup: %s\n", err.message);
        return 1;
    }
    printf("%s: store %lld bytes, records %lld bytes\n", config->directory, (long long)sizes.control_bytes,
           (long long)sizes.records_bytes);
    return 0;
}

/* --- doctor --- */

static int doctor_store(const struct config *config, enum store_file file, const char *opens,
                        const char *is_whole)
{
    struct status err = {.code = STATUS_OK};
    struct store *store = NULL;
    const struct store_options store_options = {
        .file = file, .role = STORE_GATEWAY, .schema = STORE_AS_IS, .master_key = config->master_key};
    err.code = store_open(config->store, &store_options, &store, &err);
    int failures =
        doctor_line(opens, &err, "heddle-gateway migrate makes it and brings it up to date; check --store");
    if (store == NULL)
        return failures;
    err.code = store_check(store, &err);
    failures += doctor_line(is_whole, &err, "restore a backup, or free disk space");
    store_close(store);
    return failures;
}

static int doctor(const struct config *config, int64_t files)
{
    struct status err = {.code = STATUS_OK};
    int failures = doctor_store(config, STORE_CONTROL, "store opens", "store is whole and writable");
    failures += doctor_store(config, STORE_RECORDS, "records open", "records are whole and writable");
    err.code =
        config->admin_token == NULL ? status_set(&err, STATUS_FAILED_PRECONDITION, "none is set") : STATUS_OK;
    failures += doctor_line("administrators have a token", &err,
                            "set admin_token (HEDDLE_ADMIN_TOKEN or --admin_token_file)");
    err.code =
        config->master_key == NULL ? status_set(&err, STATUS_FAILED_PRECONDITION, "none is set") : STATUS_OK;
    failures +=
        doctor_line("credentials can be sealed", &err, "set master_key: head -c 32 /dev/urandom | base64");
    err.code = doctor_check_address(config->listen, &err);
    failures += doctor_line("listen address is free", &err,
                            "end who listens there (it may be this gateway), or change --listen");
    err.code = doctor_check_address(config->admin_listen, &err);
    failures +=
        doctor_line("admin_listen address is free", &err, "end who listens there, or change --admin_listen");
    err.code = monitor_check_address(config->http_listen, &err);
    failures += doctor_line("http_listen address is free", &err,
                            "end who listens there, change --http_listen, or turn it off with none");
    err.code = doctor_check_serving(config->executor_target, config->executor_token, &err);
    failures += doctor_line("an executor serves", &err, "start heddle-executor, or change --executor_target");
    const struct otlp_options otlp_options = otlp_options_of(config, "doctor");
    failures += otlp_doctor(&otlp_options);
    failures += doctor_files(files);
    return failures == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct config config = {0};
    const char *command;
    switch (options_parse(&program, argc, argv, environ, &config, &command)) {
    case OPTIONS_EXIT_OK:
        return 0;
    case OPTIONS_EXIT_USAGE:
        return 2;
    case OPTIONS_RUN:
        break;
    }
    log_init_words(config.log_level, config.log_format, "gateway");
    int64_t files = process_prepare();
    int result = strcmp(command, "migrate") == 0  ? migrate(&config)
                 : strcmp(command, "doctor") == 0 ? doctor(&config, files)
                 : strcmp(command, "backup") == 0 ? backup(&config)
                                                  : serve(&config, files);
    options_free(&program, &config);
    return result;
}
