// libs: heddle_gateway_api
/* Any text as a payload: what comes out is a Run that clients may unpack, with a Struct or with the text itself, never both. */
#include "gateway/api/payload.h"
#include "google/protobuf/struct.pb-c.h"
#include "heddle/v1/workflow.pb-c.h"
#include "shared/rpc/wire_check.h"
#include <stdlib.h>

enum { RUN_INPUTS = 7 };

/* A NUL is legal in JSON and in protobuf's strings, but not in those of C. */
static bool may_hold_nul(struct str json)
{
    return str_find(json, STR("\\u0000"), 0) != SIZE_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str json = {(const char *)data, size};
    struct status err;
    struct buf b;
    if (!str_is_utf8(json) || str_find(json, (struct str){"", 1}, 0) != SIZE_MAX || may_hold_nul(json))
        return 0;
    buf_init(&b, 1 << 20);
    payload_put(&b, RUN_INPUTS, json, PAYLOAD_STRUCT);
    if (b.failed && size < 4096)
        abort();
    if (!b.failed && wire_check(&heddle__v1__run__descriptor, buf_str(&b), &err) == STATUS_OK) {
        Heddle__V1__Run *run = heddle__v1__run__unpack(NULL, b.len, (const uint8_t *)b.ptr);
        bool has_text = run->inputs_json[0] != '\0';
        if (size > 0 && (run->inputs != NULL) == has_text)
            abort();
        heddle__v1__run__free_unpacked(run, NULL);
    } else if (!b.failed && size < 4096) {
        abort();
    }
    buf_clear(&b);
    payload_put_text(&b, RUN_INPUTS + 1, json);
    if (b.failed && size < 4096)
        abort();
    buf_fini(&b);
    return 0;
}
