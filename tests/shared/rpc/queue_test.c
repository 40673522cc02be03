/*
 * What is posted to a queue arrives on its thread, in order, once, and with all that was written before.
 */
#include "shared/rpc/queue.h"
#include "tests/support/check.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { THREADS = 4, POSTS = 2000 };

struct note {
    struct rpc_op op;
    struct log *log;
    unsigned thread, number;
};

struct log {
    struct rpc_queue *queue;
    unsigned next[THREADS]; /* the queue's thread's own */
    unsigned misplaced;
    atomic_uint count;
};

struct poster {
    pthread_t thread;
    struct rpc_queue *queue;
    struct note *notes;
};

static void note_arrived(struct rpc_op *op, bool ok)
{
    struct note *note = CONTAINER_OF(op, struct note, op);
    struct log *log = note->log;
    if (!ok || !rpc_queue_is_mine(log->queue) || note->number != log->next[note->thread])
        log->misplaced++;
    log->next[note->thread]++;
    atomic_fetch_add(&log->count, 1);
}

static void *post_all(void *arg)
{
    struct poster *poster = arg;
    for (unsigned i = 0; i < POSTS; i++)
        rpc_queue_post(poster->queue, &poster->notes[i].op);
    return NULL;
}

static void posts_arrive_on_the_queue_s_thread_in_order(void **state)
{
    (void)state;
    struct rpc_queues *queues;
    struct status err;
    struct log log = {0};
    struct poster posters[THREADS];
    assert_ok(rpc_queues_new(2, &queues, &err));
    assert_ok(rpc_queues_start(queues, &err));
    log.queue = rpc_queues_at(queues, 1);
    assert_int_equal(1, rpc_queue_index(log.queue));
    assert_false(rpc_queue_is_mine(log.queue));
    for (unsigned t = 0; t < THREADS; t++) {
        posters[t].queue = log.queue;
        posters[t].notes = calloc(POSTS, sizeof *posters[t].notes);
        for (unsigned i = 0; i < POSTS; i++)
            posters[t].notes[i] =
                (struct note){.op.done = note_arrived, .log = &log, .thread = t, .number = i};
        assert_int_equal(0, pthread_create(&posters[t].thread, NULL, post_all, &posters[t]));
    }
    for (unsigned t = 0; t < THREADS; t++)
        pthread_join(posters[t].thread, NULL);
    rpc_queues_free(queues); /* hands over what is left */
    assert_int_equal(THREADS * POSTS, atomic_load(&log.count));
    assert_int_equal(0, log.misplaced);
    for (unsigned t = 0; t < THREADS; t++)
        free(posters[t].notes);
}

static void posts_to_queues_that_never_started_are_handed_over_at_the_end(void **state)
{
    (void)state;
    struct rpc_queues *queues;
    struct status err;
    struct log log = {0};
    struct note note = {.op.done = note_arrived, .log = &log};
    assert_ok(rpc_queues_new(1, &queues, &err));
    log.queue = rpc_queues_at(queues, 0);
    rpc_queue_post(log.queue, &note.op);
    rpc_queues_free(queues);
    assert_int_equal(1, atomic_load(&log.count));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posts_arrive_on_the_queue_s_thread_in_order),
        cmocka_unit_test(posts_to_queues_that_never_started_are_handed_over_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
