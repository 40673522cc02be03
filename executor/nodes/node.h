/*
 * node: the interface behind which every node type lives: one file and one line in the table (nodes.c) per type.
 * A node knows nothing of threads: it is started, finishes now or later through exactly one of node_succeed, node_fail,
 * and may be cancelled in between. What it needs from outside it asks of its run by the functions below.
 * Threads  compile: any thread (graph under construction); the rest: the worker of the run.
 */
#pragma once
#include "executor/graph/graph.h"

struct node_exec;    /* one execution of a node; opaque here, executor/run/ owns it */
struct node_compile; /* a node under compilation; executor/graph/ owns it */

struct node_type {
    const char *name;
    enum node_kind kind;
    bool has_retry; /* retry_config is honoured: llm, code, http-request, tool (dify-dsl.md 3.6) */
    /*
     * Parses nc's data into node->config, reports problems and the selectors it reads. Never fails otherwise: once a piece
     * of the arena is refused it just returns, and the compile fails. `data` is frozen, lives as long as the graph, and
     * may be pointed at; the repairs of dify-dsl.md 1.8 are done.
     */
    void (*compile)(struct node_compile *nc, const struct value *data, struct node *node);
    void (*start)(struct node_exec *x);
    /*
     * Ends outside work at once; the run has already forgotten the node, nothing may be reported. NULL: nothing to end.
     * A model call in flight is ended by the run itself.
     */
    void (*cancel)(struct node_exec *x);
};
/* By export name, legacy names included; NULL: not served. */
const struct node_type *node_type_find(struct str name);
/* A type of Dify, served or not (dify-dsl.md 1.7)? */
bool node_type_is_known(struct str name);

/* --- for compile (implemented in executor/graph/compile.c) --- */
struct arena *node_compile_arena(struct node_compile *nc); /* of the graph */
/* path is below the node's data, e.g. "cases[0].conditions[1]"; "" for the node itself. */
void node_compile_problem(struct node_compile *nc, const char *path, const char *hint, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
void node_compile_warning(struct node_compile *nc, const char *path, const char *hint, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/*
 * A served type in a configuration that is not served: a problem; with FAIL_WHEN_REACHED instead node->unsupported (naming
 * what is not served) and a warning. The type's compile may return at once after it.
 */
void node_compile_unsupported(struct node_compile *nc, const char *path, const char *hint, const char *fmt,
                              ...) PRINTF_LIKE(4, 5);
/* Resolves a selector's slot (marks the variable as read). */
void node_compile_use(struct node_compile *nc, struct selector *selector);
/* Parse + resolve; report the problem themselves and give an empty result then. */
struct selector node_compile_selector(struct node_compile *nc, const struct value *list, const char *path);
struct template node_compile_template(struct node_compile *nc, struct str text, const char *path);
/*
 * Makes a value a constant of the graph; borrowed, NULL without memory (of take_v too). It was made with a NULL account and has
 * no part that is a constant already, e.g. of data: value_ref() does not count there. Copy such parts.
 */
struct value *node_compile_keep(struct node_compile *nc, struct value *take_v);
struct value *node_compile_copy(const struct value *v); /* all of its own, NULL account; NULL: no memory */
/* Response nodes: their segments, in order. source_node and the selector's slot are filled in here. */
void node_compile_segment(struct node_compile *nc, struct response_segment segment);
/* Root nodes: the input form. */
void node_compile_fields(struct node_compile *nc, struct input_field *fields, uint32_t count);

/* --- for a running node (implemented in executor/run/) --- */
const struct node *node_exec_node(struct node_exec *x);
/* Zeroed memory of this attempt, made at the first call; NULL: no memory. */
void *node_exec_state(struct node_exec *x, size_t size);
/* Scratch that ends with this attempt (arena_defer: values, bufs). */
struct arena *node_exec_arena(struct node_exec *x);
struct value_account *node_exec_account(struct node_exec *x);
/* Counts bytes that are no values against the run's limit until this attempt ends. False: the run is over it. */
bool node_exec_charge(struct node_exec *x, size_t bytes);
/* The variable, walked to its end; NULL: not found. Borrowed until the node finishes. */
struct value *node_exec_get(struct node_exec *x, const struct selector *selector);
/* The inputs of the run as the start node sees them (object). Borrowed. */
struct value *node_exec_inputs(struct node_exec *x);
/* node_exec_get() as a template_lookup; arg is the node_exec. */
struct value *node_exec_lookup(void *x, const struct selector *selector);
/* Renders with the run's variables; NULL on failure (the account says so). Caller owns the string value. */
struct value *node_exec_render(struct node_exec *x, const struct template *t, enum template_form form);

struct usage { /* tokens; prices are decimal strings, "0" while models have no price */
    int64_t prompt_tokens, completion_tokens;
    int64_t latency_ms, first_token_ms; /* first_token_ms -1: none seen */
};
/* What a node leaves in its record; NULL members are left out. The values are taken. */
struct node_result {
    struct value *inputs, *process_data, *outputs;
    struct str handle; /* branch nodes: the chosen handle; must outlive the graph's runs (config) */
    int64_t total_tokens;
    const char *error_type; /* failures: static string, e.g. "VariableNotFoundError" */
};
/* Exactly one of these ends a node. Both take what `result` holds. */
void node_succeed(struct node_exec *x, struct node_result *take_result);
void node_fail(struct node_exec *x, struct node_result *take_result, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* One streamed piece of output `name` (normally "text"); is_final closes it (then text may be empty). */
void node_chunk(struct node_exec *x, struct str name, struct str text, bool is_final);
/* The same for a model's reasoning, which never enters an answer. */
void node_reasoning_chunk(struct node_exec *x, struct str text, bool is_final);

/* A streaming model call; messages etc. are borrowed for the call. */
struct model_message {
    struct str role, text;
};
struct model_request {
    struct str provider, model; /* as the export names them */
    bool is_completion;         /* completion mode: one message, its text is the prompt */
    const struct model_message *messages;
    size_t message_count;
    const struct value *params; /* completion_params after templates, or NULL */
};
struct model_reply {
    struct usage usage;
    struct str finish_reason; /* empty: none given */
};
struct model_call;       /* a call in flight */
struct model_callbacks { /* called on the worker's loop, never from inside model_start */
    void (*text)(void *arg, struct str delta);
    void (*done)(void *arg, const struct model_reply *reply); /* last call on success */
    /* last call on failure; error_type as dify-dsl.md 3.6 names them (InvokeRateLimitError …) */
    void (*failed)(void *arg, const char *error_type, struct str message);
};
/* NULL: err says why (no credential for the provider, no memory); no callback comes then. */
struct model_call *node_model_start(struct node_exec *x, const struct model_request *request,
                                    const struct model_callbacks *callbacks, void *arg, struct status *err);
/* Ends the call at once, no callback comes any more. Not after done or failed. */
void node_model_cancel(struct node_exec *x, struct model_call *call);
