// libs: heddle_rpc
/*
 * Error details of a peer are read without harm, and what was read can be written and read again.
 */
#include "shared/rpc/details.h"
#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct status first = {.code = STATUS_INVALID_ARGUMENT, .message = "words"}, second = first;
    rpc_details_read((struct str){(const char *)data, size}, &first);
    assert(first.retry_ms >= 0 && str_is_utf8(str_c(first.field)));
    assert(first.reason == NULL || strlen(first.reason) < RPC_REASON_BYTES_MAX);

    struct buf b;
    buf_init(&b, RPC_DETAILS_BYTES_MAX);
    rpc_details_put(&b, &first);
    assert(!b.failed);
    rpc_details_read(buf_str(&b), &second);
    assert(second.reason == first.reason && second.retry_ms == first.retry_ms);
    assert(strcmp(second.field, first.field) == 0);
    buf_fini(&b);
    return 0;
}
