/* outbox: see the header. */
#include "executor/api/outbox.h"

#include "shared/rpc/wire.h"
#include <string.h>

/* Field numbers of heddle.executor.v1.ExecuteFrame and what it holds. */
enum { FRAME_BEGUN = 1, FRAME_EVENTS = 2, FRAME_ENDED = 3, EVENTS_EVENT = 1 };

void outbox_init(struct outbox *o)
{
    *o = (struct outbox){.mark = SIZE_MAX};
    buf_init(&o->events, OUTBOX_BYTES_MAX);
    buf_init(&o->begun, 1024);
    buf_init(&o->ended, 256);
}

void outbox_fini(struct outbox *o)
{
    buf_fini(&o->events);
    buf_fini(&o->begun);
    buf_fini(&o->ended);
}

bool outbox_begin(struct outbox *o, const Heddle__Executor__V1__Begun *begun)
{
    size_t mark = wire_put_begin(&o->begun, FRAME_BEGUN);
    wire_put_bytes_if(&o->begun, 1, str_c(begun->instance_id));
    wire_put_bytes_if(&o->begun, 2, str_c(begun->address));
    wire_put_uint_if(&o->begun, 3, begun->attempt);
    wire_put_end(&o->begun, mark);
    return !o->begun.failed;
}

bool outbox_end(struct outbox *o, const struct event_finished *finished)
{
    size_t mark = wire_put_begin(&o->ended, FRAME_ENDED);
    wire_put_uint_if(&o->ended, 1, finished->status);
    wire_put_uint_if(&o->ended, 2, finished->reason);
    wire_put_int_if(&o->ended, 3, finished->total_tokens);
    wire_put_int_if(&o->ended, 4, finished->total_steps);
    wire_put_int_if(&o->ended, 5, finished->elapsed_ms);
    wire_put_end(&o->ended, mark);
    return !o->ended.failed;
}

bool outbox_put(struct outbox *o, struct str event)
{
    if (o->is_closed)
        return true;
    size_t before = o->events.len;
    wire_put_bytes(&o->events, EVENTS_EVENT, event);
    if (o->events.failed) {
        o->events.failed = false;
        o->events.len = before; /* whole events only */
        return false;
    }
    o->event_count++;
    return true;
}

void outbox_withhold(struct outbox *o)
{
    o->is_withheld = true;
}

void outbox_show(struct outbox *o)
{
    o->is_withheld = false;
}

void outbox_mark(struct outbox *o)
{
    if (o->mark != SIZE_MAX)
        return;
    o->mark = o->events.len;
    o->mark_count = o->event_count;
}

void outbox_unmark(struct outbox *o)
{
    o->mark = SIZE_MAX;
}

void outbox_drop_marked(struct outbox *o)
{
    if (o->mark == SIZE_MAX)
        return;
    buf_clear(&o->ended);
    if (o->is_closed)
        return;
    o->events.len = o->mark;
    o->event_count = o->mark_count;
}

void outbox_seal(struct outbox *o)
{
    o->is_sealed = true;
}

void outbox_close(struct outbox *o)
{
    o->is_closed = true;
    o->is_held = false;
    buf_fini(&o->events);
    o->event_count = 0;
}

bool outbox_hold(struct outbox *o)
{
    if (o->events.len > OUTBOX_BYTES_HIGH || o->event_count > OUTBOX_EVENTS_HIGH)
        o->is_held = true;
    return o->is_held;
}

bool outbox_release(struct outbox *o)
{
    if (!o->is_held || o->events.len > OUTBOX_BYTES_HIGH / 2 || o->event_count > OUTBOX_EVENTS_HIGH / 2)
        return false;
    o->is_held = false;
    return true;
}

/* Bytes of events that may go now. */
static size_t free_bytes(const struct outbox *o)
{
    if (o->is_withheld)
        return 0;
    return o->mark < o->events.len ? o->mark : o->events.len;
}

/* The first `len` bytes have gone; what waits moves to the front. */
static void drop_front(struct outbox *o, size_t len)
{
    o->event_count -= len == o->events.len ? o->event_count : o->mark_count;
    o->mark_count = 0;
    if (o->mark != SIZE_MAX)
        o->mark = 0;
    memmove(o->events.ptr, o->events.ptr + len, o->events.len - len);
    o->events.len -= len;
}

static bool may_begin(const struct outbox *o)
{
    return !o->is_withheld && o->begun.len > 0;
}

static bool may_end(const struct outbox *o)
{
    return !o->is_withheld && o->is_sealed && o->mark == SIZE_MAX && o->ended.len > 0;
}

/* Appends the events that may go. Without memory they stay, and the next flush tries again. */
static void take_events(struct outbox *o, struct buf *frame)
{
    size_t len = free_bytes(o), before = frame->len;
    if (len == 0)
        return;
    wire_put_bytes(frame, FRAME_EVENTS, str_sub(buf_str(&o->events), 0, len));
    if (frame->failed) {
        frame->failed = false;
        frame->len = before;
    } else {
        drop_front(o, len);
    }
}

enum outbox_next outbox_take(struct outbox *o, struct buf *ret_frame)
{
    buf_init(ret_frame, OUTBOX_BYTES_MAX + 2048);
    if (may_begin(o)) {
        buf_put(ret_frame, buf_str(&o->begun));
        if (ret_frame->failed) {
            buf_fini(ret_frame);
            return OUTBOX_NOTHING;
        }
        buf_fini(&o->begun);
    }
    take_events(o, ret_frame);
    if (may_end(o) && o->events.len == 0) {
        size_t before = ret_frame->len;
        buf_put(ret_frame, buf_str(&o->ended));
        if (!ret_frame->failed) {
            buf_fini(&o->ended);
            return OUTBOX_LAST;
        }
        ret_frame->failed = false;
        ret_frame->len = before;
    }
    if (ret_frame->len > 0)
        return OUTBOX_MORE;
    buf_fini(ret_frame);
    return OUTBOX_NOTHING;
}

bool outbox_has_next(const struct outbox *o)
{
    return may_begin(o) || free_bytes(o) > 0 || may_end(o);
}
