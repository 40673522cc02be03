/*
 * run_core: what a run is made of. Private to executor/run.
 *
 *   run.c      its life: made, advanced, ended
 *   outcome.c  what the end of a node leads to
 *   exec.c     one execution of a node; the functions a node calls
 *   scope.c    where nodes run: the run itself, or a child of a container
 *   child.c    the functions a container calls
 *   emit.c     its events
 *   frame.c    which nodes are ready        response.c  which texts go out
 *   inputs.c   what a caller may hand in    variables.c what a run knows before its first node
 */
#pragma once
#include "executor/run/frame.h"
#include "executor/run/response.h"
#include "executor/run/run.h"
#include "shared/base/uuid.h"

enum exec_state {
    EXEC_RUNNING,  /* its type's start() has been called */
    EXEC_RESTING,  /* failed; tried again at due_ms */
    EXEC_REPORTED, /* has said how it ended; not yet dealt with */
    EXEC_ENDED     /* dealt with */
};

/* A model call of a node, with what its host has noted since the node was last told. */
struct exec_model {
    struct model_call *call; /* NULL: none in flight */
    struct model_callbacks callbacks;
    void *arg;
    struct buf text;
    bool is_done, has_failed;
    /* Texts in the scratch arena, those of prices kept by the run. */
    struct model_reply reply;
    struct model_failure failure;
};

struct node_exec {
    struct run *run;
    struct scope *scope; /* where it runs */
    const struct node *node;
    struct node_exec *prev, *next; /* living ones of the run, in the order of their starts */
    struct node_exec *prev_noted, *next_noted;
    bool is_noted;
    enum exec_state state;
    char id[UUID_TEXT_LEN + 1];
    int32_t index;
    uint32_t predecessor; /* node index or FRAME_NO_NODE */
    int64_t started_us, attempt_us;
    int32_t retries;
    int64_t due_ms;
    struct arena scratch; /* of this attempt */
    void *node_state;
    size_t charged; /* bytes counted by node_exec_charge() */
    struct exec_model model;
    /* Of containers. */
    struct node_child *children;                 /* living ones */
    struct node_child *ended_first, *ended_last; /* of which the container has still to be told */
    /* EXEC_REPORTED */
    bool has_failed;
    struct node_result result;
    struct str error;
};
/* Where nodes run: the run itself for those outside of containers, a child for those within one. */
struct scope {
    struct run *run;
    struct scope *around;    /* NULL: the run itself */
    struct node_exec *owner; /* the container's execution; NULL: the run itself */
    struct frame frame;
    struct response_set responses;
    struct value *outputs; /* of response nodes so far; NULL: none */
    uint32_t living;       /* executions in it, those in scopes within not counted */
    bool *
        written; /* conversation variables set here, by index; NULL: variables are shared, or there are none */
    bool is_queued; /* it has ready nodes and stands in the run's queue */
    struct scope *next_queued;
};
struct node_child {
    struct scope scope;
    struct node_child *prev, *next; /* of its container; when it has ended, of those that can be used again */
    struct node_child *next_ended;
    int32_t index;
    int64_t started_us;
    int64_t tokens;
    struct money cost;
    bool has_ended, has_failed, must_leave;
    struct value *error, *error_type; /* strings, when it has failed */
    int64_t retry_ms;                 /* likewise */
};
/* A text of a price: few differ in a run. */
struct run_text {
    struct run_text *next;
    struct str text;
};
/* A reasoning text for message_end. */
struct run_reasoning {
    struct run_reasoning *next;
    const struct node *node;
    struct value *text;
};

struct run_variable { /* sys.<name> */
    const char *name;
    struct value *value;
};
enum { RUN_SYSTEM_VARIABLES_MAX = 10 };

struct run {
    const struct run_host *host;
    void *host_arg;
    struct graph *graph;
    struct run_params params; /* texts in the arena; inputs, files and environment not kept here */
    struct arena arena;
    struct value_account account;
    struct value *inputs;      /* checked */
    struct value *history;     /* array of earlier turns; NULL: no conversation */
    struct value *environment; /* replaces values of the export; NULL: none */
    struct run_variable system[RUN_SYSTEM_VARIABLES_MAX];
    size_t system_count;
    struct scope top;
    struct scope *queued_first, *queued_last; /* scopes with ready nodes; each gives one in turn */
    struct node_child **spare_children;       /* by container: ended ones, to be used again */

    struct node_exec *execs;        /* living */
    struct node_exec *spare;        /* ended, to be used again; linked by next */
    struct node_exec *noted;        /* in the order in which they are looked at */
    const struct scope *text_scope; /* whose text came last, */
    size_t text_scope_bytes;        /* and how much of it in a row */

    bool has_begun, has_ended, is_paused, is_woken;
    bool has_no_memory; /* outside the account: arena, buffers */
    enum end_reason stop_reason;
    struct str stop_text;

    int64_t started_us, ends_ms /* 0: no deadline */, timer_ms /* 0: not asked for */;
    uint64_t sequence, text_offset;
    int32_t starts, steps, exceptions;
    int64_t tokens;
    struct usage usage;
    int64_t retry_ms; /* of the node that failed the run */
    struct run_text *texts;
    struct run_reasoning *reasoning;
};

/* --- run.c --- */
void run_wake(struct run *run);
int64_t run_now_us(const struct run *run);
int64_t run_wall_ms(const struct run *run, int64_t at_us); /* Unix time of a monotonic one */
void run_note(struct run *run, struct node_exec *x);       /* the run has to look at it */
void run_unnote(struct run *run, struct node_exec *x);
/* Cancels what runs and emits the last events. Text lives at least until this returns. */
void run_end(struct run *run, enum end_reason reason, struct str text);
bool run_charge(struct run *run, size_t bytes);
void run_uncharge(struct run *run, size_t bytes);

/* --- variables.c --- */
/* Inputs, sys, env and conversation variables into the run's own frame. False: no memory. */
MUST_CHECK bool variables_init(struct run *run, const struct run_params *params, struct value *take_files);
void variables_fini(struct run *run);
/* The flat names conversation.x among the outputs of the root node (dify-dsl.md 4.1; sys.x and env.x are resolved by the
   graph). */
void variables_set_flat(struct run *run);
/* Inputs and flat sys keys as workflow_started shows them; NULL: no memory. The caller owns it. */
struct value *variables_shown(struct run *run);

/* --- exec.c --- */
/* An execution of a node, not started; NULL: no memory. */
struct node_exec *exec_new(struct scope *scope, const struct node *node);
void exec_start(struct node_exec *x); /* an attempt */
/* Passes on what the model has noted; the node may report its end. */
void exec_deliver(struct node_exec *x);
void exec_end_attempt(struct node_exec *x); /* gives up what the attempt held; harmless twice */
void exec_cancel(struct node_exec *x);      /* ends its outside work as well */
void exec_release(struct node_exec *x);     /* no living one any more; its memory is used again */

/* --- scope.c --- */
/* Memory for what runs in `container` (UINT32_MAX: the run itself); scope_begin() has to follow. False: no memory. */
MUST_CHECK bool scope_init(struct scope *s, struct run *run, uint32_t container);
/* Begins, or begins again, within `around` (NULL: the run itself). False: no memory. */
MUST_CHECK bool scope_begin(struct scope *s, struct scope *around, struct node_exec *owner, bool is_shared);
void scope_fini(struct scope *s);  /* harmless twice; it may begin again */
void scope_queue(struct scope *s); /* what is ready in it will be started */
void scope_unqueue(struct scope *s);
struct scope *scope_pop(struct run *run,
                        uint32_t *ret_node); /* the next ready node and where it is; NULL: none */
/* Ends all executions in it and in scopes within, the inner ones first. status: in their records; NODE_STATUS_NONE: silently. */
void scope_cancel(struct scope *s, enum node_status status, struct str text);
/* The scope around s, or s itself, in which the node runs; NULL: none. */
struct scope *scope_of(struct scope *s, const struct node *node);
struct node_child *scope_child(struct scope *s);                                 /* NULL: the run itself */
void scope_set(struct scope *s, const struct selector *target, struct value *v); /* node_exec_assign() */
void scope_merge_outputs(struct scope *s, const struct value *outputs);

/* --- child.c --- */
void child_note_end(struct node_child *child); /* its container is told */
void child_fail(struct node_child *child, const struct child_failure *failure);
void child_deliver_ends(struct node_exec *x); /* tells the container of children that have ended */
void child_free(struct node_child *child);

/* --- outcome.c --- */
/* Deals with a reported end; x may be gone afterwards. */
void outcome_of(struct node_exec *x);

/* --- emit.c --- */
void emit_started(struct run *run);
void emit_node_started(struct node_exec *x);
void emit_node_finished(struct node_exec *x, enum node_status status, struct str error);
void emit_node_retry(struct node_exec *x);
void emit_container_started(struct node_exec *x, const struct value *inputs, int32_t length);
void emit_container_next(struct node_exec *x, int32_t index);
void emit_text(struct scope *s, const struct response_text *text);
void emit_reasoning(struct node_exec *x, struct str text, bool is_final);
/* workflow_finished and what comes with it, in the order that fits status and mode. */
void emit_end(struct run *run, enum run_status status, enum end_reason reason, struct str error);
