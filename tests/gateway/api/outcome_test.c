/* The last events of a run, made of its record: which, in which order, and what they say. */
#include "tests/support/check.h"
#include <string.h>

#include "gateway/api/outcome.h"
#include "heddle/v1/conversation.pb-c.h"
#include "heddle/v1/events.pb-c.h"
#include "shared/rpc/slice.h"

enum { EVENTS_MAX = 4 };

struct told {
    Heddle__V1__RunEvent *events[EVENTS_MAX];
    size_t count;
};

static struct told tell(const struct store_run *run, const struct outcome_form *form)
{
    struct told told = {.count = 0};
    struct outcome outcome;
    outcome_of_run(&outcome, run, form, 1234);
    while (outcome_has_more(&outcome)) {
        grpc_slice event;
        assert_true(outcome_next(&outcome, 7 + told.count, &event));
        struct str bytes = rpc_slice_str(&event);
        told.events[told.count] = heddle__v1__run_event__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
        assert_non_null(told.events[told.count]);
        assert_int_equal(told.events[told.count]->sequence, 7 + told.count);
        told.count++;
        grpc_slice_unref(event);
    }
    outcome_fini(&outcome);
    return told;
}

static void told_fini(struct told *told)
{
    for (size_t i = 0; i < told->count; i++)
        heddle__v1__run_event__free_unpacked(told->events[i], NULL);
}

static struct store_run chat_run(int status, int end_reason)
{
    return (struct store_run){.run_id = STR("run-1"),
                              .version_id = STR("version-1"),
                              .end_user_id = STR("end-user-1"),
                              .conversation_id = STR("conversation-1"),
                              .message_id = STR("message-1"),
                              .user = STR("u-1"),
                              .status = status,
                              .end_reason = end_reason,
                              .created_at_ms = 1000,
                              .finished_at_ms = 1030,
                              .elapsed_ms = 30,
                              .total_tokens = 12,
                              .total_steps = 3,
                              .exceptions_count = 1,
                              .error = STR("why"),
                              .outputs = STR("{\"answer\":\"hello\"}"),
                              .answer = STR("hello")};
}

/* "message message_end workflow_finished" */
static void assert_order(const struct told *told, const char *order)
{
    struct buf words;
    buf_init(&words, 1024);
    for (size_t i = 0; i < told->count; i++) {
        const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(
            &heddle__v1__run_event__descriptor, (unsigned)told->events[i]->event_case);
        buf_printf(&words, "%s%s", i == 0 ? "" : " ", field->name);
    }
    assert_int_equal(words.len, strlen(order));
    assert_memory_equal(words.ptr, order, words.len);
    buf_fini(&words);
}

static void events_come_in_the_order_of_an_executor(void **state)
{
    (void)state;
    enum {
        OK = HEDDLE__V1__RUN_STATUS__RUN_STATUS_SUCCEEDED,
        PARTLY = HEDDLE__V1__RUN_STATUS__RUN_STATUS_PARTIAL_SUCCEEDED,
        FAILED = HEDDLE__V1__RUN_STATUS__RUN_STATUS_FAILED,
        STOPPED = HEDDLE__V1__RUN_STATUS__RUN_STATUS_STOPPED,
        BY_USER = HEDDLE__V1__END_REASON__END_REASON_STOPPED_BY_USER,
        NODE = HEDDLE__V1__END_REASON__END_REASON_NODE_FAILED,
        LOST = HEDDLE__V1__END_REASON__END_REASON_EXECUTOR_LOST,
        DONE = HEDDLE__V1__END_REASON__END_REASON_COMPLETED,
        ALL = HEDDLE__V1__EVENTS__EVENTS_ALL,
        TEXT = HEDDLE__V1__EVENTS__EVENTS_TEXT,
        FINAL = HEDDLE__V1__EVENTS__EVENTS_FINAL,
    };
    const enum outcome_answer NEW = OUTCOME_ANSWER_NEW, REPLACED = OUTCOME_ANSWER_REPLACED;
    const struct {
        int status, end_reason, events;
        enum outcome_answer answer;
        const char *order;
    } rows[] = {
        {OK, DONE, ALL, NEW, "message message_end workflow_finished"},
        {PARTLY, DONE, TEXT, NEW, "message message_end workflow_finished"},
        {OK, DONE, FINAL, NEW, "message_end workflow_finished"},
        {STOPPED, BY_USER, ALL, NEW, "message workflow_finished message_end"},
        {FAILED, NODE, ALL, NEW, "message workflow_finished error"},
        {FAILED, NODE, FINAL, NEW, "workflow_finished error"},
        {FAILED, LOST, ALL, NEW, "workflow_finished error"},
        {OK, DONE, ALL, REPLACED, "message_replace message_end workflow_finished"},
        {OK, DONE, FINAL, REPLACED, "message_end workflow_finished"},
        {FAILED, NODE, TEXT, REPLACED, "message_replace workflow_finished error"},
        {FAILED, LOST, ALL, REPLACED, "workflow_finished error"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct store_run run = chat_run(rows[i].status, rows[i].end_reason);
        const struct outcome_form form = {.events = rows[i].events, .answer = rows[i].answer};
        struct told told = tell(&run, &form);
        assert_order(&told, rows[i].order);
        told_fini(&told);
        run.message_id = run.conversation_id = run.answer = STR("");
        told = tell(&run, &form);
        assert_order(&told, "workflow_finished"); /* all there is of a workflow */
        told_fini(&told);
    }
}

static void events_say_what_the_record_says(void **state)
{
    (void)state;
    struct store_run run =
        chat_run(HEDDLE__V1__RUN_STATUS__RUN_STATUS_SUCCEEDED, HEDDLE__V1__END_REASON__END_REASON_COMPLETED);
    Heddle__V1__Usage usage = HEDDLE__V1__USAGE__INIT;
    usage.total_tokens = 12;
    uint8_t bytes[64];
    run.usage = (struct str){(char *)bytes, heddle__v1__usage__pack(&usage, bytes)};
    Heddle__V1__FileValue file = HEDDLE__V1__FILE_VALUE__INIT, *files[] = {&file};
    file.filename = "a.png";
    Heddle__V1__ConversationMessage message = HEDDLE__V1__CONVERSATION_MESSAGE__INIT;
    message.n_answer_files = 1;
    message.answer_files = files;
    uint8_t file_bytes[64];
    run.answer_files =
        (struct str){(char *)file_bytes, heddle__v1__conversation_message__pack(&message, file_bytes)};

    struct told told = tell(&run, &(struct outcome_form){.payloads = PAYLOAD_JSON});
    for (size_t i = 0; i < told.count; i++) {
        const Heddle__V1__RunEvent *event = told.events[i];
        assert_string_equal(event->task_id, "run-1");
        assert_string_equal(event->workflow_run_id, "run-1");
        assert_string_equal(event->conversation_id, "conversation-1");
        assert_string_equal(event->message_id, "message-1");
        assert_int_equal(event->created_at_ms, 1234);
    }
    assert_string_equal(told.events[0]->message->answer, "hello");
    assert_int_equal(told.events[0]->message->offset, 0);
    assert_int_equal(told.events[1]->message_end->metadata->usage->total_tokens, 12);
    assert_string_equal(told.events[1]->message_end->files[0]->filename, "a.png");
    const Heddle__V1__WorkflowFinished *finished = told.events[2]->workflow_finished;
    assert_string_equal(finished->workflow_id, "version-1");
    assert_int_equal(finished->status, run.status);
    assert_int_equal(finished->end_reason, run.end_reason);
    assert_string_equal(finished->outputs_json, "{\"answer\":\"hello\"}");
    assert_string_equal(finished->error, "why");
    assert_int_equal(finished->elapsed_ms, 30);
    assert_int_equal(finished->total_tokens, 12);
    assert_int_equal(finished->total_steps, 3);
    assert_int_equal(finished->exceptions_count, 1);
    assert_int_equal(finished->created_at_ms, 1000);
    assert_int_equal(finished->finished_at_ms, 1030);
    assert_string_equal(finished->end_user_id, "end-user-1");
    assert_string_equal(finished->user, "u-1");
    assert_string_equal(finished->files[0]->filename, "a.png");
    told_fini(&told);
}

static void the_words_of_a_failure_are_those_of_a_live_run(void **state)
{
    (void)state;
    static const struct {
        int end_reason;
        const char *code, *message;
        int status;
    } rows[] = {
        {HEDDLE__V1__END_REASON__END_REASON_NODE_FAILED, "invalid_param", "Run failed: why", 400},
        {HEDDLE__V1__END_REASON__END_REASON_EXECUTOR_LOST, "internal_server_error", "Run failed: why", 500},
        {HEDDLE__V1__END_REASON__END_REASON_STORE_UNAVAILABLE, "store_unavailable", "why", 503}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct store_run run = chat_run(HEDDLE__V1__RUN_STATUS__RUN_STATUS_FAILED, rows[i].end_reason);
        struct told told = tell(&run, &(struct outcome_form){.payloads = PAYLOAD_NONE});
        const Heddle__V1__Error *error = told.events[told.count - 1]->error;
        assert_string_equal(error->code, rows[i].code);
        assert_string_equal(error->message, rows[i].message);
        assert_int_equal(error->status, rows[i].status);
        told_fini(&told);
    }
}

static void what_was_taken_is_gone_from_where_it_was(void **state)
{
    (void)state;
    struct store_run run =
        chat_run(HEDDLE__V1__RUN_STATUS__RUN_STATUS_SUCCEEDED, HEDDLE__V1__END_REASON__END_REASON_COMPLETED);
    struct outcome first, second;
    outcome_of_run(&first, &run, &(struct outcome_form){.payloads = PAYLOAD_STRUCT}, 1);
    second = outcome_take(&first);
    assert_false(outcome_has_more(&first));
    assert_true(outcome_has_more(&second));
    outcome_fini(&first);
    outcome_fini(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_in_the_order_of_an_executor),
        cmocka_unit_test(events_say_what_the_record_says),
        cmocka_unit_test(the_words_of_a_failure_are_those_of_a_live_run),
        cmocka_unit_test(what_was_taken_is_gone_from_where_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
