/* links: see the header. */
#include "gateway/api/links.h"

#include "heddle/executor/v1/executor.pb-c.h"
#include "shared/limits.h"
#include <pthread.h>
#include <stdlib.h>

/* The frames of Execute are passed on without decoding, so they are not checked here either: the events in them are the
 * executor's own writing, and clients check what they read. */
static const struct rpc_client_method methods[] = {
    [LINK_EXECUTE] = {"/heddle.executor.v1.ExecutorService/Execute", NULL},
    [LINK_STOP] = {"/heddle.executor.v1.ExecutorService/Stop",
                   &heddle__executor__v1__stop_response__descriptor},
    [LINK_CHECK_APP] = {"/heddle.executor.v1.ExecutorService/CheckApp",
                        &heddle__executor__v1__check_app_response__descriptor},
    [LINK_TEST_CREDENTIAL] = {"/heddle.executor.v1.ExecutorService/TestCredential",
                              &heddle__v1__test_credential_response__descriptor},
};

struct link {
    char *address;
    struct rpc_channel *channel;
};
struct links {
    char *target, *token;
    struct rpc_channel *channel;
    pthread_mutex_t lock;
    struct link items[LINKS_MAX];
    size_t count;
};

static enum status_code open_channel(const char *target, const char *token, const char *health_service,
                                     struct rpc_channel **ret, struct status *err)
{
    const struct rpc_channel_options options = {
        .target = target,
        .methods = methods,
        .method_count = ARRAY_LEN(methods),
        /* A frame holds what an outbox has gathered, node outputs included (executor/api/outbox.h). */
        .message_bytes_max = (size_t)1024 * 1024 * 1024,
        .health_service = health_service,
        .bearer = token,
    };
    return rpc_channel_new(&options, ret, err);
}

enum status_code links_new(const char *target, const char *token, struct links **ret_links,
                           struct status *err)
{
    struct links *links = calloc(1, sizeof *links);
    if (links == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "links: out of memory");
    pthread_mutex_init(&links->lock, NULL);
    links->target = str_dup(str_c(target));
    links->token = token == NULL ? NULL : str_dup(str_c(token));
    enum status_code rc =
        links->target == NULL || (token != NULL && links->token == NULL)
            ? status_set(err, STATUS_RESOURCE_EXHAUSTED, "links: out of memory")
            : open_channel(target, token, "heddle.executor.v1.ExecutorService", &links->channel, err);
    if (rc != STATUS_OK) {
        links_free(links);
        return rc;
    }
    *ret_links = links;
    return STATUS_OK;
}

void links_free(struct links *links)
{
    if (links == NULL)
        return;
    for (size_t i = 0; i < links->count; i++) {
        rpc_channel_free(links->items[i].channel);
        free(links->items[i].address);
    }
    rpc_channel_free(links->channel);
    pthread_mutex_destroy(&links->lock);
    free(links->token);
    free(links->target);
    free(links);
}

struct rpc_channel *links_target(struct links *links)
{
    return links->channel;
}

/* Under the lock. NULL: no room, no memory, or an address that is none. */
static struct rpc_channel *add(struct links *links, struct str address)
{
    struct status err;
    struct link *link = &links->items[links->count];
    if (links->count == LINKS_MAX)
        return NULL;
    link->address = str_dup(address);
    if (link->address == NULL ||
        open_channel(link->address, links->token, NULL, &link->channel, &err) != STATUS_OK) {
        free(link->address);
        return NULL;
    }
    links->count++;
    return link->channel;
}

struct rpc_channel *links_at(struct links *links, struct str address)
{
    if (address.len == 0 || str_eq_c(address, links->target))
        return links->channel;
    struct rpc_channel *channel = NULL;
    pthread_mutex_lock(&links->lock);
    for (size_t i = 0; i < links->count && channel == NULL; i++) {
        if (str_eq_c(address, links->items[i].address))
            channel = links->items[i].channel;
    }
    if (channel == NULL)
        channel = add(links, address);
    pthread_mutex_unlock(&links->lock);
    return channel == NULL ? links->channel : channel;
}

void links_explain(struct status *status)
{
    struct status why = *status;
    if (status->code == STATUS_UNAUTHENTICATED)
        status_reason(status, STATUS_UNAVAILABLE, "EXECUTOR_UNAVAILABLE",
                      "the executor does not accept this gateway: their executor_token differ");
    else if (status->code == STATUS_UNAVAILABLE && status->reason == NULL)
        status_reason(status, STATUS_UNAVAILABLE, "EXECUTOR_UNAVAILABLE", "no executor can be reached: %s",
                      why.message);
    else
        return;
    status->retry_ms = LINK_RETRY_MS;
}
