/*
 * stream_load: see the header. All runs of the loop and its result belong to the queue's thread; the main thread only waits,
 * and while runs are to be left it posts a tick each millisecond, in which those that are due are left. In an open loop it
 * sleeps until the next run is due and says so; who reads and who moves next_us takes turns (is_awaited).
 */
#include "tests/bench/stream_load.h"

#include "shared/base/clock.h"
#include "shared/limits.h"
#include "shared/rpc/slice.h"
#include "tests/bench/segments.h"
#include <math.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

enum { METHOD_STREAM, METHOD_STOP, METHOD_COUNT };

struct loop;

struct run {
    struct loop *loop;
    struct rpc_client_call *call; /* NULL: none in flight */
    uint64_t number;
    int64_t start_us, first_us, last_us, leave_us; /* 0: has not come; INT64_MAX: is not left */
    bool is_left, stop_is_in_flight;
    struct stream_seen seen;
    struct run *next_free; /* open loop */
};

struct loop {
    const struct stream_kind *kind;
    const struct load_options *options;
    struct load_result *result;
    struct rpc_channel *channel;
    struct rpc_queue *queue;
    struct rpc_op begin, tick, due;
    atomic_bool tick_is_posted, has_ended;
    sem_t ended, next_is_known;
    uint64_t random;
    size_t in_flight; /* calls, those to StopTask included */
    struct run *runs;
    /* open loop */
    struct run *free;
    int64_t next_us;    /* when the next run is due */
    bool is_awaited;    /* the main thread sleeps until then, and will post `due` */
    bool no_more_start; /* set once */
};

/* xorshift64*: the same runs are left in every load with the same seed. */
static uint64_t next_random(struct loop *loop)
{
    loop->random ^= loop->random >> 12;
    loop->random ^= loop->random << 25;
    loop->random ^= loop->random >> 27;
    return loop->random * 0x2545F4914F6CDD1DULL;
}

static void start_run(struct run *run, int64_t due_us);

static void call_ended(struct loop *loop)
{
    if (--loop->in_flight > 0)
        return;
    load_result_end(loop->result);
    atomic_store(&loop->has_ended, true);
    (void)sem_post(&loop->ended); /* cannot overflow: posted once */
}

static void record_left(struct loop *loop, const struct run *run)
{
    struct load_result *result = loop->result;
    if (result->left_count < result->left_max)
        result->left[result->left_count++] =
            (struct load_left){.number = run->number, .at_us = clock_monotonic_us()};
}

static void stop_answered(struct rpc_client_call *call, void *arg, const struct status *status,
                          struct str reply)
{
    (void)call;
    (void)reply;
    struct run *run = arg;
    run->stop_is_in_flight = false;
    if (status->code != STATUS_OK)
        load_result_count(run->loop->result, LOAD_WRONG, status->message);
    if (run->call == NULL && load_may_start(run->loop->options, run->loop->result, clock_monotonic_us()))
        start_run(run, 0);
    call_ended(run->loop);
}

static struct rpc_client_args args_of(const struct loop *loop, size_t method)
{
    return (struct rpc_client_args){.method = method,
                                    .queue = loop->queue,
                                    .deadline_ms = clock_monotonic_ms() + loop->options->timeout_ms};
}

static void leave_run(struct run *run)
{
    struct loop *loop = run->loop;
    struct status err;
    if (loop->options->leave_how == LOAD_LEAVE_CANCEL) {
        run->is_left = true;
        record_left(loop, run);
        rpc_client_cancel(run->call);
        return;
    }
    if (run->seen.task_id[0] == '\0')
        return; /* not begun: the next tick */
    run->is_left = true;
    struct rpc_client_args args = args_of(loop, METHOD_STOP);
    grpc_slice request = loop->kind->stop(loop->options, &run->seen);
    record_left(loop, run);
    if (rpc_client_unary(loop->channel, &args, request, stop_answered, run, NULL, &err) != STATUS_OK) {
        grpc_slice_unref(request);
        load_result_count(loop->result, LOAD_WRONG, err.message);
        return;
    }
    run->stop_is_in_flight = true;
    loop->in_flight++;
}

static void tick(struct rpc_op *op, bool ok)
{
    (void)ok;
    struct loop *loop = CONTAINER_OF(op, struct loop, tick);
    atomic_store(&loop->tick_is_posted, false);
    int64_t now_us = clock_monotonic_us();
    for (size_t i = 0; i < loop->options->in_flight; i++) {
        struct run *run = &loop->runs[i];
        if (run->call != NULL && !run->is_left && run->leave_us <= now_us)
            leave_run(run);
    }
}

static enum load_end end_of(const struct run *run, const struct status *status)
{
    const struct stream_seen *seen = &run->seen;
    bool we_cancelled = run->is_left && run->loop->options->leave_how == LOAD_LEAVE_CANCEL;
    /* OK: the server had ended the stream, and what was still to be read is gone with the cancel. */
    if (we_cancelled && (status->code == STATUS_CANCELLED ||
                         (status->code == STATUS_OK && seen->verdict == STREAM_OPEN && !seen->is_wrong)))
        return LOAD_CANCELLED;
    if (run->is_left && run->loop->options->leave_how == LOAD_LEAVE_DEADLINE &&
        status->code == STATUS_DEADLINE_EXCEEDED && !seen->is_wrong)
        return LOAD_EXPIRED;
    if (run->loop->options->wants_limit) {
        bool says_why = status->reason != NULL && status->retry_ms > 0;
        bool is_refused = status->code == STATUS_RESOURCE_EXHAUSTED && seen->events == 0;
        return is_refused && says_why ? LOAD_LIMITED : LOAD_WRONG;
    }
    if (status->code != STATUS_OK)
        return seen->events == 0 ? LOAD_REFUSED : LOAD_LOST;
    if (seen->is_wrong)
        return LOAD_WRONG;
    switch (seen->verdict) {
    case STREAM_OPEN:
        return LOAD_LOST;
    case STREAM_STOPPED:
        if (!run->is_left)
            return LOAD_FAILED;
        return run->loop->options->leave_how == LOAD_LEAVE_DEADLINE ? LOAD_EXPIRED : LOAD_STOPPED;
    case STREAM_FAILED:
        return LOAD_FAILED;
    case STREAM_SUCCEEDED:
        break;
    }
    const char *answer = run->loop->options->answer;
    return answer != NULL && seen->answer_bytes != strlen(answer) ? LOAD_WRONG : LOAD_OK;
}

static void record_end(struct run *run, const struct status *status)
{
    struct load_result *result = run->loop->result;
    enum load_end end = end_of(run, status);
    char problem[512] = "";
    if (end >= LOAD_REFUSED)
        (void)snprintf(problem, sizeof problem, "%s %.150s after %llu events; %s",
                       status_code_name(status->code), status->message, (unsigned long long)run->seen.events,
                       run->seen.words);
    load_result_count(result, end, problem);
    if (end != LOAD_OK && end != LOAD_LIMITED)
        return;
    result->events += run->seen.events;
    result->messages += run->seen.messages;
    result->answer_bytes += run->seen.answer_bytes;
    histogram_add(&result->whole, clock_monotonic_us() - run->start_us);
    if (run->first_us != 0)
        histogram_add(&result->first_token, run->first_us - run->start_us);
}

static void record_text(struct run *run)
{
    int64_t now_us = clock_monotonic_us();
    if (run->first_us == 0)
        run->first_us = now_us;
    else
        histogram_add(&run->loop->result->gap, now_us - run->last_us);
    run->last_us = now_us;
}

static void run_message(struct rpc_client_call *call, void *arg, const grpc_slice *message)
{
    struct run *run = arg;
    struct stream_seen *seen = &run->seen;
    uint64_t bytes_before = seen->answer_bytes;
    seen->messages++;
    if (!run->loop->kind->read(run->loop->options, rpc_slice_str(message), seen))
        seen->is_wrong = true;
    if (seen->answer_bytes > bytes_before)
        record_text(run);
    rpc_client_next(call);
}

/* ---- open loop ---- */

static void give_free(struct run *run)
{
    run->next_free = run->loop->free;
    run->loop->free = run;
}

/* Moments of a Poisson process: what lies between two of them is distributed exponentially. */
static void move_on(struct loop *loop)
{
    double share = (double)(next_random(loop) >> 11) / (double)(1ULL << 53); /* 0 to 1, without 1 */
    loop->next_us += llround(-log1p(-share) * 1e6 / (double)loop->options->rate);
}

/* Starts what is due as far as calls are free; then somebody has to wait: the main thread for the time, or we for a call. */
static void start_due(struct loop *loop)
{
    while (loop->free != NULL && loop->next_us <= clock_monotonic_us() &&
           load_may_start(loop->options, loop->result, loop->next_us)) {
        struct run *run = loop->free;
        int64_t due_us = loop->next_us;
        loop->free = run->next_free;
        move_on(loop);
        start_run(run, due_us);
        if (run->call == NULL)
            give_free(run);
    }
    bool is_over = !load_may_start(loop->options, loop->result, loop->next_us);
    if (loop->no_more_start || (loop->free == NULL && !is_over))
        return;
    loop->no_more_start = is_over;
    loop->is_awaited = !is_over;
    (void)sem_post(&loop->next_is_known); /* cannot overflow: once in each turn */
    if (is_over)
        call_ended(loop); /* held since begin() */
}

static void due(struct rpc_op *op, bool ok)
{
    (void)ok;
    struct loop *loop = CONTAINER_OF(op, struct loop, due);
    loop->is_awaited = false;
    start_due(loop);
}

static void begin_open(struct loop *loop)
{
    for (size_t i = 0; i < loop->options->in_flight; i++) {
        loop->runs[i].loop = loop;
        give_free(&loop->runs[i]);
    }
    loop->next_us = loop->result->began_us;
    move_on(loop);
    start_due(loop);
}

/* The main thread. */
static void tell_what_is_due(struct loop *loop)
{
    (void)prctl(PR_SET_TIMERSLACK, 1UL); /* without it runs start up to 50 us later */
    for (;;) {
        while (sem_wait(&loop->next_is_known) != 0)
            ; /* interrupted: again */
        if (loop->no_more_start)
            return;
        struct timespec until = {.tv_sec = (time_t)(loop->next_us / 1000000),
                                 .tv_nsec = (long)(loop->next_us % 1000000) * 1000};
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL); /* too early does no harm */
        rpc_queue_post(loop->queue, &loop->due);
    }
}

/* ---- both ---- */

static void run_ended(struct rpc_client_call *call, void *arg, const struct status *status)
{
    (void)call;
    struct run *run = arg;
    struct loop *loop = run->loop;
    run->call = NULL;
    record_end(run, status);
    if (loop->options->rate > 0) {
        give_free(run);
        if (!loop->is_awaited)
            start_due(loop);
        call_ended(loop);
        return;
    }
    /* A run whose StopTask is under way begins anew when that has been answered. */
    if (!run->stop_is_in_flight && load_may_start(loop->options, loop->result, clock_monotonic_us()))
        start_run(run, 0);
    call_ended(loop);
}

static const struct rpc_stream_handler run_handler = {.message = run_message, .ended = run_ended};

/* due_us: of an open loop, else 0. */
static void start_run(struct run *run, int64_t due_us)
{
    struct loop *loop = run->loop;
    const struct load_options *options = loop->options;
    struct status err;
    *run = (struct run){.loop = loop, .number = loop->result->started++, .leave_us = INT64_MAX};
    grpc_slice request = loop->kind->request(options, run->number);
    struct rpc_client_args args = args_of(loop, METHOD_STREAM);
    run->start_us = clock_monotonic_us();
    if (due_us != 0) {
        histogram_add(&loop->result->late, run->start_us - due_us);
        run->start_us = due_us;
    }
    if (options->leave_percent > 0 && next_random(loop) % 100 < options->leave_percent) {
        int64_t after_ms = (int64_t)(next_random(loop) % ((uint64_t)options->leave_within_ms + 1));
        if (options->leave_how == LOAD_LEAVE_DEADLINE) {
            run->is_left = true;
            args.deadline_ms = clock_monotonic_ms() + 1 + after_ms;
        } else {
            run->leave_us = run->start_us + after_ms * 1000;
        }
    }
    if (rpc_client_stream(loop->channel, &args, request, &run_handler, run, &run->call, &err) != STATUS_OK) {
        grpc_slice_unref(request);
        run->call = NULL;
        load_result_count(loop->result, LOAD_REFUSED, err.message);
        return;
    }
    loop->in_flight++;
    rpc_client_next(run->call);
    if (run->leave_us == run->start_us)
        leave_run(run);
}

static void begin(struct rpc_op *op, bool ok)
{
    (void)ok;
    struct loop *loop = CONTAINER_OF(op, struct loop, begin);
    load_result_begin(loop->result);
    loop->in_flight = 1; /* held while runs are started */
    if (loop->options->rate > 0) {
        begin_open(loop);
        return;
    }
    for (size_t i = 0; i < loop->options->in_flight; i++) {
        loop->runs[i].loop = loop;
        if (load_may_start(loop->options, loop->result, clock_monotonic_us()))
            start_run(&loop->runs[i], 0);
    }
    call_ended(loop);
}

static void wait_for_end(struct loop *loop)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    if (loop->options->rate > 0)
        tell_what_is_due(loop);
    while (loop->options->leave_percent > 0 && !atomic_load(&loop->has_ended)) {
        if (!atomic_exchange(&loop->tick_is_posted, true))
            rpc_queue_post(loop->queue, &loop->tick);
        (void)nanosleep(&pause, NULL); /* a shorter pause does no harm */
    }
    while (sem_wait(&loop->ended) != 0)
        ; /* interrupted: again */
    while (atomic_load(&loop->tick_is_posted))
        (void)nanosleep(&pause, NULL); /* as above */
}

enum status_code stream_load_run(const struct stream_kind *kind, const struct load_options *options,
                                 struct rpc_queues *queues, struct load_result *result, struct status *err)
{
    struct loop loop = {.kind = kind,
                        .options = options,
                        .result = result,
                        .queue = rpc_queues_at(queues, 0),
                        .begin.done = begin,
                        .tick.done = tick,
                        .due.done = due,
                        .random = options->seed != 0 ? options->seed : 1};
    struct rpc_client_method methods[METHOD_COUNT] = {
        [METHOD_STREAM] = {.path = kind->path}, [METHOD_STOP] = {.path = kind->stop_path}};
    struct rpc_channel_options channel = {.target = options->target,
                                          .methods = methods,
                                          .method_count =
                                              kind->stop_path != NULL ? METHOD_COUNT : METHOD_STOP,
                                          .message_bytes_max = LIMIT_ADMIN_MESSAGE_BYTES,
                                          .bearer = options->token};
    loop.runs = calloc(options->in_flight, sizeof *loop.runs);
    if (loop.runs == NULL || sem_init(&loop.ended, 0, 0) != 0 || sem_init(&loop.next_is_known, 0, 0) != 0) {
        free(loop.runs);
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "load: no memory");
    }
    enum status_code rc = rpc_channel_new(&channel, &loop.channel, err);
    if (rc == STATUS_OK)
        rc = rpc_queues_start(queues, err);
    if (rc == STATUS_OK) {
        rpc_queue_post(loop.queue, &loop.begin);
        wait_for_end(&loop);
        segments_count(options->target, &result->segments_in, &result->segments_out);
    }
    rpc_channel_free(loop.channel);
    (void)sem_destroy(&loop.ended); /* nobody waits on them */
    (void)sem_destroy(&loop.next_is_known);
    free(loop.runs);
    return rc;
}
