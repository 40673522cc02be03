/* outcome: see the header. Written field by field, because outputs and usage are bytes already. */
#include "gateway/api/outcome.h"

#include "heddle/v1/events.pb-c.h"
#include "shared/rpc/slice.h"
#include "shared/rpc/wire.h"

/* Field numbers of heddle.v1.RunEvent and of its events. */
enum {
    EVENT_TASK_ID = 1,
    EVENT_RUN_ID = 2,
    EVENT_CONVERSATION_ID = 3,
    EVENT_MESSAGE_ID = 4,
    EVENT_SEQUENCE = 5,
    EVENT_CREATED_AT = 6,
    EVENT_MESSAGE = 7,
    EVENT_MESSAGE_REPLACE = 14,
    EVENT_MESSAGE_END = 15,
    EVENT_ERROR = 22,
    EVENT_FINISHED = 23,
    MESSAGE_ANSWER = 1,
    END_METADATA = 1,
    END_FILES = 2,
    METADATA_USAGE = 1,
    ERROR_CODE = 1,
    ERROR_MESSAGE = 2,
    ERROR_STATUS = 3,
    FINISHED_WORKFLOW_ID = 1,
    FINISHED_STATUS = 2,
    FINISHED_REASON = 3,
    FINISHED_OUTPUTS = 4,
    FINISHED_ERROR = 6,
    FINISHED_ELAPSED = 7,
    FINISHED_TOKENS = 8,
    FINISHED_STEPS = 9,
    FINISHED_EXCEPTIONS = 10,
    FINISHED_CREATED_AT = 11,
    FINISHED_FINISHED_AT = 12,
    FINISHED_END_USER_ID = 13,
    FINISHED_USER = 14,
    FINISHED_FILES = 15
};

struct str outcome_outputs(const struct store_run *run)
{
    bool has_none = run->outputs.len == 0 && run->finished_at_ms != 0 && run->record == STORE_RECORD_FULL;
    return has_none ? STR("{}") : run->outputs;
}

/* Begins one more event; ends as wire_put_end(b, *ret_mark). */
static struct buf *begin_event(struct outcome *o, const struct store_run *run, uint32_t number,
                               int64_t now_ms, size_t *ret_mark)
{
    struct buf *b = &o->events[o->count++];
    buf_init(b, OUTCOME_EVENT_BYTES_MAX);
    wire_put_bytes_if(b, EVENT_TASK_ID, run->run_id);
    wire_put_bytes_if(b, EVENT_RUN_ID, run->run_id);
    wire_put_bytes_if(b, EVENT_CONVERSATION_ID, run->conversation_id);
    wire_put_bytes_if(b, EVENT_MESSAGE_ID, run->message_id);
    wire_put_int_if(b, EVENT_CREATED_AT, now_ms);
    *ret_mark = wire_put_begin(b, number);
    return b;
}

/* Files of the answer, which a record has under another number. */
static void put_files(struct buf *b, uint32_t number, struct str files)
{
    struct wire_field field;
    while (wire_next(&files, &field) == WIRE_FIELD) {
        if (field.type == WIRE_BYTES)
            wire_put_bytes(b, number, field.bytes);
    }
}

static void put_answer(struct outcome *o, const struct store_run *run, const struct outcome_form *form,
                       int64_t now_ms)
{
    bool is_new = form->answer == OUTCOME_ANSWER_NEW;
    if (form->events == HEDDLE__V1__EVENTS__EVENTS_FINAL || (is_new && run->answer.len == 0))
        return;
    size_t mark;
    struct buf *b = begin_event(o, run, is_new ? EVENT_MESSAGE : EVENT_MESSAGE_REPLACE, now_ms, &mark);
    wire_put_bytes_if(b, MESSAGE_ANSWER, run->answer);
    wire_put_end(b, mark);
}

static void put_message_end(struct outcome *o, const struct store_run *run, int64_t now_ms)
{
    size_t mark;
    struct buf *b = begin_event(o, run, EVENT_MESSAGE_END, now_ms, &mark);
    size_t metadata = wire_put_begin(b, END_METADATA);
    wire_put_bytes_if(b, METADATA_USAGE, run->usage);
    wire_put_end(b, metadata);
    put_files(b, END_FILES, run->answer_files);
    wire_put_end(b, mark);
}

static void put_finished(struct outcome *o, const struct store_run *run, enum payload_form form,
                         int64_t now_ms)
{
    size_t mark;
    struct buf *b = begin_event(o, run, EVENT_FINISHED, now_ms, &mark);
    wire_put_bytes_if(b, FINISHED_WORKFLOW_ID, run->version_id);
    wire_put_int_if(b, FINISHED_STATUS, run->status);
    wire_put_int_if(b, FINISHED_REASON, run->end_reason);
    payload_put(b, FINISHED_OUTPUTS, outcome_outputs(run), form);
    wire_put_bytes_if(b, FINISHED_ERROR, run->error);
    wire_put_int_if(b, FINISHED_ELAPSED, run->elapsed_ms);
    wire_put_int_if(b, FINISHED_TOKENS, run->total_tokens);
    wire_put_int_if(b, FINISHED_STEPS, run->total_steps);
    wire_put_int_if(b, FINISHED_EXCEPTIONS, run->exceptions_count);
    wire_put_int_if(b, FINISHED_CREATED_AT, run->created_at_ms);
    wire_put_int_if(b, FINISHED_FINISHED_AT, run->finished_at_ms);
    wire_put_bytes_if(b, FINISHED_END_USER_ID, run->end_user_id);
    wire_put_bytes_if(b, FINISHED_USER, run->user);
    put_files(b, FINISHED_FILES, run->answer_files);
    wire_put_end(b, mark);
}

/* As the executor says it, or would have. */
static void put_error(struct outcome *o, const struct store_run *run, int64_t now_ms)
{
    bool is_lost = run->end_reason == HEDDLE__V1__END_REASON__END_REASON_EXECUTOR_LOST;
    bool is_not_kept = run->end_reason == HEDDLE__V1__END_REASON__END_REASON_STORE_UNAVAILABLE;
    size_t mark;
    struct buf *b = begin_event(o, run, EVENT_ERROR, now_ms, &mark);
    wire_put_bytes(b, ERROR_CODE,
                   is_lost       ? STR("internal_server_error")
                   : is_not_kept ? STR("store_unavailable")
                                 : STR("invalid_param"));
    size_t message = wire_put_begin(b, ERROR_MESSAGE);
    buf_put(b, is_not_kept ? STR("") : STR("Run failed: "));
    buf_put(b, run->error);
    wire_put_end(b, message);
    wire_put_int(b, ERROR_STATUS, is_lost ? 500 : is_not_kept ? 503 : 400);
    wire_put_end(b, mark);
}

void outcome_of_run(struct outcome *o, const struct store_run *run, const struct outcome_form *form,
                    int64_t now_ms)
{
    bool is_chat = run->message_id.len > 0;
    bool is_lost = run->end_reason == HEDDLE__V1__END_REASON__END_REASON_EXECUTOR_LOST;
    bool has_failed = run->status == HEDDLE__V1__RUN_STATUS__RUN_STATUS_FAILED;
    bool was_stopped = run->status == HEDDLE__V1__RUN_STATUS__RUN_STATUS_STOPPED;
    *o = (struct outcome){.count = 0};
    if (is_chat && !is_lost)
        put_answer(o, run, form, now_ms);
    if (is_chat && !has_failed && !was_stopped)
        put_message_end(o, run, now_ms);
    put_finished(o, run, form->payloads, now_ms);
    if (is_chat && was_stopped)
        put_message_end(o, run, now_ms);
    if (is_chat && has_failed)
        put_error(o, run, now_ms);
}

bool outcome_has_more(const struct outcome *o)
{
    return o->sent < o->count;
}

bool outcome_next(struct outcome *o, uint64_t sequence, grpc_slice *ret)
{
    struct buf *b = &o->events[o->sent++];
    wire_put_uint(b, EVENT_SEQUENCE, sequence);
    return rpc_slice_take_buf(b, ret);
}

struct outcome outcome_take(struct outcome *from)
{
    struct outcome taken = *from;
    *from = (struct outcome){.count = 0};
    return taken;
}

void outcome_fini(struct outcome *o)
{
    for (size_t i = 0; i < o->count; i++)
        buf_fini(&o->events[i]);
    *o = (struct outcome){.count = 0};
}
