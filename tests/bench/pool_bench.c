/*
 * Picks of a pool: what a call costs that takes a credential and gives it back, with 1, 10 and 100 credentials. Prints JSON.
 *
 *   pool_bench [--picks N] [--threads N]
 *
 * pick      a turn of one that is there at once, with its look-up, reservation and lock
 * pick_end  all of it: pick, answer, end
 * Both are medians over batches of calls in flight together: other programs take whole batches.
 */
#include "executor/model/pool.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CREDENTIALS_MAX = 100, THREADS_MAX = 64, IN_FLIGHT = 64 };

static const struct str any_model[] = {{"*", 1}};
static char names[CREDENTIALS_MAX][64];

static struct pool *make(size_t count, bool has_limits)
{
    struct store_credential_opened credentials[CREDENTIALS_MAX];
    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "01890000-0000-7000-8000-0000000000%02zu", i);
        credentials[i] = (struct store_credential_opened){
            .credential = {.workspace_id = STR("01890000-0000-7000-8000-000000000000"),
                           .credential_id = str_c(names[i]),
                           .provider = STR("openai"),
                           .name = str_c(names[i]),
                           .base_url = STR("http://models.test/v1"),
                           .models = any_model,
                           .model_count = 1,
                           .weight = 1 + (int32_t)(i % 3),
                           .requests_per_minute = has_limits ? 1000000 : 0,
                           .max_concurrent = has_limits ? 1000 : 0},
            .secret = STR("key")};
    }
    struct snapshot *snapshot;
    struct status err;
    struct pool *pool = pool_new(true, POOL_WAITING_MAX);
    const struct store_credential_set set = {credentials, count};
    if (pool == NULL || snapshot_new(&set, NULL, &snapshot, &err) != STATUS_OK)
        abort();
    pool_update(pool, snapshot, 0);
    return pool;
}

static void wake(struct pool_home *home)
{
    (void)home; /* nobody waits here */
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

struct work {
    struct pool *pool;
    size_t batches;
    double *pick_ns, *all_ns; /* of each batch, per call */
};

/* What a first call does beforehand is not timed: the list of those it has tried. */
static void prepare(struct pool_ticket *tickets, const struct pool_ask *ask, struct pool_home *home)
{
    for (size_t i = 0; i < IN_FLIGHT; i++) {
        pool_ticket_init(&tickets[i], ask, home);
        tickets[i].tried = malloc(4 * sizeof(struct standing *));
        if (tickets[i].tried == NULL)
            abort();
        tickets[i].tried_cap = 4;
    }
}

static void *work(void *arg)
{
    struct work *w = arg;
    static _Thread_local struct pool_ticket tickets[IN_FLIGHT];
    struct pool_home home;
    const struct pool_ask ask = {.workspace_id = STR("01890000-0000-7000-8000-000000000000"),
                                 .provider = STR("langgenius/openai/openai"),
                                 .model = STR("gpt-4o-mini"),
                                 .tokens = 300};
    pool_add_home(w->pool, &home, wake);
    for (size_t n = 0; n < w->batches; n++) {
        int64_t now_ms = (int64_t)n * 4;
        prepare(tickets, &ask, &home);
        int64_t began_ns = now_ns();
        for (size_t i = 0; i < IN_FLIGHT; i++) {
            if (pool_ask(w->pool, &tickets[i], now_ms) != POOL_GIVEN)
                abort();
        }
        int64_t picked_ns = now_ns();
        for (size_t i = 0; i < IN_FLIGHT; i++) {
            (void)pool_give_back(w->pool, &tickets[i], POOL_ANSWERED, NULL, 200, now_ms); /* all is well */
            pool_leave(w->pool, &tickets[i], now_ms);
        }
        w->pick_ns[n] = (double)(picked_ns - began_ns) / IN_FLIGHT;
        w->all_ns[n] = (double)(now_ns() - began_ns) / IN_FLIGHT;
    }
    pool_remove_home(w->pool, &home);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(double *list, size_t count)
{
    qsort(list, count, sizeof *list, compare);
    return list[count / 2];
}

/* Per call of one thread, while so many do the same. */
static void measure(size_t credentials, bool has_limits, size_t threads, size_t batches, const char *end)
{
    struct work works[THREADS_MAX];
    pthread_t ids[THREADS_MAX];
    struct pool *pool = make(credentials, has_limits);
    double *pick_ns = malloc(threads * batches * sizeof *pick_ns),
           *all_ns = malloc(threads * batches * sizeof *all_ns);
    if (pick_ns == NULL || all_ns == NULL)
        abort();
    for (size_t i = 0; i < threads; i++) {
        works[i] = (struct work){.pool = pool,
                                 .batches = batches,
                                 .pick_ns = pick_ns + i * batches,
                                 .all_ns = all_ns + i * batches};
        if (pthread_create(&ids[i], NULL, work, &works[i]) != 0)
            abort();
    }
    for (size_t i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    pool_free(pool);
    printf("  {\"credentials\": %zu, \"limits\": %s, \"threads\": %zu, \"pick_ns\": %.1f, \"pick_end_ns\": "
           "%.1f}%s\n",
           credentials, has_limits ? "true" : "false", threads, median(pick_ns, threads * batches),
           median(all_ns, threads * batches), end);
    free(pick_ns);
    free(all_ns);
}

int main(int argc, char **argv)
{
    static const size_t counts[] = {1, 10, 100};
    uint64_t picks = 512000, threads = 2;
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t *option = strcmp(argv[i], "--picks") == 0     ? &picks
                           : strcmp(argv[i], "--threads") == 0 ? &threads
                                                               : NULL;
        if (option == NULL || !str_to_u64(str_c(argv[i + 1]), option)) {
            fprintf(stderr, "pool_bench [--picks N] [--threads N]\n");
            return 2;
        }
    }
    threads = threads < 1 ? 1 : threads < THREADS_MAX ? threads : THREADS_MAX;
    size_t batches = picks / IN_FLIGHT + 1;
    printf("[\n");
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        measure(counts[i], false, 1, batches, ",");
        measure(counts[i], true, 1, batches, ",");
        measure(counts[i], false, threads, batches, i + 1 < ARRAY_LEN(counts) ? "," : "");
    }
    printf("]\n");
    return 0;
}
