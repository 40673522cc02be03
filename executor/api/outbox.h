/*
 * outbox: the events of one run on their way to its caller. The worker puts them in and flushes once a turn; whatever has
 * gathered while a message was on its way goes out as the next one (architecture.md section 5, Events out).
 * It holds bytes and decides what is to be sent; sending is its user's.
 * Threads  the user's lock around every function: worker and queue both come.
 */
#pragma once
#include "executor/run/event.h"
#include "heddle/executor/v1/executor.pb-c.h"
#include "shared/base/buf.h"

/* bytes, events. Over either the run's sources are held back until half of it is gone. */
#define OUTBOX_BYTES_HIGH  ((size_t)256 * 1024)
#define OUTBOX_EVENTS_HIGH 1024
/* bytes. The most it may hold: one turn can add much (a node's outputs), and the tail of a run always has to fit. */
#define OUTBOX_BYTES_MAX ((size_t)512 * 1024 * 1024)

struct outbox {
    struct buf events; /* body of heddle.executor.v1.Events */
    size_t event_count;
    struct buf begun, ended; /* fields of a frame; empty when not there (yet) */
    size_t mark, mark_count; /* events before it may go; SIZE_MAX: all may */
    bool is_withheld;        /* nothing may go, whatever is marked */
    bool is_held;            /* the run's sources are held back */
    bool is_closed;          /* nobody reads: what is put in is dropped */
    bool is_sealed;          /* no event comes any more: the last frame may go */
};

void outbox_init(struct outbox *o);
void outbox_fini(struct outbox *o);
/* Of the first frame. False: no memory. */
MUST_CHECK bool outbox_begin(struct outbox *o, const Heddle__Executor__V1__Begun *begun);
/* Of the last frame; it goes out once the outbox is sealed. False: no memory. */
MUST_CHECK bool outbox_end(struct outbox *o, const struct event_finished *finished);
/* A serialized RunEvent. False: it did not fit, and the stream has a hole: the run has to be ended. */
MUST_CHECK bool outbox_put(struct outbox *o, struct str event);
/* Nothing goes until it is shown: nobody knows yet whether there is to be such a run. */
void outbox_withhold(struct outbox *o);
void outbox_show(struct outbox *o);
/*
 * What is put in from here on waits, the last frame too, until it is unmarked: the run's record is not durable yet. A mark
 * that is there stays where it is.
 */
void outbox_mark(struct outbox *o);
void outbox_unmark(struct outbox *o);
/* Takes what waits away: it will not come true. The last frame as well. */
void outbox_drop_marked(struct outbox *o);
/* No event comes any more. */
void outbox_seal(struct outbox *o);
/* Nobody reads any more, so nobody is behind either. */
void outbox_close(struct outbox *o);

/* After a flush: are the sources to be held back? Notes it. */
bool outbox_hold(struct outbox *o);
/* After a message was taken: may they go on? Notes it. */
bool outbox_release(struct outbox *o);

enum outbox_next { OUTBOX_NOTHING, OUTBOX_MORE, OUTBOX_LAST };
/*
 * The next message, if there is one: all that may go; *ret_frame is as after buf_init when not.
 * OUTBOX_NOTHING  wait for more   OUTBOX_MORE  a frame; others may follow   OUTBOX_LAST  the last frame
 */
enum outbox_next outbox_take(struct outbox *o, struct buf *ret_frame);
/* Would outbox_take() give something at once? Then the message before it may wait for it (grpc-c-core.md, WRITE_BUFFER_HINT). */
bool outbox_has_next(const struct outbox *o);
