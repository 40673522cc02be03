/*
 * load_bench: makes load and says what came of it, as one line of JSON. tests/bench/run uses it.
 * Exit code: 0 when the load was run, whatever came of it; 1 when it could not be; 2 for wrong options.
 */
#include "shared/base/clock.h"
#include "tests/bench/direct_load.h"
#include "tests/bench/hop.h"
#include "tests/bench/stream_load.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { EXIT_USAGE = 2, OUTPUT_BYTES_MAX = 64 * 1024 * 1024 };
enum { INPUTS_BYTES_MAX = 16 * 1024 * 1024, INPUTS_BYTES_READ = 64 * 1024 }; /* of a file; at once */

static const char usage[] =
    "usage: load_bench KIND [options]\n"
    "\n"
    "kinds:\n"
    "  --gateway ADDR          SendMessage at a gateway; the API key comes from HEDDLE_TOKEN\n"
    "  --workflow ADDR         RunWorkflow at a gateway\n"
    "  --executor ADDR         Execute at an executor; needs --app-id, --version-id, --version-hash;\n"
    "                          messages are frames. A token comes from HEDDLE_TOKEN\n"
    "  --direct URL            a model server, by HTTP/1.1: http://127.0.0.1:8080/v1\n"
    "  --hop                   a server in this process that streams ten small events\n"
    "\n"
    "options:\n"
    "  --in-flight N           calls at a time (default 1)\n"
    "  --rate N                open loop: so many runs become due per second, at random moments; at most\n"
    "                          --in-flight are under way, later ones wait. Latencies count from when a run\n"
    "                          was due\n"
    "  --count N               runs to make, or\n"
    "  --seconds N             how long new ones are started (default 5)\n"
    "  --timeout N             seconds after which a run counts as lost (default 60)\n"
    "  --query TEXT            what is asked; the number of the run follows it (default bench)\n"
    "  --inputs FILE           a JSON object: the inputs of a workflow\n"
    "  --answer TEXT           what has to be answered (default: anything)\n"
    "  --cancel-percent N      share of runs that are cancelled at a random moment, or\n"
    "  --stop-percent N        stopped by StopTask, or\n"
    "  --deadline-percent N    given that moment as their deadline\n"
    "  --leave-within N        so many milliseconds after their start at the latest (default 100)\n"
    "  --list-left             list the moments of cancels and stops; needs --count\n"
    "  --may-fail              a run that says it failed is no fault\n"
    "  --limited               every run has to be refused over a limit of its app\n"
    "  --seed N                of what is random (default 1)\n";

enum option_id {
    OPT_GATEWAY = 256,
    OPT_WORKFLOW,
    OPT_EXECUTOR,
    OPT_DIRECT,
    OPT_HOP,
    OPT_APP_ID,
    OPT_VERSION_ID,
    OPT_VERSION_HASH,
    OPT_IN_FLIGHT,
    OPT_RATE,
    OPT_COUNT,
    OPT_SECONDS,
    OPT_TIMEOUT,
    OPT_QUERY,
    OPT_INPUTS,
    OPT_ANSWER,
    OPT_CANCEL_PERCENT,
    OPT_STOP_PERCENT,
    OPT_DEADLINE_PERCENT,
    OPT_LEAVE_WITHIN,
    OPT_LIST_LEFT,
    OPT_MAY_FAIL,
    OPT_LIMITED,
    OPT_SEED,
    OPT_HELP
};

static const struct option options_table[] = {
    {"gateway", required_argument, NULL, OPT_GATEWAY},
    {"workflow", required_argument, NULL, OPT_WORKFLOW},
    {"executor", required_argument, NULL, OPT_EXECUTOR},
    {"direct", required_argument, NULL, OPT_DIRECT},
    {"hop", no_argument, NULL, OPT_HOP},
    {"app-id", required_argument, NULL, OPT_APP_ID},
    {"version-id", required_argument, NULL, OPT_VERSION_ID},
    {"version-hash", required_argument, NULL, OPT_VERSION_HASH},
    {"in-flight", required_argument, NULL, OPT_IN_FLIGHT},
    {"rate", required_argument, NULL, OPT_RATE},
    {"count", required_argument, NULL, OPT_COUNT},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"query", required_argument, NULL, OPT_QUERY},
    {"inputs", required_argument, NULL, OPT_INPUTS},
    {"answer", required_argument, NULL, OPT_ANSWER},
    {"cancel-percent", required_argument, NULL, OPT_CANCEL_PERCENT},
    {"stop-percent", required_argument, NULL, OPT_STOP_PERCENT},
    {"deadline-percent", required_argument, NULL, OPT_DEADLINE_PERCENT},
    {"leave-within", required_argument, NULL, OPT_LEAVE_WITHIN},
    {"list-left", no_argument, NULL, OPT_LIST_LEFT},
    {"may-fail", no_argument, NULL, OPT_MAY_FAIL},
    {"limited", no_argument, NULL, OPT_LIMITED},
    {"seed", required_argument, NULL, OPT_SEED},
    {"help", no_argument, NULL, OPT_HELP},
    {0}};

enum kind { KIND_NONE, KIND_STREAM, KIND_DIRECT, KIND_HOP };

struct bench {
    enum kind kind;
    const struct stream_kind *stream;
    struct load_options load;
    bool wants_help;
};

static bool read_count(uint64_t min, uint64_t max, uint64_t *ret)
{
    uint64_t value;
    if (str_to_u64(str_c(optarg), &value) && value >= min && value <= max) {
        *ret = value;
        return true;
    }
    (void)fprintf(stderr, "load_bench: %s: not from %llu to %llu\n", optarg, (unsigned long long)min,
                  (unsigned long long)max);
    return false;
}

static void set_kind(struct bench *bench, enum kind kind, const struct stream_kind *stream)
{
    bench->kind = kind;
    bench->stream = stream;
    bench->load.target = optarg;
}

static bool read_leave(struct load_options *load, enum load_leave how)
{
    uint64_t percent;
    if (!read_count(0, 100, &percent))
        return false;
    load->leave_percent = (unsigned)percent;
    load->leave_how = how;
    return true;
}

static bool read_inputs(struct load_options *load)
{
    struct buf text;
    FILE *file = fopen(optarg, "rb");
    buf_init(&text, INPUTS_BYTES_MAX);
    for (size_t n = 1; file != NULL && n > 0 && buf_reserve(&text, INPUTS_BYTES_READ); text.len += n)
        n = fread(text.ptr + text.len, 1, INPUTS_BYTES_READ, file);
    if (file != NULL)
        (void)fclose(file);                                          /* only read */
    load->inputs_json = file != NULL ? buf_take(&text, NULL) : NULL; /* kept until the process ends */
    buf_fini(&text);
    if (load->inputs_json == NULL)
        (void)fprintf(stderr, "load_bench: %s: cannot be read, or is too long\n", optarg);
    return load->inputs_json != NULL;
}

static bool read_option(struct bench *bench, int id)
{
    struct load_options *load = &bench->load;
    uint64_t value = 0;
    bool is_fine = true;
    switch (id) {
    case OPT_GATEWAY:
        set_kind(bench, KIND_STREAM, &stream_chat);
        break;
    case OPT_WORKFLOW:
        set_kind(bench, KIND_STREAM, &stream_workflow);
        break;
    case OPT_EXECUTOR:
        set_kind(bench, KIND_STREAM, &stream_executor);
        break;
    case OPT_DIRECT:
        set_kind(bench, KIND_DIRECT, NULL);
        break;
    case OPT_HOP:
        set_kind(bench, KIND_HOP, &stream_hop);
        break;
    case OPT_APP_ID:
        load->app_id = optarg;
        break;
    case OPT_VERSION_ID:
        load->version_id = optarg;
        break;
    case OPT_VERSION_HASH:
        load->version_hash = optarg;
        break;
    case OPT_IN_FLIGHT:
        is_fine = read_count(1, LOAD_IN_FLIGHT_MAX, &value);
        load->in_flight = (size_t)value;
        break;
    case OPT_RATE:
        is_fine = read_count(1, 1000000, &load->rate);
        break;
    case OPT_COUNT:
        is_fine = read_count(1, UINT32_MAX, &load->count);
        break;
    case OPT_SECONDS:
        is_fine = read_count(1, 86400, &value);
        load->duration_ms = (int64_t)value * 1000;
        break;
    case OPT_TIMEOUT:
        is_fine = read_count(1, 86400, &value);
        load->timeout_ms = (int64_t)value * 1000;
        break;
    case OPT_QUERY:
        load->query = optarg;
        break;
    case OPT_INPUTS:
        is_fine = read_inputs(load);
        break;
    case OPT_ANSWER:
        load->answer = optarg;
        break;
    case OPT_CANCEL_PERCENT:
        is_fine = read_leave(load, LOAD_LEAVE_CANCEL);
        break;
    case OPT_STOP_PERCENT:
        is_fine = read_leave(load, LOAD_LEAVE_STOP);
        break;
    case OPT_DEADLINE_PERCENT:
        is_fine = read_leave(load, LOAD_LEAVE_DEADLINE);
        break;
    case OPT_LEAVE_WITHIN:
        is_fine = read_count(0, 86400000, &value);
        load->leave_within_ms = (int64_t)value;
        break;
    case OPT_LIST_LEFT:
        load->keep_left = true;
        break;
    case OPT_MAY_FAIL:
        load->may_fail = true;
        break;
    case OPT_LIMITED:
        load->wants_limit = true;
        break;
    case OPT_SEED:
        is_fine = read_count(1, UINT64_MAX, &load->seed);
        break;
    case OPT_HELP:
        bench->wants_help = true;
        break;
    default: /* getopt_long has said what is wrong */
        is_fine = false;
        break;
    }
    return is_fine;
}

static const char *what_is_missing(const struct bench *bench)
{
    const struct load_options *load = &bench->load;
    if (bench->kind == KIND_NONE)
        return "one of --gateway, --workflow, --executor, --direct and --hop is needed";
    if (bench->stream == &stream_executor &&
        (load->app_id == NULL || load->version_id == NULL || load->version_hash == NULL))
        return "--executor needs --app-id, --version-id and --version-hash";
    if (load->keep_left && load->count == 0)
        return "--list-left needs --count";
    if (load->rate > 0 && (bench->stream == NULL || load->leave_percent > 0))
        return "--rate is for calls by gRPC that go on to their end";
    if (load->leave_percent > 0 && bench->stream == NULL)
        return "--direct leaves no run";
    if (load->leave_percent > 0 && load->leave_how == LOAD_LEAVE_STOP && bench->stream->stop_path == NULL)
        return "only --gateway and --workflow know StopTask";
    return NULL;
}

static enum status_code run_streams(const struct bench *bench, struct load_result *result, struct status *err)
{
    struct load_options load = bench->load;
    struct rpc_queues *queues = NULL;
    struct rpc_server *server = NULL;
    char address[32];
    enum status_code rc = rpc_queues_new(1, &queues, err);
    if (rc == STATUS_OK && bench->kind == KIND_HOP)
        rc = hop_start(queues, &server, err);
    if (rc == STATUS_OK && server != NULL) {
        (void)snprintf(address, sizeof address, "127.0.0.1:%d", rpc_server_port(server));
        load.target = address;
        load.answer = hop_answer();
    }
    if (rc == STATUS_OK)
        rc = stream_load_run(bench->stream, &load, queues, result, err);
    if (rc != STATUS_OK)
        return rc; /* the process ends: queues that never ran cannot stop a server */
    if (server != NULL)
        rpc_server_stop(server, clock_monotonic_ms());
    rpc_server_free(server);
    rpc_queues_free(queues);
    return rc;
}

static bool print_result(const struct bench *bench, const struct load_result *result)
{
    struct buf out;
    buf_init(&out, OUTPUT_BYTES_MAX);
    load_result_put_json(&out, result, bench->stream != NULL ? bench->stream->name : "direct", &bench->load);
    bool is_printed = !out.failed && fwrite(out.ptr, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    buf_fini(&out);
    return is_printed;
}

/* Direct calls have a connection each. */
static void raise_open_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files); /* up to the hard limit is always allowed */
    }
}

int main(int argc, char **argv)
{
    struct bench bench = {
        .load = {.in_flight = 1, .timeout_ms = 60000, .query = "bench", .leave_within_ms = 100, .seed = 1}};
    static struct load_result result; /* its histograms are large for a stack */
    struct status err;
    bench.load.token = getenv("HEDDLE_TOKEN");
    for (int id; (id = getopt_long(argc, argv, "", options_table, NULL)) != -1;)
        if (!read_option(&bench, id))
            return EXIT_USAGE;
    const char *missing = optind < argc ? "there is a word too many" : what_is_missing(&bench);
    if (bench.wants_help || missing != NULL) {
        (void)fprintf(bench.wants_help ? stdout : stderr, "%s%s%s\n", usage,
                      bench.wants_help ? "" : "\nload_bench: ", bench.wants_help ? "" : missing);
        return bench.wants_help ? 0 : EXIT_USAGE;
    }
    if (bench.load.count == 0 && bench.load.duration_ms == 0)
        bench.load.duration_ms = 5000;

    raise_open_files();
    enum status_code rc = load_result_init(&result, &bench.load, &err);
    if (rc == STATUS_OK)
        rc = bench.kind == KIND_DIRECT ? direct_load_run(&bench.load, &result, &err)
                                       : run_streams(&bench, &result, &err);
    if (rc != STATUS_OK) {
        (void)fprintf(stderr, "load_bench: %s\n", err.message);
        return EXIT_FAILURE;
    }
    bool is_printed = print_result(&bench, &result);
    load_result_fini(&result);
    return is_printed ? EXIT_SUCCESS : EXIT_FAILURE;
}
