/*
 * blocking: see blocking.h. A waiter and the queue's thread meet in one small lock; whatever a stream does to its call is
 * posted to the queue.
 */
#include "shared/rpc/blocking.h"
#include "shared/rpc/slice.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct unary_wait {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_done;
    struct status status;
    grpc_slice reply;
};

struct rpc_blocking_stream {
    struct rpc_client_call *call;
    struct rpc_queue *queue;
    struct rpc_op ask, cancel;
    pthread_mutex_t lock; /* over all below */
    pthread_cond_t changed;
    unsigned posted; /* ops that are out */
    bool is_cancelled, has_message, has_ended;
    grpc_slice message;
    struct status status;
};

static void on_unary_done(struct rpc_client_call *call, void *arg, const struct status *status,
                          struct str reply);
static void on_message(struct rpc_client_call *call, void *arg, const grpc_slice *message);
static void on_ended(struct rpc_client_call *call, void *arg, const struct status *status);
static void on_ask(struct rpc_op *op, bool ok);
static void on_cancel(struct rpc_op *op, bool ok);

enum status_code rpc_blocking_unary(struct rpc_channel *channel, const struct rpc_client_args *args,
                                    grpc_slice take_request, grpc_slice *ret_reply, struct status *err)
{
    assert(!rpc_queue_is_mine(args->queue));
    struct unary_wait wait = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    wait.reply = grpc_empty_slice();
    enum status_code rc = rpc_client_unary(channel, args, take_request, on_unary_done, &wait, NULL, err);
    if (rc != STATUS_OK)
        return rc;
    pthread_mutex_lock(&wait.lock);
    while (!wait.is_done)
        pthread_cond_wait(&wait.changed, &wait.lock);
    pthread_mutex_unlock(&wait.lock);
    pthread_cond_destroy(&wait.changed);
    pthread_mutex_destroy(&wait.lock);
    if (wait.status.code == STATUS_OK)
        *ret_reply = wait.reply;
    else if (err != NULL)
        *err = wait.status;
    return wait.status.code;
}

enum status_code rpc_blocking_stream_new(struct rpc_channel *channel, const struct rpc_client_args *args,
                                         grpc_slice take_request, struct rpc_blocking_stream **ret_stream,
                                         struct status *err)
{
    static const struct rpc_stream_handler handler = {.message = on_message, .ended = on_ended};
    assert(!rpc_queue_is_mine(args->queue));
    struct rpc_blocking_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "rpc: no memory for a stream");
    stream->queue = args->queue;
    stream->ask.done = on_ask;
    stream->cancel.done = on_cancel;
    pthread_mutex_init(&stream->lock, NULL);
    pthread_cond_init(&stream->changed, NULL);
    enum status_code rc =
        rpc_client_stream(channel, args, take_request, &handler, stream, &stream->call, err);
    if (rc != STATUS_OK) {
        pthread_cond_destroy(&stream->changed);
        pthread_mutex_destroy(&stream->lock);
        free(stream);
        return rc;
    }
    *ret_stream = stream;
    return STATUS_OK;
}

bool rpc_blocking_stream_next(struct rpc_blocking_stream *stream, grpc_slice *ret_message,
                              struct status *status)
{
    assert(!rpc_queue_is_mine(stream->queue));
    pthread_mutex_lock(&stream->lock);
    bool must_ask = !stream->has_ended && !stream->has_message && !stream->is_cancelled;
    stream->posted += must_ask;
    pthread_mutex_unlock(&stream->lock);
    if (must_ask)
        rpc_queue_post(stream->queue, &stream->ask);
    pthread_mutex_lock(&stream->lock);
    while (!stream->has_message && !stream->has_ended)
        pthread_cond_wait(&stream->changed, &stream->lock);
    bool has_message = stream->has_message;
    if (has_message)
        *ret_message = stream->message;
    else
        *status = stream->status;
    stream->has_message = false;
    pthread_mutex_unlock(&stream->lock);
    return has_message;
}

void rpc_blocking_stream_cancel(struct rpc_blocking_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    bool is_first = !stream->is_cancelled && !stream->has_ended;
    stream->is_cancelled = true;
    stream->posted += is_first;
    pthread_mutex_unlock(&stream->lock);
    if (is_first)
        rpc_queue_post(stream->queue, &stream->cancel);
}

void rpc_blocking_stream_free(struct rpc_blocking_stream *stream)
{
    if (stream == NULL)
        return;
    rpc_blocking_stream_cancel(stream);
    pthread_mutex_lock(&stream->lock);
    while (!stream->has_ended || stream->posted > 0)
        pthread_cond_wait(&stream->changed, &stream->lock);
    pthread_mutex_unlock(&stream->lock);
    if (stream->has_message)
        grpc_slice_unref(stream->message);
    pthread_cond_destroy(&stream->changed);
    pthread_mutex_destroy(&stream->lock);
    free(stream);
}

static void on_unary_done(struct rpc_client_call *call, void *arg, const struct status *status,
                          struct str reply)
{
    (void)call;
    struct unary_wait *wait = arg;
    pthread_mutex_lock(&wait->lock);
    wait->status = *status;
    wait->reply = rpc_slice_copy(reply);
    wait->is_done = true;
    pthread_cond_signal(&wait->changed);
    pthread_mutex_unlock(&wait->lock);
}

static void on_message(struct rpc_client_call *call, void *arg, const grpc_slice *message)
{
    (void)call;
    struct rpc_blocking_stream *stream = arg;
    pthread_mutex_lock(&stream->lock);
    stream->message = grpc_slice_ref(*message);
    stream->has_message = true;
    pthread_cond_signal(&stream->changed);
    pthread_mutex_unlock(&stream->lock);
}

static void on_ended(struct rpc_client_call *call, void *arg, const struct status *status)
{
    (void)call;
    struct rpc_blocking_stream *stream = arg;
    pthread_mutex_lock(&stream->lock);
    stream->call = NULL;
    stream->status = *status;
    stream->has_ended = true;
    pthread_cond_signal(&stream->changed);
    pthread_mutex_unlock(&stream->lock);
}

static void posted_back(struct rpc_blocking_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    stream->posted--;
    pthread_cond_signal(&stream->changed);
    pthread_mutex_unlock(&stream->lock);
}

/* The call may have ended meanwhile; only this thread changes that. */
static void on_ask(struct rpc_op *op, bool ok)
{
    (void)ok;
    struct rpc_blocking_stream *stream = CONTAINER_OF(op, struct rpc_blocking_stream, ask);
    if (stream->call != NULL)
        rpc_client_next(stream->call);
    posted_back(stream);
}

static void on_cancel(struct rpc_op *op, bool ok)
{
    (void)ok;
    struct rpc_blocking_stream *stream = CONTAINER_OF(op, struct rpc_blocking_stream, cancel);
    if (stream->call != NULL)
        rpc_client_cancel(stream->call);
    posted_back(stream);
}
