/*
 * journal_bench: hands runs to a journal in this process and says what that cost, as one line of JSON; tests/bench/run uses it.
 * A run is one of a chat with three nodes (start, llm, answer): a run, 1.5 kB of nodes, a message, a conversation.
 *
 * --store FILE             a new store's; its records lie beside it
 * --durability power|process
 * --in-flight N            closed loop: so many runs at a time; or
 * --rate N                 so many runs begin each second, whatever becomes of them
 * --lasts-ms N             time between a run's beginning and its end (default 0: one row, written once)
 * --seconds N
 *
 * durable_us is the time from handing in an end to its callback. CPU time is the whole process's; the part of the thread that
 * makes the load and hands it in is named as well.
 * Exit code: 1 when a run was not durable.
 */
#include "shared/base/clock.h"
#include "shared/base/uuid.h"
#include "shared/store/instance.h"
#include "shared/store/journal.h"
#include "tests/bench/histogram.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { RUNS_MAX = 65536 }; /* runs on their way at a time */
enum { NODES = 3, NODE_BYTES = 500 };

struct options {
    const char *store;
    enum journal_durability durability;
    long in_flight, rate, lasts_ms, seconds;
};

struct run {
    struct journal_run place;
    int64_t end_at_us, ended_us; /* when its end is due; was handed in */
    char id[UUID_TEXT_LEN + 1], message_id[UUID_TEXT_LEN + 1], conversation_id[UUID_TEXT_LEN + 1];
    struct run *next;
};

struct bench {
    struct options options;
    struct journal *journal;
    char app_id[UUID_TEXT_LEN + 1], version_id[UUID_TEXT_LEN + 1];
    char node[NODE_BYTES], text[256];
    struct run *runs;
    size_t made;                        /* of `runs` */
    struct run *begun_head, *begun_end; /* in the order their ends are due */
    size_t started;
    /* The writer's thread and ours. */
    pthread_mutex_t lock;
    pthread_cond_t is_freed;
    struct run *free_runs;
    size_t open_runs, failed;
    struct histogram durable;
};
static struct bench bench;

static void run_ended(struct journal_run *place, enum journal_outcome outcome)
{
    struct run *run = CONTAINER_OF(place, struct run, place);
    pthread_mutex_lock(&bench.lock);
    histogram_add(&bench.durable, clock_monotonic_us() - run->ended_us);
    bench.failed += outcome != JOURNAL_DURABLE;
    run->next = bench.free_runs;
    bench.free_runs = run;
    bench.open_runs--;
    pthread_cond_signal(&bench.is_freed);
    pthread_mutex_unlock(&bench.lock);
}

static const struct journal_ops ops = {.ended = run_ended};

static bool begin_run(void)
{
    pthread_mutex_lock(&bench.lock);
    struct run *run = bench.free_runs;
    if (run != NULL)
        bench.free_runs = run->next;
    else if (bench.made < RUNS_MAX)
        run = &bench.runs[bench.made++];
    bench.open_runs += run != NULL;
    pthread_mutex_unlock(&bench.lock);
    if (run == NULL)
        return false;
    *run = (struct run){.place.ops = &ops};
    uuid_format(uuid_v7(), run->id);
    uuid_format(uuid_v7(), run->message_id);
    uuid_format(uuid_v7(), run->conversation_id);
    int64_t now_ms = clock_wall_ms();
    const struct journal_begin begin = {.workspace_id = STR("default"),
                                        .run_id = str_c(run->id),
                                        .app_id = str_c(bench.app_id),
                                        .version_id = str_c(bench.version_id),
                                        .end_user_id = str_c(bench.app_id),
                                        .user = STR("user-1"),
                                        .end_user_type = STR("service-api"),
                                        .mode = STORE_APP_CHAT,
                                        .record = STORE_RECORD_FULL,
                                        .version_number = 1,
                                        .attempt = 1,
                                        .created_at_ms = now_ms,
                                        .inputs = str_c(bench.text),
                                        .conversation_id = str_c(run->conversation_id),
                                        .message_id = str_c(run->message_id),
                                        .conversation_is_new = true,
                                        .message_inputs = STR("{}"),
                                        .query = STR("What is the capital of France?")};
    if (!journal_begin(bench.journal, &run->place, &begin))
        return false;
    run->end_at_us = clock_monotonic_us() + bench.options.lasts_ms * 1000;
    *(bench.begun_head == NULL ? &bench.begun_head : &bench.begun_end->next) = run;
    bench.begun_end = run;
    bench.started++;
    return true;
}

static bool end_due_runs(int64_t now_us)
{
    while (bench.begun_head != NULL && bench.begun_head->end_at_us <= now_us) {
        struct run *run = bench.begun_head;
        bench.begun_head = run->next;
        int64_t now_ms = clock_wall_ms();
        const struct journal_end end = {.status = 2,
                                        .end_reason = 1,
                                        .finished_at_ms = now_ms,
                                        .elapsed_ms = bench.options.lasts_ms,
                                        .total_tokens = 30,
                                        .total_steps = NODES,
                                        .outputs = str_c(bench.text),
                                        .usage = {bench.text, 80},
                                        .answer = str_c(bench.text)};
        for (int i = 0; i < NODES; i++)
            (void)journal_nodes(bench.journal, &run->place, (struct str){bench.node, sizeof bench.node});
        run->ended_us = clock_monotonic_us();
        if (!journal_end(bench.journal, &run->place, &end))
            return false;
    }
    return true;
}

/* Until that moment, or until a run has ended. */
static void rest_until(int64_t at_us, bool wakes_for_runs)
{
    const struct timespec until = {at_us / 1000000, at_us % 1000000 * 1000};
    if (!wakes_for_runs) {
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        return;
    }
    pthread_mutex_lock(&bench.lock);
    if (bench.open_runs >= (size_t)bench.options.in_flight)
        pthread_cond_timedwait(&bench.is_freed, &bench.lock, &until);
    pthread_mutex_unlock(&bench.lock);
}

static bool has_room(void)
{
    pthread_mutex_lock(&bench.lock);
    bool has = bench.open_runs < (size_t)bench.options.in_flight;
    pthread_mutex_unlock(&bench.lock);
    return has;
}

static size_t open_runs(void)
{
    pthread_mutex_lock(&bench.lock);
    size_t count = bench.open_runs;
    pthread_mutex_unlock(&bench.lock);
    return count;
}

static int64_t file_bytes(const char *suffix)
{
    char path[4096];
    struct stat file;
    const char *dot = strrchr(bench.options.store, '.');
    int stem = (int)(dot - bench.options.store);
    snprintf(path, sizeof path, "%.*s.records%s%s", stem, bench.options.store, dot, suffix);
    return stat(path, &file) == 0 ? file.st_size : 0;
}

/* Makes the load; gives the size its log file had at most, or -1 when something could not be handed in. */
static int64_t load(void)
{
    const struct options *o = &bench.options;
    int64_t from_us = clock_monotonic_us(), until_us = from_us + o->seconds * 1000000, log_bytes = 0;
    int64_t looked_us = 0;
    for (int64_t now_us = from_us; now_us < until_us; now_us = clock_monotonic_us()) {
        if (now_us - looked_us > 100000) {
            int64_t bytes = file_bytes("-wal");
            log_bytes = bytes > log_bytes ? bytes : log_bytes;
            looked_us = now_us;
        }
        bool is_closed_loop = o->in_flight > 0;
        int64_t due = is_closed_loop ? INT64_MAX : (now_us - from_us) * o->rate / 1000000;
        while ((int64_t)bench.started < due && (!is_closed_loop || has_room())) {
            if (!begin_run())
                return -1;
        }
        if (!end_due_runs(now_us))
            return -1;
        int64_t next_us = is_closed_loop ? now_us + 10000 : from_us + (due + 1) * 1000000 / o->rate;
        if (bench.begun_head != NULL && bench.begun_head->end_at_us < next_us)
            next_us = bench.begun_head->end_at_us;
        rest_until(next_us, is_closed_loop);
    }
    while (bench.begun_head != NULL) {
        if (!end_due_runs(INT64_MAX))
            return -1;
    }
    while (open_runs() > 0)
        rest_until(clock_monotonic_us() + 1000, false);
    return log_bytes;
}

static int64_t cpu_us(clockid_t whose)
{
    struct timespec now;
    (void)clock_gettime(whose, &now); /* cannot fail with these arguments */
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int measure(void)
{
    int64_t before_bytes = file_bytes(""), from_us = clock_monotonic_us();
    int64_t all_us = cpu_us(CLOCK_PROCESS_CPUTIME_ID), own_us = cpu_us(CLOCK_THREAD_CPUTIME_ID);
    int64_t log_bytes = load();
    int64_t took_us = clock_monotonic_us() - from_us;
    all_us = cpu_us(CLOCK_PROCESS_CPUTIME_ID) - all_us;
    own_us = cpu_us(CLOCK_THREAD_CPUTIME_ID) - own_us;
    struct journal_stats stats = journal_stats(bench.journal);
    journal_close(bench.journal);
    if (log_bytes < 0) {
        fputs("journal_bench: no memory\n", stderr);
        return 1;
    }
    struct buf out;
    buf_init(&out, 1 << 20);
    double runs = (double)(bench.durable.count > 0 ? bench.durable.count : 1);
    buf_printf(&out, "{\"runs\":%llu,\"not_durable\":%zu,\"elapsed_us\":%lld,\"runs_per_second\":%.1f,",
               (unsigned long long)bench.durable.count, bench.failed, (long long)took_us,
               runs * 1e6 / (double)took_us);
    buf_printf(&out, "\"cpu_us_per_run\":%.2f,\"maker_cpu_us_per_run\":%.2f,", (double)all_us / runs,
               (double)own_us / runs);
    buf_printf(&out, "\"commits\":%llu,\"runs_per_commit\":%.2f,\"bytes_per_run\":%.1f,",
               (unsigned long long)stats.commits, runs / (double)stats.commits,
               (double)(file_bytes("") - before_bytes) / runs);
    buf_printf(&out, "\"log_bytes_max\":%lld,\"durable_us\":", (long long)log_bytes);
    histogram_put_json(&out, &bench.durable);
    printf("%.*s}\n", STR_ARG(buf_str(&out)));
    buf_fini(&out);
    return bench.failed > 0;
}

static bool parse(int argc, char **argv)
{
    static const struct option names[] = {{"store", required_argument, NULL, 's'},
                                          {"durability", required_argument, NULL, 'd'},
                                          {"in-flight", required_argument, NULL, 'n'},
                                          {"rate", required_argument, NULL, 'r'},
                                          {"lasts-ms", required_argument, NULL, 'l'},
                                          {"seconds", required_argument, NULL, 't'},
                                          {NULL, 0, NULL, 0}};
    struct options *o = &bench.options;
    o->seconds = 5;
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (option) {
        case 's':
            o->store = optarg;
            break;
        case 'd':
            o->durability = strcmp(optarg, "process") == 0 ? JOURNAL_PROCESS : JOURNAL_POWER;
            break;
        case 'n':
            o->in_flight = strtol(optarg, NULL, 10);
            break;
        case 'r':
            o->rate = strtol(optarg, NULL, 10);
            break;
        case 'l':
            o->lasts_ms = strtol(optarg, NULL, 10);
            break;
        case 't':
            o->seconds = strtol(optarg, NULL, 10);
            break;
        default:
            return false;
        }
    }
    return o->store != NULL && strchr(o->store, '.') != NULL && (o->in_flight > 0) != (o->rate > 0) &&
           o->in_flight <= RUNS_MAX;
}

int main(int argc, char **argv)
{
    struct status err;
    char url[4096];
    int from, to;
    if (!parse(argc, argv)) {
        fputs("usage: journal_bench --store FILE.db (--in-flight N | --rate N) [--durability power|process]\n"
              "                     [--lasts-ms N] [--seconds N]\n",
              stderr);
        return 2;
    }
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&bench.lock, NULL);
    pthread_cond_init(&bench.is_freed, &clock);
    snprintf(url, sizeof url, "sqlite:%s", bench.options.store);
    uuid_format(uuid_v7(), bench.app_id);
    uuid_format(uuid_v7(), bench.version_id);
    memset(bench.node, 'n', sizeof bench.node);
    snprintf(bench.text, sizeof bench.text, "{\"text\":\"%.*s\"}", 180, bench.node);
    bench.runs = calloc(RUNS_MAX, sizeof *bench.runs);
    const struct journal_options options = {
        .url = url, .durability = bench.options.durability, .instance = 1};
    if (bench.runs == NULL || store_migrate(url, STORE_RECORDS, &from, &to, &err) != STATUS_OK ||
        journal_open(&options, &bench.journal, &err) != STATUS_OK) {
        fprintf(stderr, "journal_bench: %s\n", bench.runs == NULL ? "no memory" : err.message);
        return 1;
    }
    int code = measure();
    free(bench.runs);
    return code;
}
