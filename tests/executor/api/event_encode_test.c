/* Every kind of event, read back by protobuf-c, has what the run said. */
#include "executor/api/event_encode.h"
#include "executor/value/parse.h"
#include "heddle/v1/conversation.pb-c.h"
#include "heddle/v1/events.pb-c.h"
#include "heddle/v1/workflow.pb-c.h"
#include "tests/support/check.h"
#include <string.h>

#define RUN_ID "019aaf00-0000-7000-8000-000000000001"

static struct event_envelope envelope_of(Heddle__V1__Events events, Heddle__V1__Payloads payloads)
{
    return (struct event_envelope){.run_id = STR(RUN_ID),
                                   .conversation_id = STR("conversation"),
                                   .message_id = STR("message"),
                                   .events = events,
                                   .payloads = payloads};
}

static struct value *json(const char *text)
{
    struct value *value = NULL;
    struct status err;
    assert_ok(value_parse_json(NULL, str_c(text), &value, &err));
    return value;
}

static Heddle__V1__RunEvent *there_and_back(const struct run_event *event, Heddle__V1__Payloads payloads)
{
    struct event_envelope envelope = envelope_of(HEDDLE__V1__EVENTS__EVENTS_ALL, payloads);
    struct buf bytes;
    buf_init(&bytes, 1 << 20);
    event_encode(&envelope, event, &bytes);
    assert_false(bytes.failed);
    Heddle__V1__RunEvent *read = heddle__v1__run_event__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
    buf_fini(&bytes);
    assert_non_null(read);
    assert_string_equal(read->task_id, RUN_ID);
    assert_string_equal(read->workflow_run_id, RUN_ID);
    assert_string_equal(read->conversation_id, "conversation");
    assert_string_equal(read->message_id, "message");
    assert_int_equal(read->sequence, event->sequence);
    assert_int_equal(read->created_at_ms, event->created_at_ms);
    return read;
}

static struct run_event event_of(enum run_event_kind kind)
{
    return (struct run_event){.kind = kind, .sequence = 7, .created_at_ms = 1754000000123};
}

static struct event_node full_node(struct value *object)
{
    static const int64_t durations[] = {5, 0, 300};
    return (struct event_node){
        .execution_id = STR("x"),
        .node_id = STR("n"),
        .node_type = STR("llm"),
        .title = STR("Ünïcode"),
        .index = 3,
        .predecessor_id = STR("p"),
        .iteration_id = STR("it"),
        .iteration_index = 2,
        .loop_id = STR("lo"),
        .loop_index = 4,
        .created_at_ms = 11,
        .finished_at_ms = 22,
        .elapsed_ms = 33,
        .status = NODE_STATUS_EXCEPTION,
        .inputs = object,
        .process_data = object,
        .outputs = object,
        .error = STR("words"),
        .error_type = STR("CodeNodeError"),
        .error_strategy = STR("fail-branch"),
        .total_tokens = 44,
        .total_price = STR("0"),
        .currency = STR("USD"),
        .retry_index = 5,
        .retry_ms = 42099,
        .steps = 6,
        .length = 8,
        .durations_ms = durations,
        .duration_count = 3,
        .loop_variables = object,
        .completed_reason = STR("loop_break"),
    };
}

static void a_node_that_finished(void **state)
{
    (void)state;
    struct value *object = json("{\"a\": 5, \"b\": [true, null, \"t\", {\"c\": 1.5}]}");
    struct run_event event = event_of(EVENT_NODE_FINISHED);
    event.node = full_node(object);
    Heddle__V1__RunEvent *read = there_and_back(&event, HEDDLE__V1__PAYLOADS__PAYLOADS_STRUCT);
    assert_int_equal(read->event_case, HEDDLE__V1__RUN_EVENT__EVENT_NODE_FINISHED);
    const Heddle__V1__NodeFinished *node = read->node_finished;
    assert_string_equal(node->node_execution_id, "x");
    assert_string_equal(node->title, "Ünïcode");
    assert_int_equal(node->index, 3);
    assert_string_equal(node->predecessor_node_id, "p");
    assert_string_equal(node->iteration_id, "it");
    assert_int_equal(node->iteration_index, 2);
    assert_string_equal(node->loop_id, "lo");
    assert_int_equal(node->loop_index, 4);
    assert_int_equal(node->finished_at_ms, 22);
    assert_int_equal(node->elapsed_ms, 33);
    assert_int_equal(node->status, HEDDLE__V1__NODE_STATUS__NODE_STATUS_EXCEPTION);
    assert_string_equal(node->error, "words");
    assert_string_equal(node->error_type, "CodeNodeError");
    assert_string_equal(node->error_strategy, "fail-branch");
    assert_int_equal(node->total_tokens, 44);
    assert_int_equal(node->retry_index, 5);
    assert_int_equal(node->retry_info->retry_delay->seconds, 42);
    assert_int_equal(node->retry_info->retry_delay->nanos, 99000000);
    assert_int_equal(node->inputs->n_fields, 2);
    assert_string_equal(node->inputs->fields[0]->key, "a");
    assert_true(node->inputs->fields[0]->value->number_value == 5.0);
    const Google__Protobuf__ListValue *list = node->inputs->fields[1]->value->list_value;
    assert_int_equal(list->n_values, 4);
    assert_true(list->values[0]->bool_value);
    assert_int_equal(list->values[1]->kind_case, GOOGLE__PROTOBUF__VALUE__KIND_NULL_VALUE);
    assert_string_equal(list->values[2]->string_value, "t");
    assert_true(list->values[3]->struct_value->fields[0]->value->number_value == 1.5);
    assert_non_null(node->process_data);
    assert_non_null(node->outputs);
    heddle__v1__run_event__free_unpacked(read, NULL);
    value_unref(object);
}

static void payloads_as_json_keep_order_and_numbers_and_none_leaves_them_out(void **state)
{
    (void)state;
    struct value *object = json("{\"z\":5,\"a\":5.0}");
    struct run_event event = event_of(EVENT_NODE_FINISHED);
    event.node = full_node(object);
    Heddle__V1__RunEvent *read = there_and_back(&event, HEDDLE__V1__PAYLOADS__PAYLOADS_JSON);
    assert_string_equal(read->node_finished->outputs_json, "{\"z\":5,\"a\":5.0}");
    assert_null(read->node_finished->outputs);
    heddle__v1__run_event__free_unpacked(read, NULL);
    read = there_and_back(&event, HEDDLE__V1__PAYLOADS__PAYLOADS_NONE);
    assert_null(read->node_finished->outputs);
    assert_string_equal(read->node_finished->outputs_json, "");
    heddle__v1__run_event__free_unpacked(read, NULL);
    value_unref(object);
}

static void a_secret_is_masked_in_both_forms(void **state)
{
    (void)state;
    struct value_builder builder;
    value_object_begin(&builder, NULL);
    value_object_put(&builder, STR("key"), value_secret(NULL, STR("sk-0123456789abcdef")));
    struct value *object = value_object_end(&builder);
    struct run_event event = event_of(EVENT_WORKFLOW_STARTED);
    event.started.inputs = object;
    event.started.workflow_id = STR("w");
    Heddle__V1__RunEvent *read = there_and_back(&event, HEDDLE__V1__PAYLOADS__PAYLOADS_STRUCT);
    const char *shown = read->workflow_started->inputs->fields[0]->value->string_value;
    assert_null(strstr(shown, "0123456789"));
    assert_non_null(strstr(shown, "****"));
    heddle__v1__run_event__free_unpacked(read, NULL);
    read = there_and_back(&event, HEDDLE__V1__PAYLOADS__PAYLOADS_JSON);
    assert_null(strstr(read->workflow_started->inputs_json, "0123456789"));
    assert_int_equal(read->workflow_started->created_at_ms, event.created_at_ms);
    heddle__v1__run_event__free_unpacked(read, NULL);
    value_unref(object);
}

static void containers(void **state)
{
    (void)state;
    struct value *object = json("{\"k\": \"v\"}");
    struct run_event event = event_of(EVENT_LOOP_COMPLETED);
    event.node = full_node(object);
    Heddle__V1__RunEvent *read = there_and_back(&event, HEDDLE__V1__PAYLOADS__PAYLOADS_JSON);
    const Heddle__V1__LoopCompleted *loop = read->loop_completed;
    assert_int_equal(loop->steps, 6);
    assert_int_equal(loop->n_loop_durations_ms, 3);
    assert_int_equal(loop->loop_durations_ms[2], 300);
    assert_string_equal(loop->loop_variable_map_json, "{\"k\":\"v\"}");
    assert_string_equal(loop->completed_reason, "loop_break");
    assert_string_equal(loop->loop_id, "lo");
    assert_int_equal(loop->loop_index, 4);
    heddle__v1__run_event__free_unpacked(read, NULL);

    event.kind = EVENT_ITERATION_COMPLETED;
    event.node.loop_variables = NULL;
    event.node.completed_reason = STR("");
    read = there_and_back(&event, HEDDLE__V1__PAYLOADS__PAYLOADS_JSON);
    assert_int_equal(read->iteration_completed->n_iteration_durations_ms, 3);
    assert_int_equal(read->iteration_completed->base.n_unknown_fields, 0);
    heddle__v1__run_event__free_unpacked(read, NULL);

    event.kind = EVENT_ITERATION_STARTED;
    read = there_and_back(&event, HEDDLE__V1__PAYLOADS__PAYLOADS_JSON);
    assert_int_equal(read->iteration_started->iteration_length, 8);
    assert_string_equal(read->iteration_started->loop_id, "lo");
    heddle__v1__run_event__free_unpacked(read, NULL);
    event.kind = EVENT_LOOP_STARTED;
    read = there_and_back(&event, HEDDLE__V1__PAYLOADS__PAYLOADS_JSON);
    assert_int_equal(read->loop_started->loop_length, 8);
    heddle__v1__run_event__free_unpacked(read, NULL);
    event.kind = EVENT_LOOP_NEXT;
    read = there_and_back(&event, HEDDLE__V1__PAYLOADS__PAYLOADS_JSON);
    assert_int_equal(read->loop_next->index, 3);
    assert_string_equal(read->loop_next->iteration_id, "it");
    heddle__v1__run_event__free_unpacked(read, NULL);
    value_unref(object);
}

static void texts(void **state)
{
    (void)state;
    static const struct str selector[] = {{"llm", 3}, {"text", 4}};
    struct run_event event = event_of(EVENT_MESSAGE);
    event.text =
        (struct event_text){.text = STR("Hel"), .offset = 12, .selector = selector, .selector_count = 2};
    Heddle__V1__RunEvent *read = there_and_back(&event, HEDDLE__V1__PAYLOADS__PAYLOADS_STRUCT);
    assert_string_equal(read->message->answer, "Hel");
    assert_int_equal(read->message->offset, 12);
    assert_int_equal(read->message->n_from_variable_selector, 2);
    assert_string_equal(read->message->from_variable_selector[1], "text");
    heddle__v1__run_event__free_unpacked(read, NULL);
    event.kind = EVENT_TEXT_CHUNK;
    read = there_and_back(&event, HEDDLE__V1__PAYLOADS__PAYLOADS_STRUCT);
    assert_string_equal(read->text_chunk->text, "Hel");
    heddle__v1__run_event__free_unpacked(read, NULL);
    event.kind = EVENT_MESSAGE_REPLACE;
    event.text.reason = STR("output_moderation");
    read = there_and_back(&event, HEDDLE__V1__PAYLOADS__PAYLOADS_STRUCT);
    assert_string_equal(read->message_replace->reason, "output_moderation");
    heddle__v1__run_event__free_unpacked(read, NULL);
    event = event_of(EVENT_REASONING_CHUNK);
    event.reasoning = (struct event_reasoning){.text = STR("hm"), .node_id = STR("llm"), .is_final = true};
    read = there_and_back(&event, HEDDLE__V1__PAYLOADS__PAYLOADS_STRUCT);
    assert_true(read->reasoning_chunk->is_final);
    heddle__v1__run_event__free_unpacked(read, NULL);
}

static void the_end_of_a_run(void **state)
{
    (void)state;
    struct run_event event = event_of(EVENT_MESSAGE_END);
    struct value *reasoning = json("{\"llm\": \"because\"}");
    event.message_end.usage =
        (struct usage){.prompt_tokens = 10, .completion_tokens = 5, .latency_ms = 700, .first_token_ms = 200};
    event.message_end.reasoning = reasoning;
    Heddle__V1__RunEvent *read = there_and_back(&event, HEDDLE__V1__PAYLOADS__PAYLOADS_STRUCT);
    const Heddle__V1__MessageMetadata *metadata = read->message_end->metadata;
    assert_int_equal(metadata->usage->total_tokens, 15);
    assert_string_equal(metadata->usage->total_price, "0");
    assert_string_equal(metadata->usage->currency, "USD");
    assert_int_equal(metadata->usage->time_to_first_token_ms, 200);
    assert_int_equal(metadata->usage->time_to_generate_ms, 500);
    assert_int_equal(metadata->n_reasoning, 1);
    assert_string_equal(metadata->reasoning[0]->value, "because");
    heddle__v1__run_event__free_unpacked(read, NULL);
    value_unref(reasoning);

    event = event_of(EVENT_WORKFLOW_FINISHED);
    event.finished = (struct event_finished){.workflow_id = STR("w"),
                                             .status = RUN_STATUS_FAILED,
                                             .reason = END_REASON_NODE_FAILED,
                                             .error = STR("why"),
                                             .elapsed_ms = 9,
                                             .total_tokens = 15,
                                             .total_steps = 3,
                                             .exceptions_count = 1,
                                             .created_at_ms = 1,
                                             .finished_at_ms = 10,
                                             .end_user_id = STR("e"),
                                             .user = STR("u")};
    read = there_and_back(&event, HEDDLE__V1__PAYLOADS__PAYLOADS_JSON);
    const Heddle__V1__WorkflowFinished *end = read->workflow_finished;
    assert_int_equal(end->status, HEDDLE__V1__RUN_STATUS__RUN_STATUS_FAILED);
    assert_int_equal(end->end_reason, HEDDLE__V1__END_REASON__END_REASON_NODE_FAILED);
    assert_string_equal(end->outputs_json, "{}");
    assert_string_equal(end->error, "why");
    assert_int_equal(end->exceptions_count, 1);
    assert_string_equal(end->user, "u");
    assert_null(end->retry_info);
    heddle__v1__run_event__free_unpacked(read, NULL);
    event.finished.retry_ms = 250;
    read = there_and_back(&event, HEDDLE__V1__PAYLOADS__PAYLOADS_STRUCT);
    assert_int_equal(read->workflow_finished->retry_info->retry_delay->seconds, 0);
    assert_int_equal(read->workflow_finished->retry_info->retry_delay->nanos, 250000000);
    assert_non_null(read->workflow_finished->outputs);
    heddle__v1__run_event__free_unpacked(read, NULL);

    event = event_of(EVENT_ERROR);
    event.error =
        (struct event_error){.code = STR("invalid_param"), .message = STR("Run failed: why"), .status = 400};
    read = there_and_back(&event, HEDDLE__V1__PAYLOADS__PAYLOADS_STRUCT);
    assert_int_equal(read->error->status, 400);
    heddle__v1__run_event__free_unpacked(read, NULL);
    event = event_of(EVENT_PING);
    read = there_and_back(&event, HEDDLE__V1__PAYLOADS__PAYLOADS_STRUCT);
    assert_int_equal(read->event_case, HEDDLE__V1__RUN_EVENT__EVENT_PING);
    heddle__v1__run_event__free_unpacked(read, NULL);
}

static void usage_has_prices(void **state)
{
    (void)state;
    struct usage usage = {.prompt_tokens = 10,
                          .completion_tokens = 5,
                          .first_token_ms = -1,
                          .price = {.prompt = 150,
                                    .completion = 20000001,
                                    .prompt_unit_price = STR("1.5"),
                                    .price_unit = STR("0.000001"),
                                    .currency = STR("EUR")}};
    struct buf bytes;
    buf_init(&bytes, 4096);
    event_encode_usage(&usage, &bytes);
    assert_false(bytes.failed);
    Heddle__V1__Usage *read = heddle__v1__usage__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
    assert_non_null(read);
    assert_int_equal(read->prompt_tokens, 10);
    assert_string_equal(read->prompt_unit_price, "1.5");
    assert_string_equal(read->prompt_price_unit, "0.000001");
    assert_string_equal(read->prompt_price, "0.0000150");
    assert_string_equal(read->completion_unit_price, "0");
    assert_string_equal(read->completion_price_unit, "0.000001");
    assert_string_equal(read->completion_price, "2.0000001");
    assert_int_equal(read->total_tokens, 15);
    assert_string_equal(read->total_price, "2.0000151");
    assert_string_equal(read->currency, "EUR");
    assert_int_equal(read->time_to_first_token_ms, 0);
    heddle__v1__usage__free_unpacked(read, NULL);
    buf_fini(&bytes);
}

/* Records are lists of such fields, one behind the other. */
static void nodes_of_a_record(void **state)
{
    (void)state;
    struct value_builder b;
    value_object_begin(&b, NULL);
    value_object_put(&b, STR("key"), value_secret(NULL, STR("abcdefghijklmnop")));
    value_object_put(&b, STR("n"), value_int(NULL, 7));
    struct value *object = value_object_end(&b);
    struct event_node node = full_node(object);
    struct buf bytes;
    buf_init(&bytes, 4096);
    event_encode_node_record(&node, &bytes);
    node.node_id = STR("m");
    event_encode_node_record(&node, &bytes);
    assert_false(bytes.failed);
    Heddle__V1__Run *run = heddle__v1__run__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
    assert_non_null(run);
    assert_int_equal(run->n_nodes, 2);
    assert_string_equal(run->nodes[0]->node_id, "n");
    assert_string_equal(run->nodes[1]->node_id, "m");
    const Heddle__V1__NodeFinished *read = run->nodes[0];
    assert_null(read->inputs);
    assert_string_equal(read->outputs_json, "{\"key\":\"abcdef************op\",\"n\":7}");
    assert_string_equal(read->inputs_json, read->outputs_json);
    assert_string_equal(read->process_data_json, read->outputs_json);
    assert_string_equal(read->error, "words");
    assert_int_equal(read->loop_index, 4);
    assert_int_equal(read->retry_info->retry_delay->seconds, 42);
    heddle__v1__run__free_unpacked(run, NULL);
    buf_fini(&bytes);
    value_unref(object);
}

static void files_of_a_record(void **state)
{
    (void)state;
    enum { ANSWER_FILES = 13 };
    struct value *files =
        json("[{\"type\": \"image\", \"url\": \"https://e.example/a.png\"}, {\"type\": \"audio\"}]");
    struct buf bytes;
    buf_init(&bytes, 4096);
    event_encode_files(ANSWER_FILES, NULL, &bytes);
    assert_int_equal(bytes.len, 0);
    event_encode_files(ANSWER_FILES, files, &bytes);
    Heddle__V1__ConversationMessage *read =
        heddle__v1__conversation_message__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
    assert_non_null(read);
    assert_int_equal(read->n_answer_files, 2);
    assert_string_equal(read->answer_files[0]->url, "https://e.example/a.png");
    assert_string_equal(read->answer_files[1]->type, "audio");
    heddle__v1__conversation_message__free_unpacked(read, NULL);
    buf_fini(&bytes);
    value_unref(files);
}

static void what_a_caller_wants(void **state)
{
    (void)state;
    static const struct {
        enum run_event_kind kind;
        bool in_text, in_final;
    } rows[] = {
        {EVENT_WORKFLOW_STARTED, true, false},
        {EVENT_NODE_STARTED, false, false},
        {EVENT_NODE_FINISHED, false, false},
        {EVENT_NODE_RETRY, false, false},
        {EVENT_LOOP_NEXT, false, false},
        {EVENT_MESSAGE, true, false},
        {EVENT_TEXT_CHUNK, true, false},
        {EVENT_REASONING_CHUNK, true, false},
        {EVENT_MESSAGE_REPLACE, true, false},
        {EVENT_MESSAGE_END, true, true},
        {EVENT_ERROR, true, true},
        {EVENT_WORKFLOW_FINISHED, true, true},
        {EVENT_PING, true, true},
    };
    struct event_envelope all = envelope_of(HEDDLE__V1__EVENTS__EVENTS_ALL, 0),
                          text = envelope_of(HEDDLE__V1__EVENTS__EVENTS_TEXT, 0),
                          final = envelope_of(HEDDLE__V1__EVENTS__EVENTS_FINAL, 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_true(event_is_wanted(&all, rows[i].kind));
        assert_int_equal(event_is_wanted(&text, rows[i].kind), rows[i].in_text);
        assert_int_equal(event_is_wanted(&final, rows[i].kind), rows[i].in_final);
    }
}

static void what_does_not_fit_fails_the_buffer(void **state)
{
    (void)state;
    struct event_envelope envelope = envelope_of(HEDDLE__V1__EVENTS__EVENTS_ALL, 0);
    struct run_event event = event_of(EVENT_ERROR);
    event.error.message = STR("some words that are longer than the room there is");
    for (size_t room = 0; room < 100; room += 9) {
        struct buf bytes;
        buf_init(&bytes, room);
        event_encode(&envelope, &event, &bytes);
        assert_true(bytes.failed);
        buf_fini(&bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_that_finished),
        cmocka_unit_test(payloads_as_json_keep_order_and_numbers_and_none_leaves_them_out),
        cmocka_unit_test(a_secret_is_masked_in_both_forms),
        cmocka_unit_test(containers),
        cmocka_unit_test(texts),
        cmocka_unit_test(the_end_of_a_run),
        cmocka_unit_test(usage_has_prices),
        cmocka_unit_test(nodes_of_a_record),
        cmocka_unit_test(files_of_a_record),
        cmocka_unit_test(what_a_caller_wants),
        cmocka_unit_test(what_does_not_fit_fails_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
