/*
 * engine_bench: runs graphs in this process, without network and without a store, and says what that cost; engine.py uses it.
 * Tasks come from stdin, one JSON object a line; for each, one line of JSON goes to stdout.
 *
 *   {"task": "run", "dsl", "inputs", "query", "max_steps", "rounds"}
 *       so many runs, one after the other, of a model that answers at once:
 *       {"cpu_us": of one run, "turn_us": of the longest run_advance(), "compile_us", "events": of one run, "outputs"}
 *   {"task": "wait", "dsl", "query", "rounds"}
 *       so many runs whose model does not answer: {"rss_bytes", "heap_bytes"}, of one run
 *   {"task": "json", "path", "rounds"}
 *       a JSON file: {"parse_us", "text_us", "encode_us", "value_bytes", "text_sha256", "encoded_sha256"}
 *
 * Times are CPU time, which other load on the machine changes little. Ends with 1 when a run does not succeed.
 */
#include "executor/run/run.h"
#include "executor/value/form.h"
#include "executor/value/parse.h"
#include "shared/base/clock.h"
#include "shared/base/crypto.h"
#include "shared/base/uuid.h"
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { CALLS_MAX = 4096 };               /* model calls of a task that are open at a time */
enum { TEXT_BYTES_MAX = 256 << 20 };     /* of a file or a text made of it */
enum { TURN_STEPS = 32, TURN_US = 500 }; /* as the executor gives them */

static const char *const words[] = {"one",  " two",   " three", " four", " five",
                                    " six", " seven", " eight", " nine", " ten"};

struct call { /* of the model */
    struct model_callbacks callbacks;
    void *arg;
    bool is_open;
};
struct bench {
    struct graph *graph;
    struct run_params params;
    struct call calls[CALLS_MAX];
    size_t call_count;
    bool is_awake, has_succeeded;
    uint64_t events;
    bool times_turns;    /* each costs a system call */
    int64_t turn_us;     /* CPU time of the longest one */
    struct buf *outputs; /* gets those of the next run; NULL: nobody wants them */
    char error[256];     /* of a run that did not succeed */
};

/* --- the host of the runs --- */

static void on_emit(void *arg, struct run *run, const struct run_event *event)
{
    struct bench *bench = arg;
    (void)run;
    bench->events++;
    if (event->kind != EVENT_WORKFLOW_FINISHED)
        return;
    const struct event_finished *end = &event->finished;
    bench->has_succeeded = end->status == RUN_STATUS_SUCCEEDED;
    if (!bench->has_succeeded)
        (void)snprintf(bench->error, sizeof bench->error, "a run did not succeed: %.*s", STR_ARG(end->error));
    if (bench->outputs != NULL)
        value_put_json(bench->outputs, end->outputs, JSON_COMPACT, false);
}

static struct model_call *on_model_start(void *arg, struct run *run, const struct model_request *request,
                                         const struct model_callbacks *callbacks, void *callback_arg,
                                         struct status *err)
{
    struct bench *bench = arg;
    (void)run;
    (void)request;
    if (bench->call_count == CALLS_MAX) {
        status_set(err, STATUS_RESOURCE_EXHAUSTED, "too many calls");
        return NULL;
    }
    struct call *call = &bench->calls[bench->call_count++];
    *call = (struct call){.callbacks = *callbacks, .arg = callback_arg, .is_open = true};
    return (struct model_call *)call;
}

static void on_model_cancel(void *arg, struct run *run, struct model_call *call)
{
    (void)arg;
    (void)run;
    ((struct call *)call)->is_open = false;
}

static void on_timer_start(void *arg, struct run *run, int64_t at_ms)
{
    (void)arg; /* no run of the bench lasts until its time limit */
    (void)run;
    (void)at_ms;
}

static void on_wake(void *arg, struct run *run)
{
    (void)run;
    ((struct bench *)arg)->is_awake = true;
}

static int64_t on_now_us(void *arg)
{
    (void)arg;
    return clock_monotonic_us();
}

static void on_new_id(void *arg, char text[UUID_TEXT_LEN + 1])
{
    (void)arg;
    uuid_format(uuid_v7(), text);
}

static const struct run_host host = {.emit = on_emit,
                                     .model_start = on_model_start,
                                     .model_cancel = on_model_cancel,
                                     .timer_start = on_timer_start,
                                     .wake = on_wake,
                                     .now_us = on_now_us,
                                     .new_id = on_new_id};

static int64_t cpu_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now); /* cannot fail with these arguments */
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static enum run_progress go(struct bench *bench, struct run *run)
{
    enum run_progress progress;
    do {
        int64_t before_us = bench->times_turns ? cpu_us() : 0;
        bench->is_awake = false;
        progress = run_advance(run, TURN_STEPS, TURN_US);
        int64_t took_us = bench->times_turns ? cpu_us() - before_us : 0;
        if (took_us > bench->turn_us)
            bench->turn_us = took_us;
    } while (progress == RUN_MORE || (progress == RUN_IDLE && bench->is_awake));
    return progress;
}

/* The oldest call says its words and is done. False: there is none. */
static bool answer_next(struct bench *bench, size_t *next)
{
    while (*next < bench->call_count && !bench->calls[*next].is_open)
        ++*next;
    if (*next == bench->call_count)
        return false;
    struct call *call = &bench->calls[*next];
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        call->callbacks.text(call->arg, str_c(words[i]));
    call->is_open = false;
    call->callbacks.done(call->arg,
                         &(struct model_reply){.usage = {.prompt_tokens = 10, .completion_tokens = 10},
                                               .finish_reason = STR("stop")});
    return true;
}

/* --- tasks --- */

static enum status_code open_graph(struct bench *bench, const struct value *task, struct status *err)
{
    struct graph_report report;
    graph_report_init(&report);
    enum status_code rc =
        graph_compile(value_get_text(task, "dsl", (struct str){0}), false, &report, &bench->graph, err);
    graph_report_fini(&report);
    if (rc != STATUS_OK)
        return rc;
    bench->params = (struct run_params){.graph = bench->graph,
                                        .run_id = STR("run-1"),
                                        .app_id = STR("app-1"),
                                        .workflow_id = STR("version-1"),
                                        .user = STR("user-1"),
                                        .end_user_id = STR("end-user-1"),
                                        .query = value_get_text(task, "query", (struct str){0}),
                                        .dialogue_count = 1,
                                        .inputs = value_get_c(task, "inputs"),
                                        .wall_ms = clock_wall_ms(),
                                        .limits.max_steps = (int32_t)value_get_int(task, "max_steps", 0)};
    if (bench->graph->mode == APP_MODE_CHATFLOW) {
        bench->params.conversation_id = STR("conversation-1");
        bench->params.message_id = STR("message-1");
    }
    return STATUS_OK;
}

static enum status_code run_once(struct bench *bench, struct status *err)
{
    struct run *run = NULL;
    size_t next = 0;
    bench->call_count = 0;
    bench->has_succeeded = false;
    enum status_code rc = run_new(&bench->params, &host, bench, &run, err);
    if (rc != STATUS_OK)
        return rc;
    while (go(bench, run) != RUN_ENDED && answer_next(bench, &next))
        ;
    run_free(run);
    return bench->has_succeeded ? STATUS_OK : status_set(err, STATUS_INTERNAL, "%s", bench->error);
}

static enum status_code measure_runs(struct bench *bench, const struct value *task, struct buf *out,
                                     struct status *err)
{
    int64_t rounds = value_get_int(task, "rounds", 1), before_us = cpu_us();
    enum status_code rc = open_graph(bench, task, err);
    int64_t compile_us = cpu_us() - before_us;
    buf_printf(out, "{\"compile_us\":%lld,\"outputs\":", (long long)compile_us);
    bench->outputs = out; /* the first run warms up, too */
    if (rc == STATUS_OK)
        rc = run_once(bench, err);
    bench->outputs = NULL;
    bench->events = 0;
    before_us = cpu_us();
    for (int64_t i = 0; rc == STATUS_OK && i < rounds; i++)
        rc = run_once(bench, err);
    int64_t took_us = cpu_us() - before_us;
    double events = (double)bench->events / (double)rounds;
    bench->times_turns = true;
    if (rc == STATUS_OK)
        rc = run_once(bench, err);
    buf_printf(out, ",\"cpu_us\":%.3f,\"events\":%.1f,\"turn_us\":%lld}", (double)took_us / (double)rounds,
               events, (long long)bench->turn_us);
    return rc;
}

static size_t rss_bytes(void)
{
    char text[128];
    uint64_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL)
        return 0;
    size_t len = fread(text, 1, sizeof text, file);
    (void)fclose(file); /* only read */
    struct str line = {text, len};
    size_t from = str_find(line, STR(" "), 0), to = str_find(line, STR(" "), from + 1);
    return str_to_u64(str_sub(line, from + 1, to), &pages) ? pages * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static enum status_code hold_runs(struct bench *bench, struct run **runs, size_t count, struct buf *out,
                                  struct status *err)
{
    size_t heap = heap_bytes(), rss = rss_bytes();
    for (size_t i = 0; i < count; i++) {
        enum status_code rc = run_new(&bench->params, &host, bench, &runs[i], err);
        if (rc != STATUS_OK)
            return rc;
        if (go(bench, runs[i]) != RUN_IDLE)
            return status_set(err, STATUS_INTERNAL, "a run did not wait for its model");
    }
    buf_printf(out, "{\"rss_bytes\":%.1f,\"heap_bytes\":%.1f}", (double)(rss_bytes() - rss) / (double)count,
               (double)(heap_bytes() - heap) / (double)count);
    return STATUS_OK;
}

static enum status_code measure_waiting(struct bench *bench, const struct value *task, struct buf *out,
                                        struct status *err)
{
    int64_t count = value_get_int(task, "rounds", 1);
    if (count < 1 || count > CALLS_MAX)
        return status_set(err, STATUS_INVALID_ARGUMENT, "rounds: from 1 to %d", CALLS_MAX);
    enum status_code rc = open_graph(bench, task, err);
    for (int i = 0; rc == STATUS_OK && i < CALLS_MAX;
         i++) /* touches all of `calls`, so that it does not count */
        bench->calls[i] = (struct call){.arg = bench};
    if (rc == STATUS_OK)
        rc = run_once(bench, err);
    struct run **runs = calloc((size_t)count, sizeof *runs);
    if (runs == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory");
    bench->call_count = 0;
    if (rc == STATUS_OK)
        rc = hold_runs(bench, runs, (size_t)count, out, err);
    for (int64_t i = 0; i < count; i++)
        run_free(runs[i]);
    free(runs);
    return rc;
}

static enum status_code read_file(const char *path, struct buf *ret, struct status *err)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return status_set(err, STATUS_NOT_FOUND, "%s cannot be opened", path);
    while (buf_reserve(ret, 1 << 20)) {
        size_t n = fread(ret->ptr + ret->len, 1, 1 << 20, file);
        ret->len += n;
        if (n == 0)
            break;
    }
    (void)fclose(file); /* only read */
    return ret->failed ? status_set(err, STATUS_RESOURCE_EXHAUSTED, "%s is too long", path) : STATUS_OK;
}

static void put_sha256(struct buf *out, const struct buf *text)
{
    uint8_t hash[SHA256_BYTES];
    sha256(buf_str(text), hash);
    hex_put(out, hash, sizeof hash);
}

static struct value *lookup_value(void *v, const struct selector *selector)
{
    (void)selector; /* there is only one */
    return v;
}

struct json_cost {
    int64_t parse_us, text_us, encode_us;
    size_t value_bytes;
    struct buf text, encoded; /* of the last round */
};

static enum status_code json_round(struct str json, const struct template *t, struct json_cost *cost,
                                   struct status *err)
{
    struct value_account account = {.max = LIMIT_RUN_BYTES};
    struct value *v = NULL;
    buf_fini(&cost->text);
    buf_fini(&cost->encoded);
    int64_t begin_us = cpu_us();
    enum status_code rc = value_parse_json(&account, json, &v, err);
    int64_t parsed_us = cpu_us();
    cost->value_bytes = account.used;
    if (rc != STATUS_OK)
        return rc;
    template_render(t, TEMPLATE_TEXT, lookup_value, v, &cost->text);
    int64_t rendered_us = cpu_us();
    value_put_json(&cost->encoded, v, JSON_COMPACT, false);
    int64_t encoded_us = cpu_us();
    value_unref(v);
    cost->parse_us += parsed_us - begin_us;
    cost->text_us += rendered_us - parsed_us;
    cost->encode_us += encoded_us - rendered_us;
    return cost->text.failed || cost->encoded.failed ? status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory")
                                                     : STATUS_OK;
}

static enum status_code measure_json(const struct value *task, struct buf *out, struct status *err)
{
    int64_t rounds = value_get_int(task, "rounds", 1);
    struct buf json;
    struct arena arena;
    struct template t;
    struct json_cost cost = {0};
    buf_init(&json, TEXT_BYTES_MAX);
    buf_init(&cost.text, TEXT_BYTES_MAX);
    buf_init(&cost.encoded, TEXT_BYTES_MAX);
    arena_init(&arena, 1 << 20);
    enum status_code rc = read_file(value_text(value_get_c(task, "path")).ptr, &json, err);
    if (rc == STATUS_OK)
        rc = template_parse(&arena, STR("{{#start.value#}}"), &t, err);
    for (int64_t i = 0; rc == STATUS_OK && i < rounds; i++)
        rc = json_round(buf_str(&json), &t, &cost, err);
    if (rc == STATUS_OK) {
        buf_printf(
            out,
            "{\"parse_us\":%.1f,\"text_us\":%.1f,\"encode_us\":%.1f,\"value_bytes\":%zu,\"text_sha256\":\"",
            (double)cost.parse_us / (double)rounds, (double)cost.text_us / (double)rounds,
            (double)cost.encode_us / (double)rounds, cost.value_bytes);
        put_sha256(out, &cost.text);
        buf_put_c(out, "\",\"encoded_sha256\":\"");
        put_sha256(out, &cost.encoded);
        buf_put_c(out, "\"}");
    }
    arena_fini(&arena);
    buf_fini(&cost.text);
    buf_fini(&cost.encoded);
    buf_fini(&json);
    return rc;
}

static enum status_code do_task(struct str line, struct buf *out, struct status *err)
{
    static struct bench bench; /* large for a stack */
    struct value *task = NULL;
    enum status_code rc = value_parse_json(NULL, line, &task, err);
    if (rc != STATUS_OK)
        return rc;
    struct str what = value_get_text(task, "task", (struct str){0});
    bench = (struct bench){0};
    if (str_eq_c(what, "run"))
        rc = measure_runs(&bench, task, out, err);
    else if (str_eq_c(what, "wait"))
        rc = measure_waiting(&bench, task, out, err);
    else if (str_eq_c(what, "json"))
        rc = measure_json(task, out, err);
    else
        rc = status_set(err, STATUS_INVALID_ARGUMENT, "no such task");
    graph_unref(bench.graph);
    value_unref(task);
    return rc;
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    struct buf out;
    struct status err = {0};
    enum status_code rc = STATUS_OK;
    buf_init(&out, TEXT_BYTES_MAX);
    for (ssize_t len; rc == STATUS_OK && (len = getline(&line, &cap, stdin)) > 0;) {
        buf_clear(&out);
        rc = do_task((struct str){line, (size_t)len}, &out, &err);
        if (rc == STATUS_OK &&
            (out.failed || printf("%.*s\n", STR_ARG(buf_str(&out))) < 0 || fflush(stdout) != 0))
            rc = status_set(&err, STATUS_INTERNAL, "nothing can be written");
    }
    if (rc != STATUS_OK)
        (void)fprintf(stderr, "engine_bench: %s\n", err.message);
    buf_fini(&out);
    free(line);
    return rc == STATUS_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
