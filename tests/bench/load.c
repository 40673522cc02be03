/* load: see the header. */
#include "tests/bench/load.h"

#include "shared/base/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const char *const end_names[LOAD_END_COUNT] = {
    [LOAD_OK] = "ok",           [LOAD_CANCELLED] = "cancelled", [LOAD_STOPPED] = "stopped",
    [LOAD_EXPIRED] = "expired", [LOAD_LIMITED] = "limited",     [LOAD_REFUSED] = "refused",
    [LOAD_FAILED] = "failed",   [LOAD_LOST] = "lost",           [LOAD_WRONG] = "wrong"};

enum status_code load_result_init(struct load_result *result, const struct load_options *options,
                                  struct status *err)
{
    *result = (struct load_result){.left_max = options->keep_left ? options->count : 0};
    if (result->left_max > LOAD_LEFT_MAX)
        result->left_max = LOAD_LEFT_MAX;
    if (result->left_max == 0)
        return STATUS_OK;
    result->left = calloc(result->left_max, sizeof *result->left);
    if (result->left == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "load: no memory");
    return STATUS_OK;
}

void load_result_fini(struct load_result *result)
{
    free(result->left);
    result->left = NULL;
}

static void read_cpu(int64_t *ret_user_us, int64_t *ret_system_us)
{
    struct rusage usage = {0};
    (void)getrusage(RUSAGE_SELF, &usage); /* cannot fail with these arguments */
    *ret_user_us = (int64_t)usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec;
    *ret_system_us = (int64_t)usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec;
}

void load_result_begin(struct load_result *result)
{
    read_cpu(&result->user_us, &result->system_us);
    result->began_us = clock_monotonic_us();
}

void load_result_end(struct load_result *result)
{
    int64_t user_us, system_us;
    result->ended_us = clock_monotonic_us();
    read_cpu(&user_us, &system_us);
    result->user_us = user_us - result->user_us;
    result->system_us = system_us - result->system_us;
}

void load_result_count(struct load_result *result, enum load_end end, const char *problem)
{
    result->ends[end]++;
    if (end >= LOAD_REFUSED && result->problem[0] == '\0')
        (void)snprintf(result->problem, sizeof result->problem, "%s: %s", end_names[end], problem);
}

uint64_t load_result_problems(const struct load_options *options, const struct load_result *result)
{
    uint64_t count = 0;
    for (int end = LOAD_REFUSED; end < LOAD_END_COUNT; end++)
        count += end == LOAD_FAILED && options->may_fail ? 0 : result->ends[end];
    return count;
}

bool load_may_start(const struct load_options *options, const struct load_result *result, int64_t now_us)
{
    if (load_result_problems(options, result) >= LOAD_PROBLEMS_MAX)
        return false;
    if (options->count > 0)
        return result->started < options->count;
    return now_us < result->began_us + options->duration_ms * 1000;
}

static void put_left(struct buf *b, const struct load_result *result)
{
    buf_put_c(b, ",\"left\":[");
    for (size_t i = 0; i < result->left_count; i++)
        buf_printf(b, "%s[%llu,%.3f]", i > 0 ? "," : "", (unsigned long long)result->left[i].number,
                   (double)result->left[i].at_us / 1000.0);
    buf_put_c(b, "]");
}

void load_result_put_json(struct buf *b, const struct load_result *result, const char *kind,
                          const struct load_options *options)
{
    int64_t took_us = result->ended_us - result->began_us;
    buf_printf(b, "{\"kind\":\"%s\",\"in_flight\":%zu,\"elapsed_us\":%lld,\"runs\":{\"started\":%llu", kind,
               options->in_flight, (long long)took_us, (unsigned long long)result->started);
    for (int end = 0; end < LOAD_END_COUNT; end++)
        buf_printf(b, ",\"%s\":%llu", end_names[end], (unsigned long long)result->ends[end]);
    buf_printf(b, "},\"runs_per_second\":%.1f",
               took_us > 0 ? (double)result->ends[LOAD_OK] * 1e6 / (double)took_us : 0.0);
    buf_printf(b, ",\"events\":%llu,\"messages\":%llu,\"answer_bytes\":%llu",
               (unsigned long long)result->events, (unsigned long long)result->messages,
               (unsigned long long)result->answer_bytes);
    buf_put_c(b, ",\"first_token_us\":");
    histogram_put_json(b, &result->first_token);
    buf_put_c(b, ",\"whole_us\":");
    histogram_put_json(b, &result->whole);
    buf_put_c(b, ",\"gap_us\":");
    histogram_put_json(b, &result->gap);
    buf_put_c(b, ",\"late_us\":");
    histogram_put_json(b, &result->late);
    buf_printf(b, ",\"segments\":{\"in\":%llu,\"out\":%llu}", (unsigned long long)result->segments_in,
               (unsigned long long)result->segments_out);
    buf_printf(b, ",\"cpu_us\":{\"user\":%lld,\"system\":%lld},\"problem\":", (long long)result->user_us,
               (long long)result->system_us);
    buf_put_json_string(b, str_c(result->problem));
    if (options->keep_left)
        put_left(b, result);
    buf_put_c(b, "}\n");
}
