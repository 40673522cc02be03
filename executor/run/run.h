/*
 * run: one execution of a graph, from its checked inputs to its one end (dify-dsl.md section 3).
 * What comes from outside (a model's text, a timer, a stop) is only noted, and the host is woken; run_advance() is the one
 * place that moves a run. It talks to its host by the functions of struct run_host, reads no clock and knows no thread.
 * Threads  a run belongs to one worker; every function here is called there, and from inside emit() only run_stop(),
 *          run_set_paused() and the getters.
 * Memory   values are counted in the run's account, the rest lives in its arena; both end with run_free(). A run that
 *          cannot get memory ends (failed, memory limit); nothing else is touched.
 */
#pragma once
#include "executor/run/event.h"

struct run;

/* What a run asks of the worker that holds it. None of these calls back into the run before it has returned. */
struct run_host {
    void (*emit)(void *arg, struct run *run, const struct run_event *event); /* only from run_advance() */
    /* As node_model_start(); the callbacks may come any time after it has returned, but not from inside run_advance(). */
    struct model_call *(*model_start)(void *arg, struct run *run, const struct model_request *request,
                                      const struct model_callbacks *callbacks, void *callback_arg,
                                      struct status *err);
    void (*model_cancel)(void *arg, struct run *run,
                         struct model_call *call); /* no callback comes any more */
    /* Call run_timer() at this monotonic time or soon after it. One timer per run: a new time replaces the old one. */
    void (*timer_start)(void *arg, struct run *run, int64_t at_ms);
    void (*wake)(void *arg,
                 struct run *run); /* it has work: call run_advance() soon; at most once before that */
    int64_t (*now_us)(void *arg);  /* monotonic */
    void (*new_id)(void *arg, char text[37]); /* a fresh UUID, NUL behind it: a node's execution id */
    /* As node_exec_model_context(). NULL: nothing is known of any model. */
    int64_t (*model_context)(void *arg, struct run *run, struct str provider, struct str model);
};

struct run_limits {      /* 0: the default (dify-dsl.md 3.7) */
    int32_t max_steps;   /* 500 node starts */
    int64_t max_time_ms; /* 1200000 */
    size_t max_bytes;    /* LIMIT_RUN_BYTES, of values */
};

struct run_params {
    struct graph *graph;                    /* the run takes a reference of its own */
    struct str run_id, app_id, workflow_id; /* workflow_id: the version that runs. All texts are copied */
    struct str conversation_id, message_id; /* empty for workflows */
    struct str user, end_user_id;           /* as the caller named him (sys.user_id); his id */
    struct str query;                       /* chatflows */
    int64_t dialogue_count;                 /* sys.dialogue_count of chatflows: 1 for the first turn */
    struct value *history; /* earlier turns, as node_exec_history() gives them; NULL: none. No account */
    struct value *
        conversation; /* object: values conversation variables have by now; NULL: those of the export. No account */
    struct value
        *inputs; /* object, raw from the caller; NULL: none. No account; the run may keep parts of it */
    struct value
        *files; /* array of raw file objects {type, transfer_method, url, upload_file_id}; NULL: none */
    struct value *
        environment; /* object: typed values (VALUE_SECRET where secret) that replace those of the export; NULL: none */
    int64_t wall_ms; /* Unix time now */
    int64_t
        deadline_ms; /* monotonic time of the caller's deadline; the run ends max(50 ms, 2 %) before. 0: none */
    struct run_limits limits;
};

/*
 * Makes a run; nothing is emitted before the first run_advance(). The caller owns it: run_free().
 * host, host_arg  outlive the run
 *
 * INVALID_ARGUMENT    query or an input breaks the rules of dify-dsl.md 2.5 (texts of dify-api.md 2.2); err->field says which
 * RESOURCE_EXHAUSTED  memory
 */
MUST_CHECK enum status_code run_new(const struct run_params *params, const struct run_host *host,
                                    void *host_arg, struct run **ret_run, struct status *err);

enum run_progress {
    RUN_IDLE, /* waits for something outside; wake() tells when it has come */
    RUN_MORE, /* the budget is used up and there is work: call again */
    RUN_ENDED /* workflow_finished and what follows it have been emitted; only run_free() and the getters are left */
};
/* Moves the run by at most budget_steps steps (starts and ends of nodes, pieces of text) and about budget_us. */
enum run_progress run_advance(struct run *run, int budget_steps, int64_t budget_us);

/*
 * Ends the run at the next run_advance(): running nodes are cancelled, terminal events follow. The first stop counts; after
 * the end it does nothing. text is copied; empty takes a text that fits the reason.
 * Status: failed for EXECUTOR_LOST, STORE_UNAVAILABLE and MEMORY_LIMIT, else stopped.
 */
void run_stop(struct run *run, enum end_reason reason, struct str text);
void run_timer(struct run *run); /* the time asked for by timer_start() has come */
/* While paused a run starts and finishes nothing (its host does not want more events); stops and deadlines still work. */
void run_set_paused(struct run *run, bool is_paused);
void run_free(struct run *run); /* NULL is fine; a run that has not ended is cancelled without events */

const struct graph *run_graph(const struct run *run);
/* sys.<name>; NULL: there is none. Borrowed. */
const struct value *run_system_value(const struct run *run, const char *name);
/* What the run has set the conversation variable at `index` of the graph to; NULL: it has not. Borrowed. */
const struct value *run_conversation_change(const struct run *run, uint32_t index);
struct str run_id(const struct run *run);
size_t run_bytes(const struct run *run); /* of its values, what its caller handed in included */
bool run_has_ended(const struct run *run);
