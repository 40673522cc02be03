/*
 * channel: a name, the connections behind it, and how they are kept (client.h; grpc-c-core.md 5, 6).
 */
#include "shared/limits.h"
#include "shared/rpc/channel_core.h"
#include "shared/rpc/server.h"
#include "shared/rpc/slice.h"
#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    KEEPALIVE_TIME_MS = 20000,       /* above what our servers bear (server.c) */
    KEEPALIVE_TIMEOUT_MS = 5000,     /* a frozen server is left after that */
    RESOLVE_MIN_MS = 1000,           /* the library's 30 s would be an outage when all servers are replaced */
    RECONNECT_INITIAL_MS = 100,      /* first wait after a failed connection; doubles */
    RECONNECT_MAX_MS = 1000,         /* and ends here */
    TARGET_BYTES_MAX = 4096,         /* bytes. A list of some hundred addresses */
    SERVICE_CONFIG_BYTES_MAX = 1024, /* bytes. Our text with one service name */
    BEARER_BYTES_MAX = 4096,         /* bytes. A token */
    ARGS_MAX = 16
};

static enum status_code make_target(const char *target, char **ret, struct status *err);
static enum status_code put_absolute(struct buf *b, struct str path, struct status *err);
static enum status_code core_new(const struct rpc_channel_options *options, const char *target,
                                 grpc_channel **ret_core, struct status *err);

enum status_code rpc_channel_new(const struct rpc_channel_options *options, struct rpc_channel **ret_channel,
                                 struct status *err)
{
    struct rpc_channel *channel =
        calloc(1, sizeof *channel + options->method_count * sizeof channel->handles[0]);
    if (channel == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "rpc: no memory for a channel");
    channel->methods = options->methods;
    channel->method_count = options->method_count;
    channel->authorization = grpc_empty_slice();
    channel->peer_is_vague = str_starts(str_c(options->target), STR("unix-abstract:"));
    enum status_code rc = make_target(options->target, &channel->target, err);
    if (rc != STATUS_OK)
        goto fail;
    if (options->bearer != NULL) {
        struct buf value;
        buf_init(&value, BEARER_BYTES_MAX);
        buf_printf(&value, "Bearer %s", options->bearer);
        if (!rpc_slice_take_buf(&value, &channel->authorization)) {
            buf_fini(&value);
            rc = status_set(err, STATUS_RESOURCE_EXHAUSTED, "rpc: no room for the token");
            goto fail;
        }
    }
    rc = core_new(options, channel->target, &channel->core, err);
    if (rc != STATUS_OK)
        goto fail;
    for (size_t i = 0; i < options->method_count; i++)
        channel->handles[i] = grpc_channel_register_call(channel->core, options->methods[i].path, NULL, NULL);
    (void)grpc_channel_check_connectivity_state(channel->core,
                                                1); /* connects; what it answers is of no use here */
    *ret_channel = channel;
    return STATUS_OK;
fail:
    rpc_channel_free(channel);
    return rc;
}

void rpc_channel_free(struct rpc_channel *channel)
{
    if (channel == NULL)
        return;
    if (channel->core != NULL)
        grpc_channel_destroy(channel->core);
    grpc_slice_unref(channel->authorization);
    free(channel->target);
    free(channel);
}

bool rpc_channel_is_ready(struct rpc_channel *channel)
{
    return grpc_channel_check_connectivity_state(channel->core, 1) == GRPC_CHANNEL_READY;
}

/*
 * "unix:path", "ipv4:…" and "ipv6:…" are what peers are called, too. Written with "//" they mean the same and differ from a
 * peer, so that a call that was given to a connection can be told from one that was not (rpc_client_never_left()).
 */
static enum status_code make_target(const char *target, char **ret, struct status *err)
{
    struct buf b;
    buf_init(&b, TARGET_BYTES_MAX);
    struct str rest = str_c(target);
    if (rest.len == 0)
        return status_set(err, STATUS_INVALID_ARGUMENT, "rpc: no target");
    if (str_starts(rest, STR("unix:"))) {
        rest = str_sub(rest, strlen("unix:"), rest.len);
        if (str_starts(rest, STR("//")))
            rest = str_sub(rest, 2, rest.len);
        buf_put_c(&b, "unix://");
        enum status_code rc = put_absolute(&b, rest, err);
        if (rc != STATUS_OK) {
            buf_fini(&b);
            return rc;
        }
    } else if ((str_starts(rest, STR("ipv4:")) || str_starts(rest, STR("ipv6:"))) && rest.ptr[5] != '/') {
        buf_put(&b, str_sub(rest, 0, 5));
        buf_put_c(&b, "///");
        buf_put(&b, str_sub(rest, 5, rest.len));
    } else {
        buf_put(&b, rest);
    }
    *ret = buf_take(&b, NULL);
    return *ret != NULL ? STATUS_OK : status_set(err, STATUS_RESOURCE_EXHAUSTED, "rpc: target too long");
}

static enum status_code put_absolute(struct buf *b, struct str path, struct status *err)
{
    char folder[PATH_MAX];
    size_t before = b->len;
    if (!str_starts(path, STR("/"))) {
        if (getcwd(folder, sizeof folder) == NULL)
            return status_set(err, STATUS_INVALID_ARGUMENT, "rpc: the working folder has no name");
        buf_put_c(b, folder);
        buf_put_char(b, '/');
    }
    buf_put(b, path);
    if (b->len - before > RPC_UNIX_PATH_MAX)
        return status_set(err, STATUS_INVALID_ARGUMENT, "rpc: a socket path has at most %d bytes",
                          RPC_UNIX_PATH_MAX);
    return STATUS_OK;
}

static enum status_code core_new(const struct rpc_channel_options *options, const char *target,
                                 grpc_channel **ret_core, struct status *err)
{
    struct buf config;
    buf_init(&config, SERVICE_CONFIG_BYTES_MAX);
    buf_put_c(&config, "{\"loadBalancingConfig\":[{\"round_robin\":{}}]");
    if (options->health_service != NULL) {
        buf_put_c(&config, ",\"healthCheckConfig\":{\"serviceName\":");
        buf_put_json_string(&config, str_c(options->health_service));
        buf_put_c(&config, "}");
    }
    buf_put_c(&config, "}");
    char *config_text = buf_take(&config, NULL);
    if (config_text == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "rpc: no memory for a channel");

    grpc_arg args[ARGS_MAX];
    size_t n = 0;
#define INT_ARG(name, value)                                                                                 \
    args[n++] = (grpc_arg)                                                                                   \
    {                                                                                                        \
        GRPC_ARG_INTEGER, (char *)(name),                                                                    \
        {                                                                                                    \
            .integer = (value)                                                                               \
        }                                                                                                    \
    }
    args[n++] = (grpc_arg){GRPC_ARG_STRING, (char *)GRPC_ARG_SERVICE_CONFIG, {.string = config_text}};
    INT_ARG(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
    INT_ARG(GRPC_ARG_ENABLE_RETRIES, 0);
    INT_ARG(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    INT_ARG(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, RESOLVE_MIN_MS);
    INT_ARG(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, RECONNECT_INITIAL_MS);
    INT_ARG(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, RECONNECT_MAX_MS);
    INT_ARG(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int)options->message_bytes_max);
    INT_ARG(GRPC_ARG_MAX_METADATA_SIZE, LIMIT_METADATA_BYTES);
    INT_ARG(GRPC_ARG_KEEPALIVE_TIME_MS, KEEPALIVE_TIME_MS);
    INT_ARG(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, KEEPALIVE_TIMEOUT_MS);
    INT_ARG(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    INT_ARG(GRPC_ARG_HTTP2_BDP_PROBE, 0); /* else a stream nobody reads may hold 4 MiB */
    INT_ARG(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1);
    INT_ARG(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);
    INT_ARG(GRPC_ARG_ENABLE_CHANNELZ, 0);
#undef INT_ARG
    assert(n <= ARRAY_LEN(args));
    grpc_channel_args all = {n, args};

    grpc_channel_credentials *insecure = NULL;
    if (options->credentials == NULL)
        insecure = grpc_insecure_credentials_create();
    *ret_core = grpc_channel_create(target, insecure != NULL ? insecure : options->credentials, &all);
    if (insecure != NULL)
        grpc_channel_credentials_release(insecure);
    free(config_text);
    return *ret_core != NULL ? STATUS_OK
                             : status_set(err, STATUS_RESOURCE_EXHAUSTED, "rpc: a channel could not be made");
}
