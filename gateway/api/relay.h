/*
 * relay: one run's events from a source (an executor's stream) to a sink (a caller). It cuts frames into events without
 * decoding them, asks for the next frame only when the last one's events are taken, and asks for the truth when the source breaks
 * off (architecture.md sections 3, 4 and 7). gRPC is the first sink and the first source.
 * Threads  single-threaded: source and sink live on one queue.
 */
#pragma once
#include "gateway/api/outcome.h"
#include "shared/base/uuid.h"

/* next: ask for a frame; relay_frame() or relay_source_ended() answers. */
struct relay_source {
    void (*next)(void *arg);
};
/*
 * begun   the executor has begun the run, at this address; once
 * send    one event; relay_sent() answers. has_more: another follows at once, or the end
 * lost    the source broke off in the middle of the run: relay_close() has to say how it ended; once
 * ended   last: OK, or why there is nothing to stream. not_begun: the run has not begun, it may be tried elsewhere
 */
struct relay_sink {
    void (*begun)(void *arg, struct str address);
    void (*send)(void *arg, grpc_slice take_event, bool has_more);
    void (*lost)(void *arg);
    void (*ended)(void *arg, const struct status *status, bool not_begun);
};

/* How a run has ended; numbers of heddle.v1.RunStatus and EndReason. */
struct relay_end {
    int status, reason;
    int64_t total_tokens;
};

struct relay {
    const struct relay_source *source;
    const struct relay_sink *sink;
    void *source_arg, *sink_arg;

    grpc_slice frame; /* being handed down */
    struct str rest;  /* of its events */
    bool has_frame, is_sending, has_begun, has_finished, has_ended, is_sink_gone, is_over;
    bool has_source_ended, has_outcome;
    int64_t begun_at_ms;
    uint64_t last_sequence;
    struct outcome outcome; /* events of our own, at the end */
    bool has_text;          /* a piece of text has been handed down */
    struct relay_end told;  /* as workflow_finished has said it; zeroed: it has not */
};

/* Asks for the first frame. The relay lives in the caller's memory; after ended() nothing of it is left to free. */
void relay_start(struct relay *relay);
/* From the source: a frame; borrowed. */
void relay_frame(struct relay *relay, const grpc_slice *frame);
/* From the source: it has ended, well or not. */
void relay_source_ended(struct relay *relay, const struct status *status);
/* The answer to lost(): the last events; none of them is sent when the run's own last event has come after all. */
void relay_close(struct relay *relay, struct outcome *take_outcome);
/* In place of relay_start(), without a source: only these events, and the end. */
void relay_replay(struct relay *relay, struct outcome *take_outcome);
/* From the sink: the event was taken (or !ok: it is gone). */
void relay_sent(struct relay *relay, bool ok);
/* From the sink: nobody reads any more, and relay_sent() does not come. ended() comes once the source has ended. */
void relay_sink_gone(struct relay *relay);
