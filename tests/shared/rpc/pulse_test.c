/* Tests of pulse: threads that turn, and one that does not. */
#include "shared/rpc/pulse.h"
#include "tests/support/check.h"
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_int done;

static void hold_up(struct rpc_op *op, bool ok)
{
    (void)op;
    (void)ok;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
}

static void note_done(struct rpc_op *op, bool ok)
{
    (void)op;
    (void)ok;
    atomic_fetch_add(&done, 1);
}

/* What was posted to the queue before has been handled. */
static void wait_for(struct rpc_queue *queue)
{
    static struct rpc_op op = {.done = note_done};
    int before = atomic_load(&done);
    rpc_queue_post(queue, &op);
    while (atomic_load(&done) == before)
        usleep(1000);
}

static void a_thread_that_does_not_turn_is_stuck(void **state)
{
    (void)state;
    struct rpc_queues *queues = NULL;
    struct rpc_pulse *pulse = NULL;
    struct status err;
    struct rpc_op stone = {.done = hold_up};
    assert_ok(rpc_queues_new(2, &queues, &err));
    assert_ok(rpc_queues_start(queues, &err));
    assert_ok(rpc_pulse_new(queues, &pulse, &err));
    assert_int_equal(0, rpc_pulse_look(pulse, 1000));
    wait_for(rpc_queues_at(queues, 0));
    wait_for(rpc_queues_at(queues, 1));
    assert_int_equal(0, rpc_pulse_look(pulse, 1000 + RPC_PULSE_STUCK_MS)); /* all came back; sent again */
    wait_for(rpc_queues_at(queues, 0));
    wait_for(rpc_queues_at(queues, 1));

    pthread_mutex_lock(&gate);
    rpc_queue_post(rpc_queues_at(queues, 1), &stone);
    int64_t now_ms = 100000;
    assert_int_equal(0, rpc_pulse_look(pulse, now_ms));
    assert_int_equal(0, rpc_pulse_look(pulse, now_ms + RPC_PULSE_STUCK_MS - 1));
    /* The other thread may not have been looked at yet: it is sent another beat once the first is back. */
    while (rpc_pulse_look(pulse, now_ms + RPC_PULSE_STUCK_MS) != 1)
        usleep(1000);
    pthread_mutex_unlock(&gate);
    wait_for(rpc_queues_at(queues, 1));
    assert_int_equal(0, rpc_pulse_look(pulse, now_ms + RPC_PULSE_STUCK_MS));
    rpc_queues_free(queues);
    rpc_pulse_free(pulse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_thread_that_does_not_turn_is_stuck)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
