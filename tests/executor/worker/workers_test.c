/*
 * Workers: runs from submission to end, with a model that answers from the loop.
 */
#include "executor/value/form.h"
#include "executor/worker/workers.h"
#include "tests/executor/player/player.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* --- a model: says "hello" piece by piece, or nothing until it is cancelled --- */

struct model_call {
    uv_timer_t timer;
    struct model_request request;
    struct model_callbacks callbacks;
    void *arg;
    int said;
};
static atomic_int calls_open, pauses, resumes, cancels, contexts;
static atomic_bool model_is_silent, model_fails;

static enum status_code model_open(void *arg, uv_loop_t *loop, void **ret_models, struct status *err)
{
    (void)arg;
    (void)err;
    *ret_models = loop;
    return STATUS_OK;
}

static enum status_code model_refuse_to_open(void *arg, uv_loop_t *loop, void **ret_models,
                                             struct status *err)
{
    (void)arg;
    (void)loop;
    (void)ret_models;
    return status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for models");
}

static void model_close(void *models)
{
    (void)models;
}

static void call_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void call_end(struct model_call *call)
{
    atomic_fetch_sub(&calls_open, 1);
    uv_close((uv_handle_t *)&call->timer, call_closed);
}

static void call_speak(uv_timer_t *timer)
{
    struct model_call *call = timer->data;
    static const char *const pieces[] = {"hel", "lo"};
    if (call->said < 2) {
        call->callbacks.text(call->arg, str_c(pieces[call->said++]));
        return;
    }
    const struct model_reply reply = {.usage = {.prompt_tokens = 2, .completion_tokens = 1},
                                      .finish_reason = STR("stop")};
    const struct model_failure failure = {.error_type = "InvokeRateLimitError",
                                          .message = STR("all rest"),
                                          .route = {.credential = STR("key"), .model = STR("m")},
                                          .retry_ms = 1500};
    call_end(call);
    if (atomic_load(&model_fails))
        call->callbacks.failed(call->arg, &failure);
    else
        call->callbacks.done(call->arg, &reply);
}

static struct model_call *model_start(void *models, const struct model_caller *caller,
                                      const struct model_request *request,
                                      const struct model_callbacks *callbacks, void *callback_arg,
                                      struct status *err)
{
    (void)caller;
    struct model_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory");
        return NULL;
    }
    call->request = *request;
    call->callbacks = *callbacks;
    call->arg = callback_arg;
    call->timer.data = call;
    uv_timer_init(models, &call->timer);
    if (!atomic_load(&model_is_silent))
        uv_timer_start(&call->timer, call_speak, 0, 1);
    atomic_fetch_add(&calls_open, 1);
    return call;
}

static void model_cancel(void *models, struct model_call *call)
{
    (void)models;
    /* Until then it could have been sent to somebody else. */
    assert_int_equal(1, call->request.message_count);
    assert_str("hi", call->request.messages[0].text);
    assert_str("m", call->request.model);
    atomic_fetch_add(&cancels, 1);
    call_end(call);
}

static void model_pause(void *models, struct model_call *call)
{
    (void)models;
    atomic_fetch_add(&pauses, 1);
    uv_timer_stop(&call->timer);
}

static void model_resume(void *models, struct model_call *call)
{
    (void)models;
    atomic_fetch_add(&resumes, 1);
    uv_timer_start(&call->timer, call_speak, 0, 1);
}

static int64_t model_context(void *arg, const struct model_caller *caller, struct str provider,
                             struct str model)
{
    assert_ptr_equal(arg, &contexts);
    assert_str("workspace", caller->workspace_id);
    assert_str("p", provider);
    assert_str("m", model);
    atomic_fetch_add(&contexts, 1);
    return 1000;
}

static const struct model_backend backend = {.arg = &contexts,
                                             .context = model_context,
                                             .open = model_open,
                                             .close = model_close,
                                             .start = model_start,
                                             .cancel = model_cancel,
                                             .pause = model_pause,
                                             .resume = model_resume};

/* --- a job that notes what happens to it --- */

struct noted {
    struct job job;
    atomic_int refs;
    struct graph *graph;
    bool is_refused_at_make, holds; /* holds: the first flush with text in it holds the run back */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct buf log;          /* "begun ", "held ", "ended " … */
    struct buf text, record; /* record: process_data of nodes that have some */
    enum end_reason reason;
    int64_t retry_ms;
    bool is_over, has_text, was_held;
    uint64_t sequence;
};

static atomic_int jobs_alive;
/* Every test runs twice: with runs of small values, and with runs that take their turns away from their worker. */
static char query[512 * 1024] = "?";

static struct noted *noted_of(struct job *job)
{
    return (struct noted *)job;
}

static void note(struct noted *n, const char *word)
{
    pthread_mutex_lock(&n->lock);
    buf_put_c(&n->log, word);
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->lock);
}

static enum status_code noted_make(struct job *job, const struct run_host *host, void *host_arg,
                                   struct run **ret_run, struct status *err)
{
    struct noted *n = noted_of(job);
    if (n->is_refused_at_make)
        return status_field(err, "inputs", "are refused");
    const struct run_params params = {.graph = n->graph,
                                      .run_id = str_c(job->run_id),
                                      .app_id = str_c(job->app_id),
                                      .workflow_id = STR("version"),
                                      .conversation_id = STR("conversation"),
                                      .message_id = STR("message"),
                                      .query = str_c(query),
                                      .dialogue_count = 1,
                                      .wall_ms = 1754000000000};
    return run_new(&params, host, host_arg, ret_run, err);
}

static void noted_over(struct noted *n, const char *word)
{
    pthread_mutex_lock(&n->lock);
    buf_put_c(&n->log, word);
    n->is_over = true;
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->lock);
}

static void noted_refused(struct job *job, const struct status *status)
{
    assert_int_equal(status->code, STATUS_INVALID_ARGUMENT);
    noted_over(noted_of(job), "refused ");
}

static void noted_begun(struct job *job)
{
    note(noted_of(job), "begun ");
}

static void noted_emit(struct job *job, const struct run_event *event)
{
    struct noted *n = noted_of(job);
    pthread_mutex_lock(&n->lock);
    if (event->kind != EVENT_PING)
        assert_int_equal(event->sequence, ++n->sequence);
    if (event->kind == EVENT_MESSAGE) {
        buf_put(&n->text, event->text.text);
        n->has_text |= event->text.text.len > 0;
    }
    if (event->kind == EVENT_NODE_FINISHED && event->node.process_data != NULL)
        value_put_json(&n->record, event->node.process_data, JSON_COMPACT, false);
    if (event->kind == EVENT_WORKFLOW_FINISHED) {
        n->reason = event->finished.reason;
        n->retry_ms = event->finished.retry_ms;
    }
    pthread_mutex_unlock(&n->lock);
}

static bool noted_flush(struct job *job)
{
    struct noted *n = noted_of(job);
    bool is_held = n->holds && n->has_text && !n->was_held;
    if (is_held) {
        n->was_held = true;
        note(n, "held ");
    }
    return is_held;
}

static void noted_ended(struct job *job)
{
    noted_over(noted_of(job), "ended ");
}

static void noted_ref(struct job *job)
{
    atomic_fetch_add(&noted_of(job)->refs, 1);
}

static void noted_unref(struct job *job)
{
    struct noted *n = noted_of(job);
    if (atomic_fetch_sub(&n->refs, 1) != 1)
        return;
    pthread_mutex_destroy(&n->lock);
    pthread_cond_destroy(&n->changed);
    buf_fini(&n->log);
    buf_fini(&n->text);
    buf_fini(&n->record);
    graph_unref(n->graph);
    free(n);
    atomic_fetch_sub(&jobs_alive, 1);
}

static const struct job_ops ops = {.make = noted_make,
                                   .refused = noted_refused,
                                   .begun = noted_begun,
                                   .emit = noted_emit,
                                   .flush = noted_flush,
                                   .ended = noted_ended,
                                   .ref = noted_ref,
                                   .unref = noted_unref};

static struct noted *noted_new(struct graph *graph)
{
    struct noted *n = calloc(1, sizeof *n);
    assert_non_null(n);
    atomic_init(&n->refs, 1);
    n->job.ops = &ops;
    n->job.caller.workspace_id = STR("workspace");
    n->job.request_bytes = strlen(query);
    n->graph = graph_ref(graph);
    uuid_format(uuid_v7(), n->job.run_id);
    memcpy(n->job.app_id, n->job.run_id, sizeof n->job.app_id);
    pthread_mutex_init(&n->lock, NULL);
    pthread_cond_init(&n->changed, NULL);
    buf_init(&n->log, 4096);
    buf_init(&n->text, 4096);
    buf_init(&n->record, 4096);
    atomic_fetch_add(&jobs_alive, 1);
    return n;
}

static void wait_for(struct noted *n, const char *word)
{
    pthread_mutex_lock(&n->lock);
    while (str_find(buf_str(&n->log), str_c(word), 0) == SIZE_MAX)
        pthread_cond_wait(&n->changed, &n->lock);
    pthread_mutex_unlock(&n->lock);
}

static void wait_until_over(struct noted *n)
{
    pthread_mutex_lock(&n->lock);
    while (!n->is_over)
        pthread_cond_wait(&n->changed, &n->lock);
    pthread_mutex_unlock(&n->lock);
}

/* --- the bench --- */

static const char chatflow[] =
    EXPORT("advanced-chat", "", START LLM("llm", "hi", "") ANSWER("answer", "{{#llm.text#}}"),
           EDGE("start", "llm") EDGE("llm", "answer"));

/* Says something, and is busy for many turns without waiting for anything. */
static const char busy[] = EXPORT(
    "advanced-chat", "",
    START ANSWER("answer", "hello") LOOP("loop", "400", "", "")
        INSIDE("loop", "look", "if-else",
               "cases: [{case_id: 'true', logical_operator: and, conditions: [{variable_selector: [sys, "
               "query], comparison_operator: contains, value: nowhere}]}]"),
    EDGE("start", "answer") EDGE("answer", "loop") EDGE("loopstart", "look"));

struct bench {
    struct workers *workers;
    struct graph *graph;
};

static struct bench begin_with(const char *dsl, size_t count, size_t runs_max)
{
    struct bench b = {.workers = NULL};
    struct status err;
    struct graph_report report;
    atomic_store(&calls_open, 0);
    atomic_store(&pauses, 0);
    atomic_store(&resumes, 0);
    atomic_store(&cancels, 0);
    atomic_store(&contexts, 0);
    atomic_store(&model_is_silent, false);
    atomic_store(&model_fails, false);
    graph_report_init(&report);
    assert_ok(graph_compile(str_c(dsl), false, &report, &b.graph, &err));
    graph_report_fini(&report);
    const struct workers_options options = {.count = count, .runs_max = runs_max, .backend = backend};
    assert_ok(workers_new(&options, &b.workers, &err));
    return b;
}

static struct bench begin(size_t count, size_t runs_max)
{
    return begin_with(chatflow, count, runs_max);
}

static void end(struct bench *b)
{
    workers_free(b->workers);
    graph_unref(b->graph);
    assert_int_equal(atomic_load(&jobs_alive), 0);
    assert_int_equal(atomic_load(&calls_open), 0);
}

static struct noted *submit(struct bench *b)
{
    struct noted *n = noted_new(b->graph);
    struct status err;
    assert_ok(workers_submit(b->workers, &n->job, &err));
    return n;
}

/* --- tests --- */

static void a_run_goes_to_its_end(void **state)
{
    (void)state;
    struct bench b = begin(1, 10);
    struct noted *n = submit(&b);
    wait_until_over(n);
    assert_str("begun ended ", buf_str(&n->log));
    assert_str("hello", buf_str(&n->text));
    assert_int_equal(n->reason, END_REASON_COMPLETED);
    noted_unref(&n->job);
    end(&b);
}

static void a_model_is_asked_once_how_much_it_reads(void **state)
{
    (void)state;
    struct bench b = begin(1, 10);
    struct noted *n = submit(&b);
    wait_until_over(n);
    assert_int_equal(1, atomic_load(&contexts));
    noted_unref(&n->job);
    end(&b);
}

static void a_failure_of_a_model_arrives_with_all_it_says(void **state)
{
    (void)state;
    struct bench b = begin(1, 100);
    atomic_store(&model_fails, true);
    for (int i = 0; i < 50; i++) {
        struct noted *n = submit(&b);
        wait_until_over(n);
        assert_int_equal(n->reason, END_REASON_NODE_FAILED);
        assert_int_equal(n->retry_ms, 1500);
        assert_true(str_find(buf_str(&n->record),
                             STR("\"credential\":{\"name\":\"key\",\"model\":\"m\",\"tried\":1,"),
                             0) != SIZE_MAX);
        noted_unref(&n->job);
    }
    end(&b);
}

static void refused_inputs_end_a_job_before_it_begins(void **state)
{
    (void)state;
    struct bench b = begin(1, 1);
    struct noted *n = noted_new(b.graph);
    struct status err;
    n->is_refused_at_make = true;
    assert_ok(workers_submit(b.workers, &n->job, &err));
    wait_until_over(n);
    assert_str("refused ", buf_str(&n->log));
    noted_unref(&n->job);
    end(&b);
}

static void every_signal_ends_a_run_with_its_reason(void **state)
{
    static const struct {
        enum job_signal signal;
        enum end_reason reason;
    } rows[] = {{JOB_STOP, END_REASON_STOPPED_BY_USER},
                {JOB_GONE, END_REASON_CALLER_GONE},
                {JOB_SHUTDOWN, END_REASON_SHUTTING_DOWN}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench b = begin(1, 10);
        atomic_store(&model_is_silent, true);
        struct noted *n = submit(&b);
        wait_for(n, "begun ");
        struct job *found = workers_find(b.workers, str_c(n->job.run_id));
        assert_ptr_equal(found, &n->job);
        job_signal(found, rows[i].signal);
        noted_unref(found);
        wait_until_over(n);
        assert_str("begun ended ", buf_str(&n->log));
        assert_int_equal(n->reason, rows[i].reason);
        job_signal(&n->job, JOB_STOP); /* too late: ignored */
        noted_unref(&n->job);
        end(&b);
    }
}

static void a_signal_right_after_submission_is_heard(void **state)
{
    (void)state;
    struct bench b = begin(2, 1000);
    atomic_store(&model_is_silent, true);
    for (int i = 0; i < 200; i++) {
        struct noted *n = submit(&b);
        job_signal(&n->job, JOB_STOP);
        wait_until_over(n);
        assert_int_equal(n->reason, END_REASON_STOPPED_BY_USER);
        noted_unref(&n->job);
    }
    end(&b);
}

static void what_is_left_ends_with_the_workers(void **state)
{
    (void)state;
    struct bench b = begin(2, 100);
    struct noted *n[20];
    atomic_store(&model_is_silent, true);
    for (size_t i = 0; i < 20; i++)
        n[i] = submit(&b);
    workers_free(b.workers);
    b.workers = NULL;
    assert_int_equal(atomic_load(&calls_open), 0);
    for (size_t i = 0; i < 20; i++) {
        assert_true(n[i]->is_over);
        assert_int_equal(n[i]->reason, END_REASON_SHUTTING_DOWN);
        noted_unref(&n[i]->job);
    }
    end(&b);
}

static void submissions_beyond_what_is_allowed_are_refused(void **state)
{
    (void)state;
    struct bench b = begin(2, 2);
    struct status err;
    atomic_store(&model_is_silent, true);
    struct noted *first = submit(&b), *twin = noted_new(b.graph);
    memcpy(twin->job.run_id, first->job.run_id, sizeof twin->job.run_id);
    assert_code(STATUS_ALREADY_EXISTS, workers_submit(b.workers, &twin->job, &err));
    assert_int_equal(workers_live(b.workers), 1);
    struct noted *second = submit(&b), *third = noted_new(b.graph);
    assert_int_equal(workers_live(b.workers), 2);
    assert_code(STATUS_RESOURCE_EXHAUSTED, workers_submit(b.workers, &third->job, &err));
    assert_string_equal(err.reason, "NOT_BEGUN");
    workers_drain(b.workers);
    assert_code(STATUS_UNAVAILABLE, workers_submit(b.workers, &third->job, &err));
    assert_string_equal(err.reason, "NOT_BEGUN");
    assert_null(workers_find(b.workers, str_c(third->job.run_id)));
    assert_int_equal(twin->log.len + third->log.len, 0);
    noted_unref(&twin->job);
    noted_unref(&third->job);
    noted_unref(&first->job);
    noted_unref(&second->job);
    end(&b);
}

static void a_caller_that_is_behind_holds_its_run_back(void **state)
{
    (void)state;
    struct bench b = begin(1, 10);
    struct noted *n = noted_new(b.graph);
    struct status err;
    n->holds = true;
    assert_ok(workers_submit(b.workers, &n->job, &err));
    wait_for(n, "held ");
    /* Another run comes to its end meanwhile: the worker has been round the loop. */
    struct noted *other = submit(&b);
    wait_until_over(other);
    noted_unref(&other->job);
    assert_int_equal(atomic_load(&pauses), 1);
    assert_int_equal(atomic_load(&resumes), 0);
    pthread_mutex_lock(&n->lock);
    assert_false(n->is_over);
    assert_str("hel", buf_str(&n->text));
    pthread_mutex_unlock(&n->lock);
    job_signal(&n->job, JOB_RESUME);
    wait_until_over(n);
    assert_int_equal(atomic_load(&resumes), 1);
    assert_str("hello", buf_str(&n->text));
    assert_str("begun held ended ", buf_str(&n->log));
    noted_unref(&n->job);
    end(&b);
}

/* Also one that never waits, so that it is away whenever its worker looks. */
static void a_busy_run_is_held_back_too(void **state)
{
    (void)state;
    struct bench b = begin_with(busy, 1, 10);
    struct noted *n = noted_new(b.graph);
    struct status err;
    n->holds = true;
    assert_ok(workers_submit(b.workers, &n->job, &err));
    wait_for(n, "held ");
    struct noted *other = submit(&b); /* as long as n, and begun later */
    wait_until_over(other);
    noted_unref(&other->job);
    pthread_mutex_lock(&n->lock);
    assert_false(n->is_over);
    pthread_mutex_unlock(&n->lock);
    job_signal(&n->job, JOB_RESUME);
    wait_until_over(n);
    assert_int_equal(n->reason, END_REASON_COMPLETED);
    noted_unref(&n->job);
    end(&b);
}

static void a_run_that_is_held_back_can_be_stopped(void **state)
{
    (void)state;
    struct bench b = begin(1, 10);
    struct noted *n = noted_new(b.graph);
    struct status err;
    n->holds = true;
    assert_ok(workers_submit(b.workers, &n->job, &err));
    wait_for(n, "held ");
    job_signal(&n->job, JOB_STOP);
    wait_until_over(n);
    assert_int_equal(n->reason, END_REASON_STOPPED_BY_USER);
    assert_int_equal(atomic_load(&cancels), 1);
    noted_unref(&n->job);
    end(&b);
}

static void without_models_no_worker_starts(void **state)
{
    struct workers_options options = {.count = 3, .runs_max = 1, .backend = backend};
    struct workers *workers = NULL;
    struct status err;
    (void)state;
    options.backend.open = model_refuse_to_open;
    assert_code(STATUS_RESOURCE_EXHAUSTED, workers_new(&options, &workers, &err));
    assert_null(workers);
    workers_free(NULL);
}

/* --- many --- */

enum { RUNS_OF_ONE = 500 };

static void *submit_many(void *arg)
{
    struct bench *b = arg;
    static _Thread_local struct noted *n[RUNS_OF_ONE];
    for (size_t i = 0; i < RUNS_OF_ONE; i++) {
        n[i] = submit(b);
        if (i % 7 == 0)
            job_signal(&n[i]->job, JOB_RESUME); /* means nothing to a run that is not held */
    }
    for (size_t i = 0; i < RUNS_OF_ONE; i++) {
        wait_until_over(n[i]);
        assert_str("hello", buf_str(&n[i]->text));
        assert_int_equal(n[i]->reason, END_REASON_COMPLETED);
        noted_unref(&n[i]->job);
    }
    return NULL;
}

static void a_thousand_runs_of_two_threads_on_two_workers_all_complete(void **state)
{
    pthread_t threads[2];
    (void)state;
    struct bench b = begin(2, 2 * RUNS_OF_ONE);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, submit_many, &b), 0);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_goes_to_its_end),
        cmocka_unit_test(a_model_is_asked_once_how_much_it_reads),
        cmocka_unit_test(a_failure_of_a_model_arrives_with_all_it_says),
        cmocka_unit_test(refused_inputs_end_a_job_before_it_begins),
        cmocka_unit_test(every_signal_ends_a_run_with_its_reason),
        cmocka_unit_test(a_signal_right_after_submission_is_heard),
        cmocka_unit_test(what_is_left_ends_with_the_workers),
        cmocka_unit_test(submissions_beyond_what_is_allowed_are_refused),
        cmocka_unit_test(a_caller_that_is_behind_holds_its_run_back),
        cmocka_unit_test(a_busy_run_is_held_back_too),
        cmocka_unit_test(a_run_that_is_held_back_can_be_stopped),
        cmocka_unit_test(without_models_no_worker_starts),
        cmocka_unit_test(a_thousand_runs_of_two_threads_on_two_workers_all_complete),
    };
    int failed = cmocka_run_group_tests_name("at home", tests, NULL, NULL);
    memset(query, 'q', sizeof query - 1);
    return failed + cmocka_run_group_tests_name("away", tests, NULL, NULL);
}
