/* heddle-executor: runs workflow graphs for gateways. Options, start, end, doctor. */
#include "executor/api/executor.h"
#include "executor/model/backend.h"
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
#include "shared/store/credential.h"
#include "shared/store/instance.h"
#include "shared/store/probe.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct config {
    const char *store, *listen, *advertise, *executor_token, *master_key, *log_level, *log_format, *ca_file,
        *durability, *all_resting, *model_http, *otlp_endpoint, *otlp_headers, *otlp_sample_ratio,
        *http_listen;
    int64_t model_connect_seconds, model_first_seconds, model_idle_seconds, model_total_seconds,
        waiting_calls, workers, rpc_threads, max_runs, grace_seconds, max_steps, max_run_seconds;
    bool insecure, trace_models;
};

#define ROW(field) .name = #field, .offset = offsetof(struct config, field)
static const struct option options[] = {
    OPTION_STORE(struct config),
    {ROW(listen), .kind = OPTION_TEXT, .fallback = "unix:heddle-executor.sock",
     .help = "address for gateways: unix:PATH (mode 0600), or host:port with executor_token."},
    {ROW(advertise), .kind = OPTION_TEXT,
     .help = "gRPC target under which gateways reach this executor for stops, where listen is not it (a "
             "pod's IP)."},
    OPTION_EXECUTOR_TOKEN(struct config),
    OPTION_INSECURE(struct config),
    OPTION_MASTER_KEY(struct config),
    {ROW(durability), .kind = OPTION_CHOICE, .fallback = "power", .choices = "power|process",
     .help = "what the end of a run has to survive before its caller hears of it: power (the disk has it) or "
             "process (the system has it)."},
    {ROW(model_http), .kind = OPTION_CHOICE, .fallback = "1.1", .choices = "1.1|2",
     .help = "HTTP towards model providers: 1.1, or 2 where a provider speaks it (TLS): fewer connections, "
             "more CPU per token."},
    {ROW(model_connect_seconds), .kind = OPTION_INT, .fallback = "10", .min = 1, .max = 3600,
     .help = "seconds until a connection to a model provider stands; then the next credential is tried."},
    {ROW(model_first_seconds), .kind = OPTION_INT, .fallback = "300", .min = 1, .max = 86400,
     .help = "seconds until a model has said something; then the next credential is tried."},
    {ROW(model_idle_seconds), .kind = OPTION_INT, .fallback = "120", .min = 1, .max = 86400,
     .help = "seconds that a model may be silent within an answer."},
    {ROW(model_total_seconds), .kind = OPTION_INT, .fallback = "1800", .min = 1, .max = 86400,
     .help = "seconds that one answer of a model may take."},
    {ROW(all_resting), .kind = OPTION_CHOICE, .fallback = "wait", .choices = "wait|fail",
     .help = "what a model call does while every credential for its model rests or is full: wait in line as "
             "long as "
             "its deadline allows, or fail at once."},
    {ROW(waiting_calls), .kind = OPTION_INT, .fallback = "10000", .min = 1, .max = 1000000,
     .help = "model calls that may wait in line at a time; more fail at once."},
    {ROW(workers), .kind = OPTION_INT, .fallback = "0", .max = WORKERS_MAX,
     .help = "threads that run graphs; 0: one per two cores, at least one."},
    OPTION_RPC_THREADS(struct config),
    {ROW(max_runs), .kind = OPTION_INT, .fallback = "10000", .min = 1, .max = 1000000,
     .help = "runs at a time; more are refused, so that the gateway tries another executor."},
    {ROW(max_steps), .kind = OPTION_INT, .fallback = "500", .min = 1, .max = 1000000,
     .help = "nodes that one run may start."},
    {ROW(max_run_seconds), .kind = OPTION_INT, .fallback = "1200", .min = 1, .max = 604800,
     .help = "seconds that one run may take."},
    {ROW(ca_file), .kind = OPTION_FILE,
     .help = "PEM file of authorities that model providers are checked against; none: the system's."},
    OPTIONS_OTLP(struct config),
    {ROW(trace_models), .kind = OPTION_BOOL, .fallback = "yes",
     .help = "tell model providers which trace a request is part of (traceparent, tracestate)."},
    OPTION_GRACE_SECONDS(struct config),
    OPTION_HTTP_LISTEN(struct config, "127.0.0.1:7580"),
    OPTION_LOG_LEVEL(struct config),
    OPTION_LOG_FORMAT(struct config),
};
#undef ROW
static const struct command commands[] = {
    {"serve", "run graphs until SIGTERM"},
    {"doctor", "check store, secrets and address, and say what to do"},
};
static const struct program program = {
    .name = "heddle-executor",
    .summary = "Runs the workflow graphs of Dify apps for heddle-gateway.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .commands = commands,
    .command_count = ARRAY_LEN(commands),
};

/* What the parts of the process know of themselves. */
struct own_meters {
    struct metric *turn, *mailed, *ready, *live;
    struct metric *journal_bytes, *journal_runs, *journal_oldest, *journal_commit, *journal_failed,
        *journal_written, *journal_late;
};

/* Everything that is made at the start, in that order, and ended in stop(). */
struct process {
    struct otlp *otlp;
    struct rpc_queues *queues;
    struct store *store, *records;
    struct instance *instance;
    struct journal *journal;
    struct helpers *helpers;
    struct versions *versions;
    struct model_source *models;
    struct workers *workers;
    struct executor *executor;
    struct rpc_server *server;
    struct rpc_health *health;
    struct rpc_reflection *reflection;
    struct monitor *monitor;
    struct meters meters;
    struct model_meters model_meters;
    struct own_meters own;
    struct rpc_call_metrics calls;
    struct rpc_pulse *pulse;
    struct store_probe *store_probe;
    struct readiness taking; /* runs from gateways */
    char instance_id[UUID_TEXT_LEN + 1];
};

static size_t threads_or(int64_t configured, long share)
{
    long threads = configured > 0 ? (long)configured : sysconf(_SC_NPROCESSORS_ONLN) / share;
    return threads < 1 ? 1 : (size_t)threads;
}

/* On TCP whoever reaches the executor can act for anybody (architecture.md section 3, Trust). */
static enum status_code check_trust(const struct config *config, struct status *err)
{
    bool is_unix = str_starts(str_c(config->listen), STR("unix:"));
    if (!is_unix && (config->executor_token == NULL || config->executor_token[0] == '\0'))
        return status_field(err, "executor_token",
                            "is required when listen is not a unix socket: callers of an executor can "
                            "act for any user");
    return STATUS_OK;
}

/*
 * Where gateways reach this executor itself. "": only by the target they know, as with a unix socket (whose path may mean
 * something else in their folder or container) or when any address of the machine will do.
 */
static const char *own_address(const struct config *config)
{
    static const char *const vague[] = {"unix:", "0.0.0.0:", "[::]:"};
    if (config->advertise != NULL && config->advertise[0] != '\0')
        return config->advertise;
    for (size_t i = 0; i < ARRAY_LEN(vague); i++) {
        if (str_starts(str_c(config->listen), str_c(vague[i])))
            return "";
    }
    return config->listen;
}

static enum status_code start_services(struct process *p, const struct config *config, struct status *err)
{
    const struct model_source_options model_options = {
        .store = p->store,
        .ca_file = config->ca_file,
        .version = strcmp(config->model_http, "2") == 0 ? HTTP_VERSION_2 : HTTP_VERSION_1_1,
        .times = {config->model_connect_seconds * 1000, config->model_first_seconds * 1000,
                  config->model_idle_seconds * 1000, config->model_total_seconds * 1000},
        .seen_by = p->instance_id,
        .may_wait = strcmp(config->all_resting, "wait") == 0,
        .waiting_max = (size_t)config->waiting_calls,
        .meters = &p->model_meters};
    const struct rpc_server_options server_options = {.address = config->listen,
                                                      .message_bytes_max = LIMIT_ADMIN_MESSAGE_BYTES};
    if (helpers_new(threads_or(0, 2), &p->helpers, err) != STATUS_OK ||
        versions_new(p->store, p->helpers, &p->versions, err) != STATUS_OK ||
        model_source_new(&model_options, &p->models, err) != STATUS_OK)
        return err->code;
    const struct workers_options worker_options = {.count = threads_or(config->workers, 2),
                                                   .runs_max = (size_t)config->max_runs,
                                                   .backend = model_source_backend(p->models),
                                                   .turn_us = metric_only(p->own.turn)};
    if (workers_new(&worker_options, &p->workers, err) != STATUS_OK)
        return err->code;
    const struct executor_options executor_options = {
        .store = p->store,
        .workers = p->workers,
        .helpers = p->helpers,
        .versions = p->versions,
        .models = p->models,
        .records = p->records,
        .journal = p->journal,
        .instance_id = p->instance_id,
        .token = config->executor_token,
        .ca_file = config->ca_file,
        .address = own_address(config),
        .otlp = p->otlp,
        .tells_models = config->trace_models,
        .meters = &p->meters,
        .limits = {.max_steps = (int32_t)config->max_steps, .max_time_ms = config->max_run_seconds * 1000},
    };
    if (executor_new(&executor_options, &p->executor, err) != STATUS_OK ||
        rpc_health_new(p->queues, &p->health, err) != STATUS_OK ||
        rpc_reflection_new(&p->reflection, err) != STATUS_OK ||
        rpc_server_new(p->queues, &server_options, &p->server, err) != STATUS_OK ||
        executor_add(p->executor, p->server, err) != STATUS_OK ||
        rpc_health_add(p->health, p->server, err) != STATUS_OK ||
        rpc_reflection_add(p->reflection, p->server, err) != STATUS_OK)
        return err->code;
    return rpc_server_start(p->server, err);
}

static struct otlp_options otlp_options_of(const struct config *config, const char *instance_id)
{
    return (struct otlp_options){.endpoint = config->otlp_endpoint,
                                 .headers = config->otlp_headers,
                                 .sample_ratio = config->otlp_sample_ratio,
                                 .ca_file = config->ca_file,
                                 .service = "heddle-executor",
                                 .version = HEDDLE_VERSION,
                                 .instance = instance_id};
}

/* Threads that read records: a long conversation does not hold up the next one. */
enum { RECORD_THREADS = 2 };

/* What an earlier process left open is closed when this returns. */
static enum status_code open_records(struct process *p, const struct config *config, struct status *err)
{
    const struct store_options record_options = {.file = STORE_RECORDS,
                                                 .role = STORE_EXECUTOR,
                                                 .schema = STORE_MIGRATE,
                                                 .master_key = config->master_key,
                                                 .threads = RECORD_THREADS};
    uuid_format(uuid_v7(), p->instance_id);
    if (store_open(config->store, &record_options, &p->records, err) != STATUS_OK ||
        instance_take(config->store, "executor", p->instance_id, &p->instance, err) != STATUS_OK)
        return status_prefix(err, "records");
    const struct journal_options journal_options = {
        .url = config->store,
        .master_key = config->master_key,
        .durability = strcmp(config->durability, "process") == 0 ? JOURNAL_PROCESS : JOURNAL_POWER,
        .instance = instance_number(p->instance),
        .commit_us = metric_only(p->own.journal_commit)};
    if (journal_open(&journal_options, &p->journal, err) != STATUS_OK)
        return status_prefix(err, "journal");
    return STATUS_OK;
}

/* --- what is watched --- */

static enum status_code start_monitor(struct process *p, struct status *err)
{
    static const int64_t work[] = METRIC_WORK_BUCKETS;
    struct own_meters *own = &p->own;
    const struct metric_row rows[] = {
        {&own->turn,
         {.name = "heddle_worker_turn_seconds",
          .help = "How long a turn of a worker's loop kept it from looking for news.",
          .kind = METRIC_HISTOGRAM,
          .per_unit = 1000000,
          .buckets = work,
          .bucket_count = ARRAY_LEN(work)}},
        {&own->mailed,
         {.name = "heddle_worker_mailbox_runs",
          .help = "Runs whose news the workers have not taken yet.",
          .kind = METRIC_GAUGE}},
        {&own->ready,
         {.name = "heddle_worker_ready_runs",
          .help = "Runs that wait for their turn.",
          .kind = METRIC_GAUGE}},
        {&own->live,
         {.name = "heddle_worker_runs",
          .help = "Runs that the workers hold, those in their mailboxes included.",
          .kind = METRIC_GAUGE}},
        {&own->journal_bytes,
         {.name = "heddle_journal_waiting_bytes",
          .help = "Records that are not written yet.",
          .kind = METRIC_GAUGE}},
        {&own->journal_runs,
         {.name = "heddle_journal_open_runs",
          .help = "Runs whose end is not written yet.",
          .kind = METRIC_GAUGE}},
        {&own->journal_oldest,
         {.name = "heddle_journal_oldest_wait_seconds",
          .help = "How long the oldest record waits to be written.",
          .kind = METRIC_GAUGE,
          .per_unit = 1000}},
        {&own->journal_commit,
         {.name = "heddle_journal_commit_seconds",
          .help = "Commits of records, from their beginning until they are durable.",
          .kind = METRIC_HISTOGRAM,
          .per_unit = 1000000,
          .buckets = work,
          .bucket_count = ARRAY_LEN(work)}},
        {&own->journal_failed,
         {.name = "heddle_journal_write_errors_total",
          .help = "Commits of records that failed; they are tried again.",
          .kind = METRIC_COUNTER}},
        {&own->journal_written,
         {.name = "heddle_journal_written_bytes_total",
          .help = "Records that were written.",
          .kind = METRIC_COUNTER}},
        {&own->journal_late,
         {.name = "heddle_journal_late_ends_total",
          .help = "Ends of runs that another had closed before.",
          .kind = METRIC_COUNTER}},
    };
    if (monitor_new("executor", &p->monitor, err) != STATUS_OK ||
        meters_init(&p->meters, p->monitor->metrics, err) != STATUS_OK ||
        model_meters_init(&p->model_meters, p->monitor->metrics, err) != STATUS_OK)
        return err->code;
    return metrics_add_rows(p->monitor->metrics, rows, ARRAY_LEN(rows), err);
}

static void collect(void *arg)
{
    struct process *p = arg;
    struct workers_stats workers = workers_stats(p->workers, clock_monotonic_ms());
    struct journal_stats journal = journal_stats(p->journal);
    const struct {
        struct metric *metric;
        int64_t value;
    } rows[] = {
        {p->own.mailed, (int64_t)workers.mailed},
        {p->own.ready, (int64_t)workers.ready},
        {p->own.live, (int64_t)workers_live(p->workers)},
        {p->own.journal_bytes, (int64_t)journal.waiting_bytes},
        {p->own.journal_runs, (int64_t)journal.waiting_runs},
        {p->own.journal_oldest, journal.oldest_wait_ms},
        {p->own.journal_failed, (int64_t)journal.failed_commits},
        {p->own.journal_written, (int64_t)journal.bytes},
        {p->own.journal_late, (int64_t)journal.late_ends},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        metric_set(metric_only(rows[i].metric), rows[i].value);
    model_source_collect(p->models);
}

/* On the HTTP server's thread. */
static void put_stuck(void *arg, struct buf *words)
{
    struct process *p = arg;
    int64_t now_ms = clock_monotonic_ms();
    size_t stuck = rpc_pulse_look(p->pulse, now_ms);
    struct workers_stats workers = workers_stats(p->workers, now_ms);
    if (stuck > 0)
        buf_printf(words, "%zu of %zu gRPC threads do not turn\n", stuck, rpc_queues_count(p->queues));
    if (workers.stuck > 0)
        buf_printf(words, "%zu of %zu workers do not turn\n", workers.stuck, workers.count);
}

/* Once everything else is there: nothing is shown of a process that does not start. */
static enum status_code show_monitor(struct process *p, const struct config *config, struct status *err)
{
    p->calls.servers[0].name = "executor";
    p->calls.servers[0].server = p->server;
    p->calls.server_count = 1;
    if (rpc_pulse_new(p->queues, &p->pulse, err) != STATUS_OK ||
        store_probe_new(p->store, "store", &p->store_probe, err) != STATUS_OK ||
        rpc_call_metrics_add(&p->calls, p->monitor->metrics, err) != STATUS_OK ||
        metrics_collect(p->monitor->metrics, collect, p, err) != STATUS_OK)
        return err->code;
    if (monitor_listen(p->monitor, config->http_listen, put_stuck, p, err) != STATUS_OK)
        return status_prefix(err, "http_listen");
    return STATUS_OK;
}

static enum status_code start(struct process *p, const struct config *config, struct status *err)
{
    const struct store_options store_options = {
        .role = STORE_EXECUTOR, .schema = STORE_MIGRATE, .master_key = config->master_key};
    if (start_monitor(p, err) != STATUS_OK || check_trust(config, err) != STATUS_OK ||
        http_global_init(err) != STATUS_OK ||
        rpc_queues_new(threads_or(config->rpc_threads, 4), &p->queues, err) != STATUS_OK)
        return err->code;
    if (store_open(config->store, &store_options, &p->store, err) != STATUS_OK)
        return status_prefix(err, "store");
    if (open_records(p, config, err) != STATUS_OK)
        return err->code;
    const struct otlp_options otlp_options = otlp_options_of(config, p->instance_id);
    if (config->otlp_endpoint != NULL && otlp_new(&otlp_options, &p->otlp, err) != STATUS_OK)
        return err->code;
    if (start_services(p, config, err) != STATUS_OK)
        return err->code;
    if (rpc_queues_start(p->queues, err) != STATUS_OK)
        return err->code;
    return show_monitor(p, config, err);
}

/* ms. For the last spans to reach their collector. */
#define TRACES_MS 2000

/* Ends whatever start() has made, also half of it. */
static void stop(struct process *p, int64_t until_ms)
{
    monitor_close(p->monitor);
    if (p->server != NULL)
        rpc_server_stop(p->server, until_ms);
    rpc_server_free(p->server);
    /* What was asked is answered; afterwards nobody asks workers or helpers for anything. */
    model_source_stop(p->models);
    store_close(p->store);
    store_close(p->records);
    helpers_free(p->helpers);
    workers_free(p->workers); /* ends what still runs: the journal takes the ends */
    journal_close(p->journal);
    instance_give(p->instance);
    model_source_free(p->models);
    versions_free(p->versions);
    executor_free(p->executor);
    rpc_reflection_free(p->reflection);
    rpc_queues_free(p->queues);
    rpc_health_free(p->health);
    otlp_close(p->otlp, clock_monotonic_ms() + TRACES_MS);
    rpc_pulse_free(p->pulse);
    store_probe_free(p->store_probe);
    monitor_free(p->monitor);
    readiness_fini(&p->taking);
    http_global_fini();
}

static void set_serving(struct process *p, enum rpc_serving serving)
{
    (void)rpc_health_set(p->health, "", serving, NULL);
    (void)rpc_health_set(p->health, "heddle.executor.v1.ExecutorService", serving,
                         NULL); /* two names always fit */
}

/*
 * May runs be sent here? Gateways hear by gRPC's health only of what another executor may do better: a store that is away is
 * away for all, and they get its reason, while apps that keep no records go on.
 */
static void look_at_readiness(struct process *p)
{
    struct buf words;
    struct status err = {.code = STATUS_OK};
    int64_t now_ms = clock_monotonic_ms();
    buf_init(&words, READINESS_WORDS_MAX);
    if (journal_admits(p->journal, &err) != STATUS_OK)
        buf_printf(&words, "%s\n", err.message);
    bool is_behind = err.code != STATUS_OK && str_eq_c(STR("NOT_BEGUN"), err.reason);
    if (readiness_note(&p->taking, is_behind ? buf_str(&words) : STR(""), now_ms))
        set_serving(p, readiness_is_ready(&p->taking) ? RPC_SERVING : RPC_NOT_SERVING);
    store_probe_look(p->store_probe, now_ms, &words);
    if (readiness_note(&p->monitor->readiness, buf_str(&words), now_ms)) {
        if (readiness_is_ready(&p->monitor->readiness))
            log_info("ready");
        else
            log_warn("not_ready", LOG_STR("words", str_trim(buf_str(&words))));
    }
    buf_fini(&words);
    monitor_tick(p->monitor, now_ms);
}

/* SIGTERM: no new runs, the running ones go on for the grace time; a second signal ends them at once. */
static void drain(struct process *p, int64_t grace_seconds)
{
    log_info("draining", LOG_INT("runs", workers_live(p->workers)), LOG_INT("grace_seconds", grace_seconds));
    readiness_end(&p->monitor->readiness, "draining");
    set_serving(p, RPC_NOT_SERVING);
    workers_drain(
        p->workers); /* refused runs try another executor; the listener stays, so that tails arrive */
    int64_t until_ms = clock_monotonic_ms() + grace_seconds * 1000;
    bool is_urged = false;
    while (workers_live(p->workers) > 0 && !is_urged && clock_monotonic_ms() < until_ms)
        is_urged = process_wait_signal(20);
    monitor_tick(p->monitor, clock_monotonic_ms());
    if (workers_live(p->workers) > 0)
        log_warn("ending_runs", LOG_INT("runs", workers_live(p->workers)));
    workers_signal_all(p->workers, JOB_SHUTDOWN);
}

/* ms. For the last events of ended runs to reach their callers; and between two looks at whether runs may be sent here. */
#define TAIL_MS           2000
#define READINESS_TICK_MS 100

static int serve(const struct config *config, int64_t files)
{
    struct process p = {0};
    struct status err;
    readiness_init(&p.taking);
    if (start(&p, config, &err) != STATUS_OK) {
        log_error("start_failed", LOG_C("reason", err.reason), LOG_C("field", err.field),
                  LOG_C("words", err.message));
        stop(&p, 0);
        return 1;
    }
    doctor_warn_plain_text(config->listen, config->insecure);
    set_serving(&p, RPC_NOT_SERVING);
    look_at_readiness(&p);
    log_info("started", LOG_C("version", HEDDLE_VERSION), LOG_C("listen", config->listen),
             LOG_C("http_listen", config->http_listen), LOG_C("instance", p.executor->instance_id),
             LOG_INT("files_max", files));
    while (!process_wait_signal(READINESS_TICK_MS))
        look_at_readiness(&p);
    drain(&p, config->grace_seconds);
    stop(&p, clock_monotonic_ms() + TAIL_MS);
    log_info("stopped");
    return 0;
}

/* --- doctor --- */

struct secrets {
    struct store_wait wait;
    size_t count, unopened;
};

static void secrets_loaded(void *arg, const struct store_credential_set *set, const struct status *status)
{
    struct secrets *secrets = arg;
    for (size_t i = 0; set != NULL && i < set->count; i++) {
        secrets->count++;
        secrets->unopened += set->credentials[i].problem.len > 0;
    }
    store_wait_done(&secrets->wait, status);
}

static enum status_code check_secrets(struct store *store, struct status *err)
{
    struct secrets secrets = {.count = 0};
    store_wait_init(&secrets.wait);
    if (store_credential_load(store, NULL, secrets_loaded, &secrets, err) != STATUS_OK) {
        store_wait_fini(&secrets.wait);
        return err->code;
    }
    if (store_wait(&secrets.wait, err) != STATUS_OK)
        return err->code;
    if (secrets.count == 0)
        return status_set(err, STATUS_NOT_FOUND, "there is no credential yet");
    if (secrets.unopened > 0)
        return status_set(err, STATUS_FAILED_PRECONDITION, "%zu of %zu cannot be opened with this master_key",
                          secrets.unopened, secrets.count);
    err->code = STATUS_OK;
    return STATUS_OK;
}

static int doctor(const struct config *config, int64_t files)
{
    struct status err = {.code = STATUS_OK};
    struct store *store = NULL;
    const struct store_options store_options = {
        .role = STORE_EXECUTOR, .schema = STORE_AS_IS, .master_key = config->master_key};
    int failures = 0;
    err.code = store_open(config->store, &store_options, &store, &err);
    failures += doctor_line("store opens", &err,
                            "start the gateway once, or run heddle-gateway migrate; check --store");
    if (store != NULL) {
        err.code = store_check(store, &err);
        failures += doctor_line("store is whole and writable", &err, "restore a backup, or free disk space");
        err.code = check_secrets(store, &err);
        failures += doctor_line("credentials can be opened", &err,
                                "heddlectl credential add, or give the master_key that sealed them");
        store_close(store);
    }
    err.code = check_trust(config, &err);
    failures += doctor_line("callers are checked", &err, "set executor_token on gateways and executors");
    err.code = doctor_check_address(config->listen, &err);
    failures += doctor_line("listen address is free", &err,
                            "end who listens there (it may be this executor), or change --listen");
    err.code = monitor_check_address(config->http_listen, &err);
    failures += doctor_line("http_listen address is free", &err,
                            "end who listens there, change --http_listen, or turn it off with none");
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
    log_init_words(config.log_level, config.log_format, "executor");
    int64_t files = process_prepare();
    int result = strcmp(command, "doctor") == 0 ? doctor(&config, files) : serve(&config, files);
    options_free(&program, &config);
    return result;
}
