/* execution: see the header. */
#include "executor/api/execution.h"

#include "shared/rpc/slice.h"
#include <stdlib.h>

struct execution *execution_of(struct job *job)
{
    return CONTAINER_OF(job, struct execution, job);
}

void execution_ref(struct job *job)
{
    atomic_fetch_add(&execution_of(job)->refs, 1);
}

void execution_unref(struct job *job)
{
    struct execution *x = execution_of(job);
    if (atomic_fetch_sub(&x->refs, 1) != 1)
        return;
    if (x->executor != NULL)
        meters_outbox(x->executor->options.meters, &x->meter, 0, false);
    version_unref(x->version);
    conversation_state_fini(&x->conversation);
    if (x->request != NULL)
        heddle__executor__v1__execute_request__free_unpacked(x->request, NULL);
    record_fini(&x->record);
    tracing_end(&x->trace);
    outbox_fini(&x->outbox);
    buf_fini(&x->scratch);
    pthread_mutex_destroy(&x->lock);
    free(x);
}

void execution_finish(struct execution *x, const struct status *status)
{
    struct rpc_call *call = x->call;
    if (call == NULL)
        return;
    x->call = NULL;
    outbox_close(&x->outbox);
    execution_note_outbox(x);
    if (!x->meter.has_begun && status->code != STATUS_OK)
        meters_refused(x->executor->options.meters, status);
    rpc_call_finish(call, status);
}

void execution_note_outbox(struct execution *x)
{
    meters_outbox(x->executor->options.meters, &x->meter, x->outbox.events.len, x->outbox.is_held);
}

void execution_lose_caller(struct execution *x)
{
    struct status err;
    status_set(&err, STATUS_RESOURCE_EXHAUSTED, "no memory for the run's events; the run was ended");
    execution_finish(x, &err);
    if (!x->has_ended)
        job_signal(&x->job, JOB_GONE);
}

bool execution_pump(struct execution *x)
{
    struct buf frame;
    grpc_slice slice;
    if (x->is_sending || x->call == NULL)
        return false;
    enum outbox_next next = outbox_take(&x->outbox, &frame);
    bool has_memory = next != OUTBOX_NOTHING || !outbox_has_next(&x->outbox);
    if (next == OUTBOX_NOTHING && has_memory)
        return false;
    if (!has_memory || !rpc_slice_take_buf(&frame, &slice)) {
        /* There may be no later turn to try it again in. */
        buf_fini(&frame);
        execution_lose_caller(x);
        return true;
    }
    x->is_sending = true;
    execution_note_outbox(x);
    rpc_call_send(x->call, slice,
                  next == OUTBOX_LAST || outbox_has_next(&x->outbox) ? RPC_SEND_MORE : RPC_SEND_NOW);
    if (next == OUTBOX_LAST)
        execution_finish(x, &(struct status){.code = STATUS_OK});
    bool is_released = outbox_release(&x->outbox);
    if (is_released)
        execution_note_outbox(x);
    return is_released && !x->waits_for_journal;
}

bool execution_has_history(const struct execution *x)
{
    return x->request->conversation_id[0] != '\0' && !x->request->conversation_is_new;
}

bool execution_outlives_caller(const struct execution *x)
{
    return x->request->on_disconnect == HEDDLE__V1__ON_DISCONNECT__ON_DISCONNECT_CONTINUE;
}
