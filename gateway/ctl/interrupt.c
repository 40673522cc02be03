/* interrupt: see the header. */
#include "gateway/ctl/interrupt.h"

#include "heddle/v1/task.pb-c.h"
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Ends the watcher's wait; never sent by anybody else. */
#define WAKE_SIGNAL SIGUSR1

static void watched_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, WAKE_SIGNAL);
}

void interrupt_block(void)
{
    sigset_t set;
    watched_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void stop_run(struct interrupt *in)
{
    char task_id[UUID_TEXT_LEN + 1];
    pthread_mutex_lock(&in->lock);
    memcpy(task_id, in->task_id, sizeof task_id);
    pthread_mutex_unlock(&in->lock);
    if (task_id[0] == '\0') {
        rpc_blocking_stream_cancel(in->stream); /* nothing has begun that could be stopped by name */
        return;
    }
    Heddle__V1__StopTaskRequest request = HEDDLE__V1__STOP_TASK_REQUEST__INIT;
    request.task_id = task_id;
    request.user = text_of(in->user);
    struct status err;
    ProtobufCMessage *reply = session_try(in->ctl, METHOD_STOP_TASK, &request.base, 5000, &err);
    if (reply == NULL)
        rpc_blocking_stream_cancel(in->stream);
    else
        protobuf_c_message_free_unpacked(reply, NULL);
}

static void *watch(void *arg)
{
    struct interrupt *in = arg;
    sigset_t set;
    int signal_number;
    watched_signals(&set);
    while (sigwait(&set, &signal_number) == 0 && signal_number != WAKE_SIGNAL) {
        if (atomic_exchange(&in->is_interrupted, true))
            _exit(CTL_INTERRUPTED);
        stop_run(in);
    }
    return NULL;
}

void interrupt_begin(struct interrupt *in, struct ctl *ctl, struct rpc_blocking_stream *stream,
                     const char *user)
{
    memset(in, 0, sizeof *in);
    in->ctl = ctl;
    in->user = user;
    in->stream = stream;
    pthread_mutex_init(&in->lock, NULL);
    in->is_running = pthread_create(&in->thread, NULL, watch, in) == 0;
}

void interrupt_task(struct interrupt *in, const char *task_id)
{
    struct str id = str_c(task_id);
    if (in->task_id[0] != '\0' || id.len != UUID_TEXT_LEN)
        return;
    pthread_mutex_lock(&in->lock);
    memcpy(in->task_id, id.ptr, id.len);
    pthread_mutex_unlock(&in->lock);
}

bool interrupt_end(struct interrupt *in)
{
    if (in->is_running) {
        pthread_kill(in->thread, WAKE_SIGNAL);
        pthread_join(in->thread, NULL);
    }
    pthread_mutex_destroy(&in->lock);
    return atomic_load(&in->is_interrupted);
}
