/* doctor: see the header. */
#include "shared/otlp/doctor.h"

#include "shared/http/client.h"
#include "shared/otlp/settings.h"
#include "shared/rpc/doctor.h"
#include <stdlib.h>

struct check {
    struct http_client *client;
    struct status status;
};

static void check_data(void *arg, struct str bytes)
{
    (void)arg;
    (void)bytes; /* only the status counts */
}

static void check_done(void *arg, const struct http_result *result)
{
    struct check *check = arg;
    if (result->outcome != HTTP_ANSWERED)
        status_set(&check->status, STATUS_UNAVAILABLE, "%s", result->words);
    else if (result->status < 200 || result->status > 299)
        status_set(&check->status, STATUS_UNAVAILABLE, "it answers with status %d", result->status);
    else
        check->status.code = STATUS_OK;
}

static enum status_code ask(const struct otlp_options *options, struct status *err)
{
    static const struct http_handler handler = {.data = check_data, .done = check_done};
    uv_loop_t loop;
    struct check check = {.status.code = STATUS_UNKNOWN};
    struct http_headers *headers = NULL;
    struct http_transfer *transfer;
    if (uv_loop_init(&loop) != 0)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "no files");
    const struct http_client_options http = {.loop = &loop, .ca_file = options->ca_file};
    char *url = otlp_url(options->endpoint);
    enum status_code rc = otlp_headers(options->headers, &headers, err);
    if (rc == STATUS_OK && url == NULL)
        rc = status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory");
    if (rc == STATUS_OK)
        rc = http_client_new(&http, &check.client, err);
    const struct http_request request = {
        .method = "POST", .url = url, .headers = headers, .total_ms = OTLP_REQUEST_MS};
    if (rc == STATUS_OK)
        rc = http_start(check.client, &request, NULL, &handler, &check, &transfer, err);
    while (rc == STATUS_OK && check.status.code == STATUS_UNKNOWN)
        uv_run(&loop, UV_RUN_ONCE);
    http_client_close(check.client);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    http_headers_unref(headers);
    free(url);
    if (rc != STATUS_OK)
        return rc;
    *err = check.status;
    return err->code;
}

int otlp_doctor(const struct otlp_options *options)
{
    struct status err = {.code = STATUS_OK};
    if (options->endpoint == NULL)
        return 0;
    err.code = http_global_init(&err);
    if (err.code == STATUS_OK) {
        err.code = ask(options, &err);
        http_global_fini();
    }
    return doctor_line("the collector of traces answers", &err,
                       "start it, or change --otlp_endpoint or otlp_headers");
}
