/* event_encode: see the header. Numbers below are the field numbers of events.proto and common.proto. */
#include "executor/api/event_encode.h"

#include "executor/nodes/price.h"
#include "executor/value/form.h"
#include "shared/rpc/wire.h"

/* Field numbers: nodes of heddle.v1.Run, retry_info of NodeFinished and WorkflowFinished. */
enum { RUN_NODES = 24, NODE_RETRY_INFO = 29, FINISHED_RETRY_INFO = 16 };

/* The member of RunEvent's oneof for each kind. */
static const uint32_t event_field[] = {
    [EVENT_WORKFLOW_STARTED] = 10,
    [EVENT_NODE_STARTED] = 11,
    [EVENT_NODE_FINISHED] = 12,
    [EVENT_NODE_RETRY] = 13,
    [EVENT_ITERATION_STARTED] = 16,
    [EVENT_ITERATION_NEXT] = 17,
    [EVENT_ITERATION_COMPLETED] = 18,
    [EVENT_LOOP_STARTED] = 19,
    [EVENT_LOOP_NEXT] = 20,
    [EVENT_LOOP_COMPLETED] = 21,
    [EVENT_MESSAGE] = 7,
    [EVENT_TEXT_CHUNK] = 8,
    [EVENT_MESSAGE_REPLACE] = 14,
    [EVENT_REASONING_CHUNK] = 9,
    [EVENT_MESSAGE_END] = 15,
    [EVENT_ERROR] = 22,
    [EVENT_WORKFLOW_FINISHED] = 23,
    [EVENT_PING] = 24,
};

bool event_is_wanted(const struct event_envelope *envelope, enum run_event_kind kind)
{
    if (envelope->events == HEDDLE__V1__EVENTS__EVENTS_ALL)
        return true;
    switch (kind) {
    case EVENT_MESSAGE_END:
    case EVENT_ERROR:
    case EVENT_WORKFLOW_FINISHED:
    case EVENT_PING:
        return true;
    case EVENT_WORKFLOW_STARTED:
    case EVENT_MESSAGE:
    case EVENT_TEXT_CHUNK:
    case EVENT_MESSAGE_REPLACE:
    case EVENT_REASONING_CHUNK:
        return envelope->events == HEDDLE__V1__EVENTS__EVENTS_TEXT;
    case EVENT_NODE_STARTED:
    case EVENT_NODE_FINISHED:
    case EVENT_NODE_RETRY:
    case EVENT_ITERATION_STARTED:
    case EVENT_ITERATION_NEXT:
    case EVENT_ITERATION_COMPLETED:
    case EVENT_LOOP_STARTED:
    case EVENT_LOOP_NEXT:
    case EVENT_LOOP_COMPLETED:
        return false;
    }
    return false;
}

static void put_struct_fields(struct buf *b, const struct value *object);

static void put_masked(struct buf *b, uint32_t number, const struct value *secret)
{
    struct buf masked;
    buf_init(&masked, 64);
    value_put_masked(&masked, value_text(secret));
    b->failed |= masked.failed;
    wire_put_bytes(b, number, buf_str(&masked));
    buf_fini(&masked);
}

/* The fields of one google.protobuf.Value. */
static void put_value_fields(struct buf *b, const struct value *value)
{
    size_t mark;
    switch (value_type(value)) {
    case VALUE_NONE:
        wire_put_uint(b, 1, 0);
        break;
    case VALUE_INT:
    case VALUE_FLOAT:
        wire_put_double(b, 2, value_as_double(value));
        break;
    case VALUE_STRING:
        wire_put_bytes(b, 3, value_text(value));
        break;
    case VALUE_SECRET:
        put_masked(b, 3, value);
        break;
    case VALUE_BOOL:
        wire_put_uint(b, 4, value_as_bool(value));
        break;
    case VALUE_OBJECT:
    case VALUE_FILE:
        mark = wire_put_begin(b, 5);
        put_struct_fields(b, value);
        wire_put_end(b, mark);
        break;
    case VALUE_ARRAY:
        mark = wire_put_begin(b, 6);
        for (size_t i = 0; i < value_count(value); i++) {
            size_t item = wire_put_begin(b, 1);
            put_value_fields(b, value_item(value, i));
            wire_put_end(b, item);
        }
        wire_put_end(b, mark);
        break;
    }
}

static void put_struct_fields(struct buf *b, const struct value *object)
{
    for (size_t i = 0; i < value_count(object); i++) {
        size_t entry = wire_put_begin(b, 1);
        wire_put_bytes(b, 1, value_key(object, i));
        size_t value = wire_put_begin(b, 2);
        put_value_fields(b, value_member(object, i));
        wire_put_end(b, value);
        wire_put_end(b, entry);
    }
}

/* A payload pair: the Struct has number `number`, its JSON text the next. */
static void put_payload(struct buf *b, const struct event_envelope *envelope, uint32_t number,
                        const struct value *object)
{
    if (object == NULL)
        return;
    size_t mark;
    switch ((int)envelope->payloads) {
    case HEDDLE__V1__PAYLOADS__PAYLOADS_STRUCT:
        mark = wire_put_begin(b, number);
        put_struct_fields(b, object);
        wire_put_end(b, mark);
        break;
    case HEDDLE__V1__PAYLOADS__PAYLOADS_JSON:
        mark = wire_put_begin(b, number + 1);
        value_put_json(b, object, JSON_COMPACT, true);
        wire_put_end(b, mark);
        break;
    }
}

void event_encode_files(uint32_t number, const struct value *files, struct buf *b)
{
    static const struct {
        uint32_t number;
        const char *key;
    } texts[] = {{1, "id"},        {2, "type"},      {3, "transfer_method"},
                 {4, "url"},       {5, "reference"}, {6, "filename"},
                 {7, "extension"}, {8, "mime_type"}, {10, "remote_url"}};
    for (size_t i = 0; files != NULL && i < value_count(files); i++) {
        const struct value *file = value_item(files, i);
        size_t mark = wire_put_begin(b, number);
        for (size_t k = 0; k < ARRAY_LEN(texts); k++)
            wire_put_bytes_if(b, texts[k].number, value_get_text(file, texts[k].key, STR("")));
        wire_put_int_if(b, 9, value_get_int(file, "size", -1));
        wire_put_end(b, mark);
    }
}

/* Fields 1 to 11 that node_started, node_finished and node_retry share. */
static void put_node_start(struct buf *b, const struct event_node *node)
{
    wire_put_bytes_if(b, 1, node->execution_id);
    wire_put_bytes_if(b, 2, node->node_id);
    wire_put_bytes_if(b, 3, node->node_type);
    wire_put_bytes_if(b, 4, node->title);
    wire_put_int_if(b, 5, node->index);
    wire_put_bytes_if(b, 6, node->predecessor_id);
    wire_put_bytes_if(b, 7, node->iteration_id);
    wire_put_int_if(b, 8, node->iteration_index);
    wire_put_bytes_if(b, 9, node->loop_id);
    wire_put_int_if(b, 10, node->loop_index);
    wire_put_int_if(b, 11, node->created_at_ms);
}

static void put_node_end(struct buf *b, const struct event_envelope *envelope, const struct event_node *node)
{
    wire_put_int_if(b, 12, node->finished_at_ms);
    wire_put_int_if(b, 13, node->elapsed_ms);
    wire_put_uint_if(b, 14, node->status);
    put_payload(b, envelope, 15, node->inputs);
    put_payload(b, envelope, 17, node->process_data);
    put_payload(b, envelope, 19, node->outputs);
    wire_put_bytes_if(b, 21, node->error);
    wire_put_bytes_if(b, 22, node->error_type);
    wire_put_bytes_if(b, 23, node->error_strategy);
    wire_put_int_if(b, 24, node->total_tokens);
    wire_put_bytes_if(b, 25, node->total_price);
    wire_put_bytes_if(b, 26, node->currency);
    wire_put_int_if(b, 27, node->retry_index);
    event_encode_files(28, node->files, b);
}

/* google.rpc.RetryInfo; nothing for 0. */
static void put_retry_info(struct buf *b, uint32_t number, int64_t retry_ms)
{
    if (retry_ms <= 0)
        return;
    size_t info = wire_put_begin(b, number), delay = wire_put_begin(b, 1);
    wire_put_int_if(b, 1, retry_ms / 1000);
    wire_put_int_if(b, 2, retry_ms % 1000 * 1000000);
    wire_put_end(b, delay);
    wire_put_end(b, info);
}

static void put_node_finished(struct buf *b, const struct event_envelope *envelope,
                              const struct event_node *node)
{
    put_node_start(b, node);
    put_node_end(b, envelope, node);
    put_retry_info(b, NODE_RETRY_INFO, node->retry_ms);
}

void event_encode_node_record(const struct event_node *node, struct buf *ret)
{
    static const struct event_envelope envelope = {.payloads = HEDDLE__V1__PAYLOADS__PAYLOADS_JSON};
    size_t mark = wire_put_begin(ret, RUN_NODES);
    put_node_finished(ret, &envelope, node);
    wire_put_end(ret, mark);
}

/* Where a container stands: the four fields from `first` on. */
static void put_nesting(struct buf *b, uint32_t first, const struct event_node *node)
{
    wire_put_bytes_if(b, first, node->iteration_id);
    wire_put_int_if(b, first + 1, node->iteration_index);
    wire_put_bytes_if(b, first + 2, node->loop_id);
    wire_put_int_if(b, first + 3, node->loop_index);
}

static void put_container_name(struct buf *b, const struct event_node *node)
{
    wire_put_bytes_if(b, 1, node->execution_id);
    wire_put_bytes_if(b, 2, node->node_id);
    wire_put_bytes_if(b, 3, node->node_type);
    wire_put_bytes_if(b, 4, node->title);
    wire_put_int_if(b, 5, node->index);
}

static void put_container_started(struct buf *b, const struct event_envelope *envelope,
                                  const struct event_node *node)
{
    put_container_name(b, node);
    wire_put_bytes_if(b, 6, node->predecessor_id);
    wire_put_int_if(b, 7, node->created_at_ms);
    put_payload(b, envelope, 8, node->inputs);
    wire_put_int_if(b, 10, node->length);
    put_nesting(b, 11, node);
}

static void put_container_next(struct buf *b, const struct event_node *node)
{
    put_container_name(b, node);
    wire_put_int_if(b, 6, node->created_at_ms);
    put_nesting(b, 7, node);
}

static void put_container_completed(struct buf *b, const struct event_envelope *envelope,
                                    const struct event_node *node)
{
    put_container_name(b, node);
    wire_put_bytes_if(b, 6, node->predecessor_id);
    wire_put_int_if(b, 7, node->created_at_ms);
    wire_put_int_if(b, 8, node->finished_at_ms);
    wire_put_int_if(b, 9, node->elapsed_ms);
    wire_put_uint_if(b, 10, node->status);
    wire_put_bytes_if(b, 11, node->error);
    put_payload(b, envelope, 12, node->inputs);
    put_payload(b, envelope, 14, node->outputs);
    wire_put_int_if(b, 16, node->steps);
    wire_put_int_if(b, 17, node->total_tokens);
    wire_put_bytes_if(b, 18, node->total_price);
    wire_put_bytes_if(b, 19, node->currency);
    if (node->duration_count > 0) {
        size_t mark = wire_put_begin(b, 20);
        for (size_t i = 0; i < node->duration_count; i++)
            wire_put_varint(b, (uint64_t)node->durations_ms[i]);
        wire_put_end(b, mark);
    }
    wire_put_bytes_if(b, 21, node->error_type);
    put_payload(b, envelope, 22, node->loop_variables);
    wire_put_bytes_if(b, 24, node->completed_reason);
    put_nesting(b, 30, node);
}

static void put_text(struct buf *b, const struct event_text *text)
{
    wire_put_bytes_if(b, 1, text->text);
    wire_put_uint_if(b, 2, text->offset);
    for (size_t i = 0; i < text->selector_count; i++)
        wire_put_bytes(b, 3, text->selector[i]);
}

static void put_unit(struct buf *b, uint32_t number, struct str text, const char *none)
{
    wire_put_bytes(b, number, text.len > 0 ? text : str_c(none));
}

static void put_amount(struct buf *b, uint32_t number, int64_t amount, struct str currency)
{
    char text[MONEY_TEXT_BYTES];
    wire_put_bytes(b, number, money_text(amount, currency, text));
}

void event_encode_usage(const struct usage *usage, struct buf *b)
{
    const struct usage_price *p = &usage->price;
    wire_put_int_if(b, 1, usage->prompt_tokens);
    put_unit(b, 2, p->prompt_unit_price, "0");
    put_unit(b, 3, p->price_unit, "0.0");
    put_amount(b, 4, p->prompt, p->currency);
    wire_put_int_if(b, 5, usage->completion_tokens);
    put_unit(b, 6, p->completion_unit_price, "0");
    put_unit(b, 7, p->price_unit, "0.0");
    put_amount(b, 8, p->completion, p->currency);
    wire_put_int_if(b, 9, usage->prompt_tokens + usage->completion_tokens);
    put_amount(b, 10, price_total(p).amount, p->currency);
    wire_put_bytes(b, 11, money_currency(p->currency));
    wire_put_int_if(b, 12, usage->latency_ms);
    if (usage->first_token_ms >= 0) {
        wire_put_int_if(b, 13, usage->first_token_ms);
        wire_put_int_if(b, 14, usage->latency_ms - usage->first_token_ms);
    }
}

static void put_message_end(struct buf *b, const struct event_message_end *end)
{
    size_t mark = wire_put_begin(b, 1);
    size_t usage = wire_put_begin(b, 1);
    event_encode_usage(&end->usage, b);
    wire_put_end(b, usage);
    for (size_t i = 0; end->reasoning != NULL && i < value_count(end->reasoning); i++) {
        size_t entry = wire_put_begin(b, 2);
        wire_put_bytes(b, 1, value_key(end->reasoning, i));
        wire_put_bytes(b, 2, value_text(value_member(end->reasoning, i)));
        wire_put_end(b, entry);
    }
    wire_put_end(b, mark);
    event_encode_files(2, end->files, b);
}

static void put_finished(struct buf *b, const struct event_envelope *envelope,
                         const struct event_finished *end)
{
    wire_put_bytes_if(b, 1, end->workflow_id);
    wire_put_uint_if(b, 2, end->status);
    wire_put_uint_if(b, 3, end->reason);
    if (end->outputs != NULL)
        put_payload(b, envelope, 4, end->outputs);
    else if (envelope->payloads == HEDDLE__V1__PAYLOADS__PAYLOADS_STRUCT)
        wire_put_bytes(b, 4, STR(""));
    else if (envelope->payloads == HEDDLE__V1__PAYLOADS__PAYLOADS_JSON)
        wire_put_bytes(b, 5, STR("{}"));
    wire_put_bytes_if(b, 6, end->error);
    wire_put_int_if(b, 7, end->elapsed_ms);
    wire_put_int_if(b, 8, end->total_tokens);
    wire_put_int_if(b, 9, end->total_steps);
    wire_put_int_if(b, 10, end->exceptions_count);
    wire_put_int_if(b, 11, end->created_at_ms);
    wire_put_int_if(b, 12, end->finished_at_ms);
    wire_put_bytes_if(b, 13, end->end_user_id);
    wire_put_bytes_if(b, 14, end->user);
    event_encode_files(15, end->files, b);
    put_retry_info(b, FINISHED_RETRY_INFO, end->retry_ms);
}

static void put_event(struct buf *b, const struct event_envelope *envelope, const struct run_event *event)
{
    switch (event->kind) {
    case EVENT_WORKFLOW_STARTED:
        wire_put_bytes_if(b, 1, event->started.workflow_id);
        put_payload(b, envelope, 2, event->started.inputs);
        wire_put_int_if(b, 4, event->created_at_ms);
        break;
    case EVENT_NODE_STARTED:
        put_node_start(b, &event->node);
        break;
    case EVENT_NODE_FINISHED:
        put_node_finished(b, envelope, &event->node);
        break;
    case EVENT_NODE_RETRY:
        put_node_start(b, &event->node);
        put_node_end(b, envelope, &event->node);
        break;
    case EVENT_ITERATION_STARTED:
    case EVENT_LOOP_STARTED:
        put_container_started(b, envelope, &event->node);
        break;
    case EVENT_ITERATION_NEXT:
    case EVENT_LOOP_NEXT:
        put_container_next(b, &event->node);
        break;
    case EVENT_ITERATION_COMPLETED:
    case EVENT_LOOP_COMPLETED:
        put_container_completed(b, envelope, &event->node);
        break;
    case EVENT_MESSAGE:
    case EVENT_TEXT_CHUNK:
        put_text(b, &event->text);
        break;
    case EVENT_MESSAGE_REPLACE:
        wire_put_bytes_if(b, 1, event->text.text);
        wire_put_bytes_if(b, 2, event->text.reason);
        break;
    case EVENT_REASONING_CHUNK:
        wire_put_bytes_if(b, 1, event->reasoning.text);
        wire_put_bytes_if(b, 2, event->reasoning.node_id);
        wire_put_uint_if(b, 3, event->reasoning.is_final);
        break;
    case EVENT_MESSAGE_END:
        put_message_end(b, &event->message_end);
        break;
    case EVENT_ERROR:
        wire_put_bytes_if(b, 1, event->error.code);
        wire_put_bytes_if(b, 2, event->error.message);
        wire_put_int_if(b, 3, event->error.status);
        break;
    case EVENT_WORKFLOW_FINISHED:
        put_finished(b, envelope, &event->finished);
        break;
    case EVENT_PING:
        break;
    }
}

void event_encode(const struct event_envelope *envelope, const struct run_event *event, struct buf *ret)
{
    wire_put_bytes_if(ret, 1, envelope->run_id);
    wire_put_bytes_if(ret, 2, envelope->run_id);
    wire_put_bytes_if(ret, 3, envelope->conversation_id);
    wire_put_bytes_if(ret, 4, envelope->message_id);
    wire_put_uint_if(ret, 5, event->sequence);
    wire_put_int_if(ret, 6, event->created_at_ms);
    size_t mark = wire_put_begin(ret, event_field[event->kind]);
    put_event(ret, envelope, event);
    wire_put_end(ret, mark);
}
