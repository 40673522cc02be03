/* monitor: see the header. */
#include "shared/http/monitor.h"

#include "shared/base/process_metrics.h"
#include "shared/http/listener.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void write_metrics(void *arg, struct http_page *page)
{
    struct monitor *monitor = arg;
    page->content_type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_write(monitor->metrics, &page->body);
}

static void write_health(void *arg, struct http_page *page)
{
    struct monitor *monitor = arg;
    monitor->alive(monitor->arg, &page->body);
    if (page->body.len > 0)
        page->status = 503;
    else
        buf_put_c(&page->body, "alive\n");
}

static void write_readiness(void *arg, struct http_page *page)
{
    struct monitor *monitor = arg;
    if (readiness_put(&monitor->readiness, &page->body)) {
        buf_put_c(&page->body, "ready\n");
        return;
    }
    page->status = 503;
    if (page->body.len > 0 && page->body.ptr[page->body.len - 1] != '\n')
        buf_put_char(&page->body, '\n');
}

static const struct http_route routes[] = {
    {"/metrics", write_metrics}, {"/healthz", write_health}, {"/readyz", write_readiness}};

static void collect(void *arg)
{
    struct monitor *monitor = arg;
    metric_set(metric_only(monitor->ready), readiness_is_ready(&monitor->readiness));
}

enum status_code monitor_new(const char *component, struct monitor **ret_monitor, struct status *err)
{
    const struct metric_options ready = {
        .name = "heddle_ready", .help = "1: the process may be given work.", .kind = METRIC_GAUGE};
    struct monitor *monitor = calloc(1, sizeof *monitor);
    if (monitor == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "monitor: out of memory");
    readiness_init(&monitor->readiness);
    if (metrics_new(&monitor->metrics, err) != STATUS_OK ||
        process_metrics_add(monitor->metrics, component, err) != STATUS_OK ||
        metrics_add(monitor->metrics, &ready, &monitor->ready, err) != STATUS_OK ||
        metrics_collect(monitor->metrics, collect, monitor, err) != STATUS_OK) {
        monitor_free(monitor);
        return err->code;
    }
    *ret_monitor = monitor;
    return STATUS_OK;
}

static bool is_off(const char *address)
{
    return address == NULL || address[0] == '\0' || strcmp(address, "none") == 0;
}

enum status_code monitor_listen(struct monitor *monitor, const char *address,
                                void (*alive)(void *arg, struct buf *words), void *arg, struct status *err)
{
    const struct http_server_options options = {
        .address = address, .routes = routes, .route_count = ARRAY_LEN(routes), .arg = monitor};
    monitor->alive = alive;
    monitor->arg = arg;
    if (is_off(address))
        return STATUS_OK;
    return http_server_new(&options, &monitor->server, err);
}

enum status_code monitor_check_address(const char *address, struct status *err)
{
    int fd, port;
    err->code = STATUS_OK;
    if (is_off(address) || listener_open(address, &fd, &port, err) != STATUS_OK)
        return err->code;
    close(fd);
    if (str_starts(str_c(address), STR("unix:")))
        (void)unlink(address + strlen("unix:"));
    return STATUS_OK;
}

void monitor_tick(struct monitor *monitor, int64_t now_ms)
{
    if (monitor->server != NULL)
        http_server_tick(monitor->server, now_ms);
}

void monitor_close(struct monitor *monitor)
{
    if (monitor == NULL)
        return;
    http_server_free(monitor->server);
    monitor->server = NULL;
}

void monitor_free(struct monitor *monitor)
{
    if (monitor == NULL)
        return;
    monitor_close(monitor);
    metrics_free(monitor->metrics);
    readiness_fini(&monitor->readiness);
    free(monitor);
}
