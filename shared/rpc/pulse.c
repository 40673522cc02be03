/* pulse: see the header. */
#include "shared/rpc/pulse.h"

#include "shared/base/status.h"
#include <stdatomic.h>
#include <stdlib.h>

struct beat {
    struct rpc_op op;
    struct rpc_queue *queue;
    int64_t sent_ms;
    atomic_bool is_out;
};

struct rpc_pulse {
    size_t count;
    struct beat beats[]; /* one per queue */
};

static void came_through(struct rpc_op *op, bool ok)
{
    (void)ok;
    atomic_store(&CONTAINER_OF(op, struct beat, op)->is_out, false);
}

enum status_code rpc_pulse_new(struct rpc_queues *queues, struct rpc_pulse **ret_pulse, struct status *err)
{
    size_t count = rpc_queues_count(queues);
    struct rpc_pulse *pulse = calloc(1, sizeof *pulse + count * sizeof pulse->beats[0]);
    if (pulse == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "rpc: no memory for a pulse");
    pulse->count = count;
    for (size_t q = 0; q < count; q++) {
        pulse->beats[q].queue = rpc_queues_at(queues, q);
        pulse->beats[q].op.done = came_through;
    }
    *ret_pulse = pulse;
    return STATUS_OK;
}

void rpc_pulse_free(struct rpc_pulse *pulse)
{
    free(pulse);
}

size_t rpc_pulse_look(struct rpc_pulse *pulse, int64_t now_ms)
{
    size_t stuck = 0;
    for (size_t q = 0; q < pulse->count; q++) {
        struct beat *beat = &pulse->beats[q];
        if (atomic_load(&beat->is_out)) {
            stuck += now_ms - beat->sent_ms >= RPC_PULSE_STUCK_MS;
            continue;
        }
        beat->sent_ms = now_ms;
        atomic_store(&beat->is_out, true);
        rpc_queue_post(beat->queue, &beat->op);
    }
    return stuck;
}
