/*
 * health: see health.h. Who sets a state and who watches it meet without holding locks over each other: the setter changes
 * the state under the lock and posts one note to every queue; each queue's thread then looks at its own watchers.
 *   HealthCheckRequest   1 service
 *   HealthCheckResponse  1 status
 */
#include "shared/rpc/health.h"
#include "shared/rpc/slice.h"
#include "shared/rpc/wire.h"
#include <grpc/health/v1/health.pb-c.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* bytes. Name of a service with its NUL. */
enum { SERVICE_BYTES_MAX = 128 };

/* As they are on the wire. */
enum answer { ANSWER_NONE = 0, ANSWER_SERVING = 1, ANSWER_NOT_SERVING = 2, ANSWER_UNKNOWN = 3 };

struct watch {
    struct rpc_call *call;
    struct str service; /* of the request */
    enum answer told;   /* what the watcher knows, or is being sent */
    bool is_sending, is_over;
    struct watch *prev, *next;
};

struct lane {
    struct rpc_health *health;
    struct rpc_queue *queue;
    struct rpc_op changed;
    atomic_bool is_posted;
    struct watch *watches; /* the queue's thread's own, as is the count */
    size_t watch_count;
};

struct service {
    char name[SERVICE_BYTES_MAX];
    enum answer answer;
};

struct rpc_health {
    pthread_mutex_t lock; /* over the services */
    size_t service_count;
    struct service services[RPC_HEALTH_SERVICES_MAX];
    size_t lane_count;
    struct lane lanes[]; /* one per queue */
};

static void check_start(struct rpc_call *call);
static void watch_start(struct rpc_call *call);
static void watch_sent(struct rpc_call *call, bool ok);
static void watch_cancelled(struct rpc_call *call);
static void watch_ended(struct rpc_call *call);
static void watch_advance(struct watch *watch);
static void lane_changed(struct rpc_op *op, bool ok);
static void tell_watchers(struct rpc_health *health);
static enum answer look_up(struct rpc_health *health, struct str service);
static struct str requested_service(const struct rpc_call *call);
static grpc_slice make_answer(enum answer answer);

static const struct rpc_method methods[] = {
    {
        .path = "/grpc.health.v1.Health/Check",
        .kind = RPC_UNARY,
        .request = &grpc__health__v1__health_check_request__descriptor,
        .slots = 4,
        .start = check_start,
    },
    {
        .path = "/grpc.health.v1.Health/Watch",
        .kind = RPC_SERVER_STREAM,
        .request = &grpc__health__v1__health_check_request__descriptor,
        .state_bytes = sizeof(struct watch),
        .slots = 4,
        .drain = RPC_CANCEL_ON_DRAIN,
        .start = watch_start,
        .sent = watch_sent,
        .cancelled = watch_cancelled,
        .ended = watch_ended,
    },
};

enum status_code rpc_health_new(struct rpc_queues *queues, struct rpc_health **ret_health, struct status *err)
{
    size_t count = rpc_queues_count(queues);
    struct rpc_health *health = calloc(1, sizeof *health + count * sizeof health->lanes[0]);
    if (health == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "rpc: no memory for health");
    pthread_mutex_init(&health->lock, NULL);
    health->services[0].answer = ANSWER_NOT_SERVING; /* of "" */
    health->service_count = 1;
    health->lane_count = count;
    for (size_t q = 0; q < count; q++) {
        struct lane *lane = &health->lanes[q];
        lane->health = health;
        lane->queue = rpc_queues_at(queues, q);
        lane->changed.done = lane_changed;
    }
    *ret_health = health;
    return STATUS_OK;
}

void rpc_health_free(struct rpc_health *health)
{
    if (health == NULL)
        return;
    pthread_mutex_destroy(&health->lock);
    free(health);
}

enum status_code rpc_health_add(struct rpc_health *health, struct rpc_server *server, struct status *err)
{
    return rpc_server_add(server, methods, ARRAY_LEN(methods), health, err);
}

enum status_code rpc_health_set(struct rpc_health *health, const char *service, enum rpc_serving serving,
                                struct status *err)
{
    size_t len = strlen(service);
    if (len >= SERVICE_BYTES_MAX)
        return status_set(err, STATUS_INVALID_ARGUMENT, "health: name of %zu bytes", len);
    bool is_full = false;
    pthread_mutex_lock(&health->lock);
    size_t i = 0;
    while (i < health->service_count && strcmp(health->services[i].name, service) != 0)
        i++;
    if (i < RPC_HEALTH_SERVICES_MAX) {
        memcpy(health->services[i].name, service, len + 1);
        health->services[i].answer = serving == RPC_SERVING ? ANSWER_SERVING : ANSWER_NOT_SERVING;
        if (i == health->service_count)
            health->service_count++;
    } else {
        is_full = true;
    }
    pthread_mutex_unlock(&health->lock);
    if (is_full)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "health: more than %d services",
                          RPC_HEALTH_SERVICES_MAX);
    tell_watchers(health);
    return STATUS_OK;
}

void rpc_health_set_all(struct rpc_health *health, enum rpc_serving serving)
{
    pthread_mutex_lock(&health->lock);
    for (size_t i = 0; i < health->service_count; i++)
        health->services[i].answer = serving == RPC_SERVING ? ANSWER_SERVING : ANSWER_NOT_SERVING;
    pthread_mutex_unlock(&health->lock);
    tell_watchers(health);
}

static void tell_watchers(struct rpc_health *health)
{
    for (size_t q = 0; q < health->lane_count; q++) {
        struct lane *lane = &health->lanes[q];
        if (!atomic_exchange(&lane->is_posted, true))
            rpc_queue_post(lane->queue, &lane->changed);
    }
}

/* The flag falls before the states are read: a change after that posts again. */
static void lane_changed(struct rpc_op *op, bool ok)
{
    (void)ok;
    struct lane *lane = CONTAINER_OF(op, struct lane, changed);
    atomic_store(&lane->is_posted, false);
    for (struct watch *watch = lane->watches; watch != NULL; watch = watch->next)
        watch_advance(watch);
}

static enum answer look_up(struct rpc_health *health, struct str service)
{
    enum answer answer = ANSWER_UNKNOWN;
    pthread_mutex_lock(&health->lock);
    for (size_t i = 0; i < health->service_count; i++) {
        if (str_eq_c(service, health->services[i].name))
            answer = health->services[i].answer;
    }
    pthread_mutex_unlock(&health->lock);
    return answer;
}

static struct str requested_service(const struct rpc_call *call)
{
    struct str rest = rpc_call_request(call), service = {NULL, 0};
    struct wire_field field;
    while (wire_next(&rest, &field) == WIRE_FIELD) {
        if (field.number == 1)
            service = field.bytes;
    }
    return service;
}

static grpc_slice make_answer(enum answer answer)
{
    const char bytes[] = {1 << 3 | WIRE_VARINT, (char)answer};
    return rpc_slice_copy((struct str){bytes, sizeof bytes});
}

static void check_start(struct rpc_call *call)
{
    enum answer answer = look_up(rpc_call_service(call), requested_service(call));
    if (answer != ANSWER_UNKNOWN) {
        rpc_call_reply(call, make_answer(answer));
        return;
    }
    struct status status;
    status_reason(&status, STATUS_NOT_FOUND, "SERVICE_UNKNOWN", "no such service here");
    rpc_call_finish(call, &status);
}

static struct lane *lane_of(struct rpc_call *call)
{
    struct rpc_health *health = rpc_call_service(call);
    return &health->lanes[rpc_queue_index(rpc_call_queue(call))];
}

static void watch_start(struct rpc_call *call)
{
    struct watch *watch = rpc_call_state(call);
    struct lane *lane = lane_of(call);
    if (lane->watch_count == RPC_HEALTH_WATCHERS_MAX) {
        struct status status;
        status_reason(&status, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_WATCHERS", "too many watchers");
        rpc_call_finish(call, &status);
        return;
    }
    watch->call = call;
    watch->service = requested_service(call);
    watch->next = lane->watches;
    if (watch->next != NULL)
        watch->next->prev = watch;
    lane->watches = watch;
    lane->watch_count++;
    watch_advance(watch);
}

/* Sends the latest state unless the watcher knows it; while a send is out, its end comes back here. */
static void watch_advance(struct watch *watch)
{
    if (watch->is_sending || watch->is_over)
        return;
    enum answer answer = look_up(rpc_call_service(watch->call), watch->service);
    if (answer == watch->told)
        return;
    watch->told = answer;
    watch->is_sending = true;
    rpc_call_send(watch->call, make_answer(answer), RPC_SEND_NOW);
}

static void watch_sent(struct rpc_call *call, bool ok)
{
    struct watch *watch = rpc_call_state(call);
    watch->is_sending = false;
    if (ok)
        watch_advance(watch); /* else watch_cancelled() follows */
}

static void watch_cancelled(struct rpc_call *call)
{
    struct watch *watch = rpc_call_state(call);
    watch->is_over = true;
    struct status status;
    status_set(&status, STATUS_CANCELLED, "the watch has ended");
    rpc_call_finish(call, &status);
}

static void watch_ended(struct rpc_call *call)
{
    struct watch *watch = rpc_call_state(call);
    if (watch->call == NULL)
        return; /* was refused */
    struct lane *lane = lane_of(call);
    if (watch->prev != NULL)
        watch->prev->next = watch->next;
    else
        lane->watches = watch->next;
    if (watch->next != NULL)
        watch->next->prev = watch->prev;
    lane->watch_count--;
}
