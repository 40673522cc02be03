/*
 * server: see server.h.
 */
#include "shared/rpc/server.h"
#include "shared/base/clock.h"
#include "shared/base/str.h"
#include "shared/limits.h"
#include "shared/rpc/address.h"
#include "shared/rpc/server_core.h"
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

enum {
    KEEPALIVE_TIME_MS = 30000,    /* how soon a dead peer of a quiet connection is noticed */
    KEEPALIVE_TIMEOUT_MS = 10000, /* what it has to answer a ping */
    CLIENT_PING_MIN_MS = 5000, /* pings of clients in shorter steps end the connection (grpc-c-core.md 6) */
    ARGS_MAX = 16
};

static enum status_code add_method(struct rpc_server *server, const struct rpc_method *method, void *service,
                                   struct status *err);
static enum status_code add_service_name(struct rpc_server *server, struct str path, struct status *err);
static bool is_idle(const struct rpc_server *server);
static bool wait_until(struct rpc_server *server, int64_t until_ms);
static void on_shut_down(struct rpc_op *op, bool ok);

static grpc_server *core_new(const struct rpc_server_options *options)
{
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
    INT_ARG(GRPC_ARG_ALLOW_REUSEPORT, 0);
    INT_ARG(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int)options->message_bytes_max);
    INT_ARG(GRPC_ARG_MAX_METADATA_SIZE, LIMIT_METADATA_BYTES);
    INT_ARG(GRPC_ARG_MAX_CONCURRENT_STREAMS,
            (int)(options->streams_max > 0 ? options->streams_max : RPC_STREAMS_DEFAULT));
    INT_ARG(GRPC_ARG_KEEPALIVE_TIME_MS, KEEPALIVE_TIME_MS);
    INT_ARG(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, KEEPALIVE_TIMEOUT_MS);
    INT_ARG(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    INT_ARG(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    INT_ARG(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, CLIENT_PING_MIN_MS);
    /* Identity only: a few compressed bytes must not become a large request. */
    INT_ARG(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1);
    INT_ARG(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0); /* nothing sent is compressed either */
    INT_ARG(GRPC_ARG_ENABLE_CHANNELZ, 0);                /* counts every message, for nobody */
    if (options->connection_age_ms > 0)
        INT_ARG(GRPC_ARG_MAX_CONNECTION_AGE_MS, options->connection_age_ms);
    if (options->connection_grace_ms > 0)
        INT_ARG(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, options->connection_grace_ms);
#undef INT_ARG
    assert(n <= ARRAY_LEN(args));
    grpc_channel_args all = {n, args};
    return grpc_server_create(&all, NULL);
}

enum status_code rpc_server_new(struct rpc_queues *queues, const struct rpc_server_options *options,
                                struct rpc_server **ret_server, struct status *err)
{
    size_t count = rpc_queues_count(queues);
    struct rpc_server *server = calloc(1, sizeof *server + count * sizeof server->lanes[0]);
    if (server == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "rpc: no memory for a server");
    server->queues = queues;
    server->credentials = options->credentials;
    pthread_mutex_init(&server->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&server->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    server->address = str_dup(str_c(options->address));
    server->core = core_new(options);
    if (server->address == NULL || server->core == NULL) {
        rpc_server_free(server);
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "rpc: no memory for a server");
    }
    for (size_t q = 0; q < count; q++) {
        server->lanes[q].server = server;
        grpc_server_register_completion_queue(server->core, rpc_queue_cq(rpc_queues_at(queues, q)), NULL);
    }
    *ret_server = server;
    return STATUS_OK;
}

enum status_code rpc_server_add(struct rpc_server *server, const struct rpc_method *methods, size_t count,
                                void *service, struct status *err)
{
    assert(!server->is_started);
    for (size_t i = 0; i < count; i++) {
        enum status_code rc = add_method(server, &methods[i], service, err);
        if (rc != STATUS_OK)
            return rc;
    }
    return STATUS_OK;
}

enum status_code rpc_server_start(struct rpc_server *server, struct status *err)
{
    assert(!server->is_started);
    struct rpc_intake intake;
    enum status_code rc = rpc_intake_prepare(server, &intake, err);
    if (rc != STATUS_OK)
        return rc;
    grpc_server_credentials *insecure = NULL;
    if (server->credentials == NULL)
        insecure = grpc_insecure_server_credentials_create();
    rc = rpc_address_listen(server->core, server->address, insecure != NULL ? insecure : server->credentials,
                            &server->port, err);
    if (insecure != NULL)
        grpc_server_credentials_release(insecure);
    if (rc != STATUS_OK) {
        rpc_intake_discard(&intake);
        return rc;
    }
    grpc_server_start(server->core);
    server->is_started = true;
    rpc_intake_post(server, &intake);
    return STATUS_OK;
}

int rpc_server_port(const struct rpc_server *server)
{
    return str_starts(str_c(server->address), STR("unix:")) ? 0 : server->port;
}

size_t rpc_server_service_count(const struct rpc_server *server)
{
    return server->service_count;
}

const char *rpc_server_service_name(const struct rpc_server *server, size_t index)
{
    return server->services[index];
}

struct rpc_server *rpc_call_server(const struct rpc_call *call)
{
    return call->entry->server;
}

size_t rpc_server_live_calls(struct rpc_server *server)
{
    pthread_mutex_lock(&server->lock);
    size_t live = server->live;
    pthread_mutex_unlock(&server->lock);
    return live;
}

uint64_t rpc_server_total_calls(struct rpc_server *server)
{
    pthread_mutex_lock(&server->lock);
    uint64_t total = server->total;
    pthread_mutex_unlock(&server->lock);
    return total;
}

void rpc_server_visit_ended(const struct rpc_server *server,
                            void (*visit)(void *arg, const char *method, enum status_code code,
                                          uint64_t calls),
                            void *arg)
{
    for (size_t i = 0; i < server->entry_count; i++) {
        const struct rpc_entry *entry = server->entries[i];
        for (int code = 0; code < STATUS_CODES; code++) {
            uint64_t calls = atomic_load_explicit(&entry->ended[code], memory_order_relaxed);
            if (calls > 0)
                visit(arg, entry->method->path, (enum status_code)code, calls);
        }
    }
}

void rpc_server_drain(struct rpc_server *server)
{
    if (!server->is_started || atomic_exchange(&server->is_draining, true))
        return;
    server->shut_down.done = on_shut_down;
    rpc_op_leaves(&server->shut_down);
    grpc_server_shutdown_and_notify(server->core, rpc_queue_cq(rpc_queues_at(server->queues, 0)),
                                    &server->shut_down);
}

void rpc_server_stop(struct rpc_server *server, int64_t until_ms)
{
    if (!server->is_started)
        return;
    rpc_server_drain(server);
    pthread_mutex_lock(&server->lock);
    while (server->live > server->lasting && wait_until(server, until_ms))
        ;
    if (server->lasting > 0) {
        int64_t lingers_until_ms = clock_monotonic_ms() + RPC_LINGER_MS;
        while (server->lasting > 0 &&
               wait_until(server, lingers_until_ms < until_ms ? lingers_until_ms : until_ms))
            ;
    }
    pthread_mutex_unlock(&server->lock);
    rpc_intake_cancel_lasting(server);

    pthread_mutex_lock(&server->lock);
    while (!is_idle(server) && wait_until(server, until_ms))
        ;
    bool is_late = !is_idle(server);
    pthread_mutex_unlock(&server->lock);
    if (is_late)
        grpc_server_cancel_all_calls(server->core);

    pthread_mutex_lock(&server->lock);
    while (!is_idle(server))
        pthread_cond_wait(&server->changed, &server->lock);
    pthread_mutex_unlock(&server->lock);
    server->is_started = false;
}

void rpc_server_free(struct rpc_server *server)
{
    if (server == NULL)
        return;
    assert(!server->is_started);
    if (server->core != NULL)
        grpc_server_destroy(server->core);
    for (size_t i = 0; i < server->entry_count; i++) {
        free(server->entries[i]->ended);
        free(server->entries[i]);
    }
    free(server->entries);
    for (size_t i = 0; i < server->service_count; i++)
        free(server->services[i]);
    free(server->services);
    free(server->address);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

/* Under the lock: nothing of this server is out any more. */
static bool is_idle(const struct rpc_server *server)
{
    return server->is_shut_down && server->objects == 0;
}

/* Under the lock: waits for a change of the counts. False: it is `until_ms`. */
static bool wait_until(struct rpc_server *server, int64_t until_ms)
{
    const struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    return pthread_cond_timedwait(&server->changed, &server->lock, &until) != ETIMEDOUT;
}

/* All under the lock: whoever sees no objects left may free the server as soon as it has the lock. */
void rpc_server_count(struct rpc_server *server, int objects, int live)
{
    pthread_mutex_lock(&server->lock);
    server->objects += (size_t)objects;
    server->live += (size_t)live;
    server->total += live > 0;
    pthread_cond_signal(&server->changed); /* costs nothing while nobody waits */
    pthread_mutex_unlock(&server->lock);
}

void rpc_server_count_lasting(struct rpc_server *server, int lasting)
{
    pthread_mutex_lock(&server->lock);
    server->lasting += (size_t)lasting;
    pthread_cond_signal(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

static void on_shut_down(struct rpc_op *op, bool ok)
{
    (void)ok;
    struct rpc_server *server = CONTAINER_OF(op, struct rpc_server, shut_down);
    pthread_mutex_lock(&server->lock);
    server->is_shut_down = true;
    pthread_cond_signal(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

static enum status_code add_method(struct rpc_server *server, const struct rpc_method *method, void *service,
                                   struct status *err)
{
    for (size_t i = 0; i < server->entry_count; i++) {
        if (strcmp(server->entries[i]->method->path, method->path) == 0)
            return status_set(err, STATUS_ALREADY_EXISTS, "rpc: %s is there already", method->path);
    }
    enum status_code rc = add_service_name(server, str_c(method->path), err);
    if (rc != STATUS_OK)
        return rc;
    struct rpc_entry **grown = realloc(server->entries, (server->entry_count + 1) * sizeof *grown);
    if (grown == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "rpc: no memory for methods");
    server->entries = grown;
    struct rpc_entry *entry = calloc(1, sizeof *entry);
    atomic_uint_fast64_t *ended = calloc(STATUS_CODES, sizeof *ended);
    if (entry == NULL || ended == NULL) {
        free(ended);
        free(entry);
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "rpc: no memory for methods");
    }
    *entry = (struct rpc_entry){.server = server, .method = method, .service = service, .ended = ended};
    entry->handle = grpc_server_register_method(
        server->core, method->path, NULL,
        method->kind == RPC_BIDI ? GRPC_SRM_PAYLOAD_NONE : GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
    assert(entry->handle != NULL); /* NULL only for a path that is there already */
    server->entries[server->entry_count++] = entry;
    return STATUS_OK;
}

/* "/package.Service/Method" has "package.Service"; kept sorted, each once. */
static enum status_code add_service_name(struct rpc_server *server, struct str path, struct status *err)
{
    size_t end = str_find(path, STR("/"), 1);
    assert(str_starts(path, STR("/")) && end != SIZE_MAX);
    struct str name = str_sub(path, 1, end);
    size_t at = 0;
    while (at < server->service_count && str_cmp(str_c(server->services[at]), name) < 0)
        at++;
    if (at < server->service_count && str_eq_c(name, server->services[at]))
        return STATUS_OK;
    char **grown = realloc(server->services, (server->service_count + 1) * sizeof *grown);
    if (grown == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "rpc: no memory for services");
    server->services = grown;
    char *copy = str_dup(name);
    if (copy == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "rpc: no memory for services");
    memmove(grown + at + 1, grown + at, (server->service_count - at) * sizeof *grown);
    grown[at] = copy;
    server->service_count++;
    return STATUS_OK;
}
