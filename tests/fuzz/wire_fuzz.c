// libs: heddle_rpc
/*
 * What the wire check accepts is unpacked without harm, and packs and checks again. The first byte chooses the message.
 */
#include "shared/rpc/wire_check.h"
#include <assert.h>
#include <google/protobuf/descriptor.pb-c.h>
#include <google/protobuf/struct.pb-c.h>
#include <heddle/executor/v1/executor.pb-c.h>
#include <heddle/v1/admin.pb-c.h>
#include <heddle/v1/chat.pb-c.h>
#include <heddle/v1/events.pb-c.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ProtobufCMessageDescriptor *const types[] = {
        &google__protobuf__struct__descriptor,
        &google__protobuf__file_descriptor_proto__descriptor,
        &heddle__v1__send_message_request__descriptor,
        &heddle__executor__v1__execute_request__descriptor,
        &heddle__executor__v1__execute_frame__descriptor,
        &heddle__v1__run_event__descriptor,
        &heddle__v1__import_app_request__descriptor,
    };
    if (size == 0)
        return 0;
    const ProtobufCMessageDescriptor *type = types[data[0] % ARRAY_LEN(types)];
    struct status err = {0};
    enum status_code rc = wire_check(type, (struct str){(const char *)data + 1, size - 1}, &err);
    if (rc != STATUS_OK) {
        assert(rc == STATUS_INVALID_ARGUMENT && err.code == rc && err.message[0] != '\0');
        return 0;
    }
    ProtobufCMessage *message = protobuf_c_message_unpack(type, NULL, size - 1, data + 1);
    assert(message != NULL || type == &google__protobuf__file_descriptor_proto__descriptor);
    if (message == NULL)
        return 0; /* its options have required fields, which the check does not ask for */
    size_t packed_size = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = malloc(packed_size + 1);
    if (packed != NULL) {
        size_t written = protobuf_c_message_pack(message, packed);
        assert(written == packed_size);
        rc = wire_check(type, (struct str){(const char *)packed, packed_size}, &err);
        assert(rc == STATUS_OK);
        free(packed);
    }
    protobuf_c_message_free_unpacked(message, NULL);
    return 0;
}
