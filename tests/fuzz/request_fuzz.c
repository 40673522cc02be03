// libs: heddle_gateway_api
/* A caller's bytes: what passes the wire check is read, checked, and packed for an executor. */
#include "gateway/api/requests.h"
#include "shared/rpc/wire_check.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ProtobufCMessageDescriptor *const descriptors[] = {
        [RUN_CHAT] = &heddle__v1__send_message_request__descriptor,
        [RUN_WORKFLOW] = &heddle__v1__run_workflow_request__descriptor,
    };
    if (size == 0)
        return 0;
    struct run_request request = {.service = data[0] % 2 == 0 ? RUN_CHAT : RUN_WORKFLOW};
    struct str bytes = {(const char *)data + 1, size - 1};
    struct status err;
    if (wire_check(descriptors[request.service], bytes, &err) != STATUS_OK)
        return 0;
    if (request_read(&request, bytes, &err) != STATUS_OK)
        abort(); /* what the check accepts can be unpacked */
    if (request_check(&request, &err) == STATUS_OK) {
        Heddle__Executor__V1__ExecuteRequest execute = HEDDLE__EXECUTOR__V1__EXECUTE_REQUEST__INIT;
        request_to_executor(&request, &execute);
        size_t packed_size = protobuf_c_message_get_packed_size(&execute.base);
        uint8_t *packed = malloc(packed_size + 1);
        if (packed == NULL || protobuf_c_message_pack(&execute.base, packed) != packed_size ||
            wire_check(execute.base.descriptor, (struct str){(const char *)packed, packed_size}, &err) !=
                STATUS_OK)
            abort(); /* the executor would refuse it */
        free(packed);
    }
    request_free(&request);
    return 0;
}
