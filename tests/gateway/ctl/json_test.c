/* Messages as JSON: every kind of field as proto3 JSON has it. */
#include "gateway/ctl/json.h"
#include "google/protobuf/descriptor.pb-c.h"
#include "google/protobuf/struct.pb-c.h"
#include "heddle/executor/v1/executor.pb-c.h"
#include "heddle/v1/admin.pb-c.h"
#include "heddle/v1/events.pb-c.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static void assert_json(const char *expected, const ProtobufCMessage *message, enum json_layout layout)
{
    struct buf b;
    buf_init(&b, 100000);
    message_put_json(&b, message, layout);
    buf_put_char(&b, '\0');
    assert_false(b.failed);
    assert_string_equal(expected, b.ptr);
    buf_fini(&b);
}

static void fields_at_their_default_are_left_out(void **state)
{
    (void)state;
    Heddle__V1__App app = HEDDLE__V1__APP__INIT;
    assert_json("{}\n", &app.base, JSON_ONE_LINE);
    assert_json("{}\n", &app.base, JSON_PRETTY);
}

static void names_are_camel_case_and_64_bit_numbers_are_texts(void **state)
{
    (void)state;
    Heddle__V1__App app = HEDDLE__V1__APP__INIT;
    app.app_id = (char *)"a-1";
    app.name = (char *)"Say \"hi\"\n\\ 織";
    app.disabled = true;
    app.max_active_requests = -3;
    app.created_at_ms = INT64_MIN;
    assert_json("{\"appId\": \"a-1\", \"name\": \"Say \\\"hi\\\"\\n\\\\ 織\", \"disabled\": true, "
                "\"maxActiveRequests\": -3, \"createdAtMs\": \"-9223372036854775808\"}\n",
                &app.base, JSON_ONE_LINE);
}

static void unsigned_numbers_keep_their_size(void **state)
{
    (void)state;
    Heddle__V1__RunEvent event = HEDDLE__V1__RUN_EVENT__INIT;
    Heddle__Executor__V1__Begun begun = HEDDLE__EXECUTOR__V1__BEGUN__INIT;
    event.sequence = UINT64_MAX;
    begun.attempt = UINT32_MAX;
    assert_json("{\"sequence\": \"18446744073709551615\"}\n", &event.base, JSON_ONE_LINE);
    assert_json("{\"attempt\": 4294967295}\n", &begun.base, JSON_ONE_LINE);
}

static void a_chosen_member_is_shown_even_at_its_default(void **state)
{
    (void)state;
    Heddle__V1__UpdateAppRequest request = HEDDLE__V1__UPDATE_APP_REQUEST__INIT;
    assert_json("{}\n", &request.base, JSON_ONE_LINE);
    request.has_disabled_case = HEDDLE__V1__UPDATE_APP_REQUEST__HAS_DISABLED_DISABLED;
    request.has_name_case = HEDDLE__V1__UPDATE_APP_REQUEST__HAS_NAME_NAME;
    request.name = (char *)"";
    assert_json("{\"disabled\": false, \"name\": \"\"}\n", &request.base, JSON_ONE_LINE);
}

static void of_a_choice_only_the_chosen_member_is_shown(void **state)
{
    (void)state;
    char *selector[] = {(char *)"llm", (char *)"text"};
    Heddle__V1__Message message = HEDDLE__V1__MESSAGE__INIT;
    Heddle__V1__RunEvent event = HEDDLE__V1__RUN_EVENT__INIT;
    message.answer = (char *)"Hi";
    message.offset = 4;
    message.from_variable_selector = selector;
    message.n_from_variable_selector = 2;
    event.event_case = HEDDLE__V1__RUN_EVENT__EVENT_MESSAGE;
    event.message = &message;
    assert_json("{\"message\": {\"answer\": \"Hi\", \"offset\": \"4\", \"fromVariableSelector\": [\"llm\", "
                "\"text\"]}}\n",
                &event.base, JSON_ONE_LINE);
    Heddle__V1__Ping ping = HEDDLE__V1__PING__INIT;
    event.event_case = HEDDLE__V1__RUN_EVENT__EVENT_PING;
    event.ping = &ping;
    assert_json("{\"ping\": {}}\n", &event.base, JSON_ONE_LINE);
}

static void enums_are_named_and_unknown_ones_numbered(void **state)
{
    (void)state;
    Heddle__V1__WorkflowFinished finished = HEDDLE__V1__WORKFLOW_FINISHED__INIT;
    finished.status = HEDDLE__V1__RUN_STATUS__RUN_STATUS_PARTIAL_SUCCEEDED;
    finished.end_reason = (Heddle__V1__EndReason)99; /* of a newer server */
    assert_json("{\"status\": \"RUN_STATUS_PARTIAL_SUCCEEDED\", \"endReason\": 99}\n", &finished.base,
                JSON_ONE_LINE);
}

static void bytes_are_base64(void **state)
{
    (void)state;
    uint8_t hash[] = {0, 0xff, 0x10, 0x80};
    Heddle__Executor__V1__ExecuteRequest request = HEDDLE__EXECUTOR__V1__EXECUTE_REQUEST__INIT;
    request.version_hash = (ProtobufCBinaryData){sizeof hash, hash};
    assert_json("{\"versionHash\": \"AP8QgA==\"}\n", &request.base, JSON_ONE_LINE);
    Heddle__Executor__V1__Events events = HEDDLE__EXECUTOR__V1__EVENTS__INIT;
    ProtobufCBinaryData items[] = {{1, hash + 1}, {0, NULL}};
    events.event = items;
    events.n_event = 2;
    assert_json("{\"event\": [\"/w==\", \"\"]}\n", &events.base, JSON_ONE_LINE);
}

static void repeated_messages_are_a_list_and_pretty_is_indented(void **state)
{
    (void)state;
    Heddle__V1__Problem one = HEDDLE__V1__PROBLEM__INIT, two = HEDDLE__V1__PROBLEM__INIT;
    Heddle__V1__Problem *problems[] = {&one, &two};
    Heddle__V1__ImportAppResponse reply = HEDDLE__V1__IMPORT_APP_RESPONSE__INIT;
    one.path = (char *)"app.mode";
    two.hint = (char *)"mend";
    reply.problems = problems;
    reply.n_problems = 2;
    assert_json("{\"problems\": [{\"path\": \"app.mode\"}, {\"hint\": \"mend\"}]}\n", &reply.base,
                JSON_ONE_LINE);
    assert_json("{\n"
                "  \"problems\": [\n"
                "    {\n"
                "      \"path\": \"app.mode\"\n"
                "    },\n"
                "    {\n"
                "      \"hint\": \"mend\"\n"
                "    }\n"
                "  ]\n"
                "}\n",
                &reply.base, JSON_PRETTY);
}

static void repeated_numbers_are_a_list(void **state)
{
    (void)state;
    int32_t path[] = {4, 0, -1};
    Google__Protobuf__SourceCodeInfo__Location location = GOOGLE__PROTOBUF__SOURCE_CODE_INFO__LOCATION__INIT;
    location.path = path;
    location.n_path = 3;
    assert_json("{\"path\": [4, 0, -1]}\n", &location.base, JSON_ONE_LINE);
}

static void a_struct_is_plain_json(void **state)
{
    (void)state;
    static const struct {
        double number;
        const char *json;
    } numbers[] = {
        {0, "0"},
        {-0.0, "-0"},
        {5, "5"},
        {-12, "-12"},
        {0.1, "0.1"},
        {1.0 / 3, "0.3333333333333333"},
        {0.7, "0.7"},
        {1e300, "1e+300"},
        {5e-324, "4.94065645841247e-324"},
        {9007199254740993.0, "9007199254740992"},
        {123456789012345.0, "123456789012345"},
        {NAN, "\"NaN\""},
        {INFINITY, "\"Infinity\""},
        {-INFINITY, "\"-Infinity\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        char expected[64];
        Google__Protobuf__Value value = GOOGLE__PROTOBUF__VALUE__INIT;
        value.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE;
        value.number_value = numbers[i].number;
        snprintf(expected, sizeof expected, "%s\n", numbers[i].json);
        assert_json(expected, &value.base, JSON_ONE_LINE);
    }
}

static void a_struct_nests(void **state)
{
    (void)state;
    Google__Protobuf__Value text = GOOGLE__PROTOBUF__VALUE__INIT, yes = GOOGLE__PROTOBUF__VALUE__INIT,
                            no = GOOGLE__PROTOBUF__VALUE__INIT, null = GOOGLE__PROTOBUF__VALUE__INIT,
                            unset = GOOGLE__PROTOBUF__VALUE__INIT, list = GOOGLE__PROTOBUF__VALUE__INIT,
                            empty = GOOGLE__PROTOBUF__VALUE__INIT, object = GOOGLE__PROTOBUF__VALUE__INIT;
    Google__Protobuf__ListValue items = GOOGLE__PROTOBUF__LIST_VALUE__INIT,
                                nothing = GOOGLE__PROTOBUF__LIST_VALUE__INIT;
    Google__Protobuf__Struct none = GOOGLE__PROTOBUF__STRUCT__INIT, outputs = GOOGLE__PROTOBUF__STRUCT__INIT;
    text.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE;
    text.string_value = (char *)"a\"b";
    yes.kind_case = no.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE;
    yes.bool_value = true;
    null.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NULL_VALUE;
    Google__Protobuf__Value *members[] = {&text, &yes, &no, &null, &unset, &empty, &object};
    items.values = members;
    items.n_values = ARRAY_LEN(members);
    list.kind_case = empty.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE;
    list.list_value = &items;
    empty.list_value = &nothing;
    object.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE;
    object.struct_value = &none;
    Google__Protobuf__Struct__FieldsEntry entry = GOOGLE__PROTOBUF__STRUCT__FIELDS_ENTRY__INIT;
    Google__Protobuf__Struct__FieldsEntry *entries[] = {&entry};
    entry.key = (char *)"the_key"; /* a key is data: it is not made camelCase */
    entry.value = &list;
    outputs.fields = entries;
    outputs.n_fields = 1;
    Heddle__V1__WorkflowFinished finished = HEDDLE__V1__WORKFLOW_FINISHED__INIT;
    finished.outputs = &outputs;
    assert_json("{\"outputs\": {\"the_key\": [\"a\\\"b\", true, false, null, null, [], {}]}}\n",
                &finished.base, JSON_ONE_LINE);
    finished.outputs = &none;
    assert_json("{\n  \"outputs\": {}\n}\n", &finished.base, JSON_PRETTY);
}

static void json_cannot_steer_a_terminal_and_stays_the_same(void **state)
{
    (void)state;
    Heddle__V1__App app = HEDDLE__V1__APP__INIT;
    app.name = (char *)"\x1b[31m \x7f \xc2\x9b \u00a0";
    assert_json("{\"name\": \"\\u001b[31m \\u007f \\u009b \u00a0\"}\n", &app.base, JSON_ONE_LINE);
}

static void without_memory_the_output_says_so(void **state)
{
    (void)state;
    Heddle__V1__App app = HEDDLE__V1__APP__INIT;
    app.name = (char *)"a name";
    for (size_t n = 0;; n++) {
        struct buf b;
        buf_init(&b, 100000);
        alloc_fail_after(n);
        message_put_json(&b, &app.base, JSON_PRETTY);
        alloc_fail_reset();
        bool has_failed = b.failed;
        buf_fini(&b);
        assert_int_equal(alloc_fail_hit(), has_failed);
        if (!has_failed)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_at_their_default_are_left_out),
        cmocka_unit_test(names_are_camel_case_and_64_bit_numbers_are_texts),
        cmocka_unit_test(unsigned_numbers_keep_their_size),
        cmocka_unit_test(a_chosen_member_is_shown_even_at_its_default),
        cmocka_unit_test(of_a_choice_only_the_chosen_member_is_shown),
        cmocka_unit_test(enums_are_named_and_unknown_ones_numbered),
        cmocka_unit_test(bytes_are_base64),
        cmocka_unit_test(repeated_messages_are_a_list_and_pretty_is_indented),
        cmocka_unit_test(repeated_numbers_are_a_list),
        cmocka_unit_test(a_struct_is_plain_json),
        cmocka_unit_test(a_struct_nests),
        cmocka_unit_test(json_cannot_steer_a_terminal_and_stays_the_same),
        cmocka_unit_test(without_memory_the_output_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
