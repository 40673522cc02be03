/*
 * worker: see the header. Callbacks of the loop (mail, timers, model replies) only note things and put jobs on the ready
 * queue; turn() is the one place that moves runs, before and after the loop waits.
 */
#include "executor/worker/host.h"
#include "shared/base/clock.h"
#include <assert.h>
#include <stdlib.h>

void job_signal(struct job *job, enum job_signal signal)
{
    atomic_fetch_or(&job->signals, (unsigned)signal);
    worker_post(job->worker, job);
}

void worker_post(struct worker *worker, struct job *job)
{
    bool is_first = false, is_added = false;
    pthread_mutex_lock(&worker->lock);
    if (!job->is_mailed) {
        job->is_mailed = true;
        job->mail_next = NULL;
        is_first = worker->mail_first == NULL;
        if (is_first)
            worker->mail_first = job;
        else
            worker->mail_last->mail_next = job;
        worker->mail_last = job;
        worker->mail_count++;
        job->ops->ref(job);
        is_added = true;
    }
    pthread_mutex_unlock(&worker->lock);
    if (is_added && is_first)
        uv_async_send(&worker->mail);
}

void worker_take_back(struct worker *worker, struct job *job)
{
    pthread_mutex_lock(&worker->lock);
    job->back_next = worker->back;
    worker->back = job;
    uv_async_send(&worker->mail); /* under the lock: once the worker has the job, it may end */
    pthread_mutex_unlock(&worker->lock);
}

/* Somebody waits for it, with this on the stack. */
struct worker_errand {
    struct worker_errand *next;
    struct job_call *call; /* to be cancelled */
    bool is_done;
};

void worker_cancel_call(struct worker *worker, struct job_call *call)
{
    struct worker_errand errand = {.call = call};
    pthread_mutex_lock(&worker->lock);
    errand.next = worker->errands;
    worker->errands = &errand;
    uv_async_send(&worker->mail);
    while (!errand.is_done)
        pthread_cond_wait(&worker->errand_done, &worker->lock);
    pthread_mutex_unlock(&worker->lock);
}

static void run_errands(struct worker *worker)
{
    struct worker_errand *errand;
    pthread_mutex_lock(&worker->lock);
    while ((errand = worker->errands) != NULL) {
        worker->errands = errand->next;
        pthread_mutex_unlock(&worker->lock);
        host_cancel_call(errand->call);
        pthread_mutex_lock(&worker->lock);
        errand->is_done = true;
        pthread_cond_broadcast(&worker->errand_done);
    }
    pthread_mutex_unlock(&worker->lock);
}

static void on_timer(uv_timer_t *timer);

static void arm_timer(struct worker *worker)
{
    int64_t next_ms = timers_next_ms(&worker->timers);
    if (next_ms == worker->timer_at_ms)
        return;
    worker->timer_at_ms = next_ms;
    if (next_ms == INT64_MAX) {
        uv_timer_stop(&worker->timer);
        return;
    }
    int64_t wait_ms = next_ms - clock_monotonic_ms();
    uv_update_time(&worker->loop);
    uv_timer_start(&worker->timer, on_timer, wait_ms > 0 ? (uint64_t)wait_ms : 0, 0);
}

/* --- jobs come and go --- */

/* Its id is free from here on: before its caller hears the end, for he may use it again. */
static void job_unlist(struct job *job)
{
    registry_remove(job->worker->registry, job);
}

static void job_leave(struct job *job)
{
    struct worker *worker = job->worker;
    atomic_fetch_sub(&worker->live, 1);
    workers_job_ended(worker->workers);
    job->ops->unref(job);
}

static void job_refuse(struct job *job, const struct status *err)
{
    job_unlist(job);
    job->ops->refused(job, err);
    job_leave(job);
}

static void job_made(struct worker *worker, struct job *job, struct run *run)
{
    job->run = run;
    job->emitted_at_ms = clock_monotonic_ms();
    job->all_prev = NULL;
    job->all_next = worker->all;
    if (worker->all != NULL)
        worker->all->all_prev = job;
    worker->all = job;
    job->ops->begun(job);
    host_mark_dirty(job); /* it has something to say, together with the first events */
    ready_put(&worker->ready, job);
}

static void job_begin(struct worker *worker, struct job *job)
{
    struct status err;
    struct run *run = NULL;
    if (!timers_reserve(&worker->timers, worker->held + 1)) {
        status_set(&err, STATUS_RESOURCE_EXHAUSTED, "no memory for another run");
        job_refuse(job, &err);
        return;
    }
    if (job->request_bytes > AWAY_BYTES && host_make_away(job)) {
        worker->held++;
        return;
    }
    if (job->ops->make(job, &worker_host, job, &run, &err) != STATUS_OK) {
        job_refuse(job, &err);
        return;
    }
    worker->held++;
    job_made(worker, job, run);
}

/* ended() sends what is left, together with the end. */
static void take_off_dirty(struct worker *worker, struct job *job)
{
    if (!job->is_dirty)
        return;
    struct job **at = &worker->dirty;
    while (*at != job)
        at = &(*at)->dirty_next;
    *at = job->dirty_next;
    job->is_dirty = false;
}

static void job_end(struct worker *worker, struct job *job)
{
    take_off_dirty(worker, job);
    assert(job->calls == NULL);
    timers_drop(&worker->timers, job);
    run_free(job->run);
    job->run = NULL;
    if (job->all_prev == NULL)
        worker->all = job->all_next;
    else
        job->all_prev->all_next = job->all_next;
    if (job->all_next != NULL)
        job->all_next->all_prev = job->all_prev;
    worker->held--;
    job_unlist(job);
    job->ops->ended(job);
    job_leave(job);
}

static void hold_back(struct job *job, bool is_paused)
{
    const struct model_backend *backend = job->worker->backend;
    if (job->is_away) { /* what asks it to go on comes later, as a late signal */
        job->has_late_hold = true;
        job->late_signals &= ~(unsigned)JOB_RESUME;
        return;
    }
    if (job->is_paused == is_paused || job->run == NULL)
        return;
    job->is_paused = is_paused;
    run_set_paused(job->run, is_paused);
    /* Resuming may bring text at once (libcurl): it only notes and wakes. */
    for (struct job_call *call = job->calls, *next; call != NULL; call = next) {
        next = call->next;
        if (call->call != NULL)
            (is_paused ? backend->pause : backend->resume)(job->worker->models, call->call);
    }
    if (!is_paused)
        ready_put(&job->worker->ready, job);
}

static void job_hear(struct worker *worker, struct job *job)
{
    unsigned signals = atomic_exchange(&job->signals, 0) | job->late_signals;
    job->late_signals = job->is_away ? signals : 0;
    if (job->is_away || job->run == NULL)
        return;
    if (signals & JOB_STOP)
        run_stop(job->run, END_REASON_STOPPED_BY_USER, STR(""));
    if (signals & JOB_GONE)
        run_stop(job->run, END_REASON_CALLER_GONE, STR(""));
    if (signals & JOB_SHUTDOWN)
        run_stop(job->run, END_REASON_SHUTTING_DOWN, STR(""));
    if (signals & JOB_RESUME)
        hold_back(job, false);
    if (signals & ~(unsigned)JOB_RESUME)
        ready_put(&worker->ready, job);
}

/* --- the loop --- */

static void flush(struct worker *worker)
{
    struct job *job = worker->dirty;
    worker->dirty = NULL;
    while (job != NULL) {
        struct job *next = job->dirty_next;
        job->is_dirty = false;
        if (job->ops->flush(job))
            hold_back(job, true);
        job = next;
    }
}

static void take_progress(struct worker *worker, struct job *job, enum run_progress progress)
{
    switch (progress) {
    case RUN_IDLE:
        break;
    case RUN_MORE:
        ready_put(&worker->ready, job);
        break;
    case RUN_ENDED:
        job_end(worker, job);
        break;
    }
}

/* Every job that is ready now gets one share, then what they emitted goes out. */
static void turn(struct worker *worker)
{
    for (size_t shares = worker->ready.count; shares > 0; shares--) {
        struct job *job = ready_take(&worker->ready);
        if (job == NULL)
            break;
        if (run_bytes(job->run) <= AWAY_BYTES || !host_turn_away(job))
            take_progress(worker, job, run_advance(job->run, TURN_STEPS, TURN_US));
    }
    flush(worker);
    arm_timer(worker);
}

static void close_own_handles(struct worker *worker)
{
    uv_close((uv_handle_t *)&worker->mail, NULL);
    uv_close((uv_handle_t *)&worker->before_poll, NULL);
    uv_close((uv_handle_t *)&worker->after_poll, NULL);
    uv_close((uv_handle_t *)&worker->busy, NULL);
    uv_close((uv_handle_t *)&worker->timer, NULL);
    uv_close((uv_handle_t *)&worker->pinger, NULL);
}

static void close_handles(struct worker *worker)
{
    worker->backend->close(worker->models);
    close_own_handles(worker);
}

/* Nothing is left and nothing will come: the loop empties and ends. */
static void end_if_done(struct worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    bool is_asked_to_end = worker->is_asked_to_end && worker->mail_first == NULL;
    pthread_mutex_unlock(&worker->lock);
    if (is_asked_to_end && atomic_load(&worker->live) == 0 && !uv_is_closing((uv_handle_t *)&worker->mail))
        close_handles(worker);
}

static void on_busy(uv_idle_t *idle)
{
    (void)idle; /* being active is all it does */
}

static void move(struct worker *worker)
{
    turn(worker);
    if (worker->ready.count > 0)
        uv_idle_start(&worker->busy, on_busy);
    else
        uv_idle_stop(&worker->busy);
    end_if_done(worker);
}

/* What the loop did since it went to wait last, without the waiting: so long news may have had to wait for it. */
static void note_turn(struct worker *worker)
{
    int64_t now_us = clock_monotonic_us(), idle_us = (int64_t)(uv_metrics_idle_time(&worker->loop) / 1000);
    if (worker->turn_us != NULL && worker->turned_us > 0) {
        int64_t busy_us = now_us - worker->turned_us - (idle_us - worker->idle_us);
        metric_observe(worker->turn_us, busy_us > 0 ? busy_us : 0);
    }
    worker->turned_us = now_us;
    worker->idle_us = idle_us;
    atomic_store_explicit(&worker->turned_ms, now_us / 1000, memory_order_relaxed);
    atomic_store_explicit(&worker->ready_seen, worker->ready.count, memory_order_relaxed);
}

static void on_before_poll(uv_prepare_t *prepare)
{
    struct worker *worker = prepare->data;
    move(worker);
    note_turn(worker);
}

static void on_after_poll(uv_check_t *check)
{
    move(check->data);
}

static void on_timer(uv_timer_t *timer)
{
    struct worker *worker = timer->data;
    int64_t now_ms = clock_monotonic_ms();
    worker->timer_at_ms = INT64_MIN; /* to be armed anew */
    struct job *job;
    while ((job = timers_due(&worker->timers, now_ms)) != NULL) {
        if (job->is_away) {
            job->has_late_timer = true;
            continue;
        }
        run_timer(job->run);
        ready_put(&worker->ready, job);
    }
}

static void on_ping(uv_timer_t *timer)
{
    struct worker *worker = timer->data;
    int64_t now_ms = clock_monotonic_ms();
    for (struct job *job = worker->all; job != NULL; job = job->all_next) {
        if (job->is_away || now_ms - job->emitted_at_ms < PING_MS || job->is_paused)
            continue;
        const struct run_event ping = {.kind = EVENT_PING, .created_at_ms = clock_wall_ms()};
        worker_host.emit(job, job->run, &ping);
    }
}

/* The next job of the mailbox, with the reference of its stay; NULL: empty. */
static struct job *take_mail(struct worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    struct job *job = worker->mail_first;
    if (job != NULL) {
        worker->mail_first = job->mail_next;
        if (worker->mail_first == NULL)
            worker->mail_last = NULL;
        worker->mail_count--;
        job->is_mailed = false; /* from here on it can be posted again */
    }
    pthread_mutex_unlock(&worker->lock);
    return job;
}

static struct job *take_back(struct worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    struct job *job = worker->back;
    if (job != NULL)
        worker->back = job->back_next;
    pthread_mutex_unlock(&worker->lock);
    return job;
}

/* It was away to be made. */
static void job_is_made(struct worker *worker, struct job *job)
{
    if (job->away.made == STATUS_OK) {
        job_made(worker, job, job->away.run);
        job_hear(worker, job);
        return;
    }
    worker->held--;
    job_refuse(job, &job->away.err);
}

static void job_is_back(struct worker *worker, struct job *job)
{
    bool is_new = job->run == NULL && job->away.progress != RUN_ENDED;
    job->is_away = false;
    if (is_new) {
        job_is_made(worker, job);
        return;
    }
    host_settle(job);
    if (job->has_late_hold)
        hold_back(job, true);
    if (job->has_late_timer && job->run != NULL) {
        run_timer(job->run);
        ready_put(&worker->ready, job);
    }
    job->has_late_timer = job->has_late_hold = false;
    if (job->run != NULL)
        job_hear(worker, job);
    take_progress(worker, job, job->away.progress);
}

static void on_mail(uv_async_t *async)
{
    struct worker *worker = async->data;
    struct job *job;
    run_errands(worker);
    while ((job = take_back(worker)) != NULL)
        job_is_back(worker, job);
    while ((job = take_mail(worker)) != NULL) {
        if (!job->is_taken) {
            job->is_taken = true;
            job_begin(worker, job);
        }
        job_hear(worker, job);
        job->ops->unref(job);
    }
}

void worker_ask_to_end(struct worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    worker->is_asked_to_end = true;
    pthread_mutex_unlock(&worker->lock);
    uv_async_send(&worker->mail);
}

void worker_join(struct worker *worker)
{
    pthread_join(worker->thread, NULL);
    timers_fini(&worker->timers);
}

void worker_fini(struct worker *worker)
{
    pthread_cond_destroy(&worker->errand_done);
    pthread_mutex_destroy(&worker->lock);
}

static void *worker_main(void *arg)
{
    struct worker *worker = arg;
    pthread_setname_np(pthread_self(), "worker");
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    int rc = uv_loop_close(&worker->loop);
    assert(rc == 0); /* a handle was left open: our bug */
    (void)rc;
    return NULL;
}

enum status_code worker_start(struct worker *worker, struct status *err)
{
    worker->timer_at_ms = INT64_MAX;
    if (uv_loop_init(&worker->loop) != 0)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "worker: no event loop to be had");
    (void)uv_loop_configure(&worker->loop, UV_METRICS_IDLE_TIME); /* known to this libuv */
    atomic_init(&worker->turned_ms, clock_monotonic_ms());
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->errand_done, NULL);
    uv_async_init(&worker->loop, &worker->mail, on_mail);
    uv_prepare_init(&worker->loop, &worker->before_poll);
    uv_check_init(&worker->loop, &worker->after_poll);
    uv_idle_init(&worker->loop, &worker->busy);
    uv_timer_init(&worker->loop, &worker->timer);
    uv_timer_init(&worker->loop, &worker->pinger);
    worker->mail.data = worker->before_poll.data = worker->after_poll.data = worker->busy.data = worker;
    worker->timer.data = worker->pinger.data = worker;
    uv_prepare_start(&worker->before_poll, on_before_poll);
    uv_check_start(&worker->after_poll, on_after_poll);
    uv_timer_start(&worker->pinger, on_ping, PING_MS / 4, PING_MS / 4);
    enum status_code rc = worker->backend->open(worker->backend->arg, &worker->loop, &worker->models, err);
    bool has_models = rc == STATUS_OK;
    if (has_models && pthread_create(&worker->thread, NULL, worker_main, worker) != 0)
        rc = status_set(err, STATUS_RESOURCE_EXHAUSTED, "worker: no thread to be had");
    if (rc == STATUS_OK)
        return rc;
    if (has_models)
        worker->backend->close(worker->models);
    close_own_handles(worker);
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    uv_loop_close(&worker->loop);
    pthread_cond_destroy(&worker->errand_done);
    pthread_mutex_destroy(&worker->lock);
    return rc;
}
