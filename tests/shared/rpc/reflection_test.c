/*
 * Reflection as tools use it.
 */
#include "shared/rpc/wire.h"
#include "tests/shared/rpc/kit.h"
#include <google/protobuf/descriptor.pb-c.h>
#include <grpc/reflection/v1/reflection.pb-c.h>
#include <stdlib.h>
#include <string.h>

typedef Grpc__Reflection__V1__ServerReflectionResponse response_t;

enum { FILE_BY_NAME = 3, FILE_OF_SYMBOL = 4, EXTENSION = 5, ALL_EXTENSIONS = 6, LIST = 7 };

static int open_kit(void **state)
{
    struct kit *kit = calloc(1, sizeof *kit);
    kit_open(kit, 1);
    *state = kit;
    return 0;
}

static int close_kit(void **state)
{
    kit_close(*state);
    free(*state);
    return 0;
}

/* One question on a stream of its own. */
static response_t *ask(struct kit *kit, uint32_t question, const char *text)
{
    struct buf b;
    grpc_slice request, answer;
    buf_init(&b, 4096);
    wire_put_bytes(&b, 1, STR("here"));
    wire_put_bytes(&b, question, str_c(text));
    assert_true(rpc_slice_take_buf(&b, &request));
    struct rpc_client_args args = kit_args(kit, KIT_REFLECT);
    struct rpc_blocking_stream *stream;
    struct status status;
    assert_ok(rpc_blocking_stream_new(kit->channel, &args, request, &stream, &status));
    assert_true(rpc_blocking_stream_next(stream, &answer, &status));
    struct str bytes = rpc_slice_str(&answer);
    response_t *response =
        grpc__reflection__v1__server_reflection_response__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
    assert_non_null(response);
    grpc_slice_unref(answer);
    assert_false(rpc_blocking_stream_next(stream, &answer, &status));
    assert_code(STATUS_OK, status.code);
    rpc_blocking_stream_free(stream);
    assert_string_equal("here", response->valid_host);
    assert_non_null(response->original_request);
    return response;
}

static void end(response_t *response)
{
    grpc__reflection__v1__server_reflection_response__free_unpacked(response, NULL);
}

static void a_server_lists_its_own_services(void **state)
{
    response_t *response = ask(*state, LIST, "");
    assert_int_equal(
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE,
        response->message_response_case);
    assert_int_equal(4, response->list_services_response->n_service);
    assert_string_equal("grpc.health.v1.Health", response->list_services_response->service[0]->name);
    assert_string_equal("test.v1.Test", response->list_services_response->service[3]->name);
    end(response);
}

/* The first file of the answer is the one asked for, and everything any of them imports is there once. */
static void check_files(const response_t *response, const char *name)
{
    assert_int_equal(
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE,
        response->message_response_case);
    size_t count = response->file_descriptor_response->n_file_descriptor_proto;
    Google__Protobuf__FileDescriptorProto **files =
        calloc(count, sizeof(Google__Protobuf__FileDescriptorProto *));
    for (size_t i = 0; i < count; i++) {
        ProtobufCBinaryData bytes = response->file_descriptor_response->file_descriptor_proto[i];
        files[i] = google__protobuf__file_descriptor_proto__unpack(NULL, bytes.len, bytes.data);
        assert_non_null(files[i]);
    }
    assert_string_equal(name, files[0]->name);
    for (size_t i = 0; i < count; i++) {
        for (size_t d = 0; d < files[i]->n_dependency; d++) {
            unsigned found = 0;
            for (size_t k = 0; k < count; k++)
                found += strcmp(files[i]->dependency[d], files[k]->name) == 0;
            assert_int_equal(1, found);
        }
    }
    for (size_t i = 0; i < count; i++)
        google__protobuf__file_descriptor_proto__free_unpacked(files[i], NULL);
    free(files);
}

static void files_are_found_by_name_and_by_symbol(void **state)
{
    static const struct {
        uint32_t question;
        const char *text, *file;
    } cases[] = {
        {FILE_BY_NAME, "heddle/v1/chat.proto", "heddle/v1/chat.proto"},
        {FILE_BY_NAME, "google/protobuf/struct.proto", "google/protobuf/struct.proto"},
        {FILE_OF_SYMBOL, "heddle.v1.ChatService", "heddle/v1/chat.proto"},
        {FILE_OF_SYMBOL, "heddle.v1.ChatService.SendMessage", "heddle/v1/chat.proto"},
        {FILE_OF_SYMBOL, "heddle.v1.RunEvent", "heddle/v1/events.proto"},
        {FILE_OF_SYMBOL, "heddle.v1.RunStatus", "heddle/v1/events.proto"},
        {FILE_OF_SYMBOL, "heddle.v1.RunEvent.sequence", "heddle/v1/events.proto"},
        {FILE_OF_SYMBOL, "google.protobuf.Struct.FieldsEntry", "google/protobuf/struct.proto"},
        {FILE_OF_SYMBOL, "grpc.health.v1.Health", "grpc/health/v1/health.proto"},
        {FILE_OF_SYMBOL, "grpc.reflection.v1.ServerReflection", "grpc/reflection/v1/reflection.proto"},
        {FILE_OF_SYMBOL, "grpc.reflection.v1alpha.ServerReflection",
         "grpc/reflection/v1alpha/reflection.proto"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        response_t *response = ask(*state, cases[i].question, cases[i].text);
        check_files(response, cases[i].file);
        end(response);
    }
}

static void what_is_not_there_is_an_error_message(void **state)
{
    static const struct {
        uint32_t question;
        const char *text;
        enum status_code code;
    } cases[] = {
        {FILE_BY_NAME, "heddle/v2/chat.proto", STATUS_NOT_FOUND},
        {FILE_BY_NAME, "", STATUS_NOT_FOUND},
        {FILE_OF_SYMBOL, "heddle.v1", STATUS_NOT_FOUND},
        {FILE_OF_SYMBOL, "", STATUS_NOT_FOUND},
        {EXTENSION, "", STATUS_NOT_FOUND},
        {ALL_EXTENSIONS, "x", STATUS_UNIMPLEMENTED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        response_t *response = ask(*state, cases[i].question, cases[i].text);
        assert_int_equal(GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE,
                         response->message_response_case);
        assert_int_equal(cases[i].code, response->error_response->error_code);
        end(response);
    }
}

static void a_malformed_question_ends_the_stream(void **state)
{
    struct kit *kit = *state;
    struct rpc_client_args args = kit_args(kit, KIT_REFLECT);
    struct rpc_blocking_stream *stream;
    struct status status;
    grpc_slice answer;
    assert_ok(rpc_blocking_stream_new(kit->channel, &args, grpc_slice_from_static_string("\x1a\x01\xff"),
                                      &stream, &status));
    assert_false(rpc_blocking_stream_next(stream, &answer, &status));
    assert_code(STATUS_INVALID_ARGUMENT, status.code);
    assert_string_equal("file_by_filename", status.field);
    rpc_blocking_stream_free(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_server_lists_its_own_services, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(files_are_found_by_name_and_by_symbol, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_an_error_message, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(a_malformed_question_ends_the_stream, open_kit, close_kit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
