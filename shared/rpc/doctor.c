/* doctor: see the header. */
#include "shared/rpc/doctor.h"

#include "grpc/health/v1/health.pb-c.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/rpc/blocking.h"
#include "shared/rpc/server.h"
#include "shared/rpc/slice.h"
#include <stdio.h>

/* bytes. Nothing is received; some limit has to be named. */
#define MESSAGE_BYTES_MAX 65536
/* files. Some thousand model connections. */
#define FILES_MIN 4096
/* ms. A living executor answers within one. */
#define HEALTH_MS 2000

int doctor_line(const char *what, const struct status *status, const char *mend)
{
    bool is_fine = status->code == STATUS_OK;
    printf("%-4s  %s%s%s\n", is_fine ? "ok" : "FAIL", what, is_fine ? "" : ": ",
           is_fine ? "" : status->message);
    if (!is_fine)
        printf("      mend: %s\n", mend);
    return is_fine ? 0 : 1;
}

int doctor_files(int64_t files)
{
    struct status err = {.code = STATUS_OK};
    if (files < FILES_MIN)
        status_set(&err, STATUS_RESOURCE_EXHAUSTED, "only %lld files may be open", (long long)files);
    return doctor_line("enough files may be open", &err, "raise the hard limit: ulimit -Hn 65536");
}

enum status_code doctor_check_address(const char *address, struct status *err)
{
    struct rpc_queues *queues = NULL;
    struct rpc_server *server = NULL;
    const struct rpc_server_options options = {.address = address, .message_bytes_max = MESSAGE_BYTES_MAX};
    enum status_code rc = rpc_queues_new(1, &queues, err);
    if (rc == STATUS_OK)
        rc = rpc_queues_start(queues, err);
    if (rc == STATUS_OK)
        rc = rpc_server_new(queues, &options, &server, err);
    if (rc == STATUS_OK)
        rc = rpc_server_start(server, err);
    if (server != NULL)
        rpc_server_stop(server, 0);
    rpc_server_free(server);
    rpc_queues_free(queues);
    return rc;
}

static enum status_code ask_health(struct rpc_channel *channel, struct rpc_queues *queues, struct status *err)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    const struct rpc_client_args args = {.queue = rpc_queues_at(queues, 0),
                                         .deadline_ms = clock_monotonic_ms() + HEALTH_MS};
    grpc_slice reply;
    if (rpc_blocking_unary(channel, &args, rpc_slice_pack(&request.base), &reply, err) != STATUS_OK)
        return err->code;
    struct str bytes = rpc_slice_str(&reply);
    Grpc__Health__V1__HealthCheckResponse *response =
        grpc__health__v1__health_check_response__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
    bool is_serving = response != NULL &&
                      response->status == GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    if (response != NULL)
        grpc__health__v1__health_check_response__free_unpacked(response, NULL);
    grpc_slice_unref(reply);
    return is_serving ? STATUS_OK : status_set(err, STATUS_UNAVAILABLE, "it answers, but is not serving");
}

enum status_code doctor_check_serving(const char *target, const char *bearer, struct status *err)
{
    static const struct rpc_client_method methods[] = {
        {"/grpc.health.v1.Health/Check", &grpc__health__v1__health_check_response__descriptor},
    };
    struct rpc_queues *queues = NULL;
    struct rpc_channel *channel = NULL;
    const struct rpc_channel_options options = {.target = target,
                                                .methods = methods,
                                                .method_count = ARRAY_LEN(methods),
                                                .message_bytes_max = MESSAGE_BYTES_MAX,
                                                .bearer = bearer};
    enum status_code rc = rpc_queues_new(1, &queues, err);
    if (rc == STATUS_OK)
        rc = rpc_queues_start(queues, err);
    if (rc == STATUS_OK)
        rc = rpc_channel_new(&options, &channel, err);
    if (rc == STATUS_OK)
        rc = ask_health(channel, queues, err);
    rpc_channel_free(channel);
    rpc_queues_free(queues);
    return rc;
}

void doctor_warn_plain_text(const char *address, bool insecure)
{
    static const char *const local[] = {"unix:", "127.", "localhost:", "[::1]"};
    bool is_local = false;
    for (size_t i = 0; i < ARRAY_LEN(local); i++)
        is_local |= str_starts(str_c(address), str_c(local[i]));
    if (!is_local && !insecure)
        log_warn("plain_text", LOG_C("listen", address),
                 LOG_C("words",
                       "others can reach this address and it is not encrypted; insecure=yes silences this"));
}
