/*
 * workers: the threads that run graphs. Each owns an event loop, its model connections, its timers and its runs; a run never
 * leaves its worker (architecture.md section 5).
 * Threads  made and freed by the main thread; submit, find and the counters are anybody's.
 */
#pragma once
#include "executor/worker/job.h"
#include "shared/base/metrics.h"
#include <uv.h>

/* workers. More than cores gain nothing. */
#define WORKERS_MAX 64
/* node steps, and µs, of one run in one turn: then it is the next one's (architecture.md section 5, Turns). */
#define TURN_STEPS 32
#define TURN_US    500
/* threads that take the turns of runs with large values, so that those of others are not held up. */
#define WORKER_HELPERS 2
/* ms. Silence of a run after which a ping goes out. */
#define PING_MS 10000

struct workers;

/* How a worker calls models: an object per loop. */
struct model_backend {
    void *arg;
    /* The object for one loop, on its thread. RESOURCE_EXHAUSTED: no memory. */
    enum status_code (*open)(void *arg, uv_loop_t *loop, void **ret_models, struct status *err);
    void (*close)(void *models); /* the loop runs on until it is empty */
    /* As node_model_start(): borrowed request; callbacks never from inside. */
    struct model_call *(*start)(void *models, const struct model_caller *caller,
                                const struct model_request *request, const struct model_callbacks *callbacks,
                                void *callback_arg, struct status *err);
    void (*cancel)(void *models, struct model_call *call);
    void (*pause)(void *models, struct model_call *call);
    void (*resume)(void *models, struct model_call *call);
    /*
     * Tokens of prompt and answer together that the settings give the model; 0: they say nothing of it. NULL: they say
     * nothing of any. Called with the arg above at the start of a node, from any thread (a run that is away asks, too): it
     * must be quick and must not block.
     */
    int64_t (*context)(void *arg, const struct model_caller *caller, struct str provider, struct str model);
};

struct workers_options {
    size_t count;    /* 1 to WORKERS_MAX */
    size_t runs_max; /* at a time, of all workers */
    struct model_backend backend;
    struct metric_child
        *turn_us; /* how long each turn of a loop kept it from looking for news; NULL: not measured */
};

/* Starts the threads. RESOURCE_EXHAUSTED: no memory, or no thread to be had. */
MUST_CHECK enum status_code workers_new(const struct workers_options *options, struct workers **ret_workers,
                                        struct status *err);
/*
 * Gives the job to the worker with the fewest runs; a reference is taken. Then either refused() or begun() … ended().
 * RESOURCE_EXHAUSTED   NOT_BEGUN: runs_max are here
 * UNAVAILABLE          NOT_BEGUN: draining
 * ALREADY_EXISTS       a run with this id is here
 */
MUST_CHECK enum status_code workers_submit(struct workers *workers, struct job *job, struct status *err);
/* The job with this run id, with a reference for the caller; NULL: not here, or ended. */
struct job *workers_find(struct workers *workers, struct str run_id);
size_t workers_live(const struct workers *workers);
/* ms. A loop that has not turned for so long is stuck; an idle one turns every PING_MS / 4. */
#define WORKER_STUCK_MS 10000
/* What operators watch; of all workers. stuck: loops that do not turn any more. */
struct workers_stats {
    size_t count, stuck, mailed, ready;
};
struct workers_stats workers_stats(struct workers *workers, int64_t now_ms);
/* New jobs are refused from now on. */
void workers_drain(struct workers *workers);
/* Sends every job a signal. */
void workers_signal_all(struct workers *workers, enum job_signal signal);
/* Ends what is left as JOB_SHUTDOWN does, waits until all jobs have ended, joins the threads. NULL is fine. */
void workers_free(struct workers *workers);
