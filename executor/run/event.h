/*
 * event: what a run tells its host, in order (dify-dsl.md 5.2, proto/heddle/v1/events.proto). Plain data; everything in it is
 * borrowed and valid only inside emit(). The numbers of the enums are those of the proto enums.
 */
#pragma once
#include "executor/nodes/node.h"

enum run_status {
    RUN_STATUS_NONE = 0,
    RUN_STATUS_RUNNING = 1,
    RUN_STATUS_SUCCEEDED = 2,
    RUN_STATUS_PARTIAL_SUCCEEDED = 3,
    RUN_STATUS_FAILED = 4,
    RUN_STATUS_STOPPED = 5,
    RUN_STATUS_PAUSED = 6
};
enum end_reason {
    END_REASON_NONE = 0,
    END_REASON_COMPLETED = 1,
    END_REASON_NODE_FAILED = 2,
    END_REASON_STOPPED_BY_USER = 3,
    END_REASON_DEADLINE = 4,
    END_REASON_TIME_LIMIT = 5,
    END_REASON_STEP_LIMIT = 6,
    END_REASON_CALLER_GONE = 7,
    END_REASON_EXECUTOR_LOST = 8,
    END_REASON_SHUTTING_DOWN = 9,
    END_REASON_STORE_UNAVAILABLE = 10,
    END_REASON_MEMORY_LIMIT = 11
};
enum node_status {
    NODE_STATUS_NONE = 0,
    NODE_STATUS_PENDING = 1,
    NODE_STATUS_RUNNING = 2,
    NODE_STATUS_SUCCEEDED = 3,
    NODE_STATUS_FAILED = 4,
    NODE_STATUS_EXCEPTION = 5,
    NODE_STATUS_STOPPED = 6,
    NODE_STATUS_PAUSED = 7,
    NODE_STATUS_RETRY = 8
};

enum run_event_kind {                            /* which member of the union is set */
                      EVENT_WORKFLOW_STARTED,    /* started */
                      EVENT_NODE_STARTED,        /* node, up to created_at_ms */
                      EVENT_NODE_FINISHED,       /* node */
                      EVENT_NODE_RETRY,          /* node */
                      EVENT_ITERATION_STARTED,   /* node: inputs, length */
                      EVENT_ITERATION_NEXT,      /* node: index is the element, from 0 */
                      EVENT_ITERATION_COMPLETED, /* node: steps, durations_ms */
                      EVENT_LOOP_STARTED,        /* node: inputs, length */
                      EVENT_LOOP_NEXT,           /* node: index is the round, from 0 */
                      EVENT_LOOP_COMPLETED,  /* node: steps, durations_ms, loop_variables, completed_reason */
                      EVENT_MESSAGE,         /* text; chatflows */
                      EVENT_TEXT_CHUNK,      /* text; workflows */
                      EVENT_MESSAGE_REPLACE, /* text: the whole answer; reason */
                      EVENT_REASONING_CHUNK, /* reasoning */
                      EVENT_MESSAGE_END,     /* message_end; chatflows */
                      EVENT_ERROR,           /* error; chatflows that failed */
                      EVENT_WORKFLOW_FINISHED, /* finished; exactly once */
                      EVENT_PING               /* nothing; made by the host, never by a run */
};

struct event_started {
    struct str workflow_id;
    const struct value *inputs; /* the caller's inputs and flat sys.* keys, without sys.conversation_id */
};
struct event_node {
    struct str execution_id; /* the same in started, retry and finished */
    struct str node_id, node_type, title;
    int32_t index;                    /* of its start within the run, from 1 */
    struct str predecessor_id;        /* empty for the first */
    struct str iteration_id, loop_id; /* the container around it; empty outside */
    int32_t iteration_index, loop_index;
    struct str container_id; /* execution_id of the container next around it; empty outside */
    int64_t created_at_ms;   /* Unix time of the start; of the failed attempt in a retry */

    int64_t finished_at_ms, elapsed_ms;
    int64_t started_us, ended_us; /* monotonic, of its first attempt's start and of its end */
    enum node_status status;
    const struct value *inputs, *process_data, *outputs; /* objects, or NULL; secrets unmasked */
    struct str error, error_type;
    struct str error_strategy; /* "fail-branch", "default-value" or empty */
    int64_t total_tokens;
    struct str total_price, currency; /* decimal text; empty when there were no tokens */
    int32_t retry_index;
    int64_t retry_ms;          /* of a failure: it may go better in so many ms; 0: not known */
    const struct value *files; /* files among the outputs: an array, or NULL for none */

    int32_t steps, length;
    const int64_t *durations_ms;
    size_t duration_count;
    const struct value *loop_variables;
    struct str completed_reason;
};
struct event_text {
    struct str text; /* may be empty when is_final: then a caller learns nothing from the event */
    /*
     * Bytes of the streamed text before this one. Less than what came before: an attempt that had streamed failed, and
     * this text replaces from there. Neighbouring texts may be merged when one ends where the next begins.
     */
    uint64_t offset;
    const struct str *selector; /* the variable it comes from; for fixed text [response node, "answer"] */
    size_t selector_count;
    bool is_fixed_text;
    bool is_final;
    struct str execution_id; /* of the node the text is attributed to; empty when it has not started yet */
    struct str node_id;
    struct str reason; /* message_replace */
};
struct event_reasoning {
    struct str text, node_id;
    bool is_final;
};
struct event_message_end {
    struct usage usage;            /* of all model calls, as in event_finished */
    const struct value *reasoning; /* object: reasoning text by node id; NULL for none */
    const struct value *files;     /* of the answer: an array, or NULL for none */
};
struct event_error {
    struct str code, message; /* "invalid_param", "Run failed: …" */
    int32_t status;           /* HTTP */
};
struct event_finished {
    struct str workflow_id;
    enum run_status status;
    enum end_reason reason;
    const struct value *outputs; /* object, as far as it came; NULL reads as {} */
    struct str error;
    int64_t elapsed_ms, total_tokens;
    /*
     * Of all model calls. Prices of several currencies are no sum: the first one's are added up, those of others are left
     * out. Unit prices are those of the last call in that currency.
     */
    struct usage usage;
    int64_t retry_ms; /* of the node that failed the run: it may go better in so many ms; 0: not known */
    int32_t total_steps, exceptions_count;
    int64_t created_at_ms, finished_at_ms;
    struct str end_user_id, user;
    const struct value *files; /* files among the outputs: an array, or NULL for none */
};

struct run_event {
    enum run_event_kind kind;
    uint64_t sequence;     /* from 1, without gaps; 0 for ping */
    int64_t created_at_ms; /* Unix time at which it happened */
    union {
        struct event_started started;
        struct event_node node;
        struct event_text text;
        struct event_reasoning reasoning;
        struct event_message_end message_end;
        struct event_error error;
        struct event_finished finished;
    };
};
const char *run_event_name(enum run_event_kind kind); /* "workflow_started" and so on, Dify's names */
