/* Requests: what is refused and under which field, and that everything a caller says reaches the executor. */
#include "tests/support/check.h"
#include <stdlib.h>
#include <string.h>

#include "gateway/api/requests.h"

#define RUN_ID "019aaf00-0000-7000-8000-0000000000aa"

static char user_of_255[REQUEST_USER_BYTES_MAX + 1], user_of_256[REQUEST_USER_BYTES_MAX + 2];

static void check_chat_row(const char *name, Heddle__V1__SendMessageRequest *chat, enum status_code expected,
                           const char *field)
{
    struct run_request request = {.service = RUN_CHAT, .chat = chat};
    struct status err = {.code = STATUS_OK};
    enum status_code rc = request_check(&request, &err);
    if (rc != expected || (expected == STATUS_INVALID_ARGUMENT && strcmp(err.field, field) != 0))
        fail_msg("%s: %s, field \"%s\"", name, status_code_name(rc), err.field);
}

static void a_chat_request_is_checked_field_by_field(void **state)
{
    (void)state;
    Google__Protobuf__Struct inputs = GOOGLE__PROTOBUF__STRUCT__INIT;
    const struct {
        const char *name, *query, *user, *run_id, *version_id, *conversation_id, *parent, *json;
        bool has_inputs;
        int on_disconnect, events, payloads;
        enum status_code code;
        const char *field;
    } rows[] = {
        {"plain", "hi", "u", "", "", "", "", "", false, 0, 0, 0, STATUS_OK, ""},
        {"everything", "hi", user_of_255, RUN_ID, RUN_ID, "", RUN_ID, "{}", false, 1, 2, 2, STATUS_OK, ""},
        {"inputs", "hi", "u", "", "", "", "", "", true, 0, 0, 0, STATUS_OK, ""},
        {"no query", "", "u", "", "", "", "", "", false, 0, 0, 0, STATUS_INVALID_ARGUMENT, "query"},
        {"blank query", " \t\n", "u", "", "", "", "", "", false, 0, 0, 0, STATUS_INVALID_ARGUMENT, "query"},
        {"no user", "hi", "", "", "", "", "", "", false, 0, 0, 0, STATUS_INVALID_ARGUMENT, "user"},
        {"long user", "hi", user_of_256, "", "", "", "", "", false, 0, 0, 0, STATUS_INVALID_ARGUMENT, "user"},
        {"run id", "hi", "u", "7", "", "", "", "", false, 0, 0, 0, STATUS_INVALID_ARGUMENT, "run_id"},
        {"upper case", "hi", "u", "019AAF00-0000-7000-8000-0000000000AA", "", "", "", "", false, 0, 0, 0,
         STATUS_INVALID_ARGUMENT, "run_id"},
        {"version", "hi", "u", "", "v1", "", "", "", false, 0, 0, 0, STATUS_INVALID_ARGUMENT, "version_id"},
        {"parent", "hi", "u", "", "", "", "p", "", false, 0, 0, 0, STATUS_INVALID_ARGUMENT,
         "parent_message_id"},
        {"conversation", "hi", "u", "", "", RUN_ID, "", "", false, 0, 0, 0, STATUS_OK, ""},
        {"no conversation id", "hi", "u", "", "", "c", "", "", false, 0, 0, 0, STATUS_INVALID_ARGUMENT,
         "conversation_id"},
        {"both inputs", "hi", "u", "", "", "", "", "{}", true, 0, 0, 0, STATUS_INVALID_ARGUMENT,
         "inputs_json"},
        {"on_disconnect", "hi", "u", "", "", "", "", "", false, 2, 0, 0, STATUS_INVALID_ARGUMENT,
         "on_disconnect"},
        {"events", "hi", "u", "", "", "", "", "", false, 0, 3, 0, STATUS_INVALID_ARGUMENT, "events"},
        {"payloads", "hi", "u", "", "", "", "", "", false, 0, 0, -1, STATUS_INVALID_ARGUMENT, "payloads"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        Heddle__V1__SendMessageRequest chat = HEDDLE__V1__SEND_MESSAGE_REQUEST__INIT;
        chat.query = (char *)rows[i].query;
        chat.user = (char *)rows[i].user;
        chat.run_id = (char *)rows[i].run_id;
        chat.version_id = (char *)rows[i].version_id;
        chat.conversation_id = (char *)rows[i].conversation_id;
        chat.parent_message_id = (char *)rows[i].parent;
        chat.inputs_json = (char *)rows[i].json;
        chat.inputs = rows[i].has_inputs ? &inputs : NULL;
        chat.on_disconnect = (Heddle__V1__OnDisconnect)rows[i].on_disconnect;
        chat.events = (Heddle__V1__Events)rows[i].events;
        chat.payloads = (Heddle__V1__Payloads)rows[i].payloads;
        check_chat_row(rows[i].name, &chat, rows[i].code, rows[i].field);
    }
}

static void a_workflow_request_needs_no_query(void **state)
{
    (void)state;
    Heddle__V1__RunWorkflowRequest workflow = HEDDLE__V1__RUN_WORKFLOW_REQUEST__INIT;
    struct run_request request = {.service = RUN_WORKFLOW, .workflow = &workflow};
    struct status err;
    assert_code(STATUS_INVALID_ARGUMENT, request_check(&request, &err));
    assert_string_equal(err.field, "user");
    workflow.user = "u";
    assert_ok(request_check(&request, &err));
    assert_false(request_outlives_caller(&request));
    workflow.on_disconnect = HEDDLE__V1__ON_DISCONNECT__ON_DISCONNECT_CONTINUE;
    assert_true(request_outlives_caller(&request));
}

/* Sets every field of a message: texts to their own name, choices to 1, messages to empty ones. */
static void fill(ProtobufCMessage *message)
{
    static Google__Protobuf__Struct inputs = GOOGLE__PROTOBUF__STRUCT__INIT;
    static Heddle__V1__File file = HEDDLE__V1__FILE__INIT;
    static Heddle__V1__File *files[] = {&file};
    file.url = "url";
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        void *at = (char *)message + field->offset;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            *(Heddle__V1__File ***)at = files;
            *(size_t *)((char *)message + field->quantifier_offset) = 1;
        } else if (field->type == PROTOBUF_C_TYPE_STRING) {
            *(const char **)at = field->name;
        } else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
            *(Google__Protobuf__Struct **)at = &inputs;
        } else {
            assert_int_equal(field->type, PROTOBUF_C_TYPE_ENUM);
            *(int *)at = 1;
        }
    }
}

/* Fields of the caller's request that the executor is told in another way, or not at all. */
static bool is_the_gateways(const char *name)
{
    static const char *const names[] = {"run_id", "version_id", "conversation_id"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

static void assert_handed_on(const ProtobufCMessage *request,
                             const Heddle__Executor__V1__ExecuteRequest *execute)
{
    for (unsigned i = 0; i < request->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &request->descriptor->fields[i];
        if (is_the_gateways(field->name))
            continue;
        const ProtobufCFieldDescriptor *other =
            protobuf_c_message_descriptor_get_field_by_name(execute->base.descriptor, field->name);
        assert_non_null(other);
        size_t size = field->type == PROTOBUF_C_TYPE_ENUM ? sizeof(int) : sizeof(void *);
        if (memcmp((const char *)request + field->offset, (const char *)execute + other->offset, size) != 0)
            fail_msg("%s is not handed on", field->name);
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            assert_memory_equal((const char *)request + field->quantifier_offset,
                                (const char *)execute + other->quantifier_offset, sizeof(size_t));
    }
}

static void everything_a_caller_says_reaches_the_executor(void **state)
{
    (void)state;
    Heddle__V1__SendMessageRequest chat = HEDDLE__V1__SEND_MESSAGE_REQUEST__INIT;
    Heddle__V1__RunWorkflowRequest workflow = HEDDLE__V1__RUN_WORKFLOW_REQUEST__INIT;
    fill(&chat.base);
    fill(&workflow.base);
    Heddle__Executor__V1__ExecuteRequest execute = HEDDLE__EXECUTOR__V1__EXECUTE_REQUEST__INIT;
    request_to_executor(&(struct run_request){.service = RUN_CHAT, .chat = &chat}, &execute);
    assert_int_equal(execute.mode, HEDDLE__EXECUTOR__V1__RUN_MODE__RUN_MODE_CHAT);
    assert_handed_on(&chat.base, &execute);
    heddle__executor__v1__execute_request__init(&execute);
    request_to_executor(&(struct run_request){.service = RUN_WORKFLOW, .workflow = &workflow}, &execute);
    assert_int_equal(execute.mode, HEDDLE__EXECUTOR__V1__RUN_MODE__RUN_MODE_WORKFLOW);
    assert_handed_on(&workflow.base, &execute);
}

static void a_request_is_read_from_its_bytes(void **state)
{
    (void)state;
    struct status err;
    struct run_request request = {.service = RUN_CHAT};
    assert_ok(request_read(&request, STR("\x0a\x02hi\x22\x03u-1\x42\x01r\x4a\x01v"), &err));
    assert_str("u-1", request_user(&request));
    assert_str("r", request_run_id(&request));
    assert_str("v", request_version_id(&request));
    request_free(&request);
    request_free(&request);
    request = (struct run_request){.service = RUN_WORKFLOW};
    assert_ok(request_read(&request, STR("\x1a\x03u-2\x2a\x01r\x32\x01v"), &err));
    assert_str("u-2", request_user(&request));
    assert_str("r", request_run_id(&request));
    assert_str("v", request_version_id(&request));
    request_free(&request);
}

int main(void)
{
    memset(user_of_255, 'u', sizeof user_of_255 - 1);
    memset(user_of_256, 'u', sizeof user_of_256 - 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chat_request_is_checked_field_by_field),
        cmocka_unit_test(a_workflow_request_needs_no_query),
        cmocka_unit_test(everything_a_caller_says_reaches_the_executor),
        cmocka_unit_test(a_request_is_read_from_its_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
