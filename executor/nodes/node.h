/*
 * node: the interface behind which every node type lives: one file and one line in the table (nodes.c) per type.
 * A node knows nothing of threads: it is started, finishes now or later through exactly one of node_succeed, node_fail,
 * and may be cancelled in between. What it needs from outside it asks of its run by the functions below.
 * Threads  compile: any thread (graph under construction); the rest: the worker of the run.
 */
#pragma once
#include "executor/graph/graph.h"

struct node_exec;      /* one execution of a node; opaque here, executor/run/ owns it */
struct node_child;     /* a run of a container's nodes: one element, one round; executor/run/ owns it */
struct child_failure { /* of a node in it, without a strategy for failures */
    struct str error, error_type;
    int64_t retry_ms; /* as in node_result */
};
struct node_compile; /* a node under compilation; executor/graph/ owns it */

struct node_type {
    const char *name;
    enum node_kind kind;
    bool is_silent; /* no events: start nodes of containers */
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
    /* Containers: a child has come to its end, or failed (failure not NULL). The child lives until node_child_end(). */
    void (*child_ended)(struct node_exec *x, struct node_child *child, const struct child_failure *failure);
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
/* [first, second], resolved; without memory it names nothing. The texts are borrowed. */
struct selector node_compile_variable(struct node_compile *nc, struct str first, struct str second);
/* Parse + resolve; report the problem themselves and give an empty result then. */
struct selector node_compile_selector(struct node_compile *nc, const struct value *list, const char *path);
/* What the export says of a conversation or loop variable ("array[string]"); empty: it is none. */
struct str node_compile_declared_type(struct node_compile *nc, const struct selector *selector);
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
/*
 * Earlier turns of the conversation, oldest first: an array of {query, answer, files} (files: array[file]).
 * NULL: there is no conversation (workflows). Borrowed.
 */
const struct value *node_exec_history(struct node_exec *x);
/*
 * Sets a conversation variable, or one of a loop around the node; others see it at once (dify-dsl.md 2.6, 4.11). Borrows
 * v. The selector has been resolved; its first two parts count.
 */
void node_exec_assign(struct node_exec *x, const struct selector *target, struct value *v);
/* The inputs of the run as the start node sees them (object). Borrowed. */
struct value *node_exec_inputs(struct node_exec *x);
/* node_exec_get() as a template_lookup; arg is the node_exec. */
struct value *node_exec_lookup(void *x, const struct selector *selector);
/* Renders with the run's variables; NULL on failure (the account says so). Caller owns the string value. */
struct value *node_exec_render(struct node_exec *x, const struct template *t, enum template_form form);

/* Money: whole 10^-7 of a currency, the smallest amount Dify counts. Sums stop at what the type can hold. */
struct money {
    int64_t amount;
    struct str currency; /* ISO 4217 code; lives as long as the run. Empty: nothing had a price */
};
/* What the tokens of a usage cost. Texts live as long as the run, and are empty when nothing had a price. */
struct usage_price {
    int64_t prompt, completion;                                                /* as money.amount */
    struct str prompt_unit_price, completion_unit_price, price_unit, currency; /* as in model_price */
};
struct usage {
    int64_t prompt_tokens, completion_tokens;
    int64_t latency_ms, first_token_ms; /* first_token_ms -1: none seen */
    struct usage_price price;           /* filled in by the run; hosts leave it empty */
};
/* What a container says of its children when it ends; lives in its scratch arena. */
struct container_record {
    int32_t steps; /* elements of an iteration; rounds a loop was told to make, 0 when it made none */
    const int64_t *durations_ms; /* of each child, by index */
    size_t duration_count;
    const struct value *variables; /* loop: {"0": {label: value}, …}; lives in the scratch arena, too */
    const char *reason;            /* loop: "loop_break", "loop_completed", "error"; else NULL */
};
/* What a node leaves in its record; NULL members are left out. The values are taken. */
struct node_result {
    struct value *inputs, *process_data, *outputs;
    const struct container_record *container; /* of containers; NULL: nothing to say */
    struct str handle; /* branch nodes: the chosen handle; must outlive the graph's runs (config) */
    int64_t total_tokens;
    struct money cost;      /* of those tokens */
    const char *error_type; /* failures: static string, e.g. "VariableNotFoundError" */
    int64_t retry_ms;       /* failures: it may go better in so many ms; 0: not known */
};
/* Exactly one of these ends a node. Both take what `result` holds. */
void node_succeed(struct node_exec *x, struct node_result *take_result);
void node_fail(struct node_exec *x, struct node_result *take_result, const char *fmt, ...) PRINTF_LIKE(3, 4);

/*
 * Containers. A child runs the nodes inside from the container's start node; children of one container run side by side.
 * It shares the variables around it (loop), or has its own copy, of which nothing is seen outside (iteration).
 * A child may begin and end from start() or child_ended(); none of these calls back at once.
 */
void node_container_started(struct node_exec *x, const struct value *inputs,
                            int32_t length);                  /* event; once, first */
void node_container_next(struct node_exec *x, int32_t index); /* event */
/* NULL: no memory, and the run ends of it. */
struct node_child *node_child_start(struct node_exec *x, int32_t index, bool has_own_variables);
int32_t node_child_index(const struct node_child *child);
int64_t node_child_elapsed_ms(const struct node_child *child);
int64_t node_child_tokens(const struct node_child *child); /* of all model calls in it so far */
struct money node_child_cost(const struct node_child *child);
/* A variable of the container ([container, name]) as the nodes around it see it; v is borrowed. */
void node_container_set(struct node_exec *x, struct str name, struct value *v);
/* The same as the child sees it. */
void node_child_set(struct node_child *child, struct str name, struct value *v);
struct value *node_child_get(struct node_child *child,
                             const struct selector *selector); /* as node_exec_get() */
bool node_child_must_leave(const struct node_child *child);    /* a loop-end was reached in it */
void node_child_keep_outputs(
    struct node_child *child); /* what its response nodes put out becomes the run's (3.8) */
/* Conversation variables that were set in a child with variables of its own are set around it as well. */
void node_child_keep_variables(struct node_child *child);
/* Ends it: what still runs in it is cancelled. */
void node_child_end(struct node_child *child);
/* loop-end: the child it lies in is the last. */
void node_leave(struct node_exec *x);
/* Loop: variables of the nodes inside are forgotten. */
void node_container_forget(struct node_exec *x);

/* One streamed piece of output `name` (normally "text"); is_final closes it (then text may be empty). */
void node_chunk(struct node_exec *x, struct str name, struct str text, bool is_final);
/* The same for a model's reasoning, which never enters an answer. */
void node_reasoning_chunk(struct node_exec *x, struct str text, bool is_final);

/* A model call; messages etc. are borrowed until the attempt ends, the request itself only for the call. */
struct model_file {    /* the provider fetches it from its address */
    struct str kind;   /* "image" */
    struct str url;    /* http or https */
    struct str detail; /* "high", "low"; empty: as the provider likes */
};
struct model_tool_call {
    struct str id, name;
    struct str arguments; /* JSON text, as the model wrote it */
};
struct model_tool {
    struct str name, description;
    const struct value *parameters; /* JSON Schema of an object */
};
struct model_message {
    struct str role, text;          /* system, user, assistant, tool */
    const struct model_file *files; /* in front of the text */
    size_t file_count;
    const struct model_tool_call *calls; /* of an assistant */
    size_t call_count;
    struct str call_id; /* role tool: the call whose result it is */
};
struct model_request {
    struct str provider, model; /* as the export names them */
    bool is_completion;         /* completion mode: one message, its text is the prompt */
    bool is_whole;              /* not streamed: the text comes in one piece */
    const struct model_message *messages;
    size_t message_count;
    const struct value *params; /* completion_params after templates, or NULL */
    const struct model_tool *tools;
    size_t tool_count;
    struct str execution_id; /* of the node that asks; filled in by the run */
};
/* A credential that refused a call before another one (or none) answered it. */
struct model_refused {
    struct str credential;  /* its name */
    const char *error_type; /* dify-dsl.md 3.6 */
    struct str words;       /* the provider's own, without the key */
};
/* How a call came to its credential: "why this key". */
struct model_route {
    struct str credential; /* name of the one that answered, or refused last; empty: none was asked */
    struct str model;      /* as the provider was asked for it */
    const struct model_refused
        *refused; /* in order; the last one of a failure is in words of the failure, too */
    size_t refused_count;
    int64_t waited_ms; /* in line, for a credential to come back or to have room */
};
/* Decimal texts, empty for none (store_model); price_unit and currency are never empty when there is a price. */
struct model_price {
    struct str prompt_unit_price, completion_unit_price, price_unit, currency;
};
/* Texts are borrowed for the callback. */
struct model_reply {
    struct usage usage;
    bool has_usage;                      /* the provider said how many tokens; else they are 0 */
    int http_status;                     /* of its answer */
    struct str finish_reason;            /* empty: none given */
    const struct model_tool_call *calls; /* tools the model wants called, in its order */
    size_t call_count;
    struct model_route route;
    struct model_price price;
};
struct model_failure {
    const char *error_type; /* as dify-dsl.md 3.6 names them (InvokeRateLimitError …); static */
    struct str message; /* without the time of retry_ms: whoever shows it adds that (model_failure_words()) */
    struct model_route route;
    int64_t retry_ms; /* all credentials rest: the first is back in so many ms; 0: not known, or of no use */
};
struct model_call;       /* a call in flight */
struct model_callbacks { /* called on the worker's loop, never from inside model_start */
    void (*text)(void *arg, struct str delta);
    void (*done)(void *arg, const struct model_reply *reply);       /* last call on success */
    void (*failed)(void *arg, const struct model_failure *failure); /* last call on failure */
};
/* Tokens of prompt and answer together that the settings give the model; 0: they say nothing of it. */
int64_t node_exec_model_context(struct node_exec *x, struct str provider, struct str model);
/* NULL: err says why (no credential for the provider, no memory); no callback comes then. */
struct model_call *node_model_start(struct node_exec *x, const struct model_request *request,
                                    const struct model_callbacks *callbacks, void *arg, struct status *err);
/* Ends the call at once, no callback comes any more. Not after done or failed. */
void node_model_cancel(struct node_exec *x, struct model_call *call);
