/* call_metrics: see the header. */
#include "shared/rpc/call_metrics.h"

/* children. Methods of a process times the codes they end with. */
#define CALLS_MAX 600

struct visit {
    struct metric *calls;
    const char *server;
};

static void visit(void *arg, const char *method, enum status_code code, uint64_t calls)
{
    const struct visit *v = arg;
    metric_set(METRIC_CHILD(v->calls, str_c(v->server), str_c(method), str_c(status_code_name(code))),
               (int64_t)calls);
}

static void collect(void *arg)
{
    struct rpc_call_metrics *own = arg;
    for (size_t i = 0; i < own->server_count; i++) {
        struct visit v = {own->calls, own->servers[i].name};
        rpc_server_visit_ended(own->servers[i].server, visit, &v);
    }
}

enum status_code rpc_call_metrics_add(struct rpc_call_metrics *own, struct metrics *metrics,
                                      struct status *err)
{
    const struct metric_options options = {
        .name = "heddle_grpc_calls_total",
        .help = "gRPC calls that have ended, by listener, method and status code.",
        .kind = METRIC_COUNTER,
        .labels = {"listener", "method", "code"},
        .label_count = 3,
        .children_max = CALLS_MAX};
    if (metrics_add(metrics, &options, &own->calls, err) != STATUS_OK)
        return err->code;
    return metrics_collect(metrics, collect, own, err);
}
