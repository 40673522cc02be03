/*
 * stream_load: server-streaming calls. In a closed loop the next run begins as one ends; in an open one runs begin when they
 * are due, by a rate.
 * Threads  the loop lives on the one queue's thread; stream_load_run() waits for it on another.
 */
#pragma once
#include "shared/rpc/client.h"
#include "tests/bench/load.h"

/* Status a run has told of itself. */
enum stream_verdict { STREAM_OPEN, STREAM_SUCCEEDED, STREAM_STOPPED, STREAM_FAILED };

/* What has been read of one run. */
struct stream_seen {
    uint64_t events, messages, sequence, answer_bytes;
    bool is_wrong;
    enum stream_verdict verdict;
    char task_id[40], words[160];
};

/*
 * path        of the method
 * stop_path   of StopTask; NULL: runs cannot be stopped
 * request     of the run with that number
 * read        looks into one message; false when it is not one of the method's
 * stop        the request that stops a run
 */
struct stream_kind {
    const char *name, *path, *stop_path;
    grpc_slice (*request)(const struct load_options *options, uint64_t number);
    bool (*read)(const struct load_options *options, struct str message, struct stream_seen *seen);
    grpc_slice (*stop)(const struct load_options *options, const struct stream_seen *seen);
};

extern const struct stream_kind stream_chat;     /* SendMessage at a gateway */
extern const struct stream_kind stream_workflow; /* RunWorkflow at a gateway */
extern const struct stream_kind stream_executor; /* Execute at an executor */
extern const struct stream_kind stream_hop;      /* the server of hop.h */

/*
 * Runs the load over the queues' first one, which must not have been started yet, and waits for its end. The result has been
 * initialised. Errors as rpc_channel_new() and rpc_queues_start(); then nothing was run.
 */
MUST_CHECK enum status_code stream_load_run(const struct stream_kind *kind,
                                            const struct load_options *options, struct rpc_queues *queues,
                                            struct load_result *result, struct status *err);
