/* Live runs: a wish to end them reaches those it is for, on their queue. */
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <pthread.h>

#include "gateway/api/live.h"

enum { QUEUES = 2, RUNS = 6 };

struct run {
    struct live_run live;
    struct fixture *fixture;
    struct rpc_queue *queue;
    size_t told;
    Heddle__V1__EndReason reason;
    bool was_on_its_queue, leaves;
};

/* Steps done on the queues; the main thread waits for them. */
struct step {
    struct rpc_op op;
    struct fixture *fixture;
    struct run *run;
    bool is_removal;
};

struct fixture {
    struct rpc_queues *queues;
    struct live *live;
    struct run runs[RUNS];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t done;
};

static void end_run(struct live_run *live, Heddle__V1__EndReason reason)
{
    struct run *run = CONTAINER_OF(live, struct run, live);
    run->told++;
    run->reason = reason;
    run->was_on_its_queue = rpc_queue_is_mine(run->queue);
    if (run->leaves)
        live_remove(run->fixture->live, run->queue, &run->live);
}

static void take_step(struct rpc_op *op, bool ok)
{
    struct step *step = CONTAINER_OF(op, struct step, op);
    struct fixture *f = step->fixture;
    assert_true(ok);
    if (step->run != NULL && step->is_removal)
        live_remove(f->live, step->run->queue, &step->run->live);
    else if (step->run != NULL)
        live_add(f->live, step->run->queue, &step->run->live);
    pthread_mutex_lock(&f->lock);
    f->done++;
    pthread_cond_signal(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

/* Posts the step and waits for it: whatever was posted there before is done as well. */
static void do_step(struct fixture *f, struct rpc_queue *queue, struct run *run, bool is_removal)
{
    struct step step = {.op.done = take_step, .fixture = f, .run = run, .is_removal = is_removal};
    pthread_mutex_lock(&f->lock);
    size_t until = f->done + 1;
    rpc_queue_post(queue, &step.op);
    while (f->done < until)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

static void settle(struct fixture *f)
{
    for (size_t i = 0; i < QUEUES; i++)
        do_step(f, rpc_queues_at(f->queues, i), NULL, false);
}

static struct fixture fixture;

static int setup(void **state)
{
    struct status err;
    struct fixture *f = &fixture;
    *f = (struct fixture){.done = 0};
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    assert_ok(rpc_queues_new(QUEUES, &f->queues, &err));
    f->live = live_new(f->queues);
    assert_non_null(f->live);
    assert_ok(rpc_queues_start(f->queues, &err));
    for (size_t i = 0; i < RUNS; i++) {
        struct run *run = &f->runs[i];
        run->fixture = f;
        run->queue = rpc_queues_at(f->queues, i % QUEUES);
        run->live = (struct live_run){.app_id = i < 4 ? "one" : "other", .end = end_run};
        do_step(f, run->queue, run, false);
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    rpc_queues_free(f->queues);
    live_free(f->live);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    return 0;
}

static void the_runs_of_an_app_are_told_on_their_queues(void **state)
{
    struct fixture *f = *state;
    struct status err;
    assert_ok(live_end(f->live, "one", HEDDLE__V1__END_REASON__END_REASON_STOPPED_BY_USER, &err));
    settle(f);
    for (size_t i = 0; i < RUNS; i++) {
        assert_int_equal(f->runs[i].told, i < 4 ? 1 : 0);
        if (i >= 4)
            continue;
        assert_int_equal(f->runs[i].reason, HEDDLE__V1__END_REASON__END_REASON_STOPPED_BY_USER);
        assert_true(f->runs[i].was_on_its_queue);
    }
}

static void all_runs_are_told_but_those_that_were_removed(void **state)
{
    struct fixture *f = *state;
    struct status err;
    do_step(f, f->runs[2].queue, &f->runs[2], true);
    assert_ok(live_end(f->live, "", HEDDLE__V1__END_REASON__END_REASON_SHUTTING_DOWN, &err));
    settle(f);
    for (size_t i = 0; i < RUNS; i++)
        assert_int_equal(f->runs[i].told, i == 2 ? 0 : 1);
}

static void a_run_may_leave_while_it_is_told(void **state)
{
    struct fixture *f = *state;
    struct status err;
    for (size_t i = 0; i < RUNS; i++)
        f->runs[i].leaves = i % 3 != 0;
    for (int round = 0; round < 2; round++) {
        assert_ok(live_end(f->live, "", HEDDLE__V1__END_REASON__END_REASON_SHUTTING_DOWN, &err));
        settle(f);
    }
    for (size_t i = 0; i < RUNS; i++)
        assert_int_equal(f->runs[i].told, f->runs[i].leaves ? 1 : 2);
}

static void without_memory_it_says_so(void **state)
{
    struct fixture *f = *state;
    struct status err;
    alloc_fail_after(0);
    enum status_code rc = live_end(f->live, "", HEDDLE__V1__END_REASON__END_REASON_SHUTTING_DOWN, &err);
    alloc_fail_after(0);
    struct live *none = live_new(f->queues);
    alloc_fail_reset();
    assert_code(STATUS_RESOURCE_EXHAUSTED, rc);
    assert_null(none);
    settle(f);
    assert_int_equal(f->runs[0].told, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_runs_of_an_app_are_told_on_their_queues, setup, teardown),
        cmocka_unit_test_setup_teardown(all_runs_are_told_but_those_that_were_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_run_may_leave_while_it_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory_it_says_so, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
