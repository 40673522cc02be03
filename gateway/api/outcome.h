/*
 * outcome: the last events of a run, made by the gateway: of a run whose executor was lost, or of one that its caller asks for
 * again by its own run id.
 *
 * Order    as an executor sends them: message_end before workflow_finished when the run came to its end, after it when it was
 *          ended from outside; `error` last when a chat run failed.
 * Threads  one at a time.
 * Source   architecture.md sections 3 (Ids) and 7; docs/calling.md.
 */
#pragma once
#include "gateway/api/payload.h"
#include "shared/store/run.h"
#include <grpc/slice.h>

/* bytes. Of one event: inputs and outputs of a run are bounded by the store's call. */
#define OUTCOME_EVENT_BYTES_MAX ((size_t)512 * 1024 * 1024)

/* What a caller may have of the answer already. */
enum outcome_answer {
    OUTCOME_ANSWER_NEW,     /* nothing: it comes as one message */
    OUTCOME_ANSWER_REPLACED /* some of it, perhaps: message_replace with the whole */
};
struct outcome_form {
    enum payload_form payloads;
    int events; /* heddle.v1.Events */
    enum outcome_answer answer;
};

/* Zeroed: none. */
struct outcome {
    struct buf events[4]; /* without their sequence */
    size_t count, sent;
};

/* The outputs of a record as its event had them: "{}" for a run that ended before it had any; "" when they are not kept. */
struct str outcome_outputs(const struct store_run *run);
/* Of a record that has ended. An executor that was lost has left nothing to tell but that. */
void outcome_of_run(struct outcome *o, const struct store_run *run, const struct outcome_form *form,
                    int64_t now_ms);
bool outcome_has_more(const struct outcome *o);
/* The next event as the message to the caller, when there is more; false: no memory for it. */
MUST_CHECK bool outcome_next(struct outcome *o, uint64_t sequence, grpc_slice *ret);
/* Moves what is in `from`, which is empty then. */
struct outcome outcome_take(struct outcome *from);
void outcome_fini(struct outcome *o);
