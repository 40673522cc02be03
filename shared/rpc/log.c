/*
 * log: see log.h.
 */
#include "shared/rpc/log.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include <grpc/support/log.h>
#include <stdatomic.h>

/* The second the count is for, and lines seen in it. Two threads may both open a second; one line more does not matter. */
static _Atomic int64_t second;
static atomic_uint lines;

static void write_line(gpr_log_func_args *args);
static bool may_log(unsigned *ret_left_out);

void rpc_log_start(void)
{
    gpr_set_log_function(write_line);
    if (log_enabled(LOG_DEBUG))
        gpr_set_log_verbosity(GPR_LOG_SEVERITY_INFO);
}

static void write_line(gpr_log_func_args *args)
{
    enum log_level level = args->severity == GPR_LOG_SEVERITY_ERROR ? LOG_WARN : LOG_DEBUG;
    unsigned left_out = 0;
    if (!log_enabled(level) || !may_log(&left_out))
        return;
    if (left_out > 0)
        log_warn("grpc_lines_left_out", LOG_INT("count", left_out));
    LOG_AT(level, "grpc", LOG_C("text", args->message));
}

static bool may_log(unsigned *ret_left_out)
{
    int64_t now = clock_monotonic_ms() / 1000;
    if (atomic_exchange(&second, now) != now) {
        unsigned before = atomic_exchange(&lines, 0);
        *ret_left_out = before > RPC_LOG_LINES_PER_SECOND ? before - RPC_LOG_LINES_PER_SECOND : 0;
    }
    return atomic_fetch_add(&lines, 1) < RPC_LOG_LINES_PER_SECOND;
}
