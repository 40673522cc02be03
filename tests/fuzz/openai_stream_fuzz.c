// libs: heddle_model
/*
 * Streams and bodies of protocol_openai (see stream.h).
 */
#include "tests/fuzz/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return stream_fuzz(&protocol_openai, data, size);
}
